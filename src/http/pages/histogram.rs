//! The records of a search over its range: bars that lead into their own minute.
//!
//! Each bar's link is a block character, which is all that browsers without drawings show; style.css hides it and lays the link
//! over its bar. Sixty links are too many to tab through: keyboards and screen readers have those to the highest bars.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::http::pages::{links, records, thousands};
use crate::query::{Query, edit};
use crate::time::{Range, Ts};

/// Bars over the range: wide enough to be hit with a finger on a phone, and each costs about 150 bytes.
pub const HISTOGRAM_BARS: usize = 60;
/// In the drawing's own units; style.css stretches it.
const DRAWING_HEIGHT: u64 = 60;
const BAR_WIDTH: u64 = 12;

#[derive(Clone, Debug)]
pub struct HistogramView<'a> {
    pub query: &'a Query,
    pub zone: &'a TimeZone,
    pub bars: &'a [HistogramBar],
    /// not all of the range was counted
    pub partial: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistogramBar {
    pub range: Range,
    pub total: u64,
    /// parts of the total
    pub warnings: u64,
    pub errors: u64,
}

impl HistogramView<'_> {
    pub fn markup(&self) -> Markup {
        let (Some(first), Some(last)) = (self.bars.first(), self.bars.last()) else { return html! {} };
        let most = self.bars.iter().map(|bar| bar.total).max().unwrap_or(0);
        if most == 0 {
            return html! {};
        }

        html! {
            section.hist aria-label="Records over time" {
                div.plot {
                    (drawing(self.bars, most))
                    div.bars aria-hidden="true" {
                        @for bar in self.bars {
                            @if bar.total > 0 {
                                a href=(self.zoom(bar)) title=(self.title(bar)) tabindex="-1" { (block(bar.total, most)) }
                            } @else { i { "·" } }
                        }
                    }
                }
                p.scale {
                    span { (self.label(first.range.start)) }
                    " "
                    span.peaks {
                        @if let Some(bar) = self.bars.iter().max_by_key(|bar| bar.total) {
                            "peak " (thousands(bar.total)) " at "
                            a href=(self.zoom(bar)) { (self.clock(bar.range.start)) }
                        }
                        @if let Some(bar) = self.bars.iter().max_by_key(|bar| bar.errors) && bar.errors > 0 {
                            " · most errors " (thousands(bar.errors)) " at "
                            a href=(self.zoom(bar)) { (self.clock(bar.range.start)) }
                        }
                        @if self.partial { " · not all of it was counted in time" }
                        " · "
                        a href=(links::to("", &edit::wider(self.query, Range { start: first.range.start, end: last.range.end }, self.zone))) { "zoom out" }
                    }
                    " "
                    span { (self.label(last.range.end)) }
                }
            }
        }
    }

    /// A time of day, to the unit by which bars differ: minutes, seconds or milliseconds.
    fn clock(&self, ts: Ts) -> String {
        // the first and the last bar may be shorter
        let micros = self.bars.iter().map(|bar| bar.range.end.micros() - bar.range.start.micros()).max().unwrap_or(0);
        match micros {
            n if n < 1_000_000 => ts.clock_in(self.zone, 3),
            n if n < 60_000_000 => ts.clock_in(self.zone, 0),
            _ => ts.clock_in(self.zone, 0)[..5].to_owned(),
        }
    }

    fn label(&self, ts: Ts) -> String {
        let day_of = |at: usize| self.bars.get(at).map(|bar| bar.range.start.date_in(self.zone));
        match day_of(0) == day_of(self.bars.len() - 1) {
            true => self.clock(ts),
            false => format!("{} {}", ts.date_in(self.zone), &ts.clock_in(self.zone, 0)[..5]),
        }
    }

    fn zoom(&self, bar: &HistogramBar) -> String {
        links::to("", &edit::within(self.query, bar.range, self.zone))
    }

    fn title(&self, bar: &HistogramBar) -> String {
        let mut title = format!("{} · {}", self.clock(bar.range.start), records(bar.total));
        if bar.warnings > 0 {
            title += &format!(", {} warning{}", thousands(bar.warnings), if bar.warnings == 1 { "" } else { "s" });
        }
        if bar.errors > 0 {
            title += &format!(", {} error{}", thousands(bar.errors), if bar.errors == 1 { "" } else { "s" });
        }
        title
    }
}

/// Errors at the bottom, warnings on them, the rest on top: three paths, whatever the number of bars.
fn drawing(bars: &[HistogramBar], most: u64) -> Markup {
    let mut paths = [String::new(), String::new(), String::new()];
    for (at, bar) in bars.iter().enumerate() {
        // a bar with any record is visible: at least one unit high
        let height = |count: u64| (count * DRAWING_HEIGHT / most).max(u64::from(count > 0)).min(DRAWING_HEIGHT);
        let mut base = DRAWING_HEIGHT;
        let rest = bar.total.saturating_sub(bar.errors).saturating_sub(bar.warnings);
        for (path, count) in paths.iter_mut().zip([bar.errors, bar.warnings, rest]) {
            let height = height(count).min(base);
            if height > 0 {
                base -= height;
                let x = at as u64 * BAR_WIDTH + 1;
                write!(path, "M{x} {base}h{}v{height}h-{}z", BAR_WIDTH - 2, BAR_WIDTH - 2).expect("a String takes all");
            }
        }
    }
    html! {
        svg viewBox={ "0 0 " (bars.len() as u64 * BAR_WIDTH) " " (DRAWING_HEIGHT) } preserveAspectRatio="none" aria-hidden="true" {
            @for (path, class) in paths.iter().zip(["e", "w", "i"]) {
                @if !path.is_empty() { path class=(class) d=(path) {} }
            }
        }
    }
}

/// `▁` to `█`
fn block(count: u64, most: u64) -> char {
    ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][(count * 8).div_ceil(most.max(1)).clamp(1, 8) as usize - 1]
}

/// The same in characters, for browsers that show no drawings.
pub fn blocks(counts: &[u64]) -> String {
    let most = counts.iter().copied().max().unwrap_or(0);
    counts.iter().map(|count| if *count == 0 { '·' } else { block(*count, most) }).collect()
}

/// Bars in a few pixels; `class` is that of the path.
pub fn sparkline(counts: &[u64], class: &str) -> Markup {
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let mut path = String::new();
    for (at, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = (count * 20 / most).max(1);
        write!(path, "M{} {}h3v{height}h-3z", at * 4, 20 - height).expect("a String takes all");
    }
    html! {
        svg viewBox={ "0 0 " (counts.len() * 4) " 20" } preserveAspectRatio="none" aria-hidden="true" {
            @if !path.is_empty() { path class=(class) d=(path) {} }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(counts: &[(u64, u64, u64)]) -> Vec<HistogramBar> {
        let start = Ts::from_micros(1_795_341_600_000_000);
        let range = |at: usize| Range {
            start: start.plus_seconds(at as i64 * 60),
            end: start.plus_seconds(at as i64 * 60 + 60),
        };
        counts
            .iter()
            .enumerate()
            .map(|(at, (total, warnings, errors))| HistogramBar {
                range: range(at),
                total: *total,
                warnings: *warnings,
                errors: *errors,
            })
            .collect()
    }

    #[test]
    fn a_bar_leads_into_its_own_minute() {
        let query = Query::from_url(vec!["web".parse().expect("a name")], "search=x&cursor=a1.2.3.4").expect("a query");
        let bars = bars(&[(10, 0, 0), (0, 0, 0), (400, 3, 90)]);
        let html =
            HistogramView { query: &query, zone: &TimeZone::UTC, bars: &bars, partial: false }.markup().into_string();
        assert!(html.contains("title=\"10:02 · 400 records, 3 warnings, 90 errors\""), "{html}");
        let bars = html.split_once("</div>").expect("an end of the bars").0;
        assert_eq!(bars.matches(" tabindex=\"-1\">").count(), 2, "{html}");
        let (_, href) = bars.split_once("<a href=\"?").expect("a bar");
        let (href, _) = href.split_once('"').expect("its end");
        let zoomed = Query::from_url(query.indexes.clone(), &href.replace("&amp;", "&")).expect(href);
        assert_eq!(zoomed.start.expect("a start").to_string(), "2026-11-22 10:00");
        assert_eq!((zoomed.search.as_str(), zoomed.cursor), ("x", None));
        for part in ["▁</a><i>·</i><a ", "█</a></div>", "peak 400 at <a ", "most errors 90 at <a ", ">zoom out</a>"]
        {
            assert!(html.contains(part), "no {part} in {html}");
        }
    }

    #[test]
    fn a_small_bar_is_seen_next_to_a_giant() {
        let drawn = drawing(&bars(&[(1, 0, 1), (1_000_000, 0, 0)]), 1_000_000).into_string();
        assert!(drawn.contains("class=\"e\" d=\"M1 59h10v1h-10z\""), "{drawn}");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let query = Query::from_url(vec!["web".parse().expect("a name")], "").expect("a query");
        for bars in [vec![], bars(&[(0, 0, 0)])] {
            let html = HistogramView { query: &query, zone: &TimeZone::UTC, bars: &bars, partial: false }.markup();
            assert_eq!(html.into_string(), "");
        }
    }
}
