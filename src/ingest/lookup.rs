//! Asks searchd and Redis which redelivered records of a batch are stored already; `redelivery` decides by the answers.
//! Invariant: a record is marked as stored only after its document is claimed for it in Redis.
//!
//! With peers, searchd asks theirs too. A redelivered record that is not found is stored at once only if each searchd in which a
//! session of the window has stored was asked. A lease shows where its session stores: so a peer that has never collected, or not of
//! late, is not waited for. Where that is not known (Redis has lost its data, or the node's own `peers` do not name it), it may be any
//! peer. While one that may have stored a redelivered record does not answer, the worker waits; after `redelivery_wait` it marks the
//! record as one that may be stored twice.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::ingest::batch::FullBatch;
use crate::ingest::docids::Docids;
use crate::ingest::entry::Fate;
use crate::ingest::inbox::{Inbox, SETTLE};
use crate::ingest::redelivery::Verdict;
use crate::ingest::redelivery::missing_peers::MissingPeers;
use crate::ingest::redelivery::neighbours::{self, Blocks};
use crate::ingest::redelivery::window::StoredWindow;
use crate::ingest::servers::{Servers, Stop, now};
use crate::ingest::shared::IndexShared;
use crate::metrics::peer_waits::PeerWait;
use crate::redis::stored::StoredDocument;
use crate::sphinx::DocId;
use crate::sphinx::client::{Engine, Fault, Row};
use crate::sphinx::conf::agent_names;
use crate::sphinx::dialect::inserting_thread;
use crate::sphinx::statement;

/// The time that a busy worker has to report the records that it received; one that waits for searchd may need longer.
const REPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Documents that a look-up asks for at a time: searchd sets room for them aside in every day index.
const MAX_DOCUMENTS: usize = 2000;
/// Digests in a question: searchd of a peer refuses a filter of more than 4096 values.
const MAX_DIGESTS: usize = 2000;
/// Look-ups that miss a peer belong to one absence if the time between them is not longer. A look-up of many blocks may take long:
/// each question waits for the peer.
const SAME_ABSENCE: Duration = Duration::from_secs(60);
/// The time between two looks at whether the missing peers answer.
const LOOK: Duration = Duration::from_secs(1);

/// A look-up, with the parts of the worker that it needs.
pub(super) struct Lookup<'a> {
    pub(super) shared: &'a IndexShared,
    pub(super) docids: &'a mut Docids,
    pub(super) servers: &'a mut Servers,
    pub(super) inbox: &'a mut Inbox,
    pub(super) absence: &'a mut Absence,
}

/// Peers whose searchd did not answer look-ups. It is waited for once, and not for each batch.
#[derive(Debug, Default)]
pub(super) struct Absence {
    /// of the first and the last look-up that a peer missed, without one between them that all answered
    times: Option<(Instant, Instant)>,
}

impl Absence {
    /// The time since when look-ups have missed a peer.
    fn since(&mut self, now: Instant) -> Instant {
        let (since, _) = self.times.filter(|(_, last)| now.duration_since(*last) <= SAME_ABSENCE).unwrap_or((now, now));
        self.times = Some((since, now));
        since
    }
}

/// The decision about redelivered records, by the answers that came.
struct Decision {
    verdict: Verdict,
    past: StoredWindow,
    /// peers whose documents are missing, if some of the window may be there
    missing: Option<MissingPeers>,
}

impl Lookup<'_> {
    /// Marks the redelivered records that are stored already: one look-up for the whole batch, none in normal running.
    pub(super) fn drop_stored(&mut self, full: &mut FullBatch) -> Result<(), Stop> {
        let entries = &full.entries;
        let again: Vec<usize> = (0..entries.len()).filter(|at| entries[*at].delivery.redelivered).collect();
        if again.is_empty() {
            return Ok(());
        }
        if !self.inbox.is_settled() {
            self.settle()?;
        }
        let digests: Vec<i64> = again.iter().map(|at| entries[*at].digest).collect();
        let mut has_waited = false;
        loop {
            let Decision { verdict: Verdict { stored, is_doubtful }, past, missing } = self.decide(&digests)?;
            if is_doubtful && !has_waited {
                self.wait_for_others()?;
                has_waited = true;
                continue;
            }
            if missing.is_none() {
                self.absence.times = None;
            }
            let process = &self.shared.process;
            let may_be_unseen =
                |digest| missing.as_ref().is_some_and(|missing| past.may_be_unseen(digest, process, missing));
            let is_in_doubt = |(digest, stored): (&i64, &Option<_>)| stored.is_none() && may_be_unseen(*digest);
            let in_doubt: Vec<bool> = digests.iter().zip(&stored).map(is_in_doubt).collect();
            if let Some(missing) = missing.filter(|_| in_doubt.contains(&true)) {
                let waits = self.wait_for_peers(&missing, &past, (&digests, entries.len()));
                self.servers.note_peer_wait(None);
                if waits? {
                    continue;
                }
            }
            let stored = again.iter().zip(stored).filter_map(|(at, found)| Some((*at, found?)));
            let stored: Vec<(usize, StoredDocument)> = stored.collect();
            let claims: Vec<(StoredDocument, u64)> =
                stored.iter().map(|(at, found)| (*found, full.entries[*at].id.get())).collect();
            if self.servers.ask_redis(|redis| redis.claim(&self.shared.index.name, &claims))? {
                stored.into_iter().for_each(|(at, _)| full.entries[at].fate = Fate::Stored);
                let doubtful = again.iter().zip(in_doubt).filter(|(_, in_doubt)| *in_doubt);
                doubtful.for_each(|(at, _)| full.mark_doubtful(*at));
                self.inbox.decided(&digests);
                return Ok(());
            }
        }
    }

    /// Waits until the other workers have reported the records that the broker has sent to them up to a moment ago.
    fn wait_for_others(&mut self) -> Result<(), Stop> {
        self.servers.wait(SETTLE / 10)?;
        let (begun, step) = (Instant::now(), self.inbox.claims().step());
        loop {
            self.inbox.listen()?;
            if begun.elapsed() > REPORT_TIMEOUT || self.inbox.have_others_reported(step) {
                return Ok(());
            }
            self.servers.wait(SETTLE / 100)?;
        }
    }

    /// Waits until all peers that may have stored the batch's records answer. Returns false if they have not for `redelivery_wait`.
    /// `batch`: the redelivered digests, and the number of all records.
    fn wait_for_peers(
        &mut self,
        missing: &MissingPeers,
        past: &StoredWindow,
        batch: (&[i64], usize),
    ) -> Result<bool, Stop> {
        let wait = self.shared.config.rabbitmq.redelivery_wait;
        let since = self.absence.since(Instant::now());
        let (index, why) = (&self.shared.index.name, &missing.why);
        if since.elapsed() >= wait {
            log::warn!("{index}: redelivered records may be stored twice, as their alco_error shows: {why}");
            return Ok(false);
        }
        let (process, (digests, records)) = (&self.shared.process, batch);
        let peers: BTreeSet<String> = past.waited_for(process, missing).into_iter().map(str::to_owned).collect();
        log::warn!("{index}: redelivered records wait for a node that may have stored them: {why}");
        let left = i64::try_from(wait.saturating_sub(since.elapsed()).as_micros()).unwrap_or(0);
        let until = now().plus_micros(left);
        // documents of no digest: the answer shows only which peers are there
        let question = statement::by_digest(index, &digests[..1], 1, 1, 1);
        while since.elapsed() < wait {
            self.inbox.listen()?;
            let records = records + self.inbox.len();
            self.servers.note_peer_wait(Some(PeerWait { records, peers: peers.clone(), until }));
            self.servers.wait(LOOK.min(wait))?;
            let (_, missing) = self.select(&question)?;
            self.absence.since(Instant::now());
            if missing.is_none_or(|missing| past.waited_for(process, &missing).is_empty()) {
                self.absence.times = None;
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// The rows that all searchd have, and the peers whose rows may be missing.
    fn select(&mut self, question: &str) -> Result<(Vec<Row>, Option<MissingPeers>), Stop> {
        let (index, sphinx) = (&self.shared.index.name, &self.shared.config.sphinx);
        self.servers.ask_searchd(|engine| {
            let rows = engine.select(question)?;
            let warnings = if sphinx.peers.is_empty() { Vec::new() } else { engine.warnings()? };
            if warnings.is_empty() {
                return Ok((rows, None));
            }
            let described = engine.describe(index.as_str())?;
            let asks = |peer: &str| {
                let mut names = agent_names(sphinx, index).filter(|(named, _)| *named == peer);
                names.any(|(_, name)| described.agents().any(|asked| asked == name))
            };
            Ok((rows, Some(MissingPeers::of(&warnings, &sphinx.peers, asks))))
        })
    }

    fn decide(&mut self, digests: &[i64]) -> Result<Decision, Stop> {
        let (past, missing) = self.find(digests)?;
        let threads = self.shared.index.threads;
        let mut blocks = Blocks::new();
        let doubtful = self.inbox.claims().doubtful(&past);
        let missing = both(missing, self.read_blocks(doubtful, &mut blocks)?);
        let like_others = self.inbox.claims().learn(&past, &blocks, threads);
        let missing = both(missing, self.read_blocks(like_others, &mut blocks)?);
        let missing = missing.filter(|missing| !past.waited_for(&self.shared.process, missing).is_empty());
        let verdict = self.inbox.claims().decide(digests, &past, &blocks, threads);
        Ok(Decision { verdict, past, missing })
    }

    /// Reads the members of the blocks that are not known yet. Returns the peers whose members may be missing.
    fn read_blocks(&mut self, wanted: BTreeSet<u64>, blocks: &mut Blocks) -> Result<Option<MissingPeers>, Stop> {
        let mut missing = None;
        for block in wanted {
            if blocks.contains_key(&block) {
                continue;
            }
            self.inbox.listen()?;
            let question = statement::in_block(&self.shared.index.name, block);
            let (rows, without) = self.select(&question)?;
            missing = both(missing, without);
            let documents: Vec<(u64, i64)> = rows.iter().filter_map(document).collect();
            let (own, claimed) = self.servers.ask_redis(|redis| {
                let index = &self.shared.index.name;
                let claimed = redis.claimed_between(index, block, block + DocId::BLOCK_LENGTH - 1)?;
                Ok((redis.placed(index, &documents)?, claimed))
            })?;
            blocks.insert(block, neighbours::members(own.into_iter(), claimed.into_iter()));
        }
        Ok(missing)
    }

    /// The window of docids whose records may be redelivered, with its documents of these digests, and the peers whose documents may
    /// be missing.
    fn find(&mut self, digests: &[i64]) -> Result<(StoredWindow, Option<MissingPeers>), Stop> {
        let (window, processes) = self.docids.past(self.servers)?;
        let (mut past, mut missing) = (StoredWindow::new(window, processes), None);
        let Some((first, last)) = past.docids() else { return Ok((past, None)) };
        let different: BTreeSet<i64> = digests.iter().copied().collect();
        for digests in Vec::from_iter(different).chunks(MAX_DIGESTS) {
            let mut from = first;
            loop {
                self.inbox.listen()?;
                let question = statement::by_digest(&self.shared.index.name, digests, from, last, MAX_DOCUMENTS);
                let (rows, without) = self.select(&question)?;
                missing = both(missing, without);
                let documents: Vec<(u64, i64)> = rows.iter().filter_map(document).collect();
                let placed = self.servers.ask_redis(|redis| redis.placed(&self.shared.index.name, &documents))?;
                past.add(placed.into_iter());
                match documents.last() {
                    Some((id, _)) if rows.len() == MAX_DOCUMENTS => from = id + 1,
                    _ => break,
                }
            }
        }
        Ok((past, missing))
    }

    /// Waits until the statements of workers that died have been stored or are lost: searchd first reads what lies in its
    /// sockets, then finishes what it has begun.
    fn settle(&mut self) -> Result<(), Stop> {
        self.servers.wait(SETTLE)?;
        let inserting = |engine: &mut Engine| -> Result<Vec<(i64, f64)>, Fault> {
            let threads = engine.select(statement::SHOW_THREADS)?;
            Ok(threads.iter().filter_map(|row| inserting_thread(|column| row.named(column))).collect())
        };
        let begun = Instant::now();
        let at_first = self.servers.ask_searchd(inserting)?;
        loop {
            let waited = begun.elapsed().as_secs_f64();
            let now = self.servers.ask_searchd(inserting)?;
            // one that has run for less time is another statement
            let same = |(thread, time): &(i64, f64)| *time >= waited && at_first.iter().any(|(old, _)| old == thread);
            if !now.iter().any(same) {
                self.inbox.settle();
                return Ok(());
            }
            self.inbox.listen()?;
            self.servers.wait(SETTLE / 10)?;
        }
    }
}

/// A document's id and digest.
fn document(row: &Row) -> Option<(u64, i64)> {
    Some((u64::try_from(row.int(0)?).ok()?, row.int(1)?))
}

/// The peers that are missing in the one answer or the other.
fn both(one: Option<MissingPeers>, other: Option<MissingPeers>) -> Option<MissingPeers> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.and(other)),
        (one, other) => one.or(other),
    }
}
