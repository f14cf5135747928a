//! Places for answers with large rows. Without a bound of their number, as many pages as there are threads hold such an answer.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Answers with a row above `LARGE_BYTES` that the process receives at a time; each may take about 75 MiB: the rows so far, and the next one.
const MAX_LARGE_ANSWERS: usize = 4;
/// The rows of a page's records are far smaller.
pub const LARGE_BYTES: usize = 1 << 20;

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// A place, free again when it is dropped.
#[derive(Debug)]
pub struct LargeAnswer(());

impl LargeAnswer {
    /// None: no place has become free within that time.
    pub fn wait(at_most: Duration) -> Option<LargeAnswer> {
        let waited = FREED.wait_timeout_while(taken(), at_most, |taken| *taken >= MAX_LARGE_ANSWERS);
        let (mut taken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() && *taken >= MAX_LARGE_ANSWERS {
            return None;
        }
        *taken += 1;
        Some(LargeAnswer(()))
    }
}

impl Drop for LargeAnswer {
    fn drop(&mut self) {
        *taken() -= 1;
        FREED.notify_one();
    }
}

fn taken() -> MutexGuard<'static, usize> {
    // a panic of another thread leaves a number whole
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_answers_wait_for_each_other() {
        let at_once = Duration::from_millis(1);
        let mut places: Vec<_> = std::iter::from_fn(|| LargeAnswer::wait(at_once)).collect();
        assert_eq!(places.len(), MAX_LARGE_ANSWERS);
        places.pop();
        assert!(LargeAnswer::wait(at_once).is_some());
    }
}
