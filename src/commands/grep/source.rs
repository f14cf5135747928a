//! The source of the answer to a search: searchd, or another alco.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::commands::grep::remote::Remote;
use crate::config::{Config, Index, IndexName};
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

    pub fn remote(url: &str) -> Result<Source, String> {
        Remote::open(url).map(Source::Remote)
    }

    /// The zone of times that have none.
    pub fn zone(&self) -> &TimeZone {
        match self {
            Source::Searchd(searchd) => &searchd.zone,
            Source::Remote(remote) => remote.zone(),
        }
    }

    /// The settings of the indexes of the query, in its order.
    ///
    /// # Errors
    /// The source does not have one of the indexes; the text lists those that it has.
    pub fn settings(&self, query: &Query) -> Result<Vec<Index>, String> {
        let (indexes, place) = match self {
            Source::Searchd(searchd) => (searchd.indexes.as_slice(), "alco.ini".to_owned()),
            Source::Remote(remote) => (remote.indexes(), remote.url().to_owned()),
        };
        let find = |name: &IndexName| {
            let names: Vec<&str> = indexes.iter().map(|index| index.name.as_str()).collect();
            let found = indexes.iter().find(|index| index.name == *name).cloned();
            found.ok_or_else(|| format!("there is no index '{name}' in {place}; there are {}", names.join(", ")))
        };
        query.indexes.iter().map(find).collect()
    }

    /// Passes the lines of the answer to `take` until it returns false. Calls `pulse` between steps, and ends if it returns false.
    /// Returns the parts of the answer that are missing, as texts for the user.
    pub fn each(
        &self,
        query: &Query,
        pulse: &dyn Fn() -> bool,
        take: &mut dyn FnMut(Line) -> bool,
    ) -> Result<Vec<String>, String> {
        self.settings(query)?;
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
        self.settings(query)?;
        match self {
            Source::Searchd(searchd) => {
                searchd.searcher.count_all(query, &searchd.scope()).map_err(|error| error.to_string())
            }
            Source::Remote(remote) => remote.count(query),
        }
    }

    /// The patterns of the messages of the records that match.
    pub fn patterns(&self, query: &Query) -> Result<PatternCounts, String> {
        self.settings(query)?;
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
        self.settings(query)?;
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
        Scope::to_the_end((self.clock)(), self.zone.clone(), FIRST_RECORDS, Waits::default())
    }
}
