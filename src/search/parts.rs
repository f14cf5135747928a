//! The parts of a text that match, as grep's -o prints them: of the matches that begin first the longest, where a regex of Rust's
//! would take the first alternative that does. Pure.

use std::ops::Range;

use regex::Regex;
use regex_automata::hybrid::dfa::{Cache, DFA, OverlappingState};
use regex_automata::{Anchored, Input, MatchKind};

use crate::search::pattern::{Pattern, lines};
use crate::search::query::Query;

#[derive(Debug)]
pub struct Parts {
    /// None: there are none
    regex: Option<Regex>,
    /// every end of a match that begins at a place
    ends: Option<(DFA, Cache)>,
    /// no word goes on beside it
    word: bool,
    word_character: Regex,
}

impl Parts {
    pub fn new(query: &Query) -> Result<Parts, String> {
        let regex = Pattern::new(query)?.first().cloned();
        let config = DFA::config().match_kind(MatchKind::All).unicode_word_boundary(true);
        // one that cannot be built (it would be too large) leaves the matches as the regex has them
        let ends = regex.as_ref().and_then(|regex| DFA::builder().configure(config).build(regex.as_str()).ok());
        let ends = ends.map(|dfa| {
            let cache = dfa.create_cache();
            (dfa, cache)
        });
        let word_character = Regex::new(r"^[\p{Alphabetic}\p{Nd}_]$").expect("a constant, and tested");
        Ok(Parts { regex, ends, word: query.word, word_character })
    }

    /// In order, none empty, none over the end of a line.
    pub fn of(&mut self, text: &str) -> Vec<Range<usize>> {
        let mut parts = Vec::new();
        for line in lines(text) {
            let from = line.as_ptr() as usize - text.as_ptr() as usize;
            let mut at = 0;
            while let Some(part) = self.next(line, at) {
                at = part.end;
                parts.push(from + part.start..from + part.end);
            }
        }
        parts
    }

    fn next(&mut self, line: &str, mut at: usize) -> Option<Range<usize>> {
        loop {
            let found = self.regex.as_ref()?.find_at(line, at)?.range();
            if !self.word || !self.is_word(line[..found.start].chars().next_back()) {
                let end = self.end(line, found.clone());
                if let Some(end) = end.filter(|end| *end > found.start) {
                    return Some(found.start..end);
                }
            }
            at = found.start + line[found.start..].chars().next()?.len_utf8();
        }
    }

    /// The last end of a match that begins there.
    fn end(&mut self, line: &str, found: Range<usize>) -> Option<usize> {
        let mut last = None;
        if let Some((dfa, cache)) = &mut self.ends {
            let input = Input::new(line).range(found.start..).anchored(Anchored::Yes);
            let mut state = OverlappingState::start();
            // it gives up at what it does not know: a `\b` beside a letter that is not ASCII
            while dfa.try_search_overlapping_fwd(cache, &input, &mut state).is_ok()
                && let Some(end) = state.get_match().map(|end| end.offset())
            {
                if !self.word
                    || !line[end..]
                        .chars()
                        .next()
                        .is_some_and(|c| self.word_character.is_match(c.encode_utf8(&mut [0; 4])))
                {
                    last = Some(end);
                }
            }
        }
        let as_found = !self.word || !self.is_word(line[found.end..].chars().next());
        last.or(as_found.then_some(found.end))
    }

    fn is_word(&self, c: Option<char>) -> bool {
        c.is_some_and(|c| self.word_character.is_match(c.encode_utf8(&mut [0; 4])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(search: &str, options: &str, text: &str, expect: &[&str]) {
        let query = Query::from_url(vec!["web".parse().expect("a name")], options).expect(options);
        let mut parts = Parts::new(&Query { search: search.to_owned(), ..query }).expect(search);
        let found: Vec<&str> = parts.of(text).into_iter().map(|part| &text[part]).collect();
        assert_eq!(found, expect, "{search} {options}");
    }

    #[test]
    fn of_the_matches_that_begin_first_it_is_the_longest() {
        check("foo|food", "mode=regex", "food foo", &["food", "foo"]);
        check("a", "", "aaAb\na", &["a", "a", "A", "a"]);
        check("x*", "mode=regex", "axxb x", &["xx", "x"]);
        check("^a|b$", "mode=regex", "aab\nab", &["a", "b", "a", "b"]);
        check("foo|foo bar", "mode=regex&word=1", "foo barx foo bar", &["foo", "foo bar"]);
        check("-", "word=1", "-- a-", &["-", "-"]);
        check("é", "word=1", "é éa ²é²", &["é", "é"]);
        check(r"\bé|\bét", "mode=regex", "été", &["é"]);
        check("a", "invert=1", "bab", &[]);
        check("", "", "bab", &[]);
    }
}
