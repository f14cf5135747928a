//! Filters on columns of every kind accept what the manual promises, even where searchd's JSON changes a value: generated filters
//! over generated columns are compared with a plain reading of the records. The columns' text is in the full-text index, in a
//! field of a column's own, or in neither; the index is in memory or on the disk.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use fastrand::Rng;
use mysql::prelude::Queryable;

use crate::support::{Alco, Publisher, SOON, Stack, encoded, list, soak};

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

/// searchd reads a text of 193 bytes or more wrongly in some statements, and one of 128 bytes in others.
const TEXT_OF_193_BYTES: &str = match str::from_utf8(&[b'x'; 193]) {
    Ok(text) => text,
    Err(_) => panic!(),
};
const TEXTS: &[&str] = &[
    TEXT_OF_193_BYTES,
    "http",
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
    // two more than the length of some text above, which searchd takes for that text in an array of integers
    "2",
    "3",
    "6",
    "8",
    // equal or neighbours only to the last digit
    "4294967296.0",
    "1763556497161513790",
    "1763556497161513791",
    "1763556497161513792.0",
    "0.1000000000000000055",
    "10000000000000000000000e-23",
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
            8 => {
                let kind = random.u32(..3);
                let one = |random: &mut Rng| match kind {
                    0 => Number(["2", "3", "6", "7", "8", "-1", "0"][random.usize(..7)]),
                    1 => Text(TEXTS[random.usize(..TEXTS.len())]),
                    _ => Bool(random.bool()),
                };
                List((0..random.usize(1..4)).map(|_| one(random)).collect())
            }
            9 => List((0..random.usize(..4)).map(|_| Json::generated(random, depth + 1)).collect()),
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

    /// The text that a reader sees: None for null, lists and objects.
    fn text(&self) -> Option<String> {
        match self {
            Text(text) => Some((*text).to_owned()),
            Number(number) => Some((*number).to_owned()),
            Bool(value) => Some(value.to_string()),
            Null | List(_) | Object(_) => None,
        }
    }

    fn equals(&self, wanted: &str) -> bool {
        let as_number = matches!(self, Number(_)) && self.compared(wanted) == Some(Ordering::Equal);
        as_number || self.text().is_some_and(|text| text == wanted)
    }

    /// Compares by size; None if one of both is not a number.
    fn compared(&self, number: &str) -> Option<Ordering> {
        let (Text(own) | Number(own)) = self else { return None };
        let (own, number) = (fixed(own)?, fixed(number)?);
        let by_size = own.1.cmp(&number.1);
        Some(match (own.0, number.0) {
            (false, false) => by_size,
            (true, true) => by_size.reverse(),
            (own, number) => number.cmp(&own),
        })
    }
}

/// A number of JSON: whether it is negative, and all its digits around a point at a fixed place. None if the text is not a number.
fn fixed(text: &str) -> Option<(bool, String)> {
    const PLACES: usize = 400;
    let begins = text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
    begins.then(|| serde_json::from_str::<f64>(text).ok()).flatten()?;
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) =
        mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa.trim_start_matches('-'), ""));
    let point = (PLACES + whole.len()).checked_add_signed(exponent.parse().ok()?)?;
    let digits = format!("{}{whole}{fraction}{}", "0".repeat(PLACES), "0".repeat(PLACES));
    let whole = format!("{:0>width$}", &digits[..point], width = 3 * PLACES);
    let fraction = format!("{:0<width$}", &digits[point..], width = 3 * PLACES);
    let all = whole + &fraction;
    Some((text.starts_with('-') && all.contains(|c| c != '0'), all))
}

/// All values that a name may mean, without nulls; a list gives its elements.
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

/// One filter, or two, in one of `rarity` cases.
fn all_of(random: &mut Rng, rarity: usize) -> (Vec<(String, String)>, Accepts) {
    let (mut parameters, accepts) = filter(random);
    let (second, accepts_too) = filter(random);
    let column = |parameters: &[(String, String)]| {
        parameters.first().map(|(key, _)| key.rsplit_once("__").map_or(key.clone(), |(column, _)| column.to_owned()))
    };
    // two plain filters on one column would mean either of them
    if random.usize(..rarity) > 0 || column(&parameters) == column(&second) {
        return (parameters, accepts);
    }
    parameters.extend(second);
    (parameters, Box::new(move |record| accepts(record) && accepts_too(record)))
}

/// Filters of which one is enough, or one of several lists of them.
fn group(random: &mut Rng) -> (Vec<(String, String)>, Accepts) {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let (mut texts, mut alternatives) = (Vec::new(), Vec::new());
    for _ in 0..random.usize(1..4) {
        let (parameters, accepts) = all_of(random, 2);
        // a filter without a value is none
        if !parameters.is_empty() {
            let terms = parameters.iter().map(|(key, value)| format!("{}={}", quoted(key), quoted(value)));
            texts.push(terms.collect::<Vec<_>>().join(" "));
            alternatives.push(accepts);
        }
    }
    if alternatives.is_empty() {
        return filter(random);
    }
    let any = texts.join(if random.bool() { "|" } else { " | " });
    (vec![("any".to_owned(), any)], Box::new(move |record| alternatives.iter().any(|accepts| accepts(record))))
}

/// A filter as parameters of an address, not encoded, and as a function that accepts records.
fn filter(random: &mut Rng) -> (Vec<(String, String)>, Accepts) {
    let names = [KEYS, PATHS].concat();
    let name = names[random.usize(..names.len())];
    let key = format!("js.{name}");
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
            let pairs = wanted.iter().map(|value| (key.clone(), (*value).to_owned())).collect();
            let none = wanted.is_empty();
            (
                pairs,
                Box::new(move |record| none || any(&|value| wanted.iter().any(|wanted| value.equals(wanted)), record)),
            )
        }
        0..5 => {
            let wanted: Vec<&str> = (0..random.usize(1..4)).map(|_| one(random)).collect();
            let parameter = vec![(format!("{key}__in"), list(&wanted))];
            (parameter, Box::new(move |record| any(&|value| wanted.iter().any(|wanted| value.equals(wanted)), record)))
        }
        5 => {
            let wanted: Vec<&str> = (0..random.usize(1..4)).map(|_| one(random)).collect();
            let parameter = vec![(format!("{key}__not"), list(&wanted))];
            (parameter, Box::new(move |record| !any(&|value| wanted.iter().any(|wanted| value.equals(wanted)), record)))
        }
        6 | 7 => {
            let border = NUMBERS[random.usize(..NUMBERS.len())];
            let (operator, holds) = [
                ("gt", Ordering::is_gt as fn(Ordering) -> bool),
                ("gte", Ordering::is_ge),
                ("lt", Ordering::is_lt),
                ("lte", Ordering::is_le),
            ][random.usize(..4)];
            let parameter = vec![(format!("{key}__{operator}"), border.to_owned())];
            (parameter, Box::new(move |record| any(&|value| value.compared(border).is_some_and(holds), record)))
        }
        8 => {
            let yes = random.bool();
            let parameter = vec![(format!("{key}__exists"), u8::from(yes).to_string())];
            (parameter, Box::new(move |record| exists(record, name) == yes))
        }
        _ => {
            let parts: Vec<&str> = (0..random.usize(1..3)).map(|_| PARTS[random.usize(..PARTS.len())]).collect();
            let pattern = parts.join("*");
            let parameter = vec![(format!("{key}__like"), pattern.clone())];
            (
                parameter,
                Box::new(move |record| any(&|value| value.text().is_some_and(|text| like(&text, &pattern)), record)),
            )
        }
    }
}

#[test]
fn generated_filters_accept_what_a_plain_reading_accepts() {
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
    let filters = if soak() { FILTERS * 10 } else { FILTERS };
    for n in 0..filters {
        if n == filters / 2 {
            INDEXES.iter().for_each(|index| to_disk(stack, index));
        }
        let (parameters, accepts) = match random.usize(..3) {
            0 => group(&mut random),
            _ => all_of(&mut random, 4),
        };
        let parameters: Vec<String> =
            parameters.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
        let parameters = parameters.join("&");
        let accepted = |record: &Vec<(&'static str, Json)>| accepts(record);
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
        // other statements count exactly for a part of the records, and check the rest
        let bars = alco.get(&format!("/api/grep/{index}/histogram/?start_ts=-1h&{parameters}"));
        let bars: serde_json::Value = serde_json::from_str(&bars.body).unwrap();
        let counted: u64 = bars["bars"].as_array().unwrap().iter().map(|bar| bar["total"].as_u64().unwrap()).sum();
        if bars["exact"] != true || counted != expected.len() as u64 {
            wrong.push(format!("{path}\n  {counted} counted, exact: {}; {} there", bars["exact"], expected.len()));
        }
        for (of, number) in [("patterns", "records"), ("count", "count")].into_iter().filter(|_| n % 10 == 0) {
            let found = alco.get(&format!("/api/grep/{index}/{of}/?start_ts=-1h&{parameters}"));
            let found: serde_json::Value = serde_json::from_str(&found.body).unwrap();
            if found[number] != expected.len() {
                wrong.push(format!("{path}\n  {of}: {}; {} there", found[number], expected.len()));
            }
        }
    }
    println!("{found} records found, by {some} filters that accept some");
    assert!(some > FILTERS / 3, "{some}");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Writes the RAM chunks of an index to the disk.
fn to_disk(stack: &Stack, index: &str) {
    let mut searchd = stack.sphinxql();
    let today = format!("{index}_{}", jiff::Timestamp::now().strftime("%Y%m%d"));
    let tables: Vec<(String, String)> = searchd.query("SHOW TABLES").unwrap();
    let days = tables
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| *name <= today && name.starts_with(&today[..today.len() - 2]));
    days.for_each(|day| searchd.query_drop(format!("FLUSH RAMCHUNK {day}")).unwrap());
}

/// Records of one column each, for filters whose accepted records are listed.
struct Table<'a> {
    stack: &'a Stack,
    alco: Alco,
    records: u64,
}

const TABLE: &str = "filters_table";

impl Table<'_> {
    fn publish(&mut self, column: &str, values: &[String]) {
        let members: Vec<String> =
            values.iter().map(|value| format!(r#""message":"{column}","{column}":{value}"#)).collect();
        self.publish_members(&members);
    }

    /// Numbers them from 1.
    fn publish_members(&mut self, members: &[String]) {
        let mut publisher = Publisher::open(&self.stack.amqp);
        let bodies = members.iter().enumerate().map(|(at, members)| {
            format!(r#"{{"@timestamp":"{}","seq":{},{members}}}"#, jiff::Timestamp::now(), at + 1)
        });
        publisher.publish("logstash", "filters_table.x", bodies);
        publisher.close();
        self.records += members.len() as u64;
        self.stack.settled_count(TABLE, self.records, SOON);
    }

    #[track_caller]
    fn check_all(&self, column: &str, filters: Filters) {
        filters.iter().for_each(|(filter, expect)| self.check(column, filter, expect));
    }

    /// The records with that column that the filter accepts, by their numbers.
    #[track_caller]
    fn check(&self, column: &str, filter: &str, expect: &[usize]) {
        let filter = format!("start_ts=-1h&{}&search={column}", filter.replace(' ', "+"));
        let reply = self.alco.get(&format!("/grep/{TABLE}/?{filter}&format=csv&columns=seq"));
        assert_eq!(reply.status, 200, "{filter}: {}", reply.body);
        let seq = |line: &str| line.split(',').nth(1).unwrap().parse().unwrap();
        let mut found: Vec<usize> = reply.body.lines().skip(1).map(seq).collect();
        found.sort_unstable();
        assert_eq!(found, expect, "{filter}");
        let bars = self.alco.get(&format!("/api/grep/{TABLE}/histogram/?{filter}"));
        let bars: serde_json::Value = serde_json::from_str(&bars.body).unwrap();
        let counted: u64 = bars["bars"].as_array().unwrap().iter().map(|bar| bar["total"].as_u64().unwrap()).sum();
        assert_eq!(counted, expect.len() as u64, "{filter}: {bars}");
    }
}

const PORTS: &[&str] =
    &["[6,443]", "[80,8080]", r#""http""#, "[5]", r#"[6,"http"]"#, r#"["http",6]"#, "6", "null", "[]"];
const IDS: &[&str] =
    &["1763556497161513790", "1763556497161513791", "\"1763556497161513792\"", "9007199254740992", "9007199254740993"];
const LEVELS: &[&str] = &[r#""ERROR""#, r#""WARNING""#, r#"" WARNING""#, r#""INFO ""#, r#"["INFO","WARNING"]"#];
const SAID: &[&str] = &[r#""message":"said one""#, r#""message":{"said":"two"}"#, r#""message":"said one, too""#];
const SHAPES: &[&str] = &["TEXT", "[TEXT]", "[1,TEXT]", "[TEXT,2]", r#"{"b":TEXT}"#, "[[TEXT]]", r#"[{"b":TEXT}]"#];
const SIZES: &[usize] = &[0, 1, 127, 128, 191, 192, 193, 300, 70_000];

/// Filters, and the numbers of the records that they accept.
type Filters = &'static [(&'static str, &'static [usize])];

const PORT_FILTERS: Filters = &[
    ("ports=http", &[3, 5, 6]),
    ("ports__not=http", &[1, 2, 4, 7, 8, 9]),
    ("ports__not=8080", &[1, 3, 4, 5, 6, 7, 8, 9]),
    ("ports__not=443", &[2, 3, 4, 5, 6, 7, 8, 9]),
    ("ports__in=443,http", &[1, 3, 5, 6]),
    ("ports=6", &[1, 5, 6, 7]),
    ("ports__not=abcd,http", &[1, 2, 4, 7, 8, 9]),
    ("ports=abcd", &[]),
];
const NUMBER_FILTERS: Filters = &[
    ("number__gt=1763556497161513790", &[2, 3]),
    ("number__gte=1763556497161513791", &[2, 3]),
    ("number__lt=1763556497161513791", &[1, 4, 5]),
    ("number__gt=9007199254740992", &[1, 2, 3, 5]),
    ("number__lte=9007199254740992", &[4]),
    ("number__lt=9007199254740992.5", &[4]),
    ("number__gte=1.763556497161513792e18", &[3]),
    ("number=1763556497161513791", &[2]),
    ("number=1763556497161513791.0", &[2]),
    ("number__not=9007199254740993", &[1, 2, 3, 4]),
];
const LEVEL_FILTERS: Filters = &[
    ("level__in=ERROR, WARNING", &[1, 2, 5]),
    ("level__in=ERROR ,  WARNING ", &[1, 2, 5]),
    ("level__in=ERROR, \\ WARNING", &[1, 3]),
    ("level__in=INFO\\ ", &[4]),
    ("level__not=ERROR, WARNING", &[3, 4]),
];
const MESSAGE_FILTERS: Filters = &[
    ("message__exists=1", &[1, 2, 3]),
    ("message__exists=0", &[]),
    ("message__like=one", &[1, 3]),
    ("message__like=said*two", &[2]),
    ("message=said one", &[1]),
    ("message__not=said one", &[2, 3]),
    ("message__in=said one\\, too", &[3]),
    ("message.said=two", &[2]),
    ("@timestamp__exists=1", &[1, 2, 3]),
    ("@timestamp__like=T", &[1, 2, 3]),
    ("@timestamp__like=1970-", &[]),
];

#[test]
fn filters_are_right_for_values_of_every_shape_and_size() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index(TABLE));
    let mut table = Table { stack, alco, records: 0 };
    let all = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    table.publish("ports", &all(PORTS));
    table.publish("number", &all(IDS));
    table.publish("level", &all(LEVELS));
    table.publish_members(&all(SAID));
    let long =
        |size: usize| SHAPES.iter().map(move |shape| shape.replace("TEXT", &format!("\"{}\"", "x".repeat(size))));
    table.publish("long", &SIZES.iter().copied().flat_map(long).collect::<Vec<_>>());
    // records whose shape is one of these
    let shaped = |shapes: &[usize]| -> Vec<usize> {
        (0..SIZES.len() * SHAPES.len()).filter(|n| shapes.contains(&(n % SHAPES.len()))).map(|n| n + 1).collect()
    };
    let sized = |size: usize| {
        let at = SIZES.iter().position(|other| *other == size).unwrap() * SHAPES.len();
        [at + 1, at + 2, at + 3, at + 4]
    };
    let every = shaped(&[0, 1, 2, 3, 4, 5, 6]);
    for _ in ["in memory", "on the disk"] {
        table.check_all("ports", PORT_FILTERS);
        table.check_all("number", NUMBER_FILTERS);
        table.check_all("level", LEVEL_FILTERS);
        table.check_all("said", MESSAGE_FILTERS);
        for (operator, expect) in [("gt=1", vec![3]), ("gte=1", vec![2, 3]), ("lt=2", vec![2]), ("lte=2", vec![2, 3])] {
            table.check("long", &format!("long__{operator}"), &shaped(&expect));
        }
        table.check("long", "long__exists=1", &every);
        table.check("long", "long__exists=0", &[]);
        table.check("long", "long=2", &shaped(&[3]));
        table.check("long", "long__not=2", &shaped(&[0, 1, 2, 4, 5, 6]));
        table.check("long", "long__not=http", &every);
        table.check("long", "long.b__gt=5", &[]);
        table.check("long", "long.b__exists=1", &shaped(&[4]));
        for size in [1, 127, 128, 191, 192, 193, 300] {
            let text = "x".repeat(size);
            let others: Vec<usize> = every.iter().copied().filter(|n| !sized(size).contains(n)).collect();
            table.check("long", &format!("long={text}"), &sized(size));
            table.check("long", &format!("long__in={text},http"), &sized(size));
            table.check("long", &format!("long__not={text}"), &others);
            table.check("long", &format!("long.b={text}"), &[sized(size)[0] + 4]);
        }
        table.check("long", &format!("long__like={}", "x".repeat(301)), &sized(70_000));
        for page in ["/grep/INDEX/?long__gt=1", "/api/grep/INDEX/values/long/?", "/grep/INDEX/columns/?"] {
            let page = format!("{}&start_ts=-1h", page.replace("INDEX", TABLE));
            assert_eq!(table.alco.get(&page).status, 200, "{page}");
        }
        to_disk(stack, TABLE);
    }
    let refused = table.alco.get(&format!("/grep/{TABLE}/?@timestamp__gt=5"));
    assert!(refused.status == 400 && refused.body.contains("write start_ts and end_ts"), "{}", refused.body);
    // the message of one record is an object; `message` is not offered as a column for that
    let offered = table.alco.get(&format!("/api/grep/{TABLE}/columns/")).body;
    let names: Vec<serde_json::Value> = serde_json::from_str(&offered).unwrap();
    let has = |name: &str| names.iter().any(|column| column["name"] == name);
    assert!(has("ports") && !has("message") && !has("@timestamp"), "{offered}");
    let page = table.alco.get(&format!("/grep/{TABLE}/columns/")).body;
    assert!(page.contains("ports__exists=1") && !page.contains("message__exists=1"), "{page}");
    // examples are those of the search, so that their links find records
    let page = table.alco.get(&format!("/grep/{TABLE}/columns/?number__exists=1&start_ts=-1h")).body;
    assert!(page.contains("&amp;number=") && !page.contains("&amp;ports="), "{page}");
}
