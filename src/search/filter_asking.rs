//! The parts of a statement by which searchd narrows a filter, in an index that keeps some columns apart. Pure.

use crate::query::condition::Alternatives;
use crate::query::{Condition, Filter};
use crate::search::filter::Apart;
use crate::sphinx::filter_sql::{FilterSql, filter_sql};
use crate::sphinx::keys::{self, KeyWords};

/// The values of a filter whose words searchd is asked for. A filter with more is rare, and hardly narrows.
const MAX_WORDS: usize = 100;

/// The conditions for a filter. `has_patterns`: the day index has the patterns of its documents by today's rules.
pub fn conditions_of(apart: &Apart, filter: &Filter, has_patterns: bool) -> FilterSql {
    if let Condition::AnyOf(Alternatives(any)) = &filter.is {
        let all_of = |all: &Vec<Filter>| {
            FilterSql::all_of(all.iter().map(|filter| conditions_of(apart, filter, has_patterns)).collect())
        };
        return FilterSql::any_of(any.iter().map(all_of).collect());
    }
    let is_there = if filter.is.patterns().is_some() { has_patterns } else { !apart.has(&filter.column) };
    if is_there { filter_sql(filter) } else { FilterSql::nothing() }
}

/// The words that a record has if it passes the filter. None: it may have none.
pub fn words_of(apart: &Apart, filter: &Filter) -> Option<KeyWords> {
    let words = |filter: &Filter| match &filter.is {
        Condition::In(values) if values.len() <= MAX_WORDS && !apart.has(&filter.column) => {
            Some(values.iter().map(|value| keys::word(&filter.column, value)).collect())
        }
        _ => None,
    };
    let all_of = |all: &Vec<Filter>| all.iter().filter_map(words).collect();
    match &filter.is {
        Condition::AnyOf(Alternatives(any)) => KeyWords::new(any.iter().map(all_of).collect()),
        _ => KeyWords::new(vec![words(filter).into_iter().collect()]),
    }
}
