//! When: how the records of a search are spread over its range, by level. Pure.

use crate::record::readable;
use crate::search::filter::find;
use crate::time::{Range, Ts};

/// How the records of a search are spread over its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
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

/// What a level is worth in a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Normal,
    Warning,
    Error,
}

/// Bars that grow by the records that are seen.
#[derive(Debug)]
pub(super) struct Bars {
    pub bars: Vec<Bar>,
    pub severity: fn(&str) -> Severity,
    level: Vec<String>,
}

impl Bars {
    /// `level` are the columns, of which the first that a record has tells its level.
    pub fn new(range: Range, bars: usize, level: Vec<String>, severity: fn(&str) -> Severity) -> Bars {
        Bars { bars: empty_bars(range, bars), severity, level }
    }

    pub fn is_empty(&self) -> bool {
        self.bars.is_empty()
    }

    pub fn emptied(&self) -> Vec<Bar> {
        self.bars.iter().map(|bar| Bar { total: 0, warnings: 0, errors: 0, ..*bar }).collect()
    }

    /// Microseconds of a bar; the last may have less.
    pub fn width(&self) -> i64 {
        self.bars.first().map_or(1, |bar| bar.range.end.micros() - bar.range.start.micros())
    }

    pub fn take(&mut self, ts: Ts, columns: &str) {
        let Some(start) = self.bars.first().map(|bar| bar.range.start) else { return };
        let bar = (ts.micros() - start.micros()).div_euclid(self.width());
        let bar = usize::try_from(bar).ok().and_then(|bar| self.bars.get_mut(bar));
        let Some(bar) = bar else { return };
        bar.total += 1;
        match level_of(columns, &self.level).as_deref().map_or(Severity::Normal, self.severity) {
            Severity::Normal => {}
            Severity::Warning => bar.warnings += 1,
            Severity::Error => bar.errors += 1,
        }
    }
}

/// Equal bars over a range, at most so many; fewer where a bar would be less than a microsecond.
fn empty_bars(range: Range, bars: usize) -> Vec<Bar> {
    let length = range.end.micros().saturating_sub(range.start.micros());
    if length <= 0 || bars == 0 {
        return Vec::new();
    }
    let width = (length + bars as i64 - 1) / bars as i64;
    (0..(length + width - 1) / width)
        .map(|n| Bar {
            range: Range {
                start: range.start.plus_micros(n * width),
                end: range.start.plus_micros((n + 1) * width).min(range.end),
            },
            total: 0,
            warnings: 0,
            errors: 0,
        })
        .collect()
}

/// The first level column that a record has.
fn level_of(columns: &str, names: &[String]) -> Option<String> {
    let columns = crate::record::members(columns);
    let mut values = Vec::new();
    names.iter().for_each(|name| find(&columns, name, &mut values));
    values.into_iter().find(|value| *value != "null").map(|value| readable(value).into_owned())
}
