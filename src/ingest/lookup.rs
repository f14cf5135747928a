//! Asks searchd and Redis which redelivered records of a batch are stored already; `redelivery` decides by the answers.
//! Invariant: a record is marked as stored only after its document is claimed for it in Redis.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::config::Index;
use crate::ingest::docids::Docids;
use crate::ingest::entry::{BatchEntry, Fate};
use crate::ingest::inbox::{Inbox, SETTLE};
use crate::ingest::redelivery::Verdict;
use crate::ingest::redelivery::neighbours::{self, Blocks};
use crate::ingest::redelivery::window::StoredWindow;
use crate::ingest::servers::{Servers, Stop};
use crate::redis::stored::StoredDocument;
use crate::sphinx::DocId;
use crate::sphinx::client::{Engine, Fault, Row};
use crate::sphinx::dialect::inserting_thread;
use crate::sphinx::statement;

/// The time that a busy worker has to report the records that it received; one that waits for searchd may need longer.
const REPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Documents that a look-up asks for at a time: searchd sets room for them aside in every day index.
const MAX_DOCUMENTS: usize = 2000;

/// A look-up, with the parts of the worker that it needs.
pub(super) struct Lookup<'a> {
    pub(super) index: &'a Index,
    pub(super) docids: &'a mut Docids,
    pub(super) servers: &'a mut Servers,
    pub(super) inbox: &'a mut Inbox,
}

impl Lookup<'_> {
    /// Marks the redelivered records that are stored already: one look-up for the whole batch, none in normal running.
    pub(super) fn drop_stored(&mut self, entries: &mut [BatchEntry]) -> Result<(), Stop> {
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
            let Verdict { stored, is_doubtful } = self.decide(&digests)?;
            if is_doubtful && !has_waited {
                self.wait_for_others()?;
                has_waited = true;
                continue;
            }
            let stored = again.iter().zip(stored).filter_map(|(at, found)| Some((*at, found?)));
            let stored: Vec<(usize, StoredDocument)> = stored.collect();
            let claims: Vec<(StoredDocument, u64)> =
                stored.iter().map(|(at, found)| (*found, entries[*at].id.get())).collect();
            if self.servers.ask_redis(|redis| redis.claim(&self.index.name, &claims))? {
                stored.into_iter().for_each(|(at, _)| entries[at].fate = Fate::Stored);
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

    fn decide(&mut self, digests: &[i64]) -> Result<Verdict, Stop> {
        let past = self.find(digests)?;
        let threads = self.index.threads.get();
        let mut blocks = Blocks::new();
        let doubtful = self.inbox.claims().doubtful(&past);
        self.read_blocks(doubtful, &mut blocks)?;
        let like_others = self.inbox.claims().learn(&past, &blocks, threads);
        self.read_blocks(like_others, &mut blocks)?;
        Ok(self.inbox.claims().decide(digests, &past, &blocks, threads))
    }

    /// Reads the members of the blocks that are not known yet.
    fn read_blocks(&mut self, wanted: BTreeSet<u64>, blocks: &mut Blocks) -> Result<(), Stop> {
        for block in wanted {
            if blocks.contains_key(&block) {
                continue;
            }
            self.inbox.listen()?;
            let question = statement::in_block(&self.index.name, block);
            let rows = self.servers.ask_searchd(|engine| engine.select(&question))?;
            let documents: Vec<(u64, i64)> = rows.iter().filter_map(document).collect();
            let (own, claimed) = self.servers.ask_redis(|redis| {
                let index = &self.index.name;
                let claimed = redis.claimed_between(index, block, block + DocId::BLOCK_LENGTH - 1)?;
                Ok((redis.placed(index, &documents)?, claimed))
            })?;
            blocks.insert(block, neighbours::members(own.into_iter(), claimed.into_iter()));
        }
        Ok(())
    }

    /// The window of docids whose records may be redelivered, with its documents of these digests.
    fn find(&mut self, digests: &[i64]) -> Result<StoredWindow, Stop> {
        let (window, processes) = self.docids.past(self.servers)?;
        let mut past = StoredWindow::new(window, processes);
        let Some((mut from, last)) = past.docids() else { return Ok(past) };
        loop {
            self.inbox.listen()?;
            let question = statement::by_digest(&self.index.name, digests, from, last, MAX_DOCUMENTS);
            let rows = self.servers.ask_searchd(|engine| engine.select(&question))?;
            let documents: Vec<(u64, i64)> = rows.iter().filter_map(document).collect();
            let placed = self.servers.ask_redis(|redis| redis.placed(&self.index.name, &documents))?;
            past.add(placed.into_iter());
            match documents.last() {
                Some((id, _)) if rows.len() == MAX_DOCUMENTS => from = id + 1,
                _ => return Ok(past),
            }
        }
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
