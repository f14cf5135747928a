//! A server that is away: the lines to log when that begins and when it ends, and how long to wait before each try. Pure: the time
//! is an argument.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Waits double from the first to the last. Each is shortened at random by up to a half, so that many workers do not come
/// back in step.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LAST_WAIT: Duration = Duration::from_secs(10);

/// An outage of a server for all workers of an index, so that it is logged once and not by each of them.
#[derive(Debug, Default)]
pub struct Outage {
    since: Option<Instant>,
    /// workers that have failed and did not succeed since
    failing: BTreeSet<u32>,
}

impl Outage {
    /// The line to log, if no worker was failing before.
    pub fn failed(&mut self, worker: u32, why: &str, now: Instant) -> Option<String> {
        self.failing.insert(worker);
        let first = self.since.is_none();
        self.since.get_or_insert(now);
        first.then(|| format!("{why}; trying again until it works"))
    }

    /// The line to log, if this worker was the last that was failing.
    pub fn over(&mut self, worker: u32, what: &str, now: Instant) -> Option<String> {
        if !self.failing.remove(&worker) || !self.failing.is_empty() {
            return None;
        }
        let since = self.since.take()?;
        Some(format!("{what} is back after {:.1} s", now.duration_since(since).as_secs_f64()))
    }
}

/// A worker's waits between its tries.
#[derive(Debug, Default)]
pub struct Backoff(Duration);

impl Backoff {
    /// Nothing has failed since it last worked. A connection that broke while it was idle fails once, and is not an outage.
    pub fn is_reset(&self) -> bool {
        self.0.is_zero()
    }

    /// How long to wait before the next try.
    pub fn next(&mut self) -> Duration {
        self.0 = (self.0 * 2).clamp(FIRST_WAIT, LAST_WAIT);
        self.0.mul_f64(1.0 - fastrand::f64() / 2.0)
    }

    pub fn reset(&mut self) {
        self.0 = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_and_the_last_success_are_logged() {
        let start = Instant::now();
        let mut outage = Outage::default();
        assert_eq!(outage.over(1, "redis", start), None);
        let line = outage.failed(1, "redis: gone", start);
        assert_eq!(line.as_deref(), Some("redis: gone; trying again until it works"));
        assert_eq!(outage.failed(2, "redis: gone", start), None);
        assert_eq!(outage.failed(1, "redis: gone", start), None);
        let end = start + Duration::from_millis(12_300);
        assert_eq!(outage.over(1, "redis", end), None, "another worker is still failing");
        assert_eq!(outage.over(3, "redis", end), None);
        assert_eq!(outage.over(2, "redis", end).as_deref(), Some("redis is back after 12.3 s"));
        assert_eq!(outage.over(2, "redis", end), None);
    }

    #[test]
    fn the_waits_grow_to_a_bound() {
        let mut backoff = Backoff::default();
        for _ in 0..20 {
            let wait = backoff.next();
            assert!(wait >= FIRST_WAIT / 2 && wait <= LAST_WAIT, "{wait:?}");
        }
        assert!(backoff.next() >= LAST_WAIT / 2);
        assert!(!backoff.is_reset());
        backoff.reset();
        assert!(backoff.is_reset());
        assert!(backoff.next() <= FIRST_WAIT);
    }
}
