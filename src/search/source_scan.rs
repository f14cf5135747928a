//! How far a walk has come in one index. Pure.
//!
//! Invariant: `slices` are those that the walk has still to go through, or through a part of the first.

use std::collections::VecDeque;

use crate::query::cursor::Place;
use crate::search::hit::Hit;
use crate::search::pace::{Chunk, Pace, Portion};
use crate::search::plan::{Slice, SourcePlan};

#[derive(Debug)]
pub(super) struct SourceScan<'a> {
    pub plan: &'a SourcePlan,
    pub slices: VecDeque<&'a Slice>,
    /// of one question
    pub max_slices: usize,
    pub hits: VecDeque<Hit>,
    /// all documents up to here were looked at
    pub at: Option<Place>,
    pub pace: Pace,
    pub asked: bool,
}

impl<'a> SourceScan<'a> {
    /// The next slices that one question can ask for, if a portion of the first one is asked for.
    pub fn next_slices(&self, portion: &Portion) -> Vec<&'a Slice> {
        let mut slices = self.slices.iter().copied();
        let Some(first) = slices.next() else { return Vec::new() };
        let at_most = self.pace.slices(portion).min(self.max_slices);
        std::iter::once(first).chain(slices.take_while(|next| first.goes_with(next))).take(at_most).collect()
    }

    /// Goes on without the first slice, which searchd does not serve. If it does not serve one of several, each is asked for by itself.
    pub fn leave_out(&mut self, slices: usize) {
        match slices {
            1 => drop(self.slices.pop_front()),
            _ => self.max_slices = 1,
        }
    }

    /// Takes the answer to a question about a portion of the first slice, or of several.
    pub fn take(&mut self, chunk: Chunk, portion: &Portion, backwards: bool) {
        self.asked = true;
        self.pace.learn(portion, &chunk);
        self.at = chunk.last.or(self.at);
        if portion.is_all(&chunk) {
            let part = portion.part;
            self.at = Some(Place::start_of(if backwards { part.start } else { part.end }));
        }
        while self.slices.front().is_some_and(|slice| !is_ahead(slice, self.at, backwards)) {
            self.slices.pop_front();
        }
        match self.hits.is_empty() {
            true => self.hits = chunk.hits.into(),
            false => self.hits.extend(chunk.hits),
        }
    }
}

/// True if a walk that has reached this place has still to go through the slice, or through a part of it.
pub(super) fn is_ahead(slice: &Slice, at: Option<Place>, backwards: bool) -> bool {
    match (at, backwards) {
        (None, _) => true,
        (Some(place), false) => Place::start_of(slice.range.end) > place,
        (Some(place), true) => Place::start_of(slice.range.start) < place,
    }
}
