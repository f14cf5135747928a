//! Plain atomics: a counter, a histogram, the moment of an event, the messages of a queue. Pure: the time is an argument.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::time::Ts;

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// For each bound, the number of observations up to it, as Prometheus counts them.
#[derive(Debug)]
pub struct Histogram {
    pub(super) bounds: &'static [f64],
    /// one for each bound, and one for the observations above all bounds
    pub(super) counts: Vec<AtomicU64>,
    /// in millionths
    pub(super) sum: AtomicU64,
}

impl Histogram {
    pub fn new(bounds: &'static [f64]) -> Histogram {
        Histogram { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    pub fn observe(&self, value: f64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at].fetch_add(1, Relaxed);
        self.sum.fetch_add((value * 1e6) as u64, Relaxed);
    }
}

/// The time of the last event of a kind, in microseconds since 1970; 0 stands for never.
#[derive(Debug, Default)]
pub struct Moment(AtomicI64);

impl Moment {
    pub fn set(&self, ts: Ts) {
        self.0.store(ts.micros(), Relaxed);
    }

    pub fn get(&self) -> Option<Ts> {
        Some(self.0.load(Relaxed)).filter(|micros| *micros != 0).map(Ts::from_micros)
    }
}

/// The messages in the queue when a worker last asked. A worker that waits for a server does not ask, while the queue grows.
#[derive(Debug, Default)]
pub struct Backlog {
    messages: AtomicU64,
    asked: Moment,
}

/// Workers ask every 5 s; an older number is not shown.
const OUTDATED_MICROS: i64 = 15_000_000;

impl Backlog {
    pub fn set(&self, messages: u64, now: Ts) {
        self.messages.store(messages, Relaxed);
        self.asked.set(now);
    }

    pub fn get(&self, now: Ts) -> Option<u64> {
        let asked = self.asked.get()?;
        (now.micros() - asked.micros() < OUTDATED_MICROS).then(|| self.messages.load(Relaxed))
    }
}
