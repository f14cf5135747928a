//! A literal -> the expression by which the full-text index finds every text that contains it. Pure. `fulltext` prepares the texts.
//!
//! Invariant: a text that contains the literal, whatever the case, matches the expression. Other texts may match it too.

use std::collections::HashSet;

use crate::sphinx::fulltext::{
    CLASSES, CharClass, MAX_WORD_CHARS, MIN_INFIX_CHARS, PAIR, PAIR_DIGITS, class, each_pair, is_cut, is_joint,
    push_alone, trigrams,
};

/// Tokens of one phrase: a longer phrase excludes hardly any further candidates, and searchd reads the positions of each token.
const MAX_PHRASE_TOKENS: usize = 16;

/// An expression that the full-text field of a text must match.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// the index cannot decide: every record is a candidate
    All,
    /// these tokens, one right after the other; never empty
    Phrase(Vec<Token>),
    And(Vec<Ask>),
    Or(Vec<Ask>),
}

/// A token as it stands, or with anything before or after it; then it has at least `MIN_INFIX_CHARS` characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub text: String,
    pub more_before: bool,
    pub more_after: bool,
}

impl Ask {
    /// The same for an index with another `min_infix_len`: without the parts that are too short for it.
    pub fn with_infix(self, least: usize) -> Ask {
        let of = |asks: Vec<Ask>| asks.into_iter().map(move |ask| ask.with_infix(least));
        match self {
            Ask::All => Ask::All,
            Ask::And(asks) => Ask::and(of(asks)),
            Ask::Or(asks) => Ask::or(of(asks)),
            // they stand at the ends
            Ask::Phrase(mut tokens) => {
                let part = |token: &Token| token.more_before || token.more_after;
                tokens.retain(|token| !part(token) || token.text.chars().count() >= least);
                if tokens.is_empty() { Ask::All } else { Ask::Phrase(tokens) }
            }
        }
    }

    pub fn and(asks: impl IntoIterator<Item = Ask>) -> Ask {
        let parts = asks.into_iter().filter(|ask| *ask != Ask::All).map(|ask| match ask {
            Ask::And(inner) => inner,
            ask => vec![ask],
        });
        Ask::of(distinct(parts), Ask::And)
    }

    /// Without any alternative, every record is a candidate: one may have been overlooked.
    pub fn or(asks: impl IntoIterator<Item = Ask>) -> Ask {
        let parts = asks.into_iter().map(|ask| match ask {
            Ask::All => None,
            Ask::Or(inner) => Some(inner),
            ask => Some(vec![ask]),
        });
        parts.collect::<Option<Vec<_>>>().map_or(Ask::All, |parts| Ask::of(distinct(parts), Ask::Or))
    }

    fn of(mut parts: Vec<Ask>, several: fn(Vec<Ask>) -> Ask) -> Ask {
        match parts.len() {
            0 => Ask::All,
            1 => parts.remove(0),
            _ => several(parts),
        }
    }
}

/// Each of these once, in their order. There may be thousands: each is looked up, and not compared with all before it.
fn distinct(parts: impl IntoIterator<Item = Vec<Ask>>) -> Vec<Ask> {
    let parts: Vec<Ask> = parts.into_iter().flatten().collect();
    let mut seen = HashSet::new();
    let is_new: Vec<bool> = parts.iter().map(|ask| seen.insert(ask)).collect();
    parts.into_iter().zip(is_new).filter_map(|(ask, is_new)| is_new.then_some(ask)).collect()
}

/// A word or a lone character of a literal.
struct Piece {
    /// folded
    text: String,
    chars: usize,
    digit: bool,
    alone: bool,
    /// the word may go on where the literal ends
    open_left: bool,
    open_right: bool,
    /// a number of which a pair has all that is known
    paired: bool,
}

/// The expression that every text with the literal matches, whatever the case. Anything may stand before and after the
/// literal, letters too; a space at an end of the literal excludes that.
pub fn asking(literal: &str) -> Ask {
    let pieces = pieces(literal);
    let words = pieces.split(|piece| piece.paired).map(asking_words);
    Ask::and(words.chain([asking_pairs(literal)]))
}

/// The answer of the index for a literal: texts with `surely` contain it, those with only `perhaps` may, no others do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    pub surely: Ask,
    pub perhaps: Option<Ask>,
}

/// A literal of letters only stands within one word, which is a token. None: the index only narrows.
pub fn deciding(literal: &str) -> Option<Decided> {
    let letters: Option<String> = literal
        .chars()
        .map(|c| match class(CLASSES.as_slice(), c) {
            CharClass::Word(c) if !c.is_ascii_digit() => Some(c),
            _ => None,
        })
        .collect();
    let letters = letters?;
    // `u65e5` has letters that are not of the text
    let within_alone = letters.strip_prefix('u').unwrap_or(&letters).chars().all(|c| matches!(c, 'a'..='f'));
    if within_alone || !(MIN_INFIX_CHARS..=MAX_WORD_CHARS).contains(&letters.chars().count()) {
        return None;
    }
    match asking(literal) {
        Ask::Phrase(tokens) => Some(Decided { surely: Ask::Phrase(tokens), perhaps: None }),
        // trigrams next to each other need not be of one word
        Ask::Or(mut asks) if asks.len() == 2 => {
            let perhaps = asks.pop();
            Some(Decided { surely: asks.remove(0), perhaps })
        }
        _ => None,
    }
}

/// The expression for words, one right after the other.
fn asking_words(pieces: &[Piece]) -> Ask {
    let mut phrases: Vec<Vec<Token>> = vec![Vec::new()];
    for piece in pieces {
        let alternatives = alternatives(piece);
        phrases = phrases
            .into_iter()
            .flat_map(|phrase| {
                alternatives.iter().map(move |tokens| {
                    let room = MAX_PHRASE_TOKENS.saturating_sub(phrase.len());
                    phrase.iter().chain(tokens.iter().take(room)).cloned().collect()
                })
            })
            .collect();
    }
    Ask::or(phrases.into_iter().map(|phrase| if phrase.is_empty() { Ask::All } else { Ask::Phrase(phrase) }))
}

/// The expression for the pairs of a literal, which stand together.
fn asking_pairs(literal: &str) -> Ask {
    let mut tokens = Vec::new();
    each_pair(literal, |pair| {
        if tokens.len() < MAX_PHRASE_TOKENS {
            let text = format!("{}{PAIR}{}", pair.left, pair.right);
            tokens.push(Token { text, more_before: pair.open_left, more_after: pair.open_right });
        }
    });
    if tokens.is_empty() { Ask::All } else { Ask::Phrase(tokens) }
}

/// The pieces of a literal, as many as a phrase can use.
fn pieces(literal: &str) -> Vec<Piece> {
    let classes = CLASSES.as_slice();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut word_goes_on = false;
    let mut chars = literal.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let class = class(classes, c);
        let is_last = chars.peek().is_none();
        match class {
            CharClass::Word(c) => {
                if !word_goes_on {
                    // the first may have no token of its own
                    if pieces.len() > MAX_PHRASE_TOKENS {
                        break;
                    }
                    let open_left = at == 0;
                    let (text, chars, digit, paired) = (String::new(), 0, false, is_paired(literal.as_bytes(), at));
                    pieces.push(Piece { text, chars, digit, alone: false, open_left, open_right: false, paired });
                }
                let word = pieces.last_mut().expect("pushed just above, or before");
                word.text.push(c);
                word.chars += 1;
                word.digit |= c.is_ascii_digit();
                word.open_right = is_last;
            }
            CharClass::Alone(c) => {
                if pieces.len() > MAX_PHRASE_TOKENS {
                    break;
                }
                let mut text = String::new();
                push_alone(c, &mut text);
                let (open_left, open_right, paired) = (false, false, false);
                pieces.push(Piece { text, chars: 1, digit: false, alone: true, open_left, open_right, paired });
            }
            CharClass::Separator => {}
        }
        word_goes_on = matches!(class, CharClass::Word(_));
    }
    pieces
}

/// True if the word that begins here is a number, all of which is in a pair.
fn is_paired(literal: &[u8], start: usize) -> bool {
    let is_digit = |at: usize| literal.get(at).is_some_and(u8::is_ascii_digit);
    let joins = |at: usize| literal.get(at).is_some_and(|byte| is_joint(*byte));
    let end = start + (start..).take_while(|at| is_digit(*at)).count();
    let is_whole = literal.get(end).is_none_or(|byte| byte.is_ascii() && !byte.is_ascii_alphanumeric());
    let beside = joins(end) && is_digit(end + 1) || start >= 2 && joins(start - 1) && is_digit(start - 2);
    (start + 1..=start + PAIR_DIGITS).contains(&end) && is_whole && beside
}

/// The tokens that a piece of a literal may be in the field: for a word at an open edge, those it has as part of a word
/// that is kept, and those as part of one that is cut.
fn alternatives(piece: &Piece) -> Vec<Vec<Token>> {
    let Piece { text, chars, digit, .. } = piece;
    let token = |text: &str| Token { text: text.to_owned(), more_before: false, more_after: false };
    let cut = || {
        let mut tokens = Vec::new();
        trigrams(text, |trigram| {
            if tokens.len() < MAX_PHRASE_TOKENS {
                tokens.push(token(trigram));
            }
        });
        tokens
    };
    if !piece.open_left && !piece.open_right {
        return vec![if !piece.alone && is_cut(*chars, *digit) { cut() } else { vec![token(text)] }];
    }
    // no token is known to hold it whole: it stands at the phrase's end, so the phrase does without
    if *chars < MIN_INFIX_CHARS {
        return vec![Vec::new()];
    }
    let kept = Token { text: text.clone(), more_before: piece.open_left, more_after: piece.open_right };
    match (digit, chars) {
        // the wildcard finds the trigrams too
        (_, ..3) | (false, 3) => vec![vec![kept]],
        (true, _) => vec![cut()],
        (false, &chars) if chars > MAX_WORD_CHARS => vec![cut()],
        (false, _) => vec![vec![kept], cut()],
    }
}

#[cfg(any(test, fuzzing))]
pub mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sphinx::fulltext::folded;
    use crate::sphinx::fulltext::tests::prepared;

    /// The meaning of MATCH for searchd, over tokens.
    pub fn matches(ask: &Ask, prepared: &str) -> bool {
        let tokens: Vec<&str> = prepared.split(' ').collect();
        let fits = |token: &Token, at: &&str| match (token.more_before, token.more_after) {
            (false, false) => *at == token.text,
            (true, false) => at.ends_with(&token.text),
            (false, true) => at.starts_with(&token.text),
            (true, true) => at.contains(&token.text),
        };
        match ask {
            Ask::All => true,
            Ask::Phrase(phrase) => {
                tokens.windows(phrase.len()).any(|window| phrase.iter().zip(window).all(|(token, at)| fits(token, at)))
            }
            Ask::And(asks) => asks.iter().all(|ask| matches(ask, prepared)),
            Ask::Or(asks) => asks.iter().any(|ask| matches(ask, prepared)),
        }
    }

    /// `"*a b*"|"c"`; `·` is everything
    pub fn written(ask: &Ask) -> String {
        let star = |yes| if yes { "*" } else { "" };
        match ask {
            Ask::All => "·".to_owned(),
            Ask::Phrase(tokens) => tokens
                .iter()
                .map(|token| format!("{}{}{}", star(token.more_before), token.text, star(token.more_after)))
                .collect::<Vec<_>>()
                .join(" "),
            Ask::And(asks) => asks.iter().map(written).collect::<Vec<_>>().join(" & "),
            Ask::Or(asks) => asks.iter().map(written).collect::<Vec<_>>().join(" | "),
        }
    }

    #[track_caller]
    fn check_asking(literal: &str, expect: &str) {
        assert_eq!(written(&asking(literal)), expect, "{literal}");
    }

    #[test]
    fn a_literal_asks_for_the_weakest_expression_that_helps() {
        check_asking("", "·");
        check_asking("-", "·");
        check_asking("a", "·");
        check_asking("%", "u25");
        check_asking("->", "u3e");
        check_asking("ab", "*ab*");
        check_asking("Abc", "*abc*");
        check_asking("imeout=5", "*imeout | ime meo eou out");
        check_asking("id=42", "*id 42*");
        check_asking("10.0.0.", "10·0 0·0");
        check_asking("1.0.7", "*1·0 0·7*");
        check_asking("web-1 at 10.0.0.7:8443", "*web 1 at & 844 443 & 10·0 0·0 0·7 7·84");
        check_asking("x1.5y", "*x1 5y* & 1·5");
        check_asking("7f3a9", "7f3 f3a 3a9");
        check_asking("connection ref", "*connection ref* | con onn nne nec ect cti tio ion ref*");
        check_asking("a timed out b", "timed out");
        check_asking(" timed ", "timed");
        check_asking(" ok", "ok*");
        check_asking("日本", "u65e5 u672c");
        check_asking("本ab", "u672c ab*");
        check_asking(&format!(" {} ", "q".repeat(25)), &["qqq"; 16].join(" "));
    }

    #[test]
    fn letters_alone_are_decided_by_the_index() {
        for (literal, expect) in [
            ("hrome", Some(("*hrome*", "hro rom ome"))),
            ("Éta", Some(("*éta*", ""))),
            ("ok", Some(("*ok*", ""))),
            ("a", None),
            ("4f", None),
            ("fee", None),
            ("ub", None),
            ("a b", None),
            (" ab", None),
            ("ab_", None),
            ("本ab", None),
            ("abcdefghijklmnopqrstuvwxyz", None),
        ] {
            let decided = deciding(literal);
            let decided = decided.map(|is| (written(&is.surely), is.perhaps.as_ref().map(written).unwrap_or_default()));
            assert_eq!(decided.as_ref().map(|(a, b)| (a.as_str(), b.as_str())), expect, "{literal}");
        }
    }

    #[test]
    fn thousands_of_parts_are_not_compared_in_pairs() {
        // in pairs, 3 * 10^10 comparisons
        let parts = |n: usize| (0..n).chain(0..n).map(|n| asking(&format!(" w{n} ")));
        for joined in [Ask::and(parts(200_000)), Ask::or(parts(200_000))] {
            let (Ask::And(asks) | Ask::Or(asks)) = joined else { panic!("several") };
            assert_eq!(asks, parts(200_000).take(200_000).collect::<Vec<_>>());
        }
        assert_eq!(Ask::and([asking(" a "), Ask::All, asking(" a ")]), asking(" a "));
        assert_eq!(Ask::or([asking(" a "), Ask::All]), Ask::All);
    }

    #[test]
    fn an_index_with_longer_infixes_is_asked_for_less() {
        for (literal, expect) in [
            ("ab", "·"),
            ("id=42", "·"),
            ("5% of", "u25"),
            ("1.5", "*1·5*"),
            ("ab abcd", "abcd* | abc bcd"),
            ("abc", "*abc*"),
        ] {
            assert_eq!(written(&asking(literal).with_infix(3)), expect, "{literal}");
        }
    }

    #[test]
    fn a_literal_of_any_length_asks_for_a_bounded_phrase() {
        for literal in ["word ".repeat(2000), "x1".repeat(5000), "日".repeat(10_000), "a b ".repeat(3000)] {
            let Ask::Phrase(tokens) = asking(&format!(" {literal}")) else { panic!("a phrase for {literal}") };
            assert_eq!(tokens.len(), MAX_PHRASE_TOKENS);
        }
    }

    /// Text as logs have it, and text as no log has it.
    pub fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "([a-zA-Z]{1,8}|[0-9a-f]{1,9}|[ .:=/_-]{1,2}){0,12}",
            "[a-c1 .éЯя日K]{0,24}",
            "[a-z]{20,30}[ 1]?[a-z]{0,30}",
            any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn a_text_matches_what_is_asked_for_any_part_of_it(text in text(), from in 0..40_usize, length in 0..40_usize, upper: bool) {
            let literal: String = text.chars().skip(from).take(length).collect();
            let other = if upper { literal.to_uppercase() } else { literal.to_lowercase() };
            // some letters have no counterpart of one character
            let literal = if other.chars().map(folded).eq(literal.chars().map(folded)) { other } else { literal };
            prop_assert!(matches(&asking(&literal), &prepared(&text)), "{:?}", asking(&literal));
        }

        #[test]
        fn letters_are_where_the_index_says_so_and_nowhere_else(text in text(), from in 0..40_usize, length in 2..9_usize, other in "[a-eu]{2,4}") {
            for literal in [text.chars().skip(from).take(length).collect(), other] {
                let Some(Decided { surely, perhaps }) = deciding(&literal) else { continue };
                let prepared = prepared(&text);
                let is_there = regex::Regex::new(&format!("(?i){literal}")).expect("letters").is_match(&text);
                let told = matches(&surely, &prepared);
                prop_assert!(is_there || !told, "{literal:?}");
                prop_assert!(told || !is_there || perhaps.is_some_and(|ask| matches(&ask, &prepared)), "{literal:?}");
            }
        }

        #[test]
        fn a_text_matches_what_is_asked_for_its_whole_words(text in text(), from in 0..20_usize, words in 1..5_usize) {
            let word = regex::Regex::new(r"\w+").expect("a regex");
            let found: Vec<_> = word.find_iter(&text).skip(from).take(words).collect();
            if let (Some(first), Some(last)) = (found.first(), found.last()) {
                let literal = format!(" {} ", &text[first.start()..last.end()]);
                prop_assert!(matches(&asking(&literal), &prepared(&text)), "{:?}", asking(&literal));
            }
        }
    }
}
