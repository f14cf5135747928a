//! Secrets stay where they are: no log at any level, no error, no page, no answer for programs and no list of processes has a
//! password, neither as it is nor as HTTP and URLs encode it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use base64::prelude::{BASE64_STANDARD, Engine};

use crate::support::{ALCO, LONG, SOON, Stack, directory, free_port, try_get, try_get_with, wait_until};

/// In each password of these tests, and nowhere else; it looks the same when it is percent-encoded.
const SECRET: &str = "tr0ub4dor";

/// Kills the daemon when the test ends.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn has_no_secret(what: &str, text: &str) {
    let at = text.find(SECRET).or_else(|| text.find(&authorization()["Basic ".len()..]));
    let around =
        at.map(|at| &text[text.floor_char_boundary(at.saturating_sub(200))..text.floor_char_boundary(at + 100)]);
    assert_eq!(around, None, "{what}");
}

#[track_caller]
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Of anna, whose password is right.
fn authorization() -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("anna:{SECRET}")))
}

fn written(path: PathBuf, text: &str) -> PathBuf {
    fs::write(&path, text).unwrap();
    path
}

/// `address` with that user and a password.
fn with_password(address: &str, user: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap();
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{user}:{SECRET}@{host}")
}

#[test]
fn no_log_and_no_answer_has_a_password() {
    let (stack, dir, port) = (Stack::shared(), directory("secrets"), free_port());
    let hash = Command::new("sh").args(["-c", "echo \"$1\" | \"$0\" passwd anna", ALCO, SECRET]).output().unwrap();
    let users = written(dir.join("users"), &String::from_utf8(hash.stdout).unwrap());
    // the servers refuse these passwords; what is logged before and after that is the same with the right ones
    let ini = written(
        dir.join("alco.ini"),
        &format!(
            "[rabbitmq]\nurl = {}\n[redis]\nurl = {}\n[sphinx]\naddress = {}\n[http]\nlisten = 127.0.0.1:{port}\nusers_file = {}\n\
             open_paths = /health, /metrics\n",
            with_password(&stack.amqp, "alco"),
            with_password(&stack.redis, "alco"),
            stack.sphinx,
            users.display(),
        ),
    );
    let log = dir.join("alco.log");
    let mut run = Command::new(ALCO);
    run.args(["run", "--config"]).arg(&ini).env("ALCO_LOG", "trace").stdin(Stdio::null()).stdout(Stdio::null());
    let daemon = Daemon(run.stderr(File::create(&log).unwrap()).spawn().unwrap());
    let url = format!("http://127.0.0.1:{port}");
    let health = wait_until("the broker has refused", LONG, || {
        try_get(&format!("{url}/health")).ok().filter(|reply| reply.body.contains("refuses the login"))
    });
    has_no_secret("/health", &health.body);

    let (right, wrong) = (authorization(), format!("Basic {}", BASE64_STANDARD.encode(format!("eve:{SECRET}"))));
    for path in
        ["/metrics", "/grep/", "/grep/logs/", "/api/grep/logs/", "/grep/logs/columns/", "/nothing", "/grep/logs/?x=%"]
    {
        for authorization in [&right, &wrong] {
            let reply = try_get_with(&format!("{url}{path}"), &[("Authorization", authorization)]).unwrap();
            has_no_secret(path, &format!("{:?} {}", reply.headers, reply.body));
        }
    }
    let command_line = fs::read(format!("/proc/{}/cmdline", daemon.0.id())).unwrap_or_default();
    has_no_secret("the list of processes", &String::from_utf8_lossy(&command_line));
    let alco = |arguments: &[&str]| {
        let mut command = Command::new(ALCO);
        command.args(arguments).env("ALCO_INI", &ini).env("ALCO_LOG", "trace").env("HOME", &dir).stdin(Stdio::null());
        said(&command.output().unwrap())
    };
    has_no_secret("alco check", &alco(&["check"]));
    has_no_secret("alco check --json", &alco(&["check", "--json"]));
    has_no_secret("alco send", &alco(&["send", "-k", "logstash.x"]));
    has_no_secret("alco sphinx-conf", &alco(&["sphinx-conf"]));
    has_no_secret("alco grep", &alco(&["grep", "logs", "x"]));
    for user in ["anna", "eve"] {
        let address = with_password(&url, user);
        has_no_secret("alco grep --url", &alco(&["grep", "--url", &address, "logs", "x"]));
    }
    written(dir.join(".netrc"), &format!("machine 127.0.0.1 login anna password {SECRET}\n"));
    has_no_secret("alco grep with netrc", &alco(&["grep", "--url", &url, "logs", "x"]));

    let text = wait_until("Redis has refused", SOON, || {
        Some(fs::read_to_string(&log).unwrap())
            .filter(|log| log.contains(" DEBUG ") && log.contains("redis at redis://alco@"))
    });
    has_no_secret("the log", &text);
}

#[test]
fn a_mistake_in_an_address_shows_no_password() {
    let dir = directory("secrets-ini");
    let check = |name: usize, ini: &str| {
        let path: &Path = &written(dir.join(format!("{name}.ini")), ini);
        let output =
            Command::new(ALCO).args(["check", "--config"]).arg(path).env("ALCO_LOG", "trace").output().unwrap();
        let said = said(&output);
        assert!(output.status.code() == Some(2) && said.contains(".ini:2: "), "{ini}: {said}");
        has_no_secret(ini, &said);
    };
    let mistakes = [
        "[rabbitmq]\nurl = http://u:SECRET@h/",
        "[rabbitmq]\nurl = amqp://u:SECRET@h:port/",
        "[rabbitmq]\nurl = amqp://u:SECRET@h/, amqp://u:SECRET@h/",
        "[rabbitmq]\nurl = amqp://u:SECRET@@h:x:y/%zz",
        "[rabbitmq]\nurl = u:SECRET@h",
        "[redis]\nurl = http://u:SECRET@h/",
        "[redis]\nurl = redis://:SECRET@h:port/",
        "[redis]\nurl = rediss://:SECRET@h/#insecure",
        "[redis]\nurl = :SECRET@h",
    ];
    for (name, ini) in mistakes.iter().enumerate() {
        check(name, &ini.replace("SECRET", SECRET));
    }
}
