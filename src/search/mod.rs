//! Run a search: narrow by the index, fetch candidates in the page's order, check each, make a page of them.
//!
//! The index narrows, alco checks: the answer has the lines that grep would print.
//!
//!     pattern       the check of a text; index_query: the query that narrows it; matches: the parts that match (grep -o)
//!     filter        the check of the columns
//!     filter_asking the conditions and words by which searchd narrows a filter
//!     pattern_texts the texts of the patterns of messages, by their hashes; known_patterns: those that are known
//!     plan          the query made ready: parts of statements, checks, day indexes
//!     kept_patterns the compiled patterns of the searches that run
//!     turns         searches that take long wait for each other
//!     scope         the present, the deadline, and whether the client still waits
//!     scan          goes through the records of a plan, in order; source_scan: how far it has come in each
//!                   index; pace: how much it asks for at a time; chunk_wanted: the
//!                   question for it
//!     large         a question ends before its large records are too many; large_days: the days that have any
//!     answer        searchd, as a search asks it: what its rows and faults mean; amount: documents of one answer
//!     nodes         the other nodes: which a question includes, and which are away; shard: which of mirrors is asked
//!     hit           the results of a search: hits, pages, counts, errors
//!     page          a page of a log, a record with its surroundings; match_page: a page of matches
//!     next_error    the next match that is an error
//!     context       the lines around each match
//!     stream        all hits, of any number
//!     follow        a stream that continues with new records; arrivals: recognizes these; context_window: the lines around a match
//!     stats         the number of matches, by time (histogram) and by value (column_values)
//!     pattern_counts the patterns of messages, counted and merged; stats::patterns has searchd count them; pattern_list: their
//!                   order, and the comparison with another range
//!     day_groups    what was counted of whole days, kept while they stay as they are
//!     missing_columns the columns of filters that no record has
//!     overview      the whole index at a glance; half_hours: its counts; day_sizes: its days on the disk

mod amount;
mod answer;
mod chunk_wanted;
mod collect;
mod context;
mod day_groups;
mod day_sizes;
pub mod filter;
mod filter_asking;
pub mod follow;
mod half_hours;
pub mod hit;
mod kept_patterns;
pub mod known_patterns;
mod large;
mod large_days;
mod match_page;
pub mod missing_columns;
pub mod next_error;
pub mod nodes;
pub mod overview;
mod pace;
pub mod page;
mod page_room;
pub mod pattern;
pub mod pattern_counts;
pub mod pattern_list;
mod pattern_texts;
mod peer_answer;
pub mod plan;
pub mod scan;
pub mod scope;
mod searchd;
mod shard;
mod source_scan;
pub mod stats;
mod stream;
mod turns;

use crate::search::hit::SearchError;
use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use crate::config;
use crate::config::{Dialect, IndexName};
use crate::metrics::Searched;
use crate::net::household::Household;
use crate::net::slots::Slots;
use crate::query::Query;
use crate::query::cursor::Place;
use crate::search::answer::KindRow;
use crate::search::day_groups::DayGroups;
use crate::search::day_sizes::DaySizes;
use crate::search::half_hours::HalfHours;
use crate::search::kept_patterns::KeptPatterns;
use crate::search::known_patterns::KnownPatterns;
use crate::search::large_days::LargeDays;
use crate::search::nodes::{IndexPart, Nodes, PeerState};
use crate::search::page_room::slots_of_large_pages;
use crate::search::plan::{Plan, Served, Slice, WordCounts};
use crate::search::scan::{ScanMode, Walk};
use crate::search::scope::{Began, Deadline, Scope};
use crate::search::searchd::SearchdAccess;
use crate::search::turns::Turns;
use crate::sphinx::client::Row;
use crate::sphinx::counting::rules_field;
use crate::sphinx::day_index::{day_index, served_days, since};
use crate::sphinx::described::DescribedIndex;
use crate::sphinx::pool::Pool;
use crate::sphinx::statement::keywords;
use crate::time::{Day, Ts};

/// Timeout for one answer from searchd to a stream, and to a page as long as it has none of its own.
const TIMEOUT: Duration = Duration::from_secs(30);
/// With what is around it, the answer to /health comes within a second.
const HEALTH_TIMEOUT: Duration = Duration::from_millis(800);
/// Long searches that ask at a time, at least.
const MIN_TURNS: usize = 2;
/// Timeout for polling new records; short, so that a follower hears of an outage.
const NEWS_TIMEOUT: Duration = Duration::from_secs(10);

/// Counts a search while it runs, and the time from its creation to its end.
struct Timed<'a>(&'a Searched, Instant);

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
        self.0.seconds.observe(self.1.elapsed().as_secs_f64());
    }
}

/// Runs searches, for any number of threads at a time.
#[derive(Debug)]
pub struct Searcher {
    /// for pages
    pool: Pool,
    /// for streams, which wait for longer
    patient: Pool,
    /// for polling new records
    news: Pool,
    /// for /health
    health: Pool,
    nodes: Nodes,
    address: config::Address,
    /// the day indexes, as far as searchd was asked for their fields and attributes
    described: Mutex<HashMap<String, DescribedIndex>>,
    indexes: Vec<config::Index>,
    counted: Arc<Searched>,
    /// for the list of indexes
    known: Mutex<HashMap<IndexName, HalfHours>>,
    day_sizes: Mutex<DaySizes>,
    large_days: LargeDays,
    day_groups: Mutex<DayGroups<Row>>,
    /// the same of patterns
    day_kinds: Mutex<DayGroups<KindRow>>,
    /// the texts of messages' patterns
    pub known_patterns: KnownPatterns,
    kept_patterns: KeptPatterns,
    turns: Arc<Turns>,
    large_pages: Arc<Slots>,
}

impl Searcher {
    /// Searches, and the candidates they check, are counted in `counted`.
    pub fn new(sphinx: &config::Sphinx, indexes: &[config::Index], counted: Arc<Searched>) -> Searcher {
        Searcher {
            pool: Pool::new(&sphinx.address, TIMEOUT),
            patient: Pool::new(&sphinx.address, TIMEOUT),
            news: Pool::new(&sphinx.address, NEWS_TIMEOUT),
            health: Pool::new(&sphinx.address, HEALTH_TIMEOUT),
            nodes: Nodes::new(&sphinx.peers),
            address: sphinx.address.clone(),
            described: Mutex::default(),
            indexes: indexes.to_vec(),
            counted: counted.clone(),
            known: Mutex::default(),
            day_sizes: Mutex::default(),
            large_days: LargeDays::default(),
            day_groups: Mutex::default(),
            day_kinds: Mutex::default(),
            known_patterns: KnownPatterns::default(),
            kept_patterns: KeptPatterns::default(),
            // a search and its searchd use a processor in turn
            turns: Arc::new(Turns::new(available_parallelism().map_or(MIN_TURNS, usize::from).max(MIN_TURNS), counted)),
            large_pages: slots_of_large_pages(),
        }
    }

    /// The same for readers who wait: an answer to a page that takes longer than this is an error.
    pub fn answering_pages_within(self, time: Duration) -> Searcher {
        Searcher { pool: Pool::new(&self.address, time).watched(), ..self }
    }

    /// True if the searchd of other nodes are asked too.
    pub fn has_peers(&self) -> bool {
        self.nodes.has_peers()
    }

    /// The other nodes' searchd, as they were found last.
    pub fn peers(&self) -> Vec<PeerState> {
        self.nodes.states()
    }

    /// What a search that asks now lacks, as texts for the user: a page has them among its warnings.
    pub fn missing(&self) -> Vec<String> {
        self.nodes.missing()
    }

    /// Asks the peers whether they answer; only those that are away if `away`.
    pub fn probe_peers(&self, now: Ts, away: bool) {
        if let Some(index) = self.indexes.first() {
            self.nodes.probe(&self.news, &day_index(&index.name, now.day()), away);
        }
    }

    /// The engine that has answered the last search; None: none has answered yet.
    pub fn last_dialect(&self) -> Option<Dialect> {
        self.pool.last_dialect()
    }

    /// For the scope of a search that begins now.
    pub fn begin(&self, household: Household) -> Began {
        Began::now(household, self.turns.clone())
    }

    /// Returns an error if the search cannot be run at all; does not ask searchd.
    ///
    /// # Errors
    ///
    /// `SearchError::Bad`: an index is unknown, or the query is invalid.
    pub fn check(&self, query: &Query, now: Ts, zone: &TimeZone) -> Result<(), SearchError> {
        self.planned(query, now, zone, &Served { pattern: &|query| self.kept_patterns.of(query), ..Served::unasked() })
            .map(drop)
    }

    fn plan(&self, query: &Query, scope: &Scope) -> Result<Plan, SearchError> {
        let served = Served {
            has_fields: &|day_index, fields| self.has_fields(day_index, fields),
            documents: &|day_index, words| self.documents(day_index, words),
            pattern: &|query| self.kept_patterns.of(query),
        };
        self.planned(query, scope.now, &scope.zone, &served)
    }

    fn planned(&self, query: &Query, now: Ts, zone: &TimeZone, served: &Served) -> Result<Plan, SearchError> {
        let indexes = query.indexes.iter().map(|name| self.index(name)).collect::<Result<Vec<_>, _>>()?;
        Plan::new(query, &indexes, served, now, zone).map_err(SearchError::Bad)
    }

    /// About how many documents of a day index have each of these words. None: it is not served, or searchd is away.
    fn documents(&self, day_index: &str, words: &[String]) -> Option<WordCounts> {
        let statement = keywords(day_index, &words.join(" "));
        let rows = self.pool.with(|engine| engine.select(&statement)).ok()?;
        Some(rows.iter().map(|row| (row.text(1), row.count(3))).collect())
    }

    fn has_fields(&self, day_index: &str, fields: &[String]) -> bool {
        let has_all = |day: &DescribedIndex| fields.iter().all(|field| day.fields().any(|known| known == field));
        let peers_have = |field: &String| self.nodes.have(&self.pool, day_index, &IndexPart::Field(field.clone()));
        self.described(day_index, has_all).unwrap_or(false) && fields.iter().all(peers_have)
    }

    /// True if searchd counts the levels of a slice's records by `kind`.
    fn counts_levels(&self, index: &config::Index, slice: &Slice) -> bool {
        self.has_fields(&slice.from, &[rules_field(index)])
    }

    /// True if searchd counts the values of a slice's records in a column by that attribute.
    fn counts_values(&self, attribute: &str, slice: &Slice) -> bool {
        let peers_have = || self.nodes.have(&self.pool, &slice.from, &IndexPart::Attribute(attribute.to_owned()));
        self.described(&slice.from, |day| day.has(attribute)).unwrap_or(false) && peers_have()
    }

    /// The first day on which an `indexed` column has a field of its own; None: it has one on all days for which searchd answers.
    pub fn indexed_since(&self, index: &config::Index, column: &str, now: Ts) -> Option<Day> {
        let field = config::field_of_column(column);
        let days = served_days(now.day(), index.days);
        let has = |day: &DescribedIndex| day.fields().any(|known| known == field);
        since(days.filter_map(|day| Some((day, self.described(&day_index(&index.name, day), has)?))))
    }

    /// The fields and attributes of a day index are fixed before its first record, so each index is asked once. None: it is not
    /// served, or searchd is away.
    fn described<T>(&self, day_index: &str, answer: impl Fn(&DescribedIndex) -> T) -> Option<T> {
        let known = || self.described.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known().get(day_index).map(&answer) {
            return Some(answer);
        }
        let described = self.pool.with(|engine| engine.describe(day_index)).ok()?;
        let answer = answer(&described);
        known().insert(day_index.to_owned(), described);
        Some(answer)
    }

    fn index(&self, name: &IndexName) -> Result<&config::Index, SearchError> {
        let index = self.indexes.iter().find(|index| index.name == *name);
        index.ok_or_else(|| SearchError::Bad(format!("there is no index '{name}'")))
    }

    fn walk<'a>(&'a self, plan: &'a Plan, mode: ScanMode, from: Option<Place>, until: Deadline<'a>) -> Walk<'a> {
        let pool = if until.is_of_stream() { &self.patient } else { &self.pool };
        Walk::new(self.access(pool), plan, mode, from, until)
    }

    fn access<'a>(&'a self, pool: &'a Pool) -> SearchdAccess<'a> {
        let Searcher { nodes, large_days, counted, .. } = self;
        SearchdAccess { pool, nodes, large_days, candidates: &counted.candidates }
    }

    fn timed(&self) -> Timed<'_> {
        self.counted.running.fetch_add(1, Relaxed);
        Timed(&self.counted, Instant::now())
    }
}

#[cfg(test)]
mod exact;
