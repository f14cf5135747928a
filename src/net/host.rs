//! This host: its name and its addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, ToSocketAddrs};

/// None if the system has no name for it.
pub fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok().map(|name| name.to_string_lossy().into_owned())
}

/// The addresses of its interfaces; empty if the system does not list them.
pub fn own_addresses() -> BTreeSet<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return BTreeSet::new() };
    let ip = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    interfaces.filter_map(ip).collect()
}

/// True if `host` with these addresses is this host, whose own addresses are `own`. Debian gives a host's own name the address
/// 127.0.1.1, which no interface has.
pub fn is_own(host: &str, addresses: &BTreeSet<IpAddr>, own: &BTreeSet<IpAddr>) -> bool {
    let is_name = without_brackets(host).parse::<IpAddr>().is_err();
    !addresses.is_disjoint(own) || is_name && addresses.iter().any(IpAddr::is_loopback)
}

/// The addresses of a host by its name; empty if it cannot be found.
pub fn addresses_of(host: &str) -> BTreeSet<IpAddr> {
    (without_brackets(host), 0)
        .to_socket_addrs()
        .map_or_else(|_| BTreeSet::new(), |found| found.map(|address| address.ip()).collect())
}

/// An address of IPv6 stands in brackets where a port may follow.
pub fn without_brackets(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_knows_itself_by_name_and_address() {
        let set = |all: &[&str]| all.iter().map(|ip| ip.parse().expect("an address")).collect::<BTreeSet<IpAddr>>();
        let own = set(&["127.0.0.1", "::1", "10.0.0.1", "fd00::1"]);
        for (host, addresses, expected) in [
            ("10.0.0.1", set(&["10.0.0.1"]), true),
            ("[fd00::1]", set(&["fd00::1"]), true),
            ("a", set(&["10.0.0.1", "192.0.2.1"]), true),
            ("a", set(&["127.0.1.1"]), true),
            ("localhost", set(&["::1"]), true),
            ("b", set(&["10.0.0.2"]), false),
            // another searchd of this host, at the same port
            ("127.0.0.2", set(&["127.0.0.2"]), false),
            ("gone", set(&[]), false),
        ] {
            assert_eq!(is_own(host, &addresses, &own), expected, "{host} {addresses:?}");
        }
    }
}
