//! A request, parsed once: its headers (`Client`), its address (`RequestUrl`), and the search that the address of a log stands
//! for (`LogRequest`), which routes and streams take as it is.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::tz::TimeZone;
use percent_encoding::percent_decode_str;

use crate::config::{Index, IndexName, IndexSelection};
use crate::http::auth::Credentials;
use crate::http::error::Refusal;
use crate::http::form::{TOKEN_COOKIE, is_token};
use crate::http::origin::origin;
use crate::http::server::request_head::{NUMBER, PEER};
use crate::http::site::Site;
use crate::http::visible::Visible;
use crate::net::household::Household;
use crate::query::url::pairs;
use crate::query::{Format, Query};
use crate::search::scope::{Scope, Waits};
use crate::time::{Range, Ts};

/// The name of the cookie with the habits of a reader.
pub const HABITS_COOKIE: &str = "alco";
/// Browsers keep 4 kB of a cookie; alco writes and reads no longer one.
pub const MAX_COOKIE_BYTES: usize = 3000;

/// Longer addresses are refused: our own links stay below, and servers and browsers stop at about as much.
pub const MAX_URL_BYTES: usize = 16 * 1024;

/// The client, as its headers describe it.
#[derive(Debug, Default)]
pub struct Client {
    /// the number that the gate gives the request; by it the gate knows whether the client still waits
    pub number: Option<u64>,
    /// `If-None-Match`
    pub known_etag: Option<String>,
    /// the address by which the client knows alco: links that programs follow begin with it
    pub origin: String,
    pub takes_gzip: bool,
    pub credentials: Credentials,
    /// the habits that this browser keeps, as a query string
    pub habits: Option<String>,
    /// another site's page sent the request
    pub is_cross_site: bool,
    /// a page of another origin sent the request
    pub is_foreign: bool,
    /// the token that this browser has for forms
    pub token: Option<String>,
    /// the body of a form that was sent (POST)
    pub form: Option<String>,
}

impl Client {
    /// The parts of these headers that identify the user and the address. `headers` returns the values of a header in order, whatever
    /// the case of its name.
    pub fn credentials(headers: impl Fn(&str) -> Vec<String>, site: &Site) -> Credentials {
        let header = |name: &str| headers(name).into_iter().next();
        let once = |name: &str| Some(headers(name)).filter(|values| values.len() == 1)?.pop();
        Credentials {
            peer: header(PEER).unwrap_or_default(),
            named: site.users.header.as_deref().and_then(once),
            groups: site.users.group_header.as_deref().and_then(once),
            authorization: header("Authorization"),
            forwarded_for: header("X-Forwarded-For"),
        }
    }

    pub fn of(headers: impl Fn(&str) -> Vec<String>, site: &Site) -> Client {
        let credentials = Client::credentials(&headers, site);
        let header = |name: &str| headers(name).into_iter().next();
        let gzip = |accepted: String| {
            accepted.split(',').any(|coding| {
                let mut parts = coding.split(';').map(str::trim);
                parts.next() == Some("gzip") && !parts.any(|part| matches!(part, "q=0" | "q=0.0"))
            })
        };
        Client {
            number: header(NUMBER).and_then(|number| number.parse().ok()),
            known_etag: header("If-None-Match"),
            origin: origin(header, site.users.trusts(&credentials.peer), &site.http().base_path),
            takes_gzip: header("Accept-Encoding").is_some_and(gzip),
            credentials,
            habits: header("Cookie").as_deref().and_then(kept_habits),
            is_cross_site: header("Sec-Fetch-Site").is_some_and(|site| site == "cross-site"),
            is_foreign: header("Sec-Fetch-Site").is_some_and(|site| site != "same-origin"),
            token: header("Cookie")
                .and_then(|all| cookie(&all, TOKEN_COOKIE).filter(|token| is_token(token)).map(str::to_owned)),
            form: None,
        }
    }

    pub fn waits(&self, site: &Site) -> Waits {
        self.number.map_or_else(Waits::default, |number| site.clients.waits_for(number))
    }
}

fn cookie<'a>(cookies: &'a str, wanted: &str) -> Option<&'a str> {
    let mut pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

/// The value of the cookie that keeps habits, decoded.
fn kept_habits(cookies: &str) -> Option<String> {
    let value = cookie(cookies, HABITS_COOKIE).filter(|value| value.len() <= MAX_COOKIE_BYTES)?;
    percent_decode_str(value).decode_utf8().ok().map(Cow::into_owned)
}

/// The address of a request.
pub struct RequestUrl<'a> {
    /// the parts of its path, decoded
    pub parts: Vec<String>,
    /// its query string, encoded as it came; each escape in it is valid
    pub query: &'a str,
}

/// A longer search takes long to be read and compiled: 16 kB, a hundred milliseconds.
const LONG_SEARCH_BYTES: usize = 2000;
/// A page of more lines than its links offer takes a second to be written, if others are written too.
const LONG_PAGE_LINES: usize = 1000;

/// True for a page whose search is long or has a regex of the user's, so that each check may take long, for one of very many lines, and
/// for a count, which runs to its end. A stream has a thread of its own. One thread asks this of all requests, before any login: it
/// reads no search.
pub fn may_take_long(url: &str) -> bool {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let is_count = path.ends_with("/count/");
    if is_count || query.len() > MAX_URL_BYTES {
        return is_count;
    }
    let (mut has_regex, mut has_search, mut is_long, mut has_many_lines, mut is_stream) = Default::default();
    for (name, value) in pairs(query) {
        match name.as_str() {
            "mode" => has_regex = value == "regex",
            "search" => (has_search, is_long) = (!value.is_empty(), value.len() > LONG_SEARCH_BYTES),
            "limit" => has_many_lines = value.parse().is_ok_and(|lines: usize| lines > LONG_PAGE_LINES),
            "format" => is_stream = Format::STREAMS.iter().any(|format| value == format.name()),
            _ => {}
        }
    }
    (is_long || has_many_lines || has_regex && has_search) && !(is_stream && may_be_stream(path))
}

/// True for the paths below base_path that have streams: `grep/LIST/`, `grep/LIST/patterns/`. The others write a page in any format.
fn may_be_stream(path: &str) -> bool {
    let mut parts = path.strip_suffix("/patterns/").or_else(|| path.strip_suffix('/')).unwrap_or(path).rsplit('/');
    let (_list, grep, base) = (parts.next(), parts.next(), parts.next());
    grep == Some("grep") && base.is_none_or(|base| base != "api" && !base.contains('%'))
}

impl RequestUrl<'_> {
    /// # Errors
    /// One line: what in the address is not valid.
    pub fn parse(url: &str) -> Result<RequestUrl<'_>, String> {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        // the absolute form, as it is sent to a proxy
        let path = match path.split_once("://") {
            Some((_, rest)) if !path.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
            _ => path,
        };
        let path = path.strip_prefix('/').ok_or("the path does not begin with /")?;
        check_escapes(query)?;
        let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let parts = path.split('/').map(|part| check_escapes(part).map(|()| decoded(part)));
        Ok(RequestUrl { parts: parts.collect::<Result<_, String>>()?, query })
    }
}

/// Each % is followed by two hexadecimal digits, and the whole is UTF-8.
fn check_escapes(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('%') {
        let digits = text.as_bytes().get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            let end = text.len().min(at + 3);
            return Err(format!("'{}' is not a valid escape", text.get(at..end).unwrap_or("%")));
        }
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("its bytes are not UTF-8: {error}")),
    }
}

/// A search over the log of one or several indexes, with all that its answer depends on.
#[derive(Clone, Debug)]
pub struct LogRequest {
    /// what its user may see
    pub visible: Visible,
    /// never empty, each once
    pub indexes: Vec<Arc<Index>>,
    pub query: Query,
    /// the query's own zone, else the configured one
    pub zone: TimeZone,
    pub now: Ts,
    /// the reader may save searches
    pub may_save: bool,
    /// of the client, for its share of turns and of places to follow
    pub household: Household,
}

impl LogRequest {
    /// `list` is the part of the path that names the indexes, `text` the query string.
    pub fn parse(site: &Site, visible: &Visible, list: &str, text: &str, now: Ts) -> Result<LogRequest, Refusal> {
        let selection = visible.selection(list)?;
        let of = |name: &IndexName| visible.indexes().iter().find(|index| index.name == *name).cloned();
        let indexes = selection.iter().filter_map(of).collect();
        let (query, mut errors) = Query::read(selection, text);
        if !errors.is_empty() {
            return Err(Refusal::Unreadable {
                why: errors.swap_remove(0),
                query: Box::new(query),
                text: text.to_owned(),
            });
        }
        if !query.format.is_stream() {
            check_links(&query)?;
        }
        let zone = query.zone(&site.http().timezone).clone();
        Ok(LogRequest {
            visible: visible.clone(),
            indexes,
            query,
            zone,
            now,
            may_save: false,
            household: Household::Local,
        })
    }

    /// For a page that is no stream, whatever format its address names.
    pub fn of_page(mut self) -> Result<LogRequest, Refusal> {
        match self.query.fit_page().pop() {
            Some(why) => Err(Refusal::Bad(why)),
            None => check_links(&self.query).map(|()| self),
        }
    }

    pub fn of_client(self, site: &Site, client: &Client) -> LogRequest {
        LogRequest { household: Household::of(&site.users.address(&client.credentials)), ..self }
    }

    /// On a page with the habits that the browser keeps, where the address says nothing. Streams and the API have only what their
    /// address says.
    pub fn with_habits(mut self, site: &Site, client: &Client) -> LogRequest {
        if let Some(habits) = client.habits.as_deref().filter(|_| self.query.format == Format::Page) {
            let (habits, _) = Query::read(IndexSelection::default(), habits);
            // alco keeps those of pages; other formats have fewer bounds
            if habits.format == Format::Page {
                self.query = self.query.with_habits(&habits);
                self.zone = self.query.zone(&site.http().timezone).clone();
            }
        }
        self
    }

    pub fn settings(&self) -> Vec<&Index> {
        self.indexes.iter().map(|index| &**index).collect()
    }

    pub fn range(&self) -> Range {
        self.query.range(self.now, &self.zone)
    }

    /// Rows of a page.
    pub fn page_size(&self, site: &Site) -> usize {
        self.query.limit.unwrap_or(site.http().page_size).get()
    }

    /// For a page: within search_budget from now on, while the client waits.
    pub fn scope(&self, site: &Site, waits: Waits, page_size: usize) -> Scope {
        let budget = site.http().search_budget;
        // of the usual two seconds, 300 ms
        let counting = budget * 3 / 20;
        let began = site.searcher.begin(self.household);
        let (now, zone, deadline) = (self.now, self.zone.clone(), began.at + budget);
        Scope { now, zone, page_size, deadline, counting, waits, began }
    }

    /// For a stream: to its end, while the client waits.
    pub fn scope_to_the_end(&self, site: &Site, waits: Waits) -> Scope {
        let page_size = site.http().page_size.get();
        Scope::to_the_end(self.now, self.zone.clone(), page_size, waits, site.searcher.begin(self.household))
    }
}

/// An error if a page could not write links to its own search.
fn check_links(query: &Query) -> Result<(), Refusal> {
    match query.to_url().len() {
        0..=MAX_URL_BYTES => Ok(()),
        bytes => {
            let why =
                format!("its values make an address of {bytes} bytes; {MAX_URL_BYTES} are the limit, leave some out");
            Err(Refusal::Bad(why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_with_a_regex_may_take_long() {
        let long = format!("/grep/web/?search={}", "a".repeat(LONG_SEARCH_BYTES + 1));
        for (url, expected) in [
            (long.as_str(), true),
            (&long[..long.len() - 1], false),
            (&format!("{long}&format=text"), false),
            ("/grep/web/?mode=regex&search=a.*b", true),
            ("/grep/web/?limit=1000", false),
            ("/grep/web/?limit=1001", true),
            ("/grep/web/?limit=1001&format=text", false),
            ("/logs/api/grep/web/?search=a.*b&mode=%72egex", true),
            ("/grep/web/patterns/?mode=regex&search=a%7Cb", true),
            ("/api/grep/web/count/?start_ts=-30d", true),
            ("/api/grep/web/count/", true),
            ("/grep/web/?mode=regex&search=a&format=ndjson", false),
            ("/logs/grep/web/patterns/?mode=regex&search=a&format=ndjson", false),
            // these pages have no streams
            ("/grep/web/columns/?mode=regex&search=a&format=ndjson", true),
            ("/api/grep/web/?mode=regex&search=a&format=ndjson", true),
            ("/%61pi/grep/web/?mode=regex&search=a&format=ndjson", true),
            ("/grep/web/?mode=regex", false),
            ("/grep/web/?search=mode%3Dregex&mode=words", false),
            ("/grep/web/", false),
        ] {
            assert_eq!(may_take_long(url), expected, "{url}");
        }
    }
}
