//! A connection to Redis in which every step has a timeout, and every reply a bound. Those of the redis crate wait without end for
//! a server that does not answer the TLS handshake, or that sends a byte now and then.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use redis::{
    Cmd, ConnectionAddr, ConnectionInfo, ConnectionLike, ErrorKind, Parser, RedisConnectionInfo, RedisError,
    RedisResult, Value,
};

use crate::net::patience::Patience;
use crate::net::tcp::{PatientSocket, dial};
use crate::net::tls;
use crate::redis::error::Error;
use crate::redis::replies::{Replies, TLS_CURE, readable};

enum RedisSocket {
    Tcp(TcpStream),
    Tls(tls::Stream<PatientSocket>),
    Unix(UnixStream),
}

pub struct RedisStream {
    socket: RedisSocket,
    parser: Parser,
    replies: Replies,
    /// with the replies to one question
    patience: Patience,
    /// when the last question was sent, until the first byte of its answer
    asked: Option<Instant>,
    /// the longest wait for a first byte, since it was last asked for
    waited: Option<Duration>,
    db: i64,
    open: bool,
}

impl RedisStream {
    /// Connects, logs in and selects the database, as the redis crate does, and tells Redis the connection's name.
    pub fn open(
        info: &ConnectionInfo,
        authorities: Option<&tls::Authorities>,
        timeout: Duration,
        name: &str,
    ) -> Result<RedisStream, Error> {
        let socket = match info.addr() {
            ConnectionAddr::TcpTls { host, port, .. } => {
                let server = tls::Server { host, authorities, section: "redis", plain: "redis" };
                let greet = |stream| server.handshake(PatientSocket::new(stream, timeout));
                let mut stream = dial(host, *port, timeout, greet)?;
                stream.get_mut().end();
                RedisSocket::Tls(stream)
            }
            ConnectionAddr::Tcp(host, port) => RedisSocket::Tcp(dial(host, *port, timeout, Ok::<_, String>)?),
            ConnectionAddr::Unix(path) => {
                RedisSocket::Unix(UnixStream::connect(path).map_err(|error| error.to_string())?)
            }
            other => return Err(Error::Away(format!("alco does not know this kind of address: {other}"))),
        };
        if let Some(stream) = socket.tcp() {
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
        }
        let settings = info.redis_settings();
        let mut connection = RedisStream {
            socket,
            parser: Parser::new(),
            replies: Replies::default(),
            patience: Patience::new(timeout),
            asked: None,
            waited: None,
            db: settings.db(),
            open: true,
        };
        let named =
            |connection: &mut RedisStream| redis::cmd("CLIENT").arg("SETNAME").arg(name).query::<()>(connection);
        connection.log_in(settings).and_then(|()| named(&mut connection)).map_err(|error| match connection.socket {
            RedisSocket::Tcp(_) if error.is_connection_dropped() && !error.is_connection_refusal() => {
                Error::Away(format!("{error}; {TLS_CURE}"))
            }
            _ => Error::from(&error),
        })?;
        Ok(connection)
    }

    fn log_in(&mut self, settings: &RedisConnectionInfo) -> RedisResult<()> {
        if let Some(password) = settings.password() {
            // Redis before 6 has no code for a wrong password; the crate does the same
            let answer: RedisResult<()> = authenticate(settings.username(), password).query(self);
            answer.map_err(|error| match error.code() {
                Some(code) => {
                    let answer = format!("{code} {}", error.detail().unwrap_or_default());
                    RedisError::from((ErrorKind::AuthenticationFailed, "AUTH failed", answer))
                }
                None => error,
            })?;
        }
        if settings.db() != 0 {
            redis::cmd("SELECT").arg(settings.db()).query::<()>(self)?;
        }
        Ok(())
    }

    /// The longest wait for the first byte of an answer since the last call; None: no answer came.
    pub fn take_waited(&mut self) -> Option<Duration> {
        self.waited.take()
    }

    fn send(&mut self, commands: &[u8]) -> RedisResult<()> {
        self.patience.renew();
        self.asked = Some(Instant::now());
        self.noted(|connection| {
            let mut left = commands;
            while !left.is_empty() {
                let RedisStream { socket, patience, .. } = connection;
                left = &left[patience.step(|time| socket.write(left, time))?..];
            }
            Ok(())
        })
    }

    fn receive(&mut self) -> RedisResult<Value> {
        self.noted(|connection| {
            let RedisStream { socket, parser, replies, patience, asked, waited, .. } = connection;
            parser.parse_value(LookedThrough { socket, replies, patience, asked, waited }).map(readable)
        })
    }

    /// Notes that a step which failed halfway leaves the connection out of step.
    fn noted<T>(&mut self, step: impl FnOnce(&mut RedisStream) -> RedisResult<T>) -> RedisResult<T> {
        step(self).inspect_err(|_: &RedisError| self.open = false)
    }
}

/// The socket, as the parser reads it.
struct LookedThrough<'a> {
    socket: &'a mut RedisSocket,
    replies: &'a mut Replies,
    patience: &'a mut Patience,
    asked: &'a mut Option<Instant>,
    waited: &'a mut Option<Duration>,
}

impl Read for LookedThrough<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let LookedThrough { socket, replies, patience, asked, waited } = self;
        let read = patience.step(|time| socket.read(room, time)).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => {
                let why = format!("it has not answered for {} s", patience.timeout().as_secs_f64());
                io::Error::new(io::ErrorKind::TimedOut, why)
            }
            _ => error,
        })?;
        if let Some(asked) = asked.take() {
            **waited = Some(asked.elapsed()).max(**waited);
        }
        replies.look(&room[..read]).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
        Ok(read)
    }
}

impl RedisSocket {
    /// The stream below, if there is one of TCP.
    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            RedisSocket::Tcp(stream) => Some(stream),
            RedisSocket::Tls(stream) => Some(&stream.get_ref().socket),
            RedisSocket::Unix(_) => None,
        }
    }

    fn set_timeout(&self, time: Duration) -> io::Result<()> {
        match self {
            RedisSocket::Unix(stream) => {
                stream.set_read_timeout(Some(time))?;
                stream.set_write_timeout(Some(time))
            }
            RedisSocket::Tcp(stream) => set_tcp_timeout(stream, time),
            RedisSocket::Tls(stream) => set_tcp_timeout(&stream.get_ref().socket, time),
        }
    }

    fn read(&mut self, room: &mut [u8], time: Duration) -> io::Result<usize> {
        self.set_timeout(time)?;
        match self {
            RedisSocket::Tcp(stream) => stream.read(room),
            RedisSocket::Tls(stream) => stream.read(room),
            RedisSocket::Unix(stream) => stream.read(room),
        }
    }

    fn write(&mut self, bytes: &[u8], time: Duration) -> io::Result<usize> {
        self.set_timeout(time)?;
        match self {
            RedisSocket::Tcp(stream) => stream.write(bytes),
            RedisSocket::Tls(stream) => stream.write(bytes),
            RedisSocket::Unix(stream) => stream.write(bytes),
        }
    }
}

/// TLS reads to write, and writes to read.
fn set_tcp_timeout(stream: &TcpStream, time: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(time))?;
    stream.set_write_timeout(Some(time))
}

/// The command AUTH. Without a user, the password is that of the default user.
fn authenticate(user: Option<&str>, password: &str) -> Cmd {
    let mut command = redis::cmd("AUTH");
    command.arg(user).arg(password);
    command
}

impl ConnectionLike for RedisStream {
    fn req_packed_command(&mut self, command: &[u8]) -> RedisResult<Value> {
        self.send(command)?;
        self.receive()
    }

    fn req_packed_commands(&mut self, commands: &[u8], offset: usize, count: usize) -> RedisResult<Vec<Value>> {
        self.send(commands)?;
        // read all answers even after an error; the answer of a transaction lists the errors of its commands
        let answers = (0..offset + count).map(|_| self.receive()).collect::<RedisResult<Vec<Value>>>()?;
        Ok(answers.into_iter().skip(offset).collect())
    }

    fn get_db(&self) -> i64 {
        self.db
    }

    fn check_connection(&mut self) -> bool {
        redis::cmd("PING").query::<String>(self).is_ok()
    }

    fn is_open(&self) -> bool {
        self.open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_user_is_not_an_argument() {
        assert_eq!(authenticate(None, "p").get_packed_command(), b"*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n");
        assert_eq!(authenticate(Some("u"), "p").args_iter().count(), 3);
    }
}
