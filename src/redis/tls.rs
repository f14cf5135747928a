//! A connection to Redis over TLS in which every step has a timeout. That of the redis crate waits without end for a server that
//! does not answer the TLS handshake, such as a Redis without TLS.

use std::net::TcpStream;
use std::time::Duration;

use redis::{
    Cmd, ConnectionInfo, ConnectionLike, ErrorKind, Parser, RedisConnectionInfo, RedisError, RedisResult, Value,
};

use crate::net::tcp::dial;
use crate::net::tls;
use crate::redis::error::Error;

pub struct RedisTlsStream {
    stream: tls::Stream<TcpStream>,
    parser: Parser,
    db: i64,
    open: bool,
}

impl RedisTlsStream {
    /// Connects, logs in and selects the database, as the redis crate does.
    pub fn open(
        server: tls::Server,
        port: u16,
        info: &ConnectionInfo,
        timeout: Duration,
    ) -> Result<RedisTlsStream, Error> {
        let stream = dial(server.host, port, timeout, |stream| server.handshake(stream))?;
        let settings = info.redis_settings();
        let mut connection = RedisTlsStream { stream, parser: Parser::new(), db: settings.db(), open: true };
        connection.log_in(settings).map_err(|error| Error::from(&error))?;
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

    fn send(&mut self, commands: &[u8]) -> RedisResult<()> {
        self.noted(|connection| Ok(std::io::Write::write_all(&mut connection.stream, commands)?))
    }

    fn receive(&mut self) -> RedisResult<Value> {
        self.noted(|connection| connection.parser.parse_value(&mut connection.stream))
    }

    /// Notes that a step which failed halfway leaves the connection out of step.
    fn noted<T>(&mut self, step: impl FnOnce(&mut RedisTlsStream) -> RedisResult<T>) -> RedisResult<T> {
        step(self).inspect_err(|_: &RedisError| self.open = false)
    }
}

/// The command AUTH. Without a user, the password is that of the default user.
fn authenticate(user: Option<&str>, password: &str) -> Cmd {
    let mut command = redis::cmd("AUTH");
    command.arg(user).arg(password);
    command
}

impl ConnectionLike for RedisTlsStream {
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
