//! `[index NAME]`: a stream of logs, from its queue to its pages. Pure.

use std::num::NonZeroU32;

use jiff::tz::TimeZone;

use crate::config::defaults::{LEVEL_NAMES, MESSAGE_NAMES, TIMESTAMP_NAMES};
use crate::config::grantee::Grantee;
use crate::config::index_name::IndexName;
use crate::config::property::Property;
use crate::config::section::Reader;
use crate::config::value;
use crate::config::value::{choice, list, list_of, non_zero, not_empty, number, yes_no};

#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    pub name: IndexName,
    /// empty: pages show the name
    pub title: String,
    /// who may see it; empty: all who are signed in
    pub users: Vec<Grantee>,
    pub queue: String,
    pub routing_keys: Vec<String>,
    pub queue_type: QueueType,
    pub durable: bool,
    /// for a queue that alco declares: `x-max-length` and the like
    pub queue_arguments: Vec<(String, Argument)>,
    /// whether a body may hold several records
    pub split: bool,
    /// workers; 0: this node does not collect the index
    pub threads: usize,
    /// retention: the number of UTC days that are kept
    pub days: NonZeroU32,
    /// names that the time may have: the first that holds a time; never empty
    pub timestamp: Vec<String>,
    /// names that the text may have: the first that a record has; never empty
    pub message: Vec<String>,
    pub timestamp_zone: TimeZone,
    pub search: SearchText,
    pub columns: Vec<String>,
    pub level: Vec<String>,
    pub level_numbers: LevelNumbers,
    pub filtered: Vec<String>,
    pub hidden: Vec<String>,
    pub excluded: Vec<String>,
    /// properties of a delivery that are kept as columns, in addition to its body
    pub properties: Vec<Property>,
    pub context: Vec<String>,
    pub indexed: Vec<String>,
}

/// The value of a queue's argument. RabbitMQ compares its type too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    Number(i64),
    Flag(bool),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueType {
    Classic,
    Quorum,
}

/// The scale of the numbers in a level column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelNumbers {
    /// by the record's other columns where these are sure (`level`), else syslog's up to 7 and Python's from 10 on
    Auto,
    /// 10 is debug, 50 critical
    Python,
    /// and pino: 10 is trace, 60 fatal
    Bunyan,
    /// and GELF: 0 is emergency, 7 debug
    Syslog,
    /// of a column whose name shows it, and no setting: 1 is trace, 24 fatal
    Otel,
}

impl LevelNumbers {
    /// As alco.ini and the API call them.
    pub const NAMES: [(&str, LevelNumbers); 4] = [
        ("auto", LevelNumbers::Auto),
        ("python", LevelNumbers::Python),
        ("bunyan", LevelNumbers::Bunyan),
        ("syslog", LevelNumbers::Syslog),
    ];

    pub fn name(self) -> &'static str {
        LevelNumbers::NAMES.iter().find(|(_, numbers)| *numbers == self).map_or("", |(name, _)| name)
    }
}

/// The text that the full-text index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchText {
    Message,
    /// the columns' text too, for in=all
    All,
}

impl Index {
    /// An index with every key at its default.
    pub fn new(name: IndexName) -> Index {
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Index {
            title: String::new(),
            users: Vec::new(),
            queue: name.to_string(),
            routing_keys: list(&["logstash.#"]),
            queue_type: QueueType::Classic,
            durable: true,
            queue_arguments: Vec::new(),
            split: true,
            threads: 1,
            days: NonZeroU32::new(30).expect("not 0"),
            timestamp: list(TIMESTAMP_NAMES),
            message: list(MESSAGE_NAMES),
            timestamp_zone: TimeZone::UTC,
            search: SearchText::Message,
            columns: list(&["levelname", "host", "logger"]),
            level: list(LEVEL_NAMES),
            level_numbers: LevelNumbers::Auto,
            filtered: list(&["levelname", "host", "application"]),
            hidden: list(&["tags", "type"]),
            excluded: Vec::new(),
            properties: Vec::new(),
            context: list(&["exc_info", "stack_trace", "full_message"]),
            indexed: Vec::new(),
            name,
        }
    }

    /// The name under which alco writes the time.
    pub fn timestamp_name(&self) -> &str {
        &self.timestamp[0]
    }

    /// The name under which alco writes the text.
    pub fn message_name(&self) -> &str {
        &self.message[0]
    }

    /// Takes the keys of `[index NAME]`. None: the name is not valid.
    pub fn read(from: &mut Reader, name: &str) -> Option<Index> {
        let parsed = name.parse::<IndexName>();
        if let Err(why) = &parsed {
            from.wrong(from.section.line, why.clone());
        }
        // the keys are checked all the same
        let fallback = || Index::new("index".parse().expect("a name by the rule"));
        let mut to = parsed.as_ref().map_or_else(|_| fallback(), |name| Index::new(name.clone()));
        from.take("title", &mut to.title, |value| Ok(value.to_owned()));
        from.take_list("users", &mut to.users, list_of(str::parse));
        from.take("queue", &mut to.queue, value::amqp_name);
        let keys = not_empty(list_of(value::routing_key), "write # for every record of the exchange");
        from.take_list("routing_keys", &mut to.routing_keys, keys);
        let types = [("classic", QueueType::Classic), ("quorum", QueueType::Quorum)];
        from.take("queue_type", &mut to.queue_type, choice(&types));
        from.take("durable", &mut to.durable, yes_no);
        from.take_list("queue_arguments", &mut to.queue_arguments, list_of(queue_argument));
        from.take("split", &mut to.split, yes_no);
        from.take("threads", &mut to.threads, number(0..=64usize));
        from.take("days", &mut to.days, |value| non_zero(number(1..=3660u32)(value)?));
        from.take_list("timestamp", &mut to.timestamp, not_empty(list, "write @timestamp"));
        from.take_list("message", &mut to.message, not_empty(list, "write message"));
        from.take("timestamp_zone", &mut to.timestamp_zone, crate::time::zone);
        from.take("search", &mut to.search, choice(&[("message", SearchText::Message), ("all", SearchText::All)]));
        from.take_list("columns", &mut to.columns, list);
        from.take_list("level", &mut to.level, list);
        from.take("level_numbers", &mut to.level_numbers, choice(&LevelNumbers::NAMES));
        from.take_list("filtered", &mut to.filtered, list);
        from.take_list("hidden", &mut to.hidden, list);
        from.take_list("excluded", &mut to.excluded, list);
        from.take_list("properties", &mut to.properties, list_of(str::parse));
        from.take_list("context", &mut to.context, list);
        from.take_list("indexed", &mut to.indexed, list);
        to.find_clashes(from);
        parsed.is_ok().then_some(to)
    }

    /// Finds values that are right alone and wrong together.
    fn find_clashes(&self, from: &mut Reader) {
        if self.queue_type == QueueType::Quorum && !self.durable {
            from.wrong_at("durable", "durable: a quorum queue is always durable; leave the line out".to_owned());
        }
        for (at, (name, _)) in self.queue_arguments.iter().enumerate() {
            if self.queue_arguments[..at].iter().any(|(other, _)| other == name) {
                from.wrong_at("queue_arguments", format!("queue_arguments: has '{name}' twice; keep one"));
            }
        }
        if let Some(name) = self.message.iter().find(|name| self.timestamp.contains(name)) {
            from.wrong_at(
                "message",
                format!("message: '{name}' is one of timestamp's names too; keep it in one of them"),
            );
        }
        for (at, column) in self.indexed.iter().enumerate() {
            if self.indexed[..at].contains(column) {
                from.wrong_at("indexed", format!("indexed: has '{column}' twice; keep one"));
            }
        }
    }
}

/// `x-max-length=100000`: a whole number, true or false, or else text, as the plugin for management takes them.
fn queue_argument(value: &str) -> Result<(String, Argument), String> {
    let Some((name, of)) = value.split_once('=').map(|(name, of)| (name.trim(), of.trim())) else {
        return Err(format!("'{value}' has no value; write it like x-max-length=100000"));
    };
    if name == "x-queue-type" {
        return Err(format!("'{value}': set queue_type"));
    }
    if !name.starts_with("x-") || of.is_empty() {
        return Err(format!("'{value}' is not like x-max-length=100000"));
    }
    let argument = match (of, of.parse()) {
        (_, Ok(number)) => Argument::Number(number),
        ("true", _) => Argument::Flag(true),
        ("false", _) => Argument::Flag(false),
        (text, _) => Argument::Text(text.to_owned()),
    };
    Ok((name.to_owned(), argument))
}
