//! A line for each pattern: read from one document of each, by their docids.

use std::collections::HashMap;

use crate::config::IndexName;
use crate::record::pattern;
use crate::search::Searcher;
use crate::search::answer::select_of;
use crate::search::hit::SearchError;
use crate::search::large::{LargeRecords, MAX_LARGE_BYTES, of_sizes};
use crate::search::pattern_counts::SampleAt;
use crate::search::plan::Slice;
use crate::sphinx::select::{Restriction, Select};

/// Documents of one question: searchd holds their messages in memory at once, of up to 4 MiB each.
const DOCUMENTS_AT_A_TIME: usize = 100;

pub struct Sampled<'a> {
    searcher: &'a Searcher,
    slices: &'a [(IndexName, Slice)],
    lines: HashMap<(usize, u64), String>,
}

impl<'a> Sampled<'a> {
    pub fn new(searcher: &'a Searcher, slices: &'a [(IndexName, Slice)]) -> Sampled<'a> {
        Sampled { searcher, slices, lines: HashMap::new() }
    }

    pub fn read(&mut self, samples: impl Iterator<Item = SampleAt>) -> Result<(), SearchError> {
        let mut by_slice: HashMap<usize, Vec<u64>> = HashMap::new();
        for SampleAt { slice, id } in samples {
            by_slice.entry(slice).or_default().push(id);
        }
        for (slice, mut ids) in by_slice {
            ids.sort_unstable();
            for some in ids.chunks(DOCUMENTS_AT_A_TIME) {
                self.read_some(slice, some)?;
            }
        }
        Ok(())
    }

    fn read_some(&mut self, slice: usize, ids: &[u64]) -> Result<(), SearchError> {
        let Some((_, day)) = self.slices.get(slice) else { return Ok(()) };
        let (all, day) = (Restriction::default(), Slice::new(day.from.clone(), day.range));
        let select =
            |day: &Slice, ids: &[u64]| Select { columns: "id, logline", ..select_of(day, &all, ids.len()) }.among(ids);
        let access = self.searcher.access(&self.searcher.pool);
        let has_large = access.may_have_large(&day)?;
        let mut left = ids;
        while !left.is_empty() {
            let at_a_time = if has_large { self.fitting(&day, left)? } else { left.len() };
            let some = &left[..at_a_time];
            let (answer, asked) = access.nodes.rows_of_some(access.pool, &day, some, select)?;
            for row in answer.rows {
                self.lines.insert((slice, row.int(0).unwrap_or(0) as u64), pattern::line(&row.text(1)).to_owned());
            }
            left = &left[asked..];
        }
        Ok(())
    }

    /// How many of the first documents fit into one answer; they are in order.
    fn fitting(&self, day: &Slice, ids: &[u64]) -> Result<usize, SearchError> {
        let large = LargeRecords::list(false, MAX_LARGE_BYTES, |sizes, limit| {
            let of_sizes = of_sizes(&Restriction::default(), sizes);
            let statement = |day: &Slice| Select { columns: "id", ..select_of(day, &of_sizes, limit) }.among(ids);
            let answer = self.searcher.nodes.rows(&self.searcher.pool, day, statement)?;
            Ok(answer.rows.iter().filter_map(|row| row.int(0)?.try_into().ok()).collect::<Vec<u64>>())
        })?;
        Ok(large.first_beyond().map_or(ids.len(), |(first, _)| ids.partition_point(|id| *id < first)))
    }

    /// The index of a document.
    pub fn index(&self, sample: SampleAt) -> Option<&'a IndexName> {
        self.slices.get(sample.slice).map(|(index, _)| index)
    }

    /// The line of a document; None: it is no longer there.
    pub fn line(&self, sample: SampleAt) -> Option<&str> {
        self.lines.get(&(sample.slice, sample.id)).map(String::as_str)
    }
}
