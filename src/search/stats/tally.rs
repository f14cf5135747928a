//! Matches that were seen, added up. Pure.

use crate::search::hit::Hit;
use crate::search::stats::column_values::Counts;
use crate::search::stats::histogram::Bars;

/// The figures to find out in addition to the number of matches.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub bars: usize,
    pub columns: &'a [&'a str],
}

impl<'a> Wanted<'a> {
    /// Without a histogram.
    pub(super) fn values(columns: &'a [&'a str]) -> Wanted<'a> {
        Wanted { bars: 0, columns }
    }
}

/// Matches that were seen, added up.
#[derive(Debug)]
pub struct Tally {
    pub(super) count: u64,
    pub(super) bars: Bars,
    pub(super) columns: Vec<(String, Counts)>,
}

impl Tally {
    /// An empty one.
    pub(super) fn new(bars: Bars, columns: &[&str]) -> Tally {
        let columns = columns.iter().map(|column| (String::from(*column), Counts::default())).collect();
        Tally { count: 0, bars, columns }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn take(&mut self, hit: &Hit) {
        self.count += 1;
        self.bars.take(hit);
        for (name, counts) in &mut self.columns {
            counts.take(&hit.record.columns, name);
        }
    }

    /// True if only the number of matches is wanted.
    pub(super) fn is_bare(&self) -> bool {
        self.bars.is_empty() && self.columns.is_empty()
    }
}
