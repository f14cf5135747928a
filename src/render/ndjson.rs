//! A record as a JSON object on one line, with the values that were sent. Pure.

use std::borrow::Cow;
use std::fmt::Write;

use crate::config::Index;
use crate::query::cursor::Place;
use crate::record::json::{Columns, Member};
use crate::render::escape::{any_byte, visible_in_line};
use crate::search::hit::Hit;
use crate::sphinx::attributes;

/// The members that alco adds to a record stand last; their names follow an `@`. A record's own key of such a name gets one
/// more `@` (`@@id` was sent as `@id`, `@@@id` as `@@id`), so a reader can always distinguish the two.
const ADDED: [&str; 4] = ["id", "index", "match", "group"];

/// Of a line, where lines around matches are asked for.
#[derive(Clone, Copy, Debug)]
pub struct LineGroup {
    /// counted from 0, the same for lines that belong together
    pub number: u64,
    /// whether the line is a match, and not a line near one
    pub is_match: bool,
}

/// One line: the record as it was sent (but for its own keys that `ADDED` explains), and `@id`:
/// `<ts>.<seq>.<digest>.<document>`, which is unique in an index. With an `a` before it, `@id` is a cursor, to go on after
/// this record; its first three numbers are the record's address below `at/`. With `several` indexes, `@index` names the
/// record's; with lines around matches, `@match` and `@group` are those of `group`.
pub fn line(index: &Index, hit: &Hit, several: bool, group: Option<LineGroup>, out: &mut String) {
    let Place { ts, seq, digest, id } = hit.place;
    let columns = Columns::parse(&hit.record.columns).0;
    let from = out.len();
    out.push('{');
    let [time, message] = kept_apart(index, &columns);
    if let Some(name) = time {
        attributes::quoted(name, out);
        // an instant has no character to escape
        out.extend([":\"", &ts.rfc3339(), "\","]);
    }
    if let Some(name) = message {
        attributes::quoted(name, out);
        out.push(':');
        attributes::quoted(&hit.record.message, out);
        out.push(',');
    }
    columns.iter().for_each(|column| own_member(column, out));
    // writing to a String cannot fail
    let _ = write!(out, "\"@id\":\"{}.{seq}.{digest}.{id}\"", ts.micros());
    if several {
        let _ = write!(out, ",\"@index\":\"{}\"", hit.index);
    }
    if let Some(LineGroup { number, is_match }) = group {
        let _ = write!(out, ",\"@match\":{is_match},\"@group\":{number}");
    }
    on_one_line(from, out);
    out.push_str("}\n");
}

/// A notice of alco's own, in the place of a record: an object whose only member is `@alco`.
pub fn notice(what: &str) -> String {
    format!("{{\"@alco\":{}}}\n", quoted(&visible_in_line(what)))
}

/// True if a record's own key has one more `@` in NDJSON.
fn is_escaped(key: &str) -> bool {
    key.starts_with('@') && ADDED.contains(&key.trim_start_matches('@'))
}

/// A record's own key as it was sent, from a key of NDJSON that alco has not added.
pub fn own_key(key: &str) -> &str {
    key.strip_prefix('@').filter(|own| is_escaped(own)).unwrap_or(key)
}

/// The record of a line that `line` has written, as a producer would send it: without what alco has added. None: it is another line.
///
/// Such a line has an `@id` of alco's form; a record's own key `@id` would be `@@id` there.
pub fn as_sent(line: &str) -> Option<String> {
    let members = Columns::parse(line).0;
    let (_, id) = members.iter().rfind(|(key, _)| key == "@id")?;
    if !is_id(id.trim_matches('"')) {
        return None;
    }
    let is_added = |key: &str| key.strip_prefix('@').is_some_and(|name| ADDED.contains(&name));
    let own = members.iter().filter(|(key, _)| !is_added(key));
    let own: Vec<String> = own.map(|(key, value)| format!("{}:{value}", quoted(own_key(key)))).collect();
    Some(format!("{{{}}}", own.join(",")))
}

/// True for `<ts>.<seq>.<digest>.<document>`.
fn is_id(text: &str) -> bool {
    let is_number = |part: &str| part.parse::<i64>().is_ok();
    text.split('.').count() == 4 && text.split('.').all(is_number)
}

/// The record as JSON, member by member: time and message are kept apart from the columns where they are as alco would
/// write them.
pub fn whole(index: &Index, hit: &Hit) -> Vec<(String, String)> {
    let columns = Columns::parse(&hit.record.columns).0;
    let mut members = Vec::with_capacity(columns.len() + 2);
    let [time, message] = kept_apart(index, &columns);
    members.extend(time.map(|name| (quoted(name), quoted(&hit.place.ts.rfc3339()))));
    members.extend(message.map(|name| (quoted(name), quoted(&hit.record.message))));
    members.extend(columns.iter().map(|(name, value)| (quoted(name), (*value).to_owned())));
    members
}

/// The names of the time and of the message, each unless a column has it.
fn kept_apart<'i>(index: &'i Index, columns: &[Member]) -> [Option<&'i str>; 2] {
    let missing = |key: &&str| !columns.iter().any(|(name, _)| name == key);
    [Some(index.timestamp_name()).filter(missing), Some(index.message_name()).filter(missing)]
}

/// Appends a column and a comma.
fn own_member((key, value): &Member, out: &mut String) {
    let at = out.len();
    match key {
        // borrowed from JSON text, so written there without an escape
        Cow::Borrowed(key) => out.extend(["\"", key, "\""]),
        Cow::Owned(key) => attributes::quoted(key, out),
    }
    if is_escaped(key) {
        out.insert(at + 1, '@');
    }
    out.extend([":", value, ","]);
}

/// A text as a JSON string.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    attributes::quoted(text, &mut out);
    out
}

/// Puts the JSON text from there on into one line. A value may have been sent over several lines. Its strings may hold characters that
/// a terminal obeys, or at which some readers end a line (U+0085, U+2028, U+2029). All of them get another form with the same meaning.
pub(super) fn on_one_line(from: usize, out: &mut String) {
    let unfit = |c: char| matches!(c, '\n' | '\r' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}');
    // the first bytes of these characters, of which most lines have none
    let may_be_unfit = |byte: u8| matches!(byte, b'\n' | b'\r' | 0x7f | 0xc2 | 0xe2);
    if !any_byte(&out[from..], may_be_unfit) || !out[from..].contains(unfit) {
        return;
    }
    for c in out.split_off(from).chars() {
        match c {
            // inside a string it would be escaped already
            '\n' | '\r' => out.push(' '),
            '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_alco_is_sent_as_it_came() {
        let check = |line: &str, sent: Option<&str>| assert_eq!(as_sent(line).as_deref(), sent, "{line}");
        check(
            r#"{"@timestamp":"2026-11-22T10:00:00Z","message":"a \" b","n":1e-7,"@id":"1795341600000001.7.-5.9"}"#,
            Some(r#"{"@timestamp":"2026-11-22T10:00:00Z","message":"a \" b","n":1e-7}"#),
        );
        check(
            r#"{"@@id":"own","@@@id":1,"@index2":2,"@id":"1.0.5.9","@index":"web","@match":true,"@group":3}"#,
            Some(r#"{"@id":"own","@@id":1,"@index2":2}"#),
        );
        check(r#"{"@id":"1.0.5.9"}"#, Some("{}"));
        // a producer's own
        check(r#"{"@id":"https://example.org/1","message":"x"}"#, None);
        check(r#"{"@id":"1.2.3","message":"x"}"#, None);
        check(r#"{"message":"x"}"#, None);
        check("[1]", None);
    }
}
