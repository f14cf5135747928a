//! The text of every statement but the SELECTs of a search (`select`), and every escape. Pure: text in, text out.
//!
//! A text of a user or a producer gets into a statement by the functions here only.

use std::fmt::{Display, Write};

use crate::sphinx::day_schema::DaySchema;
use crate::sphinx::{DocId, IndexName};
use crate::time::Ts;

/// A string literal, quotes included.
pub fn string(text: &str, out: &mut String) {
    out.push('\'');
    let mut from = 0;
    while let Some(at) = next_escaped(text.as_bytes(), from) {
        out.push_str(&text[from..at]);
        out.push_str(match text.as_bytes()[at] {
            b'\'' => "\\'",
            b'\\' => "\\\\",
            // searchd's lexer ends a statement at a zero byte; such a text is kept exactly elsewhere
            _ => " ",
        });
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('\'');
}

/// The next byte from there on that a literal cannot hold as it is. Most texts have none, so it looks at many bytes at a time.
fn next_escaped(bytes: &[u8], from: usize) -> Option<usize> {
    const CHUNK_BYTES: usize = 64;
    let is_escaped = |byte: &u8| matches!(byte, b'\'' | b'\\' | 0);
    let mut at = from;
    while let Some(chunk) = bytes.get(at..at + CHUNK_BYTES) {
        // without an early end, the compiler compares them all at once
        if chunk.iter().fold(false, |any, byte| any | is_escaped(byte)) {
            break;
        }
        at += CHUNK_BYTES;
    }
    bytes[at..].iter().position(is_escaped).map(|place| at + place)
}

/// The last 31 bits of a record's `seq`, 0 if it has none. They order the records of one microsecond as the whole number would, but
/// for the one in two billion where the bits begin again at 0, and take half of its memory, which searchd never gives back.
/// searchd's 32-bit arithmetic has a sign, so one bit is left out.
pub fn stored_order(seq: Option<i64>) -> i64 {
    seq.unwrap_or(0) & 0x7fff_ffff
}

/// A document without its docid.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    pub ts: Ts,
    /// see `stored_order`
    pub seq: i64,
    pub digest: i64,
    /// see the module `counting`
    pub kind: i64,
    pub logline: &'a str,
    pub js: &'a str,
    pub exact: &'a str,
    /// prepared texts: the message, the columns; and `fields`, those of columns in the order of `replace_into`
    pub line: &'a str,
    pub cols: &'a str,
    /// see the module `keys`
    pub keys: &'a str,
    pub fields: &'a [String],
    /// hashes, in the order of `replace_into`
    pub values: &'a [u32],
}

/// The attributes and fields of every day index, in the order of a tuple.
pub const COLUMNS: [&str; 11] = ["id", "ts", "seq", "digest", "kind", "logline", "js", "exact", "line", "cols", "keys"];

/// `REPLACE INTO web_20261122 (…) VALUES `; tuples with commas between them follow.
pub fn replace_into(day_index: &str, schema: &DaySchema, out: &mut String) {
    out.push_str("REPLACE INTO ");
    out.push_str(day_index);
    out.push_str(" (");
    out.push_str(&COLUMNS.join(","));
    for own in schema.fields.iter().chain(&schema.values) {
        out.push(',');
        out.push_str(&own.name);
    }
    out.push_str(") VALUES ");
}

impl Document<'_> {
    /// Its tuple from after the docid on: `,1795341600000000,1,-5,'…',…)`
    pub fn rest(&self, out: &mut String) {
        // writing to a String cannot fail
        let _ = write!(out, ",{},{},{},{}", self.ts.micros(), self.seq, self.digest, self.kind);
        for text in [self.logline, self.js, self.exact, self.line, self.cols, self.keys] {
            out.push(',');
            string(text, out);
        }
        for text in self.fields {
            out.push(',');
            string(text, out);
        }
        for value in self.values {
            let _ = write!(out, ",{value}");
        }
        out.push(')');
    }
}

/// The tuple of a document, from its docid and its `rest`.
pub fn tuple(id: DocId, rest: &str, out: &mut String) {
    // writing to a String cannot fail
    let _ = write!(out, "({}", id.get());
    out.push_str(rest);
}

/// The names of all indexes and tables that searchd serves, in the first column.
pub const SHOW_TABLES: &str = "SHOW TABLES";

/// searchd's threads: a row for each, with its id, protocol, state, seconds and statement.
pub const SHOW_THREADS: &str = "SHOW THREADS";

/// The warnings of the connection's last statement; their texts are in the third column.
pub const SHOW_WARNINGS: &str = "SHOW WARNINGS";

/// searchd's clock: seconds since 1970 UTC.
pub const NOW: &str = "SELECT NOW()";

/// Stores a document that has only an id.
pub fn bare(day_index: &str, id: DocId) -> String {
    format!("REPLACE INTO {day_index} (id) VALUES ({})", id.get())
}

/// One document, if the day index has any. Without `cutoff` searchd reads all of them.
pub fn any(day_index: &str) -> String {
    format!("SELECT id FROM {day_index} LIMIT 1 OPTION max_matches=1, cutoff=1")
}

/// The fields and attributes of a day index: a row for each, its name in the first column.
pub fn describe(day_index: &str) -> String {
    format!("DESCRIBE {day_index}")
}

/// The state of a realtime index: a row (name, value) for each figure.
pub fn index_status(day_index: &str) -> String {
    format!("SHOW INDEX {day_index} STATUS")
}

/// Has the RAM chunk written as a disk chunk.
pub fn flush_ram_chunk(day_index: &str) -> String {
    format!("FLUSH RAMCHUNK {day_index}")
}

/// Has the RAM chunk saved in the file it is read from when searchd starts.
pub fn flush_index(day_index: &str) -> String {
    format!("FLUSH RTINDEX {day_index}")
}

/// Has the disk chunks merged into one, in the background.
pub fn optimize(day_index: &str) -> String {
    format!("OPTIMIZE INDEX {day_index}")
}

/// Deletes a document; it need not exist.
pub fn delete(day_index: &str, id: DocId) -> String {
    format!("DELETE FROM {day_index} WHERE id={}", id.get())
}

/// The condition for an attribute, or the docid, from `first` to `last`; both belong to it. Of a half-open range, `a>=5 AND a<9`,
/// Manticore leaves out documents of its disk chunks: the last of a block of 128, if it has the lower bound. (Its check of a whole
/// block takes one bound's equality for the other's.) A closed range is right in every engine.
pub fn is_between(attribute: &str, first: impl Display, last: impl Display) -> String {
    format!("{attribute}>={first} AND {attribute}<={last}")
}

/// Asks for at most one document, and fails if the index does not have the attribute.
pub fn asks_for_attribute(index: &str, attribute: &str) -> String {
    format!("SELECT {attribute} FROM {index} WHERE id=1 LIMIT 1")
}

/// Asks for no document, and fails if the index does not have the field.
pub fn asks_for_field(index: &str, field: &str) -> String {
    format!("SELECT id FROM {index} WHERE MATCH('@({field}) thistokenisinnofield') LIMIT 1")
}

/// How many documents have each word: a row for each, the word in the second column and the number in the fourth. Documents that
/// were stored again count twice.
pub fn keywords(day_index: &str, words: &str) -> String {
    let mut sql = "CALL KEYWORDS(".to_owned();
    string(words, &mut sql);
    let _ = write!(sql, ", '{day_index}', 1)");
    sql
}

/// Documents of these digests with ids from `first` to `last`: (id, digest). Many records may be equal, so the limit is high.
pub fn by_digest(index: &IndexName, digests: &[i64], first: u64, last: u64, limit: usize) -> String {
    let digests: Vec<String> = digests.iter().map(i64::to_string).collect();
    format!(
        "SELECT id, digest FROM {index} WHERE digest IN ({}) AND {} \
         ORDER BY id ASC LIMIT {limit} OPTION max_matches={limit}",
        digests.join(","),
        is_between("id", first, last)
    )
}

/// The documents of a block of docids: (id, digest).
pub fn in_block(index: &IndexName, block: u64) -> String {
    let limit = DocId::BLOCK_LENGTH;
    format!(
        "SELECT id, digest FROM {index} WHERE {} ORDER BY id ASC LIMIT {limit} OPTION max_matches={limit}",
        is_between("id", block, block + DocId::BLOCK_LENGTH - 1)
    )
}

/// The highest docid of an index, if it has a document.
pub fn highest_id(index: &IndexName) -> String {
    format!("SELECT id FROM {index} ORDER BY id DESC LIMIT 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_escaped_wherever_the_sign_stands() {
        for length in [0, 1, 63, 64, 65, 130] {
            for place in 0..=length {
                for (sign, escaped) in [("'", r"\'"), (r"\", r"\\"), ("\0", " "), ("é", "é")] {
                    let (before, after) = ("a".repeat(place), "b".repeat(length - place));
                    let mut literal = String::new();
                    string(&format!("{before}{sign}{after}{sign}"), &mut literal);
                    assert_eq!(
                        literal,
                        format!("'{before}{escaped}{after}{escaped}'"),
                        "{sign} at {place} of {length}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_range_of_docids_has_both_its_ends() {
        let web: IndexName = "web".parse().expect("a name");
        let end = "ORDER BY id ASC LIMIT";
        assert_eq!(
            in_block(&web, 2048),
            format!("SELECT id, digest FROM web WHERE id>=2048 AND id<=3071 {end} 1024 OPTION max_matches=1024")
        );
        assert_eq!(
            by_digest(&web, &[5, -6], 7, 9, 2),
            format!(
                "SELECT id, digest FROM web WHERE digest IN (5,-6) AND id>=7 AND id<=9 {end} 2 OPTION max_matches=2"
            )
        );
    }
}
