//! Asks another alco over HTTP. Its NDJSON becomes the same lines that `search` makes of searchd's rows. The only door to ureq.

mod login;
mod netrc;
mod patterns;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Deserialize;
use ureq::Agent;
use ureq::config::RedirectAuthHeaders;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use crate::commands::grep::remote::login::url_and_authorization;
use crate::config::{Config, Index, LevelNumbers, index_list};
use crate::query::cursor::{Cursor, Place};
use crate::query::{Follow, Format, Query};
use crate::record::Stored;
use crate::record::json::{Columns, Member};
use crate::render::ndjson::{own_key, quoted};
use crate::search::follow::News;
use crate::search::hit::{Hit, Line};
use crate::search::pattern::Pattern;
use crate::time;
use crate::time::Ts;

/// A host that has not accepted the connection after this time is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An answer may take any time in all, but not go without a byte for this time: the other alco has the list of its indexes in memory,
/// and a followed search sends a heartbeat after five seconds of silence.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// A search sends nothing while it checks records that do not match; there may be hundreds of millions of them.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(600);
/// Longer than any record in NDJSON: one has 4 MiB, and six characters may stand for one of it.
const MAX_LINE_BYTES: usize = 64 << 20;
/// Of an answer that lists indexes, or counts: a hundred indexes that are kept for ten years take half of this.
const MAX_ANSWER_BYTES: usize = 8 << 20;
/// Each takes 10 KB of memory.
const MAX_LISTED_INDEXES: usize = 10_000;
/// The part that is shown of the text in a server's or proxy's error response.
const MAX_REASON_CHARS: usize = 300;

const TOO_LONG: &str = "a line of it has no end";
const TOO_LARGE: &str = "it is larger than 8 MiB";

#[derive(Debug)]
pub struct Remote {
    agent: Agent,
    /// ends with a slash; has no user and no password, so that no error text has them
    url: String,
    /// the value of the Authorization header
    authorization: Option<String>,
    indexes: Vec<Index>,
    zone: TimeZone,
}

/// An index in the answer of `/api/collector/indices/`.
#[derive(Deserialize)]
struct ListedIndex {
    name: String,
    timestamp: Option<String>,
    message: Option<String>,
    timezone: Option<String>,
    columns: Option<Vec<String>>,
    level: Option<Vec<String>>,
    /// an older or newer alco may send a name that this one does not know
    level_numbers: Option<String>,
    context: Option<Vec<String>>,
}

/// The answer of `/api/grep/<index>/count/`.
#[derive(Deserialize)]
struct CountedByOther {
    count: u64,
    missing: Vec<String>,
}

/// The API's error response.
#[derive(Deserialize)]
struct Wrong {
    error: String,
}

impl Remote {
    /// `netrc`: the file with the password, instead of ~/.netrc.
    pub fn open(url: &str, netrc: Option<&Path>) -> Result<Remote, String> {
        let (url, authorization) = url_and_authorization(url, netrc)?;
        // the certificates that this host trusts
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder().http_status_as_error(false).tls_config(tls);
        // a redirect to https on the same host is followed with the password
        let config = config.timeout_connect(Some(CONNECT_TIMEOUT)).redirect_auth_headers(RedirectAuthHeaders::SameHost);
        let agent = config.build().into();
        let mut remote = Remote { agent, url, authorization, indexes: Vec::new(), zone: TimeZone::UTC };
        let text = remote.ask_for_text("api/collector/indices/", SILENCE_TIMEOUT)?;
        let listed: Vec<ListedIndex> = serde_json::from_str(&text)
            .map_err(|_| format!("{} is not an alco: it does not list indexes", remote.url))?;
        if listed.len() > MAX_LISTED_INDEXES {
            return Err(format!("{} lists {} indexes; {MAX_LISTED_INDEXES} are the limit", remote.url, listed.len()));
        }
        if let Some(zone) = listed.iter().find_map(|index| index.timezone.as_deref()) {
            remote.zone = time::zone(zone).unwrap_or(TimeZone::UTC);
        }
        remote.indexes = listed.into_iter().filter_map(settings).collect();
        Ok(remote)
    }

    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn indexes(&self) -> &[Index] {
        &self.indexes
    }

    pub fn each(
        &self,
        query: &Query,
        pulse: &dyn Fn() -> bool,
        take: &mut dyn FnMut(Line) -> bool,
    ) -> Result<Vec<String>, String> {
        let mut missing: Vec<String> = Vec::new();
        let ended = self.stream(query, pulse, &mut |heard| match heard {
            News::Line(line) => take(line),
            News::Missing(what) => {
                missing.push(what);
                true
            }
            _ => true,
        });
        match (ended, missing.pop()) {
            (Err(why), Some(what)) => Err(format!("{why}: {what}")),
            (Err(why), None) => Err(why),
            (Ok(()), last) => Ok(missing.into_iter().chain(last).collect()),
        }
    }

    /// The number of records that match, and the parts that are missing from it.
    pub fn count(&self, query: &Query) -> Result<(u64, Vec<String>), String> {
        // a page has a highest limit
        let asked = Query { limit: None, ..asked(query, Format::Page) };
        let path = format!("api/grep/{}/count/?{}", index_list(&query.indexes), asked.to_url());
        let text = self.ask_for_text(&path, SEARCH_TIMEOUT)?;
        let counted: CountedByOther = serde_json::from_str(&text).map_err(|error| self.broken(&error))?;
        let most = query.limit.map_or(u64::MAX, |limit| limit.get() as u64);
        Ok((counted.count.min(most), counted.missing))
    }

    pub fn follow(
        &self,
        query: &Query,
        pause: &dyn Fn(Duration) -> bool,
        take: &mut dyn FnMut(News) -> bool,
    ) -> Result<(), String> {
        // this process counts up to the limit; for the other alco a limit is the number of records to begin with
        let query = Query { follow: Follow::Open, limit: None, ..query.clone() };
        self.stream(&query, &|| pause(Duration::ZERO), take)
    }

    fn stream(
        &self,
        query: &Query,
        pulse: &dyn Fn() -> bool,
        take: &mut dyn FnMut(News) -> bool,
    ) -> Result<(), String> {
        let path = format!("grep/{}/?{}", index_list(&query.indexes), asked(query, Format::Ndjson).to_url());
        let mut reading = NdjsonLines { remote: self, query, pattern: Pattern::new(query)?, group: None };
        let silent = if query.follow == Follow::Open { SILENCE_TIMEOUT } else { SEARCH_TIMEOUT };
        let mut body = self.ask(&path, silent)?;
        let mut line = Vec::new();
        loop {
            let some = body.fill_buf().map_err(|error| self.broken(&error))?;
            if some.is_empty() {
                let whole = line.iter().all(u8::is_ascii_whitespace);
                return if whole { Ok(()) } else { Err(self.broken(&"its last line is not whole")) };
            }
            let end = some.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(some.len(), |end| end + 1);
            line.extend_from_slice(&some[..used]);
            body.consume(used);
            if line.len() > MAX_LINE_BYTES {
                return Err(self.broken(&TOO_LONG));
            }
            if end.is_some() {
                let text = String::from_utf8_lossy(&line);
                if !reading.line(text.trim(), take) {
                    return Ok(());
                }
                line.clear();
            }
            // all lines that have arrived are printed: check whether the reader has left
            if body.buffer().is_empty() && !pulse() {
                return Ok(());
            }
        }
    }

    fn ask_for_text(&self, path: &str, silent: Duration) -> Result<String, String> {
        let mut text = String::new();
        let body = self.ask(path, silent)?;
        body.take(MAX_ANSWER_BYTES as u64).read_to_string(&mut text).map_err(|error| self.broken(&error))?;
        if text.len() < MAX_ANSWER_BYTES { Ok(text) } else { Err(self.broken(&TOO_LARGE)) }
    }

    /// The next line of an answer; None at its end.
    fn next_line(&self, body: &mut impl BufRead) -> Result<Option<String>, String> {
        let mut line = String::new();
        body.take(MAX_LINE_BYTES as u64).read_line(&mut line).map_err(|error| self.broken(&error))?;
        match line.len() {
            0 => Ok(None),
            MAX_LINE_BYTES.. => Err(self.broken(&TOO_LONG)),
            _ => Ok(Some(line)),
        }
    }

    fn ask(&self, path: &str, silent: Duration) -> Result<BufReader<impl Read + use<>>, String> {
        let mut question = self.agent.get(format!("{}{path}", self.url));
        if let Some(authorization) = &self.authorization {
            question = question.header("Authorization", authorization);
        }
        let answer = question.config().timeout_per_read(Some(silent)).build().call();
        let answer = answer.map_err(|error| {
            let is_tls = matches!(error, ureq::Error::NativeTls(_));
            let cure = if is_tls { "; SSL_CERT_FILE names a file with certificates to trust" } else { "" };
            format!("cannot ask {}: {error}{cure}", self.url)
        })?;
        let status = answer.status();
        let mut body = answer.into_body();
        if status.is_success() {
            return Ok(BufReader::new(body.into_reader()));
        }
        if status == 401 {
            return Err(match self.authorization {
                Some(_) => format!("{} does not take this user and password", self.url),
                None => format!(
                    "{} asks for a user and a password; write a line into ~/.netrc: machine HOST login USER password PASSWORD",
                    self.url
                ),
            });
        }
        let said = body.read_to_string().unwrap_or_default();
        let said = serde_json::from_str(&said).map_or(said, |wrong: Wrong| wrong.error);
        let first = said.lines().next().unwrap_or_default();
        let why = if first.trim_start().starts_with('<') { "" } else { first };
        let why: String = why.chars().take(MAX_REASON_CHARS).collect();
        Err(match why.is_empty() {
            true => format!("{} answers {status}", self.url),
            false => format!("{} answers {}: {why}", self.url, status.as_u16()),
        })
    }

    fn broken(&self, why: &dyn std::fmt::Display) -> String {
        format!("the answer of {} broke off: {why}", self.url)
    }
}

/// The same search for all that a record has, in that format.
fn asked(query: &Query, format: Format) -> Query {
    Query { format, tracebacks: false, columns: None, ..query.clone() }
}

fn settings(listed: ListedIndex) -> Option<Index> {
    let default = Config::default().indexes.into_iter().next()?;
    let numbers = LevelNumbers::NAMES.into_iter().find(|(name, _)| listed.level_numbers.as_deref() == Some(*name));
    Some(Index {
        name: listed.name.parse().ok()?,
        timestamp: listed.timestamp.map_or(default.timestamp, |name| vec![name]),
        message: listed.message.map_or(default.message, |name| vec![name]),
        columns: listed.columns.unwrap_or(default.columns),
        level: listed.level.unwrap_or(default.level),
        level_numbers: numbers.map_or(default.level_numbers, |(_, numbers)| numbers),
        context: listed.context.unwrap_or(default.context),
        ..default
    })
}

fn time_of(members: &[Member], settings: &Index) -> Ts {
    let member = members.iter().find(|(key, _)| key == settings.timestamp_name());
    let text = member.and_then(|(_, raw)| serde_json::from_str::<String>(raw).ok());
    text.and_then(|text| time::parse_rfc3339(&text, &TimeZone::UTC)).unwrap_or_default()
}

/// Makes lines of an answer from lines of NDJSON.
struct NdjsonLines<'a> {
    remote: &'a Remote,
    query: &'a Query,
    pattern: Pattern,
    group: Option<String>,
}

impl NdjsonLines<'_> {
    /// Returns whether to go on.
    fn line(&mut self, text: &str, take: &mut dyn FnMut(News) -> bool) -> bool {
        let mut members = Columns::parse(text).0;
        if let [(key, said)] = members.as_slice()
            && key == "@alco"
        {
            return take(News::Missing(serde_json::from_str(said).unwrap_or_default()));
        }
        // the members that alco added come after those that were sent
        let mut added = |name: &str| {
            let is_last = members.last().is_some_and(|(key, _)| key == name);
            is_last.then(|| members.pop().expect("it was just looked at").1.trim_matches('"').to_owned())
        };
        let (group, matches) = (added("@group"), added("@match"));
        let (index, id) = (added("@index"), added("@id"));
        let index = index.and_then(|name| name.parse().ok()).or_else(|| self.query.indexes.first().cloned());
        let settings = self.remote.indexes.iter().find(|settings| Some(&settings.name) == index.as_ref());
        let Some(settings) = settings else { return true };
        let place = match id.and_then(|id| format!("a{id}").parse().ok()) {
            Some(Cursor::After(place)) => place,
            // an alco that sends no @id: only the time is known
            _ => Place { ts: time_of(&members, settings), seq: 0, digest: 0, id: 0 },
        };
        let mut message = String::new();
        if let Some(at) = members.iter().position(|(key, _)| key == settings.message_name()) {
            let raw = members[at].1;
            match serde_json::from_str::<String>(raw) {
                Ok(text) => {
                    message = text;
                    members.remove(at);
                }
                Err(_) => message = raw.to_owned(),
            }
        }
        let written = quoted(&place.ts.rfc3339());
        if members.first().is_some_and(|(key, raw)| key == settings.timestamp_name() && *raw == written) {
            members.remove(0);
        }
        let columns: Vec<String> =
            members.iter().map(|(key, raw)| format!("{}:{}", quoted(own_key(key)), raw)).collect();
        let is_match = matches.as_deref() != Some("false");
        let marks = if is_match { self.pattern.marks(&message) } else { Vec::new() };
        let record = Stored { message, columns: format!("{{{}}}", columns.join(",")) };
        let hit = Hit { index: settings.name.clone(), place, record, marks };
        let is_new_group = group.is_some() && self.group.is_some() && group != self.group;
        self.group = group.or(self.group.take());
        if is_new_group && !take(News::Line(Line::Gap)) {
            return false;
        }
        take(News::Line(if is_match { Line::Match(hit) } else { Line::Near(hit) }))
    }
}
