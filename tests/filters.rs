//! Filters on columns of every kind accept what the manual says, whatever searchd's JSON makes of a value: generated filters
//! over generated columns, compared with what a plain reading of the records gives; with the columns' text in the full-text
//! index, with a field of a column's own, and with neither.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use fastrand::Rng;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::support::{Alco, Publisher, SOON, Stack, soak};

const RECORDS: usize = 300;
const FILTERS: usize = 1000;
const INDEXES: [&str; 3] = ["filters", "filters_all", "filters_own"];

/// A value as it is sent; numbers as they are written.
#[derive(Clone, Debug)]
enum Json {
    Text(&'static str),
    Number(&'static str),
    Bool(bool),
    Null,
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}
use Json::{Bool, List, Null, Number, Object, Text};

const TEXTS: &[&str] = &[
    "ERROR",
    "error",
    "Timed out\nafter 5 s",
    "",
    " ",
    "200",
    "200.0",
    "2e2",
    "0",
    "-1",
    "true",
    "null",
    "a,b",
    "a\\,b",
    "\\",
    "it's",
    "\"x\"",
    "日本",
    "Ошибка",
    "\u{1}\u{2}",
    "a\u{0}b",
    "<b>&amp;",
    "%41",
    "-",
    "->",
    "[1]",
    "{\"b\":1}",
    "7f3a9c",
    "10.0.0.17",
    "a word of more than forty-two characters: Donaudampfschifffahrtsgesellschaftskapitän",
];
const NUMBERS: &[&str] = &[
    "200",
    "200.0",
    "2e2",
    "0",
    "-0.0",
    "-1",
    "1.5",
    "0.1",
    "1e-7",
    "123456.789012345",
    "4294967296",
    "4294967496",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "12345678901234567890123",
    "1e30",
    "1e300",
    "-1e300",
    "7",
    "499.999999",
];
const KEYS: &[&str] = &[
    "level",
    "a",
    "a.b",
    "user-agent",
    "it's",
    "кл",
    "sp ace",
    "select",
    "q\"uote",
    "back\\slash",
    "search",
    "js.x",
    "off.y",
    "n__gt",
    "",
    "a,b",
    "[0]",
    "x=y",
    "&",
    "%41",
    "*",
];
/// Names that are asked for: those keys, and paths below them.
const PATHS: &[&str] = &["a.b.c", "a.c.d", "a.b.c.d.e", "level.x", "кл.it's", "a.", "nothing", "select.sp ace"];
const PARTS: &[&str] =
    &["err", "OUT", "2", "日", "ошиб", "a,", "\\", "'", "\"", "%", "-", "f3a", "0.0.1", "schiff", " "];

impl Json {
    fn generated(random: &mut Rng, depth: u32) -> Json {
        match random.u32(..if depth > 2 { 8 } else { 12 }) {
            0..4 => Text(TEXTS[random.usize(..TEXTS.len())]),
            4..7 => Number(NUMBERS[random.usize(..NUMBERS.len())]),
            7 => [Null, Bool(true), Bool(false)][random.usize(..3)].clone(),
            8..10 => List((0..random.usize(..4)).map(|_| Json::generated(random, depth + 1)).collect()),
            _ => {
                let mut members: Vec<(&str, Json)> = Vec::new();
                for _ in 0..random.usize(..4) {
                    let key = ["b", "c", "d", "e", "x", "it's", "sp ace", "b.c", ""][random.usize(..9)];
                    if !members.iter().any(|(other, _)| *other == key) {
                        members.push((key, Json::generated(random, depth + 1)));
                    }
                }
                Object(members)
            }
        }
    }

    fn write(&self, out: &mut String) {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        match self {
            Text(text) => out.push_str(&quoted(text)),
            Number(number) => out.push_str(number),
            Bool(value) => write!(out, "{value}").unwrap(),
            Null => out.push_str("null"),
            List(values) => {
                out.push('[');
                for (at, value) in values.iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "" });
                    value.write(out);
                }
                out.push(']');
            }
            Object(members) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    write!(out, "{}{}:", if at > 0 { "," } else { "" }, quoted(key)).unwrap();
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// What a reader sees: nothing for what is nested.
    fn text(&self) -> Option<String> {
        match self {
            Text(text) => Some((*text).to_owned()),
            Number(number) => Some((*number).to_owned()),
            Bool(value) => Some(value.to_string()),
            Null | List(_) | Object(_) => None,
        }
    }

    fn equals(&self, wanted: &str) -> bool {
        match (self, number(wanted)) {
            (Number(own), Some(value)) => {
                // whole numbers to the last digit, others as far as a double tells them
                let whole = |text: &str| text.parse::<i128>().ok();
                match (whole(own), whole(wanted)) {
                    (Some(own), Some(wanted)) => own == wanted,
                    _ => number(own) == Some(value),
                }
            }
            _ => self.text().is_some_and(|text| text == wanted),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Text(text) | Number(text) => number(text),
            Bool(_) | Null | List(_) | Object(_) => None,
        }
    }
}

/// What JSON takes for a number.
fn number(text: &str) -> Option<f64> {
    let begins = text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
    begins.then(|| serde_json::from_str::<f64>(text).ok()).flatten()
}

/// All values that a name may mean, nulls left out, elements of lists one by one.
fn values<'a>(members: &'a [(&'static str, Json)], name: &str, found: &mut Vec<&'a Json>) {
    let of = |key: &str| members.iter().find(|(own, _)| *own == key).map(|(_, value)| value);
    match of(name) {
        Some(List(values)) => found.extend(values),
        Some(Null) | None => {}
        Some(value) => found.push(value),
    }
    for (dot, _) in name.match_indices('.') {
        if let Some(Object(members)) = of(&name[..dot]) {
            values(members, &name[dot + 1..], found);
        }
    }
}

fn exists(members: &[(&'static str, Json)], name: &str) -> bool {
    let of = |key: &str| members.iter().find(|(own, _)| *own == key).map(|(_, value)| value);
    let below =
        |(dot, _): (usize, &str)| matches!(of(&name[..dot]), Some(Object(inner)) if exists(inner, &name[dot + 1..]));
    of(name).is_some_and(|value| !matches!(value, Null)) || name.match_indices('.').any(below)
}

/// `*` is any text; without case.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.to_lowercase(), pattern.to_lowercase());
    let mut rest = text.as_str();
    pattern.split('*').all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

type Accepts = Box<dyn Fn(&[(&'static str, Json)]) -> bool>;

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn list(values: &[&str]) -> String {
    let escaped: Vec<String> = values.iter().map(|value| value.replace('\\', "\\\\").replace(',', "\\,")).collect();
    encoded(&escaped.join(","))
}

/// A filter as a parameter, and what it means.
fn filter(random: &mut Rng) -> (String, Accepts) {
    let names = [KEYS, PATHS].concat();
    let name = names[random.usize(..names.len())];
    let key = format!("js.{}", encoded(name));
    let one = |random: &mut Rng| match random.u32(..3) {
        0 => NUMBERS[random.usize(..NUMBERS.len())],
        _ => TEXTS[random.usize(..TEXTS.len())],
    };
    let any = move |test: &dyn Fn(&Json) -> bool, record: &[(&'static str, Json)]| {
        let mut found = Vec::new();
        values(record, name, &mut found);
        found.into_iter().any(test)
    };
    match random.u32(..10) {
        // an empty value is a field of a form that was left empty
        0..3 if !name.contains("__") => {
            let wanted: Vec<&str> =
                (0..random.usize(1..3)).map(|_| one(random)).filter(|value| !value.is_empty()).collect();
            let pairs: Vec<String> = wanted.iter().map(|value| format!("{key}={}", encoded(value))).collect();
            let none = wanted.is_empty();
            (
                pairs.join("&"),
                Box::new(move |record| none || any(&|value| wanted.iter().any(|wanted| value.equals(wanted)), record)),
            )
        }
        0..5 => {
            let wanted: Vec<&str> = (0..random.usize(1..4)).map(|_| one(random)).collect();
            let parameter = format!("{key}__in={}", list(&wanted));
            (parameter, Box::new(move |record| any(&|value| wanted.iter().any(|wanted| value.equals(wanted)), record)))
        }
        5 => {
            let wanted: Vec<&str> = (0..random.usize(1..4)).map(|_| one(random)).collect();
            let parameter = format!("{key}__not={}", list(&wanted));
            (parameter, Box::new(move |record| !any(&|value| wanted.iter().any(|wanted| value.equals(wanted)), record)))
        }
        6 | 7 => {
            let border = NUMBERS[random.usize(..NUMBERS.len())];
            let (operator, holds): (&str, fn(f64, f64) -> bool) = [
                ("gt", (|a, b| a > b) as fn(f64, f64) -> bool),
                ("gte", |a, b| a >= b),
                ("lt", |a, b| a < b),
                ("lte", |a, b| a <= b),
            ][random.usize(..4)];
            let parameter = format!("{key}__{operator}={}", encoded(border));
            let border: f64 = border.parse().unwrap();
            (parameter, Box::new(move |record| any(&|value| value.number().is_some_and(|n| holds(n, border)), record)))
        }
        8 => {
            let yes = random.bool();
            (format!("{key}__exists={}", u8::from(yes)), Box::new(move |record| exists(record, name) == yes))
        }
        _ => {
            let parts: Vec<&str> = (0..random.usize(1..3)).map(|_| PARTS[random.usize(..PARTS.len())]).collect();
            let pattern = parts.join("*");
            let parameter = format!("{key}__like={}", encoded(&pattern));
            (
                parameter,
                Box::new(move |record| any(&|value| value.text().is_some_and(|text| like(&text, &pattern)), record)),
            )
        }
    }
}

#[test]
fn a_filter_accepts_by_value_whatever_the_column_and_however_it_is_indexed() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &INDEXES.map(|index| stack.index(index)).concat());
    let mut random = Rng::with_seed(11);
    let records: Vec<Vec<(&str, Json)>> = (0..RECORDS)
        .map(|_| {
            let mut keys = KEYS.to_vec();
            random.shuffle(&mut keys);
            let few = random.usize(1..6);
            keys.into_iter().take(few).map(|key| (key, Json::generated(&mut random, 0))).collect()
        })
        .collect();
    let mut publisher = Publisher::open(&stack.amqp);
    let bodies = records.iter().enumerate().map(|(n, record)| {
        let mut body = format!(r#"{{"@timestamp":"{}","message":"a record","seq":{n}"#, jiff::Timestamp::now());
        for (key, value) in record {
            write!(body, ",{}:", serde_json::to_string(key).unwrap()).unwrap();
            value.write(&mut body);
        }
        body + "}"
    });
    publisher.publish("logstash", "filters.x", bodies);
    publisher.close();
    INDEXES.iter().for_each(|index| stack.settled_count(index, RECORDS as u64, SOON));

    let (mut wrong, mut found, mut some) = (Vec::new(), 0, 0);
    for n in 0..if soak() { FILTERS * 10 } else { FILTERS } {
        let (mut parameters, accepts) = filter(&mut random);
        let (second, accepts_too) = filter(&mut random);
        // of one column, plain ones would be either of them
        let both = random.usize(..4) == 0 && parameters.split(['=', '_']).next() != second.split(['=', '_']).next();
        if both {
            parameters = format!("{parameters}&{second}");
        }
        let accepted = |record: &Vec<(&'static str, Json)>| accepts(record) && (!both || accepts_too(record));
        let expected: BTreeSet<usize> = (0..RECORDS).filter(|n| accepted(&records[*n])).collect();
        let index = INDEXES[n % INDEXES.len()];
        let path = format!("/grep/{index}/?start_ts=-1h&{parameters}&format=text&columns=seq");
        let reply = alco.get(&path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        let number =
            |line: &str| line.split(' ').nth(2).and_then(|seq| seq.parse().ok()).unwrap_or_else(|| panic!("{line}"));
        let got: BTreeSet<usize> = reply.body.lines().map(number).collect();
        found += got.len();
        some += usize::from(!expected.is_empty());
        if got != expected {
            let of = |n: &usize| {
                let mut out = String::new();
                Object(records[*n].clone()).write(&mut out);
                out
            };
            let (more, less) = (got.difference(&expected).next().map(of), expected.difference(&got).next().map(of));
            wrong.push(format!("{path}\n  only alco: {more:?}\n  only the records: {less:?}"));
        }
    }
    println!("{found} records found, by {some} filters that accept some");
    assert!(some > FILTERS / 3, "{some}");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
