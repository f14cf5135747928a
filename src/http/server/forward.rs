//! A reply on its way from tiny_http to the client. A client that reads slowly loses its connection: at once if others wait for the
//! thread that makes its answer.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::http::server::clients::WaitingClient;
use crate::http::server::crowd::Doing;
use crate::http::server::places::ClientPlace;
use crate::http::server::request_head::{self, HEAD_BYTES};
use crate::http::server::request_queue::RequestQueue;
use crate::http::server::send::Incoming;
use crate::http::server::socket::ClientSocket;
use crate::http::server::stop::{Awaited, StopSignal, Wait};
use crate::metrics::client_counts::{ClientCounts, ConnectionRefused};

/// Bytes of a reply that are read at once: a chunk of a stream, and its head.
const CHUNK_BYTES: usize = 64 * 1024;
/// A client that accepts nothing for this time does not read at present; each write to it ends then.
pub const STALL_TIME: Duration = Duration::from_secs(1);
/// A client that accepts no byte during this time has left.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// A client that has closed its side counts as gone if there was nothing to send to it during this time.
const SILENCE: Duration = Duration::from_secs(3);
/// For a reply that is under way when the daemon stops.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// A client reads at least this much in a second, in the mean of an answer: less holds a thread for too long.
const MIN_BYTES_A_SECOND: f64 = 4096.0;

pub struct Forwarding<'a> {
    pub client: &'a ClientSocket,
    pub place: &'a ClientPlace,
    pub answered: &'a WaitingClient,
    pub requests: &'a RequestQueue<Incoming>,
    pub counted: &'a ClientCounts,
    pub stop: &'a StopSignal,
}

impl Forwarding<'_> {
    /// Forwards the reply as it comes: a page that grows must not wait for a full buffer. Bytes that the client sends meanwhile go to
    /// `bytes`. Returns whether the connection can be used again.
    pub fn run(self, inner: &mut UnixStream, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let mut client = self.client;
        let mut pace = ReadingPace::default();
        let mut chunk = vec![0; CHUNK_BYTES];
        let (mut keep, mut began) = (true, false);
        // whether to read from the client, and whether it has closed its side
        let (mut listens, mut is_silent) = (true, false);
        let mut until: Option<Instant> = None;
        loop {
            match until {
                Some(until) if Instant::now() >= until => return Err(io::Error::other("the daemon stops")),
                Some(_) => {}
                None => {
                    let of_client = if listens { Awaited::Input } else { Awaited::End };
                    let fds = [(inner.as_fd(), Awaited::Input), (client.fd(), of_client)];
                    match self.stop.wait_for(fds.into_iter(), is_silent.then_some(SILENCE)) {
                        Wait::Ready(0) => {}
                        Wait::Ready(_) if !listens => return Err(io::Error::other("the connection has ended")),
                        Wait::Ready(_) => {
                            let mut ahead = [0; 4096];
                            let read = client.read(&mut ahead)?;
                            bytes.extend_from_slice(&ahead[..read]);
                            is_silent = read == 0;
                            if is_silent && self.place.is_lost() {
                                return Err(io::Error::other("another client has its place"));
                            }
                            listens = !is_silent && bytes.len() <= HEAD_BYTES;
                            continue;
                        }
                        // a reply that goes on is still taken: some clients close their side with their request
                        Wait::Late if is_silent => return Err(io::Error::other("the client has left")),
                        Wait::Late => continue,
                        Wait::Stop => {
                            // the thread that would answer may have ended already
                            until = Some(Instant::now() + LAST_WORDS);
                            inner.set_read_timeout(Some(LAST_WORDS))?;
                        }
                    }
                }
            }
            let read = inner.read(&mut chunk)?;
            if read == 0 {
                return Ok(keep);
            }
            if !began {
                began = true;
                keep = !request_head::closes(&chunk[..read]);
            }
            self.place.note(Doing::Resting);
            let mut left = &chunk[..read];
            while !left.is_empty() {
                let begun = Instant::now();
                let written = match client.write(left) {
                    Ok(written) => written,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                    Err(error) => return Err(error),
                };
                left = &left[written..];
                let time = begun.elapsed();
                if pace.is_slow(written, time) || time >= STALL_TIME && self.must_yield() {
                    self.counted.refuse_connection(ConnectionRefused::Slow);
                    return Err(io::Error::other("the client reads too slowly"));
                }
            }
            self.place.note(Doing::Answering);
        }
    }

    /// True if others wait for a thread, and the answer holds one.
    fn must_yield(&self) -> bool {
        self.answered.holds_thread() && self.requests.reclaims(Instant::now())
    }
}

/// How fast a client reads.
#[derive(Default)]
struct ReadingPace {
    bytes: usize,
    waited: Duration,
    /// since it took a byte
    idle: Duration,
}

impl ReadingPace {
    /// Notes that the client took so many bytes in that time. True if it has taken too few for all its time.
    fn is_slow(&mut self, bytes: usize, time: Duration) -> bool {
        self.bytes += bytes;
        self.waited += time;
        self.idle = if bytes == 0 { self.idle + time } else { Duration::ZERO };
        let allowed = Duration::from_secs_f64(self.bytes as f64 / MIN_BYTES_A_SECOND);
        self.idle >= WRITE_TIME || self.waited > WRITE_TIME + allowed
    }
}
