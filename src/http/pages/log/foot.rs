//! The part after the lines of a log: the number of matches, links to go on, and suggestions on an empty page.

use maud::{Markup, html};

use crate::http::pages::log::view::LogView;
use crate::http::pages::{age, duration, note, thousands};
use crate::query::cursor::{Cursor, Place};
use crate::query::suggestion::{MissingColumn, Suggestion};
use crate::query::{Context, Filter, Mode, Order, Query, Within, edit};
use crate::render::escape::visible_in_line;
use crate::search::hit::Count;
use crate::time::{Range, Ts, When};

const PAGE_SIZES: [usize; 3] = [100, 300, 1000];

/// The facts that are known when the search has ended.
#[derive(Clone, Debug)]
pub struct LogFoot {
    pub previous: Option<Place>,
    pub next: Option<Place>,
    pub total: Total,
    /// if no message matches: the number of records that match in their columns
    pub in_all: Option<Total>,
    /// an error comes after the lines of this page
    pub has_later_error: bool,
    /// the time budget ended here
    pub reached: Option<Place>,
    /// by then, the first match, with which the whole log begins, was not found
    pub seeks_first: bool,
    pub warnings: Vec<String>,
    /// shown only on an empty page
    pub nearest: NearestRecords,
    /// columns of filters that no record of the range has
    pub missing_columns: Vec<MissingColumn>,
    /// the search that was probably meant, shown only on an empty page
    pub meant: Option<Suggestion>,
    /// false: a search that is offered finds nothing in this range either
    pub meant_may_find: bool,
    pub words_may_find: bool,
}

/// What there is outside the range of a search without matches.
#[derive(Clone, Copy, Debug, Default)]
pub struct NearestRecords {
    /// from the first record to the last one of its indexes, of any kind; None: there is none
    pub kept: Option<Range>,
    /// the last match before the range, and the first one after it; None: none, or not found in a moment
    pub before: Option<Ts>,
    pub after: Option<Ts>,
}

/// The lines that stand before the foot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Written {
    pub lines: usize,
    /// errors that follow each other are one group; the first line of the next one gets the number after theirs
    pub error_groups: usize,
    pub last_match: Option<Place>,
}

/// The number of matches, and whether it is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    Exactly(u64),
    AtLeast(u64),
    AtMost(u64),
    /// the search was broken off
    Unknown,
}

impl LogFoot {
    /// Lines may have been written by then.
    pub fn broken_off(why: String) -> LogFoot {
        LogFoot {
            previous: None,
            next: None,
            total: Total::Unknown,
            in_all: None,
            has_later_error: false,
            reached: None,
            seeks_first: false,
            warnings: vec![format!("The search broke off: {why}")],
            nearest: NearestRecords::default(),
            missing_columns: Vec::new(),
            meant: None,
            meant_may_find: false,
            words_may_find: false,
        }
    }

    /// The number of matches, of which `shown` are on the page. A missing part of the answer makes every count a lower bound.
    pub fn total_of(&self, count: Count, shown: u64) -> Total {
        match count {
            Count::Exact(number) if self.warnings.is_empty() => Total::Exactly(number),
            Count::AtMost(number) if self.warnings.is_empty() => Total::AtMost(number),
            Count::AtMost(_) => Total::AtLeast(shown),
            Count::Exact(number) | Count::AtLeast(number) => Total::AtLeast(number.max(shown)),
        }
    }

    /// Adds what is missing to the warnings, as far as they do not name it.
    pub fn lacks(&mut self, missing: Vec<String>) {
        let new: Vec<String> = missing.into_iter().filter(|what| !self.warnings.contains(what)).collect();
        self.warnings.extend(new);
    }
}

impl LogView<'_> {
    pub(super) fn total(&self, found: &LogFoot) -> Markup {
        let (word, title, number) = match found.total {
            Total::Exactly(number) => ("exactly", "counted by the index, or each one was checked", number),
            Total::AtLeast(number) => ("at least", "not all of the range could be counted in time", number),
            Total::AtMost(number) => {
                ("at most", "counted by the full-text index alone; not each one was checked", number)
            }
            Total::Unknown => return html! {},
        };
        let verb = match (self.query.selects(), number) {
            (false, _) => "",
            (true, 1) => " matches",
            (true, _) => " match",
        };
        let length = duration(self.range.end.micros() - self.range.start.micros());
        let between = format!("{} to {}", self.moment(self.range.start), self.moment(self.range.end));
        html! {
            p.total {
                span #total title=(title) { (word) " " b.num { (thousands(number)) } (if number == 1 { " record" } else { " records" }) (verb) }
                " in "
                span title=(between) { (length) }
            }
        }
    }

    pub(super) fn budget(&self, found: &LogFoot) -> Markup {
        let Some(reached) = found.reached else { return html! {} };
        let back = matches!(self.query.cursor, Some(Cursor::Before(_))) && !found.seeks_first;
        let earlier = back != (self.query.order() == Order::NewestFirst);
        let on = self.query.go_on(reached, found.seeks_first, self.range);
        note(html! {
            "The search ran out of time at " (self.moment(reached.ts)) "; no record "
            (if earlier { "before" } else { "after" }) " that time was searched. "
            a href=(self.link(&on)) { "Go on from there" }
        })
    }

    pub(super) fn pages(&self, written: &Written, found: &LogFoot) -> Markup {
        let q = self.query;
        // the page's order, in the words of time
        let (first, previous, next, last) = match q.order() {
            Order::OldestFirst => ("oldest", "← earlier", "later →", "newest"),
            Order::NewestFirst => ("newest", "← later", "earlier →", "oldest"),
        };
        let newest = |newest: bool| newest.then_some("0");
        let desc = q.order() == Order::NewestFirst;
        html! {
            // the last error of a page leads here, where the next page is
            nav.pages id={ "e" (written.error_groups + 1) } aria-label="Pages" {
                @if found.has_later_error && let Some(place) = written.last_match {
                    a.onward href=(self.frame.links.to("next-error/", &edit::after(q, place))) { "next error →" }
                    " "
                }
                @if found.previous.is_some() { a href=(self.link(&edit::first(q))) accesskey=[newest(desc)] { (first) } " " }
                @if let Some(place) = found.previous { a href=(self.link(&edit::before(q, place))) rel="prev" accesskey="p" { (previous) } " " }
                @if let Some(place) = found.next { a href=(self.link(&edit::after(q, place))) rel="next" accesskey="n" { (next) } " " }
                @if found.next.is_some() { a href=(self.link(&edit::last(q))) accesskey=[newest(!desc)] { (last) } " " }
                @if let Some(place) = self.newer(written, found) { a href=(self.link(&edit::after(q, place))) accesskey="n" { "check for newer →" } " " }
                @for size in PAGE_SIZES {
                    @if written.lines >= self.page_size && size != self.page_size {
                        a.dim href=(self.link(&Query { limit: std::num::NonZeroUsize::new(size), ..edit::first(q) })) { (size) " a page" } " "
                    }
                }
            }
        }
    }

    /// The place after which new records are still to come: that of the last match, if the range ends now.
    fn newer(&self, written: &Written, found: &LogFoot) -> Option<Place> {
        let open = found.next.is_none() && found.reached.is_none() && self.query.order() == Order::OldestFirst;
        let still = matches!(self.query.end, None | Some(When::Now));
        written.last_match.filter(|_| open && still)
    }

    /// A column of a filter that no record has, and the link that mends its name.
    pub(super) fn missing_column(&self, column: &MissingColumn) -> Markup {
        html! {
            "No record of this range has a column " b { (visible_in_line(&column.name)) } ". "
            @if let Some(near) = &column.nearest {
                "Did you mean " a href=(self.link(&edit::renamed(self.query, &column.name, near))) { (visible_in_line(near)) } "?"
            }
        }
    }

    /// The number that the same search finds in the columns, if it is known.
    fn in_all(&self, found: &LogFoot) -> Markup {
        let all = self.link(&Query { within: Within::All, ..edit::first(self.query) });
        let (word, number) = match found.in_all {
            Some(Total::Exactly(0)) => return html! { "No column matches either" },
            Some(Total::Exactly(number)) => ("", number),
            Some(Total::AtLeast(number)) if number > 0 => ("at least ", number),
            Some(Total::AtMost(number)) => ("at most ", number),
            _ => return html! { "Search " a href=(all) { "in all columns" } },
        };
        let (records, match_) = if number == 1 { ("record", "matches") } else { ("records", "match") };
        html! { a href=(all) { (word) (thousands(number)) " " (records) } " " (match_) " in the columns" }
    }

    /// For a range that ends before it begins.
    fn reversed(&self) -> Markup {
        let q = self.query;
        let swapped = q.start.clone().zip(q.end.clone()).map(|(start, end)| edit::from_to(q, Some(end), Some(start)));
        html! {
            p {
                "The range ends at " (self.moment(self.range.end)) ", before it begins at " (self.moment(self.range.start)) ". "
                @if let Some(swapped) = swapped { a href=(self.link(&swapped)) { "Swap from and to" } }
            }
        }
    }

    /// Suggestions, on an empty page.
    pub(super) fn nothing(&self, found: &LogFoot) -> Markup {
        let q = self.query;
        let wider = |name: &'static str, start: When| (name, edit::from_to(q, Some(start), None));
        let ranges = [
            wider("1 hour", When::Ago(3600)),
            wider("24 hours", When::Ago(86_400)),
            wider("7 days", When::Ago(7 * 86_400)),
        ];
        let length = self.range.end.micros() - self.range.start.micros();
        let is_further_back = |start: Ts| start < self.range.start && self.now.micros() - start.micros() > length;
        html! {
            section #log .nothing {
                h2 { @if found.total == Total::Unknown { "Not all was searched" } @else if found.reached.is_some() { "Nothing found yet" } @else if self.query.selects() { "No record matches" } @else { "No records" } }
                @let outside = found.nearest.kept.filter(|kept| self.range.end <= kept.start || self.range.start >= kept.end);
                @if self.range.end < self.range.start { (self.reversed()) }
                @else { p { "Searched " (self.moment(self.range.start)) " to " (self.moment(self.range.end)) "." } }
                @if let Some(kept) = outside { p { "Records are kept from " (self.moment(kept.start)) " to " (self.moment(kept.end)) "." } }
                ul {
                    @if let Some(meant) = &found.meant {
                        li {
                            "Did you mean " a href=(self.link(&meant.query)) { (visible_in_line(&meant.typed)) } "?"
                            @if meant.query.mode == Mode::Words && q.mode != Mode::Words { " (all the words, in any order)" }
                            @if !found.meant_may_find { " No record of this range matches that either." }
                        }
                    }
                    @for column in &found.missing_columns { li { (self.missing_column(column)) } }
                    @if q.cursor.is_some() { li { "This is beyond the last page: " a href=(self.link(&edit::first(q))) { "the first page" } } }
                    @if self.range.start == self.range.end { li { "The range is empty: it ends where it begins." } }
                    @if q.invert && q.search.is_empty() {
                        li { "An empty text is in every line, so " b { "invert" } " leaves none: " a href=(self.link(&Query { invert: false, ..edit::first(q) })) { "without invert" } }
                    }
                    @for (name, query) in &ranges {
                        @if query.start.as_ref().is_some_and(|start| is_further_back(start.at(self.now, self.zone))) {
                            li { "Look further back: " a href=(self.link(query)) { "the last " (name) } }
                        }
                    }
                    (self.nearest(&found.nearest))
                    @if q.filters.iter().any(|filter| !filter.off) {
                        li { "Search " a href=(self.link(&Query { filters: off(q), ..edit::first(q) })) { "without the filters" } }
                    }
                    @if !q.search.is_empty() {
                        @if q.case || q.word {
                            li { "Search " a href=(self.link(&Query { case: false, word: false, ..edit::first(q) })) { "without regard to case and words" } }
                        }
                        @if q.within == Within::Message { li { (self.in_all(found)) } }
                        @if let Some(words) = edit::of_words(q).filter(|_| found.words_may_find) {
                            li { "Search for " a href=(self.link(&words)) { "all the words in any order" } }
                        }
                        @if outside.is_none() {
                            li { "See " a href=(self.link(&Query { search: String::new(), context: Context::None, ..edit::first(q) })) { "all records of this range" } }
                        }
                    }
                }
            }
        }
    }
}

impl LogView<'_> {
    /// Links to the matches before and after the range, which come first on their pages.
    fn nearest(&self, nearest: &NearestRecords) -> Markup {
        let NearestRecords { kept, before, after } = *nearest;
        let what = if self.query.selects() { "match" } else { "record" };
        let there = |range: Range, order| {
            let query = edit::ordered(&edit::within(self.query, range, self.zone), order);
            html! { a href=(self.link(&query)) { "go there" } }
        };
        let up_to = |ts: Ts| there(Range { start: ts.plus_seconds(-300), end: ts.plus_seconds(1) }, Order::NewestFirst);
        let from = |ts: Ts| there(Range { start: ts, end: ts.plus_seconds(300) }, Order::OldestFirst);
        html! {
            @if let Some(ts) = before { li { "The last " (what) " before this range was " (age(ts, self.now)) ": " (up_to(ts)) } }
            @if let Some(ts) = after { li { "The first " (what) " after this range was " (age(ts, self.now)) ": " (from(ts)) } }
            @if let (Some(kept), None, None) = (kept, before, after) && kept.end <= self.range.start {
                @let last = kept.end.plus_micros(-1);
                li { "The last record of any kind was " (age(last, self.now)) ": " a href=(self.link(&self.all_before(last))) { "go there" } }
            }
        }
    }

    /// All records up to that one.
    fn all_before(&self, last: Ts) -> Query {
        let range = Range { start: last.plus_seconds(-300), end: last.plus_seconds(1) };
        edit::within(&edit::range_only(self.query), range, self.zone)
    }
}

fn off(query: &Query) -> Vec<Filter> {
    query.filters.iter().cloned().map(|filter| Filter { off: true, ..filter }).collect()
}
