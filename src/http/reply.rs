//! What is sent back: a status, a kind, a body, and the headers that every reply has.

use super::stream::Work;

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

pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    /// writes the body instead, as it is found
    pub stream: Option<Work>,
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

    pub fn stream(kind: &str, work: Work) -> Reply {
        Reply { stream: Some(work), ..Reply::new(200, kind, String::new()).uncached() }
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

    pub fn with(mut self, name: &'static str, value: &str) -> Reply {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn uncached(self) -> Reply {
        self.with("Cache-Control", "no-store")
    }
}
