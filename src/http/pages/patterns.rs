//! The patterns of the messages that a search finds: each once, with its number, levels and times. A click shows its lines, − hides it.

use std::num::NonZeroUsize;

use maud::{Markup, html};

use crate::http::pages::marked::marked;
use crate::http::pages::search::SearchForm;
use crate::http::pages::{Frame, histogram, links, note, records, thousands};
use crate::query::{Against, Format, PatternSort, Query, edit};
use crate::record::level::Level;
use crate::record::pattern::memory::Novelty;
use crate::record::pattern::{PatternHash, PatternTexts, variable_parts};
use crate::render::escape::{cut, visible_in_line};
use crate::render::patterns::{change_shown, others, pattern_shown, shortcomings};
use crate::search::hit::Count;
use crate::search::pattern_counts::{PatternCount, PatternCounts};
use crate::time::Ts;

/// Longer patterns and lines are cut: the lines of the pattern have all of it.
const PATTERN_CHARS: usize = 400;

pub struct PatternsView<'a> {
    pub frame: Frame<'a>,
    pub query: &'a Query,
    /// of its filters
    pub pattern_texts: PatternTexts,
    pub found: &'a PatternCounts,
    /// a time, as short as the range allows
    pub moment: &'a dyn Fn(Ts) -> String,
    /// whether a pattern is new in the range; None: not known now
    pub novelty: &'a dyn Fn(PatternHash) -> Option<Novelty>,
    /// why alco does not know of all patterns whether they are new
    pub unknown: Option<String>,
    /// the same search in the range that it is compared with
    pub before: Option<Query>,
    /// the end of the range: an age of the last record needs a now
    pub until: Ts,
    /// the length of a longer list, if there is one
    pub more: Option<NonZeroUsize>,
}

impl PatternsView<'_> {
    pub fn page(&self) -> Markup {
        let indexes = self.query.indexes.title();
        let Frame { base, zone, links, .. } = &self.frame;
        let main = html! {
            (SearchForm { base, zone, links, query: self.query, pattern_texts: &self.pattern_texts }.markup())
            main {
                (self.bar())
                h1.vh { "Patterns of " (indexes) }
                @for lack in shortcomings(self.found) { (note(html! { (visible_in_line(&lack)) })) }
                @if let Some(why) = &self.unknown { (note(html! { (why) })) }
                (self.total())
                @if self.found.patterns.is_empty() {
                    (self.nothing())
                } @else { (self.table()) }
                (self.end())
            }
        };
        self.frame.page(&format!("patterns of {indexes}"), main)
    }

    fn nothing(&self) -> Markup {
        let all = Query { only_new: false, ..self.query.clone() };
        html! {
            section #log .nothing {
                @if !self.found.exact { h2 { "Nothing found yet" } p { a href=(self.lines(self.query)) { "The page of the lines" } " goes on from where the time ran out." } }
                @else if self.query.only_new { h2 { "No new patterns" } p { a href=(links::to("", &all)) { "All patterns of the search" } } }
                @else { h2 { "No records" } p { a href=(self.lines(self.query)) { "The page of the lines" } " shows where to look." } }
            }
        }
    }

    fn bar(&self) -> Markup {
        let query = self.query;
        let mut sorts = vec![(None, if query.against.is_some() { "most changed" } else { "most frequent" })];
        sorts.extend(query.against.map(|_| (Some(PatternSort::Frequent), "most frequent")));
        sorts.extend([
            (Some(PatternSort::Rare), "rarest"),
            (Some(PatternSort::Newest), "newest"),
            (Some(PatternSort::Level), "by level"),
        ]);
        let choice = |name: &str, is_chosen: bool, chosen: Query| html! { a href=(self.frame.links.to("", &chosen)) aria-current=[is_chosen.then_some("true")] { (name) } };
        html! {
            div.bar {
                a href=(self.lines(query)) { "← lines" }
                " "
                span.quick {
                    @for (sort, name) in sorts { (choice(name, sort == query.sort, Query { sort, ..query.clone() })) " " }
                }
                " "
                span.quick { (choice("only new", query.only_new, Query { only_new: !query.only_new, ..query.clone() })) }
                " "
                span.quick {
                    span.dim { "against" } " "
                    @for (against, name) in [(Against::Before, "the range before"), (Against::Yesterday, "the same hours yesterday")] {
                        @let is_chosen = query.against == Some(against);
                        @let against = Some(against).filter(|_| !is_chosen);
                        (choice(name, is_chosen, Query { against, ..query.clone() })) " "
                    }
                }
                " "
                span.end {
                    @for format in Format::STREAMS {
                        a href=(links::to("", &Query { format, limit: None, ..self.query.clone() })) { (format.label()) }
                        " "
                    }
                }
            }
        }
    }

    fn total(&self) -> Markup {
        let (exactly, number) = match self.found.number {
            Count::Exact(number) | Count::AtMost(number) => ("", number),
            Count::AtLeast(number) => ("at least ", number),
        };
        html! {
            p.total {
                (if self.found.exact { "exactly " } else { "at least " })
                b.num { (thousands(self.found.records)) } (if self.found.records == 1 { " record" } else { " records" })
                @if let Some((before, lines)) = self.found.before.as_ref().zip(self.before.as_ref()) {
                    ", and "
                    a href=(self.lines(lines)) {
                        (if before.exact { "exactly " } else { "at least " })
                        b.num { (thousands(before.records)) } " from " ((self.moment)(before.range.start)) " to " ((self.moment)(before.range.end))
                    }
                    ","
                }
                " in " (exactly) b.num { (thousands(number)) } (if number == 1 { " pattern" } else { " patterns" })
                @if self.found.only_frequent { ", of which the most frequent are listed" }
                @else if let Some(errors) = self.errors() { ", " b.num { (thousands(errors)) } " of them error or worse" }
                ", until " ((self.moment)(self.until))
                @let (all, hidden) = edit::with_hidden_patterns(self.query);
                @if hidden > 0 { ". " (hidden) (if hidden == 1 { " is hidden: " } else { " are hidden: " }) a href=(self.frame.links.to("", &all)) { "show all" } }
            }
        }
    }

    /// The records of errors, if all patterns are listed.
    fn errors(&self) -> Option<u64> {
        let listed = &self.found.patterns;
        let is_all = others(self.found).is_none() && !listed.iter().any(PatternCount::is_gone);
        let errors = listed.iter().flat_map(PatternCount::by_level).filter(|(level, _)| level.is_error());
        is_all.then(|| errors.map(|(_, number)| number).sum())
    }

    fn table(&self) -> Markup {
        html! {
            table.indexes.patterns #log {
                thead {
                    tr {
                        @if self.before.is_some() { th.n scope="col" { "now" } th.n scope="col" { "before" } th scope="col" { "change" } }
                        @else { th.n scope="col" { "records" } }
                        th scope="col" { "level" }
                        th scope="col" { "over time" }
                        th scope="col" { "pattern, and a line that has it" }
                        th.age scope="col" { "first, last" }
                    }
                }
                tbody { @for count in &self.found.patterns { (self.row(count)) } }
            }
        }
    }

    fn row(&self, count: &PatternCount) -> Markup {
        let shown = visible_in_line(pattern_shown(cut(&count.text, PATTERN_CHARS).0));
        let (lines, number) = match (&self.before, count.records_before()) {
            (Some(before), Some(number)) if count.is_gone() => (before, number),
            _ => (self.query, count.records()),
        };
        let lines = self.lines(&edit::only_pattern(lines, count.pattern));
        html! {
            tr {
                td.n {
                    @if count.is_gone() { (thousands(count.records())) }
                    @else {
                        a href=(lines) { (thousands(count.records())) }
                        br;
                        span.num { (self.share(count)) }
                    }
                }
                @if let Some((before, number)) = self.before.as_ref().zip(count.records_before()) {
                    td.n .before { @if number > 0 { a href=(self.lines(&edit::only_pattern(before, count.pattern))) { (thousands(number)) } } @else { "0" } }
                    td.change { (change_shown(count.records(), number)) }
                }
                td {
                    @let is_only_one = count.by_level().count() == 1;
                    @for (at, (level, number)) in count.by_level().enumerate() {
                        @if at > 0 { " " }
                        span class={ "age " (level.class()) } { span.l { (level.name()) } @if !is_only_one { "\u{a0}" (thousands(number)) } }
                    }
                }
                td {
                    (histogram::sparkline(&count.bars, class(commonest(count))))
                    // for text browsers; a comparison has two columns more, and no room for it
                    @if self.before.is_none() { span.vh aria-hidden="true" { (histogram::blocks(&count.bars)) } }
                }
                td.p {
                    a href=(lines) title={ "the " (records(number)) } { (shown) }
                    " "
                    a.not href=(self.frame.links.to("", &edit::without_pattern(self.query, count.pattern))) title="hide it" aria-label={ "hide " (shown) } { "−" }
                    @if !count.is_gone() { (self.novelty(count.pattern)) }
                    @if let Some(index) = count.index.as_ref().filter(|_| self.query.indexes.len() > 1) {
                        " " span.dim title="the index of the line" { (index) }
                    }
                    @if let Some(line) = count.sample.as_ref().filter(|line| **line != count.text) { " " (sample(line)) }
                }
                td {
                    span.age title=(count.first) { ((self.moment)(count.first)) }
                    br;
                    span.age title=(count.last) { ((self.moment)(count.last)) }
                }
            }
        }
    }

    /// The mark of a new pattern. On the first day, a note for all patterns says that it is not known which are new.
    fn novelty(&self, pattern: PatternHash) -> Markup {
        match (self.novelty)(pattern) {
            Some(Novelty::New) => {
                // of a comparison, "new" is a change
                let name = if self.before.is_some() { "never before" } else { "new" };
                html! { " " b.new title="no record had it before this range" { (name) } }
            }
            Some(Novelty::UnknownBefore(time)) if self.unknown.is_none() => {
                html! { " " span.age title=(time) { "unknown before " ((self.moment)(time)) } }
            }
            _ => html! {},
        }
    }

    fn share(&self, count: &PatternCount) -> String {
        match count.records() as f64 * 100.0 / self.found.records.max(1) as f64 {
            percent if percent < 0.1 => "<\u{a0}0.1\u{a0}%".to_owned(),
            percent => format!("{percent:.1}\u{a0}%"),
        }
    }

    /// The others, and how to see them.
    fn end(&self) -> Markup {
        let Some(others) = others(self.found) else { return html! {} };
        let (at_least, number) = match others {
            Count::Exact(number) | Count::AtMost(number) => ("", number),
            Count::AtLeast(number) => ("at least ", number),
        };
        let text = Query { format: Format::Text, limit: None, ..self.query.clone() };
        html! {
            p.pages {
                span { (at_least) b.num { (thousands(number)) } (if number == 1 { " other pattern" } else { " other patterns" }) }
                " "
                @match self.more {
                    Some(more) => a href=(links::to("", &Query { limit: Some(more), ..self.query.clone() })) { "up to " (thousands(more.get() as u64)) " of them" },
                    None => a href=(links::to("", &text)) { "a longer list as text" },
                }
            }
        }
    }

    fn lines(&self, query: &Query) -> String {
        self.frame.links.to(&links::grep_path(self.frame.base, &query.indexes), &edit::lines(query))
    }
}

fn commonest(count: &PatternCount) -> Level {
    count.by_level().max_by_key(|(_, number)| *number).map_or(Level::Unknown, |(level, _)| level)
}

/// The class of a pattern's bars, as in the histogram of a log.
fn class(commonest: Level) -> &'static str {
    match commonest {
        level if level.is_error() => "e",
        Level::Warning => "w",
        _ => "i",
    }
}

/// A line of the log, its variable parts marked.
fn sample(line: &str) -> Markup {
    let (shown, is_cut) = cut(line, PATTERN_CHARS);
    let parts: Vec<_> = variable_parts(line).into_iter().filter(|part| part.end <= shown.len()).collect();
    html! { div.m { (marked(shown, &parts, 0)) @if is_cut { "…" } } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::pattern;
    use crate::search::pattern_counts::CountsBefore;
    use crate::time::Range;
    use std::collections::HashMap;

    fn count(message: &str, levels: [u64; 6]) -> PatternCount {
        let pattern::MessagePattern { text, hash } = pattern::of(message);
        let at = Ts::from_micros(1_795_341_600_000_000);
        let sample = Some(pattern::line(message).to_owned());
        let (index, bars) = ("billing".parse().ok(), vec![0, 1, 4]);
        PatternCount { pattern: hash, text, sample, index, levels, first: at, last: at, bars, before: None }
    }

    #[track_caller]
    fn page(url: &str, found: &PatternCounts, novelties: &HashMap<PatternHash, Novelty>) -> String {
        let query = Query::from_url(vec!["web".parse().expect("a name")], url).expect(url);
        let view = PatternsView {
            frame: Frame { base: "/logs/", ..Frame::default() },
            query: &query,
            pattern_texts: PatternTexts::new(),
            found,
            moment: &|_| "10:00:00".to_owned(),
            novelty: &|pattern| novelties.get(&pattern).copied(),
            unknown: None,
            before: found.before.map(|before| edit::between(&query, before.range)),
            until: Ts::from_micros(1_795_341_600_000_000),
            more: NonZeroUsize::new(1000),
        };
        view.page().into_string()
    }

    #[test]
    fn a_pattern_leads_to_its_lines_and_can_be_hidden() {
        let paid = count("order <b> 7 is \"paid\"", [0, 0, 999, 1, 0, 0]);
        let hash = paid.pattern;
        let found = PatternCounts {
            patterns: vec![paid, count("disk full", [0, 0, 0, 0, 0, 1])],
            number: Count::AtLeast(1234),
            records: 10_000,
            bars: Vec::new(),
            exact: false,
            has_whole_bars: true,
            only_frequent: true,
            warnings: vec!["a <day> is away".to_owned()],
            before: None,
        };
        let unknown = Novelty::UnknownBefore(Ts::from_micros(1_795_341_600_000_000));
        let novelties = HashMap::from([(hash, Novelty::New), (found.patterns[1].pattern, unknown)]);
        let html = page("search=x&limit=2&sort=rare", &found, &novelties);
        for part in [
            &*format!(
                "href=\"/logs/grep/web/?search=x&amp;pattern={hash}\" title=\"the 1,000 records\">order &lt;b&gt; * is *</a>"
            ),
            &format!("href=\"?search=x&amp;pattern__not={hash}&amp;sort=rare&amp;limit=2\" title=\"hide it\""),
            "order &lt;b&gt; <mark>7</mark> is <mark>&quot;paid&quot;</mark></div>",
            &format!(
                "<td class=\"n\"><a href=\"/logs/grep/web/?search=x&amp;pattern={hash}\">1,000</a><br><span class=\"num\">10.0\u{a0}%</span></td>"
            ),
            "<span class=\"age warning\"><span class=\"l\">warning</span>\u{a0}1</span> <span class=\"age info\">",
            "<span class=\"age critical\"><span class=\"l\">critical</span></span>",
            "\">1</a><br><span class=\"num\">&lt;\u{a0}0.1\u{a0}%</span></td>",
            ">·▂█</span>",
            "aria-current=\"true\">rarest</a>",
            "at least <b class=\"num\">10,000</b> records in at least <b class=\"num\">1,234</b> patterns, of which",
            "are listed, until 10:00:00",
            "a &lt;day&gt; is away",
            "title=\"no record had it before this range\">new</b>",
            ">unknown before 10:00:00</span>",
            "href=\"?search=x&amp;sort=rare&amp;only_new=1&amp;limit=2\">only new</a>",
            "at least <b class=\"num\">1,232</b> other patterns",
            "href=\"?search=x&amp;sort=rare&amp;limit=1000\">up to 1,000 of them</a>",
            "href=\"/logs/grep/web/?search=x\">← lines</a>",
        ] {
            assert!(html.contains(part), "no {part} in {html}");
        }
        assert_eq!(html.matches("disk full").count(), 2, "a line that is its own pattern stands once: {html}");
    }

    #[test]
    fn a_list_of_nothing_leads_to_the_lines() {
        let found = PatternCounts {
            patterns: Vec::new(),
            number: Count::Exact(0),
            records: 0,
            bars: Vec::new(),
            exact: true,
            has_whole_bars: true,
            only_frequent: false,
            warnings: Vec::new(),
            before: None,
        };
        let html = page("", &found, &HashMap::new());
        assert!(
            html.contains("</b> patterns, <b class=\"num\">0</b> of them error or worse, until 10:00:00</p>"),
            "{html}"
        );
        assert!(html.contains("exactly <b class=\"num\">0</b> records in <b class=\"num\">0</b> patterns"), "{html}");
        assert!(html.contains("<a href=\"/logs/grep/web/\">The page of the lines</a>"), "{html}");
        let hiding = page("search=x&pattern__not=0123456789abcde,000000000000000", &found, &HashMap::new());
        assert!(hiding.contains(". 2 are hidden: <a href=\"?search=x\">show all</a>"), "{hiding}");
        let html = page("only_new=1", &found, &HashMap::new());
        assert!(html.contains("aria-current=\"true\">only new</a>"), "{html}");
        assert!(html.contains("<a href=\"./\">All patterns of the search</a>"), "{html}");
    }

    #[test]
    fn a_comparison_leads_into_both_ranges() {
        let (start, end) = (Ts::from_micros(1_795_334_400_000_000), Ts::from_micros(1_795_338_000_000_000));
        let counts = |message, now, before| PatternCount { before: Some(before), ..count(message, now) };
        let found = PatternCounts {
            patterns: vec![
                counts("order 7 paid", [0, 0, 12, 0, 0, 0], [0, 0, 1, 0, 0, 0]),
                counts("disk full", [0, 0, 0, 0, 1, 0], [0; 6]),
                counts("cache warm", [0; 6], [0, 0, 0, 1000, 0, 0]),
            ],
            number: Count::Exact(3),
            records: 13,
            bars: Vec::new(),
            exact: true,
            has_whole_bars: true,
            only_frequent: false,
            warnings: Vec::new(),
            before: Some(CountsBefore { range: Range { start, end }, records: 1001, exact: false }),
        };
        let [paid, full, warm] = [0, 1, 2].map(|at| found.patterns[at].pattern);
        let html = page("search=x&against=before", &found, &HashMap::from([(full, Novelty::New)]));
        let before = "href=\"/logs/grep/web/?start_ts=2026-11-22T08:00:00.000000Z&amp;end_ts=2026-11-22T09:00:00.000000Z&amp;search=x";
        for part in [
            &*format!(
                "<b class=\"num\">13</b> records, and <a {before}\">at least <b class=\"num\">1,001</b> from 10:00:00"
            ),
            "10:00:00</a>, in <b class=\"num\">3</b> patterns",
            &format!("<td class=\"n before\"><a {before}&amp;pattern={paid}\">1</a></td><td class=\"change\">×12</td>"),
            &format!("href=\"/logs/grep/web/?search=x&amp;pattern={paid}\" title=\"the 12 records\">order * paid</a>"),
            "<td class=\"n before\">0</td><td class=\"change\">new</td>",
            ">never before</b>",
            "<td class=\"n\">0</td>",
            "<td class=\"change\">gone</td>",
            "<span class=\"age warning\"><span class=\"l\">warning</span></span>",
            &format!("<a {before}&amp;pattern={warm}\" title=\"the 1,000 records\">cache warm</a>"),
            &format!("href=\"?search=x&amp;pattern__not={warm}&amp;against=before\" title=\"hide it\""),
            "href=\"?search=x&amp;against=before\" aria-current=\"true\">most changed</a>",
            "href=\"?search=x&amp;sort=frequent&amp;against=before\">most frequent</a>",
            "href=\"?search=x\" aria-current=\"true\">the range before</a>",
            "href=\"?search=x&amp;against=yesterday\">the same hours yesterday</a>",
            "href=\"/logs/grep/web/?search=x\">← lines</a>",
        ] {
            assert!(html.contains(part), "no {part} in {html}");
        }
    }
}
