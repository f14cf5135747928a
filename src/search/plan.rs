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
use crate::sphinx::text::{Ask, Decided};
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
    asked: Asked,
    /// the same for days whose indexes have a field for each column of which one is asked
    with_fields: Option<Asked>,
    /// oldest first
    pub slices: Vec<Slice>,
}

/// What a day index is asked for. Invariant: a match is in `surely`, where all are matches, or in `perhaps`, where each has to
/// be checked, and never in both.
#[derive(Clone, Debug)]
struct Asked {
    candidates: Narrowing,
    surely: Option<Narrowing>,
    perhaps: Option<Narrowing>,
    stream: Narrowing,
}

/// Which documents are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// all that may match
    Candidates,
    /// those that match without being checked
    Surely,
    /// the other candidates
    Perhaps,
    /// the stream that is searched: the pattern is left out
    Stream,
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
        let question = Question { pattern: &pattern, all, filters: &on, unchecked: filters.is_empty() };
        let source = |index: &&Index| SourcePlan::new(index, &question, served, range, now);
        Ok(Plan {
            filters,
            range,
            newest_first: query.order == Order::NewestFirst,
            all,
            sources: indexes.iter().map(source).collect(),
            pattern,
        })
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

/// What is asked of every index.
struct Question<'a> {
    pattern: &'a Pattern,
    all: bool,
    filters: &'a [&'a Filter],
    /// the conditions on columns decide
    unchecked: bool,
}

impl SourcePlan {
    fn new(index: &Index, question: &Question, served: &Served, range: Range, now: Ts) -> SourcePlan {
        let Question { pattern, all, filters, unchecked } = *question;
        let infix = infix(served.sphinx, &index.name);
        let field = match (all, index.search) {
            (false, _) => Some(Field::Message),
            (true, SearchText::All) => Some(Field::Any),
            (true, SearchText::Message) => None,
        };
        let of_pattern = field.map(|field| (field, pattern.ask().clone().with_infix(infix)));
        let whole = |ask: &Ask| ask.clone().with_infix(infix) == *ask;
        let decided = pattern.decided().filter(|decided| !all && unchecked && whole(&decided.surely));
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
        let asked = |of_fields: &[(Field, Ask)]| {
            let beside = [&of_columns, of_fields].concat();
            let narrowing = |asked: &[(Field, Ask)], without: Option<&Ask>| Narrowing {
                matching: matching(&[asked, &beside].concat(), without),
                conditions: conditions.clone(),
            };
            let message = |ask: &Ask| [(Field::Message, ask.clone())];
            let candidates = narrowing(of_pattern.as_slice(), None);
            let stream = narrowing(&[], None);
            let (surely, perhaps) = match decided {
                Some(Decided { surely, perhaps }) => (
                    Some(narrowing(&message(surely), None)),
                    perhaps.as_ref().map(|perhaps| narrowing(&message(perhaps), Some(surely))),
                ),
                None if unchecked && pattern.is_empty() => (Some(candidates.clone()), None),
                None => (None, Some(candidates.clone())),
            };
            Asked { candidates, surely, perhaps, stream }
        };
        let peers = !served.sphinx.peers.is_empty();
        let mut slices = slices(&index.name, index.days, peers, range, now);
        // what other nodes have is not known
        let with_fields = (!fields.is_empty() && !peers).then(|| asked(&of_fields));
        if with_fields.is_some() {
            slices.iter_mut().for_each(|slice| slice.has_fields = (served.has_fields)(&slice.from, &fields));
        }
        SourcePlan { index: index.name.clone(), asked: asked(&[]), with_fields, slices }
    }

    /// What a day's documents are compared with; None: there are none of these.
    pub fn narrowing(&self, slice: &Slice, of: Of) -> Option<&Narrowing> {
        let asked = match &self.with_fields {
            Some(asked) if slice.has_fields => asked,
            _ => &self.asked,
        };
        match of {
            Of::Candidates => Some(&asked.candidates),
            Of::Surely => asked.surely.as_ref(),
            Of::Perhaps => asked.perhaps.as_ref(),
            Of::Stream => Some(&asked.stream),
        }
    }

    /// What every document of the stream fulfils, on whatever day.
    pub fn conditions(&self) -> &[String] {
        &self.asked.stream.conditions
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
