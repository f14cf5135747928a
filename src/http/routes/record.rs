//! `/grep/<index>/at/<place>/`: one record and its surroundings, made into the page's view. A small page is sent as a whole, with its
//! length; a large one as it is written.

use std::fmt;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Index, IndexName};
use crate::http::body::{Aborted, Body};
use crate::http::error::Refusal;
use crate::http::pages::line::{LineView, Role};
use crate::http::pages::message_json::MAX_SHOWN_TWICE_BYTES;
use crate::http::pages::neighbourhood::{Neighbourhood, NeighbourhoodView};
use crate::http::pages::{Frame, RECORD_KEYS, record};
use crate::http::request::LogRequest;
use crate::http::response::{Answer, Reply, StreamedBody};
use crate::http::routes::frame::frame;
use crate::http::routes::log_lines::{OPENED_LEVELS, hits, line_view};
use crate::http::site::Site;
use crate::http::visible::Visible;
use crate::query::cursor::Place;
use crate::query::{Condition, Filter, Format, Query, Within, edit};
use crate::record::column_value::ColumnValue;
use crate::record::json::{Columns, column_value};
use crate::record::pattern::memory::FirstSeen;
use crate::record::pattern::{self, MessagePattern};
use crate::render::cells::shown_columns;
use crate::render::ndjson::whole;
use crate::search::hit::{Count, Hit, Line, Page};
use crate::search::pattern::Pattern;
use crate::search::scope::Waits;
use crate::search::stats::Wanted;
use crate::time::{Range, Ts};

/// Lines around a record, at first, and at most.
const NEAR_LINES: usize = 20;
const MAX_NEAR_LINES: usize = 1000;
/// A record that is not inside the range of the search it came from is looked for in this many seconds around it.
const NEARBY_SECONDS: i64 = 1800;

/// Of a record with more columns, the page reads the first ones and those by which there are lines of the same value.
const MAX_READ_COLUMNS: usize = 1000;
/// Of a list with more items, the first ones are shown, and lines with one of these are those of the same value.
const MAX_ITEMS: usize = 1000;

/// A page with more bytes of records is sent as it is written.
const MAX_WHOLE_BYTES: usize = 256 * 1024;

/// A record's page does not wait longer for the number of records that are like it.
const ALIKE_TIME: Duration = Duration::from_millis(200);

/// `/grep/<index>/at/<place>/`, and below it `<before>-<after>/` and whose lines stand around it.
/// `came_from_a_search`: the address holds the search that led here.
pub fn record_page(site: &Site, request: LogRequest, place: &str, around: &[&str], came_from_a_search: bool) -> Answer {
    let (query, visible) = (&request.query, &request.visible);
    let (ts, seq, digest) =
        parse_place(place).ok_or_else(|| Refusal::Bad(format!("'{place}' names no record; use the link of a line")))?;
    let sides = around.first().map_or(Ok((NEAR_LINES, NEAR_LINES)), |sides| parse_sides(sides))?;
    let of = Neighbourhood::parse(around.get(1..).unwrap_or_default())
        .ok_or_else(|| Refusal::NotFound("There is no such page.".to_owned()))?;
    // an invalid pattern marks nothing
    let pattern_asked = Pattern::new(query).ok();
    let marks = |text: &str| pattern_asked.as_ref().map_or_else(Vec::new, |pattern| pattern.marks(text));
    let mut found = None;
    for index in &request.indexes {
        if let Some((hit, equal)) = site.searcher.at(&index.name, (ts, seq, digest))? {
            found = Some((index.clone(), hit, equal));
            break;
        }
    }
    let (index, mut hit, equal) = found.ok_or_else(|| {
        Refusal::NotFound(format!(
            "There is no such record in {}, or its day is no longer kept.",
            query.indexes.title()
        ))
    })?;
    if query.format == Format::Json {
        return Ok(json(&index, &hit));
    }
    hit.marks = marks(&hit.record.message);
    let (columns, unread_columns) = read_columns(&hit, |name| {
        index.filtered.iter().any(|filtered| filtered == name)
            || matches!(&of, Neighbourhood::Same(same) if same == name)
    });
    let stream = stream_around(visible, query, &of, &hit.index, &columns);
    let mut page = site.searcher.around(&hit, &stream, sides, &request.scope(site, Waits::default(), NEAR_LINES))?;
    // the record itself is there already
    page.lines.retain(|line| !matches!(line, Line::Match(_)));
    for line in &mut page.lines {
        if let Line::Near(hit) = line {
            hit.marks = marks(&hit.record.message);
        }
    }
    if equal > 1 {
        page.warnings.push(format!("{equal} equal records are stored at this place"));
    }
    let pattern = pattern::of(&hit.record.message);
    site.searcher.known_patterns.learn(pattern.clone(), std::slice::from_ref(&index.name));
    let memory = site.pattern_memory_of(&index.name, &[pattern.hash]);
    let first_seen = memory.and_then(|memory| Some(memory.first_seen(pattern.hash)?.with(ts)));
    let around =
        if request.range().contains(ts) { edit::first(query) } else { edit::within(query, nearby(ts), &request.zone) };
    let alike = alike(site, &request, &edit::only_pattern(&around, pattern.hash));
    let bytes = hit.bytes() + hits(&page).map(Hit::bytes).sum::<usize>();
    let found = FoundRecord {
        request,
        index,
        hit,
        columns,
        unread_columns,
        of,
        sides,
        came_from_a_search,
        pattern_asked,
        stream,
        around,
        page,
        pattern,
        first_seen,
        alike,
    };
    if bytes > MAX_WHOLE_BYTES {
        let write = move |site: &Site, body: &mut Body| {
            found.write(site, &mut BodyText(body)).map_err(|fmt::Error| Aborted::ClientLeft)
        };
        return Ok(Reply::growing_page(Box::new(write)));
    }
    let mut text = String::new();
    found.write(site, &mut text).expect("a String takes everything");
    Ok(Reply::page(200, text))
}

/// Writes text to a body.
struct BodyText<'a>(&'a mut Body);

impl fmt::Write for BodyText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_all(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// The record as a JSON object, a line for each member.
fn json(index: &Index, hit: &Hit) -> Reply {
    let members = whole(index, hit);
    let bytes: usize = members.iter().map(|(key, value)| key.len() + value.len()).sum();
    let write_all = move |out: &mut dyn io::Write| {
        for (at, (key, value)) in members.iter().enumerate() {
            write!(out, "{}  {key}: {value}", if at == 0 { "{\n" } else { ",\n" })?;
        }
        out.write_all(b"\n}\n")
    };
    if bytes > MAX_WHOLE_BYTES {
        let write = move |_: &Site, body: &mut Body| Ok(write_all(body)?);
        return Reply { stream: Some(StreamedBody::Page(Box::new(write))), ..Reply::json(String::new()) };
    }
    let mut text = Vec::new();
    write_all(&mut text).expect("a Vec takes everything");
    Reply::json(String::from_utf8(text).expect("JSON is UTF-8"))
}

/// The first columns of a record and the wanted ones; and how many others there are.
fn read_columns(hit: &Hit, is_wanted: impl Fn(&str) -> bool) -> (Vec<(String, ColumnValue)>, usize) {
    let (mut read, mut others) = (Vec::new(), 0);
    Columns::parse(&hit.record.columns).each_flat(OPENED_LEVELS, &mut |name, raw| {
        match read.len() < MAX_READ_COLUMNS || is_wanted(&name) {
            true => read.push((name, column_value(raw, MAX_ITEMS))),
            false => others += 1,
        }
        ControlFlow::Continue(())
    });
    (read, others)
}

/// The time around a record. Whole seconds make short links.
fn nearby(ts: Ts) -> Range {
    let second = ts.plus_micros(-ts.micros().rem_euclid(1_000_000));
    Range { start: second.plus_seconds(-NEARBY_SECONDS), end: second.plus_seconds(NEARBY_SECONDS) }
}

/// All that a record's page is made of.
struct FoundRecord {
    request: LogRequest,
    index: Arc<Index>,
    hit: Hit,
    columns: Vec<(String, ColumnValue)>,
    unread_columns: usize,
    of: Neighbourhood,
    sides: (usize, usize),
    came_from_a_search: bool,
    pattern_asked: Option<Pattern>,
    /// the search for the lines around it
    stream: Query,
    around: Query,
    page: Page,
    pattern: MessagePattern,
    first_seen: Option<FirstSeen>,
    alike: Option<Count>,
}

impl FoundRecord {
    /// Writes the page.
    fn write(&self, site: &Site, out: &mut dyn fmt::Write) -> fmt::Result {
        let FoundRecord { request, index, hit, page, stream, sides, .. } = self;
        let LogRequest { query, visible, zone, .. } = request;
        let of_stream = |index: &&Index| stream.indexes.contains(&index.name);
        let settings: Vec<&Index> = visible.indexes().iter().map(|index| &**index).filter(of_stream).collect();
        let shown = shown_columns(&settings, query);
        let several = stream.indexes.len() > 1;
        let near = |hit| line_view(&settings, &shown, hit, Role::Near, several);
        let key = |place: Place| (place.ts, place.seq, place.digest, place.id);
        let lines_before: Vec<LineView> = hits_where(page, |place| key(place) < key(hit.place)).map(near).collect();
        let lines_after: Vec<LineView> = hits_where(page, |place| key(place) > key(hit.place)).map(near).collect();
        let (before, after) = *sides;
        let more = |more: bool, before: usize, after: usize| {
            (more && before <= MAX_NEAR_LINES && after <= MAX_NEAR_LINES).then_some((before, after))
        };
        let apart = |name: &str| index.hidden.iter().chain(&index.context).any(|other| other == name);
        let view = record::RecordView {
            frame: Frame { keys: RECORD_KEYS, ..frame(site, visible, Some(query)) },
            index: &index.name,
            query,
            around: &self.around,
            nearby: nearby(hit.place.ts),
            neighbourhood: NeighbourhoodView {
                chosen: &self.of,
                choices: choices(visible, query, index, &self.columns),
                searched: query.indexes.title(),
            },
            list: if self.of == Neighbourhood::AllIndexes { &stream.indexes } else { &query.indexes },
            sides: *sides,
            came_from_a_search: self.came_from_a_search,
            zone,
            record: line_view(&settings, &shown, hit, Role::Here, several),
            shown_columns: &shown,
            pattern: &self.pattern,
            first_seen: self.first_seen,
            alike: self.alike,
            columns: self.columns.iter().filter(|(name, _)| !apart(name)).collect(),
            unread_columns: self.unread_columns,
            in_columns: self.pattern_asked.as_ref().filter(|_| query.within == Within::All),
            bytes: hit.bytes(),
            json: (hit.bytes() <= MAX_SHOWN_TWICE_BYTES).then(|| whole(index, hit)),
            before: lines_before,
            after: lines_after,
            more_before: more(page.previous.is_some(), before + 2 * NEAR_LINES, after),
            more_after: more(page.next.is_some(), before, after + 2 * NEAR_LINES),
            warnings: &page.warnings,
        };
        view.write(out)
    }
}

/// How many records a search finds, as far as it is found out in a moment.
fn alike(site: &Site, request: &LogRequest, query: &Query) -> Option<Count> {
    let scope = request.scope(site, Waits::default(), 1).at_most(ALIKE_TIME);
    let figures = site.searcher.figures(query, &scope, Wanted { bars: 0, columns: &[] });
    figures.and_then(|figures| figures.count()).ok()
}

fn hits_where(page: &Page, is: impl Fn(Place) -> bool) -> impl Iterator<Item = &Hit> {
    hits(page).filter(move |hit| is(hit.place))
}

fn parse_place(text: &str) -> Option<(Ts, i64, i64)> {
    if let Some(place) = Place::parse_short(text) {
        return Some(place);
    }
    let mut numbers = text.split('.').map(str::parse::<i64>);
    // a fourth number is the document's, as in the `@id` of NDJSON
    let (Some(Ok(ts)), Some(Ok(seq)), Some(Ok(digest)), None | Some(Ok(_)), None) =
        (numbers.next(), numbers.next(), numbers.next(), numbers.next(), numbers.next())
    else {
        return None;
    };
    Some((Ts::from_micros(ts), seq, digest))
}

/// The numbers of lines before and after a record.
fn parse_sides(text: &str) -> Result<(usize, usize), Refusal> {
    let number = |text: &str| text.parse::<usize>().ok().map(|number| number.min(MAX_NEAR_LINES));
    let sides = text.split_once('-').and_then(|(before, after)| Some((number(before)?, number(after)?)));
    sides.ok_or_else(|| Refusal::Bad(format!("'{text}' is not a number of lines before and after; write 20-20")))
}

/// The search for all lines of the stream around a record. A record without the column has the lines of all that was searched.
fn stream_around(
    visible: &Visible,
    query: &Query,
    of: &Neighbourhood,
    own: &IndexName,
    columns: &[(String, ColumnValue)],
) -> Query {
    let searched = || Query::new(query.indexes.clone());
    match of {
        Neighbourhood::Searched => searched(),
        Neighbourhood::OwnIndex => Query::new(vec![own.clone()]),
        Neighbourhood::AllIndexes => Query::new(visible.all()),
        Neighbourhood::Same(column) => {
            let values = columns.iter().find(|(name, _)| name == column).map_or(&[][..], |(_, value)| value.texts());
            let is = Condition::In(values.to_vec());
            let same = (!values.is_empty()).then(|| Filter { column: column.clone(), is, off: false });
            Query { filters: same.into_iter().collect(), ..searched() }
        }
    }
}

/// The surroundings that differ: by index if there are several, and by each filtered column that the record has.
fn choices(visible: &Visible, query: &Query, index: &Index, columns: &[(String, ColumnValue)]) -> Vec<Neighbourhood> {
    let mut choices = vec![Neighbourhood::Searched];
    if query.indexes.len() > 1 {
        choices.push(Neighbourhood::OwnIndex);
    }
    if query.indexes.len() < visible.indexes().len() {
        choices.push(Neighbourhood::AllIndexes);
    }
    let has = |column: &&String| columns.iter().any(|(name, value)| name == *column && !value.texts().is_empty());
    choices.extend(index.filtered.iter().filter(has).cloned().map(Neighbourhood::Same));
    choices
}
