//! What of a redelivered batch is already stored. Pure: told what searchd found.
//!
//! After the broker's death every message it recovers is marked redelivered, delivered before or not, and it may have
//! forgotten acknowledgements. So a redelivered record is taken as stored only if there is a document of its digest within
//! the window: docids that a session may have left unacknowledged. Each such document accounts for one record: the digests
//! are a multiset, and a document once taken is claimed.
//!
//! Records with equal bodies have one digest, and which of them are stored the digest does not tell. Their neighbours do:
//! a session acknowledges in the order of its docids, so what comes again of it is all from some docid on, its floor, to its
//! last. The records that are like no other show where the floor is, and of equal ones only documents from there on count;
//! where no such record has come, those without a gap up to the session's last.

use std::collections::{HashMap, HashSet};

/// Docids of one session, whose documents the broker may hand out again.
#[derive(Clone, Debug)]
pub struct Span {
    pub first: u64,
    pub last: u64,
    /// unlike that of any other session
    pub session: String,
}

/// What may have come again.
#[derive(Debug, Default)]
pub struct Past {
    pub window: Vec<Span>,
    /// within the window, of the digests that are asked for: docid and digest
    pub documents: Vec<(u64, i64)>,
    /// the highest docid stored of sessions that are `undecided`
    pub last: HashMap<String, u64>,
}

/// What the workers of a queue know of its redelivered records.
#[derive(Debug, Default)]
pub struct Claims {
    /// documents claimed by redelivered records, and the session each of them came on
    taken: HashMap<u64, u64>,
    /// the lowest docid of each session that is known to have come again
    floors: HashMap<String, u64>,
}

/// A batch's redelivered records, beside the documents found for them.
struct Match<'a> {
    window: &'a [Span],
    /// records by digest
    records: HashMap<i64, usize>,
    /// docids by digest, ascending
    documents: HashMap<i64, Vec<u64>>,
    ids: HashSet<u64>,
}

impl<'a> Match<'a> {
    fn new(redelivered: &[i64], past: &'a Past) -> Match<'a> {
        let mut records = HashMap::new();
        for digest in redelivered {
            *records.entry(*digest).or_default() += 1;
        }
        let mut documents: HashMap<i64, Vec<u64>> = HashMap::new();
        for (id, digest) in &past.documents {
            documents.entry(*digest).or_default().push(*id);
        }
        documents.values_mut().for_each(|ids| ids.sort_unstable());
        let ids = past.documents.iter().map(|(id, _)| *id).collect();
        Match { window: &past.window, records, documents, ids }
    }

    fn documents(&self, digest: i64) -> &[u64] {
        self.documents.get(&digest).map_or(&[], Vec::as_slice)
    }

    /// One record, and one document or none: no doubt about it.
    fn is_certain(&self, digest: i64) -> bool {
        self.records.get(&digest) == Some(&1) && self.documents(digest).len() <= 1
    }

    /// The lowest docid from which on there is a document for each up to that one, which is one of them.
    fn run_to(&self, id: u64) -> u64 {
        let mut first = id;
        while self.ids.contains(&(first - 1)) {
            first -= 1;
        }
        first
    }

    /// The span of a docid: where they overlap, since a Redis that lost its data knows less, the one that begins last.
    fn span(&self, id: u64) -> Option<&'a Span> {
        self.window.iter().filter(|span| span.first <= id && id <= span.last).max_by_key(|span| span.first)
    }
}

impl Claims {
    /// For each digest of a redelivered record, in order, whether it is stored already.
    pub fn stored(&mut self, session: u64, redelivered: &[i64], past: &Past) -> Vec<bool> {
        self.learn(redelivered, past);
        let matched = Match::new(redelivered, past);
        let runs: HashMap<&str, u64> = past
            .last
            .iter()
            .filter(|(_, last)| matched.ids.contains(last))
            .map(|(session, last)| (session.as_str(), matched.run_to(*last)))
            .collect();
        let floor = |session: &str| self.floors.get(session).or_else(|| runs.get(session));
        let counts =
            |id: u64| matched.span(id).is_some_and(|span| floor(&span.session).is_some_and(|floor| id >= *floor));
        let mut claim = |digest: i64| {
            let certain = matched.is_certain(digest);
            let free = matched.documents(digest).iter().filter(|id| !self.taken.contains_key(id));
            let chosen = free.copied().find(|id| certain || counts(*id));
            chosen.is_some_and(|id| self.taken.insert(id, session).is_none())
        };
        redelivered.iter().map(|digest| claim(*digest)).collect()
    }

    /// Sessions whose last document has to be known to decide about equal records: first and last docid of each.
    pub fn undecided(&self, redelivered: &[i64], past: &Past) -> HashMap<String, (u64, u64)> {
        let matched = Match::new(redelivered, past);
        let doubtful = past.documents.iter().filter(|(_, digest)| !matched.is_certain(*digest));
        let unknown = doubtful
            .filter_map(|(id, _)| Some(&matched.span(*id)?.session))
            .filter(|session| !self.floors.contains_key(*session));
        let wanted: HashSet<&String> = unknown.collect();
        let mut sessions: HashMap<String, (u64, u64)> = HashMap::new();
        for span in past.window.iter().filter(|span| wanted.contains(&span.session)) {
            let (first, last) = sessions.entry(span.session.clone()).or_insert((span.first, span.last));
            (*first, *last) = (span.first.min(*first), span.last.max(*last));
        }
        sessions
    }

    /// Notes what certainly comes again. Workers that share a queue tell each other so before any of them decides.
    pub fn learn(&mut self, redelivered: &[i64], past: &Past) {
        let matched = Match::new(redelivered, past);
        for digest in redelivered.iter().filter(|digest| matched.is_certain(**digest)) {
            let Some(id) = matched.documents(*digest).first() else { continue };
            let Some(span) = matched.span(*id) else { continue };
            // equal ones directly before it came with it
            let floor = matched.run_to(*id);
            let known = self.floors.entry(span.session.clone()).or_insert(floor);
            *known = floor.min(*known);
        }
    }

    /// Ends a session's claims: what was acknowledged on it may come again, and from where on has to be learnt anew.
    pub fn end(&mut self, session: u64) {
        self.taken.retain(|_, holder| *holder != session);
        self.floors.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Documents of two sessions, "a" with docids 1 to 9 and "b" from 11 on; all that is stored.
    fn past(documents: &[(u64, i64)]) -> Past {
        let span = |first, last, session: &str| Span { first, last, session: session.to_owned() };
        Past {
            window: vec![span(1, 5, "a"), span(6, 9, "a"), span(11, 19, "b")],
            documents: documents.to_vec(),
            last: HashMap::from([("a".to_owned(), 9), ("b".to_owned(), 14)]),
        }
    }

    const EQUAL: i64 = 7;

    #[test]
    fn each_document_accounts_for_one_redelivered_record() {
        let mut claims = Claims::default();
        let stored = past(&[(7, EQUAL), (8, EQUAL), (9, 10)]);
        assert_eq!(claims.stored(1, &[EQUAL, EQUAL, EQUAL, 99], &stored), [true, true, false, false]);
        assert_eq!(claims.stored(1, &[EQUAL, 10], &stored), [false, true], "claimed before");
        assert_eq!(claims.stored(2, &[EQUAL], &stored), [false], "claimed on another session");
        claims.end(1);
        assert_eq!(claims.stored(2, &[EQUAL, 10, EQUAL], &stored), [true, true, true]);
    }

    #[test]
    fn equal_records_count_from_the_first_on_that_certainly_came_again() {
        // the equal ones are 2, 5 and 8; from 4 on they come again
        let mut claims = Claims::default();
        let stored = past(&[(2, EQUAL), (5, EQUAL), (8, EQUAL), (4, 104), (6, 106)]);
        assert_eq!(claims.stored(1, &[104, EQUAL, 106], &stored), [true, true, true]);
        // one more of them is stored, and one was never delivered before
        let stored = past(&[(2, EQUAL), (5, EQUAL), (8, EQUAL)]);
        assert_eq!(claims.stored(1, &[EQUAL, 110, EQUAL], &stored), [true, false, false]);
        // another worker of the queue knows it too
        assert_eq!(claims.stored(2, &[EQUAL], &stored), [false]);
    }

    #[test]
    fn equal_records_right_before_the_first_that_certainly_came_again_came_with_it() {
        let stored = past(&[(1, EQUAL), (4, EQUAL), (5, EQUAL), (6, 106)]);
        let again = [EQUAL, EQUAL, 106, EQUAL];
        assert_eq!(Claims::default().stored(1, &again, &stored), [true, true, true, false]);
    }

    #[test]
    fn where_nothing_certainly_came_again_equal_records_count_that_end_what_is_stored_of_a_session() {
        // 12 is another record, and 11 therefore acknowledged for good; of the first session 9 was, and so were all
        let mut stored = past(&[(3, EQUAL), (8, EQUAL), (11, EQUAL), (13, EQUAL), (14, EQUAL)]);
        let mut claims = Claims::default();
        let sessions = [("a".to_owned(), (1, 9)), ("b".to_owned(), (11, 19))];
        assert_eq!(claims.undecided(&[EQUAL, 99], &stored), HashMap::from(sessions));
        assert_eq!(claims.stored(1, &[EQUAL, 99, EQUAL, EQUAL], &stored), [true, false, true, false]);
        // a session whose floor is known is decided
        stored.documents.push((5, 105));
        claims.learn(&[105], &stored);
        assert_eq!(claims.undecided(&[EQUAL], &stored).into_keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(claims.stored(1, &[EQUAL, EQUAL], &stored), [true, false]);
    }
}
