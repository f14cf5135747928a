//! A search, as text in a URL <-> `Query`. Pure. Its whole state is here: what `to_url` writes, `from_url` reads back
//! to the same, whatever the text in it.

use std::num::NonZeroUsize;

use jiff::tz::TimeZone;

use crate::config::IndexName;
use crate::search::cursor::Cursor;
use crate::time::When;

#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// one stream of several indexes; never empty, without repetition
    pub indexes: Vec<IndexName>,
    /// `start_ts`; None is the default, the last 5 minutes
    pub start: Option<When>,
    /// `end_ts`; None is the present
    pub end: Option<When>,
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
    /// `columns=a,b`: which to show; None is the index's own
    pub columns: Option<Vec<String>>,
    pub order: Order,
    /// `limit`; None is the page size
    pub limit: Option<NonZeroUsize>,
    pub cursor: Option<Cursor>,
    /// `wrap=1`
    pub wrap: bool,
    /// `tz`; None is the configured one
    pub tz: Option<TimeZone>,
    pub format: Format,
    pub follow: Follow,
    /// `download=1`
    pub download: bool,
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
    /// so many lines of the same stream around each match
    Lines(u32),
    /// `y`: the whole log from the first match on
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Order {
    #[default]
    OldestFirst,
    /// `order=desc`
    NewestFirst,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Follow {
    #[default]
    No,
    /// `follow=1`: the response stays open
    Open,
    /// `follow=10s`: the page refreshes itself
    Every(u32),
}

/// A condition on one column. `off` filters (`off.column=…` in a link) are kept and shown, and do not filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    pub column: String,
    pub is: Condition,
    pub off: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// `column=a` (repeated), `column__in=a,b`: any of them
    In(Vec<String>),
    /// `column__not=a,b`: none of them; records without the column stay
    NotIn(Vec<String>),
    Compare(Comparison, f64),
    /// `column__exists=1|0`; null is absent
    Exists(bool),
    /// `column__like=sub*string`: `*` is any text; without case, anywhere in the value
    Like(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Gt,
    Gte,
    Lt,
    Lte,
}
