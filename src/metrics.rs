//! Counters: plain atomics, one struct an index. Whoever does a thing counts it; whoever is asked reads.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::config::IndexName;
use crate::time::Ts;

#[derive(Debug)]
pub struct Metrics {
    pub indexes: Vec<(IndexName, Collected)>,
}

/// What collecting has done for an index since the start.
#[derive(Debug, Default)]
pub struct Collected {
    /// deliveries
    pub received: Counter,
    /// of these, marked redelivered
    pub redelivered: Counter,
    /// of these, found stored, and only acknowledged
    pub already_stored: Counter,
    pub stored: Counter,
    /// put into the dead queue
    pub dead: Counter,
    /// stored with an alco_error
    pub malformed: Counter,
    pub batches: Counter,
    /// connections to the broker that ended unasked
    pub reconnects: Counter,
    pub last_delivery: Moment,
    pub last_insert: Moment,
    pub last_ack: Moment,
    /// the newest record's own time
    pub newest: Moment,
    /// messages that wait in the queue
    pub backlog: AtomicU64,
    /// workers that collect at this moment
    pub working: AtomicI64,
}

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

/// When something was last seen; 0 stands for never.
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

impl Metrics {
    pub fn new(indexes: impl Iterator<Item = IndexName>) -> Metrics {
        Metrics { indexes: indexes.map(|name| (name, Collected::default())).collect() }
    }

    pub fn of(&self, index: &IndexName) -> Option<&Collected> {
        self.indexes.iter().find(|(name, _)| name == index).map(|(_, collected)| collected)
    }
}
