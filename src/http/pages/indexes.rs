//! The list of indexes: is everything alive, and where to read.

use maud::{Markup, html};

use super::visible::visible_in_line;
use super::{Frame, age, histogram, links, note, thousands};
use crate::config::IndexName;
use crate::time::Ts;

/// A stream without records for so long may be one whose collecting has stopped.
const STALE_MICROS: i64 = 3_600_000_000;

#[derive(Clone, Debug)]
pub struct View<'a> {
    pub frame: Frame<'a>,
    pub now: Ts,
    pub indexes: Vec<Index<'a>>,
    /// what is wrong with the whole
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Index<'a> {
    pub name: &'a IndexName,
    pub title: &'a str,
    /// None: cannot be told now
    pub figures: Option<Figures>,
    /// records that wait in the queue; None: not known
    pub backlog: Option<u64>,
    /// name, title
    pub shortcuts: Vec<(&'a str, &'a str)>,
}

#[derive(Clone, Debug)]
pub struct Figures {
    /// records of the last 5 minutes
    pub recent: u64,
    /// when the last record was
    pub last: Option<Ts>,
    /// of the last 24 hours, in equal parts
    pub sparkline: Vec<u64>,
}

impl View<'_> {
    pub fn page(&self) -> Markup {
        let backlogs = self.indexes.iter().any(|index| index.backlog.is_some());
        let shortcuts = self.indexes.iter().any(|index| !index.shortcuts.is_empty());
        let main = html! {
            main {
                @for warning in &self.warnings { (note(html! { (visible_in_line(warning)) })) }
                table.indexes #log {
                    caption.vh { "Indexes" }
                    thead {
                        tr {
                            th scope="col" { "index" }
                            th.n scope="col" { "last 5 min" }
                            th scope="col" { "24 hours" }
                            @if backlogs { th.n scope="col" { "waiting" } }
                            th scope="col" { "last record" }
                            @if shortcuts { th scope="col" { "shortcuts" } }
                        }
                    }
                    tbody { @for index in &self.indexes { (self.row(index, backlogs, shortcuts)) } }
                }
            }
        };
        self.frame.page("indexes", main)
    }

    fn row(&self, index: &Index, backlogs: bool, shortcuts: bool) -> Markup {
        let base = self.frame.base;
        html! {
            tr {
                th scope="row" {
                    a href=(links::grep_path(base, std::slice::from_ref(index.name))) { b { (index.name) } }
                    @if !index.title.is_empty() && index.title != index.name.as_str() { " " span { (index.title) } }
                }
                @if let Some(figures) = &index.figures {
                    td.n .recent { (thousands(figures.recent)) }
                    td { (histogram::sparkline(&figures.sparkline)) }
                } @else { td.n { "?" } td {} }
                @if backlogs { td.n .waiting { @if let Some(backlog) = index.backlog { (thousands(backlog)) } @else { "?" } } }
                td { (self.last(index)) }
                @if shortcuts {
                    td {
                        @for (at, (name, title)) in index.shortcuts.iter().enumerate() {
                            @if at > 0 { " · " }
                            a href={ (base) "grep/shortcut/" (links::segment(name)) "/" } { (if title.is_empty() { name } else { title }) }
                        }
                    }
                }
            }
        }
    }

    fn last(&self, index: &Index) -> Markup {
        let Some(figures) = &index.figures else { return html! { "?" } };
        let Some(last) = figures.last else { return html! { span.stale { "no records yet" } } };
        let stale = self.now.micros() - last.micros() > STALE_MICROS;
        html! { span .stale[stale] title=(last) { (age(last, self.now)) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_fell_silent_is_seen() {
        let now = Ts::from_micros(1_795_341_600_000_000);
        let (web, cron): (IndexName, IndexName) = ("web".parse().expect("a name"), "cron".parse().expect("a name"));
        let index = |name, seconds: i64| Index {
            name,
            title: "T<",
            figures: Some(Figures { recent: 41_203, last: Some(now.plus_seconds(-seconds)), sparkline: vec![0, 5, 9] }),
            backlog: None,
            shortcuts: vec![("slow", "Slow requests")],
        };
        let view = View {
            frame: Frame { base: "/", ..Frame::default() },
            now,
            indexes: vec![index(&web, 1), index(&cron, 10_800)],
            warnings: vec![],
        };
        let html = view.page().into_string();
        assert!(html.contains("41,203"), "{html}");
        assert_eq!(html.matches("class=\"stale\"").count(), 1, "{html}");
        assert!(html.contains("3 h ago"), "{html}");
        assert!(html.contains("href=\"/grep/shortcut/slow/\""), "{html}");
    }
}
