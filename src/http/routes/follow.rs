//! Pages and streams that stay open: the stored records of a search, then those that arrive, at once.
//!
//! A keep-alive is sent at least every 15 s, so that no proxy takes the response for dead, and alco notices a client that has left.
//! Clients ignore it: a comment in a page, a space before the next line of NDJSON, an empty line of CSV, a carriage return in text.

use std::cell::RefCell;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::RecvTimeoutError;

use crate::http::body::{Aborted, Body};
use crate::http::error::Refusal;
use crate::http::followers::FollowerSlot;
use crate::http::pages::follow::FollowView;
use crate::http::pages::log::LogWriter;
use crate::http::pages::log::view::LogView;
use crate::http::pages::{Frame, records, thousands};
use crate::http::request::LogRequest;
use crate::http::response::{Reply, WriteBody};
use crate::http::routes::frame::frame;
use crate::http::routes::log_lines::Lines;
use crate::http::site::Site;
use crate::query::cursor::{Cursor, Place};
use crate::query::{Follow, Format, Query};
use crate::render::Rows;
use crate::render::cells::shown_columns;
use crate::search::follow::{Following, News};
use crate::search::hit::{Line, SearchError};
use crate::time::Ts;

/// Silence after which a keep-alive is sent. A question to searchd may delay it by 10 s.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// The interval of checks that the client is still connected.
const LOOK: Duration = Duration::from_secs(1);
/// A page with more lines makes browsers slow; it ends with a link to go on.
const PAGE_LINES: usize = 20_000;
const PAGE_TIME: Duration = Duration::from_secs(86_400);

const STOPS: &str = "alco stops";
const FORBIDDEN: &str = "this ends here: the user may no longer see it";

/// A stream of text, NDJSON or CSV that goes on.
pub fn stream(site: &Site, request: LogRequest) -> Reply {
    let Some(slot) = site.followers.take(request.household) else {
        return Reply::text(503, format!("{}\n", site.followers.all_taken())).with("Retry-After", "10");
    };
    let kind = request.query.format.media_type();
    let write: WriteBody = Box::new(move |site, body| write_stream(site, &request, body));
    Reply::text(200, String::new()).of_kind(kind).following(slot, write)
}

/// The page that grows.
pub fn page(slot: FollowerSlot, request: LogRequest) -> Reply {
    let write: WriteBody = Box::new(move |site, body| write_page(site, &request, body));
    Reply::page(200, String::new()).following(slot, write)
}

/// An event in words; empty for a line.
fn notice(news: &News) -> String {
    news.words(records).unwrap_or_default()
}

fn write_stream(site: &Site, request: &LogRequest, body: &mut Body) -> Result<(), Aborted> {
    let (settings, query) = (request.settings(), &request.query);
    let rows = RefCell::new(Rows::new(&settings, query, &request.zone));
    let following = Following { last: query.limit.map(usize::from), leaves_out: false };
    let clock = || Ts::of(SystemTime::now());
    let mut write = |news: News| {
        let text = match &news {
            News::Line(line) => rows.borrow_mut().line(line),
            news => rows.borrow().notice(&notice(news), clock()),
        };
        (text, true)
    };
    let head = rows.borrow().head();
    let heartbeat = match query.format {
        Format::Ndjson => " ",
        Format::Csv => "\r\n",
        Format::Page | Format::Text | Format::Json => "\r",
    };
    match follow(site, following, FollowOutput::new(request, body, &head, heartbeat), &mut write)? {
        FollowEnd::Left => Err(Aborted::ClientLeft),
        FollowEnd::Failed(error) => Err(Aborted::Refused(Refusal::from(error))),
        FollowEnd::Stopped => Ok(body.write_all(rows.borrow().notice(STOPS, clock()).as_bytes())?),
        FollowEnd::Forbidden => Ok(body.write_all(rows.borrow().notice(FORBIDDEN, clock()).as_bytes())?),
        FollowEnd::Full => Ok(()),
    }
}

fn write_page(site: &Site, request: &LogRequest, body: &mut Body) -> Result<(), Aborted> {
    let (settings, query) = (request.settings(), &request.query);
    let page_size = request.page_size(site);
    let still = Query { follow: Follow::No, ..query.clone() };
    let lines = LogView {
        // its form for the time zone would stand at the end
        frame: Frame { state: None, ..frame(site, &request.visible, Some(query)) },
        query: &still,
        pattern_texts: site.searcher.pattern_texts(query, &request.scope(site, body.waits(), page_size)),
        now: request.now,
        zone: &request.zone,
        range: request.range(),
        shown_columns: shown_columns(&settings, query),
        formats: &[],
        page_size,
        may_save: false,
        grows: true,
    };
    let view = FollowView { lines: &lines, query };
    let mut log = LogWriter::new(&lines);
    let opening = format!("{}{}\n", view.opening().into_string(), log.begin().into_string());
    let rows = Lines::new(&settings, &lines.shown_columns, query);
    let until = Instant::now() + PAGE_TIME;
    let (mut count, mut last): (usize, Option<Place>) = (0, None);
    let mut write = |news: News| {
        let markup = match &news {
            News::Line(line) => {
                if let Line::Match(hit) | Line::Near(hit) = line {
                    last = last.max(Some(hit.place));
                    count += 1;
                }
                log.rows(&[rows.row(line)])
            }
            news => view.notice(&notice(news)),
        };
        (markup.into_string() + "\n", count < PAGE_LINES && Instant::now() < until)
    };
    let following = Following { last: Some(page_size), leaves_out: true };
    let ended = follow(site, following, FollowOutput::new(request, body, &opening, "<!-- -->\n"), &mut write)?;
    let words = match ended {
        FollowEnd::Left => return Err(Aborted::ClientLeft),
        FollowEnd::Failed(error) => format!("broken off: {}", error),
        FollowEnd::Stopped => STOPS.to_owned(),
        FollowEnd::Forbidden => FORBIDDEN.to_owned(),
        FollowEnd::Full => format!("this page ends here, after {} lines", thousands(count as u64)),
    };
    let on = Query { cursor: last.map(Cursor::After), ..query.clone() };
    Ok(body.part(view.closing(&words, &on))?)
}

/// The reason why following ended.
enum FollowEnd {
    /// the client no longer reads
    Left,
    /// the daemon stops
    Stopped,
    /// its user may no longer see an index of it
    Forbidden,
    /// it has reached its maximal length or age
    Full,
    /// searchd failed while stored records were read
    Failed(SearchError),
}

/// Writes stored records, then new ones, until one of these ends comes.
fn follow(
    site: &Site,
    following: Following,
    output: FollowOutput,
    write: &mut dyn FnMut(News) -> (String, bool),
) -> Result<FollowEnd, Aborted> {
    let request = output.request;
    let scope = request.scope_to_the_end(site, output.body.waits());
    let output = RefCell::new(output);
    let pause = |time: Duration| output.borrow_mut().pause(site, time);
    let mut take = |news: News| {
        let (text, goes_on) = write(news);
        output.borrow_mut().take(&text, goes_on)
    };
    let outcome = site.searcher.follow(&request.query, &scope, following, &pause, &mut take);
    let FollowOutput { opening, ended, .. } = output.into_inner();
    match outcome {
        Ok(()) => Ok(ended.unwrap_or(FollowEnd::Left)),
        Err(error) if opening.is_some() => Err(Aborted::Refused(Refusal::from(error))),
        Err(error) => Ok(FollowEnd::Failed(error)),
    }
}

/// The response: its body, the time of its last flush, and the reason why it ends.
struct FollowOutput<'a> {
    request: &'a LogRequest,
    body: &'a mut Body,
    /// goes out when searchd has answered once: until then there may be a refusal to show instead
    opening: Option<&'a str>,
    heartbeat: &'a str,
    unsent: bool,
    sent: Instant,
    ended: Option<FollowEnd>,
}

impl<'a> FollowOutput<'a> {
    fn new(request: &'a LogRequest, body: &'a mut Body, opening: &'a str, heartbeat: &'a str) -> FollowOutput<'a> {
        let (unsent, sent, ended) = (false, Instant::now(), None);
        FollowOutput { request, body, opening: Some(opening), heartbeat, unsent, sent, ended }
    }

    fn take(&mut self, text: &str, goes_on: bool) -> bool {
        if self.put(text).is_err() {
            self.ended = Some(FollowEnd::Left);
        } else if !goes_on {
            self.ended = Some(FollowEnd::Full);
        }
        self.ended.is_none()
    }

    fn put(&mut self, text: &str) -> std::io::Result<()> {
        if let Some(opening) = self.opening.take() {
            self.body.begin()?;
            self.body.write_all(opening.as_bytes())?;
        }
        self.unsent = true;
        self.body.write_all(text.as_bytes())
    }

    fn send(&mut self) -> std::io::Result<()> {
        if self.opening.is_some() {
            self.put("")?;
        }
        if self.sent.elapsed() >= HEARTBEAT && !self.unsent {
            self.put(self.heartbeat)?;
        }
        if std::mem::take(&mut self.unsent) {
            self.body.flush()?;
            self.sent = Instant::now();
        }
        Ok(())
    }

    /// Flushes, and waits. Returns false when following ends.
    fn pause(&mut self, site: &Site, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            if self.send().is_err() || !self.body.is_read() {
                self.ended = Some(FollowEnd::Left);
                return false;
            }
            if !site.still_shows(&self.request.visible, &self.request.query.indexes) {
                self.ended = Some(FollowEnd::Forbidden);
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if site.stop.recv_timeout(left.min(LOOK)) == Err(RecvTimeoutError::Disconnected) {
                self.ended = Some(FollowEnd::Stopped);
                return false;
            }
            if left <= LOOK {
                return true;
            }
        }
    }
}
