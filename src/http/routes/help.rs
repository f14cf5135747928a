//! `/grep/<index>/help/`: how to search, with examples of the index's own columns and values.

use crate::config::Index;
use crate::http::pages::help::{ExampleColumns, HelpView};
use crate::http::request::LogRequest;
use crate::http::response::Reply;
use crate::http::routes::frame::frame;
use crate::http::site::Site;
use crate::query::{Order, Query};
use crate::record::json::{Member, members};
use crate::search::hit::Line;
use crate::search::scope::Waits;

pub fn help_page(site: &Site, request: &LogRequest) -> Reply {
    let query = &request.query;
    let columns = example_columns(site, request);
    Reply::page(
        200,
        HelpView { frame: frame(site, &request.visible, Some(query)), query, columns }.page().into_string(),
    )
}

/// Of the first index: the column of its level, another filtered one, and two values of each, as far as Redis knows them.
fn example_columns(site: &Site, request: &LogRequest) -> ExampleColumns {
    let index: &Index = &request.indexes[0];
    let filtered = || index.filtered.iter().chain(&index.columns);
    let level = filtered().find(|column| index.level.contains(column)).or(index.level.first());
    let level = level.map_or("levelname", String::as_str).to_owned();
    let other = filtered().find(|column| **column != level).map_or("host", String::as_str).to_owned();
    let values = |column: &str, usual: [&str; 2]| {
        let known = site.offered_values(&index.name, column);
        let mut known = known.into_iter().filter(|value| !value.contains(['"', ',', '(', ')', '|', '\\']));
        usual.map(|usual| known.next().unwrap_or_else(|| usual.to_owned()))
    };
    let known_levels = site.offered_values(&index.name, &level);
    let levels = ["ERROR", "INFO"].map(|usual| {
        let same = known_levels.iter().find(|known| known.eq_ignore_ascii_case(usual));
        same.map_or(usual, String::as_str).to_owned()
    });
    let number = number_of_newest(site, request, index);
    ExampleColumns { number, levels, level, values: values(&other, ["web-01", "web-02"]), other }
}

/// A column that is a number in the newest record of the range, and that number. None: it has none, or searchd is away.
fn number_of_newest(site: &Site, request: &LogRequest, index: &Index) -> Option<(String, String)> {
    let (start, end) = (request.query.start.clone(), request.query.end.clone());
    let order = Some(Order::NewestFirst);
    let query = Query { start, end, order, ..Query::new(vec![index.name.clone()]) };
    let page = site.searcher.page(&query, &request.scope(site, Waits::default(), 1)).ok()?;
    let Line::Match(hit) = page.lines.first()? else { return None };
    let is_plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let is_number = |value: &str| value.parse::<f64>().is_ok_and(f64::is_finite);
    let is_example =
        |(name, value): &Member| is_plain(name) && is_number(value) && !index.level.iter().any(|own| own == name);
    let mut numbers = members(&hit.record.columns);
    numbers.retain(is_example);
    // every record has its place among the others, which few search for
    let best = numbers.iter().find(|(name, _)| name != "seq").or(numbers.first());
    best.map(|(name, value)| (name.to_string(), (*value).to_owned()))
}
