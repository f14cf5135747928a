//! Pages and streams that stay open: what there is of a search, then what arrives, at once.
//!
//! Something is sent at least every 15 s, so that no proxy takes it for dead and a client that has left is noticed; what it is
//! harms no reader: a comment in a page, a space before the next line of NDJSON, an empty line of CSV, a carriage return in text.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::RecvTimeoutError;

use super::Site;
use super::grep::{frame, settings};
use super::lines::Lines;
use super::pages::follow::View;
use super::pages::log::{Log, View as LogView};
use super::pages::{Frame, records, thousands};
use super::refusal::{Refusal, why};
use super::reply::Reply;
use super::stream::{Body, Cut, Work};
use super::text;
use crate::metrics::Metrics;
use crate::rows::Rows;
use crate::search::cursor::{Cursor, Place};
use crate::search::follow::{Following, News};
use crate::search::query::{Follow, Format, Query};
use crate::search::{Line, Scope, SearchError, Waits};
use crate::shown::shown_columns;
use crate::time::Ts;

/// After so long without a word there is one. A question to searchd may take 10 s before the next.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How often it is looked whether the client is still there.
const LOOK: Duration = Duration::from_secs(1);
/// A page of more lines makes browsers slow; it ends, and says where to go on.
const PAGE_LINES: usize = 20_000;
const PAGE_TIME: Duration = Duration::from_secs(86_400);

const STOPS: &str = "alco stops";

/// Who follows, by number.
pub struct Followers {
    most: usize,
    metrics: Arc<Metrics>,
    taken: Mutex<BTreeSet<usize>>,
}

/// A follower's place, as long as it lives.
pub struct Seat {
    followers: Arc<Followers>,
    pub number: usize,
}

impl Followers {
    pub fn new(most: usize, metrics: Arc<Metrics>) -> Followers {
        Followers { most, metrics, taken: Mutex::default() }
    }

    /// None: all are taken.
    pub fn take(self: &Arc<Followers>) -> Option<Seat> {
        let mut taken = self.taken();
        let number = (1..=self.most).find(|number| !taken.contains(number))?;
        taken.insert(number);
        self.metrics.searched.followers.fetch_add(1, Relaxed);
        Some(Seat { followers: self.clone(), number })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        // a set is whole whoever panicked beside it
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.followers.taken().remove(&self.number);
        self.followers.metrics.searched.followers.fetch_sub(1, Relaxed);
    }
}

/// A stream of text, NDJSON or CSV that goes on.
pub fn stream(site: &Site, list: &str, query: Query, now: Ts) -> Reply {
    let Some(seat) = site.followers.take() else {
        return Reply::text(503, format!("{}\n", no_seat(site))).with("Retry-After", "10");
    };
    let list = list.to_owned();
    let (kind, _) = text::kind(query.format);
    let work: Work = Box::new(move |site, body| write_stream(site, &list, &query, now, body));
    Reply::following(Reply::text(200, String::new()).of_kind(kind), seat, work)
}

/// The page that grows; None where all places are taken.
pub fn page(site: &Site, list: &str, query: &Query, now: Ts) -> Option<Reply> {
    let seat = site.followers.take()?;
    let (list, query) = (list.to_owned(), query.clone());
    let work: Work = Box::new(move |site, body| write_page(site, &list, &query, now, body));
    Some(Reply::following(Reply::page(200, String::new()), seat, work))
}

pub fn no_seat(site: &Site) -> String {
    let most = site.config.http.max_followers;
    format!("all {most} places to follow are taken ([http] max_followers); try again later")
}

/// What is told in words.
fn said(news: &News) -> String {
    match news {
        News::Line(_) => String::new(),
        News::Behind(0) => "nothing lags any more".to_owned(),
        News::Behind(waiting) => format!("lags: {} have arrived and wait", records(*waiting)),
        News::LeftOut(count) => format!("{} are left out here, since more arrive than are taken", records(*count)),
        News::Late(count) => {
            format!("{} arrived too late to be told from older ones, and will be found by a search", records(*count))
        }
        News::Away(why) => format!("searchd does not answer; what arrives will come when it is back ({why})"),
        News::Back => "searchd is back".to_owned(),
        News::Missing(what) => what.clone(),
    }
}

fn write_stream(site: &Site, list: &str, query: &Query, now: Ts, body: &mut Body) -> Result<(), Cut> {
    let settings = settings(site, list).map_err(Cut::Refused)?;
    let zone = query.zone(&site.config.http.timezone).clone();
    let rows = RefCell::new(Rows::new(&settings, query, &zone));
    let following = Following { last: query.limit.map(usize::from), leaves_out: false };
    let clock = || Ts::of(SystemTime::now());
    let mut write = |news: News| {
        let text = match &news {
            News::Line(line) => rows.borrow_mut().line(line),
            news => rows.borrow().said(&said(news), clock()),
        };
        (text, true)
    };
    let head = rows.borrow().head();
    let heartbeat = match query.format {
        Format::Ndjson => " ",
        Format::Csv => "\r\n",
        Format::Page | Format::Text | Format::Json => "\r",
    };
    match follow(site, query, now, following, &head, heartbeat, &mut write, body)? {
        Ended::Left => Err(Cut::Left),
        Ended::Failed(error) => Err(Cut::Refused(Refusal::from(error))),
        Ended::Stopped => Ok(body.write_all(rows.borrow().said(STOPS, clock()).as_bytes())?),
        Ended::Full => Ok(()),
    }
}

fn write_page(site: &Site, list: &str, query: &Query, now: Ts, body: &mut Body) -> Result<(), Cut> {
    let settings = settings(site, list).map_err(Cut::Refused)?;
    let zone = query.zone(&site.config.http.timezone).clone();
    let page_size = query.limit.unwrap_or(site.config.http.page_size).get();
    let still = Query { follow: Follow::No, ..query.clone() };
    let lines = LogView {
        // its form for the time zone would stand at the end
        frame: Frame { state: None, ..frame(site, Some(query)) },
        query: &still,
        now,
        zone: &zone,
        range: query.range(now, &zone),
        shown_columns: shown_columns(&settings, query),
        formats: &[],
        page_size,
    };
    let view = View { lines: &lines, query };
    let mut log = Log::new(&lines);
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
                log.row(&rows.row(line))
            }
            news => view.said(&said(news)),
        };
        (markup.into_string() + "\n", count < PAGE_LINES && Instant::now() < until)
    };
    let following = Following { last: Some(page_size), leaves_out: true };
    let ended = follow(site, query, now, following, &opening, "<!-- -->\n", &mut write, body)?;
    let words = match ended {
        Ended::Left => return Err(Cut::Left),
        Ended::Failed(error) => format!("broken off: {}", why(error)),
        Ended::Stopped => STOPS.to_owned(),
        Ended::Full => format!("this page ends here, after {} lines", thousands(count as u64)),
    };
    let on = Query { cursor: last.map(Cursor::After), ..query.clone() };
    Ok(body.part(view.closing(&words, &on))?)
}

/// How following came to its end.
enum Ended {
    /// nobody reads it any more
    Left,
    /// the daemon stops
    Stopped,
    /// as long as it may get
    Full,
    /// while it read what was there before
    Failed(SearchError),
}

/// Writes what there is and what arrives until one of these ends. `opening` goes out when searchd has answered once: until
/// then there may be a refusal to tell instead.
#[allow(clippy::too_many_arguments)] // what a search is, and what becomes of it
fn follow(
    site: &Site,
    query: &Query,
    now: Ts,
    following: Following,
    opening: &str,
    heartbeat: &str,
    write: &mut dyn FnMut(News) -> (String, bool),
    body: &mut Body,
) -> Result<Ended, Cut> {
    let zone = query.zone(&site.config.http.timezone).clone();
    let scope = Scope::to_the_end(now, zone, site.config.http.page_size.get(), Waits::default());
    let out =
        RefCell::new(Out { body, opening: Some(opening), heartbeat, unsent: false, sent: Instant::now(), ended: None });
    let pause = |time: Duration| out.borrow_mut().pause(site, time);
    let mut take = |news: News| {
        let (text, goes_on) = write(news);
        out.borrow_mut().take(&text, goes_on)
    };
    let outcome = site.searcher.follow(query, &scope, following, &pause, &mut take);
    let Out { opening, ended, .. } = out.into_inner();
    match outcome {
        Ok(()) => Ok(ended.unwrap_or(Ended::Left)),
        Err(error) if opening.is_some() => Err(Cut::Refused(Refusal::from(error))),
        Err(error) => Ok(Ended::Failed(error)),
    }
}

/// What is written, when it was sent, and why no more is.
struct Out<'a> {
    body: &'a mut Body,
    /// not written yet
    opening: Option<&'a str>,
    heartbeat: &'a str,
    unsent: bool,
    sent: Instant,
    ended: Option<Ended>,
}

impl Out<'_> {
    fn take(&mut self, text: &str, goes_on: bool) -> bool {
        if self.put(text).is_err() {
            self.ended = Some(Ended::Left);
        } else if !goes_on {
            self.ended = Some(Ended::Full);
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

    /// Sends what there is, and waits. False when following ends.
    fn pause(&mut self, site: &Site, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            if self.send().is_err() || !self.body.is_read() {
                self.ended = Some(Ended::Left);
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if site.stop.recv_timeout(left.min(LOOK)) == Err(RecvTimeoutError::Disconnected) {
                self.ended = Some(Ended::Stopped);
                return false;
            }
            if left <= LOOK {
                return true;
            }
        }
    }
}
