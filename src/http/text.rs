//! The same search for programs: text, NDJSON and CSV, streamed record by record in constant memory.

use std::cell::RefCell;
use std::io::Write;

use jiff::tz::TimeZone;

use super::Site;
use super::grep::settings;
use super::refusal::{Refusal, why_refused};
use super::reply::Reply;
use super::stream::{Body, Cut, Work};
use crate::rows::Rows;
use crate::search::Scope;
use crate::search::query::{Format, Query};
use crate::search::walk::Read;
use crate::time::Ts;

/// A search in a form for programs: the head now, the records as they are found.
pub fn stream(site: &Site, list: &str, query: Query, now: Ts) -> Reply {
    let zone = query.zone(&site.config.http.timezone).clone();
    let (kind, extension) = kind(query.format);
    let name = query.download.then(|| file_name(&query, now, &zone, extension));
    let list = list.to_owned();
    let work: Work = Box::new(move |site, body| write(site, &list, &query, &zone, now, body));
    let reply = Reply::download(kind, work);
    match name {
        Some(name) => reply.with("Content-Disposition", &format!("attachment; filename=\"{name}\"")),
        None => reply,
    }
}

/// The media type of a format, and what a file of it is called.
pub fn kind(format: Format) -> (&'static str, &'static str) {
    match format {
        Format::Ndjson => ("application/x-ndjson", "ndjson"),
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
        Format::Page | Format::Text | Format::Json => ("text/plain; charset=utf-8", "txt"),
    }
}

fn write(site: &Site, list: &str, query: &Query, zone: &TimeZone, now: Ts, body: &mut Body) -> Result<(), Cut> {
    let settings = settings(site, list).map_err(Cut::Refused)?;
    let mut rows = Rows::new(&settings, query, zone);
    let scope = Scope::to_the_end(now, zone.clone(), site.config.http.page_size.get(), body.waits());
    // goes with the first record: until then there may be an error to tell instead
    let mut head = Some(rows.head());
    let body = RefCell::new(body);
    let mut failed = Ok(());
    // what there is goes out before searchd is asked for more
    let pulse = || {
        let mut body = body.borrow_mut();
        body.flush().is_ok() && body.is_read()
    };
    let missing = site.searcher.each(query, &scope, Read::Columns, &pulse, |line| {
        let mut body = body.borrow_mut();
        let head = head.take().unwrap_or_default();
        failed = body.write_all(head.as_bytes()).and_then(|()| body.write_all(rows.line(&line).as_bytes()));
        failed.is_ok()
    });
    let body = body.into_inner();
    failed?;
    let missing = match missing {
        Ok(missing) => missing,
        Err(error) => {
            let refusal = Refusal::from(error);
            if body.has_begun() {
                // whoever sees neither chunks nor resets sees this
                let why = format!("broken off here, and not whole: {}", why_refused(&refusal).1);
                body.write_all(rows.said(&why, now).as_bytes())?;
                body.flush()?;
            }
            return Err(Cut::Refused(refusal));
        }
    };
    if !body.is_read() {
        return Err(Cut::Left);
    }
    body.write_all(head.unwrap_or_default().as_bytes())?;
    for what in &missing {
        body.missing(what);
        body.write_all(rows.said(what, now).as_bytes())?;
    }
    Ok(())
}

/// `web_20261122-100000_20261122-100500.csv`, in the zone of the search.
fn file_name(query: &Query, now: Ts, zone: &TimeZone, extension: &str) -> String {
    let range = query.range(now, zone);
    let time = |ts: Ts| ts.civil(zone).strftime("%Y%m%d-%H%M%S").to_string();
    let indexes: Vec<&str> = query.indexes.iter().map(|index| index.as_str()).collect();
    format!("{}_{}_{}.{extension}", indexes.join("+"), time(range.start), time(range.end))
}
