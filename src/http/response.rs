//! A reply: a status, a media type, a body, and the headers that every reply has.

use crate::http::body::{Aborted, Body, Gzip};
use crate::http::error::Refusal;
use crate::http::followers::FollowerSlot;
use crate::http::site::Site;

/// A smaller body fits one packet anyway.
const MIN_GZIP_BYTES: usize = 1400;

/// Log text is hostile; no site may frame a page, guess its type, or learn where a reader came from; hold a page's window, or load
/// an answer as a part of its own page. A page needs nothing of the reader's device. The icon of a page is an empty `data:`
/// address, which spares browsers from asking for one.
const SECURITY: [(&str, &str); 6] = [
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// The headers of a compressed body.
pub const GZIPPED: [(&str, &str); 2] = [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")];

/// The outcome of a request.
pub type Answer = Result<Reply, Refusal>;

/// Writes a body as it is found. Its error breaks the body off.
pub type WriteBody = Box<dyn FnOnce(&Site, &mut Body) -> Result<(), Aborted> + Send>;

/// A body that is written as it is found, and the thread that writes it.
pub enum StreamedBody {
    /// by the thread that took the request, within the time of a search
    Page(WriteBody),
    /// of any length, by a thread of its own
    Download(WriteBody),
    /// without end, by a thread of its own
    Following(FollowerSlot, WriteBody),
}

pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    /// writes the body instead, as it is found
    pub stream: Option<StreamedBody>,
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
    pub fn growing_page(write: WriteBody) -> Reply {
        Reply { stream: Some(StreamedBody::Page(write)), ..Reply::page(200, String::new()) }
    }

    pub fn download(kind: &str, write: WriteBody) -> Reply {
        Reply { stream: Some(StreamedBody::Download(write)), ..Reply::new(200, kind, String::new()).uncached() }
    }

    /// A response that stays open, with a header that keeps proxies from buffering it.
    pub fn following(self, slot: FollowerSlot, write: WriteBody) -> Reply {
        Reply { stream: Some(StreamedBody::Following(slot, write)), ..self.with("X-Accel-Buffering", "no") }
    }

    pub fn of_kind(mut self, kind: &str) -> Reply {
        self.headers.retain(|(name, _)| *name != "Content-Type");
        self.with("Content-Type", kind)
    }

    pub fn is_page(&self) -> bool {
        self.headers.iter().any(|(name, value)| *name == "Content-Type" && value.starts_with("text/html"))
    }

    /// `location` is made of alco's own links: ASCII, without line ends.
    pub fn redirect(status: u16, location: &str) -> Reply {
        Reply::text(status, format!("{location}\n")).with("Location", location)
    }

    /// A file that clients may keep: for a year if its address names its content (`named`), else for five minutes.
    pub fn file(kind: &str, content: &str, etag: &str, named: bool, known: Option<&str>) -> Reply {
        let etag = format!("\"{etag}\"");
        let known = known.is_some_and(|known| known.split(',').any(|tag| tag.trim() == etag));
        let (status, body) = if known { (304, String::new()) } else { (200, content.to_owned()) };
        let keep = if named { "public, max-age=31536000, immutable" } else { "public, max-age=300" };
        Reply::new(status, kind, body).with("ETag", &etag).with("Cache-Control", keep)
    }

    /// For a body that rarely changes: 304 without it, if the client has the same already.
    pub fn unless_known(mut self, known: Option<&str>) -> Reply {
        let etag = format!("\"{:016x}\"", xxhash_rust::xxh3::xxh3_64(self.body.as_bytes()));
        if known.is_some_and(|known| known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)) {
            self.status = 304;
            self.body = String::new();
        }
        self.headers.retain(|(name, _)| *name != "Cache-Control");
        self.with("ETag", &etag).with("Cache-Control", "private, no-cache")
    }

    /// The body, compressed if that pays, and its headers.
    pub fn into_bytes(self, takes_gzip: bool) -> (Vec<u8>, Vec<(&'static str, String)>) {
        let (body, mut headers) = (self.body.into_bytes(), self.headers);
        if !takes_gzip || body.len() < MIN_GZIP_BYTES {
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
