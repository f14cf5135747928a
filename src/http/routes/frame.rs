//! The parts around the content of every page: the header's links and the footer's zone.

use crate::config::IndexName;
use crate::http::pages::Frame;
use crate::http::site::Site;
use crate::query::Query;
use crate::time::zone_name;

/// `query` is the page's search, if it has one: links to other indexes keep its range and zone.
pub fn frame<'a>(site: &'a Site, query: Option<&Query>) -> Frame<'a> {
    let zone = query.map_or(&site.config.http.timezone, |query| query.zone(&site.config.http.timezone));
    let keep = query.map(|query| {
        let kept = Query {
            start: query.start.clone(),
            end: query.end.clone(),
            tz: query.tz.clone(),
            ..Query::new(Vec::new())
        };
        kept.to_url()
    });
    let current = |name: &&IndexName| query.is_some_and(|query| query.indexes.contains(name));
    Frame {
        base: &site.config.http.base_path,
        indexes: site.config.indexes.iter().map(|index| &index.name).collect(),
        current: site.config.indexes.iter().map(|index| &index.name).filter(current).collect(),
        keep: keep.unwrap_or_default(),
        zone: zone_name(zone).to_owned(),
        state: query.map(Query::pairs),
        refresh: None,
    }
}
