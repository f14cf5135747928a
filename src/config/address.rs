//! Addresses: of a server that listens, and of proxies that are trusted. Pure.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;

/// A server listens here: `host:port`, or the path of a Unix socket (it begins with `/`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl Address {
    /// True if no other host reaches it.
    pub fn is_local(&self) -> bool {
        match self {
            Address::Tcp { host, .. } => {
                host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
            }
            Address::Unix(_) => true,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A proxy that alco trusts: an address, a network (`10.0.0.0/8`), or every client of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    Net(IpNet),
    Unix,
}

impl Proxy {
    /// `peer` is an address, or `unix`.
    pub fn is(self, peer: &str) -> bool {
        match self {
            Proxy::Unix => peer == "unix",
            // an IPv4 client of an IPv6 socket has an address of either form
            Proxy::Net(net) => peer.parse().is_ok_and(|ip: IpAddr| net.contains(&ip.to_canonical())),
        }
    }
}

impl FromStr for Proxy {
    type Err = String;

    fn from_str(value: &str) -> Result<Proxy, String> {
        let net = value.parse::<IpAddr>().map(IpNet::from).ok().or_else(|| value.parse().ok());
        match (value, net) {
            ("unix", _) => Ok(Proxy::Unix),
            (_, Some(net)) => Ok(Proxy::Net(net)),
            (_, None) => {
                Err(format!("'{value}' is not an address; write 127.0.0.1, 10.0.0.0/8, or unix for a Unix socket"))
            }
        }
    }
}
