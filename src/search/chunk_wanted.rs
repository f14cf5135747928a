//! The documents that a walk asks for next, and the question for them. Pure.

use std::borrow::Cow;

use crate::query::cursor::Place;
use crate::search::answer::{PLACE_COLUMNS, WHOLE_COLUMNS};
use crate::search::pace::Portion;
use crate::search::plan::Slice;
use crate::sphinx::select::{Restriction, Select};
use crate::sphinx::sizes::Size;

/// The documents that one question asks for.
pub(super) struct ChunkWanted<'a> {
    /// one day, or several that go with each other
    pub days: Vec<&'a Slice>,
    /// all of them
    pub slice: Slice,
    pub narrowing: Cow<'a, Restriction>,
    pub portion: Portion,
    /// of the large records that it may have
    pub large: &'static [Size],
    /// with the columns, not only place and message
    pub whole: bool,
}

impl ChunkWanted<'_> {
    /// True if the question takes searchd as long as many a search: it waits for its turn.
    pub fn is_heavy(&self) -> bool {
        Size::HEAVY.iter().any(|size| self.large.contains(size))
    }

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
