//! The documents that a walk asks for next, and the question for them. Pure.

use std::borrow::Cow;

use crate::query::cursor::Place;
use crate::search::answer::{PLACE_COLUMNS, WHOLE_COLUMNS};
use crate::search::pace::Portion;
use crate::search::plan::Slice;
use crate::sphinx::select::{Restriction, Select};

/// The documents that one question asks for.
pub(super) struct ChunkWanted<'a> {
    /// one day, or several that go with each other
    pub days: Vec<&'a Slice>,
    /// all of them
    pub slice: Slice,
    pub narrowing: Cow<'a, Restriction>,
    pub portion: Portion,
    /// it has large records
    pub is_heavy: bool,
    /// with the columns, not only place and message
    pub whole: bool,
}

impl ChunkWanted<'_> {
    /// The question to these indexes, of a walk that has reached `at`.
    pub fn select<'q>(&'q self, of: &'q Slice, newest_first: bool, at: Option<Place>) -> Select<'q> {
        let part = self.portion.part;
        Select {
            columns: if self.whole { WHOLE_COLUMNS } else { PLACE_COLUMNS },
            from: &of.from,
            narrowing: &self.narrowing,
            keys: self.slice.keys.as_ref().filter(|_| self.portion.narrowed),
            range: part,
            newest_first,
            // a part that does not hold the place is new from end to end
            beyond: at.filter(|place| part.contains(place.ts) && *place > Place::start_of(part.start)),
            limit: self.portion.rows,
        }
    }
}
