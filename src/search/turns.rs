//! Searches that take long wait for each other, question by question, so that the short ones find searchd and the processors free.
//!
//! Invariant: questions are asked in the order of their waits, at most `at_a_time` of them at a time.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::metrics::Searched;

/// Between two looks whether a search that waits is over: its time, or its client.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Pages that wait for a turn, of the threads that answer requests. Streams wait in threads of their own.
const MAX_WAITING_PAGES: usize = 6;

#[derive(Debug)]
pub struct Turns {
    at_a_time: usize,
    counted: Arc<Searched>,
    state: Mutex<TurnState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct TurnState {
    last_ticket: u64,
    waiting: VecDeque<u64>,
    waiting_pages: usize,
    asking: usize,
}

/// The right to ask one question, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a>(&'a Turns);

/// The outcome of waiting for a turn.
#[derive(Debug)]
pub enum Waited<'a> {
    Turn(Turn<'a>),
    /// the search was over before
    Over,
    /// as many pages wait as may
    Full,
}

impl Turns {
    pub fn new(at_a_time: usize, counted: Arc<Searched>) -> Turns {
        Turns { at_a_time, counted, state: Mutex::default(), changed: Condvar::new() }
    }

    /// `is_page`: false for a stream, which waits however many do.
    pub fn wait(&self, is_page: bool, is_over: impl Fn() -> bool) -> Waited<'_> {
        let mut state = self.state();
        if is_page && state.waiting_pages >= MAX_WAITING_PAGES {
            self.counted.refused.add(1);
            return Waited::Full;
        }
        state.last_ticket += 1;
        let ticket = state.last_ticket;
        state.waiting.push_back(ticket);
        state.waiting_pages += usize::from(is_page);
        self.counted.waiting.fetch_add(1, Relaxed);
        let waited = loop {
            if state.asking < self.at_a_time && state.waiting.front() == Some(&ticket) {
                state.asking += 1;
                break Waited::Turn(Turn(self));
            }
            // a panic of another thread leaves the numbers whole
            let woken = self.changed.wait_timeout(state, LOOK_INTERVAL).unwrap_or_else(PoisonError::into_inner);
            drop(woken.0);
            // asks other locks
            let over = is_over();
            state = self.state();
            if over {
                break Waited::Over;
            }
        };
        state.waiting.retain(|other| *other != ticket);
        state.waiting_pages -= usize::from(is_page);
        self.counted.waiting.fetch_sub(1, Relaxed);
        drop(state);
        self.changed.notify_all();
        waited
    }

    fn state(&self) -> MutexGuard<'_, TurnState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state().asking -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;

    use super::*;

    #[test]
    fn few_ask_at_a_time_and_all_come_to_it() {
        let turns = Turns::new(2, Arc::default());
        let (asking, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let Waited::Turn(_turn) = turns.wait(false, || false) else { panic!("it waits") };
                        most.fetch_max(asking.fetch_add(1, SeqCst) + 1, SeqCst);
                        thread::yield_now();
                        asking.fetch_sub(1, SeqCst);
                        done.fetch_add(1, SeqCst);
                    }
                });
            }
        });
        assert!((1..=2).contains(&most.load(SeqCst)));
        assert_eq!(done.load(SeqCst), 200);
        let state = turns.state();
        assert_eq!((state.asking, state.waiting.len(), state.waiting_pages), (0, 0, 0));
    }

    #[test]
    fn a_search_that_is_over_waits_no_longer() {
        let turns = Turns::new(1, Arc::default());
        let Waited::Turn(first) = turns.wait(true, || false) else { panic!("it is free") };
        assert!(matches!(turns.wait(true, || true), Waited::Over));
        drop(first);
        assert!(matches!(turns.wait(true, || true), Waited::Turn(_)), "a free turn is taken in any case");
    }

    #[test]
    fn the_number_of_waiting_pages_is_bounded() {
        let turns = Turns::new(1, Arc::default());
        let Waited::Turn(first) = turns.wait(true, || false) else { panic!("it is free") };
        let over = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..MAX_WAITING_PAGES {
                scope.spawn(|| assert!(matches!(turns.wait(true, || over.load(SeqCst) > 0), Waited::Over)));
            }
            while turns.state().waiting_pages < MAX_WAITING_PAGES {
                thread::yield_now();
            }
            assert!(matches!(turns.wait(true, || false), Waited::Full));
            assert!(matches!(turns.wait(false, || true), Waited::Over), "a stream waits");
            over.store(1, SeqCst);
        });
        drop(first);
    }
}
