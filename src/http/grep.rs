//! `/grep/<index>/`: a search, and what searching and Redis answer, made into the views of its pages.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io::Write;
use std::time::Instant;

use jiff::tz::TimeZone;

use super::follow;
use super::lines::Lines;
use super::pages::found::{Found, Total};
use super::pages::log::{Log, View as LogView};
use super::pages::{Frame, filters, histogram, links, values};
use super::refusal::{Answer, Refusal, unsearchable, why};
use super::reply::Reply;
use super::stream::{Body, Cut};
use super::text;
use super::{Asker, Site};
use crate::config::{Index, IndexName};
use crate::number::Number;
use crate::search::column::Values;
use crate::search::figures::{Tally, Wanted};
use crate::search::histogram::Bar;
use crate::search::query::{Follow, Format, Order, Query};
use crate::search::{Count, Line, Scope, SearchError, Waits};
use crate::shown::shown_columns;
use crate::time::{Ts, zone_name};

/// Bars over the range: wide enough to be hit with a finger on a phone, and each costs about 150 bytes.
const BARS: usize = 60;
/// Values of a column beside the log, and on the page that is only about them.
const LISTED_VALUES: usize = 8;
const ALL_VALUES: usize = 1000;
/// Columns offered for a line.
const OFFERED_COLUMNS: usize = 60;
/// Seconds between two looks of a page that would follow, and has no place to.
const REFRESH: u32 = 10;
/// The other forms of a search that exist.
const FORMATS: &[(&str, Format)] = &[("text", Format::Text), ("NDJSON", Format::Ndjson), ("CSV", Format::Csv)];

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

pub fn query(settings: &[&Index], text: &str) -> Result<Query, Refusal> {
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
        refresh: None,
    }
}

/// `/grep/<index>/`
pub fn log_page(site: &Site, list: &str, asked: &str, now: Ts) -> Answer {
    let settings = settings(site, list)?;
    let query = query(&settings, asked)?;
    if matches!(query.format, Format::Text | Format::Ndjson | Format::Csv) {
        return Ok(match query.follow {
            Follow::Open => follow::stream(site, list, query, now),
            Follow::No | Follow::Every(_) => text::stream(site, list, query, now),
        });
    }
    if query.format == Format::Json {
        let path = format!("{}api/grep/{}/", site.config.http.base_path, links::index_list(&query.indexes));
        return Ok(Reply::redirect(302, &links::to(&path, &Query { format: Format::Page, ..query })));
    }
    if let Some(short) = canonical(asked, &query) {
        return Ok(Reply::redirect(
            302,
            &format!("{}{short}", links::grep_path(&site.config.http.base_path, &query.indexes)),
        ));
    }
    let zone = query.zone(&site.config.http.timezone);
    if let Err(error) = site.searcher.check(&query, now, zone) {
        return Ok(unsearchable(site, &query, &why(error)));
    }
    if query.follow == Follow::Open
        && let Some(page) = follow::page(site, list, &query, now)
    {
        return Ok(page);
    }
    let list = list.to_owned();
    Ok(Reply::growing_page(Box::new(move |site, body| write(site, &list, &query, now, body))))
}

/// The page, part by part: nothing before searchd has answered once, since until then there may be a refusal to tell instead;
/// then the lines as they are found, and behind them what takes its own time to count.
fn write(site: &Site, list: &str, query: &Query, now: Ts, body: &mut Body) -> Result<(), Cut> {
    let settings = settings(site, list).map_err(Cut::Refused)?;
    let zone = query.zone(&site.config.http.timezone).clone();
    let page_size = query.limit.unwrap_or(site.config.http.page_size).get();
    // who gets no place to follow looks again, until one is free
    let refresh = match query.follow {
        Follow::No => None,
        Follow::Open => Some(REFRESH),
        Follow::Every(seconds) => Some(seconds),
    };
    let view = LogView {
        frame: Frame { refresh, ..frame(site, Some(query)) },
        query,
        now,
        zone: &zone,
        range: query.range(now, &zone),
        shown_columns: shown_columns(&settings, query),
        formats: FORMATS,
        page_size,
    };
    let scope = scope(site, body.waits(), now, &zone, page_size);
    let mut log = Log::new(&view);
    let listed = filter_columns(&settings);
    // those of a column that is filtered are of another search
    let is_filtered = |column: &str| query.filters.iter().any(|filter| filter.column == column);
    let columns: Vec<&str> = listed.iter().copied().filter(|column| !is_filtered(column)).collect();
    let wanted = Wanted { bars: BARS, columns: &columns };
    let mut tally = site.searcher.tally(query, &scope, wanted);
    let (mut found, has_all) = write_lines(site, &settings, &view, &scope, &mut tally, &mut log, body)?;

    // the rest has time of its own, so that a slow search still has its histogram
    let scope = Scope { deadline: scope.deadline.max(Instant::now() + site.config.http.search_budget / 4), ..scope };
    let shown = tally.count();
    let figures = if has_all {
        site.searcher.figures_of(query, &scope, tally)
    } else {
        body.flush()?;
        site.searcher.figures(query, &scope, wanted)
    };
    if let Some(count) = figures.as_ref().ok().and_then(|figures| figures.count().ok()) {
        found.total = total(count, &found, shown);
        if count == Count::Exact(0) {
            let in_all = site.searcher.count_in_all(query, &scope).unwrap_or_default();
            found.in_all = in_all.map(|count| total(count, &found, 0));
        }
    }
    body.part(log.end(&found))?;
    match &figures {
        Ok(figures) => {
            let bars: Vec<histogram::Bar> = figures.histogram().bars.iter().map(bar).collect();
            body.part(view.histogram(&bars, !figures.histogram().exact))?;
        }
        Err(error) => body.part(view.no_histogram(&why(error.clone())))?,
    }
    body.part(view.filters_opening())?;
    body.flush()?;
    for column in listed {
        let values = match &figures {
            Ok(figures) if !is_filtered(column) => figures.values(column, LISTED_VALUES + 1),
            Ok(_) => site.searcher.values(query, &scope, column, LISTED_VALUES + 1),
            Err(error) => Err(error.clone()),
        };
        body.part(view.filter(&column_values(site, query, values, column, LISTED_VALUES)))?;
    }
    body.part(view.closing(&other_columns(site, &settings, &view.shown_columns)))?;
    Ok(())
}

/// The columns beside the log, each once.
fn filter_columns<'a>(settings: &[&'a Index]) -> Vec<&'a str> {
    let mut columns: Vec<&str> = Vec::new();
    for column in settings.iter().flat_map(|index| &index.filtered) {
        if !columns.contains(&column.as_str()) {
            columns.push(column);
        }
    }
    columns
}

/// The opening of the page and its lines; says whether the search has no matches but these.
fn write_lines(
    site: &Site,
    settings: &[&Index],
    view: &LogView,
    scope: &Scope,
    tally: &mut Tally,
    log: &mut Log,
    body: &mut Body,
) -> Result<(Found, bool), Cut> {
    let (opening, asked, failed) = (Cell::new(Some(view.opening())), Cell::new(false), Cell::new(false));
    let body = RefCell::new(body);
    let write = |part: String| {
        let opening = opening.take().map_or(String::new(), String::from);
        let written = body.borrow_mut().write_all((opening + &part).as_bytes());
        failed.set(failed.get() || written.is_err());
    };
    // what there is goes out before searchd is asked for more
    let pulse = || {
        if asked.replace(true) {
            write(String::new());
        }
        let mut body = body.borrow_mut();
        !failed.get() && body.flush().is_ok() && body.is_read()
    };
    // what refreshes itself shows the newest lines
    let query = match (view.query.follow, view.query.cursor, view.query.order) {
        (Follow::Open | Follow::Every(_), None, Order::OldestFirst) => links::last(view.query),
        _ => view.query.clone(),
    };
    let lines = Lines::new(settings, &view.shown_columns, view.query);
    let page = site.searcher.page_as_found(&query, scope, &pulse, &mut |line| {
        if let Line::Match(hit) = &line {
            tally.take(hit);
        }
        write(log.row(&lines.row(&line)).into());
    });
    let page = match page {
        Ok(page) => page,
        Err(error) if opening.take().is_some() => return Err(Cut::Refused(error.into())),
        Err(error) => return Ok((Found::broken_off(why(error)), false)),
    };
    write(String::new());
    if failed.get() || !body.borrow().is_read() {
        return Err(Cut::Left);
    }
    let mut warnings = page.warnings;
    if view.query.follow == Follow::Open {
        warnings.push(format!("{}; until then this page refreshes itself every {REFRESH} s", follow::no_seat(site)));
    }
    let last_record = || settings.iter().filter_map(|index| site.searcher.last(&index.name).ok()?).max();
    let found = Found {
        previous: page.previous,
        next: page.next,
        total: Total::Unknown,
        in_all: None,
        reached: page.reached,
        seeks_first: page.seeks_first,
        warnings,
        last_record: if log.is_empty() { last_record() } else { None },
    };
    Ok((found, page.has_all))
}

/// A form sends every field, empty or not; the address bar is for people, so the same search gets its short address.
fn canonical(text: &str, query: &Query) -> Option<String> {
    let sent_by_a_form = text
        .split('&')
        .any(|pair| matches!(pair, "start_ts=" | "end_ts=" | "mode=literal" | "in=message" | "context=0"));
    let short = query.to_url();
    (sent_by_a_form && short != text).then(|| if short.is_empty() { short } else { format!("?{short}") })
}

pub fn scope(site: &Site, waits: Waits, now: Ts, zone: &TimeZone, page_size: usize) -> Scope {
    let budget = site.config.http.search_budget;
    // of the usual two seconds, 300 ms
    let counting = budget * 3 / 20;
    Scope { now, zone: zone.clone(), page_size, deadline: Instant::now() + budget, counting, waits }
}

/// `shown`: so many are on the page. Of what is missing nothing is known.
fn total(count: Count, found: &Found, shown: u64) -> Total {
    match count {
        Count::Exact(number) if found.warnings.is_empty() => Total::Exactly(number),
        Count::AtMost(number) if found.warnings.is_empty() => Total::AtMost(number),
        Count::AtMost(_) => Total::AtLeast(shown),
        Count::Exact(number) | Count::AtLeast(number) => Total::AtLeast(number.max(shown)),
    }
}

fn bar(bar: &Bar) -> histogram::Bar {
    histogram::Bar { range: bar.range, total: bar.total, warnings: bar.warnings, errors: bar.errors }
}

/// Counted values first; those that Redis remembers fill the list, since what is missing now may be what is looked for.
fn column_values(
    site: &Site,
    query: &Query,
    values: Result<Values, SearchError>,
    column: &str,
    limit: usize,
) -> filters::Column {
    let mut view = filters::Column { name: column.to_owned(), ..filters::Column::default() };
    match values {
        Ok(counted) => {
            view.values = counted.values.into_iter().map(|(value, count)| (value, Some(count))).collect();
            if !counted.exact {
                view.note = Some("counted in part".to_owned());
            }
        }
        Err(error) => view.note = Some(why(error)),
    }
    for index in &query.indexes {
        if view.values.len() > limit {
            break;
        }
        // None: more than are offered; those that are counted must do
        let Some(Some(offered)) = site.remembered(|values| values.offered(index, column)) else { continue };
        let known: HashSet<String> = view.values.iter().map(|(value, _)| value.clone()).collect();
        // 5 and 5.0 have one link
        let numbers: HashSet<Number> = known.iter().filter_map(|value| Number::parse(value)).collect();
        let is_known = |value: &String| {
            known.contains(value) || Number::parse(value).is_some_and(|number| numbers.contains(&number))
        };
        let room = limit + 1 - view.values.len();
        let others = offered.into_iter().filter(|value| !is_known(value)).take(room);
        view.values.extend(others.map(|value| (value, None)));
    }
    view.more = view.values.len() > limit;
    view.values.truncate(limit);
    view
}

/// What else could stand in a line. Without Redis there is still the page of all columns.
fn other_columns(site: &Site, settings: &[&Index], shown: &[String]) -> Vec<String> {
    let mut others: Vec<String> = Vec::new();
    for index in settings {
        let seen = site.columns_seen(index).unwrap_or_default();
        let apart =
            |column: &String| index.hidden.contains(column) || index.context.contains(column) || shown.contains(column);
        others.extend(seen.into_iter().map(|(column, _)| column).filter(|column| !apart(column)));
    }
    others.sort_unstable();
    others.dedup();
    others.truncate(OFFERED_COLUMNS);
    others
}

/// `/grep/<index>/values/<column>/`
pub fn values_page(site: &Site, list: &str, column: &str, text: &str, asker: &Asker, now: Ts) -> Answer {
    let settings = settings(site, list)?;
    let query = query(&settings, text)?;
    let zone = query.zone(&site.config.http.timezone).clone();
    let scope = scope(site, asker.waits(site), now, &zone, site.config.http.page_size.get());
    let values = site.searcher.values(&query, &scope, column, ALL_VALUES + 1);
    let mut column = column_values(site, &query, values, column, ALL_VALUES);
    let warnings = column.note.take().into_iter().collect();
    Ok(Reply::page(
        200,
        values::View { frame: frame(site, Some(&query)), query: &query, column, warnings }.page().into_string(),
    ))
}
