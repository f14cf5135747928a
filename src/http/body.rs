//! A response's body that is written as it is found: buffering, gzip, chunks, a trailer; any length in constant memory.
//!
//! Invariant: the last chunk is sent only after all was written. A body that ends before is broken off, and the client notices.
//! Until the first bytes go out, another reply can be sent instead.

use std::io::{self, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::http::error::Refusal;
use crate::http::server::clients::Clients;
use crate::search::scope::Waits;

/// Bytes written to the client at once, unless it waits for fewer.
pub const CHUNK_BYTES: usize = 32 * 1024;

/// The maximum of what a body takes from its writer at once: a value of megabytes is not copied whole on its way.
const MAX_TAKEN_BYTES: usize = 256 * 1024;

/// The reason why a body is incomplete.
#[derive(Debug)]
pub enum Aborted {
    /// the client no longer reads
    ClientLeft,
    Refused(Refusal),
}

impl From<io::Error> for Aborted {
    fn from(_: io::Error) -> Aborted {
        Aborted::ClientLeft
    }
}

/// Compresses a body part by part.
pub struct Gzip(GzEncoder<Vec<u8>>);

impl Gzip {
    /// For a page, which is small: a quarter less to send is worth two milliseconds.
    pub fn new() -> Gzip {
        Gzip(GzEncoder::new(Vec::new(), Compression::default()))
    }

    /// Bytes that a client can unpack at once.
    pub fn part(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.write_all(bytes).and_then(|()| self.0.flush()).expect(NEVER_FAILS);
        std::mem::take(self.0.get_mut())
    }

    pub fn end(mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.write_all(bytes).and_then(|()| self.0.finish()).expect(NEVER_FAILS)
    }
}

const NEVER_FAILS: &str = "a Vec takes everything";

pub struct Body {
    out: Box<dyn Write + Send>,
    /// not sent yet
    head: Option<String>,
    chunked: bool,
    gzip: Option<Gzip>,
    buffer: Vec<u8>,
    trailer: String,
    clients: Arc<Clients>,
    /// the number of the request that it answers
    number: u64,
}

impl Body {
    /// `head` is the response's, sent before the first bytes; `number` is the request's.
    pub fn new(out: Box<dyn Write + Send>, head: String, chunked: bool, clients: Arc<Clients>, number: u64) -> Body {
        let (buffer, trailer) = (Vec::with_capacity(CHUNK_BYTES), String::new());
        Body { out, head: Some(head), chunked, gzip: None, buffer, trailer, clients, number }
    }

    pub fn gzipped(self) -> Body {
        Body { gzip: Some(Gzip::new()), ..self }
    }

    /// Names a part of the answer that is missing, in a trailer after the last chunk.
    pub fn missing(&mut self, what: &str) {
        let what: String = what.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
        self.trailer.push_str(&format!("Alco-Missing: {what}\r\n"));
    }

    /// Sends the head before there is anything else to send.
    pub fn begin(&mut self) -> io::Result<()> {
        match self.head.take() {
            Some(head) => self.out.write_all(head.as_bytes()).and_then(|()| self.out.flush()),
            None => Ok(()),
        }
    }

    pub fn part(&mut self, part: impl Into<String>) -> io::Result<()> {
        self.write_all(part.into().as_bytes())
    }

    /// Takes back the head, if nothing was sent yet: another reply can be sent instead.
    pub fn take_head(&mut self) -> Option<String> {
        self.head.take()
    }

    /// Writes past chunks and compression.
    pub fn write_raw(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())
    }

    pub fn has_begun(&self) -> bool {
        self.head.is_none()
    }

    /// Makes the gate reset the connection: without chunks, its end would look like the end of the body.
    pub fn break_off(&self) {
        if !self.chunked {
            self.clients.break_off(self.number);
        }
    }

    /// True if the client still reads.
    pub fn is_read(&self) -> bool {
        self.clients.waits(self.number)
    }

    pub fn waits(&self) -> Waits {
        self.clients.waits_for(self.number)
    }

    fn send(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let packed = self.gzip.as_mut().map(|gzip| gzip.part(&self.buffer));
        self.put(packed)?;
        self.buffer.clear();
        self.buffer.shrink_to(CHUNK_BYTES);
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

    /// Sends what is left, and the last chunk.
    pub fn end(&mut self) -> io::Result<()> {
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
        let bytes = &bytes[..bytes.len().min(MAX_TAKEN_BYTES)];
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES {
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
