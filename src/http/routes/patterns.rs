//! `/grep/<index>/patterns/`: the patterns of the messages that a search finds, as a page or in a form for programs.

use std::io::Write;
use std::num::NonZeroUsize;

use crate::http::body::{Aborted, Body};
use crate::http::pages::patterns::PatternsView;
use crate::http::pages::{FORM_KEYS, Frame, links};
use crate::http::request::{Client, LogRequest};
use crate::http::response::{Answer, Reply};
use crate::http::routes::error::unsearchable;
use crate::http::routes::export::download;
use crate::http::routes::frame::frame;
use crate::http::routes::log::canonical;
use crate::http::routes::new_patterns::{counted, remembered, unknown};
use crate::http::site::Site;
use crate::query::{Follow, Format, Query, edit};
use crate::record::pattern::{MessagePattern, PatternHash};
use crate::render::patterns::{noted, written};
use crate::search::pattern_counts::PatternCounts;
use crate::search::stats::patterns::PatternsWanted;
use crate::time::Ts;

/// Patterns of a page, unless the reader wants more, and then at most.
const LISTED_PATTERNS: usize = 100;
pub const MAX_LISTED_PATTERNS: NonZeroUsize = NonZeroUsize::new(1000).expect("it is not 0");

/// The notice that a list has fewer patterns than the search asks for.
pub fn over_limit(query: &Query) -> Option<String> {
    let asked = query.limit.filter(|limit| *limit > MAX_LISTED_PATTERNS)?;
    Some(format!(
        "limit={asked} is more than the {MAX_LISTED_PATTERNS} patterns of a list; format=ndjson has all of them"
    ))
}

/// `text` is the query string as it came.
pub fn patterns_page(site: &Site, request: LogRequest, text: &str, client: &Client) -> Answer {
    let base = &site.http().base_path;
    let indexes = &request.query.indexes;
    if request.query.format == Format::Json {
        let path = format!("{base}api/grep/{indexes}/patterns/");
        return Ok(Reply::redirect(302, &links::to(&path, &Query { format: Format::Page, ..request.query })));
    }
    if request.query.format.is_stream() {
        return Ok(download(request, write));
    }
    if let Some(short) = canonical(text, &request.query) {
        return Ok(Reply::redirect(302, &format!("{}patterns/{short}", links::grep_path(base, indexes))));
    }
    // a list does not follow, and has no pages
    let query = &Query { follow: Follow::No, ..edit::first(&request.query) };
    if let Err(error) = site.searcher.check(query, request.now, &request.zone) {
        return Ok(unsearchable(site, &request.visible, query, &error.to_string()));
    }
    let scope = request.scope(site, client.waits(site), 1);
    let wanted = PatternsWanted::of_page(query, LISTED_PATTERNS, MAX_LISTED_PATTERNS.get());
    let mut found = counted(site, &request, query, &scope, &wanted)?;
    found.warnings.extend(over_limit(query));
    learn(site, query, &found);
    let range = request.range();
    let day = range.start.date_in(&request.zone);
    let is_one_day = day == range.end.plus_micros(-1).date_in(&request.zone);
    let moment = |ts: Ts| match is_one_day && ts.date_in(&request.zone) == day {
        true => ts.clock_in(&request.zone, 0),
        false => format!("{} {}", &ts.date_in(&request.zone)[5..], ts.clock_in(&request.zone, 0)),
    };
    let listed: Vec<PatternHash> = found.patterns.iter().map(|count| count.pattern).collect();
    let memory = if query.only_new { None } else { Some(remembered(site, query, &listed)) };
    let unknown = memory.as_ref().and_then(|memory| unknown(memory.as_ref(), &request));
    let memory = memory.flatten();
    let novelty = |pattern| Some(memory.as_ref()?.novelty(pattern, range.start, range.end));
    let view = PatternsView {
        frame: Frame { has_search_form: true, keys: FORM_KEYS, ..frame(site, &request.visible, Some(query)) },
        query,
        pattern_texts: site.searcher.pattern_texts(query, &scope),
        found: &found,
        moment: &moment,
        novelty: &novelty,
        unknown,
        before: found.before.map(|before| edit::within(query, before.range, &request.zone)),
        until: range.end,
        more: (wanted.limit() < MAX_LISTED_PATTERNS.get()).then_some(MAX_LISTED_PATTERNS),
    };
    Ok(Reply::page(200, view.page().into_string()))
}

/// The pages of their lines show the texts.
fn learn(site: &Site, query: &Query, found: &PatternCounts) {
    for count in &found.patterns {
        let pattern = MessagePattern { text: count.text.clone(), hash: count.pattern };
        site.searcher.known_patterns.learn(pattern, &query.indexes);
    }
}

fn write(site: &Site, request: &LogRequest, body: &mut Body) -> Result<(), Aborted> {
    let query = &request.query;
    let scope = request.scope_to_the_end(site, body.waits());
    let found = counted(site, request, query, &scope, &PatternsWanted::to_the_end(query));
    let found = found.map_err(|error| Aborted::Refused(error.into()))?;
    if !body.is_read() {
        return Err(Aborted::ClientLeft);
    }
    let time = |ts: Ts| ts.written_in(&request.zone);
    body.write_all(written(&found, query, &time).as_bytes())?;
    body.write_all(noted(&found, query).as_bytes())?;
    found.warnings.iter().for_each(|what| body.missing(what));
    Ok(())
}
