//! Which requests have somebody who still waits for the answer. The gate knows, since it holds the client; whoever works at
//! an answer asks. A search that says nothing for a while would not notice otherwise that nobody listens.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::search::Waits;

#[derive(Debug, Default)]
pub struct Live {
    last: AtomicU64,
    waiting: Mutex<HashSet<u64>>,
}

/// Somebody waits, as long as this lives.
pub struct Waiting {
    live: Arc<Live>,
    pub number: u64,
}

impl Live {
    pub fn wait(self: &Arc<Live>) -> Waiting {
        let number = self.last.fetch_add(1, Relaxed) + 1;
        self.numbers().insert(number);
        Waiting { live: self.clone(), number }
    }

    pub fn waits(&self, number: u64) -> bool {
        self.numbers().contains(&number)
    }

    /// For a search that is asked for by it.
    pub fn waits_for(self: &Arc<Live>, number: u64) -> Waits {
        let live = self.clone();
        Waits::new(move || live.waits(number))
    }

    fn numbers(&self) -> MutexGuard<'_, HashSet<u64>> {
        // a set is whole whoever panicked beside it
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.live.numbers().remove(&self.number);
    }
}
