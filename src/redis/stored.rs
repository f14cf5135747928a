//! Stored documents whose deliveries the broker may redeliver, as Redis and searchd know them. Pure.

use std::collections::HashSet;

use crate::record::digest;

/// Docids of one session; the broker may redeliver the records of its documents.
#[derive(Clone, Debug)]
pub struct LeaseSpan {
    pub first: u64,
    pub last: u64,
    /// a name that no other session has
    pub session: String,
    /// alco has acknowledged the documents up to this docid
    pub acknowledged: u64,
    /// `acknowledged` before the last acknowledgement, which may not have been sent
    pub before: u64,
    /// The digests of its unacknowledged records that may be stored; None: any may be, the session did not note them.
    pub in_doubt: Option<HashSet<i64>>,
}

impl LeaseSpan {
    /// True if a record of this digest may be stored in another searchd than the one that `process` stores in.
    pub fn may_be_elsewhere(&self, digest: i64, process: &str) -> bool {
        let is_here = searchd_of(&self.session).is_some_and(|searchd| searchd_of(process) == Some(searchd));
        !is_here && self.in_doubt.as_ref().is_none_or(|digests| digests.contains(&digest))
    }
}

/// The name of a process: no other process with the same Redis has it, and it shows the searchd in which the process stores.
/// `searchd` is that searchd's name among all that use the same Redis.
pub fn process_name(pid: u32, random: u64, searchd: &str) -> String {
    format!("{pid}-{random:016x}@{:08x}", digest::of_text(searchd, 0) as u32)
}

/// The searchd of a session or a process; None: the name does not show it.
fn searchd_of(name: &str) -> Option<&str> {
    name.split('/').next()?.split_once('@').map(|(_, searchd)| searchd)
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

    #[test]
    fn a_record_may_be_in_a_searchd_that_another_node_has() {
        let process = |searchd: &str| process_name(1, 2, searchd);
        let check = |session: &str, noted: Option<&[i64]>, expected: bool| {
            let in_doubt = noted.map(|digests| digests.iter().copied().collect());
            let span =
                LeaseSpan { first: 1, last: 9, session: session.to_owned(), acknowledged: 0, before: 0, in_doubt };
            assert_eq!(span.may_be_elsewhere(7, &process("a/127.0.0.1:9306")), expected, "{session} {noted:?}");
        };
        check(&format!("{}/0/1", process("a/127.0.0.1:9306")), None, false);
        let other = format!("{}/0/1", process("b/127.0.0.1:9306"));
        check(&other, None, true);
        check(&other, Some(&[7, 8]), true);
        check(&other, Some(&[8]), false);
        check("12-0123456789abcdef/0/1", None, true);
        check("lost", None, true);
    }
}
