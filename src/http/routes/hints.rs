//! Hints for a search that finds nothing: columns that no record has, and the search that was probably meant. They ask Redis for the
//! names of columns, and for values.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::http::request::LogRequest;
use crate::http::routes::values::known_values;
use crate::http::site::Site;
use crate::query::Query;
use crate::query::suggestion::{
    MAX_LOOK_UPS, MeantColumns, MissingColumn, Suggestion, meant, meant_values, nearest_column,
};
use crate::search::hit::Count;
use crate::search::scope::Scope;
use crate::search::stats::Wanted;

/// The columns that alco remembers of the indexes of a search, and the second when each was last seen. None: Redis is away.
fn known_columns(site: &Site, request: &LogRequest) -> Option<BTreeMap<String, i64>> {
    let mut columns: BTreeMap<String, i64> = BTreeMap::new();
    for index in &request.indexes {
        let seen = site.columns_seen(index)?.into_iter().map(|column| (column.name, column.last_seen));
        let own = [index.timestamp_name(), index.message_name()].map(|name| (name.to_owned(), i64::MAX));
        for (name, at) in seen.chain(own) {
            let last = columns.entry(name).or_insert(at);
            *last = at.max(*last);
        }
    }
    Some(columns)
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
    // a column that was seen since the range began is not a mistake; to ask searchd would cost more than the search
    let start = request.range().start.seconds();
    let is_doubtful = |name: &&str| known.get(*name).is_none_or(|last| *last < start);
    let doubtful: Vec<&str> = asked.into_iter().filter(is_doubtful).collect();
    // the question has its own time, so that a page whose search was slow has the same hints
    let scope = Scope { deadline: scope.deadline.max(Instant::now() + scope.counting), ..scope.clone() };
    let missing = site.searcher.missing_columns(query, &scope, &doubtful);
    let nearest = |name: &str| nearest_column(name, known.keys().map(String::as_str).filter(|known| *known != name));
    let named = |(at, name): (usize, &str)| {
        let nearest = if at < MAX_LOOK_UPS { nearest(name).map(str::to_owned) } else { None };
        MissingColumn { name: name.to_owned(), nearest }
    };
    missing.into_iter().enumerate().map(named).collect()
}

/// False if no record matches that search; true also if that cannot be known in time.
pub fn may_find(site: &Site, query: &Query, scope: &Scope) -> bool {
    let figures = site.searcher.figures(query, scope, Wanted { bars: 0, columns: &[] });
    !matches!(figures.and_then(|figures| figures.count()), Ok(Count::Exact(0)))
}

/// The search that was probably meant by the text, or by the values of the filters, of one that found nothing.
pub fn suggestion(site: &Site, request: &LogRequest) -> Option<Suggestion> {
    let query: &Query = &request.query;
    if query.search.is_empty() && query.filters.is_empty() {
        return None;
    }
    let known = known_columns(site, request).unwrap_or_default();
    let columns = MeantColumns::among(&known);
    let values = |column: &str| known_values(site, query, column).into_iter().flatten().collect();
    let by_text = if query.search.is_empty() { None } else { meant(query, |name| columns.of(name)) };
    by_text.or_else(|| meant_values(query, |name| columns.of(name), values))
}
