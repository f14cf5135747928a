//! A text -> the texts of its records. Pure.
//!
//! Several records are an array of JSON objects, arrays of them one after the other, or objects one after the other: with lines
//! between them (NDJSON) or not, each with a record separator (RFC 7464) or a byte order mark before it, or with a comma between each
//! two, or after each. In a bulk body of Elasticsearch the actions are not records. Each object that is an envelope of OpenTelemetry
//! is the records in it: see `envelope`.
//!
//! Invariant: a text that is not wholly in one of these forms is one record. The pieces of a text have all of it except separators,
//! actions, and the form of an envelope.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use memchr::memchr_iter;

use crate::ingest::body::envelope::{Envelope, MAX_MADE_BYTES};
use crate::record::json::{count_objects, members, next_object};
use crate::record::{RECORD_SEPARATOR, not_numbers};

/// Records of one body. A body of 4 MiB that is full of short log records of OpenTelemetry has 116,000; one that is full of `{}` would
/// have two million, and four kilobytes can hold it compressed.
pub const MAX_RECORDS: usize = 131_072;

/// The actions of a bulk body that a document follows, and what they may name. Any other object is not an action.
const ACTIONS: [&str; 2] = ["index", "create"];
const ACTION_PARAMETERS: [&str; 16] = [
    "_index",
    "_id",
    "_type",
    "_routing",
    "routing",
    "_version",
    "version",
    "version_type",
    "_parent",
    "pipeline",
    "if_seq_no",
    "if_primary_term",
    "require_alias",
    "require_data_stream",
    "dynamic_templates",
    "list_executed_pipelines",
];

/// The text of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PieceText {
    /// its place in the whole text
    InText(Range<usize>),
    /// of an envelope: with the values of the envelope that belong to it
    Made(Arc<str>),
}

impl PieceText {
    pub fn bytes<'a>(&'a self, text: &'a [u8]) -> &'a [u8] {
        match self {
            PieceText::InText(place) => &text[place.clone()],
            PieceText::Made(made) => made.as_bytes(),
        }
    }
}

/// The number of records in a text that has more than `MAX_RECORDS`.
#[derive(Debug, PartialEq, Eq)]
pub struct TooManyRecords(pub usize);

/// The records of a text that has several, in order.
#[derive(Debug)]
pub struct Pieces {
    /// the text to look in, where the body's own is not JSON: with a number for each NaN
    replaced: Option<String>,
    /// the end of the last object
    at: usize,
    /// an action precedes each record
    is_bulk: bool,
    /// the objects that are envelopes, each with its start
    envelopes: VecDeque<(usize, Envelope)>,
    /// the last object, if it is an envelope
    open: Option<Envelope>,
    left: usize,
}

impl Pieces {
    /// None if the text is one record. The records are counted before any is made.
    ///
    /// # Errors
    /// The text has more than `MAX_RECORDS`.
    pub fn of(text: &str) -> Result<Option<Pieces>, TooManyRecords> {
        let pieces = Pieces::found(text);
        match pieces.as_ref().map(Pieces::left).filter(|count| *count > MAX_RECORDS) {
            Some(count) => Err(TooManyRecords(count)),
            None => Ok(pieces),
        }
    }

    fn found(text: &str) -> Option<Pieces> {
        let body = text.trim_start_matches('\u{feff}').trim_ascii();
        if !may_be_several(body) {
            return None;
        }
        let at = body.as_ptr().addr() - text.as_ptr().addr();
        let (mut replaced, mut found) = (None, count(body));
        if found.is_none() {
            let numbers = not_numbers::replaced(text)?;
            found = count(&numbers[at..at + body.len()]);
            replaced = Some(numbers);
        }
        let (left, is_bulk) = found?;
        let mut pieces = Pieces { replaced, at, is_bulk, envelopes: VecDeque::new(), open: None, left };
        pieces.find_envelopes(text);
        let is_one =
            left == 1 && !is_bulk && pieces.envelopes.is_empty() && !body.starts_with('[') && !body.ends_with(',');
        (!is_one).then_some(pieces)
    }

    /// An envelope that there is no room for is a record, as any other object.
    fn find_envelopes(&mut self, text: &str) {
        if self.is_bulk || !text.contains("\"resourceLogs\"") {
            return;
        }
        let (mut at, mut room) = (self.at, MAX_MADE_BYTES);
        while let Some(place) = next_object(self.replaced.as_deref().unwrap_or(text).as_bytes(), at) {
            at = place.end;
            if let Some(envelope) = Envelope::read(&text[place.clone()], place.start, room) {
                room -= envelope.made_bytes;
                self.left += envelope.count - 1;
                self.envelopes.push_back((place.start, envelope));
            }
        }
    }

    /// The number of records that are still to come.
    pub fn left(&self) -> usize {
        self.left
    }

    /// The next record of the text.
    pub fn next(&mut self, text: &[u8]) -> Option<PieceText> {
        self.left = self.left.checked_sub(1)?;
        if let Some(made) = self.open.as_mut().and_then(|envelope| envelope.next(text)) {
            return Some(PieceText::Made(made.into()));
        }
        let objects = self.replaced.as_ref().map_or(text, String::as_bytes);
        if self.is_bulk {
            self.at = next_object(objects, self.at)?.end;
        }
        let place = next_object(objects, self.at)?;
        self.at = place.end;
        self.open = self.envelopes.pop_front_if(|(start, _)| *start == place.start).map(|(_, envelope)| envelope);
        match &mut self.open {
            Some(envelope) => envelope.next(text).map(|made| PieceText::Made(made.into())),
            None => Some(PieceText::InText(place)),
        }
    }
}

/// Most bodies are one object in one line, and are not read for this.
fn may_be_several(body: &str) -> bool {
    let is_followed = |at| body[at + 1..].trim_start_matches(|c| c == ',' || is_between(c)).starts_with('{');
    match body.as_bytes().first() {
        Some(b'[') => true,
        Some(b'{') => {
            Envelope::may_be(body) || body.ends_with(',') || memchr_iter(b'}', body.as_bytes()).any(is_followed)
        }
        _ => body.starts_with(RECORD_SEPARATOR),
    }
}

/// True for a character that may be between two objects, in addition to a comma.
fn is_between(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | RECORD_SEPARATOR | '\u{feff}')
}

/// The number of objects in a body, without actions, and whether it is a bulk body. None if anything else is in it.
fn count(body: &str) -> Option<(usize, bool)> {
    if body.starts_with('[') {
        return count_objects(body).filter(|count| *count > 0).map(|count| (count, false));
    }
    let objects = objects(body).filter(|count| *count > 0)?;
    match objects.is_multiple_of(2) && is_bulk(body) {
        true => Some((objects / 2, true)),
        false => Some((objects, false)),
    }
}

/// The number of objects that follow each other; None if anything else is among them. Commas are between all of them, or nowhere;
/// then one may follow the last.
fn objects(text: &str) -> Option<usize> {
    let (mut at, mut count, mut commas_between) = (0, 0, 0);
    while let Some(place) = next_object(text.as_bytes(), at) {
        let commas = commas_among(&text[at..place.start])?;
        if count == 1 {
            commas_between = commas;
        }
        if commas > 1 || commas != if count == 0 { 0 } else { commas_between } {
            return None;
        }
        (at, count) = (place.end, count + 1);
    }
    match commas_among(&text[at..])? {
        0 => Some(count),
        1 => (count == 1 || commas_between == 1).then_some(count),
        _ => None,
    }
}

/// The number of commas; None if there is anything that may not be between two objects.
fn commas_among(text: &str) -> Option<usize> {
    text.chars().try_fold(0, |commas, c| match c {
        ',' => Some(commas + 1),
        c => is_between(c).then_some(commas),
    })
}

/// True if every other one of these objects is an action.
fn is_bulk(text: &str) -> bool {
    let mut at = 0;
    while let Some(action) = next_object(text.as_bytes(), at) {
        let Some(document) = next_object(text.as_bytes(), action.end) else { return false };
        if !is_action(&text[action]) {
            return false;
        }
        at = document.end;
    }
    true
}

fn is_action(object: &str) -> bool {
    let members = members(object);
    let [(name, parameters)] = &members[..] else { return false };
    let is_known = || self::members(parameters).iter().all(|(key, _)| ACTION_PARAMETERS.contains(&&**key));
    ACTIONS.contains(&&**name) && parameters.starts_with('{') && is_known()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, parts: &[&str]) {
        let mut found = Vec::new();
        if let Some(mut places) = Pieces::of(text).expect("not too many") {
            assert_eq!(places.left(), parts.len(), "{text:?}");
            while let Some(piece) = places.next(text.as_bytes()) {
                found.push(String::from_utf8_lossy(piece.bytes(text.as_bytes())).into_owned());
            }
            assert_eq!(places.left(), 0);
        }
        assert_eq!(found, parts, "{text:?}");
    }

    #[test]
    fn an_array_of_objects_is_a_record_each() {
        check(r#"[{"a":1},{"b":[{"c":2}]}]"#, &[r#"{"a":1}"#, r#"{"b":[{"c":2}]}"#]);
        check(" \r\n[ {\"a\":1} ,\n\t{} ] \n", &[r#"{"a":1}"#, "{}"]);
        check("\u{feff}[{\"ä\":\"日\"}]", &["{\"ä\":\"日\"}"]);
        check("[{\"a\":1},{\"b\":2}]\n[]\r\n[{\"c\":NaN}]\n", &[r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":NaN}"#]);
        check(r#"[{"a":"[{\",{"},{"a":"}]"}]"#, &[r#"{"a":"[{\",{"}"#, r#"{"a":"}]"}"#]);
        let deep = format!("{{\"n\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        check(&format!("[{deep},{deep}]"), &[&deep, &deep]);
    }

    #[test]
    fn objects_after_each_other_are_a_record_each() {
        check("{\"a\":1}\n{\"b\":2}\n", &[r#"{"a":1}"#, r#"{"b":2}"#]);
        check("{\"a\":1}\r\n\r\n  {\"b\":2}", &[r#"{"a":1}"#, r#"{"b":2}"#]);
        check("\u{feff}{}\n{}", &["{}", "{}"]);
        check(r#"{"a":1}{"b":2}{"c":3}"#, &[r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#]);
        check(r#"{"a":1} {"b":2}"#, &[r#"{"a":1}"#, r#"{"b":2}"#]);
        check("{\n \"a\": 1\n}\n{\n \"b\": 2\n}", &["{\n \"a\": 1\n}", "{\n \"b\": 2\n}"]);
    }

    #[test]
    fn records_with_nan_are_a_record_each() {
        let nan = r#"{"a":NaN,"b":[-Infinity,"NaN }{"]}"#;
        check(&format!("[{nan},{{\"c\":2}},{nan}]"), &[nan, r#"{"c":2}"#, nan]);
        check(&format!("\u{feff}\n{nan}\n{{}}\n"), &[nan, "{}"]);
        check(&format!("{nan}{nan}"), &[nan, nan]);
        for text in [nan, "[NaN]", r#"[{"a":NaN},NaN]"#, "{\"a\":NaN}\nNaN", r#"[{"a":NaN}"#, r#"[{"a":nano},{}]"#] {
            check(text, &[]);
        }
    }

    #[test]
    fn a_body_not_wholly_of_objects_is_one_record() {
        for text in [
            "",
            "text",
            "[]",
            "[1]",
            r#"[{"a":1},2]"#,
            r#"[{"a":1},null]"#,
            r#"[{"a":1},[{"b":2}]]"#,
            r#"[{"a":1}"#,
            r#"[{"a":1},]"#,
            r#"[{"a":1}] x"#,
            r#"[{"a":1}],[{"b":2}]"#,
            r#"[{"a":1}][2]"#,
            "[{\"a\":1}]\n{\"b\":2}",
            "[]\n[]",
            r#"{"a":1}"#,
            "{\"a\":1}\n",
            "{\n\"a\":1\n}",
            r#"{"a":"}{"}"#,
            "{\"a\":1}\ntext",
            "{\"a\":1}\n5\n{\"b\":2}",
            "{\"a\":1}\n{\"b\":",
            // neither with commas nor without
            r#"{"a":1},{"b":2}{"c":3}"#,
            r#"{"a":1}{"b":2},{"c":3}"#,
            r#"{"a":1},,{"b":2}"#,
            r#",{"a":1},{"b":2}"#,
            r#"{"a":1},{"b":2},,"#,
            r#"{"a":1}{"b":2},"#,
            r#"{"a":1},,"#,
            ",",
            r#"{"a":1},{"b":2},5"#,
            r#"{"a":1};{"b":2}"#,
            "\u{1e}text\n",
            "{\"a\":1}\n\u{1f}{\"b\":2}",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn separators_are_not_a_part_of_records() {
        // RFC 7464
        check("\u{1e}{\"a\":1}\n\u{1e}{\"b\":2}\n", &[r#"{"a":1}"#, r#"{"b":2}"#]);
        check("\u{1e}\u{1e}{\"a\":1}\u{1e}{\"b\":2}\u{1e}", &[r#"{"a":1}"#, r#"{"b":2}"#]);
        check("\u{feff}{\"a\":1}\r\n\u{feff}{\"b\":2}\r\n\u{feff}", &[r#"{"a":1}"#, r#"{"b":2}"#]);
        check("{\"a\":1},\n{\"b\":2}", &[r#"{"a":1}"#, r#"{"b":2}"#]);
        check(r#"{"a":NaN},{"b":2} , {"c":[{},{}]}"#, &[r#"{"a":NaN}"#, r#"{"b":2}"#, r#"{"c":[{},{}]}"#]);
        check("{\"a\":1},\n{\"b\":2},\n", &[r#"{"a":1}"#, r#"{"b":2}"#]);
        check("{\"a\":NaN},\n", &[r#"{"a":NaN}"#]);
        // one record, with a mark before it
        check("\u{1e}{\"a\":1}\n", &[]);
        check(r#"{"a":[{"b":1},{"c":2}]}"#, &[]);
    }

    #[test]
    fn records_of_all_envelopes_are_a_record_each() {
        let record = |name: &str| format!(r#"{{"message":"{name}"}}"#);
        let envelope = |records: &[String]| {
            format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{}]}}]}}]}}"#, records.join(","))
        };
        let [a, b, c, d] = ["a", "b", "c", "d"].map(record);
        let plain = r#"{"a":NaN}"#;
        let (two, one) = (envelope(&[a.clone(), b.clone()]), envelope(std::slice::from_ref(&c)));
        for several in [
            format!("{two}\n{one}\n{d}\n"),
            format!("[{two},{one},{d}]"),
            format!("[{two}]\n[{one},{d}]"),
            format!("\u{1e}{two}\n\u{1e}{one}\n\u{1e}{d}\n"),
            format!("\u{feff}{two},\n{one},\n{d},\n"),
        ] {
            check(&several, &[&a, &b, &c, &d]);
        }
        check(&one, &[&c]);
        check(&format!("{plain}\n{two}{plain}{one}"), &[plain, &a, &b, plain, &c]);
        let empty = envelope(&[]);
        check(&empty, &[]);
        check(&format!("{empty}\n{one}"), &[&empty, &c]);
        // 40 MiB each: there is no room for the second
        let large = format!(
            r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"{}"}}]}},"scopeLogs":[{{"logRecords":[{}{{}}]}}]}}]}}"#,
            "k".repeat(1 << 20),
            "{},".repeat(39)
        );
        let found = Pieces::of(&format!("{large}\n{large}\n{two}")).expect("not too many").map(|pieces| pieces.left());
        assert_eq!(found, Some(40 + 1 + 2));
    }

    #[test]
    fn a_body_has_a_bounded_number_of_records() {
        let action = "{\"index\":{}}\n{}\n";
        let enveloped = |count: usize| {
            let records = vec!["{}"; count - 1].join(",");
            format!(r#"{{}}{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}"#)
        };
        let forms: [&dyn Fn(usize) -> String; 5] = [
            &|count| "{}".repeat(count),
            &|count| "{}\n".repeat(count),
            &|count| format!("[{}]", vec!["{}"; count].join(",")),
            &|count| action.repeat(count),
            &enveloped,
        ];
        for form in forms {
            let found = |count| Pieces::of(&form(count)).map(|pieces| pieces.map(|pieces| pieces.left()));
            assert_eq!(found(MAX_RECORDS), Ok(Some(MAX_RECORDS)), "{}", form(2));
            assert_eq!(found(MAX_RECORDS + 1), Err(TooManyRecords(MAX_RECORDS + 1)), "{}", form(2));
        }
    }

    #[test]
    fn actions_of_a_bulk_body_are_not_records() {
        let (one, two) = (r#"{"message":"one"}"#, r#"{"index":"an index's name"}"#);
        let vector = r#"{"create":{"_index":"vector-2026.11.22","_type":"_doc"}}"#;
        let logstash = r#"{"index":{"_id":null,"_index":"logstash","routing":null}}"#;
        check(&format!("{vector}\n{one}\n"), &[one]);
        check(&format!("{vector}\n{one}\n{logstash}\n{two}\n"), &[one, two]);
        check(&format!("{{\"index\":{{}}}}\n{one}\n"), &[one]);
        check("{\"index\":{}}\n{\"n\":NaN}\n", &[r#"{"n":NaN}"#]);
        for all in [
            vec![vector, one, logstash],
            vec![vector, vector, one, one],
            vec![one, vector],
            vec![r#"{"index":{"_index":"a"},"more":1}"#, one],
            vec![r#"{"index":{"size":5}}"#, one],
            vec![r#"{"index":5}"#, one],
            vec![r#"{"delete":{"_id":"1"}}"#, one],
            vec![r#"{"update":{"_id":"1"}}"#, one],
        ] {
            check(&all.join("\n"), &all);
        }
    }
}
