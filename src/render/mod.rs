//! A record as a line of text, CSV or NDJSON, for programs and for the terminal.
//!
//! Log text is hostile here too: it ends up in terminals and spreadsheets. A record is one line in each format (but for
//! line ends inside a quoted cell, and context columns that were asked for); NDJSON has the values that were sent.

pub mod cells;
mod csv;
pub mod escape;
pub mod ndjson;
pub mod patterns;
pub mod pretty_json;
mod text;
pub mod web_links;

use std::ops::Range;

use jiff::tz::TimeZone;

use crate::config::Index;
use crate::query::{Format, Query};
use crate::render::cells::{Shown, shown_columns};
use crate::render::escape::visible_in_line;
use crate::render::ndjson::LineGroup;
use crate::render::text::Style;
use crate::search::hit::{Hit, Line};
use crate::time::Ts;

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

    /// The text before the first record. CSV has the names of its columns there, and before them, where asked for, the mark by
    /// which Excel knows UTF-8.
    pub fn head(&self) -> String {
        let mut head = String::new();
        if self.format == Format::Csv {
            head.extend(self.mark.then_some(csv::BYTE_ORDER_MARK));
            let index = self.several.then_some("index");
            let names = self.columns.iter().map(String::as_str);
            let names = ["time"].into_iter().chain(index).chain(names).chain(["message"]);
            csv::row(names.chain(self.context.iter().map(String::as_str)), &mut head);
        }
        head
    }

    /// One line of an answer.
    pub fn line(&mut self, line: &Line) -> String {
        let mut text = String::new();
        self.write(line, &mut text);
        text
    }

    /// Appends one line of an answer.
    pub fn write(&mut self, line: &Line, out: &mut String) {
        match (line, self.format) {
            (Line::Gap, format) => {
                self.group = self.group.map(|group| group + 1);
                if format == Format::Text {
                    out.push_str(&self.gap());
                }
            }
            (Line::Match(hit) | Line::Near(hit), Format::Ndjson) => {
                self.ndjson(hit, matches!(line, Line::Match(_)), out);
            }
            (Line::Match(hit) | Line::Near(hit), Format::Csv) => self.csv(hit, out),
            (Line::Match(hit) | Line::Near(hit), Format::Page | Format::Text | Format::Json) => self.text(hit, out),
        }
    }

    /// A notice of alco's own, in the place of a record. In text it is a line after `--`; in NDJSON an object whose only member is
    /// `@alco`; in CSV a row with its time and, as its message, the notice after `--`.
    pub fn notice(&self, what: &str, now: Ts) -> String {
        match self.format {
            Format::Ndjson => ndjson::notice(what),
            Format::Csv => {
                let empty = usize::from(self.several) + self.columns.len();
                let (time, what) = (self.time(now), format!("-- {what}"));
                let row = [time.as_str()].into_iter().chain(vec![""; empty]).chain([what.as_str()]);
                let mut text = String::new();
                csv::row(row.chain(vec![""; self.context.len()]), &mut text);
                text
            }
            Format::Page | Format::Text | Format::Json => format!("-- {}\n", visible_in_line(what)),
        }
    }

    /// `2026-11-22 10:00:00.123456`, as `start_ts` takes it.
    pub fn time(&self, ts: Ts) -> String {
        ts.written_in(self.zone)
    }

    fn shown(&self, hit: &Hit, several: bool) -> Shown {
        Shown::of(self.settings, &self.columns, &hit.index, &hit.record.columns, several)
    }

    fn csv(&self, hit: &Hit, out: &mut String) {
        let shown = self.shown(hit, false);
        let time = self.time(hit.place.ts);
        let index = self.several.then(|| hit.index.as_str());
        let columns = shown.cells.iter().map(|cell| cell.text.as_deref().unwrap_or_default());
        let of = |name: &String| shown.context.iter().find(|(other, _)| other == name).map_or("", |(_, text)| text);
        let context: Vec<&str> = self.context.iter().map(of).collect();
        let all = [time.as_str()].into_iter().chain(index).chain(columns).chain([&*hit.record.message]).chain(context);
        csv::row(all, out);
    }

    /// `--`, between groups of lines.
    pub fn gap(&self) -> String {
        self.style().gap()
    }

    fn text(&self, hit: &Hit, out: &mut String) {
        self.style().line(&self.time(hit.place.ts), &self.shown(hit, self.several), &self.context, hit, out);
    }

    /// Each of these parts of a message, on a line of its own.
    pub fn parts(&self, message: &str, parts: &[Range<usize>]) -> String {
        self.style().parts(message, parts)
    }

    fn style(&self) -> Style {
        Style { coloured: self.coloured, bare: self.bare }
    }

    fn ndjson(&self, hit: &Hit, is_match: bool, out: &mut String) {
        if let Some(index) = self.settings.iter().find(|index| index.name == hit.index) {
            ndjson::line(index, hit, self.several, self.group.map(|number| LineGroup { number, is_match }), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, IndexName};
    use crate::query::cursor::Place;
    use crate::record::Stored;
    use crate::render::ndjson::{own_key, quoted};

    const COLUMNS: &str = r#"{"levelname":"ERROR","host":"=1+2","n":[1,
 2.50],"exc_info":"Traceback:\n  x\u001b[1m\n"}"#;

    /// The text of one record, after the head.
    #[track_caller]
    fn check(indexes: &[&str], url: &str, message: &str, expect: &str) {
        let config = Config::default();
        let name = |name: &&str| name.parse::<IndexName>().expect("a name");
        let index = |name| Index { name, ..config.indexes[0].clone() };
        let own: Vec<Index> = indexes.iter().map(name).map(index).collect();
        let settings: Vec<&Index> = own.iter().collect();
        let query = Query::from_url(indexes.iter().map(name).collect::<Vec<_>>(), url).expect(url);
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

    /// The characters that some reader of lines takes for the end of one, as Python's splitlines.
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
            for line in [rows.line(&Line::Match(hit)), rows.notice(&format!("a{LINE_ENDS}b"), Ts::MIN)] {
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
        assert_eq!(rows.notice("\"a\" is down", Ts::MIN), "{\"@alco\":\"\\\"a\\\" is down\"}\n");
    }
}
