//! A search returns hits, a page of them, a count, or an error. Pure.

use std::fmt;
use std::ops::Range;

use crate::config::IndexName;
use crate::net::slots::Slot;
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

impl Hit {
    /// Of its texts.
    pub fn bytes(&self) -> usize {
        self.record.message.len() + self.record.columns.len()
    }
}

/// A line of the answer.
#[derive(Clone, Debug)]
pub enum Line {
    Match(Hit),
    /// a line of the same stream around a match
    Near(Hit),
    /// `--`: lines are left out here
    Gap,
}

/// One page of an answer, in the order asked for.
#[derive(Debug, Default)]
pub struct Page {
    pub lines: Vec<Line>,
    /// where the page before this one ends, if there is one: `Cursor::Before`
    pub previous: Option<Place>,
    /// where the page after this one begins, if there is one: `Cursor::After`
    pub next: Option<Place>,
    /// the page has all matches
    pub has_all: bool,
    /// the time ran out here; `Query::go_on` continues from here
    pub reached: Option<Place>,
    /// the time ran out before the first match was found, at which the whole log begins
    pub seeks_first: bool,
    /// parts of the answer that are missing (a peer is down, a day index is not served)
    pub warnings: Vec<String>,
    /// of a large page, to be held as long as its lines are
    pub slot: Option<Slot>,
}

/// The number of records that match over the whole range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Exact(u64),
    /// the time ran out before all were counted
    AtLeast(u64),
    /// the index alone gives the number, unchecked
    AtMost(u64),
}

/// The reason why there is no answer; its text is for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchError {
    /// 400: why the query cannot be run
    Bad(String),
    /// 503: searchd is away, with its error or the network's
    Away(String),
    /// 503: as many long searches wait for each other as may
    Busy,
}

/// The text of `SearchError::Busy`.
pub const BUSY: &str = "too many searches take long at the moment";

impl fmt::Display for SearchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SearchError::Bad(why) | SearchError::Away(why) => f.write_str(why),
            SearchError::Busy => f.write_str(BUSY),
        }
    }
}
