//! Logins that failed: how long the next one from the same address, or for the same name, has to wait; and a line a minute for the
//! log. The time is an argument.
//!
//! Invariant: what this keeps is bounded, however many addresses and names there are.

use std::collections::HashMap;
use std::fmt::Write;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Failures that cost no wait: a person mistypes.
const FREE_FAILURES: u32 = 3;
/// The first wait; each further failure doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const MAX_WAIT_OF_ADDRESS: Duration = Duration::from_secs(60);
/// Short, since a stranger could keep a user out by failing in that user's name.
const MAX_WAIT_OF_NAME: Duration = Duration::from_secs(4);
/// After this time without a failure, the earlier ones are forgotten.
const MEMORY: Duration = Duration::from_secs(600);
/// Addresses that are remembered, names, and pairs of them.
const MAX_REMEMBERED: usize = 1000;
const LINE_INTERVAL: Duration = Duration::from_secs(60);
/// Addresses in a line of the log.
const MAX_ADDRESSES_IN_LINE: usize = 10;

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    /// The time from the last failure to the next attempt.
    fn wait(self, at_most: Duration) -> Duration {
        match self.count.checked_sub(FREE_FAILURES) {
            None => Duration::ZERO,
            Some(over) => FIRST_WAIT.saturating_mul(1 << over.min(16)).min(at_most),
        }
    }

    fn left(self, at_most: Duration, now: Instant) -> Duration {
        (self.last + self.wait(at_most)).saturating_duration_since(now)
    }
}

#[derive(Debug, Default)]
pub struct FailedLogins {
    /// by address, and by a hash of the name
    addresses: HashMap<String, Failures>,
    names: HashMap<u64, Failures>,
    /// those of an address that have this name
    pairs: HashMap<(String, u64), Failures>,
    /// refused since the last line, by address
    refused: HashMap<String, u64>,
    /// those of other addresses
    refused_elsewhere: u64,
    last_line: Option<Instant>,
}

impl FailedLogins {
    /// The time until this address may try this name; None: now.
    pub fn wait(&self, address: &str, name: u64, now: Instant) -> Option<Duration> {
        let of_address = self.addresses.get(&network(address)).map(|failures| failures.left(MAX_WAIT_OF_ADDRESS, now));
        let of_name = self.names.get(&name).map(|failures| failures.left(MAX_WAIT_OF_NAME, now));
        of_address.max(of_name).filter(|wait| !wait.is_zero())
    }

    /// The name or the password was wrong.
    pub fn failed(&mut self, address: &str, name: u64, now: Instant) {
        note(&mut self.addresses, network(address), now);
        note(&mut self.names, name, now);
        note(&mut self.pairs, (network(address), name), now);
    }

    /// Counts an attempt that failed, or that came too early.
    pub fn refused(&mut self, address: &str) {
        let has_room = self.refused.len() < MAX_REMEMBERED;
        match self.refused.get_mut(address) {
            Some(count) => *count += 1,
            None if has_room => _ = self.refused.insert(address.to_owned(), 1),
            None => self.refused_elsewhere += 1,
        }
    }

    /// Forgets the failures of this name. Those that the address had with other names stay: a user with an own password cannot guess
    /// the others' faster by it.
    pub fn succeeded(&mut self, address: &str, name: u64) {
        self.names.remove(&name);
        let address = network(address);
        let own = self.pairs.remove(&(address.clone(), name)).map_or(0, |failures| failures.count);
        if let Some(failures) = self.addresses.get_mut(&address) {
            failures.count = failures.count.saturating_sub(own);
        }
    }

    /// A line for the log, at most one a minute.
    pub fn line(&mut self, now: Instant) -> Option<String> {
        if self.refused.is_empty() || self.last_line.is_some_and(|last| now < last + LINE_INTERVAL) {
            return None;
        }
        self.last_line = Some(now);
        let mut refused: Vec<(String, u64)> = self.refused.drain().collect();
        refused.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let elsewhere = std::mem::take(&mut self.refused_elsewhere);
        let total: u64 = elsewhere + refused.iter().map(|(_, count)| count).sum::<u64>();
        let mut line = format!("logins refused: {total} with a wrong name or password, from ");
        for (at, (address, count)) in refused.iter().take(MAX_ADDRESSES_IN_LINE).enumerate() {
            // writing to a string cannot fail
            let _ = write!(line, "{}{address} ({count})", if at > 0 { ", " } else { "" });
        }
        if refused.len() > MAX_ADDRESSES_IN_LINE {
            let _ = write!(line, " and {} other addresses", refused.len() - MAX_ADDRESSES_IN_LINE);
        }
        Some(line)
    }
}

fn note<K: Hash + Eq + Clone>(remembered: &mut HashMap<K, Failures>, key: K, now: Instant) {
    remembered.retain(|_, failures| now.saturating_duration_since(failures.last) < MEMORY);
    if remembered.len() >= MAX_REMEMBERED
        && !remembered.contains_key(&key)
        && let Some(oldest) = remembered.iter().min_by_key(|(_, failures)| failures.last).map(|(key, _)| key.clone())
    {
        remembered.remove(&oldest);
    }
    let failures = remembered.entry(key).or_insert(Failures { count: 0, last: now });
    *failures = Failures { count: failures.count.saturating_add(1), last: now };
}

/// The part of an address that one client cannot choose: a host has 64 bits of IPv6 for itself.
fn network(address: &str) -> String {
    match address.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V6(ip)) => format!("{:x?}", &ip.segments()[..4]),
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Duration = Duration::from_secs(1);

    #[test]
    fn an_address_waits_longer_after_each_failure() {
        let (mut logins, start) = (FailedLogins::default(), Instant::now());
        let mut waits = Vec::new();
        for name in 0..12 {
            logins.failed("10.0.0.1", name, start);
            waits.push(logins.wait("10.0.0.1", 99, start).unwrap_or_default().as_secs());
        }
        assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        assert_eq!(logins.wait("::ffff:10.0.0.1", 99, start + ONE), Some(Duration::from_secs(59)));
        assert_eq!(logins.wait("10.0.0.1", 99, start + MAX_WAIT_OF_ADDRESS), None);
        assert_eq!(logins.wait("10.0.0.2", 99, start), None, "others do not wait");
    }

    #[test]
    fn a_success_forgives_the_failures_of_its_name_alone() {
        let (mut logins, start) = (FailedLogins::default(), Instant::now());
        for _ in 0..6 {
            logins.failed("10.0.0.1", 7, start);
        }
        logins.succeeded("10.0.0.1", 7);
        assert_eq!(logins.wait("10.0.0.1", 7, start), None, "a user who mistyped");
        let wait = |logins: &FailedLogins| logins.wait("10.0.0.1", 99, start).unwrap_or_default().as_secs();
        for name in 10..15 {
            logins.failed("10.0.0.1", name, start);
            logins.failed("10.0.0.1", 7, start);
            logins.succeeded("10.0.0.1", 7);
        }
        assert_eq!(wait(&logins), 4, "five failures with other names");
        // of another address, with a name that failed here
        logins.failed("10.0.0.2", 10, start);
        logins.succeeded("10.0.0.2", 10);
        assert_eq!(wait(&logins), 4);
        assert_eq!(logins.wait("10.0.0.2", 10, start), None);
    }

    #[test]
    fn a_name_waits_a_little_wherever_it_is_tried_from() {
        let (mut logins, start) = (FailedLogins::default(), Instant::now());
        for n in 0..20 {
            logins.failed(&format!("10.0.0.{n}"), 7, start);
        }
        assert_eq!(logins.wait("10.0.1.1", 7, start), Some(MAX_WAIT_OF_NAME));
        assert_eq!(logins.wait("10.0.1.1", 8, start), None);
    }

    #[test]
    fn failures_are_forgotten_and_bounded() {
        let (mut logins, start) = (FailedLogins::default(), Instant::now());
        for _ in 0..9 {
            logins.failed("10.0.0.1", 1, start);
        }
        logins.failed("10.0.0.1", 1, start + MEMORY);
        assert_eq!(logins.wait("10.0.0.1", 1, start + MEMORY), None, "the earlier ones are too long ago");
        for n in 0..3000u64 {
            logins.failed(&format!("2001:db8:0:{n:x}::1"), n, start + MEMORY);
            logins.refused(&format!("10.0.{}.{}", n / 256, n % 256));
        }
        let kept = [logins.addresses.len(), logins.names.len(), logins.pairs.len()];
        assert_eq!(kept, [MAX_REMEMBERED; 3]);
        assert_eq!(logins.refused.len(), MAX_REMEMBERED);
    }

    #[test]
    fn a_host_has_one_wait_for_all_its_addresses() {
        let (mut logins, start) = (FailedLogins::default(), Instant::now());
        for n in 0..5 {
            logins.failed(&format!("2001:db8:1:2::{n:x}"), n, start);
        }
        assert!(logins.wait("2001:db8:1:2:ffff::1", 99, start).is_some());
        assert_eq!(logins.wait("2001:db8:1:3::1", 99, start), None);
    }

    #[test]
    fn a_minute_has_one_line() {
        let (mut logins, start) = (FailedLogins::default(), Instant::now());
        assert_eq!(logins.line(start), None);
        logins.refused("10.0.0.1");
        let line = "logins refused: 1 with a wrong name or password, from 10.0.0.1 (1)";
        assert_eq!(logins.line(start).as_deref(), Some(line));
        for n in 0..12 {
            (0..=n).for_each(|_| logins.refused(&format!("10.0.0.{n}")));
        }
        assert_eq!(logins.line(start + ONE), None);
        let line = logins.line(start + LINE_INTERVAL).expect("a minute has passed");
        assert!(
            line.starts_with("logins refused: 78 with a wrong name or password, from 10.0.0.11 (12), 10.0.0.10 (11), ")
        );
        assert!(line.ends_with(" and 2 other addresses"), "{line}");
        assert_eq!(logins.line(start + 2 * LINE_INTERVAL), None);
    }
}
