//! A query, made ready to run: what to ask of searchd, what to check, which day indexes to read. Pure.

use std::num::NonZeroU32;

use jiff::tz::TimeZone;

use crate::config::{Index, IndexName, SearchText, Sphinx, field_of_column};
use crate::record::each_text;
use crate::search::filter::Filters;
use crate::search::narrow::asking_filter;
use crate::search::pattern::Pattern;
use crate::search::query::{Filter, Order, Query, Within};
use crate::sphinx::conf::infix;
use crate::sphinx::daily::{day_index, days_within};
use crate::sphinx::select::{Field, Narrowing, matching, told};
use crate::sphinx::text::Ask;
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
    narrowing: Narrowing,
    /// the same without the pattern: the stream it is searched in
    pub stream: Narrowing,
    /// both, for days whose indexes have a field for each column of which one is asked
    with_fields: Option<(Narrowing, Narrowing)>,
    /// oldest first
    pub slices: Vec<Slice>,
}

/// The part of a range that one day index holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    pub from: String,
    pub range: Range,
    /// it has the fields of the columns
    has_fields: bool,
}

impl Slice {
    pub fn new(from: String, range: Range) -> Slice {
        Slice { from, range, has_fields: false }
    }
}

/// What is known of searchd's side.
pub struct Served<'a> {
    pub sphinx: &'a Sphinx,
    /// whether a day index has these full-text fields: one from before they were configured has not
    pub has_fields: &'a dyn Fn(&str, &[String]) -> bool,
}

impl Plan {
    /// `indexes` are those of the configuration; with peers, other nodes hold a part of each day.
    pub fn new(query: &Query, indexes: &[&Index], served: &Served, now: Ts, zone: &TimeZone) -> Result<Plan, String> {
        let pattern = Pattern::new(query)?;
        let on: Vec<&Filter> = query.filters.iter().filter(|filter| !filter.off).collect();
        let filters = Filters::new(on.iter().copied().filter(|filter| !told(filter).exact))?;
        let range = query.range(now, zone);
        let all = query.within == Within::All;
        let source = |index: &&Index| SourcePlan::new(index, &pattern, all, &on, served, range, now);
        Ok(Plan {
            filters,
            range,
            newest_first: query.order == Order::NewestFirst,
            all,
            sources: indexes.iter().map(source).collect(),
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

impl SourcePlan {
    fn new(
        index: &Index,
        pattern: &Pattern,
        all: bool,
        filters: &[&Filter],
        served: &Served,
        range: Range,
        now: Ts,
    ) -> SourcePlan {
        let infix = infix(served.sphinx, &index.name);
        let field = match (all, index.search) {
            (false, _) => Some(Field::Message),
            (true, SearchText::All) => Some(Field::Any),
            (true, SearchText::Message) => None,
        };
        let of_pattern = field.map(|field| (field, pattern.ask().clone().with_infix(infix)));
        let (mut of_columns, mut of_fields, mut fields) = (Vec::new(), Vec::new(), Vec::new());
        for filter in filters {
            let ask = asking_filter(filter).with_infix(infix);
            // a name with dots may mean a path, which is no part of that field
            let has_own = index.indexed.contains(&filter.column) && !filter.column.contains('.');
            if ask == Ask::All {
                continue;
            }
            if index.search == SearchText::All {
                of_columns.push((Field::Columns, ask));
            } else if has_own {
                let name = field_of_column(&filter.column);
                of_fields.push((Field::Own(name.clone()), ask));
                fields.push(name);
            }
        }
        let conditions: Vec<String> = filters.iter().filter_map(|filter| told(filter).condition).collect();
        let narrowing = |asked: &[&[(Field, Ask)]]| Narrowing {
            matching: matching(&asked.concat()),
            conditions: conditions.clone(),
        };
        let both = |of_fields: &[(Field, Ask)]| {
            (narrowing(&[of_pattern.as_slice(), &of_columns, of_fields]), narrowing(&[&of_columns, of_fields]))
        };
        let peers = !served.sphinx.peers.is_empty();
        let mut slices = slices(&index.name, index.days, peers, range, now);
        // what other nodes have is not known
        let with_fields = (!fields.is_empty() && !peers).then(|| both(&of_fields));
        if with_fields.is_some() {
            slices.iter_mut().for_each(|slice| slice.has_fields = (served.has_fields)(&slice.from, &fields));
        }
        let (narrowing, stream) = both(&[]);
        SourcePlan { index: index.name.clone(), narrowing, stream, with_fields, slices }
    }

    /// What a day's documents are compared with; without the pattern, where it is the stream that is wanted.
    pub fn narrowing(&self, slice: &Slice, is_stream: bool) -> &Narrowing {
        let (narrowing, stream) = match &self.with_fields {
            Some((narrowing, stream)) if slice.has_fields => (narrowing, stream),
            _ => (&self.narrowing, &self.stream),
        };
        if is_stream { stream } else { narrowing }
    }

    /// Whether the index is asked for something in every slice, so that it need not look at all there is.
    pub fn is_narrowed(&self) -> bool {
        self.slices.iter().all(|slice| self.narrowing(slice, false).matching.is_some())
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
        .map(|day| {
            let range = Range { start: range.start.max(day.range().start), end: range.end.min(day.range().end) };
            Slice::new(if peers { index.to_string() } else { day_index(index, day) }, range)
        })
        .collect()
}
