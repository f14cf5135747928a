//! A delivery's body -> text or bytes. Pure.
//!
//! A body is unpacked if it is compressed. Its text is one record, or several: see `pieces`.

mod envelope;
mod pieces;
mod unpack;

use std::borrow::Cow;

pub use crate::ingest::body::pieces::{MAX_RECORDS, PieceText, Pieces, TooManyRecords};
use crate::ingest::body::unpack::{NotUnpacked, Packing};
use crate::record::MAX_BODY;

#[derive(Debug, PartialEq)]
pub enum Content<'a> {
    /// with the fault of its packing, if there is one
    Text(Cow<'a, str>, Option<String>),
    /// not text, with the reason
    Bytes(Cow<'a, [u8]>, String),
}

/// The content of a body; an error is the reason why it cannot be stored.
///
/// A body that names no compression is examined for one only if it is not text: kombu, for one, names `utf-8` where it has
/// compressed the body. A body that names a compression and has none is read as it is.
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

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
