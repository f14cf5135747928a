//! A column's values with counts, for a search without that column's own filter. Pure.
//!
//! Invariant: next to a value is the number of records that its link (`column=value`, see `search::filter`) finds, or the
//! values are not called exact. So a number is one value however it is written, and a text that spells a number counts those
//! records too; a record counts once, whatever an array repeats.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use serde::de::IgnoredAny;

use crate::record::json::{elements, members, readable, values_at};
use crate::record::number::{Number, is_number, is_plain_integer};
use crate::sphinx::attributes::{PRINTED_DECIMALS, read_back};
use crate::sphinx::dialect::is_null_group;

/// searchd's JSON has this in the place of a control character.
const ALTERED: char = '\u{fffd}';
/// Integers that are nearer to 0 have no other of the same low 32 bits between them and 0.
const BEYOND_32_BITS: u64 = 1 << 32;

/// Numbers of more digits before the point are strings in searchd's JSON (`TOO_LARGE_NUMBER`).
const MAX_WHOLE_DIGITS: i64 = 15;

/// The most values of one answer: a user cannot choose from a column with more.
pub(super) const MAX_GROUPS: usize = 10_000;

/// The values of a column to count.
#[derive(Clone, Copy, Debug)]
pub struct ValuesWanted<'a> {
    pub column: &'a str,
    pub limit: usize,
    /// the values that the records of each index are known to have: by them a hash is a value. Without some of them, counting takes
    /// longer
    pub known: &'a [Vec<String>],
}

/// The values of a column, the commonest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueCounts {
    pub values: Vec<(String, u64)>,
    /// there are others
    pub more: bool,
    /// false: not all was counted in time, or not all that was counted was checked
    pub exact: bool,
    /// the parts that were missing in searchd's answers, as texts for the user
    pub missing: Vec<String>,
}

/// The number of records with each value.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// in each of its spellings
    numbers: HashMap<Number, HashMap<String, u64>>,
    texts: HashMap<String, u64>,
}

/// The report of searchd on the records of one group of `GROUP BY` a column.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// as printed: strings bare, arrays of one kind by element, other arrays and objects as JSON
    pub text: String,
    pub records: u64,
    /// BIGINT() of the column: 0 for a value that is not a number
    pub least: i64,
    pub most: i64,
    /// LENGTH() of the column: 0 for a text, 1 for a number, the elements of an array
    pub shortest: i64,
    pub longest: i64,
    /// all of these records read back as they were sent
    pub kept: bool,
    /// each record is in it once
    pub distinct: bool,
    /// some may have true or false, and the others a text
    pub boolean: bool,
}

/// The report of searchd on the values of a path.
#[derive(Debug)]
pub(super) struct Grouped {
    pub groups: Vec<Group>,
    /// searchd takes true, false and an empty array for null, and prints the string "NULL" like null
    pub hides: bool,
}

pub(super) type Groups = Rc<Grouped>;

impl Grouped {
    /// True if these are all groups.
    pub fn is_all(&self) -> bool {
        self.groups.len() < MAX_GROUPS
    }
}

impl ValueCounts {
    pub(super) fn new(counts: &Counts, limit: usize, exact: bool) -> ValueCounts {
        let mut values = counts.rows();
        values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let more = values.len() > limit;
        values.truncate(limit);
        ValueCounts { values, more, exact, missing: Vec::new() }
    }
}

impl Group {
    /// True if searchd prints this for null, an empty text, and much else; its records are not counted.
    pub fn is_null(&self) -> bool {
        is_null_group(&self.text)
    }

    /// True if `=` and `IN` find all its records by what is printed; they do not find arrays of numbers.
    pub fn is_comparable(&self) -> bool {
        match self.text.parse::<i64>() {
            Ok(integer) if self.longest > 0 => {
                let is_alone = |other: i64| other == integer || other == 0 && self.shortest == 0;
                self.longest == 1 && is_alone(self.least) && is_alone(self.most)
            }
            _ => !self.boolean && !is_json(&self.text, '['),
        }
    }

    /// True if a record may be in it twice, with an array that repeats a text.
    pub fn may_repeat(&self) -> bool {
        self.longest > 1 && !self.is_null() && !self.text.starts_with(['[', '{']) && Number::parse(&self.text).is_none()
    }
}

impl Counts {
    /// Counts one record by the values that its columns have for a column.
    pub fn take(&mut self, columns: &str, column: &str) {
        let mut values = Vec::new();
        values_at(&members(columns), column, &mut values);
        self.take_records(values.iter().flat_map(|value| elements(value)), 1);
    }

    /// Counts records that have the same values.
    fn take_records<'a>(&mut self, values: impl Iterator<Item = &'a str>, records: u64) {
        let (mut numbers, mut texts) = (HashMap::new(), Vec::new());
        for value in values.filter(|value| *value != "null" && !value.starts_with(['{', '['])) {
            match Number::parse(value) {
                Some(number) => _ = numbers.entry(number).or_insert(value),
                None => texts.push(readable(value)),
            }
        }
        texts.sort_unstable();
        texts.dedup();
        for text in texts {
            // the link of such a text finds this record by its number
            let is_counted = Number::parse(&text).is_some_and(|text| numbers.contains_key(&text));
            if !is_counted {
                self.add_text(&text, records);
            }
        }
        for (number, spelling) in numbers {
            self.add_number(number, spelling, records);
        }
    }

    /// Counts the records of a group; returns whether they are known to be just these. A string that is JSON cannot be told from
    /// that JSON by what is printed, nor can integers that share their low 32 bits.
    pub fn take_group(&mut self, group: &Group) -> bool {
        let Group { text, records, least, most, shortest, longest, kept, distinct, boolean } = group;
        if group.is_null() {
            return true;
        }
        if is_json(text, '{') {
            return *shortest > 0;
        }
        if is_json(text, '[') {
            let array = read_back(text);
            self.take_records(elements(&array).into_iter(), *records);
            return false;
        }
        let decimals = text.split_once('.').map(|(_, decimals)| decimals.len());
        match (Number::parse(text), text.parse::<i64>(), decimals) {
            (Some(number), Ok(integer), _) if *longest > 0 => {
                self.add_number(number, text, *records);
                let is_alone = |other: i64| other == integer || other == 0 && integer.unsigned_abs() < BEYOND_32_BITS;
                *longest == 1 && is_alone(*least) && is_alone(*most)
            }
            (Some(_), Err(_), Some(PRINTED_DECIMALS)) if *longest > 0 => {
                let value = read_back(text);
                let whole = text.split('.').next().and_then(|whole| whole.parse::<i64>().ok());
                let is_alone = (*shortest, *longest) == (1, 1) && whole == Some(*least) && least == most;
                if let Some(number) = Number::parse(&value) {
                    self.add_number(number, &value, *records);
                }
                is_alone && *kept
            }
            _ => {
                self.add_text(text, *records);
                (*longest <= 1 || *distinct) && !text.contains(ALTERED) && !boolean
            }
        }
    }

    /// True if searchd's groups do not show how often a text that spells a number counts: that number is there too, in another
    /// spelling, or the text may be a number itself.
    pub fn is_ambiguous(&self) -> bool {
        let mut large = HashSet::new();
        self.texts.keys().filter_map(|text| Some((text, Number::parse(text)?))).any(|(text, number)| {
            !is_plain_integer(text) && self.numbers.contains_key(&number)
                || number.whole_digits() > MAX_WHOLE_DIGITS && !large.insert(number)
        })
    }

    /// True if each number, and each text that spells one, is written as a plain integer: no link then finds other records than those
    /// that were counted with its value.
    pub fn is_plain(&self) -> bool {
        let spellings = self.numbers.values().flat_map(HashMap::keys);
        let texts = self.texts.keys().filter(|text| is_number(text));
        spellings.chain(texts).all(|text| is_plain_integer(text))
    }

    /// Adds the values that only `other` has, in the place of altered ones.
    pub fn complete(&mut self, other: Counts) {
        self.texts.retain(|text, _| !text.contains(ALTERED));
        for (text, records) in other.texts {
            self.texts.entry(text).or_insert(records);
        }
        for (number, spellings) in other.numbers {
            self.numbers.entry(number).or_insert(spellings);
        }
    }

    /// For each value a text whose link finds it, and the number of records that the link finds.
    fn rows(&self) -> Vec<(String, u64)> {
        let mut rows: HashMap<String, u64> = self.texts.clone();
        for (text, records) in &mut rows {
            *records += Number::parse(text).map_or(0, |number| self.with_number(&number));
        }
        for (number, spellings) in &self.numbers {
            rows.entry(label(spellings).to_owned()).or_insert_with(|| self.with_number(number));
        }
        rows.into_iter().collect()
    }

    fn with_number(&self, number: &Number) -> u64 {
        self.numbers.get(number).map_or(0, |spellings| spellings.values().sum())
    }

    fn add_number(&mut self, number: Number, spelling: &str, records: u64) {
        let spellings = self.numbers.entry(number).or_default();
        match spellings.get_mut(spelling) {
            Some(seen) => *seen += records,
            None => drop(spellings.insert(spelling.to_owned(), records)),
        }
    }

    pub fn add_text(&mut self, text: &str, records: u64) {
        match self.texts.get_mut(text) {
            Some(seen) => *seen += records,
            None => drop(self.texts.insert(text.to_owned(), records)),
        }
    }
}

fn is_json(text: &str, opens: char) -> bool {
    text.starts_with(opens) && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// A plain integer where there is one, else the commonest spelling. (searchd's groups hold the texts that spell an integer.)
fn label(spellings: &HashMap<String, u64>) -> &str {
    let best = spellings.iter().max_by_key(|(spelling, records)| {
        (is_plain_integer(spelling), **records, Reverse(spelling.len()), Reverse(spelling.as_str()))
    });
    best.map_or("", |(spelling, _)| spelling)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(counts: &Counts) -> Vec<(String, u64)> {
        ValueCounts::new(counts, usize::MAX, true).values
    }

    #[track_caller]
    fn check(records: &[&str], expect: &[(&str, u64)]) {
        let mut counts = Counts::default();
        records.iter().for_each(|value| counts.take(&format!("{{\"v\":{value}}}"), "v"));
        let expect: Vec<(String, u64)> = expect.iter().map(|(value, n)| ((*value).to_owned(), *n)).collect();
        assert_eq!(sorted(&counts), expect, "{records:?}");
    }

    #[test]
    fn beside_a_value_is_what_its_link_finds() {
        check(&["5", "5", "5.0", "\"5\""], &[("5", 4)]);
        check(&["5.0", "5.0", "\"5\"", "\"5.0\""], &[("5", 3), ("5.0", 3)]);
        check(&["1.5", "1.50", "\"1.5\""], &[("1.5", 3)]);
        check(&["0", "-0.0", "0.0", "-0", "0e5"], &[("0", 5)]);
        check(&["1e30", "10e29", "1000000000000000000000000000000"], &[("1e30", 3)]);
        check(&["1", "4294967297", "9007199254740993"], &[("1", 1), ("4294967297", 1), ("9007199254740993", 1)]);
        check(&["0.3", "0.30000001"], &[("0.3", 1), ("0.30000001", 1)]);
        check(&["true", "\"true\"", "false", "null", "\"\""], &[("true", 2), ("", 1), ("false", 1)]);
    }

    #[test]
    fn a_record_counts_once_for_a_value() {
        check(&[r#"["x","x"]"#, r#""x""#], &[("x", 2)]);
        check(&[r#"[5,"5",5.0,"5.0"]"#, r#""5""#], &[("5", 2)]);
        check(&[r#"[1,"1",null,true,[2],{"a":3}]"#], &[("1", 1), ("true", 1)]);
        let mut counts = Counts::default();
        counts.take(r#"{"a.b":"x","a":{"b":"x"}}"#, "a.b");
        assert_eq!(sorted(&counts), [("x".to_owned(), 1)]);
    }

    #[track_caller]
    fn check_group(group: Group, value: &str, sure: bool) {
        let mut counts = Counts::default();
        let was_sure = counts.take_group(&group);
        let values: Vec<String> = sorted(&counts).into_iter().map(|(value, _)| value).collect();
        assert_eq!((values, was_sure), (vec![value.to_owned()], sure), "{group:?}");
    }

    #[test]
    fn a_group_is_sure_where_it_can_hold_nothing_else() {
        let of = |text: &str| Group { text: text.to_owned(), records: 2, kept: true, ..Group::default() };
        let integer = |text: &str, least, most| Group { least, most, shortest: 1, longest: 1, ..of(text) };
        for (group, sure) in [
            (integer("200", 200, 200), true),
            (Group { shortest: 0, ..integer("5", 0, 5) }, true),
            (Group { kept: false, ..integer("5", 5, 5) }, true),
            (integer("1", 1, 4_294_967_297), false),
            (integer("-1", -1, 4_294_967_295), false),
            (integer("9007199254740993", 9_007_199_254_740_993, 9_007_199_254_740_993), true),
            (integer("9007199254740993", 0, 9_007_199_254_740_993), false),
            (Group { longest: 2, ..integer("443", 0, 0) }, false),
            (of("5"), true),
            (Group { boolean: true, ..of("1") }, false),
            (of("it's \"9.50\""), true),
            (of("10.0.0.10"), true),
            (of("a\u{fffd}"), false),
            (Group { longest: 2, ..of("slow") }, false),
            (Group { longest: 2, distinct: true, ..of("slow") }, true),
        ] {
            let text = group.text.clone();
            check_group(group, &text, sure);
        }
        check_group(integer("1.500000", 1, 1), "1.5", true);
        check_group(Group { kept: false, ..integer("1.500000", 1, 1) }, "1.5", false);
        check_group(Group { shortest: 0, ..integer("0.300000", 0, 0) }, "0.3", false);
        check_group(of("1.500000"), "1.500000", true);
        check_group(Group { shortest: 1, longest: 1, ..of("[2.500000]") }, "2.5", false);
    }

    #[test]
    fn an_array_counts_for_all_records_of_its_group() {
        // more than a loop could go through
        let records = 1 << 40;
        let group = Group { text: r#"[1,"a","a"]"#.to_owned(), records, ..Group::default() };
        let mut counts = Counts::default();
        assert!(!counts.take_group(&group) && !counts.take_group(&group));
        assert_eq!(sorted(&counts), [("1".to_owned(), 2 * records), ("a".to_owned(), 2 * records)]);
    }

    #[test]
    fn a_text_that_spells_a_number_of_another_spelling_is_not_sure() {
        for (texts, number, ambiguous) in [
            (vec!["5.0"], Some("5"), true),
            (vec!["5"], Some("5"), false),
            (vec!["5.0"], None, false),
            (vec!["1e30", "10e29"], None, true),
            (vec!["3.1", "3.10"], None, false),
            (vec!["x", "y"], Some("5"), false),
        ] {
            let mut counts = Counts::default();
            texts.iter().for_each(|text| counts.add_text(text, 1));
            if let Some(number) = number {
                counts.add_number(Number::parse(number).expect("a number"), number, 1);
            }
            assert_eq!(counts.is_ambiguous(), ambiguous, "{texts:?} {number:?}");
        }
    }
}
