//! Requests that wait for a thread. A client that does not read its answers, or whose pages take long, must not hold all threads.
//!
//! Invariant: the requests of one household are answered by at most its share of the threads, and those that may take long by at
//! most half of all threads and half of that share; and none of these waits beyond the patience. The household with the fewest threads
//! comes first, among equals the one whose requests took the least time of late, and then the request that came first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::net::household::Household;
use crate::net::recent_use::RecentUse;

/// The wait after which a client that does not read may lose its thread to another.
const MAX_WAIT_FOR_READERS: Duration = Duration::from_secs(1);
/// Between two that lose it, so that the first that is free is used.
const READERS_INTERVAL: Duration = Duration::from_millis(200);

pub struct RequestQueue<T> {
    state: Mutex<QueueState<T>>,
    changed: Condvar,
}

/// How many threads answer at a time.
#[derive(Clone, Copy, Debug)]
pub struct ThreadShares {
    pub all: usize,
    pub of_household: usize,
    /// the wait after which a request that may take long is refused
    pub patience: Duration,
}

/// A request, as far as it decides when it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    pub household: Household,
    pub may_take_long: bool,
}

struct QueueState<T> {
    shares: ThreadShares,
    waiting: VecDeque<Waiting<T>>,
    answered: HashMap<Asked, usize>,
    used: RecentUse<Household>,
    is_closed: bool,
    /// when a client that does not read had to give its thread back last
    reclaimed: Option<Instant>,
}

struct Waiting<T> {
    asked: Asked,
    since: Instant,
    request: T,
}

/// What a thread has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Work<T> {
    Answer(T),
    /// it may take long, and has waited for as long as it may
    Refuse(T),
}

/// A request that a thread answers, until this is dropped.
pub struct Taken<'a, T> {
    queue: &'a RequestQueue<T>,
    asked: Asked,
    begun: Instant,
}

impl<T> QueueState<T> {
    /// The next request that may be answered, or is to be refused.
    fn next(&mut self, now: Instant) -> Option<(Asked, Work<T>)> {
        let late = self.waiting.iter().position(|waiting| self.is_late(waiting, now));
        let may_go = self.waiting.iter().enumerate().filter(|(_, waiting)| self.has_share(waiting.asked));
        let least = || {
            may_go.min_by_key(|(at, Waiting { asked: Asked { household, .. }, .. })| {
                (self.threads_of(*household), self.used.of(*household, now), *at)
            })
        };
        let at = late.or_else(|| least().map(|(at, _)| at))?;
        let Waiting { asked, request, .. } = self.waiting.remove(at)?;
        // to refuse takes no time
        let asked = Asked { may_take_long: asked.may_take_long && late.is_none(), ..asked };
        *self.answered.entry(asked).or_default() += 1;
        Some((asked, if late.is_some() { Work::Refuse(request) } else { Work::Answer(request) }))
    }

    fn has_share(&self, asked: Asked) -> bool {
        let ThreadShares { all, of_household: share, .. } = self.shares;
        let has_thread = self.threads_of(asked.household) < share;
        let own_long = || self.threads(|other| other == Asked { may_take_long: true, ..asked });
        // many clients are behind a trusted proxy
        let has_long = || asked.household == Household::Local || own_long() < share / 2;
        has_thread && (!asked.may_take_long || self.threads(|other| other.may_take_long) < all / 2 && has_long())
    }

    /// The threads that count as a household's.
    fn threads_of(&self, household: Household) -> usize {
        match household {
            Household::Local => 0,
            Household::Ip(_) => self.threads(|other| other.household == household),
        }
    }

    fn threads(&self, counts: impl Fn(Asked) -> bool) -> usize {
        self.answered.iter().filter(|(asked, _)| counts(**asked)).map(|(_, threads)| threads).sum()
    }

    fn is_late(&self, waiting: &Waiting<T>, now: Instant) -> bool {
        waiting.asked.may_take_long && now.saturating_duration_since(waiting.since) >= self.shares.patience
    }

    /// True if a request waits that may have a thread, for longer than for readers who do not read.
    fn starves(&self, now: Instant) -> bool {
        let is_late = |waiting: &Waiting<T>| now.saturating_duration_since(waiting.since) >= MAX_WAIT_FOR_READERS;
        let has_room = |waiting: &Waiting<T>| self.threads_of(waiting.asked.household) < self.shares.of_household;
        self.waiting.iter().any(|waiting| is_late(waiting) && has_room(waiting))
    }

    /// The time until a request that waits has to be refused.
    fn left(&self, now: Instant) -> Option<Duration> {
        let oldest = self.waiting.iter().find(|waiting| waiting.asked.may_take_long)?;
        Some((oldest.since + self.shares.patience).saturating_duration_since(now))
    }
}

impl<T> RequestQueue<T> {
    pub fn new(shares: ThreadShares) -> RequestQueue<T> {
        let state = QueueState {
            shares,
            waiting: VecDeque::new(),
            answered: HashMap::new(),
            used: RecentUse::default(),
            is_closed: false,
            reclaimed: None,
        };
        RequestQueue { state: Mutex::new(state), changed: Condvar::new() }
    }

    pub fn put(&self, asked: Asked, request: T) {
        self.state().waiting.push_back(Waiting { asked, since: Instant::now(), request });
        self.changed.notify_one();
    }

    /// Waits for work; None after `close`.
    pub fn take(&self) -> Option<(Work<T>, Taken<'_, T>)> {
        let mut state = self.state();
        loop {
            if state.is_closed {
                return None;
            }
            let now = Instant::now();
            if let Some((asked, work)) = state.next(now) {
                // another thread looks after those that wait
                self.changed.notify_one();
                return Some((work, Taken { queue: self, asked, begun: now }));
            }
            // a panic of another thread leaves the lists whole
            state = match state.left(now) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// True if a client that holds a thread and does not read has to give it back: others wait for one.
    pub fn reclaims(&self, now: Instant) -> bool {
        let mut state = self.state();
        let is_due = state.reclaimed.is_none_or(|last| now.saturating_duration_since(last) >= READERS_INTERVAL);
        let reclaims = is_due && state.starves(now);
        if reclaims {
            state.reclaimed = Some(now);
        }
        reclaims
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
        let (mut state, now) = (self.queue.state(), Instant::now());
        state.used.add(self.asked.household, now.saturating_duration_since(self.begun), now);
        if let Some(threads) = state.answered.get_mut(&self.asked) {
            *threads -= 1;
            if *threads == 0 {
                state.answered.remove(&self.asked);
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

    const PATIENCE: Duration = Duration::from_secs(2);

    /// Of four threads, a household has all, and so two for what may take long.
    fn shares() -> ThreadShares {
        ThreadShares { all: 4, of_household: 4, patience: PATIENCE }
    }

    fn usual(household: Household) -> Asked {
        Asked { household, may_take_long: false }
    }

    fn long(household: Household) -> Asked {
        Asked { household, may_take_long: true }
    }

    #[test]
    fn a_household_has_no_more_than_its_share() {
        let queue = RequestQueue::new(ThreadShares { of_household: 2, ..shares() });
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(Household::of);
        for (household, name) in [(a, "a1"), (a, "a2"), (a, "a3"), (b, "b1"), (a, "a4")] {
            queue.put(usual(household), name);
        }
        let take = || queue.take().expect("it is open");
        let (first, held) = take();
        let (second, _other) = take();
        let (third, _held) = take();
        assert_eq!([first, second, third], ["a1", "b1", "a2"].map(Work::Answer));
        drop(held);
        let (fourth, _held) = take();
        assert_eq!(fourth, Work::Answer("a3"));
        queue.put(usual(Household::Local), "proxy");
        assert_eq!(take().0, Work::Answer("proxy"));
        queue.close();
        assert!(queue.take().is_none(), "one waits, and its share is taken");
    }

    /// The names that come out of a queue with four threads, one after the other, at the time when all came.
    #[track_caller]
    fn check(waiting: &[(Asked, &'static str)], shares: ThreadShares, expected: &[&str]) {
        let queue = RequestQueue::new(shares);
        waiting.iter().for_each(|(asked, name)| queue.put(*asked, *name));
        let now = queue.state().waiting[0].since;
        let taken: Vec<&str> = std::iter::from_fn(|| queue.state().next(now))
            .map(|(_, work)| match work {
                Work::Answer(name) | Work::Refuse(name) => name,
            })
            .collect();
        assert_eq!(taken, expected);
    }

    #[test]
    fn what_may_take_long_leaves_half_of_the_threads() {
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(Household::of);
        let burst =
            [(long(a), "a1"), (long(a), "a2"), (long(a), "a3"), (usual(a), "a4"), (long(b), "b1"), (usual(b), "b2")];
        check(&burst, shares(), &["a1", "b1", "a4", "b2"]);
        check(&burst, ThreadShares { all: 8, ..shares() }, &["a1", "b1", "a2", "b2", "a4"]);
        check(&burst, ThreadShares { all: 8, of_household: 2, ..shares() }, &["a1", "b1", "a4", "b2"]);
        let proxy = Household::Local;
        let burst =
            [(long(proxy), "1"), (long(proxy), "2"), (long(proxy), "3"), (usual(proxy), "4"), (usual(proxy), "5")];
        check(&burst, ThreadShares { of_household: 2, ..shares() }, &["1", "2", "4", "5"]);
    }

    #[test]
    fn who_has_used_less_comes_first() {
        let queue = RequestQueue::new(shares());
        let [a, b, c] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(Household::of);
        for (household, name) in [(a, "a1"), (a, "a2"), (b, "b"), (c, "c")] {
            queue.put(usual(household), name);
        }
        let mut state = queue.state();
        let now = state.waiting[0].since;
        state.used.add(a, Duration::from_millis(200), now);
        state.used.add(b, Duration::from_millis(100), now);
        let order = [(); 4].map(|()| state.next(now).map(|(_, work)| work));
        assert_eq!(order, ["c", "b", "a1", "a2"].map(|name| Some(Work::Answer(name))));
    }

    #[test]
    fn those_who_do_not_read_give_their_threads_to_those_who_wait() {
        let queue = RequestQueue::new(ThreadShares { of_household: 2, ..shares() });
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(Household::of);
        for name in ["1", "2", "3"] {
            queue.put(usual(a), name);
        }
        let held: Vec<_> = (0..2).map(|_| queue.take().expect("it is open")).collect();
        let late = Instant::now() + MAX_WAIT_FOR_READERS;
        assert!(!queue.reclaims(late), "the address of the one that waits has its share");
        queue.put(usual(b), "4");
        assert!(!queue.reclaims(Instant::now()), "it has just come");
        let late = Instant::now() + MAX_WAIT_FOR_READERS;
        assert!(queue.reclaims(late));
        assert!(!queue.reclaims(late), "one at a time");
        assert!(queue.reclaims(late + READERS_INTERVAL));
        drop(held);
    }

    #[test]
    fn what_may_take_long_is_refused_rather_than_late() {
        let queue = RequestQueue::new(ThreadShares { of_household: 5, ..shares() });
        let a = Household::of("192.0.2.1");
        for name in ["1", "2", "3", "4"] {
            queue.put(long(a), name);
        }
        queue.put(usual(a), "5");
        let mut state = queue.state();
        let (first, last) = (state.waiting[0].since, state.waiting[4].since);
        let mut next = |now| state.next(now).map(|(_, work)| work);
        assert_eq!([next(first), next(first)], ["1", "2"].map(|name| Some(Work::Answer(name))));
        let late = last + PATIENCE;
        assert_eq!([next(late), next(late)], ["3", "4"].map(|name| Some(Work::Refuse(name))));
        assert_eq!(
            [next(late), next(late)],
            [Some(Work::Answer("5")), None],
            "one that takes no time waits for as long as it takes"
        );
        drop(state);
        queue.put(long(a), "6");
        let state = queue.state();
        let since = state.waiting[0].since;
        assert_eq!(state.left(since + PATIENCE / 2), Some(PATIENCE / 2));
        assert_eq!(state.left(since + 2 * PATIENCE), Some(Duration::ZERO));
    }
}
