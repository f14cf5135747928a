//! A search that continues: first the records that are there, then new ones, in the order in which searchd commits them.
//!
//! Invariant: each record that matches comes once, whatever its time and however many workers store it. Records that do not
//! come are reported.

pub mod arrivals;
pub mod context_window;
use std::cell::Cell;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::query::cursor::{Cursor, Place};
use crate::query::{Order, Query};
use crate::search::Searcher;
use crate::search::answer::{MAX_ANSWER_BYTES, MAX_HELD_BYTES, WHOLE_COLUMNS, away, warnings, whole_record};
use crate::search::filter::Looked;
use crate::search::follow::arrivals::{Arrivals, Counted, DOCIDS_PER_BUCKET};
use crate::search::follow::context_window::ContextWindow;
use crate::search::hit::{Hit, Line, SearchError};
use crate::search::plan::{Plan, SourcePlan, Subset};
use crate::search::scan::{Read, ScanMode, Step, Walk};
use crate::search::scope::{Deadline, Scope};
use crate::sphinx::client::{Engine, Fault};
use crate::sphinx::select::SelectArrived;
use crate::time::{Ts, When};

/// searchd is asked this often while records arrive, and less often after `BUSY_FOR` without any. A question costs searchd some
/// milliseconds.
const POLL_BUSY: Duration = Duration::from_millis(250);
const POLL_IDLE: Duration = Duration::from_millis(500);
const BUSY_FOR: Duration = Duration::from_secs(10);
/// A slow searchd is asked less often: its answers take at most a tenth of the time, but it is asked at least every
/// `POLL_SLOWEST`.
const REST_FACTOR: u32 = 10;
const POLL_SLOWEST: Duration = Duration::from_secs(3);
/// searchd is asked this often for batches that a worker held back; the answers take at most a hundredth of the time.
const POLL_HELD_UP: Duration = Duration::from_secs(15);
const HELD_UP_REST_FACTOR: u32 = 100;
/// Between two questions while searchd is away.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A follower whose output waits longer than this lags; it hears of it every `REPORT_LAG_EVERY`.
const LAGS_AFTER: Duration = Duration::from_secs(2);
const REPORT_LAG_EVERY: Duration = Duration::from_secs(10);
/// After this lag the waiting records are left out, if the follower allows it.
const LEAVE_OUT_AFTER: Duration = Duration::from_secs(15);
/// Rows of a first question, and of later ones at most: they are sorted and handed over together.
const FIRST_ROWS: usize = 100;
const MAX_ROWS: usize = 2000;

/// What a follower receives.
#[derive(Clone, Debug)]
pub enum News {
    Line(Line),
    /// this many records have arrived and wait; 0: none waits any longer
    Behind(u64),
    /// this many records were left out, since more arrive than the follower takes
    LeftOut(u64),
    /// this many records arrived too late to be told from older ones
    Late(u64),
    /// why searchd does not answer; records that arrive meanwhile will come
    Away(String),
    Back,
    /// parts of the answer are missing (a peer is down, a day index is not served)
    Missing(String),
}

impl News {
    /// In words, for the reader; None for a line. `records` writes a number of records: `1 record`, `2 records`.
    pub fn words(&self, records: impl Fn(u64) -> String) -> Option<String> {
        Some(match self {
            News::Line(_) => return None,
            News::Behind(0) => "caught up".to_owned(),
            News::Behind(waiting) => format!("lags: {} have arrived and wait", records(*waiting)),
            News::LeftOut(count) => format!("{} are left out here, since more arrive than are taken", records(*count)),
            News::Late(count) => format!("{} arrived late: not shown here, found by a search", records(*count)),
            News::Away(why) => format!("searchd does not answer; new records are shown when it is back ({why})"),
            News::Back => "searchd is back".to_owned(),
            News::Missing(what) => what.clone(),
        })
    }
}

/// Where to begin, and what to do when more arrives than is taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Following {
    /// with this many last matches of the query's range; None: with all of them
    pub last: Option<usize>,
    /// records that have waited for `LEAVE_OUT_AFTER` are left out and counted, instead of coming late
    pub leaves_out: bool,
}

impl Searcher {
    /// Hands over the matches that are there, and new ones, until `pause` or `take` returns false. `pause` sends the output and
    /// waits for the given time. The order is that of the stream, whatever the query says; new records come whatever their time.
    ///
    /// # Errors
    ///
    /// Only the beginning can fail: the query is invalid, or searchd is away. Later the follower waits for searchd.
    pub fn follow(
        &self,
        query: &Query,
        scope: &Scope,
        following: Following,
        pause: &dyn Fn(Duration) -> bool,
        take: &mut dyn FnMut(News) -> bool,
    ) -> Result<(), SearchError> {
        if !matches!(query.end, None | Some(When::Now)) {
            return Err(SearchError::Bad("what is followed has no end; leave end_ts out".to_owned()));
        }
        let range = query.range(scope.now, &scope.zone);
        // records with a time in the future are there already
        let (start, end) = (Some(When::At(range.start)), Some(When::At(Ts::MAX)));
        let query = Query { start, end, order: Order::OldestFirst, limit: None, ..query.clone() };
        let plan = self.plan(&query, scope)?;
        let mut follower = Follower::begin(self, &plan, &query, scope.now)?;
        if follower.history(&query, scope, following.last, pause, take)? {
            follower.run(following.leaves_out, pause, take);
        }
        Ok(())
    }
}

struct Follower<'a> {
    searcher: &'a Searcher,
    plan: &'a Plan,
    streams: Vec<FollowedIndex<'a>>,
    window: ContextWindow,
    /// fetched and known, not yet handed over
    fetched: Vec<Hit>,
    bytes: usize,
    /// warnings that were handed over already
    missing: Vec<String>,
    /// the warnings of searchd's last answers
    warnings: Vec<String>,
    /// not reported yet
    late: u64,
    left_out: u64,
    /// all records that were committed before have gone out
    caught_up: Instant,
    /// when the lag was last reported
    behind: Option<Instant>,
}

/// The new records of one index.
struct FollowedIndex<'a> {
    plan: &'a SourcePlan,
    arrivals: Arrivals,
    /// buckets with new documents that were not fetched yet
    waiting: VecDeque<Counted>,
    /// rows of one question
    rows: usize,
}

impl<'a> Follower<'a> {
    /// Takes note of the documents that are there.
    fn begin(searcher: &'a Searcher, plan: &'a Plan, query: &Query, now: Ts) -> Result<Follower<'a>, SearchError> {
        let stream = |source: &'a SourcePlan| {
            let mut arrivals = Arrivals::new(now);
            let counted = searcher.pool.with(|engine| count(engine, source, arrivals.first(true)));
            for bucket in arrivals.begin(&counted.map_err(|fault| away(&fault))?, Instant::now()) {
                let ids = searcher.pool.with(|engine| ids(engine, source, bucket));
                arrivals.learn(bucket, &ids.map_err(|fault| away(&fault))?);
            }
            Ok(FollowedIndex { plan: source, arrivals, waiting: VecDeque::new(), rows: FIRST_ROWS })
        };
        Ok(Follower {
            searcher,
            plan,
            streams: plan.sources.iter().map(stream).collect::<Result<_, SearchError>>()?,
            window: ContextWindow::new(query.context, query.around()),
            fetched: Vec::new(),
            bytes: 0,
            missing: Vec::new(),
            warnings: Vec::new(),
            late: 0,
            left_out: 0,
            caught_up: Instant::now(),
            behind: None,
        })
    }

    /// Hands over the records that were there at the beginning; those that have arrived since come later. Returns whether to go on.
    fn history(
        &mut self,
        query: &Query,
        scope: &Scope,
        last: Option<usize>,
        pause: &dyn Fn(Duration) -> bool,
        take: &mut dyn FnMut(News) -> bool,
    ) -> Result<bool, SearchError> {
        let goes_on = Cell::new(true);
        let pulse = || {
            goes_on.set(goes_on.get() && pause(Duration::ZERO));
            goes_on.get()
        };
        let cursor = match (last, query.cursor) {
            (Some(0), None) => None,
            (Some(last), None) => self.before_last(last, &pulse)?.map(Cursor::After),
            (_, cursor) => cursor,
        };
        // the last line, and the number of lines after the last match
        let (mut shown, mut since): (Option<Place>, usize) = (None, 0);
        if last != Some(0) || query.cursor.is_some() {
            let query = Query { cursor, ..query.clone() };
            let missing = self.searcher.each(&query, scope, Read::Line, &pulse, |line| {
                if let Line::Match(hit) | Line::Near(hit) = &line {
                    if !self.knows(hit) {
                        return true;
                    }
                    shown = Some(hit.place);
                    since = if matches!(line, Line::Match(_)) { 0 } else { since + 1 };
                }
                goes_on.set(take(News::Line(line)));
                goes_on.get()
            })?;
            self.missing = missing.clone();
            goes_on.set(goes_on.get() && missing.into_iter().all(|what| take(News::Missing(what))));
        }
        if goes_on.get() {
            self.look_back(shown, since)?;
        }
        Ok(goes_on.get())
    }

    fn knows(&self, hit: &Hit) -> bool {
        let stream = self.streams.iter().find(|stream| stream.plan.index == hit.index);
        stream.is_some_and(|stream| stream.arrivals.knows(hit.place.id))
    }

    /// The place of the match before the `last` ones; None: there are no more.
    fn before_last(&self, last: usize, pulse: &dyn Fn() -> bool) -> Result<Option<Place>, SearchError> {
        let mode = ScanMode { backwards: true, of: Subset::Candidates, read: Read::Place, hint: last + 1 };
        let mut walk = self.walk(mode).with_pulse(pulse);
        let mut left = last;
        loop {
            match walk.next()? {
                Step::Hit(hit) if !self.knows(&hit) => {}
                Step::Hit(hit) if left == 0 => return Ok(Some(hit.place)),
                Step::Hit(_) => left -= 1,
                Step::End | Step::Late(_) => return Ok(None),
            }
        }
    }

    fn walk(&self, mode: ScanMode) -> Walk<'a> {
        self.searcher.walk(self.plan, mode, None, Deadline::default())
    }

    /// Reads lines that were there at the beginning: they may be around the next match, or after the last one.
    fn look_back(&mut self, shown: Option<Place>, since: usize) -> Result<(), SearchError> {
        let before = self.window.before();
        let (mut lines, mut gap) = (Vec::new(), false);
        if self.window.is_wanted() {
            let mut walk =
                self.walk(ScanMode { backwards: true, of: Subset::Stream, read: Read::Line, hint: before + 1 });
            while let Step::Hit(hit) = walk.next()?
                && shown.is_none_or(|shown| hit.place > shown)
                && !gap
            {
                gap = lines.len() == before;
                if !gap && self.knows(&hit) {
                    lines.push(hit);
                }
            }
        }
        if shown.is_some() {
            self.window.go_on(gap, if lines.is_empty() && !gap { since } else { usize::MAX });
        }
        for hit in lines.into_iter().rev() {
            // none of them matches
            self.window.keep(hit);
        }
        Ok(())
    }

    fn run(&mut self, leaves_out: bool, pause: &dyn Fn(Duration) -> bool, take: &mut dyn FnMut(News) -> bool) {
        let mut is_away = false;
        self.caught_up = Instant::now();
        let (mut lively, mut all) = (Instant::now(), Instant::now() + POLL_HELD_UP);
        let mut rest = POLL_BUSY;
        while pause(rest) {
            let (began, asks_all) = (Instant::now(), Instant::now() >= all);
            let outcome = self.look(asks_all);
            let cost = began.elapsed();
            if asks_all && outcome.is_ok() {
                all = Instant::now() + POLL_HELD_UP.max(cost * HELD_UP_REST_FACTOR);
            }
            rest = match lively.elapsed() < BUSY_FOR {
                true => POLL_BUSY,
                false => POLL_IDLE,
            };
            rest = rest.max((cost * REST_FACTOR).min(POLL_SLOWEST));
            let outcome = match outcome {
                Ok(0) => Ok(true),
                Ok(_) => {
                    lively = Instant::now();
                    if is_away {
                        // searchd was away: the follower does not lag
                        self.caught_up = began;
                    }
                    self.hand_over(leaves_out, pause, take)
                }
                Err(fault) => Err(fault),
            };
            if outcome.is_ok() {
                self.caught_up = began;
            }
            let goes_on = match outcome {
                Ok(goes_on) => goes_on && (!std::mem::take(&mut is_away) || take(News::Back)) && self.tell(take),
                Err(fault) => {
                    rest = RETRY_AFTER;
                    std::mem::replace(&mut is_away, true) || take(News::Away(fault.why().to_owned()))
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Reports records that were left out or came too late, and missing parts that were not reported yet. Returns whether to go on.
    fn tell(&mut self, take: &mut dyn FnMut(News) -> bool) -> bool {
        let (late, left_out) = (std::mem::take(&mut self.late), std::mem::take(&mut self.left_out));
        let missing: Vec<String> = self.warnings.iter().filter(|what| !self.missing.contains(what)).cloned().collect();
        self.missing = std::mem::take(&mut self.warnings);
        (left_out == 0 || take(News::LeftOut(left_out)))
            && (late == 0 || take(News::Late(late)))
            && missing.into_iter().all(|what| take(News::Missing(what)))
    }

    /// Counts the documents. Returns how many wait to be fetched; those of held-back batches too if `all`.
    fn look(&mut self, all: bool) -> Result<u64, Fault> {
        let mut waiting = 0;
        self.warnings.clear();
        for stream in &mut self.streams {
            let counted = self.searcher.news.with(|engine| {
                let counted = count(engine, stream.plan, stream.arrivals.first(all))?;
                Ok((counted, warnings(engine, self.searcher.peers)?))
            });
            let (counted, warnings) = counted?;
            self.warnings.extend(warnings);
            stream.waiting = stream.arrivals.changed(&counted).into();
            waiting += stream.waiting.iter().map(|counted| stream.arrivals.unknown(counted).max(1)).sum::<u64>();
            stream.arrivals.age(Instant::now());
        }
        Ok(waiting)
    }

    /// Fetches and hands over the waiting documents. Returns whether to go on.
    fn hand_over(
        &mut self,
        leaves_out: bool,
        pause: &dyn Fn(Duration) -> bool,
        take: &mut dyn FnMut(News) -> bool,
    ) -> Result<bool, Fault> {
        loop {
            let fetched = self.fetch();
            // fetched documents are known, and would not be fetched again
            if !self.pass(take) {
                return Ok(false);
            }
            fetched?;
            let waiting: u64 = self
                .streams
                .iter()
                .flat_map(|stream| stream.waiting.iter().map(|counted| stream.arrivals.unknown(counted)))
                .sum();
            let lag = self.caught_up.elapsed();
            if waiting == 0 {
                let lagged = lag < LAGS_AFTER && self.behind.take().is_some();
                return Ok(!lagged || take(News::Behind(0)));
            }
            if leaves_out && lag > LEAVE_OUT_AFTER {
                self.behind = None;
                self.leave_out()?;
                return Ok(true);
            }
            if lag > LAGS_AFTER && self.behind.is_none_or(|said| said.elapsed() > REPORT_LAG_EVERY) {
                self.behind = Some(Instant::now());
                if !take(News::Behind(waiting)) {
                    return Ok(false);
                }
            }
            if !pause(Duration::ZERO) {
                return Ok(false);
            }
        }
    }

    /// Fetches waiting documents until there is no more room.
    fn fetch(&mut self) -> Result<(), Fault> {
        for n in 0..self.streams.len() {
            while self.is_room()
                && let Some(counted) = self.streams[n].waiting.front().copied()
            {
                if self.fetch_bucket(n, &counted)? {
                    self.streams[n].waiting.pop_front();
                }
            }
        }
        Ok(())
    }

    fn is_room(&self) -> bool {
        self.fetched.len() < MAX_ROWS && self.bytes < MAX_HELD_BYTES
    }

    /// Fetches the new documents of a bucket. Returns whether these were all.
    fn fetch_bucket(&mut self, n: usize, counted: &Counted) -> Result<bool, Fault> {
        if !self.fetch_rows(n, self.streams[n].arrivals.above(counted.bucket))? {
            return Ok(false);
        }
        let stream = &mut self.streams[n];
        let unknown = stream.arrivals.unknown(counted);
        if unknown > 0 && !stream.arrivals.tells_apart(counted.bucket) {
            self.late += unknown;
        } else if unknown > 0 {
            // two leases meet in this bucket, or some of its days were committed before others
            let ids = self.searcher.news.with(|engine| ids(engine, stream.plan, counted.bucket))?;
            let mut unknown = ids.iter().filter(|id| !stream.arrivals.knows(**id));
            if let Some(first) = unknown.next() {
                let last = unknown.next_back().unwrap_or(first);
                if !self.fetch_rows(n, *first..last + 1)? {
                    return Ok(false);
                }
            }
        }
        self.streams[n].arrivals.settle(counted);
        Ok(true)
    }

    /// Fetches the documents of a range that are not known yet. Returns whether these were all.
    fn fetch_rows(&mut self, n: usize, mut range: Range<u64>) -> Result<bool, Fault> {
        loop {
            let stream = &mut self.streams[n];
            let arrived = SelectArrived {
                from: stream.plan.index.as_str(),
                conditions: stream.plan.conditions(),
                ids: range.clone(),
            };
            let statement = arrived.documents(WHOLE_COLUMNS, stream.rows);
            let (mut seen, mut read, mut is_full) = (0, 0, false);
            self.searcher.news.with(|engine| {
                engine.each(&statement, |row| {
                    let (place, record) = whole_record(&row);
                    let size = record.message.len() + record.columns.len();
                    seen += 1;
                    read += size;
                    range.start = place.id + 1;
                    let looked = Looked {
                        apart: &stream.plan.apart,
                        ts: place.ts,
                        message: &record.message,
                        columns: &record.columns,
                    };
                    if stream.arrivals.note(place.id) && self.plan.filters.accept(looked) {
                        self.bytes += size;
                        self.fetched.push(Hit { index: stream.plan.index.clone(), place, record, marks: Vec::new() });
                    }
                    is_full = self.fetched.len() >= MAX_ROWS || self.bytes >= MAX_HELD_BYTES;
                    !is_full
                })
            })?;
            self.searcher.counted.candidates.add(seen);
            if is_full {
                return Ok(false);
            }
            if seen < stream.rows {
                return Ok(true);
            }
            stream.rows = (stream.rows * 4).min(MAX_ROWS).min(MAX_ANSWER_BYTES / (read / seen + 1)).max(1);
        }
    }

    /// Hands over the fetched documents in the order of their places. Returns whether to go on.
    fn pass(&mut self, take: &mut dyn FnMut(News) -> bool) -> bool {
        self.bytes = 0;
        self.fetched.sort_by_key(|hit| hit.place);
        for mut hit in self.fetched.drain(..) {
            let matches = self.plan.matches(&hit.record.message, &hit.record.columns);
            if matches {
                hit.marks = self.plan.pattern.marks(&hit.record.message);
            }
            if !self.window.pass(hit, matches, &mut |line| take(News::Line(line))) {
                return false;
            }
        }
        true
    }

    /// Counts the waiting documents as left out; they are known from now on, with those that came since they were counted.
    fn leave_out(&mut self) -> Result<(), Fault> {
        for stream in &mut self.streams {
            while let Some(counted) = stream.waiting.front() {
                let ids = self.searcher.news.with(|engine| ids(engine, stream.plan, counted.bucket))?;
                self.left_out += ids.iter().filter(|id| !stream.arrivals.knows(**id)).count() as u64;
                stream.arrivals.learn(counted.bucket, &ids);
                stream.waiting.pop_front();
            }
        }
        Ok(())
    }
}

fn count(engine: &mut Engine, source: &SourcePlan, first: u64) -> Result<Vec<Counted>, Fault> {
    let ids = first..u64::MAX >> 1;
    let arrived = SelectArrived { from: source.index.as_str(), conditions: source.conditions(), ids };
    let number = |row: &crate::sphinx::client::Row, column| row.int(column).and_then(|n| u64::try_from(n).ok());
    let rows = engine.select(&arrived.counted(DOCIDS_PER_BUCKET))?;
    let counted = |row| Some(Counted { bucket: number(row, 0)?, documents: number(row, 1)?, high: number(row, 2)? });
    Ok(rows.iter().filter_map(counted).collect())
}

/// The docids of a bucket.
fn ids(engine: &mut Engine, source: &SourcePlan, bucket: u64) -> Result<Vec<u64>, Fault> {
    let ids = bucket * DOCIDS_PER_BUCKET..(bucket + 1) * DOCIDS_PER_BUCKET;
    let arrived = SelectArrived { from: source.index.as_str(), conditions: source.conditions(), ids };
    let rows = engine.select(&arrived.documents("id", DOCIDS_PER_BUCKET as usize))?;
    Ok(rows.iter().filter_map(|row| row.int(0)).filter_map(|id| u64::try_from(id).ok()).collect())
}
