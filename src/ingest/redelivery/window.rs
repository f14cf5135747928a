//! The window: the docids that a session may have left unacknowledged, and those of its documents that a batch asks for. Pure.

use std::collections::{BTreeSet, HashMap};

use crate::ingest::redelivery::missing_peers::MissingPeers;
use crate::redis::stored::{LeaseSpan, StoredDocument};

/// The documents that may account for redelivered records.
#[derive(Debug)]
pub struct StoredWindow {
    window: Vec<LeaseSpan>,
    /// for each session: the docid up to which it has acknowledged, and the same before the last acknowledgement
    acknowledged: HashMap<String, (u64, u64)>,
    /// of the digests that are asked for, with a place within the window
    pub(super) documents: Vec<StoredDocument>,
    /// processes that collect from the queue, this one among them
    pub(super) processes: usize,
}

impl StoredWindow {
    pub fn new(window: Vec<LeaseSpan>, processes: usize) -> StoredWindow {
        let mut acknowledged = HashMap::new();
        for span in &window {
            let of = acknowledged.entry(span.session.clone()).or_default();
            *of = (span.acknowledged, span.before).max(*of);
        }
        StoredWindow { window, acknowledged, documents: Vec::new(), processes }
    }

    /// The first and the last docid of the window.
    pub fn docids(&self) -> Option<(u64, u64)> {
        let first = self.window.iter().map(|span| span.first).min()?;
        let last = self.window.iter().map(|span| span.last).max()?;
        Some((first, last))
    }

    /// The spans of documents that no searchd was asked for: their own is missing.
    fn unseen<'a>(&'a self, process: &'a str, missing: &'a MissingPeers) -> impl Iterator<Item = &'a LeaseSpan> {
        self.window.iter().filter(|span| span.may_be_unseen(process, &missing.answered))
    }

    /// The missing peers that may have stored redelivered records, for a process that could not ask them; empty: none of them may. A
    /// peer that has not collected of late, or never, is not among them.
    pub fn waited_for<'a>(&'a self, process: &'a str, missing: &'a MissingPeers) -> BTreeSet<&'a str> {
        let mut waited_for = BTreeSet::new();
        for span in self.unseen(process, missing) {
            match span.peer.as_deref().filter(|peer| missing.lacking.contains(*peer)) {
                Some(peer) => drop(waited_for.insert(peer)),
                // it may be any of them
                None => waited_for.extend(missing.lacking.iter().map(String::as_str)),
            }
        }
        waited_for
    }

    /// True if a redelivered record of this digest may be stored where it was not looked for.
    pub fn may_be_unseen(&self, digest: i64, process: &str, missing: &MissingPeers) -> bool {
        self.unseen(process, missing).any(|span| span.may_have(digest))
    }

    /// Adds those of the documents that may have come again.
    pub fn add(&mut self, found: impl Iterator<Item = StoredDocument>) {
        let mut found: Vec<StoredDocument> = found.filter(|found| self.span(found.place).is_some()).collect();
        self.documents.append(&mut found);
    }

    /// The span of a docid. Spans overlap where Redis has lost its data and knows less; then the one that begins last counts.
    pub(super) fn span(&self, id: u64) -> Option<&LeaseSpan> {
        self.window.iter().filter(|span| span.first <= id && id <= span.last).max_by_key(|span| span.first)
    }

    pub(super) fn is_acknowledged(&self, place: u64) -> bool {
        self.acknowledged(place).is_none_or(|(acknowledged, _)| place <= acknowledged)
    }

    /// The first docid of the last acknowledgement of a place's session, if the place is part of that acknowledgement.
    pub(super) fn last_acknowledged(&self, place: u64) -> Option<u64> {
        let (acknowledged, before) = self.acknowledged(place)?;
        (before < place && place <= acknowledged).then_some(before + 1)
    }

    /// The docid up to which the place's session has acknowledged, and the same before the last acknowledgement.
    fn acknowledged(&self, place: u64) -> Option<(u64, u64)> {
        self.acknowledged.get(&self.span(place)?.session).copied()
    }

    /// The number of workers and processes that share the redelivered records, where one may not know those of the others. Two workers
    /// of this process are reckoned at most: the others report within the look-up.
    pub(super) fn sharers(&self, threads: usize) -> usize {
        threads.min(2) * self.processes
    }

    /// By digest, in the order of their places.
    pub(super) fn by_digest(&self) -> HashMap<i64, Vec<StoredDocument>> {
        let mut documents: HashMap<i64, Vec<StoredDocument>> = HashMap::new();
        for found in &self.documents {
            documents.entry(found.digest).or_default().push(*found);
        }
        documents.values_mut().for_each(|some| some.sort_unstable_by_key(|found| found.place));
        documents
    }
}
