//! TCP and Unix sockets with one interface: a listener, a client, and the private place where tiny_http listens.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{Backlog, listen, setsockopt, sockopt};

use crate::config::Address;

/// Open files of a connection: its own socket, the two ends of the private one with tiny_http's copy of its end, and one to searchd
/// or Redis.
const FILES_OF_CONNECTION: u64 = 5;
/// Open files of the process besides connections: the standard ones, listeners, tiny_http, housekeeping, /health, files that are
/// read, and connections of tiny_http that it has still to close.
const FILES_OF_PROCESS: u64 = 34;
/// Of a worker: the broker, with what amiquip polls, searchd and Redis.
const FILES_OF_WORKER: u64 = 10;

/// Connections that the system holds until the gate takes them; it allows 4096 by default.
const WAITING_CONNECTIONS: i32 = 1024;

/// The number of connections for which the process may open files, at most `wanted`. Raises the limit of open files, as far as it
/// may, if it is too low. Returns that limit too, if it does not allow `wanted`.
pub fn connections_with_files(wanted: usize, workers: usize) -> (usize, Option<u64>) {
    let reserved = FILES_OF_PROCESS + FILES_OF_WORKER * workers as u64;
    let needed = reserved + FILES_OF_CONNECTION * wanted as u64;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return (wanted, None) };
    let raised = needed.min(hard);
    let limit = match soft < raised && setrlimit(Resource::RLIMIT_NOFILE, raised, hard).is_ok() {
        true => raised,
        false => soft,
    };
    let allowed = usize::try_from(limit.saturating_sub(reserved) / FILES_OF_CONNECTION).unwrap_or(usize::MAX);
    (wanted.min(allowed.max(1)), (allowed < wanted).then_some(limit))
}

pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// A connection, accepted.
pub enum ClientSocket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A directory that no other user can read, for the private socket; removed with its content.
pub struct Private(PathBuf);

impl Private {
    pub fn new() -> io::Result<Private> {
        let path = std::env::temp_dir().join(format!("alco-{}-{:08x}", std::process::id(), fastrand::u32(..)));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Private(path))
    }

    pub fn socket(&self) -> PathBuf {
        self.0.join("http")
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // at worst an empty directory is left in /tmp
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Listener {
    pub fn new(address: &Address) -> Result<Listener, String> {
        let listener = match address {
            Address::Tcp { host, port } => TcpListener::bind((host.as_str(), *port)).and_then(|listener| {
                // connections that a burst of clients brings wait here, and not for their second attempt
                listen(&listener, Backlog::new(WAITING_CONNECTIONS)?)?;
                Ok(Listener::Tcp(listener))
            }),
            Address::Unix(path) => {
                remove_stale(path);
                UnixListener::bind(path).map(|listener| Listener::Unix(listener, path.clone()))
            }
        };
        listener.map_err(|error| format!("cannot listen on {address}: {error}"))
    }

    pub fn accept(&self) -> io::Result<ClientSocket> {
        match self {
            Listener::Tcp(listener) => listener.accept().map(|(stream, _)| ClientSocket::Tcp(stream)),
            Listener::Unix(listener, _) => listener.accept().map(|(stream, _)| ClientSocket::Unix(stream)),
        }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix(listener, _) => listener.as_fd(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // a file that stays is removed at the next start
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes the socket that a killed process left: a file at which no process listens.
fn remove_stale(path: &Path) {
    let is_socket = path.symlink_metadata().is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket
        && UnixStream::connect(path).is_err()
        && let Err(error) = fs::remove_file(path)
    {
        log::warn!("cannot remove {}, where no process listens: {error}", path.display());
    }
}

impl ClientSocket {
    /// The client's address; `unix` on a Unix socket.
    pub fn peer(&self) -> String {
        match self {
            ClientSocket::Tcp(stream) => {
                stream.peer_addr().map_or_else(|_| "-".to_owned(), |addr| addr.ip().to_string())
            }
            ClientSocket::Unix(_) => "unix".to_owned(),
        }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        match self {
            ClientSocket::Tcp(stream) => stream.as_fd(),
            ClientSocket::Unix(stream) => stream.as_fd(),
        }
    }

    /// Ends writing.
    pub fn shutdown(&self) -> io::Result<()> {
        match self {
            ClientSocket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            ClientSocket::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// Ends every wait of the thread that serves it.
    pub fn wake(&self) {
        // it fails only if the connection has ended
        let _ = match self {
            ClientSocket::Tcp(stream) => stream.shutdown(Shutdown::Both),
            ClientSocket::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }

    /// Sends this as the last, without waiting. A client whose request is still on its way may miss it.
    pub fn refuse(&self, text: &str) {
        let set = match self {
            ClientSocket::Tcp(stream) => stream.set_nonblocking(true),
            ClientSocket::Unix(stream) => stream.set_nonblocking(true),
        };
        if set.is_ok() {
            let mut client = self;
            // what was not read would make the end of the connection a reset, which may discard the text
            let _ = client.read(&mut [0; 1 << 14]);
            let _ = client.write_all(text.as_bytes());
        }
    }

    /// Makes the end of the connection a reset, so that the client does not take it for the end of the reply. A Unix socket has
    /// no reset.
    pub fn reset(&self) {
        if let ClientSocket::Tcp(stream) = self {
            // if this fails, only the last line of the reply shows that it is not whole
            let _ = setsockopt(stream, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 });
        }
    }

    pub fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            ClientSocket::Tcp(stream) => {
                // a reply's last bytes must not wait for the client's acknowledgement of the ones before
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(timeout))
            }
            ClientSocket::Unix(stream) => stream.set_write_timeout(Some(timeout)),
        }
    }
}

impl Read for &ClientSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            ClientSocket::Tcp(stream) => (&*stream).read(buffer),
            ClientSocket::Unix(stream) => (&*stream).read(buffer),
        }
    }
}

impl Write for &ClientSocket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            ClientSocket::Tcp(stream) => (&*stream).write(buffer),
            ClientSocket::Unix(stream) => (&*stream).write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
