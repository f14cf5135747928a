//! The text that a full-text field gets (`prepare`). Pure. `asking` has the expression to find it by. One property holds between
//! the two: a text that contains a literal, whatever the case, matches the expression for the literal. The index only narrows, so
//! that is enough.
//!
//! Prepared text is tokens with a space between them, made of characters that searchd's `charset_table` (`CHARSET`)
//! takes as they are:
//!
//! | in the text | tokens |
//! |---|---|
//! | a word: a run of letters and ASCII digits inside the charset, folded | itself |
//! | … with a digit, or of more than `MAX_WORD_CHARS` letters | its overlapping trigrams; itself, if shorter than 3 |
//! | a letter or number outside the charset (日, ع, ①), a sign outside ASCII (→, €, 🔥), one of `SIGN_BYTES` | `u65e5`, one for each |
//! | white space, a control character, any other sign | separates tokens, and leaves no trace |
//! | a digit, one ASCII sign that separates, a digit | after all others: `10·0`, the nearest `PAIR_DIGITS` digits on either side |
//!
//! Trigrams keep the dictionary small, which ids and numbers would fill. So a search for parts of two characters costs nothing, and
//! searchd does not cut long words. The pairs of the last line find addresses, versions and times of day, since every other record
//! has one of their numbers.

use std::collections::VecDeque;
use std::sync::LazyLock;

/// The `charset_table` for prepared text. Higher ranges would cost memory in every index: outside, alco writes tokens.
pub const CHARSET: &str = "0..9, a..z, U+80..U+24F, U+370..U+52F";

/// The `min_infix_len` for prepared text: the shortest part of a token that can be asked for. A shorter one would find nothing
/// instead of everything.
pub const MIN_INFIX_CHARS: usize = 2;

/// Signs that are rare in lines: a search for one of these need not read every line.
const SIGN_BYTES: &[u8] = b"!#$%&*+<>?@\\^`{|}~";

/// The only token of `cols` where the columns' text is not there. It is not a word's token, since words longer than
/// `MAX_WORD_CHARS` are cut.
pub const NO_COLUMNS: &str = "thecolumnsofthisrecordarenothere";
/// The only token of a column's own field where the column's text is not there. searchd reads the documents of a word in all fields,
/// and nearly all documents may have `NO_COLUMNS`.
pub const NO_COLUMN: &str = "thetextofthiscolumnisnothere";

/// Longer words are ids and encodings; searchd itself cuts words at 42 characters.
pub(super) const MAX_WORD_CHARS: usize = 24;

/// Digits on either side of a pair: more would discriminate better, but enlarge the dictionary.
pub(super) const PAIR_DIGITS: usize = 2;

/// Between the two: no text has it as part of a word.
pub(super) const PAIR: char = '·';

/// Of one transaction. Up to here, a token takes searchd a few microseconds; beyond, its time grows with the square of their number:
/// 160,000 different ones take 5 s, and 600,000 minutes, in which nothing else is stored.
pub const MAX_DIFFERENT_TOKENS: usize = 100_000;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum CharClass {
    Separator,
    /// the folded character, part of a word
    Word(char),
    /// the folded character, a token of its own
    Alone(char),
}

/// Characters that a case-insensitive regex takes for the same become the same; of a word's characters, no others do.
fn fold(c: char) -> char {
    let one = |mut chars: std::char::ToUppercase| chars.next().filter(|_| chars.next().is_none());
    let c = match c {
        // pairs that Unicode folds though their upper case has several characters
        '\u{fb05}' => '\u{fb06}',
        '\u{1fd3}' => '\u{390}',
        '\u{1fe3}' => '\u{3b0}',
        _ => one(c.to_uppercase()).unwrap_or(c),
    };
    let mut lower = c.to_lowercase();
    lower.next().filter(|_| lower.next().is_none()).unwrap_or(c)
}

fn class_of(c: char) -> CharClass {
    let c = fold(c);
    match c {
        '0'..='9' | 'a'..='z' => CharClass::Word(c),
        // numbers that are not digits (²) are not part of a word for a regex's \b either
        '\u{80}'..='\u{24f}' | '\u{370}'..='\u{52f}' if c.is_alphabetic() => CharClass::Word(c),
        _ if c.is_whitespace() || c.is_control() => CharClass::Separator,
        _ if c.is_ascii() && !SIGN_BYTES.contains(&(c as u8)) => CharClass::Separator,
        _ => CharClass::Alone(c),
    }
}

/// The classes of the first characters, of which most text consists.
const TABLE_CHARS: usize = 0x530;
pub(super) static CLASSES: LazyLock<Vec<CharClass>> = LazyLock::new(|| {
    (0..TABLE_CHARS as u32).map(|n| char::from_u32(n).map_or(CharClass::Separator, class_of)).collect()
});

pub(super) fn class(classes: &[CharClass], c: char) -> CharClass {
    classes.get(c as usize).copied().unwrap_or_else(|| class_of(c))
}

/// Appends what the full-text field gets for `text`.
pub fn prepare(text: &str, out: &mut String) {
    if !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
    let classes = CLASSES.as_slice();
    let mut word = Word { start: out.len(), chars: 0, digit: false };
    let mut scratch = String::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let run = at;
        while at < bytes.len() && bytes[at].is_ascii_alphanumeric() {
            word.digit |= bytes[at].is_ascii_digit();
            at += 1;
        }
        if at > run {
            let from = out.len();
            out.push_str(&text[run..at]);
            out[from..].make_ascii_lowercase();
            word.chars += at - run;
        } else if bytes[at].is_ascii() && classes[usize::from(bytes[at])] == CharClass::Separator {
            word.end(out, &mut scratch);
            at += 1;
        } else {
            let c = text[at..].chars().next().expect("a character begins here");
            at += c.len_utf8();
            match class(classes, c) {
                CharClass::Word(c) => {
                    word.digit |= c.is_ascii_digit();
                    word.chars += 1;
                    out.push(c);
                }
                CharClass::Alone(c) => {
                    word.end(out, &mut scratch);
                    push_alone(c, out);
                    out.push(' ');
                    word.start = out.len();
                }
                CharClass::Separator => word.end(out, &mut scratch),
            }
        }
    }
    word.end(out, &mut scratch);
    each_pair(text, |pair| {
        out.push_str(pair.left);
        out.push(PAIR);
        out.push_str(pair.right);
        out.push(' ');
    });
    if out.ends_with(' ') {
        out.pop();
    }
}

/// The tokens of prepared text.
pub fn tokens(prepared: &str) -> impl Iterator<Item = &str> {
    prepared.split(' ').filter(|token| !token.is_empty())
}

/// The number of its tokens.
pub fn count_tokens(prepared: &str) -> usize {
    // one space stands between two
    usize::from(!prepared.is_empty()) + prepared.bytes().filter(|byte| *byte == b' ').count()
}

/// Two numbers with one sign between them: as much of them as a token has.
pub(super) struct Pair<'a> {
    pub left: &'a str,
    pub right: &'a str,
    /// the text ends here, so a token may have more digits of the number
    pub open_left: bool,
    pub open_right: bool,
}

pub(super) fn each_pair<'a>(text: &'a str, mut take: impl FnMut(Pair<'a>)) {
    let bytes = text.as_bytes();
    for (n, beside) in bytes.windows(3).enumerate() {
        if !(beside[0].is_ascii_digit() && is_joint(beside[1]) && beside[2].is_ascii_digit()) {
            continue;
        }
        let (end, start) = (n + 1, n + 2);
        let left = bytes[..end].iter().rev().take(PAIR_DIGITS).take_while(|byte| byte.is_ascii_digit()).count();
        let right = bytes[start..].iter().take(PAIR_DIGITS).take_while(|byte| byte.is_ascii_digit()).count();
        take(Pair {
            left: &text[end - left..end],
            right: &text[start..start + right],
            open_left: left < PAIR_DIGITS && left == end,
            open_right: right < PAIR_DIGITS && start + right == bytes.len(),
        });
    }
}

/// True if a sign joins two numbers to a pair.
pub(super) fn is_joint(byte: u8) -> bool {
    byte.is_ascii_punctuation() && !SIGN_BYTES.contains(&byte)
}

/// The word that is being written, from `start` to the end of the output.
struct Word {
    start: usize,
    chars: usize,
    digit: bool,
}

impl Word {
    fn end(&mut self, out: &mut String, scratch: &mut String) {
        if self.chars == 0 {
            return;
        }
        if is_cut(self.chars, self.digit) {
            scratch.clear();
            scratch.push_str(&out[self.start..]);
            out.truncate(self.start);
            trigrams(scratch, |trigram| {
                out.push_str(trigram);
                out.push(' ');
            });
        } else {
            out.push(' ');
        }
        *self = Word { start: out.len(), chars: 0, digit: false };
    }
}

/// True if a word becomes trigrams.
pub(super) fn is_cut(chars: usize, digit: bool) -> bool {
    chars >= 3 && (digit || chars > MAX_WORD_CHARS)
}

pub(super) fn trigrams<'a>(word: &'a str, mut take: impl FnMut(&'a str)) {
    if word.is_ascii() {
        (3..=word.len()).for_each(|end| take(&word[end - 3..end]));
        return;
    }
    let mut ends = word.char_indices().map(|(at, c)| at + c.len_utf8());
    // where the trigram begins, and where each of its characters ends
    let mut window = VecDeque::from([0]);
    window.extend(ends.by_ref().take(2));
    for end in ends {
        window.push_back(end);
        take(&word[window[0]..end]);
        window.pop_front();
    }
}

/// `u65e5`
pub(super) fn push_alone(c: char, out: &mut String) {
    out.push('u');
    let digits = (1..=6).rev().skip_while(|n| (c as u32) >> (4 * (n - 1)) == 0);
    for n in digits {
        let digit = (c as u32) >> (4 * (n - 1)) & 15;
        out.push(char::from_digit(digit, 16).expect("four bits are a hexadecimal digit"));
    }
}

/// True if a character is not part of any token.
pub fn separates(c: char) -> bool {
    class(CLASSES.as_slice(), c) == CharClass::Separator
}

/// The character that stands for all those it may be taken for, whatever the case.
pub fn folded(c: char) -> char {
    fold(c)
}

#[cfg(any(test, fuzzing))]
pub mod tests {
    use super::*;

    pub fn prepared(text: &str) -> String {
        let mut out = String::new();
        prepare(text, &mut out);
        out
    }

    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(prepared(text), expect, "{text}");
    }

    #[test]
    fn words_are_kept_and_what_has_digits_becomes_trigrams() {
        check("", "");
        check(" -- ", "");
        check("Connection to DB-host timed out.", "connection to db host timed out");
        check("order 7f3a9 in 12ms, 5 of 42", "order 7f3 f3a 3a9 in 12m 2ms 5 of 42");
        check("192.168.0.1:8080", "192 168 0 1 808 080 92·16 68·0 0·1 1·80");
        check("at 9:05, 1.5% 2..3 4 5 x6.7y", "at 9 05 1 5 u25 2 3 4 5 x6 7y 9·05 1·5 6·7");
        check("ab_cd", "ab cd");
        check(&"x".repeat(24), &"x".repeat(24));
        check(&"y".repeat(25), &["yyy"; 23].join(" "));
    }

    #[test]
    fn every_script_has_tokens() {
        check("Straße ÉTÉ Привет, ΟΔΟΣ", "straße été привет οδοσ");
        check("日本abc語1", "u65e5 u672c abc u8a9e 1");
        check("x² ½ × 5µs 300K", "x ub2 ubd ud7 5μs 300 00k");
        check("е1234567890щ", "е12 123 234 345 456 567 678 789 890 90щ");
        check("🔥 fire\u{a0}→", "u1f525 fire u2192");
        check("50% <a@b.c> {x}\\", "50 u25 u3c a u40 b c u3e u7b x u7d u5c");
    }

    #[test]
    fn a_second_text_is_a_token_of_its_own() {
        let mut out = String::new();
        for text in ["one", "", "two 7"] {
            prepare(text, &mut out);
        }
        assert_eq!(tokens(&out).collect::<Vec<_>>(), ["one", "two", "7"]);
        assert_eq!([&out, "", "one"].map(count_tokens), [3, 0, 1]);
    }

    /// The characters that a pattern takes for the same without regard to case: as Unicode folds, and ı is an i, as for grep.
    fn equal(c: char) -> regex_syntax::hir::ClassUnicode {
        use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};
        let one = |c| ClassUnicodeRange::new(c, c);
        let mut class = match c {
            'i' | 'I' | 'ı' => ClassUnicode::new(['i', 'ı'].map(one)),
            _ => ClassUnicode::new([one(c)]),
        };
        class.try_case_fold_simple().expect("the tables are there");
        class
    }

    #[test]
    fn characters_equal_for_a_regex_fold_to_the_same() {
        for c in '\0'..=char::MAX {
            let class = equal(c);
            for range in class.ranges() {
                for other in range.start()..=range.end() {
                    assert_eq!(fold(other), fold(c), "{c:?} {other:?}");
                }
            }
            assert_eq!(fold(fold(c)), fold(c), "{c:?}");
        }
    }

    #[test]
    fn words_folded_to_the_same_are_equal_for_a_regex() {
        for c in '\0'..=char::MAX {
            let CharClass::Word(folded) = class_of(c) else { continue };
            let class = equal(c);
            assert!(class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&folded)), "{c:?}");
        }
    }

    /// So that a word boundary of a regex is one for the tokens.
    #[test]
    fn characters_of_words_are_those_of_a_regex() {
        let word = regex::Regex::new(r"^\w$").expect("a regex");
        let mut buffer = [0; 4];
        for c in '\0'..=char::MAX {
            assert!(
                !matches!(class(CLASSES.as_slice(), c), CharClass::Word(_))
                    || word.is_match(c.encode_utf8(&mut buffer)),
                "{c:?}"
            );
        }
    }

    #[test]
    fn tokens_are_of_searchd_s_characters_only() {
        let taken = |c: char| matches!(c, ' ' | '0'..='9' | 'a'..='z' | '\u{80}'..='\u{24f}' | '\u{370}'..='\u{52f}');
        for c in '\0'..=char::MAX {
            let token = prepared(&c.to_string());
            assert!(token.chars().all(taken), "{c:?} {token}");
        }
    }
}
