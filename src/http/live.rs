//! Which requests have somebody who still waits for the answer. The gate knows, since it holds the client; whoever works at
//! an answer asks. A search that says nothing for a while would not notice otherwise that nobody listens. The other way
//! round, whoever works at an answer knows that it is broken off, and the gate lets the client know.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::search::Waits;

#[derive(Debug, Default)]
pub struct Live {
    last: AtomicU64,
    /// by their numbers: whether the answer is broken off
    waiting: Mutex<HashMap<u64, bool>>,
}

/// Somebody waits, as long as this lives.
pub struct Waiting {
    live: Arc<Live>,
    pub number: u64,
}

impl Live {
    pub fn wait(self: &Arc<Live>) -> Waiting {
        let number = self.last.fetch_add(1, Relaxed) + 1;
        self.numbers().insert(number, false);
        Waiting { live: self.clone(), number }
    }

    pub fn waits(&self, number: u64) -> bool {
        self.numbers().contains_key(&number)
    }

    pub fn break_off(&self, number: u64) {
        if let Some(is_broken_off) = self.numbers().get_mut(&number) {
            *is_broken_off = true;
        }
    }

    /// For a search that is asked for by it.
    pub fn waits_for(self: &Arc<Live>, number: u64) -> Waits {
        let live = self.clone();
        Waits::new(move || live.waits(number))
    }

    fn numbers(&self) -> MutexGuard<'_, HashMap<u64, bool>> {
        // a map is whole whoever panicked beside it
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    pub fn is_broken_off(&self) -> bool {
        self.live.numbers().get(&self.number) == Some(&true)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.live.numbers().remove(&self.number);
    }
}
