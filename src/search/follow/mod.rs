//! A search that continues: first the records that are there, then new ones, in the order in which searchd commits them.
//!
//! Invariant: each record that matches comes once, whatever its time and however many workers store it. Records that do not
//! come are reported.

pub mod arrivals;
mod by_docid;
pub mod context_window;
mod new_records;
mod news;

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::query::cursor::{Cursor, Place};
use crate::query::{Order, Query};
use crate::search::Searcher;
use crate::search::follow::context_window::ContextWindow;
use crate::search::follow::new_records::NewRecords;
pub use crate::search::follow::news::News;
use crate::search::hit::{Line, SearchError};
use crate::search::plan::{Plan, Subset};
use crate::search::scan::{Read, ScanMode, Step, Walk};
use crate::search::scope::{Deadline, Scope};
use crate::sphinx::client::Fault;
use crate::time::{Ts, When};

/// The time between two polls of searchd while records arrive; it is longer after `BUSY_FOR` without any. A poll costs searchd some
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

/// The beginning, and the reaction when more arrives than is taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Following {
    /// with this many last matches of the query's range; None: with all of them
    pub last: Option<usize>,
    /// records that have waited for `LEAVE_OUT_AFTER` are left out and counted, instead of coming late
    pub leaves_out: bool,
}

impl Searcher {
    /// Passes on the stored matches, and new ones, until `pause` or `take` returns false. `pause` sends the output and
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
        let query = Query { start, end, order: Some(Order::OldestFirst), limit: None, ..query.clone() };
        let plan = self.plan(&query, scope)?;
        let mut follower = Follower::begin(self, &plan, &query, scope)?;
        if follower.history(&query, scope, following.last, pause, take)? {
            follower.run(following.leaves_out, pause, take);
        }
        Ok(())
    }
}

struct Follower<'a> {
    searcher: &'a Searcher,
    plan: &'a Plan,
    /// when the reader has gone
    until: Deadline<'a>,
    new: NewRecords<'a>,
    window: ContextWindow,
    /// warnings that were handed over already
    missing: Vec<String>,
    /// all records that were committed before have gone out
    caught_up: Instant,
    /// when the lag was last reported
    behind: Option<Instant>,
}

impl<'a> Follower<'a> {
    /// Takes note of the documents that are there.
    fn begin(
        searcher: &'a Searcher,
        plan: &'a Plan,
        query: &Query,
        scope: &'a Scope,
    ) -> Result<Follower<'a>, SearchError> {
        let until = Deadline::left(scope);
        Ok(Follower {
            searcher,
            plan,
            until,
            new: NewRecords::begin(searcher, plan, scope.now, until)?,
            window: ContextWindow::new(query.context, query.around()),
            missing: Vec::new(),
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
                    if !self.new.knows(hit) {
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

    /// The place of the match before the `last` ones; None if there is none.
    fn before_last(&self, last: usize, pulse: &dyn Fn() -> bool) -> Result<Option<Place>, SearchError> {
        let mode = ScanMode { backwards: true, of: Subset::Candidates, read: Read::Place, hint: last + 1 };
        let mut walk = self.walk(mode).with_pulse(pulse);
        let mut left = last;
        loop {
            match walk.next()? {
                Step::Hit(hit) if !self.new.knows(&hit) => {}
                Step::Hit(hit) if left == 0 => return Ok(Some(hit.place)),
                Step::Hit(_) => left -= 1,
                Step::End | Step::Late(_) => return Ok(None),
            }
        }
    }

    fn walk(&self, mode: ScanMode) -> Walk<'a> {
        self.searcher.walk(self.plan, mode, None, self.until)
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
                if !gap && self.new.knows(&hit) {
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
            let outcome = self.new.look(asks_all);
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
                Ok(goes_on) => goes_on && (!std::mem::take(&mut is_away) || take(News::Back)) && self.report(take),
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
    fn report(&mut self, take: &mut dyn FnMut(News) -> bool) -> bool {
        let (late, left_out) = self.new.take_lost();
        let warnings = self.new.take_warnings();
        let missing: Vec<String> = warnings.iter().filter(|what| !self.missing.contains(what)).cloned().collect();
        self.missing = warnings;
        (left_out == 0 || take(News::LeftOut(left_out)))
            && (late == 0 || take(News::Late(late)))
            && missing.into_iter().all(|what| take(News::Missing(what)))
    }

    /// Fetches and hands over the waiting documents. Returns whether to go on.
    fn hand_over(
        &mut self,
        leaves_out: bool,
        pause: &dyn Fn(Duration) -> bool,
        take: &mut dyn FnMut(News) -> bool,
    ) -> Result<bool, Fault> {
        loop {
            let fetched = self.new.fetch();
            // fetched documents are known, and would not be fetched again
            if !self.pass(take) {
                return Ok(false);
            }
            fetched?;
            let waiting = self.new.waiting();
            let lag = self.caught_up.elapsed();
            if waiting == 0 {
                let lagged = lag < LAGS_AFTER && self.behind.take().is_some();
                return Ok(!lagged || take(News::Behind(0)));
            }
            if leaves_out && lag > LEAVE_OUT_AFTER {
                self.behind = None;
                self.new.leave_out()?;
                return Ok(true);
            }
            if lag > LAGS_AFTER && self.behind.is_none_or(|reported| reported.elapsed() > REPORT_LAG_EVERY) {
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

    /// Hands over the fetched documents in the order of their places. Returns whether to go on.
    fn pass(&mut self, take: &mut dyn FnMut(News) -> bool) -> bool {
        for mut hit in self.new.take_fetched() {
            let (message, columns) = (&hit.record.message, &hit.record.columns);
            let Some(matches) = self.plan.matches_until(message, columns, &|| self.until.is_over()) else {
                return false;
            };
            if matches {
                hit.marks = self.plan.pattern.marks(&hit.record.message);
            }
            if !self.window.pass(hit, matches, &mut |line| take(News::Line(line))) {
                return false;
            }
        }
        true
    }
}
