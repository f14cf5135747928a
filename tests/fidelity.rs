//! Records come back as they were sent, value for value. The test compares numbers as text and strings by their UTF-16 units, so
//! that it does not round a number or lose a lone surrogate itself.

use mysql::prelude::Queryable;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::support::{Alco, Publisher, SOON, Stack, wait_until};

/// The product's own rule for reading a JSON attribute, which is pure.
#[allow(dead_code)]
#[path = "../src/sphinx/attributes.rs"]
mod json;

const GENERATED: usize = 300;

#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Value {
    Word(String),
    Text(Vec<u16>),
    List(Vec<Value>),
    /// sorted by key; of one key in the order written
    Object(Vec<(Vec<u16>, Value)>),
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Reads valid JSON.
struct Reader<'a>(std::iter::Peekable<std::str::Chars<'a>>);

impl Reader<'_> {
    #[track_caller]
    fn read(text: &str) -> Value {
        let mut reader = Reader(text.chars().peekable());
        let value = reader.value();
        assert_eq!(reader.peek(), '\0', "more after the value: {text:.200}");
        value
    }

    fn peek(&mut self) -> char {
        while self.0.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        self.0.peek().copied().unwrap_or('\0')
    }

    fn value(&mut self) -> Value {
        match self.peek() {
            '"' => Value::Text(self.text()),
            '[' => Value::List(self.all(']', Reader::value)),
            '{' => {
                let mut members = self.all('}', |reader| {
                    reader.peek();
                    let key = reader.text();
                    assert_eq!((reader.peek(), reader.0.next()), (':', Some(':')));
                    (key, reader.value())
                });
                members.sort_by(|a, b| a.0.cmp(&b.0));
                Value::Object(members)
            }
            _ => {
                let mut word = String::new();
                while let Some(c) = self.0.next_if(|c| c.is_ascii_alphanumeric() || "+-.".contains(*c)) {
                    word.push(c);
                }
                assert!(!word.is_empty(), "no value at {:?}", self.0.peek());
                Value::Word(word)
            }
        }
    }

    fn all<T>(&mut self, end: char, one: fn(&mut Self) -> T) -> Vec<T> {
        let mut all = Vec::new();
        self.0.next();
        while self.peek() != end {
            all.push(one(self));
            if self.peek() == ',' {
                self.0.next();
            }
        }
        self.0.next();
        all
    }

    fn text(&mut self) -> Vec<u16> {
        let mut text = Vec::new();
        assert_eq!(self.0.next(), Some('"'));
        loop {
            let c = self.0.next().expect("a string has an end");
            assert!(c >= ' ', "a raw control character is not JSON");
            let c = match c {
                '"' => return text,
                '\\' => match self.0.next() {
                    Some('u') => {
                        let digits: String = self.0.by_ref().take(4).collect();
                        text.push(u16::from_str_radix(&digits, 16).unwrap());
                        continue;
                    }
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some('b') => '\u{8}',
                    Some('f') => '\u{c}',
                    Some(c) => c,
                    None => panic!("an escape at the end"),
                },
                c => c,
            };
            text.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
    }
}

/// Values that Sphinx's JSON, or a JSON parser in between, would change.
const HARD: &[&str] = &[
    "0",
    "-0",
    "-0.0",
    "0.0",
    "1.0",
    "1.50",
    "1e0",
    "1E+2",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "123456789012345678901234567890123456789012345678901234567890",
    "1e-7",
    "0.0000001",
    "1e30",
    "1e300",
    "-1e308",
    "1e400",
    "5e-324",
    "123456.789012345",
    "0.1000000000000000055",
    "0.30000000000000004",
    "999999999999999.9",
    "1000000000000000.0",
    "3.141592653589793238462643",
    "0.013",
    "-0.000001",
    "-0.0000001",
    "true",
    "false",
    "null",
    r#""""#,
    r#""\u0000""#,
    r#""\u0001\u001f\u007f\u0080""#,
    r#""\b\f\n\r\t\/\\\"""#,
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    r#""a\ud83dz""#,
    r#""\ud83d\ude00😀""#,
    r#""\ufeff\uffff\ufffd""#,
    r#""日本語 кириллица é é""#,
    r#""it's 100% \\' \\\\ %s ; -- /* */ `""#,
    r#""0.100000 and 1.0, not numbers""#,
    r#""1e30""#,
    r#""\\u0041""#,
    "[]",
    "{}",
    "[[],[[]],{},[{}]]",
    r#"[1,"1",1.0,null,true,[1],{"a":1}]"#,
    "[1,2,3]",
    "[1.5,2.25]",
    "[1.0,2]",
    r#"["a","b"]"#,
    "[9223372036854775807,1]",
    "[0.1,1e30]",
    "[4294967296,1]",
    r#"{"":1}"#,
    r#"{"":{"":{"":""}}}"#,
    r#"{"a":1,"a":2}"#,
    r#"{"a":1,"\u0061":2}"#,
    r#"{"a.b":1,"a":{"b":2}}"#,
    r#"{"a[0]":1,"a":[2]}"#,
    r#"{"it's":1,"say \"x\"":2,"back\\slash":3,"a b":4,"'":5,"]":6}"#,
    r#"{"ключ":1,"日本":2,"😀":3}"#,
    r#"{"select":1,"id":2,"ts":3,"js":4}"#,
    r#"{"K":1,"k":2}"#,
    r#"{"\u0000":1,"\u0001":2,"\ud800":3}"#,
    " [ 1 , { \"a\" : 2 } ] ",
];

fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        2 => "[a-z]{0,8}".prop_map(|text| format!("\"{text}\"")),
        1 => r#""([ -!#-\[\]-~]|\\u[0-9a-f]{4}|\\[bfnrt/"\\]){0,12}""#,
    ]
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        (-1000_i64..1000).prop_map(|value| value.to_string()),
        "-?[1-9][0-9]{17,40}",
        (proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL).prop_map(|value| format!("{value:?}")),
        (-1e6..1e6).prop_map(|value: f64| format!("{value:.3}")),
        "-?(0|[1-9][0-9]{0,15})\\.[0-9]{1,20}",
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?[eE][+-]?[0-9]{1,3}",
        string(),
    ];
    leaf.prop_recursive(5, 30, 5, |inner| {
        let object = proptest::collection::vec((string(), inner.clone()), 0..5);
        prop_oneof![
            proptest::collection::vec(inner, 0..5).prop_map(|all| format!("[{}]", all.join(","))),
            object.prop_map(|all| {
                let members: Vec<String> = all.iter().map(|(key, value)| format!("{key}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// A lone surrogate in a column's name: no text can name that column, so the whole body is stored as the message.
fn no_text_for_a_key(sent: &str) -> bool {
    let Value::Object(members) = Reader::read(sent) else { panic!("no object: {sent}") };
    members.iter().any(|(key, _)| String::from_utf16(key).is_err())
}

/// The whole record, from what searchd holds: time and message are members unless the columns have them.
fn read_back(message: &str, ts: i64, js: &str, exact: &str) -> Value {
    let columns = if exact.is_empty() { json::read_back(js) } else { exact.to_owned() };
    let Value::Object(mut members) = Reader::read(&columns) else { panic!("no object: {columns}") };
    let time = jiff::Timestamp::from_microsecond(ts).unwrap();
    for (key, text) in [("@timestamp", format!("{time:.6}")), ("message", message.to_owned())] {
        if !members.iter().any(|(name, _)| *name == units(key)) {
            members.push((units(key), Value::Text(units(&text))));
        }
    }
    members.sort_by(|a, b| a.0.cmp(&b.0));
    Value::Object(members)
}

#[test]
fn records_are_read_back_value_for_value() {
    let stack = Stack::shared();
    let _alco = Alco::start(stack, &stack.index("fidelity"));
    let now = jiff::Timestamp::now();
    // as alco writes a time, and as others do
    let times =
        [format!("\"{now:.6}\""), format!("\"{now:.3}\""), format!("\"{now:.9}\""), now.as_second().to_string()];
    let mut bodies = Vec::new();
    for value in HARD {
        bodies.push(format!(r#"{{"@timestamp":{},"message":"hard","k":{value}}}"#, times[bodies.len() % times.len()]));
        // a text may be the message as well
        if value.starts_with('"') {
            bodies.push(format!(r#"{{"@timestamp":{},"message":{value},{value}:{value}}}"#, times[0]));
        }
    }
    for more in [r#""a":1,"a":2"#, r#""":0,"message":"again""#, r#""id":1,"js":{"js":1},"exact":"","logline":"x""#] {
        bodies.push(format!(r#"{{"message":"hard","@timestamp":{},{more}}}"#, times[0]));
    }
    let mut runner = TestRunner::deterministic();
    let record = proptest::collection::vec((string(), value()), 0..6);
    for n in 0..GENERATED {
        let members = record.new_tree(&mut runner).unwrap().current();
        let members: String = members.iter().map(|(key, value)| format!(",{key}:{value}")).collect();
        let message = string().new_tree(&mut runner).unwrap().current();
        bodies.push(format!(r#"{{"@timestamp":{},"message":{message}{members}}}"#, times[n % times.len()]));
    }
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "fidelity.key", &bodies);
    wait_until("all are stored", SOON, || stack.count("fidelity").filter(|n| *n >= bodies.len() as u64));
    let rows: Vec<(u64, String, i64, String, String)> = stack
        .sphinxql()
        .query("SELECT id, logline, ts, js, exact FROM fidelity ORDER BY id ASC LIMIT 10000 OPTION max_matches=10000")
        .unwrap();
    assert_eq!(rows.len(), bodies.len());
    // one worker gives out ids in the order of delivery
    for (sent, (_, message, ts, js, exact)) in bodies.iter().zip(&rows) {
        let read = match no_text_for_a_key(sent) {
            true => Reader::read(message),
            false => read_back(message, *ts, js, exact),
        };
        assert_eq!(read, Reader::read(sent), "sent {sent}\njs {js}\nexact {exact}");
    }
}
