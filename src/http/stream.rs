//! A reply that is written as it is found, by a thread of its own: any length in constant memory.
//!
//! Invariant: the last chunk is sent only when all was said; a stream that ends otherwise is broken off, and its reader can
//! tell. Until the first bytes go out, it can still become another reply.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use jiff::Timestamp;
use tiny_http::{HTTPVersion, Method, Request};

use super::follow::Seat;
use super::refusal::{Refusal, our_fault, refused, why_refused};
use super::reply::{GZIPPED, Gzip, Reply};
use super::{Site, head, send};
use crate::search::Waits;

/// Downloads at a time: each holds a thread, a connection to searchd and at most 8 MB.
const STREAMS: usize = 16;
/// What is written to the client at once, where it need not wait.
const CHUNK: usize = 32 * 1024;

/// Writes a body. What it returns in the end, besides success, breaks the stream off.
pub type Work = Box<dyn FnOnce(&Site, &mut Body) -> Result<(), Cut> + Send>;

pub enum Stream {
    /// written by the thread that took the request, within the time of a search
    Page(Work),
    /// of any length, by a thread of its own
    Download(Work),
    /// without end, by a thread of its own
    Following(Seat, Work),
}

/// Why a stream ends before its end.
#[derive(Debug)]
pub enum Cut {
    /// nobody reads it any more
    Left,
    Refused(Refusal),
    Panicked,
}

impl From<io::Error> for Cut {
    fn from(_: io::Error) -> Cut {
        Cut::Left
    }
}

/// Counts a stream as long as it lives.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// What a stream's bytes go through.
pub struct Body {
    out: Box<dyn Write + Send>,
    /// not sent yet
    head: Option<String>,
    chunked: bool,
    gzip: Option<Gzip>,
    buffer: Vec<u8>,
    trailer: String,
    site: Arc<Site>,
    /// which request it answers
    number: u64,
}

/// Answers the request.
pub fn respond(request: Request, site: &Arc<Site>, reply: Reply, stream: Stream, takes_gzip: bool) {
    let work = match stream {
        Stream::Page(work) => return page(request, site, reply, work, takes_gzip),
        Stream::Following(seat, work) => return following(request, site, reply, seat, work),
        Stream::Download(work) => work,
    };
    let running = Running(site.streams.clone());
    if site.streams.fetch_add(1, SeqCst) >= STREAMS {
        let why = format!("{STREAMS} downloads are under way, and no more are served at a time; try again later\n");
        return send(request, Reply::text(503, why).with("Retry-After", "5"), false);
    }
    let site = site.clone();
    let body = move || {
        let _running = running;
        download(request, &site, &reply, work);
    };
    if let Err(error) = thread::Builder::new().name("http-stream".to_owned()).spawn(body) {
        // the request went with the thread, and was answered with 500
        log::warn!("cannot start a thread for a stream: {error}");
    }
}

fn following(request: Request, site: &Arc<Site>, reply: Reply, seat: Seat, work: Work) {
    let name = format!("follow-{}", seat.number);
    let site = site.clone();
    let body = move || {
        let _seat = seat;
        let is_page = reply.is_page();
        // it is not known in the beginning what will be missing, and at the end nobody looks
        run(request, &site, &reply, work, "", None, |refusal| match is_page {
            true => refused(&site, &refusal),
            false => in_a_line(refusal),
        });
    };
    if let Err(error) = thread::Builder::new().name(name).spawn(body) {
        // the request went with the thread, and was answered with 500
        log::warn!("cannot start a thread for a follower: {error}");
    }
}

fn in_a_line(refusal: Refusal) -> Reply {
    let (status, why) = why_refused(&refusal);
    Reply::text(status, format!("{why}\n"))
}

fn download(request: Request, site: &Arc<Site>, reply: &Reply, work: Work) {
    // what is missing is told behind the last chunk
    run(request, site, reply, work, "Trailer: Alco-Missing\r\n", None, in_a_line);
}

fn page(request: Request, site: &Arc<Site>, reply: Reply, work: Work, takes_gzip: bool) {
    let gzip = takes_gzip.then(Gzip::new);
    let reply =
        if takes_gzip { GZIPPED.iter().fold(reply, |reply, (name, value)| reply.with(name, value)) } else { reply };
    run(request, site, &reply, work, "", gzip, |refusal| refused(site, &refusal));
}

fn run(
    request: Request,
    site: &Arc<Site>,
    reply: &Reply,
    work: Work,
    trailer: &str,
    gzip: Option<Gzip>,
    refuse: impl FnOnce(Refusal) -> Reply,
) {
    let number = request.headers().iter().find(|header| header.field.equiv(head::NUMBER));
    let number = number.and_then(|header| header.value.as_str().parse().ok()).unwrap_or_default();
    let chunked = *request.http_version() >= HTTPVersion(1, 1);
    let framing = if chunked { format!("Transfer-Encoding: chunked\r\n{trailer}") } else { String::new() };
    let head = written(reply, &framing);
    if *request.method() == Method::Head {
        let _ = request.into_writer().write_all(head.as_bytes());
        return;
    }
    let url = request.url().to_owned();
    let out = request.into_writer();
    let buffer = Vec::with_capacity(CHUNK);
    let mut body =
        Body { out, head: Some(head), chunked, gzip, buffer, trailer: String::new(), site: site.clone(), number };
    // the site is not changed by what is written of it; what it locks is as whole after a panic as before
    let written_out = AssertUnwindSafe(|| work(site, &mut body).and_then(|()| body.end().map_err(Cut::from)));
    let ended = catch_unwind(written_out).unwrap_or(Err(Cut::Panicked));
    if matches!(ended, Err(Cut::Panicked)) {
        log::error!("what is written panicked: {url}");
    }
    let reply = match (ended, body.head.take()) {
        (Ok(()), _) => return log::debug!("{} {url}", reply.status),
        (Err(Cut::Left), _) => return log::debug!("left {url}"),
        (Err(Cut::Panicked), None) => return body.break_off(),
        (Err(Cut::Refused(refusal)), None) => {
            body.break_off();
            return log::warn!("a stream is broken off: {}: {url}", why_refused(&refusal).1);
        }
        (Err(Cut::Refused(refusal)), Some(_)) => refuse(refusal),
        (Err(Cut::Panicked), Some(_)) => our_fault(site),
    };
    log::debug!("{} {url}", reply.status);
    let _ = body.out.write_all(format!("{}{}", written(&reply, ""), reply.body).as_bytes());
}

/// `framing`: the headers that say where the body ends; with none it ends with the connection.
fn written(reply: &Reply, framing: &str) -> String {
    let reason = tiny_http::StatusCode(reply.status).default_reason_phrase();
    let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
    let mut head = format!("HTTP/1.1 {} {reason}\r\nDate: {date}\r\nConnection: close\r\n{framing}", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + "\r\n"
}

impl Body {
    /// A part of the answer is missing: told behind the last chunk, in a header of its own.
    pub fn missing(&mut self, what: &str) {
        let what: String = what.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
        self.trailer.push_str(&format!("Alco-Missing: {what}\r\n"));
    }

    /// Sends the head, though there is nothing behind it yet.
    pub fn begin(&mut self) -> io::Result<()> {
        match self.head.take() {
            Some(head) => self.out.write_all(head.as_bytes()).and_then(|()| self.out.flush()),
            None => Ok(()),
        }
    }

    pub fn part(&mut self, part: impl Into<String>) -> io::Result<()> {
        self.write_all(part.into().as_bytes())
    }

    pub fn has_begun(&self) -> bool {
        self.head.is_none()
    }

    /// Without chunks, the end of the connection would pass for the end of the body.
    fn break_off(&self) {
        if !self.chunked {
            self.site.live.break_off(self.number);
        }
    }

    /// Whether there is still somebody who reads.
    pub fn is_read(&self) -> bool {
        self.site.live.waits(self.number)
    }

    pub fn waits(&self) -> Waits {
        self.site.live.waits_for(self.number)
    }

    fn send(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let packed = self.gzip.as_mut().map(|gzip| gzip.part(&self.buffer));
        self.put(packed)?;
        self.buffer.clear();
        self.buffer.shrink_to(CHUNK);
        Ok(())
    }

    /// A chunk: this, or what is in the buffer. In one piece, since it may become a packet of its own.
    fn put(&mut self, packed: Option<Vec<u8>>) -> io::Result<()> {
        let bytes = packed.as_ref().unwrap_or(&self.buffer);
        let mut piece = self.head.take().unwrap_or_default().into_bytes();
        match self.chunked && !bytes.is_empty() {
            true => {
                piece.extend(format!("{:x}\r\n", bytes.len()).bytes());
                piece.extend(bytes);
                piece.extend(b"\r\n");
            }
            false => piece.extend(bytes),
        }
        self.out.write_all(&piece)
    }

    fn end(&mut self) -> io::Result<()> {
        let packed = self.gzip.take().map(|gzip| gzip.end(&self.buffer));
        self.put(packed)?;
        if self.chunked {
            write!(self.out, "0\r\n{}\r\n", self.trailer)?;
        }
        self.out.flush()
    }
}

impl Write for Body {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.send()?;
        }
        Ok(bytes.len())
    }

    /// Sends what there is. Before the first byte there is nothing: the head goes with it.
    fn flush(&mut self) -> io::Result<()> {
        match self.buffer.is_empty() {
            true => Ok(()),
            false => self.send().and_then(|()| self.out.flush()),
        }
    }
}
