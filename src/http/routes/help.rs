//! `/grep/<index>/help/`: how to search, with examples of the index's own columns and values.

use crate::config::Index;
use crate::http::pages::help::{ExampleColumns, HelpView};
use crate::http::request::LogRequest;
use crate::http::response::Reply;
use crate::http::routes::frame::frame;
use crate::http::site::Site;

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
    ExampleColumns { levels, level, values: values(&other, ["web-01", "web-02"]), other }
}
