//! The same search for programs: text, NDJSON and CSV, written record by record.
//!
//! Log text is hostile here too: it ends up in terminals and spreadsheets. A record is one line in each format (but for
//! line ends inside a quoted cell, and context columns that were asked for); NDJSON has the values that were sent.

use std::cell::RefCell;
use std::io::{self, Write};
use std::time::Instant;

use jiff::tz::TimeZone;

use super::Site;
use super::grep::settings;
use super::lines::{line_view, shown_columns};
use super::pages::line::Role;
use super::record::whole;
use super::refusal::Refusal;
use super::reply::Reply;
use super::stream::{Body, Cut, Work};
use crate::config::Index;
use crate::search::cursor::Place;
use crate::search::filter::is_number;
use crate::search::query::{Format, Query};
use crate::search::{Hit, Line, Scope};
use crate::time::Ts;
use crate::visible::{visible, visible_in_line};

/// What a spreadsheet takes for the start of a formula, some of them only in some languages.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\n', '＝', '＋', '－', '＠'];

/// A search in a form for programs: the head now, the records as they are found.
pub fn stream(site: &Site, list: &str, query: Query, now: Ts) -> Reply {
    let zone = query.zone(&site.config.http.timezone).clone();
    let (kind, extension) = match query.format {
        Format::Ndjson => ("application/x-ndjson", "ndjson"),
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
        Format::Page | Format::Text | Format::Json => ("text/plain; charset=utf-8", "txt"),
    };
    let name = query.download.then(|| file_name(&query, now, &zone, extension));
    let list = list.to_owned();
    let work: Work = Box::new(move |site, body| write(site, &list, &query, &zone, now, body));
    let reply = Reply::download(kind, work);
    match name {
        Some(name) => reply.with("Content-Disposition", &format!("attachment; filename=\"{name}\"")),
        None => reply,
    }
}

fn write(site: &Site, list: &str, query: &Query, zone: &TimeZone, now: Ts, body: &mut Body) -> Result<(), Cut> {
    let settings = settings(site, list).map_err(Cut::Refused)?;
    let rows = Rows::new(&settings, query, zone);
    // nothing ends it but its end
    let page_size = site.config.http.page_size.get();
    let scope = Scope { now, zone: zone.clone(), page_size, deadline: Instant::now() };
    // goes with the first record: until then there may be an error to tell instead
    let mut head = Some(rows.head());
    let body = RefCell::new(body);
    let mut failed = Ok(());
    // what there is goes out before searchd is asked for more
    let pulse = || {
        let mut body = body.borrow_mut();
        body.flush().is_ok() && body.is_read()
    };
    let missing = site.searcher.each(query, &scope, &pulse, |line| {
        let mut body = body.borrow_mut();
        let head = head.take().unwrap_or_default();
        failed = body.write_all(head.as_bytes()).and_then(|()| rows.line(&line, &mut **body));
        failed.is_ok()
    });
    let body = body.into_inner();
    failed?;
    let missing = missing.map_err(|error| Cut::Refused(Refusal::from(error)))?;
    if !body.is_read() {
        return Err(Cut::Left);
    }
    body.write_all(head.unwrap_or_default().as_bytes())?;
    for what in &missing {
        body.missing(what);
        if query.format == Format::Text {
            writeln!(body, "-- {}", visible_in_line(what))?;
        }
    }
    Ok(())
}

/// `web_20261122-100000_20261122-100500.csv`, in the zone of the search.
fn file_name(query: &Query, now: Ts, zone: &TimeZone, extension: &str) -> String {
    let range = query.range(now, zone);
    let time = |ts: Ts| ts.civil(zone).strftime("%Y%m%d-%H%M%S").to_string();
    let indexes: Vec<&str> = query.indexes.iter().map(|index| index.as_str()).collect();
    format!("{}_{}_{}.{extension}", indexes.join("+"), time(range.start), time(range.end))
}

/// Writes records in one of the formats.
pub struct Rows<'a> {
    format: Format,
    settings: &'a [&'a Index],
    /// shown in text and CSV, in this order
    columns: Vec<String>,
    /// context columns, where they are asked for
    context: Vec<String>,
    /// records of several indexes
    several: bool,
    zone: &'a TimeZone,
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
            zone,
        }
    }

    /// What stands before the first record: CSV has the names of its columns there.
    pub fn head(&self) -> String {
        let mut head = String::new();
        if self.format == Format::Csv {
            let index = self.several.then_some("index");
            let names = self.columns.iter().map(String::as_str);
            let names = ["time"].into_iter().chain(index).chain(names).chain(["message"]);
            cells(names.chain(self.context.iter().map(String::as_str)), &mut head);
        }
        head
    }

    /// One line of an answer.
    pub fn line(&self, line: &Line, out: &mut dyn Write) -> io::Result<()> {
        let text = match line {
            Line::Match(hit) | Line::Near(hit) => self.record(hit),
            Line::Gap if self.format == Format::Text => "--\n".to_owned(),
            Line::Gap => return Ok(()),
        };
        out.write_all(text.as_bytes())
    }

    /// One record, with its line end.
    pub fn record(&self, hit: &Hit) -> String {
        match self.format {
            Format::Ndjson => self.ndjson(hit),
            Format::Csv => self.csv(hit),
            Format::Page | Format::Text | Format::Json => self.text(hit),
        }
    }

    /// `2026-11-22 10:00:00.123456`, as `start_ts` takes it.
    fn time(&self, ts: Ts) -> String {
        format!("{} {}", ts.date_in(self.zone), ts.clock_in(self.zone, 6))
    }

    /// Time, columns, message; a column that is missing is `-`.
    fn text(&self, hit: &Hit) -> String {
        let view = line_view(self.settings, &self.columns, hit, Role::Match, self.several);
        let mut text = self.time(hit.place.ts);
        for cell in &view.cells {
            text.push(' ');
            text.push_str(&on_one_line(cell.text.as_deref().unwrap_or("-")));
        }
        text.push(' ');
        text.push_str(&on_one_line(view.message));
        text.push('\n');
        for (_, context) in view.context.iter().filter(|(name, _)| self.context.contains(name)) {
            for line in visible(context).trim_end().lines() {
                text.push_str("    ");
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }

    fn csv(&self, hit: &Hit) -> String {
        let view = line_view(self.settings, &self.columns, hit, Role::Match, false);
        let time = self.time(hit.place.ts);
        let index = self.several.then(|| hit.index.as_str());
        let columns = view.cells.iter().map(|cell| cell.text.as_deref().unwrap_or_default());
        let of = |name: &String| view.context.iter().find(|(other, _)| other == name).map_or("", |(_, text)| text);
        let context: Vec<&str> = self.context.iter().map(of).collect();
        let mut text = String::new();
        let all = [time.as_str()].into_iter().chain(index).chain(columns).chain([view.message]).chain(context);
        cells(all, &mut text);
        text
    }

    /// The record as it was sent, and `@id`: `<ts>.<seq>.<digest>.<document>`, which is unique in an index. Behind an `a` it is
    /// a cursor, to go on after this record; its first three numbers are the record's address below `at/`.
    fn ndjson(&self, hit: &Hit) -> String {
        let Some(index) = self.settings.iter().find(|index| index.name == hit.index) else { return String::new() };
        let Place { ts, seq, digest, id } = hit.place;
        let mut members = whole(index, hit);
        let mut add = |name: &str, value: String| {
            if !members.iter().any(|(key, _)| *key == name) {
                members.push((name.to_owned(), value));
            }
        };
        add("\"@id\"", format!("\"{}.{seq}.{digest}.{id}\"", ts.micros()));
        if self.several {
            add("\"@index\"", format!("\"{}\"", hit.index));
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

/// As on a page, but tabs stay: programs cut at them.
fn on_one_line(text: &str) -> String {
    visible(text).replace('\n', "↵")
}

/// A value may have been sent over several lines, and in its strings may stand what a terminal obeys: both are written
/// otherwise, and mean the same.
fn json_on_one_line(json: &str, out: &mut String) {
    let unfit = |c: char| matches!(c, '\n' | '\r' | '\x7f'..='\u{9f}');
    if !json.contains(unfit) {
        return out.push_str(json);
    }
    for c in json.chars() {
        match c {
            // inside a string it would be escaped already
            '\n' | '\r' => out.push(' '),
            '\x7f'..='\u{9f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
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
        let rows = Rows::new(&settings, &query, &zone);
        let place = Place { ts: Ts::from_micros(1_795_341_600_000_001), seq: 7, digest: -5, id: 9 };
        let record = Stored { message: message.to_owned(), columns: COLUMNS.to_owned() };
        let hit = Hit { index: settings[0].name.clone(), place, record, marks: Vec::new() };
        assert_eq!(format!("{}{}", rows.head(), rows.record(&hit)), expect, "{url}");
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
            "time,index,message,exc_info,stack_trace\r\n2026-11-22 10:00:00.000001,web,m,\"Traceback:\n  x\n\",\r\n",
        );
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
}
