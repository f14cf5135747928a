//! A delivery's body -> the texts of its records. Pure.
//!
//! A body is unpacked if it is compressed, and is then text or bytes. A text is one record, or several: an array of JSON objects, or
//! JSON objects one after the other, with lines between them (NDJSON) or not. Invariant: what is not wholly such is one record, and
//! the parts of what is are all of it but the white space, the commas and the brackets around them.

mod unpack;

use std::borrow::Cow;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::ingest::body::unpack::{NotUnpacked, Packing};
use crate::record::{MAX_BODY, not_numbers};

#[derive(Debug, PartialEq)]
pub enum Content<'a> {
    /// with what was wrong with its packing, if anything
    Text(Cow<'a, str>, Option<String>),
    /// no text, and why
    Bytes(Cow<'a, [u8]>, String),
}

/// What a body holds; an error is why it cannot be stored.
///
/// A body that names no compression is looked at for one only if it is no text: kombu, for one, says `utf-8` of a body that it has
/// compressed. One that names a compression and has none is read as it is.
pub fn read<'a>(body: &'a [u8], content_encoding: Option<&str>) -> Result<Content<'a>, String> {
    if body.len() > MAX_BODY {
        return Err(format!("a body of {} bytes; Sphinx's strings end at {MAX_BODY}", body.len()));
    }
    let named = content_encoding.and_then(Packing::named);
    let as_it_is = std::str::from_utf8(body);
    let packing = match (named, as_it_is) {
        (None, Ok(text)) => return Ok(Content::Text(Cow::Borrowed(text), None)),
        (None, Err(_)) => Packing::shown(body),
        (named, _) => named,
    };
    match (packing.map(|packing| packing.unpack(body)), as_it_is) {
        (Some(Ok(unpacked)), _) => Ok(match String::from_utf8(unpacked) {
            Ok(text) => Content::Text(Cow::Owned(text), None),
            Err(error) => {
                let why = format!("unpacked, it is not UTF-8 at byte {}", error.utf8_error().valid_up_to());
                Content::Bytes(Cow::Owned(error.into_bytes()), why)
            }
        }),
        (Some(Err(NotUnpacked::TooLarge)), _) => {
            Err(format!("a body of {} bytes that holds more than {MAX_BODY}; Sphinx's strings end there", body.len()))
        }
        (Some(Err(NotUnpacked::Corrupt(why))), Ok(text)) => {
            Ok(Content::Text(Cow::Borrowed(text), Some(not_what_it_says(content_encoding, &why))))
        }
        (Some(Err(NotUnpacked::Corrupt(why))), Err(_)) if named.is_some() => {
            Ok(Content::Bytes(Cow::Borrowed(body), not_what_it_says(content_encoding, &why)))
        }
        // an encoding that is not known
        (_, Err(error)) => {
            let encoding = content_encoding.map_or(String::new(), |name| format!(" (content_encoding {name})"));
            let why = format!("not UTF-8 at byte {}{encoding}", error.valid_up_to());
            Ok(Content::Bytes(Cow::Borrowed(body), why))
        }
        (None, Ok(text)) => Ok(Content::Text(Cow::Borrowed(text), None)),
    }
}

fn not_what_it_says(content_encoding: Option<&str>, why: &str) -> String {
    format!("not the {} that its content_encoding names: {why}", content_encoding.unwrap_or_default())
}

/// Where the records of a body stand that has several, in order.
#[derive(Debug)]
pub struct Pieces {
    /// the text to look in, where the body's own is not JSON: with a number for each NaN
    replaced: Option<String>,
    at: usize,
    left: usize,
}

impl Pieces {
    /// None where the text is one record.
    pub fn of(text: &str) -> Option<Pieces> {
        let body = text.strip_prefix('\u{feff}').unwrap_or(text).trim_ascii();
        if !may_be_several(body) {
            return None;
        }
        let at = body.as_ptr().addr() - text.as_ptr().addr();
        if let Some(left) = count(body) {
            return Some(Pieces { replaced: None, at, left });
        }
        let replaced = not_numbers::replaced(text)?;
        let left = count(&replaced[at..at + body.len()])?;
        Some(Pieces { replaced: Some(replaced), at, left })
    }

    /// How many are still to come.
    pub fn left(&self) -> usize {
        self.left
    }

    /// The next one's place in the text that they are of.
    pub fn next(&mut self, text: &[u8]) -> Option<Range<usize>> {
        self.left = self.left.checked_sub(1)?;
        let text = self.replaced.as_ref().map_or(text, String::as_bytes);
        let rest = &text[self.at..];
        self.at += rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'['))?;
        let mut values = serde_json::Deserializer::from_slice(&text[self.at..]).into_iter::<&RawValue>();
        values.next()?.ok()?;
        let from = self.at;
        self.at += values.byte_offset();
        Some(from..self.at)
    }
}

/// Most bodies are one object in one line, and are not read for this.
fn may_be_several(body: &str) -> bool {
    let is_followed = |(at, _)| body[at + 1..].trim_ascii_start().starts_with('{');
    body.starts_with('[') || body.starts_with('{') && body.match_indices('}').any(is_followed)
}

/// How many records a body is; None where it is one.
fn count(body: &str) -> Option<usize> {
    match body.starts_with('[') {
        true => serde_json::from_str::<Objects>(body).ok().map(|objects| objects.0).filter(|count| *count > 0),
        false => objects(body),
    }
}

/// How many objects follow each other; None where anything else is among them, or there is one alone.
fn objects(text: &str) -> Option<usize> {
    let mut count = 0;
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        count += usize::from(value.ok().filter(|value| value.get().starts_with('{')).map(|_| true)?);
    }
    (count > 1).then_some(count)
}

/// The number of objects in an array that holds nothing else.
struct Objects(usize);

impl<'de> Deserialize<'de> for Objects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;
        impl<'de> Visitor<'de> for Array {
            type Value = usize;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array of JSON objects")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<usize, A::Error> {
                let mut count = 0;
                while let Some(element) = elements.next_element::<&RawValue>()? {
                    if !element.get().starts_with('{') {
                        return Err(A::Error::custom("an element that is not an object"));
                    }
                    count += 1;
                }
                Ok(count)
            }
        }
        deserializer.deserialize_seq(Array).map(Objects)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[track_caller]
    fn check(text: &str, parts: &[&str]) {
        let mut found = Vec::new();
        if let Some(mut places) = Pieces::of(text) {
            assert_eq!(places.left(), parts.len(), "{text:?}");
            while let Some(place) = places.next(text.as_bytes()) {
                found.push(&text[place]);
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
    fn what_is_not_wholly_objects_is_one_record() {
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
            "{\"a\":1},\n{\"b\":2}",
        ] {
            check(text, &[]);
        }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).and_then(|()| encoder.finish()).expect("to memory")
    }

    #[test]
    fn a_body_is_text_or_bytes_or_too_large() {
        let text = |text: &str, problem: Option<&str>| {
            Ok(Content::Text(Cow::Owned(text.to_owned()), problem.map(str::to_owned)))
        };
        let bytes = |bytes: &[u8], why: &str| Ok(Content::Bytes(Cow::Owned(bytes.to_vec()), why.to_owned()));
        let (packed, torn) = (gzip(b"{}"), &gzip(b"{}")[..20]);
        let not_gzip = "not the gzip that its content_encoding names: invalid gzip header";
        for (body, encoding, expected) in [
            (&b"{}"[..], None, text("{}", None)),
            (b"{}", Some("utf-8"), text("{}", None)),
            (b"{}", Some("br"), text("{}", None)),
            (b"{\"message\":1}", Some("gzip"), text("{\"message\":1}", Some(not_gzip))),
            (&packed, Some("gzip"), text("{}", None)),
            (&packed, None, text("{}", None)),
            (&packed, Some("utf-8"), text("{}", None)),
            (torn, None, bytes(torn, "not UTF-8 at byte 1")),
            (b"a\xff", None, bytes(b"a\xff", "not UTF-8 at byte 1")),
            (b"a\xff", Some("br"), bytes(b"a\xff", "not UTF-8 at byte 1 (content_encoding br)")),
            (b"a\xff and more", Some("gzip"), bytes(b"a\xff and more", not_gzip)),
            (&gzip(b"a\xff"), Some("gzip"), bytes(b"a\xff", "unpacked, it is not UTF-8 at byte 1")),
        ] {
            assert_eq!(read(body, encoding), expected, "{body:?} as {encoding:?}");
        }
        let bomb = gzip(&vec![b' '; MAX_BODY + 1]);
        for body in [vec![b' '; MAX_BODY + 1], bomb] {
            let why = read(&body, None).expect_err("too large");
            assert!(why.contains("Sphinx's strings end"), "{why}");
        }
    }
}
