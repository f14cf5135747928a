//! A text -> the texts of its records. Pure.
//!
//! Several records are an array of JSON objects, or objects one after the other: with lines between them (NDJSON) or not, each with a
//! record separator (RFC 7464) or a byte order mark before it, or with a comma between each two. In a bulk body of Elasticsearch the
//! actions are not records. An envelope of OpenTelemetry is the records in it: see `envelope`.
//!
//! Invariant: a text that is not wholly in one of these forms is one record. The pieces of a text have all of it except separators,
//! actions, and the form of an envelope.

use std::ops::Range;
use std::sync::Arc;

use crate::ingest::body::envelope::Envelope;
use crate::record::json::{count_objects, members, next_object};
use crate::record::{RECORD_SEPARATOR, not_numbers};

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

/// The records of a text that has several, in order.
#[derive(Debug)]
pub struct Pieces {
    form: Form,
    left: usize,
}

#[derive(Debug)]
enum Form {
    Objects {
        /// the text to look in, where the body's own is not JSON: with a number for each NaN
        replaced: Option<String>,
        at: usize,
        /// an action precedes each record
        is_bulk: bool,
    },
    Envelope(Envelope),
}

impl Pieces {
    /// None if the text is one record.
    pub fn of(text: &str) -> Option<Pieces> {
        let body = text.trim_start_matches('\u{feff}').trim_ascii();
        if !may_be_several(body) {
            return None;
        }
        let at = body.as_ptr().addr() - text.as_ptr().addr();
        if let Some((envelope, left)) = Envelope::read(body, at) {
            return Some(Pieces { form: Form::Envelope(envelope), left });
        }
        if let Some((left, is_bulk)) = count(body) {
            return Some(Pieces { form: Form::Objects { replaced: None, at, is_bulk }, left });
        }
        let replaced = not_numbers::replaced(text)?;
        let (left, is_bulk) = count(&replaced[at..at + body.len()])?;
        Some(Pieces { form: Form::Objects { replaced: Some(replaced), at, is_bulk }, left })
    }

    /// The number of records that are still to come.
    pub fn left(&self) -> usize {
        self.left
    }

    /// The next record of the text.
    pub fn next(&mut self, text: &[u8]) -> Option<PieceText> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.form {
            Form::Envelope(envelope) => envelope.next(text).map(|made| PieceText::Made(made.into())),
            Form::Objects { replaced, at, is_bulk } => {
                let text = replaced.as_ref().map_or(text, String::as_bytes);
                if *is_bulk {
                    *at = next_object(text, *at)?.end;
                }
                let place = next_object(text, *at)?;
                *at = place.end;
                Some(PieceText::InText(place))
            }
        }
    }
}

/// Most bodies are one object in one line, and are not read for this.
fn may_be_several(body: &str) -> bool {
    let is_followed = |(at, _)| body[at + 1..].trim_start_matches(|c| c == ',' || is_between(c)).starts_with('{');
    match body.as_bytes().first() {
        Some(b'[') => true,
        Some(b'{') => Envelope::may_be(body) || body.match_indices('}').any(is_followed),
        _ => body.starts_with(RECORD_SEPARATOR),
    }
}

/// True for a character that may be between two objects, in addition to a comma.
fn is_between(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | RECORD_SEPARATOR | '\u{feff}')
}

/// The number of records in a body, and whether it is a bulk body; None if it is one record.
fn count(body: &str) -> Option<(usize, bool)> {
    if body.starts_with('[') {
        return count_objects(body).filter(|count| *count > 0).map(|count| (count, false));
    }
    let objects = objects(body).filter(|count| *count > 1)?;
    match objects.is_multiple_of(2) && is_bulk(body) {
        true => Some((objects / 2, true)),
        false => Some((objects, false)),
    }
}

/// The number of objects that follow each other; None if anything else is among them. Commas are between all of them, or nowhere.
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
    (commas_among(&text[at..]) == Some(0)).then_some(count)
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
        if let Some(mut places) = Pieces::of(text) {
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
            r#"[{"a":1}][{"b":2}]"#,
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
            r#"{"a":1},{"b":2},"#,
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
        // one record, with a mark before it
        check("\u{1e}{\"a\":1}\n", &[]);
        check(r#"{"a":[{"b":1},{"c":2}]}"#, &[]);
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
