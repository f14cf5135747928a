//! Decides which clients may read, if alco.ini restricts it: those that send a user's name and password of users_file (HTTP's
//! Basic authentication, RFC 7617), and those whose user a trusted proxy names in user_header.
//!
//! Addresses without any text of a log are open to all clients: style sheet, health, metrics, searchd's configuration.

use std::collections::HashMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use base64::prelude::{BASE64_STANDARD, Engine};

use crate::config;
use crate::config::{Http, Proxy};
use crate::users_file::{Hashes, is_password};

/// The time and size of users_file: if they change, the file is read again, for the next request.
type Version = (SystemTime, u64);

/// The parts of a request that identify its user.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// the client's address, or `unix`
    pub peer: String,
    /// `user_header`, if the client sent it
    pub named: Option<String>,
    /// `Authorization`
    pub authorization: Option<String>,
}

#[derive(Debug)]
pub struct Users {
    file: Option<PathBuf>,
    pub header: Option<String>,
    proxies: Vec<Proxy>,
    /// hashing takes long on purpose; one at a time, so that guessing leaves a core to others
    known: Mutex<KnownUsers>,
}

#[derive(Debug, Default)]
struct KnownUsers {
    version: Option<Version>,
    /// the reason why the last attempt to read it failed
    wrong: Option<String>,
    hashes: Hashes,
    /// passwords that were right, each as a keyed hash: the next request with the same one is quick
    accepted: HashMap<String, u64>,
    keys: RandomState,
}

impl Users {
    pub fn new(http: &Http) -> Users {
        let (file, header) = (http.users_file.clone(), http.user_header.clone());
        Users { file, header, proxies: http.trusted_proxies.clone(), known: Mutex::default() }
    }

    pub fn may_read(&self, credentials: &Credentials) -> bool {
        let Some(file) = &self.file else { return self.header.is_none() || self.is_named(credentials) };
        self.is_named(credentials)
            || credentials.authorization.as_deref().and_then(basic).is_some_and(|(name, password)| {
                // a panic of another thread leaves the map whole
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.read(file);
                known.is_right(name, &password)
            })
    }

    /// Returns true if a password would help.
    pub fn asks_for_password(&self) -> bool {
        self.file.is_some()
    }

    fn is_named(&self, credentials: &Credentials) -> bool {
        let names = credentials.named.as_ref().is_some_and(|name| !name.trim().is_empty());
        names && self.trusts(&credentials.peer)
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
            Ok(hashes) => (self.hashes, self.accepted, self.wrong) = (hashes, HashMap::new(), None),
            Err(why) if self.wrong.as_ref() == Some(&why) => {}
            Err(why) => {
                log::error!("users_file: {why}; the users from before stay");
                self.wrong = Some(why);
            }
        }
    }

    fn is_right(&mut self, name: String, password: &str) -> bool {
        let given = self.keys.hash_one(password);
        if self.accepted.get(&name) == Some(&given) {
            return true;
        }
        let is_right = is_password(password, self.hashes.of(&name));
        if is_right {
            self.accepted.insert(name, given);
        }
        is_right
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
                Credentials { peer: peer.to_owned(), named: named.map(str::to_owned), authorization: None };
            assert_eq!(Users::new(http).may_read(&credentials), expect, "{peer} {named:?}");
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
}
