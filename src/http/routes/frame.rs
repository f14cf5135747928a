//! The parts around the content of every page: the header's links and the footer's zone.

use crate::http::pages::Frame;
use crate::http::routes::kept_search::search_links;
use crate::http::site::Site;
use crate::http::visible::Visible;
use crate::query::{Query, edit};
use crate::time::zone_name;

/// A longer search would make the header heavier than a log: its links then keep the range only.
const MAX_KEPT_BYTES: usize = 500;

/// `visible`: the links lead to these indexes; `query` is the page's search, if it has one, for which the header's links ask in other indexes.
pub fn frame<'a>(site: &'a Site, visible: &'a Visible, query: Option<&Query>) -> Frame<'a> {
    let zone = query.map_or(&site.http().timezone, |query| query.zone(&site.http().timezone));
    let links = query.map(|query| search_links(site, query)).unwrap_or_default();
    let keep = query.map(|query| match links.parameters(&edit::elsewhere(query)) {
        kept if kept.len() <= MAX_KEPT_BYTES => kept,
        _ => edit::range_only(query).to_url(),
    });
    Frame {
        base: &site.http().base_path,
        indexes: visible.names(),
        searched: query.map(|query| query.indexes.clone()).unwrap_or_default(),
        keep: keep.unwrap_or_default(),
        links,
        zone: zone_name(zone).into_owned(),
        state: query.map(Query::pairs),
        keys: &[],
        refresh: None,
        has_search_form: false,
    }
}
