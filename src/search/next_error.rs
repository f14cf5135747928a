//! The next match of a search whose level is an error, from a place on.

use crate::query::Query;
use crate::query::cursor::Place;
use crate::record::json::Columns;
use crate::record::level::of_record;
use crate::search::Searcher;
use crate::search::hit::SearchError;
use crate::search::pace::ALL_ROWS;
use crate::search::plan::Subset;
use crate::search::scan::{Read, ScanMode, Step};
use crate::search::scope::{Deadline, Scope};

/// A place from which a search goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextError {
    /// the match after this place is an error, and none before it is
    After(Place),
    /// the time ran out here, without an error
    Late(Place),
    Nothing,
}

impl Searcher {
    /// Goes on from `from` in the order of the search, as far as the scope's time goes.
    pub fn next_error(&self, query: &Query, from: Place, scope: &Scope) -> Result<NextError, SearchError> {
        let plan = self.plan(query, scope)?;
        let _timed = self.timed();
        let mode =
            ScanMode { backwards: plan.newest_first, of: Subset::Candidates, read: Read::Columns, hint: ALL_ROWS };
        let mut walk = self.walk(&plan, mode, Some(from), Deadline::over(scope));
        let mut before = from;
        loop {
            match walk.next()? {
                Step::Hit(hit) => {
                    let index = self.index(&hit.index)?;
                    if of_record(index, &Columns::parse(&hit.record.columns)).is_error() {
                        return Ok(NextError::After(before));
                    }
                    before = hit.place;
                }
                Step::Late(place) => return Ok(NextError::Late(place)),
                Step::End => return Ok(NextError::Nothing),
            }
        }
    }
}
