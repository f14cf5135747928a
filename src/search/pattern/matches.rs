//! The parts of a text that match, as `grep -o` prints them: of the matches that begin first, the longest. (Rust's regex takes the
//! first alternative that matches.) With -w, only matches that no word's character touches. Pure.

use std::ops::Range;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use regex::Regex;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Hir, Look};

/// `grep -w`: no letter, digit or underscore next to the match; one such match in a line is enough. A regex's own `\b` differs: it
/// takes an accent that is a character of its own for a part of the word.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub left: bool,
    pub right: bool,
}

impl Bounds {
    pub fn any(self) -> bool {
        self.left || self.right
    }

    /// The same for the index, whose words have no other characters than those of grep's.
    pub fn closed(self, hir: Hir) -> Hir {
        let look = |yes: bool, look| if yes { Hir::look(look) } else { Hir::empty() };
        Hir::concat(vec![look(self.left, Look::WordStartHalfUnicode), hir, look(self.right, Look::WordEndHalfUnicode)])
    }

    /// The same as a regex, which finds whether a line has such a match, not its place.
    pub fn regex(self, inner: &str) -> String {
        let (left, right) = (r"(?:(?m:^)|[^\p{Alphabetic}\p{Nd}_])", r"(?:(?m:$)|[^\p{Alphabetic}\p{Nd}_])");
        format!("{}(?:{inner}){}", if self.left { left } else { "" }, if self.right { right } else { "" })
    }

    fn is_free_before(self, line: &str, start: usize) -> bool {
        !self.left || !line[..start].chars().next_back().is_some_and(is_of_a_word)
    }

    fn is_free_after(self, line: &str, end: usize) -> bool {
        !self.right || !line[end..].chars().next().is_some_and(is_of_a_word)
    }
}

fn is_of_a_word(c: char) -> bool {
    static OTHERS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[\p{Alphabetic}\p{Nd}]$").expect("a constant, and tested"));
    match c.is_ascii() {
        true => c.is_ascii_alphanumeric() || c == '_',
        false => OTHERS.is_match(c.encode_utf8(&mut [0; 4])),
    }
}

/// In a longer line than this, a regex is followed byte by byte, so that a search can end meanwhile. A regex of the largest size
/// takes at most about 15 us for a byte.
const LONG_LINE_BYTES: usize = 16 << 10;
/// Between two looks whether the search ends: at most a few milliseconds.
const BYTES_PER_LOOK: usize = 256;
/// States of a regex, times bytes of a line: above it, the parts of the line are not looked for, which may take seconds.
const MAX_PARTS_WORK: usize = 1 << 31;

/// Asked within the check of a long line: true ends it.
pub type StopCheck<'a> = &'a dyn Fn() -> bool;

type Finder = (DFA, Mutex<Cache>);

#[derive(Debug)]
pub struct MatchFinder {
    regex: Regex,
    bounds: Bounds,
    ends: Ends,
}

/// The ends of a match that begins at some place.
#[derive(Debug)]
enum Ends {
    /// the regex has only one
    One,
    Several {
        /// `Bounds::regex`, where there are bounds
        bounded: Option<Regex>,
        /// follow `regex` and `bounded` through long lines; built for the first. None: the regex cannot be followed
        steps: [OnceLock<Option<Box<Finder>>>; 2],
        /// finds them; built when a part is first asked for. None: it would be too large, and the parts are those of the regex
        all: OnceLock<Option<Box<Finder>>>,
    },
}

impl MatchFinder {
    /// Of a regex whose matches have but one end each.
    pub fn of_literal(regex: Regex, bounds: Bounds) -> MatchFinder {
        MatchFinder { regex, bounds, ends: Ends::One }
    }

    /// `bounded` is `Bounds::regex`, where there are bounds.
    pub fn of_regex(regex: Regex, bounds: Bounds, bounded: Option<Regex>) -> MatchFinder {
        MatchFinder { regex, bounds, ends: Ends::Several { bounded, steps: Default::default(), all: OnceLock::new() } }
    }

    /// True if a line has a match; an empty one counts. None: `stop` ended the check.
    pub fn are_in(&self, line: &str, stop: StopCheck) -> Option<bool> {
        match &self.ends {
            // the plain regex is quicker, and rejects most lines
            Ends::Several { bounded, steps: [first, second], .. } => {
                match (is_match(&self.regex, first, line, stop)?, bounded) {
                    (true, Some(bounded)) => is_match(bounded, second, line, stop),
                    (found, _) => Some(found),
                }
            }
            Ends::One => Some(self.has_literal(line)),
        }
    }

    /// True for a regex of the user's, which may take long.
    pub fn may_take_long(&self) -> bool {
        matches!(self.ends, Ends::Several { .. })
    }

    fn has_literal(&self, line: &str) -> bool {
        match &self.ends {
            Ends::Several { .. } => self.regex.is_match(line),
            Ends::One if !self.bounds.any() => self.regex.is_match(line),
            Ends::One => {
                let mut at = 0;
                while let Some(found) = self.regex.find_at(line, at) {
                    if self.bounds.is_free_before(line, found.start()) && self.bounds.is_free_after(line, found.end()) {
                        return true;
                    }
                    let Some(first) = line[found.start()..].chars().next() else { break };
                    at = found.start() + first.len_utf8();
                }
                false
            }
        }
    }

    /// The matches of a line in their order, none empty. The search ends after `fuel` bytes, and takes those that it reads from
    /// `fuel`. A line of n bytes may need n².
    pub fn of<'a>(&'a self, line: &'a str, fuel: &'a mut usize) -> impl Iterator<Item = Range<usize>> + 'a {
        let mut at = 0;
        if self.parts_take_long(line) {
            *fuel = 0;
        }
        std::iter::from_fn(move || {
            let part = self.next(line, at, fuel)?;
            at = part.end;
            Some(part)
        })
    }

    fn parts_take_long(&self, line: &str) -> bool {
        let Ends::Several { steps: [steps, _], .. } = &self.ends else { return false };
        if line.len() <= LONG_LINE_BYTES {
            return false;
        }
        let states =
            steps.get_or_init(|| followed(&self.regex)).as_deref().map(|(dfa, _)| dfa.get_nfa().states().len());
        line.len().saturating_mul(states.unwrap_or(usize::MAX)) > MAX_PARTS_WORK
    }

    fn next(&self, line: &str, mut at: usize, fuel: &mut usize) -> Option<Range<usize>> {
        loop {
            if *fuel == 0 {
                return None;
            }
            let found = self.regex.find_at(line, at).map(|found| found.range());
            let read = found.as_ref().map_or(line.len(), |found| found.end) - at;
            *fuel = fuel.saturating_sub(read.max(1));
            let found = found?;
            if self.bounds.is_free_before(line, found.start) {
                let end = self.end(line, found.clone(), fuel);
                if let Some(end) = end.filter(|end| *end > found.start) {
                    return Some(found.start..end);
                }
            }
            at = found.start + line[found.start..].chars().next()?.len_utf8();
        }
    }

    /// The last end of a match that begins at `found`, as far as the fuel goes.
    fn end(&self, line: &str, found: Range<usize>, fuel: &mut usize) -> Option<usize> {
        let mut last = None;
        if let Ends::Several { all, .. } = &self.ends
            && let Some((dfa, cache)) = all.get_or_init(|| self.all_ends()).as_deref()
        {
            // a panic leaves the cache whole
            let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
            let input = Input::new(line).range(found.start..).anchored(Anchored::Yes);
            let mut state = dfa.start_state_forward(&mut cache, &input).ok();
            // a state reports a match that ended before its byte; after the last byte comes the end of the line
            for at in found.start..=line.len() {
                *fuel = fuel.saturating_sub(1);
                // it gives up at a `\b` next to a letter that is not ASCII
                state = state.and_then(|state| match line.as_bytes().get(at) {
                    Some(byte) => dfa.next_state(&mut cache, state, *byte).ok(),
                    None => dfa.next_eoi_state(&mut cache, state).ok(),
                });
                let Some(state) = state.filter(|state| *fuel > 0 && !state.is_dead() && !state.is_quit()) else {
                    break;
                };
                if state.is_match() && self.bounds.is_free_after(line, at) {
                    last = Some(at);
                }
            }
        }
        last.or(self.bounds.is_free_after(line, found.end).then_some(found.end))
    }

    /// Finds every end of a match that begins at a place.
    fn all_ends(&self) -> Option<Box<Finder>> {
        let config = DFA::config().match_kind(MatchKind::All).unicode_word_boundary(true);
        let dfa = DFA::builder().configure(config).build(self.regex.as_str()).ok()?;
        let cache = Mutex::new(dfa.create_cache());
        Some(Box::new((dfa, cache)))
    }
}

/// `steps`: for long lines.
fn is_match(regex: &Regex, steps: &OnceLock<Option<Box<Finder>>>, line: &str, stop: StopCheck) -> Option<bool> {
    if line.len() <= LONG_LINE_BYTES {
        return Some(regex.is_match(line));
    }
    let Some((dfa, cache)) = steps.get_or_init(|| followed(regex)).as_deref() else {
        return Some(regex.is_match(line));
    };
    // a panic leaves the cache whole
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    // it gives up at a `\b` next to a letter that is not ASCII
    let Ok(mut state) = dfa.start_state_forward(&mut cache, &Input::new(line)) else {
        return Some(regex.is_match(line));
    };
    for bytes in line.as_bytes().chunks(BYTES_PER_LOOK) {
        for byte in bytes {
            match dfa.next_state(&mut cache, state, *byte) {
                Ok(next) if next.is_match() => return Some(true),
                Ok(next) if next.is_dead() => return Some(false),
                Ok(next) if !next.is_quit() => state = next,
                _ => return Some(regex.is_match(line)),
            }
        }
        if stop() {
            return None;
        }
    }
    Some(dfa.next_eoi_state(&mut cache, state).map_or_else(|_| regex.is_match(line), |end| end.is_match()))
}

fn followed(regex: &Regex) -> Option<Box<Finder>> {
    let dfa = DFA::builder().configure(DFA::config().unicode_word_boundary(true)).build(regex.as_str()).ok()?;
    let cache = Mutex::new(dfa.create_cache());
    Some(Box::new((dfa, cache)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::{Mode, Query};
    use crate::search::pattern::Pattern;

    fn query(search: &str, options: &str) -> Query {
        let query = Query::from_url(vec!["web".parse().expect("a name")], options).expect(options);
        Query { search: search.to_owned(), ..query }
    }

    #[track_caller]
    fn check(search: &str, options: &str, text: &str, expect: &[&str]) {
        let pattern = Pattern::new(&query(search, options)).expect(search);
        let found: Vec<&str> = pattern.parts(text).into_iter().map(|part| &text[part]).collect();
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
        check("foo\nfood", "word=1", "food foods foo", &["food", "foo"]);
        check("a", "invert=1", "bab", &[]);
        check("", "", "bab", &[]);
    }

    #[test]
    fn marks_of_a_text_of_any_length_are_found_in_bounded_time() {
        let long = "ab ".repeat(1 << 20);
        for (search, options) in
            [("x|.*y", "mode=regex&word=1"), ("b|b.*y", "mode=regex"), (".*a", "mode=regex&word=1")]
        {
            let pattern = Pattern::new(&query(search, options)).expect(search);
            // n² bytes would take hours
            assert!(pattern.marks(&long).iter().all(|mark| mark.end <= long.len()), "{search}");
        }
    }

    /// The parts that `grep -o` prints of a line, found at one place after the other.
    fn plainly(regex: &str, word: bool, line: &str) -> (Vec<std::ops::Range<usize>>, bool) {
        let whole = regex::Regex::new(&format!(r"(?i)\A(?:{regex})\z")).expect(regex);
        let is_word = |c: Option<char>| word && c.is_some_and(|c| c == '_' || c.is_alphanumeric());
        let places: Vec<usize> = line.char_indices().map(|(at, _)| at).chain([line.len()]).collect();
        let (mut parts, mut any, mut at) = (Vec::new(), false, 0);
        for &start in &places {
            let mut ends = places.iter().copied().filter(|end| {
                *end >= start
                    && whole.is_match(&line[start..*end])
                    && !is_word(line[..start].chars().next_back())
                    && !is_word(line[*end..].chars().next())
            });
            let last = ends.next_back();
            any |= last.is_some();
            if let Some(end) = last.filter(|end| start >= at && *end > start) {
                parts.push(start..end);
                at = end;
            }
        }
        (parts, any)
    }

    fn regexes() -> impl Strategy<Value = String> {
        let leaf = "[a-c_ .é-]{1,2}".prop_map(|text| regex::escape(&text));
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
                (inner, proptest::sample::select(vec!["*", "+", "?", "{2}"]))
                    .prop_map(|(part, times)| format!("(?:{part}){times}")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn parts_and_marks_and_matches_are_what_a_plain_search_finds(
            regex in regexes(),
            literal in "[a-cA-C_ .é-]{1,3}",
            line in "[a-cA-C_ .éÉ-]{0,12}",
            is_regex: bool,
            word: bool,
        ) {
            let (mode, search, plain) = match is_regex {
                true => (Mode::Regex, regex.clone(), regex),
                false => (Mode::Literal, literal.clone(), regex::escape(&literal)),
            };
            let pattern = Pattern::new(&Query { mode, word, ..query(&search, "") }).expect("a pattern");
            let (parts, any) = plainly(&plain, word, &line);
            prop_assert_eq!(&pattern.parts(&line), &parts);
            prop_assert_eq!(pattern.matches(&line, Vec::<String>::new), any);
            let covered = |ranges: &[std::ops::Range<usize>]| ranges.iter().flat_map(Clone::clone).collect::<Vec<_>>();
            prop_assert_eq!(covered(&pattern.marks(&line)), covered(&parts));
        }
    }

    fn finder(regex: &str, bounds: bool) -> MatchFinder {
        let bounds = Bounds { left: bounds, right: bounds };
        let compiled = |text: &str| Regex::new(text).expect("a regex");
        let bounded = bounds.any().then(|| compiled(&bounds.regex(regex)));
        MatchFinder::of_regex(compiled(regex), bounds, bounded)
    }

    #[test]
    fn a_long_line_matches_as_a_short_one_does() {
        let filler = "lorem ipsum 0123 ".repeat(LONG_LINE_BYTES / 17 + 1);
        for (regex, part) in [
            ("needle", "needle"),
            ("^a.*z$", ""),
            ("xyz$", "xyz"),
            (r"\bcaf\u{e9}\b", "caf\u{e9}"),
            (r"\bcaf\b", "caf\u{e9}"),
            (r"\bn\b", "an n."),
            ("(?i)NEEDLE|(?:)", "x"),
            ("[^a-z0-9 ]", "!"),
            ("[^a-z0-9 ]", ""),
            (r"\w{40}", "0123456789012345678901234567890123456789"),
            (r"\w{41}", "0123456789012345678901234567890123456789"),
        ] {
            for line in [format!("{part} {filler}"), format!("{filler}{part}"), format!("a{filler}{part}{filler}z")] {
                for bounds in [false, true] {
                    let finder = finder(regex, bounds);
                    let plain = finder.regex.is_match(&line);
                    let expected = match &finder.ends {
                        Ends::Several { bounded: Some(bounded), .. } => plain && bounded.is_match(&line),
                        _ => plain,
                    };
                    assert_eq!(finder.are_in(&line, &|| false), Some(expected), "{regex} {part} {bounds}");
                }
            }
        }
    }

    #[test]
    fn the_check_of_a_long_line_ends_when_it_is_told_to() {
        let finder = finder("[ -~]*e[ -~]{300}\u{1}", false);
        let line = "the quick brown fox ".repeat(200_000);
        let looks = std::cell::Cell::new(0);
        let stop = || looks.replace(looks.get() + 1) == 10;
        assert_eq!((finder.are_in(&line, &stop), looks.get()), (None, 11));
        let mut fuel = usize::MAX;
        assert!(finder.of(&line, &mut fuel).next().is_none(), "its parts would take as long");
    }
}
