//! What a search gives: hits, a page of them, a count, or an error. Pure.

use std::fmt;
use std::ops::Range;

use crate::config::IndexName;
use crate::query::cursor::Place;
use crate::record::Stored;

/// A record on a page.
#[derive(Clone, Debug)]
pub struct Hit {
    pub index: IndexName,
    pub place: Place,
    pub record: Stored,
    /// byte ranges of the message that match; empty for a line of context
    pub marks: Vec<Range<usize>>,
}

#[derive(Clone, Debug)]
pub enum Line {
    Match(Hit),
    /// a line of the same stream around a match
    Near(Hit),
    /// `--`: lines are left out here
    Gap,
}

/// One page of an answer, in the order asked for.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub lines: Vec<Line>,
    /// where the page before this one ends, where there is one: `Cursor::Before`
    pub previous: Option<Place>,
    /// where the page after this one begins, where there is one: `Cursor::After`
    pub next: Option<Place>,
    /// there are no matches but those of this page
    pub has_all: bool,
    /// the budget is used up: searched up to here, go on as `Query::go_on` says
    pub reached: Option<Place>,
    /// by then, where the whole log is to begin was still looked for, from the start of the range on
    pub seeks_first: bool,
    /// parts of the answer that are missing (a peer is down, a day index is not served)
    pub warnings: Vec<String>,
}

/// How many records match over the whole range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Exact(u64),
    /// more was not counted within the budget
    AtLeast(u64),
    /// the index alone says so, unchecked
    AtMost(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchError {
    /// 400: the query cannot be run, and why
    Bad(String),
    /// 503: searchd is away, with what it or the network said
    Away(String),
}

impl fmt::Display for SearchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SearchError::Bad(why) | SearchError::Away(why) => f.write_str(why),
        }
    }
}
