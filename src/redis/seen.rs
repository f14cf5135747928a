//! Values and columns seen, for the lists of pages: kept with the time when they were last seen, and forgotten with the
//! retention. Invariant: what Redis keeps of an index is bounded by each write, however many names the records have.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::IndexName;
use crate::redis::connection::RedisStore;
use crate::redis::error::Error;
use crate::redis::{keys, patterns};
use crate::time::{Day, Ts};

/// A column with more values is not offered as a list.
pub const OFFERED_VALUES: usize = 10_000;
/// Of an index with more columns, pages list this number.
pub const LISTED_COLUMNS: usize = 1000;

/// Notes columns as seen at ARGV[1], and keeps at most ARGV[2]. Where there is no room, a new column replaces one that was seen in
/// one minute only, and that the longest ago; if there is none, a single new column replaces the one that was seen in the fewest
/// minutes. So columns that come once do not displace those that come again, and a new one always gets in.
///
/// A score is the second when the column was last seen, and 1/1024 for each later minute in which it was seen: a double has 21 bits
/// for them.
const SEE_COLUMNS: &str = "local now, new = tonumber(ARGV[1]), {}
    for at = 3, #ARGV do
        local score = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[at]) or nil)
        if score then
            local last, minutes = math.floor(score), score % 1
            if math.floor(last / 60) < math.floor(now / 60) then minutes = math.min(minutes + 1 / 1024, 1023 / 1024) end
            redis.call('ZADD', KEYS[1], string.format('%.17g', math.max(last, now) + minutes), ARGV[at])
        else
            new[#new + 1] = ARGV[at]
        end
    end
    local room = tonumber(ARGV[2]) - redis.call('ZCARD', KEYS[1])
    if #new > room then
        local kept, all = {}, redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
        for at = 1, #all, 2 do
            local score = tonumber(all[at + 1])
            kept[#kept + 1] = {name = all[at], score = score, minutes = score % 1}
        end
        table.sort(kept, function(a, b)
            if a.minutes ~= b.minutes then return a.minutes < b.minutes end
            return a.score < b.score
        end)
        for _, column in ipairs(kept) do
            if room >= #new or (room > 0 and column.minutes > 0) then break end
            redis.call('ZREM', KEYS[1], column.name)
            room = room + 1
        end
    end
    for at = 1, math.min(#new, room) do redis.call('ZADD', KEYS[1], now, new[at]) end
    return redis.status_reply('OK')";

/// A column that records of an index had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownColumn {
    pub name: String,
    /// seconds since 1970
    pub last_seen: i64,
    /// later minutes in which it was seen too, up to 1023
    pub minutes: u16,
}

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
        let columns: Vec<&str> = columns.collect();
        if !columns.is_empty() {
            // one more than are listed, so that pages know that there are more
            let see = pipe.cmd("EVAL").arg(SEE_COLUMNS).arg(1).arg(keys::columns(index));
            see.arg(now.seconds()).arg(LISTED_COLUMNS + 1).arg(columns).ignore();
        }
        let mut sets: BTreeSet<&str> = BTreeSet::new();
        for (column, value) in values {
            pipe.zadd(keys::values(index, column), value, now.seconds()).ignore();
            sets.insert(column);
        }
        // the values of a column with too many are not offered: it is enough to know that there are more
        for column in sets {
            let key = keys::values(index, column);
            pipe.cmd("ZREMRANGEBYRANK").arg(key).arg(0).arg(-(OFFERED_VALUES as i64) - 2).ignore();
        }
        self.send(&pipe)
    }

    /// The values of a column that a page offers, sorted; None if there are more than `OFFERED_VALUES`.
    pub fn offered(&self, index: &IndexName, column: &str) -> Result<Option<Vec<String>>, Error> {
        if self.count(index, column)? > OFFERED_VALUES {
            return Ok(None);
        }
        let key = keys::values(index, column);
        let mut values: Vec<String> =
            self.ask(|connection| redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).query(connection))?;
        values.sort_unstable();
        Ok(Some(values))
    }

    /// The number of a column's values in Redis.
    pub fn count(&self, index: &IndexName, column: &str) -> Result<usize, Error> {
        let key = keys::values(index, column);
        self.ask(|connection| redis::cmd("ZCARD").arg(&key).query(connection))
    }

    /// The columns seen, sorted by name: all of them, or more than `LISTED_COLUMNS`.
    pub fn columns(&self, index: &IndexName) -> Result<Vec<KnownColumn>, Error> {
        let key = keys::columns(index);
        let mut columns: Vec<(String, f64)> =
            self.ask(|connection| redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).arg("WITHSCORES").query(connection))?;
        columns.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let known = |(name, score): (String, f64)| {
            let minutes = (score.fract() * 1024.0) as u16;
            KnownColumn { name, last_seen: score as i64, minutes }
        };
        Ok(columns.into_iter().map(known).collect())
    }

    /// Removes values, columns and patterns that were last seen before the oldest day that is kept, and the notes on days before it. All keys
    /// expire after `keep`, unless this is called again: so the keys of an index that is no longer in alco.ini go too.
    pub fn forget(&self, index: &IndexName, oldest: Day, keep: Duration) -> Result<(), Error> {
        let columns = self.columns(index)?;
        let finished = keys::finished(index);
        let days: Vec<String> = self.ask(|connection| redis::cmd("HKEYS").arg(&finished).query(connection))?;
        let mut pipe = redis::pipe();
        let seen = keys::columns(index);
        let values = columns.iter().map(|column| keys::values(index, &column.name));
        let sets: Vec<String> = values.chain([seen]).collect();
        for key in &sets {
            let before = format!("({}", oldest.start().seconds());
            pipe.cmd("ZREMRANGEBYSCORE").arg(key).arg("-inf").arg(before).ignore();
        }
        let oldest_day = oldest;
        let oldest = oldest.to_string();
        let is_past = |field: &&String| field.rsplit(' ').next().is_some_and(|day| day < oldest.as_str());
        for field in days.iter().filter(is_past) {
            pipe.hdel(&finished, field).ignore();
        }
        for key in sets.iter().chain([&finished, &keys::pk(index), &keys::leases(index), &keys::claims(index)]) {
            pipe.cmd("EXPIRE").arg(key).arg(keep.as_secs()).ignore();
        }
        patterns::forget(&mut pipe, index, oldest_day, keep.as_secs());
        self.send(&pipe)
    }
}
