//! Sections -> `Config`, and every mistake on the way. A file for each section: its struct, its defaults, and its keys. Pure: files
//! named in the ini are not opened here.
//!
//! A section's keys are those that its `read` takes, so a key is named in one place only. Every other key is unknown. `compare`
//! finds values that are right alone and wrong together.

mod compare;
pub mod http;
pub mod index;
pub mod rabbitmq;
pub mod redis;
pub mod shortcut;
pub mod sphinx;

use crate::config::index_name::IndexName;
use crate::config::ini;
use crate::config::ini::{Mistake, Section};
use crate::config::section::{Reader, title};
use crate::config::sections::compare::compare;
use crate::config::sections::index::Index;
use crate::config::sections::shortcut::Shortcut;
use crate::config::settings::Config;
use crate::config::sphinx_directives::Of;
use crate::config::value;

/// Named sections, and whether they bear a name (`[index web]`).
const SECTIONS: [(&str, Named); 8] = [
    ("rabbitmq", Named::Never),
    ("redis", Named::Never),
    ("sphinx", Named::Never),
    ("sphinx.index", Named::Perhaps),
    ("sphinx.searchd", Named::Never),
    ("http", Named::Never),
    ("index", Named::Always),
    ("shortcut", Named::Always),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Never,
    Perhaps,
    Always,
}

/// The settings that were read, the mistakes, and the lines of the keys that name files.
pub struct Reading {
    pub config: Config,
    /// in the order of the file
    pub mistakes: Vec<Mistake>,
    pub rabbitmq_lines: FileLines,
    pub redis_lines: FileLines,
    pub users_file_line: usize,
}

#[derive(Clone, Copy, Default)]
pub struct FileLines {
    pub password_file: usize,
    pub ca_file: usize,
}

pub fn read(text: &str) -> Reading {
    let (sections, mistakes) = ini::parse(text);
    let config = Config { indexes: Vec::new(), ..Config::default() };
    let mut reading = Reading {
        config,
        mistakes,
        rabbitmq_lines: FileLines::default(),
        redis_lines: FileLines::default(),
        users_file_line: 0,
    };
    let mut seen: Vec<&Section> = Vec::new();
    for section in &sections {
        if let Some(first) = seen.iter().find(|other| (other.kind, other.name) == (section.kind, section.name)) {
            let what = format!("{} begins in line {} already; put both into one section", title(section), first.line);
            reading.mistakes.push(Mistake { line: section.line, what });
        } else if let Err(what) = known(section) {
            reading.mistakes.push(Mistake { line: section.line, what });
        } else {
            reading.section(section);
            seen.push(section);
        }
    }
    if !seen.iter().any(|section| section.kind == "index") {
        reading.config.indexes = Config::default().indexes;
    }
    reading.mistakes.extend(compare(&reading.config, &seen));
    reading.all_indexes();
    reading.mistakes.sort_by_key(|mistake| mistake.line);
    reading
}

fn known(section: &Section) -> Result<(), String> {
    let kind = section.kind;
    let Some((_, named)) = SECTIONS.iter().find(|(name, _)| *name == kind) else {
        return Err(match value::nearest(kind, SECTIONS.map(|(name, _)| name)) {
            Some(near) => format!("unknown section [{kind}]; did you mean [{near}]?"),
            None => format!("unknown section [{kind}]; the sections are {}", SECTIONS.map(|(name, _)| name).join(", ")),
        });
    };
    match (named, section.name) {
        (Named::Never, Some(name)) => Err(format!("[{kind} {name}]: this section has no name; write [{kind}]")),
        (Named::Always, None) => Err(format!("[{kind}] needs a name; write one, such as [{kind} web]")),
        _ => Ok(()),
    }
}

impl Reading {
    /// Reads a section that is known and that the file has once.
    fn section(&mut self, section: &Section) {
        let mut from = Reader::new(section);
        let config = &mut self.config;
        let files = FileLines { password_file: section.line_of("password_file"), ca_file: section.line_of("ca_file") };
        match section.kind {
            "rabbitmq" => {
                config.rabbitmq.read(&mut from);
                self.rabbitmq_lines = files;
            }
            "redis" => {
                config.redis.read(&mut from);
                self.redis_lines = files;
            }
            "sphinx" => config.sphinx.read(&mut from),
            "http" => {
                config.http.read(&mut from);
                self.users_file_line = section.line_of("users_file");
            }
            "sphinx.searchd" => {
                self.mistakes.extend(from.directives(Of::Searchd, &mut config.sphinx.searchd));
                return;
            }
            "sphinx.index" => {
                let to = match section.name.map(str::parse::<IndexName>) {
                    None => &mut config.sphinx.index,
                    Some(Ok(name)) => config.sphinx.index_of.entry(name).or_default(),
                    // `compare` reports that there is no such index
                    Some(Err(_)) => &mut Vec::new(),
                };
                self.mistakes.extend(from.directives(Of::Index, to));
                return;
            }
            kind => {
                let name = section.name.expect("`known` lets no [index] and no [shortcut] without a name pass");
                if kind == "shortcut" {
                    config.shortcuts.push(Shortcut::read(&mut from, name));
                } else {
                    config.indexes.extend(Index::read(&mut from, name));
                }
            }
        }
        self.mistakes.extend(from.finish());
    }

    /// A shortcut that names no index is one over all.
    fn all_indexes(&mut self) {
        let Config { indexes, shortcuts, .. } = &mut self.config;
        for shortcut in shortcuts.iter_mut().filter(|shortcut| shortcut.index.is_empty()) {
            shortcut.index = indexes.iter().map(|index| index.name.clone()).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::address::Address;
    use crate::config::sections::http::Http;
    use crate::config::sections::rabbitmq::Rabbitmq;
    use crate::config::sections::redis::Redis;
    use crate::config::sections::sphinx::Sphinx;

    const EXAMPLE: &str = include_str!("../../../alco.ini.example");

    #[track_caller]
    fn check(text: &str, mistakes: &[&str]) {
        let found = Config::parse(text, "alco.ini").err().unwrap_or_default();
        assert_eq!(found, mistakes);
    }

    #[test]
    fn the_shipped_example_is_the_defaults() {
        assert_eq!(Config::parse(EXAMPLE, "alco.ini.example"), Ok(Config::default()));
        assert_eq!(Config::parse("", "alco.ini"), Ok(Config::default()));
    }

    /// The keys of each section, as its function asks for them.
    fn keys() -> [(&'static str, Vec<&'static str>); 6] {
        let asked = |ask: &dyn Fn(&mut Reader)| {
            let section = Section { line: 1, kind: "", name: None, entries: Vec::new() };
            let mut reader = Reader::new(&section);
            ask(&mut reader);
            reader.asked
        };
        [
            ("[rabbitmq]", asked(&|from| Rabbitmq::default().read(from))),
            ("[redis]", asked(&|from| Redis::default().read(from))),
            ("[sphinx]", asked(&|from| Sphinx::default().read(from))),
            ("[http]", asked(&|from| Http::default().read(from))),
            ("[index logs]", asked(&|from| drop(Index::read(from, "logs")))),
            (";[shortcut slow]", asked(&|from| drop(Shortcut::read(from, "slow")))),
        ]
    }

    #[test]
    fn the_shipped_example_names_every_key() {
        for (header, keys) in keys() {
            let below = EXAMPLE.lines().skip_while(|line| *line != header).skip(1);
            let section: Vec<&str> = below.take_while(|line| !line.trim_start_matches(';').starts_with('[')).collect();
            for key in keys {
                let start = format!("{}{key} =", if header.starts_with(';') { ";" } else { "" });
                assert!(section.iter().any(|line| line.starts_with(&start)), "{header} {key}");
            }
        }
    }

    #[test]
    fn a_config_mistake_has_a_place_a_cause_and_a_cure() {
        check(
            "[redis]\nadress = x",
            &["alco.ini:2: [redis] unknown key 'adress'; the keys are url, sentinel, password_file, ca_file"],
        );
        check("[sphinx]\nadress = x", &["alco.ini:2: [sphinx] unknown key 'adress'; did you mean 'address'?"]);
        check("[rabitmq]\nx = 1", &["alco.ini:1: unknown section [rabitmq]; did you mean [rabbitmq]?"]);
        check("[redis x]", &["alco.ini:1: [redis x]: this section has no name; write [redis]"]);
        check("[index]", &["alco.ini:1: [index] needs a name; write one, such as [index web]"]);
        check(
            "[rabbitmq]\nbatch_age = 10",
            &["alco.ini:2: [rabbitmq] batch_age: '10' has no unit; write 500ms, 2s, 10m, 1h or 1d"],
        );
        check(
            "[index web]\nrouting_keys = logstash.web.# logstash.nginx\n[index billing]\nqueue = b\nrouting_keys = a.#; b.#",
            &[
                "alco.ini:2: [index web] routing_keys: 'logstash.web.# logstash.nginx' has a space or a semicolon; write a comma \
                 between routing keys",
                "alco.ini:5: [index billing] routing_keys: 'a.#; b.#' has a space or a semicolon; write a comma between routing keys",
            ],
        );
        check(
            "[index web]\ncolumns = levelname host\nfiltered = a;b\nhidden = a ; b, c\nexcluded = a ; a comment",
            &[
                "alco.ini:2: [index web] columns: 'levelname host' has no comma; write levelname, host; or 'levelname host,' if that \
                 is one name",
                "alco.ini:3: [index web] filtered: 'a;b' has no comma; write a, b; or 'a;b,' if that is one name",
                "alco.ini:4: [index web] hidden: the list ends before ' ;', and 'b, c' is a comment; write commas between items, and \
                 a comment on a line of its own",
            ],
        );
        check(
            "[index web]\n[shortcut s]\nindex = web\n[shortcut t]\nquery =\n[shortcut one]\nparameter = request_id",
            &[
                "alco.ini:2: [shortcut s] has no query; write one as it stands in an address, such as search=slow&start_ts=-1h",
                "alco.ini:5: [shortcut t] has no query; write one as it stands in an address, such as search=slow&start_ts=-1h",
            ],
        );
        check("[index web]\nsearch = yes", &["alco.ini:2: [index web] search: 'yes' is not one of message, all"]);
        check(
            "[http]\nuser_header = X-User",
            &[
                "alco.ini:2: [http] user_header: every client could send this header; set trusted_proxies, such as 127.0.0.1",
            ],
        );
        check(
            "[http]\nlisten = 127.0.0.1:8000, [::]:8000",
            &[
                "alco.ini:2: [http] listen: at [::]:8000 other hosts can read the logs without a password; set users_file, or \
                 user_header and trusted_proxies; or public = yes, if that is meant",
            ],
        );
        check("[http]\nlisten = localhost:1, [::1]:1, 127.0.0.2:1, /run/alco", &[]);
        check("[http]\nlisten = logs.example.org:1\npublic = yes", &[]);
        check("[http]\nlisten = 0.0.0.0:1\nuser_header = X\ntrusted_proxies = unix", &[]);
        check(
            "[http]\nopen_paths = /health, /grep/",
            &["alco.ini:2: [http] open_paths: '/grep/' is not one of /health, /metrics, /collector/sphinx.conf, \
                 /api/collector/indices/"],
        );
        check(
            "[rabbitmq]\nurl = amqp://h/\npassword_file = /x",
            &["alco.ini:3: [rabbitmq] password_file: an address in url has no user; write amqp://user@host:port/…"],
        );
        check(
            "[rabbitmq]\nurl = amqp://h\nca_file = /x\n[redis]\nca_file = /x",
            &[
                "alco.ini:3: [rabbitmq] ca_file: has no effect without TLS; begin url with amqps:// and name that port \
                 (5671), or leave ca_file out",
                "alco.ini:5: [redis] ca_file: has no effect without TLS; begin url with rediss:// and name that port \
                 (tls-port), or leave ca_file out",
            ],
        );
        check(
            "[redis]\nurl = rediss://h/#insecure",
            &[
                "alco.ini:2: [redis] url: certificates are always verified; leave #insecure out, and set ca_file to the CA's \
                 certificate",
            ],
        );
    }

    #[test]
    fn all_mistakes_are_shown_in_the_order_of_the_file() {
        check(
            "[redis]\nurl = x\n[http]\npage_size = 0\nwhat\n[redis]\n[http2]\n[index Web]\ndays = x\n",
            &[
                "alco.ini:2: [redis] url: an address begins with redis:// or rediss://",
                "alco.ini:4: [http] page_size: '0' is not a whole number from 1 to 10000",
                "alco.ini:5: the line is neither `[section]` nor `key = value` nor a comment, which begins with ';'",
                "alco.ini:6: [redis] begins in line 1 already; put both into one section",
                "alco.ini:7: unknown section [http2]; did you mean [http]?",
                "alco.ini:8: [index Web] 'Web' is not a name for an index: it has a lower-case letter, then lower-case \
                 letters, digits and _, at most 20 characters, and is not 'shortcut'",
                "alco.ini:9: [index Web] days: 'x' is not a whole number from 1 to 3660",
            ],
        );
    }

    #[test]
    fn clashing_names_are_refused() {
        check("[redis]\nca_file =\nca_file =", &["alco.ini:3: [redis] 'ca_file' is in line 2 already; keep one"]);
        check(
            "[index a]\nqueue = q\n[index b]\nqueue = q",
            &["alco.ini:4: [index b] queue: 'q' is the queue of [index a] already"],
        );
        check(
            "[index b]\nqueue = a.dead\n[index a]",
            &["alco.ini:2: [index b] queue: 'a.dead' is the dead queue of [index a]; take another name"],
        );
        check(
            "[index a_local]\n[index a]",
            &[
                "alco.ini:1: [index a_local] a_local is what searchd calls this node's part of [index a]; take another name",
            ],
        );
        check(
            "[index a]\nindexed = user-id, user.id, user-id",
            &["alco.ini:2: [index a] indexed: has 'user-id' twice; keep one"],
        );
        check(
            "[index a]\nqueue_type = quorum\ndurable = no",
            &["alco.ini:3: [index a] durable: a quorum queue is always durable; leave the line out"],
        );
        check(
            "[index a]\nqueue_arguments = x-a=1, x-a=2\n[index b]\nqueue_arguments = x-queue-type=quorum",
            &[
                "alco.ini:2: [index a] queue_arguments: has 'x-a' twice; keep one",
                "alco.ini:4: [index b] queue_arguments: 'x-queue-type=quorum': set queue_type",
            ],
        );
    }

    #[test]
    fn directives_are_searchds_but_for_those_that_are_alcos() {
        let text = "[sphinx.index]\nrt_mem_limit = 256M\n[sphinx.index logs]\nmin_infix_len = 2\n\
                    [sphinx.searchd]\nlisten = 127.0.0.1:1:mysql41, 9312\nlisten = /s:mysql41\nlog = /var/log/s";
        let sphinx = Config::parse(text, "alco.ini").expect("no mistakes").sphinx;
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(sphinx.index, [pair("rt_mem_limit", "256M")]);
        assert_eq!(sphinx.index_of.into_values().collect::<Vec<_>>(), [[pair("min_infix_len", "2")]]);
        let listen = ["127.0.0.1:1:mysql41", "9312", "/s:mysql41"].map(|value| pair("listen", value));
        assert_eq!(sphinx.searchd, [&listen[..], &[pair("log", "/var/log/s")]].concat());
        check(
            "[sphinx]\npid_file = /a\n[sphinx.searchd]\npid_file = /b\nlog = /a#b\nlog = /c\nbinlog_flush = 1",
            &[
                "alco.ini:4: [sphinx.searchd] pid_file: '/b' is not the '/a' of [sphinx]; leave one of them out",
                "alco.ini:5: [sphinx.searchd] log: '/a#b': # and \\ mean something else in searchd's configuration",
                "alco.ini:6: [sphinx.searchd] 'log' is in line 5 already; keep one",
                "alco.ini:7: [sphinx.searchd] binlog_flush = 1 loses records that were confirmed: searchd killed at a \
                 commit drops the batch that it has just confirmed; set 2, or leave it out",
            ],
        );
    }

    #[test]
    fn every_key_is_read() {
        let text = "
[rabbitmq]
url = amqp://u:p@a:5672/%2f, amqps://u:p@b/v ; two
exchange = e
exchange_type = fanout
exchange_durable = no
batch_records = 10
batch_age = 250ms
batch_size = 1MiB
ca_file = /ca
ack_delay = 3s
redelivery_wait = 90s
[redis]
url = rediss://r:6380/1, rediss://s:6380/1
sentinel = main
[sphinx]
address = /var/run/searchd.sock
data_dir = /data/sphinx
pid_file = /run/searchd.pid
service = sphinxsearch
dialect = manticore
peers = a:9312|b:9312, c:9312
[http]
listen = [::1]:80, /run/alco.sock
base_path = /logs
page_size = 50
timezone = Europe/Berlin
search_budget = 5s
users_file = /users
user_header = X-User
group_header = X-Groups
trusted_proxies = 127.0.0.1, unix
max_followers = 0
open_paths =
shortcuts = all
public = yes
[index web]
title = Web shop
users = anna, @ops
queue = alco_web
routing_keys = logstash.web.#, logstash.nginx
queue_type = quorum
queue_arguments = x-max-length=5
split = no
threads = 2
days = 7
timestamp = time
message = msg
timestamp_zone = Europe/Berlin
search = all
columns = a, b
level =
level_numbers = bunyan
filtered = a
hidden = b
excluded = c
properties = routing_key, header.x-tenant
context = d
indexed = e
[shortcut slow]
index = web
title = Slow requests
query = ?search=slow&start_ts=-1h
parameter = request_id
";
        let config = Config::parse(text, "alco.ini").expect("no mistakes");
        let defaults = Config::default();
        let index = &config.indexes[0];
        assert_eq!(config.sphinx.address, Address::Unix("/var/run/searchd.sock".into()));
        assert_eq!(config.sphinx.peers, [vec!["a:9312", "b:9312"], vec!["c:9312"]]);
        assert_eq!(
            config.http.listen.iter().map(Address::to_string).collect::<Vec<_>>(),
            ["[::1]:80", "/run/alco.sock"]
        );
        assert_eq!(config.http.base_path, "/logs/");
        assert_eq!((index.name.as_str(), index.title.as_str(), index.days.get()), ("web", "Web shop", 7));
        assert_eq!((index.level.len(), index.columns.len()), (0, 2));
        assert_eq!(config.shortcuts[0].query, "search=slow&start_ts=-1h");
        // nothing is left as it was but what the text leaves out
        let (config, defaults) = (format!("{config:#?}"), format!("{defaults:#?}"));
        for line in config.lines().filter(|line| line.contains(": ") && line.ends_with(',') && !line.ends_with("[],")) {
            let same = defaults.contains(line);
            let may = ["password_file", "ca_file", "authorities", "durable: true", "index_of", "own_peer"];
            assert!(!same || may.iter().any(|key| line.contains(key)), "still the default: {line}");
        }
    }
}
