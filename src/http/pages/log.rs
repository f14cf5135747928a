//! The log page: what `grep` would print, and everything to change what it looks for. The log stands before the filters
//! in the source, so that text browsers, screen readers and phones reach it first; style.css puts them beside it.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::line::{Jump, Line, Role, Rows, day, gap, new_dates};
use super::{Frame, age, duration, filters, histogram, links, note, search, thousands};
use crate::search::cursor::Place;
use crate::search::query::{Context, Filter, Format, Mode, Order, Query, Within};
use crate::time::{Range, Ts, When};
use crate::visible::{cut, visible_in_line};

/// A longer query string would make each line's link heavier than the line.
const CARRIED_BYTES: usize = 300;
const PAGE_SIZES: [usize; 3] = [100, 300, 1000];

#[derive(Clone, Debug)]
pub struct View<'a> {
    pub frame: Frame<'a>,
    pub query: &'a Query,
    pub now: Ts,
    pub zone: &'a TimeZone,
    /// what the query's range came to
    pub range: Range,
    pub rows: Vec<Row<'a>>,
    pub previous: Option<Place>,
    pub next: Option<Place>,
    pub total: Total,
    /// the time budget ended here
    pub reached: Option<Place>,
    pub warnings: Vec<String>,
    pub bars: Vec<histogram::Bar>,
    pub bars_partial: bool,
    pub filters: Vec<filters::Column>,
    /// those in the lines, in their order
    pub shown_columns: Vec<String>,
    /// those that could be there too
    pub other_columns: Vec<String>,
    /// the last record before the present, told only where the page is empty
    pub last_record: Option<Ts>,
    /// the same search in other forms: name, format
    pub formats: &'a [(&'static str, Format)],
    pub page_size: usize,
}

#[derive(Clone, Debug)]
pub enum Row<'a> {
    Line(Line<'a>),
    Gap,
}

/// How many match, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    Exactly(u64),
    AtLeast(u64),
    AtMost(u64),
}

impl View<'_> {
    pub fn page(&self) -> Markup {
        let body = html! {
            (search::form(self.query))
            (histogram::View { query: self.query, zone: self.zone, bars: &self.bars, partial: self.bars_partial }.markup())
            div.cols {
                main {
                    (self.bar())
                    @for warning in &self.warnings { (note(html! { (visible_in_line(warning)) })) }
                    (self.log())
                    (self.budget())
                    (self.pages())
                }
                " "
                aside aria-label="Filters" #filters {
                    (filters::lists(self.query, "", &self.filters))
                    (self.columns())
                }
            }
        };
        self.frame.page(&self.title(), body)
    }

    /// What a bookmark or a tab says: the search first.
    fn title(&self) -> String {
        let search = cut(&self.query.search, 60).0;
        let indexes = links::index_list(&self.query.indexes);
        if search.is_empty() { indexes } else { format!("{search} · {indexes}") }
    }

    fn link(&self, query: &Query) -> String {
        links::to("", query)
    }

    fn bar(&self) -> Markup {
        let errors = self.errors();
        let first_match = self.first_match().and_then(|at| self.jump(&errors, Some(at), at).id);
        let near = self.rows.iter().any(|row| matches!(row, Row::Line(line) if line.role == Role::Near));
        let newest_first = self.query.order == Order::NewestFirst;
        html! {
            div.bar {
                span { (self.total()) " in " (self.span()) }
                " "
                @if let Some(id) = first_match.filter(|_| near) { a href={ "#" (id) } { "first match ↓" } " " }
                @if !errors.is_empty() { a href="#e1" { "first error ↓" } " " }
                a.phone href="#filters" { "filters" }
                " "
                span.end {
                    @if self.query.wrap { a href=(self.link(&Query { wrap: false, ..self.query.clone() })) { "cut long lines" } }
                    @else { a href=(self.link(&Query { wrap: true, ..self.query.clone() })) { "wrap" } }
                    " "
                    @if newest_first { a href=(self.link(&links::ordered(self.query, Order::OldestFirst))) { "oldest first" } }
                    @else { a href=(self.link(&links::ordered(self.query, Order::NewestFirst))) { "newest first" } }
                    @for (name, format) in self.formats {
                        " "
                        a href=(self.link(&Query { format: *format, ..links::first(self.query) })) { (name) }
                    }
                }
            }
        }
    }

    fn total(&self) -> Markup {
        let (word, title, number) = match self.total {
            Total::Exactly(number) => ("exactly", "each one was checked", number),
            Total::AtLeast(number) => ("at least", "not all of the range could be counted in time", number),
            Total::AtMost(number) => ("at most", "the full-text index alone says so; not each one was checked", number),
        };
        let verb = match (self.selects(), number) {
            (false, _) => "",
            (true, 1) => " matches",
            (true, _) => " match",
        };
        html! {
            span title=(title) { (word) " " b.num { (thousands(number)) } (if number == 1 { " record" } else { " records" }) (verb) }
        }
    }

    fn span(&self) -> Markup {
        let length = duration(self.range.end.micros() - self.range.start.micros());
        let between = format!("{} to {}", self.moment(self.range.start), self.moment(self.range.end));
        html! { span title=(between) { (length) } }
    }

    fn moment(&self, ts: Ts) -> String {
        format!("{} {}", ts.date_in(self.zone), ts.clock_in(self.zone, 0))
    }

    /// Whether anything but the range chooses the records.
    fn selects(&self) -> bool {
        !self.query.search.is_empty() || self.query.filters.iter().any(|filter| !filter.off)
    }

    /// The rows that hold errors; a jump leads from each to the next.
    fn errors(&self) -> Vec<usize> {
        let is_error = |row: &Row| matches!(row, Row::Line(line) if line.level.is_error());
        self.rows.iter().enumerate().filter(|(_, row)| is_error(row)).map(|(at, _)| at).collect()
    }

    fn first_match(&self) -> Option<usize> {
        self.rows.iter().position(|row| matches!(row, Row::Line(line) if line.role == Role::Match))
    }

    fn log(&self) -> Markup {
        if !self.rows.iter().any(|row| matches!(row, Row::Line(_))) {
            return self.nothing();
        }
        let query = self.query.to_url();
        let carried = if query.is_empty() || query.len() > CARRIED_BYTES { String::new() } else { format!("?{query}") };
        let rows = Rows { zone: self.zone, record_path: "at/", record_query: &carried, wrap: self.query.wrap };
        let errors = self.errors();
        let first_match = self.first_match();
        let lines = self.rows.iter().filter_map(|row| match row {
            Row::Line(line) => Some(line),
            Row::Gap => None,
        });
        let mut dates = new_dates(lines, self.zone).into_iter();
        html! {
            div.log .wrap[self.query.wrap] #log role="list" aria-label="Log" {
                @for (at, row) in self.rows.iter().enumerate() {
                    @match row {
                        Row::Gap => (gap()),
                        Row::Line(line) => {
                            @if let Some(date) = dates.next().flatten() { (day(&date)) }
                            (rows.line(line, &self.jump(&errors, first_match, at)))
                        }
                    }
                }
            }
        }
    }

    /// The last error of a page leads to the end of it, where the next page is.
    fn jump(&self, errors: &[usize], first_match: Option<usize>, at: usize) -> Jump {
        let Ok(nth) = errors.binary_search(&at) else {
            return Jump { id: (first_match == Some(at)).then(|| "match".to_owned()), next_error: None };
        };
        let next = if nth + 1 < errors.len() { format!("#e{}", nth + 2) } else { "#pages".to_owned() };
        Jump { id: Some(format!("e{}", nth + 1)), next_error: Some(next) }
    }

    fn budget(&self) -> Markup {
        let Some(reached) = self.reached else { return html! {} };
        note(html! {
            "The search has used up its time at " (self.moment(reached.ts)) "; what lies "
            (if self.query.order == Order::OldestFirst { "after" } else { "before" }) " has not been looked at. "
            a href=(self.link(&links::after(self.query, reached))) { "Go on from there" }
        })
    }

    fn pages(&self) -> Markup {
        let q = self.query;
        // the page's order, in the words of time
        let (first, previous, next, last) = match q.order {
            Order::OldestFirst => ("oldest", "← earlier", "later →", "newest"),
            Order::NewestFirst => ("newest", "← later", "earlier →", "oldest"),
        };
        let newest = |newest: bool| newest.then_some("0");
        let desc = q.order == Order::NewestFirst;
        html! {
            nav.pages #pages aria-label="Pages" {
                @if self.previous.is_some() { a href=(self.link(&links::first(q))) accesskey=[newest(desc)] { (first) } " " }
                @if let Some(place) = self.previous { a href=(self.link(&links::before(q, place))) rel="prev" accesskey="p" { (previous) } " " }
                @if let Some(place) = self.next { a href=(self.link(&links::after(q, place))) rel="next" accesskey="n" { (next) } " " }
                @if self.next.is_some() { a href=(self.link(&links::last(q))) accesskey=[newest(!desc)] { (last) } " " }
                @if let Some(place) = self.newer() { a href=(self.link(&links::after(q, place))) accesskey="n" { "look for newer →" } " " }
                @for size in PAGE_SIZES {
                    @if self.rows.len() >= self.page_size && size != self.page_size {
                        a.dim href=(self.link(&Query { limit: std::num::NonZeroUsize::new(size), ..links::first(q) })) { (size) " a page" } " "
                    }
                }
            }
        }
    }

    /// Behind the last line, where records are still to come.
    fn newer(&self) -> Option<Place> {
        let open = self.next.is_none() && self.reached.is_none() && self.query.order == Order::OldestFirst;
        let still = matches!(self.query.end, None | Some(When::Now));
        let last = self.rows.iter().rev().find_map(|row| match row {
            Row::Line(line) if line.role == Role::Match => Some(line.place),
            _ => None,
        });
        last.filter(|_| open && still)
    }

    fn columns(&self) -> Markup {
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
                summary { "columns of a line" }
                ul.columns {
                    @for column in &self.shown_columns {
                        li.on { a href=(without(column)) title="leave it out" { "✓ " (name(column)) } }
                    }
                    @for column in &self.other_columns {
                        li { a href=(with(column)) title="show it" { (name(column)) } }
                    }
                }
                p { a.dim href=(links::to("columns/", &links::first(self.query))) { "all columns…" } }
                @if self.query.columns.is_some() {
                    p { a.dim href=(self.link(&Query { columns: None, ..self.query.clone() })) { "as configured" } }
                }
            }
        }
    }

    /// An empty page says what to try.
    fn nothing(&self) -> Markup {
        let q = self.query;
        let wider = |name: &'static str, start: When| (name, links::from_to(q, Some(start), None));
        let ranges = [
            wider("1 hour", When::Ago(3600)),
            wider("24 hours", When::Ago(86_400)),
            wider("7 days", When::Ago(7 * 86_400)),
        ];
        let length = self.range.end.micros() - self.range.start.micros();
        html! {
            section #log .nothing {
                h1 { @if self.reached.is_some() { "Nothing found yet" } @else if self.selects() { "No record matches" } @else { "No records" } }
                p { "Looked at " (self.moment(self.range.start)) " to " (self.moment(self.range.end)) "." }
                ul {
                    @if q.cursor.is_some() { li { "This is beyond the last page: " a href=(self.link(&links::first(q))) { "the first page" } } }
                    @if self.range.is_empty() { li { "The range is empty: it ends before it begins." } }
                    @for (name, query) in &ranges {
                        @if query.start.as_ref().is_some_and(|start| self.now.micros() - start.at(self.now, self.zone).micros() > length) {
                            li { "Look further back: " a href=(self.link(query)) { "the last " (name) } }
                        }
                    }
                    @if let Some(last) = self.last_record {
                        @let around = Range { start: last.plus_seconds(-300), end: last.plus_seconds(1) };
                        li { "The last record was " (age(last, self.now)) ": " a href=(self.link(&links::within(q, around, self.zone))) { "go there" } }
                    }
                    @if q.filters.iter().any(|filter| !filter.off) {
                        li { "Search " a href=(self.link(&Query { filters: off(q), ..links::first(q) })) { "without the filters" } }
                    }
                    @if !q.search.is_empty() {
                        @if q.case || q.word {
                            li { "Search " a href=(self.link(&Query { case: false, word: false, ..links::first(q) })) { "without regard to case and words" } }
                        }
                        @if q.within == Within::Message {
                            li { "Search " a href=(self.link(&Query { within: Within::All, ..links::first(q) })) { "in all columns" } }
                        }
                        @if q.mode == Mode::Literal && q.search.trim().contains(' ') {
                            li { "Search for " a href=(self.link(&Query { mode: Mode::Words, ..links::first(q) })) { "all the words in any order" } }
                        }
                        li { "See " a href=(self.link(&Query { search: String::new(), context: Context::None, ..links::first(q) })) { "all records of this range" } }
                    }
                }
            }
        }
    }
}

fn off(query: &Query) -> Vec<Filter> {
    query.filters.iter().cloned().map(|filter| Filter { off: true, ..filter }).collect()
}
