//! A search: its whole state, as a URL has it. Pure. `url` reads it from an address and writes it, by way of its `fields`;
//! `condition` has the operators of filters, `parameter` the names and values that parameters may have, `group` the form of
//! filters of which one is enough, `suggestion` the search that was probably meant, `difference` short links to it.

pub mod condition;
pub mod cursor;
pub mod difference;
pub mod edit;
mod fields;
pub mod group;
pub mod inline_filters;
pub mod parameter;
pub mod suggestion;
pub mod url;

use std::fmt;
use std::num::NonZeroUsize;

use jiff::tz::TimeZone;

use crate::config::IndexSelection;
pub use crate::query::condition::{Comparison, Condition, Filter};
use crate::query::cursor::{Cursor, Place};
use crate::record::pattern::PatternHash;
use crate::time::{Range, Ts, When};

/// Lines of one page: a page is built in memory, and a browser lays out ten thousand lines in about a second. Streams have no
/// limit.
pub const MAX_LIMIT: usize = 10_000;
/// Lines around a match: more than a reader needs, and still one question to searchd.
pub const MAX_CONTEXT_LINES: u32 = 1000;
/// Filters of a search, also those that are off. Each link of a page has all of them, and three links are for each.
pub const MAX_FILTERS: usize = 64;
/// Columns of a line on a page. Each link of a page names all of them, and a link is for each.
pub const MAX_COLUMNS: usize = 64;
/// Seconds between two refreshes of a page, in the links that alco offers.
pub const REFRESH_SECONDS: u32 = 10;
/// The most that an address may ask for.
pub const MAX_REFRESH_SECONDS: u32 = 3600;
/// Seconds of the range of a search that names none.
pub const DEFAULT_SECONDS: i64 = 300;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// one stream of several indexes; empty only by `default`
    pub indexes: IndexSelection,
    /// `start_ts`; None is the default, the last 5 minutes
    pub start: Option<When>,
    /// `end_ts`; None is the present
    pub end: Option<When>,
    /// `overview`: the range of the histogram, where a bar of it is the range of the search
    pub overview: Option<WholeRange>,
    /// `search`: what the user typed, untrimmed; empty matches every record
    pub search: String,
    pub mode: Mode,
    /// `case=1`
    pub case: bool,
    /// `word=1`
    pub word: bool,
    /// `invert=1`
    pub invert: bool,
    pub within: Within,
    pub context: Context,
    pub before: u32,
    pub after: u32,
    pub filters: Vec<Filter>,
    /// `columns=a,b`: those to show; None is the index's own
    pub columns: Option<Vec<String>>,
    /// `order`; None is that of its format: see `order()`
    pub order: Option<Order>,
    /// `sort`: of a list of patterns; None: the usual one, which is the most frequent first, or of a list that is compared the most
    /// changed first
    pub sort: Option<PatternSort>,
    /// `only_new=1`: of a list of patterns, those that are new in its range
    pub only_new: bool,
    /// `against`: the range that a list of patterns is compared with
    pub against: Option<Against>,
    /// `limit`; None is the page size
    pub limit: Option<NonZeroUsize>,
    pub cursor: Option<Cursor>,
    /// `wrap=1`; None: no
    pub wrap: Option<bool>,
    /// `tz`; None is the configured one
    pub tz: Option<TimeZone>,
    pub format: Format,
    pub follow: Follow,
    /// `download=1`
    pub download: bool,
    /// `bom=1`: CSV begins with a byte order mark
    pub bom: bool,
    /// `tracebacks=1`: text and CSV have the context columns too
    pub tracebacks: bool,
}

impl Query {
    /// Every record of the last five minutes.
    pub fn new(indexes: impl Into<IndexSelection>) -> Query {
        Query { indexes: indexes.into(), ..Query::default() }
    }

    /// The instants of the range; if only its end is named, it is as long as the default.
    pub fn range(&self, now: Ts, zone: &TimeZone) -> Range {
        let zone = self.zone(zone);
        let Some(start) = self.start.as_ref().map(|start| start.at(now, zone)) else {
            let end = self.end.as_ref().map_or(now, |end| end.at(now, zone));
            return Range { start: end.plus_seconds(-DEFAULT_SECONDS), end };
        };
        Range { start, end: self.end.as_ref().map_or(now, |end| end.at_end(start, now, zone)) }
    }

    /// The range that this one is compared with, as far as it is over; None: it is not compared.
    pub fn range_before(&self, now: Ts, zone: &TimeZone) -> Option<Range> {
        let range = self.range(now, zone);
        let past = Range { end: range.end.min(now.max(range.start)), ..range };
        self.against.map(|against| match against {
            Against::Before => past.before(),
            Against::Yesterday => past.days_before(self.zone(zone)),
        })
    }

    /// True if the search has a pattern or a filter.
    pub fn selects(&self) -> bool {
        !self.search.is_empty() || self.filters.iter().any(|filter| !filter.off)
    }

    /// True if a page breaks long lines.
    pub fn wraps(&self) -> bool {
        self.wrap.unwrap_or(false)
    }

    /// The parts that a reader may keep for every search, and nothing else.
    pub fn habits(&self) -> Query {
        let Query { tz, order, wrap, columns, .. } = self.clone();
        Query { tz, order, wrap, columns, ..Query::default() }
    }

    /// The same search with these habits where it says nothing itself.
    pub fn with_habits(self, habits: &Query) -> Query {
        Query {
            tz: self.tz.or_else(|| habits.tz.clone()),
            order: self.order.or(habits.order),
            wrap: self.wrap.or(habits.wrap),
            columns: self.columns.or_else(|| habits.columns.clone()),
            ..self
        }
    }

    /// The same search without what a reader may keep for every search.
    pub fn without_habits(&self) -> Query {
        Query { tz: None, order: None, wrap: None, columns: None, ..self.clone() }
    }

    /// The query's own time zone, or the configured one.
    pub fn zone<'a>(&'a self, configured: &'a TimeZone) -> &'a TimeZone {
        self.tz.as_ref().unwrap_or(configured)
    }

    /// The order of its lines. Unless one is asked for, a page begins with the newest line, and a stream with the oldest. Lines
    /// that follow a match, or stand on one side of it only, are read in the order of time.
    pub fn order(&self) -> Order {
        let (before, after) = self.around();
        self.order.unwrap_or(match self.format {
            Format::Page if after == Some(before) => Order::NewestFirst,
            _ => Order::OldestFirst,
        })
    }

    /// The same search from the place where its time ran out (`reached` and `seeks_first` of its page). `range` is that of this one.
    pub fn go_on(&self, reached: Place, seeks_first: bool, range: Range) -> Query {
        let mut on = self.clone();
        match self.cursor {
            // the whole log begins with the first match, and there was none so far
            _ if seeks_first => {
                let range = match self.order() {
                    Order::OldestFirst => Range { start: reached.ts, ..range },
                    Order::NewestFirst => Range { end: reached.ts.plus_micros(1), ..range },
                };
                (on.start, on.end) = (Some(When::At(range.start)), Some(When::At(range.end)));
            }
            Some(Cursor::Before(_)) => on.cursor = Some(Cursor::Before(reached)),
            _ => on.cursor = Some(Cursor::After(reached)),
        }
        on
    }

    /// The columns of those filters that are on and wanted, each once.
    pub fn columns_asked(&self, is_wanted: impl Fn(&Filter) -> bool) -> Vec<&str> {
        let on = self.filters.iter().filter(|filter| !filter.off).flat_map(Filter::single);
        let on = on.filter(|filter| filter.is.patterns().is_none());
        let mut columns: Vec<&str> = Vec::new();
        for Filter { column, .. } in on.filter(|filter| is_wanted(filter)) {
            if !columns.contains(&column.as_str()) {
                columns.push(column);
            }
        }
        columns
    }

    /// The patterns of messages that its filters name.
    pub fn patterns(&self) -> impl Iterator<Item = PatternHash> {
        self.filters.iter().flat_map(Filter::single).filter_map(|filter| filter.is.patterns()).flatten().copied()
    }

    /// True if matches that are not neighbours have `--` between them: if lines around them are asked for, even 0 (`grep -C0`).
    pub fn is_grouped(&self) -> bool {
        self.around() != (0, Some(0)) || self.context == Context::Lines(0)
    }

    /// Lines to show before and after each match; `None` after: to the end.
    pub fn around(&self) -> (u32, Option<u32>) {
        match self.context {
            Context::None => (self.before, Some(self.after)),
            Context::Lines(lines) => (self.before.max(lines), Some(self.after.max(lines))),
            Context::All => (self.before, None),
        }
    }
}

/// A range around that of a search: `-6h`, or with its end `yesterday..today`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WholeRange {
    /// as those of a query
    pub start: Option<When>,
    pub end: Option<When>,
}

impl WholeRange {
    /// # Errors
    /// A sentence that names the forms of times.
    pub fn parse(text: &str) -> Result<WholeRange, String> {
        let (start, end) = text.split_once("..").unwrap_or((text, ""));
        let when = |text: &str| if text.is_empty() { Ok(None) } else { When::parse(text).map(Some) };
        Ok(WholeRange { start: when(start)?, end: when(end)? })
    }
}

impl fmt::Display for WholeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.start, &self.end) {
            (Some(start), None) => write!(f, "{start}"),
            (start, end) => {
                let text = |when: &Option<When>| when.as_ref().map_or_else(String::new, When::to_string);
                write!(f, "{}..{}", text(start), text(end))
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    #[default]
    Literal,
    Words,
    Regex,
}

/// `in`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Within {
    #[default]
    Message,
    All,
}

/// `context`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Context {
    #[default]
    None,
    /// this many lines of the same stream around each match
    Lines(u32),
    /// `y`: the whole log from the first match on
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `order=asc`
    OldestFirst,
    /// `order=desc`
    NewestFirst,
}

/// The order of the patterns of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternSort {
    /// the most frequent first
    Frequent,
    Rare,
    /// the latest first time first
    Newest,
    /// the worst level first
    Level,
}

impl PatternSort {
    pub const ALL: [PatternSort; 4] =
        [PatternSort::Frequent, PatternSort::Rare, PatternSort::Newest, PatternSort::Level];

    /// Its name in an address.
    pub fn name(self) -> &'static str {
        match self {
            PatternSort::Frequent => "frequent",
            PatternSort::Rare => "rare",
            PatternSort::Newest => "newest",
            PatternSort::Level => "level",
        }
    }
}

/// `against`: the range that the patterns of messages are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// the one before, of the same length
    Before,
    /// the same hours of the day before
    Yesterday,
}

impl Against {
    /// Their names in an address.
    pub const NAMES: [(&str, Against); 2] = [("before", Against::Before), ("yesterday", Against::Yesterday)];

    pub fn name(self) -> &'static str {
        Against::NAMES[self as usize].0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    #[default]
    Page,
    Text,
    Ndjson,
    Csv,
    Json,
}

impl Format {
    pub const ALL: [Format; 5] = [Format::Page, Format::Text, Format::Ndjson, Format::Csv, Format::Json];
    /// The formats of an export or a followed stream.
    pub const STREAMS: [Format; 3] = [Format::Text, Format::Ndjson, Format::Csv];

    /// Its name in an address.
    pub fn name(self) -> &'static str {
        match self {
            Format::Page => "html",
            Format::Text => "text",
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
            Format::Json => "json",
        }
    }

    /// Its name on a page.
    pub fn label(self) -> &'static str {
        match self {
            Format::Page => "HTML",
            Format::Text => "text",
            Format::Ndjson => "NDJSON",
            Format::Csv => "CSV",
            Format::Json => "JSON",
        }
    }

    /// The media type of a stream.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Ndjson => "application/x-ndjson",
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Page | Format::Text | Format::Json => "text/plain; charset=utf-8",
        }
    }

    /// The extension of a file with such a stream.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
            Format::Page | Format::Text | Format::Json => "txt",
        }
    }

    /// True if the answer is a stream of any length; otherwise it is built in memory.
    pub fn is_stream(self) -> bool {
        Format::STREAMS.contains(&self)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Follow {
    #[default]
    No,
    /// `follow=1`: the response stays open
    Open,
    /// `follow=10s`: the page refreshes itself
    Every(u32),
}
