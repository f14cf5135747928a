//! What the index list reports, of each index or of all, kept for some seconds: readers who reload the list, and pages that do so by themselves,
//! share an answer.
//!
//! Invariant: an answer that `of` returns was found within the last seconds that it is kept for.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::time::Ts;

#[derive(Debug)]
pub struct KeptAnswers<K, T> {
    seconds: i64,
    /// by what they are about, with the time when each was found
    kept: Mutex<HashMap<K, (Ts, T)>>,
}

impl<K: Clone + Eq + Hash, T: Clone> KeptAnswers<K, T> {
    /// Answers are kept for that time.
    pub fn new(seconds: i64) -> KeptAnswers<K, T> {
        KeptAnswers { seconds, kept: Mutex::default() }
    }

    /// The answer that is kept, or the one that `find` finds now.
    pub fn of(&self, about: &K, now: Ts, find: impl FnOnce() -> Option<T>) -> Option<T> {
        if let Some((found, answer)) = self.kept().get(about)
            && (0..self.seconds).contains(&(now.seconds() - found.seconds()))
        {
            return Some(answer.clone());
        }
        // without the lock: the lists of others do not wait for searchd and Redis
        let answer = find()?;
        self.kept().insert(about.clone(), (now, answer.clone()));
        Some(answer)
    }

    /// The last answer that was found, and when, however long ago.
    pub fn last(&self, about: &K) -> Option<(Ts, T)> {
        self.kept().get(about).cloned()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<K, (Ts, T)>> {
        // a panic of another thread leaves whole answers
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::IndexName;

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
        let other: IndexName = "billing".parse().expect("a name");
        assert_eq!((answers.of(&other, at(11), || None), answers.last(&other)), (None, None));
    }
}
