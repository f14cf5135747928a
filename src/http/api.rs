//! For programs: which day indexes there are, searchd's configuration, and whether this works.

use serde::Serialize;

use super::Site;
use super::reply::Reply;
use crate::search::SearchError;
use crate::sphinx::conf::sphinx_conf;
use crate::sphinx::daily::served_days;
use crate::time::Ts;

#[derive(Serialize)]
struct Served<'a> {
    name: &'a str,
    /// days, as they stand in the names of the day indexes
    index_names: Vec<String>,
}

/// `/api/collector/indices/`
pub fn indices(site: &Site, now: Ts) -> Reply {
    let served: Vec<_> = site
        .config
        .indexes
        .iter()
        .map(|index| Served {
            name: index.name.as_str(),
            index_names: served_days(now.day(), index.days).map(|day| day.to_string()).collect(),
        })
        .collect();
    Reply::json(serde_json::to_string(&served).expect("text and lists of text always have a JSON form"))
}

/// `/collector/sphinx.conf`
pub fn conf(site: &Site, now: Ts) -> Reply {
    Reply::text(200, sphinx_conf(&site.config, now.day()))
}

/// `/health`
pub fn health(site: &Site, now: Ts) -> Reply {
    let asked = site.config.indexes.first().map(|index| site.searcher.recent(&index.name, now));
    match asked {
        None | Some(Ok(_)) => Reply::text(200, "searching works\n".to_owned()),
        Some(Err(SearchError::Bad(why) | SearchError::Away(why))) => {
            Reply::text(503, format!("searching does not work: {why}\n"))
        }
    }
}
