//! What the index list reports of new patterns, kept for some seconds: to find it, Redis sends all patterns that it remembers of an
//! index, up to 4 MB.
//!
//! Invariant: an answer that is returned was found within the last `KEPT_SECONDS`. While Redis is away, nothing is kept.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::config::IndexName;
use crate::http::pages::index_list::NewPatterns;
use crate::time::Ts;

/// Readers who reload the list, and pages that do so by themselves, share an answer; a new pattern shows soon enough for a person.
const KEPT_SECONDS: i64 = 10;

#[derive(Debug, Default)]
pub struct ListNews(Mutex<HashMap<IndexName, (Ts, NewPatterns)>>);

impl ListNews {
    /// The answer that is kept of an index, or the one that `find` finds now.
    pub fn of(&self, index: &IndexName, now: Ts, find: impl FnOnce() -> Option<NewPatterns>) -> Option<NewPatterns> {
        // a panic of another thread leaves whole answers
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((found, news)) = kept().get(index)
            && (0..KEPT_SECONDS).contains(&(now.seconds() - found.seconds()))
        {
            return Some(news.clone());
        }
        // without the lock: the lists of others do not wait for Redis
        let news = find();
        match &news {
            Some(news) => drop(kept().insert(index.clone(), (now, news.clone()))),
            None => drop(kept().remove(index)),
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_for_some_seconds() {
        let (news, web): (_, IndexName) = (ListNews::default(), "web".parse().expect("a name"));
        let at = |second: i64| Ts::from_micros((1_795_341_600 + second) * 1_000_000);
        let found = |second, number: Option<usize>| match news
            .of(&web, at(second), || number.map(|number| NewPatterns::Count(number, vec![])))
        {
            Some(NewPatterns::Count(number, _)) => Some(number),
            _ => None,
        };
        for (second, there, expected) in [
            (0, Some(1), Some(1)),
            (KEPT_SECONDS - 1, Some(2), Some(1)),
            (KEPT_SECONDS, Some(2), Some(2)),
            (KEPT_SECONDS + 1, Some(3), Some(2)),
            // a clock that was set back
            (0, Some(4), Some(4)),
            // Redis is away, and back
            (KEPT_SECONDS, None, None),
            (KEPT_SECONDS + 1, Some(5), Some(5)),
        ] {
            assert_eq!(found(second, there), expected, "{second}");
        }
        let other: IndexName = "billing".parse().expect("a name");
        assert!(news.of(&other, at(KEPT_SECONDS + 1), || None).is_none());
    }
}
