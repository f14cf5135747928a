//! The list of indexes: is everything alive, and where to read. With one index, it has more of it.

use maud::{Markup, html};

use crate::http::pages::day_bars::{HalfHour, day_bars};
pub use crate::http::pages::index_row::{
    Collecting, IndexFigures, IndexRow, KeptRecords, NEWS_SECONDS, NewPatterns, ShortcutLink,
};
use crate::http::pages::{Frame, age, disk_size, duration, index_details, links, note, thousands};
use crate::render::escape::visible_in_line;
use crate::time::Ts;

const NEWS_TITLE: &str = "patterns of warnings and errors that came for the first time in the last six hours";
/// A stream without records for this time may be one whose collecting has stopped.
const STALE_MICROS: i64 = 3_600_000_000;

#[derive(Clone, Debug)]
pub struct IndexListView<'a> {
    pub frame: Frame<'a>,
    pub now: Ts,
    pub indexes: Vec<IndexRow<'a>>,
    /// of all indexes together, each once
    pub new_patterns: Option<NewPatterns>,
    /// those of searches over all indexes
    pub shortcuts: Vec<ShortcutLink>,
    /// there is a page of shortcuts to lead to
    pub lists_shortcuts: bool,
    /// the clock at the begin of each quarter of the 24 hours, in the zone of the frame
    pub hours: [String; 4],
    /// problems that concern all indexes
    pub warnings: Vec<String>,
}

/// Columns that not every list has.
#[derive(Clone, Copy)]
struct ShownColumns {
    errors: bool,
    news: bool,
    backlogs: bool,
    kept: bool,
    shortcuts: bool,
}

impl IndexListView<'_> {
    pub fn page(&self) -> Markup {
        let any = |has: fn(&IndexRow) -> bool| self.indexes.iter().any(has);
        let shown = ShownColumns {
            errors: any(|index| index.figures.as_ref().is_some_and(|figures| figures.errors_today.is_some())),
            news: any(|index| index.new_patterns.is_some()),
            backlogs: any(|index| index.collecting.is_some()),
            kept: any(|index| index.kept.is_some()),
            shortcuts: !self.shortcuts.is_empty() || any(|index| !index.shortcuts.is_empty()),
        };
        let base = self.frame.base;
        let main = html! {
            main {
                @for warning in &self.warnings { (note(html! { (visible_in_line(warning)) })) }
                h1.vh { "Indexes" }
                table.indexes #log {
                    thead {
                        tr {
                            th scope="col" { "index" }
                            th.n scope="col" { "last 5 min" }
                            th scope="col" {
                                "24 hours " span.age { (self.frame.zone) } " "
                                span.scale aria-hidden="true" { @for hour in &self.hours { span { (hour) } " " } span { "now" } }
                            }
                            th.n scope="col" { "today" }
                            @if shown.errors { th.n scope="col" { "errors today" } }
                            @if shown.news { th.n scope="col" title=(NEWS_TITLE) { "new in 6 h" } }
                            @if shown.backlogs { th.n scope="col" { "waiting" } }
                            th scope="col" { "last record" }
                            @if shown.kept { th.n scope="col" { "kept" } }
                            @if shown.shortcuts { th scope="col" { "shortcuts" } }
                        }
                    }
                    tbody {
                        @if self.indexes.len() > 1 { (self.all(shown)) }
                        @for index in &self.indexes { (self.row(index, shown)) }
                    }
                }
                @if self.lists_shortcuts { p.several { a href={ (base) "grep/shortcut/" } { "all shortcuts" } } }
                @if let [index] = &self.indexes[..] { (index_details::details(base, self.now, index)) }
                @else { (self.boxes()) }
            }
        };
        self.frame.page("indexes", main)
    }

    fn row(&self, index: &IndexRow, shown: ShownColumns) -> Markup {
        let path = links::index_path(self.frame.base, index.name);
        html! {
            tr {
                th scope="row" {
                    a href=(path) { b { (index.name) } }
                    @if !index.title.is_empty() && index.title != index.name.as_str() { " " span { (index.title) } }
                }
                (self.figures(&path, index.figures.as_ref(), shown))
                @if shown.news { td.n .news { @if let Some(new) = &index.new_patterns { (new.markup(&path)) } @else { "?" } (unit("new in 6 h")) } }
                @if shown.backlogs { td.n .waiting { @if let Some(collecting) = &index.collecting { (self.waiting(collecting)) } @else { "?" } (unit("waiting")) } }
                td.age {
                    (self.last(index))
                    @if let Some(collecting) = index.collecting.filter(|collecting| collecting.stalled) {
                        " " span.stale { "stalled: " (collecting.ages(self.now)) }
                    }
                }
                @if shown.kept { td.n .age { @if let Some(kept) = &index.kept { (kept_days(kept)) } } }
                @if shown.shortcuts { (self.shortcuts(&index.shortcuts)) }
            }
        }
    }

    /// The row of all indexes together; a figure that one of them lacks is not known.
    fn all(&self, shown: ShownColumns) -> Markup {
        let figures = self.indexes.iter().map(|index| index.figures.as_ref()).collect::<Option<Vec<_>>>();
        let sum = figures.map(|figures| figures.into_iter().fold(None, added)).unwrap_or_default();
        let backlog = self.indexes.iter().map(|index| index.collecting?.backlog).sum::<Option<u64>>();
        let disk = self.indexes.iter().map(|index| index.kept.as_ref()?.disk_bytes).sum::<Option<u64>>();
        let path = format!("{}grep/*/", self.frame.base);
        html! {
            tr {
                th scope="row" { a href=(path) { b { "all indexes" } } }
                (self.figures(&path, sum.as_ref(), shown))
                @if shown.news { td.n .news { @if let Some(new) = &self.new_patterns { (new.markup(&path)) } @else { "?" } (unit("new in 6 h")) } }
                @if shown.backlogs { td.n .waiting { (backlog.map_or("?".to_owned(), thousands)) (unit("waiting")) } }
                td {}
                @if shown.kept { td.n .age { (disk.map(disk_size).unwrap_or_default()) } }
                @if shown.shortcuts { (self.shortcuts(&self.shortcuts)) }
            }
        }
    }

    /// The cells of one index or of all; `path` leads to the log.
    fn figures(&self, path: &str, figures: Option<&IndexFigures>, shown: ShownColumns) -> Markup {
        let Some(figures) = figures else {
            return html! { td.n { "?" (unit("in 5 min")) } td {} td.n { "?" (unit("today")) } @if shown.errors { td.n { "?" (unit("errors")) } } };
        };
        html! {
            td.n .recent { (thousands(figures.recent)) (unit("in 5 min")) }
            td.age { (day_bars(&figures.half_hours)) }
            td.n .today { a href={ (path) "?start_ts=today" } { (thousands(figures.today)) } (unit("today")) }
            @if shown.errors {
                td.n .errors {
                    @match figures.errors_today {
                        Some(0) => "0",
                        Some(errors) => a.error href={ (path) "patterns/?start_ts=today&sort=level" } { (thousands(errors)) },
                        None => span title="searchd cannot tell the levels of all of these records" { "?" },
                    }
                    (unit("errors"))
                }
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
                // without a choice, the page says how to choose
                button name="index" value="" { "search these" }
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
        let path = format!("{}grep/shortcut/{}/", self.frame.base, links::segment(&shortcut.name));
        let title = if shortcut.title.is_empty() { &shortcut.name } else { &shortcut.title };
        let saved = shortcut.saved.as_ref().map(|saved| format!("saved by {saved}"));
        let saved = saved.as_deref().map(visible_in_line);
        let Some(parameter) = &shortcut.parameter else {
            return html! { a href=(path) title=[saved] { (visible_in_line(title)) } };
        };
        html! {
            form method="get" action=(path) {
                span { (visible_in_line(title)) }
                " "
                input name="value" required size="14" autocomplete="off" placeholder=(parameter) aria-label={ (parameter) " of " (title) };
                " "
                button { "go" }
            }
        }
    }

    fn waiting(&self, collecting: &Collecting) -> Markup {
        html! { span title=(collecting.ages(self.now)) { (collecting.backlog.map_or("?".to_owned(), thousands)) } }
    }

    fn last(&self, index: &IndexRow) -> Markup {
        let last = match &index.figures {
            Some(figures) => figures.last,
            None => index.last_seen,
        };
        let Some(last) = last else {
            return html! { @if index.figures.is_some() { span.stale { "no records yet" } } @else { "?" } };
        };
        let silence = self.now.micros() - last.micros();
        html! {
            // in a word too, for readers who see no colour
            @if silence > STALE_MICROS { span.stale title=(last) { "silent for " (duration(silence)) } }
            @else { span title=(last) { (age(last, self.now)) } }
        }
    }
}

/// For phones and text browsers, where a figure is not below its heading.
fn unit(text: &str) -> Markup {
    html! { span.unit { " " (text) } }
}

fn kept_days(kept: &KeptRecords) -> Markup {
    let since = kept.since.as_ref().map_or_else(String::new, |since| format!("since {since}; "));
    html! {
        span title={ (since) "days = " (kept.most_days) } { (kept.days) " d" }
        @if let Some(bytes) = kept.disk_bytes { " " span.dim title="on the disk of this node, with what searchd has yet to write" { (disk_size(bytes)) } }
    }
}

/// The figures of two indexes together.
fn added(sum: Option<IndexFigures>, other: &IndexFigures) -> Option<IndexFigures> {
    let Some(mut sum) = sum else { return Some(other.clone()) };
    for (sum, bar) in sum.half_hours.iter_mut().zip(&other.half_hours) {
        *sum = HalfHour { total: sum.total + bar.total, errors: sum.errors + bar.errors };
    }
    Some(IndexFigures {
        recent: sum.recent + other.recent,
        last: sum.last.max(other.last),
        today: sum.today + other.today,
        errors_today: sum.errors_today.zip(other.errors_today).map(|(one, other)| one + other),
        half_hours: sum.half_hours,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::IndexName;

    #[test]
    fn a_stream_that_fell_silent_is_seen() {
        let now = Ts::from_micros(1_795_341_600_000_000);
        let (web, cron): (IndexName, IndexName) = ("web".parse().expect("a name"), "cron".parse().expect("a name"));
        let link = |name: &str, title: &str, parameter: Option<&str>| ShortcutLink {
            name: name.to_owned(),
            title: title.to_owned(),
            parameter: parameter.map(str::to_owned),
            saved: None,
        };
        let index = |name, seconds: i64| IndexRow {
            name,
            title: "T<",
            figures: Some(IndexFigures {
                recent: 41_203,
                last: Some(now.plus_seconds(-seconds)),
                half_hours: vec![HalfHour { total: 9, errors: 3 }; 2],
                today: 1000,
                errors_today: (seconds == 1).then_some(7),
            }),
            last_seen: None,
            kept: Some(KeptRecords {
                days: 3,
                most_days: 30,
                since: Some("2026-11-20".to_owned()),
                disk_bytes: Some(2_000_000),
            }),
            collecting: None,
            new_patterns: Some(match seconds {
                1 => NewPatterns::Count(2, vec!["order * <failed>".to_owned()]),
                _ => NewPatterns::UnknownBefore(now.plus_seconds(-60)),
            }),
            shortcuts: vec![
                link("slow", "Slow requests", None),
                link("one", "", Some("request_id")),
                ShortcutLink { saved: Some("<anna>, today".to_owned()), ..link("<b>", "", None) },
            ],
        };
        let view = IndexListView {
            frame: Frame { base: "/", ..Frame::default() },
            now,
            indexes: vec![index(&web, 1), index(&cron, 10_800)],
            new_patterns: Some(NewPatterns::Count(3, vec!["disk full".to_owned()])),
            shortcuts: vec![link("trace", "Trace", None)],
            lists_shortcuts: true,
            hours: ["10:30", "16:30", "22:30", "04:30"].map(str::to_owned),
            warnings: vec![],
        };
        let html = view.page().into_string();
        assert!(html.contains("41,203") && html.contains("82,406"), "{html}");
        for part in [
            "<span>10:30</span> <span>16:30</span>",
            "href=\"/grep/web/?start_ts=today\">1,000</a>",
            "href=\"/grep/*/?start_ts=today\">2,000</a>",
            "href=\"/grep/web/patterns/?start_ts=today&amp;sort=level\">7</a>",
            "href=\"/grep/*/patterns/?start_ts=-6h&amp;sort=level&amp;only_new=1\" title=\"disk full\">3</a>",
            "levels of all of these records\">?</span>",
            "title=\"since 2026-11-20; days = 30\">3 d</span>",
            ">2.0 MB</span>",
            ">4.0 MB</td>",
        ] {
            assert!(html.contains(part), "no {part} in {html}");
        }
        assert_eq!(html.matches("/grep/shortcut/trace/").count(), 1, "{html}");
        assert_eq!(html.matches("class=\"stale\"").count(), 1, "{html}");
        assert!(html.contains("silent for 3 h"), "{html}");
        assert!(html.contains("href=\"/grep/web/patterns/?start_ts=-6h&amp;sort=level&amp;only_new=1\" title=\"order * &lt;failed&gt;\">2</a>"), "{html}");
        assert!(
            html.contains("since 2026-11-22T09:59:00.000000Z: what is new is known a day later\">?</span>"),
            "{html}"
        );
        assert!(html.contains("href=\"/grep/shortcut/slow/\""), "{html}");
        let saved = "href=\"/grep/shortcut/%3Cb%3E/\" title=\"saved by &lt;anna&gt;, today\">&lt;b&gt;</a>";
        assert!(html.contains(saved) && html.contains(">all shortcuts</a>"), "{html}");
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
                last_seen: Some(now.plus_seconds(-7200)),
                kept: None,
                collecting: Some(collecting),
                new_patterns: None,
                shortcuts: vec![],
            };
            let frame = Frame { base: "/", ..Frame::default() };
            let hours = Default::default();
            let indexes = vec![index];
            let (shortcuts, warnings) = (vec![], vec![]);
            IndexListView {
                frame,
                now,
                indexes,
                new_patterns: None,
                shortcuts,
                lists_shortcuts: false,
                hours,
                warnings,
            }
            .page()
            .into_string()
        };
        let ages = "delivered 90 s ago, stored 3 min ago, acknowledged not yet";
        assert!(html(false).contains(&format!("title=\"{ages}\">1,234</span>")), "{}", html(false));
        assert!(!html(false).contains("stalled") && !html(false).contains("new in 6 h"));
        assert!(html(true).contains(&format!("stalled: {ages}")), "{}", html(true));
        // searchd is away
        assert!(html(true).contains("silent for 2 h"), "{}", html(true));
    }
}
