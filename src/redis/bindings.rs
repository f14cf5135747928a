//! The bindings that alco has made. So alco can remove one that is no longer configured without the management plugin.

use crate::redis::connection::RedisStore;
use crate::redis::error::Error;
use crate::redis::keys;

impl RedisStore {
    /// The bindings `(exchange, routing key)` that alco has made for the queue.
    pub fn bindings(&self, queue: &str) -> Result<Vec<(String, String)>, Error> {
        let all: Vec<String> =
            self.ask(|connection| redis::cmd("SMEMBERS").arg(keys::bindings(queue)).query(connection))?;
        let pair = |text: &String| text.split_once(' ').map(|(exchange, key)| (exchange.to_owned(), key.to_owned()));
        Ok(all.iter().filter_map(pair).collect())
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
