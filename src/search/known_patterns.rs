//! The texts of messages' patterns by their hashes, as far as alco has come across them. A text never changes, so it is kept.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::query::Query;
use crate::record::pattern::{MessagePattern, PatternHash, PatternTexts};

/// With more they are forgotten, and looked up again. A text has about 1 KiB at the most, and most have a tenth.
const MAX_KNOWN_PATTERNS: usize = 2000;

#[derive(Debug, Default)]
pub struct KnownPatterns(Mutex<PatternTexts>);

impl KnownPatterns {
    pub fn learn(&self, pattern: MessagePattern) {
        let mut known = self.known();
        if known.len() >= MAX_KNOWN_PATTERNS {
            known.clear();
        }
        known.insert(pattern.hash, pattern.text);
    }

    pub fn has(&self, pattern: PatternHash) -> bool {
        pattern == PatternHash::NONE || self.known().contains_key(&pattern)
    }

    /// Those of a search's filters.
    pub fn of_query(&self, query: &Query) -> PatternTexts {
        let known = self.known();
        let text =
            |pattern| if pattern == PatternHash::NONE { Some(String::new()) } else { known.get(&pattern).cloned() };
        query.patterns().filter_map(|pattern| Some((pattern, text(pattern)?))).collect()
    }

    fn known(&self) -> MutexGuard<'_, PatternTexts> {
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
        known.learn(paid.clone());
        assert!(known.has(paid.hash) && known.has(PatternHash::NONE));
        assert_eq!(known.of_query(&query).get(&paid.hash), Some(&paid.text));
        for n in 0..MAX_KNOWN_PATTERNS {
            let word: String = n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'g')).collect();
            known.learn(pattern::of(&word));
        }
        assert!(known.known().len() < MAX_KNOWN_PATTERNS && !known.has(paid.hash));
    }
}
