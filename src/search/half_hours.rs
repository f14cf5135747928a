//! The number of an index's records in each half hour, as far as they are counted. Pure.
//!
//! Half hours that are over hardly change, so alco counts them again only every ten minutes. The list of indexes thus costs searchd
//! one small query for each index, for any number of records a day.

use std::collections::BTreeMap;

use crate::time::{Ts, WallClock};

/// The half hours of a day, which the list shows.
pub(super) const SHOWN_HALF_HOURS: i64 = 48;
/// Half hours that are counted: a day on which the clock is set back has 25 hours.
pub(super) const HALF_HOURS: i64 = SHOWN_HALF_HOURS + 2;
pub(super) const HALF_HOUR_MICROS: i64 = 1_800_000_000;
const DAY_MICROS: i64 = 48 * HALF_HOUR_MICROS;
/// After this time all half hours are counted again, for records that arrive late.
const RECOUNT_MICROS: i64 = 600_000_000;

/// Records, and the errors among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordCounts {
    pub records: u64,
    /// None: searchd cannot tell the level of each
    pub errors: Option<u64>,
}

impl RecordCounts {
    pub const NONE: RecordCounts = RecordCounts { records: 0, errors: Some(0) };

    pub fn plus(self, other: RecordCounts) -> RecordCounts {
        let errors = self.errors.zip(other.errors).map(|(own, others)| own + others);
        RecordCounts { records: self.records + other.records, errors }
    }
}

/// The counts of one index.
#[derive(Clone, Debug, Default)]
pub(super) struct HalfHours {
    /// how far the half hours of the clock are ahead of those of UTC
    pub(super) ahead_micros: i64,
    /// by their number since 1970
    counts: BTreeMap<i64, RecordCounts>,
    /// the time when all of them were last counted, and the time of the last count
    all: Option<Ts>,
    asked: Option<Ts>,
    pub(super) last: Option<Ts>,
}

impl HalfHours {
    /// Nothing is counted yet. A clock that differs from UTC by quarter hours has half hours of its own.
    pub(super) fn new(clock: &WallClock, now: Ts) -> HalfHours {
        HalfHours { ahead_micros: clock.ahead_micros(now).rem_euclid(HALF_HOUR_MICROS), ..HalfHours::default() }
    }

    /// The half hour of a time, by its number since 1970.
    pub(super) fn number(&self, ts: Ts) -> i64 {
        (ts.micros() + self.ahead_micros).div_euclid(HALF_HOUR_MICROS)
    }

    pub(super) fn start(&self, number: i64) -> Ts {
        Ts::from_micros(number * HALF_HOUR_MICROS - self.ahead_micros)
    }

    fn oldest(&self, now: Ts) -> i64 {
        self.number(now) - HALF_HOURS + 1
    }

    /// The first half hour to count, by its number since 1970; the newest two may still change.
    pub(super) fn first(&self, now: Ts) -> i64 {
        let is_fresh = |all: &Ts| (0..RECOUNT_MICROS).contains(&(now.micros() - all.micros()));
        match (self.all.filter(is_fresh), self.asked) {
            (Some(_), Some(asked)) => (self.number(asked.min(now)) - 1).max(self.oldest(now)),
            _ => self.oldest(now),
        }
    }

    /// Returns true if all half hours are counted from `first` on.
    pub(super) fn is_all(&self, first: i64, now: Ts) -> bool {
        first == self.oldest(now)
    }

    /// Takes note of the counts from `first` on, and of the time of the latest record.
    pub(super) fn take(&mut self, first: i64, counted: BTreeMap<i64, RecordCounts>, last: Option<Ts>, now: Ts) {
        let oldest = self.oldest(now);
        self.counts.retain(|number, _| (oldest..first).contains(number));
        self.counts.extend(counted);
        if first == oldest {
            self.all = Some(now);
        }
        self.asked = Some(now);
        self.last = self.last.max(last);
    }

    fn of(&self, number: i64) -> RecordCounts {
        self.counts.get(&number).copied().unwrap_or(RecordCounts::NONE)
    }

    /// Records of each of the last 48 half hours, the oldest first.
    pub(super) fn counts(&self, now: Ts) -> Vec<RecordCounts> {
        let newest = self.number(now);
        (newest - SHOWN_HALF_HOURS + 1..=newest).map(|number| self.of(number)).collect()
    }

    /// Records since midnight of that clock.
    pub(super) fn today(&self, clock: &WallClock, now: Ts) -> RecordCounts {
        let midnight = |ahead: i64| (now.micros() + ahead).div_euclid(DAY_MICROS) * DAY_MICROS;
        let ahead = clock.ahead_micros(now);
        // the clock may have been changed since midnight
        let usual = Ts::from_micros(midnight(ahead) - ahead);
        let start = Ts::from_micros(midnight(ahead) - clock.ahead_micros(usual));
        (self.number(start)..=self.number(now))
            .map(|number| self.of(number))
            .fold(RecordCounts::NONE, RecordCounts::plus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(zone: &str) -> WallClock {
        WallClock::of(&crate::time::zone(zone).expect("a known zone"))
    }

    fn counted(numbers: std::ops::RangeInclusive<i64>, records: u64) -> BTreeMap<i64, RecordCounts> {
        numbers.map(|number| (number, RecordCounts { records, errors: Some(1) })).collect()
    }

    #[test]
    fn a_half_hour_that_is_over_is_rarely_counted_again() {
        let start = Ts::from_micros(1_795_341_600_000_000);
        let mut known = HalfHours::new(&clock("UTC"), start);
        let newest = known.number(start);
        let minutes = |minutes: i64| start.plus_seconds(minutes * 60);
        let records = |known: &HalfHours, at| -> Vec<u64> { known.counts(at).iter().map(|n| n.records).collect() };

        assert_eq!(known.first(start), newest - 49);
        known.take(newest - 49, counted(newest - 49..=newest, 5), Some(start), start);
        assert_eq!(records(&known, start), [5; 48]);

        assert_eq!(known.first(minutes(3)), newest - 1);
        known.take(newest - 1, counted(newest - 1..=newest, 7), None, minutes(3));
        assert_eq!(records(&known, minutes(3))[45..], [5, 7, 7]);
        assert_eq!(known.last, Some(start));

        // the newest is another one by then
        assert_eq!(records(&known, minutes(33))[44..], [5, 7, 7, 0]);
        assert_eq!(known.first(minutes(11)), newest - 49);
        // a clock that was set back
        assert_eq!(known.first(minutes(-70)), newest - 3 - 49);
    }

    #[test]
    fn today_begins_at_midnight_of_the_clock() {
        for (zone, now, half_hours) in [
            ("UTC", "2026-11-22T00:00:00Z", 1),
            ("UTC", "2026-11-22T23:59:59Z", 48),
            ("Europe/Berlin", "2026-11-22T22:59:59Z", 48),
            ("Europe/Berlin", "2026-11-22T23:00:00Z", 1),
            // three quarters of an hour ahead
            ("Asia/Kathmandu", "2026-11-22T18:15:00Z", 1),
            ("Asia/Kathmandu", "2026-11-22T18:44:59Z", 1),
            ("Asia/Kathmandu", "2026-11-22T18:14:59Z", 48),
            // the clock is set back, and forward
            ("Europe/Berlin", "2026-10-25T22:59:59Z", 50),
            ("Europe/Berlin", "2026-03-29T21:59:59Z", 46),
        ] {
            let clock = clock(zone);
            let now = crate::time::parse_rfc3339(now, &crate::time::zone("UTC").expect("a known zone")).expect(now);
            let mut known = HalfHours::new(&clock, now);
            let newest = known.number(now);
            known.take(newest - 49, counted(newest - 99..=newest, 10), Some(now), now);
            let expect = RecordCounts { records: 10 * half_hours, errors: Some(half_hours) };
            assert_eq!(known.today(&clock, now), expect, "{zone} {now}");
        }
    }

    #[test]
    fn errors_that_are_not_known_make_their_sum_unknown() {
        let unknown = RecordCounts { records: 2, errors: None };
        assert_eq!(
            RecordCounts::NONE.plus(unknown).plus(RecordCounts { records: 1, errors: Some(1) }),
            RecordCounts { records: 3, errors: None }
        );
    }
}
