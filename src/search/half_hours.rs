//! The number of an index's records in each half hour, as far as they are counted. Pure.
//!
//! Half hours that are over hardly change, so alco counts them again only every ten minutes. The list of indexes thus costs searchd
//! one small query for each index, for any number of records a day.

use std::collections::BTreeMap;

use crate::time::Ts;

/// The half hours of a day, which the list shows.
pub(super) const HALF_HOURS: i64 = 48;
pub(super) const HALF_HOUR_MICROS: i64 = 1_800_000_000;
/// After this time all half hours are counted again, for records that arrive late.
const RECOUNT_MICROS: i64 = 600_000_000;

/// The counts of one index.
#[derive(Clone, Debug, Default)]
pub(super) struct HalfHours {
    /// by their number since 1970
    counts: BTreeMap<i64, u64>,
    /// the time when all of them were last counted, and the time of the last count
    all: Option<Ts>,
    asked: Option<Ts>,
    pub(super) last: Option<Ts>,
}

impl HalfHours {
    /// The first half hour to count, by its number since 1970; the newest two may still change.
    pub(super) fn first(&self, now: Ts) -> i64 {
        let oldest = number(now) - HALF_HOURS + 1;
        let is_fresh = |all: &Ts| (0..RECOUNT_MICROS).contains(&(now.micros() - all.micros()));
        match (self.all.filter(is_fresh), self.asked) {
            (Some(_), Some(asked)) => (number(asked.min(now)) - 1).max(oldest),
            _ => oldest,
        }
    }

    /// Takes note of the counts from `first` on, and of the time of the latest record.
    pub(super) fn take(&mut self, first: i64, counted: BTreeMap<i64, u64>, last: Option<Ts>, now: Ts) {
        let oldest = number(now) - HALF_HOURS + 1;
        self.counts.retain(|number, _| (oldest..first).contains(number));
        self.counts.extend(counted);
        if first == oldest {
            self.all = Some(now);
        }
        self.asked = Some(now);
        self.last = self.last.max(last);
    }

    /// Records of each of the last 48 half hours, the oldest first.
    pub(super) fn counts(&self, now: Ts) -> Vec<u64> {
        let newest = number(now);
        (newest - HALF_HOURS + 1..=newest).map(|n| self.counts.get(&n).copied().unwrap_or(0)).collect()
    }
}

/// The half hour of a time, by its number since 1970.
pub(super) fn number(ts: Ts) -> i64 {
    ts.micros().div_euclid(HALF_HOUR_MICROS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_hour_that_is_over_is_rarely_counted_again() {
        let start = Ts::from_micros(1_795_341_600_000_000);
        let newest = number(start);
        let mut known = HalfHours::default();
        let counted = |from: i64, n: u64| (from..=newest).map(|number| (number, n)).collect::<BTreeMap<_, _>>();
        let minutes = |minutes: i64| start.plus_seconds(minutes * 60);

        assert_eq!(known.first(start), newest - 47);
        known.take(newest - 47, counted(newest - 47, 5), Some(start), start);
        assert_eq!(known.counts(start), [5; 48]);

        assert_eq!(known.first(minutes(3)), newest - 1);
        known.take(newest - 1, counted(newest - 1, 7), None, minutes(3));
        assert_eq!(known.counts(minutes(3))[45..], [5, 7, 7]);
        assert_eq!(known.last, Some(start));

        // the newest is another one by then
        assert_eq!(known.counts(minutes(33))[44..], [5, 7, 7, 0]);
        assert_eq!(known.first(minutes(11)), newest - 47);
        // a clock that was set back
        assert_eq!(known.first(minutes(-70)), newest - 3 - 47);
    }
}
