//! A reply that is written as it is found, by a thread of its own: any length in constant memory.
//!
//! Invariant: the last chunk is sent only when all was said; a stream that ends otherwise is broken off, and its reader can
//! tell. Until the first bytes go out, it can still become another reply.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use jiff::Timestamp;
use tiny_http::{HTTPVersion, Method, Request};

use super::refusal::{Refusal, why_refused};
use super::reply::Reply;
use super::{Site, head, send};

/// Streams at a time: each holds a thread, a connection to searchd and at most 8 MB.
const STREAMS: usize = 16;
/// What is written to the client at once, where it need not wait.
const CHUNK: usize = 32 * 1024;

/// Writes a body. What it returns in the end, besides success, breaks the stream off.
pub type Work = Box<dyn FnOnce(&Site, &mut Body) -> Result<(), Cut> + Send>;

/// Why a stream ends before its end.
#[derive(Debug)]
pub enum Cut {
    /// nobody reads it any more
    Left,
    Refused(Refusal),
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
    buffer: Vec<u8>,
    trailer: String,
    site: Arc<Site>,
    /// which request it answers
    number: u64,
}

/// Answers the request in a thread of its own.
pub fn respond(request: Request, site: &Arc<Site>, reply: Reply, work: Work) {
    let running = Running(site.streams.clone());
    if site.streams.fetch_add(1, SeqCst) >= STREAMS {
        let why = format!("{STREAMS} downloads are under way, and no more are served at a time; try again later\n");
        return send(request, Reply::text(503, why).with("Retry-After", "5"), false);
    }
    let site = site.clone();
    let body = move || {
        let _running = running;
        run(request, &site, &reply, work);
    };
    if let Err(error) = thread::Builder::new().name("http-stream".to_owned()).spawn(body) {
        // the request went with the thread, and was answered with 500
        log::warn!("cannot start a thread for a stream: {error}");
    }
}

fn run(request: Request, site: &Arc<Site>, reply: &Reply, work: Work) {
    let number = request.headers().iter().find(|header| header.field.equiv(head::NUMBER));
    let number = number.and_then(|header| header.value.as_str().parse().ok()).unwrap_or_default();
    let chunked = *request.http_version() >= HTTPVersion(1, 1);
    let head = written(reply, chunked);
    if *request.method() == Method::Head {
        let _ = request.into_writer().write_all(head.as_bytes());
        return;
    }
    let url = request.url().to_owned();
    let mut body = Body {
        out: request.into_writer(),
        head: Some(head),
        chunked,
        buffer: Vec::with_capacity(CHUNK),
        trailer: String::new(),
        site: site.clone(),
        number,
    };
    let ended = work(site, &mut body).and_then(|()| body.end().map_err(Cut::from));
    match ended {
        Ok(()) => log::debug!("{} {url}", reply.status),
        Err(Cut::Left) => log::debug!("left {url}"),
        Err(Cut::Refused(refusal)) => match body.head.take() {
            Some(_) => {
                let (status, why) = why_refused(refusal);
                let reply = Reply::text(status, format!("{why}\n"));
                let text = format!("{}{}", written(&reply, false), reply.body);
                let _ = body.out.write_all(text.as_bytes());
            }
            None => log::warn!("a stream is broken off: {}: {url}", why_refused(refusal).1),
        },
    }
}

/// `chunked` also promises the trailer in which `missing` is told.
fn written(reply: &Reply, chunked: bool) -> String {
    let reason = tiny_http::StatusCode(reply.status).default_reason_phrase();
    let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
    let mut head = format!("HTTP/1.1 {} {reason}\r\nDate: {date}\r\nConnection: close\r\n", reply.status);
    if chunked {
        head.push_str("Transfer-Encoding: chunked\r\nTrailer: Alco-Missing\r\n");
    }
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

    /// Whether there is still somebody who reads.
    pub fn is_read(&self) -> bool {
        self.site.live.waits(self.number)
    }

    fn send(&mut self) -> io::Result<()> {
        if let Some(head) = self.head.take() {
            self.out.write_all(head.as_bytes())?;
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.chunked {
            write!(self.out, "{:x}\r\n", self.buffer.len())?;
            self.buffer.extend_from_slice(b"\r\n");
        }
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.buffer.shrink_to(CHUNK);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.send()?;
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
