//! The servers that a worker asks and waits for. Invariant: a question is asked again until the server answers or the
//! worker is to stop; the begin and the end of an outage are logged once for all workers of the index.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::config::Dialect;
use crate::ingest::outage::Backoff;
use crate::ingest::shared::{IndexShared, lock};
use crate::metrics::obstacles::Waiter;
use crate::rabbitmq;
use crate::redis;
use crate::redis::connection::RedisStore;
use crate::sphinx::client::{Engine, Fault};
use crate::time::Ts;

/// The wait for each answer of searchd, which may be stopped or swapped out for long. A statement that was not answered is sent
/// again with the same docids.
pub(super) const SEARCHD_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a worker leaves its loop.
pub(super) enum Stop {
    /// the session has ended, and why; a new one may work
    Session(String),
    Stopped,
}

impl From<String> for Stop {
    fn from(why: String) -> Stop {
        Stop::Session(why)
    }
}

impl From<rabbitmq::Error> for Stop {
    fn from(error: rabbitmq::Error) -> Stop {
        Stop::Session(error.to_string())
    }
}

/// The time by the clock of this host.
pub(super) fn now() -> Ts {
    Ts::of(SystemTime::now())
}

pub(super) struct Servers {
    shared: Arc<IndexShared>,
    /// the number of this worker among all of this process
    worker: u32,
    stop: Receiver<Infallible>,
    redis: RedisStore,
    engine: Engine,
    backoffs: Backoffs,
}

#[derive(Debug, Default)]
struct Backoffs {
    broker: Backoff,
    searchd: Backoff,
    refused: Backoff,
    redis: Backoff,
}

impl Servers {
    /// Does not connect yet. The worker is to stop when the channel `stop` is closed.
    pub(super) fn new(shared: Arc<IndexShared>, worker: u32, stop: Receiver<Infallible>) -> Result<Servers, String> {
        Ok(Servers {
            redis: RedisStore::new(&shared.config.redis, &shared.process, &worker.to_string())?,
            engine: Engine::new(&shared.config.sphinx.address, SEARCHD_TIMEOUT),
            backoffs: Backoffs::default(),
            shared,
            worker,
            stop,
        })
    }

    /// For a question to Redis that is asked once only.
    pub(super) fn redis(&self) -> &RedisStore {
        &self.redis
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.shared.config.sphinx.dialect
    }

    /// For a question to searchd that is asked once only.
    pub(super) fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Leases from now on belong to another connection to the broker.
    pub(super) fn begin_session(&mut self) {
        self.redis.begin_session();
    }

    pub(super) fn ask_searchd<T>(
        &mut self,
        mut question: impl FnMut(&mut Engine) -> Result<T, Fault>,
    ) -> Result<T, Stop> {
        loop {
            match question(&mut self.engine) {
                Ok(answer) => {
                    self.searchd_works();
                    return Ok(answer);
                }
                Err(fault) => self.searchd_failed(fault.why())?,
            }
        }
    }

    pub(super) fn ask_redis<T>(
        &mut self,
        mut question: impl FnMut(&RedisStore) -> Result<T, redis::Error>,
    ) -> Result<T, Stop> {
        loop {
            match question(&self.redis) {
                Ok(answer) => {
                    self.redis_works();
                    return Ok(answer);
                }
                Err(error) => self.redis_failed(&error.to_string())?,
            }
        }
    }

    fn redis_works(&mut self) {
        self.backoffs.redis.reset();
        self.shared.metrics.redis.end(Waiter::Worker(self.worker));
        self.log_over(lock(&self.shared.outages.redis).over(self.worker, "redis", Instant::now()));
    }

    fn redis_failed(&mut self, why: &str) -> Result<(), Stop> {
        self.shared.counters().redis_failures.add(1);
        if !self.backoffs.redis.is_reset() {
            self.shared.metrics.redis.begin(Waiter::Worker(self.worker), why);
            self.log_failed(lock(&self.shared.outages.redis).failed(self.worker, why, Instant::now()));
        }
        let wait = self.backoffs.redis.next();
        self.wait(wait)
    }

    pub(super) fn searchd_works(&mut self) {
        self.backoffs.searchd.reset();
        self.shared.metrics.searchd.end(Waiter::Worker(self.worker));
        self.log_over(lock(&self.shared.outages.searchd).over(self.worker, "searchd", Instant::now()));
    }

    pub(super) fn searchd_failed(&mut self, why: &str) -> Result<(), Stop> {
        self.shared.counters().searchd_failures.add(1);
        if !self.backoffs.searchd.is_reset() {
            self.shared.metrics.searchd.begin(Waiter::Worker(self.worker), why);
            self.log_failed(lock(&self.shared.outages.searchd).failed(self.worker, why, Instant::now()));
        }
        let wait = self.backoffs.searchd.next();
        self.wait(wait)
    }

    pub(super) fn day_works(&mut self, day_index: &str) {
        self.backoffs.refused.reset();
        self.shared.counters().day.end(Waiter::Worker(self.worker));
        self.log_over(lock(&self.shared.outages.refused).over(self.worker, day_index, Instant::now()));
    }

    pub(super) fn day_refused(&mut self, why: &str) -> Result<(), Stop> {
        self.shared.counters().day.begin(Waiter::Worker(self.worker), why);
        self.log_failed(lock(&self.shared.outages.refused).failed(self.worker, why, Instant::now()));
        let wait = self.backoffs.refused.next();
        self.wait(wait)
    }

    pub(super) fn broker_works(&mut self) {
        self.backoffs.broker.reset();
        self.shared.counters().broker.end(Waiter::Worker(self.worker));
        self.log_over(lock(&self.shared.outages.broker).over(self.worker, "rabbitmq", Instant::now()));
    }

    pub(super) fn broker_failed(&mut self, why: &str) -> Result<(), Stop> {
        self.shared.counters().reconnects.add(1);
        self.shared.counters().broker.begin(Waiter::Worker(self.worker), why);
        self.log_failed(lock(&self.shared.outages.broker).failed(self.worker, why, Instant::now()));
        let wait = self.backoffs.broker.next();
        self.wait(wait)
    }

    fn log_failed(&self, line: Option<String>) {
        if let Some(line) = line {
            log::warn!("{}: {line}", self.shared.index.name);
        }
    }

    fn log_over(&self, line: Option<String>) {
        if let Some(line) = line {
            log::info!("{}: {line}", self.shared.index.name);
        }
    }

    /// The channel that is closed when the worker is to stop.
    pub(super) fn stop(&self) -> Receiver<Infallible> {
        self.stop.clone()
    }

    /// An error if the worker is to stop before that time has passed.
    pub(super) fn wait(&self, time: Duration) -> Result<(), Stop> {
        match self.stop.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Stop::Stopped),
        }
    }
}
