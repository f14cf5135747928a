//! A query ready to run: the queries to searchd, the checks, the day indexes to read. Pure.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::config::{Index, IndexName, SearchText, field_of_column};
use crate::query::{Condition, Filter, Order, Query, Within};
use crate::record::json::column_texts;
use crate::search::filter::{Apart, Filters};
use crate::search::filter_asking::{conditions_of, words_of};
use crate::search::hit::{Hit, Line};
use crate::search::pattern::index_query::asking_filter;
use crate::search::pattern::{Pattern, StopCheck};
use crate::sphinx::asking::{Ask, Decided};
use crate::sphinx::conf::PAIRS;
use crate::sphinx::counting::rules_field;
use crate::sphinx::day_index::{day_index, days_within};
use crate::sphinx::filter_sql::FilterSql;
use crate::sphinx::fulltext::MIN_INFIX_CHARS;
use crate::sphinx::keys::{KeyWords, Keys};
use crate::sphinx::select::{Field, Restriction, matching};
use crate::time::{Range, Ts};

/// A query ready to run.
#[derive(Debug)]
pub struct Plan {
    pub pattern: Arc<Pattern>,
    /// the filters that searchd alone cannot decide
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
    pub apart: Apart,
    /// first the queries for every day index, then those for day indexes with more fields
    asked: Vec<DayQuestions>,
    /// oldest first
    pub slices: Vec<Slice>,
}

/// The fields of a day index that a query can use in addition to the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct IndexedFields {
    /// infixes of two letters; an index with longer infixes only would find nothing by one
    pairs: bool,
    /// each column of the filters that may have a field of its own
    columns: bool,
    /// the patterns of its documents are by today's rules
    patterns: bool,
}

impl IndexedFields {
    const ALL: IndexedFields = IndexedFields { pairs: true, columns: true, patterns: true };
}

/// The queries to a day index. Invariant: a match is in `exact`, where all documents are matches, or in `possible` or `unsure`,
/// where each has to be checked, and never in two of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct DayQuestions {
    candidates: Restriction,
    exact: Option<Restriction>,
    possible: Option<Restriction>,
    unsure: Option<Restriction>,
    stream: Restriction,
}

/// The subset of documents that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subset {
    /// all that may match
    Candidates,
    /// those that match without being checked
    Exact,
    /// the other candidates, but for the unsure
    Possible,
    /// those whose message matches, if searchd is not sure of their columns
    Unsure,
    /// the stream that is searched: the pattern is left out
    Stream,
}

impl Subset {
    /// All that have to be checked.
    pub const TO_CHECK: [Subset; 2] = [Subset::Possible, Subset::Unsure];
}

/// Between the names of a statement's indexes.
pub const INDEX_SEPARATOR: &str = ", ";

/// The part of a range that one day index holds, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// the day index, or several with commas between them; `nodes` adds those of peers
    pub from: String,
    pub range: Range,
    /// of the filters
    pub keys: Option<Keys>,
    /// which of the questions of its source is for it
    asked: usize,
}

impl Slice {
    pub fn new(from: String, range: Range) -> Slice {
        Slice { from, range, keys: None, asked: 0 }
    }

    /// The same of other indexes.
    pub fn of(&self, from: String) -> Slice {
        Slice { from, ..self.clone() }
    }

    /// True if one question can ask for both.
    pub fn goes_with(&self, other: &Slice) -> bool {
        let words = |slice: &Slice| slice.keys.as_ref().map(|keys| keys.expression().to_owned());
        self.asked == other.asked && words(self) == words(other)
    }

    /// The same with the indexes and the range of a slice that goes with it.
    pub fn joined(self, other: &Slice) -> Slice {
        let range = Range { start: self.range.start.min(other.range.start), end: self.range.end.max(other.range.end) };
        Slice { from: format!("{}{INDEX_SEPARATOR}{}", self.from, other.from), range, ..self }
    }

    /// The day indexes.
    pub fn indexes(&self) -> impl Iterator<Item = &str> {
        self.from.split(INDEX_SEPARATOR)
    }

    /// The part of it within that range.
    pub fn part(&self, range: Range) -> Slice {
        Slice { range, ..self.clone() }
    }

    /// True if it has all 24 hours of its day.
    pub fn is_whole_day(&self) -> bool {
        self.range == self.range.start.day().range()
    }

    /// True if few documents can fulfil the filters.
    pub fn has_rare_keys(&self) -> bool {
        self.keys.as_ref().is_some_and(Keys::are_rare)
    }
}

/// The number of documents that have a word.
pub type WordCounts = HashMap<String, u64>;

/// The facts about searchd's indexes.
pub struct Served<'a> {
    /// whether a day index has these full-text fields; an index that is older than their configuration does not
    pub has_fields: &'a dyn Fn(&str, &[String]) -> bool,
    /// about how many documents of a day index have each of these words; None: it is not known
    pub documents: &'a dyn Fn(&str, &[String]) -> Option<WordCounts>,
    /// the compiled pattern of a query
    pub pattern: &'a dyn Fn(&Query) -> Result<Arc<Pattern>, String>,
}

impl<'a> Served<'a> {
    /// Without an answer from searchd.
    pub fn unasked() -> Served<'a> {
        let pattern = &|query: &Query| Pattern::new(query).map(Arc::new);
        Served { has_fields: &|_, _| false, documents: &|_, _| None, pattern }
    }
}

impl Plan {
    /// `indexes` are those of the configuration.
    pub fn new(query: &Query, indexes: &[&Index], served: &Served, now: Ts, zone: &TimeZone) -> Result<Plan, String> {
        let pattern = (served.pattern)(query)?;
        let on: Vec<&Filter> = query.filters.iter().filter(|filter| !filter.off).collect();
        let apart: Vec<Apart> = indexes.iter().map(|index| Apart::of(index)).collect();
        for Filter { column, is, .. } in on.iter().flat_map(|filter| filter.single()) {
            if matches!(is, Condition::Compare(..)) && apart.iter().any(|apart| apart.is_time(column)) {
                return Err(format!("{column} is the time of a record; write start_ts and end_ts for a range of it"));
            }
        }
        let is_checked = |filter: &&Filter| apart.iter().any(|apart| !conditions_of(apart, filter, true).is_exact());
        let filters = Filters::new(on.iter().copied().filter(is_checked));
        let range = query.range(now, zone);
        let all = query.within == Within::All;
        let question = Question { pattern: &pattern, all, filters: &on };
        let source = |index: &&Index| SourcePlan::new(index, &question, served, range, now);
        Ok(Plan {
            filters,
            range,
            newest_first: query.order() == Order::NewestFirst,
            all,
            sources: indexes.iter().map(source).collect(),
            pattern,
        })
    }

    /// Each slice that has documents of this subset, and the conditions for them.
    pub fn asked(&self, of: Subset) -> impl Iterator<Item = (&SourcePlan, &Slice, &Restriction)> {
        self.sources.iter().flat_map(move |source| {
            source.slices.iter().filter_map(move |slice| Some((source, slice, source.narrowing(slice, of)?)))
        })
    }

    /// Leaves only the slices that are wanted of each index. With a condition, the subset `Exact` has only documents that meet it.
    pub fn keep(&mut self, is_wanted: impl Fn(&IndexName, &Slice) -> bool, condition: Option<&str>) {
        for source in &mut self.sources {
            source.slices.retain(|slice| is_wanted(&source.index, slice));
            for exact in source.asked.iter_mut().filter_map(|asked| asked.exact.as_mut()) {
                exact.conditions.extend(condition.map(str::to_owned));
            }
        }
    }

    /// True if a record's columns decide in addition to its message.
    pub fn needs_columns(&self) -> bool {
        self.filters.need_columns() || self.all && !self.pattern.is_empty()
    }

    /// A record of the stream as a match or as context, by the pattern.
    pub fn line(&self, mut hit: Hit) -> Line {
        if !self.matches(&hit.record.message, &hit.record.columns) {
            return Line::Near(hit);
        }
        hit.marks = self.pattern.marks(&hit.record.message);
        Line::Match(hit)
    }

    /// True if a record of the stream is a match. `columns` may be empty if `needs_columns` is false.
    pub fn matches(&self, message: &str, columns: &str) -> bool {
        self.pattern.matches(message, || if self.all { column_texts(columns) } else { Vec::new() })
    }

    /// The same; None: `stop` ended the check.
    pub fn matches_until(&self, message: &str, columns: &str, stop: StopCheck) -> Option<bool> {
        self.pattern.matches_until(message, || if self.all { column_texts(columns) } else { Vec::new() }, stop)
    }
}

/// The parts of a query that are the same for every index.
struct Question<'a> {
    pattern: &'a Pattern,
    all: bool,
    filters: &'a [&'a Filter],
}

impl Question<'_> {
    /// Filters on columns with a full-text field of their own. A name with dots may mean a path, and the field has no paths.
    fn own_fields(&self, index: &Index) -> impl Iterator<Item = (String, &Filter)> {
        let apart = Apart::of(index);
        let is_own = move |column: &String| {
            index.search == SearchText::Message
                && index.indexed.contains(column)
                && !column.contains('.')
                && !apart.has(column)
        };
        let filters = self.filters.iter().filter(move |filter| is_own(&filter.column));
        filters
            .filter(|filter| asking_filter(filter) != Ask::All)
            .map(|filter| (field_of_column(&filter.column), *filter))
    }

    /// The questions to an index that has these fields.
    fn asked(&self, index: &Index, has: IndexedFields) -> DayQuestions {
        let Question { pattern, all, filters } = *self;
        let able = |ask: &Ask| if has.pairs { ask.clone() } else { ask.clone().with_infix(MIN_INFIX_CHARS + 1) };
        let is_able = |ask: &Ask| able(ask) == *ask;
        let field = match (all, index.search) {
            (false, _) => Some(Field::Message),
            (true, SearchText::All) => Some(Field::Any),
            (true, SearchText::Message) => None,
        };
        let of_pattern = field.map(|field| (field, able(pattern.ask())));
        let mut beside: Vec<(Field, Ask)> = Vec::new();
        let apart = Apart::of(index);
        if index.search == SearchText::All {
            let among_columns = filters.iter().filter(|filter| !apart.has(&filter.column));
            beside.extend(among_columns.map(|filter| (Field::Columns, able(&asking_filter(filter)))));
        } else if has.columns {
            let own = self.own_fields(index);
            beside.extend(own.map(|(name, filter)| (Field::Own(name), able(&asking_filter(filter)))));
        }
        let decided: Vec<FilterSql> =
            filters.iter().map(|filter| conditions_of(&apart, filter, has.patterns)).collect();
        let conditions: Vec<String> = decided.iter().filter_map(|sql| sql.condition.clone()).collect();
        let narrowing = |asked: &[(Field, Ask)], without: Option<&Ask>, conditions: &[String]| Restriction {
            matching: matching(&[asked, &beside].concat(), without),
            conditions: conditions.to_vec(),
        };
        let message = |ask: &Ask| [(Field::Message, ask.clone())];
        let candidates = narrowing(of_pattern.as_slice(), None, &conditions);
        let stream = narrowing(&[], None, &conditions);
        let undecided =
            DayQuestions { exact: None, possible: Some(candidates.clone()), unsure: None, candidates, stream };
        let Some(sure) = decided.iter().map(|sql| sql.sure.clone()).collect::<Option<Vec<String>>>() else {
            return undecided;
        };
        // by the message alone: matches, and possible matches
        let (exact, possible) = match pattern.decided() {
            _ if pattern.is_empty() => (of_pattern, None),
            Some(Decided { surely, perhaps }) if !all && is_able(surely) && perhaps.as_ref().is_none_or(is_able) => {
                let beside_exact = |possible| narrowing(&message(possible), Some(surely), &conditions);
                (Some((Field::Message, surely.clone())), perhaps.as_ref().map(beside_exact))
            }
            _ => return undecided,
        };
        let of_message = |conditions: &[String]| narrowing(exact.as_slice(), None, conditions);
        // exact filters are sure of everything
        let unsure: Vec<String> =
            decided.iter().zip(&sure).filter(|(sql, _)| !sql.is_exact()).map(|(_, sure)| format!("({sure})")).collect();
        let not_sure = (!unsure.is_empty()).then(|| format!("({})=0", unsure.join(" AND ")));
        DayQuestions {
            exact: Some(of_message(&sure)),
            unsure: not_sure.map(|not_sure| of_message(&[conditions.as_slice(), &[not_sure]].concat())),
            possible,
            ..undecided
        }
    }
}

impl SourcePlan {
    fn new(index: &Index, question: &Question, served: &Served, range: Range, now: Ts) -> SourcePlan {
        let fields: Vec<String> = question.own_fields(index).map(|(name, _)| name).collect();
        let mut slices = slices(&index.name, index.days, range, now);
        let mut asked = vec![(IndexedFields::default(), question.asked(index, IndexedFields::default()))];
        let most = |pairs| question.asked(index, IndexedFields { pairs, ..IndexedFields::ALL });
        let wants_pairs = most(true) != most(false);
        let rules = [rules_field(index)];
        let wants_patterns = {
            let mut single = question.filters.iter().flat_map(|filter| filter.single());
            single.any(|filter| filter.is.patterns().is_some())
        };
        for slice in &mut slices {
            let has = IndexedFields {
                pairs: wants_pairs && (served.has_fields)(&slice.from, &[PAIRS.to_owned()]),
                columns: !fields.is_empty() && (served.has_fields)(&slice.from, &fields),
                patterns: wants_patterns && (served.has_fields)(&slice.from, &rules),
            };
            slice.asked = asked.iter().position(|(other, _)| *other == has).unwrap_or_else(|| {
                asked.push((has, question.asked(index, has)));
                asked.len() - 1
            });
        }
        let apart = Apart::of(index);
        let words: Vec<KeyWords> = question.filters.iter().filter_map(|filter| words_of(&apart, filter)).collect();
        let all_words: Vec<String> = words.iter().flat_map(KeyWords::all).cloned().collect();
        for slice in slices.iter_mut().filter(|_| !all_words.is_empty()) {
            // with peers, the documents of this node stand for all
            let documents = (served.documents)(&slice.from, &all_words);
            slice.keys =
                documents.and_then(|documents| Keys::new(&words, |word| documents.get(word).copied().unwrap_or(0)));
        }
        let asked = asked.into_iter().map(|(_, asked)| asked).collect();
        SourcePlan { index: index.name.clone(), apart: Apart::of(index), asked, slices }
    }

    /// The conditions for a subset of a day's documents; None: the subset is empty.
    pub fn narrowing(&self, slice: &Slice, of: Subset) -> Option<&Restriction> {
        let asked = &self.asked[slice.asked];
        match of {
            Subset::Candidates => Some(&asked.candidates),
            Subset::Exact => asked.exact.as_ref(),
            Subset::Possible => asked.possible.as_ref(),
            Subset::Unsure => asked.unsure.as_ref(),
            Subset::Stream => Some(&asked.stream),
        }
    }

    /// The conditions that every document of the stream fulfils, on all days.
    pub fn conditions(&self) -> &[String] {
        &self.asked[0].stream.conditions
    }
}

/// A range as slices of a day each, oldest first: a page is full long before all days are read, and each day is an index of
/// its own.
pub fn slices(index: &IndexName, days: NonZeroU32, range: Range, now: Ts) -> Vec<Slice> {
    days_within(range, now.day(), days)
        .map(|day| {
            let range = Range { start: range.start.max(day.range().start), end: range.end.min(day.range().end) };
            Slice::new(day_index(index, day), range)
        })
        .collect()
}
