//! Turns at a searchd that several alco processes share: inserts go side by side, a save of a RAM chunk goes alone, and so does the
//! begin of a merge.
//!
//! Invariant: while a save has its turn, no insert has one, unless a process needs longer than `TURN_SECONDS` or Redis loses its
//! data. A process that dies leaves its turn to expire.

use crate::config::IndexName;
use crate::redis::connection::RedisStore;
use crate::redis::day_claims::{BEGUN, claim_field};
use crate::redis::error::Error;
use crate::redis::keys;
use crate::time::Day;

/// More than the time that alco waits for searchd's answer to either.
const TURN_SECONDS: usize = 90;

/// Whether a process may insert into a day index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertTurn {
    /// It may.
    Begun,
    /// It may, but searchd may be merging the disk chunks of the day.
    BegunInMerge,
    /// It may not, since a process has searchd save a RAM chunk.
    Refused,
}

impl RedisStore {
    /// Begins an insert into a day of an index of that searchd.
    pub fn begin_insert(&self, index: &IndexName, node: &str, day: Day) -> Result<InsertTurn, Error> {
        let script = "if redis.call('EXISTS', KEYS[1]) == 1 then
                -- each turn of alco's has an end
                if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
                return 0
            end
            redis.call('ZADD', KEYS[2], redis.call('TIME')[1] + ARGV[2], ARGV[1])
            redis.call('EXPIRE', KEYS[2], ARGV[2])
            local claim = redis.call('HGET', KEYS[3], ARGV[3]) or ''
            if string.sub(claim, 1, #ARGV[4]) == ARGV[4] then return 2 end
            return 1";
        let turn: u8 = self.ask(|connection| {
            let mut eval = redis::cmd("EVAL");
            eval.arg(script).arg(3).arg(keys::saving(index, node)).arg(keys::inserting(index, node));
            eval.arg(keys::finished(index));
            eval.arg(&self.owner).arg(TURN_SECONDS).arg(claim_field(node, day)).arg(BEGUN).query(connection)
        })?;
        Ok(match turn {
            0 => InsertTurn::Refused,
            1 => InsertTurn::Begun,
            _ => InsertTurn::BegunInMerge,
        })
    }

    pub fn end_insert(&self, index: &IndexName, node: &str) -> Result<(), Error> {
        self.ask(|connection| redis::cmd("ZREM").arg(keys::inserting(index, node)).arg(&self.owner).query(connection))
    }

    /// Keeps other processes from inserting into an index of that searchd. Returns false while another process saves.
    pub fn begin_save(&self, index: &IndexName, node: &str) -> Result<bool, Error> {
        self.ask(|connection| {
            let mut set = redis::cmd("SET");
            set.arg(keys::saving(index, node)).arg(&self.owner).arg("NX").arg("EX").arg(TURN_SECONDS);
            set.query::<Option<String>>(connection).map(|done| done.is_some())
        })
    }

    /// Has the turn of a save last for `TURN_SECONDS` more.
    pub fn go_on_saving(&self, index: &IndexName, node: &str) -> Result<(), Error> {
        self.ask(|connection| redis::cmd("EXPIRE").arg(keys::saving(index, node)).arg(TURN_SECONDS).query(connection))
    }

    /// The number of inserts whose end is not known.
    pub fn inserts_under_way(&self, index: &IndexName, node: &str) -> Result<usize, Error> {
        let script = "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', redis.call('TIME')[1])
            return redis.call('ZCARD', KEYS[1])";
        self.ask(|connection| redis::cmd("EVAL").arg(script).arg(1).arg(keys::inserting(index, node)).query(connection))
    }

    pub fn end_save(&self, index: &IndexName, node: &str) -> Result<(), Error> {
        let script = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
            return redis.status_reply('OK')";
        self.ask(|connection| {
            redis::cmd("EVAL").arg(script).arg(1).arg(keys::saving(index, node)).arg(&self.owner).query(connection)
        })
    }
}
