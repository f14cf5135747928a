//! A connected stream for amiquip's loop, by TLS or not, whose frames amiquip can read.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use amiquip::IoStream;
use mio::unix::EventedFd;
use mio::{Evented, Poll, PollOpt, Ready, Token};

use crate::net::tls;
use crate::rabbitmq::frames::Frames;

const CHUNK_BYTES: usize = 64 << 10;

/// Counts the deliveries of a connection that were changed to be readable.
#[derive(Clone, Debug, Default)]
pub struct ChangedDeliveries(Arc<AtomicU64>);

impl ChangedDeliveries {
    /// Their number since the last call.
    pub fn take(&self) -> u64 {
        self.0.swap(0, Relaxed)
    }
}

/// `stream` does not block.
pub struct AmqpStream<S> {
    stream: S,
    frames: Frames,
    chunk: Vec<u8>,
    changed: ChangedDeliveries,
}

impl<S: IoStream> AmqpStream<S> {
    pub fn new(stream: S, changed: ChangedDeliveries) -> AmqpStream<S> {
        AmqpStream { stream, frames: Frames::default(), chunk: vec![0; CHUNK_BYTES], changed }
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
            let read = self.stream.read(&mut self.chunk)?;
            if read == 0 {
                return Ok(0);
            }
            self.frames.take(&self.chunk[..read]).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
            self.changed.0.fetch_add(self.frames.take_changed(), Relaxed);
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
pub struct AmqpTlsStream(pub tls::Stream<TcpStream>);

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
        EventedFd(&self.0.get_ref().as_raw_fd()).register(poll, token, interest, options)
    }

    fn reregister(&self, poll: &Poll, token: Token, interest: Ready, options: PollOpt) -> io::Result<()> {
        EventedFd(&self.0.get_ref().as_raw_fd()).reregister(poll, token, interest, options)
    }

    fn deregister(&self, poll: &Poll) -> io::Result<()> {
        EventedFd(&self.0.get_ref().as_raw_fd()).deregister(poll)
    }
}
