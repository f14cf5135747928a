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
    /// by their numbers
    waiting: Mutex<HashMap<u64, AnswerState>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct AnswerState {
    is_broken_off: bool,
    /// a thread that others wait for makes it
    holds_thread: bool,
}

/// A client holds a thread that others wait for, as long as this lives.
pub struct HeldThread<'a> {
    clients: &'a Clients,
    number: u64,
}

/// A client waits for its answer as long as this lives.
pub struct WaitingClient {
    clients: Arc<Clients>,
    pub number: u64,
}

impl Clients {
    pub fn wait(self: &Arc<Clients>) -> WaitingClient {
        let number = self.last.fetch_add(1, Relaxed) + 1;
        self.numbers().insert(number, AnswerState::default());
        WaitingClient { clients: self.clone(), number }
    }

    pub fn waits(&self, number: u64) -> bool {
        self.numbers().contains_key(&number)
    }

    pub fn break_off(&self, number: u64) {
        self.note(number, |answer| answer.is_broken_off = true);
    }

    pub fn hold_thread(&self, number: u64) -> HeldThread<'_> {
        self.note(number, |answer| answer.holds_thread = true);
        HeldThread { clients: self, number }
    }

    fn note(&self, number: u64, change: impl FnOnce(&mut AnswerState)) {
        self.numbers().get_mut(&number).map(change);
    }

    /// The same as a value for a search.
    pub fn waits_for(self: &Arc<Clients>, number: u64) -> Waits {
        let clients = self.clone();
        Waits::new(move || clients.waits(number))
    }

    fn numbers(&self) -> MutexGuard<'_, HashMap<u64, AnswerState>> {
        // a panic of another thread leaves a map whole
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WaitingClient {
    pub fn is_broken_off(&self) -> bool {
        self.state().is_broken_off
    }

    pub fn holds_thread(&self) -> bool {
        self.state().holds_thread
    }

    fn state(&self) -> AnswerState {
        self.clients.numbers().get(&self.number).copied().unwrap_or_default()
    }
}

impl Drop for HeldThread<'_> {
    fn drop(&mut self) {
        self.clients.note(self.number, |answer| answer.holds_thread = false);
    }
}

impl Drop for WaitingClient {
    fn drop(&mut self) {
        self.clients.numbers().remove(&self.number);
    }
}
