//! The histogram of a search: the numbers of its records over its range, by level. Pure.

use crate::config::Index;
use crate::record::json::Columns;
use crate::record::level;
use crate::record::level::Level;
use crate::search::hit::Hit;
use crate::time::Range;

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
#[derive(Debug)]
pub(super) struct Bars {
    pub bars: Vec<Bar>,
    /// of the search
    indexes: Vec<Index>,
}

impl Bars {
    pub fn new(range: Range, bars: usize, indexes: Vec<Index>) -> Bars {
        Bars { bars: empty_bars(range, bars), indexes }
    }

    pub fn is_empty(&self) -> bool {
        self.bars.is_empty()
    }

    pub fn emptied(&self) -> Bars {
        let bars = self.bars.iter().map(|bar| Bar { total: 0, warnings: 0, errors: 0, ..*bar });
        Bars { bars: bars.collect(), indexes: self.indexes.clone() }
    }

    /// Microseconds of a bar; the last may have less.
    pub fn width(&self) -> i64 {
        self.bars.first().map_or(1, |bar| bar.range.end.micros() - bar.range.start.micros())
    }

    pub fn take(&mut self, hit: &Hit) {
        let Some(start) = self.bars.first().map(|bar| bar.range.start) else { return };
        let bar = (hit.place.ts.micros() - start.micros()).div_euclid(self.width());
        let bar = usize::try_from(bar).ok().and_then(|bar| self.bars.get_mut(bar));
        let Some(bar) = bar else { return };
        bar.total += 1;
        let Some(index) = self.indexes.iter().find(|index| index.name == hit.index) else { return };
        let level = level::of_record(index, &Columns::parse(&hit.record.columns));
        bar.warnings += u64::from(level == Level::Warning);
        bar.errors += u64::from(level.is_error());
    }
}

/// Equal bars over a range: at most `bars`, fewer if a bar would be less than a microsecond.
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
