//! The source of the answer to a search: searchd, or another alco.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::commands::grep::remote::Remote;
use crate::config::{Config, Index, IndexName, IndexSelection, no_index, there_are};
use crate::net::household::Household;
use crate::query::Query;
use crate::search::Searcher;
use crate::search::follow::{Following, News};
use crate::search::hit::Line;
use crate::search::pattern_counts::PatternCounts;
use crate::search::scan::Read;
use crate::search::scope::{Scope, Waits};
use crate::search::stats::patterns::PatternsWanted;
use crate::time::Ts;

/// Records to ask for at first; a scan asks for more at each step.
const FIRST_RECORDS: usize = 100;

#[derive(Debug)]
pub enum Source {
    Searchd(Box<LocalSearchd>),
    Remote(Remote),
}

#[derive(Debug)]
pub struct LocalSearchd {
    searcher: Searcher,
    indexes: Vec<Index>,
    zone: TimeZone,
    clock: fn() -> Ts,
}

impl Source {
    pub fn searchd(config: Config, clock: fn() -> Ts) -> Source {
        let searcher = Searcher::new(&config.sphinx, &config.indexes, Arc::default());
        Source::Searchd(Box::new(LocalSearchd { searcher, indexes: config.indexes, zone: config.http.timezone, clock }))
    }

    /// `netrc`: the file instead of ~/.netrc.
    pub fn remote(url: &str, netrc: Option<&Path>) -> Result<Source, String> {
        Remote::open(url, netrc).map(Source::Remote)
    }

    /// The zone of times that have none.
    pub fn zone(&self) -> &TimeZone {
        match self {
            Source::Searchd(searchd) => &searchd.zone,
            Source::Remote(remote) => remote.zone(),
        }
    }

    fn indexes(&self) -> &[Index] {
        match self {
            Source::Searchd(searchd) => &searchd.indexes,
            Source::Remote(remote) => remote.indexes(),
        }
    }

    /// The indexes that a list of names and patterns stands for.
    ///
    /// # Errors
    /// The source does not have one of them; the text lists those that it has.
    pub fn selection(&self, list: &str) -> Result<IndexSelection, String> {
        let known: Vec<&IndexName> = self.indexes().iter().map(|index| &index.name).collect();
        let place = match self {
            Source::Searchd(_) => "alco.ini",
            Source::Remote(remote) => remote.url(),
        };
        let unknown = |part: String| format!("{} in {place}; {}", no_index(&part), there_are(&known));
        IndexSelection::parse(list, &known).map_err(unknown)
    }

    /// The settings of the indexes of the query, in its order.
    pub fn settings(&self, query: &Query) -> Vec<&Index> {
        query.indexes.iter().filter_map(|name| self.indexes().iter().find(|index| index.name == *name)).collect()
    }

    /// Passes the lines of the answer to `take` until it returns false. Calls `pulse` between steps, and ends if it returns false.
    /// Returns the parts of the answer that are missing, as texts for the user.
    pub fn each(
        &self,
        query: &Query,
        pulse: &dyn Fn() -> bool,
        take: &mut dyn FnMut(Line) -> bool,
    ) -> Result<Vec<String>, String> {
        match self {
            Source::Searchd(searchd) => searchd
                .searcher
                .each(query, &searchd.scope(), Read::Line, pulse, take)
                .map_err(|error| error.to_string()),
            Source::Remote(remote) => remote.each(query, pulse, take),
        }
    }

    /// The number of records that match, and the parts that are missing from it.
    pub fn count(&self, query: &Query) -> Result<(u64, Vec<String>), String> {
        match self {
            Source::Searchd(searchd) => {
                searchd.searcher.count_all(query, &searchd.scope()).map_err(|error| error.to_string())
            }
            Source::Remote(remote) => remote.count(query),
        }
    }

    /// The patterns of the messages of the records that match.
    pub fn patterns(&self, query: &Query) -> Result<PatternCounts, String> {
        match self {
            Source::Searchd(searchd) => {
                let found = searchd.searcher.patterns(query, &searchd.scope(), &PatternsWanted::to_the_end(query));
                found.map_err(|error| error.to_string())
            }
            Source::Remote(remote) => remote.patterns(query),
        }
    }

    /// As `each`, and then passes on the records that arrive. `pause` waits, and returns whether to go on.
    pub fn follow(
        &self,
        query: &Query,
        pause: &dyn Fn(Duration) -> bool,
        take: &mut dyn FnMut(News) -> bool,
    ) -> Result<(), String> {
        match self {
            Source::Searchd(searchd) => searchd
                .searcher
                .follow(query, &searchd.scope(), Following::default(), pause, take)
                .map_err(|error| error.to_string()),
            Source::Remote(remote) => remote.follow(query, pause, take),
        }
    }
}

impl LocalSearchd {
    fn scope(&self) -> Scope {
        let began = self.searcher.begin(Household::Local);
        Scope::to_the_end((self.clock)(), self.zone.clone(), FIRST_RECORDS, Waits::default(), began)
    }
}
