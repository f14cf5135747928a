//! What the gate and those who answer tell each other of a connection: its client has left; its reply was broken off.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::search::Abandoned;

/// One connection.
#[derive(Debug, Default)]
pub struct Caller {
    /// nobody reads there any more
    pub gone: Abandoned,
    broken_off: AtomicBool,
}

impl Caller {
    /// The reply under way has no end: only the end of the connection tells the client.
    pub fn break_off(&self) {
        self.broken_off.store(true, SeqCst);
    }

    pub fn is_broken_off(&self) -> bool {
        self.broken_off.load(SeqCst)
    }
}

/// All open connections, by their number.
#[derive(Debug, Default)]
pub struct Callers {
    last: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Caller>>>,
}

impl Callers {
    pub fn enter(&self) -> (u64, Arc<Caller>) {
        let (number, caller) = (self.last.fetch_add(1, SeqCst), Arc::new(Caller::default()));
        self.lock().insert(number, caller.clone());
        (number, caller)
    }

    pub fn leave(&self, number: u64) {
        if let Some(caller) = self.lock().remove(&number) {
            caller.gone.abandon();
        }
    }

    /// One that has left in the meantime is like any other that nobody has heard of.
    pub fn get(&self, number: u64) -> Arc<Caller> {
        self.lock().get(&number).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Caller>>> {
        // an insertion or a removal is done or not
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
