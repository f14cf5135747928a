//! `/grep/` and the shortcuts: where to begin.

use std::sync::atomic::Ordering::Relaxed;

use super::Site;
use super::grep::frame;
use super::pages::{indexes, links};
use super::refusal::{Answer, Refusal, why};
use super::reply::Reply;
use crate::config::{Index, IndexName};
use crate::search::query::Query;
use crate::time::Ts;

/// `/grep/`
pub fn index_page(site: &Site, now: Ts) -> Reply {
    let mut warnings = Vec::new();
    let mut view = |index: &Index| {
        let figures = site.searcher.recent(&index.name, now).and_then(|(recent, last)| {
            let sparkline = site.searcher.sparkline(&index.name, now)?.to_vec();
            Ok(indexes::Figures { recent, last, sparkline })
        });
        match figures {
            Ok(figures) => Some(figures),
            Err(error) => {
                let why = why(error);
                if !warnings.contains(&why) {
                    warnings.push(why);
                }
                None
            }
        }
    };
    let indexes: Vec<_> = site
        .config
        .indexes
        .iter()
        .map(|index| indexes::Index {
            name: &index.name,
            title: &index.title,
            figures: view(index),
            collecting: collecting(site, index, now),
            shortcuts: shortcuts(site, &index.name),
        })
        .collect();
    Reply::page(200, indexes::View { frame: frame(site, None), now, indexes, warnings }.page().into_string())
}

/// As far as collecting runs in this process.
fn collecting(site: &Site, index: &Index, now: Ts) -> Option<indexes::Collecting> {
    let collected = site.metrics.of(&index.name).filter(|_| site.collects)?;
    Some(indexes::Collecting {
        backlog: collected.backlog.load(Relaxed),
        delivered: collected.last_delivery.get(),
        stored: collected.last_insert.get(),
        acknowledged: collected.last_ack.get(),
        stalled: collected.is_stalled(now),
    })
}

fn shortcuts<'a>(site: &'a Site, index: &IndexName) -> Vec<(&'a str, &'a str)> {
    let own = site.config.shortcuts.iter().filter(|shortcut| shortcut.index.first() == Some(index));
    own.map(|shortcut| (shortcut.name.as_str(), shortcut.title.as_str())).collect()
}

/// `/grep/shortcut/<name>/` and `/grep/shortcut/<name>/<value>/`
pub fn shortcut(site: &Site, name: &str, value: Option<&str>) -> Answer {
    let shortcut = site.config.shortcuts.iter().find(|shortcut| shortcut.name == name);
    let shortcut = shortcut.ok_or_else(|| Refusal::Gone(format!("There is no shortcut '{name}' in alco.ini.")))?;
    let mut query = Query::from_url(shortcut.index.clone(), &shortcut.query)
        .map_err(|why| Refusal::Bad(format!("[shortcut {name}] query in alco.ini: {why}")))?;
    match (value, &shortcut.parameter) {
        (None, _) => {}
        (Some(value), Some(column)) => query = links::only(&query, column, value),
        (Some(_), None) => {
            return Err(Refusal::Gone(format!("The shortcut '{name}' has no parameter to take a value.")));
        }
    }
    Ok(Reply::redirect(302, &links::to(&links::grep_path(&site.config.http.base_path, &query.indexes), &query)))
}
