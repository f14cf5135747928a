//! Run a search: narrow by the index, fetch candidates in the page's order, check each, make a page of them.
//!
//! The index narrows, alco checks: what is answered is what grep would print on the same lines.
//!
//!     query            a search
//!     link, typed      a search <-> its URL, and the filters typed into its field
//!     cursor           a place in the stream
//!     pattern, narrow  what to check of a text, what to ask of the index for it
//!     parts            what of a text matches, as grep -o has it
//!     filter           what to check of the columns
//!     plan             the query made ready: statements' parts, checks, day indexes
//!     walk             through the records of a plan, in order
//!     page, context    a page of them, a stream, a record's surroundings; the lines around each
//!     follow           a stream that goes on with what arrives (arrivals), the lines around a match as they pass (passing)
//!     figures (histogram, column)   how many, when, of which values
//!     overview         all of an index at a glance

mod arrivals;
pub mod column;
mod context;
pub mod cursor;
pub mod figures;
pub mod filter;
pub mod follow;
pub mod histogram;
pub mod link;
pub mod narrow;
pub mod overview;
pub mod page;
pub mod parts;
mod passing;
pub mod pattern;
pub mod plan;
mod posix;
pub mod query;
mod typed;
pub mod walk;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use crate::config::{self, IndexName};
use crate::metrics::Searched;
use crate::record::Stored;
use crate::search::cursor::Place;
use crate::search::overview::Known;
use crate::search::plan::{Plan, Served};
use crate::search::query::Query;
use crate::search::walk::{Manner, Until, Walk};
use crate::sphinx::daily::{day_index, served_days, since};
use crate::sphinx::engine::Pool;
use crate::sphinx::sphinxql;
use crate::time::{Day, Ts};

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

/// When and how far to search.
#[derive(Clone, Debug)]
pub struct Scope {
    pub now: Ts,
    /// for what the query writes without one; its own `tz` comes first
    pub zone: TimeZone,
    pub page_size: usize,
    /// pages show by then what was found; streams run to their end
    pub deadline: Instant,
    /// checking candidates only to count them takes at most so long; streams count none
    pub counting: Duration,
    /// where nobody does any more, the time is up
    pub waits: Waits,
}

/// Whether somebody still waits for the answer.
#[derive(Clone, Default)]
pub struct Waits(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Waits {
    pub fn new(waits: impl Fn() -> bool + Send + Sync + 'static) -> Waits {
        Waits(Some(Arc::new(waits)))
    }

    fn yes(&self) -> bool {
        self.0.as_ref().is_none_or(|waits| waits())
    }
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waits({})", self.yes())
    }
}

impl Scope {
    /// For streams and counts that run to their end, or until nobody waits any more.
    pub fn to_the_end(now: Ts, zone: TimeZone, page_size: usize, waits: Waits) -> Scope {
        Scope { now, zone, page_size, deadline: Instant::now(), counting: Duration::ZERO, waits }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline || !self.waits.yes()
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The same for a part of the work, which has no more time than this.
    fn at_most(&self, time: Duration) -> Scope {
        Scope { deadline: self.deadline.min(Instant::now() + time), ..self.clone() }
    }
}

/// One answer of searchd may take so long before it is taken for hung.
const TIMEOUT: Duration = Duration::from_secs(30);
/// And so long when it is asked what has arrived: whoever follows must not be without a word for longer.
const NEWS_TIMEOUT: Duration = Duration::from_secs(10);

/// Counts the time from its making to its end.
struct Timed<'a>(&'a Searched, Instant);

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        self.0.seconds.observe(self.1.elapsed().as_secs_f64());
    }
}

/// Runs searches, for any number of threads at a time.
#[derive(Debug)]
pub struct Searcher {
    pool: Pool,
    /// for those who follow
    news: Pool,
    sphinx: config::Sphinx,
    peers: bool,
    /// those of the day indexes, as far as they were asked for
    fields: Mutex<HashMap<String, Vec<String>>>,
    indexes: Vec<config::Index>,
    counted: Arc<Searched>,
    /// for the list of indexes
    known: Mutex<HashMap<IndexName, Known>>,
}

impl Searcher {
    /// What is searched is counted there.
    pub fn new(sphinx: &config::Sphinx, indexes: &[config::Index], counted: Arc<Searched>) -> Searcher {
        Searcher {
            pool: Pool::new(&sphinx.address, TIMEOUT),
            news: Pool::new(&sphinx.address, NEWS_TIMEOUT),
            sphinx: sphinx.clone(),
            peers: !sphinx.peers.is_empty(),
            fields: Mutex::default(),
            indexes: indexes.to_vec(),
            counted,
            known: Mutex::default(),
        }
    }

    /// Whether the search can be run at all; searchd is not asked.
    pub fn check(&self, query: &Query, now: Ts, zone: &TimeZone) -> Result<(), SearchError> {
        self.planned(query, now, zone, &|_, _| false).map(drop)
    }

    fn plan(&self, query: &Query, scope: &Scope) -> Result<Plan, SearchError> {
        self.planned(query, scope.now, &scope.zone, &|day_index, fields| self.has_fields(day_index, fields))
    }

    fn planned(
        &self,
        query: &Query,
        now: Ts,
        zone: &TimeZone,
        has_fields: &dyn Fn(&str, &[String]) -> bool,
    ) -> Result<Plan, SearchError> {
        let indexes = query.indexes.iter().map(|name| self.index(name)).collect::<Result<Vec<_>, _>>()?;
        let served = Served { sphinx: &self.sphinx, has_fields };
        Plan::new(query, &indexes, &served, now, zone).map_err(SearchError::Bad)
    }

    fn has_fields(&self, day_index: &str, fields: &[String]) -> bool {
        self.ask_fields(day_index, |known| fields.iter().all(|field| known.contains(field))).unwrap_or(false)
    }

    /// From which day on an `indexed` column has a field of its own; None: on all days, as far as searchd can be asked.
    pub fn indexed_since(&self, index: &config::Index, column: &str, now: Ts) -> Option<Day> {
        let field = config::field_of_column(column);
        let days = served_days(now.day(), index.days);
        // Manticore calls fields otherwise: where not even that of the message is seen, nothing is known of the others
        let has = |known: &Vec<String>| known.iter().any(|field| field == "line").then(|| known.contains(&field));
        since(days.filter_map(|day| Some((day, self.ask_fields(&day_index(&index.name, day), has)??))))
    }

    /// What a day index consists of is settled before its first record, so each is asked once. None: it is not served, or
    /// searchd is away.
    fn ask_fields<T>(&self, day_index: &str, answer: impl Fn(&Vec<String>) -> T) -> Option<T> {
        let known = || self.fields.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known().get(day_index).map(&answer) {
            return Some(answer);
        }
        let rows = self.pool.with(|engine| engine.select(&sphinxql::describe(day_index))).ok()?;
        let all = rows.iter().filter(|row| row.bytes(1) == b"field").map(|row| row.text(0)).collect();
        let answer = answer(&all);
        known().insert(day_index.to_owned(), all);
        Some(answer)
    }

    fn index(&self, name: &IndexName) -> Result<&config::Index, SearchError> {
        let index = self.indexes.iter().find(|index| index.name == *name);
        index.ok_or_else(|| SearchError::Bad(format!("there is no index '{name}'")))
    }

    fn walk<'a>(&'a self, plan: &'a Plan, manner: Manner, from: Option<Place>, until: Until<'a>) -> Walk<'a> {
        Walk::new(&self.pool, plan, manner, from, until, self.peers, &self.counted.candidates)
    }

    fn timed(&self) -> Timed<'_> {
        Timed(&self.counted, Instant::now())
    }
}

#[cfg(test)]
mod exact;
