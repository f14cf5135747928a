//! Requests that wait for a thread. A client that does not read its answers, or whose pages take long, must not hold all threads.
//!
//! Invariant: the requests of one household are answered by at most its share of the threads, in the order of their coming.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::http::server::crowd::Household;

pub struct RequestQueue<T> {
    /// threads that answer one household at a time
    share: usize,
    state: Mutex<QueueState<T>>,
    changed: Condvar,
}

struct QueueState<T> {
    waiting: VecDeque<(Household, T)>,
    answered: HashMap<Household, usize>,
    is_closed: bool,
}

/// A request that a thread answers, until this is dropped.
pub struct Taken<'a, T> {
    queue: &'a RequestQueue<T>,
    household: Household,
}

impl<T> RequestQueue<T> {
    pub fn new(share: usize) -> RequestQueue<T> {
        let state = QueueState { waiting: VecDeque::new(), answered: HashMap::new(), is_closed: false };
        RequestQueue { share, state: Mutex::new(state), changed: Condvar::new() }
    }

    pub fn put(&self, household: Household, request: T) {
        self.state().waiting.push_back((household, request));
        self.changed.notify_one();
    }

    /// Waits for a request; None after `close`.
    pub fn take(&self) -> Option<(T, Taken<'_, T>)> {
        let mut state = self.state();
        loop {
            if state.is_closed {
                return None;
            }
            let QueueState { waiting, answered, .. } = &mut *state;
            let has_share = |household: &Household| {
                // many clients are behind a trusted proxy
                *household == Household::Local || answered.get(household).is_none_or(|threads| *threads < self.share)
            };
            let next = waiting.iter().position(|(household, _)| has_share(household));
            if let Some((household, request)) = next.and_then(|at| waiting.remove(at)) {
                *answered.entry(household).or_default() += 1;
                return Some((request, Taken { queue: self, household }));
            }
            // a panic of another thread leaves the lists whole
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets every thread that waits end.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, QueueState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        if let Some(threads) = state.answered.get_mut(&self.household) {
            *threads -= 1;
            if *threads == 0 {
                state.answered.remove(&self.household);
            }
        }
        drop(state);
        // a request of that household may wait for its share
        self.queue.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_has_no_more_than_its_share() {
        let queue = RequestQueue::new(2);
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(Household::of);
        for (household, name) in [(a, "a1"), (a, "a2"), (a, "a3"), (b, "b1"), (a, "a4")] {
            queue.put(household, name);
        }
        let take = || queue.take().expect("it is open");
        let (first, held) = take();
        let (second, _held) = take();
        let (third, _other) = take();
        assert_eq!([first, second, third], ["a1", "a2", "b1"]);
        drop(held);
        let (fourth, _held) = take();
        assert_eq!(fourth, "a3");
        queue.put(Household::Local, "proxy");
        assert_eq!(take().0, "proxy");
        queue.close();
        assert!(queue.take().is_none(), "one waits, and its share is taken");
    }
}
