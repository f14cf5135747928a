//! Why alco waits for a server at this moment. Each waiting thread notes its reason here; `/health` reads one of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A thread that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiter {
    Housekeeping,
    /// a worker, by its number among all of this process
    Worker(u32),
}

/// The reasons to wait for one server, or for one function of a server.
#[derive(Debug, Default)]
pub struct Obstacles(Mutex<BTreeMap<Waiter, String>>);

impl Obstacles {
    pub fn begin(&self, who: Waiter, why: &str) {
        self.lock().insert(who, why.to_owned());
    }

    pub fn end(&self, who: Waiter) {
        self.lock().remove(&who);
    }

    /// The reason of one of the waiting threads; None if no thread waits.
    pub fn why(&self) -> Option<String> {
        self.lock().values().next().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Waiter, String>> {
        // a panic of another thread leaves the map whole
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_lasts_until_the_last_has_ended() {
        let obstacles = Obstacles::default();
        obstacles.begin(Waiter::Worker(1), "gone");
        obstacles.begin(Waiter::Housekeeping, "away");
        obstacles.end(Waiter::Worker(2));
        assert_eq!(obstacles.why().as_deref(), Some("away"));
        obstacles.end(Waiter::Housekeeping);
        assert_eq!(obstacles.why().as_deref(), Some("gone"));
        obstacles.end(Waiter::Worker(1));
        assert_eq!(obstacles.why(), None);
    }
}
