//! The socket of a connection to searchd. Each step on it has a timeout of its own.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::config::Address;
use crate::net::tcp::dial;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub enum SearchdSocket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl SearchdSocket {
    pub fn open(address: &Address, timeout: Duration) -> Result<SearchdSocket, String> {
        match address {
            Address::Tcp { host, port } => {
                let stream = dial(host, *port, timeout.min(CONNECT_TIMEOUT), Ok::<_, String>)?;
                stream.set_nodelay(true).map_err(|error| error.to_string())?;
                Ok(SearchdSocket::Tcp(stream))
            }
            Address::Unix(path) => {
                UnixStream::connect(path).map(SearchdSocket::Unix).map_err(|error| error.to_string())
            }
        }
    }

    pub fn read(&mut self, room: &mut [u8], left: Duration) -> io::Result<usize> {
        match self {
            SearchdSocket::Tcp(stream) => stream.set_read_timeout(Some(left)).and_then(|()| stream.read(room)),
            SearchdSocket::Unix(stream) => stream.set_read_timeout(Some(left)).and_then(|()| stream.read(room)),
        }
    }

    pub fn write(&mut self, bytes: &[u8], left: Duration) -> io::Result<usize> {
        match self {
            SearchdSocket::Tcp(stream) => stream.set_write_timeout(Some(left)).and_then(|()| stream.write(bytes)),
            SearchdSocket::Unix(stream) => stream.set_write_timeout(Some(left)).and_then(|()| stream.write(bytes)),
        }
    }
}
