//! Waits for sockets that the stop of the daemon ends.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Closed at its other end when the daemon stops; every wait notices it.
pub struct StopSignal(pub UnixStream);

/// The outcome of a wait.
pub enum Wait {
    /// it came for this one
    Ready(usize),
    Late,
    Stop,
}

/// What is waited for of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Awaited {
    /// something to read, or the end
    Input,
    /// the end of both its directions
    End,
}

impl StopSignal {
    /// Waits for something to read.
    pub fn wait(&self, fds: &[BorrowedFd], at_most: Option<Duration>) -> Wait {
        self.wait_for(fds.iter().map(|fd| (*fd, Awaited::Input)), at_most)
    }

    /// Waits for what is named of each connection.
    pub fn wait_for<'a>(
        &'a self,
        fds: impl Iterator<Item = (BorrowedFd<'a>, Awaited)>,
        at_most: Option<Duration>,
    ) -> Wait {
        let flags = |awaited| match awaited {
            Awaited::Input => PollFlags::POLLIN,
            Awaited::End => PollFlags::empty(),
        };
        let all = [(self.0.as_fd(), Awaited::Input)].into_iter().chain(fds);
        let mut polled: Vec<PollFd> = all.map(|(fd, awaited)| PollFd::new(fd, flags(awaited))).collect();
        // a millisecond more, since a fraction of one would be cut to 0
        let timeout = at_most.map(|time| PollTimeout::try_from(time.as_millis() + 1).unwrap_or(PollTimeout::MAX));
        if poll(&mut polled, timeout.unwrap_or(PollTimeout::NONE)).is_err() {
            // a signal came
            return Wait::Late;
        }
        match polled.iter().position(|fd| fd.any().unwrap_or(true)) {
            Some(0) => Wait::Stop,
            Some(at) => Wait::Ready(at - 1),
            None => Wait::Late,
        }
    }
}
