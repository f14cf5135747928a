//! A reply that is written piece by piece, over tiny_http's raw writer: HTTP/1.1 gets chunks and keeps its connection,
//! HTTP/1.0 gets everything up to the end of the connection.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tiny_http::{HTTPVersion, Method, Request};

use super::callers::Caller;
use super::reply::{Reply, Writer};

/// Pieces wait for each other up to here: a chunk of its own for each line would cost more than the line.
const BUFFER: usize = 16 * 1024;

/// Where a stream writes. `flush` sends at once what waits.
pub struct Out {
    to: Box<dyn Write + Send>,
    chunked: bool,
    buffer: Vec<u8>,
    pub caller: Arc<Caller>,
}

impl Out {
    fn send(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.chunked {
            write!(self.to, "{:x}\r\n", self.buffer.len())?;
            self.buffer.extend_from_slice(b"\r\n");
        }
        self.to.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.send()?;
        if self.chunked {
            self.to.write_all(b"0\r\n\r\n")?;
        }
        self.to.flush()
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()?;
        self.to.flush()
    }
}

/// Sends the head, and then what the writer writes.
pub fn respond(request: Request, reply: &Reply, write: Writer, caller: Arc<Caller>) -> io::Result<()> {
    let chunked = *request.http_version() >= HTTPVersion(1, 1);
    let bodiless = *request.method() == Method::Head;
    let mut to = request.into_writer();
    let mut head = format!("HTTP/1.1 {} OK\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(if chunked { "Transfer-Encoding: chunked\r\n\r\n" } else { "Connection: close\r\n\r\n" });
    to.write_all(head.as_bytes())?;
    to.flush()?;
    if bodiless {
        return Ok(());
    }
    let mut out = Out { to, chunked, buffer: Vec::new(), caller };
    let written = write(&mut out);
    let caller = out.caller.clone();
    // the client learns by the end of its connection that this was not all
    written.and_then(|()| out.finish()).inspect_err(|_| caller.break_off())
}

/// Counts streams as long as they live, since each is a thread.
#[derive(Debug, Default)]
pub struct Streams(Arc<AtomicUsize>);

pub struct Seat(Arc<AtomicUsize>);

impl Streams {
    /// None: there are so many already.
    pub fn take(&self, most: usize) -> Option<Seat> {
        let taken = self.0.fetch_update(SeqCst, SeqCst, |taken| (taken < most).then_some(taken + 1));
        taken.ok().map(|_| Seat(self.0.clone()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
