//! The property on which a search depends, tested with generated texts and patterns of every kind: **every text that a pattern
//! matches is in the index's answer** to the query that alco makes of the pattern. Likewise for filters; one for a message's pattern
//! accepts exactly the records whose `kind` has it.

use fastrand::Rng;
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use crate::config::Config;
use crate::query::{Condition, Filter, Mode, Query, Within};
use crate::record::json::each_text;
use crate::record::level::Level;
use crate::record::pattern::{self, PatternBuffer};
use crate::search::filter::{Apart, Filters, Looked};
use crate::search::pattern::Pattern;
use crate::search::pattern::index_query::asking_filter;
use crate::sphinx::asking::Ask;
use crate::sphinx::asking::tests::{matches, written};
use crate::sphinx::counting;
use crate::sphinx::fulltext::tests::prepared;
use crate::sphinx::keys::{self, WordsWriter};
use crate::time::Ts;

/// Letters and signs that tokenizers, foldings and word boundaries treat differently.
const ALPHABETS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "ABCabc_",
    "aA1",
    "0123456789",
    "0123456789abcdef",
    // foldings: dotted and dotless i, sharp s, long s, Kelvin, Ångström, micro, ligatures, title case, final sigma
    "iIİıßẞſsSKkKÅåÅµμΜﬀﬁﬅﬆǆǅǄΣσςϐβθϑΐΐΰΰ",
    "éÉèœŒøØñÿŸåþÞðÐ",
    "приветПРИВЕТёЁїЇ",
    "αβγςσΩΆά",
    "日本語東京한국어ﾊﾝｶｸ",
    "ＡＢａｂ１２３",
    "عربى٣٤שלוםไทยहिन्दी",
    // accents of their own, joiners, marks without width, the edges of what is a letter
    "e\u{301}o\u{308}\u{345}\u{200d}\u{200b}\u{fe0f}\u{ad}ªº²½①ⅷⅧⓐⒶ",
    "🔥→✓€«»…—“”",
    "𠮷𝒳𐐀𐐨",
    "._-/:=,;'\"()[]",
    "!#$%&*+<>?@\\^`{|}~",
    " \t\u{a0}\u{2009}\u{3000}\r\u{7f}\u{85}\u{1b}\0",
];

struct Generator(Rng);

impl Generator {
    fn chance(&mut self, percent: u32) -> bool {
        self.0.u32(..100) < percent
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.0.usize(..of.len())]
    }

    /// Characters of one alphabet, in a number near a limit of the index: three, 24, 42.
    fn word(&mut self) -> String {
        let alphabet: Vec<char> = self.one(ALPHABETS).chars().collect();
        let length = match self.0.u32(..20) {
            0 => self.0.usize(22..28),
            1 => self.0.usize(40..60),
            2..=5 => self.0.usize(5..12),
            _ => self.0.usize(1..5),
        };
        // a short alphabet of its own makes repetitions and near misses
        let few: Vec<char> = (0..self.0.usize(1..8)).map(|_| alphabet[self.0.usize(..alphabet.len())]).collect();
        (0..length).map(|_| few[self.0.usize(..few.len())]).collect()
    }

    fn text(&mut self) -> String {
        let mut words: Vec<String> = (0..self.0.usize(1..4)).map(|_| self.word()).collect();
        let mut text = String::new();
        for _ in 0..self.0.usize(1..9) {
            let at = self.0.usize(..words.len());
            text.push_str(&words[at]);
            match self.0.u32(..10) {
                0..5 => text.push(' '),
                5 => text.push('\n'),
                6 => text.push_str(&self.one(ALPHABETS).chars().take(1).collect::<String>()),
                7 => words[at] = self.word(),
                _ => {}
            }
        }
        text
    }

    /// A part of a text, cut anywhere.
    fn slice(&mut self, text: &str) -> String {
        let chars: Vec<char> = text.chars().collect();
        let from = self.0.usize(..chars.len());
        let most = if self.chance(70) { (chars.len() - from).min(6) } else { chars.len() - from };
        chars[from..from + 1 + self.0.usize(..most)].iter().collect()
    }

    /// Other spellings of the same characters, whatever the case.
    fn recased(&mut self, text: &str) -> String {
        let mut other = |c: char| {
            let mut class = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
            class.try_case_fold_simple().expect("the tables are there");
            let all: Vec<char> = class.iter().flat_map(|range| range.start()..=range.end()).collect();
            all[self.0.usize(..all.len())]
        };
        text.chars().map(&mut other).collect()
    }

    fn words(&mut self, text: &str) -> String {
        let mut search = String::new();
        for _ in 0..self.0.usize(1..4) {
            let part = self.slice(text);
            let part = if self.chance(50) { part.trim().to_owned() } else { part };
            let word = match self.0.u32(..5) {
                0 => format!("\"{part}\""),
                1 => format!("{part}*"),
                2 => format!("-{}", self.word()),
                _ => part,
            };
            search.push_str(&word);
            search.push_str(self.one(&[" ", " | ", "  "]));
        }
        search
    }

    fn regex(&mut self, text: &str) -> String {
        let mut regex = String::new();
        for _ in 0..[1, 1, 2, 3][self.0.usize(..4)] {
            if !regex.is_empty() {
                regex.push('|');
            }
            if self.chance(10) {
                regex.push_str(self.one(&[
                    "^",
                    r"\b",
                    r"\b{start}",
                    "(?-i)",
                    r"\B",
                    r"(?-u:\b)",
                    r"(?m)",
                    r"\b{start-half}",
                ]));
            }
            for c in self.slice(text).chars() {
                let escaped = regex::escape(&c.to_string());
                let piece = match self.0.u32(..24) {
                    0 => ".".to_owned(),
                    1 => ".*".to_owned(),
                    2 => format!("[{}q]", regex::escape(&c.to_string())),
                    3 => format!("{escaped}+"),
                    4 => format!("{escaped}?"),
                    5 => format!("(?:{escaped}){{1,3}}"),
                    6 => format!("(?:{escaped}|{})", regex::escape(&self.word())),
                    7 => r"\w".to_owned(),
                    8 => r"\W*".to_owned(),
                    9 => r"\s?".to_owned(),
                    10 => "[^x]".to_owned(),
                    11 => format!("(?i:{escaped})"),
                    12 => format!("(?-i:{escaped})"),
                    13 => r"\S".to_owned(),
                    14 => r"[[:punct:]]*".to_owned(),
                    15 => format!("(?:{escaped}|)"),
                    _ => escaped,
                };
                regex.push_str(&piece);
            }
            if self.chance(10) {
                regex.push_str(self.one(&["$", r"\b", r"\b{end}", r"\B", r"\b{end-half}", "()"]));
            }
        }
        if self.chance(10) { format!("(?:{regex})+") } else { regex }
    }
}

/// The text is in the answer of an index that was declared with either length.
#[track_caller]
fn check(ask: &Ask, prepared: &str, what: &str) {
    for infix in [2, 3] {
        let ask = ask.clone().with_infix(infix);
        assert!(matches(&ask, prepared), "{what} is not found by {} in {prepared}", written(&ask));
    }
}

fn cases() -> usize {
    if std::env::var_os("ALCO_SOAK").is_some() { 400_000 } else { 10_000 }
}

#[test]
fn the_index_gives_each_match_of_a_pattern() {
    let mut generator = Generator(Rng::with_seed(7));
    let (mut tried, mut matched, mut narrowed) = (0, 0, [0; 3]);
    while tried < cases() {
        let text = generator.text();
        let mode = generator.0.usize(..3);
        let search = match mode {
            0 => generator.slice(&text),
            1 => generator.words(&text),
            _ => generator.regex(&text),
        };
        let (case, word) = (generator.chance(30), generator.chance(30));
        let search = if case || mode == 2 { search } else { generator.recased(&search) };
        let mut query = Query::new(vec!["web".parse().expect("a name")]);
        (query.mode, query.case, query.word) = ([Mode::Literal, Mode::Words, Mode::Regex][mode], case, word);
        query.within = if generator.chance(20) { Within::All } else { Within::Message };
        query.search = search;
        let Ok(pattern) = Pattern::new(&query) else { continue };
        tried += 1;
        // the text stands in a column, or a word here and a word there
        let (message, column) = match query.within {
            Within::Message => (text.clone(), String::new()),
            Within::All if generator.chance(50) => ("another text".to_owned(), text.clone()),
            Within::All => (generator.slice(&text), text.clone()),
        };
        let columns = || if query.within == Within::All { vec![column.as_str()] } else { vec![] };
        let what = format!("{query:?} in {message:?} {column:?}");
        let found = pattern.matches(&message, columns);
        let certain = mode == 0 && !word && query.within == Within::Message && !query.search.contains('\n');
        assert!(found || !certain, "no match: {what}");
        if found {
            matched += 1;
            narrowed[mode] += usize::from(*pattern.ask() != Ask::All);
            let mut field = prepared(&message);
            for text in columns() {
                crate::sphinx::fulltext::prepare(text, &mut field);
            }
            check(pattern.ask(), &field, &what);
        }
    }
    // the property is not an empty one
    assert!(matched * 2 > tried, "{matched} of {tried}");
    assert!(narrowed.iter().all(|narrowed| narrowed * 20 > tried), "{narrowed:?} of {tried}");
}

#[test]
fn the_index_gives_each_match_of_a_filter() {
    let mut generator = Generator(Rng::with_seed(8));
    let apart = Apart::of(&Config::default().indexes[0]);
    let (mut accepted, mut narrowed) = (0, 0);
    for _ in 0..cases() / 4 {
        let text = generator.text();
        let json = serde_json::Value::from(text.as_str());
        let value = match generator.0.u32(..4) {
            0 => serde_json::json!([1, json, null]),
            1 if generator.chance(50) => serde_json::json!(generator.0.i32(-100..100)),
            1 => serde_json::json!(f64::from(generator.0.i32(-50..50)) / 4.0),
            _ => json,
        };
        let own = match &value {
            serde_json::Value::Number(number) => number.to_string(),
            _ => text.clone(),
        };
        let is = match generator.0.u32(..3) {
            0 => Condition::In(vec![generator.word(), own]),
            1 => Condition::In(vec![own]),
            _ => {
                let part = generator.slice(&own);
                let part = generator.recased(&part).replace('*', "");
                Condition::Like(format!("{}*{part}", generator.slice(&own).replace('*', "")))
            }
        };
        let filter = Filter { column: "k".to_owned(), is, off: false };
        let columns = serde_json::json!({"k": value}).to_string();
        let looked = Looked { apart: &apart, ts: Ts::MIN, message: "", columns: &columns };
        if Filters::new([&filter]).accept(looked) {
            accepted += 1;
            let ask = asking_filter(&filter);
            narrowed += usize::from(ask != Ask::All);
            let mut field = String::new();
            each_text(&value.to_string(), &mut |text| crate::sphinx::fulltext::prepare(text, &mut field));
            check(&ask, &field, &format!("{filter:?} on {columns}"));
            if let Condition::In(wanted) = &filter.is {
                let mut words = String::new();
                let mut writer = WordsWriter::new(&mut words);
                writer.add("k", &value.to_string());
                writer.end();
                let has = |wanted: &String| words.split(' ').any(|word| word == keys::word("k", wanted));
                assert!(wanted.iter().any(has), "{filter:?} on {columns}: {words}");
            }
        }
    }
    assert!(accepted > cases() / 10 && narrowed > cases() / 20, "{accepted} accepted, {narrowed} narrowed");
}

#[test]
fn a_filter_accepts_the_patterns_that_kinds_have() {
    let mut generator = Generator(Rng::with_seed(9));
    let apart = Apart::of(&Config::default().indexes[0]);
    let (mut buffer, mut accepted) = (PatternBuffer::default(), 0);
    for _ in 0..cases() / 4 {
        let template = generator.text();
        let message = |generator: &mut Generator| match generator.0.u32(..4) {
            0 => generator.text(),
            // a zero byte is a space when it is read back
            1 => template.replace('0', "7").replace('\0', " "),
            _ => template.replace('0', &generator.0.u32(..1000).to_string()),
        };
        let (stored, other) = (message(&mut generator), message(&mut generator));
        let kind = counting::kind(counting::rank(Level::Info), pattern::hash(&stored, &mut buffer));
        let wanted = vec![pattern::of(&other).hash, pattern::of(&generator.text()).hash];
        let is_among = wanted.iter().any(|pattern| pattern.bits() == kind as u64 / 8);
        let looked = Looked { apart: &apart, ts: Ts::MIN, message: &stored.replace('\0', " "), columns: "" };
        for (is, expect) in
            [(Condition::HasPattern(wanted.clone()), is_among), (Condition::LacksPattern(wanted.clone()), !is_among)]
        {
            let filter = Filter { column: "pattern".to_owned(), is, off: false };
            let found = Filters::new([&filter]).accept(looked);
            assert_eq!(found, expect, "{filter:?} on {stored:?}");
        }
        accepted += usize::from(is_among);
    }
    assert!(accepted > cases() / 20, "{accepted} accepted");
}
