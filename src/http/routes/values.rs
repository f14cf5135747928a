//! `/grep/<index>/values/<column>/`: the values of a column with their counts, as in the lists of the log's page.

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::config::Index;
use crate::http::pages::{filters, values};
use crate::http::request::{Client, LogRequest};
use crate::http::response::Reply;
use crate::http::routes::frame::frame;
use crate::http::site::Site;
use crate::query::Query;
use crate::record::level::{self, Level};
use crate::record::number::Number;
use crate::search::hit::SearchError;
use crate::search::stats::column_values::{ValueCounts, ValuesWanted};

/// Values on the page that is only about them.
const ALL_VALUES: usize = 1000;

pub fn values_page(site: &Site, request: &LogRequest, column: &str, client: &Client) -> Reply {
    let query = &request.query;
    let scope = request.scope(site, client.waits(site), site.http().page_size.get());
    let known = known_values(site, query, column);
    let values = site.searcher.values(query, &scope, &ValuesWanted { column, limit: ALL_VALUES + 1, known: &known });
    let mut column = column_values(values, column, known, ALL_VALUES);
    by_severity(&mut column, &request.settings());
    let warnings = column.note.take().into_iter().collect();
    let view = values::ValuesView {
        frame: frame(site, &request.visible, Some(query)),
        query,
        pattern_texts: site.searcher.pattern_texts(query, &scope),
        column,
        warnings,
    };
    Reply::page(200, view.page().into_string())
}

/// The values of a column that Redis remembers of each of the query's indexes.
pub fn known_values(site: &Site, query: &Query, column: &str) -> Vec<Vec<String>> {
    query.indexes.iter().map(|index| site.offered_values(index, column)).collect()
}

/// The values of a column of levels by their severity, the worst first; those of another column as they are.
pub fn by_severity(column: &mut filters::FilterColumn, settings: &[&Index]) {
    if let Some(index) = settings.iter().find(|index| index.level.contains(&column.name)) {
        let scale = level::numbers(index, &column.name, || false);
        column.values.sort_by_key(|(value, _)| Reverse(Level::of(value, scale)));
    }
}

/// Counted values first; then those known of each index: the reader may look for a value outside the range.
pub fn column_values(
    values: Result<ValueCounts, SearchError>,
    column: &str,
    known_values: Vec<Vec<String>>,
    limit: usize,
) -> filters::FilterColumn {
    let mut view = filters::FilterColumn { name: column.to_owned(), ..filters::FilterColumn::default() };
    let mut uncounted = None;
    match values {
        Ok(counted) => {
            uncounted = counted.exact.then_some(0);
            view.values = counted.values.into_iter().map(|(value, count)| (value, Some(count))).collect();
            if !counted.exact {
                view.note = Some("counted in part".to_owned());
            }
        }
        Err(error) => view.note = Some(error.to_string()),
    }
    for of_index in known_values {
        if view.values.len() > limit {
            break;
        }
        let known: HashSet<String> = view.values.iter().map(|(value, _)| value.clone()).collect();
        // 5 and 5.0 have one link
        let numbers: HashSet<Number> = known.iter().filter_map(|value| Number::parse(value)).collect();
        let is_known = |value: &String| {
            known.contains(value) || Number::parse(value).is_some_and(|number| numbers.contains(&number))
        };
        let room = limit + 1 - view.values.len();
        let others = of_index.into_iter().filter(|value| !is_known(value)).take(room);
        view.values.extend(others.map(|value| (value, uncounted)));
    }
    view.more = view.values.len() > limit;
    view.values.truncate(limit);
    view
}
