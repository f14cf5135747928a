//! A record as a line of text, CSV or NDJSON, for programs and for the terminal.
//!
//! Log text is hostile here too: it ends up in terminals and spreadsheets. A record is one line in each format (but for
//! line ends inside a quoted cell, and context columns that were asked for); NDJSON has the values that were sent.

pub mod cells;
pub mod escape;
use std::ops::Range;

use jiff::tz::TimeZone;

use crate::config::Index;
use crate::query::cursor::Place;
use crate::query::{Format, Query};
use crate::record::json::Columns;
use crate::record::level::Level;
use crate::record::number::is_number;
use crate::render::cells::{Shown, shown_columns};
use crate::render::escape::{visible, visible_in_line};
use crate::search::hit::{Hit, Line};
use crate::sphinx::attributes;
use crate::time::Ts;

/// What a spreadsheet takes for the start of a formula, some of them only in some languages.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\n', '＝', '＋', '－', '＠'];

/// What alco adds to a record in NDJSON stands last, its names after an `@`. A record's own key of such a name has one `@` more there
/// (`@@id` was sent as `@id`, `@@@id` as `@@id`), so that what alco adds can always be told.
const ADDED: [&str; 4] = ["id", "index", "match", "group"];

/// Writes the lines of an answer in one of the formats.
pub struct Rows<'a> {
    format: Format,
    settings: &'a [&'a Index],
    /// shown in text and CSV, in this order
    columns: Vec<String>,
    /// context columns, where they are asked for
    context: Vec<String>,
    /// records of several indexes
    several: bool,
    /// CSV begins with a byte order mark
    mark: bool,
    /// where lines around matches are asked for: the group of lines that is being written
    group: Option<u64>,
    zone: &'a TimeZone,
    /// text for a terminal: levels and matches are coloured
    pub coloured: bool,
    /// text is the messages alone, in as many lines as they have
    pub bare: bool,
}

/// As grep colours what matches, what it found it in, and what separates it; levels as most do.
const MATCH: &str = "01;31";
const TIME: &str = "32";
const GAP: &str = "36";

impl<'a> Rows<'a> {
    pub fn new(settings: &'a [&'a Index], query: &Query, zone: &'a TimeZone) -> Rows<'a> {
        let mut context: Vec<String> = Vec::new();
        for name in settings.iter().flat_map(|index| &index.context) {
            if query.tracebacks && !context.contains(name) {
                context.push(name.clone());
            }
        }
        Rows {
            format: query.format,
            settings,
            columns: shown_columns(settings, query),
            context,
            several: settings.len() > 1,
            mark: query.bom,
            group: query.is_grouped().then_some(0),
            zone,
            coloured: false,
            bare: false,
        }
    }

    /// What stands before the first record: CSV has the names of its columns there, and before them the mark by which Excel
    /// knows UTF-8.
    pub fn head(&self) -> String {
        let mut head = String::new();
        if self.format == Format::Csv {
            head.extend(self.mark.then_some('\u{feff}'));
            let index = self.several.then_some("index");
            let names = self.columns.iter().map(String::as_str);
            let names = ["time"].into_iter().chain(index).chain(names).chain(["message"]);
            cells(names.chain(self.context.iter().map(String::as_str)), &mut head);
        }
        head
    }

    /// One line of an answer.
    pub fn line(&mut self, line: &Line) -> String {
        match (line, self.format) {
            (Line::Gap, format) => {
                self.group = self.group.map(|group| group + 1);
                if format == Format::Text { self.gap() } else { String::new() }
            }
            (Line::Match(hit) | Line::Near(hit), Format::Ndjson) => self.ndjson(hit, matches!(line, Line::Match(_))),
            (Line::Match(hit) | Line::Near(hit), Format::Csv) => self.csv(hit),
            (Line::Match(hit) | Line::Near(hit), Format::Page | Format::Text | Format::Json) => self.text(hit),
        }
    }

    /// What is no record, in the place of one: a line behind `--`, an object whose only member is `@alco`, a row that has
    /// nothing but its time and, as its message, a text behind `--`.
    pub fn said(&self, what: &str, now: Ts) -> String {
        match self.format {
            Format::Ndjson => format!("{{\"@alco\":{}}}\n", quoted(&visible_in_line(what))),
            Format::Csv => {
                let empty = usize::from(self.several) + self.columns.len();
                let (time, what) = (self.time(now), format!("-- {what}"));
                let row = [time.as_str()].into_iter().chain(vec![""; empty]).chain([what.as_str()]);
                let mut text = String::new();
                cells(row.chain(vec![""; self.context.len()]), &mut text);
                text
            }
            Format::Page | Format::Text | Format::Json => format!("-- {}\n", visible_in_line(what)),
        }
    }

    /// `2026-11-22 10:00:00.123456`, as `start_ts` takes it.
    pub fn time(&self, ts: Ts) -> String {
        format!("{} {}", ts.date_in(self.zone), ts.clock_in(self.zone, 6))
    }

    fn shown(&self, hit: &Hit, several: bool) -> Shown {
        Shown::of(self.settings, &self.columns, &hit.index, &hit.record.columns, several)
    }

    pub fn gap(&self) -> String {
        let mut text = String::new();
        self.paint(GAP, "--", &mut text);
        text + "\n"
    }

    /// Time, columns, message; a column that is missing is `-`.
    fn text(&self, hit: &Hit) -> String {
        let shown = self.shown(hit, self.several);
        let mut text = String::new();
        if !self.bare {
            self.paint(TIME, &self.time(hit.place.ts), &mut text);
            for cell in &shown.cells {
                text.push(' ');
                let cell_text = on_one_line(cell.text.as_deref().unwrap_or("-"));
                self.paint(if cell.is_level { colour_of(shown.level) } else { "" }, &cell_text, &mut text);
            }
            text.push(' ');
        }
        self.message(hit, &mut text);
        text.push('\n');
        for (_, context) in shown.context.iter().filter(|(name, _)| self.context.contains(name)) {
            for line in visible(context).trim_end().lines() {
                text.push_str("    ");
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }

    fn message(&self, hit: &Hit, text: &mut String) {
        let fit = |text: &str| if self.bare { visible(text).into_owned() } else { on_one_line(text) };
        // a newline at its end would be an empty line
        let message = hit.record.message.strip_suffix('\n').filter(|_| self.bare).unwrap_or(&hit.record.message);
        let mut from = 0;
        for mark in hit.marks.iter().filter(|mark| self.coloured && mark.end <= message.len()) {
            text.push_str(&fit(&message[from..mark.start]));
            self.paint(MATCH, &fit(&message[mark.clone()]), text);
            from = mark.end;
        }
        text.push_str(&fit(&message[from..]));
    }

    /// Each of these parts of a message, on a line.
    pub fn parts(&self, message: &str, parts: &[Range<usize>]) -> String {
        let mut text = String::new();
        for part in parts {
            self.paint(MATCH, &on_one_line(&message[part.clone()]), &mut text);
            text.push('\n');
        }
        text
    }

    fn paint(&self, colour: &str, text: &str, out: &mut String) {
        match self.coloured && !colour.is_empty() && !text.is_empty() {
            true => out.extend(["\x1b[", colour, "m", text, "\x1b[m"]),
            false => out.push_str(text),
        }
    }

    fn csv(&self, hit: &Hit) -> String {
        let shown = self.shown(hit, false);
        let time = self.time(hit.place.ts);
        let index = self.several.then(|| hit.index.as_str());
        let columns = shown.cells.iter().map(|cell| cell.text.as_deref().unwrap_or_default());
        let of = |name: &String| shown.context.iter().find(|(other, _)| other == name).map_or("", |(_, text)| text);
        let context: Vec<&str> = self.context.iter().map(of).collect();
        let mut text = String::new();
        let all = [time.as_str()].into_iter().chain(index).chain(columns).chain([&*hit.record.message]).chain(context);
        cells(all, &mut text);
        text
    }

    /// The record as it was sent (but for its own keys of such names, see `ADDED`), and `@id`: `<ts>.<seq>.<digest>.<document>`, which is unique in an index. Behind an `a` it is
    /// a cursor, to go on after this record; its first three numbers are the record's address below `at/`. Of several
    /// indexes, `@index` tells which; with lines around matches, `@match` which are matches, and `@group` which belong together.
    fn ndjson(&self, hit: &Hit, is_match: bool) -> String {
        let Some(index) = self.settings.iter().find(|index| index.name == hit.index) else { return String::new() };
        let Place { ts, seq, digest, id } = hit.place;
        let mut members = whole(index, hit);
        members.iter_mut().filter(|(key, _)| is_escaped(key.trim_matches('"'))).for_each(|(key, _)| key.insert(1, '@'));
        let mut add = |name: &str, value: String| members.push((name.to_owned(), value));
        add("\"@id\"", format!("\"{}.{seq}.{digest}.{id}\"", ts.micros()));
        if self.several {
            add("\"@index\"", format!("\"{}\"", hit.index));
        }
        if let Some(group) = self.group {
            add("\"@match\"", is_match.to_string());
            add("\"@group\"", group.to_string());
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
}

/// Whether a record's own key has an `@` more in NDJSON.
fn is_escaped(key: &str) -> bool {
    key.starts_with('@') && ADDED.contains(&key.trim_start_matches('@'))
}

/// A record's own key, as it was sent, for one of NDJSON that alco has not added.
pub fn own_key(key: &str) -> &str {
    key.strip_prefix('@').filter(|own| is_escaped(own)).unwrap_or(key)
}

fn colour_of(level: Level) -> &'static str {
    match level {
        Level::Critical => "01;31",
        Level::Error => "31",
        Level::Warning => "33",
        Level::Info | Level::Debug | Level::Unknown => "",
    }
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
    members.extend(columns.iter().map(|(name, value)| (quoted(name), value.get().to_owned())));
    members
}

pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    attributes::quoted(text, &mut out);
    out
}

/// As on a page, but tabs stay: programs cut at them.
fn on_one_line(text: &str) -> String {
    visible(text).replace('\n', "↵")
}

/// A value may have been sent over several lines, and in its strings may stand what a terminal obeys, or what some readers of
/// lines end a line at (U+0085, U+2028, U+2029): all are written otherwise, and mean the same.
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

/// A line of CSV by RFC 4180. What a spreadsheet would take for a formula gets a `'` before it, which makes it text there.
fn cells<'t>(texts: impl Iterator<Item = &'t str>, out: &mut String) {
    for (at, text) in texts.enumerate() {
        if at > 0 {
            out.push(',');
        }
        let text = visible(text);
        let formula = text.starts_with(FORMULA) && !is_number(&text);
        let quoted = text.contains([',', '"', '\n', '\t']) || text.starts_with(' ') || text.ends_with(' ');
        if quoted {
            out.push('"');
        }
        if formula {
            out.push('\'');
        }
        match text.contains('"') {
            true => out.push_str(&text.replace('"', "\"\"")),
            false => out.push_str(&text),
        }
        if quoted {
            out.push('"');
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, IndexName};
    use crate::record::Stored;

    const COLUMNS: &str = r#"{"levelname":"ERROR","host":"=1+2","n":[1,
 2.50],"exc_info":"Traceback:\n  x\u001b[1m\n"}"#;

    /// What is written of one record, behind the head.
    #[track_caller]
    fn check(indexes: &[&str], url: &str, message: &str, expect: &str) {
        let config = Config::default();
        let name = |name: &&str| name.parse::<IndexName>().expect("a name");
        let index = |name| Index { name, ..config.indexes[0].clone() };
        let own: Vec<Index> = indexes.iter().map(name).map(index).collect();
        let settings: Vec<&Index> = own.iter().collect();
        let query = Query::from_url(indexes.iter().map(name).collect(), url).expect(url);
        let zone = query.zone(&TimeZone::UTC).clone();
        let mut rows = Rows::new(&settings, &query, &zone);
        let place = Place { ts: Ts::from_micros(1_795_341_600_000_001), seq: 7, digest: -5, id: 9 };
        let record = Stored { message: message.to_owned(), columns: COLUMNS.to_owned() };
        let hit = Hit { index: settings[0].name.clone(), place, record, marks: Vec::new() };
        assert_eq!(format!("{}{}", rows.head(), rows.line(&Line::Match(hit))), expect, "{url}");
    }

    #[test]
    fn text_is_one_line_a_record() {
        let message = "a\tb\nc \x1b[31mred\x1b[0m\x07";
        check(&["web"], "format=text", message, "2026-11-22 10:00:00.000001 ERROR =1+2 - a\tb↵c red^G\n");
        check(
            &["web", "db"],
            "format=text&columns=levelname&tracebacks=1&tz=Asia/Tokyo",
            "m",
            "2026-11-22 19:00:00.000001 ERROR web m\n    Traceback:\n      x\n",
        );
    }

    #[test]
    fn csv_is_rfc_4180_and_no_formula() {
        let head = "time,levelname,host,logger,message";
        let line = "2026-11-22 10:00:00.000001,ERROR,'=1+2,,";
        for (message, cell) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"no\"\r\nnow", "\"say \"\"no\"\"\nnow\""),
            ("-1.5", "-1.5"),
            ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"),
            ("@SUM(1,2)", "\"'@SUM(1,2)\""),
            ("\t=1", "\"'\t=1\""),
            ("＝1", "'＝1"),
            ("-inf", "'-inf"),
            ("\x1b]0;x\x07", "^[]0;x^G"),
        ] {
            check(&["web"], "format=csv", message, &format!("{head}\r\n{line}{cell}\r\n"));
        }
        check(
            &["web", "db"],
            "format=csv&columns=&tracebacks=1",
            "m",
            "time,index,message,exc_info,stack_trace,full_message\r\n2026-11-22 10:00:00.000001,web,m,\"Traceback:\n  x\n\",,\r\n",
        );
    }

    #[test]
    fn a_byte_order_mark_begins_csv_alone_and_only_where_asked_for() {
        let csv = "time,message\r\n2026-11-22 10:00:00.000001,é\r\n";
        check(&["web"], "format=csv&columns=&bom=1", "é", &format!("\u{feff}{csv}"));
        check(&["web"], "format=csv&columns=&bom=0", "é", csv);
        check(&["web"], "format=text&columns=&bom=1", "é", "2026-11-22 10:00:00.000001 é\n");
    }

    #[test]
    fn ndjson_has_every_value_as_it_was_sent() {
        check(
            &["web"],
            "format=ndjson",
            "a\n\"b\"\u{9b}31m",
            concat!(
                r#"{"@timestamp":"2026-11-22T10:00:00.000001Z","message":"a\n\"b\"\u009b31m","#,
                r#""levelname":"ERROR","host":"=1+2","n":[1,  2.50],"exc_info":"Traceback:\n  x\u001b[1m\n","#,
                r#""@id":"1795341600000001.7.-5.9"}"#,
                "\n"
            ),
        );
    }

    /// As Python's splitlines has them: what any reader of lines takes for the end of one.
    const LINE_ENDS: &str = "\n\r\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{85}\u{2028}\u{2029}";

    #[test]
    fn no_reader_finds_a_line_end_within_a_record() {
        let config = Config::default();
        let (settings, zone) = ([&config.indexes[0]], TimeZone::UTC);
        for format in ["ndjson", "text"] {
            let query = Query::from_url(vec![settings[0].name.clone()], &format!("format={format}")).expect("a query");
            let mut rows = Rows::new(&settings, &query, &zone);
            let ends = quoted(LINE_ENDS);
            let columns = format!("{{{ends}:{ends},\"host\":\"a\u{2028}b\u{2029}c\u{85}d\"}}");
            let place = Place { ts: Ts::from_micros(0), seq: 0, digest: 0, id: 1 };
            let record = Stored { message: format!("a{LINE_ENDS}b"), columns };
            let hit = Hit { index: settings[0].name.clone(), place, record, marks: Vec::new() };
            for line in [rows.line(&Line::Match(hit)), rows.said(&format!("a{LINE_ENDS}b"), Ts::MIN)] {
                let line = line.strip_suffix('\n').expect("one line end, at the end");
                assert!(!line.contains(|c| LINE_ENDS.contains(c)), "{format}: {line:?}");
            }
        }
    }

    #[test]
    fn ndjson_has_an_id_whatever_the_record_has() {
        for (sent, written) in [
            ("@id", "@@id"),
            ("@@id", "@@@id"),
            ("@index", "@@index"),
            ("@match", "@@match"),
            ("@group", "@@group"),
            ("id", "id"),
            ("@ids", "@ids"),
            ("@", "@"),
            ("@timestamp", "@timestamp"),
            ("\"@id\"", "\"@id\""),
        ] {
            let config = Config::default();
            let settings = [&config.indexes[0]];
            let query = Query::from_url(vec![settings[0].name.clone()], "format=ndjson").expect("a query");
            let place = Place { ts: Ts::from_micros(0), seq: 0, digest: 0, id: 1 };
            let columns = format!("{{{}:\"own\"}}", quoted(sent));
            let record = Stored { message: String::new(), columns };
            let hit = Hit { index: settings[0].name.clone(), place, record, marks: Vec::new() };
            let line = Rows::new(&settings, &query, &TimeZone::UTC).line(&Line::Match(hit));
            assert!(line.ends_with(&format!(",{}:\"own\",\"@id\":\"0.0.0.1\"}}\n", quoted(written))), "{line}");
            assert_eq!(own_key(written), sent);
        }
    }

    #[test]
    fn ndjson_tells_matches_from_the_lines_around_them() {
        let config = Config::default();
        let settings = [&config.indexes[0]];
        let query = Query::from_url(vec![settings[0].name.clone()], "format=ndjson&after=1").expect("a query");
        let zone = TimeZone::UTC;
        let mut rows = Rows::new(&settings, &query, &zone);
        let hit = |message: &str| Hit {
            index: settings[0].name.clone(),
            place: Place { ts: Ts::from_micros(0), seq: 0, digest: 0, id: 1 },
            record: Stored { message: message.to_owned(), columns: "{}".to_owned() },
            marks: Vec::new(),
        };
        let lines = [Line::Match(hit("a")), Line::Near(hit("b")), Line::Gap, Line::Match(hit("c"))];
        let written: String = lines.iter().map(|line| rows.line(line)).collect();
        let ends: Vec<&str> = written.lines().map(|line| line.split_once("\"@match\":").expect(line).1).collect();
        assert_eq!(ends, ["true,\"@group\":0}", "false,\"@group\":0}", "true,\"@group\":1}"]);
        assert_eq!(rows.said("\"a\" is down", Ts::MIN), "{\"@alco\":\"\\\"a\\\" is down\"}\n");
    }
}
