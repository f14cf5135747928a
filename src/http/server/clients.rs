//! Tracks which clients are still connected, so that searches can stop. The gate holds the connections and records them here;
//! the thread that makes an answer reads it. That thread records here that it broke an answer off, and the gate then resets
//! the connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::search::scope::Waits;

#[derive(Debug, Default)]
pub struct Clients {
    last: AtomicU64,
    /// by their numbers: whether the answer is broken off
    waiting: Mutex<HashMap<u64, bool>>,
}

/// A client waits for its answer as long as this lives.
pub struct WaitingClient {
    clients: Arc<Clients>,
    pub number: u64,
}

impl Clients {
    pub fn wait(self: &Arc<Clients>) -> WaitingClient {
        let number = self.last.fetch_add(1, Relaxed) + 1;
        self.numbers().insert(number, false);
        WaitingClient { clients: self.clone(), number }
    }

    pub fn waits(&self, number: u64) -> bool {
        self.numbers().contains_key(&number)
    }

    pub fn break_off(&self, number: u64) {
        if let Some(is_broken_off) = self.numbers().get_mut(&number) {
            *is_broken_off = true;
        }
    }

    /// The same as a value for a search.
    pub fn waits_for(self: &Arc<Clients>, number: u64) -> Waits {
        let clients = self.clone();
        Waits::new(move || clients.waits(number))
    }

    fn numbers(&self) -> MutexGuard<'_, HashMap<u64, bool>> {
        // a panic of another thread leaves a map whole
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WaitingClient {
    pub fn is_broken_off(&self) -> bool {
        self.clients.numbers().get(&self.number) == Some(&true)
    }
}

impl Drop for WaitingClient {
    fn drop(&mut self) {
        self.clients.numbers().remove(&self.number);
    }
}
