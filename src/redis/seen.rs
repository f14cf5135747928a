//! Values and columns seen, for the lists of pages: kept with the time when they were last seen, and forgotten with the
//! retention.

use std::time::Duration;

use crate::config::IndexName;
use crate::redis::connection::RedisStore;
use crate::redis::error::Error;
use crate::redis::keys;
use crate::time::{Day, Ts};

/// A column with more values is not offered as a list.
pub const OFFERED_VALUES: usize = 10_000;

impl RedisStore {
    /// Notes values and columns as seen.
    pub fn seen<'a>(
        &self,
        index: &IndexName,
        now: Ts,
        columns: impl Iterator<Item = &'a str>,
        values: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), Error> {
        let mut pipe = redis::pipe();
        for column in columns {
            pipe.zadd(keys::columns(index), column, now.seconds()).ignore();
        }
        for (column, value) in values {
            pipe.zadd(keys::values(index, column), value, now.seconds()).ignore();
        }
        self.send(&pipe)
    }

    /// The values of a column that a page offers, sorted; None if there are more than `OFFERED_VALUES`.
    pub fn offered(&self, index: &IndexName, column: &str) -> Result<Option<Vec<String>>, Error> {
        if self.count(index, column)? > OFFERED_VALUES {
            return Ok(None);
        }
        let key = keys::values(index, column);
        let raw: Vec<Vec<u8>> =
            self.ask(|connection| redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).query(connection))?;
        let mut values: Vec<String> = raw.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
        values.sort_unstable();
        Ok(Some(values))
    }

    /// The number of a column's values in Redis.
    pub fn count(&self, index: &IndexName, column: &str) -> Result<usize, Error> {
        let key = keys::values(index, column);
        self.ask(|connection| redis::cmd("ZCARD").arg(&key).query(connection))
    }

    /// Every column seen, with the time when it was last seen in seconds since 1970, sorted by name.
    pub fn columns(&self, index: &IndexName) -> Result<Vec<(String, i64)>, Error> {
        let key = keys::columns(index);
        let mut columns: Vec<(String, f64)> =
            self.ask(|connection| redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).arg("WITHSCORES").query(connection))?;
        columns.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        // scores are whole seconds
        Ok(columns.into_iter().map(|(column, score)| (column, score as i64)).collect())
    }

    /// Removes values and columns that were last seen before the oldest day that is kept, and the notes on days before it. Of a
    /// column with too many values, it keeps just enough of them to know that. All keys expire after `keep`, unless this is called
    /// again: so the keys of an index that is no longer in alco.ini go too.
    pub fn forget(&self, index: &IndexName, oldest: Day, keep: Duration) -> Result<(), Error> {
        let columns = self.columns(index)?;
        let finished = keys::finished(index);
        let days: Vec<String> = self.ask(|connection| redis::cmd("HKEYS").arg(&finished).query(connection))?;
        let mut pipe = redis::pipe();
        let seen = keys::columns(index);
        let values = columns.iter().map(|(column, _)| keys::values(index, column));
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
        for key in sets.iter().chain([&finished, &keys::pk(index), &keys::leases(index), &keys::claims(index)]) {
            pipe.cmd("EXPIRE").arg(key).arg(keep.as_secs()).ignore();
        }
        self.send(&pipe)
    }
}
