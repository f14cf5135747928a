//! A server that is away: said once when it begins, once when it ends, and how long to wait meanwhile. Told the time.

use std::time::{Duration, Instant};

/// Waits double from the first to the last, each shortened at random by up to a half, so that many workers do not come
/// back in step.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LAST_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub struct Outage {
    since: Option<Instant>,
    wait: Duration,
}

impl Outage {
    /// The line to say, if this failure is the first in a row, and how long to wait before the next try.
    pub fn failed(&mut self, why: &str, now: Instant) -> (Option<String>, Duration) {
        let first = self.since.is_none();
        self.since.get_or_insert(now);
        self.wait = (self.wait * 2).clamp(FIRST_WAIT, LAST_WAIT);
        let wait = self.wait.mul_f64(1.0 - fastrand::f64() / 2.0);
        (first.then(|| format!("{why}; trying again until it works")), wait)
    }

    /// The line to say, if there was an outage.
    pub fn over(&mut self, what: &str, now: Instant) -> Option<String> {
        self.wait = Duration::ZERO;
        let since = self.since.take()?;
        Some(format!("{what} is back after {:.1} s", now.duration_since(since).as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_and_the_waits_grow_to_a_bound() {
        let start = Instant::now();
        let mut outage = Outage::default();
        assert_eq!(outage.over("redis", start), None);
        assert_eq!(outage.failed("redis: gone", start).0.as_deref(), Some("redis: gone; trying again until it works"));
        for _ in 0..20 {
            let (line, wait) = outage.failed("redis: gone", start);
            assert_eq!(line, None);
            assert!(wait >= FIRST_WAIT / 2 && wait <= LAST_WAIT, "{wait:?}");
        }
        let end = start + Duration::from_millis(12_300);
        assert_eq!(outage.over("redis", end).as_deref(), Some("redis is back after 12.3 s"));
        assert_eq!(outage.over("redis", end), None);
        assert!(outage.failed("x", end).1 <= FIRST_WAIT);
    }
}
