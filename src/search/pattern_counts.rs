//! The patterns of the messages that a search finds: counted and merged. Pure.
//!
//! Invariant: a pattern counts once, in whatever number of days and indexes it is.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::config::IndexName;
use crate::record::level::Level;
use crate::record::pattern::PatternHash;
use crate::search::hit::Count;
use crate::time::{Range, Ts};

/// Numbers of records, by the ranks of their levels: one for each of `Level::ALL`.
pub type RecordsByLevel = [u64; Level::ALL.len()];

/// Patterns that are held at a time; of free text there are more. They take about 16 MB.
const MAX_HELD_PATTERNS: usize = 100_000;

/// The patterns of a search.
#[derive(Clone, Debug)]
pub struct PatternCounts {
    /// in the order that was asked for, as far as they were wanted
    pub patterns: Vec<PatternCount>,
    /// how many there are in all, in both ranges if two are compared
    pub number: Count,
    /// records of all patterns in the range of the search
    pub records: u64,
    /// the ranges of the bars of each pattern
    pub bars: Vec<Range>,
    /// false: not all records were counted
    pub exact: bool,
    /// false: not all records are in the bars
    pub has_whole_bars: bool,
    /// there are more patterns than alco can order: the list is of the most frequent
    pub only_frequent: bool,
    /// parts that are missing
    pub warnings: Vec<String>,
    /// the range that it is compared with, where it is known
    pub before: Option<CountsBefore>,
}

/// The range that a list of patterns is compared with.
#[derive(Clone, Copy, Debug)]
pub struct CountsBefore {
    pub range: Range,
    /// of all patterns
    pub records: u64,
    /// false: not all records were counted
    pub exact: bool,
}

/// A pattern of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternCount {
    pub pattern: PatternHash,
    /// empty for messages without text
    pub text: String,
    /// the line of a message that has the pattern; None: its record is no longer there
    pub sample: Option<String>,
    /// that of the sample's record, which is of the last part that was counted; None: not known
    pub index: Option<IndexName>,
    /// records of each level
    pub levels: RecordsByLevel,
    /// the times of the first and the last record; of a pattern that is gone, in the range before
    pub first: Ts,
    pub last: Ts,
    /// records over the range of the search; empty if they were not wanted
    pub bars: Vec<u64>,
    /// records of each level in the range before; None: it is not compared
    pub before: Option<RecordsByLevel>,
}

impl PatternCount {
    pub fn records(&self) -> u64 {
        self.levels.iter().sum()
    }

    /// The number in the range before, if it is compared.
    pub fn records_before(&self) -> Option<u64> {
        self.before.map(|levels| levels.iter().sum())
    }

    /// True if only the range before has records of it.
    pub fn is_gone(&self) -> bool {
        self.before.is_some() && self.records() == 0
    }

    pub fn worst(&self) -> Level {
        worst(self.described())
    }

    /// The levels that its records have, the worst first, each with their number. Those of a pattern that is gone are of the range before.
    pub fn by_level(&self) -> impl Iterator<Item = (Level, u64)> {
        by_level(self.described())
    }

    /// The records that describe it.
    fn described(&self) -> &RecordsByLevel {
        self.before.as_ref().filter(|_| self.is_gone()).unwrap_or(&self.levels)
    }
}

/// The levels that records have, the worst first, each with their number.
pub fn by_level(levels: &RecordsByLevel) -> impl Iterator<Item = (Level, u64)> {
    Level::ALL.into_iter().zip(*levels).rev().filter(|(_, records)| *records > 0)
}

pub fn worst(levels: &RecordsByLevel) -> Level {
    let has_any = levels.iter().rposition(|records| *records > 0);
    has_any.map_or(Level::Unknown, |rank| Level::ALL[rank])
}

/// A document that has a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleAt {
    /// the number of its slice
    pub slice: usize,
    pub id: u64,
}

/// The records of a pattern that were counted so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPattern {
    pub levels: RecordsByLevel,
    pub first: Ts,
    pub last: Ts,
    pub sample: SampleAt,
    /// empty: all are 0
    pub bars: Vec<u64>,
}

impl FoundPattern {
    /// Records of one level; `rank` is the level's.
    pub fn of_level(rank: i64, records: u64, first: Ts, last: Ts, sample: SampleAt) -> FoundPattern {
        let mut levels = RecordsByLevel::default();
        if let Some(level) = usize::try_from(rank).ok().and_then(|rank| levels.get_mut(rank)) {
            *level = records;
        }
        FoundPattern { levels, first, last, sample, bars: Vec::new() }
    }

    pub fn records(&self) -> u64 {
        self.levels.iter().sum()
    }

    /// Adds records that are not among these. The sample is that of the later part.
    pub fn join(&mut self, other: FoundPattern) {
        add(&mut self.levels, &other.levels);
        self.add_bars(&other.bars);
        if other.last > self.last {
            self.sample = other.sample;
        }
        (self.first, self.last) = (self.first.min(other.first), self.last.max(other.last));
    }

    pub fn add_bars(&mut self, bars: &[u64]) {
        if self.bars.len() < bars.len() {
            self.bars.resize(bars.len(), 0);
        }
        add(&mut self.bars, bars);
    }
}

fn add(sums: &mut [u64], more: &[u64]) {
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// Patterns that grow by what is found.
#[derive(Clone, Debug, Default)]
pub struct FoundPatterns {
    by_pattern: HashMap<PatternHash, FoundPattern>,
    /// of all patterns, also of those that are forgotten
    pub records: u64,
    /// there were more patterns than can be held, and rare ones were left out
    pub has_forgotten: bool,
}

impl FoundPatterns {
    pub fn add(&mut self, pattern: PatternHash, part: FoundPattern) {
        self.records += part.records();
        match self.by_pattern.get_mut(&pattern) {
            Some(found) => found.join(part),
            None => {
                if self.by_pattern.len() >= MAX_HELD_PATTERNS {
                    self.forget_rare();
                }
                self.by_pattern.insert(pattern, part);
            }
        }
    }

    pub fn get(&self, pattern: PatternHash) -> Option<&FoundPattern> {
        self.by_pattern.get(&pattern)
    }

    pub fn len(&self) -> usize {
        self.by_pattern.len()
    }

    /// Both together.
    pub fn with(mut self, other: &FoundPatterns) -> FoundPatterns {
        for (pattern, found) in &other.by_pattern {
            self.add(*pattern, found.clone());
        }
        self
    }

    /// Leaves the more frequent half.
    fn forget_rare(&mut self) {
        let mut counts: Vec<u64> = self.by_pattern.values().map(FoundPattern::records).collect();
        let half = counts.len() / 2;
        let least = *counts.select_nth_unstable_by_key(half, |count| Reverse(*count)).1;
        let mut room = half.saturating_sub(counts.iter().filter(|count| **count > least).count());
        self.by_pattern.retain(|_, found| {
            let has_room = found.records() == least && room > 0;
            room -= usize::from(has_room);
            has_room || found.records() > least
        });
        self.has_forgotten = true;
    }

    pub fn into_patterns(self) -> impl Iterator<Item = (PatternHash, FoundPattern)> {
        self.by_pattern.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(level: Level, records: u64, first: i64, last: i64, id: u64) -> FoundPattern {
        let (first, last) = (Ts::from_micros(first), Ts::from_micros(last));
        FoundPattern::of_level(level as i64, records, first, last, SampleAt { slice: 0, id })
    }

    fn found(parts: &[(u64, FoundPattern)]) -> FoundPatterns {
        let mut found = FoundPatterns::default();
        for (pattern, part) in parts {
            found.add(PatternHash::of_bits(*pattern), part.clone());
        }
        found
    }

    #[test]
    fn levels_are_in_the_order_of_their_ranks() {
        for (rank, level) in Level::ALL.into_iter().enumerate() {
            assert_eq!(level as usize, rank);
        }
    }

    #[test]
    fn parts_of_a_pattern_are_one() {
        let mut early = part(Level::Info, 3, 10, 20, 1);
        early.bars = vec![1, 2];
        let late = FoundPattern { bars: vec![0, 1], ..part(Level::Error, 1, 15, 30, 2) };
        for parts in [[(5, early.clone()), (5, late.clone())], [(5, late), (5, early)]] {
            let all = found(&parts);
            assert_eq!((all.records, all.len()), (4, 1));
            let one = all.get(PatternHash::of_bits(5)).expect("it was added");
            assert_eq!((one.first.micros(), one.last.micros(), one.sample.id), (10, 30, 2));
            assert_eq!((one.levels, one.bars.as_slice()), ([0, 0, 3, 0, 1, 0], &[1, 3][..]));
            assert_eq!(worst(&one.levels), Level::Error);
        }
    }

    #[test]
    fn of_too_many_patterns_the_frequent_ones_stay() {
        let mut all = FoundPatterns::default();
        for n in 0..MAX_HELD_PATTERNS as u64 + 1 {
            all.add(PatternHash::of_bits(n), part(Level::Info, if n < 10 { 2 } else { 1 }, 0, 0, n));
        }
        assert!(all.has_forgotten && all.len() == MAX_HELD_PATTERNS / 2 + 1, "{}", all.len());
        assert_eq!(all.records, MAX_HELD_PATTERNS as u64 + 11);
        assert!((0..10).all(|n| all.get(PatternHash::of_bits(n)).is_some()));
    }
}
