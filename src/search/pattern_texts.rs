//! The texts of the patterns that a search's filters name by their hashes, for its page. A hash shows nothing of its text, so the text
//! comes from the message of any record that has the pattern.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::query::condition::PATTERN;
use crate::query::{Condition, Filter, Order, Query};
use crate::record::pattern::{self, PatternHash, PatternTexts};
use crate::search::Searcher;
use crate::search::hit::Line;
use crate::search::scope::Scope;
use crate::time::{Ts, When};

/// A page waits at most about this long for the texts of its patterns, and shows the hashes of those that it does not have.
const LOOKUP_TIME: Duration = Duration::from_millis(200);

impl Searcher {
    /// Those for which there is a record in the search's indexes.
    pub fn pattern_texts(&self, query: &Query, scope: &Scope) -> PatternTexts {
        let scope = scope.at_most(LOOKUP_TIME);
        for pattern in query.patterns() {
            if !self.known_patterns.has(pattern, query) && !scope.is_over() {
                self.look_up(pattern, query, &scope);
            }
        }
        self.known_patterns.of_query(query)
    }

    /// Looks in the range of the search, then everywhere.
    fn look_up(&self, pattern: PatternHash, query: &Query, scope: &Scope) {
        let is = Condition::HasPattern(vec![pattern]);
        let anywhere = (Some(When::At(Ts::MIN)), None);
        for (start, end) in [(query.start.clone(), query.end.clone()), anywhere] {
            let one = Query {
                start,
                end,
                tz: query.tz.clone(),
                filters: vec![Filter { column: PATTERN.to_owned(), is: is.clone(), off: false }],
                order: Some(Order::NewestFirst),
                limit: Some(NonZeroUsize::MIN),
                ..Query::new(query.indexes.clone())
            };
            // if searchd is away, the search says so
            let lines = self.page(&one, scope).map(|page| page.lines).unwrap_or_default();
            if let Some(Line::Match(hit)) = lines.first() {
                return self.known_patterns.learn(pattern::of(&hit.record.message), std::slice::from_ref(&hit.index));
            }
        }
    }
}
