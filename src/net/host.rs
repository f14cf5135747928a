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

/// The addresses of a host by its name; empty if it cannot be found.
pub fn addresses_of(host: &str) -> BTreeSet<IpAddr> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (host, 0).to_socket_addrs().map_or_else(|_| BTreeSet::new(), |found| found.map(|address| address.ip()).collect())
}
