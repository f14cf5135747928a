//! The patterns that alco remembers, and the answer to whether one of them is new in a range of time. Pure.
//!
//! Invariant: a pattern is `New` only if alco has watched the index for a day before it came, remembers the time of its first record,
//! and that lies in the range. Where alco cannot know, it is neither new nor known.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::record::level::Level;
use crate::record::pattern::PatternHash;
use crate::time::Ts;

/// On the first day after alco has begun to remember, what comes once a day has not come before.
pub const FIRST_DAY_SECONDS: i64 = 86_400;
/// After patterns were forgotten for want of room, those that come within this time may be some of them.
pub const DOUBT_SECONDS: i64 = 3600;
/// The longest text that is kept of a pattern: it is for a reader, who knows the pattern by less.
pub const MAX_KEPT_BYTES: usize = 160;

/// A record's pattern and level.
#[derive(Clone, Copy, Debug)]
pub struct PatternOf<'a> {
    pub hash: PatternHash,
    pub text: &'a str,
    pub level: Level,
}

/// Records of a pattern. Times are those of the records, or of their arrival if that was earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternSighting {
    pub first: Ts,
    pub last: Ts,
    /// the most severe one
    pub level: Level,
    /// cut after `MAX_KEPT_BYTES`
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedPattern {
    pub sighting: PatternSighting,
    /// the time from which on alco has remembered patterns of its index
    pub since: Ts,
    /// patterns were forgotten for want of room shortly before this one came: those that were last seen up to this time
    pub forgotten: Option<Ts>,
}

/// All that alco remembers of the patterns of an index, or of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatternMemory {
    /// the time from which on alco has remembered; None: it remembers nothing
    pub since: Option<Ts>,
    pub patterns: HashMap<PatternHash, RememberedPattern>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// its first record is in the range
    New,
    /// it came before the range
    Known,
    /// it may have come before the range: alco does not know what came before this time
    UnknownBefore(Ts),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstSeen {
    pub at: Ts,
    /// false: it may have come earlier
    pub is_sure: bool,
}

impl FirstSeen {
    /// With a record of that time, which may be older.
    pub fn with(self, record: Ts) -> FirstSeen {
        FirstSeen { at: self.at.min(record), is_sure: self.is_sure && self.at <= record }
    }
}

impl PatternMemory {
    /// For a pattern that has records between `start` and `end`.
    pub fn novelty(&self, pattern: PatternHash, start: Ts, end: Ts) -> Novelty {
        let Some(since) = self.since else { return Novelty::UnknownBefore(end) };
        match self.patterns.get(&pattern) {
            None => Novelty::UnknownBefore(since),
            Some(remembered) => remembered.novelty(start, end),
        }
    }

    /// The time at which alco first saw a pattern.
    pub fn first_seen(&self, pattern: PatternHash) -> Option<FirstSeen> {
        let first = self.patterns.get(&pattern)?.sighting.first;
        let is_sure = self.novelty(pattern, Ts::MIN, Ts::MAX) == Novelty::New;
        Some(FirstSeen { at: first, is_sure })
    }

    /// The patterns whose first record lies between `start` and `end`, without those of which alco cannot know that.
    pub fn new_between(&self, start: Ts, end: Ts) -> impl Iterator<Item = (PatternHash, &PatternSighting)> {
        let is_new =
            move |(_, remembered): &(&PatternHash, &RememberedPattern)| remembered.novelty(start, end) == Novelty::New;
        self.patterns.iter().filter(is_new).map(|(hash, remembered)| (*hash, &remembered.sighting))
    }

    /// What alco remembers of both indexes together. Redis loses the data of all indexes at a time: one that alco has remembered for a
    /// shorter time, or not at all, had no records before.
    pub fn join(mut self, other: PatternMemory) -> PatternMemory {
        self.since = self.since.into_iter().chain(other.since).min();
        for (hash, remembered) in other.patterns {
            match self.patterns.entry(hash) {
                Entry::Occupied(mut own) => own.get_mut().join(&remembered),
                Entry::Vacant(own) => {
                    own.insert(remembered);
                }
            }
        }
        self
    }

    /// If a pattern that comes at this time cannot be new: the time before which alco knows nothing.
    pub fn unknown_before(&self, now: Ts) -> Option<Ts> {
        match self.since {
            None => Some(now),
            Some(since) => Some(since).filter(|since| now < since.plus_seconds(FIRST_DAY_SECONDS)),
        }
    }
}

impl RememberedPattern {
    fn join(&mut self, other: &RememberedPattern) {
        let (own, others) = (&mut self.sighting, &other.sighting);
        (own.first, own.last) = (own.first.min(others.first), own.last.max(others.last));
        own.level = own.level.max(others.level);
        self.since = self.since.max(other.since);
        self.forgotten = self.forgotten.max(other.forgotten);
    }

    fn novelty(&self, start: Ts, end: Ts) -> Novelty {
        let first = self.sighting.first;
        if first < start {
            return Novelty::Known;
        }
        if first > end {
            // it has records in the range, which came before alco remembers it
            return Novelty::UnknownBefore(first);
        }
        match self.forgotten {
            Some(forgotten) => Novelty::UnknownBefore(forgotten),
            None if first < self.since.plus_seconds(FIRST_DAY_SECONDS) => Novelty::UnknownBefore(self.since),
            None => Novelty::New,
        }
    }
}

/// The part of a pattern's text that is kept.
pub fn kept_text(text: &str) -> String {
    match text.len() > MAX_KEPT_BYTES {
        true => format!("{}…", &text[..text.floor_char_boundary(MAX_KEPT_BYTES - '…'.len_utf8())]),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINCE: i64 = 1_795_341_600;

    fn at(seconds: i64) -> Ts {
        Ts::from_micros((SINCE + seconds) * 1_000_000)
    }

    fn memory(first: i64, forgotten: Option<i64>) -> PatternMemory {
        memory_since(at(0), first, forgotten)
    }

    fn memory_since(since: Ts, first: i64, forgotten: Option<i64>) -> PatternMemory {
        let sighting = PatternSighting { first: at(first), last: at(first), level: Level::Error, text: String::new() };
        let patterns =
            HashMap::from([(PatternHash::NONE, RememberedPattern { sighting, since, forgotten: forgotten.map(at) })]);
        PatternMemory { since: Some(since), patterns }
    }

    #[test]
    fn new_is_only_what_cannot_have_come_before() {
        const DAY: i64 = FIRST_DAY_SECONDS;
        let unknown = |seconds| Novelty::UnknownBefore(at(seconds));
        // its first record, what was forgotten, the range
        for (first, forgotten, (start, end), expect) in [
            (3 * DAY, None, (3 * DAY, 4 * DAY), Novelty::New),
            (3 * DAY, None, (2 * DAY, 3 * DAY), Novelty::New),
            (DAY, None, (0, 2 * DAY), Novelty::New),
            (3 * DAY, None, (3 * DAY + 1, 4 * DAY), Novelty::Known),
            (3 * DAY, None, (DAY, 3 * DAY - 1), unknown(3 * DAY)),
            // the first day: the answer is only sure after it has come
            (DAY - 1, None, (0, 2 * DAY), unknown(0)),
            (DAY - 1, None, (DAY, 2 * DAY), Novelty::Known),
            (-60, None, (-3600, DAY), unknown(0)),
            (-60, None, (0, DAY), Novelty::Known),
            // some were forgotten before it came
            (3 * DAY, Some(3 * DAY - 60), (3 * DAY - 10, 4 * DAY), unknown(3 * DAY - 60)),
            (3 * DAY, Some(3 * DAY - 60), (3 * DAY + 1, 4 * DAY), Novelty::Known),
        ] {
            let memory = memory(first, forgotten);
            let (start, end) = (at(start), at(end));
            assert_eq!(memory.novelty(PatternHash::NONE, start, end), expect, "{first} {forgotten:?}");
            let is_sure = forgotten.is_none() && first >= DAY;
            let first_seen = FirstSeen { at: at(first), is_sure };
            assert_eq!(memory.first_seen(PatternHash::NONE), Some(first_seen), "{first} {forgotten:?}");
            let earlier = FirstSeen { at: at(first - 1), is_sure: false };
            assert_eq!((first_seen.with(at(first)), first_seen.with(at(first - 1))), (first_seen, earlier));
            let listed = usize::from(expect == Novelty::New);
            assert_eq!(memory.new_between(start, end).count(), listed, "{first} {forgotten:?}");
        }
    }

    #[test]
    fn without_a_memory_nothing_is_new() {
        let nothing = PatternMemory::default();
        assert_eq!(nothing.novelty(PatternHash::NONE, at(0), at(9)), Novelty::UnknownBefore(at(9)));
        assert_eq!(nothing.unknown_before(at(9)), Some(at(9)));
        let begun = PatternMemory { patterns: HashMap::new(), ..memory(0, None) };
        assert_eq!(begun.novelty(PatternHash::NONE, at(0), at(9)), Novelty::UnknownBefore(at(0)));
        assert_eq!(begun.unknown_before(at(FIRST_DAY_SECONDS - 1)), Some(at(0)));
        assert_eq!(begun.first_seen(PatternHash::NONE), None);
        assert_eq!(begun.unknown_before(at(FIRST_DAY_SECONDS)), None);
    }

    #[test]
    fn a_pattern_of_several_indexes_is_new_if_it_is_in_none_known() {
        const DAY: i64 = FIRST_DAY_SECONDS;
        let (start, end) = (at(3 * DAY), at(4 * DAY));
        let (new, known) = (memory(3 * DAY + 5, None), memory(DAY, None));
        let begun = PatternMemory { since: Some(at(3 * DAY)), patterns: HashMap::new() };
        for (one, other, expect) in [
            (&new, &new, Novelty::New),
            (&new, &known, Novelty::Known),
            (&begun, &known, Novelty::Known),
            // an index that had no record before does not cast doubt on another, but on its own patterns
            (&new, &begun, Novelty::New),
            (&new, &memory_since(at(3 * DAY), 3 * DAY + 9, None), Novelty::UnknownBefore(at(3 * DAY))),
            (&new, &memory(3 * DAY + 9, Some(3 * DAY + 2)), Novelty::UnknownBefore(at(3 * DAY + 2))),
            (&new, &PatternMemory::default(), Novelty::New),
            (&PatternMemory::default(), &PatternMemory::default(), Novelty::UnknownBefore(end)),
        ] {
            for (one, other) in [(one, other), (other, one)] {
                let novelty = one.clone().join(other.clone()).novelty(PatternHash::NONE, start, end);
                assert_eq!(novelty, expect, "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn a_long_text_is_cut_between_signs() {
        let kept = kept_text(&"ä".repeat(MAX_KEPT_BYTES));
        assert!(kept.len() <= MAX_KEPT_BYTES && kept.ends_with("ä…"), "{kept}");
        assert_eq!(kept_text("order * paid"), "order * paid");
    }
}
