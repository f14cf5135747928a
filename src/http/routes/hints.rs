//! Hints for a search that finds nothing: columns that no record has, and the search that was probably meant. They ask Redis for the
//! names of columns.

use std::collections::BTreeSet;

use crate::http::request::LogRequest;
use crate::http::site::Site;
use crate::query::Query;
use crate::query::suggestion::{MissingColumn, Suggestion, meant, nearest_column};
use crate::search::scope::Scope;

/// The columns that alco remembers of the indexes of a search. None: Redis is away.
fn known_columns(site: &Site, request: &LogRequest) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for index in &request.indexes {
        names.extend(site.columns_seen(index)?.into_iter().map(|column| column.name));
        names.extend([index.timestamp_name().to_owned(), index.message_name().to_owned()]);
    }
    Some(names)
}

/// The columns of the search's filters that no record of its range has. If records were found, only those filters count that
/// accept records without the column.
pub fn missing_columns(site: &Site, request: &LogRequest, scope: &Scope, found: bool) -> Vec<MissingColumn> {
    let query = &request.query;
    let asked = query.columns_asked(|filter| !found || filter.is.accepts_missing());
    if asked.is_empty() {
        return Vec::new();
    }
    let known = known_columns(site, request).unwrap_or_default();
    // an existing column that is asked for in vain is the usual case, and costs nothing
    let doubtful: Vec<&str> = asked.into_iter().filter(|name| !found || !known.contains(*name)).collect();
    let missing = site.searcher.missing_columns(query, scope, &doubtful);
    let nearest = |name: &str| nearest_column(name, known.iter().map(String::as_str).filter(|known| *known != name));
    missing
        .into_iter()
        .map(|name| MissingColumn { name: name.to_owned(), nearest: nearest(name).map(str::to_owned) })
        .collect()
}

/// The search that was probably meant by the text of one that found nothing.
pub fn suggestion(site: &Site, request: &LogRequest) -> Option<Suggestion> {
    let query: &Query = &request.query;
    if query.search.is_empty() {
        return None;
    }
    let known = known_columns(site, request).unwrap_or_default();
    meant(query, |name| nearest_column(name, known.iter().map(String::as_str)).map(str::to_owned))
}
