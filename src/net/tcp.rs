//! TCP to a server by its name: tries the name's addresses in turn, with a timeout for each step; and a socket with a timeout for
//! several steps together.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::net::patience::Patience;

/// Connects to the addresses in turn until `greet` succeeds with one. The stream that `greet` gets has timeouts for reads and
/// writes.
///
/// # Errors
/// The name has no address, or the first error of `greet`, or else that of the last connection.
pub fn dial<T, E: From<String>>(
    host: &str,
    port: u16,
    timeout: Duration,
    mut greet: impl FnMut(TcpStream) -> Result<T, E>,
) -> Result<T, E> {
    let connect = |address| {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok::<_, std::io::Error>(stream)
    };
    let addresses = (host, port).to_socket_addrs().map_err(|error| format!("cannot find host '{host}': {error}"))?;
    // an address that answers and fails later has a better reason than one that does not answer
    let (mut absent, mut failed) = (None, None);
    for address in addresses {
        match connect(address) {
            Ok(stream) => match greet(stream) {
                Ok(greeted) => return Ok(greeted),
                Err(why) => failed = failed.or(Some(why)),
            },
            Err(error) => absent = Some(E::from(error.to_string())),
        }
    }
    Err(failed.or(absent).unwrap_or_else(|| format!("host '{host}' has no address").into()))
}

/// A socket whose steps share one timeout, as those of a handshake, until `end`. From then on each step has the socket's own timeout.
#[derive(Debug)]
pub struct PatientSocket {
    pub socket: TcpStream,
    patience: Option<Patience>,
}

impl PatientSocket {
    pub fn new(socket: TcpStream, timeout: Duration) -> PatientSocket {
        PatientSocket { socket, patience: Some(Patience::new(timeout)) }
    }

    pub fn end(&mut self) {
        self.patience = None;
    }

    fn step(&mut self, mut step: impl FnMut(&TcpStream, Option<Duration>) -> io::Result<usize>) -> io::Result<usize> {
        let PatientSocket { socket, patience } = self;
        let Some(patience) = patience else { return step(socket, None) };
        patience.step(|left| step(socket, Some(left))).map_err(|error| match error.kind() {
            // as sockets name it
            io::ErrorKind::TimedOut => io::ErrorKind::WouldBlock.into(),
            _ => error,
        })
    }
}

impl Read for PatientSocket {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.step(|mut socket, left| {
            left.map_or(Ok(()), |left| socket.set_read_timeout(Some(left)))?;
            socket.read(room)
        })
    }
}

impl Write for PatientSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.step(|mut socket, left| {
            left.map_or(Ok(()), |left| socket.set_write_timeout(Some(left)))?;
            socket.write(bytes)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}
