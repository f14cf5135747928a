//! Claims of the processes that optimize a day. Each day is optimized once, even if a process dies.

use crate::config::IndexName;
use crate::redis::connection::RedisStore;
use crate::redis::error::Error;
use crate::redis::keys;
use crate::time::{Day, Ts};

/// The state of a day: claimed by this process, claimed by another one, or optimized already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayClaim {
    Ours,
    Taken,
    Done,
}

/// What a claim begins with, before its owner, until the day is optimized.
pub(super) const BEGUN: &str = "begun ";

/// The field of `keys::finished` that has the claim of a day of that searchd.
pub(super) fn claim_field(node: &str, day: Day) -> String {
    format!("{node} {day}")
}

impl RedisStore {
    /// Claims a day for this process, unless it is optimized already, or a process that lives has claimed it.
    pub fn claim_finishing(&self, index: &IndexName, node: &str, day: Day) -> Result<DayClaim, Error> {
        let (key, field) = (keys::finished(index), claim_field(node, day));
        let was = self.day_claim(index, node, day)?;
        match was.as_deref().and_then(|entry| entry.split_once(' ')) {
            Some(("done", _)) => return Ok(DayClaim::Done),
            Some((_, owner)) if owner != self.owner => {
                let process = owner.split('/').next().unwrap_or_default();
                if self.processes()?.contains(process) {
                    return Ok(DayClaim::Taken);
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
            eval.arg(format!("{BEGUN}{}", self.owner)).query(connection)
        })?;
        Ok(if ours { DayClaim::Ours } else { DayClaim::Taken })
    }

    /// Whether a process has claimed the day, and has not noted it as optimized.
    pub fn is_merging(&self, index: &IndexName, node: &str, day: Day) -> Result<bool, Error> {
        Ok(self.day_claim(index, node, day)?.is_some_and(|claim| claim.starts_with(BEGUN)))
    }

    fn day_claim(&self, index: &IndexName, node: &str, day: Day) -> Result<Option<String>, Error> {
        let (key, field) = (keys::finished(index), claim_field(node, day));
        self.ask(|connection| redis::cmd("HGET").arg(&key).arg(&field).query(connection))
    }

    /// Notes that the day is optimized.
    pub fn finished(&self, index: &IndexName, node: &str, day: Day, now: Ts) -> Result<(), Error> {
        let entry = format!("done {}", now.seconds());
        let field = claim_field(node, day);
        self.ask(|connection| redis::cmd("HSET").arg(keys::finished(index)).arg(&field).arg(&entry).query(connection))
    }

    /// Notes that the day has to be optimized again.
    pub fn unfinished(&self, index: &IndexName, node: &str, day: Day) -> Result<(), Error> {
        let field = claim_field(node, day);
        self.ask(|connection| redis::cmd("HDEL").arg(keys::finished(index)).arg(&field).query(connection))
    }
}
