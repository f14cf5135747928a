//! `/grep/<index>/columns/`: every column seen, so that a reader finds out what there is to filter by.

use std::collections::HashMap;

use super::grep::{frame, query, scope, settings};
use super::lines::hits;
use super::pages::seen::{Column, Setting, Values, View};
use super::refusal::{Answer, why};
use super::reply::Reply;
use super::{Asker, Site};
use crate::columns::Columns;
use crate::config::Index;
use crate::search::filter::Apart;
use crate::search::query::{Order, Query};
use crate::time::{Day, Ts, When};
use crate::values::OFFERED_VALUES;

/// Examples are looked for in so many of the last records.
const EXAMPLES: usize = 300;
/// A column that nobody wrote for longer has no example here.
const BACK_SECONDS: u32 = 7 * 86_400;

pub fn columns_page(site: &Site, list: &str, text: &str, asker: &Asker, now: Ts) -> Answer {
    let settings = settings(site, list)?;
    let query = query(&settings, text)?;
    let zone = query.zone(&site.config.http.timezone).clone();
    let mut warnings = Vec::new();

    let newest =
        Query { start: Some(When::Ago(BACK_SECONDS)), order: Order::NewestFirst, ..Query::new(query.indexes.clone()) };
    let scope = scope(site, asker.waits(site), now, &zone, EXAMPLES);
    let mut examples: HashMap<String, String> = HashMap::new();
    match site.searcher.page(&newest, &scope) {
        Ok(page) => {
            for (name, value) in hits(&page).flat_map(|hit| Columns::parse(&hit.record.columns).flat(1)) {
                if !settings.iter().any(|index| Apart::of(index).has(&name)) {
                    examples.entry(name).or_insert_with(|| value.text());
                }
            }
        }
        Err(error) => warnings.push(format!("no examples: {}", why(error))),
    }

    let mut seen: HashMap<String, Option<i64>> = examples.keys().map(|name| (name.clone(), None)).collect();
    for index in &settings {
        match site.columns_seen(index) {
            Some(columns) => {
                for (name, when) in columns {
                    let last = seen.entry(name).or_default();
                    *last = (*last).max(Some(when));
                }
            }
            None => warnings.push(format!("Redis is away: only the columns of the last {EXAMPLES} records are listed")),
        }
    }
    warnings.dedup();
    let mut columns: Vec<Column> = seen
        .into_iter()
        .map(|(name, last)| Column {
            settings: setting(&settings, &name),
            indexed_since: indexed_since(site, &settings, &name, now),
            values: values(site, &settings, &name),
            example: examples.remove(&name),
            last: last.and_then(|seconds| seconds.checked_mul(1_000_000)).map(Ts::from_micros),
            name,
        })
        .collect();
    columns.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let view = View { frame: frame(site, Some(&query)), query: &query, now, columns, warnings };
    Ok(Reply::page(200, view.page().into_string()))
}

/// What the ini says of a column, in any of the indexes.
fn setting(settings: &[&Index], name: &str) -> Vec<Setting> {
    let lists = |index: &&Index| {
        [
            (Setting::Shown, &index.columns),
            (Setting::Level, &index.level),
            (Setting::Filtered, &index.filtered),
            (Setting::Hidden, &index.hidden),
            (Setting::Context, &index.context),
            (Setting::Indexed, &index.indexed),
        ]
        .map(|(setting, columns)| columns.iter().any(|column| column == name).then_some(setting))
    };
    let mut found: Vec<Setting> = settings.iter().flat_map(lists).flatten().collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The latest day on which any of the indexes that have the column `indexed` begins to have its field.
fn indexed_since(site: &Site, settings: &[&Index], name: &str, now: Ts) -> Option<Day> {
    let indexed = settings.iter().filter(|index| index.indexed.iter().any(|column| column == name));
    indexed.filter_map(|index| site.searcher.indexed_since(index, name, now)).max()
}

fn values(site: &Site, settings: &[&Index], name: &str) -> Values {
    let mut most = None;
    for index in settings.iter().filter(|index| index.filtered.iter().any(|column| column == name)) {
        most = most.max(site.remembered(|values| values.count(&index.name, name)));
    }
    match most {
        None => Values::NotKept,
        Some(count) if count > OFFERED_VALUES => Values::MoreThan(OFFERED_VALUES),
        Some(count) => Values::Count(count),
    }
}
