//! A regex or a filter -> a question for the index: the literal pieces that every match must contain. Pure.
//!
//! Invariant: a line that the regex matches is in the answer. A part that is not understood asks for nothing.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

use crate::query::{Condition, Filter};
use crate::record::number::is_number;
use crate::sphinx::asking;
use crate::sphinx::asking::Ask;
use crate::sphinx::fulltext::{folded, separates};

/// Characters of a class that are looked at: one letter in all its spellings has four, white space 25.
const MAX_CLASS_CHARS: usize = 64;
/// Characters and alternatives of a pattern that are looked at; a phrase has room for fewer.
const MAX_ITEMS: usize = 2000;
/// Up to this many alternatives searchd is quicker than reading all records.
const MAX_ALTERNATIVES: usize = 32;
/// Pieces that are asked for: each narrows less than the one before.
const MAX_PIECES: usize = 8;

/// The items of a match, in order.
#[derive(Clone, PartialEq)]
enum Item {
    /// this character in any case; a space: any character that is not part of a word, or a place where no word goes on
    Char(char),
    /// anything, or nothing
    Gap,
    /// one of these
    Any(Vec<Vec<Item>>),
}

fn item(c: char) -> Item {
    match separates(c) {
        // a sign between two numbers makes a pair of them
        true => Item::Char(if c.is_ascii_punctuation() { c } else { ' ' }),
        false => Item::Char(folded(c)),
    }
}

fn is_separator(item: &Item) -> bool {
    matches!(item, Item::Char(c) if separates(*c))
}

pub fn asking(hir: &Hir) -> Ask {
    let mut items = Vec::new();
    collect(hir, &mut items);
    ask(&items, false, false)
}

/// The question for the text of a column that a filter accepts. Numbers are equal in many spellings, so they ask for nothing.
pub fn asking_filter(filter: &Filter) -> Ask {
    match &filter.is {
        Condition::In(values) => Ask::or(values.iter().map(|value| match is_number(value) {
            true => Ask::All,
            false => asking::asking(&format!(" {value} ")),
        })),
        Condition::Like(pattern) => Ask::and(pattern.split('*').map(asking::asking)),
        // the others have no words for the index, or none that a record must have
        _ => Ask::All,
    }
}

fn collect(hir: &Hir, items: &mut Vec<Item>) {
    if items.len() >= MAX_ITEMS {
        return items.push(Item::Gap);
    }
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => items.extend(text.chars().take(MAX_ITEMS).map(item)),
            Err(_) => items.push(Item::Gap),
        },
        HirKind::Class(class) => items.push(one_of(class)),
        HirKind::Look(look) => match look {
            // on one side of it there is no word's character, so no word goes on over it
            Look::Start | Look::End | Look::StartLF | Look::EndLF | Look::StartCRLF | Look::EndCRLF => {
                items.push(Item::Char(' '));
            }
            Look::WordUnicode
            | Look::WordStartUnicode
            | Look::WordEndUnicode
            | Look::WordStartHalfUnicode
            | Look::WordEndHalfUnicode => items.push(Item::Char(' ')),
            // these know ASCII words only, or require that a word goes on
            Look::WordUnicodeNegate
            | Look::WordAscii
            | Look::WordAsciiNegate
            | Look::WordStartAscii
            | Look::WordEndAscii
            | Look::WordStartHalfAscii
            | Look::WordEndHalfAscii => {}
        },
        HirKind::Capture(capture) => collect(&capture.sub, items),
        HirKind::Concat(parts) => parts.iter().for_each(|part| collect(part, items)),
        HirKind::Alternation(parts) => items.push(alternatives(parts)),
        HirKind::Repetition(repetition) => {
            let mut once = Vec::new();
            if repetition.min > 0 {
                collect(&repetition.sub, &mut once);
            }
            // separators are not indexed, so one stands for several
            if !once.is_empty() && once.iter().all(is_separator) {
                return items.push(Item::Char(' '));
            }
            let room = MAX_ITEMS.saturating_sub(items.len()) / once.len().max(1) + 1;
            let times = (repetition.min as usize).min(room);
            for _ in 0..times {
                items.extend_from_slice(&once);
            }
            if repetition.max != Some(times as u32) {
                items.push(Item::Gap);
            }
        }
    }
}

/// A class is a character if all of it may be taken for the same one, or if none of it is part of a word.
fn one_of(class: &Class) -> Item {
    let mut chars: Box<dyn Iterator<Item = char>> = match class {
        Class::Unicode(class) => Box::new(class.iter().flat_map(|range| range.start()..=range.end())),
        Class::Bytes(class) => match class.is_ascii() {
            true => Box::new(class.iter().flat_map(|range| range.start()..=range.end()).map(char::from)),
            false => return Item::Gap,
        },
    };
    let seen: Vec<Item> = chars.by_ref().take(MAX_CLASS_CHARS).map(item).collect();
    match seen.first() {
        Some(first) if chars.next().is_none() && seen.iter().all(|c| c == first) => first.clone(),
        Some(_) if chars.next().is_none() && seen.iter().all(is_separator) => Item::Char(' '),
        _ => Item::Gap,
    }
}

fn alternatives(parts: &[Hir]) -> Item {
    if parts.len() > MAX_ALTERNATIVES {
        return Item::Gap;
    }
    let mut lists: Vec<Vec<Item>> = Vec::new();
    for part in parts {
        let mut items = Vec::new();
        collect(part, &mut items);
        if !lists.contains(&items) {
            lists.push(items);
        }
    }
    match lists.as_slice() {
        [list] if list.len() == 1 => list[0].clone(),
        lists if lists.iter().all(|list| list.len() == 1 && is_separator(&list[0])) => Item::Char(' '),
        _ => Item::Any(lists),
    }
}

/// The question for these items. Closed: no word goes on over that end.
fn ask(items: &[Item], closed_left: bool, closed_right: bool) -> Ask {
    let space = |closed: bool| if closed { " " } else { "" };
    let separates = |item: Option<&Item>| item.is_some_and(is_separator);
    let mut asks = Vec::new();
    let mut at = 0;
    while at < items.len() {
        match &items[at] {
            Item::Char(_) => {
                let run = &items[at..];
                let length = run.iter().take_while(|item| matches!(item, Item::Char(_))).count();
                let text: String = run[..length]
                    .iter()
                    .filter_map(|item| if let Item::Char(c) = item { Some(*c) } else { None })
                    .collect();
                let ends = at + length == items.len();
                asks.push(asking::asking(&format!(
                    "{}{text}{}",
                    space(at == 0 && closed_left),
                    space(ends && closed_right)
                )));
                at += length;
            }
            Item::Gap => at += 1,
            Item::Any(lists) => {
                let left = if at == 0 { closed_left } else { separates(items.get(at - 1)) };
                let right = if at + 1 == items.len() { closed_right } else { separates(items.get(at + 1)) };
                asks.push(Ask::or(lists.iter().map(|list| ask(list, left, right))));
                at += 1;
            }
        }
    }
    asks.retain(|ask| *ask != Ask::All);
    // the longest are the rarest
    asks.sort_by_key(|ask| std::cmp::Reverse(weight(ask)));
    asks.truncate(MAX_PIECES);
    Ask::and(asks)
}

fn weight(ask: &Ask) -> usize {
    match ask {
        Ask::All => 0,
        Ask::Phrase(tokens) => tokens.iter().map(|token| token.text.len()).sum(),
        Ask::And(asks) => asks.iter().map(weight).sum(),
        Ask::Or(asks) => asks.iter().map(weight).min().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sphinx::asking::tests::written;

    #[track_caller]
    fn check(regex: &str, expect: &str) {
        let hir = regex_syntax::ParserBuilder::new().case_insensitive(true).build().parse(regex).expect(regex);
        assert_eq!(written(&asking(&hir)), expect, "{regex}");
    }

    #[test]
    fn every_match_must_contain_the_literals_of_a_regex() {
        check("Timeout", "*timeout* | tim ime meo eou out");
        check(r"\btimed out\b", "timed out");
        check("^GET /api", "get api*");
        check(r"user=\w+ failed$", "failed & *user | use ser");
        check(r"\bconnection\s+refused\b", "connection refused");
        check("^(GET|POST) /api/", "get | post & api");
        check("(?:foo|bar)baz", "*foo* | *bar* & *baz*");
        check("a{3} ", "*aaa");
        check("(?:ab){2,}c", "*abab* | aba bab");
        check(r"10\.0\.0\.7", "10·0 0·0 0·7*");
        check(r"at 1[.:]0 (?:-|/)5\.\.+6 ", "*at 1 0 5 6");
        check("日本|한국", "u65e5 u672c | ud55c uad6d");
    }

    #[test]
    fn a_part_without_a_literal_asks_for_nothing() {
        for regex in ["", ".*", "a|.*", "(?:foo)?", "[a-z]+", "(?:foo|)", "x*", r"\d{4}", "a", r"\B", "[^a]"] {
            check(regex, "·");
        }
    }

    #[test]
    fn a_large_pattern_is_looked_at_in_bounded_time() {
        check("(?:(?:a{1000}){1000}){1000}", &["aaa"; 16].join(" "));
        check(&["x"; 1000].join("|"), "·");
    }
}
