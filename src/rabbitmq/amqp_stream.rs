//! A connected stream for amiquip's loop, by TLS or not, whose frames amiquip can read.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use amiquip::IoStream;
use mio::unix::EventedFd;
use mio::{Evented, Poll, PollOpt, Ready, Token};

use crate::net::tcp::PatientSocket;
use crate::net::tls;
use crate::rabbitmq::error::Error;
use crate::rabbitmq::frames::{Announced, Frames};

const CHUNK_BYTES: usize = 64 << 10;
/// For an answer of a broker that sends heartbeats meanwhile. A quorum queue that chooses a leader takes seconds.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// The wait before a read while deliveries come one after the other. The broker sends each by itself, and to wake for each costs
/// more than to store it; what comes meanwhile stays in the socket's buffer.
const READ_PAUSE: Duration = Duration::from_millis(2);
/// Deliveries come one after the other if the last one has come within this time.
const BUSY: Duration = Duration::from_millis(1);

/// Bytes of bodies that may wait for the owner when one more comes. The limit of deliveries follows their sizes, and keeps them far
/// below; but those that come together after smaller ones were sent by the limit of those.
const MAX_WAITING_BYTES: u64 = 16 << 20;

/// What the stream of a connection and its owner know of each other.
#[derive(Clone, Debug, Default)]
pub struct StreamNotes(Arc<Notes>);

#[derive(Debug, Default)]
struct Notes {
    /// deliveries that were changed to be readable
    changed: AtomicU64,
    /// deliveries that have come, those that were acknowledged, and those that may be on their way
    delivered: AtomicU64,
    acknowledged: AtomicU64,
    prefetch: AtomicU64,
    max_on_the_way: AtomicU64,
    /// bytes of the bodies that were announced, and that the owner has not taken
    waiting: AtomicU64,
    /// since when the owner waits for an answer
    asked: Mutex<Option<Instant>>,
    /// why the connection was given up
    wrong: Mutex<Option<Error>>,
}

impl StreamNotes {
    /// The number of changed deliveries since the last call.
    pub fn take_changed(&self) -> u64 {
        self.0.changed.swap(0, Relaxed)
    }

    /// The owner sets this limit of deliveries without an acknowledgement. What the limit before allowed may be on its way.
    pub fn limit(&self, prefetch: u16) {
        let before = self.0.prefetch.swap(prefetch.into(), Relaxed);
        self.0.max_on_the_way.store(before.max(prefetch.into()), Relaxed);
    }

    /// The owner acknowledges all deliveries up to that tag.
    pub fn acknowledge_up_to(&self, tag: u64) {
        self.0.acknowledged.fetch_max(tag, Relaxed);
    }

    /// The owner acknowledges one delivery.
    pub fn acknowledge_one(&self) {
        self.0.acknowledged.fetch_add(1, Relaxed);
    }

    /// The owner takes a body of that size from those that wait.
    pub fn take_body(&self, body_bytes: usize) {
        self.0.waiting.fetch_sub(body_bytes as u64, Relaxed);
    }

    /// Notes that the owner waits for answers, until what this returns is dropped.
    pub fn asks(&self) -> AwaitedAnswer {
        self.0.set_asked(Some(Instant::now()));
        AwaitedAnswer(self.0.clone())
    }

    /// Why the stream has given the connection up, if it has.
    pub fn wrong(&self) -> Option<Error> {
        // a panic of another thread leaves an error whole
        self.0.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes what came, and returns the number of deliveries, or an error if the broker sends more than it may.
    fn came(&self, frames: &mut Frames) -> Result<u64, Error> {
        self.0.changed.fetch_add(frames.take_changed(), Relaxed);
        let new = frames.take_delivered();
        let delivered = self.0.delivered.fetch_add(new, Relaxed) + new;
        let allowed = self.0.acknowledged.load(Relaxed) + self.0.max_on_the_way.load(Relaxed);
        if new > 0 && delivered > allowed {
            let why = format!("the broker delivers more than the prefetch limit allows ({allowed} in all so far)");
            return Err(why.into());
        }
        let Announced { all, last } = frames.take_announced();
        let before_last = self.0.waiting.fetch_add(all, Relaxed) + all - last;
        if before_last > MAX_WAITING_BYTES {
            return Err(Error::TooMuch(format!(
                "more than {} MiB of messages came together after smaller ones, so alco takes few at a time until they are smaller",
                MAX_WAITING_BYTES >> 20
            )));
        }
        // amiquip waits as long as anything comes, such as heartbeats
        let asked = *self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        match asked.is_some_and(|asked| asked.elapsed() > ANSWER_TIME) {
            true => Err(format!("the broker has not answered for {} s", ANSWER_TIME.as_secs()).into()),
            false => Ok(new),
        }
    }
}

/// The owner of a connection waits for answers as long as this lives.
#[must_use]
pub struct AwaitedAnswer(Arc<Notes>);

impl AwaitedAnswer {
    /// The outcome, with the reason where the stream has given the connection up.
    pub fn outcome<T>(self, outcome: Result<T, Error>) -> Result<T, Error> {
        let wrong = || StreamNotes(self.0.clone()).wrong();
        outcome.map_err(|error| wrong().unwrap_or(error))
    }
}

impl Drop for AwaitedAnswer {
    fn drop(&mut self) {
        self.0.set_asked(None);
    }
}

impl Notes {
    fn set_asked(&self, asked: Option<Instant>) {
        // a panic of another thread leaves a time whole
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = asked;
    }
}

/// `stream` does not block.
pub struct AmqpStream<S> {
    stream: S,
    frames: Frames,
    chunk: Vec<u8>,
    notes: StreamNotes,
    /// the login must have ended by then
    login_until: Instant,
    /// when deliveries came last
    delivered_at: Option<Instant>,
    /// the stream had no more bytes at the last read
    is_drained: bool,
}

impl<S: IoStream> AmqpStream<S> {
    pub fn new(stream: S, notes: StreamNotes, login_time: Duration) -> AmqpStream<S> {
        let login_until = Instant::now() + login_time;
        let (frames, chunk) = (Frames::default(), vec![0; CHUNK_BYTES]);
        AmqpStream { stream, frames, chunk, notes, login_until, delivered_at: None, is_drained: false }
    }

    /// Reads a chunk, in a busy stream after a pause.
    fn read_chunk(&mut self) -> io::Result<usize> {
        if self.is_drained && self.delivered_at.is_some_and(|at| at.elapsed() < BUSY) {
            thread::sleep(READ_PAUSE);
        }
        let read = self.stream.read(&mut self.chunk);
        self.is_drained = read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        read
    }

    fn take(&mut self, read: usize) -> Result<(), Error> {
        self.frames.take(&self.chunk[..read])?;
        if self.notes.came(&mut self.frames)? > 0 {
            self.delivered_at = Some(Instant::now());
        }
        match !self.frames.is_open && Instant::now() > self.login_until {
            // amiquip waits as long as anything comes, such as heartbeats
            true => Err("the broker has not ended the login in time".to_owned().into()),
            false => Ok(()),
        }
    }
}

impl<S: IoStream> IoStream for AmqpStream<S> {}

impl<S: IoStream> Read for AmqpStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let given = self.frames.give(buffer);
            if given > 0 || buffer.is_empty() {
                return Ok(given);
            }
            let read = self.read_chunk()?;
            if read == 0 {
                return Ok(0);
            }
            self.take(read).map_err(|why| {
                *self.notes.0.wrong.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.clone());
                io::Error::new(io::ErrorKind::InvalidData, why.to_string())
            })?;
        }
    }
}

impl<S: IoStream> Write for AmqpStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl<S: IoStream> Evented for AmqpStream<S> {
    fn register(&self, poll: &Poll, token: Token, interest: Ready, options: PollOpt) -> io::Result<()> {
        self.stream.register(poll, token, interest, options)
    }

    fn reregister(&self, poll: &Poll, token: Token, interest: Ready, options: PollOpt) -> io::Result<()> {
        self.stream.reregister(poll, token, interest, options)
    }

    fn deregister(&self, poll: &Poll) -> io::Result<()> {
        self.stream.deregister(poll)
    }
}

/// A TLS stream after its handshake, for amiquip's loop, which polls for bytes to read and for room to write.
pub struct AmqpTlsStream(pub tls::Stream<PatientSocket>);

impl IoStream for AmqpTlsStream {}

impl Read for AmqpTlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for AmqpTlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Evented for AmqpTlsStream {
    fn register(&self, poll: &Poll, token: Token, interest: Ready, options: PollOpt) -> io::Result<()> {
        EventedFd(&self.0.get_ref().socket.as_raw_fd()).register(poll, token, interest, options)
    }

    fn reregister(&self, poll: &Poll, token: Token, interest: Ready, options: PollOpt) -> io::Result<()> {
        EventedFd(&self.0.get_ref().socket.as_raw_fd()).reregister(poll, token, interest, options)
    }

    fn deregister(&self, poll: &Poll) -> io::Result<()> {
        EventedFd(&self.0.get_ref().socket.as_raw_fd()).deregister(poll)
    }
}
