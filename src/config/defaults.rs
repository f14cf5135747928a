//! The default of every key. `alco.ini.example` spells out the same, and a test compares the two.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::config::address::Address;
use crate::config::secret::Secret;
use crate::config::settings::{
    BatchLimits, Config, Dialect, ExchangeDurable, Http, Index, IndexName, LevelNumbers, QueueType, Rabbitmq, Redis,
    SearchText, Sphinx,
};

/// The names that common loggers give the time. A name that may mean something else stands later.
const TIMESTAMP_NAMES: &[&str] = &[
    "@timestamp",
    "timestamp",
    "time",
    "ts",
    "@t",
    "Timestamp",
    "datetime",
    "asctime",
    "t",
    "instant",
    "timeMillis",
    "timeUnixNano",
    "observedTimeUnixNano",
    "__REALTIME_TIMESTAMP",
    "timereported",
    "ISODATE",
    "DATE",
    "EventTime",
    "time_iso8601",
    "time_local",
    "msec",
    "record.time.timestamp",
];

/// The names that common loggers give the text.
const MESSAGE_NAMES: &[&str] = &[
    "message",
    "msg",
    "short_message",
    "MESSAGE",
    "Message",
    "@m",
    "@mt",
    "@message",
    "body.stringValue",
    "body",
    "log",
    "event",
    "fields.message",
    "record.message",
    "RenderedMessage",
    "MessageTemplate",
    "text",
    "textPayload",
    "request",
];

impl Default for Config {
    fn default() -> Config {
        Config {
            rabbitmq: Rabbitmq::default(),
            redis: Redis::default(),
            sphinx: Sphinx::default(),
            http: Http::default(),
            indexes: vec![Index::new("logs".parse().expect("a name by the rule"))],
            shortcuts: Vec::new(),
        }
    }
}

impl Default for Rabbitmq {
    fn default() -> Rabbitmq {
        Rabbitmq {
            urls: vec![Secret::new("amqp://guest:guest@127.0.0.1:5672/%2f".to_owned())],
            exchange: "logstash".to_owned(),
            exchange_type: "topic".to_owned(),
            exchange_durable: ExchangeDurable::Auto,
            batch: BatchLimits {
                records: NonZeroUsize::new(1000).expect("not 0"),
                age: Duration::from_secs(1),
                size: NonZeroUsize::new(4 << 20).expect("not 0"),
            },
            password_file: None,
            ca_file: None,
            authorities: None,
            ack_delay: Duration::ZERO,
        }
    }
}

impl Default for Redis {
    fn default() -> Redis {
        Redis {
            url: Secret::new("redis://127.0.0.1:6379/0".to_owned()),
            password_file: None,
            ca_file: None,
            authorities: None,
        }
    }
}

impl Default for Sphinx {
    fn default() -> Sphinx {
        Sphinx {
            address: Address::Tcp { host: "127.0.0.1".to_owned(), port: 9306 },
            data_dir: PathBuf::from("/var/db/alco"),
            pid_file: None,
            dialect: Dialect::Sphinx,
            peers: Vec::new(),
            index: Vec::new(),
            index_of: BTreeMap::new(),
            searchd: Vec::new(),
        }
    }
}

impl Default for Http {
    fn default() -> Http {
        Http {
            listen: vec![Address::Tcp { host: "127.0.0.1".to_owned(), port: 8000 }],
            base_path: "/".to_owned(),
            page_size: NonZeroUsize::new(100).expect("not 0"),
            timezone: TimeZone::UTC,
            search_budget: Duration::from_secs(2),
            users_file: None,
            user_header: None,
            trusted_proxies: Vec::new(),
            max_followers: 16,
        }
    }
}

impl Index {
    /// An index with every key at its default.
    pub fn new(name: IndexName) -> Index {
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Index {
            title: String::new(),
            queue: name.to_string(),
            routing_keys: list(&["logstash.#"]),
            queue_type: QueueType::Classic,
            durable: true,
            queue_arguments: Vec::new(),
            split: true,
            threads: NonZeroUsize::MIN,
            days: NonZeroU32::new(30).expect("not 0"),
            timestamp: list(TIMESTAMP_NAMES),
            message: list(MESSAGE_NAMES),
            timestamp_zone: TimeZone::UTC,
            search: SearchText::Message,
            columns: list(&["levelname", "host", "logger"]),
            level: list(&["levelname", "level", "severity", "log.level", "severityText", "PRIORITY", "@l"]),
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
}
