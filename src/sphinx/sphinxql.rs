//! REPLACE, SELECT, MATCH and every escape. Pure: text in, text out.
//!
//! Nothing that a user or a producer wrote gets into a statement but through the functions here.

use std::fmt::Write;

use crate::sphinx::{DocId, IndexName};
use crate::time::Ts;

/// A string literal, quotes included.
pub fn string(text: &str, out: &mut String) {
    out.push('\'');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'\'' => "\\'",
            b'\\' => "\\\\",
            // searchd's lexer ends a statement at a zero byte; such a text is kept exactly elsewhere
            0 => " ",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(escape);
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('\'');
}

/// A document as REPLACE takes it: a column's order is that of `replace_into`.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    pub id: DocId,
    pub ts: Ts,
    pub seq: i64,
    pub digest: i64,
    pub logline: &'a str,
    pub js: &'a str,
    pub exact: &'a str,
    /// prepared texts: the message, the columns, and each indexed column in the order of `replace_into`
    pub line: &'a str,
    pub cols: &'a str,
    pub indexed: &'a [String],
}

/// What every day index has, in the order of a tuple.
pub const COLUMNS: [&str; 9] = ["id", "ts", "seq", "digest", "logline", "js", "exact", "line", "cols"];

/// `REPLACE INTO web_20261122 (…) VALUES `, to be followed by tuples with commas between them.
pub fn replace_into(day_index: &str, indexed_fields: &[String], out: &mut String) {
    out.push_str("REPLACE INTO ");
    out.push_str(day_index);
    out.push_str(" (");
    out.push_str(&COLUMNS.join(","));
    for field in indexed_fields {
        out.push(',');
        out.push_str(field);
    }
    out.push_str(") VALUES ");
}

impl Document<'_> {
    /// `(7,1795341600000000,1,-5,'…',…)`
    pub fn tuple(&self, out: &mut String) {
        // writing to a String cannot fail
        let _ = write!(out, "({},{},{},{}", self.id.get(), self.ts.micros(), self.seq, self.digest);
        for text in [self.logline, self.js, self.exact, self.line, self.cols] {
            out.push(',');
            string(text, out);
        }
        for text in self.indexed {
            out.push(',');
            string(text, out);
        }
        out.push(')');
    }
}

/// The same tuple for another docid.
pub fn renumbered(tuple: &str, id: DocId) -> String {
    let rest = tuple.find(',').map_or("", |comma| &tuple[comma..]);
    format!("({}{rest}", id.get())
}

/// A document that is nothing but its id.
pub fn bare(day_index: &str, id: DocId) -> String {
    format!("REPLACE INTO {day_index} (id) VALUES ({})", id.get())
}

pub fn delete(day_index: &str, id: DocId) -> String {
    format!("DELETE FROM {day_index} WHERE id={}", id.get())
}

/// Documents of these digests with ids in that span: (id, digest). Equal records may be many, so the bound is high.
pub fn by_digest(index: &IndexName, digests: &[i64], first: u64, last: u64, limit: usize) -> String {
    let digests: Vec<String> = digests.iter().map(i64::to_string).collect();
    format!(
        "SELECT id, digest FROM {index} WHERE digest IN ({}) AND id >= {first} AND id <= {last} \
         ORDER BY id ASC LIMIT {limit} OPTION max_matches={limit}",
        digests.join(",")
    )
}

/// The documents of a block of docids: (id, digest).
pub fn in_block(index: &IndexName, block: u64) -> String {
    let (end, limit) = (block + DocId::BLOCK, DocId::BLOCK);
    format!(
        "SELECT id, digest FROM {index} WHERE id >= {block} AND id < {end} \
         ORDER BY id ASC LIMIT {limit} OPTION max_matches={limit}"
    )
}

pub fn highest_id(index: &IndexName) -> String {
    format!("SELECT id FROM {index} ORDER BY id DESC LIMIT 1")
}
