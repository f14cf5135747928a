//! Opens a connection to the Redis that takes writes: the one at the address, the first primary of several addresses, or the one that
//! Sentinel names. Each step has a timeout.

use std::time::Duration;

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

use crate::config;
use crate::net::tls::Authorities;
use crate::redis::error::Error;
use crate::redis::stream::RedisStream;

pub struct Primary {
    addresses: Vec<RedisAddress>,
    /// the name that Sentinel has for the primary; the addresses are those of Sentinels
    sentinel: Option<String>,
    authorities: Option<Authorities>,
}

struct RedisAddress {
    info: ConnectionInfo,
    /// for texts: without the password
    shown: String,
}

/// The timeout of a step, and the name by which Redis lists the connection.
#[derive(Clone, Copy)]
struct Opening<'a> {
    timeout: Duration,
    name: &'a str,
}

impl Primary {
    /// Does not connect yet.
    pub fn new(redis: &config::Redis) -> Result<Primary, String> {
        let address = |url: &config::Secret| {
            let shown = url.without_password();
            let cannot = |error| format!("cannot use [redis] url {shown}: {error}");
            let info = url.expose().into_connection_info().map_err(cannot)?;
            Client::open(info.clone()).map_err(cannot)?;
            Ok::<_, String>(RedisAddress { info, shown })
        };
        let addresses = redis.urls.iter().map(address).collect::<Result<_, _>>()?;
        Ok(Primary { addresses, sentinel: redis.sentinel.clone(), authorities: redis.authorities.clone() })
    }

    /// The addresses for texts, without passwords.
    pub fn shown(&self) -> String {
        self.addresses.iter().map(|address| address.shown.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// True if another Redis may become the primary: a connection to one that takes no writes is of no use then.
    pub fn may_move(&self) -> bool {
        self.addresses.len() > 1 || self.sentinel.is_some()
    }

    /// Tries the addresses in turn.
    ///
    /// # Errors
    /// `Refused` if one of them refuses: they have the same users.
    pub fn connect(&self, timeout: Duration, name: &str) -> Result<RedisStream, Error> {
        let opening = Opening { timeout, name };
        if let ([only], None) = (self.addresses.as_slice(), &self.sentinel) {
            return self.open(&only.info, opening);
        }
        let (mut failures, mut is_refused) = (Vec::new(), false);
        for RedisAddress { info, shown } in &self.addresses {
            let opened = match &self.sentinel {
                None => self.open_primary(info, opening),
                Some(name) => self.ask_sentinel(info, name, opening).and_then(|at| self.open_primary(&at, opening)),
            };
            match opened {
                Ok(connection) => return Ok(connection),
                Err(error) => {
                    is_refused |= matches!(error, Error::Refused(_));
                    failures.push(format!("{shown}: {error}"));
                }
            }
        }
        let why = failures.join("; ");
        Err(if is_refused { Error::Refused(why) } else { Error::Away(why) })
    }

    /// Refuses a replica: it would answer questions with old data.
    fn open_primary(&self, info: &ConnectionInfo, opening: Opening) -> Result<RedisStream, Error> {
        let mut connection = self.open(info, opening)?;
        let role = redis::cmd("ROLE").query::<Vec<redis::Value>>(&mut connection);
        let role = role.map_err(|error| Error::from(&error))?;
        match role.first().and_then(|role| redis::from_redis_value_ref::<String>(role).ok()).as_deref() {
            Some("master") => Ok(connection),
            role => Err(Error::Away(format!("it is no primary, its role is {}", role.unwrap_or("unknown")))),
        }
    }

    /// The address of the primary of that name, as a Sentinel knows it. User, password and database are those of `info`. A Sentinel
    /// has no database, and refuses a login if it has no password; one that asks for a login gets that of the primary.
    fn ask_sentinel(&self, info: &ConnectionInfo, name: &str, opening: Opening) -> Result<ConnectionInfo, Error> {
        let settings = info.redis_settings();
        let ask_as = |settings| self.primary_of(&info.clone().set_redis_settings(settings), name, opening);
        match ask_as(RedisConnectionInfo::default()) {
            Err(Error::Refused(_)) if settings.password().is_some() => ask_as(settings.clone().set_db(0)),
            answer => answer,
        }
        .map(|at| info.clone().set_addr(at))
    }

    fn primary_of(&self, info: &ConnectionInfo, name: &str, opening: Opening) -> Result<ConnectionAddr, Error> {
        let mut sentinel = self.open(info, opening)?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        let answer = question.query::<Option<(String, u16)>>(&mut sentinel).map_err(|error| Error::from(&error))?;
        let Some((host, port)) = answer else {
            return Err(Error::Away(format!(
                "this Sentinel knows no primary '{name}'; set [redis] sentinel to its name"
            )));
        };
        Ok(match info.addr().clone() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            _ => ConnectionAddr::Tcp(host, port),
        })
    }

    fn open(&self, info: &ConnectionInfo, Opening { timeout, name }: Opening) -> Result<RedisStream, Error> {
        RedisStream::open(info, self.authorities.as_ref(), timeout, name)
    }
}
