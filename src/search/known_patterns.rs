//! The texts of messages' patterns by their hashes, as far as alco has come across them. A text never changes, so it is kept.
//!
//! Invariant: a search gets a text only if it searches all indexes of some search that found it: a user who may not see these learns
//! nothing by a hash.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::IndexName;
use crate::query::Query;
use crate::record::pattern::{MessagePattern, PatternHash, PatternTexts};

/// With more they are forgotten, and looked up again. A text has about 1 KiB at the most, and most have a tenth.
const MAX_KNOWN_PATTERNS: usize = 2000;

#[derive(Debug, Default)]
pub struct KnownPatterns(Mutex<HashMap<PatternHash, KnownText>>);

#[derive(Debug)]
struct KnownText {
    text: String,
    /// those of the last search that found it
    indexes: Vec<IndexName>,
}

impl KnownText {
    fn is_for(&self, query: &Query) -> bool {
        self.indexes.iter().all(|index| query.indexes.contains(index))
    }
}

impl KnownPatterns {
    /// `indexes`: those in one of which the pattern was found.
    pub fn learn(&self, pattern: MessagePattern, indexes: &[IndexName]) {
        let mut known = self.known();
        if known.len() >= MAX_KNOWN_PATTERNS {
            known.clear();
        }
        // the fewer indexes, the more searches may have it
        if known.get(&pattern.hash).is_none_or(|text| text.indexes.len() >= indexes.len()) {
            known.insert(pattern.hash, KnownText { text: pattern.text, indexes: indexes.to_vec() });
        }
    }

    pub fn has(&self, pattern: PatternHash, query: &Query) -> bool {
        pattern == PatternHash::NONE || self.known().get(&pattern).is_some_and(|text| text.is_for(query))
    }

    /// Those of a search's filters.
    pub fn of_query(&self, query: &Query) -> PatternTexts {
        let known = self.known();
        let text = |pattern| match pattern {
            PatternHash::NONE => Some(String::new()),
            pattern => known.get(&pattern).filter(|text| text.is_for(query)).map(|known| known.text.clone()),
        };
        query.patterns().filter_map(|pattern| Some((pattern, text(pattern)?))).collect()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<PatternHash, KnownText>> {
        // a panic of another thread leaves each text whole
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::pattern;

    #[test]
    fn a_text_is_kept_and_their_number_is_bounded() {
        let known = KnownPatterns::default();
        let paid = pattern::of("order 7 paid");
        let url = format!("pattern={}&pattern__not={}", paid.hash, PatternHash::NONE);
        let query = Query::from_url(vec!["web".parse().expect("a name")], &url).expect("a query");
        assert_eq!(known.of_query(&query), PatternTexts::from([(PatternHash::NONE, String::new())]));
        known.learn(paid.clone(), &query.indexes);
        assert!(known.has(paid.hash, &query) && known.has(PatternHash::NONE, &query));
        assert_eq!(known.of_query(&query).get(&paid.hash), Some(&paid.text));
        for n in 0..MAX_KNOWN_PATTERNS {
            let word: String = n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'g')).collect();
            known.learn(pattern::of(&word), &query.indexes);
        }
        assert!(known.known().len() < MAX_KNOWN_PATTERNS && !known.has(paid.hash, &query));
    }

    #[test]
    fn a_text_is_for_searches_of_the_indexes_it_came_from() {
        let (known, paid) = (KnownPatterns::default(), pattern::of("order 7 paid"));
        let names = |list: &[&str]| list.iter().map(|name| name.parse().expect("a name")).collect::<Vec<IndexName>>();
        let query = |list: &[&str]| Query::from_url(names(list), &format!("pattern={}", paid.hash)).expect("a query");
        for (found_in, for_web, for_billing, for_both) in [
            (&["web", "billing"][..], false, false, true),
            (&["billing"], false, true, true),
            // it stays known by the fewest
            (&["web", "billing"], false, true, true),
            (&["web"], true, false, true),
        ] {
            known.learn(paid.clone(), &names(found_in));
            let has = [&["web"][..], &["billing"], &["web", "billing"]]
                .map(|list| (known.has(paid.hash, &query(list)), known.of_query(&query(list)).len() == 1));
            assert_eq!(has, [for_web, for_billing, for_both].map(|has| (has, has)), "{found_in:?}");
        }
    }
}
