//! The clients that count as one, where each may have its share only.

use std::net::IpAddr;

/// Bits of an IPv6 address that are one client's network.
const NETWORK_BITS: u32 = 64;

/// Clients that count as one: those of an IPv4 address, of a network of IPv6, of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Household {
    Ip(IpAddr),
    /// a proxy that alco trusts, or another program on this host: many clients may be behind it
    Local,
}

impl Household {
    /// Of an address in text; another text is a Unix socket's.
    pub fn of(address: &str) -> Household {
        match address.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(IpAddr::V6(ip)) => {
                let network = ip.to_bits() >> (u128::BITS - NETWORK_BITS) << (u128::BITS - NETWORK_BITS);
                Household::Ip(IpAddr::V6(network.into()))
            }
            Ok(ip) => Household::Ip(ip),
            Err(_) => Household::Local,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_household() {
        assert_eq!(Household::of("2001:db8:1:2::1"), Household::of("2001:db8:1:2:ffff::9"));
        assert_ne!(Household::of("2001:db8:1:2::1"), Household::of("2001:db8:1:3::1"));
        assert_eq!(Household::of("::ffff:192.0.2.1"), Household::of("192.0.2.1"));
        assert_eq!(Household::of("unix"), Household::Local);
    }
}
