//! Sections -> `Config`, and every mistake on the way. Pure: files named in the ini are not opened here.
//!
//! A section's keys are those that its function takes, so a key is named in one place only. Every other key is unknown.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::ini;
use crate::config::ini::{Mistake, Section};
use crate::config::section::{Reader, title};
use crate::config::settings::{
    Config, Dialect, ExchangeDurable, Http, Index, IndexName, LevelNumbers, QueueType, Rabbitmq, Redis, SearchText,
    Shortcut, Sphinx, field_of_column,
};
use crate::config::sphinx_directives;
use crate::config::sphinx_directives::Of;
use crate::config::value;
use crate::config::value::{choice, list, list_of, not_empty, number, optional, text, yes_no};

/// A record of 4 MiB and a full batch still fit into searchd's max_packet_size of 64M.
const BATCH_SIZE_MAX: usize = 16 << 20;

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
            let what = format!("{} stands in line {} already; put the two together", title(section), first.line);
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
    reading.compare(&seen);
    reading.mistakes.sort_by_key(|mistake| mistake.line);
    reading
}

fn known(section: &Section) -> Result<(), String> {
    let kind = section.kind;
    let Some((_, named)) = SECTIONS.iter().find(|(name, _)| *name == kind) else {
        return Err(match value::nearest(kind, SECTIONS.map(|(name, _)| name)) {
            Some(near) => format!("unknown section [{kind}]; did you mean [{near}]?"),
            None => format!("unknown section [{kind}]; known are {}", SECTIONS.map(|(name, _)| name).join(", ")),
        });
    };
    match (named, section.name) {
        (Named::Never, Some(name)) => Err(format!("[{kind} {name}]: this section bears no name; write [{kind}]")),
        (Named::Always, None) => Err(format!("[{kind}] lacks a name; write one, such as [{kind} web]")),
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
                rabbitmq(&mut from, &mut config.rabbitmq);
                self.rabbitmq_lines = files;
            }
            "redis" => {
                redis(&mut from, &mut config.redis);
                self.redis_lines = files;
            }
            "sphinx" => sphinx(&mut from, &mut config.sphinx),
            "http" => {
                http(&mut from, &mut config.http);
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
                    // `compare` says that there is no such index
                    Some(Err(_)) => &mut Vec::new(),
                };
                self.mistakes.extend(from.directives(Of::Index, to));
                return;
            }
            kind => {
                let name = section.name.expect("`known` lets no [index] and no [shortcut] without a name pass");
                if kind == "shortcut" {
                    config.shortcuts.push(shortcut(&mut from, name));
                } else {
                    config.indexes.extend(index(&mut from, name));
                }
            }
        }
        self.mistakes.extend(from.finish());
    }

    /// Finds values that are right alone and wrong together.
    fn compare(&mut self, sections: &[&Section]) {
        let names: Vec<IndexName> = self.config.indexes.iter().map(|index| index.name.clone()).collect();
        let known = |name: &str| names.iter().any(|known| known.as_str() == name);
        let near = |name: &str| match value::nearest(name, names.iter().map(IndexName::as_str)) {
            Some(near) => format!("there is no index '{name}'; did you mean '{near}'?"),
            None => format!("there is no index '{name}'; add [index {name}]"),
        };
        let mut wrong = |section: &Section, key: &str, what: String| {
            self.mistakes.push(Mistake { line: section.line_of(key), what: format!("{} {what}", title(section)) });
        };
        let mut queues: BTreeMap<&str, &IndexName> = BTreeMap::new();
        for section in sections {
            let of = match section.kind {
                "sphinx.index" => Some(Of::Index),
                "sphinx.searchd" => Some(Of::Searchd),
                _ => None,
            };
            for entry in of.iter().flat_map(|_| &section.entries) {
                let unknown = of.map(|of| sphinx_directives::known(of, entry.key, self.config.sphinx.dialect));
                if let Some(Err(what)) = unknown {
                    wrong(section, entry.key, what);
                }
            }
            match (section.kind, section.name) {
                ("sphinx.index", Some(name)) if !known(name) => wrong(section, "", near(name)),
                ("shortcut", Some(name)) => {
                    let shortcut = self.config.shortcuts.iter_mut().find(|shortcut| shortcut.name == name);
                    let Some(shortcut) = shortcut else { continue };
                    for name in shortcut.index.iter().filter(|name| !known(name.as_str())) {
                        wrong(section, "index", format!("index: {}", near(name.as_str())));
                    }
                    if shortcut.index.is_empty() {
                        shortcut.index = names.clone();
                    }
                }
                ("index", Some(name)) => {
                    let Some(index) = self.config.indexes.iter().find(|index| index.name.as_str() == name) else {
                        continue;
                    };
                    if let Some(whole) = name.strip_suffix("_local").filter(|whole| known(whole)) {
                        let what = format!("{name} is what searchd calls this node's part of [index {whole}]");
                        wrong(section, "", format!("{what}; take another name"));
                    }
                    let dead = |other: &&Index| index.queue.strip_suffix(".dead") == Some(other.queue.as_str());
                    if let Some(other) = queues.get(index.queue.as_str()) {
                        wrong(section, "queue", format!("queue: '{}' is [index {other}]'s already", index.queue));
                    } else if let Some(other) = self.config.indexes.iter().find(dead) {
                        let what =
                            format!("'{}' is where [index {}] puts what it cannot store", index.queue, other.name);
                        wrong(section, "queue", format!("queue: {what}; take another name"));
                    }
                    queues.entry(&index.queue).or_insert(&index.name);
                }
                ("http", _)
                    if self.config.http.user_header.is_some() && self.config.http.trusted_proxies.is_empty() =>
                {
                    let what = "user_header: anybody could send it; set trusted_proxies, such as 127.0.0.1";
                    wrong(section, "user_header", what.to_owned());
                }
                ("sphinx.searchd", _) => {
                    let own = self.config.sphinx.searchd.iter().find(|(key, _)| key == "pid_file");
                    let alcos = self.config.sphinx.pid_file.as_deref().and_then(|path| path.to_str());
                    if let (Some((_, own)), Some(alcos)) = (own, alcos)
                        && own != alcos
                    {
                        let what = format!("pid_file: '{own}' is not the '{alcos}' of [sphinx]; leave one of them out");
                        wrong(section, "pid_file", what);
                    }
                }
                _ => {}
            }
        }
    }
}

fn rabbitmq(from: &mut Reader, to: &mut Rabbitmq) {
    from.take("url", &mut to.urls, not_empty(list_of(value::url(&["amqp", "amqps"])), "leave the line out"));
    from.take("exchange", &mut to.exchange, value::amqp_name);
    from.take("exchange_type", &mut to.exchange_type, |value| match value {
        // types of plugins begin with x-
        "topic" | "fanout" | "direct" | "headers" => Ok(value.to_owned()),
        value if value.starts_with("x-") => Ok(value.to_owned()),
        value => Err(format!("'{value}' is none of topic, fanout, direct, headers, x-…")),
    });
    let durable = [("auto", ExchangeDurable::Auto), ("yes", ExchangeDurable::Yes), ("no", ExchangeDurable::No)];
    from.take("exchange_durable", &mut to.exchange_durable, choice(&durable));
    from.take("batch_records", &mut to.batch.records, |value| non_zero(number(1..=100_000usize)(value)?));
    let ages = Duration::from_millis(1)..=Duration::from_secs(60);
    from.take("batch_age", &mut to.batch.age, value::duration_within(ages));
    from.take("batch_size", &mut to.batch.size, |value| non_zero(value::size(1 << 10..=BATCH_SIZE_MAX)(value)?));
    from.take("password_file", &mut to.password_file, optional(value::path));
    from.take("ca_file", &mut to.ca_file, optional(value::path));
    // for this long a worker keeps the tags of stored deliveries; RabbitMQ's consumer timeout is half an hour
    from.take("ack_delay", &mut to.ack_delay, value::duration_within(Duration::ZERO..=Duration::from_secs(600)));
    if to.ca_file.is_some() && !to.urls.iter().any(|url| url.expose().starts_with("amqps:")) {
        from.wrong_at("ca_file", no_tls("amqps", "5671"));
    }
    if to.password_file.is_some() && to.urls.iter().any(|url| !url.expose().contains('@')) {
        let what = "password_file: an address in url lacks the user; write amqp://user@host:port/…";
        from.wrong_at("password_file", what.to_owned());
    }
}

fn redis(from: &mut Reader, to: &mut Redis) {
    from.take("url", &mut to.url, value::url(&["redis", "rediss"]));
    from.take("password_file", &mut to.password_file, optional(value::path));
    from.take("ca_file", &mut to.ca_file, optional(value::path));
    if to.url.expose().ends_with("#insecure") {
        let what =
            "url: certificates are always verified; leave #insecure out, and set ca_file to the CA's certificate";
        from.wrong_at("url", what.to_owned());
    }
    if to.ca_file.is_some() && !to.url.expose().starts_with("rediss:") {
        from.wrong_at("ca_file", no_tls("rediss", "tls-port"));
    }
}

fn no_tls(scheme: &str, port: &str) -> String {
    format!(
        "ca_file: has no effect without TLS; have url begin with {scheme}:// and name that port ({port}), or leave ca_file \
         out"
    )
}

fn sphinx(from: &mut Reader, to: &mut Sphinx) {
    let path = |value: &str| value::path(value::for_searchd(value)?);
    from.take("address", &mut to.address, value::address);
    from.take("data_dir", &mut to.data_dir, path);
    from.take("pid_file", &mut to.pid_file, optional(path));
    from.take("dialect", &mut to.dialect, choice(&[("sphinx", Dialect::Sphinx), ("manticore", Dialect::Manticore)]));
    from.take("peers", &mut to.peers, value::peers);
}

fn http(from: &mut Reader, to: &mut Http) {
    from.take("listen", &mut to.listen, not_empty(list_of(value::address), "write 127.0.0.1:8000"));
    from.take("base_path", &mut to.base_path, value::base_path);
    from.take("page_size", &mut to.page_size, |value| non_zero(number(1..=10_000usize)(value)?));
    from.take("timezone", &mut to.timezone, crate::time::zone);
    let budgets = Duration::from_millis(100)..=Duration::from_secs(600);
    from.take("search_budget", &mut to.search_budget, value::duration_within(budgets));
    from.take("users_file", &mut to.users_file, optional(value::path));
    from.take("user_header", &mut to.user_header, optional(value::header_name));
    from.take("trusted_proxies", &mut to.trusted_proxies, list_of(str::parse));
    from.take("max_followers", &mut to.max_followers, number(0..=1000));
}

/// None where the name is not valid.
fn index(from: &mut Reader, name: &str) -> Option<Index> {
    let parsed = name.parse::<IndexName>();
    if let Err(why) = &parsed {
        from.wrong(from.section.line, why.clone());
    }
    // the keys are checked all the same
    let fallback = || Index::new("index".parse().expect("a name by the rule"));
    let mut to = parsed.as_ref().map_or_else(|_| fallback(), |name| Index::new(name.clone()));
    from.take("title", &mut to.title, |value| Ok(value.to_owned()));
    from.take("queue", &mut to.queue, value::amqp_name);
    let keys = not_empty(list_of(value::amqp_name), "write # for every record of the exchange");
    from.take("routing_keys", &mut to.routing_keys, keys);
    let types = [("classic", QueueType::Classic), ("quorum", QueueType::Quorum)];
    from.take("queue_type", &mut to.queue_type, choice(&types));
    from.take("durable", &mut to.durable, yes_no);
    from.take("queue_arguments", &mut to.queue_arguments, list_of(value::queue_argument));
    from.take("split", &mut to.split, yes_no);
    from.take("threads", &mut to.threads, |value| non_zero(number(1..=64usize)(value)?));
    from.take("days", &mut to.days, |value| non_zero(number(1..=3660u32)(value)?));
    from.take("timestamp", &mut to.timestamp, not_empty(list, "write @timestamp"));
    from.take("message", &mut to.message, not_empty(list, "write message"));
    from.take("timestamp_zone", &mut to.timestamp_zone, crate::time::zone);
    from.take("search", &mut to.search, choice(&[("message", SearchText::Message), ("all", SearchText::All)]));
    from.take("columns", &mut to.columns, list);
    from.take("level", &mut to.level, list);
    from.take("level_numbers", &mut to.level_numbers, choice(&LevelNumbers::NAMES));
    from.take("filtered", &mut to.filtered, list);
    from.take("hidden", &mut to.hidden, list);
    from.take("excluded", &mut to.excluded, list);
    from.take("properties", &mut to.properties, list_of(str::parse));
    from.take("context", &mut to.context, list);
    from.take("indexed", &mut to.indexed, list);

    if to.queue_type == QueueType::Quorum && !to.durable {
        from.wrong_at("durable", "durable: a quorum queue is always durable; leave the line out".to_owned());
    }
    for (at, (name, _)) in to.queue_arguments.iter().enumerate() {
        if to.queue_arguments[..at].iter().any(|(other, _)| other == name) {
            from.wrong_at("queue_arguments", format!("queue_arguments: '{name}' stands there twice"));
        }
    }
    if let Some(name) = to.message.iter().find(|name| to.timestamp.contains(name)) {
        from.wrong_at("message", format!("message: '{name}' is one of timestamp's names too; keep it in one of them"));
    }
    for (at, column) in to.indexed.iter().enumerate() {
        let same = |other: &&String| field_of_column(other) == field_of_column(column);
        if let Some(other) = to.indexed[..at].iter().find(same) {
            let field = field_of_column(column);
            let what = format!("indexed: '{other}' and '{column}' would both be searchd's field {field}; keep one");
            from.wrong_at("indexed", what);
        }
    }
    parsed.is_ok().then_some(to)
}

fn shortcut(from: &mut Reader, name: &str) -> Shortcut {
    if let Err(why) = value::shortcut_name(name) {
        from.wrong(from.section.line, why);
    }
    let (name, query) = (name.to_owned(), String::new());
    let mut to = Shortcut { name, index: Vec::new(), title: String::new(), query, parameter: None };
    from.take("index", &mut to.index, list_of(str::parse));
    from.take("title", &mut to.title, |value| Ok(value.to_owned()));
    from.take("query", &mut to.query, |value| Ok(value.strip_prefix('?').unwrap_or(value).to_owned()));
    from.take("parameter", &mut to.parameter, optional(text));
    to
}

/// For the numbers whose range begins at 1.
fn non_zero<T, N: TryFrom<T>>(number: T) -> Result<N, String> {
    N::try_from(number).map_err(|_| "is 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::address::Address;

    const EXAMPLE: &str = include_str!("../../alco.ini.example");

    #[track_caller]
    fn check(text: &str, mistakes: &[&str]) {
        let told = Config::parse(text, "alco.ini").err().unwrap_or_default();
        assert_eq!(told, mistakes);
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
            ("[rabbitmq]", asked(&|from| rabbitmq(from, &mut Rabbitmq::default()))),
            ("[redis]", asked(&|from| redis(from, &mut Redis::default()))),
            ("[sphinx]", asked(&|from| sphinx(from, &mut Sphinx::default()))),
            ("[http]", asked(&|from| http(from, &mut Http::default()))),
            ("[index logs]", asked(&|from| drop(index(from, "logs")))),
            (";[shortcut slow]", asked(&|from| drop(shortcut(from, "slow")))),
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
            &["alco.ini:2: [redis] unknown key 'adress'; known are url, password_file, ca_file"],
        );
        check("[sphinx]\nadress = x", &["alco.ini:2: [sphinx] unknown key 'adress'; did you mean 'address'?"]);
        check("[rabitmq]\nx = 1", &["alco.ini:1: unknown section [rabitmq]; did you mean [rabbitmq]?"]);
        check("[redis x]", &["alco.ini:1: [redis x]: this section bears no name; write [redis]"]);
        check("[index]", &["alco.ini:1: [index] lacks a name; write one, such as [index web]"]);
        check(
            "[rabbitmq]\nbatch_age = 10",
            &["alco.ini:2: [rabbitmq] batch_age: '10' has no unit; write 500ms, 2s, 10m, 1h or 1d"],
        );
        check("[index web]\nsearch = yes", &["alco.ini:2: [index web] search: 'yes' is none of message, all"]);
        check(
            "[http]\nuser_header = X-User",
            &["alco.ini:2: [http] user_header: anybody could send it; set trusted_proxies, such as 127.0.0.1"],
        );
        check(
            "[rabbitmq]\nurl = amqp://h/\npassword_file = /x",
            &["alco.ini:3: [rabbitmq] password_file: an address in url lacks the user; write amqp://user@host:port/…"],
        );
        check(
            "[rabbitmq]\nurl = amqp://h\nca_file = /x\n[redis]\nca_file = /x",
            &[
                "alco.ini:3: [rabbitmq] ca_file: has no effect without TLS; have url begin with amqps:// and name that port \
                 (5671), or leave ca_file out",
                "alco.ini:5: [redis] ca_file: has no effect without TLS; have url begin with rediss:// and name that port \
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
    fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
        check(
            "[redis]\nurl = x\n[http]\npage_size = 0\nwhat\n[redis]\n[http2]\n[index Web]\ndays = x\n",
            &[
                "alco.ini:2: [redis] url: an address begins with redis:// or rediss://",
                "alco.ini:4: [http] page_size: '0' is no whole number from 1 to 10000",
                "alco.ini:5: neither `[section]` nor `key = value` nor a comment, which begins with ';'",
                "alco.ini:6: [redis] stands in line 1 already; put the two together",
                "alco.ini:7: unknown section [http2]; did you mean [http]?",
                "alco.ini:8: [index Web] 'Web' is no name for an index: a lower-case letter, then lower-case letters, \
                 digits and _, at most 20 characters, not 'shortcut'",
                "alco.ini:9: [index Web] days: 'x' is no whole number from 1 to 3660",
            ],
        );
    }

    #[test]
    fn what_would_clash_is_refused() {
        check("[redis]\nca_file =\nca_file =", &["alco.ini:3: [redis] 'ca_file' stands in line 2 already; keep one"]);
        check(
            "[index a]\nqueue = q\n[index b]\nqueue = q",
            &["alco.ini:4: [index b] queue: 'q' is [index a]'s already"],
        );
        check(
            "[index b]\nqueue = a.dead\n[index a]",
            &["alco.ini:2: [index b] queue: 'a.dead' is where [index a] puts what it cannot store; take another name"],
        );
        check(
            "[index a_local]\n[index a]",
            &[
                "alco.ini:1: [index a_local] a_local is what searchd calls this node's part of [index a]; take another name",
            ],
        );
        check(
            "[index a]\nindexed = user-id, user.id",
            &[
                "alco.ini:2: [index a] indexed: 'user-id' and 'user.id' would both be searchd's field x_user_id; keep one",
            ],
        );
        check(
            "[index a]\nqueue_type = quorum\ndurable = no",
            &["alco.ini:3: [index a] durable: a quorum queue is always durable; leave the line out"],
        );
        check(
            "[index a]\nqueue_arguments = x-a=1, x-a=2\n[index b]\nqueue_arguments = x-queue-type=quorum",
            &[
                "alco.ini:2: [index a] queue_arguments: 'x-a' stands there twice",
                "alco.ini:4: [index b] queue_arguments: 'x-queue-type=quorum': set queue_type",
            ],
        );
    }

    #[test]
    fn what_names_an_index_names_one_that_is_there() {
        check(
            "[shortcut s]\nindex = wbe, zzzzz\n[index web]\n[sphinx.index webb]\n[sphinx.index Q]",
            &[
                "alco.ini:2: [shortcut s] index: there is no index 'wbe'; did you mean 'web'?",
                "alco.ini:2: [shortcut s] index: there is no index 'zzzzz'; add [index zzzzz]",
                "alco.ini:4: [sphinx.index webb] there is no index 'webb'; did you mean 'web'?",
                "alco.ini:5: [sphinx.index Q] there is no index 'Q'; add [index Q]",
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
                "alco.ini:6: [sphinx.searchd] 'log' stands in line 5 already; keep one",
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
[redis]
url = rediss://r:6380/1
[sphinx]
address = /var/run/searchd.sock
data_dir = /data/sphinx
pid_file = /run/searchd.pid
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
trusted_proxies = 127.0.0.1, unix
max_followers = 0
[index web]
title = Web shop
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
            let may = ["password_file", "ca_file", "authorities", "durable: true", "index_of"];
            assert!(!same || may.iter().any(|key| line.contains(key)), "still the default: {line}");
        }
    }
}
