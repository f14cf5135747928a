//! A line of log, as the log page and the record page show it: time, level, columns, message, all in one line of text,
//! so that lines that are selected and copied are lines.
//!
//! Text that is too long for a line folds: the rest of the message and each context column are `<details>` below it.

use std::ops::Range;

use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::http::pages::lean::lean;
use crate::http::pages::line_columns::LineColumns;
use crate::http::pages::marked::{CELL_CHARS, excerpt, excerpt_from, linked};
use crate::http::pages::thousands;
use crate::query::cursor::Place;
use crate::record::level::Level;
use crate::render::cells::Cell;
use crate::render::escape::{cut, visible, visible_in_line};

/// Longer first lines of a message are cut: no screen is so wide, and a hundred of them still make a light page.
const MESSAGE_CHARS: usize = 1000;
/// The rest of a message, or a context column, in place; the record's page has all of it.
const FOLDED_CHARS: usize = 8000;
/// A first line up to here is seen whole on most screens and needs no unfolding.
const SHORT_CHARS: usize = 110;
/// Of a first line whose first match lies beyond that, this much of its start is shown, and this much before the match.
const LEAD_CHARS: usize = 40;

#[derive(Clone, Debug)]
pub struct LineView<'a> {
    pub role: Role,
    pub place: Place,
    pub level: Level,
    pub cells: Vec<Cell>,
    pub message: &'a str,
    /// byte ranges of the message
    pub marks: &'a [Range<usize>],
    /// long text shown on demand: column, text
    pub context: Vec<(String, String)>,
    /// matches in columns that have no cell
    pub matches: Vec<ColumnMatch>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnMatch {
    pub column: String,
    pub text: String,
    /// byte ranges of the text
    pub marks: Vec<Range<usize>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Match,
    /// stands around a match
    Near,
    /// the record that the page is about
    Here,
}

/// The settings that all lines of a page share.
#[derive(Clone, Copy, Debug)]
pub struct LogRows<'a> {
    pub zone: &'a TimeZone,
    pub columns: &'a LineColumns<'a>,
    /// the text before and after a record's place in its address; what comes after it has the anchor
    pub record_path: &'a str,
    pub record_query: &'a str,
    /// long messages are unfolded from the start
    pub wrap: bool,
}

/// The name by which links jump to a line, and the target of its own jump.
#[derive(Clone, Debug, Default)]
pub struct Jump {
    pub id: Option<String>,
    pub next_error: Option<String>,
    pub is_first_match: bool,
}

impl LogRows<'_> {
    pub fn line(&self, line: &LineView, jump: &Jump) -> Markup {
        let class = class(line);
        let (head, rest) = line.message.split_once('\n').unwrap_or((line.message, ""));
        let shown = FirstLine::of(head.trim_end_matches('\r'), line.marks, self.wrap);
        let rest_at = head.len() + 1;
        let folded = match shown.lead.is_empty() {
            true => Folded { text: rest.trim_end_matches(['\n', '\r']), at: rest_at, is_cut: shown.is_cut },
            // what the line leaves out stands in the fold
            false => Folded { text: line.message.trim_end_matches(['\n', '\r']), at: 0, is_cut: false },
        };
        let folds = shown.is_cut || !folded.text.is_empty() || cut(shown.part, SHORT_CHARS).1;
        let hidden = line.marks.first().filter(|mark| mark.start >= rest_at);
        lean(html! {
            div role="listitem" class=[(!class.is_empty()).then_some(class)] id=[jump.id.as_deref()]
                aria-current=[(line.role == Role::Here).then_some("true")] {
                (self.text(line, &shown, jump))
                // for text browsers, which do not begin a line with a fold
                @if folds || !line.context.is_empty() { br; }
                @if let Some(mark) = hidden { div.match { (matching_line(line, mark)) } }
                @if folds { (self.rest(line, &folded)) }
                @for (name, text) in &line.context { (self.context(line, name, text)) }
                @for found in line.matches.iter().filter(|found| !line.context.iter().any(|(name, _)| *name == found.column)) {
                    div.match { b { (visible_in_line(cut(&found.column, CELL_CHARS).0)) } " " (excerpt(&found.text, &found.marks)) }
                }
            }
        })
    }

    /// The line alone, its message cut to its first line.
    pub fn heading(&self, line: &LineView) -> Markup {
        let first = line.message.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let (part, is_cut) = cut(first, MESSAGE_CHARS);
        lean(html! { div.r { (self.text(line, &FirstLine { lead: "", at: 0, part, is_cut }, &Jump::default())) } })
    }

    /// The line itself, without the folded parts.
    fn text(&self, line: &LineView, message: &FirstLine, jump: &Jump) -> Markup {
        html! {
            a.t href=(self.href(line)) { (line.place.ts.clock_in(self.zone, 3)) }
            " "
            @for (at, cell) in line.cells.iter().enumerate() { (self.columns.cell(at, cell)) }
            bdi id=[jump.is_first_match.then_some("match")] {
                @if !message.lead.is_empty() { (visible(message.lead)) " … " }
                (linked(message.part, line.marks, message.at, message.is_cut))
                @if message.is_cut { "…" }
            }
            @if let Some(next) = &jump.next_error {
                // the space is in the link, so that it is not copied with the line either
                a.next href=(next) title="next error" { " ↓" }
            }
        }
    }

    fn href(&self, line: &LineView) -> String {
        format!("{}{}/{}", self.record_path, line.place.short(), self.record_query)
    }

    /// The message's other lines, or all of it. Opening it also lets the first line wrap (style.css).
    fn rest(&self, line: &LineView, folded: &Folded) -> Markup {
        let (shown, more) = cut(folded.text, FOLDED_CHARS);
        html! {
            details.fold open[self.wrap] {
                summary aria-label="the whole message" {}
                @if !shown.is_empty() { pre { (linked(shown, line.marks, folded.at, more)) } }
                @if more || folded.is_cut { (self.whole(line, line.message.len())) }
            }
        }
    }

    fn context(&self, line: &LineView, name: &str, text: &str) -> Markup {
        let (shown, more) = cut(text, FOLDED_CHARS);
        let found = line.matches.iter().find(|found| found.column == name);
        html! {
            details.context open[line.role == Role::Here || found.is_some()] {
                summary { (visible_in_line(name)) " " span { (gist(text)) } }
                pre { (linked(shown, found.map_or(&[], |found| &found.marks), 0, more)) }
                @if more { (self.whole(line, text.len())) }
            }
        }
    }

    fn whole(&self, line: &LineView, bytes: usize) -> Markup {
        html! { p { a href=(self.href(line)) { "all of its " (thousands(bytes as u64)) " bytes" } } }
    }
}

/// The first line of a message as it is shown: its start, or some of its start and the part around its first match.
struct FirstLine<'a> {
    /// empty: nothing is left out before the part
    lead: &'a str,
    /// the byte at which the part begins
    at: usize,
    part: &'a str,
    is_cut: bool,
}

impl<'a> FirstLine<'a> {
    fn of(head: &'a str, marks: &[Range<usize>], wrap: bool) -> FirstLine<'a> {
        let seen_chars = if wrap { MESSAGE_CHARS } else { SHORT_CHARS };
        let before = marks
            .first()
            .filter(|mark| mark.start < head.len())
            .and_then(|mark| head.get(..mark.start))
            .map_or(0, |before| before.chars().count());
        if before < seen_chars {
            let (part, is_cut) = cut(head, MESSAGE_CHARS);
            return FirstLine { lead: "", at: 0, part, is_cut };
        }
        let at = cut(head, before - LEAD_CHARS).0.len();
        // with the fold, the line stands twice on the page
        let (part, is_cut) = cut(&head[at..], 2 * SHORT_CHARS);
        FirstLine { lead: cut(head, LEAD_CHARS).0, at, part, is_cut }
    }
}

/// The part of a message that folds under its line; it begins at a byte of the message.
struct Folded<'a> {
    text: &'a str,
    at: usize,
    /// the line above it is cut
    is_cut: bool,
}

/// The line of a message that has this match, cut around it.
fn matching_line(line: &LineView, mark: &Range<usize>) -> Markup {
    let Some((before, after)) = line.message.split_at_checked(mark.start) else { return html! {} };
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let end = mark.start + after.find('\n').unwrap_or(after.len());
    excerpt_from(&line.message[start..end], line.marks, start)
}

/// Marks a place where lines are left out.
pub fn gap() -> Markup {
    html! { div.gap role="listitem" aria-label="lines are left out here" { "--" } }
}

/// The dates of lines that follow each other: shown only when they change.
#[derive(Clone, Debug)]
pub struct Dates<'a> {
    zone: &'a TimeZone,
    last: Option<String>,
}

impl<'a> Dates<'a> {
    pub fn new(zone: &'a TimeZone) -> Dates<'a> {
        Dates { zone, last: None }
    }

    /// The date line before this line, if the date changes.
    pub fn before(&mut self, line: &LineView) -> Option<Markup> {
        let date = line.place.ts.date_in(self.zone);
        (self.last.as_ref() != Some(&date)).then(|| day(self.last.insert(date)))
    }
}

fn day(date: &str) -> Markup {
    html! { div.day role="listitem" { (date) } }
}

fn class(line: &LineView) -> String {
    let role = match line.role {
        Role::Match => "",
        Role::Near => "near",
        Role::Here => "here",
    };
    // most lines are of this level
    let level = if line.level == Level::Info { "" } else { line.level.class() };
    [level, role].join(" ").trim().to_owned()
}

/// A traceback or another long text in a few words: its last line if it is Python's, else its first.
fn gist(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let gist = if first.starts_with("Traceback ") { lines.next_back().unwrap_or(first) } else { first };
    let (shown, cut_off) = cut(gist, 2 * CELL_CHARS);
    format!("{}{}", visible_in_line(shown), if cut_off { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Ts;

    fn line<'a>(message: &'a str, context: &[(&str, &str)]) -> LineView<'a> {
        LineView {
            role: Role::Match,
            place: Place { ts: Ts::from_micros(1_795_341_600_123_456), seq: 7, digest: -9, id: 1 },
            level: Level::Error,
            cells: vec![
                Cell { text: Some("ERROR".to_owned()), is_level: true, ..Cell::default() },
                Cell { text: Some("<b>\x1b[31mweb\n".to_owned()), ..Cell::default() },
                Cell::default(),
            ],
            message,
            marks: &[],
            context: context.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
            matches: vec![],
        }
    }

    fn written(line: &LineView) -> String {
        let columns = LineColumns::default();
        let rows = LogRows {
            zone: &TimeZone::UTC,
            columns: &columns,
            record_path: "at/",
            record_query: "?search=x#here",
            wrap: false,
        };
        let jump = Jump { id: Some("e1".to_owned()), next_error: Some("#e2".to_owned()), ..Jump::default() };
        rows.line(line, &jump).into_string()
    }

    #[test]
    fn a_line_is_time_level_columns_message() {
        assert_eq!(
            written(&line("a <script> & more", &[])),
            "<div role=listitem class=error id=e1>\
             <a class=t href=\"at/5NCe9Jqd-~6~Ezzzzzzzzzr/?search=x#here\">10:00:00.123</a> \
             <span class=l>ERROR</span> <span>&lt;b&gt;web↵</span> - \
             <bdi>a &lt;script&gt; &amp; more</bdi>\
             <a class=next href=#e2 title=\"next error\"> ↓</a></div>"
        );
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init)] // one mark is a list of one
    fn a_match_in_a_column_is_marked_in_place() {
        let found = |column: &str, text: &str, mark: Range<usize>| ColumnMatch {
            column: column.to_owned(),
            text: text.to_owned(),
            marks: vec![mark],
        };
        let mut line = line("m", &[("exc_info", "a\ngone"), ("other", "x")]);
        line.cells[1].marks = vec![0..3];
        let long = format!("{}needle\n{}", "<".repeat(200), "y".repeat(200));
        line.matches = vec![found("exc_info", "a\ngone", 2..6), found("deep.k", &long, 200..206)];
        let html = written(&line);
        for part in [
            "<span><mark>&lt;b&gt;</mark>web↵</span>".to_owned(),
            "<details class=context open><summary>exc_info <span>a</span></summary><pre>a\n<mark>gone</mark></pre>"
                .to_owned(),
            "<details class=context><summary>other".to_owned(),
            format!(
                "<div class=match><b>deep.k</b> …{}<mark>needle</mark>↵{}…</div>",
                "&lt;".repeat(20),
                "y".repeat(53)
            ),
        ] {
            assert!(html.contains(&part), "{part} is not in {html}");
        }
        assert_eq!(html.matches("gone").count(), 1, "{html}");
    }

    #[test]
    fn the_rest_of_a_message_folds() {
        let html = written(&line("first\r\n  second\nthird\n", &[]));
        assert!(html.contains("<bdi>first</bdi>"), "{html}");
        assert!(html.contains("<pre>  second\nthird</pre>"), "{html}");
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init)] // one mark is a list of one
    fn a_long_line_is_cut_around_its_first_match() {
        let long = format!("GET /orders {}needle{}", "é".repeat(5000), "y".repeat(5000));
        let at = long.find("needle").expect("it is there");
        let marks = [at..at + 6];
        let html = written(&LineView { marks: &marks, ..line(&long, &[]) });
        let start = format!("<bdi>GET /orders {} … {}", "é".repeat(28), "é".repeat(40));
        assert!(html.contains(&format!("{start}<mark>needle</mark>{}…</bdi>", "y".repeat(174))), "{html}");
        assert!(html.contains("<details class=fold>") && html.contains("all of its 15,018 bytes"), "{html}");
        assert!(html.len() < 25_000, "{}", html.len());

        // a match that is seen anyway cuts nothing
        let marks = [12..14];
        let html = written(&LineView { marks: &marks, ..line(&long, &[]) });
        assert!(html.contains("<bdi>GET /orders <mark>é</mark>é"), "{html}");
        // nor does one that wraps into view
        let marks = [900..906];
        let text = format!("{}needle", "x".repeat(900));
        for (wrap, is_cut) in [(true, false), (false, true)] {
            let columns = LineColumns::default();
            let rows = LogRows { zone: &TimeZone::UTC, columns: &columns, record_path: "at/", record_query: "", wrap };
            let html = rows.line(&LineView { marks: &marks, ..line(&text, &[]) }, &Jump::default()).into_string();
            assert_eq!(html.contains(" … "), is_cut, "{html}");
            assert_eq!(html.contains(&format!("<pre>{}<mark>needle</mark></pre>", "x".repeat(900))), is_cut, "{html}");
        }
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init)] // one mark is a list of one
    fn a_match_in_a_later_line_is_shown_below_the_first() {
        let message = "first\nsecond\nthe needle is here\nlast";
        let at = message.find("needle").expect("it is there");
        let marks = [at..at + 6];
        let html = written(&LineView { marks: &marks, ..line(message, &[]) });
        assert!(html.contains("<div class=match>the <mark>needle</mark> is here</div>"), "{html}");
        assert!(html.contains("<pre>second\nthe <mark>needle</mark> is here\nlast</pre>"), "{html}");
    }

    #[test]
    fn four_megabytes_do_not_make_the_page_heavy() {
        let html = written(&line(&"x".repeat(4 << 20), &[("exc_info", &"y\n".repeat(1 << 20))]));
        assert!(html.len() < 20_000, "{}", html.len());
        assert!(html.contains("all of its 4,194,304 bytes"), "no link to the whole");
    }

    #[test]
    fn the_gist_of_a_traceback_is_its_last_line() {
        assert_eq!(
            gist("Traceback (most recent call last):\n  File \"x\"\nTimeoutError: timed out\n"),
            "TimeoutError: timed out"
        );
        assert_eq!(gist("java.lang.Error: no\n\tat a.b.c"), "java.lang.Error: no");
        assert_eq!(gist(""), "");
    }
}
