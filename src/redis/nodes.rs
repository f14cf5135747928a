//! What each node notes about itself, for `alco check` on any node.

use std::collections::BTreeMap;

use crate::redis::connection::RedisStore;
use crate::redis::error::Error;
use crate::redis::keys;

impl RedisStore {
    /// Notes facts about the node with that searchd.
    pub fn note_node(&self, searchd: &str, facts: &str) -> Result<(), Error> {
        self.ask(|connection| redis::cmd("HSET").arg(keys::NODES).arg(searchd).arg(facts).query(connection))
    }

    /// The facts of all nodes, by their searchd.
    pub fn nodes(&self) -> Result<BTreeMap<String, String>, Error> {
        self.ask(|connection| redis::cmd("HGETALL").arg(keys::NODES).query(connection))
    }
}
