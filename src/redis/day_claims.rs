//! Which process finishes a day: has searchd write and merge it. Each day once, whatever process dies.

use crate::config::IndexName;
use crate::redis::connection::RedisStore;
use crate::redis::error::Error;
use crate::redis::keys;
use crate::time::{Day, Ts};

/// Whose it is to finish a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayClaim {
    Ours,
    Taken,
    Done,
}

impl RedisStore {
    /// Takes it upon this process to finish a day, unless that is done, or another process that lives does it.
    pub fn claim_finishing(&self, index: &IndexName, node: &str, day: Day) -> Result<DayClaim, Error> {
        let (key, field) = (keys::finished(index), format!("{node} {day}"));
        let was: Option<String> = self.ask(|connection| redis::cmd("HGET").arg(&key).arg(&field).query(connection))?;
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
            eval.arg(format!("begun {}", self.owner)).query(connection)
        })?;
        Ok(if ours { DayClaim::Ours } else { DayClaim::Taken })
    }

    /// That day is finished.
    pub fn finished(&self, index: &IndexName, node: &str, day: Day, now: Ts) -> Result<(), Error> {
        let entry = format!("done {}", now.seconds());
        let field = format!("{node} {day}");
        self.ask(|connection| redis::cmd("HSET").arg(keys::finished(index)).arg(&field).arg(&entry).query(connection))
    }

    /// That day is to be finished again.
    pub fn unfinished(&self, index: &IndexName, node: &str, day: Day) -> Result<(), Error> {
        let field = format!("{node} {day}");
        self.ask(|connection| redis::cmd("HDEL").arg(keys::finished(index)).arg(&field).query(connection))
    }
}
