//! A record as a JSON object on one line, with the values that were sent. Pure.

use crate::config::Index;
use crate::query::cursor::Place;
use crate::record::json::Columns;
use crate::render::escape::visible_in_line;
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
pub fn line(index: &Index, hit: &Hit, several: bool, group: Option<LineGroup>) -> String {
    let Place { ts, seq, digest, id } = hit.place;
    let mut members = whole(index, hit);
    members.iter_mut().filter(|(key, _)| is_escaped(key.trim_matches('"'))).for_each(|(key, _)| key.insert(1, '@'));
    let mut add = |name: &str, value: String| members.push((name.to_owned(), value));
    add("\"@id\"", format!("\"{}.{seq}.{digest}.{id}\"", ts.micros()));
    if several {
        add("\"@index\"", format!("\"{}\"", hit.index));
    }
    if let Some(LineGroup { number, is_match }) = group {
        add("\"@match\"", is_match.to_string());
        add("\"@group\"", number.to_string());
    }
    let mut text = String::with_capacity(hit.record.columns.len() + hit.record.message.len() + 128);
    for (at, (key, value)) in members.iter().enumerate() {
        text.push(if at == 0 { '{' } else { ',' });
        for part in [key.as_str(), ":", value] {
            json_on_one_line(part, &mut text);
        }
    }
    text.push_str("}\n");
    text
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

/// The record as JSON, member by member: time and message are kept apart from the columns where they are as alco would
/// write them.
pub fn whole(index: &Index, hit: &Hit) -> Vec<(String, String)> {
    let columns = Columns::parse(&hit.record.columns).0;
    let missing = |key: &str| !columns.iter().any(|(name, _)| name == key);
    let mut members = Vec::with_capacity(columns.len() + 2);
    if missing(index.timestamp_name()) {
        members.push((quoted(index.timestamp_name()), quoted(&hit.place.ts.rfc3339())));
    }
    if missing(index.message_name()) {
        members.push((quoted(index.message_name()), quoted(&hit.record.message)));
    }
    members.extend(columns.iter().map(|(name, value)| (quoted(name), (*value).to_owned())));
    members
}

/// A text as a JSON string.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    attributes::quoted(text, &mut out);
    out
}

/// Writes JSON text on one line. A value may have been sent over several lines. Its strings may hold characters that a terminal
/// obeys, or at which some readers end a line (U+0085, U+2028, U+2029). All of them get another form with the same meaning.
fn json_on_one_line(json: &str, out: &mut String) {
    let unfit = |c: char| matches!(c, '\n' | '\r' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}');
    if !json.contains(unfit) {
        return out.push_str(json);
    }
    for c in json.chars() {
        match c {
            // inside a string it would be escaped already
            '\n' | '\r' => out.push(' '),
            '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}
