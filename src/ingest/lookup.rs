//! Redelivered records: which of a batch are stored already, asked of searchd; what to make of the answer is
//! `redelivery`'s.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::redelivery::Past;
use super::{Entry, Fate, Halt, Worker, now};
use crate::sphinx::engine::{Engine, Fault};
use crate::sphinx::sphinxql;

/// Before the first look-up of a session: for searchd to read the statements of workers that died from its sockets, and
/// for other workers to tell what came again to them.
const SETTLE: Duration = Duration::from_secs(1);
/// Documents that a look-up asks for at a time: searchd sets room for them aside in every day index.
const FOUND: usize = 2000;

impl Worker {
    /// Marks the redelivered records that are stored already: one look-up for the whole batch, none in normal running.
    pub(super) fn drop_stored(&mut self, entries: &mut [Entry]) -> Result<(), Halt> {
        let again: Vec<usize> = (0..entries.len()).filter(|at| entries[*at].delivery.redelivered).collect();
        if again.is_empty() {
            return Ok(());
        }
        let digests: Vec<i64> = again.iter().map(|at| entries[*at].digest).collect();
        let mut past = self.find(&digests)?;
        if !self.settled {
            self.lock_claims().learn(&digests, &past);
            self.settle()?;
            past = self.find(&digests)?;
        }
        let undecided = self.lock_claims().undecided(&digests, &past);
        for (session, (first, last)) in undecided {
            let question = sphinxql::last_between(&self.index.name, first, last);
            let rows = self.ask_searchd(|engine| engine.select(&question))?;
            past.last.extend(rows.first().and_then(|row| Some((session, u64::try_from(row.int(0)?).ok()?))));
        }
        let claimer = self.claimer();
        let stored = self.lock_claims().stored(claimer, &digests, &past);
        for at in again.into_iter().zip(stored).filter_map(|(at, stored)| stored.then_some(at)) {
            entries[at].fate = Fate::Stored;
        }
        Ok(())
    }

    /// The window as it is now, and the documents in it that have one of the digests.
    fn find(&mut self, digests: &[i64]) -> Result<Past, Halt> {
        let window = self.ask_redis(|worker| {
            // a Redis that has lost its data says so here, and not that there is nothing to look for
            worker.values.renew(&worker.index.name, worker.leases.live(), now())?;
            worker.values.ended_leases(&worker.index.name, now())
        })?;
        let (first, last) = (window.iter().map(|span| span.first).min(), window.iter().map(|span| span.last).max());
        let (Some(mut from), Some(last)) = (first, last) else { return Ok(Past::default()) };
        let mut documents: Vec<(u64, i64)> = Vec::new();
        loop {
            let question = sphinxql::by_digest(&self.index.name, digests, from, last, FOUND);
            let rows = self.ask_searchd(|engine| engine.select(&question))?;
            documents.extend(rows.iter().filter_map(|row| Some((u64::try_from(row.int(0)?).ok()?, row.int(1)?))));
            match documents.last() {
                Some((id, _)) if rows.len() == FOUND => from = id + 1,
                _ => break,
            }
        }
        documents.retain(|(id, _)| window.iter().any(|span| span.first <= *id && *id <= span.last));
        Ok(Past { window, documents, last: HashMap::new() })
    }

    /// Waits until the statements of workers that died have been stored or are lost: searchd first reads what lies in its
    /// sockets, then finishes what it has begun.
    fn settle(&mut self) -> Result<(), Halt> {
        self.wait(SETTLE)?;
        let inserting = |engine: &mut Engine| -> Result<Vec<(i64, f64)>, Fault> {
            let threads = engine.select("SHOW THREADS")?;
            let busy = threads.iter().filter(|row| row.bytes(4).starts_with(b"REPLACE") || row.bytes(2) == b"net_read");
            Ok(busy.filter_map(|row| Some((row.int(0)?, row.text(3).parse().ok()?))).collect())
        };
        let begun = Instant::now();
        let at_first = self.ask_searchd(inserting)?;
        loop {
            let waited = begun.elapsed().as_secs_f64();
            let now = self.ask_searchd(inserting)?;
            // one that has run for less time is another statement
            let same = |(thread, time): &(i64, f64)| *time >= waited && at_first.iter().any(|(old, _)| old == thread);
            if !now.iter().any(same) {
                self.settled = true;
                return Ok(());
            }
            self.wait(SETTLE / 10)?;
        }
    }
}
