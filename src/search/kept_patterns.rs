//! The compiled patterns of the searches that run. A page asks several questions with one pattern, as many clients may, and a
//! large regex takes a tenth of a second to compile.
//!
//! Invariant: a pattern is kept only as long as a search has it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::query::Query;
use crate::search::pattern::Pattern;

#[derive(Debug, Default)]
pub struct KeptPatterns(Mutex<Vec<(Query, Weak<Pattern>)>>);

impl KeptPatterns {
    /// # Errors
    /// As those of `Pattern::new`.
    pub fn of(&self, query: &Query) -> Result<Arc<Pattern>, String> {
        // all that a pattern is made of
        let Query { mode, case, word, invert, within, .. } = *query;
        let key = Query { search: query.search.clone(), mode, case, word, invert, within, ..Query::default() };
        // a panic of another thread leaves the list whole
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().iter().find(|(other, _)| *other == key).and_then(|(_, pattern)| pattern.upgrade());
        if let Some(pattern) = known {
            return Ok(pattern);
        }
        let pattern = Arc::new(Pattern::new(&key)?);
        let mut kept = kept();
        kept.retain(|(other, pattern)| pattern.strong_count() > 0 && *other != key);
        kept.push((key, Arc::downgrade(&pattern)));
        Ok(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_with_the_same_pattern_share_it_while_they_run() {
        let kept = KeptPatterns::default();
        let of =
            |url: &str| kept.of(&Query::from_url(vec!["web".parse().expect("a name")], url).expect(url)).expect(url);
        let first = of("search=a.c&mode=regex&host=x&start_ts=-1h");
        assert!(Arc::ptr_eq(&first, &of("search=a.c&mode=regex&limit=5")));
        for other in
            ["search=a.c", "search=a.c&mode=regex&case=1", "search=a.d&mode=regex", "search=a.c&mode=regex&in=all"]
        {
            assert!(!Arc::ptr_eq(&first, &of(other)), "{other}");
        }
        assert!(Arc::ptr_eq(&first, &of("search=a.c&mode=regex")));
        drop(first);
        of("search=x");
        assert_eq!(kept.0.lock().expect("it is whole").len(), 1, "what no search has is forgotten");
    }
}
