//! The histogram of a search: the numbers of its records over its range, by level. Pure.
//!
//! Bars begin at whole steps of the reader's clock, so a page that is loaded again has the same bars, and a whole day is asked for
//! by the same statement.

use crate::config::Index;
use crate::record::json::Columns;
use crate::record::level;
use crate::record::level::Level;
use crate::search::hit::Hit;
use crate::time::{Range, SECOND_MICROS, Ts};

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
    pub fn new(range: Range, most: usize, offset_seconds: i32, indexes: Vec<Index>) -> Bars {
        let steps = Steps::of(range, most, offset_seconds);
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
        usize::try_from(step - self.first).ok().filter(|place| *place < self.bars.len())
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    pub width_micros: i64,
    /// the begin of a step, from which they are counted
    origin: i64,
}

impl Steps {
    /// The narrowest steps of which the range touches at most `most`, or one more. The zone's clock is ahead of UTC by the offset;
    /// where it is changed within the range, the steps stay as wide.
    fn of(range: Range, most: usize, offset_seconds: i32) -> Steps {
        let steps = |width_micros| Steps { width_micros, origin: -i64::from(offset_seconds) * SECOND_MICROS };
        let are_few = |steps: &Steps| steps.last(range) - steps.number(range.start) <= most as i64;
        step_widths_micros().map(steps).find(are_few).unwrap_or(steps(i64::MAX / 4))
    }

    /// The number of a time's step.
    pub fn number(self, ts: Ts) -> i64 {
        (ts.micros() - self.origin).div_euclid(self.width_micros)
    }

    pub fn start(self, number: i64) -> Ts {
        Ts::from_micros(number.saturating_mul(self.width_micros).saturating_add(self.origin))
    }

    /// That of the range's last microsecond.
    fn last(self, range: Range) -> i64 {
        self.number(range.end.plus_micros(-1))
    }
}

/// Wider and wider: 1, 2 and 5 of the next power of ten, but parts of a minute, an hour and a day where these are in reach.
fn step_widths_micros() -> impl Iterator<Item = i64> {
    const MINUTE_MICROS: i64 = 60 * SECOND_MICROS;
    const HOUR_MICROS: i64 = 60 * MINUTE_MICROS;
    let decimal = |unit: i64, powers: std::ops::Range<u32>| {
        powers.flat_map(move |power| [1, 2, 5].map(|n| n * 10_i64.pow(power) * unit))
    };
    let sixtieths = |unit: i64| [1, 2, 5, 10, 15, 30].map(|n| n * unit);
    decimal(1, 0..6)
        .chain(sixtieths(SECOND_MICROS))
        .chain(sixtieths(MINUTE_MICROS))
        .chain([1, 2, 3, 6, 12].map(|n| n * HOUR_MICROS))
        .chain(decimal(24 * HOUR_MICROS, 0..6))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    #[track_caller]
    fn check(start: &str, end: &str, offset_hours: i32, expect: &str) {
        let at = |text: &str| crate::time::parse_rfc3339(text, &TimeZone::UTC).expect(text);
        let range = Range { start: at(start), end: at(end) };
        let bars = Bars::new(range, 60, offset_hours * 3600, Vec::new());
        let ranges: Vec<Range> = bars.bars.iter().map(|bar| bar.range).collect();
        let clock = |ts: Ts| ts.clock_in(&TimeZone::UTC, 3);
        let found = ranges.get(1).map_or(String::new(), |second| {
            format!(
                "{} bars of {} s, the second from {}",
                ranges.len(),
                bars.steps.width_micros as f64 / 1e6,
                clock(second.start)
            )
        });
        assert_eq!(found, expect, "{start} {end}");
        // they fill the range, and no instant is in two of them
        assert!(ranges.windows(2).all(|two| two[0].end == two[1].start && !two[0].is_empty()));
        assert_eq!(ranges.first().map(|first| first.start), (!range.is_empty()).then_some(range.start));
        assert_eq!(ranges.last().map(|last| last.end), (!range.is_empty()).then_some(range.end));
    }

    #[test]
    fn bars_begin_at_whole_steps_of_a_clock() {
        check(
            "2026-11-28T15:33:53.475543Z",
            "2026-11-28T16:33:53.475543Z",
            0,
            "61 bars of 60 s, the second from 15:34:00.000",
        );
        check(
            "2026-11-28T15:33:53.475543Z",
            "2026-11-28T15:38:53.475543Z",
            0,
            "61 bars of 5 s, the second from 15:33:55.000",
        );
        check("2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z", 0, "48 bars of 1800 s, the second from 00:30:00.000");
        check("2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z", 0, "56 bars of 10800 s, the second from 03:00:00.000");
        check("2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z", 1, "57 bars of 10800 s, the second from 02:00:00.000");
        check(
            "2026-11-28T10:00:00Z",
            "2026-11-28T10:00:00.000005Z",
            0,
            "5 bars of 0.000001 s, the second from 10:00:00.000",
        );
        check("2026-11-28T10:00:00Z", "2026-11-28T10:00:00.3Z", 0, "60 bars of 0.005 s, the second from 10:00:00.005");
        check(
            "0001-01-01T00:00:00Z",
            "9999-01-01T00:00:00Z",
            0,
            "38 bars of 8640000000 s, the second from 00:00:00.000",
        );
        check("2026-11-28T10:00:00Z", "2026-11-28T10:00:00Z", 0, "");
        check("2026-11-28T10:00:00Z", "2026-11-28T09:00:00Z", 0, "");
    }
}
