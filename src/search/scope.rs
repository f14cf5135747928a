//! The limits of a search: its present time, its deadline, and whether the client still waits. `Scope` is for the search, a
//! `Deadline` for one walk of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use crate::net::household::Household;
use crate::search::hit::SearchError;
use crate::search::turns::{Party, SearchKind, Turn, Turns, Waited};
use crate::time::Ts;

/// The limits of a search.
#[derive(Clone, Debug)]
pub struct Scope {
    pub now: Ts,
    /// for times that the query writes without a zone; the query's own `tz` comes first
    pub zone: TimeZone,
    pub page_size: usize,
    /// pages show by then what was found; streams ignore it
    pub deadline: Instant,
    /// time limit for checking candidates only to count them; streams do not count
    pub counting: Duration,
    /// when the client no longer waits, the time is up
    pub waits: Waits,
    pub began: Began,
}

/// A search that has run for this time takes turns with the others that have. One whose checks may take long does so from its start.
const SHORT: Duration = Duration::from_millis(300);

/// When a search began, and for whom; and the turns that it takes once it has run for long.
#[derive(Clone, Debug)]
pub struct Began {
    pub at: Instant,
    pub household: Household,
    pub turns: Arc<Turns>,
    /// the search has had a turn
    had_turn: Arc<AtomicBool>,
}

impl Began {
    pub fn now(household: Household, turns: Arc<Turns>) -> Began {
        Began { at: Instant::now(), household, turns, had_turn: Arc::default() }
    }
}

/// Asks whether the client still waits for the answer.
#[derive(Clone, Default)]
pub struct Waits(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Waits {
    /// `waits` is asked each time.
    pub fn new(waits: impl Fn() -> bool + Send + Sync + 'static) -> Waits {
        Waits(Some(Arc::new(waits)))
    }

    /// True if the client waits.
    pub fn yes(&self) -> bool {
        self.0.as_ref().is_none_or(|waits| waits())
    }
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waits({})", self.yes())
    }
}

impl Scope {
    /// For streams and counts that run to their end, or until the client no longer waits.
    pub fn to_the_end(now: Ts, zone: TimeZone, page_size: usize, waits: Waits, began: Began) -> Scope {
        Scope { now, zone, page_size, deadline: began.at, counting: Duration::ZERO, waits, began }
    }

    /// The turn to ask one question; None: the search is short so far, or it was over before it had a turn.
    ///
    /// # Errors
    /// `SearchError::Busy`: as many pages wait for a turn as may.
    pub fn turn(&self) -> Result<Option<Turn<'_>>, SearchError> {
        self.take_turn(SearchKind::Page, false, || self.is_over())
    }

    fn take_turn(
        &self,
        kind: SearchKind,
        may_take_long: bool,
        is_over: impl Fn() -> bool,
    ) -> Result<Option<Turn<'_>>, SearchError> {
        if !may_take_long && self.began.at.elapsed() < SHORT {
            return Ok(None);
        }
        let Began { household, turns, had_turn, .. } = &self.began;
        match turns.wait(Party { household: *household, kind }, !had_turn.load(Relaxed), is_over) {
            Waited::Turn(turn) => {
                had_turn.store(true, Relaxed);
                Ok(Some(turn))
            }
            Waited::Over => Ok(None),
            Waited::Full => Err(SearchError::Busy),
        }
    }

    /// True if the deadline has passed, or the client no longer waits.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.deadline || !self.waits.yes()
    }

    /// The time until the deadline.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The same scope for a part of the work, which gets at most this time.
    pub fn at_most(&self, time: Duration) -> Scope {
        Scope { deadline: self.deadline.min(Instant::now() + time), ..self.clone() }
    }
}

/// When a walk stops before its end.
#[derive(Clone, Copy, Default)]
pub struct Deadline<'a> {
    /// its deadline counts only after the walk has read something
    scope: Option<&'a Scope>,
    /// of the scope, only whether the client waits counts
    timeless: bool,
    /// called before each question; flushes the output; returns false to stop (the client has gone)
    pulse: Option<&'a dyn Fn() -> bool>,
}

impl<'a> Deadline<'a> {
    /// At the scope's deadline.
    pub fn over(scope: &'a Scope) -> Deadline<'a> {
        Deadline { scope: Some(scope), ..Deadline::default() }
    }

    /// When the client no longer waits, whatever the time.
    pub fn left(scope: &'a Scope) -> Deadline<'a> {
        Deadline { timeless: true, ..Deadline::over(scope) }
    }

    /// `pulse` is called before each question; it returns false to stop.
    pub fn with_pulse(self, pulse: &'a dyn Fn() -> bool) -> Deadline<'a> {
        Deadline { pulse: Some(pulse), ..self }
    }

    /// True if the time is over, or the client no longer waits.
    pub fn is_over(self) -> bool {
        self.scope.is_some_and(|scope| if self.timeless { !scope.waits.yes() } else { scope.is_over() })
    }

    /// True if no reader waits for the end of it.
    pub fn is_of_stream(self) -> bool {
        self.timeless
    }

    /// As the scope's; a stream waits for its turn however many others do. `may_take_long`: the search is not short, though it has just
    /// begun.
    pub fn turn(self, may_take_long: bool) -> Result<Option<Turn<'a>>, SearchError> {
        let kind = match (self.timeless, may_take_long) {
            (true, _) => SearchKind::Stream,
            (false, true) => SearchKind::CostlyPage,
            (false, false) => SearchKind::Page,
        };
        self.scope.map_or(Ok(None), |scope| scope.take_turn(kind, may_take_long, || self.is_over()))
    }

    /// Flushes the output. Returns whether the client has gone.
    pub fn gives_up(self) -> bool {
        self.pulse.is_some_and(|pulse| !pulse())
    }
}
