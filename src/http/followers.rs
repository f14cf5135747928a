//! Places to follow: `[http] max_followers` is the number of clients that may hold a response open at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::metrics::Metrics;
use crate::metrics::client_counts::RequestRefused;
use crate::net::household::Household;
use crate::net::slots::{Slot, Slots};

pub struct Followers {
    slots: Arc<Slots>,
    metrics: Arc<Metrics>,
}

/// A follower's place, free again when it is dropped.
pub struct FollowerSlot {
    slot: Slot,
    metrics: Arc<Metrics>,
}

impl Followers {
    pub fn new(max: usize, metrics: Arc<Metrics>) -> Followers {
        Followers { slots: Arc::new(Slots::new(max)), metrics }
    }

    /// The lowest free place; None if all are taken, or those of that address.
    pub fn take(&self, household: Household) -> Option<FollowerSlot> {
        let Some(slot) = self.slots.take(household) else {
            self.metrics.clients.refuse_request(RequestRefused::Follower);
            return None;
        };
        self.metrics.searched.followers.fetch_add(1, Relaxed);
        Some(FollowerSlot { slot, metrics: self.metrics.clone() })
    }

    /// The reason why there is no place, for the client.
    pub fn all_taken(&self) -> String {
        format!(
            "all {} places to follow are taken, or those of your address ([http] max_followers); try again later",
            self.slots.max()
        )
    }
}

impl FollowerSlot {
    pub fn number(&self) -> usize {
        self.slot.number
    }
}

impl Drop for FollowerSlot {
    fn drop(&mut self) {
        self.metrics.searched.followers.fetch_sub(1, Relaxed);
    }
}
