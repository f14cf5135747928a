//! What Redis keeps for alco: docid leases, the values and columns seen, a queue's bindings. The only door to the redis
//! crate.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `ALCO:PK:<index>` | string | the highest docid ever leased |
//! | `ALCO:LEASES:<index>` | hash | first docid -> `last session ended renewed acknowledged before`: epoch seconds, the docid up to which all is, and up to which all was before the last acknowledgement; `since` -> when this Redis first heard of the index |
//! | `ALCO:CLAIMS:<index>` | sorted set | `docid digest` of documents that redelivered records have claimed, by their places: see `ingest::redelivery` |
//! | `ALCO:VALUES:<index>:<column>` | sorted set | values, by epoch seconds when last seen |
//! | `ALCO:COLUMNS:<index>` | sorted set | columns, by epoch seconds when last seen |
//! | `ALCO:FINISHED:<index>` | hash | `<searchd> <day>` -> `begun <process>` or `done <epoch seconds>` |
//! | `ALCO:BINDINGS:<queue>` | set | `exchange routing_key` of each binding alco made |
//!
//! Invariant: no docid is leased twice, though Redis lose its data or a clock jump: see `Lease`.

pub mod leases;
pub mod tls;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::{Client, ConnectionAddr, ConnectionLike, ErrorKind, IntoConnectionInfo, Pipeline, RedisResult};

use crate::config;
use crate::config::IndexName;
use crate::net;
use crate::net::tls::Authorities;
pub use crate::redis::leases::{Acknowledged, Lease};
use crate::redis::tls::Secured;
use crate::time::{Day, Ts};

/// Redis answers in microseconds; one that needs seconds is as good as away.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A column with more values is not offered as a list.
pub const OFFERED_VALUES: usize = 10_000;

pub struct Values {
    client: Client,
    authorities: Option<Authorities>,
    /// for people: without its password
    address: String,
    /// `<process>/<thread>`: whose leases these are
    owner: String,
    /// of that owner, counted
    session: u32,
    connection: Mutex<Option<Connection>>,
}

type Connection = Box<dyn ConnectionLike + Send>;

impl Values {
    /// Does not connect yet. `process` is unlike that of any other process, `thread` unlike that of any other thread.
    pub fn new(redis: &config::Redis, process: &str, thread: &str) -> Result<Values, String> {
        let address = redis.url.without_password().to_string();
        let cannot = |error| format!("cannot use [redis] url {address}: {error}");
        let info = redis.url.expose().into_connection_info().map_err(cannot)?;
        let client = Client::open(info).map_err(cannot)?;
        let authorities = redis.authorities.clone();
        Ok(Values {
            client,
            authorities,
            address,
            owner: format!("{process}/{thread}"),
            session: 0,
            connection: Mutex::new(None),
        })
    }

    /// Another connection to the broker: leases from now on are its own.
    pub fn begin_session(&mut self) {
        self.session += 1;
    }

    fn session(&self) -> String {
        format!("{}/{}", self.owner, self.session)
    }

    fn send(&self, pipe: &Pipeline) -> Result<(), String> {
        match pipe.is_empty() {
            true => Ok(()),
            false => self.ask(|connection| pipe.query(connection)),
        }
    }

    /// Processes that hold a connection to this Redis, this one among them.
    fn processes(&self) -> Result<HashSet<String>, String> {
        let list: String = self.ask(|connection| redis::cmd("CLIENT").arg("LIST").query(connection))?;
        let names = list.split_whitespace().filter_map(|word| word.strip_prefix("name=alco-"));
        Ok(names.map(|name| name.split('/').next().unwrap_or_default().to_owned()).collect())
    }

    /// Notes values and columns as seen.
    pub fn seen<'a>(
        &self,
        index: &IndexName,
        now: Ts,
        columns: impl Iterator<Item = &'a str>,
        values: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), String> {
        let mut pipe = redis::pipe();
        for column in columns {
            pipe.zadd(format!("ALCO:COLUMNS:{index}"), column, now.seconds()).ignore();
        }
        for (column, value) in values {
            pipe.zadd(format!("ALCO:VALUES:{index}:{column}"), value, now.seconds()).ignore();
        }
        self.send(&pipe)
    }

    /// A column's values for a list to choose from, sorted; None where there are too many.
    pub fn offered(&self, index: &IndexName, column: &str) -> Result<Option<Vec<String>>, String> {
        if self.count(index, column)? > OFFERED_VALUES {
            return Ok(None);
        }
        let key = format!("ALCO:VALUES:{index}:{column}");
        let raw: Vec<Vec<u8>> =
            self.ask(|connection| redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).query(connection))?;
        let mut values: Vec<String> = raw.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
        values.sort_unstable();
        Ok(Some(values))
    }

    /// How many values of a column are remembered.
    pub fn count(&self, index: &IndexName, column: &str) -> Result<usize, String> {
        let key = format!("ALCO:VALUES:{index}:{column}");
        self.ask(|connection| redis::cmd("ZCARD").arg(&key).query(connection))
    }

    /// Every column seen, with the epoch second when it was last, sorted by name.
    pub fn columns(&self, index: &IndexName) -> Result<Vec<(String, i64)>, String> {
        let key = format!("ALCO:COLUMNS:{index}");
        let mut columns: Vec<(String, f64)> =
            self.ask(|connection| redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).arg("WITHSCORES").query(connection))?;
        columns.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        // scores are whole seconds
        Ok(columns.into_iter().map(|(column, score)| (column, score as i64)).collect())
    }

    /// Lets go what was last seen before the oldest day that is kept, what is known of days before it, and of a column with too
    /// many values all but enough to know that. What is left goes by itself if alco does not come for that long again: such
    /// as the keys of an index that alco.ini has no more.
    pub fn forget(&self, index: &IndexName, oldest: Day, keep: Duration) -> Result<(), String> {
        let columns = self.columns(index)?;
        let finished = finished(index);
        let days: Vec<String> = self.ask(|connection| redis::cmd("HKEYS").arg(&finished).query(connection))?;
        let mut pipe = redis::pipe();
        let seen = format!("ALCO:COLUMNS:{index}");
        let values = columns.iter().map(|(column, _)| format!("ALCO:VALUES:{index}:{column}"));
        let sets: Vec<String> = values.chain([seen]).collect();
        for key in &sets {
            let before = format!("({}", oldest.start().seconds());
            pipe.cmd("ZREMRANGEBYSCORE").arg(key).arg("-inf").arg(before).ignore();
            pipe.cmd("ZREMRANGEBYRANK").arg(key).arg(0).arg(-(OFFERED_VALUES as i64) - 2).ignore();
        }
        let oldest = oldest.to_string();
        let is_past = |field: &&String| field.rsplit(' ').next().is_some_and(|day| day < oldest.as_str());
        for field in days.iter().filter(is_past) {
            pipe.hdel(&finished, field).ignore();
        }
        for key in sets.iter().chain([&finished, &pk(index), &leases(index), &claims(index)]) {
            pipe.cmd("EXPIRE").arg(key).arg(keep.as_secs()).ignore();
        }
        self.send(&pipe)
    }

    /// Takes it upon this process to finish a day, unless that is done, or another process that lives does it.
    pub fn claim_finishing(&self, index: &IndexName, node: &str, day: Day) -> Result<Claim, String> {
        let (key, field) = (finished(index), format!("{node} {day}"));
        let was: Option<String> = self.ask(|connection| redis::cmd("HGET").arg(&key).arg(&field).query(connection))?;
        match was.as_deref().and_then(|entry| entry.split_once(' ')) {
            Some(("done", _)) => return Ok(Claim::Done),
            Some((_, owner)) if owner != self.owner => {
                let process = owner.split('/').next().unwrap_or_default();
                if self.processes()?.contains(process) {
                    return Ok(Claim::Taken);
                }
            }
            _ => {}
        }
        // another process may have been faster
        let script = "if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
            redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
            return 1";
        let ours: bool = self.ask(|connection| {
            let mut eval = redis::cmd("EVAL");
            eval.arg(script).arg(1).arg(&key).arg(&field).arg(was.as_deref().unwrap_or_default());
            eval.arg(format!("begun {}", self.owner)).query(connection)
        })?;
        Ok(if ours { Claim::Ours } else { Claim::Taken })
    }

    /// That day is finished.
    pub fn finished(&self, index: &IndexName, node: &str, day: Day, now: Ts) -> Result<(), String> {
        let entry = format!("done {}", now.seconds());
        let field = format!("{node} {day}");
        self.ask(|connection| redis::cmd("HSET").arg(finished(index)).arg(&field).arg(&entry).query(connection))
    }

    /// That day is to be finished again.
    pub fn unfinished(&self, index: &IndexName, node: &str, day: Day) -> Result<(), String> {
        let field = format!("{node} {day}");
        self.ask(|connection| redis::cmd("HDEL").arg(finished(index)).arg(&field).query(connection))
    }

    /// The bindings `(exchange, routing key)` that were made for the queue.
    pub fn bindings(&self, queue: &str) -> Result<Vec<(String, String)>, String> {
        let all: Vec<String> =
            self.ask(|connection| redis::cmd("SMEMBERS").arg(format!("ALCO:BINDINGS:{queue}")).query(connection))?;
        let pair = |text: &String| text.split_once(' ').map(|(exchange, key)| (exchange.to_owned(), key.to_owned()));
        Ok(all.iter().filter_map(pair).collect())
    }

    pub fn bound(&self, queue: &str, exchange: &str, routing_key: &str) -> Result<(), String> {
        self.note_binding("SADD", queue, exchange, routing_key)
    }

    pub fn unbound(&self, queue: &str, exchange: &str, routing_key: &str) -> Result<(), String> {
        self.note_binding("SREM", queue, exchange, routing_key)
    }

    /// An error where this Redis takes no writes. Nothing is written: XX changes only what is there, and this key never is.
    pub fn takes_writes(&self) -> Result<(), String> {
        self.ask(|connection| redis::cmd("SET").arg("ALCO:NEVER").arg("").arg("XX").query(connection))
    }

    /// What this Redis says of itself, and what time it is by its clock.
    pub fn about(&self) -> Result<(HashMap<String, String>, Ts), String> {
        let mut pipe = redis::pipe();
        pipe.cmd("INFO").cmd("TIME");
        let (info, (seconds, micros)): (String, (i64, i64)) = self.ask(|connection| pipe.query(connection))?;
        let pairs = info.lines().filter_map(|line| line.trim_end().split_once(':'));
        let info = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Ok((info, Ts::from_micros(seconds.saturating_mul(1_000_000).saturating_add(micros))))
    }

    fn note_binding(&self, command: &str, queue: &str, exchange: &str, routing_key: &str) -> Result<(), String> {
        let (key, member) = (format!("ALCO:BINDINGS:{queue}"), format!("{exchange} {routing_key}"));
        self.ask(|connection| redis::cmd(command).arg(&key).arg(&member).query(connection))
    }

    fn ask<T>(&self, question: impl FnOnce(&mut dyn ConnectionLike) -> RedisResult<T>) -> Result<T, String> {
        // a panic while it was held leaves a connection that may be out of step: begin anew
        let mut held = self.connection.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
            let mut held = poisoned.into_inner();
            *held = None;
            held
        });
        let connection = match &mut *held {
            Some(connection) => connection,
            None => held.insert(self.connect().map_err(|why| format!("redis at {}: {why}", self.address))?),
        };
        question(connection.as_mut()).map_err(|error| {
            // what Redis itself answers leaves the connection in step; anything else may not
            if error.code().is_none() {
                *held = None;
            }
            let error = error.to_string();
            match cure(&error) {
                Some(cure) => format!("redis at {}: {error}; {cure}", self.address),
                None => format!("redis at {}: {error}", self.address),
            }
        })
    }

    fn connect(&self) -> Result<Connection, String> {
        let info = self.client.get_connection_info();
        let mut connection: Connection = match info.addr() {
            ConnectionAddr::TcpTls { host, port, .. } => {
                let authorities = self.authorities.as_ref();
                let server = net::tls::Server { host, authorities, section: "redis", plain: "redis" };
                Box::new(Secured::open(server, *port, info, TIMEOUT)?)
            }
            _ => Box::new(self.connect_plain().map_err(|error| {
                let closed = error.is_connection_dropped() && !error.is_connection_refusal();
                match closed || error.kind() == ErrorKind::Parse {
                    true => format!("{error}; if that is its port for TLS, have [redis] url begin with rediss://"),
                    false => error.to_string(),
                }
            })?),
        };
        let name = format!("alco-{}", self.owner);
        let named = redis::cmd("CLIENT").arg("SETNAME").arg(name).query::<()>(connection.as_mut());
        named.map(|()| connection).map_err(|error| error.to_string())
    }

    fn connect_plain(&self) -> RedisResult<redis::Connection> {
        let connection = self.client.get_connection_with_timeout(TIMEOUT)?;
        connection.set_read_timeout(Some(TIMEOUT))?;
        connection.set_write_timeout(Some(TIMEOUT))?;
        Ok(connection)
    }
}

/// What to do where Redis answers, and takes no writes. The code that says so begins its answer to a command, and stands within
/// the answer to a script or a pipeline.
fn cure(answer: &str) -> Option<&'static str> {
    // the redis crate writes some codes in its own way: ReadOnly
    answer.split(|c: char| !c.is_ascii_alphabetic()).find_map(|word| match word.to_ascii_uppercase().as_str() {
        "MISCONF" => Some(
            "it takes no writes since it could not save: its log says why (is the disk full, may it write its dir?); after \
             that, redis-cli BGSAVE",
        ),
        "OOM" => Some("its memory is full: raise its maxmemory, or remove what others keep there"),
        "READONLY" => Some("it is a replica: set [redis] url to the primary"),
        _ => None,
    })
}

/// Whose it is to finish a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    Ours,
    Taken,
    Done,
}

fn finished(index: &IndexName) -> String {
    format!("ALCO:FINISHED:{index}")
}

fn pk(index: &IndexName) -> String {
    format!("ALCO:PK:{index}")
}

fn leases(index: &IndexName) -> String {
    format!("ALCO:LEASES:{index}")
}

fn claims(index: &IndexName) -> String {
    format!("ALCO:CLAIMS:{index}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_refuses_writes_has_its_cure() {
        for (answer, says) in [
            ("\"MISCONF\": Redis is configured to save RDB snapshots", Some("BGSAVE")),
            ("Pipeline failure: [Index: 0, error: \"OOM\": command not allowed when used memory", Some("maxmemory")),
            ("ReadOnly: You can't write against a read only replica.", Some("primary")),
            ("An error was signalled: ERR Error running script: -READONLY You can't write", Some("primary")),
            ("\"ERR\": no such ZOOM", None),
            ("Connection refused (os error 111)", None),
        ] {
            let cure = cure(answer);
            assert_eq!(cure.is_some(), says.is_some(), "{answer}");
            assert!(says.is_none_or(|says| cure.is_some_and(|cure| cure.contains(says))), "{answer}: {cure:?}");
        }
    }
}
