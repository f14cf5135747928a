//! What is known of an index, as the list of indexes has it in a row, and below its only one.

use maud::{Markup, html};

use crate::config::IndexName;
use crate::http::pages::day_bars::HalfHour;
use crate::http::pages::{age, links, thousands};
use crate::query::{PatternSort, Query};
use crate::render::escape::visible_in_line;
use crate::time::{Ts, When};

/// A pattern is new if it came for the first time in this last part: the cause of what goes on may be hours old.
pub const NEWS_SECONDS: u32 = 6 * 3600;

#[derive(Clone, Debug)]
pub struct IndexRow<'a> {
    pub name: &'a IndexName,
    pub title: &'a str,
    /// None: not known now
    pub figures: Option<IndexFigures>,
    /// the last record as Redis has it, to about a minute, where the figures are not known
    pub last_seen: Option<Ts>,
    /// None: not known
    pub kept: Option<KeptRecords>,
    /// None: not known
    pub collecting: Option<Collecting>,
    /// None: not known
    pub new_patterns: Option<NewPatterns>,
    pub shortcuts: Vec<ShortcutLink>,
}

/// Patterns of warnings and errors that are new in the last six hours.
#[derive(Clone, Debug)]
pub enum NewPatterns {
    /// their number, and the texts of the first ones
    Count(usize, Vec<String>),
    /// alco does not know which patterns came before this time, not a day ago
    UnknownBefore(Ts),
}

#[derive(Clone, Debug, Default)]
pub struct ShortcutLink {
    pub name: String,
    /// empty: the name is shown
    pub title: String,
    /// the column that a value is asked for
    pub parameter: Option<String>,
    /// who saved it, and when; None: it is one of alco.ini
    pub saved: Option<String>,
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
    /// of the last 24 hours
    pub half_hours: Vec<HalfHour>,
    /// since midnight
    pub today: u64,
    /// None: searchd cannot tell
    pub errors_today: Option<u64>,
}

/// The days that have records, and their size on this node's disk.
#[derive(Clone, Debug)]
pub struct KeptRecords {
    pub days: u32,
    /// of the retention
    pub most_days: u32,
    /// the first of them, as `2026-11-22`
    pub since: Option<String>,
    /// None: not known
    pub disk_bytes: Option<u64>,
}

impl NewPatterns {
    /// Their number, which leads to them. `path` is that of the log.
    pub fn markup(&self, path: &str) -> Markup {
        match self {
            NewPatterns::Count(0, _) => html! { "0" },
            NewPatterns::Count(count, texts) => {
                let (start, sort) = (Some(When::Ago(NEWS_SECONDS)), Some(PatternSort::Level));
                let query = Query { start, sort, only_new: true, ..Query::default() };
                let texts: Vec<_> = texts.iter().map(|text| visible_in_line(text)).collect();
                html! { a href=(links::to(&format!("{path}patterns/"), &query)) title=(texts.join("\n")) { (thousands(*count as u64)) } }
            }
            NewPatterns::UnknownBefore(since) => {
                let why = format!("alco has remembered patterns since {since}: what is new is known a day later");
                html! { span title=(why) { "?" } }
            }
        }
    }
}

impl Collecting {
    /// `delivered 3 s ago, stored 3 s ago, acknowledged 3 s ago`
    pub fn ages(&self, now: Ts) -> String {
        let since = |ts: Option<Ts>| ts.map_or("not yet".to_owned(), |ts| age(ts, now));
        format!(
            "delivered {}, stored {}, acknowledged {}",
            since(self.delivered),
            since(self.stored),
            since(self.acknowledged)
        )
    }
}
