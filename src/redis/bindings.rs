//! The bindings that alco has made. So alco can remove one that is no longer configured without the management plugin.

use std::collections::BTreeSet;

use crate::redis::connection::RedisStore;
use crate::redis::error::Error;
use crate::redis::keys;

/// Keys that Redis looks at for one answer, for less than a millisecond.
const SCANNED_KEYS: usize = 1000;

impl RedisStore {
    /// The bindings `(exchange, routing key)` that alco has made for the queue.
    pub fn bindings(&self, queue: &str) -> Result<Vec<(String, String)>, Error> {
        let all: Vec<String> =
            self.ask(|connection| redis::cmd("SMEMBERS").arg(keys::bindings(queue)).query(connection))?;
        let pair = |text: &String| text.split_once(' ').map(|(exchange, key)| (exchange.to_owned(), key.to_owned()));
        Ok(all.iter().filter_map(pair).collect())
    }

    /// The queues that an alco with this Redis has bound at some time: those of other nodes, and of indexes that are gone, too.
    pub fn bound_queues(&self) -> Result<BTreeSet<String>, Error> {
        let all = keys::bindings("");
        let keys: Vec<String> = self.ask(|connection| {
            let mut scan = redis::cmd("SCAN");
            scan.cursor_arg(0).arg("MATCH").arg(format!("{all}*")).arg("COUNT").arg(SCANNED_KEYS);
            scan.iter(connection)?.collect()
        })?;
        Ok(keys.iter().filter_map(|key| key.strip_prefix(&all)).map(str::to_owned).collect())
    }

    pub fn bound(&self, queue: &str, exchange: &str, routing_key: &str) -> Result<(), Error> {
        self.note_binding("SADD", queue, exchange, routing_key)
    }

    pub fn unbound(&self, queue: &str, exchange: &str, routing_key: &str) -> Result<(), Error> {
        self.note_binding("SREM", queue, exchange, routing_key)
    }

    fn note_binding(&self, command: &str, queue: &str, exchange: &str, routing_key: &str) -> Result<(), Error> {
        let (key, member) = (keys::bindings(queue), format!("{exchange} {routing_key}"));
        self.ask(|connection| redis::cmd(command).arg(&key).arg(&member).query(connection))
    }
}
