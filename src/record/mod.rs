//! A log record, as read from a delivery's body and as read back from searchd.
//!
//! Every body becomes a record: a body that is not a JSON object becomes the message, and `alco_error` has the reason. A
//! column keeps exactly the JSON text that was sent.

pub mod bytes;
pub mod column_value;
pub mod digest;
pub mod json;
pub mod json_scalars;
pub mod level;
pub mod not_numbers;
pub mod number;
pub mod pattern;

use std::borrow::Cow;

use crate::record::json::{Member, Object, members, readable, text_of, value_at};
use crate::time;
use crate::time::Ts;
use jiff::tz::TimeZone;

/// A longer body cannot be stored whole: Sphinx's strings end at 4 MiB.
pub const MAX_BODY: usize = 4 << 20;

/// The column that describes the faults of a record.
pub const ERROR_COLUMN: &str = "alco_error";

/// Precedes each record in a JSON text sequence (RFC 7464).
pub const RECORD_SEPARATOR: char = '\u{1e}';

/// A producer's clock may be ahead by at most this; a record with a later time gets its time of arrival.
const MAX_AHEAD_SECONDS: i64 = 86_400;

/// The name under which journald sends a text; one that is not printable UTF-8 is a list of its bytes.
const JOURNAL_MESSAGE: &str = "MESSAGE";

/// The form in which the producers of an index write their records.
#[derive(Clone, Debug)]
pub struct Shape {
    /// names that the time may have, never empty: the first that holds a time counts
    pub timestamp: Vec<String>,
    /// names that the message may have, never empty: the first that a record has counts
    pub message: Vec<String>,
    pub zone: TimeZone,
    pub excluded: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Record<'a> {
    pub ts: Ts,
    /// the order of records within one microsecond: the producer's, or that in the body
    pub seq: Option<i64>,
    pub message: Cow<'a, str>,
    /// in the order sent, each with its JSON text; without the excluded ones, and without a time or a message that alco would write
    /// again as it was sent, under the same name
    pub columns: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// its faults
    pub error: Option<String>,
}

impl<'a> Record<'a> {
    /// Reads a body's text. `arrived` is the time of arrival, or the producer's AMQP timestamp; `oldest` is the start of the oldest day
    /// index.
    pub fn read(body: &'a str, shape: &Shape, arrived: Ts, oldest: Ts) -> Record<'a> {
        let text = body.strip_prefix('\u{feff}').unwrap_or(body);
        let json = text.strip_prefix(RECORD_SEPARATOR).unwrap_or(text);
        let error = match serde_json::from_str::<Object>(json) {
            Ok(object) => return Record::of_object(object, json, shape, arrived, oldest),
            Err(error) => error,
        };
        if let Some(quoted) = not_numbers::quoted(json)
            && let Ok(object) = serde_json::from_str::<Object>(&quoted)
        {
            let record = Record::of_object(object, json, shape, arrived, oldest).into_owned();
            return record.with_problem("NaN or Infinity, which JSON does not have: kept as text");
        }
        Record::of_text(Cow::Borrowed(text), arrived, format!("not a JSON object: {error}"))
    }

    /// Adds columns that the producer did not write; those that it wrote stay as they are.
    pub fn add_columns(&mut self, columns: &'a [(String, String)]) {
        for (key, value) in columns {
            if !self.columns.iter().any(|(own, _)| own == key) {
                self.columns.push((Cow::Borrowed(key), Cow::Borrowed(value)));
            }
        }
    }

    /// For one of several records of a body: its position there is its `seq`, if it has none of its own.
    pub fn keep_order(&mut self, position: usize) {
        self.seq = self.seq.or_else(|| i64::try_from(position + 1).ok());
    }

    /// A record with the whole text as its message.
    pub fn of_text(message: Cow<'a, str>, ts: Ts, why: String) -> Record<'a> {
        Record { ts, seq: None, message, columns: Vec::new(), error: Some(why) }
    }

    fn of_object(object: Object<'a>, body: &'a str, shape: &Shape, arrived: Ts, oldest: Ts) -> Record<'a> {
        let members = object.0;
        let mut problems = Vec::new();
        let ts = time_in(&members, shape, arrived, oldest).unwrap_or_else(|problem| {
            problems.push(problem);
            arrived
        });
        let message = message_in(&members, &shape.message).unwrap_or_else(|| {
            problems.push(format!("no {}: the body is the message", either(&shape.message)));
            Cow::Borrowed(body)
        });
        // a time or a message under its first name is left out if alco would write it again as it was sent; none is left out if
        // its name occurs twice
        let (time_name, message_name) = (&*shape.timestamp[0], &*shape.message[0]);
        let once = |name: &str| members.iter().filter(|(key, _)| *key == name).count() == 1;
        // an unescaped message was borrowed from `raw`, and needs no second reading
        let is_whole = |raw: &str| {
            raw.starts_with('"')
                && !message.contains('\0')
                && (matches!(message, Cow::Borrowed(_)) || text_of(raw).is_some())
        };
        let is_again = |key: &str, raw: &str| {
            let text = || raw.strip_prefix('"')?.strip_suffix('"');
            key == time_name && text() == Some(&ts.rfc3339()) && once(key)
                || key == message_name && is_whole(raw) && once(key)
        };
        let mut columns = Vec::with_capacity(members.len());
        let mut seq = None;
        for (key, raw) in &members {
            if is_again(key, raw) {
                continue;
            }
            if key == "seq" && seq.is_none() {
                seq = raw.parse().ok();
            }
            if !shape.excluded.iter().any(|excluded| excluded == key) {
                columns.push((stored_name(key), Cow::Borrowed(*raw)));
            }
        }
        let error = (!problems.is_empty()).then(|| problems.join("; "));
        Record { ts, seq, message, columns, error }
    }

    /// Adds another problem to the record's error.
    pub fn with_problem(mut self, why: &str) -> Record<'a> {
        self.error = Some(self.error.map_or(why.to_owned(), |error| format!("{error}; {why}")));
        self
    }

    fn into_owned(self) -> Record<'static> {
        let owned = |text: Cow<str>| Cow::Owned(text.into_owned());
        Record {
            ts: self.ts,
            seq: self.seq,
            message: owned(self.message),
            columns: self.columns.into_iter().map(|(key, value)| (owned(key), owned(value))).collect(),
            error: self.error,
        }
    }
}

/// The name of a column that was sent as `key`. Only alco writes the error's column: a record's own column of that name gets one `@` more
/// (`@@alco_error` was sent as `@alco_error`), as NDJSON has it for alco's own members.
fn stored_name<'a>(key: &Cow<'a, str>) -> Cow<'a, str> {
    match key.trim_start_matches('@') == ERROR_COLUMN {
        true => Cow::Owned(format!("@{key}")),
        false => key.clone(),
    }
}

/// A body or a line without its byte order mark. Those of .NET and files from Windows begin with one: it shows the encoding of the
/// text, and is not a part of it.
pub fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)
}

/// Ok if `read` would find the members of a record in the body.
///
/// # Errors
/// The fault of the body.
pub fn is_object(body: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(without_mark(body))
        .map_err(|error| format!("it is not UTF-8 at byte {}", error.valid_up_to()))?;
    let text = text.strip_prefix(RECORD_SEPARATOR).unwrap_or(text);
    match serde_json::from_str::<Object>(text) {
        Ok(_) => Ok(()),
        Err(_) if not_numbers::quoted(text).is_some_and(|quoted| serde_json::from_str::<Object>(&quoted).is_ok()) => {
            Ok(())
        }
        Err(error) => Err(format!("it is not a JSON object: {error}")),
    }
}

/// The time under the first of the names that holds a plausible one.
///
/// # Errors
/// The fault of the first value that is surely meant as a time.
fn time_in(members: &[Member], shape: &Shape, arrived: Ts, oldest: Ts) -> Result<Ts, String> {
    let mut problem = None;
    for name in &shape.timestamp {
        let Some(raw) = value_at(members, name) else { continue };
        let what = match time_of(raw, &shape.zone, arrived) {
            None => "is not a time",
            Some(ts) if ts > arrived.plus_seconds(MAX_AHEAD_SECONDS) => "is more than a day ahead",
            Some(ts) if ts < oldest => "is before the oldest day index",
            Some(ts) => return Ok(ts),
        };
        if is_surely_time(name, shape) {
            problem.get_or_insert_with(|| format!("{name} {what}: the time of arrival is used"));
        }
    }
    Err(problem.unwrap_or_else(|| format!("no {}: the time of arrival is used", either(&shape.timestamp))))
}

/// True if a column of that name is surely a time; `t`, `date` or `msec` may be something else.
fn is_surely_time(name: &str, shape: &Shape) -> bool {
    let lower = name.to_ascii_lowercase();
    name == shape.timestamp[0] || lower.contains("time") || lower.contains("stamp")
}

/// The message, under the first of the names that the record has. An object or a list counts under the first name of the list only:
/// `log`, `event` and the like are the names of other things too.
fn message_in<'a>(members: &[Member<'a>], names: &[String]) -> Option<Cow<'a, str>> {
    names.iter().enumerate().find_map(|(at, name)| {
        let raw = value_at(members, name)?;
        match raw.starts_with(['{', '[']) {
            true if name == JOURNAL_MESSAGE => Some(text_of_bytes(raw).map_or_else(|| readable(raw), Cow::Owned)),
            true => (at == 0).then(|| readable(raw)),
            false => Some(readable(raw)),
        }
    })
}

fn text_of_bytes(raw: &str) -> Option<String> {
    let bytes: Vec<u8> = serde_json::from_str(raw).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A list of names for an error text: the first stands for all, since the list may be long.
fn either(names: &[String]) -> String {
    match names {
        [name] => name.clone(),
        _ => format!("{} or the like", names[0]),
    }
}

/// The time of a number, a text, or an object: log4j2's `{"epochSecond":…,"nanoOfSecond":…}`, protobuf's `{"seconds":…,"nanos":…}`,
/// MongoDB's `{"$date":…}`.
fn time_of(raw: &str, zone: &TimeZone, arrived: Ts) -> Option<Ts> {
    match raw.as_bytes().first()? {
        b'"' => time::from_text(&text_of(raw)?, zone, arrived),
        b'{' => {
            let members = members(raw);
            let number = |names: [&str; 2]| names.iter().find_map(|name| value_at(&members, name)?.parse().ok());
            match number(["epochSecond", "seconds"]) {
                Some(seconds) => Some(time::from_epoch(seconds, number(["nanoOfSecond", "nanos"]).unwrap_or(0))),
                None => time_of(value_at(&members, "$date")?, zone, arrived),
            }
        }
        _ => time::from_number(raw),
    }
}

/// A record as it was stored and read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub message: String,
    /// the columns as the text of a JSON object, as sent; has the keys of time and message only if they were sent in another form
    /// than alco writes
    pub columns: String,
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::record::json::each_text;

    const ARRIVED: i64 = 1_795_341_600_000_000;

    fn read(body: &str) -> Record<'_> {
        let shape = Shape {
            timestamp: vec!["@timestamp".into()],
            message: vec!["message".into()],
            zone: TimeZone::UTC,
            excluded: vec!["secret".into()],
        };
        let arrived = Ts::from_micros(ARRIVED);
        Record::read(body, &shape, arrived, arrived.plus_seconds(-30 * 86_400))
    }

    #[track_caller]
    fn check(body: &str, ts: i64, message: &str, columns: &[(&str, &str)], error: Option<&str>) {
        let record = read(body);
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
        for (body, position, seq) in [
            (r#"{"seq":7}"#, None, Some(7)),
            (r#"{"seq":7}"#, Some(0), Some(7)),
            (r#"{"seq":0}"#, Some(3), Some(0)),
            (r#"{"seq":"x"}"#, Some(3), Some(4)),
            ("{}", Some(0), Some(1)),
            ("{}", None, None),
        ] {
            let mut record = read(body);
            position.into_iter().for_each(|position| record.keep_order(position));
            assert_eq!(record.seq, seq, "{body} at {position:?}");
        }
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

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    /// Time, message and error of the record that is read with these names for the time and the message.
    #[track_caller]
    fn check_names(body: &str, ts: i64, message: &str, error: Option<&str>) {
        let shape = Shape {
            timestamp: names(&["@timestamp", "time", "a.b", "instant"]),
            message: names(&["message", "msg", "body.stringValue", "MESSAGE", "log"]),
            zone: TimeZone::UTC,
            excluded: Vec::new(),
        };
        let arrived = Ts::from_micros(ARRIVED);
        let record = Record::read(body, &shape, arrived, arrived.plus_seconds(-30 * 86_400));
        let read = (record.ts.micros() - ARRIVED, &*record.message, record.error.as_deref());
        assert_eq!(read, (ts, message, error), "{body}");
        // under another name than the first, time and message stay columns
        let kept: Vec<String> =
            record.columns.iter().map(|(key, value)| format!("{}:{value}", Value::from(&**key))).collect();
        if !body.contains("ssage\"") {
            assert_eq!(format!("{{{}}}", kept.join(",")), body);
        }
    }

    #[test]
    fn the_first_name_that_a_record_has_counts() {
        const NO_MESSAGE: &str = "no message or the like: the body is the message";
        check_names(r#"{"time":1795341601,"msg":"a"}"#, 1_000_000, "a", None);
        check_names(r#"{"msg":"a","a":{"b":"1795341601000000"}}"#, 1_000_000, "a", None);
        check_names(r#"{"msg":"a","a.b":"1795341601"}"#, 1_000_000, "a", None);
        check_names(r#"{"message":null,"msg":"a","time":null,"a":{"b":1795341601}}"#, 1_000_000, "a", None);
        check_names(r#"{"time":1795341601,"body":{"stringValue":"a"}}"#, 1_000_000, "a", None);
        check_names(r#"{"time":1795341601,"MESSAGE":[104,105,255]}"#, 1_000_000, "hi\u{fffd}", None);
        check_names(r#"{"time":1795341601,"MESSAGE":[300]}"#, 1_000_000, "[300]", None);
        check_names(r#"{"time":1795341601,"message":[104]}"#, 1_000_000, "[104]", None);
        check_names(r#"{"time":1795341601,"msg":5}"#, 1_000_000, "5", None);
        let object = r#"{"time":1795341601,"log":{"level":"info"}}"#;
        check_names(object, 1_000_000, object, Some(NO_MESSAGE));
        check_names(r#"{"instant":{"epochSecond":1795341601,"nanoOfSecond":500000},"msg":"a"}"#, 1_000_500, "a", None);
        check_names(r#"{"instant":{"seconds":1795341601},"msg":"a"}"#, 1_000_000, "a", None);
        check_names(r#"{"instant":{"$date":"2026-11-22T10:00:01Z"},"msg":"a"}"#, 1_000_000, "a", None);
    }

    #[test]
    fn a_time_that_cannot_be_believed_is_passed_over() {
        check_names(r#"{"time":0.25,"instant":1795341601,"msg":"a"}"#, 1_000_000, "a", None);
        check_names(r#"{"@timestamp":"soon","time":1795341601,"msg":"a"}"#, 1_000_000, "a", None);
        let early = "time is before the oldest day index: the time of arrival is used";
        check_names(r#"{"time":0.25,"instant":{},"msg":"a"}"#, 0, "a", Some(early));
        let none = "no @timestamp or the like: the time of arrival is used";
        check_names(r#"{"msg":"a"}"#, 0, "a", Some(none));
        // a name that may mean something else
        check_names(r#"{"instant":"a moment","msg":"a"}"#, 0, "a", Some(none));
        check_names(r#"{"a":{"b":5},"msg":"a"}"#, 0, "a", Some(none));
        check_names(
            r#"{"time":"soon","a.b":5,"msg":"a"}"#,
            0,
            "a",
            Some("time is not a time: the time of arrival is used"),
        );
        check_names(r#"{"time":1795341601,"instant":"a moment","msg":"a"}"#, 1_000_000, "a", None);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_body() {
        check("\u{feff}{\"@timestamp\":\"2026-11-22T10:00:00.000000Z\",\"message\":\"a\"}", 0, "a", &[], None);
        check("\u{1e}{\"@timestamp\":\"2026-11-22T10:00:00.000000Z\",\"message\":\"a\"}\n", 0, "a", &[], None);
        check("\u{1e}x", 0, "\u{1e}x", &[], Some("not a JSON object: expected value at line 1 column 1"));
        check("\u{feff}x", 0, "x", &[], Some("not a JSON object: expected value at line 1 column 1"));
    }

    #[test]
    fn numbers_that_json_does_not_have_are_text() {
        const WHY: &str = "NaN or Infinity, which JSON does not have: kept as text";
        let time = r#""@timestamp":"2026-11-22T10:00:00.000000Z""#;
        check(
            &format!(
                r#"{{{time},"message":"NaN \"NaN","a":NaN,"b":[ -Infinity,1.5,Infinity],"c":{{"NaN":nan}},"d":-inf}}"#
            ),
            0,
            "NaN \"NaN",
            &[
                ("a", r#""NaN""#),
                ("b", r#"[ "-Infinity",1.5,"Infinity"]"#),
                ("c", r#"{"NaN":"nan"}"#),
                ("d", r#""-inf""#),
            ],
            Some(WHY),
        );
        check(
            r#"{"a":NaN}"#,
            0,
            r#"{"a":NaN}"#,
            &[("a", r#""NaN""#)],
            Some(&format!("no @timestamp: the time of arrival is used; no message: the body is the message; {WHY}")),
        );
        check("{\"a\":nano}", 0, "{\"a\":nano}", &[], Some("not a JSON object: expected ident at line 1 column 7"));
        check("NaN", 0, "NaN", &[], Some("not a JSON object: expected value at line 1 column 1"));
    }

    #[test]
    fn the_column_of_the_error_is_alcos_alone() {
        check(
            r#"{"@timestamp":"2026-11-22T10:00:00.000000Z","message":"a","alco_error":"own","@alco_error":1,"alco_errors":2}"#,
            0,
            "a",
            &[("@alco_error", r#""own""#), ("@@alco_error", "1"), ("alco_errors", "2")],
            None,
        );
    }

    #[test]
    fn of_a_key_that_comes_twice_nothing_is_left_out() {
        check(
            r#"{"message":"a","x":1,"@timestamp":"2026-11-22T10:00:00.000000Z","message":"b","@timestamp":5,"message":"c"}"#,
            0,
            "a",
            &[
                ("message", r#""a""#),
                ("x", "1"),
                ("@timestamp", r#""2026-11-22T10:00:00.000000Z""#),
                ("message", r#""b""#),
                ("@timestamp", "5"),
                ("message", r#""c""#),
            ],
            None,
        );
    }

    #[test]
    fn every_body_becomes_a_record() {
        check(
            "[1]",
            0,
            "[1]",
            &[],
            Some("not a JSON object: invalid type: sequence, expected a JSON object at line 1 column 0"),
        );
        check("hello", 0, "hello", &[], Some("not a JSON object: expected value at line 1 column 1"));
        check(
            "{}",
            0,
            "{}",
            &[],
            Some("no @timestamp: the time of arrival is used; no message: the body is the message"),
        );
        check(
            r#"{"@timestamp":"2026-11-24T10:00:00.000000Z","message":5}"#,
            0,
            "5",
            &[("@timestamp", r#""2026-11-24T10:00:00.000000Z""#), ("message", "5")],
            Some("@timestamp is more than a day ahead: the time of arrival is used"),
        );
        check(
            r#"{"@timestamp":"2026-09-24T10:00:00.000000Z","message":"\ud800"}"#,
            0,
            "\u{fffd}\u{fffd}\u{fffd}",
            &[("@timestamp", r#""2026-09-24T10:00:00.000000Z""#), ("message", r#""\ud800""#)],
            Some("@timestamp is before the oldest day index: the time of arrival is used"),
        );
    }

    #[test]
    fn a_nested_value_has_each_of_its_texts() {
        let mut texts = Vec::new();
        each_text(r#"{"a.b":["\u65e5",1.50,null,true,{"c":[]}],"d":"x \"y\""}"#, &mut |text| {
            texts.push(text.to_owned())
        });
        assert_eq!(texts, ["a.b", "日", "1.50", "true", "c", "d", "x \"y\""]);
    }
}
