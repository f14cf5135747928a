//! alco check prints a line for each thing that it checks, with the cure of a fault, and has an exit status for programs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::clock::Clock;
use crate::support::{ALCO, Alco, Publisher, Stack, body, directory, is_manticore, not_checked};

fn check(ini: &Path, json: bool) -> (Option<i32>, Vec<String>) {
    check_by(ALCO.as_ref(), ini, json)
}

fn check_by(alco: &Path, ini: &Path, json: bool) -> (Option<i32>, Vec<String>) {
    let mut command = Command::new(alco);
    command.args(["check", "--config"]).arg(ini).args(json.then_some("--json")).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&stderr), "");
    (status.code(), String::from_utf8(stdout).unwrap().lines().map(str::to_owned).collect())
}

/// A line with that state and that part has all of the texts.
#[track_caller]
fn shows(lines: &[String], state: &str, part: &str, texts: &[&str]) {
    let start = format!("{state:<8} {part}: ");
    let found = lines.iter().any(|line| line.starts_with(&start) && texts.iter().all(|text| line.contains(text)));
    assert!(found, "no '{start}' with {texts:?} in\n{}", lines.join("\n"));
}

const INI: &str = "[index checked]\ndays = 2\nrouting_keys = checked.#\n";

#[test]
fn users_of_an_index_whom_alco_does_not_know_are_reported() {
    let dir = directory("check-users");
    let (users, ini) = (dir.join("users"), dir.join("alco.ini"));
    fs::write(&users, "@ops: anna\n").unwrap();
    let ini_text =
        format!("[http]\nusers_file = {}\n[index web]\nusers = eve, @ops, @web\n[index all]\n", users.display());
    fs::write(&ini, ini_text).unwrap();
    let (_, lines) = check(&ini, false);
    shows(&lines, "ok", "index web", &["for eve, @ops, @web only"]);
    shows(&lines, "warning", "index web", &["users_file does not have eve, @web; ", "alco passwd", "@group: user"]);
    assert!(!lines.iter().any(|line| line.contains("index all: for")), "{lines:?}");
}

#[test]
fn alco_check_reports_each_fault_with_its_cure() {
    let stack = Stack::private("checked", INI);
    let alone = stack.dir().join("alco.ini");
    before_the_first_run(&alone);
    let alco = Alco::start(&stack, INI);
    all_is_well(&alco);
    clocks_differ(&alco);
    servers_differ_from_the_ini(&stack, &alco);
    the_binlog_is_elsewhere(&stack, &alco);
    everybody_may_read_passwords(&stack, &alco);
    directories_belong_to_another_user(&stack, &alco);
    assert!(alco.stop().success());
    no_server_is_there(&stack, &alone);
}

#[test]
fn a_queue_of_an_index_that_is_gone_is_reported() {
    let stack = Stack::private("left_queue", INI);
    assert!(Alco::start(&stack, &format!("{INI}[index gone]\ndays = 2\nrouting_keys = gone.#\n")).stop().success());
    let alco = Alco::start(&stack, INI);
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "gone.key", (0..3).map(|n| body(&format!("record {n}"))));
    publisher.close();
    let reported = || {
        let (_, lines) = check(&alco.ini, false);
        lines.into_iter().filter(|line| line.contains("nothing collects from ")).collect::<Vec<_>>()
    };
    let lines = reported();
    shows(&lines, "warning", "rabbitmq", &["queue 'gone'", "3 records wait; ", "rabbitmqctl delete_queue gone: "]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    // a node that stopped an hour ago has the index
    let noted = format!("{}\t3.0.0\t\ngone\tqueue\tgone\n", jiff::Timestamp::now().as_second() - 3600);
    stack.ask_redis::<()>(&["HSET", "ALCO:NODES", "other:9306", &noted]);
    assert_eq!(reported(), [""; 0]);
    stack.ask_redis::<()>(&["HDEL", "ALCO:NODES", "other:9306"]);
    assert_eq!(reported().len(), 1);
    stack.rabbitmqctl(&["delete_queue", "gone"]);
    assert_eq!(reported(), [""; 0]);
}

#[track_caller]
fn before_the_first_run(alone: &Path) {
    let (code, lines) = check(alone, false);
    assert_eq!(code, Some(1), "{lines:#?}");
    shows(&lines, "warning", "rabbitmq", &["no exchange 'logstash'", "alco run declares it"]);
    shows(&lines, "warning", "index checked", &["no queue 'checked'", "alco run"]);
    shows(&lines, "warning", "index checked", &["has not bound its queue with checked.#"]);
    shows(&lines, "ok", "index checked", &["serves all 4 day indexes"]);
    let (_, again) = check(alone, false);
    // other programs change the free space of the disk
    let lasting = |lines: &[String]| lines.iter().filter(|line| !line.contains(" free")).cloned().collect::<Vec<_>>();
    assert_eq!(lasting(&lines), lasting(&again), "the first check changed nothing");
}

#[track_caller]
fn all_is_well(alco: &Alco) {
    let (code, lines) = check(&alco.ini, false);
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(lines.iter().all(|line| line.starts_with("ok ")), "{lines:#?}");
    for (part, text) in [
        ("alco.ini", "indexes checked"),
        ("rabbitmq", "RabbitMQ 3."),
        ("rabbitmq", "exchange 'logstash' is as configured"),
        ("index checked", "0 records wait, 1 consumers"),
        ("redis", "Redis "),
        ("searchd", if is_manticore() { "Manticore's searchd " } else { "searchd 2." }),
        ("searchd", "may have it read its configuration again"),
        ("searchd", "its binlog is in "),
        ("searchd", "its clock agrees with this host's"),
        ("redis", "its clock agrees with this host's"),
        ("data_dir", "GiB free"),
        ("alco", "reports: searching works; collecting checked works: 1 of 1 workers"),
    ] {
        shows(&lines, "ok", part, &[text]);
    }
    // the same as JSON
    let (code, objects) = check(&alco.ini, true);
    assert_eq!((code, objects.len()), (Some(0), lines.len()));
    for (object, line) in objects.iter().zip(&lines) {
        let object: serde_json::Value = serde_json::from_str(object).unwrap();
        assert_eq!(object["state"], "ok");
        assert!(line.contains(object["part"].as_str().unwrap()), "{object}");
    }
}

/// The clock of this host differs from those of the servers.
#[track_caller]
fn clocks_differ(alco: &Alco) {
    let clock = Clock::new("check-clock");
    clock.set(jiff::SignedDuration::from_secs(-60));
    let (_, lines) = check_by(&clock.alco, &alco.ini, false);
    for part in ["searchd", "redis"] {
        shows(&lines, "warning", part, &["its clock is ", " s ahead of this host's", "NTP"]);
    }
}

/// searchd does not know of an index, the exchange and the queue have other properties, the files of an old index are left, Redis
/// may evict keys.
#[track_caller]
fn servers_differ_from_the_ini(stack: &Stack, alco: &Alco) {
    fs::create_dir_all(stack.dir().join("searchd/data/gone/20260101")).unwrap();
    stack.ask_redis::<()>(&["CONFIG", "SET", "maxmemory", "100mb"]);
    stack.ask_redis::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let more = stack.dir().join("more.ini");
    let ini = fs::read_to_string(&alco.ini).unwrap();
    let text = ini
        .replace("[index checked]\n", "[index checked]\ndurable = no\n")
        .replace("days = 2", "days = 3")
        .replace("[rabbitmq]\n", "[rabbitmq]\nexchange_durable = no\n");
    let (found, stated) = if is_manticore() { ("Manticore", "sphinx") } else { ("Sphinx", "manticore") };
    let engine = |line: &str| match line.starts_with("dialect = ") {
        true => format!("dialect = {stated}\n"),
        false => format!("{line}\n"),
    };
    let text: String = text.lines().map(engine).collect();
    fs::write(&more, text + "[index new]\n").unwrap();
    let (code, lines) = check(&more, false);
    assert_eq!(code, Some(2), "{lines:#?}");
    shows(&lines, "error", "rabbitmq", &["exchange 'logstash'", "exchange_durable"]);
    shows(&lines, "warning", "searchd", &[&format!("it is {found}, but alco.ini has [sphinx] dialect = {stated}")]);
    shows(&lines, "warning", "index checked", &["queue 'checked' exists with other properties", "durable"]);
    shows(&lines, "error", "index checked", &["does not serve checked_", "kill -HUP"]);
    shows(&lines, "error", "index new", &["does not serve new", "kill -HUP"]);
    shows(&lines, "warning", "redis", &["allkeys-lru", "noeviction"]);
    let (code, objects) = check(&more, true);
    let objects: Vec<serde_json::Value> = objects.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mends = |object: &serde_json::Value| {
        object["state"] == "error" && object["cure"].as_str().is_some_and(|cure| cure.contains("kill -HUP"))
    };
    assert!(code == Some(2) && objects.iter().any(mends), "{objects:#?}");
    shows(&lines, "warning", "data_dir", &["/gone holds days of an index"]);
    a_day_is_another_engine_s(stack, &more);
    fs::write(&more, "[index checked]\ncolums = x\n").unwrap();
    let output = Command::new(ALCO).args(["check", "--config"]).arg(&more).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("more.ini:2: "), "{output:?}");
}

/// searchd does not serve a day that the other engine wrote.
#[track_caller]
fn a_day_is_another_engine_s(stack: &Stack, more: &Path) {
    let (writer, reader, head) = match is_manticore() {
        true => ("Sphinx", "Manticore", b"SPRT\x09\0\0\0".as_slice()),
        false => ("Manticore", "Sphinx", b"{\n\"meta_created_time_utc\":\"2026-11-30T01:14:18.898\"".as_slice()),
    };
    let oldest =
        jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().saturating_sub(jiff::Span::new().days(2));
    let day = stack.dir().join(format!("searchd/data/checked/{}", oldest.strftime("%Y%m%d")));
    fs::create_dir_all(&day).unwrap();
    fs::write(day.join("checked.meta"), head).unwrap();
    let (_, lines) = check(more, false);
    let text = format!("searchd does not serve {}: {writer} wrote it, and {reader} cannot read it", day.display());
    shows(&lines, "error", "index checked", &[&text, "move data_dir away"]);
    fs::remove_dir_all(day).unwrap();
}

/// searchd has its binlog elsewhere, or none, or left one there long ago.
#[track_caller]
fn the_binlog_is_elsewhere(stack: &Stack, alco: &Alco) {
    let more = stack.dir().join("more.ini");
    let ini = fs::read_to_string(&alco.ini).unwrap();
    let elsewhere = stack.dir().join("elsewhere");
    let text = ini.replace("[sphinx.searchd]\n", &format!("[sphinx.searchd]\nbinlog_path = {}\n", elsewhere.display()));
    assert_ne!(text, ini);
    fs::write(&more, text).unwrap();
    let no_binlog = format!("it keeps no binlog in {}", elsewhere.display());
    shows(&check(&more, false).1, "error", "searchd", &[&no_binlog, "sphinx/sphinx.conf"]);
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("binlog.lock"), "").unwrap();
    shows(&check(&more, false).1, "error", "searchd", &[&no_binlog]);
}

#[track_caller]
fn everybody_may_read_passwords(stack: &Stack, alco: &Alco) {
    let more = stack.dir().join("more.ini");
    let ini = fs::read_to_string(&alco.ini).unwrap();
    let secret = stack.dir().join("secret");
    fs::write(&secret, "guest\n").unwrap();
    let text = ini.replace("amqp://guest:guest@", "amqp://guest:s3cret@");
    fs::write(&more, &text).unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(&more, 0o644);
    mode(&secret, 0o644);
    let chmod = |path: &Path| format!("chmod 640 {}", path.display());
    let (_, lines) = check(&more, false);
    shows(&lines, "warning", "alco.ini", &["every user of this host may read", &chmod(&more)]);
    assert!(lines.iter().all(|line| !line.contains("s3cret")), "no password is shown");
    mode(&more, 0o640);
    let (_, lines) = check(&more, false);
    assert!(lines.iter().all(|line| !line.contains("chmod")), "{lines:#?}");
    fs::write(&more, text.replace("[rabbitmq]\n", &format!("[rabbitmq]\npassword_file = {}\n", secret.display())))
        .unwrap();
    mode(&more, 0o644);
    let (_, lines) = check(&more, false);
    shows(&lines, "warning", "rabbitmq", &["every user of this host may read", &chmod(&secret)]);
    assert!(lines.iter().all(|line| !line.contains(&chmod(&more))), "no password stands in it: {lines:#?}");

    let users = stack.dir().join("users");
    fs::write(&users, "").unwrap();
    mode(&users, 0o644);
    fs::write(&more, ini.replace("[http]\n", &format!("[http]\nusers_file = {}\n", users.display()))).unwrap();
    shows(&check(&more, false).1, "warning", "http", &["every user of this host may read", &chmod(&users)]);
}

/// Another user made the directories, as after running searchd's script by hand; only root can make that happen.
#[track_caller]
fn directories_belong_to_another_user(stack: &Stack, alco: &Alco) {
    let lock = stack.dir().join("searchd/data/binlog/binlog.lock");
    if chown(&lock, Some(65_534), None).is_err() {
        return not_checked("directories of searchd that belong to another user", "only root can make them");
    }
    let (_, lines) = check(&alco.ini, false);
    shows(&lines, "error", "data_dir", &["searchd runs as nobody, who may not write", "and ", "chown -R nobody"]);
}

#[track_caller]
fn no_server_is_there(stack: &Stack, alone: &Path) {
    for server in ["rabbitmq", "redis", "searchd"] {
        stack.stop(server);
    }
    let (code, lines) = check(alone, false);
    assert_eq!(code, Some(2), "{lines:#?}");
    for (part, key) in [("rabbitmq", "[rabbitmq] url"), ("redis", "[redis] url"), ("searchd", "[sphinx] address")] {
        shows(&lines, "error", part, &["refused", key]);
    }
    assert!(lines.iter().all(|line| !line.contains("guest:guest")), "no password is shown");
}
