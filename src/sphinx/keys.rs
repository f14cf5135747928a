//! Words for the values of columns, in a full-text field of their own: by them searchd finds the documents that may have a value,
//! whatever the column. Pure.
//!
//! A word is a hash of the column's name and of the value, cut to 16 bits: a day index has at most 65,536 of them, whatever is
//! stored. Several values may have one word, so each document that it finds has to be checked. Its letters are Greek and Cyrillic,
//! so that a part of a Latin word is never a part of it.
//!
//! Invariant: if a filter `column=value` accepts a record (`search::filter`), the record has the `word` of the two, or `TOO_MANY_VALUES`.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::ControlFlow;

use crate::record::digest;
use crate::record::json::readable;
use crate::record::json_scalars::each_scalar;
use crate::record::number::Number;
use crate::time::Range;

/// 41 letters of two bytes: three of them are enough for 16 bits.
const ALPHABET: &str = "абвгдежзийклмнопрстуфхцчшщъыьэюяαβγδεζηθι";
const LETTER_BYTES: usize = 2;
const LETTER_COUNT: u64 = (ALPHABET.len() / LETTER_BYTES) as u64;
/// A record with more values has none of their words, and is a candidate for every filter.
const MAX_WORDS: usize = 1000;
/// The same of one whose paths have more bytes together: each is hashed, as many as have a name of a megabyte in common.
const MAX_PATH_BYTES: usize = 1 << 20;
/// The only word of such a record. No value has it, nor another field: searchd reads the documents of a word in all fields.
const TOO_MANY_VALUES: &str = "ωωωω";
/// An integer of this number of digits is written by `Number` as it stands.
const PLAIN_DIGITS: usize = 15;

/// A word that this number of documents has, or fewer, is rare: to list them costs less than to look through a few minutes of a log.
const RARE_DOCUMENTS: u64 = 20_000;
/// In a narrower range, searchd looks through all documents faster than it lists those of a common word.
const WIDE_MICROS: i64 = 4 * 3_600_000_000;

/// Writes the words of a record's values.
#[derive(Debug)]
pub struct WordsWriter<'o> {
    out: &'o mut String,
    written: usize,
    /// of the paths of all values
    path_bytes: usize,
}

impl<'o> WordsWriter<'o> {
    /// Clears the text and writes to it; the caller owns it, to use its memory again.
    pub fn new(out: &'o mut String) -> WordsWriter<'o> {
        out.clear();
        WordsWriter { out, written: 0, path_bytes: 0 }
    }

    /// Adds the values of a column, which are JSON text: its own, those of an array's elements, and those of nested paths.
    pub fn add(&mut self, column: &str, raw: &str) {
        // most values are not nested, and need no path of their own
        if !raw.starts_with(['{', '[']) {
            return self.push(column, &readable(raw));
        }
        each_scalar(column, raw, &mut |path, scalar| {
            self.push(path, &readable(scalar));
            if self.is_too_much() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }

    /// Adds a column whose value is that text.
    pub fn add_text(&mut self, column: &str, text: &str) {
        self.push(column, text);
    }

    fn push(&mut self, path: &str, value: &str) {
        (self.written, self.path_bytes) = (self.written + 1, self.path_bytes + path.len());
        if !self.is_too_much() {
            push_word(digest::of_text(path, 0), value, self.out);
            self.out.push(' ');
        }
    }

    fn is_too_much(&self) -> bool {
        self.written > MAX_WORDS || self.path_bytes > MAX_PATH_BYTES
    }

    pub fn end(self) {
        if self.is_too_much() {
            self.out.clear();
            self.out.push_str(TOO_MANY_VALUES);
        }
    }
}

/// The word of a column's value, as a filter has it.
pub fn word(column: &str, value: &str) -> String {
    let mut word = String::with_capacity(3 * LETTER_BYTES);
    push_word(digest::of_text(column, 0), value, &mut word);
    word
}

fn push_word(of_column: u64, value: &str, out: &mut String) {
    let mut rest = digest::of_text(&one_spelling(value), of_column) & 0xffff;
    for _ in 0..3 {
        let at = (rest % LETTER_COUNT) as usize * LETTER_BYTES;
        out.push_str(&ALPHABET[at..at + LETTER_BYTES]);
        rest /= LETTER_COUNT;
    }
}

/// The same text for all texts that spell one number.
fn one_spelling(value: &str) -> Cow<'_, str> {
    let is_plain = value.len() <= PLAIN_DIGITS
        && !(value.starts_with('0') && value.len() > 1)
        && value.bytes().all(|byte| byte.is_ascii_digit());
    match value.as_bytes().first() {
        Some(b'-' | b'0'..=b'9') if !is_plain => match Number::parse(value) {
            Some(number) => Cow::Owned(number.to_string()),
            None => Cow::Borrowed(value),
        },
        _ => Cow::Borrowed(value),
    }
}

/// The words of a filter. A document that the filter accepts has, for one of these alternatives, a word of each list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyWords(Vec<Vec<Vec<String>>>);

impl KeyWords {
    /// None: a document may be accepted without any word.
    pub fn new(alternatives: Vec<Vec<Vec<String>>>) -> Option<KeyWords> {
        alternatives.iter().all(|lists| !lists.is_empty()).then_some(KeyWords(alternatives))
    }

    pub fn all(&self) -> impl Iterator<Item = &String> {
        self.0.iter().flatten().flatten()
    }

    /// About how many documents have them, and the expression. In an alternative, common words are left out if there are rare ones.
    fn counted(&self, documents: &impl Fn(&str) -> u64) -> (u64, String) {
        let (mut number, mut expression) = (0_u64, String::new());
        for lists in &self.0 {
            let counted = |words: &&Vec<String>| sum(words.iter().map(|word| documents(word)));
            let least = lists.iter().map(|words| counted(&words)).min().unwrap_or(0);
            number = number.saturating_add(least);
            let lists: Vec<String> = lists
                .iter()
                .filter(|words| counted(words) <= least.max(RARE_DOCUMENTS))
                .map(|words| words.join(" | "))
                .collect();
            // writing to a String cannot fail
            let _ = match lists.as_slice() {
                [words] => write!(expression, "{words} | "),
                lists => write!(expression, "(({})) | ", lists.join(") (")),
            };
        }
        (number, expression)
    }
}

fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

/// The words that a document of a day index has to have, for some filters of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    expression: String,
    /// that have the words, about
    documents: u64,
}

impl Keys {
    /// `documents` is about how many have a word. Filters with common words are left out if there are rare ones. None: there is no
    /// filter.
    pub fn new(filters: &[KeyWords], documents: impl Fn(&str) -> u64) -> Option<Keys> {
        let counted: Vec<(u64, String)> = filters.iter().map(|words| words.counted(&documents)).collect();
        let least = counted.iter().map(|(number, _)| *number).min()?;
        let rare = counted.iter().filter(|(number, _)| *number <= least.max(RARE_DOCUMENTS));
        let expressions: Vec<String> = rare.map(|(_, words)| format!("(@(keys) ({words}{TOO_MANY_VALUES}))")).collect();
        Some(Keys { expression: expressions.join(" "), documents: least })
    }

    /// True if to list the documents costs little, however narrow the range is.
    pub fn are_rare(&self) -> bool {
        self.documents <= RARE_DOCUMENTS
    }

    /// The expression of MATCH.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The expression of MATCH for that range; None: it does not help.
    pub fn within(&self, range: Range) -> Option<&str> {
        let length = range.end.micros().saturating_sub(range.start.micros());
        (self.are_rare() || length >= WIDE_MICROS).then_some(&self.expression)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sphinx::fulltext::CHARSET;

    fn words(columns: &[(&str, &str)]) -> Vec<String> {
        let mut text = String::new();
        let mut writer = WordsWriter::new(&mut text);
        columns.iter().for_each(|(column, raw)| writer.add(column, raw));
        writer.end();
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_value_has_the_word_that_its_filter_asks_for() {
        for (column, raw, filters) in [
            ("host", r#""web-1""#, vec![("host", "web-1")]),
            ("n", "5", vec![("n", "5"), ("n", "5.0"), ("n", "50e-1")]),
            ("n", "-0.0", vec![("n", "0"), ("n", "-0")]),
            ("n", r#""5.0""#, vec![("n", "5.0")]),
            ("n", "10000000000000000000000", vec![("n", "1e22"), ("n", "10000000000000000000000.0")]),
            ("n", "9007199254740993", vec![("n", "9007199254740993"), ("n", "9007199254740993.0")]),
            ("b", "true", vec![("b", "true")]),
            ("t", r#"["a",7,[8],{"c":9}]"#, vec![("t", "a"), ("t", "7.0")]),
            ("a", r#"{"b":{"c":"é\n"}}"#, vec![("a.b.c", "é\n")]),
            ("a.b", r#"{"c.d":1}"#, vec![("a.b.c.d", "1")]),
            ("", r#""""#, vec![("", "")]),
        ] {
            let written = words(&[(column, raw)]);
            for (column, value) in filters {
                assert!(written.contains(&word(column, value)), "{column}={value} of {raw}");
            }
        }
        assert_ne!(word("host", "web-1"), word("host", "web-2"));
        assert_ne!(word("host", "web-1"), word("hosts", "web-1"));
        assert_ne!(word("n", "5"), word("n", "05"));
    }

    #[test]
    fn words_are_letters_of_the_charset_that_no_latin_word_has() {
        assert!(CHARSET.ends_with("U+370..U+52F"));
        let mut all = std::collections::HashSet::new();
        for n in 0..300_000 {
            let word = word("n", &format!("value {n}"));
            assert!(word.chars().count() == 3 && word.chars().all(|c| ('\u{370}'..='\u{52f}').contains(&c)), "{word}");
            all.insert(word);
        }
        assert!((60_000..=65_536).contains(&all.len()), "{}", all.len());
    }

    #[test]
    fn a_record_of_too_many_values_is_a_candidate_for_all() {
        let list = |n: usize| format!("[{}1]", "1,".repeat(n - 1));
        assert_eq!(words(&[("n", &list(MAX_WORDS))]).len(), MAX_WORDS);
        assert_eq!(words(&[("n", &list(MAX_WORDS)), ("b", "1")]), [TOO_MANY_VALUES]);
        let long = "k".repeat(MAX_PATH_BYTES / 2);
        assert_eq!(words(&[(&long, r#"{"a":1}"#)]).len(), 1);
        assert_eq!(words(&[(&long, r#"{"a":1,"b":2}"#)]), [TOO_MANY_VALUES]);
    }

    #[test]
    fn common_words_are_asked_for_over_wide_ranges_only() {
        let of = |documents: &[(&str, u64)]| {
            let one = |word: &str| KeyWords::new(vec![vec![vec![word.to_owned()]]]).expect("it has a word");
            let filters: Vec<KeyWords> = documents.iter().map(|(word, _)| one(word)).collect();
            let count = |word: &str| documents.iter().find(|(own, _)| *own == word).map_or(0, |(_, count)| *count);
            Keys::new(&filters, count)
        };
        let range = |hours: i64| {
            let start = crate::time::Ts::from_micros(0);
            Range { start, end: start.plus_seconds(hours * 3600) }
        };
        assert_eq!(of(&[]), None);
        let rare = of(&[("rare", 14), ("common", 1_000_000)]).expect("words");
        let expression = format!("(@(keys) (rare | {TOO_MANY_VALUES}))");
        assert_eq!(rare.within(range(1)), Some(&*expression));
        let common = of(&[("common", 1_000_000)]).expect("words");
        assert_eq!((common.within(range(1)), common.within(range(24)).is_some()), (None, true));
        let both = of(&[("a", 14), ("b", 20_000)]).expect("words");
        let expression = format!("(@(keys) (a | {TOO_MANY_VALUES})) (@(keys) (b | {TOO_MANY_VALUES}))");
        assert_eq!(both.within(range(1)), Some(&*expression));
    }

    #[test]
    fn words_of_a_group_are_a_disjunction_of_conjunctions() {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let count = |word: &str| if word == "common" { 1_000_000 } else { 10 };
        let alternatives = vec![vec![list(&["a", "b"]), list(&["c"])], vec![list(&["d"]), list(&["common"])]];
        let words = KeyWords::new(alternatives).expect("each has words");
        let keys = Keys::new(&[words], count).expect("words");
        assert_eq!(keys.expression, format!("(@(keys) (((a | b) (c)) | d | {TOO_MANY_VALUES}))"));
        assert_eq!(keys.documents, 20);
        // an alternative without words is open to every document
        assert_eq!(KeyWords::new(vec![vec![list(&["a"])], vec![]]), None);
    }
}
