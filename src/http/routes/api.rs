//! `/api/grep/<index>/` and below: a search and its figures as JSON, in the shape of the Python alco.
//!
//! | path | answer |
//! |---|---|
//! | `/api/grep/<index>/` | `{"next": url or null, "previous": …, "results": [{"id", "datetime", "logline", "logline_snippet", "js"}]}` |
//! | `…/count/` | `{"count", "missing": [text]}`: of all matches, however long it takes |
//! | `…/histogram/` | `{"bars": [{"start", "end", "total", "warnings", "errors"}], "exact": bool, "missing": [text]}` |
//! | `…/values/<column>/` | `{"column", "values": [{"value", "count"}], "more": bool, "exact": bool, "missing": [text]}` |
//! | `…/patterns/` | `{"patterns": [{"pattern", "text", "count", …}], "number", "records", "bars", "exact": bool}` |
//! | `…/columns/` | `[{"name", "last_seen": seconds}]` |
//!
//! A docid is below 2^53, so that every JSON client can hold it. An error is `{"error", "hint"}` with its status.

use std::collections::BTreeMap;
use std::io::Write;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::http::error::Refusal;
use crate::http::pages::histogram::HISTOGRAM_BARS;
use crate::http::pages::links::{self, LINK_BYTES};
use crate::http::pages::marked::Snippet;
use crate::http::request::{Client, LogRequest};
use crate::http::response::{Answer, Reply};
use crate::http::routes::error::with_headers;
use crate::http::routes::hints;
use crate::http::routes::json_page::JsonPage;
use crate::http::routes::new_patterns::counted;
use crate::http::routes::patterns::{MAX_LISTED_PATTERNS, over_limit};
use crate::http::routes::values::known_values;
use crate::http::site::Site;
use crate::query::cursor::Cursor;
use crate::query::suggestion::MissingColumn;
use crate::query::{Format, Query, edit};
use crate::redis::seen::KnownColumn;
use crate::render::patterns::object;
use crate::search::hit::{Count, Hit};
use crate::search::stats::Wanted;
use crate::search::stats::column_values::{ValueCounts, ValuesWanted};
use crate::search::stats::patterns::PatternsWanted;
use crate::time::{Range, Ts, When};

const MAX_VALUES: usize = 1000;

#[derive(Serialize)]
struct PageLinks {
    next: Option<String>,
    previous: Option<String>,
}

/// The members after the records.
#[derive(Serialize)]
struct PageEnd {
    /// the place at which the time ran out before the page was full; `next` goes on from there
    #[serde(skip_serializing_if = "Option::is_none")]
    searched_up_to: Option<String>,
    /// parts of the answer that are missing; columns of filters that no record has
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct RecordJson<'a> {
    id: u64,
    /// the record's index, if the search has several
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'a str>,
    datetime: String,
    logline: &'a str,
    #[serde(serialize_with = "as_text")]
    logline_snippet: Snippet<'a>,
    js: &'a RawValue,
}

/// A search without a start begins with the first record that is kept, as in the Python program.
pub fn logs(site: &Site, mut request: LogRequest, client: &Client) -> Answer {
    request.query.start.get_or_insert(When::At(Ts::MIN));
    // `format=json` changes nothing here, and the order is that of a stream
    request.query.format = Format::Json;
    let query = &request.query;
    let scope = request.scope(site, client.waits(site), request.page_size(site));
    let page = site.searcher.page(query, &scope)?;
    let mut warnings = page.warnings.clone();
    if page.has_all && page.lines.is_empty() {
        warnings.extend(hints::missing_columns(site, &request, &scope, false).iter().map(MissingColumn::words));
    }
    if let Some(place) = page.reached {
        warnings.push(format!("the time ran out at {}: the link that goes on is in this answer", place.ts.rfc3339()));
    }
    if page.lines.is_empty() && query.invert && query.search.is_empty() {
        warnings.push("an empty text is in every line, so invert leaves none".to_owned());
    }
    let path = format!("{}api/grep/{}/", site.http().base_path, query.indexes);
    let link = |shown: &Query| {
        let shown = Query { format: Format::Page, ..shown.clone() };
        format!("{}{}", client.origin, links::to(&path, &shown))
    };
    let next = page.next.map(|place| edit::after(query, place));
    let previous = page.previous.map(|place| edit::before(query, place));
    // if the time ran out, the link leads on in the same direction
    let on = page.reached.map(|place| query.go_on(place, page.seeks_first, request.range()));
    let back = matches!(query.cursor, Some(Cursor::Before(_)));
    let (on_next, on_previous) = if back { (None, on) } else { (on, None) };
    let links =
        PageLinks { next: on_next.or(next).as_ref().map(link), previous: on_previous.or(previous).as_ref().map(link) };
    let end = PageEnd { searched_up_to: page.reached.map(|place| place.ts.rfc3339()), warnings };
    let several = query.indexes.len() > 1;
    let [opening, closing] = around_results(&links, &end);
    let write_record =
        Box::new(move |hit: &Hit, out: &mut dyn Write| Ok(serde_json::to_writer(out, &log(hit, several))?));
    Ok(JsonPage { opening, lines: page.lines, write_record, closing, slot: page.slot }.reply())
}

/// The text of a page before its records, and after them.
fn around_results(links: &PageLinks, end: &PageEnd) -> [String; 2] {
    let (mut opening, end) = (json_text(links), json_text(end));
    opening.truncate(opening.len() - 1);
    opening.push_str(",\"results\":[");
    let has_members = end.len() > "{}".len();
    [opening, format!("]{}{}", if has_members { "," } else { "" }, &end[1..])]
}

fn log(hit: &Hit, several: bool) -> RecordJson<'_> {
    RecordJson {
        id: hit.place.id,
        index: several.then(|| hit.index.as_str()),
        datetime: hit.place.ts.rfc3339(),
        logline: &hit.record.message,
        logline_snippet: Snippet::new(&hit.record.message, &hit.marks),
        js: serde_json::from_str(&hit.record.columns).unwrap_or(RawValue::NULL),
    }
}

fn as_text<S: Serializer>(snippet: &Snippet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(snippet)
}

#[derive(Serialize)]
struct CountJson {
    count: u64,
    /// parts of the answer that are missing
    missing: Vec<String>,
}

/// Over the range of the search; if it names none, over the default of the page.
pub fn count(site: &Site, request: &LogRequest, client: &Client) -> Answer {
    let scope = request.scope_to_the_end(site, client.waits(site));
    let (count, missing) = site.searcher.count_all(&request.query, &scope)?;
    Ok(json(&CountJson { count, missing }))
}

#[derive(Serialize)]
struct BarsJson {
    bars: Vec<BarJson>,
    exact: bool,
    /// parts that are missing
    missing: Vec<String>,
}

#[derive(Serialize)]
struct BarJson {
    start: String,
    end: String,
    total: u64,
    warnings: u64,
    errors: u64,
}

/// Over the range of the search; if it names none, over the default of the page.
pub fn histogram(site: &Site, request: &LogRequest, client: &Client) -> Answer {
    let wanted = Wanted { bars: HISTOGRAM_BARS, columns: &[] };
    let figures = site.searcher.figures(&request.query, &request.scope(site, client.waits(site), 1), wanted)?;
    let found = figures.histogram();
    let bar = |bar: &crate::search::stats::histogram::Bar| BarJson {
        start: bar.range.start.rfc3339(),
        end: bar.range.end.rfc3339(),
        total: bar.total,
        warnings: bar.warnings,
        errors: bar.errors,
    };
    Ok(json(&BarsJson { bars: found.bars.iter().map(bar).collect(), exact: found.exact, missing: figures.missing() }))
}

#[derive(Serialize)]
struct ValuesJson<'a> {
    column: &'a str,
    values: Vec<ValueJson>,
    more: bool,
    exact: bool,
    /// parts that are missing
    missing: Vec<String>,
}

#[derive(Serialize)]
struct ValueJson {
    value: String,
    count: u64,
}

pub fn values(site: &Site, request: &LogRequest, column: &str, client: &Client) -> Answer {
    let scope = request.scope(site, client.waits(site), 1);
    let known = known_values(site, &request.query, column);
    let found =
        site.searcher.values(&request.query, &scope, &ValuesWanted { column, limit: MAX_VALUES, known: &known })?;
    Ok(json(&values_json(column, found)))
}

/// As on a page, a value that is too long for a link is not among them.
fn values_json(column: &str, found: ValueCounts) -> ValuesJson<'_> {
    let ValueCounts { mut values, more, exact, missing } = found;
    let all = values.len();
    values.retain(|(value, _)| value.len() <= LINK_BYTES);
    let more = more || values.len() < all;
    let values = values.into_iter().map(|(value, count)| ValueJson { value, count }).collect();
    ValuesJson { column, values, more, exact, missing }
}

/// What surrounds the patterns, each of which is written as in NDJSON.
#[derive(Serialize)]
struct PatternsJson {
    patterns: Vec<Box<RawValue>>,
    /// of all patterns
    number: u64,
    records: u64,
    /// the ranges of the bars of each pattern
    bars: Vec<SpanJson>,
    /// the range that they are compared with
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<BeforeJson>,
    /// all numbers are exact
    exact: bool,
    /// parts of the answer that are missing
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct BeforeJson {
    #[serde(flatten)]
    span: SpanJson,
    records: u64,
}

#[derive(Serialize)]
struct SpanJson {
    start: String,
    end: String,
}

/// Over the range of the search; if it names none, over the default of the page.
pub fn patterns(site: &Site, request: &LogRequest, client: &Client) -> Answer {
    let scope = request.scope(site, client.waits(site), 1);
    let query = &request.query;
    let most = MAX_LISTED_PATTERNS.get();
    let wanted = PatternsWanted::of_page(query, most, most);
    let found = counted(site, request, query, &scope, &wanted)?;
    let mut warnings = found.warnings;
    warnings.extend(over_limit(query));
    if !found.exact {
        warnings.push("the time ran out: the numbers are those of the records that were counted".to_owned());
    }
    let object = |count| RawValue::from_string(object(count, true)).ok();
    let (number, is_number_exact) = match found.number {
        Count::Exact(number) => (number, true),
        Count::AtLeast(number) | Count::AtMost(number) => (number, false),
    };
    let span = |range: &Range| SpanJson { start: range.start.rfc3339(), end: range.end.rfc3339() };
    Ok(json(&PatternsJson {
        patterns: found.patterns.iter().filter_map(object).collect(),
        number,
        records: found.records,
        bars: found.bars.iter().map(span).collect(),
        before: found.before.map(|before| BeforeJson { span: span(&before.range), records: before.records }),
        exact: found.exact && found.before.is_none_or(|before| before.exact) && found.has_whole_bars && is_number_exact,
        warnings,
    }))
}

#[derive(Serialize)]
struct ColumnJson {
    name: String,
    /// seconds since 1970
    last_seen: i64,
}

pub fn columns(site: &Site, request: &LogRequest) -> Answer {
    let mut seen: BTreeMap<String, i64> = BTreeMap::new();
    for index in &request.indexes {
        let columns = site.columns_seen(index);
        let columns = columns.ok_or_else(|| Refusal::Away("Redis, which knows the columns, is away".to_owned()))?;
        for KnownColumn { name, last_seen, .. } in columns {
            let last = seen.entry(name).or_default();
            *last = (*last).max(last_seen);
        }
    }
    let columns: Vec<ColumnJson> = seen.into_iter().map(|(name, last_seen)| ColumnJson { name, last_seen }).collect();
    Ok(json(&columns))
}

fn json(value: &impl Serialize) -> Reply {
    Reply::json(json_text(value))
}

fn json_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("text, numbers and lists of them always have a JSON form")
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    error: &'a str,
    hint: &'a str,
}

/// A refusal in the form for programs.
pub fn refused(refusal: &Refusal) -> Reply {
    let hint = match refusal {
        Refusal::Bad(_) | Refusal::Unreadable { .. } => "change the request; it fails again as it is",
        Refusal::NoIndex { .. } => "/api/collector/indices/ lists the indexes",
        Refusal::NotFound(_) => {
            "paths are /api/grep/<index>/, and below it count/, histogram/, values/<column>/, patterns/ and columns/"
        }
        Refusal::Unauthorized { password: true } => {
            "send them as HTTP's Basic authentication, as curl -u user:password does"
        }
        Refusal::Unauthorized { password: false } => "use the address of the proxy that signs users in",
        Refusal::NotAllowed(_) => "the keys users of alco.ini say who may see which index",
        Refusal::Away(_) | Refusal::SearchAway { .. } => "try again in some seconds; alco check shows what is wrong",
        Refusal::RedisAway(_) => "try again in some seconds; alco check shows what is wrong",
        Refusal::Later { .. } => "the header Retry-After has the time in seconds",
        Refusal::Internal => "the cause is in alco's log",
    };
    let (status, error) = refusal.explain();
    with_headers(wrong(status, &error, hint), refusal)
}

pub fn wrong(status: u16, error: &str, hint: &str) -> Reply {
    Reply { status, ..json(&ErrorJson { error, hint }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_too_long_for_a_link_is_not_listed() {
        let found = |bytes: usize| {
            let values = vec![("v".repeat(bytes), 2), ("b".to_owned(), 1)];
            let json = values_json("c", ValueCounts { values, more: false, exact: true, missing: Vec::new() });
            (json.values.len(), json.more)
        };
        assert_eq!((found(LINK_BYTES), found(LINK_BYTES + 1)), ((2, false), (1, true)));
    }
}
