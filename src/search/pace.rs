//! How much a walk asks searchd for at a time. Pure.
//!
//! A question costs searchd its fixed part, and a sort of all documents of the time that it asks for. So the first question is
//! short, and each of the next is as long as the answers before allow.

use crate::query::cursor::Place;
use crate::search::answer::MAX_ANSWER_BYTES;
use crate::search::hit::Hit;
use crate::time::{Range, Ts};

/// Rows of one question: enough that asking costs less than answering.
const MAX_ROWS: usize = 20_000;
/// Width of the first time slice when the full-text index is not used: searchd looks at all records of it.
const FIRST_SLICE_MICROS: i64 = 60_000_000;
/// Width of the first time slice when lines around a match are read.
const NEIGHBOUR_SLICE_MICROS: i64 = 5_000_000;
/// Rows that are sampled before the full-text index is used.
const SAMPLE_ROWS: usize = 500;
/// If more than one in this many sampled rows matches, the full-text index is not used: to list all documents of a common word
/// takes longer than to fill a page.
const COMMON_ONE_IN: usize = 10;
/// Up to this many rows, fetching whole rows is cheaper than a second question for the matches.
const FEW_ROWS: usize = 1000;
/// The hint for a walk that will see all records.
pub const ALL_ROWS: usize = usize::MAX;
/// Rows of the first question of such a walk.
const FIRST_ROWS_OF_ALL: usize = 2000;
/// Slices of one question, where few documents of each match.
const MAX_SLICES: usize = 4;
/// The narrowest time slice: the records of half a second are a short answer.
const MIN_SLICE_MICROS: i64 = 500_000;

/// The documents that the next question asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portion {
    /// of a slice
    pub part: Range,
    /// at most this many
    pub rows: usize,
    /// whether searchd uses the full-text index
    pub narrowed: bool,
    samples: bool,
    window: Option<i64>,
}

/// The answer to one question.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub hits: Vec<Hit>,
    /// the documents that were looked at: the first and the last, their number, bytes of all and bytes of the hits
    pub first: Option<Ts>,
    pub last: Option<Place>,
    pub seen: usize,
    pub bytes: usize,
    pub held: usize,
    /// there is more of it
    pub cut: bool,
}

impl Portion {
    /// True if it is not a time slice.
    fn is_whole_slice(&self) -> bool {
        self.narrowed && self.window.is_none()
    }

    /// Ends it before that place of it: the first large record that it must not have, of those beyond `at`. Of one microsecond it has as
    /// many documents as there are large records before.
    pub fn end_before(&mut self, place: Place, large_before: usize, backwards: bool, at: Option<Place>) {
        let Range { start, end } = self.part;
        let before = match backwards {
            false => Range { start, end: place.ts },
            true => Range { start: place.ts.plus_micros(1), end },
        };
        // they were looked at already
        let is_past = at.is_some_and(|at| match backwards {
            false => at >= Place::start_of(before.end),
            true => at <= Place::start_of(before.start),
        });
        match is_past || before.is_empty() {
            false => self.part = before,
            true => {
                self.part = Range { start: place.ts, end: place.ts.plus_micros(1) };
                self.rows = self.rows.min(large_before);
            }
        }
    }

    /// True if the answer has all documents of the part.
    pub fn is_all(&self, chunk: &Chunk) -> bool {
        chunk.seen < self.rows && !chunk.cut
    }
}

/// The pace of one index.
#[derive(Debug)]
pub(super) struct Pace {
    backwards: bool,
    /// microseconds of a slice to look through at first, where the full-text index is not used
    first_window: i64,
    rows: usize,
    /// microseconds of a slice to ask for at a time; None: the whole slice, or its first part
    window: Option<i64>,
    /// it is not known yet whether matches are common
    samples: bool,
    /// slices to ask for at a time
    slices: usize,
    /// more than a quarter of the last answer were hits
    dense: bool,
    max_held_bytes: usize,
}

impl Pace {
    /// `hint`: rows that will be wanted, or `ALL_ROWS`. `may_sample`: a sample of the documents shows how common matches are.
    /// `max_held_bytes`: of the hits of an answer.
    pub fn new(backwards: bool, is_stream: bool, hint: usize, may_sample: bool, max_held_bytes: usize) -> Pace {
        Pace {
            backwards,
            first_window: if is_stream { NEIGHBOUR_SLICE_MICROS } else { FIRST_SLICE_MICROS },
            rows: if hint == ALL_ROWS { FIRST_ROWS_OF_ALL } else { hint.clamp(1, MAX_ROWS) },
            window: None,
            samples: hint != ALL_ROWS && !is_stream && may_sample,
            slices: 1,
            dense: false,
            max_held_bytes,
        }
    }

    /// The next question about a slice whose documents up to `at` were looked at. `has_matching`: the full-text index can narrow.
    pub fn portion(&self, slice: Range, at: Option<Place>, has_matching: bool) -> Portion {
        let samples = self.samples && has_matching;
        let narrowed = has_matching && !samples;
        let window = if narrowed { self.window } else { self.window.or(Some(self.first_window)) };
        let rows = if samples { self.rows.min(SAMPLE_ROWS) } else { self.rows };
        Portion { part: self.part(slice, at, window), rows, narrowed, samples, window }
    }

    /// The next part of a slice, as long as the window.
    fn part(&self, slice: Range, at: Option<Place>, window: Option<i64>) -> Range {
        let at = at.map(|place| place.ts).filter(|ts| slice.start <= *ts && *ts <= slice.end);
        match (self.backwards, window) {
            (_, None) => slice,
            (false, Some(window)) => {
                let start = at.unwrap_or(slice.start);
                Range { start, end: start.plus_micros(window).min(slice.end) }
            }
            (true, Some(window)) => {
                // documents of the same time as the place are still to come
                let end = at.map_or(slice.end, |at| at.plus_micros(1).min(slice.end));
                Range { start: end.plus_micros(-window).max(slice.start), end }
            }
        }
    }

    /// The number of slices to ask for at a time, if the portion is one of them.
    pub fn slices(&self, portion: &Portion) -> usize {
        if portion.is_whole_slice() { self.slices } else { 1 }
    }

    /// True if the columns are read with the rows, and not those of the hits by a second question.
    pub fn reads_columns(&self, portion: &Portion) -> bool {
        self.dense || portion.rows <= FEW_ROWS
    }

    /// Learns from the answer to a question.
    pub fn learn(&mut self, portion: &Portion, chunk: &Chunk) {
        let Portion { rows, samples, window, .. } = *portion;
        let Chunk { hits, first, last, seen, bytes, held, .. } = chunk;
        self.dense = hits.len() * 4 > *seen;
        let has_few = portion.is_whole_slice() && portion.is_all(chunk) && *seen <= rows / 4;
        self.slices = if has_few { (self.slices * 2).min(MAX_SLICES) } else { 1 };
        let fits = |most: usize, bytes: usize| most / (bytes / seen.max(&1) + 1);
        self.rows =
            (rows * 4).min(MAX_ROWS).min(fits(MAX_ANSWER_BYTES, *bytes)).min(fits(self.max_held_bytes, *held)).max(1);
        if portion.is_all(chunk) {
            self.window = window.map(|window| window.saturating_mul(4));
        } else if let (Some(first), Some(last)) = (first, last) {
            // searchd sorts all of a range for each question: the next one is as long as its rows will be
            let span = (last.ts.micros() - first.micros()).abs().max(MIN_SLICE_MICROS);
            self.window = Some(span.saturating_mul((self.rows / rows.max(1)).max(1) as i64));
        }
        let is_common = hits.len() * COMMON_ONE_IN > *seen;
        if samples && !is_common {
            (self.samples, self.window) = (false, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MICROS: i64 = 60_000_000;

    fn hour() -> Range {
        Range { start: Ts::from_micros(0), end: Ts::from_micros(60 * MINUTE_MICROS) }
    }

    /// Documents one second after the other, of which none is a hit.
    fn without_hits(documents: usize) -> Chunk {
        let place = Place { ts: Ts::from_micros(documents as i64 * 1_000_000), seq: 0, digest: 0, id: 1 };
        Chunk { first: Some(Ts::from_micros(1_000_000)), last: Some(place), seen: documents, ..Chunk::default() }
    }

    #[test]
    fn a_scan_takes_a_minute_first_and_then_more_at_a_time() {
        let mut pace = Pace::new(false, false, 100, true, usize::MAX);
        let mut at = None;
        for minutes in [1, 4, 16] {
            let portion = pace.portion(hour(), at, false);
            assert!(!portion.narrowed);
            assert_eq!(portion.part.end.micros() - portion.part.start.micros(), minutes * MINUTE_MICROS);
            pace.learn(&portion, &without_hits(0));
            at = Some(Place::start_of(portion.part.end));
        }
    }

    #[test]
    fn rare_matches_are_asked_of_the_index_after_a_sample() {
        for (hint, may_sample, samples) in [(400, true, true), (400, false, false), (ALL_ROWS, true, false)] {
            let mut pace = Pace::new(false, false, hint, may_sample, usize::MAX);
            let portion = pace.portion(hour(), None, true);
            assert_eq!((portion.narrowed, portion.rows <= SAMPLE_ROWS), (!samples, samples || hint < SAMPLE_ROWS));
            pace.learn(&portion, &without_hits(portion.rows.min(59)));
            assert!(pace.portion(hour(), None, true).narrowed);
        }
    }

    #[test]
    fn a_portion_ends_before_the_large_records_that_it_must_not_have() {
        let place = |second: i64, seq| Place { ts: Ts::from_micros(second * 1_000_000), seq, digest: 0, id: 1 };
        let seconds = |start: i64, end: i64, rows| (start * 1_000_000, end * 1_000_000, rows);
        for (backwards, at, beyond, expect) in [
            (false, None, place(9, 1), seconds(0, 9, 100)),
            (false, Some(place(5, 1)), place(9, 1), seconds(0, 9, 100)),
            (false, Some(place(9, 1)), place(9, 7), (9_000_000, 9_000_001, 3)),
            (false, None, place(0, 7), (0, 1, 3)),
            (true, None, place(9, 1), (9_000_001, 3_600_000_000, 100)),
            (true, Some(place(9, 7)), place(9, 1), (9_000_000, 9_000_001, 3)),
            (true, Some(Place::start_of(Ts::from_micros(9_000_001))), place(9, 1), (9_000_000, 9_000_001, 3)),
        ] {
            let mut portion = Portion { part: hour(), rows: 100, narrowed: true, samples: false, window: None };
            portion.end_before(beyond, 3, backwards, at);
            let Range { start, end } = portion.part;
            assert_eq!((start.micros(), end.micros(), portion.rows), expect, "{backwards} {at:?} {beyond:?}");
        }
    }

    #[test]
    fn days_with_few_matches_are_asked_for_together() {
        let mut pace = Pace::new(false, false, ALL_ROWS, true, usize::MAX);
        let asked: Vec<usize> = [0, 10, 0, 0, MAX_ROWS, 0]
            .map(|documents| {
                let portion = pace.portion(hour(), None, true);
                let slices = pace.slices(&portion);
                pace.learn(&portion, &without_hits(documents.min(portion.rows)));
                slices
            })
            .to_vec();
        assert_eq!(asked, [1, 2, 4, 4, 4, 1]);
        // a time slice is a part of one of them
        let portion = pace.portion(hour(), None, false);
        assert_eq!(pace.slices(&portion), 1);
    }
}
