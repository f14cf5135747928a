//! Whether Redis answers in time for pages, by its last answers. Pure.
//!
//! A page asks it several times, one question after the other, and for one question at a time of all pages: a Redis that is slow, and
//! yet answers, would have everybody wait for seconds.

use std::time::{Duration, Instant};

/// Redis answers in microseconds, and now and then later on a host that has much to do. Where the mean of its answers is longer, pages
/// with forty questions take seconds.
const SLOW: Duration = Duration::from_millis(50);
/// One answer counts as no longer than this, so that no two of them make a Redis slow.
const MAX_COUNTED: Duration = Duration::from_millis(180);
/// A slow Redis gets one question in this time, to find out whether it still is.
const PAUSE: Duration = Duration::from_secs(5);

/// The waits for answers, from the question to the first byte: whatever an answer holds.
#[derive(Debug, Default)]
pub struct Slowness {
    /// in which the last answer counts by an eighth
    mean: Duration,
    /// when it last was found slow, or was last given a question since
    slow: Option<Instant>,
}

impl Slowness {
    /// Notes a wait. Returns true if this has made Redis slow, and false if it has made it quick again.
    pub fn note(&mut self, waited: Duration, now: Instant) -> Option<bool> {
        let was_slow = self.slow.is_some();
        self.mean = match was_slow && waited <= SLOW {
            true => Duration::ZERO,
            false => self.mean * 7 / 8 + waited.min(MAX_COUNTED) / 8,
        };
        self.slow = (self.mean > SLOW).then_some(now);
        (self.slow.is_some() != was_slow).then_some(self.slow.is_some())
    }

    pub fn is_slow(&self) -> bool {
        self.slow.is_some()
    }

    /// True for the one who is to find out whether Redis still is slow.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let slow = self.slow.as_mut().filter(|slow| now.duration_since(**slow) >= PAUSE);
        slow.map(|slow| *slow = now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn some_slow_answers_in_a_row_make_redis_slow() {
        let now = Instant::now();
        for (waits, expected) in [
            (&[900, 900][..], false),
            (&[900, 900, 900], true),
            (&[300, 0, 300, 0, 300, 0, 300], false),
            (&[0, 0, 200, 200, 200, 200], true),
            (&[60; 14], true),
            (&[45; 100], false),
        ] {
            let mut slowness = Slowness::default();
            for wait in waits {
                slowness.note(millis(*wait), now);
            }
            assert_eq!(slowness.is_slow(), expected, "{waits:?}: {slowness:?}");
        }
    }

    #[test]
    fn one_quick_answer_makes_it_quick_again() {
        let start = Instant::now();
        let mut slowness = Slowness::default();
        let noted: Vec<_> = (0..4).map(|_| slowness.note(millis(300), start)).collect();
        assert_eq!(noted, [None, None, Some(true), None]);
        assert!(!slowness.is_due(start + millis(4999)));
        let due = start + millis(5000);
        assert!(slowness.is_due(due) && !slowness.is_due(due));
        assert_eq!(slowness.note(millis(300), due), None);
        assert!(slowness.is_slow() && !slowness.is_due(due + millis(4999)));
        assert_eq!(slowness.note(millis(1), due), Some(false));
        assert!(!slowness.is_slow());
    }
}
