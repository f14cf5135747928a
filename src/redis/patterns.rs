//! When the patterns of an index were first seen. Invariant: what Redis keeps of an index is bounded by each write, and the first time
//! of a pattern only ever becomes earlier, whichever daemon writes.
//!
//! A field of the hash is a pattern's hash -> `first last level again forgotten text`: `first` in microseconds, the other times in
//! seconds; `again` is 1 if the pattern came in more than one minute; `forgotten` is that of `RememberedPattern`, or 0. Three more
//! fields: `rules`, the version of the rules that the patterns were made by; `since`, when this hash was begun; `forgotten`, the last
//! time of a pattern that was removed for want of room. A Redis that has lost its data lacks `since`.

use std::collections::HashMap;

use redis::Pipeline;

use crate::config::IndexName;
use crate::record::level::Level;
use crate::record::pattern::memory::{
    DOUBT_SECONDS, FIRST_DAY_SECONDS, PatternMemory, PatternSighting, RememberedPattern,
};
use crate::record::pattern::{PatternHash, RULES_VERSION};
use crate::redis::connection::RedisStore;
use crate::redis::error::Error;
use crate::redis::keys;
use crate::time::{Day, Ts};

/// Patterns of an index that Redis remembers: about 4 MB.
const MAX_PATTERNS: usize = 20_000;
/// With more, this number stays, so that Redis looks through all of them only once for some thousand new ones.
const LEFT_PATTERNS: usize = 18_000;

/// Notes patterns as seen; returns the number of those that are new for sure. Where there is no room, those that came in one minute only
/// go first, and of these those that were last seen the longest ago: so patterns that come once do not displace those that come again.
///
/// Patterns by newer rules than ARGV[1] are left alone; those by older rules go, since all hashes are others.
const SEE_PATTERNS: &str =
    "local rules, now, most, left = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
    local first_day, doubt, text = tonumber(ARGV[5]), tonumber(ARGV[6]), function(n) return string.format('%.0f', n) end
    local head = redis.call('HMGET', KEYS[1], 'rules', 'since', 'forgotten')
    local their_rules, since, forgotten = tonumber(head[1] or 0), tonumber(head[2] or 0), tonumber(head[3] or 0)
    if their_rules > rules then return 0 end
    if their_rules < rules or since == 0 then
        redis.call('DEL', KEYS[1])
        redis.call('HSET', KEYS[1], 'rules', ARGV[1], 'since', ARGV[2])
        since, forgotten = now, 0
    elseif since > now then
        redis.call('HSET', KEYS[1], 'since', ARGV[2])
        since = now
    end
    local new = 0
    for at = 7, #ARGV, 5 do
        local first, last, level = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
        local again, before, is_changed, known = 0, 0, true, redis.call('HGET', KEYS[1], ARGV[at])
        if known then
            local f, l, v, a, b = string.match(known, '^(%d+) (%d+) (%d+) (%d) (%d+) ')
            f, l, v, again, before = tonumber(f), tonumber(l), tonumber(v), tonumber(a), tonumber(b)
            local comes_again = again == 0 and math.floor(l / 60) ~= math.floor(last / 60)
            if comes_again then again = 1 end
            is_changed = comes_again or first < f or last > l or level > v
            first, last, level = math.min(first, f), math.max(last, l), math.max(level, v)
        elseif first / 1000000 < forgotten + doubt then
            before = forgotten
        elseif first >= (since + first_day) * 1000000 then
            new = new + 1
        end
        if is_changed then
            local numbers = {text(first), text(last), level, again, text(before), ARGV[at + 4]}
            redis.call('HSET', KEYS[1], ARGV[at], table.concat(numbers, ' '))
        end
    end
    local excess = redis.call('HLEN', KEYS[1]) - 3 - most
    if excess > 0 then
        excess = excess + most - left
        local all, order, sorted = redis.call('HGETALL', KEYS[1]), {}, {}
        for at = 2, #all, 2 do
            local l, again = string.match(all[at], '^%d+ (%d+) %d+ (%d) ')
            if l then
                order[at] = again * 1e12 + l
                sorted[#sorted + 1] = order[at]
            end
        end
        table.sort(sorted)
        local last_to_go = sorted[excess]
        local remove = function(is_such)
            for at, place in pairs(order) do
                if excess > 0 and is_such(place) then
                    redis.call('HDEL', KEYS[1], all[at - 1])
                    excess, forgotten = excess - 1, math.max(forgotten, place % 1e12)
                end
            end
        end
        remove(function(place) return place < last_to_go end)
        remove(function(place) return place == last_to_go end)
        redis.call('HSET', KEYS[1], 'forgotten', text(forgotten))
    end
    return new";

/// Removes the patterns that were last seen before ARGV[2]. The key expires after ARGV[3] seconds; one by other rules is left alone.
const FORGET_PATTERNS: &str =
    "if redis.call('HGET', KEYS[1], 'rules') ~= ARGV[1] then return redis.status_reply('OK') end
    local all, oldest = redis.call('HGETALL', KEYS[1]), tonumber(ARGV[2])
    for at = 2, #all, 2 do
        local last = tonumber(string.match(all[at], '^%d+ (%d+) %d+ %d ') or nil)
        if last and last < oldest then redis.call('HDEL', KEYS[1], all[at - 1]) end
    end
    redis.call('EXPIRE', KEYS[1], ARGV[3])
    return redis.status_reply('OK')";

impl RedisStore {
    /// Notes patterns as seen. Returns the number of those that alco had not seen before for sure: none on the first day after Redis
    /// has begun to remember, nor within an hour after some were forgotten for want of room.
    pub fn patterns_seen(
        &self,
        index: &IndexName,
        now: Ts,
        patterns: impl Iterator<Item = (PatternHash, PatternSighting)>,
    ) -> Result<usize, Error> {
        let mut see = redis::cmd("EVAL");
        see.arg(SEE_PATTERNS).arg(1).arg(keys::patterns(index)).arg(RULES_VERSION).arg(now.seconds());
        see.arg(MAX_PATTERNS).arg(LEFT_PATTERNS).arg(FIRST_DAY_SECONDS).arg(DOUBT_SECONDS);
        for (hash, PatternSighting { first, last, level, text }) in patterns {
            see.arg(hash.to_string()).arg(first.micros()).arg(last.seconds()).arg(level as u8).arg(text);
        }
        self.ask(|connection| see.query(connection))
    }

    /// The patterns that Redis remembers of an index.
    pub fn patterns(&self, index: &IndexName) -> Result<PatternMemory, Error> {
        let key = keys::patterns(index);
        let fields: HashMap<String, String> =
            self.ask(|connection| redis::cmd("HGETALL").arg(&key).query(connection))?;
        Ok(memory(&fields))
    }

    /// The same of these patterns only.
    pub fn patterns_among(&self, index: &IndexName, among: &[PatternHash]) -> Result<PatternMemory, Error> {
        let hashes = among.iter().map(PatternHash::to_string);
        let names: Vec<String> = ["rules", "since"].map(str::to_owned).into_iter().chain(hashes).collect();
        let key = keys::patterns(index);
        let values: Vec<Option<String>> =
            self.ask(|connection| redis::cmd("HMGET").arg(&key).arg(&names).query(connection))?;
        let fields = names.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)));
        Ok(memory(&fields.collect()))
    }
}

/// Adds what `RedisStore::forget` does with patterns.
pub(super) fn forget(pipe: &mut Pipeline, index: &IndexName, oldest: Day, keep_seconds: u64) {
    let forget = pipe.cmd("EVAL").arg(FORGET_PATTERNS).arg(1).arg(keys::patterns(index));
    forget.arg(RULES_VERSION).arg(oldest.start().seconds()).arg(keep_seconds).ignore();
}

fn memory(fields: &HashMap<String, String>) -> PatternMemory {
    let number = |name: &str| fields.get(name).and_then(|text| text.parse::<i64>().ok());
    if number("rules") != Some(i64::from(RULES_VERSION)) {
        return PatternMemory::default();
    }
    let Some(since) = number("since").and_then(of_seconds) else { return PatternMemory::default() };
    let pattern = |(name, entry): (&String, &String)| Some((PatternHash::parse(name)?, remembered(entry, since)?));
    PatternMemory { since: Some(since), patterns: fields.iter().filter_map(pattern).collect() }
}

fn remembered(entry: &str, since: Ts) -> Option<RememberedPattern> {
    let mut parts = entry.splitn(6, ' ');
    let mut number = || parts.next()?.parse::<i64>().ok();
    let (first, last, level, _, forgotten) = (number()?, number()?, number()?, number()?, number()?);
    let level = Level::ALL.get(usize::try_from(level).ok()?).copied()?;
    let text = parts.next()?.to_owned();
    let sighting = PatternSighting { first: Ts::from_micros(first), last: of_seconds(last)?, level, text };
    Some(RememberedPattern { sighting, since, forgotten: of_seconds(forgotten).filter(|_| forgotten > 0) })
}

fn of_seconds(seconds: i64) -> Option<Ts> {
    seconds.checked_mul(1_000_000).map(Ts::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_by_other_rules_is_none() {
        let fields = |rules: u32| {
            [
                ("rules", &*rules.to_string()),
                ("since", "1795341600"),
                ("forgotten", "1795341700"),
                ("0123456789abcde", "1795341600000001 1795341660 4 1 0 order * paid  by card"),
                ("0123456789abcdf", "1795341600000002 1795341660 9 1 1795341590 a level of another alco"),
                ("0123456789abcd0", "1795341600000002 1795341660 1 0 1795341590 "),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
        };
        assert_eq!(memory(&fields(RULES_VERSION + 1)), PatternMemory::default());
        assert_eq!(memory(&HashMap::new()), PatternMemory::default());
        let memory = memory(&fields(RULES_VERSION));
        assert_eq!(memory.since.map(Ts::seconds), Some(1_795_341_600));
        let of = |hash: &str| memory.patterns.get(&PatternHash::parse(hash).expect("a hash"));
        let paid = of("0123456789abcde").expect("it is known");
        let expected = PatternSighting {
            first: Ts::from_micros(1_795_341_600_000_001),
            last: Ts::from_micros(1_795_341_660_000_000),
            level: Level::Error,
            text: "order * paid  by card".to_owned(),
        };
        let since = Ts::from_micros(1_795_341_600_000_000);
        assert_eq!(paid, &RememberedPattern { sighting: expected, since, forgotten: None });
        assert_eq!(of("0123456789abcdf"), None);
        let empty = of("0123456789abcd0").expect("a pattern without text");
        assert_eq!((empty.sighting.text.as_str(), empty.forgotten.map(Ts::seconds)), ("", Some(1_795_341_590)));
    }
}
