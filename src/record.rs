//! A log record: from a delivery's body, or why not; and as it is read back.
//!
//! Whatever a body holds, there is a record for it: what is no JSON object becomes the message, and `alco_error` says why.
//! A column is kept as the very JSON text that was sent.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::Xxh3Default;

use crate::time::{self, Ts};

/// A longer body cannot be stored whole: Sphinx's strings end at 4 MiB.
pub const MAX_BODY: usize = 4 << 20;

/// The column that says what was wrong with a record.
pub const ERROR_COLUMN: &str = "alco_error";

/// A clock may be ahead by so much before its time is not believed.
const FUTURE: i64 = 86_400;

/// What an index knows of its producers.
#[derive(Clone, Debug)]
pub struct Shape {
    pub timestamp: String,
    pub message: String,
    pub zone: TimeZone,
    pub excluded: Vec<String>,
}

#[derive(Debug, PartialEq)]
pub struct Record<'a> {
    pub ts: Ts,
    pub seq: i64,
    pub message: Cow<'a, str>,
    /// in the order sent, each with its JSON text; without the excluded ones, and without time and message where these
    /// would be written again as they were sent
    pub columns: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// what was wrong with it
    pub error: Option<String>,
}

impl<'a> Record<'a> {
    /// `arrived` is the time of arrival, or what the producer's AMQP timestamp says; `oldest` the start of the oldest
    /// day index; both are the caller's to know.
    pub fn read(body: &'a [u8], shape: &Shape, arrived: Ts, oldest: Ts) -> Record<'a> {
        let text = match std::str::from_utf8(body) {
            Ok(text) => text,
            Err(error) => {
                let why = format!("not UTF-8 at byte {}", error.valid_up_to());
                return Record::of_text(String::from_utf8_lossy(body), arrived, why);
            }
        };
        match serde_json::from_str::<Object>(text) {
            Ok(object) => Record::of_object(object, text, shape, arrived, oldest),
            Err(error) => Record::of_text(Cow::Borrowed(text), arrived, format!("not a JSON object: {error}")),
        }
    }

    /// The whole text as the message.
    pub fn of_text(message: Cow<'a, str>, ts: Ts, why: String) -> Record<'a> {
        Record { ts, seq: 0, message, columns: Vec::new(), error: Some(why) }
    }

    fn of_object(object: Object<'a>, body: &'a str, shape: &Shape, arrived: Ts, oldest: Ts) -> Record<'a> {
        let mut record = Record { ts: arrived, seq: 0, message: Cow::Borrowed(body), columns: Vec::new(), error: None };
        let mut problems = Vec::new();
        let (mut has_time, mut has_message) = (false, false);
        // what was left out of the columns, and a place before all that follows, for if its key comes a second time
        let mut left_out: [Option<(usize, &str)>; 2] = [None, None];
        record.columns.reserve(object.0.len());
        for (key, value) in object.0 {
            let raw = value.get();
            for (known, left_out) in [&shape.timestamp, &shape.message].into_iter().zip(&mut left_out) {
                if key == *known
                    && let Some((at, first)) = left_out.take()
                {
                    record.columns.insert(at, (key.clone(), Cow::Borrowed(first)));
                }
            }
            if key == shape.message && !has_message {
                has_message = true;
                // what would not be written again as it was sent stays a column too
                if let Some(message) = text_of(raw) {
                    let whole = !message.contains('\0');
                    record.message = message;
                    if whole {
                        left_out[1] = Some((record.columns.len(), raw));
                        continue;
                    }
                } else {
                    record.message = readable(raw);
                }
            } else if key == shape.timestamp && !has_time {
                has_time = true;
                match time_of(raw, &shape.zone) {
                    None => problems.push(format!("{key} is no time: time of arrival")),
                    Some(ts) if ts > arrived.plus_seconds(FUTURE) => {
                        problems.push(format!("{key} is more than a day ahead: time of arrival"));
                    }
                    Some(ts) if ts < oldest => {
                        problems.push(format!("{key} is before the oldest day index: time of arrival"));
                    }
                    Some(ts) => {
                        record.ts = ts;
                        if raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')) == Some(ts.rfc3339().as_str()) {
                            left_out[0] = Some((record.columns.len(), raw));
                            continue;
                        }
                    }
                }
            } else if key == "seq" && record.seq == 0 {
                record.seq = raw.parse().unwrap_or(0);
            }
            if !shape.excluded.iter().any(|excluded| *excluded == key) {
                record.columns.push((key, Cow::Borrowed(raw)));
            }
        }
        if !has_time {
            problems.push(format!("no {}: time of arrival", shape.timestamp));
        }
        if !has_message {
            problems.push(format!("no {}: the body is the message", shape.message));
        }
        if !problems.is_empty() {
            record.error = Some(problems.join("; "));
        }
        record
    }
}

/// The top level of a body: keys in the order sent, values as text.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Top;
        impl<'de> Visitor<'de> for Top {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                #[derive(serde::Deserialize)]
                struct Key<'k>(#[serde(borrow)] Cow<'k, str>);
                let mut columns = Vec::with_capacity(16);
                while let Some((Key(key), value)) = map.next_entry()? {
                    columns.push((key, value));
                }
                Ok(columns)
            }
        }
        deserializer.deserialize_map(Top).map(Object)
    }
}

/// A JSON string's text, borrowed where nothing in it is escaped. None for other values, and for lone surrogates.
fn text_of(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.starts_with('"') {
        return None;
    }
    match raw.contains('\\') {
        false => Some(Cow::Borrowed(&raw[1..raw.len() - 1])),
        true => serde_json::from_str(raw).ok().map(Cow::Owned),
    }
}

/// What a person reads for a JSON value: a string's text, else the value as written; lone surrogates as U+FFFD.
pub fn readable(raw: &str) -> Cow<'_, str> {
    match text_of(raw) {
        Some(text) => text,
        None if raw.starts_with('"') => match serde_json::from_str::<LossyString>(raw) {
            Ok(LossyString(bytes)) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
            Err(_) => Cow::Borrowed(raw),
        },
        None => Cow::Borrowed(raw),
    }
}

/// serde_json gives lone surrogates to those who ask for bytes, as WTF-8.
struct LossyString(Vec<u8>);

impl<'de> Deserialize<'de> for LossyString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_bytes(Bytes).map(LossyString)
    }
}

fn time_of(raw: &str, zone: &TimeZone) -> Option<Ts> {
    match raw.starts_with('"') {
        true => time::parse_rfc3339(&text_of(raw)?, zone),
        // whole microseconds do not fit a double's digits only beyond the year 2255
        false => time::from_number(raw.parse().ok()?),
    }
}

/// 64 bits over what makes a delivery the same as another: body, routing key, the properties message-id and timestamp.
/// Never over its time of arrival.
pub fn digest(body: &[u8], routing_key: &str, message_id: Option<&str>, timestamp: Option<u64>) -> i64 {
    let mut hash = Xxh3Default::new();
    hash.update(body);
    // lengths first, so that no two neighbours can be cut elsewhere and be equal
    for part in [routing_key, message_id.unwrap_or_default()] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(&[u8::from(message_id.is_some()), u8::from(timestamp.is_some())]);
    hash.update(&timestamp.unwrap_or_default().to_le_bytes());
    // stored as Sphinx's bigint: the bits count
    hash.digest() as i64
}

/// A record as it was stored and read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub message: String,
    /// the columns as the text of a JSON object, as sent; holds the timestamp's and the message's key only where what was
    /// sent is not what alco would write for it
    pub columns: String,
}

/// What a JSON object holds, in the order written; nothing for other values.
pub fn members(raw: &str) -> Vec<(Cow<'_, str>, &str)> {
    match raw.starts_with('{').then(|| serde_json::from_str::<Object>(raw)) {
        Some(Ok(object)) => object.0.into_iter().map(|(key, value)| (key, value.get())).collect(),
        _ => Vec::new(),
    }
}

/// What a JSON array holds; any other value is its own only element.
pub fn elements(raw: &str) -> Vec<&str> {
    match raw.starts_with('[').then(|| serde_json::from_str::<Vec<&RawValue>>(raw)) {
        Some(Ok(elements)) => elements.into_iter().map(RawValue::get).collect(),
        _ => vec![raw],
    }
}

/// The texts of a value that a search in all columns looks at, and that the full-text field gets: of what is nested,
/// every key and every value by itself, however it was escaped. Null is absent.
pub fn each_text(raw: &str, take: &mut dyn FnMut(&str)) {
    match raw.as_bytes().first() {
        Some(b'{') => {
            for (key, value) in members(raw) {
                take(&key);
                each_text(value, take);
            }
        }
        Some(b'[') => elements(raw).into_iter().for_each(|element| each_text(element, take)),
        _ if raw == "null" => {}
        _ => take(&readable(raw)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVED: i64 = 1_795_341_600_000_000;

    fn read(body: &[u8]) -> Record<'_> {
        let shape = Shape {
            timestamp: "@timestamp".into(),
            message: "message".into(),
            zone: TimeZone::UTC,
            excluded: vec!["secret".into()],
        };
        let arrived = Ts::from_micros(ARRIVED);
        Record::read(body, &shape, arrived, arrived.plus_seconds(-30 * 86_400))
    }

    #[track_caller]
    fn check(body: &str, ts: i64, message: &str, columns: &[(&str, &str)], error: Option<&str>) {
        let record = read(body.as_bytes());
        assert_eq!(record.ts.micros() - ARRIVED, ts, "ts of {body}");
        assert_eq!(record.message, message);
        let got: Vec<(&str, &str)> = record.columns.iter().map(|(k, v)| (&**k, &**v)).collect();
        assert_eq!(got, columns);
        assert_eq!(record.error.as_deref(), error);
    }

    #[test]
    fn a_record_of_a_real_logger_is_taken_apart() {
        check(
            r#"{"@timestamp":"2026-11-22T09:59:59.000001Z","@version":1,"message":"a \"b\"","seq":7,"secret":"x","n":{"a":1e400}}"#,
            -999_999,
            "a \"b\"",
            &[("@version", "1"), ("seq", "7"), ("n", r#"{"a":1e400}"#)],
            None,
        );
        assert_eq!(read(br#"{"seq":7}"#).seq, 7);
    }

    #[test]
    fn a_time_that_alco_would_write_otherwise_stays_a_column() {
        check(
            r#"{"@timestamp":"2026-11-22T10:00:00Z","message":""}"#,
            0,
            "",
            &[("@timestamp", r#""2026-11-22T10:00:00Z""#)],
            None,
        );
        check(r#"{"@timestamp":1795341600,"message":""}"#, 0, "", &[("@timestamp", "1795341600")], None);
    }

    #[test]
    fn of_a_key_that_comes_twice_nothing_is_left_out() {
        check(
            r#"{"message":"a","x":1,"@timestamp":"2026-11-22T10:00:00.000000Z","message":"b","@timestamp":5,"message":"c"}"#,
            0,
            "a",
            &[
                ("message", r#""a""#),
                ("@timestamp", r#""2026-11-22T10:00:00.000000Z""#),
                ("x", "1"),
                ("message", r#""b""#),
                ("@timestamp", "5"),
                ("message", r#""c""#),
            ],
            None,
        );
    }

    #[test]
    fn whatever_a_body_holds_there_is_a_record_for_it() {
        check(
            "[1]",
            0,
            "[1]",
            &[],
            Some("not a JSON object: invalid type: sequence, expected a JSON object at line 1 column 0"),
        );
        check("hello", 0, "hello", &[], Some("not a JSON object: expected value at line 1 column 1"));
        check("{}", 0, "{}", &[], Some("no @timestamp: time of arrival; no message: the body is the message"));
        check(
            r#"{"@timestamp":"2026-11-24T10:00:00.000000Z","message":5}"#,
            0,
            "5",
            &[("@timestamp", r#""2026-11-24T10:00:00.000000Z""#), ("message", "5")],
            Some("@timestamp is more than a day ahead: time of arrival"),
        );
        check(
            r#"{"@timestamp":"2026-09-24T10:00:00.000000Z","message":"\ud800"}"#,
            0,
            "\u{fffd}\u{fffd}\u{fffd}",
            &[("@timestamp", r#""2026-09-24T10:00:00.000000Z""#), ("message", r#""\ud800""#)],
            Some("@timestamp is before the oldest day index: time of arrival"),
        );
        let lossy = read(b"a\xffb");
        assert_eq!((&*lossy.message, lossy.error.as_deref()), ("a\u{fffd}b", Some("not UTF-8 at byte 1")));
    }

    #[test]
    fn a_nested_value_has_each_of_its_texts() {
        let mut texts = Vec::new();
        each_text(r#"{"a.b":["\u65e5",1.50,null,true,{"c":[]}],"d":"x \"y\""}"#, &mut |text| {
            texts.push(text.to_owned())
        });
        assert_eq!(texts, ["a.b", "日", "1.50", "true", "c", "d", "x \"y\""]);
    }

    #[test]
    fn the_digest_tells_deliveries_apart_and_nothing_else() {
        let base = digest(b"body", "key", None, None);
        assert_eq!(base, digest(b"body", "key", None, None));
        for other in [
            digest(b"bodyk", "ey", None, None),
            digest(b"body", "key", Some(""), None),
            digest(b"body", "key", None, Some(0)),
            digest(b"body", "ke", Some("y"), None),
        ] {
            assert_ne!(base, other);
        }
    }
}
