//! Searches that take long wait for each other, question by question, so that the short ones find searchd and the processors free.
//!
//! Invariant: at most `at_a_time` questions are asked at a time. Of those who wait, the party comes first whose turns took the least time
//! of late: the pages of a household, those whose checks may take long, or its streams. Among equals the turns are in rounds.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::metrics::Searched;
use crate::net::household::Household;
use crate::net::recent_use::RecentUse;

/// Between two looks whether a search that waits is over: its time, or its client.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Pages that wait for a turn, of the threads that answer requests. Streams wait in threads of their own.
const MAX_WAITING_PAGES: usize = 18;
/// Those of one household.
const MAX_WAITING_PAGES_OF_ONE: usize = 8;
/// Costly pages that wait for their first turn, of all households: half of the threads, as with those whose addresses tell it. One more
/// may that would have the next turn.
const MAX_NEW_COSTLY_PAGES: usize = 12;

#[derive(Debug)]
pub struct Turns {
    at_a_time: usize,
    counted: Arc<Searched>,
    state: Mutex<TurnState>,
    changed: Condvar,
}

/// The searches whose turns are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    pub household: Household,
    pub kind: SearchKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchKind {
    Page,
    /// a page whose checks may take long
    CostlyPage,
    /// it waits however many do
    Stream,
}

#[derive(Debug, Default)]
struct TurnState {
    last_ticket: u64,
    /// the parties in the order of their next turns, each with its searches in the order of their coming
    round: VecDeque<(Party, VecDeque<u64>)>,
    used: RecentUse<Party>,
    asking: usize,
    /// costly pages that wait for their first turn
    new_costly: usize,
}

impl TurnState {
    fn enter(&mut self, party: Party) -> u64 {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        match self.round.iter_mut().find(|(other, _)| *other == party) {
            Some((_, tickets)) => tickets.push_back(ticket),
            None => self.round.push_back((party, VecDeque::from([ticket]))),
        }
        ticket
    }

    /// The place in the round of the party whose turn is next.
    fn next(&self, now: Instant) -> Option<usize> {
        let places = self.round.iter().enumerate();
        places.min_by_key(|(_, (party, _))| self.used.of(*party, now)).map(|(place, _)| place)
    }

    /// True if a search of that party would come before all who wait.
    fn would_be_next(&self, party: Party, now: Instant) -> bool {
        let own = self.used.of(party, now);
        self.round.iter().all(|(other, _)| own < self.used.of(*other, now))
    }

    fn is_next(&self, ticket: u64, now: Instant) -> bool {
        self.next(now).and_then(|place| self.round[place].1.front()) == Some(&ticket)
    }

    /// The next one has its turn.
    fn turn(&mut self, now: Instant) {
        let next = self.next(now).and_then(|place| self.round.remove(place));
        if let Some((party, mut tickets)) = next {
            tickets.pop_front();
            if !tickets.is_empty() {
                self.round.push_back((party, tickets));
            }
        }
    }

    fn leave(&mut self, ticket: u64) {
        self.round.iter_mut().for_each(|(_, tickets)| tickets.retain(|other| *other != ticket));
        self.round.retain(|(_, tickets)| !tickets.is_empty());
    }

    /// True if as many pages wait as may, or as many of that household. One of each household may in any case.
    fn is_full(&self, household: Household) -> bool {
        let pages = self.round.iter().filter(|(party, _)| party.kind != SearchKind::Stream);
        let waiting = |of: Option<Household>| -> usize {
            let of_it = pages.clone().filter(|(party, _)| of.is_none_or(|household| party.household == household));
            of_it.map(|(_, tickets)| tickets.len()).sum()
        };
        let own = waiting(Some(household));
        // many clients are behind a trusted proxy
        let has_share = household == Household::Local || own < MAX_WAITING_PAGES_OF_ONE;
        !has_share || own > 0 && waiting(None) >= MAX_WAITING_PAGES
    }
}

/// The right to ask one question, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
    party: Party,
    begun: Instant,
}

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

    /// `is_first`: the search has not had a turn.
    pub fn wait(&self, party: Party, is_first: bool, is_over: impl Fn() -> bool) -> Waited<'_> {
        let mut state = self.state();
        let is_new_costly = is_first && party.kind == SearchKind::CostlyPage;
        let is_full = is_new_costly && state.new_costly >= MAX_NEW_COSTLY_PAGES;
        let has_many_new = is_full && !state.would_be_next(party, Instant::now());
        if has_many_new || party.kind != SearchKind::Stream && state.is_full(party.household) {
            self.counted.refused.add(1);
            return Waited::Full;
        }
        state.new_costly += usize::from(is_new_costly);
        let ticket = state.enter(party);
        self.counted.waiting.fetch_add(1, Relaxed);
        let waited = loop {
            let now = Instant::now();
            if state.asking < self.at_a_time && state.is_next(ticket, now) {
                state.turn(now);
                state.asking += 1;
                break Waited::Turn(Turn { turns: self, party, begun: now });
            }
            // a panic of another thread leaves the numbers whole
            let woken = self.changed.wait_timeout(state, LOOK_INTERVAL).unwrap_or_else(PoisonError::into_inner);
            drop(woken.0);
            // asks other locks
            let over = is_over();
            state = self.state();
            if over {
                state.leave(ticket);
                break Waited::Over;
            }
        };
        state.new_costly -= usize::from(is_new_costly);
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
        let now = Instant::now();
        let mut state = self.turns.state();
        state.asking -= 1;
        state.used.add(self.party, now.saturating_duration_since(self.begun), now);
        drop(state);
        self.turns.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;

    use super::*;

    const STREAM: Party = Party { household: Household::Local, kind: SearchKind::Stream };

    fn page(address: &str) -> Party {
        Party { household: Household::of(address), kind: SearchKind::Page }
    }

    #[test]
    fn few_ask_at_a_time_and_all_come_to_it() {
        let turns = Turns::new(2, Arc::default());
        let (asking, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let Waited::Turn(_turn) = turns.wait(STREAM, true, || false) else { panic!("it waits") };
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
        assert_eq!((state.asking, state.round.len()), (0, 0));
    }

    #[test]
    fn a_search_that_is_over_waits_no_longer() {
        let turns = Turns::new(1, Arc::default());
        let waits = |is_over: bool| turns.wait(page("192.0.2.1"), true, || is_over);
        let Waited::Turn(first) = waits(false) else { panic!("it is free") };
        assert!(matches!(waits(true), Waited::Over));
        drop(first);
        assert!(matches!(waits(true), Waited::Turn(_)), "a free turn is taken in any case");
    }

    #[test]
    fn who_has_used_less_comes_first() {
        let (mut state, now) = (TurnState::default(), Instant::now());
        let [a, b, c] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(page);
        state.used.add(a, Duration::from_millis(100), now);
        state.used.add(b, Duration::from_millis(200), now);
        let tickets = [b, a, c, b].map(|party| state.enter(party));
        for next in [2, 1, 0, 3] {
            assert!(state.is_next(tickets[next], now), "{next}: {state:?}");
            state.turn(now);
        }
    }

    #[test]
    fn the_turns_of_households_are_in_rounds() {
        let (mut state, now) = (TurnState::default(), Instant::now());
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(page);
        let [costly, streams] = [SearchKind::CostlyPage, SearchKind::Stream].map(|kind| Party { kind, ..a });
        let mut tickets: Vec<u64> = [a, a, a, b, streams, a, costly, b].map(|party| state.enter(party)).into();
        let order = [0, 3, 4, 6, 1, 7, 2, 5].map(|at| tickets[at]);
        for (at, next) in order.into_iter().enumerate() {
            assert!(state.is_next(next, now), "turn {at}: {state:?}");
            state.turn(now);
        }
        assert!(state.round.is_empty());
        tickets = [a, a, b].map(|party| state.enter(party)).into();
        state.leave(tickets[0]);
        assert!(state.is_next(tickets[1], now), "{state:?}");
        state.leave(tickets[1]);
        assert!(state.is_next(tickets[2], now), "{state:?}");
    }

    #[test]
    fn the_number_of_waiting_pages_is_bounded() {
        let mut state = TurnState::default();
        let pages = |state: &mut TurnState, party: Party| {
            let entered = std::iter::from_fn(|| (!state.is_full(party.household)).then(|| state.enter(party)));
            entered.count()
        };
        let [a, b, c] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(page);
        assert_eq!([a, b, c].map(|party| pages(&mut state, party)), [8, 8, 2]);
        assert_eq!([c, page("192.0.2.4")].map(|party| pages(&mut state, party)), [0, 1], "one has none yet");
        let proxy = Party { kind: SearchKind::CostlyPage, ..STREAM };
        assert_eq!(pages(&mut TurnState::default(), proxy), MAX_WAITING_PAGES);

        let turns = Turns::new(1, Arc::default());
        let Waited::Turn(_first) = turns.wait(a, true, || false) else { panic!("it is free") };
        *turns.state() = state;
        assert!(matches!(turns.wait(c, true, || false), Waited::Full));
        assert!(matches!(turns.wait(STREAM, true, || true), Waited::Over), "a stream waits");
        let costly = Party { kind: SearchKind::CostlyPage, ..page("192.0.2.5") };
        turns.state().new_costly = MAX_NEW_COSTLY_PAGES;
        assert!(matches!(turns.wait(costly, true, || true), Waited::Full), "one has none yet, but it is costly");
        assert!(matches!(turns.wait(costly, false, || true), Waited::Over), "it goes on");
        for party in [a, b, c, page("192.0.2.4")] {
            turns.state().used.add(party, Duration::from_secs(1), Instant::now());
        }
        assert!(matches!(turns.wait(costly, true, || true), Waited::Turn(_)), "it has used less than all who wait");
        assert_eq!(turns.state().new_costly, MAX_NEW_COSTLY_PAGES);
        turns.state().asking = 1;
    }
}
