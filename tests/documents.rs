//! README.md and docs/: the Python snippets and rsyslog's configuration of docs/sources.md run here as they are, each sends a
//! line, and the page shows it. Links lead to a file or a heading, and README.md stays short.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use regex::Regex;

use crate::support::{ALCO, Alco, ROOT, SOON, Stack, directory, wait_until};

/// The page of loggers, and its mark of a text that runs here.
const SOURCES: &str = "docs/sources.md";
const MARK: &str = "<!-- the tests run this";

/// The indented text after each mark.
fn snippets() -> Vec<String> {
    let sources = read(SOURCES);
    let snippet = |rest: &str| {
        let lines = rest.lines().skip(1).take_while(|line| line.is_empty() || line.starts_with("    "));
        lines.map(|line| line.strip_prefix("    ").unwrap_or_default()).collect::<Vec<_>>().join("\n")
    };
    sources.split(MARK).skip(1).map(snippet).collect()
}

#[track_caller]
fn read(document: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(document)).unwrap()
}

/// The only snippet that contains the text.
#[track_caller]
fn snippet(what: &str) -> String {
    let found: Vec<String> = snippets().into_iter().filter(|snippet| snippet.contains(what)).collect();
    assert_eq!(found.len(), 1, "{SOURCES} has one snippet with {what}");
    found.into_iter().next().unwrap()
}

/// logcollect ignores the port in its address, but its transport takes one after the host.
const BEFORE: &str = r#"
import logging, os, time
os.environ["TZ"] = "UTC"; time.tzset()
from logcollect.handler import AMQPHandler, AMQPSocket
def with_port(parse):
    def parsed(uri):
        parts = parse(uri)
        parts["host"] += ":PORT"
        return parts
    return staticmethod(parsed)
AMQPSocket._parse_broker_uri = with_port(AMQPSocket._parse_broker_uri)
"#;
/// Closes the handlers, which returns when the broker has all records.
const AFTER: &str = r#"
logging.disable(logging.CRITICAL)  # the AMQP library logs as well
for handler in [h() for h in logging._handlerList]:
    if isinstance(handler, AMQPHandler):
        handler.sock.channel.close()
        handler.close()
"#;

#[test]
fn python_snippets_of_sources_md_send_records() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("readme"));
    let port = stack.amqp.rsplit_once(':').unwrap().1.split('/').next().unwrap();
    let programs = [
        ("default_config", r#"logging.getLogger("shop.cart").warning("hello from logcollect")"#),
        (
            "django_dict_config",
            "import django\nfrom django.conf import settings\nsettings.configure(LOGGING=LOGGING)\ndjango.setup()\n\
             logging.getLogger('shop.views').warning('hello from Django')",
        ),
        (
            "celery_config",
            "from celery import signals\nfrom celery.utils.log import get_task_logger\n\
             signals.worker_process_init.send(None)\nget_task_logger('shop.tasks').warning('hello from Celery')",
        ),
        ("AMQPLogstashHandler", r#"logging.getLogger("shop.api").warning("hello from python-logstash")"#),
    ];
    for (what, log) in programs {
        let program = snippet(what)
            .replace(
                "host=\"broker.example.org\", username=\"alco\"",
                &format!("host=\"127.0.0.1\", port={port}, username=\"guest\""),
            )
            .replace("password=\"SECRET\"", "password=\"guest\"")
            .replace("alco:SECRET@broker.example.org", "guest:guest@127.0.0.1")
            .replace("\"logstash.", "\"readme.");
        let before = BEFORE.replace("PORT", port);
        let output = Command::new(Path::new(ROOT).join("target/venv/bin/python"))
            .args(["-c", &format!("{before}\n{program}\n{log}\n{AFTER}")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{program}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    for program in ["logcollect", "Django", "Celery", "python-logstash"] {
        let line = line(&alco, &format!("hello from {program}"));
        assert!(line.contains("WARNING"), "{line}");
    }
}

/// Waits for the line with that message.
#[track_caller]
fn line(alco: &Alco, message: &str) -> String {
    let path = "/grep/readme/?start_ts=-1h&format=text&columns=levelname,level,host,logger";
    wait_until(message, SOON, || alco.get(path).body.lines().find(|line| line.contains(message)).map(str::to_owned))
}

/// Killed with the test.
struct Rsyslog(Child);

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_rsyslog_configuration_of_sources_md_sends_records() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("readme"));
    let dir: PathBuf = directory("rsyslog");
    let configuration = snippet("omprog")
        .replace("/usr/bin/alco send", &format!("{ALCO} --config {} send", alco.ini.display()))
        .replace("logstash.syslog", "readme.syslog");
    let at = dir.display();
    let conf = format!(
        "module(load=\"imuxsock\" SysSock.Use=\"off\")\ninput(type=\"imuxsock\" Socket=\"{at}/log\")\n{configuration}\n"
    );
    fs::write(dir.join("rsyslog.conf"), conf).unwrap();
    let mut rsyslogd = Command::new("/usr/sbin/rsyslogd");
    rsyslogd.arg("-n").arg("-f").arg(dir.join("rsyslog.conf")).arg("-i").arg(dir.join("pid")).stdin(Stdio::null());
    let _rsyslog = Rsyslog(rsyslogd.spawn().unwrap());
    wait_until("rsyslogd listens", SOON, || dir.join("log").exists().then_some(()));
    let logger = Command::new("logger")
        .arg("--socket")
        .arg(dir.join("log"))
        .args(["--tag", "backup", "--priority", "daemon.err", "hello from rsyslog: \"quoted\" \\ %"])
        .status()
        .unwrap();
    assert!(logger.success());
    let line = line(&alco, r#"hello from rsyslog: "quoted" \ %"#);
    assert!(line.contains("ERR") && line.contains("backup"), "{line}");
}

/// README.md, CONTRIBUTING.md, SECURITY.md and the pages below docs/, by their paths.
fn documents() -> BTreeSet<String> {
    let pages = fs::read_dir(Path::new(ROOT).join("docs")).unwrap().map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        format!("docs/{name}")
    });
    pages.chain(["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(str::to_owned)).collect()
}

/// As GitHub makes the anchor of a heading: lower case, `-` for a space, no punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)#]*)(?:#([^)]*))?\)").unwrap();
    let mut linked = BTreeSet::new();
    for document in documents() {
        let folder = Path::new(&document).parent().unwrap().to_owned();
        for found in link.captures_iter(&read(&document)) {
            let target = found.get(1).unwrap().as_str();
            if target.starts_with("https://") {
                continue;
            }
            let path = match target {
                "" => document.clone(),
                _ => folder.join(target).to_str().unwrap().replace("docs/../", ""),
            };
            assert!(Path::new(ROOT).join(&path).exists(), "{document}: no {target}");
            if let Some(wanted) = found.get(2) {
                let page = read(&path);
                let mut headings = page.lines().filter(|line| line.starts_with('#'));
                let heading = headings.find(|line| anchor(line.trim_start_matches(['#', ' '])) == wanted.as_str());
                assert!(heading.is_some(), "{document}: no heading #{} in {path}", wanted.as_str());
            }
            linked.insert(path);
        }
    }
    let unlinked: Vec<String> = documents().into_iter().filter(|document| !linked.contains(document)).collect();
    assert!(unlinked.is_empty(), "no link leads to {unlinked:?}");
}

/// `x` stands for the name of something new.
#[test]
fn files_that_contributing_md_names_exist() {
    let path = Regex::new(r"`((?:src|tests|man|docs)/[^` ]+)`").unwrap();
    let text = read("CONTRIBUTING.md");
    let named = path.captures_iter(&text).map(|found| found[1].to_owned());
    let missing: Vec<String> =
        named.filter(|path| !path.ends_with("/x.rs") && !Path::new(ROOT).join(path).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn readme_md_is_at_most_250_lines_of_120_columns() {
    let readme = read("README.md");
    assert!(readme.lines().count() <= 250, "{} lines", readme.lines().count());
    let long: Vec<&str> = readme.lines().filter(|line| line.chars().count() > 120).collect();
    assert!(long.is_empty(), "{long:#?}");
}
