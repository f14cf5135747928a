//! The list of indexes: is everything alive, and where to read.

use maud::{Markup, html};

use crate::config::IndexName;
use crate::http::pages::{Frame, age, duration, histogram, links, note, thousands};
use crate::query::{PatternSort, Query};
use crate::render::escape::visible_in_line;
use crate::time::{Ts, When};

/// A pattern is new if it came for the first time in this last part.
pub const NEWS_SECONDS: u32 = 3600;
const NEWS_TITLE: &str = "patterns of warnings and errors that came for the first time in the last hour";
/// A stream without records for this time may be one whose collecting has stopped.
const STALE_MICROS: i64 = 3_600_000_000;

#[derive(Clone, Debug)]
pub struct IndexListView<'a> {
    pub frame: Frame<'a>,
    pub now: Ts,
    pub indexes: Vec<IndexRow<'a>>,
    /// those of searches over all indexes
    pub shortcuts: Vec<ShortcutLink<'a>>,
    /// problems that concern all indexes
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct IndexRow<'a> {
    pub name: &'a IndexName,
    pub title: &'a str,
    /// None: not known now
    pub figures: Option<IndexFigures>,
    /// None: not known
    pub collecting: Option<Collecting>,
    /// None: not known
    pub new_patterns: Option<NewPatterns>,
    pub shortcuts: Vec<ShortcutLink<'a>>,
}

/// Patterns of warnings and errors that are new in the last hour.
#[derive(Clone, Debug)]
pub enum NewPatterns {
    /// their number, and the texts of the first ones
    Count(usize, Vec<String>),
    /// alco does not know which patterns came before this time, not a day ago
    UnknownBefore(Ts),
}

#[derive(Clone, Copy, Debug)]
pub struct ShortcutLink<'a> {
    pub name: &'a str,
    pub title: &'a str,
    /// the column that a value is asked for
    pub parameter: Option<&'a str>,
}

/// The facts that distinguish a stall from silence.
#[derive(Clone, Copy, Debug, Default)]
pub struct Collecting {
    /// records that wait in the queue, where it is known
    pub backlog: Option<u64>,
    pub delivered: Option<Ts>,
    pub stored: Option<Ts>,
    pub acknowledged: Option<Ts>,
    /// records wait, and none has been stored for some time
    pub stalled: bool,
}

#[derive(Clone, Debug)]
pub struct IndexFigures {
    /// records of the last 5 minutes
    pub recent: u64,
    /// the time of the last record
    pub last: Option<Ts>,
    /// of the last 24 hours, in equal parts
    pub sparkline: Vec<u64>,
}

/// Columns that not every list has.
#[derive(Clone, Copy)]
struct ShownColumns {
    news: bool,
    backlogs: bool,
    shortcuts: bool,
}

impl IndexListView<'_> {
    pub fn page(&self) -> Markup {
        let backlogs = self.indexes.iter().any(|index| index.collecting.is_some());
        let news = self.indexes.iter().any(|index| index.new_patterns.is_some());
        let shortcuts = !self.shortcuts.is_empty() || self.indexes.iter().any(|index| !index.shortcuts.is_empty());
        let shown = ShownColumns { news, backlogs, shortcuts };
        let main = html! {
            main {
                @for warning in &self.warnings { (note(html! { (visible_in_line(warning)) })) }
                h1.vh { "Indexes" }
                table.indexes #log {
                    thead {
                        tr {
                            th scope="col" { "index" }
                            th.n scope="col" { "last 5 min" }
                            th scope="col" { "24 hours" }
                            @if news { th.n scope="col" title=(NEWS_TITLE) { "new in 1 h" } }
                            @if backlogs { th.n scope="col" { "waiting" } }
                            th scope="col" { "last record" }
                            @if shortcuts { th scope="col" { "shortcuts" } }
                        }
                    }
                    tbody {
                        @if self.indexes.len() > 1 { (self.all(shown)) }
                        @for index in &self.indexes { (self.row(index, shown)) }
                    }
                }
                @if self.indexes.len() > 1 { (self.boxes()) }
            }
        };
        self.frame.page("indexes", main)
    }

    fn row(&self, index: &IndexRow, shown: ShownColumns) -> Markup {
        let base = self.frame.base;
        html! {
            tr {
                th scope="row" {
                    a href=(links::index_path(base, index.name)) { b { (index.name) } }
                    @if !index.title.is_empty() && index.title != index.name.as_str() { " " span { (index.title) } }
                }
                @if let Some(figures) = &index.figures {
                    td.n .recent { (thousands(figures.recent)) }
                    td { (histogram::sparkline(&figures.sparkline, "i")) }
                } @else { td.n { "?" } td {} }
                @if shown.news { td.n .news { @if let Some(new) = &index.new_patterns { (self.news(index.name, new)) } @else { "?" } } }
                @if shown.backlogs { td.n .waiting { @if let Some(collecting) = &index.collecting { (self.waiting(collecting)) } @else { "?" } } }
                td {
                    (self.last(index))
                    @if let Some(collecting) = index.collecting.filter(|collecting| collecting.stalled) {
                        " " span.stale { "stalled: " (self.ages(&collecting)) }
                    }
                }
                @if shown.shortcuts { (self.shortcuts(&index.shortcuts)) }
            }
        }
    }

    /// The row of all indexes together; a figure that one of them lacks is not known.
    fn all(&self, shown: ShownColumns) -> Markup {
        let figures: Option<Vec<&IndexFigures>> = self.indexes.iter().map(|index| index.figures.as_ref()).collect();
        let backlog = self.indexes.iter().map(|index| index.collecting?.backlog).sum::<Option<u64>>();
        html! {
            tr {
                th scope="row" { a href={ (self.frame.base) "grep/*/" } { b { "all indexes" } } }
                @if let Some(figures) = figures {
                    @let sparks = figures.iter().fold(Vec::new(), |sum, one| added(sum, &one.sparkline));
                    td.n .recent { (thousands(figures.iter().map(|one| one.recent).sum())) }
                    td { (histogram::sparkline(&sparks, "i")) }
                } @else { td.n { "?" } td {} }
                @if shown.news { td.n {} }
                @if shown.backlogs { td.n .waiting { (backlog.map_or("?".to_owned(), thousands)) } }
                td {}
                @if shown.shortcuts { (self.shortcuts(&self.shortcuts)) }
            }
        }
    }

    /// A form, since a link for each choice of several would be too many.
    fn boxes(&self) -> Markup {
        html! {
            form.several method="get" {
                @for index in &self.indexes {
                    label.opt { input type="checkbox" name="index" value=(index.name); " " (index.name) }
                    " "
                }
                button { "search these" }
            }
        }
    }

    fn shortcuts(&self, shortcuts: &[ShortcutLink]) -> Markup {
        html! {
            td {
                @for (at, shortcut) in shortcuts.iter().enumerate() {
                    @if at > 0 { " · " }
                    (self.shortcut(shortcut))
                }
            }
        }
    }

    fn shortcut(&self, shortcut: &ShortcutLink) -> Markup {
        let path = format!("{}grep/shortcut/{}/", self.frame.base, links::segment(shortcut.name));
        let title = if shortcut.title.is_empty() { shortcut.name } else { shortcut.title };
        let Some(parameter) = shortcut.parameter else { return html! { a href=(path) { (title) } } };
        html! {
            form method="get" action=(path) {
                a href=(path) { (title) }
                " "
                input name="value" size="14" autocomplete="off" placeholder=(parameter) aria-label={ (parameter) " of " (title) };
                " "
                button { "go" }
            }
        }
    }

    fn news(&self, index: &IndexName, new: &NewPatterns) -> Markup {
        match new {
            NewPatterns::Count(0, _) => html! { "0" },
            NewPatterns::Count(count, texts) => {
                let path = format!("{}patterns/", links::index_path(self.frame.base, index));
                let start = Some(When::Ago(NEWS_SECONDS));
                let query =
                    Query { start, sort: Some(PatternSort::Level), only_new: true, ..Query::new(vec![index.clone()]) };
                let texts: Vec<_> = texts.iter().map(|text| visible_in_line(text)).collect();
                html! { a href=(links::to(&path, &query)) title=(texts.join("\n")) { (thousands(*count as u64)) } }
            }
            NewPatterns::UnknownBefore(since) => {
                let why = format!("alco has remembered patterns since {since}: what is new is known a day later");
                html! { span title=(why) { "?" } }
            }
        }
    }

    fn waiting(&self, collecting: &Collecting) -> Markup {
        html! { span title=(self.ages(collecting)) { (collecting.backlog.map_or("?".to_owned(), thousands)) } }
    }

    /// `delivered 3 s ago, stored 3 s ago, acknowledged 3 s ago`
    fn ages(&self, collecting: &Collecting) -> String {
        let since = |ts: Option<Ts>| ts.map_or("not yet".to_owned(), |ts| age(ts, self.now));
        format!(
            "delivered {}, stored {}, acknowledged {}",
            since(collecting.delivered),
            since(collecting.stored),
            since(collecting.acknowledged)
        )
    }

    fn last(&self, index: &IndexRow) -> Markup {
        let Some(figures) = &index.figures else { return html! { "?" } };
        let Some(last) = figures.last else { return html! { span.stale { "no records yet" } } };
        let silence = self.now.micros() - last.micros();
        html! {
            // in a word too, for readers who see no colour
            @if silence > STALE_MICROS { span.stale title=(last) { "silent for " (duration(silence)) } }
            @else { span title=(last) { (age(last, self.now)) } }
        }
    }
}

/// The sums of two lists of counts, place by place.
fn added(mut sum: Vec<u64>, counts: &[u64]) -> Vec<u64> {
    sum.resize(sum.len().max(counts.len()), 0);
    sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_fell_silent_is_seen() {
        let now = Ts::from_micros(1_795_341_600_000_000);
        let (web, cron): (IndexName, IndexName) = ("web".parse().expect("a name"), "cron".parse().expect("a name"));
        let index = |name, seconds: i64| IndexRow {
            name,
            title: "T<",
            figures: Some(IndexFigures {
                recent: 41_203,
                last: Some(now.plus_seconds(-seconds)),
                sparkline: vec![0, 5, 9],
            }),
            collecting: None,
            new_patterns: Some(match seconds {
                1 => NewPatterns::Count(2, vec!["order * <failed>".to_owned()]),
                _ => NewPatterns::UnknownBefore(now.plus_seconds(-60)),
            }),
            shortcuts: vec![
                ShortcutLink { name: "slow", title: "Slow requests", parameter: None },
                ShortcutLink { name: "one", title: "", parameter: Some("request_id") },
            ],
        };
        let view = IndexListView {
            frame: Frame { base: "/", ..Frame::default() },
            now,
            indexes: vec![index(&web, 1), index(&cron, 10_800)],
            shortcuts: vec![ShortcutLink { name: "trace", title: "Trace", parameter: None }],
            warnings: vec![],
        };
        let html = view.page().into_string();
        assert!(html.contains("41,203") && html.contains("82,406"), "{html}");
        assert_eq!(html.matches("/grep/shortcut/trace/").count(), 1, "{html}");
        assert_eq!(html.matches("class=\"stale\"").count(), 1, "{html}");
        assert!(html.contains("silent for 3 h"), "{html}");
        assert!(html.contains("href=\"/grep/web/patterns/?start_ts=-1h&amp;sort=level&amp;only_new=1\" title=\"order * &lt;failed&gt;\">2</a>"), "{html}");
        assert!(
            html.contains("since 2026-11-22T09:59:00.000000Z: what is new is known a day later\">?</span>"),
            "{html}"
        );
        assert!(html.contains("href=\"/grep/shortcut/slow/\""), "{html}");
        assert!(
            html.contains("action=\"/grep/shortcut/one/\"") && html.contains("placeholder=\"request_id\""),
            "{html}"
        );
    }

    #[test]
    fn a_stall_differs_from_silence() {
        let now = Ts::from_micros(1_795_341_600_000_000);
        let web: IndexName = "web".parse().expect("a name");
        let html = |stalled| {
            let ago = |seconds: i64| Some(now.plus_seconds(-seconds));
            let collecting =
                Collecting { backlog: Some(1234), delivered: ago(90), stored: ago(180), acknowledged: None, stalled };
            let index = IndexRow {
                name: &web,
                title: "",
                figures: None,
                collecting: Some(collecting),
                new_patterns: None,
                shortcuts: vec![],
            };
            let frame = Frame { base: "/", ..Frame::default() };
            IndexListView { frame, now, indexes: vec![index], shortcuts: vec![], warnings: vec![] }.page().into_string()
        };
        let ages = "delivered 90 s ago, stored 3 min ago, acknowledged not yet";
        assert!(html(false).contains(&format!("title=\"{ages}\">1,234</span>")), "{}", html(false));
        assert!(!html(false).contains("stalled") && !html(false).contains("new in 1 h"));
        assert!(html(true).contains(&format!("stalled: {ages}")), "{}", html(true));
    }
}
