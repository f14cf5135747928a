//! A search as text, NDJSON or CSV for programs, streamed record by record in constant memory.

use std::cell::RefCell;
use std::io::Write;

use crate::http::body::{Aborted, Body, CHUNK_BYTES};
use crate::http::error::Refusal;
use crate::http::request::LogRequest;
use crate::http::response::Reply;
use crate::http::site::Site;
use crate::render::Rows;
use crate::render::escape::cut;
use crate::search::scan::Read;

/// The indexes in the name of a file. File systems take 255 bytes.
const MAX_NAMED_CHARS: usize = 60;

/// A search in a form for programs: the head now, the records as they are found.
pub fn stream(request: LogRequest) -> Reply {
    download(request, write)
}

/// An answer in the form that the search names, and of any length.
pub fn download(
    request: LogRequest,
    write: impl FnOnce(&Site, &LogRequest, &mut Body) -> Result<(), Aborted> + Send + 'static,
) -> Reply {
    let query = &request.query;
    let (kind, extension) = (query.format.media_type(), query.format.extension());
    // a browser that cannot show the answer saves it too
    let how = if query.download { "attachment" } else { "inline" };
    let disposition = format!("{how}; filename=\"{}\"", file_name(&request, extension));
    let reply = Reply::download(kind, Box::new(move |site, body| write(site, &request, body)));
    reply.with("Content-Disposition", &disposition)
}

fn write(site: &Site, request: &LogRequest, body: &mut Body) -> Result<(), Aborted> {
    let (settings, query, now) = (request.settings(), &request.query, request.now);
    let mut rows = Rows::new(&settings, query, &request.zone);
    let scope = request.scope_to_the_end(site, body.waits());
    // sent with the first record: until then the reply can still become an error
    let mut head = Some(rows.head());
    let body = RefCell::new(body);
    let (mut failed, mut text) = (Ok(()), String::new());
    // found lines go out before searchd is asked for more
    let pulse = || {
        let mut body = body.borrow_mut();
        body.flush().is_ok() && body.is_read()
    };
    let missing = site.searcher.each(query, &scope, Read::Columns, &pulse, |line| {
        let mut body = body.borrow_mut();
        text.clear();
        // a record may be large; most are not
        text.shrink_to(CHUNK_BYTES);
        text.extend(head.take());
        rows.write(&line, &mut text);
        failed = body.write_all(text.as_bytes());
        failed.is_ok()
    });
    let body = body.into_inner();
    failed?;
    let missing = match missing {
        Ok(missing) => missing,
        Err(error) => {
            let refusal = Refusal::from(error);
            if body.has_begun() {
                // for a client that notices neither missing chunks nor a reset
                let why = format!("incomplete, broken off here: {}", refusal.explain().1);
                body.write_all(rows.notice(&why, now).as_bytes())?;
                body.flush()?;
            }
            return Err(Aborted::Refused(refusal));
        }
    };
    if !body.is_read() {
        return Err(Aborted::ClientLeft);
    }
    body.write_all(head.unwrap_or_default().as_bytes())?;
    for what in &missing {
        body.missing(what);
        body.write_all(rows.notice(what, now).as_bytes())?;
    }
    Ok(())
}

/// `web-2026-11-28T15.ndjson`: the indexes, and the start of the range in the zone of the search.
fn file_name(request: &LogRequest, extension: &str) -> String {
    let start = request.range().start.civil(&request.zone);
    let time = match (start.hour(), start.minute(), start.second()) {
        (0, 0, 0) => "%Y-%m-%d",
        (_, 0, 0) => "%Y-%m-%dT%H",
        (_, _, 0) => "%Y-%m-%dT%H%M",
        _ => "%Y-%m-%dT%H%M%S",
    };
    let indexes = request.query.indexes.to_string().replace(',', "+").replace('*', "");
    let indexes = if indexes.is_empty() { "all" } else { cut(&indexes, MAX_NAMED_CHARS).0 };
    format!("{indexes}-{}.{extension}", start.strftime(time))
}
