//! The log page: the lines that `grep` would print, and the form and links to change the search.
//!
//! It is written while the search runs, part by part: `opening` before anything was found, `LogWriter` line by line, then the parts
//! that are known later: the number of matches, links to go on, the histogram, the filters. So the log comes before these in the
//! source, and text browsers, screen readers and phones reach it first; style.css puts them above it and next to it.

pub mod foot;
pub mod view;

use maud::{Markup, PreEscaped, html};

use crate::http::pages::lean::lean;
use crate::http::pages::line::{Dates, Jump, LineView, LogRows, Role, gap};
use crate::http::pages::line_columns::LineColumns;
use crate::http::pages::log::foot::{LogFoot, Written};
use crate::http::pages::log::view::LogView;
use crate::http::pages::search::SearchForm;
use crate::http::pages::{Frame, filters, histogram, links, note};
use crate::query::cursor::Place;
use crate::query::{Follow, Format, Order, Query, REFRESH_SECONDS, edit};
use crate::render::escape::{cut, visible_in_line};

/// A longer query string, for which there is no token, would make each line's link heavier than the line.
const CARRIED_BYTES: usize = 300;

#[derive(Clone, Debug)]
pub enum LogRow<'a> {
    Line(LineView<'a>),
    Gap,
}

impl LogRow<'_> {
    fn is_error(&self) -> bool {
        matches!(self, LogRow::Line(line) if line.level.is_error())
    }
}

impl LogView<'_> {
    /// The part before the lines.
    pub fn opening(&self) -> Markup {
        let skips =
            [("#log", "Skip to the log"), ("#total", "to the number of matches"), ("#filters", "to the filters")];
        html! {
            (self.frame.opening(&self.title(), &skips))
            (self.form().markup())
            (PreEscaped("<div class=\"cols\"><main>"))
            h1.vh { "Log of " (self.query.indexes.title()) }
            (self.bar())
        }
    }

    pub fn form(&self) -> SearchForm<'_> {
        let Frame { base, zone, links, .. } = &self.frame;
        SearchForm { base, zone, links, query: self.query, pattern_texts: &self.pattern_texts }
    }

    /// Comes after the lines.
    pub fn histogram(&self, bars: &[histogram::HistogramBar], partial: bool) -> Markup {
        let is_whole = |whole: (&histogram::HistogramBar, &histogram::HistogramBar)| {
            whole.0.range.start < self.range.start || self.range.end < whole.1.range.end
        };
        let chosen = bars.first().zip(bars.last()).is_some_and(is_whole).then_some(self.range);
        let LogView { query, zone, frame: Frame { links, .. }, .. } = self;
        lean(histogram::HistogramView { query, links, zone, bars, partial, chosen }.markup())
    }

    pub fn no_histogram(&self, why: &str) -> Markup {
        html! { section.hist aria-label="Records over time" { (note(html! { "no histogram: " (visible_in_line(why)) })) } }
    }

    /// The filters: a part before the columns' values, one for each column, one after them.
    pub fn filters_opening(&self) -> Markup {
        html! { (PreEscaped("<aside aria-label=\"Filters\" id=\"filters\">")) }
    }

    pub fn filter(&self, column: &filters::FilterColumn) -> Markup {
        lean(filters::list(self.query, &self.frame.links, "", column))
    }

    /// `others`: columns that could be in the lines too.
    pub fn closing(&self, others: &[String]) -> Markup {
        html! {
            (lean(self.columns(others)))
            (PreEscaped("</aside></div>"))
            (self.frame.closing())
        }
    }

    fn bar(&self) -> Markup {
        let q = self.query;
        let newest_first = q.order() == Order::NewestFirst;
        html! {
            div.bar.strip {
                @if self.has_context() { a href="#match" { "first match ↓" } " " }
                a.err href="#e1" accesskey="e" { "next error ↓" }
                " "
                a href=(self.frame.links.to("patterns/", &edit::listed_patterns(q))) title="what these lines say, each pattern once with its count" { "patterns" }
                " "
                a.phone href="#filters" { "filters" }
                " "
                span.end {
                    (self.following())
                    " "
                    @if q.wraps() { a href=(self.link(&Query { wrap: Some(false), ..q.clone() })) { "no wrap" } }
                    @else { a href=(self.link(&Query { wrap: Some(true), ..q.clone() })) { "wrap" } }
                    " "
                    @if newest_first { a href=(self.link(&edit::ordered(q, Order::OldestFirst))) { "oldest first" } }
                    @else { a href=(self.link(&edit::ordered(q, Order::NewestFirst))) { "newest first" } }
                    @let exactly = edit::exactly(q, self.range, self.zone);
                    @if exactly == *q { " " span.dim title="to others, and later: copy it" { "this address shows exactly this" } }
                    @else {
                        " "
                        a href=(links::to("", &exactly)) title="names the range, the zone and the order: it shows the same lines to others, and later" { "link to exactly this" }
                    }
                    @if self.may_save {
                        " "
                        a rel="nofollow" href=(self.frame.links.to("save/", &edit::first(q))) title="keeps this search under a name, for all readers" { "save" }
                    }
                    @for format in self.formats {
                        " "
                        a href=(links::to("", &Query { format: *format, ..edit::first(q) })) title=(self.contents(*format)) { (format.label()) }
                    }
                    @if self.formats.contains(&Format::Csv) {
                        " "
                        // not copied for a program, unlike the links before it
                        a href=(self.link(&Query { format: Format::Csv, download: true, bom: true, ..edit::first(q) }))
                            title={ "CSV as Excel reads it, a file with a byte order mark; " (self.contents(Format::Csv)) } { "Excel" }
                    }
                }
            }
        }
    }

    /// The columns of a line in another form.
    fn contents(&self, format: Format) -> String {
        match format {
            Format::Ndjson | Format::Json => "all columns; times in UTC".to_owned(),
            Format::Page | Format::Text | Format::Csv => {
                let shown: Vec<_> =
                    self.shown_columns.iter().map(|column| visible_in_line(cut(column, 60).0)).collect();
                format!("the shown columns: {}; times in {}", shown.join(", "), self.frame.zone)
            }
        }
    }

    /// Text browsers show a page only when it is complete: for them there is one that reloads itself.
    fn following(&self) -> Markup {
        let link = |follow| self.link(&edit::follow(self.query, follow));
        html! {
            @match self.query.follow {
                Follow::No => {
                    a href=(link(Follow::Open)) accesskey="f" title="the page stays open and grows" { "follow" }
                    " "
                    a.dim href=(link(Follow::Every(REFRESH_SECONDS))) title="the page loads itself again" { "refresh every " (REFRESH_SECONDS) " s" }
                },
                Follow::Open => a href=(link(Follow::No)) accesskey="f" { "stop refreshing" },
                Follow::Every(seconds) => {
                    "refreshes every " (seconds) " s "
                    a href=(link(Follow::No)) accesskey="f" { "stop" }
                },
            }
        }
    }

    fn columns(&self, others: &[String]) -> Markup {
        let with = |column: &str| {
            let mut columns = self.shown_columns.clone();
            columns.push(column.to_owned());
            self.link(&Query { columns: Some(columns), ..self.query.clone() })
        };
        let without = |column: &str| {
            let columns = self.shown_columns.iter().filter(|shown| *shown != column).cloned().collect();
            self.link(&Query { columns: Some(columns), ..self.query.clone() })
        };
        let name = |column: &str| visible_in_line(cut(column, 60).0).into_owned();
        html! {
            details open[self.query.columns.is_some()] {
                summary { "shown columns" }
                ul.columns {
                    @for column in &self.shown_columns {
                        li.on {
                            a href=(without(column)) { "✓ " (name(column)) }
                            " "
                            a.dim href=(self.frame.links.values("", self.query, column)) { "values" }
                        }
                    }
                    @for column in others {
                        li { a href=(with(column)) { (name(column)) } }
                    }
                }
                p { a.dim href=(self.frame.links.to("columns/", &edit::first(self.query))) { "all columns…" } }
                @if self.query.columns.is_some() {
                    p { a.dim href=(self.link(&Query { columns: None, ..self.query.clone() })) { "as configured" } }
                }
            }
        }
    }
}

/// The lines, each written when it is found.
pub struct LogWriter<'a> {
    view: &'a LogView<'a>,
    /// of the search, for the address of each record
    carried: String,
    dates: Dates<'a>,
    columns: LineColumns<'a>,
    begun: bool,
    has_heading: bool,
    /// what is missing, as far as it was known before the lines
    missing: Vec<String>,
    /// the last row is an error
    is_after_error: bool,
    written: Written,
}

impl<'a> LogWriter<'a> {
    pub fn new(view: &'a LogView<'a>) -> LogWriter<'a> {
        let query = Query { follow: Follow::No, overview: None, ..view.query.clone() };
        let carried = Some(view.frame.links.to_record(&query)).filter(|query| query.len() <= CARRIED_BYTES);
        let carried = carried.unwrap_or_else(|| "#here".to_owned());
        // a page that grows has no end for the form of the values
        let clicked = (!view.grows).then_some((view.query, &view.frame.links));
        let columns = LineColumns::new(&view.shown_columns, clicked);
        let (dates, written) = (Dates::new(view.zone), Written::default());
        let (begun, has_heading, is_after_error) = (false, false, false);
        LogWriter { view, carried, dates, columns, begun, has_heading, missing: Vec::new(), is_after_error, written }
    }

    /// Notes what is known to be missing before the lines begin. Readers of text come to it first: it is written above them.
    pub fn lacks(&mut self, missing: Vec<String>) {
        self.missing = missing;
    }

    /// The markup before the first line.
    pub fn begin(&mut self) -> Markup {
        let first = !std::mem::replace(&mut self.begun, true);
        html! {
            @if first {
                @if !self.missing.is_empty() { div.known { @for text in &self.missing { (warning(text)) } } }
                (PreEscaped(opened(self.view.query.wraps(), self.columns.begins_with_level)))
            }
        }
    }

    /// Rows that are found together: their columns stand below each other.
    pub fn rows(&mut self, rows: &[LogRow]) -> Markup {
        let lines = rows.iter().filter_map(|row| if let LogRow::Line(line) = row { Some(line) } else { None });
        let Some(first) = lines.clone().next() else { return html! { @for row in rows { (self.row(row, None)) } } };
        self.columns.learn(lines.map(|line| &line.cells[..]));
        if !self.begun {
            self.columns.begins_with_level = first.cells.first().is_some_and(|cell| cell.is_level);
        }
        let begin = self.begin();
        let is_first = !std::mem::replace(&mut self.has_heading, true);
        html! {
            (begin)
            @if is_first { (self.columns.heading(self.view.query, &self.view.frame.links, &first.cells)) }
            @for (at, row) in rows.iter().enumerate() { (self.row(row, rows.get(at + 1))) }
        }
    }

    /// `next`: the row after it, where it is known.
    fn row(&mut self, row: &LogRow, next: Option<&LogRow>) -> Markup {
        let follows_error = std::mem::replace(&mut self.is_after_error, row.is_error());
        let line = match row {
            LogRow::Gap => return gap(),
            LogRow::Line(line) => line,
        };
        let is_match = line.role == Role::Match;
        let is_first_match = is_match && self.written.last_match.is_none() && self.view.has_context();
        let mut jump = Jump { is_first_match, ..Jump::default() };
        if is_match {
            self.written.last_match = Some(line.place);
        }
        if row.is_error() {
            if !follows_error {
                self.written.error_groups += 1;
                jump.id = Some(format!("e{}", self.written.error_groups));
            }
            let is_last = !next.is_some_and(LogRow::is_error);
            jump.next_error = is_last.then(|| format!("#e{}", self.written.error_groups + 1));
        }
        self.written.lines += 1;
        let LogView { zone, query, .. } = self.view;
        let rows = LogRows {
            zone,
            columns: &self.columns,
            record_path: "at/",
            record_query: &self.carried,
            wrap: query.wraps(),
        };
        html! {
            @if let Some(date) = self.dates.before(line) { (date) }
            (rows.line(line, &jump))
        }
    }

    pub fn is_empty(&self) -> bool {
        self.written.lines == 0
    }

    pub fn last_match(&self) -> Option<Place> {
        self.written.last_match
    }

    /// The end of the lines, and the part after them.
    pub fn end(&self, found: &LogFoot) -> Markup {
        let is_empty = self.is_empty();
        let is_told = |text: &String| self.begun && self.missing.contains(text);
        let notes = html! {
            div.notes {
                @for text in found.warnings.iter().filter(|text| !is_told(text)) { (warning(text)) }
                @if !is_empty { @for column in &found.missing_columns { (note(self.view.missing_column(column))) } }
                (self.view.budget(found))
            }
        };
        html! {
            // on an empty page, too, the reason is read before the result
            @if is_empty { (notes) (self.view.nothing(found)) } @else { (PreEscaped("</div>")) (self.columns.form()) }
            (self.view.total(found))
            @if !is_empty { (notes) }
            (self.view.pages(&self.written, found))
            (PreEscaped("</main>"))
        }
    }
}

fn warning(text: &str) -> Markup {
    note(html! { (visible_in_line(text)) })
}

/// `v`: the level of each line comes after its time.
fn opened(wrap: bool, begins_with_level: bool) -> String {
    let class = [Some("log"), wrap.then_some("wrap"), begins_with_level.then_some("v")];
    let class: Vec<&str> = class.into_iter().flatten().collect();
    format!("<div class=\"{}\" id=\"log\" role=\"list\" aria-label=\"Log\">", class.join(" "))
}
