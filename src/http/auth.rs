//! Decides which clients may read, if alco.ini restricts it: those that send a user's name and password of users_file (HTTP's
//! Basic authentication, RFC 7617), and those whose user a trusted proxy names in user_header.
//!
//! Addresses without any text of a log can be open to all clients (`open_paths`). `visible` has what a user may see.

use std::collections::HashMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::prelude::{BASE64_STANDARD, Engine};

use crate::config;
use crate::config::{Http, Proxy};
use crate::http::logins::FailedLogins;
use crate::http::user::{SignedInBy, User};
use crate::users_file::{ComparedHash, ListedUsers, is_password};

/// Requests that hash a password or wait for their turn, of the threads that answer requests: the others serve those who are
/// signed in.
const MAX_HASHING: usize = 3;
/// For a client that finds all of these taken.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// The time and size of users_file: if they change, the file is read again, for the next request.
type Version = (SystemTime, u64);

/// The parts of a request that identify its user.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// the client's address, or `unix`
    pub peer: String,
    /// `user_header`, if the client sent it, and once only: of two, one may not be the proxy's
    pub named: Option<String>,
    /// `group_header`, in the same way
    pub groups: Option<String>,
    /// `Authorization`
    pub authorization: Option<String>,
    /// `X-Forwarded-For`
    pub forwarded_for: Option<String>,
}

#[derive(Debug)]
pub struct Users {
    file: Option<PathBuf>,
    pub header: Option<String>,
    pub group_header: Option<String>,
    proxies: Vec<Proxy>,
    known: Mutex<KnownUsers>,
    failed: Mutex<FailedLogins>,
    /// hashing takes long on purpose; one at a time, so that guessing leaves a core to others
    hashing: Mutex<()>,
    /// requests that hash, or wait for it
    hashing_places: AtomicUsize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    Granted(User),
    /// the client has not named a user, or with the wrong password
    Denied,
    /// the client may try again after this time
    Later(Duration),
}

struct Login {
    address: String,
    name: String,
    password: String,
}

/// One of `MAX_HASHING`, free again when it is dropped.
struct HashingPlace<'a>(&'a AtomicUsize);

impl HashingPlace<'_> {
    fn take(places: &AtomicUsize) -> Option<HashingPlace<'_>> {
        let place = HashingPlace(places);
        (places.fetch_add(1, SeqCst) < MAX_HASHING).then_some(place)
    }
}

impl Drop for HashingPlace<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[derive(Debug, Default)]
struct KnownUsers {
    version: Option<Version>,
    /// the reason why the last attempt to read it failed
    wrong: Option<String>,
    listed: ListedUsers,
    /// passwords that were right, each as a keyed hash: the next request with the same one is quick
    accepted: HashMap<String, u64>,
    keys: RandomState,
}

impl Users {
    pub fn new(http: &Http) -> Users {
        Users {
            file: http.users_file.clone(),
            header: http.user_header.clone(),
            group_header: http.group_header.clone(),
            proxies: http.trusted_proxies.clone(),
            known: Mutex::default(),
            failed: Mutex::default(),
            hashing: Mutex::default(),
            hashing_places: AtomicUsize::new(0),
        }
    }

    /// True if alco.ini restricts who may read.
    pub fn are_needed(&self) -> bool {
        self.file.is_some() || self.header.is_some()
    }

    pub fn access(&self, credentials: &Credentials) -> Access {
        if let Some(name) = self.proxys_name(credentials) {
            return Access::Granted(User::named_by_proxy(name, credentials.groups.as_deref(), &self.read().listed));
        }
        let Some(file) = &self.file else {
            return if self.header.is_none() { Access::Granted(User::default()) } else { Access::Denied };
        };
        if let Some(line) = self.failed().line(Instant::now()) {
            log::warn!("{line}");
        }
        match credentials.authorization.as_deref().and_then(basic) {
            Some((name, password)) => self.login(file, &Login { address: self.address(credentials), name, password }),
            None => Access::Denied,
        }
    }

    /// True if a password has to be hashed before it is known whether these are a user's.
    pub fn may_hash(&self, credentials: &Credentials) -> bool {
        let is_new = |(name, password): (String, String)| !self.known().has_accepted(&name, &password);
        self.file.is_some()
            && self.proxys_name(credentials).is_none()
            && credentials.authorization.as_deref().and_then(basic).is_some_and(is_new)
    }

    /// The same user as users_file has it now, after the user was signed in a while ago. None: no longer.
    pub fn again(&self, user: &User) -> Option<User> {
        let known = self.read();
        match user.signed_in_by() {
            SignedInBy::Password(hash) if !known.listed.is_hash_of(user.name(), hash) => None,
            _ => Some(user.with_groups_of(&known.listed)),
        }
    }

    fn login(&self, file: &Path, login: &Login) -> Access {
        let Login { address, name, password } = login;
        let (compared, name_key) = {
            let mut known = self.known();
            known.read(file);
            if known.has_accepted(name, password) {
                return known.granted(name);
            }
            let name_key = known.keys.hash_one(name);
            (known.listed.compared(name, name_key), name_key)
        };
        let too_early = || {
            let mut failed = self.failed();
            let wait = failed.wait(address, name_key, Instant::now())?;
            failed.refused(address);
            Some(Access::Later(wait))
        };
        if let Some(later) = too_early() {
            return later;
        }
        let Some(_place) = HashingPlace::take(&self.hashing_places) else { return Access::Later(BUSY_WAIT) };
        // a panic of another thread leaves nothing half done
        let _turn = self.hashing.lock().unwrap_or_else(PoisonError::into_inner);
        // while this request waited, another may have brought the same password, or failed from the same address
        let known = self.known();
        if known.has_accepted(name, password) {
            return known.granted(name);
        }
        drop(known);
        if let Some(later) = too_early() {
            return later;
        }
        if is_password(password, &compared) {
            self.failed().succeeded(address, name_key);
            let mut known = self.known();
            known.accept(name, password, &compared);
            return Access::Granted(User::with_password(name, compared, &known.listed));
        }
        let mut failed = self.failed();
        failed.failed(address, name_key, Instant::now());
        failed.refused(address);
        Access::Denied
    }

    /// The client's address; that which a trusted proxy names, if the client came through one.
    pub fn address(&self, credentials: &Credentials) -> String {
        let forwarded = credentials.forwarded_for.as_deref().filter(|_| self.trusts(&credentials.peer));
        // what comes before the last comma, the client itself may have sent
        let last = forwarded.and_then(|list| list.rsplit(',').next()).map(str::trim);
        let is_address = |text: &&str| text.parse::<IpAddr>().is_ok();
        last.filter(is_address).unwrap_or(&credentials.peer).to_owned()
    }

    /// The users of the file as it is now.
    fn read(&self) -> MutexGuard<'_, KnownUsers> {
        let mut known = self.known();
        if let Some(file) = &self.file {
            known.read(file);
        }
        known
    }

    fn known(&self) -> MutexGuard<'_, KnownUsers> {
        // a panic of another thread leaves the maps whole, here and below
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> MutexGuard<'_, FailedLogins> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if a password would help.
    pub fn asks_for_password(&self) -> bool {
        self.file.is_some()
    }

    fn proxys_name<'a>(&self, credentials: &'a Credentials) -> Option<&'a str> {
        let name = credentials.named.as_deref().map(str::trim).filter(|name| !name.is_empty());
        name.filter(|_| self.trusts(&credentials.peer))
    }

    /// True for the address of one of trusted_proxies.
    pub fn trusts(&self, peer: &str) -> bool {
        self.proxies.iter().any(|proxy| proxy.is(peer))
    }
}

impl KnownUsers {
    /// Reads the file again if it has changed. If it cannot be read, the users that were read last stay.
    fn read(&mut self, file: &Path) {
        let version = fs::metadata(file).and_then(|data| Ok((data.modified()?, data.len())));
        if version.as_ref().is_ok_and(|version| self.version == Some(*version)) {
            return;
        }
        self.version = version.ok();
        match config::users(file) {
            Ok(listed) => (self.listed, self.accepted, self.wrong) = (listed, HashMap::new(), None),
            Err(why) if self.wrong.as_ref() == Some(&why) => {}
            Err(why) => {
                log::error!("users_file: {why}; the users from before stay");
                self.wrong = Some(why);
            }
        }
    }

    /// For a user whose password was accepted.
    fn granted(&self, name: &str) -> Access {
        Access::Granted(User::with_password(name, self.listed.compared(name, 0), &self.listed))
    }

    fn has_accepted(&self, name: &str, password: &str) -> bool {
        self.accepted.get(name) == Some(&self.keys.hash_one(password))
    }

    /// `compared`: the hash that the password fits; if the file has another one by now, the password is not accepted again.
    fn accept(&mut self, name: &str, password: &str, compared: &ComparedHash) {
        if self.listed.is_hash_of(name, compared) {
            self.accepted.insert(name.to_owned(), self.keys.hash_one(password));
        }
    }
}

/// Name and password of a header `Basic …`.
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (name, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_header_of_basic_authentication_is_read() {
        let read = |header: &str| basic(header).map(|(name, password)| format!("{name} {password}"));
        // RFC 7617, 2. and 2.1
        assert_eq!(read("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").as_deref(), Some("Aladdin open sesame"));
        assert_eq!(read("basic dGVzdDoxMjPCow==").as_deref(), Some("test 123£"));
        for bad in ["", "Basic", "Basic !", "Basic QWxhZGRpbg==", "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ=="] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_name_is_believed_from_trusted_proxies_alone() {
        let http = |proxies: &[&str], header: Option<&str>| Http {
            user_header: header.map(str::to_owned),
            trusted_proxies: proxies.iter().map(|proxy| proxy.parse().expect("a proxy")).collect(),
            ..Config::default().http
        };
        let check = |http: &Http, peer: &str, named: Option<&str>, expect| {
            let credentials =
                Credentials { peer: peer.to_owned(), named: named.map(str::to_owned), ..Credentials::default() };
            let is_granted = matches!(Users::new(http).access(&credentials), Access::Granted(_));
            assert_eq!(is_granted, expect, "{peer} {named:?}");
        };
        let two = http(&["10.1.0.0/16", "unix"], Some("X-User"));
        check(&two, "10.1.2.3", Some("anna"), true);
        check(&two, "::ffff:10.1.2.3", Some("anna"), true);
        check(&two, "unix", Some("anna"), true);
        check(&two, "10.2.0.1", Some("anna"), false);
        check(&two, "10.1.2.3", Some(" "), false);
        check(&two, "10.1.2.3", None, false);
        check(&two, "-", Some("anna"), false);
        check(&http(&["127.0.0.1"], None), "10.2.0.1", None, true);
    }

    #[test]
    fn a_client_behind_a_proxy_has_the_address_that_the_proxy_adds() {
        let http = Http { trusted_proxies: vec!["10.1.0.0/16".parse().expect("a proxy")], ..Config::default().http };
        for (peer, forwarded, expected) in [
            ("10.1.0.1", Some("1.1.1.1, 192.0.2.7"), "192.0.2.7"),
            ("10.1.0.1", Some("unknown"), "10.1.0.1"),
            ("10.1.0.1", None, "10.1.0.1"),
            ("10.2.0.1", Some("192.0.2.7"), "10.2.0.1"),
        ] {
            let (peer, forwarded_for) = (peer.to_owned(), forwarded.map(str::to_owned));
            let credentials = Credentials { peer, forwarded_for, ..Credentials::default() };
            assert_eq!(Users::new(&http).address(&credentials), expected);
        }
    }

    #[test]
    fn an_accepted_password_is_not_kept_as_text() {
        let file = std::env::temp_dir().join(format!("alco-test-accepted-{}", std::process::id()));
        fs::write(&file, crate::users_file::line("anna", "tr0ub4dor").expect("a line")).expect("a file for the test");
        let users = Users::new(&Http { users_file: Some(file.clone()), ..Config::default().http });
        let authorization = Some(format!("Basic {}", BASE64_STANDARD.encode("anna:tr0ub4dor")));
        let credentials = Credentials { authorization, ..Credentials::default() };
        assert!(users.may_hash(&credentials) && !users.may_hash(&Credentials::default()));
        assert!(matches!(users.access(&credentials), Access::Granted(_)));
        let kept = format!("{users:?}");
        assert!(!users.may_hash(&credentials));
        assert!(users.known().has_accepted("anna", "tr0ub4dor") && kept.contains("anna"), "{kept}");
        assert!(!kept.contains("tr0ub4dor") && !kept.contains(&BASE64_STANDARD.encode("anna:tr0ub4dor")), "{kept}");
        fs::remove_file(file).expect("the test's own file");
    }
}
