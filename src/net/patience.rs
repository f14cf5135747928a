//! How long to wait for a server, over all steps of a question: a server that sends a byte now and then must not hold a thread.
//!
//! Invariant: the steps together wait at most the timeout.

use std::io;
use std::time::{Duration, Instant};

/// Sockets take no timeout of zero, and the system cuts fractions.
const SHORTEST: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug)]
pub struct Patience {
    timeout: Duration,
    waited: Duration,
}

impl Patience {
    pub fn new(timeout: Duration) -> Patience {
        Patience { timeout, waited: Duration::ZERO }
    }

    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    pub fn left(&self) -> Duration {
        self.timeout.saturating_sub(self.waited)
    }

    /// Another question begins.
    pub fn renew(&mut self) {
        self.waited = Duration::ZERO;
    }

    /// Does one step on a socket, which gets the time that is left as its timeout.
    ///
    /// # Errors
    /// That of the step; `TimedOut` where no time is left.
    pub fn step(&mut self, mut step: impl FnMut(Duration) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            let left = self.left();
            if left < SHORTEST {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let began = Instant::now();
            let outcome = step(left);
            self.waited += began.elapsed();
            match outcome {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // a socket's name for a timeout
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
                outcome => return outcome,
            }
        }
    }
}
