//! A server that is away, or that refuses: the lines to log when that begins and when it ends, and how long to wait before each
//! try. Pure: the time is an argument.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Waits double from the first to the last. Each is shortened at random by up to a half, so that many workers do not come
/// back in step.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LAST_WAIT: Duration = Duration::from_secs(10);
/// The wait, shortened in the same way, for a fault that only an administrator mends: attempts with a wrong password should be
/// rare. After the cure, collecting goes on within this time.
const REFUSED_WAIT: Duration = Duration::from_secs(60);

/// The reason why a server did not do its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Trying again may help.
    Away(String),
    /// Only an administrator mends it: the text has the cure.
    Refused(String),
}

impl Trouble {
    pub fn why(&self) -> &str {
        match self {
            Trouble::Away(why) | Trouble::Refused(why) => why,
        }
    }
}

/// A line to log about an outage, by its level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutageNotice {
    /// The server is away.
    Warning(String),
    /// The server refuses.
    Error(String),
    /// The server works again.
    Info(String),
}

/// An outage of a server for all workers of an index, so that it is logged once and not by each of them.
#[derive(Debug, Default)]
pub struct Outage {
    since: Option<Instant>,
    /// workers that have failed and did not succeed since
    failing: BTreeSet<u32>,
    /// the refusals that were logged since then
    refusals: BTreeSet<String>,
}

impl Outage {
    /// The line to log, if no worker was failing before, or if this refusal is a new one.
    pub fn failed(&mut self, worker: u32, trouble: &Trouble, now: Instant) -> Option<OutageNotice> {
        self.failing.insert(worker);
        let is_first = self.since.is_none();
        self.since.get_or_insert(now);
        match trouble {
            Trouble::Away(why) => {
                is_first.then(|| OutageNotice::Warning(format!("{why}; trying again until it works")))
            }
            Trouble::Refused(why) => self.refusals.insert(why.clone()).then(|| {
                OutageNotice::Error(format!("{why}; trying again at least every {} s", REFUSED_WAIT.as_secs()))
            }),
        }
    }

    /// The line to log, if this worker was the last that was failing.
    pub fn over(&mut self, worker: u32, what: &str, now: Instant) -> Option<OutageNotice> {
        if !self.failing.remove(&worker) || !self.failing.is_empty() {
            return None;
        }
        self.refusals.clear();
        let since = self.since.take()?;
        Some(OutageNotice::Info(format!("{what} is back after {:.1} s", now.duration_since(since).as_secs_f64())))
    }
}

/// A worker's waits between its tries.
#[derive(Debug, Default)]
pub struct Backoff {
    last: Duration,
    was_refused: bool,
}

impl Backoff {
    /// True if no try has failed since it last worked. A connection that broke while it was idle fails once, and is not an outage.
    pub fn is_reset(&self) -> bool {
        self.last.is_zero()
    }

    /// The time to wait before the next try. The first refusal in a row is tried again soon: it may be that of a server which is
    /// just ending.
    pub fn next(&mut self, trouble: &Trouble) -> Duration {
        let is_refused = matches!(trouble, Trouble::Refused(_));
        self.last = match is_refused && self.was_refused {
            true => REFUSED_WAIT,
            false => (self.last * 2).clamp(FIRST_WAIT, LAST_WAIT),
        };
        self.was_refused = is_refused;
        self.last.mul_f64(1.0 - fastrand::f64() / 2.0)
    }

    pub fn reset(&mut self) {
        *self = Backoff::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away(why: &str) -> Trouble {
        Trouble::Away(why.to_owned())
    }

    fn refused(why: &str) -> Trouble {
        Trouble::Refused(why.to_owned())
    }

    #[test]
    fn the_first_failure_and_the_last_success_are_logged() {
        let start = Instant::now();
        let mut outage = Outage::default();
        let gone = away("redis: gone");
        assert_eq!(outage.over(1, "redis", start), None);
        let line = OutageNotice::Warning("redis: gone; trying again until it works".to_owned());
        assert_eq!(outage.failed(1, &gone, start), Some(line));
        assert_eq!(outage.failed(2, &gone, start), None);
        assert_eq!(outage.failed(1, &gone, start), None);
        let end = start + Duration::from_millis(12_300);
        assert_eq!(outage.over(1, "redis", end), None, "another worker is still failing");
        assert_eq!(outage.over(3, "redis", end), None);
        let line = OutageNotice::Info("redis is back after 12.3 s".to_owned());
        assert_eq!(outage.over(2, "redis", end), Some(line));
        assert_eq!(outage.over(2, "redis", end), None);
    }

    #[test]
    fn each_refusal_is_an_error_once_in_an_outage() {
        let now = Instant::now();
        let mut outage = Outage::default();
        let error = |why: &str| Some(OutageNotice::Error(format!("{why}; trying again at least every 60 s")));
        assert!(outage.failed(1, &away("gone"), now).is_some());
        assert_eq!(outage.failed(1, &refused("no login"), now), error("no login"));
        assert_eq!(outage.failed(2, &refused("no login"), now), None);
        assert_eq!(outage.failed(1, &away("gone"), now), None);
        assert_eq!(outage.failed(1, &refused("no right"), now), error("no right"));
        assert_eq!(outage.failed(1, &refused("no login"), now), None);
        assert_eq!(outage.over(1, "rabbitmq", now), None);
        assert!(outage.over(2, "rabbitmq", now).is_some());
        assert_eq!(outage.failed(1, &refused("no login"), now), error("no login"));
    }

    #[test]
    fn the_waits_grow_to_a_bound() {
        let mut backoff = Backoff::default();
        for _ in 0..20 {
            let wait = backoff.next(&away("gone"));
            assert!(wait >= FIRST_WAIT / 2 && wait <= LAST_WAIT, "{wait:?}");
        }
        assert!(backoff.next(&away("gone")) >= LAST_WAIT / 2);
        assert!(!backoff.is_reset());
        backoff.reset();
        assert!(backoff.is_reset());
        assert!(backoff.next(&away("gone")) <= FIRST_WAIT);
    }

    #[test]
    fn a_confirmed_refusal_is_tried_again_slowly() {
        let mut backoff = Backoff::default();
        assert!(backoff.next(&refused("no")) <= FIRST_WAIT);
        for _ in 0..3 {
            let wait = backoff.next(&refused("no"));
            assert!(wait >= REFUSED_WAIT / 2 && wait <= REFUSED_WAIT, "{wait:?}");
        }
        assert!(backoff.next(&away("gone")) <= LAST_WAIT);
        assert!(backoff.next(&refused("no")) <= LAST_WAIT, "it is to be confirmed again");
        assert!(backoff.next(&refused("no")) >= REFUSED_WAIT / 2);
    }
}
