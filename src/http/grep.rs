//! What searching and Redis answer, made into the views of the pages. Everything that the pages are told comes through
//! here, and nothing else asks for it.

use std::time::Instant;

use jiff::tz::TimeZone;

use super::pages::columns::{Columns, Value};
use super::pages::level::Level;
use super::pages::line::{Cell, Line, Role};
use super::pages::log::{Row, Total, View as LogView};

use super::pages::{Frame, error, filters, histogram, indexes, links, record, values};
use super::reply::Reply;
use super::stub::Scope;
use super::{Site, pages};
use crate::config::{Index, IndexName};
use crate::search::cursor::Place;
use crate::search::query::{Format, Query};
use crate::search::{self, Count, Hit, Page, SearchError};
use crate::sphinx::json;
use crate::time::{Range, Ts, zone_name};

/// Bars over the range: wide enough to be hit with a finger on a phone, and each costs about 150 bytes.
const BARS: usize = 60;
/// Values of a column beside the log, and on the page that is only about them.
const LISTED_VALUES: usize = 8;
const ALL_VALUES: usize = 1000;
/// Columns offered for a line.
const OFFERED_COLUMNS: usize = 60;
/// Lines around a record, at first, and at most.
const AROUND: usize = 20;
const MAX_AROUND: usize = 1000;
/// Objects in a record are opened so deep.
const OPENED: usize = 6;
/// A record that is not inside the range of the search it came from is looked for in this many seconds around it.
const NEARBY: i64 = 1800;

/// The other forms of a search that exist.
const FORMATS: &[(&str, Format)] = &[];

/// What became of a request that names indexes and a search.
pub type Answer = Result<Reply, Refusal>;

/// Why there is no answer; a page of its own for each.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400
    Bad(String),
    /// 404
    NoIndex(String),
    /// 404
    Gone(String),
    /// 503
    Away(String),
}

impl From<SearchError> for Refusal {
    fn from(error: SearchError) -> Refusal {
        match error {
            SearchError::Bad(why) => Refusal::Bad(why),
            SearchError::Away(why) => Refusal::Away(why),
        }
    }
}

/// The settings of the indexes that a path names.
pub fn settings<'a>(site: &'a Site, list: &str) -> Result<Vec<&'a Index>, Refusal> {
    let mut found: Vec<&Index> = Vec::new();
    for name in list.split(',') {
        let index = site.config.indexes.iter().find(|index| index.name.as_str() == name);
        let index = index.ok_or_else(|| Refusal::NoIndex(name.to_owned()))?;
        if !found.iter().any(|other| other.name == index.name) {
            found.push(index);
        }
    }
    Ok(found)
}

fn names(settings: &[&Index]) -> Vec<IndexName> {
    settings.iter().map(|index| index.name.clone()).collect()
}

fn query(settings: &[&Index], text: &str) -> Result<Query, Refusal> {
    Query::from_url(names(settings), text).map_err(Refusal::Bad)
}

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
        state: query.map(links::fields),
    }
}

/// `/grep/<index>/`
pub fn log_page(site: &Site, list: &str, text: &str, now: Ts) -> Answer {
    let settings = settings(site, list)?;
    let query = query(&settings, text)?;
    if let Some(short) = canonical(text, &query) {
        return Ok(Reply::redirect(
            302,
            &format!("{}{short}", links::grep_path(&site.config.http.base_path, &query.indexes)),
        ));
    }
    let zone = query.zone(&site.config.http.timezone).clone();
    let page_size = query.limit.unwrap_or(site.config.http.page_size).get();
    let scope = scope(site, now, &zone, page_size);
    let page = site.searcher.page(&query, &scope)?;
    let mut warnings = page.warnings.clone();

    // the rest has time of its own, so that a slow search still has its histogram
    let scope = Scope { deadline: scope.deadline.max(Instant::now() + site.config.http.search_budget / 4), ..scope };
    let (bars, bars_partial) = match site.searcher.histogram(&query, &scope, BARS) {
        Ok(histogram) => (histogram.bars, !histogram.complete),
        Err(error) => {
            warnings.push(format!("no histogram: {}", why(error)));
            (Vec::new(), false)
        }
    };
    let mut listed: Vec<&str> = Vec::new();
    for column in settings.iter().flat_map(|index| &index.filtered) {
        if !listed.contains(&column.as_str()) {
            listed.push(column);
        }
    }
    let filters = listed.iter().map(|column| column_values(site, &query, &scope, column, LISTED_VALUES)).collect();

    let shown = shown_columns(&settings, &query);
    let rows = rows(&settings, &shown, &page, query.indexes.len() > 1);
    let nothing = !page.lines.iter().any(|line| !matches!(line, search::Line::Gap));
    let last_record = || settings.iter().filter_map(|index| site.searcher.recent(&index.name, now).ok()?.1).max();
    let view = LogView {
        frame: frame(site, Some(&query)),
        query: &query,
        now,
        zone: &zone,
        range: query.range(now, &zone),
        rows,
        previous: page.previous,
        next: page.next,
        total: total(page.count),
        reached: page.reached,
        warnings,
        bars: bars.iter().map(bar).collect(),
        bars_partial,
        filters,
        other_columns: other_columns(site, &settings, &shown, &page),
        shown_columns: shown,
        last_record: if nothing { last_record() } else { None },
        formats: FORMATS,
        page_size,
    };
    Ok(Reply::page(200, view.page()))
}

/// A form sends every field, empty or not; the address bar is for people, so the same search gets its short address.
fn canonical(text: &str, query: &Query) -> Option<String> {
    let sent_by_a_form = text
        .split('&')
        .any(|pair| matches!(pair, "start_ts=" | "end_ts=" | "mode=literal" | "in=message" | "context=0"));
    let short = query.to_url();
    (sent_by_a_form && short != text).then(|| if short.is_empty() { short } else { format!("?{short}") })
}

fn scope(site: &Site, now: Ts, zone: &TimeZone, page_size: usize) -> Scope {
    Scope { now, zone: zone.clone(), page_size, deadline: Instant::now() + site.config.http.search_budget }
}

fn why(error: SearchError) -> String {
    match error {
        SearchError::Bad(why) | SearchError::Away(why) => why,
    }
}

fn total(count: Count) -> Total {
    match count {
        Count::Exact(number) => Total::Exactly(number),
        Count::AtLeast(number) => Total::AtLeast(number),
        Count::AtMost(number) => Total::AtMost(number),
    }
}

fn bar(bar: &super::stub::Bar) -> histogram::Bar {
    histogram::Bar { range: bar.range, total: bar.total, warnings: bar.warnings, errors: bar.errors }
}

/// Counted values first; those that Redis remembers fill the list, since what is missing now may be what is looked for.
fn column_values(site: &Site, query: &Query, scope: &Scope, column: &str, limit: usize) -> filters::Column {
    let mut view = filters::Column { name: column.to_owned(), ..filters::Column::default() };
    match site.searcher.values(query, scope, column, limit + 1) {
        Ok(counted) => view.values = counted.into_iter().map(|(value, count)| (value, Some(count))).collect(),
        Err(error) => view.note = Some(why(error)),
    }
    for index in &query.indexes {
        if view.values.len() > limit {
            break;
        }
        match site.values.offered(index, column) {
            Ok(Some(offered)) => {
                let known: std::collections::HashSet<String> =
                    view.values.iter().map(|(value, _)| value.clone()).collect();
                let room = limit + 1 - view.values.len();
                view.values.extend(
                    offered.into_iter().filter(|value| !known.contains(value)).take(room).map(|value| (value, None)),
                );
            }
            Ok(None) => {}
            Err(why) => log::debug!("values of {column}: {why}"),
        }
    }
    view.more = view.values.len() > limit;
    view.values.truncate(limit);
    view
}

fn shown_columns(settings: &[&Index], query: &Query) -> Vec<String> {
    if let Some(columns) = &query.columns {
        return columns.clone();
    }
    let mut shown: Vec<String> = Vec::new();
    for column in settings.iter().flat_map(|index| &index.columns) {
        if !shown.contains(column) {
            shown.push(column.clone());
        }
    }
    shown
}

/// What else could stand in a line: what Redis has seen, or at least what is in the records of this page.
fn other_columns(site: &Site, settings: &[&Index], shown: &[String], page: &Page) -> Vec<String> {
    let mut others: Vec<String> = Vec::new();
    for index in settings {
        let seen = match site.values.columns(&index.name) {
            Ok(seen) => seen.into_iter().map(|(column, _)| column).collect(),
            Err(why) => {
                log::debug!("columns of {}: {why}", index.name);
                hits(page)
                    .flat_map(|hit| Columns::parse(&hit.record.columns).flat(1))
                    .map(|(name, _)| name)
                    .collect::<Vec<_>>()
            }
        };
        let apart =
            |column: &String| index.hidden.contains(column) || index.context.contains(column) || shown.contains(column);
        others.extend(seen.into_iter().filter(|column| !apart(column)));
    }
    others.sort_unstable();
    others.dedup();
    others.truncate(OFFERED_COLUMNS);
    others
}

fn hits(page: &Page) -> impl Iterator<Item = &Hit> {
    page.lines.iter().filter_map(|line| match line {
        search::Line::Match(hit) | search::Line::Near(hit) => Some(hit),
        search::Line::Gap => None,
    })
}

fn rows<'a>(settings: &[&Index], shown: &[String], page: &'a Page, several: bool) -> Vec<Row<'a>> {
    let row = |line: &'a search::Line| match line {
        search::Line::Match(hit) => Row::Line(line_view(settings, shown, hit, Role::Match, several)),
        search::Line::Near(hit) => Row::Line(line_view(settings, shown, hit, Role::Near, several)),
        search::Line::Gap => Row::Gap,
    };
    page.lines.iter().map(row).collect()
}

fn line_view<'a>(settings: &[&Index], shown: &[String], hit: &'a Hit, role: Role, several: bool) -> Line<'a> {
    let columns = Columns::parse(&hit.record.columns);
    let index = settings.iter().find(|index| index.name == hit.index);
    let level_columns = index.map_or(&[] as &[String], |index| &index.level);
    let level = level_columns.iter().find_map(|name| Some((name, columns.get(name)?.text())));
    let mut cells = Vec::with_capacity(shown.len() + 1);
    if several {
        cells.push(Cell { text: Some(hit.index.to_string()), is_level: false });
    }
    for name in shown {
        let is_level = level_columns.contains(name);
        let mut text = columns.get(name).map(Value::text);
        // the level stands where a level is expected, whichever of the level columns holds it
        if text.is_none() && is_level && level.as_ref().is_some_and(|(holder, _)| !shown.contains(holder)) {
            text = level.as_ref().map(|(_, text)| text.clone());
        }
        cells.push(Cell { text, is_level });
    }
    let context = index.map_or(&[] as &[String], |index| &index.context);
    let context = context.iter().filter_map(|name| Some((name.clone(), columns.get(name)?.text())));
    Line {
        role,
        place: hit.place,
        level: level.map_or(Level::Unknown, |(_, text)| Level::of(&text)),
        cells,
        message: &hit.record.message,
        marks: &hit.marks,
        context: context.filter(|(_, text)| !text.trim().is_empty()).collect(),
    }
}

/// `/grep/<index>/values/<column>/`
pub fn values_page(site: &Site, list: &str, column: &str, text: &str, now: Ts) -> Answer {
    let settings = settings(site, list)?;
    let query = query(&settings, text)?;
    let zone = query.zone(&site.config.http.timezone).clone();
    let scope = scope(site, now, &zone, site.config.http.page_size.get());
    let mut column = column_values(site, &query, &scope, column, ALL_VALUES);
    let warnings = column.note.take().into_iter().collect();
    Ok(Reply::page(200, values::View { frame: frame(site, Some(&query)), query: &query, column, warnings }.page()))
}

/// `/grep/<index>/at/<place>/` and `/grep/<index>/at/<place>/<before>-<after>/`
pub fn record_page(site: &Site, list: &str, place: &str, around: &str, text: &str, now: Ts) -> Answer {
    let settings = settings(site, list)?;
    let query = query(&settings, text)?;
    let (ts, seq, digest) = parse_place(place)
        .ok_or_else(|| Refusal::Bad(format!("'{place}' names no record; take the address from a line's own link")))?;
    let (before, after) = parse_around(around)
        .ok_or_else(|| Refusal::Bad(format!("'{around}' is no number of lines before and after; write 20-20")))?;
    let mut found = None;
    for index in &settings {
        let hits = site.searcher.at(&index.name, ts, seq, digest)?;
        if !hits.is_empty() {
            found = Some((*index, hits));
            break;
        }
    }
    let (index, hits) = found
        .ok_or_else(|| Refusal::Gone(format!("There is no such record in {list} any more, or there never was.")))?;
    let hit = &hits[0];
    let page = site.searcher.around(hit, before, after)?;
    let mut warnings = page.warnings.clone();
    if hits.len() > 1 {
        warnings.push(format!("{} equal records are stored at this place; they differ in nothing", hits.len()));
    }

    let zone = query.zone(&site.config.http.timezone).clone();
    let inside = query.range(now, &zone).contains(ts);
    let nearby = Range { start: ts.plus_seconds(-NEARBY), end: ts.plus_seconds(NEARBY) };
    let around = if inside { links::first(&query) } else { links::within(&query, nearby, &zone) };
    let shown = shown_columns(&settings, &query);
    let near = |hit| line_view(&settings, &shown, hit, Role::Near, false);
    let key = |place: Place| (place.ts, place.seq, place.digest, place.id);
    let lines_before: Vec<Line> = hits_where(&page, |place| key(place) < key(hit.place)).map(near).collect();
    let lines_after: Vec<Line> = hits_where(&page, |place| key(place) > key(hit.place)).map(near).collect();
    let more = |more: bool, before: usize, after: usize| {
        (more && before <= MAX_AROUND && after <= MAX_AROUND).then_some((before, after))
    };
    let (more_before, more_after) = (
        more(page.previous.is_some(), before + 2 * AROUND, after),
        more(page.next.is_some(), before, after + 2 * AROUND),
    );
    let columns = Columns::parse(&hit.record.columns).flat(OPENED);
    let apart = |name: &str| index.hidden.iter().chain(&index.context).any(|other| other == name);
    let view = record::View {
        frame: frame(site, Some(&query)),
        index: &index.name,
        query: &query,
        around: &around,
        came_from_a_search: !text.is_empty(),
        zone: &zone,
        record: line_view(&settings, &shown, hit, Role::Here, false),
        columns: columns.into_iter().filter(|(name, _)| !apart(name)).collect(),
        json: whole(index, hit),
        before: lines_before,
        after: lines_after,
        more_before,
        more_after,
        warnings,
    };
    Ok(Reply::page(200, view.page()))
}

fn hits_where<'a>(page: &'a Page, is: impl Fn(Place) -> bool) -> impl Iterator<Item = &'a Hit> {
    hits(page).filter(move |hit| is(hit.place))
}

fn parse_place(text: &str) -> Option<(Ts, i64, i64)> {
    let mut numbers = text.split('.').map(str::parse::<i64>);
    let (Some(Ok(ts)), Some(Ok(seq)), Some(Ok(digest)), None) =
        (numbers.next(), numbers.next(), numbers.next(), numbers.next())
    else {
        return None;
    };
    Some((Ts::from_micros(ts), seq, digest))
}

fn parse_around(text: &str) -> Option<(usize, usize)> {
    if text.is_empty() {
        return Some((AROUND, AROUND));
    }
    let (before, after) = text.split_once('-')?;
    let number = |text: &str| text.parse::<usize>().ok().map(|number| number.min(MAX_AROUND));
    Some((number(before)?, number(after)?))
}

/// The record as JSON, member by member: time and message are kept apart from the columns where they are as alco would
/// write them.
fn whole(index: &Index, hit: &Hit) -> Vec<(String, String)> {
    let quoted = |text: &str| {
        let mut out = String::with_capacity(text.len() + 2);
        json::quoted(text, &mut out);
        out
    };
    let columns = Columns::parse(&hit.record.columns).0;
    let missing = |key: &str| !columns.iter().any(|(name, _)| name == key);
    let mut members = Vec::with_capacity(columns.len() + 2);
    if missing(&index.timestamp) {
        members.push((quoted(&index.timestamp), quoted(&hit.place.ts.rfc3339())));
    }
    if missing(&index.message) {
        members.push((quoted(&index.message), quoted(&hit.record.message)));
    }
    members.extend(columns.iter().map(|(name, value)| (quoted(name), value.get().to_owned())));
    members
}

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
            backlog: None,
            shortcuts: shortcuts(site, &index.name),
        })
        .collect();
    Reply::page(200, indexes::View { frame: frame(site, None), now, indexes, warnings }.page())
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

/// The page that says why there is no answer.
pub fn refused(site: &Site, refusal: &Refusal) -> Reply {
    use error::Todo;
    let address = site.config.sphinx.address.to_string();
    let (status, title, why, todo) = match refusal {
        Refusal::Bad(why) => {
            (400, "That cannot be searched", why.clone(), Todo::Say("Go back, change it, and try again."))
        }
        Refusal::NoIndex(name) => (404, "No such index", format!("There is no index '{name}'."), Todo::PickAnIndex),
        Refusal::Gone(why) => (404, "Not found", why.clone(), Todo::PickAnIndex),
        Refusal::Away(why) => (503, "searchd does not answer", why.clone(), Todo::CheckSphinx { address: &address }),
    };
    let reply = Reply::page(status, error::View { frame: frame(site, None), status, title, why: &why, todo }.page());
    if status == 503 { reply.with("Retry-After", "5") } else { reply }
}

/// A page about an error of ours or of the request's form.
pub fn plain_error(site: &Site, status: u16, title: &str, why: &str, todo: &str) -> Reply {
    let todo = error::Todo::Say(todo);
    Reply::page(status, pages::error::View { frame: frame(site, None), status, title, why, todo }.page())
}
