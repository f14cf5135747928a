//! A literal, words or a regex -> the question for the index, and the check of a text. Pure.
//!
//! Lines are those of grep: a message is cut at its newlines, each line is matched by itself, and the message matches if one of
//! its lines does. Invariant: the index returns every text for `ask` that `matches` accepts.

pub mod index_query;
pub mod like;
pub mod matches;
pub mod posix;
use std::ops::Range;

use regex::RegexBuilder;
use regex_syntax::ast;
use regex_syntax::hir::translate::TranslatorBuilder;
use regex_syntax::hir::{Capture, Hir, HirKind, Repetition};

use crate::query::{Mode, Query, Within};
pub use crate::search::pattern::matches::StopCheck;
use crate::search::pattern::matches::{Bounds, MatchFinder};
use crate::sphinx::asking::{Ask, Decided, deciding};

/// The cure for an invalid regex, in the words of an address.
pub const INSTEAD_OF_REGEX: &str = "mode=literal takes every character as it is";
/// Of a compiled regex of the user's: enough for `\w{50}` or ten thousand alternatives, and still quick to compile.
const MAX_REGEX_BYTES: usize = 4 << 20;
/// Of a compiled literal, which has as many states as characters.
const MAX_LITERAL_BYTES: usize = 64 << 20;
/// Words of a search by words. Each has a regex of its own, and looks through each text by itself.
pub const MAX_WORDS: usize = 100;
/// Marks in one message: more do not help a reader, and a message of 4 MiB may have a single letter a million times.
const MAX_MARKS: usize = 10_000;
/// Budget for the marks of a text: this many bytes, and `MARK_FUEL_PER_BYTE` times the text's length.
const MARK_FUEL_BYTES: usize = 100_000;
const MARK_FUEL_PER_BYTE: usize = 16;

#[derive(Debug)]
pub struct Pattern {
    /// all of these, each any of its terms; none: everything matches
    clauses: Vec<Vec<Term>>,
    ask: Ask,
    decided: Option<Decided>,
    invert: bool,
    /// each word may be in another text of the record
    anywhere: bool,
}

#[derive(Debug)]
struct Term {
    parts: MatchFinder,
    negated: bool,
    /// no match reaches over a newline, whatever the text: no need to cut it into lines
    within_line: bool,
}

impl Pattern {
    pub fn new(query: &Query) -> Result<Pattern, String> {
        let anywhere = query.mode == Mode::Words && query.within == Within::All;
        let clauses = match (query.search.as_str(), query.mode) {
            ("", _) => Vec::new(),
            (text, Mode::Literal) => vec![vec![literal(text, query)?]],
            (text, Mode::Regex) => vec![vec![regex(text, query)?]],
            (text, Mode::Words) => words(text, query)?,
        };
        let ask = match query.invert {
            true => Ask::All,
            false => Ask::and(clauses.iter().map(|clause| Ask::or(clause.iter().map(|term| term.1.clone())))),
        };
        let clauses = clauses.into_iter().map(|clause| clause.into_iter().map(|term| term.0).collect()).collect();
        let is_plain = query.mode == Mode::Literal && !(query.case || query.word || query.invert);
        let decided = is_plain.then(|| deciding(&query.search)).flatten();
        Ok(Pattern { clauses, ask, decided, invert: query.invert, anywhere })
    }

    /// The question for the full-text field: every record that matches is in its answer.
    pub fn ask(&self) -> &Ask {
        &self.ask
    }

    /// The part of the question that the index decides alone, in a message.
    pub fn decided(&self) -> Option<&Decided> {
        self.decided.as_ref()
    }

    /// True if every record matches, so that none has to be checked.
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty() && !self.invert
    }

    /// True if a check may take long, so that a search has to look at its time after each record.
    pub fn may_take_long(&self) -> bool {
        self.clauses.iter().flatten().any(|term| term.parts.may_take_long())
    }

    /// `others` are the texts of the columns, where these are searched too.
    pub fn matches<T: AsRef<str>>(&self, message: &str, others: impl FnOnce() -> Vec<T>) -> bool {
        self.matches_until(message, others, &|| false).expect("nothing ends the check")
    }

    /// The same; None: `stop` ended the check.
    pub fn matches_until<T: AsRef<str>>(
        &self,
        message: &str,
        others: impl FnOnce() -> Vec<T>,
        stop: StopCheck,
    ) -> Option<bool> {
        Some(self.holds(message, others, stop)? != self.invert)
    }

    fn holds<T: AsRef<str>>(&self, message: &str, others: impl FnOnce() -> Vec<T>, stop: StopCheck) -> Option<bool> {
        if self.anywhere {
            let others = others();
            let texts = || std::iter::once(message).chain(others.iter().map(AsRef::as_ref));
            let holds = |term: &Term| Some(any_until(texts(), |text| term.is_in(text, stop))? != term.negated);
            // all of them, if not any of them does not hold
            let fails = any_until(self.clauses.iter(), |clause| Some(!any_until(clause.iter(), holds)?))?;
            return Some(!fails);
        }
        if self.holds_in(message, stop)? {
            return Some(true);
        }
        any_until(others().iter(), |text| self.holds_in(text.as_ref(), stop))
    }

    fn holds_in(&self, text: &str, stop: StopCheck) -> Option<bool> {
        match self.clauses.as_slice() {
            [] => Some(true),
            [clause] if clause.iter().all(|term| term.within_line && !term.negated) => {
                any_until(clause.iter(), |term| term.parts.are_in(text, stop))
            }
            clauses => any_until(lines(text), |line| {
                let holds = |term: &Term| Some(term.parts.are_in(line, stop)? != term.negated);
                // all of them, if not any of them does not hold
                any_until(clauses.iter(), |clause| Some(!any_until(clause.iter(), holds)?)).map(|fails| !fails)
            }),
        }
    }

    /// The parts that `grep -o` prints of a text, as ranges of bytes: of each line, none empty; of several words, of each by itself.
    pub fn parts(&self, text: &str) -> Vec<Range<usize>> {
        self.first_parts(text, usize::MAX, usize::MAX)
    }

    fn first_parts(&self, text: &str, most: usize, mut fuel: usize) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        for term in self.clauses.iter().flatten().filter(|term| !self.invert && !term.negated) {
            for line in lines(text) {
                if fuel == 0 || parts.len() >= most {
                    return parts;
                }
                let from = line.as_ptr() as usize - text.as_ptr() as usize;
                let room = most.saturating_sub(parts.len());
                parts.extend(term.parts.of(line, &mut fuel).take(room).map(|part| from + part.start..from + part.end));
            }
        }
        parts
    }

    /// The same in order, none within another, those that touch as one. If the text would have to be read too often, the first
    /// parts only.
    pub fn marks(&self, text: &str) -> Vec<Range<usize>> {
        let mut marks = self.first_parts(text, MAX_MARKS, MARK_FUEL_BYTES + text.len() * MARK_FUEL_PER_BYTE);
        marks.sort_by_key(|mark| (mark.start, mark.end));
        marks.dedup_by(|next, mark| {
            let overlap = next.start <= mark.end;
            if overlap {
                mark.end = mark.end.max(next.end);
            }
            overlap
        });
        marks
    }
}

impl Term {
    /// None: `stop` ended the check.
    fn is_in(&self, text: &str, stop: StopCheck) -> Option<bool> {
        let has = |text: &str| if stop() { None } else { self.parts.are_in(text, stop) };
        match self.within_line {
            true => has(text),
            false => any_until(lines(text), has),
        }
    }
}

/// True if one of them is; None if that is not known of one before it.
pub fn any_until<T>(items: impl Iterator<Item = T>, mut is: impl FnMut(T) -> Option<bool>) -> Option<bool> {
    for item in items {
        if is(item)? {
            return Some(true);
        }
    }
    Some(false)
}

/// A newline ends a line, so one at the end of the text begins none; an empty text is one empty line.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.strip_suffix('\n').unwrap_or(text).split('\n')
}

/// A newline in a pattern separates alternatives, as in grep.
fn literal(text: &str, query: &Query) -> Result<(Term, Ask), String> {
    let lines = text.split('\n').map(|line| parse(&regex::escape(line), query)).collect::<Result<Vec<_>, _>>()?;
    let bounds = Bounds { left: query.word, right: query.word };
    let one_line = !text.contains('\n');
    term(
        Hir::alternation(lines),
        bounds,
        MAX_LITERAL_BYTES,
        Kind { is_literal: one_line, within_line: one_line, negated: false },
    )
}

fn regex(text: &str, query: &Query) -> Result<(Term, Ask), String> {
    let lines = text.split('\n').map(|line| parse(line, query)).collect::<Result<Vec<_>, _>>()?;
    let bounds = Bounds { left: query.word, right: query.word };
    term(
        Hir::alternation(lines),
        bounds,
        MAX_REGEX_BYTES,
        Kind { is_literal: false, within_line: false, negated: false },
    )
}

/// Of a term.
#[derive(Clone, Copy)]
struct Kind {
    /// a match has but one end
    is_literal: bool,
    within_line: bool,
    negated: bool,
}

fn parse(pattern: &str, query: &Query) -> Result<Hir, String> {
    let unreadable = |why: String| format!("cannot read the regex: {why}; {INSTEAD_OF_REGEX}");
    let ast = ast::parse::Parser::new().parse(pattern);
    let ast =
        ast.map_err(|error| unreadable(format!("{} at character {}", error.kind(), error.span().start.column)))?;
    let ast = posix::as_grep(pattern, ast, !query.case).map_err(unreadable)?;
    let hir = TranslatorBuilder::new().case_insensitive(!query.case).build().translate(pattern, &ast);
    hir.map_err(|error| unreadable(error.kind().to_string()))
}

/// The regex is made from the parsed form's own text, which has nothing in it that could reach beyond its part (`(?x)`
/// with a comment at its end).
fn term(hir: Hir, bounds: Bounds, size: usize, kind: Kind) -> Result<(Term, Ask), String> {
    let compiled = |text: &str| {
        RegexBuilder::new(text).size_limit(size).build().map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                "the regex is too large; write it with fewer or smaller repetitions".to_owned()
            }
            _ => format!("cannot read the regex: its parts cannot be joined; {INSTEAD_OF_REGEX}"),
        })
    };
    let text = grouped(&hir).to_string();
    let regex = compiled(&text)?;
    let parts = match kind.is_literal {
        true => MatchFinder::of_literal(regex, bounds),
        false if bounds.any() => MatchFinder::of_regex(regex, bounds, Some(compiled(&bounds.regex(&text))?)),
        false => MatchFinder::of_regex(regex, bounds, None),
    };
    let ask = if kind.negated { Ask::All } else { index_query::asking(&bounds.closed(hir)) };
    Ok((Term { parts, negated: kind.negated, within_line: kind.within_line }, ask))
}

/// A repetition of a repetition as one of a group: `(?:a+)?` is written `a+?` otherwise, which is another regex.
fn grouped(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Repetition(Repetition { min, max, greedy, sub }) => {
            let is_one = matches!(sub.kind(), HirKind::Repetition(_));
            let sub = Box::new(grouped(sub));
            // no caller reads the group's number
            let sub = if is_one { Box::new(Hir::capture(Capture { index: 1, name: None, sub })) } else { sub };
            Hir::repetition(Repetition { min: *min, max: *max, greedy: *greedy, sub })
        }
        HirKind::Capture(Capture { index, sub, .. }) => {
            Hir::capture(Capture { index: *index, name: None, sub: Box::new(grouped(sub)) })
        }
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(grouped).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(grouped).collect()),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => hir.clone(),
    }
}

/// All words, in any order: `"a phrase"`, `-not` (before a letter, digit, `_` or quote; `->` is itself), `a | b` (which binds tighter than the space), `prefix*`.
fn words(text: &str, query: &Query) -> Result<Vec<Vec<(Term, Ask)>>, String> {
    let mut clauses: Vec<Vec<(Term, Ask)>> = Vec::new();
    let mut joins = false;
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '|' {
            joins = true;
            rest = rest[1..].trim_start();
            continue;
        }
        let negated = first == '-' && rest[1..].starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '"'));
        if negated {
            rest = &rest[1..];
        }
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_at(rest.find(|c: char| c.is_whitespace() || c == '|').unwrap_or(rest.len())),
        };
        let is_prefix = !rest.starts_with('"') && word.ends_with('*');
        rest = after.trim_start();
        let word = if is_prefix { word.trim_end_matches('*') } else { word };
        if word.trim().is_empty() {
            continue;
        }
        if clauses.iter().map(Vec::len).sum::<usize>() >= MAX_WORDS {
            return Err(format!(
                "a search by words takes {MAX_WORDS} words; take some away, or quote words that stand together"
            ));
        }
        let (hir, bounds) = phrase(word, is_prefix, query)?;
        let term = term(hir, bounds, MAX_LITERAL_BYTES, Kind { is_literal: true, within_line: true, negated })?;
        match clauses.last_mut() {
            Some(clause) if joins => clause.push(term),
            _ => clauses.push(vec![term]),
        }
        joins = false;
    }
    Ok(clauses)
}

/// The words of a phrase with any white space between them. If it begins or ends with a word's character, so does the word of
/// the text.
fn phrase(text: &str, is_prefix: bool, query: &Query) -> Result<(Hir, Bounds), String> {
    let is_word = |c: Option<char>| c.is_some_and(|c| c == '_' || c.is_alphanumeric());
    let words: Vec<String> = text.split_whitespace().map(regex::escape).collect();
    let text = text.trim();
    let bounds = Bounds { left: is_word(text.chars().next()), right: !is_prefix && is_word(text.chars().next_back()) };
    // white space has no case; without `-i`, the translator would look at each character of Unicode for it
    Ok((parse(&words.join(r"(?-i:[^\S\n])+"), query)?, bounds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sphinx::asking::tests::{matches, text, written};
    use crate::sphinx::fulltext::tests::prepared;

    fn query(url: &str) -> Query {
        Query::from_url(vec!["web".parse().expect("a name")], url).expect(url)
    }

    fn searching(search: &str, options: &str) -> Query {
        Query { search: search.to_owned(), ..query(options) }
    }

    /// The texts that match, of those separated by `¦`.
    #[track_caller]
    fn check(search: &str, options: &str, texts: &str, expect: &str) {
        let pattern = Pattern::new(&searching(search, options)).expect(search);
        let found: Vec<&str> = texts.split('¦').filter(|text| pattern.matches(text, Vec::<String>::new)).collect();
        assert_eq!(found.join("¦"), expect, "{search} {options}");
    }

    #[track_caller]
    fn check_marks(search: &str, options: &str, text: &str, expect: &[&str]) {
        let pattern = Pattern::new(&searching(search, options)).expect(search);
        let found: Vec<&str> = pattern.marks(text).into_iter().map(|mark| &text[mark]).collect();
        assert_eq!(found, expect, "{search} {options}");
    }

    #[test]
    fn a_literal_is_what_must_stand_in_the_line() {
        check("imeout=5 (", "", "Timeout=5 (s)¦timeout=5(", "Timeout=5 (s)");
        check("Error", "case=1", "Error¦error", "Error");
        check("", "", "¦a", "¦a");
        check("  ", "", "a  b¦a b", "a  b");
        check("a.c", "", "a.c¦abc", "a.c");
        check("straße", "", "STRAßE¦STRASSE", "STRAßE");
        check("bilgi", "", "BILGI¦BILGİ¦bılgı¦BİLGI", "BILGI¦bılgı");
        check("ı", "mode=words", "I¦ı¦i¦İ", "I¦ı¦i");
        check("ı", "case=1", "I¦ı¦i", "ı");
        check("a\nb", "", "a¦b¦c", "a¦b");
        check("日", "", "日本¦本", "日本");
    }

    #[test]
    fn a_repetition_of_a_repetition_is_one() {
        check("^(?:[0-9]+)?ms$", "mode=regex", "ms¦17ms¦x17ms", "ms¦17ms");
        check("^(?:a{2})?$", "mode=regex", "¦a¦aa¦aaaa", "¦aa");
        check("^(?:a{2})*$", "mode=regex", "¦a¦aa¦aaaa", "¦aa¦aaaa");
        check("^a{2}{2}$", "mode=regex", "aa¦aaaa", "aaaa");
    }

    #[test]
    fn classes_in_brackets_are_of_unicode() {
        check("^[[:alpha:]]+$", "mode=regex", "Köln¦日本¦a1¦١", "Köln¦日本¦١");
        check("^[^[:space:]]+$", "mode=regex", "a\u{3000}b¦a\u{a0}b¦a b", "a\u{a0}b");
        check("[[:upper:]]", "mode=regex&case=1", "é¦É¦1", "É");
    }

    #[test]
    fn a_message_of_several_lines_matches_if_one_of_them_does() {
        check("^b$", "mode=regex", "a\nb\nc¦ab¦b\r\n", "a\nb\nc");
        check(r"a\sb", "mode=regex", "a\nb¦a b", "a b");
        check("^$", "mode=regex", "¦a\n¦a\n\n", "¦a\n\n");
        check("[^b]{2}", "mode=regex", "a\nc¦ac", "ac");
        check("a b", "mode=words", "a\nb¦x\nb a", "x\nb a");
    }

    #[test]
    fn a_whole_word_has_no_other_next_to_it() {
        check("foo", "word=1", "foo¦food foo¦_foo¦a-foo-b¦foo²¦foó", "foo¦food foo¦a-foo-b¦foo²");
        check("foo|food", "word=1&mode=regex", "food¦foods", "food");
        check("fo*", "word=1&mode=regex", "foox¦foo x", "foo x");
        check("(?x)foo # it is", "word=1&mode=regex", "a foo b¦afoo", "a foo b");
        // an accent that is a character of its own is not a letter for grep; a vowel sign is
        check("e", "word=1", "e\u{301}t¦et¦\u{301}e", "e\u{301}t¦\u{301}e");
        check("क", "word=1", "क\u{94d}¦क\u{93f}", "क\u{94d}");
        check("e", "mode=words", "11 e\u{301}¦ee", "11 e\u{301}");
        check("x*", "word=1&mode=regex", "abc¦a  b¦ a¦¦xx", "a  b¦ a¦¦xx");
        check("b\nc", "word=1", "a\nb\nd¦ab\nc¦ab", "a\nb\nd¦ab\nc");
    }

    #[test]
    fn inverted_is_all_other_records() {
        check("a", "invert=1", "a¦b¦b\na", "b");
        check("", "invert=1", "a¦b", "");
        check("x -a", "mode=words&invert=1", "x¦x a¦a", "x a¦a");
    }

    #[test]
    fn white_space_of_a_long_phrase_is_not_folded() {
        // with so much of it the phrase would be refused
        let phrase = "a ".repeat(2 + posix::MAX_WIDE_CLASSES);
        let upper = phrase.to_uppercase();
        check(&format!("\"{phrase}\""), "mode=words", &format!("a a¦{phrase}¦{upper}"), &format!("{phrase}¦{upper}"));
    }

    #[test]
    fn words_stand_in_any_order() {
        check(
            "timed connection",
            "mode=words",
            "connection timed out¦timed out¦connections timed",
            "connection timed out",
        );
        check("\"timed  out\"", "mode=words", "timed out¦timed-out¦timed\tout¦timed outs", "timed out¦timed\tout");
        check("conn* -refused", "mode=words", "connection ok¦connection refused¦disconn", "connection ok");
        check("a b | c", "mode=words", "a b¦a c¦a¦b c", "a b¦a c");
        check("a|b", "mode=words", "a¦b¦c", "a¦b");
        check("-a", "mode=words", "a¦b", "b");
        check("10.0.0.1", "mode=words", "10.0.0.1¦10.0.0.12¦10a0.0.1", "10.0.0.1");
        check("->", "mode=words", "a->b¦a", "a->b");
        check(" | - \"", "mode=words", "a - b¦c", "a - b");
        check("*", "mode=words", "a¦", "a¦");
    }

    #[test]
    fn all_searches_the_columns_too() {
        let columns = || vec!["ERROR".to_owned(), "web-1".to_owned()];
        for (search, options, expect) in [
            ("error", "in=all", true),
            ("errorweb", "in=all", false),
            ("timeout error", "in=all&mode=words", true),
            ("timeout -error", "in=all&mode=words", false),
            ("error", "in=all&invert=1", false),
        ] {
            let pattern = Pattern::new(&searching(search, options)).expect(search);
            assert_eq!(pattern.matches("a timeout", columns), expect, "{search} {options}");
        }
    }

    #[test]
    fn marks_show_what_matched() {
        check_marks("ab", "", "xABab\nab", &["ABab", "ab"]);
        check_marks("timed out", "mode=words", "out was timed", &["out", "timed"]);
        check_marks("a -b", "mode=words", "a b", &["a"]);
        check_marks("a*", "mode=regex", "baab", &["aa"]);
        check_marks("foo", "word=1", "foo foo,foo_ foo\nfoo", &["foo", "foo", "foo", "foo"]);
        check_marks("foo|food", "word=1&mode=regex", "food foo", &["food", "foo"]);
        check_marks("a", "invert=1", "bab", &[]);
        check_marks("a", "", &"a ".repeat(20_000), &["a"; 10_000]);
    }

    #[test]
    fn a_search_by_words_takes_so_many() {
        let of = |number: usize, join: &str| {
            let words: Vec<String> = (0..number).map(|n| format!("w{n}")).collect();
            Pattern::new(&searching(&words.join(join), "mode=words"))
        };
        for join in [" ", "|"] {
            assert!(of(MAX_WORDS, join).is_ok());
            assert!(of(MAX_WORDS + 1, join).expect_err("one more").contains("takes 100 words"));
        }
        assert!(
            Pattern::new(&searching(&format!("\"{}\"", "w ".repeat(500)), "mode=words")).is_ok(),
            "a phrase is one"
        );
    }

    /// Of all texts of a record, by words: the check ends between two of them.
    #[test]
    fn a_check_of_many_texts_can_be_ended() {
        let pattern = Pattern::new(&searching("some missing", "mode=words&in=all")).expect("two words");
        let looks = std::cell::Cell::new(0);
        let stop = || {
            looks.set(looks.get() + 1);
            looks.get() > 100
        };
        assert_eq!(pattern.matches_until("some", || vec!["text"; 100_000], &stop), None);
        assert_eq!(pattern.matches_until("some", || vec!["missing"], &|| false), Some(true));
        assert_eq!(pattern.matches_until("some", || vec!["text"], &|| false), Some(false));
    }

    #[test]
    fn words_that_a_text_lacks_cost_marks_too() {
        let words: Vec<String> = (0..MAX_WORDS).map(|n| format!("w{n}")).collect();
        let pattern = Pattern::new(&searching(&(words.join(" ") + " last"), "mode=words"));
        assert!(pattern.is_err(), "one more than there may be");
        let pattern = Pattern::new(&searching(&(words[1..].join(" ") + " last"), "mode=words")).expect("words");
        let short = "x last";
        assert_eq!(pattern.marks(short), vec![2..6]);
        // 16 words have read as much as the text allows
        assert!(pattern.marks(&format!("{}last", "x ".repeat(1 << 20))).is_empty());
        assert!(pattern.marks(&format!("{}last", "\n".repeat(1 << 20))).is_empty());
    }

    #[test]
    fn an_invalid_regex_is_an_error_with_its_cure() {
        for (search, expect) in [
            (
                "a(b",
                "cannot read the regex: unclosed group at character 2; mode=literal takes every character as it is",
            ),
            (
                "[[:foo:]]",
                "cannot read the regex: '[:foo:]' is not a class; there are alnum, alpha, blank, cntrl, digit, graph, lower, \
                 print, punct, space, upper and xdigit; mode=literal takes every character as it is",
            ),
            (r"(\w{100}){1000}", "the regex is too large; write it with fewer or smaller repetitions"),
        ] {
            assert_eq!(Pattern::new(&searching(search, "mode=regex")).expect_err(search), expect);
        }
        for mode in ["literal", "words", "regex"] {
            for operators in ["\"", "(", "-", "@", "\\", "/", "^", "$", "=", "<", "|", "~", "!", "  ", "*", "\u{fffd}"]
            {
                let pattern = Pattern::new(&searching(operators, &format!("mode={mode}")));
                assert!(pattern.is_ok() || mode == "regex", "{operators}");
            }
            assert!(Pattern::new(&searching(&"aZ9".repeat(3333), &format!("mode={mode}"))).is_ok());
        }
    }

    #[test]
    fn inverting_narrows_nothing() {
        for (search, options, expect) in [
            ("timeout", "word=1", "timeout"),
            ("timeout", "invert=1", "·"),
            ("timed out", "mode=words", "timed & out"),
            ("timed -out", "mode=words", "timed"),
            ("a | -b", "mode=words", "·"),
            ("conn*", "mode=words", "conn* | con onn"),
        ] {
            let pattern = Pattern::new(&searching(search, options)).expect(search);
            assert_eq!(written(pattern.ask()), expect, "{search} {options}");
        }
    }

    fn regexes() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "[a-c]{1,4}",
            "[a-c1 .é日Kiı]{1,6}".prop_map(|text| regex::escape(&text)),
            proptest::sample::select(vec![
                ".",
                "[ab]",
                r"\s",
                r"\w",
                "^",
                "$",
                r"\b",
                r"\B",
                "[^a]",
                "[[:alpha:]]",
                "[h-j]",
                r"\b{start}",
                "(?-u:\\b)"
            ])
            .prop_map(str::to_owned)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                proptest::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
                (inner, proptest::sample::select(vec!["*", "+", "?", "{2}", "{1,2}"]))
                    .prop_map(|(part, times)| format!("(?:{part}){times}")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn the_index_gives_each_match_of_a_regex(regex in regexes(), text in "[a-cA-C1 .éÉ日k\u{212a}iIıİ\n]{0,20}", word: bool) {
            if let Ok(pattern) = Pattern::new(&Query { mode: Mode::Regex, word, ..searching(&regex, "") })
                && pattern.matches(&text, Vec::<String>::new)
            {
                prop_assert!(matches(pattern.ask(), &prepared(&text)), "{}", written(pattern.ask()));
            }
        }

        #[test]
        fn the_index_gives_each_match_of_words(search in "(-?\"?[a-cA-C1.éiı]{1,4}\\*?\"?[ |]{1,2}){1,4}", text in text(), few in "[a-c1 .éiIı\n]{0,20}", mode in 0..2_usize, word: bool) {
            let mode = [Mode::Words, Mode::Literal][mode];
            let pattern = Pattern::new(&Query { mode, word, ..searching(&search, "") }).expect("a pattern");
            for text in [text, few] {
                if pattern.matches(&text, Vec::<String>::new) {
                    prop_assert!(matches(pattern.ask(), &prepared(&text)), "{}", written(pattern.ask()));
                }
            }
        }
    }
}
