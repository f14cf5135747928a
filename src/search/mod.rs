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

mod context;
pub mod filter;
pub mod follow;
mod half_hours;
pub mod hit;
pub mod overview;
pub mod page;
pub mod pattern;
pub mod plan;
pub mod scan;
pub mod scope;
pub mod stats;

use crate::search::hit::SearchError;
use crate::search::scope::Scope;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use crate::config;
use crate::config::IndexName;
use crate::metrics::Searched;
use crate::query::Query;
use crate::query::cursor::Place;
use crate::search::half_hours::HalfHours;
use crate::search::plan::{Plan, Served};
use crate::search::scan::{Deadline, ScanMode, Searchd, Walk};
use crate::sphinx::client::Pool;
use crate::sphinx::day_index::{day_index, served_days, since};
use crate::sphinx::statement;
use crate::time::{Day, Ts};

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
    known: Mutex<HashMap<IndexName, HalfHours>>,
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
        let rows = self.pool.with(|engine| engine.select(&statement::describe(day_index))).ok()?;
        let all = rows.iter().filter(|row| row.bytes(1) == b"field").map(|row| row.text(0)).collect();
        let answer = answer(&all);
        known().insert(day_index.to_owned(), all);
        Some(answer)
    }

    fn index(&self, name: &IndexName) -> Result<&config::Index, SearchError> {
        let index = self.indexes.iter().find(|index| index.name == *name);
        index.ok_or_else(|| SearchError::Bad(format!("there is no index '{name}'")))
    }

    fn walk<'a>(&'a self, plan: &'a Plan, mode: ScanMode, from: Option<Place>, until: Deadline<'a>) -> Walk<'a> {
        let searchd = Searchd { pool: &self.pool, warns: self.peers, candidates: &self.counted.candidates };
        Walk::new(searchd, plan, mode, from, until)
    }

    fn timed(&self) -> Timed<'_> {
        Timed(&self.counted, Instant::now())
    }
}

#[cfg(test)]
mod exact;
