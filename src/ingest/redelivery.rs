//! What of a redelivered batch is already stored. Pure: told what searchd found.
//!
//! After the broker's death every message it recovers is marked redelivered, delivered before or not. So a redelivered
//! record is taken as stored only if there is a document of its digest under a lease that has ended, and each such
//! document accounts for one record: the digests are a multiset, and a document once taken is claimed.

use std::collections::HashMap;

/// Documents claimed by redelivered records, and the session each of them came on. The claims of a session end with it:
/// what was acknowledged on it may come again.
#[derive(Debug, Default)]
pub struct Claims(HashMap<u64, u64>);

impl Claims {
    /// For each digest of a redelivered record, in order, whether it is stored already. `found` are documents
    /// (docid, digest) under leases that have ended.
    pub fn stored(
        &mut self,
        session: u64,
        redelivered: &[i64],
        found: impl IntoIterator<Item = (u64, i64)>,
    ) -> Vec<bool> {
        let mut free: HashMap<i64, Vec<u64>> = HashMap::new();
        for (id, digest) in found {
            if !self.0.contains_key(&id) {
                free.entry(digest).or_default().push(id);
            }
        }
        let mut claim = |digest| match free.get_mut(digest).and_then(Vec::pop) {
            Some(id) => self.0.insert(id, session).is_none(),
            None => false,
        };
        redelivered.iter().map(&mut claim).collect()
    }

    pub fn end(&mut self, session: u64) {
        self.0.retain(|_, holder| *holder != session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_accounts_for_one_redelivered_record() {
        let mut claims = Claims::default();
        let found = [(1, 7), (2, 7), (3, 8)];
        assert_eq!(claims.stored(1, &[7, 9, 7, 7, 8], found), [true, false, true, false, true]);
        assert_eq!(claims.stored(1, &[7, 8], found), [false, false], "claimed before");
        assert_eq!(claims.stored(2, &[7], found), [false], "claimed on another session");
        assert_eq!(claims.stored(2, &[7], [(4, 7)]), [true]);
        claims.end(1);
        assert_eq!(claims.stored(2, &[7, 7, 7], [(1, 7), (2, 7), (4, 7)]), [true, true, false]);
    }
}
