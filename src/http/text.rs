//! `/grep/<index>/?format=text|ndjson|csv`: the same search, streamed from the first row on, any number of rows.
//!
//! Invariant: what ends well is whole. A stream that cannot go on is broken off.

use std::io::{self, Write};
use std::sync::Arc;

use super::Site;
use super::grep::{scope, settings};
use super::lines::shown_columns;
use super::refusal::{Answer, why};
use super::reply::Reply;
use super::stream::Out;
use crate::config::Index;
use crate::format::Style;
use crate::search::query::{Format, Query};
use crate::search::{Line, Scope};
use crate::time::Ts;

/// Rows of a first question: soon there, and more with each that follows.
const FIRST_ROWS: usize = 100;

pub fn stream(site: &Arc<Site>, list: &str, query: Query, now: Ts) -> Answer {
    // what cannot be searched is said while there is a status to say it with
    site.searcher.check(&query, &scope(site, now, query.zone(&site.config.http.timezone), FIRST_ROWS))?;
    let kind = match query.format {
        Format::Ndjson => "application/x-ndjson",
        Format::Csv => "text/csv; charset=utf-8; header=present",
        Format::Text | Format::Page | Format::Json => "text/plain; charset=utf-8",
    };
    let name = query.download.then(|| file_name(&query, now));
    let (site, list) = (site.clone(), list.to_owned());
    let reply = Reply::stream(kind, move |out| {
        // as it was found above
        let settings = settings(&site, &list).map_err(|_| io::ErrorKind::NotFound)?;
        write(&site, &settings, &query, now, out)
    });
    Ok(match name {
        Some(name) => reply.with("Content-Disposition", &format!("attachment; filename=\"{name}\"")),
        None => reply,
    })
}

/// `web-20261122T095500-20261122T100000.ndjson`, in UTC
fn file_name(query: &Query, now: Ts) -> String {
    let range = query.range(now, &jiff::tz::TimeZone::UTC);
    let names: Vec<&str> = query.indexes.iter().map(|name| name.as_str()).collect();
    let extension = match query.format {
        Format::Ndjson => "ndjson",
        Format::Csv => "csv",
        Format::Text | Format::Page | Format::Json => "txt",
    };
    let compact = |ts: Ts| ts.civil(&jiff::tz::TimeZone::UTC).strftime("%Y%m%dT%H%M%S");
    format!("{}-{}-{}.{extension}", names.join("-"), compact(range.start), compact(range.end))
}

fn write(site: &Site, settings: &[&Index], query: &Query, now: Ts, out: &mut Out) -> io::Result<()> {
    let zone = query.zone(&site.config.http.timezone);
    let columns = shown_columns(settings, query);
    let style = Style { settings, columns: &columns, zone, tracebacks: query.tracebacks, paint: None };
    let scope = Scope { abandoned: out.caller.gone.clone(), ..scope(site, now, zone, FIRST_ROWS) };
    let mut text = String::new();
    if query.format == Format::Csv {
        style.csv_head(&mut text);
    }
    let mut written = Ok(());
    let found = site.searcher.each(query, &scope, |line| {
        match (&line, query.format) {
            (Line::Gap, Format::Text) => text.push_str("--\n"),
            (Line::Gap, _) => {}
            (Line::Match(hit) | Line::Near(hit), Format::Ndjson) => style.ndjson(hit, &mut text),
            (Line::Match(hit) | Line::Near(hit), Format::Csv) => style.csv(hit, &mut text),
            (Line::Match(hit) | Line::Near(hit), _) => style.text(hit, &mut text),
        }
        written = out.write_all(text.as_bytes());
        text.clear();
        written.is_ok()
    });
    written?;
    out.write_all(text.as_bytes())?;
    match found {
        Ok(warnings) if warnings.is_empty() => {}
        // a part of the answer is missing: better no end than one that looks like the end
        Ok(warnings) => return Err(io::Error::other(warnings.join("; "))),
        Err(error) => return Err(io::Error::other(why(error))),
    }
    match scope.abandoned.is() {
        true => Err(io::ErrorKind::ConnectionAborted.into()),
        false => Ok(()),
    }
}
