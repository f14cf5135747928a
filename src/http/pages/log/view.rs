//! The facts of a log page that are known before the search has begun; `mod` and `foot` write them.

use jiff::tz::TimeZone;

use crate::http::pages::Frame;
use crate::query::{Format, Query};
use crate::record::pattern::PatternTexts;
use crate::render::escape::cut;
use crate::time::{Range, Ts};

#[derive(Clone, Debug)]
pub struct LogView<'a> {
    pub frame: Frame<'a>,
    pub query: &'a Query,
    /// of its filters
    pub pattern_texts: PatternTexts,
    pub now: Ts,
    pub zone: &'a TimeZone,
    /// the instants of the query's range
    pub range: Range,
    /// those in the lines, in their order
    pub shown_columns: Vec<String>,
    /// the same search in other forms: name, format
    pub formats: &'a [Format],
    pub page_size: usize,
    /// the reader may save the search
    pub may_save: bool,
    /// it stays open, and nothing comes after its lines
    pub grows: bool,
}

impl LogView<'_> {
    /// The title, for a bookmark or a tab: the search first.
    pub fn title(&self) -> String {
        let search = cut(&self.query.search, 60).0;
        let indexes = self.query.indexes.title();
        if search.is_empty() { indexes.to_owned() } else { format!("{search} · {indexes}") }
    }

    pub(super) fn link(&self, query: &Query) -> String {
        self.frame.links.to("", query)
    }

    /// Returns true if lines around the matches are shown.
    pub(super) fn has_context(&self) -> bool {
        !self.query.search.is_empty() && self.query.around() != (0, Some(0))
    }

    pub(super) fn moment(&self, ts: Ts) -> String {
        format!("{} {}", ts.date_in(self.zone), ts.clock_in(self.zone, 0))
    }
}
