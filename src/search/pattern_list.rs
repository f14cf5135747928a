//! The patterns of a list in their order: those of one range, or those of two ranges that are compared. Pure.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::query::PatternSort;
use crate::record::level::Level;
use crate::record::pattern::PatternHash;
use crate::search::pattern_counts::{FoundPattern, FoundPatterns, worst};

/// The part of a number by which it varies without a cause: the load of a system is never the same.
const USUAL_CHANGE_SHARE: f64 = 0.1;

/// A pattern of a list. At least one range has records of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPattern {
    pub pattern: PatternHash,
    /// in the range of the search
    pub found: Option<FoundPattern>,
    /// in the range before
    pub before: Option<FoundPattern>,
}

impl ListedPattern {
    /// The records in the range of the search, and in the range before.
    fn records(&self) -> [u64; 2] {
        [&self.found, &self.before].map(|found| found.as_ref().map_or(0, FoundPattern::records))
    }

    /// The worst level; that of the range before if only it has records.
    fn worst(&self) -> Level {
        self.found.as_ref().or(self.before.as_ref()).map_or(Level::Unknown, |found| worst(&found.levels))
    }
}

/// How much a number has changed: the difference, but for one record, divided by how much two such numbers usually differ. By chance
/// that is the root of their sum, and by the load a tenth of it. So a few records more or less, and a tenth of many, change little; 10 is
/// the most.
pub fn change(now: u64, before: u64) -> f64 {
    let (difference, sum) = (now.abs_diff(before) as f64, now as f64 + before as f64);
    (difference - 1.0).max(0.0) / (sum + (USUAL_CHANGE_SHARE * sum).powi(2)).sqrt().max(1.0)
}

/// The first `limit` patterns in that order, and the number of all. Without an order, the most changed come first if there is a range
/// before, otherwise the most frequent.
pub fn listed(
    found: FoundPatterns,
    before: Option<FoundPatterns>,
    sort: Option<PatternSort>,
    limit: usize,
) -> (Vec<ListedPattern>, u64) {
    let is_compared = before.is_some();
    let mut before: HashMap<_, _> = before.into_iter().flat_map(FoundPatterns::into_patterns).collect();
    let found = found.into_patterns().map(|(pattern, found)| {
        let before = before.remove(&pattern);
        ListedPattern { pattern, found: Some(found), before }
    });
    let mut all: Vec<ListedPattern> = found.collect();
    all.extend(before.into_iter().map(|(pattern, found)| ListedPattern { pattern, found: None, before: Some(found) }));
    let number = all.len() as u64;
    sort_list(&mut all, sort, is_compared);
    all.truncate(limit);
    (all, number)
}

/// Sorts a list.
pub fn sort_list(all: &mut [ListedPattern], sort: Option<PatternSort>, is_compared: bool) {
    let by = |one: &ListedPattern| match sort {
        None | Some(PatternSort::Frequent) => 0,
        Some(PatternSort::Rare) => one.records()[0] as i64,
        // those that are gone come last
        Some(PatternSort::Newest) => one.found.as_ref().map_or(i64::MAX, |found| -found.first.micros()),
        Some(PatternSort::Level) => -(one.worst() as i64),
    };
    // in millionths, which can be ordered
    let changed = |[now, before]: [u64; 2]| match sort {
        Some(PatternSort::Frequent) => 0,
        _ if is_compared => (change(now, before) * 1e6) as i64,
        _ => 0,
    };
    all.sort_by_cached_key(|one| (by(one), Reverse(changed(one.records())), one.records().map(Reverse), one.pattern));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::pattern_counts::SampleAt;
    use crate::time::Ts;

    fn found(parts: &[(u64, Level, u64, i64)]) -> FoundPatterns {
        let mut found = FoundPatterns::default();
        for (pattern, level, records, first) in parts {
            let (first, sample) = (Ts::from_micros(*first), SampleAt { slice: 0, id: 1 });
            let part = FoundPattern::of_level(*level as i64, *records, first, first, sample);
            found.add(PatternHash::of_bits(*pattern), part);
        }
        found
    }

    #[track_caller]
    fn check(found: &FoundPatterns, before: Option<&FoundPatterns>, sort: Option<PatternSort>, expect: &[u64]) {
        let (listed, _) = listed(found.clone(), before.cloned(), sort, 5);
        let patterns: Vec<u64> = listed.iter().map(|one| one.pattern.bits()).collect();
        assert_eq!(patterns, expect, "{sort:?}");
    }

    #[test]
    fn each_order_has_its_first() {
        let found =
            found(&[(1, Level::Info, 9, 0), (2, Level::Error, 5, 1), (3, Level::Debug, 1, 2), (4, Level::Error, 6, 1)]);
        check(&found, None, None, &[1, 4, 2, 3]);
        check(&found, None, Some(PatternSort::Rare), &[3, 2, 4, 1]);
        check(&found, None, Some(PatternSort::Newest), &[3, 4, 2, 1]);
        check(&found, None, Some(PatternSort::Level), &[4, 2, 1, 3]);
    }

    #[test]
    fn a_comparison_has_the_patterns_of_both_ranges() {
        let now = found(&[(1, Level::Info, 1000, 9), (2, Level::Info, 40, 8), (3, Level::Warning, 1, 7)]);
        let before = found(&[(1, Level::Info, 1010, 1), (2, Level::Info, 2, 1), (4, Level::Error, 30, 1)]);
        check(&now, Some(&before), None, &[2, 4, 1, 3]);
        check(&now, Some(&before), Some(PatternSort::Frequent), &[1, 2, 3, 4]);
        check(&now, Some(&before), Some(PatternSort::Rare), &[4, 3, 2, 1]);
        check(&now, Some(&before), Some(PatternSort::Newest), &[1, 2, 3, 4]);
        check(&now, Some(&before), Some(PatternSort::Level), &[4, 3, 2, 1]);
        let (listed, number) = listed(now, Some(before), None, 2);
        assert_eq!(number, 4);
        assert_eq!(listed.iter().map(ListedPattern::records).collect::<Vec<_>>(), [[40, 2], [0, 30]]);
    }

    #[test]
    fn a_change_is_one_by_ratio_and_by_size() {
        // the most changed first
        let changes = [
            (1000, 0),
            (12_000, 1000),
            (80, 0),
            (5000, 2000),
            (100_000, 200_000),
            (10, 0),
            (100_000, 160_000),
            (12, 5),
            (3, 0),
            (100_000, 120_000),
            (2, 0),
            (100_000, 95_000),
            (1, 0),
        ];
        let values = changes.map(|(now, before)| change(now, before));
        assert!(values.is_sorted_by(|a, b| a > b), "{values:?}");
        assert!(changes.iter().zip(values).all(|((now, before), value)| change(*before, *now) == value));
        assert_eq!((change(0, 0), change(0, 1)), (0.0, 0.0));
        assert!(change(u64::MAX, 0) < 10.001 && change(u64::MAX, u64::MAX) == 0.0);
    }
}
