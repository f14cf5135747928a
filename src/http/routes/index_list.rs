//! `/grep/` and the shortcuts: the places to begin.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::config::{Index, IndexName, IndexSelection};
use crate::http::pages::day_bars::HalfHour;
use crate::http::pages::{index_list, links};
use crate::http::response::{Answer, Reply};
use crate::http::routes::frame::frame;
use crate::http::routes::new_patterns::joined;
use crate::http::routes::shortcuts;
use crate::http::site::Site;
use crate::http::visible::Visible;
use crate::query::url::pairs;
use crate::record::level::Level;
use crate::record::pattern::memory::PatternSighting;
use crate::redis::shortcuts::SavedShortcut;
use crate::search::overview::{RecordCounts, shown_since};
use crate::time::{Day, Ts, WallClock};

/// Saved searches that a row has; the page of shortcuts has all.
const LISTED_SAVED: usize = 10;
/// New patterns whose texts a row has.
const NAMED_PATTERNS: usize = 5;

/// `/grep/`; a form that chooses several indexes sends their names in `text`.
pub fn index_page(site: &Site, visible: &Visible, text: &str, now: Ts) -> Answer {
    let chosen = pairs(text).into_iter().filter(|(name, _)| name == "index").map(|(_, value)| value);
    let (chosen, button): (Vec<String>, Vec<String>) = chosen.partition(|name| !name.is_empty());
    if !chosen.is_empty() {
        let selection = visible.selection(&chosen.join(","))?;
        return Ok(Reply::redirect(302, &links::grep_path(&site.http().base_path, &selection)));
    }
    let saved = shortcuts::saved(site, visible, now).unwrap_or_default();
    let mut asking = Asking { site, now, away: None, oldest: now, missing: BTreeSet::new() };
    let indexes: Vec<_> = visible
        .indexes()
        .iter()
        .map(|index| {
            let figures = asking.figures(index);
            let is_empty = figures.as_ref().is_some_and(|figures| figures.last.is_none());
            index_list::IndexRow {
                name: &index.name,
                title: &index.title,
                last_seen: if figures.is_none() { last_seen(site, index) } else { None },
                figures,
                kept: asking.kept(index),
                collecting: collecting(site, index, now),
                new_patterns: match is_empty {
                    true => Some(index_list::NewPatterns::Count(0, Vec::new())),
                    false => news(site, vec![index.name.clone()], now),
                },
                shortcuts: shortcut_links(site, visible, &saved, Some(&index.name)),
            }
        })
        .collect();
    let no_choice =
        (!button.is_empty()).then(|| "Choose the indexes to search: the boxes are below the list.".to_owned());
    let zone = &site.http().timezone;
    let begin = shown_since(now, &WallClock::of(zone));
    let quarter = |number: i64| begin.plus_seconds(number * 6 * 3600).clock_in(zone, 0)[..5].to_owned();
    let view = index_list::IndexListView {
        frame: frame(site, visible, None),
        now,
        indexes,
        new_patterns: news(site, visible.names().into_iter().cloned().collect(), now),
        shortcuts: shortcut_links(site, visible, &saved, None),
        lists_shortcuts: !saved.is_empty() || shortcuts::may_save(site, visible),
        hours: [0, 1, 2, 3].map(quarter),
        warnings: asking
            .warning()
            .into_iter()
            .chain(asking.missing)
            .chain(nothing_to_see(visible))
            .chain(no_choice)
            .collect(),
    };
    Ok(Reply::page(200, view.page().into_string()))
}

fn nothing_to_see(visible: &Visible) -> Option<String> {
    let what = "no index of alco.ini is for this user; see the key users of its sections";
    visible.indexes().is_empty().then(|| what.to_owned())
}

/// Asks searchd for the figures of one index after the other, until it does not answer.
struct Asking<'a> {
    site: &'a Site,
    now: Ts,
    /// why searchd is not asked any longer
    away: Option<String>,
    /// the time of the oldest figures on the page
    oldest: Ts,
    /// the parts that the figures lack, as texts for the user
    missing: BTreeSet<String>,
}

impl Asking<'_> {
    /// Those of the last answer, if searchd is away.
    fn figures(&mut self, index: &Index) -> Option<index_list::IndexFigures> {
        let (site, now) = (self.site, self.now);
        let found = site.overviews.of(&index.name, now, || {
            if self.away.is_some() {
                return None;
            }
            let clock = WallClock::of(&site.http().timezone);
            site.searchd_service.look();
            site.searcher.overview(&index.name, now, &clock).map_err(|error| self.away = Some(error.to_string())).ok()
        });
        let overview = found.or_else(|| {
            let (at, overview) = site.overviews.last(&index.name)?;
            self.oldest = self.oldest.min(at);
            Some(overview)
        })?;
        self.missing.extend(overview.missing);
        let half_hour =
            |counted: &RecordCounts| HalfHour { total: counted.records, errors: counted.errors.unwrap_or(0) };
        Some(index_list::IndexFigures {
            recent: overview.recent,
            last: overview.last,
            half_hours: overview.half_hours.iter().map(half_hour).collect(),
            today: overview.today.records,
            errors_today: overview.today.errors,
        })
    }

    fn kept(&self, index: &Index) -> Option<index_list::KeptRecords> {
        if self.away.is_some() {
            return None;
        }
        let kept = self.site.searcher.kept_days(&index.name, index.days, self.now)?;
        Some(index_list::KeptRecords {
            days: kept.days,
            most_days: index.days.get(),
            since: kept.oldest.map(Day::dashed),
            disk_bytes: kept.disk_bytes,
        })
    }

    fn warning(&self) -> Option<String> {
        let why = self.away.as_ref()?;
        let zone = &self.site.http().timezone;
        Some(match self.oldest == self.now {
            true => why.clone(),
            false => format!("{why}; the figures here are those of {}", self.oldest.clock_in(zone, 0)),
        })
    }
}

/// The last time when Redis noted a column of a record.
fn last_seen(site: &Site, index: &Index) -> Option<Ts> {
    let columns = site.columns_seen(index)?;
    columns.iter().map(|column| column.last_seen).max().map(|seconds| Ts::from_micros(0).plus_seconds(seconds))
}

/// None if this process does not collect the index.
fn collecting(site: &Site, index: &Index, now: Ts) -> Option<index_list::Collecting> {
    let collected = site.metrics.of(&index.name).filter(|_| site.collects && index.threads > 0)?;
    Some(index_list::Collecting {
        backlog: collected.backlog.get(now),
        delivered: collected.last_delivery.get(),
        stored: collected.last_insert.get(),
        acknowledged: collected.last_ack.get(),
        stalled: collected.is_stalled(now),
    })
}

/// The new patterns of these indexes together, each once.
fn news(site: &Site, indexes: Vec<IndexName>, now: Ts) -> Option<index_list::NewPatterns> {
    site.news.of(&indexes, now, || new_patterns(site, &indexes, now))
}

/// Patterns of warnings and errors whose first record is of the last six hours. None: Redis is away.
fn new_patterns(site: &Site, indexes: &[IndexName], now: Ts) -> Option<index_list::NewPatterns> {
    let memory = joined(indexes.iter().map(|index| site.pattern_memory(index)))?;
    if let Some(since) = memory.unknown_before(now) {
        return Some(index_list::NewPatterns::UnknownBefore(since));
    }
    let new =
        memory.new_between(now.plus_seconds(-i64::from(index_list::NEWS_SECONDS)), now).map(|(_, sighting)| sighting);
    let mut new: Vec<&PatternSighting> = new.filter(|sighting| sighting.level >= Level::Warning).collect();
    new.sort_unstable_by_key(|sighting| (Reverse(sighting.level), sighting.first));
    let texts = new.iter().take(NAMED_PATTERNS).map(|sighting| sighting.text.clone()).collect();
    Some(index_list::NewPatterns::Count(new.len(), texts))
}

/// Those of alco.ini over an index, or over all (None), and then those that users saved.
fn shortcut_links(
    site: &Site,
    visible: &Visible,
    saved: &[(SavedShortcut, IndexSelection)],
    index: Option<&IndexName>,
) -> Vec<index_list::ShortcutLink> {
    let is_of = |indexes: &[IndexName], is_over_all: bool| match index {
        Some(index) => indexes.contains(index) && !is_over_all,
        None => is_over_all,
    };
    let configured = visible.shortcuts().filter(|own| is_of(&own.indexes, own.is_over_all()));
    let configured = configured.map(|own| own.shortcut).map(|own| index_list::ShortcutLink {
        name: own.name.clone(),
        title: own.title.clone(),
        parameter: own.parameter.clone(),
        saved: None,
    });
    let all = visible.indexes().len();
    let own = saved.iter().filter(|(_, indexes)| is_of(indexes, all > 1 && indexes.len() == all));
    let own = own.take(LISTED_SAVED).map(|(saved, _)| index_list::ShortcutLink {
        name: saved.name.clone(),
        title: String::new(),
        parameter: None,
        saved: Some(shortcuts::saved_by(site, saved)),
    });
    configured.chain(own).collect()
}
