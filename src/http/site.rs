//! Shared by all routes: configuration, the searcher, Redis, counters, users and followers.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use crate::config::{Address, Config, Dialect, Http, Index, IndexName};
use crate::http::auth::Users;
use crate::http::followers::Followers;
use crate::http::form::Tokens;
use crate::http::kept_answers::KeptAnswers;
use crate::http::pages::index_list::NewPatterns;
use crate::http::searchd_service::SearchdService;
use crate::http::server::clients::Clients;
use crate::http::user::User;
use crate::http::visible::{AllIndexes, Visible};
use crate::metrics::Metrics;
use crate::net::slots::Slots;
use crate::record::pattern::PatternHash;
use crate::record::pattern::memory::PatternMemory;
use crate::redis;
use crate::redis::connection::RedisStore;
use crate::redis::seen::KnownColumn;
use crate::redis::shortcuts::SavedShortcut;
use crate::search::Searcher;
use crate::search::filter::Apart;
use crate::search::overview::Overview;
use crate::sphinx::conf::sphinx_conf;
use crate::sphinx::pool::GREETING_TIMEOUT;
use crate::time::Ts;

/// Downloads at a time: each holds a thread, a connection to searchd and at most 8 MB.
const MAX_DOWNLOADS: usize = 16;
/// Pages do without Redis during this time after it has failed.
const REDIS_PAUSE: Duration = Duration::from_secs(5);
/// To find what is new, Redis sends all patterns that it remembers of an index, up to 4 MB; a new one shows soon enough for a person.
const NEWS_SECONDS: i64 = 10;
/// The figures of an index cost searchd one small query, and the saved searches Redis one.
const OVERVIEW_SECONDS: i64 = 3;
/// A page does without Redis if it does not answer within this time.
const REDIS_TIMEOUT: Duration = Duration::from_secs(1);
/// A page whose search is over has its answer, or its error, this long after the budget at the latest: half of it is for searchd's last
/// answer, half for a greeting.
const AFTER_BUDGET: Duration = Duration::from_secs(1);
/// A searchd that has much to do may be silent for this time, however small the budget.
const MIN_SILENCE: Duration = Duration::from_secs(2);

pub struct Site {
    /// private, so that routes learn of indexes from `Visible` alone
    config: Arc<Config>,
    all_indexes: AllIndexes,
    pub searcher: Searcher,
    values: RedisStore,
    /// held by the request that asks Redis
    values_turn: Mutex<()>,
    /// when Redis last failed, and why
    values_failed: Mutex<Option<(Instant, redis::Error)>>,
    /// of the index list; by the indexes together
    pub news: KeptAnswers<Vec<IndexName>, NewPatterns>,
    pub overviews: KeptAnswers<IndexName, Overview>,
    pub shortcuts: KeptAnswers<(), Vec<SavedShortcut>>,
    pub searchd_service: SearchdService,
    pub metrics: Arc<Metrics>,
    /// records are collected in this process too
    pub collects: bool,
    pub started: Ts,
    /// downloads under way
    pub downloads: Arc<Slots>,
    pub followers: Followers,
    pub clients: Arc<Clients>,
    pub users: Users,
    /// of forms
    pub tokens: Tokens,
    /// closed when the daemon stops
    pub stop: Receiver<Infallible>,
}

impl Site {
    pub fn new(
        config: Arc<Config>,
        metrics: Arc<Metrics>,
        collects: bool,
        started: Ts,
        stop: Receiver<Infallible>,
    ) -> Result<Site, String> {
        let values = RedisStore::new(&config.redis, "web", "http")?.answering_within(REDIS_TIMEOUT);
        let searcher = Searcher::new(&config.sphinx, &config.indexes, metrics.searched.clone());
        Ok(Site {
            searcher: searcher
                .answering_pages_within(config.http.search_budget.max(MIN_SILENCE) + AFTER_BUDGET - GREETING_TIMEOUT),
            values,
            values_turn: Mutex::default(),
            values_failed: Mutex::new(None),
            news: KeptAnswers::new(NEWS_SECONDS),
            overviews: KeptAnswers::new(OVERVIEW_SECONDS),
            shortcuts: KeptAnswers::new(OVERVIEW_SECONDS),
            searchd_service: SearchdService::new(&config.sphinx),
            followers: Followers::new(config.http.max_followers, metrics.clone()),
            metrics,
            collects,
            started,
            downloads: Arc::new(Slots::new(MAX_DOWNLOADS)),
            clients: Arc::default(),
            users: Users::new(&config.http),
            tokens: Tokens::default(),
            stop,
            all_indexes: AllIndexes::new(config.clone()),
            config,
        })
    }

    pub fn http(&self) -> &Http {
        &self.config.http
    }

    /// searchd's, for SphinxQL.
    pub fn sphinx_address(&self) -> &Address {
        &self.config.sphinx.address
    }

    pub fn visible_to(&self, user: User) -> Visible {
        self.all_indexes.to(user)
    }

    /// For a client that may be a stranger: nothing, if alco knows users.
    pub fn visible_to_strangers(&self) -> Visible {
        match self.users.are_needed() {
            true => self.all_indexes.to_a_stranger(),
            false => self.visible_to(User::default()),
        }
    }

    /// True if the user of `visible`, who was signed in a while ago, may still see these indexes.
    pub fn still_shows(&self, visible: &Visible, indexes: &[IndexName]) -> bool {
        let now = self.users.again(visible.user()).map(|user| self.visible_to(user));
        now.is_some_and(|now| indexes.iter().all(|index| now.has(index)))
    }

    /// Searchd's configuration, with all indexes whoever asks, for a searchd on another host. It takes no connection while it waits for
    /// this answer, so alco knows its engine from the last search.
    ///
    /// # Errors
    /// The directives at which that engine would end.
    pub fn sphinx_conf(&self, now: Ts) -> Result<String, String> {
        let sphinx = &self.config.sphinx;
        let engine = sphinx.dialect.or_else(|| self.searcher.last_dialect()).unwrap_or(Dialect::Sphinx);
        match sphinx.refused_by(engine).as_slice() {
            [] => Ok(sphinx_conf(&self.config, engine, now.day())),
            refused => Err(refused.join("; ")),
        }
    }

    /// The first index, by which /health finds out if searching works.
    pub fn first_index(&self) -> &IndexName {
        &self.config.indexes[0].name
    }

    /// The workers that alco.ini has for an index.
    pub fn threads_of(&self, name: &IndexName) -> usize {
        self.config.indexes.iter().find(|index| index.name == *name).map_or(0, |index| index.threads)
    }

    /// The columns that were seen in an index, without its time and message, which every record has. None: Redis is away.
    pub fn columns_seen(&self, index: &Index) -> Option<Vec<KnownColumn>> {
        let mut columns = self.with_redis(|values| values.columns(&index.name))?;
        let apart = Apart::of(index);
        columns.retain(|column| !apart.has(&column.name));
        Some(columns)
    }

    /// The values of a column that Redis remembers of an index; none if they are more than are offered, and none while Redis is away.
    pub fn offered_values(&self, index: &IndexName, column: &str) -> Vec<String> {
        self.with_redis(|values| values.offered(index, column)).flatten().unwrap_or_default()
    }

    /// The patterns that alco remembers of an index. None: Redis is away.
    pub fn pattern_memory(&self, index: &IndexName) -> Option<PatternMemory> {
        self.with_redis(|values| values.patterns(index))
    }

    /// The same of these patterns only.
    pub fn pattern_memory_of(&self, index: &IndexName, patterns: &[PatternHash]) -> Option<PatternMemory> {
        self.with_redis(|values| values.patterns_among(index, patterns))
    }

    /// Asks Redis for what a page can do without; None while it is away or slow, so that not each page waits for it.
    pub fn with_redis<T>(&self, ask: impl FnOnce(&RedisStore) -> Result<T, redis::Error>) -> Option<T> {
        let is_tried = self.values.is_to_be_tried();
        let answer = self.ask_unless(|| self.values.is_slow() && !is_tried, ask);
        answer.map_err(|error| log::debug!("pages go without values: {error}")).ok()
    }

    /// Asks Redis for what is needed, also while it is slow.
    pub fn ask_redis<T>(&self, ask: impl FnOnce(&RedisStore) -> Result<T, redis::Error>) -> Result<T, redis::Error> {
        self.ask_unless(|| false, ask)
    }

    /// Asks Redis in turn with other requests, unless it has just failed, or is to be left alone once it is this request's turn.
    fn ask_unless<T>(
        &self,
        is_left_alone: impl FnOnce() -> bool,
        ask: impl FnOnce(&RedisStore) -> Result<T, redis::Error>,
    ) -> Result<T, redis::Error> {
        // a panic of another thread leaves whole values
        let failed = || self.values_failed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_retry = match &mut *failed() {
            Some((at, error)) if at.elapsed() < REDIS_PAUSE => return Err(error.clone()),
            // one request tries again, and the others do without Redis until it has an answer
            Some((at, _)) => {
                *at = Instant::now();
                true
            }
            None => false,
        };
        let _turn = self.values_turn.lock().unwrap_or_else(PoisonError::into_inner);
        // while this request waited for its turn, another one may have found out
        if let (false, Some((_, error))) = (is_retry, &*failed()) {
            return Err(error.clone());
        }
        if is_left_alone() {
            return Err(redis::Error::Away("redis takes long for its answers".to_owned()));
        }
        let answer = ask(&self.values);
        *failed() = match &answer {
            Ok(_) => None,
            Err(error) => Some((Instant::now(), error.clone())),
        };
        answer
    }
}
