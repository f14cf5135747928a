//! A page of records as JSON. A small one is sent as a whole, with its length; a large one record by record.
//!
//! Invariant: a client that reads slowly holds the records of its page, as they are stored, and no text made of them. As JSON a record
//! may have twelve times its bytes: a control character has six, and stands in two members.

use std::io::{self, Write};
use std::vec::IntoIter;

use crate::http::body::Body;
use crate::http::response::{Reply, StreamedBody};
use crate::http::site::Site;
use crate::net::slots::Slot;
use crate::search::hit::{Hit, Line};

/// A page that has reached this size is written record by record from there on.
const MAX_WHOLE_BYTES: usize = 256 * 1024;
/// A larger record is not made into a text first.
const MAX_RECORD_BYTES: usize = MAX_WHOLE_BYTES / 12;

/// Writes a record as JSON.
pub type WriteRecord = Box<dyn Fn(&Hit, &mut dyn Write) -> io::Result<()> + Send>;

pub struct JsonPage {
    /// the text before the records, with the bracket that opens their list
    pub opening: String,
    pub lines: Vec<Line>,
    pub write_record: WriteRecord,
    /// the text after them, with the bracket that closes their list
    pub closing: String,
    /// held until the client has read the lines
    pub slot: Option<Slot>,
}

impl JsonPage {
    pub fn reply(self) -> Reply {
        let JsonPage { opening, lines, write_record, closing, slot } = self;
        let mut records = UnsentRecords { lines: lines.into_iter(), write_record, has_begun: false };
        let mut begin = opening.into_bytes();
        while begin.len() < MAX_WHOLE_BYTES && records.is_next_small() {
            if !records.write_next(&mut begin).expect("a Vec takes everything") {
                begin.extend(closing.bytes());
                return Reply::json(String::from_utf8(begin).expect("JSON is UTF-8"));
            }
        }
        let write = move |_: &Site, body: &mut Body| {
            body.write_all(&begin)?;
            drop(begin);
            while records.write_next(body)? {}
            body.write_all(closing.as_bytes())?;
            drop(slot);
            Ok(())
        };
        Reply { stream: Some(StreamedBody::Page(Box::new(write))), ..Reply::json(String::new()) }
    }
}

struct UnsentRecords {
    lines: IntoIter<Line>,
    write_record: WriteRecord,
    has_begun: bool,
}

impl UnsentRecords {
    fn is_next_small(&self) -> bool {
        match self.lines.as_slice().first() {
            Some(Line::Match(hit) | Line::Near(hit)) => hit.bytes() <= MAX_RECORD_BYTES,
            Some(Line::Gap) | None => true,
        }
    }

    /// Writes the next record, and frees it. Returns false if there was none.
    fn write_next(&mut self, out: &mut impl Write) -> io::Result<bool> {
        let hit = self.lines.find_map(|line| match line {
            Line::Match(hit) | Line::Near(hit) => Some(hit),
            Line::Gap => None,
        });
        let Some(hit) = hit else { return Ok(false) };
        if self.has_begun {
            out.write_all(b",")?;
        }
        self.has_begun = true;
        (self.write_record)(&hit, out)?;
        Ok(true)
    }
}
