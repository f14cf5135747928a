//! The histogram of a search: the numbers of its records over its range, by level. Pure.
//!
//! Bars begin at whole steps of the reader's clock, so a page that is loaded again has the same bars, and a whole day is asked for
//! by the same statement.

use crate::config::Index;
use crate::record::json::Columns;
use crate::record::level;
use crate::record::level::Level;
use crate::search::hit::Hit;
use crate::time::{Range, SECOND_MICROS, Ts, WallClock, clock_steps_micros};

const MINUTE_MICROS: i64 = 60 * SECOND_MICROS;
const HOUR_MICROS: i64 = 60 * MINUTE_MICROS;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;

/// The numbers of records over the range of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeHistogram {
    /// side by side over the range; empty, if the range is
    pub bars: Vec<Bar>,
    /// false: not all was counted in time, or not all that was counted was checked
    pub exact: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    pub range: Range,
    pub total: u64,
    /// parts of the total
    pub warnings: u64,
    pub errors: u64,
}

/// Bars that grow by each record that is read.
#[derive(Clone, Debug)]
pub(super) struct Bars {
    pub bars: Vec<Bar>,
    pub steps: Steps,
    /// the step of the first bar
    first: i64,
    /// of the search
    indexes: Vec<Index>,
}

impl Bars {
    /// At most `most` bars, and one more where the range begins within a step. None for an empty range.
    pub fn new(range: Range, most: usize, clock: &WallClock, indexes: Vec<Index>) -> Bars {
        let steps = Steps::of(range, most, clock);
        let first = steps.number(range.start);
        let numbers = if range.is_empty() || most == 0 { 0..0 } else { first..steps.last(range) + 1 };
        let bar = |number| {
            let (start, end) = (steps.start(number), steps.start(number + 1));
            // the range begins and ends within a step
            let range = Range { start: start.max(range.start), end: end.min(range.end) };
            Bar { range, total: 0, warnings: 0, errors: 0 }
        };
        Bars { bars: numbers.map(bar).collect(), steps, first, indexes }
    }

    pub fn is_empty(&self) -> bool {
        self.bars.is_empty()
    }

    pub fn emptied(&self) -> Bars {
        let bars = self.bars.iter().map(|bar| Bar { total: 0, warnings: 0, errors: 0, ..*bar });
        Bars { bars: bars.collect(), ..self.clone() }
    }

    /// The place of a step's bar among the bars; None: the range does not touch the step.
    pub fn place(&self, step: i64) -> Option<usize> {
        usize::try_from(step.checked_sub(self.first)?).ok().filter(|place| *place < self.bars.len())
    }

    pub fn take(&mut self, hit: &Hit) {
        let Some(place) = self.place(self.steps.number(hit.place.ts)) else { return };
        let bar = &mut self.bars[place];
        bar.total += 1;
        let Some(index) = self.indexes.iter().find(|index| index.name == hit.index) else { return };
        let level = level::of_record(index, &Columns::parse(&hit.record.columns));
        bar.warnings += u64::from(level == Level::Warning);
        bar.errors += u64::from(level.is_error());
    }
}

/// The steps of a clock: seconds, minutes, hours, days, or parts or multiples of them, each with its number.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    pub width_micros: i64,
    clock: WallClock,
    /// how far the clock is ahead of UTC; None: it depends on the time
    ahead_micros: Option<i64>,
}

/// A part of a range, within which the clock is not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StepsOfPart {
    pub range: Range,
    /// the number of a step that is not after the part, and its begin if the clock had not been changed since
    pub first: i64,
    pub start_micros: i64,
}

impl Steps {
    /// The narrowest steps of which the range touches at most `most`, or one more. A clock is changed by an hour at most, so steps up
    /// to that stay as they are; a wider one that it is changed in is longer or shorter.
    fn of(range: Range, most: usize, clock: &WallClock) -> Steps {
        let ahead = clock.ahead_micros(range.end);
        let steps = |width_micros| {
            let ahead_micros = (width_micros <= HOUR_MICROS).then_some(ahead);
            Steps { width_micros, clock: clock.clone(), ahead_micros }
        };
        let are_few = |steps: &Steps| steps.last(range) - steps.number(range.start) <= most as i64;
        clock_steps_micros().map(steps).find(are_few).unwrap_or(steps(i64::MAX / 4))
    }

    /// The number of a time's step.
    pub fn number(&self, ts: Ts) -> i64 {
        (ts.micros() + self.ahead(ts)).div_euclid(self.width_micros)
    }

    pub fn start(&self, number: i64) -> Ts {
        let civil = number.saturating_mul(self.width_micros);
        // as if the clock were not changed on that day, and as it is then
        let before = Ts::from_micros(civil).plus_micros(-DAY_MICROS);
        let usual = Ts::from_micros(civil.saturating_sub(self.ahead(before)));
        let then = Ts::from_micros(civil.saturating_sub(self.ahead(usual)));
        let begins = [usual, then].into_iter().filter(|ts| self.number(*ts) == number);
        begins.min().unwrap_or(usual.max(then))
    }

    /// The step of a document as an expression, counted from the step that begins there.
    pub fn sql_from(&self, start_micros: i64) -> String {
        format!("((ts-({start_micros})) DIV {})", self.width_micros)
    }

    /// That of the range's last microsecond.
    fn last(&self, range: Range) -> i64 {
        self.number(range.end.plus_micros(-1))
    }

    fn ahead(&self, ts: Ts) -> i64 {
        self.ahead_micros.unwrap_or_else(|| self.clock.ahead_micros(ts))
    }

    /// The parts of a range of one UTC day. The begin of the first part's steps depends on the day alone.
    pub fn parts(&self, range: Range) -> Vec<StepsOfPart> {
        let mut parts = Vec::new();
        let mut start = range.start;
        while start < range.end {
            let changed = if self.ahead_micros.is_none() { self.clock.changed_after(start) } else { None };
            let end = changed.map_or(range.end, |at| at.min(range.end));
            let from = if parts.is_empty() { start.day().start() } else { start };
            let first = (from.micros() + self.ahead(start)).div_euclid(self.width_micros);
            let start_micros = first * self.width_micros - self.ahead(start);
            parts.push(StepsOfPart { range: Range { start, end }, first, start_micros });
            start = end;
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(start: &str, end: &str, zone: &str, expect: &str) {
        let zone = crate::time::zone(zone).expect("a known zone");
        let utc = crate::time::zone("UTC").expect("a known zone");
        let at = |text: &str| crate::time::parse_rfc3339(text, &utc).expect(text);
        let range = Range { start: at(start), end: at(end) };
        let bars = Bars::new(range, 60, &WallClock::of(&zone), Vec::new());
        let ranges: Vec<Range> = bars.bars.iter().map(|bar| bar.range).collect();
        let found = ranges.get(1).map_or(String::new(), |second| {
            let seconds = bars.steps.width_micros as f64 / 1e6;
            format!("{} bars of {seconds} s, the second from {}", ranges.len(), second.start.clock_in(&zone, 3))
        });
        assert_eq!(found, expect, "{start} {end}");
        // they fill the range, and no instant is in two of them
        assert!(ranges.windows(2).all(|two| two[0].end == two[1].start && !two[0].is_empty()), "{ranges:?}");
        assert_eq!(ranges.first().map(|first| first.start), (!range.is_empty()).then_some(range.start));
        assert_eq!(ranges.last().map(|last| last.end), (!range.is_empty()).then_some(range.end));
        let wide = bars.steps.width_micros >= DAY_MICROS;
        assert!(!wide || ranges.iter().skip(1).all(|bar| bar.start.clock_in(&zone, 3) == "00:00:00.000"), "{ranges:?}");
        // searchd counts by the parts of each day as records that are read are counted
        for bar in &ranges {
            for ts in [bar.start, bar.end.plus_micros(-1)] {
                let parts = bars.steps.parts(ts.day().range());
                let part = parts.iter().find(|part| part.range.contains(ts)).expect("the parts fill the day");
                let step = part.first + (ts.micros() - part.start_micros).div_euclid(bars.steps.width_micros);
                assert_eq!(bars.place(step).map(|place| ranges[place]), Some(*bar), "{ts}");
            }
        }
    }

    #[test]
    fn bars_begin_at_whole_steps_of_a_clock() {
        let (berlin, nepal) = ("Europe/Berlin", "Asia/Kathmandu");
        for (start, end, zone, expect) in [
            (
                "2026-11-28T15:33:53.475543Z",
                "2026-11-28T16:33:53.475543Z",
                "UTC",
                "61 bars of 60 s, the second from 15:34:00.000",
            ),
            (
                "2026-11-28T15:33:53.475543Z",
                "2026-11-28T15:38:53.475543Z",
                "UTC",
                "61 bars of 5 s, the second from 15:33:55.000",
            ),
            ("2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z", "UTC", "48 bars of 1800 s, the second from 00:30:00.000"),
            ("2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z", nepal, "49 bars of 1800 s, the second from 06:00:00.000"),
            ("2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z", "UTC", "56 bars of 10800 s, the second from 03:00:00.000"),
            (
                "2026-11-22T00:00:00Z",
                "2026-11-29T00:00:00Z",
                berlin,
                "57 bars of 10800 s, the second from 03:00:00.000",
            ),
            // their clock is set back on 2026-10-25, and forward on 2026-03-29
            (
                "2026-09-30T22:00:00Z",
                "2026-11-27T23:00:00Z",
                berlin,
                "58 bars of 86400 s, the second from 00:00:00.000",
            ),
            ("2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z", berlin, "36 bars of 7200 s, the second from 02:00:00.000"),
            ("2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z", berlin, "36 bars of 7200 s, the second from 02:00:00.000"),
            (
                "2026-11-28T10:00:00Z",
                "2026-11-28T10:00:00.000005Z",
                "UTC",
                "5 bars of 0.000001 s, the second from 10:00:00.000",
            ),
            (
                "2026-11-28T10:00:00Z",
                "2026-11-28T10:00:00.3Z",
                "UTC",
                "60 bars of 0.005 s, the second from 10:00:00.005",
            ),
            (
                "0001-01-01T00:00:00Z",
                "9999-01-01T00:00:00Z",
                "UTC",
                "38 bars of 8640000000 s, the second from 00:00:00.000",
            ),
            ("2026-11-28T10:00:00Z", "2026-11-28T10:00:00Z", "UTC", ""),
            ("2026-11-28T10:00:00Z", "2026-11-28T09:00:00Z", "UTC", ""),
        ] {
            check(start, end, zone, expect);
        }
    }
}
