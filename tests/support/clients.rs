//! Clients that write HTTP byte by byte, from several addresses of this host; and `alco passwd`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt};

use super::{ALCO, Alco, SOON};

/// A client of the address 127.0.0.x, for each request a connection.
#[derive(Clone, Copy, Debug)]
pub struct RawClient<'a> {
    pub alco: &'a Alco,
    pub from: u8,
    /// name and password
    pub user: Option<(&'a str, &'a str)>,
}

/// What came of a request.
#[derive(Debug)]
pub struct Answered {
    /// 0: none came
    pub status: u16,
    /// what came, as text
    pub text: String,
    pub took: Duration,
}

impl Answered {
    /// True if the page came to its end.
    pub fn is_page(&self) -> bool {
        self.status == 200 && self.text.contains("</html>")
    }

    /// True if the client is asked to come again later.
    pub fn is_put_off(&self) -> bool {
        self.status == 503 && self.text.contains("\r\nRetry-After: ")
    }
}

impl RawClient<'_> {
    /// A connection with a small buffer for what it reads.
    pub fn connected(&self) -> TcpStream {
        let to: SocketAddr = self.alco.url.strip_prefix("http://").unwrap().parse().unwrap();
        let SocketAddr::V4(to) = to else { panic!("{to}") };
        let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        setsockopt(&socket, sockopt::RcvBuf, &4096).unwrap();
        bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, self.from, 0)).unwrap();
        connect(socket.as_raw_fd(), &SockaddrIn::from(to)).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    /// The head of a request, with its last line.
    pub fn head(&self, path: &str) -> String {
        let credentials = |(name, password)| BASE64_STANDARD.encode(format!("{name}:{password}"));
        let login = self.user.map(|user| format!("Authorization: Basic {}\r\n", credentials(user))).unwrap_or_default();
        format!("GET {path} HTTP/1.1\r\nHost: alco\r\n{login}\r\n")
    }

    /// Sends a request, and reads nothing. A client that was refused is gone already.
    pub fn ask(&self, path: &str) -> TcpStream {
        let mut stream = self.connected();
        let _ = stream.write_all(self.head(path).as_bytes());
        stream
    }

    /// Reads for at most that time.
    pub fn get_within(&self, path: &str, patience: Duration) -> Answered {
        let begun = Instant::now();
        let mut stream = self.connected();
        stream.set_read_timeout(Some(patience)).unwrap();
        let head = self.head(path).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(head.as_bytes());
        let (mut bytes, mut chunk) = (Vec::new(), [0; 1 << 14]);
        while begun.elapsed() < patience {
            match stream.read(&mut chunk) {
                Ok(0) | Err(_) => break,
                Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Answered { status, text, took: begun.elapsed() }
    }

    pub fn get(&self, path: &str) -> Answered {
        self.get_within(path, SOON)
    }
}

/// What `alco passwd` does with that password.
pub fn passwd(user: &str, password: &str) -> Output {
    let mut command = Command::new(ALCO);
    command.args(["passwd", user]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    child.wait_with_output().unwrap()
}

/// A line of users_file.
pub fn passwd_line(user: &str, password: &str) -> String {
    String::from_utf8(passwd(user, password).stdout).unwrap()
}
