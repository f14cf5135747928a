//! sphinx/sphinx.conf: searchd always gets a whole configuration, or none and a failure; what it names exists; what is past
//! its retention, and nothing else, is removed.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use crate::support::{SOON, Stack, directory, wait_until};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sphinx/sphinx.conf");

/// Stands in for alco: prints a configuration over the ini's settings, with the days that the file `days` beside it lists;
/// where there is no such file, fails; where it holds something else, prints that.
const ALCO: &str = r#"#!/bin/sh
here=$(dirname "$0")
setting() { sed -n "s/^$1 = //p" "$ALCO_INI" | head -n 1; }
[ "$1" = sphinx-conf ] && days=$(cat "$here/days" 2>/dev/null) || exit 1
case $days in *[!0-9\ ]*|'') printf '%s' "$days"; exit ;; esac
data=$(setting data_dir)
for day in $days; do
    printf 'index web_%s\n{\n\ttype = rt\n\tpath = %s/web/%s/web\n\trt_field = line\n\trt_attr_bigint = ts\n}\n' "$day" "$data" "$day"
done
printf 'index web\n{\n\ttype = distributed\n'
for day in $days; do printf '\tlocal = web_%s\n' "$day"; done
printf '}\nsearchd\n{\n\tlisten = %s\n\tlog = %s\n\tpid_file = %s\n\tbinlog_path = %s/binlog\n\tworkers = threads\n}\n' \
    "$(sed -n 's/^listen = \(.*:mysql41\)/\1/p' "$ALCO_INI")" "$(setting log)" "$(setting pid_file)" "$data"
"#;

struct Source {
    dir: PathBuf,
}

impl Source {
    fn new(name: &str) -> Source {
        let dir = directory(name);
        let alco = dir.join("alco");
        fs::write(&alco, ALCO).unwrap();
        fs::set_permissions(&alco, fs::Permissions::from_mode(0o755)).unwrap();
        let ini = format!(
            "[sphinx]\ndata_dir = {0}/data\n[sphinx.searchd]\nlisten = 127.0.0.1:9306:mysql41\nlog = {0}/log/searchd.log\n\
             pid_file = {0}/run/searchd.pid\n",
            dir.display()
        );
        fs::write(dir.join("alco.ini"), ini).unwrap();
        Source { dir }
    }

    fn alco(&self) -> PathBuf {
        self.dir.join("alco")
    }

    /// What the stand-in gives from now on; None: it fails.
    fn says(&self, text: Option<&str>) {
        match text {
            Some(text) => fs::write(self.dir.join("days"), text).unwrap(),
            None => fs::remove_file(self.dir.join("days")).unwrap(),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("sh");
        command.arg(SCRIPT).env("ALCO", self.alco()).env("ALCO_INI", self.dir.join("alco.ini"));
        command.env_remove("ALCO_URL").env_remove("ALCO_CACHE");
        command
    }

    fn run(&self) -> (bool, String) {
        result(&self.command().output().unwrap())
    }

    fn days_on_disk(&self, index: &str) -> Vec<String> {
        let entries = fs::read_dir(self.dir.join("data").join(index)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn result(output: &Output) -> (bool, String) {
    (output.status.success(), String::from_utf8(output.stdout.clone()).unwrap())
}

fn tables(stack: &Stack) -> Vec<String> {
    stack.select("SHOW TABLES").unwrap()
}

#[test]
fn searchd_starts_from_it_and_learns_of_a_new_day_at_a_signal() {
    let source = Source::new("script-signal");
    source.says(Some("20261121 20261122"));
    let stack = Stack::of("script-searchd", &["searchd"], &source.alco(), "");
    assert_eq!(tables(&stack), ["web", "web_20261121", "web_20261122"]);

    source.says(Some("20261121 20261122 20261123"));
    stack.reread();
    let added = || tables(&stack).contains(&"web_20261123".to_owned()).then_some(());
    wait_until("the new day is served", SOON, added);

    // alco is away, or talks nonsense: nothing is lost, and searchd even starts
    for silence in [None, Some(""), Some("alco: cannot read the ini")] {
        source.says(Some("20261121"));
        source.says(silence);
        stack.stop("searchd");
        stack.restart("searchd");
        assert_eq!(tables(&stack), ["web", "web_20261121", "web_20261122", "web_20261123"], "{silence:?}");
    }
}

#[test]
fn without_alco_and_without_a_copy_it_prints_nothing_and_fails() {
    let source = Source::new("script-nothing");
    assert_eq!(source.run(), (false, String::new()));
}

#[test]
fn only_a_whole_configuration_replaces_the_last_good_one() {
    let source = Source::new("script-whole");
    source.says(Some("20261122"));
    let (ok, good) = source.run();
    assert!(ok && good.ends_with("}\n"), "{good}");
    for text in [
        "usage: alco",
        "searchd\n{\n}\n",
        "index web\n{\n type = distributed\n}\n",
        "index web\n{\n}\nsearchd\n{\n listen = 127.0",
        "# index searchd }",
    ] {
        source.says(Some(text));
        assert_eq!(source.run(), (true, good.clone()), "{text}");
    }
    source.says(None);
    assert_eq!(source.run(), (true, good));
}

#[test]
fn every_directory_that_is_named_exists_afterwards() {
    let source = Source::new("script-directories");
    source.says(Some("20261122 20261123"));
    assert!(source.run().0);
    for directory in ["data/web/20261122", "data/web/20261123", "data/binlog", "log", "run"] {
        assert!(source.dir.join(directory).is_dir(), "{directory}");
    }
}

#[test]
fn days_before_the_oldest_served_are_removed_but_the_newest_of_them() {
    let source = Source::new("script-retention");
    let data = source.dir.join("data");
    let before = [
        "web/20261031",
        "web/20261118",
        "web/20261119",
        "web/20261120",
        "web/20261122",
        "web/20270101",
        "web/2026111",
        "web/202611180",
        "web/20261118.old",
        "web/notes",
        "other/20200101",
        "20200101",
    ];
    for directory in before {
        fs::create_dir_all(data.join(directory)).unwrap();
    }
    fs::write(data.join("web/20200101"), "a file").unwrap();
    let elsewhere = source.dir.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, data.join("web/20200102")).unwrap();

    // an empty list of days removes nothing
    source.says(Some("searchd\n{\n}\n"));
    assert!(!source.run().0);
    assert_eq!(source.days_on_disk("web").len(), 12);

    source.says(Some("20261120 20261121"));
    assert!(source.run().0);
    let kept = [
        "20200101",
        "20200102",
        "2026111",
        "20261118.old",
        "202611180",
        "20261119",
        "20261120",
        "20261121",
        "20261122",
        "20270101",
        "notes",
    ];
    assert_eq!(source.days_on_disk("web"), kept);
    assert!(elsewhere.is_dir() && data.join("other/20200101").is_dir() && data.join("20200101").is_dir());

    // a copy may be old: it decides about nothing
    fs::create_dir_all(data.join("web/20261031")).unwrap();
    source.says(None);
    assert!(source.run().0);
    assert!(data.join("web/20261031").is_dir());
}

#[test]
fn on_a_host_of_its_own_it_asks_over_http() {
    let source = Source::new("script-http");
    source.says(Some("20261122"));
    let (_, good) = source.run();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/logs/", listener.local_addr().unwrap());
    let body = good.replace("20261122", "20261123");
    let expected = body.clone();
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let length = client.read(&mut request).unwrap();
        write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let cache = source.dir.join("copy/of/it");
    let ask = || result(&source.command().env("ALCO_URL", &url).env("ALCO_CACHE", &cache).output().unwrap());
    assert_eq!(ask(), (true, expected.clone()));
    assert!(server.join().unwrap().starts_with("GET /logs/collector/sphinx.conf HTTP/1.1\r\n"));
    // nobody listens any more
    assert_eq!(ask(), (true, expected));
    assert!(Path::new(&cache).is_file());
}
