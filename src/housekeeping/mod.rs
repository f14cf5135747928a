//! Periodic work in a thread of its own: logs what was collected, forgets values past retention, keeps searchd serving the day
//! indexes it should serve, and optimizes those of days that are over.

mod agents;
mod clock;
mod node_facts;
mod optimize;
mod served_days;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::config::Config;
use crate::housekeeping::optimize::Finishing;
use crate::housekeeping::served_days::Days;
use crate::ingest::{IndexShared, searchd_name};
use crate::metrics::Metrics;
use crate::metrics::obstacles::Waiter;
use crate::redis;
use crate::redis::connection::RedisStore;
use crate::sphinx::client::Engine;
use crate::sphinx::day_index::oldest;
use crate::time::{Day, Ts};

pub use crate::housekeeping::node_facts::NodeFacts;
pub use crate::housekeeping::served_days::signal;

/// The time between two looks at the clock: a new day's indexes must be served at once.
const LOOK: Duration = Duration::from_secs(1);
/// The time between two reports of what was stored.
const ROUND: Duration = Duration::from_secs(10);
/// Rounds between two removals of values past retention: an hour. Another removal follows each change of the day.
const FORGET_ROUNDS: u32 = 360;
/// searchd lists the indexes that it serves at once, unless it hangs.
const SEARCHD_TIMEOUT: Duration = Duration::from_secs(10);

/// Rounds without a question to Redis after it has refused alco's user: like the workers, the thread asks once a minute then.
const REFUSED_ROUNDS: u32 = 5;

const A_DAY: Duration = Duration::from_secs(86_400);

pub struct Housekeeping<'a> {
    config: &'a Config,
    metrics: &'a Metrics,
    /// what the workers of each index share
    shared: Vec<Arc<IndexShared>>,
    values: RedisStore,
    engine: Engine,
    days: Days,
    finishing: Finishing,
    /// records stored until the last report, for each index
    stored: Vec<u64>,
    /// records stored per second, by the last report
    rate: u64,
    /// rounds left without a question to Redis, since it refuses alco's user
    refused_rounds: u32,
}

impl<'a> Housekeeping<'a> {
    pub fn new(
        config: &'a Config,
        metrics: &'a Metrics,
        shared: Vec<Arc<IndexShared>>,
        process: &str,
    ) -> Result<Housekeeping<'a>, String> {
        Ok(Housekeeping {
            config,
            metrics,
            shared,
            values: RedisStore::new(&config.redis, process, "housekeeping")?,
            engine: Engine::new(&config.sphinx.address, SEARCHD_TIMEOUT),
            days: Days::default(),
            finishing: Finishing::new(&config.sphinx.address),
            stored: vec![0; metrics.indexes.len()],
            rate: 0,
            refused_rounds: 0,
        })
    }

    /// Works until the channel `stop` is closed.
    pub fn run(mut self, stop: &Receiver<Infallible>) {
        let mut today = Ts::of(SystemTime::now()).day();
        for round in 0_u32.. {
            let now = Ts::of(SystemTime::now());
            self.report(now);
            self.try_redis();
            self.compare_days(now.day(), self.rate == 0);
            if round % FORGET_ROUNDS == 0 {
                self.forget(now.day());
                self.finishing.look_back(self.config, &self.values, now.day());
            }
            let next = Instant::now() + ROUND;
            while Instant::now() < next {
                match stop.recv_timeout(LOOK) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                let now = Ts::of(SystemTime::now());
                let turned = now.day() != today;
                if turned {
                    today = now.day();
                    self.days.turn();
                    self.forget(today);
                }
                if turned || self.days.is_waiting() {
                    self.compare_days(today, false);
                }
                // searchd that gets both at once accepts no connection until it has merged
                if self.refused_rounds == 0 && (self.finishing.is_merging() || !self.days.is_waiting()) {
                    self.finishing.step(self.config, &self.shared, &self.values, now, self.rate);
                }
            }
        }
    }

    /// Has searchd serve the days that it should. Not while it merges: 2.2.11 reads its configuration after that, and accepts no
    /// connection until then.
    fn compare_days(&mut self, today: Day, idle: bool) {
        if !self.finishing.is_merging() {
            self.days.look(self.config, today, &mut self.engine, idle);
        }
    }

    fn report(&mut self, now: Ts) {
        let seconds = ROUND.as_secs();
        self.rate = 0;
        for ((name, collected), before) in self.metrics.indexes.iter().zip(&mut self.stored) {
            let stored = collected.stored.get();
            let count = stored - *before;
            *before = stored;
            if count > 0 {
                let lag = collected.newest.get().map_or(0, |newest| (now.seconds() - newest.seconds()).max(0));
                self.rate += count / seconds;
                log::info!("{name}: {count} records in {seconds} s, {}/s, {lag} s behind", count / seconds);
            }
        }
    }

    /// Notices an outage of Redis; workers without a record to store would not notice it.
    fn try_redis(&mut self) {
        if self.refused_rounds > 0 {
            self.refused_rounds -= 1;
            return;
        }
        match self.values.takes_writes() {
            Ok(()) => {
                self.metrics.redis.end(Waiter::Housekeeping);
                self.compare_clocks();
                self.note_settings();
            }
            Err(error) => {
                if let redis::Error::Refused(_) = error {
                    self.refused_rounds = REFUSED_ROUNDS;
                }
                self.metrics.redis.begin(Waiter::Housekeeping, &error.to_string());
            }
        }
    }

    fn note_settings(&self) {
        let facts = NodeFacts::of(self.config, Ts::of(SystemTime::now())).text();
        if let Err(error) = self.values.note_node(&searchd_name(&self.config.sphinx.address), &facts) {
            log::debug!("{error}");
        }
    }

    fn compare_clocks(&self) {
        let now = || Ts::of(SystemTime::now());
        let before = now();
        // an outage of Redis is noticed elsewhere
        let Ok(theirs) = self.values.time() else { return };
        let was_wrong = self.metrics.clock.why().is_some();
        match clock::fault(theirs, (before, now())) {
            Some(fault) => {
                if !was_wrong {
                    log::warn!("{fault}");
                }
                self.metrics.clock.begin(Waiter::Housekeeping, &fault);
            }
            None => {
                if was_wrong {
                    log::info!("this host's clock agrees with that of redis again");
                }
                self.metrics.clock.end(Waiter::Housekeeping);
            }
        }
    }

    fn forget(&self, today: Day) {
        for index in &self.config.indexes {
            let keep = A_DAY.saturating_mul(index.days.get().saturating_add(1));
            if let Err(error) = self.values.forget(&index.name, oldest(today, index.days), keep) {
                log::debug!("{}: {error}", index.name);
            }
        }
    }
}
