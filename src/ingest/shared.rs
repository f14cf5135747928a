//! The state that all workers of an index share. Invariant: a worker that holds one of these
//! locks does not take another.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::{Config, Index};
use crate::ingest::outage::Outage;
use crate::ingest::ram_chunk::ChunkLock;
use crate::ingest::redelivery::Claims;
use crate::metrics::{Collected, Metrics};
use crate::rabbitmq::Delivery;

const CHANGED: &str = "a delivery has a routing key, a property or a header that is not UTF-8, or headers that are nested too \
                       deep; alco stores U+FFFD for what it cannot read, and counts such deliveries in \
                       alco_deliveries_changed_total";

#[derive(Debug)]
pub struct IndexShared {
    pub(super) config: Arc<Config>,
    pub(super) index: Index,
    pub(super) metrics: Arc<Metrics>,
    /// the name of this process among those that use the same Redis
    pub(super) process: String,
    pub(super) outages: Outages,
    claims: Mutex<Claims>,
    turn: ChunkLock,
    /// the notices that were logged
    noticed: Mutex<BTreeSet<String>>,
}

/// The outages of each server.
#[derive(Debug, Default)]
pub(super) struct Outages {
    pub(super) broker: Mutex<Outage>,
    pub(super) searchd: Mutex<Outage>,
    /// The server answers, but a day index or the dead queue takes no record.
    pub(super) place: Mutex<Outage>,
    pub(super) redis: Mutex<Outage>,
}

/// Locks state that is whole between any two statements, so that a panic of another worker does not break it.
pub(super) fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl IndexShared {
    /// `process` is the same for all workers of this process, and unlike that of any other process.
    pub fn new(config: &Arc<Config>, index: &Index, metrics: &Arc<Metrics>, process: &str) -> IndexShared {
        IndexShared {
            config: config.clone(),
            index: index.clone(),
            metrics: metrics.clone(),
            process: process.to_owned(),
            outages: Outages::default(),
            claims: Mutex::default(),
            turn: ChunkLock::new(index.name.clone(), &config.sphinx.address),
            noticed: Mutex::default(),
        }
    }

    /// True for a delivery whose records another node may have stored.
    pub(super) fn may_be_elsewhere(&self, delivery: &Delivery) -> bool {
        delivery.redelivered && !self.config.sphinx.peers.is_empty()
    }

    pub fn turn(&self) -> &ChunkLock {
        &self.turn
    }

    pub(super) fn counters(&self) -> &Collected {
        self.metrics.of(&self.index.name).expect("metrics are made of the same indexes")
    }

    pub(super) fn claims(&self) -> MutexGuard<'_, Claims> {
        lock(&self.claims)
    }

    /// Counts deliveries that were not readable as they were sent, and logs the first.
    pub(super) fn note_changed(&self, deliveries: u64) {
        if deliveries > 0 {
            self.counters().changed.add(usize::try_from(deliveries).unwrap_or(usize::MAX));
            self.log_once(CHANGED.to_owned());
        }
    }

    /// Logs a notice, unless one of the workers has logged it before.
    pub(super) fn log_once(&self, notice: String) {
        if lock(&self.noticed).insert(notice.clone()) {
            log::warn!("{}: {notice}", self.index.name);
        }
    }
}
