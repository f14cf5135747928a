//! A connection by its URL, amqp:// or amqps://: reads the URL as RabbitMQ's clients do, then TCP, TLS and AMQP's greeting.
//!
//! amiquip could do all this, but it does not trust the certificates of a `ca_file`, and its errors contain the whole URL with the
//! password. So here it gets a connected stream.

use std::borrow::Cow;
use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use amiquip::{Auth, Connection, ConnectionOptions, ConnectionTuning, Error as AmqpError};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::config::Rabbitmq;
use crate::net::tcp::{PatientSocket, dial};
use crate::net::tls;
use crate::rabbitmq::amqp_stream::{AmqpStream, AmqpTlsStream, StreamNotes};
use crate::rabbitmq::error::{Error, root};
use crate::rabbitmq::frames::{FRAME_BYTES, TLS_CURE};

/// After two missed heartbeats the broker counts as dead.
const HEARTBEAT_SECONDS: u16 = 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// `url` is one of the section's. The text of an error has no password.
pub fn connect(rabbitmq: &Rabbitmq, url: &str) -> Result<(Connection, StreamNotes), Error> {
    // alco reads its configuration once: the address stays as it is
    let broker = BrokerAddress::parse(url).map_err(Error::Refused)?;
    dial(&broker.host, broker.port, broker.timeout, |stream| broker.greet(rabbitmq, stream))
}

/// The parts of a URL, with the password: the type has no Debug, so that it cannot be printed by accident.
#[cfg_attr(test, derive(Debug, PartialEq))]
struct BrokerAddress {
    tls: bool,
    host: String,
    port: u16,
    timeout: Duration,
    options: ConnectionOptions<Auth>,
}

impl BrokerAddress {
    fn parse(text: &str) -> Result<BrokerAddress, String> {
        let url = Url::parse(text).map_err(|error| format!("its address cannot be read: {error}"))?;
        let tls = url.scheme() == "amqps";
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => return Err("its address lacks the host".to_owned()),
        };
        let mut options = ConnectionOptions::default().heartbeat(HEARTBEAT_SECONDS).frame_max(FRAME_BYTES);
        let mut timeout = CONNECT_TIMEOUT;
        let mut segments = url.path().trim_start_matches('/').split('/');
        if let Some(host) = segments.next().filter(|host| !host.is_empty()) {
            options = options.virtual_host(decoded(host));
        }
        if segments.next().is_some() {
            return Err("its address has a / in the virtual host; write it %2f".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            let or_guest = |text: &str| decoded(if text.is_empty() { "guest" } else { text }).into_owned();
            let password = decoded(url.password().unwrap_or("guest")).into_owned();
            options = options.auth(Auth::Plain { username: or_guest(url.username()), password });
        }
        for (key, value) in url.query_pairs() {
            let wrong = |_| format!("its address has {key}={value}, which is not a number that it can have");
            options = match key.as_ref() {
                "heartbeat" => options.heartbeat(value.parse().map_err(wrong)?),
                "channel_max" => options.channel_max(value.parse().map_err(wrong)?),
                "connection_timeout" => {
                    timeout = Duration::from_millis(value.parse().map_err(wrong)?);
                    options
                }
                "auth_mechanism" if value == "external" => options.auth(Auth::External),
                "cacertfile" => return Err("its address has cacertfile; set [rabbitmq] ca_file instead".to_owned()),
                _ => {
                    return Err(format!(
                        "its address has {key}={value}, which alco does not know; known are heartbeat, channel_max, \
                         connection_timeout, auth_mechanism=external"
                    ));
                }
            };
        }
        let port = url.port().unwrap_or(if tls { 5671 } else { 5672 });
        Ok(BrokerAddress { tls, host, port, timeout, options: options.connection_timeout(Some(timeout)) })
    }

    fn greet(&self, rabbitmq: &Rabbitmq, stream: TcpStream) -> Result<(Connection, StreamNotes), Error> {
        let (options, tuning) = (self.options.clone(), ConnectionTuning::default());
        let notes = StreamNotes::default();
        if !self.tls {
            let stream = mio::net::TcpStream::from_stream(stream).map_err(|error| error.to_string())?;
            let (stream, begun) = (AmqpStream::new(stream, notes.clone(), self.timeout), Instant::now());
            let connection = Connection::insecure_open_stream(stream, options, tuning);
            let wrong = notes.wrong();
            let why = |error: AmqpError| match &error {
                AmqpError::UnexpectedSocketClose | AmqpError::MalformedFrame => expects_tls(&error),
                AmqpError::IoErrorReadingSocket { source } if source.kind() == io::ErrorKind::ConnectionReset => {
                    expects_tls(&error)
                }
                error => self.no_login(error, begun),
            };
            return connection
                .map(|connection| (connection, notes))
                .map_err(|error| wrong.unwrap_or_else(|| why(error)));
        }
        let server = tls::Server {
            host: &self.host,
            authorities: rabbitmq.authorities.as_ref(),
            section: "rabbitmq",
            plain: "amqp",
        };
        let mut stream = server.handshake(PatientSocket::new(stream, self.timeout))?;
        stream.get_mut().end();
        stream.get_ref().socket.set_nonblocking(true).map_err(|error| error.to_string())?;
        let (stream, begun) = (AmqpStream::new(AmqpTlsStream(stream), notes.clone(), self.timeout), Instant::now());
        let connection = Connection::insecure_open_stream(stream, options, tuning);
        let wrong = notes.wrong();
        connection
            .map(|connection| (connection, notes))
            .map_err(|error| wrong.unwrap_or_else(|| self.no_login(&error, begun)))
    }

    /// amiquip reports a wrong password for every end of the connection during the login, and for a silent broker. RabbitMQ
    /// closes the connection of a wrong password after 3 s.
    fn no_login(&self, error: &AmqpError, begun: Instant) -> Error {
        match error {
            AmqpError::InvalidCredentials if begun.elapsed() >= self.timeout => {
                Error::Lost(format!("the broker has not answered the login for {} ms", self.timeout.as_millis()))
            }
            error => Error::from(error),
        }
    }
}

/// A server that expects TLS answers in its own way, and closes.
fn expects_tls(error: &AmqpError) -> Error {
    Error::Lost(format!("{}; {TLS_CURE}", root(error)))
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, tls: bool, host: &str, port: u16, options: ConnectionOptions<Auth>) {
        let timeout = Some(CONNECT_TIMEOUT);
        let options = options.heartbeat(HEARTBEAT_SECONDS).frame_max(FRAME_BYTES).connection_timeout(timeout);
        let address = BrokerAddress { tls, host: host.to_owned(), port, timeout: CONNECT_TIMEOUT, options };
        assert_eq!(BrokerAddress::parse(url), Ok(address), "{url}");
    }

    #[test]
    fn a_url_is_read_as_rabbitmqs_clients_read_it() {
        let options = ConnectionOptions::<Auth>::default;
        let auth = |username: &str, password: &str| {
            options().auth(Auth::Plain { username: username.to_owned(), password: password.to_owned() })
        };
        check("amqp://h", false, "h", 5672, options());
        check("amqps://h/", true, "h", 5671, options());
        check("amqps://127.0.0.1:1/%2f", true, "127.0.0.1", 1, options().virtual_host("/"));
        check("amqp://[::1]/v%2Fw", false, "::1", 5672, options().virtual_host("v/w"));
        check("amqp://u%40:p%2F%3A@h", false, "h", 5672, auth("u@", "p/:"));
        check("amqp://u@h", false, "h", 5672, auth("u", "guest"));
        check("amqp://:p@h", false, "h", 5672, auth("guest", "p"));
        check("amqp://h?auth_mechanism=external&channel_max=9", false, "h", 5672, {
            options().auth(Auth::External).channel_max(9)
        });
        let given = BrokerAddress::parse("amqp://h?heartbeat=3&connection_timeout=700").expect("it is good");
        let timeout = Duration::from_millis(700);
        assert_eq!(given.timeout, timeout);
        assert_eq!(given.options, options().heartbeat(3).frame_max(FRAME_BYTES).connection_timeout(Some(timeout)));
    }

    #[test]
    fn errors_about_a_url_do_not_show_its_password() {
        for (url, says) in [
            ("amqp://u:s3cret@h/a/b", "write it %2f"),
            ("amqp://u:s3cret@h?heartbeat=x", "heartbeat=x"),
            ("amqp://u:s3cret@h?verify=verify_none", "verify=verify_none"),
            ("amqps://u:s3cret@h?cacertfile=/ca.pem", "set [rabbitmq] ca_file"),
            ("amqps://u:s3cret@host.invalid", "cannot find host 'host.invalid'"),
        ] {
            let why = connect(&Rabbitmq::default(), url).expect_err(url).to_string();
            assert!(why.contains(says) && !why.contains("s3cret"), "{why}");
        }
    }
}
