//! `__like`: texts that stand in a value in their order, whatever their case and whatever is between them. Pure.
//!
//! Invariant: a check takes time by the length of the value and of the texts, not by their product: the first place of a text leaves
//! most to those after it, so none is looked for twice.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

/// No character after it has two cases.
const LAST_CASED: char = '\u{1ffff}';

#[derive(Debug)]
pub struct Like {
    /// folded, none empty
    texts: Vec<String>,
    /// of all texts
    bytes: usize,
}

impl Like {
    /// `*` separates the texts.
    pub fn new(written: &str) -> Like {
        let texts: Vec<String> = written.split('*').filter(|text| !text.is_empty()).map(folded).collect();
        Like { bytes: texts.iter().map(String::len).sum(), texts }
    }

    pub fn is_in(&self, value: &str) -> bool {
        let value = folded(value);
        let mut rest = value.as_str();
        // to look for a text takes time by its length, too
        self.bytes <= rest.len()
            && self.texts.iter().all(|text| {
                let Some(at) = rest.find(text.as_str()) else { return false };
                rest = &rest[at + text.len()..];
                true
            })
    }
}

/// The same text for all that differ by case only.
fn folded(text: &str) -> String {
    match text.is_ascii() {
        true => text.to_ascii_uppercase(),
        false => text.chars().map(|c| FOLDED.get(&c).copied().unwrap_or(c.to_ascii_uppercase())).collect(),
    }
}

/// Characters that are another one without their case: the first of those that a regex takes for the same.
static FOLDED: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
    let is_cased = |c: &char| !c.to_lowercase().eq([*c]) || !c.to_uppercase().eq([*c]);
    let cased = ('\u{80}'..=LAST_CASED).filter(is_cased);
    cased.map(|c| (c, first_of_cases(c))).filter(|(c, first)| c != first).collect()
});

fn first_of_cases(c: char) -> char {
    let mut cases = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
    cases.case_fold_simple();
    cases.ranges().first().map_or(c, |range| range.start())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::{Regex, RegexBuilder};

    use super::*;

    fn regex(written: &str) -> Regex {
        let parts: Vec<String> = written.split('*').map(regex::escape).collect();
        let mut regex = RegexBuilder::new(&parts.join(".*"));
        regex.case_insensitive(true).dot_matches_new_line(true).build().expect("escaped")
    }

    #[test]
    fn a_character_is_folded_as_a_regex_folds_it() {
        for c in '\0'..=char::MAX {
            assert_eq!(folded(&c.to_string()), first_of_cases(c).to_string(), "{c:?}");
        }
    }

    #[test]
    fn a_value_with_many_texts_is_checked_in_one_pass() {
        // a regex of them would need their number times the value's length
        let like = Like::new(&("a*".repeat(8_000) + "b"));
        assert!(!like.is_in(&"a".repeat(1 << 20)));
        assert!(like.is_in(&("a".repeat(1 << 20) + "B")));
    }

    proptest! {
        #[test]
        fn like_is_a_regex_of_its_texts(written in "[abAkKſsß.\u{212a}жЖ\n*]{0,6}", value in "[abAkKSſsßẞ.\u{212a}жЖ\n]{0,12}") {
            prop_assert_eq!(Like::new(&written).is_in(&value), regex(&written).is_match(&value), "{:?} {:?}", written, value);
        }
    }
}
