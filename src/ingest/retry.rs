//! The servers that a worker asks and waits for: it asks again until they answer, and says when one goes and comes back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use crate::ingest::outage::{Backoff, Outage};
use crate::ingest::{Stop, Worker};
use crate::metrics::obstacles::Waiter;
use crate::sphinx::client::{Engine, Fault};

/// What the workers of an index know of each server together.
#[derive(Debug, Default)]
pub(super) struct Outages {
    broker: Mutex<Outage>,
    searchd: Mutex<Outage>,
    /// searchd answers, but takes no record of that day
    refused: Mutex<Outage>,
    redis: Mutex<Outage>,
}

#[derive(Debug, Default)]
pub(super) struct Backoffs {
    broker: Backoff,
    searchd: Backoff,
    refused: Backoff,
    redis: Backoff,
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    // what is locked here is whole between any two statements
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Worker {
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
        mut question: impl FnMut(&mut Worker) -> Result<T, String>,
    ) -> Result<T, Stop> {
        loop {
            match question(self) {
                Ok(answer) => {
                    self.backoffs.redis.reset();
                    self.metrics.redis.end(Waiter::Worker(self.number));
                    self.say_over(lock(&self.shared.outages.redis).over(self.number, "redis", Instant::now()));
                    return Ok(answer);
                }
                Err(why) => {
                    self.counters().redis_failures.add(1);
                    if !self.backoffs.redis.is_reset() {
                        self.metrics.redis.begin(Waiter::Worker(self.number), &why);
                        self.say_failed(lock(&self.shared.outages.redis).failed(self.number, &why, Instant::now()));
                    }
                    let wait = self.backoffs.redis.next();
                    self.wait(wait)?;
                }
            }
        }
    }

    pub(super) fn searchd_works(&mut self) {
        self.backoffs.searchd.reset();
        self.metrics.searchd.end(Waiter::Worker(self.number));
        self.say_over(lock(&self.shared.outages.searchd).over(self.number, "searchd", Instant::now()));
    }

    pub(super) fn searchd_failed(&mut self, why: &str) -> Result<(), Stop> {
        self.counters().searchd_failures.add(1);
        if !self.backoffs.searchd.is_reset() {
            self.metrics.searchd.begin(Waiter::Worker(self.number), why);
            self.say_failed(lock(&self.shared.outages.searchd).failed(self.number, why, Instant::now()));
        }
        let wait = self.backoffs.searchd.next();
        self.wait(wait)
    }

    pub(super) fn day_works(&mut self, day_index: &str) {
        self.backoffs.refused.reset();
        self.counters().day.end(Waiter::Worker(self.number));
        self.say_over(lock(&self.shared.outages.refused).over(self.number, day_index, Instant::now()));
    }

    pub(super) fn day_refused(&mut self, why: &str) -> Result<(), Stop> {
        self.counters().day.begin(Waiter::Worker(self.number), why);
        self.say_failed(lock(&self.shared.outages.refused).failed(self.number, why, Instant::now()));
        let wait = self.backoffs.refused.next();
        self.wait(wait)
    }

    pub(super) fn broker_works(&mut self) {
        self.backoffs.broker.reset();
        self.counters().broker.end(Waiter::Worker(self.number));
        self.say_over(lock(&self.shared.outages.broker).over(self.number, "rabbitmq", Instant::now()));
    }

    pub(super) fn broker_failed(&mut self, why: &str) -> Result<(), Stop> {
        self.counters().reconnects.add(1);
        self.counters().broker.begin(Waiter::Worker(self.number), why);
        self.say_failed(lock(&self.shared.outages.broker).failed(self.number, why, Instant::now()));
        let wait = self.backoffs.broker.next();
        self.wait(wait)
    }

    fn say_failed(&self, line: Option<String>) {
        if let Some(line) = line {
            log::warn!("{}: {line}", self.index.name);
        }
    }

    fn say_over(&self, line: Option<String>) {
        if let Some(line) = line {
            log::info!("{}: {line}", self.index.name);
        }
    }

    pub(super) fn wait(&self, time: Duration) -> Result<(), Stop> {
        match self.stop.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Stop::Stopped),
        }
    }
}
