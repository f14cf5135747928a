//! Stored documents whose deliveries the broker may redeliver, as Redis and searchd know them. Pure.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::record::digest;

/// Docids of one session; the broker may redeliver the records of its documents.
#[derive(Clone, Debug)]
pub struct LeaseSpan {
    pub first: u64,
    pub last: u64,
    /// a name that no other session has
    pub session: String,
    /// the searchd in which it stored, as the nodes' `peers` name it; None: that is not known
    pub peer: Option<String>,
    /// alco has acknowledged the documents up to this docid
    pub acknowledged: u64,
    /// `acknowledged` before the last acknowledgement, which may not have been sent
    pub before: u64,
    /// The digests of its unacknowledged records that may be stored; None: any may be, the session did not note them.
    pub in_doubt: Option<HashSet<i64>>,
}

impl LeaseSpan {
    /// True if its documents may be in a searchd that was not asked. Asked were the one that `process` stores in, and the peers
    /// `answered`. A session that does not show its searchd may have stored in any.
    pub fn may_be_unseen(&self, process: &str, answered: &BTreeSet<String>) -> bool {
        let is_here = searchd_of(&self.session).is_some_and(|searchd| searchd_of(process) == Some(searchd));
        !is_here && self.peer.as_ref().is_none_or(|peer| !answered.contains(peer))
    }

    /// True if it may have a document of this digest.
    pub fn may_have(&self, digest: i64) -> bool {
        self.in_doubt.as_ref().is_none_or(|digests| digests.contains(&digest))
    }
}

/// The peer of each searchd that these sessions show, by its name in a session. Of several the last one counts: a searchd keeps its
/// documents under another address.
pub fn peers_of<'a>(sessions: impl Iterator<Item = &'a str>) -> HashMap<&'a str, &'a str> {
    sessions.filter_map(|session| place_of(session)?.split_once('@')).collect()
}

/// The name of a process: no other process with the same Redis has it, and it shows the searchd in which the process stores.
/// `searchd` is that searchd's name among all that use the same Redis, `peer` its address in the `peers` of the nodes, if known.
pub fn process_name(pid: u32, random: u64, searchd: &str, peer: Option<&str>) -> String {
    let searchd = format!("{:08x}", digest::of_text(searchd, 0) as u32);
    // Redis takes no other signs in the name of a client
    let is_plain = |peer: &&str| peer.bytes().all(|byte| byte.is_ascii_graphic() && !b"/@".contains(&byte));
    let peer = peer.filter(is_plain).map_or(String::new(), |peer| format!("@{peer}"));
    format!("{pid}-{random:016x}@{searchd}{peer}")
}

/// The session of documents that Redis may have forgotten with its data. They may be in any searchd, or only in that of a process.
pub fn lost_session(only_of: Option<&str>) -> String {
    only_of.and_then(place_of).map_or("lost".to_owned(), |place| format!("lost@{place}"))
}

/// Where a session or a process stores: `searchd` or `searchd@peer`; None: the name does not show it.
fn place_of(name: &str) -> Option<&str> {
    name.split('/').next()?.split_once('@').map(|(_, place)| place)
}

/// The searchd of a session or a process; None: the name does not show it.
pub fn searchd_of(name: &str) -> Option<&str> {
    place_of(name)?.split('@').next()
}

/// A stored document whose delivery the broker may redeliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    pub id: u64,
    pub digest: i64,
    /// its own docid, or that of the redelivered record that has claimed it
    pub place: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(session: &str, noted: Option<&[i64]>) -> LeaseSpan {
        let in_doubt = noted.map(|digests| digests.iter().copied().collect());
        let peer = peers_of([session].into_iter()).into_values().next().map(str::to_owned);
        LeaseSpan { first: 1, last: 9, session: session.to_owned(), peer, acknowledged: 0, before: 0, in_doubt }
    }

    #[test]
    fn documents_may_be_where_their_session_stored() {
        let name = |searchd: &str, peer| process_name(1, 2, searchd, peer);
        let session = |searchd: &str, peer| format!("{}/0/1", name(searchd, peer));
        let here = name("a/127.0.0.1:9306", Some("10.0.0.1:9312"));
        let answered = BTreeSet::from(["10.0.0.2:9312".to_owned()]);
        for (session, expected) in [
            (session("a/127.0.0.1:9306", None), false),
            (session("a/127.0.0.1:9306", Some("10.0.0.9:9312")), false),
            (session("b/127.0.0.1:9306", Some("10.0.0.2:9312")), false),
            (session("b/127.0.0.1:9306", Some("10.0.0.3:9312")), true),
            // it did not know its own address
            (session("b/127.0.0.1:9306", None), true),
            // Redis refuses such a name of a client
            (session("b/127.0.0.1:9306", Some("\u{e9}:9312")), true),
            ("12-0123456789abcdef/0/1".to_owned(), true),
            (lost_session(None), true),
            (lost_session(Some("12-0123456789abcdef")), true),
            (lost_session(Some(&here)), false),
            (lost_session(Some(&name("b/127.0.0.1:9306", Some("10.0.0.2:9312")))), false),
            (lost_session(Some(&name("b/127.0.0.1:9306", Some("10.0.0.3:9312")))), true),
        ] {
            assert_eq!(span(&session, None).may_be_unseen(&here, &answered), expected, "{session}");
        }
    }

    #[test]
    fn a_searchd_has_the_last_address_of_its_sessions() {
        let session = |searchd: &str, peer| format!("{}/0/1", process_name(1, 2, searchd, peer));
        let sessions =
            [session("a", None), session("b", Some("b:1")), session("a", Some("a:1")), session("b", Some("b:2"))];
        let peers = peers_of(sessions.iter().map(String::as_str));
        let peer = |session: &String| searchd_of(session).and_then(|searchd| peers.get(searchd)).copied();
        assert_eq!(sessions.each_ref().map(peer), [Some("a:1"), Some("b:2"), Some("a:1"), Some("b:2")]);
    }

    #[test]
    fn a_session_may_have_what_it_noted() {
        assert!(span("lost", None).may_have(7));
        assert!(span("lost", Some(&[7, 8])).may_have(7));
        assert!(!span("lost", Some(&[8])).may_have(7));
    }
}
