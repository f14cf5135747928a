//! What the index list reports, of each index or of all, kept for some seconds: readers who reload the list, and pages that do so by themselves,
//! share an answer.
//!
//! Invariant: an answer that `of` returns was found within the last seconds that it is kept for; the one before it, for a while, if the
//! next is being found. At a time, one reader finds an answer.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::time::Ts;

/// While the next answer is found, the last one serves for this multiple of the time that it is kept for.
const MAX_AGE_TIMES: i64 = 6;

#[derive(Debug)]
pub struct KeptAnswers<K, T> {
    seconds: i64,
    known: Mutex<Known<K, T>>,
    /// one was found, or could not be
    ended: Condvar,
}

#[derive(Debug)]
struct Known<K, T> {
    /// by what they are about, with the time when each was found
    kept: HashMap<K, (Ts, T)>,
    /// what is being found
    finding: HashSet<K>,
}

impl<K: Eq + Hash, T: Clone> Known<K, T> {
    fn since(&self, about: &K, now: Ts, seconds: i64) -> Option<T> {
        let (found, answer) = self.kept.get(about)?;
        (0..seconds).contains(&(now.seconds() - found.seconds())).then(|| answer.clone())
    }
}

impl<K: Clone + Eq + Hash, T: Clone> KeptAnswers<K, T> {
    /// Answers are kept for that time.
    pub fn new(seconds: i64) -> KeptAnswers<K, T> {
        let known = Known { kept: HashMap::new(), finding: HashSet::new() };
        KeptAnswers { seconds, known: Mutex::new(known), ended: Condvar::new() }
    }

    /// The answer that is kept, or the one that `find` finds now.
    pub fn of(&self, about: &K, now: Ts, find: impl FnOnce() -> Option<T>) -> Option<T> {
        let mut known = self.known();
        while known.finding.contains(about) {
            if let Some(answer) = known.since(about, now, self.seconds * MAX_AGE_TIMES) {
                return Some(answer);
            }
            known = self.ended.wait(known).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(answer) = known.since(about, now, self.seconds) {
            return Some(answer);
        }
        known.finding.insert(about.clone());
        // without the lock: the lists of others do not wait for searchd and Redis
        drop(known);
        let _finding = BeingFound { answers: self, about };
        let answer = find()?;
        self.known().kept.insert(about.clone(), (now, answer.clone()));
        Some(answer)
    }

    /// The last answer that was found, and when, however long ago.
    pub fn last(&self, about: &K) -> Option<(Ts, T)> {
        self.known().kept.get(about).cloned()
    }

    fn known(&self) -> MutexGuard<'_, Known<K, T>> {
        // a panic of another thread leaves whole answers
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer is being found, until this is dropped.
struct BeingFound<'a, K: Clone + Eq + Hash, T: Clone> {
    answers: &'a KeptAnswers<K, T>,
    about: &'a K,
}

impl<K: Clone + Eq + Hash, T: Clone> Drop for BeingFound<'_, K, T> {
    fn drop(&mut self) {
        self.answers.known().finding.remove(self.about);
        self.answers.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::IndexName;

    #[test]
    fn one_reader_finds_the_first_answer_and_others_wait_for_it() {
        let (answers, now) = (KeptAnswers::new(10), Ts::from_micros(1_795_341_600_000_000));
        let barrier = std::sync::Barrier::new(4);
        let found = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    barrier.wait();
                    let answer =
                        answers.of(&"web", now, || Some(found.fetch_add(1, std::sync::atomic::Ordering::SeqCst)));
                    assert_eq!(answer, Some(0));
                });
            }
        });
    }

    #[test]
    fn an_answer_is_kept_for_some_seconds() {
        let (answers, web): (_, IndexName) = (KeptAnswers::new(10), "web".parse().expect("a name"));
        let at = |second: i64| Ts::from_micros((1_795_341_600 + second) * 1_000_000);
        for (second, there, expected) in [
            (0, Some(1), Some(1)),
            (9, Some(2), Some(1)),
            (10, Some(2), Some(2)),
            (11, Some(3), Some(2)),
            // a clock that was set back
            (0, Some(4), Some(4)),
            // searchd is away, and back
            (10, None, None),
            (11, Some(5), Some(5)),
        ] {
            assert_eq!(answers.of(&web, at(second), || there), expected, "{second}");
        }
        assert_eq!(answers.of(&web, at(21), || None), None);
        assert_eq!(answers.last(&web), Some((at(11), 5)));
        // while one is found, the last one serves for a minute
        let found = answers.of(&web, at(69), || {
            assert_eq!(answers.of(&web, at(70), || unreachable!("it is being found")), Some(5));
            Some(6)
        });
        assert_eq!(found, Some(6));
        let other: IndexName = "billing".parse().expect("a name");
        assert_eq!((answers.of(&other, at(11), || None), answers.last(&other)), (None, None));
    }
}
