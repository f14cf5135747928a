//! alco.ini -> `Config`: one struct a section, every key with its default, every mistake with its line and its cure.
//!
//! `Config::default()` is what an empty file means, and what `alco.ini.example` spells out.

use std::collections::BTreeMap;
use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub rabbitmq: Rabbitmq,
    pub redis: Redis,
    pub sphinx: Sphinx,
    pub http: Http,
    /// never empty: without an index section there is one index, `logs`
    pub indexes: Vec<Index>,
    pub shortcuts: Vec<Shortcut>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Rabbitmq {
    /// with the password of `password_file`, where there is one, put in
    pub urls: Vec<Secret>,
    pub exchange: String,
    pub exchange_type: String,
    pub exchange_durable: ExchangeDurable,
    pub batch: BatchLimits,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub ack_delay: Duration,
}

/// A batch goes out when it holds so many records, its first record is so old, or its SphinxQL has so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    pub records: NonZeroUsize,
    pub age: Duration,
    pub size: NonZeroUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeDurable {
    Auto,
    Yes,
    No,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Redis {
    pub url: Secret,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sphinx {
    pub address: Address,
    pub data_dir: PathBuf,
    pub pid_file: Option<PathBuf>,
    pub dialect: Dialect,
    /// shards, each a list of mirrors `host:port`
    pub peers: Vec<Vec<String>>,
    /// directives of `[sphinx.index]`, in the order of the file
    pub index: Vec<(String, String)>,
    /// directives of `[sphinx.index NAME]`
    pub index_of: BTreeMap<IndexName, Vec<(String, String)>>,
    /// directives of `[sphinx.searchd]`; a key may stand several times (listen)
    pub searchd: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sphinx,
    Manticore,
}

/// Where a server listens: `host:port`, or the path of a Unix socket (it begins with `/`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    pub listen: Vec<Address>,
    /// begins and ends with `/`
    pub base_path: String,
    pub page_size: NonZeroUsize,
    pub timezone: TimeZone,
    pub search_budget: Duration,
    pub users_file: Option<PathBuf>,
    pub user_header: Option<String>,
    pub trusted_proxies: Vec<String>,
    pub max_followers: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    pub name: IndexName,
    /// empty: the name serves
    pub title: String,
    pub queue: String,
    pub routing_keys: Vec<String>,
    pub queue_type: QueueType,
    pub durable: bool,
    pub threads: NonZeroUsize,
    /// retention
    pub days: NonZeroU32,
    /// key of the time
    pub timestamp: String,
    /// key of the text
    pub message: String,
    pub timestamp_zone: TimeZone,
    pub search: SearchText,
    pub columns: Vec<String>,
    pub level: Vec<String>,
    pub filtered: Vec<String>,
    pub hidden: Vec<String>,
    pub excluded: Vec<String>,
    pub context: Vec<String>,
    pub indexed: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueType {
    Classic,
    Quorum,
}

/// What the full-text index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchText {
    Message,
    /// the columns' text too, for in=all
    All,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Shortcut {
    pub name: String,
    pub index: Vec<IndexName>,
    pub title: String,
    /// a query string as in a link
    pub query: String,
    pub parameter: Option<String>,
}

/// A name for a log stream: `[a-z][a-z0-9_]*`, at most 20 characters, not `shortcut`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexName(String);

impl IndexName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IndexName {
    type Err = String;

    fn from_str(text: &str) -> Result<IndexName, String> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        let rest = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        match first && rest && text.len() <= 20 && text != "shortcut" {
            true => Ok(IndexName(text.to_owned())),
            false => Err(format!(
                "'{text}' is no name for an index: a lower-case letter, then lower-case letters, digits and _, at most \
                 20 characters, not 'shortcut'"
            )),
        }
    }
}

impl fmt::Display for IndexName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that may hold a password: never in a log line by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The text itself, for the server it is meant for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The URL without its password, for people.
    pub fn without_password(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else { return self.0.clone() };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        match authority.rsplit_once('@') {
            Some((user, host)) => {
                let user = user.split(':').next().unwrap_or_default();
                format!("{scheme}://{user}@{host}{path}")
            }
            None => self.0.clone(),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.without_password())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}
