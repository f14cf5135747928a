//! One record: all of it, as it was sent, with links to similar records; and the same stream around it.
//!
//! Invariant: the page is written part by part, and no part is much larger than a portion of a text. As HTML, a text of control
//! characters has seven times its bytes.

use std::fmt::{self, Write};

use maud::{Markup, PreEscaped, html};

use crate::config::{IndexName, IndexSelection};
use crate::http::pages::line::{Dates, Jump, LineView, LogRows, Role};
use crate::http::pages::line_columns::LineColumns;
use crate::http::pages::links::LINK_BYTES;
use crate::http::pages::message_json::{message_json, record_json};
use crate::http::pages::neighbourhood::{Neighbourhood, NeighbourhoodView};
use crate::http::pages::portions::{put, put_text};
use crate::http::pages::{Frame, links, records, thousands};
use crate::query::{Order, Query, edit};
use crate::record::column_value::ColumnValue;
use crate::record::pattern::MessagePattern;
use crate::record::pattern::memory::FirstSeen;
use crate::render::escape::{cut, visible_in_line};
use crate::render::patterns::pattern_shown;
use crate::search::hit::Count;
use crate::search::pattern::Pattern;
use crate::time::{Range, When};
use jiff::tz::TimeZone;

/// More columns than these are in the JSON form only.
const MAX_COLUMNS: usize = 250;
/// Of all links of the values together: each holds the search, which may be long.
const MAX_LINKS_BYTES: usize = 1 << 20;

#[derive(Clone, Debug)]
pub struct RecordView<'a> {
    pub frame: Frame<'a>,
    pub index: &'a IndexName,
    /// the search that led here, to go back to; the links of the values narrow it
    pub query: &'a Query,
    /// the same, over a range that holds the record
    pub around: &'a Query,
    /// the time around the record in which a value is traced
    pub nearby: Range,
    pub neighbourhood: NeighbourhoodView<'a>,
    /// the indexes of the lines around it
    pub list: &'a IndexSelection,
    /// lines before and after it that were asked for
    pub sides: (usize, usize),
    pub came_from_a_search: bool,
    pub zone: &'a TimeZone,
    pub record: LineView<'a>,
    /// those in the lines, in their order
    pub shown_columns: &'a [String],
    /// of its message
    pub pattern: &'a MessagePattern,
    /// this pattern in this index; None: not known
    pub first_seen: Option<FirstSeen>,
    /// records with this pattern in `around`; None: not known
    pub alike: Option<Count>,
    /// name, value; without message and context columns
    pub columns: Vec<&'a (String, ColumnValue)>,
    /// columns that the record has besides
    pub unread_columns: usize,
    /// the search's pattern, if it is one for the columns too
    pub in_columns: Option<&'a Pattern>,
    /// of the whole record
    pub bytes: usize,
    /// the whole record, `"key": value` by line; None: it is larger than `MAX_SHOWN_TWICE_BYTES`
    pub json: Option<Vec<(String, String)>>,
    pub before: Vec<LineView<'a>>,
    pub after: Vec<LineView<'a>>,
    /// the number of lines before and after on the next page, if there are more
    pub more_before: Option<(usize, usize)>,
    pub more_after: Option<(usize, usize)>,
    pub warnings: &'a [String],
}

impl RecordView<'_> {
    /// Writes the page.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> fmt::Result {
        let back = links::to(&links::grep_path(self.frame.base, &self.query.indexes), self.query);
        let carried = self.frame.links.to_record(self.query);
        let own = self.path();
        let with_lines = |sides, of: &Neighbourhood| self.with_lines(sides, of, &carried);
        let chosen = self.neighbourhood.chosen;
        let date = self.record.place.ts.date_in(self.zone);
        let clock = self.record.place.ts.clock_in(self.zone, 3);
        let title = format!("{} · {} {date} {clock}", cut(self.record.message, 60).0, self.index);
        put(
            out,
            html! {
                (self.frame.opening(&title, &[("#log", "Skip to the record")]))
                (PreEscaped("<main>"))
                div.bar {
                    @if self.came_from_a_search { a href=(back) { "← back to the search" } }
                    @else { a href=(links::to(&links::grep_path(self.frame.base, &self.query.indexes), self.around)) { "← search around it" } }
                    " "
                    h1.dim { "record with its neighbours" }
                    " "
                    span.end { a href=(own) rel="bookmark" { "permanent link" } " " a href={ (own) "?format=json" } { "JSON" } }
                }
                @for warning in self.warnings { (crate::http::pages::note(html! { (visible_in_line(warning)) })) }
                @if let Some((before, after)) = self.more_before {
                    nav.pages aria-label="Earlier lines" {
                        a href=(with_lines((before, after), chosen)) accesskey="p" { "↑ " (before - self.before.len()) " earlier" }
                    }
                }
            },
        )?;
        self.log(&carried, out)?;
        put(
            out,
            html! {
                @if let Some((before, after)) = self.more_after {
                    nav.pages aria-label="Later lines" {
                        a href=(with_lines((before, after), chosen)) accesskey="n" { "↓ " (after - self.after.len()) " later" }
                    }
                }
                (PreEscaped("</main>"))
                (self.frame.closing())
            },
        )
    }

    /// The record's permanent address.
    fn path(&self) -> String {
        format!("{}at/{}/", links::index_path(self.frame.base, self.index), links::place(self.record.place))
    }

    /// This page with other lines around the record.
    fn with_lines(&self, sides: (usize, usize), of: &Neighbourhood, carried: &str) -> String {
        let path = links::grep_path(self.frame.base, &self.query.indexes);
        format!("{path}at/{}/{}{carried}", links::place(self.record.place), of.path(sides))
    }

    fn log(&self, carried: &str, out: &mut dyn Write) -> fmt::Result {
        let path = format!("{}at/", links::grep_path(self.frame.base, self.list));
        let record_query = match self.neighbourhood.chosen {
            // these have an address of their own
            Neighbourhood::Searched | Neighbourhood::AllIndexes => carried.to_owned(),
            chosen => format!("{}{carried}", chosen.path(self.sides)),
        };
        let wrap = self.query.wraps();
        let lines = self.before.iter().chain([&self.record]).chain(&self.after);
        let mut columns = LineColumns::new(self.shown_columns, None);
        columns.learn(lines.clone().map(|line| &line.cells[..]));
        let rows =
            LogRows { zone: self.zone, columns: &columns, record_path: &path, record_query: &record_query, wrap };
        let mut dates = Dates::new(self.zone);
        let class = if wrap { "log wrap" } else { "log" };
        write!(out, "<div class=\"{class}\" id=\"log\" role=\"list\" aria-label=\"Log\">")?;
        for line in lines {
            put(out, html! { @if let Some(date) = dates.before(line) { (date) } })?;
            match line.role {
                Role::Here => self.here(&rows, carried, out)?,
                Role::Match | Role::Near => put(out, rows.line(line, &Jump::default()))?,
            }
        }
        out.write_str("</div>")
    }

    fn here(&self, rows: &LogRows, carried: &str, out: &mut dyn Write) -> fmt::Result {
        let record = &self.record;
        let level = record.level.class();
        write!(
            out,
            "<div class=\"here {level}\" id=\"here\" role=\"listitem\" aria-label=\"The record\" aria-current=\"true\">"
        )?;
        put(out, rows.heading(record))?;
        put(out, self.neighbourhood.markup(|of| self.with_lines(self.sides, of, carried)))?;
        if record.message.contains('\n') || cut(record.message, 100).1 {
            out.write_str("<pre class=\"message\">")?;
            put_text(record.message, record.marks, out)?;
            out.write_str("</pre>")?;
        }
        put(out, message_json(record.message))?;
        for (name, text) in &record.context {
            put(out, html! { h2 { (visible_in_line(name)) } (PreEscaped("<pre>")) })?;
            self.put_shown(text, out)?;
            out.write_str("</pre>")?;
        }
        out.write_str("<dl class=\"record\">")?;
        put(out, self.time())?;
        put(out, self.pattern())?;
        let mut links_left = MAX_LINKS_BYTES;
        for (name, value) in self.columns.iter().take(MAX_COLUMNS) {
            put(out, html! { dt { (self.name(name)) } " " (PreEscaped("<dd>")) })?;
            self.value(name, value, &mut links_left, out)?;
            out.write_str("</dd>")?;
        }
        let more = self.columns.len().saturating_sub(MAX_COLUMNS) + self.unread_columns;
        put(
            out,
            html! {
                (PreEscaped("</dl>"))
                @if more > 0 {
                    p.dim { (thousands(more as u64)) " more columns are only in " a href={ (self.path()) "?format=json" } { "the JSON form" } }
                }
                (record_json(self.json.as_deref(), self.bytes, &self.path()))
                (PreEscaped("</div>"))
            },
        )
    }

    fn time(&self) -> Markup {
        let ts = self.record.place.ts;
        html! {
            dt { "time" }
            " "
            dd {
                (ts) @if *self.zone != TimeZone::UTC { " · " (ts.date_in(self.zone)) " " (ts.clock_in(self.zone, 6)) " " (self.frame.zone) }
                " "
                span.act {
                    a href=(self.since("", Query::default())) title="all records from this one on" { "from here on" }
                    " "
                    a href=(self.since("patterns/", Query { only_new: true, ..Query::default() })) title="patterns of messages that came for the first time after this record" { "what is new since" }
                }
            }
        }
    }

    /// All records from this one on, whatever the search asks for.
    fn since(&self, page: &str, query: Query) -> String {
        let indexes = self.query.indexes.clone();
        let all = Query { indexes, start: Some(When::At(self.record.place.ts)), tz: self.query.tz.clone(), ..query };
        let order = page.is_empty().then_some(Order::OldestFirst);
        links::to(&format!("{}{page}", links::grep_path(self.frame.base, &all.indexes)), &Query { order, ..all })
    }

    /// The pattern of the message, with links to its lines and to the others.
    fn pattern(&self) -> Markup {
        let path = links::grep_path(self.frame.base, &self.around.indexes);
        let hash = self.pattern.hash;
        html! {
            " "
            dt { "pattern" }
            " "
            dd {
                (visible_in_line(pattern_shown(&self.pattern.text)))
                " "
                span.act {
                    a href=(self.frame.links.to(&path, &edit::only_pattern(self.around, hash))) { "only" }
                    " "
                    a href=(self.frame.links.to(&path, &edit::without_pattern(self.around, hash))) { "not" }
                    @if let Some(alike) = self.alike.filter(|count| !matches!(count, Count::AtLeast(0 | 1))) {
                        @let is_search = self.around.start == self.query.start && self.around.end == self.query.end;
                        @let (range, title) = if is_search { ("", "in the range of the search") } else { (" within 30 min", "around the record") };
                        " "
                        a href=(self.frame.links.to(&path, &edit::only_pattern(self.around, hash))) title={ "with this pattern, " (title) } { (counted(alike)) (range) }
                    }
                    @if let Some(first_seen) = self.first_seen { " " (self.first_seen(first_seen)) }
                    " "
                    a href=(self.frame.links.to(&format!("{path}patterns/"), &edit::listed_patterns(self.around))) { "all patterns" }
                }
            }
        }
    }

    /// The link leads to the lines of the pattern from the first one on, whatever else the search asks for.
    fn first_seen(&self, first: FirstSeen) -> Markup {
        let (tz, order) = (self.query.tz.clone(), Some(Order::OldestFirst));
        let all = Query { tz, order, ..Query::new(vec![self.index.clone()]) };
        let lines = edit::only_pattern(&all, self.pattern.hash);
        let lines = edit::from_to(&lines, Some(When::At(first.at)), None);
        let (date, clock) = (first.at.date_in(self.zone), first.at.clock_in(self.zone, 0));
        html! {
            a href=(links::to(&links::index_path(self.frame.base, self.index), &lines)) title=(first.at) { "first seen " (date) " " (clock) }
            @if !first.is_sure { span.dim title="alco does not remember what came before" { " or earlier" } }
        }
    }

    /// The name of a column, which leads to its values around the record.
    fn name(&self, name: &str) -> Markup {
        let shown = visible_in_line(cut(name, 200).0);
        let path = links::grep_path(self.frame.base, &self.around.indexes);
        html! {
            @if name.len() <= LINK_BYTES { a href=(self.frame.links.values(&path, self.around, name)) { (shown) } }
            @else { (shown) }
        }
    }

    /// `links_left`: bytes that the links may still have.
    fn value(&self, name: &str, value: &ColumnValue, links_left: &mut usize, out: &mut dyn Write) -> fmt::Result {
        let items = match value {
            ColumnValue::Json(text) => return self.put_shown(text, out),
            ColumnValue::One(text) => {
                self.put_shown(text, out)?;
                return put(out, self.links(name, text, links_left));
            }
            ColumnValue::Many(items) => items,
        };
        for text in &items.texts {
            out.write_str("<span class=\"item\">")?;
            self.put_shown(text, out)?;
            put(out, html! { (self.links(name, text, links_left)) (PreEscaped("</span>")) " " })?;
        }
        if items.more > 0 {
            let more = thousands(items.more as u64);
            put(
                out,
                html! { span.dim { (more) " more are only in " a href={ (self.path()) "?format=json" } { "the JSON form" } } },
            )?;
        }
        Ok(())
    }

    /// A value with the matches in it.
    fn put_shown(&self, text: &str, out: &mut dyn Write) -> fmt::Result {
        put_text(text, &self.in_columns.map_or_else(Vec::new, |pattern| pattern.marks(text)), out)
    }

    fn links(&self, name: &str, text: &str, left: &mut usize) -> Markup {
        if text.len() + name.len() > LINK_BYTES || *left == 0 {
            return html! {};
        }
        let path = links::grep_path(self.frame.base, &self.around.indexes);
        let links = html! {
            " "
            span.act {
                a href=(self.frame.links.to(&path, &edit::only(self.around, name, text))) { "only" }
                " "
                a href=(self.frame.links.to(&path, &edit::without(self.around, name, text))) { "not" }
                " "
                a href=(self.trace(name, text)) title="this value in all indexes, within an hour around the record" { "trace" }
            }
        };
        *left = left.saturating_sub(links.0.len());
        links
    }

    /// The way of a value through all indexes, in the order of time, whatever else the search asks for.
    fn trace(&self, name: &str, text: &str) -> String {
        let (tz, order) = (self.query.tz.clone(), Some(Order::OldestFirst));
        let all = Query { tz, order, ..Query::new(IndexSelection::all(&self.frame.indexes)) };
        let lines = edit::only(&edit::within(&all, self.nearby, self.zone), name, text);
        links::to(&links::grep_path(self.frame.base, &all.indexes), &lines)
    }
}

/// `at least 12 records`
fn counted(count: Count) -> String {
    match count {
        Count::Exact(number) => records(number),
        Count::AtLeast(number) => format!("at least {}", records(number)),
        Count::AtMost(number) => format!("at most {}", records(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::cursor::Place;
    use crate::record::column_value::ListItems;
    use crate::record::level::Level;
    use crate::record::pattern;
    use crate::time::Ts;

    fn written(view: &RecordView) -> String {
        let mut html = String::new();
        view.write(&mut html).expect("a String takes everything");
        html
    }

    #[test]
    fn the_whole_record_is_shown_and_its_text_is_only_text() {
        let web: IndexName = "web".parse().expect("a name");
        let query = Query::from_url(vec![web.clone()], "search=x").expect("a query");
        let place = Place { ts: Ts::from_micros(1_795_341_600_123_456), seq: 1, digest: 2, id: 3 };
        let message = "one <b>\n  {\"url\":\"https://a/b\"}";
        let pattern = pattern::of(message);
        let record = LineView {
            role: Role::Here,
            place,
            level: Level::Error,
            cells: vec![],
            message,
            marks: &[],
            context: vec![("exc_info".to_owned(), "Trace\n  <i>".to_owned())],
            matches: vec![],
        };
        let columns = [
            ("<k>".to_owned(), ColumnValue::One("\u{202e}v".to_owned())),
            (
                "tags".to_owned(),
                ColumnValue::Many(ListItems { texts: vec!["a".to_owned(), "b".to_owned()], more: 1234 }),
            ),
        ];
        let view = RecordView {
            frame: Frame { base: "/logs/", ..Frame::default() },
            index: &web,
            query: &query,
            around: &query,
            nearby: Range { start: place.ts.plus_seconds(-1800), end: place.ts.plus_seconds(1800) },
            neighbourhood: NeighbourhoodView {
                chosen: &Neighbourhood::Searched,
                choices: vec![Neighbourhood::Searched, Neighbourhood::Same("host".to_owned())],
                searched: query.indexes.title(),
            },
            list: &query.indexes,
            sides: (20, 20),
            came_from_a_search: true,
            zone: &TimeZone::UTC,
            record,
            shown_columns: &[],
            pattern: &pattern,
            first_seen: Some(FirstSeen { at: Ts::from_micros(1_795_341_500_000_000), is_sure: false }),
            alike: Some(Count::Exact(1234)),
            columns: columns.iter().collect(),
            unread_columns: 0,
            in_columns: None,
            bytes: 100,
            json: Some(vec![("\"message\"".to_owned(), "\"<\"".to_owned())]),
            before: vec![],
            after: vec![],
            more_before: Some((60, 20)),
            more_after: None,
            warnings: &[],
        };
        let html = written(&view);
        assert!(html.contains("href=\"/logs/grep/web/at/1795341600123456.1.2/?format=json\""), "{html}");
        let link = "<a href=\"https://a/b\" rel=\"noreferrer\">https://a/b</a>";
        let message = format!("<pre class=\"message\">one &lt;b&gt;\n  {{&quot;url&quot;:&quot;{link}&quot;}}</pre>");
        assert!(html.contains(&message), "{html}");
        let json =
            format!("<summary>JSON in the message</summary><pre>{{\n  &quot;url&quot;: &quot;{link}&quot;\n}}</pre>");
        assert!(html.contains(&json), "{html}");
        assert!(html.contains("<pre>Trace\n  &lt;i&gt;</pre>"), "{html}");
        let only = format!("<a href=\"/logs/grep/web/?search=x&amp;pattern={}\">only</a>", pattern.hash);
        assert!(html.contains(&format!("<dt>pattern</dt> <dd>one &lt;b&gt; <span class=\"act\">{only}")), "{html}");
        let first = format!(
            ">1,234 records</a> <a href=\"/logs/grep/web/?start_ts=2026-11-22T09:58:20.000000Z&amp;pattern={}&amp;order=asc\" \
             title=\"2026-11-22T09:58:20.000000Z\">first seen 2026-11-22 09:58:20</a><span class=\"dim\" ",
            pattern.hash
        );
        assert!(html.contains(&first), "{html}");
        let patterns = "> or earlier</span> <a href=\"/logs/grep/web/patterns/?search=x\">all patterns</a>";
        assert!(html.contains(patterns), "{html}");
        let name = "<a href=\"/logs/grep/web/values/%3Ck%3E/?search=x\">&lt;k&gt;</a>";
        assert!(html.contains(&format!("<dt>{name}</dt> <dd>&lt;U+202E&gt;v")), "{html}");
        assert!(html.contains("href=\"/logs/grep/web/?search=x&amp;tags=b\">only</a>"), "{html}");
        assert!(html.contains("href=\"/logs/grep/web/at/1795341600123456.1.2/60-20/?search=x#here\""), "{html}");
    }
}
