//! `Config`: one struct a section, a field a key. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::config::address::{Address, Proxy};
use crate::config::property::Property;
use crate::config::secret::Secret;
use crate::net::tls::Authorities;
use crate::time::Day;

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
    /// where there is a `password_file`, each has the password of that file
    pub urls: Vec<Secret>,
    pub exchange: String,
    pub exchange_type: String,
    pub exchange_durable: ExchangeDurable,
    pub batch: BatchLimits,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    /// what ca_file holds
    pub authorities: Option<Authorities>,
    pub ack_delay: Duration,
}

/// A worker stores a batch as soon as it reaches one of these limits: the number of its records, the age of its first record,
/// the size of its SphinxQL in bytes.
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
    /// what ca_file holds
    pub authorities: Option<Authorities>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sphinx {
    pub address: Address,
    pub data_dir: PathBuf,
    pub pid_file: Option<PathBuf>,
    pub dialect: Dialect,
    /// shards, each a list of mirrors `host:port`
    pub peers: Vec<Vec<String>>,
    /// directives of `[sphinx.index]`, in the order of the file; they replace the generated ones
    pub index: Vec<(String, String)>,
    /// directives of `[sphinx.index NAME]`
    pub index_of: BTreeMap<IndexName, Vec<(String, String)>>,
    /// directives of `[sphinx.searchd]`; `listen` may stand several times, one address each
    pub searchd: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sphinx,
    Manticore,
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
    pub trusted_proxies: Vec<Proxy>,
    pub max_followers: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    pub name: IndexName,
    /// empty: pages show the name
    pub title: String,
    pub queue: String,
    pub routing_keys: Vec<String>,
    pub queue_type: QueueType,
    pub durable: bool,
    /// for a queue that alco declares: `x-max-length` and the like
    pub queue_arguments: Vec<(String, Argument)>,
    /// whether a body may hold several records
    pub split: bool,
    pub threads: NonZeroUsize,
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

impl Index {
    /// The name under which alco writes the time.
    pub fn timestamp_name(&self) -> &str {
        &self.timestamp[0]
    }

    /// The name under which alco writes the text.
    pub fn message_name(&self) -> &str {
        &self.message[0]
    }
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

#[derive(Clone, Debug, PartialEq)]
pub struct Shortcut {
    pub name: String,
    pub index: Vec<IndexName>,
    pub title: String,
    /// a query string as in a link, without the `?`
    pub query: String,
    pub parameter: Option<String>,
}

/// A name for a log stream: `[a-z][a-z0-9_]*`, at most 20 characters, not `shortcut`. It does not end like the name of a day
/// index (`web_20261122`), so the two cannot be confused.
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
        if !first || !rest || text.len() > 20 || text == "shortcut" {
            return Err(format!(
                "'{text}' is no name for an index: a lower-case letter, then lower-case letters, digits and _, at most \
                 20 characters, not 'shortcut'"
            ));
        }
        match text.rsplit_once('_') {
            Some((_, end)) if Day::is_written(end) => {
                Err(format!("'{text}' is no name for an index: _ and eight digits at the end are a day's"))
            }
            _ => Ok(IndexName(text.to_owned())),
        }
    }
}

impl fmt::Display for IndexName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The full-text field that holds an `indexed` column: searchd's names are lower-case letters, digits and `_`. Two columns
/// of an index that would share a field are refused when the ini is read.
pub fn field_of_column(column: &str) -> String {
    let name = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    format!("{FIELD_OF_COLUMN}{}", column.chars().map(name).collect::<String>())
}

/// The prefix of each such field's name. Nothing else in a day index begins with it.
pub const FIELD_OF_COLUMN: &str = "x_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_an_index_is_no_name_of_a_day() {
        for good in ["web", "a", "w_2026", "web_2026112", "web_202611220", "abcdefghijklmnopqrst"] {
            assert!(good.parse::<IndexName>().is_ok(), "{good}");
        }
        for bad in ["", "Web", "1web", "_web", "wéb", "shortcut", "abcdefghijklmnopqrstu", "web_20261122", "a-b"] {
            assert!(bad.parse::<IndexName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_column_has_a_field_that_searchd_can_name() {
        assert_eq!(field_of_column("user-Agent.name"), "x_user_agent_name");
        assert_eq!(field_of_column("ключ"), "x_____");
    }
}
