//! sphinx/sphinx.conf and sphinx/sphinx_conf.py: searchd always gets a whole configuration, or none and a failure. The directories
//! of the configuration exist; expired days, and nothing else, are removed. Both scripts do the same, under every shell and Python.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    ALCO as BINARY, ROOT, Stack, directory, executable, make_an_hour_old, not_checked, soak, wait_until,
};

/// Both scripts give alco 10 s; 30 s more are for a busy machine.
const MAX_WAIT: Duration = Duration::from_secs(10 + 30);

/// A script and its interpreter.
#[derive(Debug)]
struct Script {
    name: &'static str,
    interpreter: String,
    path: PathBuf,
}

/// FreeBSD's sh is of dash's family. Python 2.7 runs where it is installed; where it is not, tests/check has vermin read the
/// script.
fn scripts() -> &'static [Script] {
    static SCRIPTS: OnceLock<Vec<Script>> = OnceLock::new();
    SCRIPTS.get_or_init(|| {
        let sphinx = Path::new(ROOT).join("sphinx");
        let all = [
            ("dash", "dash", "sphinx.conf"),
            ("busybox", "busybox sh", "sphinx.conf"),
            ("mksh", "mksh", "sphinx.conf"),
            ("yash", "yash", "sphinx.conf"),
            ("python3", "python3", "sphinx_conf.py"),
            ("python2", "python2.7", "sphinx_conf.py"),
        ];
        let found = |(name, interpreter, file): (&'static str, &str, &str)| match interpreter_of(interpreter) {
            Some(interpreter) => Some(Script { name, interpreter, path: sphinx.join(file) }),
            None if name == "python2" => {
                not_checked("sphinx_conf.py under Python 2.7", "it is not installed; tests/check runs vermin");
                None
            }
            None => panic!("{interpreter} is not installed: tests/packages check installs it"),
        };
        all.into_iter().filter_map(found).collect()
    })
}

/// All of them in full (make soak), otherwise one of each language.
fn some_scripts() -> impl Iterator<Item = &'static Script> {
    scripts().iter().filter(|script| soak() || ["dash", "python3"].contains(&script.name))
}

/// The whole path of a program that runs here, and its argument, as they stand after #!.
fn interpreter_of(words: &str) -> Option<String> {
    let (program, argument) = words.split_once(' ').unwrap_or((words, ""));
    let mut places: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect();
    // pyenv keeps versions apart
    let pyenv = PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".pyenv/versions");
    places.extend(fs::read_dir(pyenv).into_iter().flatten().flatten().map(|entry| entry.path().join("bin")));
    let words = |place: PathBuf| format!("{} {argument}", place.join(program).display()).trim().to_owned();
    places
        .into_iter()
        .map(words)
        .find(|words| command(words).args(["-c", "exit"]).output().is_ok_and(|o| o.status.success()))
}

fn command(words: &str) -> Command {
    let mut words = words.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

/// A stand-in for alco: prints a configuration with the ini's settings and with the days that the file `says` next to it lists.
/// Without that file it fails; with `slow` in it, it prints nothing for a long time; with other text, it prints that text.
const ALCO: &str = r#"
here=$(dirname "$0")
setting() { sed -n "s/^$1 = //p" "$ALCO_INI" | head -n 1; }
[ "$1" = sphinx-conf ] && days=$(cat "$here/says" 2>/dev/null) || exit 1
case $days in
    slow) exec sleep 100 ;;
    *[!0-9\ ]*|'') printf '%s' "$days"; exit ;;
esac
data=$(setting data_dir)
for day in $days; do
    printf 'index web_%s\n{\n\ttype = rt\n\tpath = %s/web/%s/web\n\trt_field = line\n\trt_attr_bigint = ts\n}\n' "$day" "$data" "$day"
done
printf 'index web\n{\n\ttype = distributed\n'
for day in $days; do printf '\tlocal = web_%s\n' "$day"; done
printf '}\nsearchd\n{\n\tlisten = %s\n\tlog = %s\n\tpid_file = %s\n\tbinlog_path = %s/binlog\n\tworkers = threads\n}\n' \
    "$(sed -n 's/^listen = \(.*:mysql41\)/\1/p' "$ALCO_INI")" "$(setting log)" "$(setting pid_file)" "$data"
"#;

/// A stand-in for alco, an ini, and a script that asks the one and reads the other.
struct Source {
    script: &'static Script,
    dir: PathBuf,
}

impl Source {
    fn new(name: &str, script: &'static Script) -> Source {
        let dir = directory(&format!("{name}-{}", script.name));
        executable(&dir.join("alco"), ALCO);
        let ini = format!(
            "[sphinx]\ndata_dir = {0}/data\n[sphinx.searchd]\nlisten = 127.0.0.1:9306:mysql41\nlog = {0}/log/searchd.log\n\
             pid_file = {0}/run/searchd.pid\n",
            dir.display()
        );
        fs::write(dir.join("alco.ini"), ini).unwrap();
        Source { script, dir }
    }

    fn alco(&self) -> PathBuf {
        self.dir.join("alco")
    }

    /// Sets the text for the stand-in; with None it fails.
    fn says(&self, text: Option<&str>) {
        let _ = fs::remove_file(self.dir.join("says"));
        if let Some(text) = text {
            fs::write(self.dir.join("says"), text).unwrap();
        }
    }

    fn command(&self) -> Command {
        let mut command = command(&self.script.interpreter);
        command.arg(&self.script.path);
        command.env("ALCO", self.alco()).env("ALCO_INI", self.dir.join("alco.ini"));
        for name in ["ALCO_URL", "ALCO_CACHE", "ALCO_DATA_DIR"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs the script at once after its last run.
    fn run_at_once(&self) -> Outcome {
        outcome(&self.command().output().unwrap())
    }

    /// Runs the script as if its last run were an hour ago.
    fn run(&self) -> Outcome {
        // the first run has no last one
        let _ = make_an_hour_old(&self.dir.join("data/sphinx.conf.last"));
        self.run_at_once()
    }

    #[track_caller]
    fn printed(&self) -> String {
        let outcome = self.run();
        assert!(outcome.ok, "{}: {}", self.script.name, outcome.complaints);
        outcome.printed
    }

    fn days_on_disk(&self, index: &str) -> Vec<String> {
        let entries = fs::read_dir(self.dir.join("data").join(index)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[derive(Debug)]
struct Outcome {
    ok: bool,
    printed: String,
    complaints: String,
}

fn outcome(output: &Output) -> Outcome {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Outcome { ok: output.status.success(), printed: text(&output.stdout), complaints: text(&output.stderr) }
}

/// Texts that are not a whole configuration, made from a good one.
fn lies(good: &str) -> Vec<(&'static str, String)> {
    let first = good.find("index web\n").unwrap();
    vec![
        ("nothing", String::new()),
        ("white space", "\n \n".into()),
        (
            "a page of an error",
            "<html>\n<head><title>502 Bad Gateway</title></head>\n<body>\nindex }\n</body>\n</html>\n".into(),
        ),
        ("usage", "usage: alco".into()),
        ("no index", "searchd\n{\n}\n".into()),
        ("no day", "index web\n{\n type = distributed\n}\nsearchd\n{\n}\n".into()),
        ("no searchd", good[..good.find("searchd\n{").unwrap()].into()),
        ("cut between two indexes", good[..first].into()),
        ("cut in a line", good[..good.len() - 20].into()),
        ("only a comment", "# index searchd }".into()),
        ("a path elsewhere", good.replacen("/data/web/", "/elsewhere/web/", 1)),
        ("a path above", good.replacen("/data/web/", "/data/../elsewhere/web/", 1)),
        ("a path of no day", good.replacen("/20261121/", "/documents/", 1)),
        ("a path of another day", good.replacen("/20261121/", "/20261120/", 1)),
        ("a path that is a day's", good.replacen("/20261121/web", "/20261121", 1)),
    ]
}

fn tables(stack: &Stack) -> Vec<String> {
    stack.select("SHOW TABLES").unwrap()
}

/// Has searchd read its configuration, and waits for all effects of that. searchd drops indexes that have left the configuration
/// only at the next turn of its loop, one after the other: when a client connects, which then still sees some of them, or after a
/// second. It does so before it reads the configuration again, so a second reading ends after all effects of the first.
fn reread(stack: &Stack) {
    let log = stack.dir().join("searchd/log");
    let ends = || {
        let text = fs::read_to_string(&log).unwrap();
        // the last is Manticore's
        let ends = ["after SIGHUP", "rotating finished", "rotating table: all tables done"];
        text.lines().filter(|line| ends.iter().any(|end| line.contains(end))).count()
    };
    for _ in 0..2 {
        let before = ends();
        stack.reread();
        wait_until("searchd has read its configuration again", MAX_WAIT * 2, || (ends() > before).then_some(()));
    }
}

fn serves_from(script: &'static Script) {
    let name = script.name;
    let source = Source::new("script-signal", script);
    source.says(Some("20261121 20261122"));
    // as an administrator would set the interpreter
    let copy = source.dir.join("searchd.conf");
    let text = fs::read_to_string(&script.path).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    fs::write(&copy, format!("#!{}\n{rest}", script.interpreter)).unwrap();
    let stack = Stack::by_script(&format!("script-searchd-{name}"), &source.alco(), &copy);
    assert_eq!(tables(&stack), ["web", "web_20261121", "web_20261122"], "{name}");

    source.says(Some("20261121 20261122 20261123"));
    reread(&stack);
    let all = ["web", "web_20261121", "web_20261122", "web_20261123"];
    assert_eq!(tables(&stack), all, "{name}");

    // alco is away, or prints nonsense: no day is lost
    let data = stack.dir().join("searchd/data");
    for day in ["20261121", "20261122", "20261123"] {
        fs::write(data.join("web").join(day).join("kept"), "").unwrap();
    }
    let good = fs::read_to_string(data.join("sphinx.conf.last")).unwrap();
    let some = ["nothing", "cut between two indexes", "a path elsewhere"];
    for (what, text) in lies(&good).into_iter().filter(|(what, _)| soak() || some.contains(what)) {
        source.says(Some(&text));
        reread(&stack);
        assert_eq!(tables(&stack), all, "{name}: {what}");
    }
    source.says(None);
    reread(&stack);
    assert_eq!(tables(&stack), all, "{name}");
    // searchd even starts then, but only after a while if alco prints nothing
    for silence in [None, Some(""), Some("slow")] {
        source.says(silence);
        stack.stop("searchd");
        stack.restart("searchd");
        assert_eq!(tables(&stack), all, "{name}: {silence:?}");
    }
    // with a short list, or one of another time, searchd serves fewer days; no day is removed
    for short in ["20261123", "20270101 20270102 20270103"] {
        source.says(Some(short));
        reread(&stack);
        assert_eq!(tables(&stack).len(), 1 + short.split(' ').count(), "{name}");
        source.says(Some("20261121 20261122 20261123"));
        reread(&stack);
        assert_eq!(tables(&stack), all, "{name}");
        for day in ["20261121", "20261122", "20261123"] {
            assert!(data.join("web").join(day).join("kept").exists(), "{name}: {day} after {short}");
        }
    }
}

#[test]
fn searchd_keeps_its_days_whatever_alco_prints() {
    thread::scope(|scope| {
        for script in some_scripts() {
            scope.spawn(move || serves_from(script));
        }
    });
}

#[test]
fn scripts_fail_without_alco_and_without_a_copy() {
    for script in scripts() {
        let source = Source::new("script-nothing", script);
        let Outcome { ok, printed, complaints } = source.run();
        assert_eq!((ok, printed.as_str()), (false, ""), "{}", script.name);
        assert!(complaints.contains("there is no good copy in"), "{complaints}");
    }
}

#[test]
fn only_a_whole_configuration_replaces_the_last_good_one() {
    for script in some_scripts() {
        let source = Source::new("script-whole", script);
        source.says(Some("20261121 20261122"));
        let good = source.printed();
        assert!(good.ends_with("}\n"), "{good}");
        for (what, text) in lies(&good) {
            source.says(Some(&text));
            let outcome = source.run();
            assert!(outcome.ok && outcome.printed == good, "{}: {what}: {outcome:?}", script.name);
            assert!(outcome.complaints.contains("searchd gets the last good copy"), "{outcome:?}");
        }
        source.says(None);
        assert_eq!(source.printed(), good);
        assert!(!source.dir.join("elsewhere").exists(), "no directory was made for a path elsewhere");
        // a copy that has been cut off is not used either
        fs::write(source.dir.join("data/sphinx.conf.last"), &good[..good.len() - 20]).unwrap();
        let Outcome { ok, printed, complaints } = source.run();
        assert_eq!((ok, printed.as_str()), (false, ""), "{}", script.name);
        assert!(complaints.contains("the copy in") && complaints.contains("not whole"), "{complaints}");
    }
}

#[test]
fn output_of_a_failed_alco_is_not_used() {
    for script in scripts() {
        let source = Source::new("script-failing", script);
        source.says(Some("20261121 20261122"));
        let good = source.printed();
        source.says(Some("20261122 20261123"));
        let failing = source.dir.join("failing");
        executable(&failing, &format!("{} \"$@\"\nexit 3\n", source.alco().display()));
        let outcome = outcome(&source.command().env("ALCO", &failing).output().unwrap());
        assert!(outcome.ok && outcome.printed == good, "{}: {outcome:?}", script.name);
    }
}

#[test]
fn scripts_make_the_directories_of_the_configuration() {
    for script in scripts() {
        let source = Source::new("script-directories", script);
        source.says(Some("20261122 20261123"));
        source.printed();
        for directory in ["data/web/20261122", "data/web/20261123", "data/binlog", "log", "run"] {
            assert!(source.dir.join(directory).is_dir(), "{}: {directory}", script.name);
        }
    }
}

/// Directories of days, and directories whose names are not days.
const DAYS_AND_OTHERS: &[&str] = &[
    "web/20261031",
    "web/20261117",
    "web/20261118",
    "web/20261119",
    "web/20261120",
    "web/20261122",
    "web/20270101",
    "web/2026111",
    "web/202611180",
    "web/20261118.old",
    "web/20261399",
    "web/20260230x",
    "web/notes",
    "other/20200101",
    "20200101",
];

#[test]
fn an_expired_day_is_removed_one_day_later() {
    for script in scripts() {
        let source = Source::new("script-retention", script);
        let data = source.dir.join("data");
        for directory in DAYS_AND_OTHERS {
            fs::create_dir_all(data.join(directory)).unwrap();
            fs::write(data.join(directory).join("web.0.spd"), "a file").unwrap();
        }
        fs::write(data.join("web/20200101"), "a file").unwrap();
        let elsewhere = source.dir.join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, data.join("web/20200102")).unwrap();
        let all = source.days_on_disk("web");
        let name = script.name;

        // no list and a first list remove nothing, even if given twice
        source.says(Some("searchd\n{\n}\n"));
        assert!(!source.run().ok);
        source.says(Some("20261118 20261119 20261120"));
        source.printed();
        source.printed();
        assert_eq!(source.days_on_disk("web"), all, "{name}");

        // the next day; twice, as searchd runs the script again and again
        source.says(Some("20261119 20261120 20261121"));
        source.printed();
        source.printed();
        let stay = |days: &[&str]| {
            let past = |name: &String| ["20261031", "20261117"].contains(&name.as_str());
            let mut stay: Vec<String> = all.iter().filter(|name| !past(name)).cloned().collect();
            stay.extend(days.iter().map(|day| (*day).to_owned()));
            stay.sort();
            stay.dedup();
            stay
        };
        assert_eq!(source.days_on_disk("web"), stay(&["20261121"]), "{name}: the newest expired one is still served");
        assert!(elsewhere.is_dir() && data.join("other/20200101").is_dir() && data.join("20200101").is_dir());

        // a clock that is a month ahead, or back, and a copy when alco is away
        for list in ["20261219 20261220 20261221", "20261119 20261120 20261121", "20201119 20201120 20201121"] {
            source.says(Some(list));
            source.printed();
            source.printed();
            source.says(None);
            source.printed();
            for day in ["20261119", "20261120", "20261121"] {
                assert!(data.join("web").join(day).is_dir(), "{name}: {day} after {list}");
            }
        }
        // an index that is no longer in the list
        let other = source.printed().replace("web", "shop");
        source.says(Some(&other));
        source.printed();
        assert!(data.join("web/20261121").is_dir());
    }
}

/// searchd serves the days of the last list until it has read this one, lets them go one after the other, and ends where it cannot
/// write.
#[test]
fn a_day_that_searchd_may_still_serve_stays() {
    for script in scripts() {
        let source = Source::new("script-soon", script);
        let run = |list: &str, at_once: bool, rest: &str| {
            source.says(Some(list));
            let outcome = if at_once { source.run_at_once() } else { source.run() };
            assert!(outcome.ok, "{outcome:?}");
            assert_eq!(source.days_on_disk("web").join(" "), rest, "{}: {list}", script.name);
        };
        // the clock jumps over days
        run("20261118 20261119", true, "20261118 20261119");
        run("20261120 20261121", true, "20261118 20261119 20261120 20261121");
        run("20261121 20261122", true, "20261118 20261119 20261120 20261121 20261122");
        run("20261121 20261122", false, "20261120 20261121 20261122");
        // `days` is more for an hour
        run("20261119 20261120 20261121 20261122", false, "20261119 20261120 20261121 20261122");
        run("20261121 20261122", false, "20261119 20261120 20261121 20261122");
        run("20261122 20261123", false, "20261121 20261122 20261123");
    }
}

/// A server that answers one request, of curl, fetch or wget.
fn answer(body: &str, more: &str) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/logs/", listener.local_addr().unwrap());
    let response = format!("HTTP/1.1 200 OK\r\n{more}Connection: close\r\n\r\n{body}");
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let length = client.read(&mut request).unwrap();
        let processes = Command::new("ps").args(["-eo", "args"]).output().unwrap();
        let shown = String::from_utf8_lossy(&processes.stdout).contains("a%20b@");
        assert!(!shown, "no process shows the password in its arguments");
        client.write_all(response.as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    (url, server)
}

#[test]
fn scripts_can_ask_alco_over_http() {
    for script in scripts() {
        let name = script.name;
        let source = Source::new("script-http", script);
        source.says(Some("20261121 20261122"));
        let good = source.printed();
        // that host has no ini and no alco
        fs::rename(source.dir.join("alco.ini"), source.dir.join("other.ini")).unwrap();
        let cache = source.dir.join("copy/of/it");
        let ask = |url: &str| {
            let mut command = source.command();
            command.env("ALCO", "/nonexistent").env("ALCO_INI", "").env("ALCO_URL", url).env("ALCO_CACHE", &cache);
            outcome(&command.env("ALCO_DATA_DIR", source.dir.join("data")).output().unwrap())
        };
        let body = good.replace("20261122", "20261123");
        let length = format!("Content-Length: {}\r\n", body.len());
        let (url, server) = answer(&body, &length);
        let got = ask(&url.replace("//", "//searchd:a%20b@"));
        assert!(got.ok && got.printed == body, "{name}: {got:?}");
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /logs/collector/sphinx.conf HTTP/1.1\r\n"), "{name}: {request}");
        assert!(request.contains("Authorization: Basic c2VhcmNoZDphIGI="), "{name}: {request}");
        assert!(source.dir.join("data/web/20261123").is_dir());
        assert!(Path::new(&cache).is_file());
        // no server listens there any longer
        let got = ask(&url);
        assert!(got.ok && got.printed == body, "{name}: {got:?}");

        // cut off
        let (url, server) = answer(&good[..200], &length);
        let got = ask(&url);
        server.join().unwrap();
        assert!(got.ok && got.printed == body, "{name}: {got:?}");

        // a redirection to an error, which is a page
        let (url, server) = answer("<html>\n<body>not here</body>\n</html>", "");
        let got = ask(&url);
        server.join().unwrap();
        assert!(got.ok && got.printed == body && !got.complaints.is_empty(), "{name}: {got:?}");
    }
}

#[test]
fn scripts_give_up_on_a_slow_answer() {
    thread::scope(|scope| {
        for script in scripts() {
            scope.spawn(move || {
                let name = script.name;
                let source = Source::new("script-slow", script);
                source.says(Some("20261121 20261122"));
                let good = source.printed();
                // a byte every 200 ms: no single wait is long
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let url = format!("http://{}/", listener.local_addr().unwrap());
                let drip = thread::spawn(move || {
                    let (mut client, _) = listener.accept().unwrap();
                    let _ = client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
                    let begun = Instant::now();
                    while client.write_all(b"#").is_ok() && begun.elapsed() < MAX_WAIT * 2 {
                        thread::sleep(Duration::from_millis(200));
                    }
                });
                let begun = Instant::now();
                let got = outcome(&source.command().env("ALCO_URL", &url).output().unwrap());
                assert!(got.ok && got.printed == good, "{name}: {got:?}");
                assert!(begun.elapsed() < MAX_WAIT, "{name}: {:?}", begun.elapsed());
                drip.join().unwrap();

                source.says(Some("slow"));
                let begun = Instant::now();
                let got = source.run();
                assert!(got.ok && got.printed == good, "{name}: {got:?}");
                assert!(begun.elapsed() < MAX_WAIT, "{name}: {:?}", begun.elapsed());
            });
        }
    });
}

#[test]
fn curl_fetch_or_wget_will_do() {
    let script = &scripts()[0];
    let source = Source::new("script-tools", script);
    source.says(Some("20261121 20261122"));
    let good = source.printed();
    // FreeBSD's fetch, as far as it is asked
    let (tools, curl) = (source.dir.join("tools"), wanted("curl"));
    fs::create_dir(&tools).unwrap();
    fs::copy(&curl, tools.join("in-disguise")).unwrap();
    let fetch = "[ \"$1 $2 $3\" = '-q -o -' ] && exec \"${0%/*}/in-disguise\" -fsS \"$4\"\n";
    executable(&tools.join("fetch"), fetch);
    let applets = source.dir.join("applets");
    fs::create_dir(&applets).unwrap();
    let busybox = wanted("busybox");
    for applet in ["awk", "cat", "find", "mkdir", "mv", "rm", "sed", "timeout", "wget"] {
        symlink(&busybox, applets.join(applet)).unwrap();
    }
    for (tool, interpreter, first) in [
        ("curl", "dash", None),
        ("fetch", "dash", Some(&tools)),
        ("wget", "dash", None),
        ("busybox", "busybox sh", Some(&applets)),
    ] {
        let body = good.replace("20261122", "20261124");
        let (url, server) = answer(&body, &format!("Content-Length: {}\r\n", body.len()));
        let mut command = Command::new("proot");
        if tool != "curl" {
            // as if it were not installed
            command.args(["-b", &format!("/dev/null:{curl}")]);
        }
        command.args(interpreter.split(' ')).arg(&script.path);
        command
            .env("ALCO_INI", source.dir.join("alco.ini"))
            .env("ALCO_URL", &url)
            .env("ALCO_CACHE", source.dir.join(tool));
        command.env_remove("ALCO_DATA_DIR");
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", first.map_or(path.clone(), |first| format!("{}:{path}", first.display())));
        let got = outcome(&command.output().unwrap());
        assert!(got.ok && got.printed == body, "{tool}: {got:?}");
        assert!(server.join().unwrap().starts_with("GET /logs/collector/sphinx.conf"), "{tool}");
    }
}

/// Where a program is, its links followed.
fn wanted(program: &str) -> String {
    let places = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&places).map(|place| place.join(program)).find(|path| path.exists());
    fs::canonicalize(found.expect(program)).unwrap().display().to_string()
}

/// A searchd that runs the script shows its version to alco; here the one on the PATH does.
#[test]
fn the_configuration_is_for_the_engine_that_is_found() {
    let dir = directory("engine");
    let (ini, searchd) = (dir.join("alco.ini"), dir.join("searchd"));
    let printed = |banner: &str, settings: &str| {
        executable(&searchd, &format!("[ \"$1\" = --version ] && echo '{banner}'\n"));
        fs::write(&ini, settings).unwrap();
        let output =
            Command::new(BINARY).args(["sphinx-conf", "--config"]).arg(&ini).env("PATH", &dir).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (sphinx, manticore) = ("    ondisk_attrs = pool\n", "    buddy_path = \n");
    for (banner, settings, expect) in [
        ("Sphinx 2.2.11-id64-release (95ae9a6)", "", sphinx),
        ("Manticore 29.2.2 e790cb571@26082218", "", manticore),
        ("Manticore 29.2.2 e790cb571@26082218", "[sphinx]\ndialect = sphinx\n", sphinx),
        ("another program", "[sphinx]\ndialect = manticore\n", manticore),
    ] {
        let (code, conf, _) = printed(banner, settings);
        assert_eq!((code, conf.contains(expect)), (Some(0), true), "{banner} {settings}: {conf}");
        assert_ne!(conf.contains(sphinx), conf.contains(manticore), "{banner} {settings}");
    }
    let (code, conf, why) = printed("another program", "");
    assert!(code == Some(0) && conf.contains(sphinx) && why.contains("set [sphinx] dialect"), "{why}");
    // searchd would end at it
    let (code, conf, why) = printed("Sphinx 2.2.11-id64-release (95ae9a6)", "[sphinx.searchd]\nthreads = 4\n");
    let expect = "[sphinx.searchd] Sphinx has no directive 'threads'";
    assert!((code, &*conf) == (Some(2), "") && why.contains(expect), "{why}");
}

#[test]
fn alco_fails_if_it_cannot_print_everything() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut alco = Command::new(BINARY);
    let output = alco.arg("sphinx-conf").env("ALCO_INI", "/dev/null").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
