//! Which columns of a search no record of its range has, so that a user hears of a mistyped name.

use std::num::NonZeroUsize;

use crate::query::{Condition, Filter, Order, Query};
use crate::search::Searcher;
use crate::search::scope::Scope;

impl Searcher {
    /// Those of `columns` that no record of the query's range and indexes has, as far as that is found out in a moment.
    pub fn missing_columns<'c>(&self, query: &Query, scope: &Scope, columns: &[&'c str]) -> Vec<&'c str> {
        let scope = scope.at_most(scope.counting);
        let is_missing = |column: &&&str| {
            let page = self.page(&having(query, column), &scope);
            page.is_ok_and(|page| page.lines.is_empty() && page.reached.is_none() && page.warnings.is_empty())
        };
        columns.iter().filter(is_missing).copied().collect()
    }
}

/// The search for a record of that range that has the column.
pub fn having(query: &Query, column: &str) -> Query {
    let has_it = Filter { column: column.to_owned(), is: Condition::Exists(true), off: false };
    Query {
        start: query.start.clone(),
        end: query.end.clone(),
        tz: query.tz.clone(),
        filters: vec![has_it],
        // the newest is found first
        order: Some(Order::NewestFirst),
        limit: Some(NonZeroUsize::MIN),
        format: query.format,
        ..Query::new(query.indexes.clone())
    }
}
