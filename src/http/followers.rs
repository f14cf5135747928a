//! Places to follow: `[http] max_followers` is the number of clients that may hold a response open at a time.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::metrics::Metrics;
use crate::metrics::client_counts::RequestRefused;

/// The places that are taken, by number from 1.
pub struct Followers {
    max: usize,
    metrics: Arc<Metrics>,
    taken: Mutex<BTreeSet<usize>>,
}

/// A follower's place, free again when it is dropped.
pub struct FollowerSlot {
    followers: Arc<Followers>,
    pub number: usize,
}

impl Followers {
    pub fn new(max: usize, metrics: Arc<Metrics>) -> Followers {
        Followers { max, metrics, taken: Mutex::default() }
    }

    /// The lowest free place; None if all are taken.
    pub fn take(self: &Arc<Followers>) -> Option<FollowerSlot> {
        let mut taken = self.taken();
        let Some(number) = (1..=self.max).find(|number| !taken.contains(number)) else {
            self.metrics.clients.refuse_request(RequestRefused::Follower);
            return None;
        };
        taken.insert(number);
        self.metrics.searched.followers.fetch_add(1, Relaxed);
        Some(FollowerSlot { followers: self.clone(), number })
    }

    /// The reason why there is no place, for the client.
    pub fn all_taken(&self) -> String {
        format!("all {} places to follow are taken ([http] max_followers); try again later", self.max)
    }

    fn taken(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        // a panic of another thread leaves a set whole
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FollowerSlot {
    fn drop(&mut self) {
        self.followers.taken().remove(&self.number);
        self.followers.metrics.searched.followers.fetch_sub(1, Relaxed);
    }
}
