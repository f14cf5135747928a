//! Decides which redelivered records of a batch are stored already. Pure: Redis' leases and searchd's documents are arguments.
//!
//! After its death the broker marks every message that it recovers as redelivered, also one that it never delivered, and it may have
//! forgotten acknowledgements. So a redelivered record counts as stored only if there is a document of its digest within the window:
//! the docids that a session may have left unacknowledged. Each such document accounts for one record: the digests are a multiset,
//! and a document that accounts for a record is claimed.
//!
//! From then on the place of a claimed document is the docid that was meant for the record, in the session that received the record.
//! If the broker redelivers the record again, it does so with the neighbours of that place.
//!
//! Records with equal bodies have one digest, which does not show which of them are stored. Their neighbours do:
//!
//! - A batch is acknowledged as a whole, together with those after it if the records of a delivery go on there. Its docids share
//!   a block with those of no other batch. A session acknowledges its batches in their order.
//! - alco notes an acknowledgement in Redis before it sends it. So the broker certainly redelivers a record that Redis does not know
//!   as acknowledged. It redelivers an acknowledged one only if it has forgotten the acknowledgement, or if alco died before sending
//!   it; redelivered records that no other record equals must show that.
//! - A broker that dies forgets a session's latest acknowledgements: it redelivers the session's records from some place on, the
//!   session's floor. What was acknowledged last is redelivered as a whole or not at all, if only alco died.
//! - RabbitMQ (3.10) writes acknowledgements down by segments of 2048 messages. Killed between two segments, it forgets
//!   acknowledgements before and after a part in the middle. So above the floor, too, an acknowledged document that is like others
//!   accounts for a record only if its own neighbours have come again.
//! - RabbitMQ keeps the bodies of large messages apart, deletes a file of them as soon as all are acknowledged, and drops a message
//!   whose body is gone when it starts again. So of the large records whose acknowledgements it has forgotten, any may come again
//!   alone. One that has not come shows nothing about its neighbours.

pub mod missing_peers;
pub mod neighbours;
pub mod window;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use crate::ingest::redelivery::neighbours::{
    Blocks, NEIGHBOURS_LOOKED_AT, PROVING_NEIGHBOURS, Support, members_around,
};
use crate::ingest::redelivery::window::StoredWindow;
use crate::record::digest::is_kept_apart;
use crate::redis::stored::StoredDocument;
use crate::sphinx::DocId;

/// True if a batch shows by itself that it is redelivered. Any other is acknowledged together with one that follows.
pub fn is_distinctive(digests: impl Iterator<Item = i64>) -> bool {
    let mut known = HashSet::new();
    digests.filter(|digest| known.insert(*digest)).nth(DISTINCTIVE_RECORDS - 1).is_some()
}

/// The decision about the redelivered records of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// for each record the document that accounts for it
    pub stored: Vec<Option<StoredDocument>>,
    /// A document was left out, since too few of its neighbours were redelivered. Another worker may hold them and not have
    /// reported them yet.
    pub is_doubtful: bool,
}

/// The redelivered records of a queue, as far as the workers of this process know them.
#[derive(Debug, Default)]
pub struct Claims {
    /// for each session: the digests of received records that are not decided, and the number of each
    undecided: HashMap<u64, HashMap<i64, usize>>,
    /// the same for sessions that have ended, the latest last: the broker will redeliver these records
    ended: VecDeque<HashMap<i64, usize>>,
    /// the lowest place of each session that is known to be redelivered
    floors: HashMap<String, u64>,
    /// blocks of which at least a part was redelivered, of each of the last decisions
    recent: VecDeque<BTreeSet<u64>>,
    /// digests that several records have
    repeated: HashSet<i64>,
    /// the sessions that do not wait for records, each with the step at which it began that or has reported all
    busy: HashMap<u64, u64>,
    /// counts the entries into `busy`
    step: u64,
}

/// A batch with this number of different records shows by itself that it is redelivered.
const DISTINCTIVE_RECORDS: usize = 4;
/// The blocks looked at for one question. In another block, a document that no other equals is taken as the first of its block; one
/// that is like others does not account for a record.
const MAX_BLOCKS: usize = 64;
/// The distance from a recent block within which documents are looked at, in docids: a batch of few records takes a block too.
const NEAR_DOCIDS: u64 = 4 * DocId::BLOCK_LENGTH;
/// The number of decisions whose blocks are recent: two of each of eight workers.
const MAX_RECENT_DECISIONS: usize = 16;
/// Digests of repeated records that are remembered. One that is forgotten is learnt again as soon as it repeats.
const MAX_REPEATED_DIGESTS: usize = 10_000;
/// The number of ended sessions whose redelivered digests are remembered.
const MAX_ENDED_SESSIONS: usize = 16;

impl Claims {
    /// Notes that the session has received a redelivered record.
    pub fn came(&mut self, session: u64, digest: i64) {
        let count = self.undecided.entry(session).or_default().entry(digest).or_default();
        *count += 1;
        if *count > 1 {
            self.note_repeated(digest);
        }
    }

    fn note_repeated(&mut self, digest: i64) {
        if self.repeated.len() >= MAX_REPEATED_DIGESTS {
            self.repeated.clear();
        }
        self.repeated.insert(digest);
    }

    /// Notes that the session does not wait for records: those that it receives are not known here until it reports them.
    pub fn busy(&mut self, session: u64) {
        self.step += 1;
        self.busy.insert(session, self.step);
    }

    /// Notes that a busy session has reported all records that it received.
    pub fn reported(&mut self, session: u64) {
        if self.busy.contains_key(&session) {
            self.busy(session);
        }
    }

    pub fn idle(&mut self, session: u64) {
        self.busy.remove(&session);
    }

    pub fn step(&self) -> u64 {
        self.step
    }

    /// True if all other sessions have reported the records that they had received at that step.
    pub fn have_others_reported(&self, session: u64, step: u64) -> bool {
        self.busy.iter().all(|(other, reported)| *other == session || *reported > step)
    }

    /// Notes that these of the session's records are decided.
    pub fn decided(&mut self, session: u64, digests: &[i64]) {
        let Some(undecided) = self.undecided.get_mut(&session) else { return };
        for digest in digests {
            match undecided.get_mut(digest) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(undecided.remove(digest)),
            }
        }
    }

    /// Notes that a session has ended: the floors have to be learnt again.
    pub fn end(&mut self, session: u64) {
        self.idle(session);
        self.ended.extend(self.undecided.remove(&session));
        self.ended.drain(..self.ended.len().saturating_sub(MAX_ENDED_SESSIONS));
        self.floors.clear();
        self.recent.clear();
    }

    /// Notes the digests that several of the documents have. Returns the blocks whose members `learn` needs.
    pub fn doubtful(&mut self, past: &StoredWindow) -> BTreeSet<u64> {
        let mut known = HashSet::new();
        past.documents
            .iter()
            .filter(|found| !known.insert(found.digest))
            .for_each(|found| self.note_repeated(found.digest));
        let is_doubtful = |found: &&StoredDocument| {
            self.is_unique(found) && past.is_acknowledged(found.place) && !self.is_known_to_come(past, found.place)
        };
        first_blocks(past.documents.iter().filter(is_doubtful))
    }

    /// Learns from documents that no other equals where each session's floor is, and which blocks were redelivered. Returns the
    /// blocks whose members `decide` needs in addition.
    pub fn learn(&mut self, past: &StoredWindow, blocks: &Blocks, threads: usize) -> BTreeSet<u64> {
        let came = self.came_digests();
        let mut recent = BTreeSet::new();
        for found in &past.documents {
            if !self.is_unique(found) {
                continue;
            }
            let is_acknowledged = past.is_acknowledged(found.place);
            let is_proof = !is_acknowledged
                || self.is_known_to_come(past, found.place)
                || Support::before(found.place, blocks, &came).proves(past.sharers(threads));
            if !is_proof {
                continue;
            }
            recent.insert(DocId::block(found.place));
            if let (true, Some(span)) = (is_acknowledged, past.span(found.place)) {
                let begins = past.last_acknowledged(found.place).unwrap_or(DocId::block(found.place));
                let floor = self.floors.entry(span.session.clone()).or_insert(begins);
                *floor = begins.min(*floor);
            }
        }
        if !recent.is_empty() {
            self.recent.push_back(recent);
            self.recent.drain(..self.recent.len().saturating_sub(MAX_RECENT_DECISIONS));
        }
        let is_like_others = |found: &&StoredDocument| {
            !self.is_unique(found)
                && past.is_acknowledged(found.place)
                && self.is_known_to_come(past, found.place)
                && self.is_near_recent(DocId::block(found.place))
        };
        first_blocks(past.documents.iter().filter(is_like_others))
    }

    /// Whether a document that is like others was redelivered, by its nearest neighbours.
    fn neighbours_came(
        &self,
        past: &StoredWindow,
        found: &StoredDocument,
        blocks: &Blocks,
        came: &HashSet<i64>,
    ) -> bool {
        let per_side = if past.processes == 1 { PROVING_NEIGHBOURS } else { NEIGHBOURS_LOOKED_AT };
        let others = members_around(found.place, blocks).iter().filter(|member| member.digest != found.digest);
        // where all are large, the nearest of them are the evidence that there is
        let is_any_taken = past.processes > 1 || others.clone().all(|member| is_kept_apart(member.digest));
        let others = || others.clone().filter(|member| is_any_taken || member.is_evidence(came));
        let before = || others().rev().skip_while(|member| member.at >= found.place).take(per_side);
        let after = others().skip_while(|member| member.at <= found.place).take(per_side);
        let mut support = Support::of(before().chain(after), came);
        let block_before = DocId::block(found.place).saturating_sub(DocId::BLOCK_LENGTH);
        if before().next().is_none() && self.recent.iter().any(|recent| recent.contains(&block_before)) {
            // the block before stands for neighbours that this one lacks
            support = Support { looked_at: support.looked_at + per_side, came: support.came + per_side };
        }
        match past.processes {
            1 => support.is_enough(1),
            // the records that other processes received are not known here
            _ => support.came > 0 || support.looked_at < PROVING_NEIGHBOURS,
        }
    }

    fn is_near_recent(&self, block: u64) -> bool {
        let near = block.saturating_sub(NEAR_DOCIDS)..=block + NEAR_DOCIDS;
        self.recent.iter().any(|recent| recent.range(near.clone()).next().is_some())
    }

    /// Whether no other record is known to equal a document's.
    fn is_unique(&self, found: &StoredDocument) -> bool {
        !self.repeated.contains(&found.digest)
    }

    fn came_digests(&self) -> HashSet<i64> {
        self.undecided.values().chain(&self.ended).flat_map(HashMap::keys).copied().collect()
    }

    fn is_known_to_come(&self, past: &StoredWindow, place: u64) -> bool {
        past.span(place).and_then(|span| self.floors.get(&span.session)).is_some_and(|floor| place >= *floor)
    }

    /// For each digest of a session's redelivered records, in order, the document that accounts for it.
    pub fn decide(&mut self, redelivered: &[i64], past: &StoredWindow, blocks: &Blocks, threads: usize) -> Verdict {
        let came = self.came_digests();
        let mut documents = past.by_digest();
        let (mut accounts, mut unsupported, mut is_doubtful) = (HashSet::new(), HashSet::new(), false);
        for found in &past.documents {
            let StoredDocument { place, digest, .. } = found;
            let is_supported = if !past.is_acknowledged(*place) {
                true
            } else if !self.is_unique(found) {
                let has_come = self.is_known_to_come(past, *place)
                    && blocks.contains_key(&DocId::block(*place))
                    && self.neighbours_came(past, found, blocks, &came);
                if !has_come {
                    unsupported.insert(*digest);
                }
                has_come
            } else if self.is_known_to_come(past, *place) {
                true
            } else {
                // only this process's share of them is known here, and some of its workers may not have reported yet
                let sharers = past.sharers(threads);
                let is_enough = Support::before(*place, blocks, &came).is_enough(sharers)
                    || Support::after(*place, blocks, &came).proves(sharers);
                is_doubtful |= !is_enough && past.processes == 1;
                // the records that other processes received are not known here
                is_enough || past.processes > 1
            };
            if is_supported {
                accounts.insert(*place);
            }
        }
        // a document of the last acknowledgement waits for its neighbours
        is_doubtful |= past
            .documents
            .iter()
            .any(|found| past.last_acknowledged(found.place).is_some() && !self.is_known_to_come(past, found.place));
        for some in documents.values_mut() {
            some.retain(|found| accounts.contains(&found.place));
            some.reverse();
        }
        let stored: Vec<Option<StoredDocument>> =
            redelivered.iter().map(|digest| documents.get_mut(digest)?.pop()).collect();
        is_doubtful |=
            redelivered.iter().zip(&stored).any(|(digest, stored)| stored.is_none() && unsupported.contains(digest));
        Verdict { stored, is_doubtful }
    }
}

/// The blocks of these documents, at most `MAX_BLOCKS` of them.
fn first_blocks<'a>(documents: impl Iterator<Item = &'a StoredDocument>) -> BTreeSet<u64> {
    let blocks: BTreeSet<u64> = documents.map(|found| DocId::block(found.place)).collect();
    blocks.into_iter().take(MAX_BLOCKS).collect()
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::redelivery::neighbours::{BlockMember, members};
    use crate::redis::stored::LeaseSpan;

    const EQUAL: i64 = -1;
    const ONE: u64 = DocId::BLOCK_LENGTH;
    const TWO: u64 = 2 * DocId::BLOCK_LENGTH;
    const THREE: u64 = 3 * DocId::BLOCK_LENGTH;
    const FOUR: u64 = 4 * DocId::BLOCK_LENGTH;

    /// A session that has stored up to three batches, acknowledged up to `acknowledged`, and before its last
    /// acknowledgement up to `before`.
    fn acknowledged(acknowledged: u64, before: u64) -> Vec<LeaseSpan> {
        vec![LeaseSpan {
            first: ONE,
            last: THREE + DocId::BLOCK_LENGTH - 1,
            session: "a".to_owned(),
            acknowledged,
            before,
            in_doubt: None,
            peer: None,
        }]
    }

    /// It has acknowledged the first.
    fn window() -> Vec<LeaseSpan> {
        acknowledged(TWO - 1, TWO - 1)
    }

    fn unclaimed((id, digest): (u64, i64)) -> StoredDocument {
        StoredDocument { id, digest, place: id }
    }

    /// Records with these numbers and above are large.
    const LARGE: i64 = 100;

    fn digest(number: i64) -> i64 {
        number << 1 | i64::from(number >= LARGE)
    }

    /// The docids of the documents that account for the redelivered records, given by their numbers.
    fn stored(documents: &[(u64, i64)], again: &[i64]) -> Vec<Option<u64>> {
        stored_within(window(), documents, again)
    }

    fn stored_within(window: Vec<LeaseSpan>, documents: &[(u64, i64)], again: &[i64]) -> Vec<Option<u64>> {
        let documents = documents.iter().map(|(id, number)| unclaimed((*id, digest(*number))));
        let again: Vec<i64> = again.iter().copied().map(digest).collect();
        let mut past = StoredWindow::new(window, 1);
        past.add(documents.clone().filter(|found| again.contains(&found.digest)));
        let of = |block| documents.clone().filter(move |found| DocId::block(found.id) == block);
        let blocks = Blocks::from([ONE, TWO, THREE].map(|block| (block, members(of(block), std::iter::empty()))));
        let mut claims = Claims::default();
        again.iter().for_each(|digest| claims.came(1, *digest));
        claims.learn(&past, &blocks, 1);
        let verdict = claims.decide(&again, &past, &blocks, 1);
        verdict.stored.into_iter().map(|found| Some(found?.id)).collect()
    }

    #[test]
    fn each_document_accounts_for_one_redelivered_record() {
        let documents = [(TWO, 1), (TWO + 1, EQUAL), (TWO + 2, EQUAL), (TWO + 3, 2)];
        let again = [1, EQUAL, EQUAL, 2, EQUAL, 3];
        assert_eq!(stored(&documents, &again), [Some(TWO), Some(TWO + 1), Some(TWO + 2), Some(TWO + 3), None, None]);
    }

    #[test]
    fn an_acknowledged_document_does_not_account_for_equals() {
        let documents = [(ONE, 1), (ONE + 1, 2), (ONE + 2, EQUAL), (ONE + 3, 3), (TWO, 4)];
        assert_eq!(stored(&documents, &[4, EQUAL, 5]), [Some(TWO), None, None]);
        // it has come again together with those before it, acknowledged or not
        assert_eq!(
            stored(&documents, &[1, 2, EQUAL, 3, 4, EQUAL]),
            [Some(ONE), Some(ONE + 1), Some(ONE + 2), Some(ONE + 3), Some(TWO), None]
        );
    }

    #[test]
    fn the_last_acknowledgement_comes_again_whole_or_not() {
        let documents = [(ONE, EQUAL), (TWO, EQUAL), (THREE, 1), (THREE + 1, EQUAL), (THREE + 2, 2), (THREE + 3, 3)];
        let sent_with_two = acknowledged(THREE + 3, TWO - 1);
        assert_eq!(
            stored_within(sent_with_two.clone(), &documents, &[EQUAL, 1, EQUAL, 2, 3, EQUAL]),
            [Some(TWO), Some(THREE), Some(THREE + 1), Some(THREE + 2), Some(THREE + 3), None]
        );
        assert_eq!(stored_within(sent_with_two, &documents, &[EQUAL, 4, EQUAL]), [None; 3]);
        // what was not acknowledged comes again for certain, with or without records that show it
        let only_one = acknowledged(TWO - 1, 0);
        assert_eq!(stored_within(only_one, &documents, &[EQUAL, EQUAL]), [Some(TWO), Some(THREE + 1)]);
    }

    #[test]
    fn a_large_record_that_stays_away_shows_nothing() {
        let (large, other, third) = (LARGE, LARGE + 1, LARGE + 2);
        let all_large = [(ONE, large), (ONE + 1, other), (ONE + 2, third)];
        assert_eq!(stored(&all_large, &[other]), [Some(ONE + 1)]);
        assert_eq!(stored(&all_large, &[third, 1]), [Some(ONE + 2), None]);
        // the broker has every small one that it has not dropped with its acknowledgement
        let mixed = [(ONE, 1), (ONE + 1, large), (ONE + 2, 2), (ONE + 3, other), (ONE + 4, 3)];
        assert_eq!(stored(&mixed, &[other]), [None]);
        assert_eq!(stored(&mixed, &[1, 2, 3]), [Some(ONE), Some(ONE + 2), Some(ONE + 4)]);
        assert_eq!(stored(&mixed, &[1, 2, other, 3]), [Some(ONE), Some(ONE + 2), Some(ONE + 3), Some(ONE + 4)]);
    }

    #[test]
    fn few_different_records_are_not_distinctive() {
        for (digests, expected) in [
            (&[][..], false),
            (&[EQUAL], false),
            (&[1, 2, 3], false),
            (&[1, EQUAL, 1, 2, EQUAL, 2], false),
            (&[1, 2, 3, 4], true),
            (&[EQUAL, EQUAL, 1, 1, 2, 3], true),
        ] {
            assert_eq!(is_distinctive(digests.iter().copied()), expected, "{digests:?}");
        }
    }

    #[test]
    fn a_busy_worker_reports_and_a_waiting_one_has() {
        let mut claims = Claims::default();
        claims.busy(1);
        claims.busy(2);
        claims.busy(3);
        let step = claims.step();
        assert!(!claims.have_others_reported(1, step));
        claims.reported(2);
        assert!(!claims.have_others_reported(1, step));
        claims.idle(3);
        claims.reported(3);
        assert!(claims.have_others_reported(1, step) && !claims.have_others_reported(2, step));
        claims.busy(3);
        assert!(claims.have_others_reported(1, step), "it has waited meanwhile");
        assert!(!claims.have_others_reported(1, claims.step()));
        claims.end(2);
        claims.end(3);
        assert!(claims.have_others_reported(1, claims.step()));
    }

    #[test]
    fn a_claimed_document_is_redelivered_with_its_claimer() {
        let documents = [StoredDocument { id: TWO, digest: EQUAL, place: FOUR }, unclaimed((TWO + 1, 1))];
        let mut past = StoredWindow::new(window(), 1);
        past.add(documents.into_iter());
        assert_eq!(past.documents, documents[1..], "that session is live");
        let mut both = window();
        both.push(LeaseSpan {
            first: FOUR,
            last: FOUR + 9,
            session: "b".to_owned(),
            acknowledged: 0,
            before: 0,
            in_doubt: None,
            peer: None,
        });
        let mut past = StoredWindow::new(both, 1);
        past.add(documents.into_iter());
        assert_eq!(past.documents, documents);
        let member = |at, digest, came| BlockMember { at, digest, came };
        let two = members(documents.into_iter(), std::iter::empty());
        assert_eq!(two, [member(TWO, EQUAL, true), member(TWO + 1, 1, false)]);
        assert_eq!(members(std::iter::empty(), documents[..1].iter().copied()), [member(FOUR, EQUAL, false)]);
    }
}
