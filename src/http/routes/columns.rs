//! `/grep/<index>/columns/`: every column seen, so that a reader finds the columns to filter by.

use std::collections::{HashMap, HashSet};

use crate::config::Index;
use crate::http::pages::columns::{ColumnRole, ColumnsView, KnownValues, SeenColumn};
use crate::http::request::{Client, LogRequest};
use crate::http::response::{Answer, Reply};
use crate::http::routes::frame::frame;
use crate::http::routes::log_lines::hits;
use crate::http::site::Site;
use crate::query::{Order, Query, edit};
use crate::record::json::Columns;
use crate::redis::seen::{KnownColumn, LISTED_COLUMNS, OFFERED_VALUES};
use crate::search::filter::Apart;
use crate::time::{Day, Ts, When};

/// The number of latest records of the search in which examples are looked for.
const EXAMPLE_RECORDS: usize = 300;
const MAX_EXAMPLE_ITEMS: usize = 100;
/// A column that no record had during this time has no example.
const BACK_SECONDS: u32 = 7 * 86_400;

pub fn columns_page(site: &Site, request: &LogRequest, client: &Client) -> Answer {
    let (settings, query) = (request.settings(), &request.query);
    let mut warnings = Vec::new();

    // an example of a search leads to records of it
    let searched = match query.selects() {
        true => edit::first(query),
        false => Query { start: Some(When::Ago(BACK_SECONDS)), ..Query::new(query.indexes.clone()) },
    };
    let newest = edit::ordered(&searched, Order::NewestFirst);
    let scope = request.scope(site, client.waits(site), EXAMPLE_RECORDS);
    let mut seen: HashMap<String, SeenColumn> = HashMap::new();
    let row = |name: &str| SeenColumn {
        settings: setting(&settings, name),
        indexed_since: indexed_since(site, &settings, name, request.now),
        values: values(site, &settings, name),
        example: None,
        last: None,
        name: name.to_owned(),
    };
    for index in &settings {
        match site.columns_seen(index) {
            Some(columns) => {
                for KnownColumn { name, last_seen, .. } in columns {
                    let column = seen.entry(name).or_insert_with_key(|name| row(name));
                    column.last = column.last.max(last_seen.checked_mul(1_000_000).map(Ts::from_micros));
                }
            }
            None => warnings.push(format!(
                "Redis is away or slow: only the columns of the last {EXAMPLE_RECORDS} records are listed"
            )),
        }
    }
    let mut more = seen.len() > LISTED_COLUMNS;
    match site.searcher.page(&newest, &scope) {
        Ok(page) => {
            for (name, value) in
                hits(&page).flat_map(|hit| Columns::parse(&hit.record.columns).flat(1, MAX_EXAMPLE_ITEMS))
            {
                if settings.iter().any(|index| Apart::of(index).has(&name)) {
                    continue;
                }
                // columns inside of others are known by their examples alone
                if !seen.contains_key(&name) && seen.len() >= LISTED_COLUMNS {
                    more = true;
                    continue;
                }
                let column = seen.entry(name).or_insert_with_key(|name| row(name));
                if column.example.is_none() {
                    column.example = Some(value.text());
                }
            }
        }
        Err(error) => warnings.push(format!("no examples: {}", error)),
    }
    warnings.dedup();
    let mut columns: Vec<SeenColumn> = seen.into_values().collect();
    columns.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let view = ColumnsView {
        frame: frame(site, &request.visible, Some(query)),
        query,
        now: request.now,
        columns,
        more,
        warnings,
    };
    Ok(Reply::page(200, view.page().into_string()))
}

/// The roles of a column in the ini, in any of the indexes.
fn setting(settings: &[&Index], name: &str) -> Vec<ColumnRole> {
    let lists = |index: &&Index| {
        [
            (ColumnRole::Shown, &index.columns),
            (ColumnRole::Level, &index.level),
            (ColumnRole::Filtered, &index.filtered),
            (ColumnRole::Hidden, &index.hidden),
            (ColumnRole::Context, &index.context),
            (ColumnRole::Indexed, &index.indexed),
        ]
        .map(|(setting, columns)| columns.iter().any(|column| column == name).then_some(setting))
    };
    let mut found: Vec<ColumnRole> = settings.iter().flat_map(lists).flatten().collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The latest day on which any of the indexes that have the column `indexed` begins to have its field.
fn indexed_since(site: &Site, settings: &[&Index], name: &str, now: Ts) -> Option<Day> {
    let indexed = settings.iter().filter(|index| index.indexed.iter().any(|column| column == name));
    indexed.filter_map(|index| site.searcher.indexed_since(index, name, now)).max()
}

fn values(site: &Site, settings: &[&Index], name: &str) -> KnownValues {
    let indexes = || settings.iter().filter(|index| index.filtered.iter().any(|column| column == name));
    let mut most = None;
    for index in indexes() {
        most = most.max(site.with_redis(|values| values.count(&index.name, name)));
    }
    let is_of_several = indexes().nth(1).is_some();
    match most {
        None => KnownValues::NotKept,
        Some(count) if count > OFFERED_VALUES => KnownValues::MoreThan(OFFERED_VALUES),
        Some(count) if !is_of_several => KnownValues::Count(count),
        Some(_) => {
            let all: HashSet<String> = indexes().flat_map(|index| site.offered_values(&index.name, name)).collect();
            KnownValues::Count(all.len())
        }
    }
}
