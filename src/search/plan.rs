//! A query, made ready to run: what to ask of searchd, what to check, which day indexes to read. Pure.

use std::num::NonZeroU32;

use jiff::tz::TimeZone;

use crate::config::{Index, IndexName, SearchText};
use crate::record::each_text;
use crate::search::filter::Filters;
use crate::search::pattern::Pattern;
use crate::search::query::{Filter, Order, Query, Within};
use crate::sphinx::daily::{day_index, days_within};
use crate::sphinx::select::{Narrowing, matching, told};
use crate::time::{Range, Ts};

#[derive(Debug)]
pub struct Plan {
    pub pattern: Pattern,
    /// the filters that searchd alone does not decide
    pub filters: Filters,
    pub range: Range,
    pub newest_first: bool,
    /// the columns are searched too
    pub all: bool,
    pub sources: Vec<SourcePlan>,
}

/// One index of a query.
#[derive(Clone, Debug)]
pub struct SourcePlan {
    pub index: IndexName,
    pub narrowing: Narrowing,
    /// the same without the pattern: the stream it is searched in
    pub stream: Narrowing,
    /// oldest first
    pub slices: Vec<Slice>,
}

/// The part of a range that one day index holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    pub from: String,
    pub range: Range,
}

impl Plan {
    /// `indexes` are those of the configuration; with `peers`, other nodes hold a part of each day.
    pub fn new(query: &Query, indexes: &[&Index], peers: bool, now: Ts, zone: &TimeZone) -> Result<Plan, String> {
        let pattern = Pattern::new(query)?;
        let on: Vec<&Filter> = query.filters.iter().filter(|filter| !filter.off).collect();
        let conditions: Vec<String> = on.iter().filter_map(|filter| told(filter).condition).collect();
        let filters = Filters::new(on.into_iter().filter(|filter| !told(filter).exact))?;
        let range = query.range(now, zone);
        let all = query.within == Within::All;
        let sources = indexes.iter().map(|index| {
            let fields = match (all, index.search) {
                (false, _) => Some("line"),
                (true, SearchText::All) => Some("line,cols"),
                (true, SearchText::Message) => None,
            };
            let stream = Narrowing { matching: None, conditions: conditions.clone() };
            SourcePlan {
                index: index.name.clone(),
                narrowing: Narrowing {
                    matching: fields.and_then(|fields| matching(pattern.ask(), fields)),
                    ..stream.clone()
                },
                stream,
                slices: slices(&index.name, index.days, peers, range, now),
            }
        });
        Ok(Plan {
            filters,
            range,
            newest_first: query.order == Order::NewestFirst,
            all,
            sources: sources.collect(),
            pattern,
        })
    }

    /// Whether what searchd finds is the answer, with nothing to check.
    pub fn is_decided(&self) -> bool {
        self.pattern.is_empty() && self.filters.is_empty()
    }

    /// Whether a record's columns decide, beside its message.
    pub fn needs_columns(&self) -> bool {
        !self.filters.is_empty() || self.all && !self.pattern.is_empty()
    }

    /// Whether a record of the stream is a match. Without `needs_columns`, these may be left out.
    pub fn matches(&self, message: &str, columns: &str) -> bool {
        self.pattern.matches(message, || if self.all { texts(columns) } else { Vec::new() })
    }
}

/// The texts of all columns.
fn texts(columns: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for (_, value) in crate::record::members(columns) {
        each_text(value, &mut |text| texts.push(text.to_owned()));
    }
    texts
}

/// A day at a time: a page is full long before all days are read, and each is an index of its own. Peers' parts of a day
/// can be reached by the distributed index only, which skips the other days by their times.
pub fn slices(index: &IndexName, days: NonZeroU32, peers: bool, range: Range, now: Ts) -> Vec<Slice> {
    days_within(range, now.day(), days)
        .map(|day| Slice {
            from: if peers { index.to_string() } else { day_index(index, day) },
            range: Range { start: range.start.max(day.range().start), end: range.end.min(day.range().end) },
        })
        .collect()
}
