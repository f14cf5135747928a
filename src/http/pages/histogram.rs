//! The records of a search over its range: bars that lead into their own minute.
//!
//! Two bars choose a range: the first one shows its own time, while the bars stay those of the whole (`overview` of the query); the
//! second one ends the range.
//!
//! Each bar's link is a block character, which is all that browsers without drawings show; style.css hides it and lays the link
//! over its bar. Sixty links are too many to tab through: keyboards and screen readers have those to the highest bars.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::http::pages::links::SearchLinks;
use crate::http::pages::{records, thousands};
use crate::query::{Query, edit};
use crate::time::{Range, SECOND_MICROS, Ts, WallClock, When, clock_steps_micros};

/// Bars over the range: wide enough to be hit with a finger on a phone, and each costs about 150 bytes.
pub const HISTOGRAM_BARS: usize = 60;
/// In the drawing's own units; style.css stretches it.
const DRAWING_HEIGHT: u64 = 60;
const BAR_WIDTH: u64 = 12;
const FEWEST_TICKS: usize = 3;
const MOST_TICKS: usize = 5;
/// A tick that is nearer to an end would write over its text.
const END_PERMILLE: usize = 60;
const DAY_MICROS: i64 = 86_400 * SECOND_MICROS;

#[derive(Clone, Debug)]
pub struct HistogramView<'a> {
    pub query: &'a Query,
    pub links: &'a SearchLinks,
    pub zone: &'a TimeZone,
    pub bars: &'a [HistogramBar],
    /// not all of the range was counted
    pub partial: bool,
    /// the range of the query, where the bars are of a longer one
    pub chosen: Option<Range>,
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
        let ticks = ticks(self.bars, self.zone);
        let is_one_day = self.is_one_day();

        html! {
            section.hist aria-label="Records over time" {
                p.most aria-hidden="true" { (thousands(most)) }
                " "
                div.plot {
                    (self.drawing(most, &ticks))
                    div.bars aria-hidden="true" {
                        @for bar in self.bars {
                            @if bar.total > 0 {
                                a href=(self.zoom(bar)) title=(self.title(bar)) tabindex="-1" { (block(bar.total, most)) }
                            } @else { i { "·" } }
                        }
                    }
                }
                (self.scale(&ticks))
                p.peaks {
                    @if let Some(bar) = self.bars.iter().max_by_key(|bar| bar.total) {
                        "peak " (thousands(bar.total)) " at "
                        a href=(self.zoom(bar)) { (self.label(bar.range.start, is_one_day)) }
                    }
                    @if let Some(bar) = self.bars.iter().max_by_key(|bar| bar.errors) && bar.errors > 0 {
                        " · most errors " (thousands(bar.errors)) " at "
                        a href=(self.zoom(bar)) { (self.label(bar.range.start, is_one_day)) }
                    }
                    @if self.partial { " · not all of it was counted in time" }
                    @match self.chosen {
                        Some(chosen) => {
                            " · shown: " (self.clock(chosen.start)) " to " (self.clock(chosen.end))
                            ". Another bar ends the range there. "
                            a href=(self.links.to("", &edit::from_to(self.query, self.query.start.clone(), self.query.end.clone()))) { "zoom in" }
                            @if let Some(whole) = edit::whole(self.query) { " " a href=(self.links.to("", &whole)) { "all of it" } }
                        },
                        None => {
                            " · "
                            a href=(self.links.to("", &edit::wider(self.query, Range { start: first.range.start, end: last.range.end }, self.zone))) { "zoom out" }
                            span.hint { " · a bar shows its own time; a second one then ends the range" }
                        },
                    }
                }
            }
        }
    }

    /// The times below the bars: both ends, and the ticks between them.
    fn scale(&self, ticks: &[Tick]) -> Markup {
        let (first, last) = (self.bars[0], self.bars[self.bars.len() - 1]);
        let is_one_day = self.is_one_day();
        // on a phone, the texts of the ends take more of the scale
        let near_permille = if is_one_day { 190 } else { 320 };
        html! {
            svg.ticks aria-hidden="true" {
                text x="0" y="12" { (self.label(first.range.start, is_one_day)) }
                @for tick in ticks {
                    @let permille = tick.at * 1000 / self.bars.len();
                    @let is_near = room_permille(tick.at, self.bars.len()) < near_permille;
                    " "
                    text class=[is_near.then_some("near")] x={ (permille / 10) "." (permille % 10) "%" } y="12" { (tick.label) }
                }
                " "
                text x="100%" y="12" { (self.label(last.range.end, is_one_day)) }
            }
        }
    }

    /// A time of day, to the unit by which bars differ: minutes, seconds or milliseconds.
    fn clock(&self, ts: Ts) -> String {
        clock(ts, self.zone, bar_micros(self.bars))
    }

    /// True if all bars begin on one day of the reader's.
    fn is_one_day(&self) -> bool {
        let day = |bar: Option<&HistogramBar>| bar.map(|bar| bar.range.start.date_in(self.zone));
        day(self.bars.first()) == day(self.bars.last())
    }

    fn label(&self, ts: Ts, is_one_day: bool) -> String {
        match is_one_day {
            true => self.clock(ts),
            false => format!("{} {}", &ts.date_in(self.zone)[5..], &ts.clock_in(self.zone, 0)[..5]),
        }
    }

    /// The lines of the bar alone; or where one is chosen, those from one to the other.
    fn zoom(&self, bar: &HistogramBar) -> String {
        let range = self.whole_seconds(bar.range);
        let query = match self.chosen {
            None => edit::part(self.query, range, self.zone),
            Some(chosen) if chosen.start <= bar.range.start && bar.range.end <= chosen.end => {
                edit::within(self.query, range, self.zone)
            }
            Some(chosen) => {
                let range = Range { start: chosen.start.min(range.start), end: chosen.end.max(range.end) };
                edit::within(self.query, range, self.zone)
            }
        };
        self.links.to("", &query)
    }

    /// The end of the whole that depends on the present has microseconds that no reader asked for.
    fn whole_seconds(&self, range: Range) -> Range {
        let second = |ts: Ts| ts.plus_micros(-ts.micros().rem_euclid(SECOND_MICROS));
        if bar_micros(self.bars) < SECOND_MICROS {
            return range;
        }
        let outer = edit::whole(self.query);
        let outer = outer.as_ref().unwrap_or(self.query);
        let is_relative = |when: Option<&When>| matches!(when, None | Some(When::Ago(_) | When::Now));
        let start = if is_relative(outer.start.as_ref()) { second(range.start) } else { range.start };
        let end =
            if is_relative(outer.end.as_ref()) { second(range.end.plus_micros(SECOND_MICROS - 1)) } else { range.end };
        Range { start, end }
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

    fn drawing(&self, most: u64, ticks: &[Tick]) -> Markup {
        let width = self.bars.len() as u64 * BAR_WIDTH;
        let mut grid = format!("M0 0h{width}");
        for tick in ticks {
            write!(grid, "M{} 0v{DRAWING_HEIGHT}", tick.at as u64 * BAR_WIDTH).expect("a String takes all");
        }
        let is_chosen = |bar: &HistogramBar| {
            self.chosen.is_some_and(|chosen| chosen.start < bar.range.end && bar.range.start < chosen.end)
        };
        let mut chosen = String::new();
        for (at, _) in self.bars.iter().enumerate().filter(|(_, bar)| is_chosen(bar)) {
            write!(chosen, "M{} 0h{BAR_WIDTH}v{DRAWING_HEIGHT}h-{BAR_WIDTH}z", at as u64 * BAR_WIDTH)
                .expect("a String takes all");
        }
        html! {
            svg viewBox={ "0 0 " (width) " " (DRAWING_HEIGHT) } preserveAspectRatio="none" aria-hidden="true" {
                @if !chosen.is_empty() { path.chosen d=(chosen) {} }
                path.grid d=(grid) {}
                (paths(self.bars, most))
            }
        }
    }
}

/// The length of a bar: the first and the last one may be shorter.
fn bar_micros(bars: &[HistogramBar]) -> i64 {
    bars.iter().map(|bar| bar.range.end.micros() - bar.range.start.micros()).max().unwrap_or(0)
}

fn clock(ts: Ts, zone: &TimeZone, step_micros: i64) -> String {
    match step_micros {
        n if n < SECOND_MICROS => ts.clock_in(zone, 3),
        n if n < 60 * SECOND_MICROS => ts.clock_in(zone, 0),
        _ => ts.clock_in(zone, 0)[..5].to_owned(),
    }
}

/// How far a bar begins from the nearer end of all bars.
fn room_permille(at: usize, number: usize) -> usize {
    at.min(number - at) * 1000 / number
}

/// The start of a bar that is a whole step of the reader's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tick {
    /// the number of the bar
    at: usize,
    label: String,
}

/// Three to five ticks where there are enough bars, none of them too near to an end.
fn ticks(bars: &[HistogramBar], zone: &TimeZone) -> Vec<Tick> {
    let wall = WallClock::of(zone);
    let civil = |ts: Ts| ts.micros() + wall.ahead_micros(ts);
    let number = bars.len();
    let of = |step: i64| {
        let bars = bars.iter().enumerate().skip(1);
        let inner = bars.filter(|(at, _)| room_permille(*at, number) >= END_PERMILLE);
        inner.filter(|(_, bar)| civil(bar.range.start).rem_euclid(step) == 0).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let steps: Vec<i64> = clock_steps_micros().filter(|step| *step >= bar_micros(bars)).collect();
    let widest = steps.iter().rev().map(|step| (*step, of(*step))).find(|(_, at)| at.len() >= FEWEST_TICKS);
    let (mut step, mut at) = widest.unwrap_or_else(|| (bar_micros(bars), of(1)));
    if at.len() > MOST_TICKS {
        step *= 2;
        at = of(step);
    }
    let label = |ts: Ts| match civil(ts).rem_euclid(DAY_MICROS) {
        0 => ts.date_in(zone)[5..].to_owned(),
        _ => clock(ts, zone, step),
    };
    at.into_iter().map(|at| Tick { at, label: label(bars[at].range.start) }).collect()
}

/// Errors at the bottom, warnings on them, the rest on top: three paths, whatever the number of bars.
fn paths(bars: &[HistogramBar], most: u64) -> Markup {
    let mut paths = [String::new(), String::new(), String::new()];
    for (at, bar) in bars.iter().enumerate() {
        // a bar with any record is visible: at least one unit high
        let height = |count: u64| (count * DRAWING_HEIGHT / most).max(u64::from(count > 0)).min(DRAWING_HEIGHT);
        let mut base = DRAWING_HEIGHT;
        let rest = bar.total.saturating_sub(bar.errors).saturating_sub(bar.warnings);
        for (path, count) in paths.iter_mut().zip([bar.errors, bar.warnings, rest]) {
            let height = height(count).min(base);
            if height > 0 {
                // a line as wide as style.css makes it: outlines would be twice as heavy
                let x = at as u64 * BAR_WIDTH + BAR_WIDTH / 2;
                write!(path, "M{x} {base}v-{height}").expect("a String takes all");
                base -= height;
            }
        }
    }
    html! {
        @for (path, class) in paths.iter().zip(["e", "w", "i"]) {
            @if !path.is_empty() { path class=(class) d=(path) {} }
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

    const WHOLE_SEARCH: &SearchLinks = &SearchLinks::new(None);
    const UTC: &TimeZone = &TimeZone::UTC;

    fn view<'a>(query: &'a Query, bars: &'a [HistogramBar], chosen: Option<Range>) -> HistogramView<'a> {
        HistogramView { query, links: WHOLE_SEARCH, zone: UTC, bars, partial: false, chosen }
    }

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
        let html = view(&query, &bars, None).markup().into_string();
        assert!(html.contains("title=\"10:02 · 400 records, 3 warnings, 90 errors\""), "{html}");
        let bars = html.split_once("</div>").expect("an end of the bars").0;
        assert_eq!(bars.matches(" tabindex=\"-1\">").count(), 2, "{html}");
        let (_, href) = bars.split_once("<a href=\"?").expect("a bar");
        let (href, _) = href.split_once('"').expect("its end");
        let zoomed = Query::from_url(query.indexes.clone(), &href.replace("&amp;", "&")).expect(href);
        assert_eq!(zoomed.start.expect("a start").to_string(), "2026-11-22 10:00");
        assert_eq!((zoomed.search.as_str(), zoomed.cursor), ("x", None));
        for part in [
            "▁</a><i>·</i><a ",
            "█</a></div>",
            "peak 400 at <a ",
            "most errors 90 at <a ",
            ">zoom out</a>",
            "<p class=\"most\" aria-hidden=\"true\">400</p>",
        ] {
            assert!(html.contains(part), "no {part} in {html}");
        }
    }

    #[test]
    fn a_second_bar_ends_the_range() {
        let bars = bars(&[(1, 0, 0), (2, 0, 0), (3, 0, 0), (4, 0, 0)]);
        let links = |query: &str, chosen: Option<Range>| -> Vec<String> {
            let query = Query::from_url(vec!["web".parse().expect("a name")], query).expect(query);
            let view = view(&query, &bars, chosen);
            bars.iter().map(|bar| view.zoom(bar).replace("2026-11-22+", "")).collect()
        };
        assert_eq!(links("start_ts=-1h", None)[1], "?start_ts=10:01&end_ts=10:02&overview=-1h");
        let second = links("start_ts=2026-11-22+10:01&end_ts=2026-11-22+10:02&overview=-1h", Some(bars[1].range));
        let expect = ["10:00&end_ts=10:02", "10:01&end_ts=10:02", "10:01&end_ts=10:03", "10:01&end_ts=10:04"];
        assert_eq!(second, expect.map(|range| format!("?start_ts={range}")));
        // by the second, where the range depends on the present
        let from = Range { start: bars[0].range.start.plus_micros(1), end: bars[0].range.end.plus_micros(-1) };
        let query = |text: &str| Query::from_url(vec!["web".parse().expect("a name")], text).expect(text);
        for (text, expect) in [
            ("", "?start_ts=2026-11-22+10:00&end_ts=2026-11-22+10:01&overview=.."),
            (
                "start_ts=10:00&end_ts=10:01",
                "?start_ts=2026-11-22+10:00:00.000001&end_ts=2026-11-22+10:00:59.999999&overview=10:00..10:01",
            ),
        ] {
            let query = query(text);
            let view = view(&query, &bars, None);
            assert_eq!(view.zoom(&HistogramBar { range: from, ..bars[0] }), expect);
        }
    }

    #[test]
    fn ticks_stand_at_whole_steps_of_the_clock() {
        for (start, seconds, number, zone, expect) in [
            ("2026-11-22T10:00:00Z", 60, 60, "UTC", "15 10:15, 30 10:30, 45 10:45"),
            ("2026-11-22T10:10:00Z", 600, 36, "UTC", "5 11:00, 11 12:00, 17 13:00, 23 14:00, 29 15:00"),
            ("2026-11-22T10:00:00Z", 5, 60, "UTC", "12 10:01, 24 10:02, 36 10:03, 48 10:04"),
            ("2026-11-22T10:00:00Z", 3600, 48, "Europe/Berlin", "13 11-23, 25 12:00, 37 11-24"),
            ("2026-11-22T00:00:00Z", 86_400, 30, "UTC", "6 11-28, 11 12-03, 16 12-08, 21 12-13, 26 12-18"),
            ("2026-11-22T10:00:00Z", 60, 3, "UTC", "1 10:01, 2 10:02"),
            ("2026-11-22T10:00:00Z", 60, 1, "UTC", ""),
        ] {
            let zone = crate::time::zone(zone).expect("a known zone");
            let start = crate::time::parse_rfc3339(start, &TimeZone::UTC).expect(start);
            let range = |at: i64| Range {
                start: start.plus_seconds(at * seconds),
                end: start.plus_seconds((at + 1) * seconds),
            };
            let bars: Vec<HistogramBar> =
                (0..number).map(|at| HistogramBar { range: range(at), total: 1, warnings: 0, errors: 0 }).collect();
            let found: Vec<String> =
                ticks(&bars, &zone).iter().map(|tick| format!("{} {}", tick.at, tick.label)).collect();
            assert_eq!(found.join(", "), expect);
        }
    }

    #[test]
    fn a_small_bar_is_seen_next_to_a_giant() {
        let drawn = paths(&bars(&[(1, 0, 1), (1_000_000, 0, 0)]), 1_000_000).into_string();
        assert!(drawn.contains("class=\"e\" d=\"M6 60v-1\""), "{drawn}");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let query = Query::from_url(vec!["web".parse().expect("a name")], "").expect("a query");
        for bars in [vec![], bars(&[(0, 0, 0)])] {
            let html = view(&query, &bars, None).markup();
            assert_eq!(html.into_string(), "");
        }
    }
}
