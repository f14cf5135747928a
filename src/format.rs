//! A record as a line of text, of NDJSON, of CSV: what streams and the command line write. Pure.

use std::ops::Range;

use jiff::tz::TimeZone;

use crate::columns::{Columns, Value};
use crate::config::Index;
use crate::search::Hit;
use crate::sphinx::json;
use crate::visible::{visible, visible_in_line};

/// What all lines of an answer have in common.
#[derive(Clone, Copy, Debug)]
pub struct Style<'a> {
    /// of the indexes asked for; of several, each line says which is its own
    pub settings: &'a [&'a Index],
    /// which columns text and CSV show
    pub columns: &'a [String],
    pub zone: &'a TimeZone,
    /// text: context columns, indented below their line
    pub tracebacks: bool,
    /// text: what a terminal is told before and behind what matches
    pub paint: Option<(&'static str, &'static str)>,
}

impl Style<'_> {
    fn settings_of(&self, hit: &Hit) -> Option<&Index> {
        self.settings.iter().find(|index| index.name == hit.index).copied()
    }

    /// `2026-11-22T10:00:00.123456+01:00 web ERROR web-01 message`; a column that a record lacks is `-`. Nothing in it is
    /// more than one line, or anything that a terminal obeys.
    pub fn text(&self, hit: &Hit, out: &mut String) {
        let columns = Columns::parse(&hit.record.columns);
        out.push_str(&hit.place.ts.rfc3339_in(self.zone));
        if self.settings.len() > 1 {
            out.push(' ');
            out.push_str(hit.index.as_str());
        }
        for name in self.columns {
            out.push(' ');
            match columns.get(name).map(Value::text) {
                Some(text) if !text.is_empty() => out.push_str(&visible_in_line(&text)),
                _ => out.push('-'),
            }
        }
        out.push(' ');
        self.message(&hit.record.message, &hit.marks, out);
        out.push('\n');
        let context =
            self.settings_of(hit).filter(|_| self.tracebacks).map_or(&[] as &[String], |index| &index.context);
        for text in context.iter().filter_map(|name| columns.get(name)).map(Value::text) {
            for line in visible(&text).trim_end().lines() {
                out.push_str("    ");
                out.push_str(line);
                out.push('\n');
            }
        }
    }

    /// The message on one line, its marks painted.
    pub fn message(&self, message: &str, marks: &[Range<usize>], out: &mut String) {
        let mut from = 0;
        if let Some((before, behind)) = self.paint {
            for mark in marks.iter().filter(|mark| !mark.is_empty()) {
                out.push_str(&visible_in_line(&message[from..mark.start]));
                out.push_str(before);
                out.push_str(&visible_in_line(&message[mark.clone()]));
                out.push_str(behind);
                from = mark.end;
            }
        }
        out.push_str(&visible_in_line(&message[from..]));
    }

    /// The record as it was sent, value for value, and `@id`, its docid; of several indexes `@index` too.
    pub fn ndjson(&self, hit: &Hit, out: &mut String) {
        out.push_str("{\"@id\":");
        out.push_str(&hit.place.id.to_string());
        if self.settings.len() > 1 {
            out.push_str(",\"@index\":");
            json::quoted(hit.index.as_str(), out);
        }
        let Some(index) = self.settings_of(hit) else { return out.push_str("}\n") };
        for (key, value) in members(index, hit) {
            out.push(',');
            out.push_str(&key);
            out.push(':');
            // JSON may hold line ends between its words
            match value.contains('\n') || value.contains('\r') {
                true => out.extend(value.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c })),
                false => out.push_str(&value),
            }
        }
        out.push_str("}\n");
    }

    /// The names of what `csv` writes.
    pub fn csv_head(&self, out: &mut String) {
        let index = (self.settings.len() > 1).then_some("index");
        let names = ["time"].into_iter().chain(index).chain(self.columns.iter().map(String::as_str));
        row(names.chain(["message"]), out);
    }

    /// As RFC 4180 has it.
    pub fn csv(&self, hit: &Hit, out: &mut String) {
        let columns = Columns::parse(&hit.record.columns);
        let mut cells = vec![hit.place.ts.rfc3339_in(self.zone)];
        if self.settings.len() > 1 {
            cells.push(hit.index.to_string());
        }
        cells.extend(self.columns.iter().map(|name| columns.get(name).map_or(String::new(), Value::text)));
        cells.push(hit.record.message.clone());
        row(cells.iter().map(String::as_str), out);
    }
}

fn row<'a>(cells: impl Iterator<Item = &'a str>, out: &mut String) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.push(',');
        }
        // a spreadsheet would take these for a formula; a number it may have
        let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
        if !formula && !cell.contains([',', '"', '\r', '\n']) {
            out.push_str(cell);
            continue;
        }
        out.push('"');
        out.push_str(if formula { "'" } else { "" });
        out.push_str(&cell.replace('"', "\"\""));
        out.push('"');
    }
    out.push_str("\r\n");
}

/// The record as JSON, member by member, its key quoted: time and message are kept apart from the columns where they are as
/// alco would write them.
pub fn members(index: &Index, hit: &Hit) -> Vec<(String, String)> {
    let quoted = |text: &str| {
        let mut out = String::with_capacity(text.len() + 2);
        json::quoted(text, &mut out);
        out
    };
    let columns = Columns::parse(&hit.record.columns).0;
    let missing = |key: &str| !columns.iter().any(|(name, _)| name == key);
    let mut members = Vec::with_capacity(columns.len() + 2);
    if missing(&index.timestamp) {
        members.push((quoted(&index.timestamp), quoted(&hit.place.ts.rfc3339())));
    }
    if missing(&index.message) {
        members.push((quoted(&index.message), quoted(&hit.record.message)));
    }
    members.extend(columns.iter().map(|(name, value)| (quoted(name), value.get().to_owned())));
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::record::Stored;
    use crate::search::cursor::Place;
    use crate::time::{Ts, zone};

    fn hit(message: &str, columns: &str) -> Hit {
        Hit {
            index: "logs".parse().expect("a name"),
            place: Place { ts: Ts::from_micros(1_795_341_600_123_456), seq: 0, digest: 7, id: 4711 },
            record: Stored { message: message.to_owned(), columns: columns.to_owned() },
            marks: std::iter::once(2..5).collect(),
        }
    }

    #[track_caller]
    fn check(write: fn(&Style, &Hit, &mut String), message: &str, columns: &str, expect: &str) {
        let mut config = Config::default();
        config.indexes[0].context = vec!["exc_text".to_owned()];
        let (berlin, shown) = (zone("Europe/Berlin").expect("a zone"), ["levelname".to_owned(), "n".to_owned()]);
        let style = Style {
            settings: &[&config.indexes[0]],
            columns: &shown,
            zone: &berlin,
            tracebacks: true,
            paint: Some(("<", ">")),
        };
        let mut out = String::new();
        write(&style, &hit(message, columns), &mut out);
        assert_eq!(out, expect);
    }

    #[test]
    fn text_is_one_line_a_record_and_context_below_it() {
        let text = |style: &Style, hit: &Hit, out: &mut String| style.text(hit, out);
        check(text, "a\tbc\nd", r#"{"levelname":"ERROR"}"#, "2026-11-22T11:00:00.123456+01:00 ERROR - a⇥<bc↵>d\n");
        let traceback = r#"{"n":1,"exc_text":"Traceback\n  \u001b[2Jfile\n"}"#;
        check(
            text,
            "boom!",
            traceback,
            "2026-11-22T11:00:00.123456+01:00 - 1 bo<om!>\n    Traceback\n      ^[[2Jfile\n",
        );
    }

    #[test]
    fn ndjson_is_the_record_as_it_was_sent() {
        let ndjson = |style: &Style, hit: &Hit, out: &mut String| style.ndjson(hit, out);
        check(
            ndjson,
            "a\"b\u{1}",
            "{\"n\":1.50,\"o\":{\n\"p\":[]}}",
            "{\"@id\":4711,\"@timestamp\":\"2026-11-22T10:00:00.123456Z\",\"message\":\"a\\\"b\\u0001\",\"n\":1.50,\"o\":{ \"p\":[]}}\n",
        );
    }

    #[test]
    fn csv_opens_in_a_spreadsheet_and_runs_nothing_there() {
        let csv = |style: &Style, hit: &Hit, out: &mut String| style.csv(hit, out);
        let time = "2026-11-22T11:00:00.123456+01:00";
        check(csv, "=1+1", r#"{"levelname":"a,\"b\"","n":-5}"#, &format!("{time},\"a,\"\"b\"\"\",-5,\"'=1+1\"\r\n"));
        check(csv, "two\nlines", "{}", &format!("{time},,,\"two\nlines\"\r\n"));
        check(|style, _, out| style.csv_head(out), "", "{}", "time,levelname,n,message\r\n");
    }
}
