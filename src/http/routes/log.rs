//! `/grep/<index>/`: a search, made into the view of its page from the answers of searchd and Redis.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use crate::config::Index;
use crate::http::body::{Aborted, Body};
use crate::http::error::Refusal;
use crate::http::pages::log::foot::{LogFoot, NearestRecords, Total};
use crate::http::pages::log::view::LogView;
use crate::http::pages::log::{LogRow, LogWriter};
use crate::http::pages::{Frame, LOG_KEYS, histogram, links};
use crate::http::request::LogRequest;
use crate::http::response::{Answer, Reply};
use crate::http::routes::error::unsearchable;
use crate::http::routes::frame::frame;
use crate::http::routes::log_lines::Lines;
use crate::http::routes::nearest::nearest_records;
use crate::http::routes::next_error::has_later_error;
use crate::http::routes::values::{by_severity, column_values, known_values};
use crate::http::routes::{export, follow, hints};
use crate::http::site::Site;
use crate::query::{Follow, Format, Order, Query, REFRESH_SECONDS, edit};
use crate::redis::seen::KnownColumn;
use crate::render::cells::shown_columns;
use crate::search::hit::{Count, Line};
use crate::search::scope::Scope;
use crate::search::stats::column_values::ValuesWanted;
use crate::search::stats::histogram::{Bar, TimeHistogram};
use crate::search::stats::{Tally, Wanted};

/// Values of a column in the list next to the log.
const LISTED_VALUES: usize = 8;
/// Lines that wait to be written together: those of a page of the usual size.
const HELD_LINES: usize = 100;
/// As bytes of records: a page of huge ones is not held in memory.
const HELD_BYTES: usize = 1 << 20;
/// Columns offered for a line.
const OFFERED_COLUMNS: usize = 60;

/// `/grep/<index>/`; `text` is the query string as it came.
pub fn log_page(site: &Site, request: LogRequest, text: &str) -> Answer {
    let query = &request.query;
    if query.format.is_stream() {
        return Ok(match query.follow {
            Follow::Open => follow::stream(site, request),
            Follow::No | Follow::Every(_) => export::stream(request),
        });
    }
    let base = &site.http().base_path;
    if query.format == Format::Json {
        let path = format!("{base}api/grep/{}/", query.indexes);
        return Ok(Reply::redirect(302, &links::to(&path, &Query { format: Format::Page, ..request.query })));
    }
    if let Some(short) = canonical(text, query) {
        return Ok(Reply::redirect(302, &format!("{}{short}", links::grep_path(base, &query.indexes))));
    }
    if let Err(error) = site.searcher.check(query, request.now, &request.zone) {
        return Ok(unsearchable(site, &request.visible, query, &error.to_string()));
    }
    if query.follow == Follow::Open
        && let Some(slot) = site.followers.take(request.household)
    {
        return Ok(follow::page(slot, request));
    }
    Ok(Reply::growing_page(Box::new(move |site, body| write(site, &request, body))))
}

/// Writes the page part by part: nothing before searchd has answered once, since until then it can still become a refusal;
/// then the lines as they are found, and after them the figures, which take their own time.
fn write(site: &Site, request: &LogRequest, body: &mut Body) -> Result<(), Aborted> {
    let (settings, query) = (request.settings(), &request.query);
    let page_size = request.page_size(site);
    // a client without a place to follow reloads until one is free
    let refresh = match query.follow {
        Follow::No => None,
        Follow::Open => Some(REFRESH_SECONDS),
        Follow::Every(seconds) => Some(seconds),
    };
    let scope = request.scope(site, body.waits(), page_size);
    let view = LogView {
        frame: Frame { refresh, has_search_form: true, keys: LOG_KEYS, ..frame(site, &request.visible, Some(query)) },
        query,
        pattern_texts: site.searcher.pattern_texts(query, &scope),
        now: request.now,
        zone: &request.zone,
        range: request.range(),
        shown_columns: shown_columns(&settings, query),
        formats: &Format::STREAMS,
        page_size,
        may_save: request.may_save,
        grows: false,
    };
    let mut log = LogWriter::new(&view);
    let listed = filter_columns(&settings);
    // the values of a filtered column need a search without that filter
    let is_filtered = |column: &str| query.filters.iter().any(|filter| filter.is_on(column));
    let columns: Vec<&str> = listed.iter().copied().filter(|column| !is_filtered(column)).collect();
    let wanted = Wanted { bars: histogram::HISTOGRAM_BARS, columns: &columns };
    let mut tally = site.searcher.tally(query, &scope, wanted);
    let search = LineSearch { site, request, settings: &settings, view: &view, scope: &scope };
    let (mut found, has_all) = write_lines(search, &mut tally, &mut log, body)?;

    // the rest has its own time, so that a page whose search was slow still has its histogram
    let scope = Scope { deadline: scope.deadline.max(Instant::now() + site.http().search_budget / 4), ..scope };
    let shown = tally.count();
    let figures = if has_all {
        site.searcher.figures_of(query, &scope, tally)
    } else {
        body.flush()?;
        site.searcher.figures(query, &scope, wanted)
    };
    let counted = figures.as_ref().ok().and_then(|figures| Some((figures.count().ok()?, figures.missing())));
    if let Some((count, missing)) = counted {
        // a peer may have gone since the lines
        found.lacks(missing);
        found.total = found.total_of(count, shown);
        if count == Count::Exact(0) {
            let in_all = site.searcher.count_in_all(query, &scope).unwrap_or_default();
            found.in_all = in_all.map(|count| found.total_of(count, 0));
            found.meant = hints::suggestion(site, request);
            found.meant_may_find = found.meant.as_ref().is_none_or(|meant| hints::may_find(site, &meant.query, &scope));
            found.words_may_find = edit::of_words(query).is_some_and(|words| hints::may_find(site, &words, &scope));
        }
    }
    if let (Some(_), Some(place), Ok(figures)) = (found.next, log.last_match(), &figures) {
        found.has_later_error = has_later_error(site, query, &scope, &figures.histogram().bars, place);
    }
    found.missing_columns = hints::missing_columns(site, request, &scope, !log.is_empty());
    body.part(log.end(&found))?;
    match &figures {
        Ok(figures) => {
            let whole = whole_histogram(site, request, &scope);
            let histogram = whole.as_ref().unwrap_or_else(|| figures.histogram());
            let bars: Vec<histogram::HistogramBar> = histogram.bars.iter().map(bar).collect();
            body.part(view.histogram(&bars, !histogram.exact))?;
        }
        Err(error) => body.part(view.no_histogram(&error.to_string()))?,
    }
    body.part(view.filters_opening())?;
    body.flush()?;
    for column in listed {
        let known = known_values(site, query, column);
        let wanted = ValuesWanted { column, limit: LISTED_VALUES + 1, known: &known };
        let values = match &figures {
            Ok(figures) if !is_filtered(column) => figures.values(&wanted),
            Ok(_) => site.searcher.values(query, &scope, &wanted),
            Err(error) => Err(error.clone()),
        };
        let mut column = column_values(values, column, known, LISTED_VALUES);
        by_severity(&mut column, &settings);
        body.part(view.filter(&column))?;
    }
    body.part(view.closing(&other_columns(site, &settings, &view.shown_columns)))?;
    Ok(())
}

/// The histogram around the range of a search that is a part of a longer one; None: it is not, or no longer.
fn whole_histogram(site: &Site, request: &LogRequest, scope: &Scope) -> Option<TimeHistogram> {
    let (whole, part) = (edit::whole(&request.query)?, request.range());
    let range = whole.range(request.now, &request.zone);
    if part.start < range.start || range.end < part.end {
        return None;
    }
    let wanted = Wanted { bars: histogram::HISTOGRAM_BARS, columns: &[] };
    Some(site.searcher.figures(&whole, scope, wanted).ok()?.histogram().clone())
}

/// The columns of the lists next to the log, each once.
fn filter_columns<'a>(settings: &[&'a Index]) -> Vec<&'a str> {
    let mut columns: Vec<&str> = Vec::new();
    for column in settings.iter().flat_map(|index| &index.filtered) {
        if !columns.contains(&column.as_str()) {
            columns.push(column);
        }
    }
    columns
}

/// The search for the lines of a page.
#[derive(Clone, Copy)]
struct LineSearch<'a> {
    site: &'a Site,
    request: &'a LogRequest,
    settings: &'a [&'a Index],
    view: &'a LogView<'a>,
    scope: &'a Scope,
}

/// Writes the opening of the page and its lines; returns true if the search has no other matches.
fn write_lines(
    search: LineSearch,
    tally: &mut Tally,
    log: &mut LogWriter,
    body: &mut Body,
) -> Result<(LogFoot, bool), Aborted> {
    let LineSearch { site, request, settings, view, scope } = search;
    let (opening, asked, failed) = (Cell::new(Some(view.opening())), Cell::new(false), Cell::new(false));
    let body = RefCell::new(body);
    let write = |part: String| {
        let opening = opening.take().map_or(String::new(), String::from);
        let written = body.borrow_mut().write_all((opening + &part).as_bytes());
        failed.set(failed.get() || written.is_err());
    };
    let lines = Lines::new(settings, &view.shown_columns, view.query);
    let (log, found) = (RefCell::new(log), RefCell::new(FoundLines::default()));
    let write_found = || {
        let found = found.take();
        let rows: Vec<LogRow> = found.lines.iter().map(|line| lines.row(line)).collect();
        let mut log = log.borrow_mut();
        if log.is_empty() {
            log.lacks(site.searcher.missing());
        }
        write(log.rows(&rows).into());
    };
    // found lines go out before searchd is asked for more
    let pulse = || {
        if asked.replace(true) {
            write_found();
        }
        let mut body = body.borrow_mut();
        !failed.get() && body.flush().is_ok() && body.is_read()
    };
    // a page that reloads itself shows the newest lines
    let query = match (view.query.follow, view.query.cursor, view.query.order()) {
        (Follow::Open | Follow::Every(_), None, Order::OldestFirst) => edit::last(view.query),
        _ => view.query.clone(),
    };
    let page = site.searcher.page_as_found(&query, scope, &pulse, &mut |line| {
        if let Line::Match(hit) = &line {
            tally.take(hit);
        }
        if found.borrow_mut().hold(line) {
            write_found();
        }
    });
    if !found.borrow().lines.is_empty() {
        write_found();
    }
    let page = match page {
        Ok(page) => page,
        Err(error) if opening.take().is_some() => {
            return Err(Aborted::Refused(Refusal::from(error).of_search(view.query)));
        }
        Err(error) => return Ok((LogFoot::broken_off(error.to_string()), false)),
    };
    write(String::new());
    if failed.get() || !body.borrow().is_read() {
        return Err(Aborted::ClientLeft);
    }
    let mut warnings = page.warnings;
    if view.query.follow == Follow::Open {
        warnings.push(format!(
            "{}; until then this page refreshes itself every {REFRESH_SECONDS} s",
            site.followers.all_taken()
        ));
    }
    // a page beyond the last one is empty for another reason
    let is_empty = log.borrow().is_empty() && view.query.cursor.is_none();
    let found = LogFoot {
        previous: page.previous,
        next: page.next,
        total: Total::Unknown,
        in_all: None,
        has_later_error: false,
        reached: page.reached,
        seeks_first: page.seeks_first,
        warnings,
        nearest: if is_empty { nearest_records(site, request, scope) } else { NearestRecords::default() },
        missing_columns: Vec::new(),
        meant: None,
        meant_may_find: false,
        words_may_find: false,
    };
    Ok((found, page.has_all))
}

/// Lines that are not written yet: those that are written together have their columns below each other.
#[derive(Default)]
struct FoundLines {
    lines: Vec<Line>,
    bytes: usize,
}

impl FoundLines {
    /// Returns true if they are enough to be written.
    fn hold(&mut self, line: Line) -> bool {
        if let Line::Match(hit) | Line::Near(hit) = &line {
            self.bytes += hit.record.message.len() + hit.record.columns.len();
        }
        self.lines.push(line);
        self.lines.len() >= HELD_LINES || self.bytes >= HELD_BYTES
    }
}

/// A form sends every field, empty or not; the address bar is for people, so the same search gets its short address.
pub fn canonical(text: &str, query: &Query) -> Option<String> {
    let sent_by_a_form = text
        .split('&')
        .any(|pair| matches!(pair, "start_ts=" | "end_ts=" | "mode=literal" | "in=message" | "context=0"));
    let short = query.to_url();
    (sent_by_a_form && short != text).then(|| if short.is_empty() { short } else { format!("?{short}") })
}

fn bar(bar: &Bar) -> histogram::HistogramBar {
    histogram::HistogramBar { range: bar.range, total: bar.total, warnings: bar.warnings, errors: bar.errors }
}

/// Columns that could be added to a line, by name: where there are too many, those that were seen in the most minutes. Without
/// Redis there are none here; the columns' page lists them.
fn other_columns(site: &Site, settings: &[&Index], shown: &[String]) -> Vec<String> {
    let mut others: BTreeMap<String, u16> = BTreeMap::new();
    for index in settings {
        let apart =
            |column: &String| index.hidden.contains(column) || index.context.contains(column) || shown.contains(column);
        for KnownColumn { name, minutes, .. } in site.columns_seen(index).unwrap_or_default() {
            if !apart(&name) {
                let most = others.entry(name).or_default();
                *most = (*most).max(minutes);
            }
        }
    }
    let mut others: Vec<(String, u16)> = others.into_iter().collect();
    others.sort_by_key(|(_, minutes)| Reverse(*minutes));
    others.truncate(OFFERED_COLUMNS);
    let mut others: Vec<String> = others.into_iter().map(|(name, _)| name).collect();
    others.sort_unstable();
    others
}
