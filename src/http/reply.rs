//! What is sent back: a status, a kind, a body, and the headers that every reply has.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::follow::Seat;
use super::stream::{Stream, Work};

/// A packet takes about so much anyway.
const WORTH_COMPRESSING: usize = 1400;

/// Log text is hostile, and nobody is meant to frame, sniff or be told where a reader came from. The icon of a page is
/// an empty `data:` address, which spares browsers from asking for one.
const SECURITY: [(&str, &str); 3] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
];

/// What is to be said of a body that is compressed.
pub const GZIPPED: [(&str, &str); 2] = [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")];

/// Compresses a body part by part.
pub struct Gzip(GzEncoder<Vec<u8>>);

impl Gzip {
    pub fn new() -> Gzip {
        Gzip(GzEncoder::new(Vec::new(), Compression::fast()))
    }

    /// What a client can unpack at once.
    pub fn part(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.write_all(bytes).and_then(|()| self.0.flush()).expect(NEVER);
        std::mem::take(self.0.get_mut())
    }

    pub fn end(mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.write_all(bytes).and_then(|()| self.0.finish()).expect(NEVER)
    }
}

const NEVER: &str = "a Vec takes everything";

pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    /// writes the body instead, as it is found
    pub stream: Option<Stream>,
}

impl Reply {
    fn new(status: u16, kind: &str, body: String) -> Reply {
        let mut headers: Vec<_> = SECURITY.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        headers.push(("Content-Type", kind.to_owned()));
        headers.push(("Server", "alco".to_owned()));
        Reply { status, headers, body, stream: None }
    }

    pub fn page(status: u16, page: String) -> Reply {
        Reply::new(status, "text/html; charset=utf-8", page).uncached()
    }

    pub fn text(status: u16, text: String) -> Reply {
        Reply::new(status, "text/plain; charset=utf-8", text).uncached()
    }

    /// Prometheus' text format.
    pub fn metrics(text: String) -> Reply {
        Reply::new(200, "text/plain; version=0.0.4; charset=utf-8", text).uncached()
    }

    pub fn json(text: String) -> Reply {
        Reply::new(200, "application/json", text).uncached()
    }

    /// A page that is written while its search runs.
    pub fn growing_page(work: Work) -> Reply {
        Reply { stream: Some(Stream::Page(work)), ..Reply::page(200, String::new()) }
    }

    pub fn download(kind: &str, work: Work) -> Reply {
        Reply { stream: Some(Stream::Download(work)), ..Reply::new(200, kind, String::new()).uncached() }
    }

    /// What stays open. Proxies that gather what they pass on are told not to.
    pub fn following(self, seat: Seat, work: Work) -> Reply {
        Reply { stream: Some(Stream::Following(seat, work)), ..self.with("X-Accel-Buffering", "no") }
    }

    pub fn of_kind(mut self, kind: &str) -> Reply {
        self.headers.retain(|(name, _)| *name != "Content-Type");
        self.with("Content-Type", kind)
    }

    pub fn is_page(&self) -> bool {
        self.headers.iter().any(|(name, value)| *name == "Content-Type" && value.starts_with("text/html"))
    }

    /// `location` is made of our own links: ASCII, and without line ends.
    pub fn redirect(status: u16, location: &str) -> Reply {
        Reply::text(status, format!("{location}\n")).with("Location", location)
    }

    /// A file that may be kept: for ever, where its content is named in its address.
    pub fn file(kind: &str, content: &str, etag: &str, named: bool, known: Option<&str>) -> Reply {
        let etag = format!("\"{etag}\"");
        let known = known.is_some_and(|known| known.split(',').any(|tag| tag.trim() == etag));
        let (status, body) = if known { (304, String::new()) } else { (200, content.to_owned()) };
        let keep = if named { "public, max-age=31536000, immutable" } else { "public, max-age=300" };
        Reply::new(status, kind, body).with("ETag", &etag).with("Cache-Control", keep)
    }

    /// For what rarely changes: nothing, where the client has the same already.
    pub fn unless_known(mut self, known: Option<&str>) -> Reply {
        let etag = format!("\"{:016x}\"", xxhash_rust::xxh3::xxh3_64(self.body.as_bytes()));
        if known.is_some_and(|known| known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)) {
            self.status = 304;
            self.body = String::new();
        }
        self.headers.retain(|(name, _)| *name != "Cache-Control");
        self.with("ETag", &etag).with("Cache-Control", "no-cache")
    }

    /// Smaller on the wire, where that pays: the body, and what is to be said of it.
    pub fn into_bytes(self, takes_gzip: bool) -> (Vec<u8>, Vec<(&'static str, String)>) {
        let (body, mut headers) = (self.body.into_bytes(), self.headers);
        if !takes_gzip || body.len() < WORTH_COMPRESSING {
            return (body, headers);
        }
        headers.extend(GZIPPED.map(|(name, value)| (name, value.to_owned())));
        (Gzip::new().end(&body), headers)
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Reply {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn uncached(self) -> Reply {
        self.with("Cache-Control", "no-store")
    }
}
