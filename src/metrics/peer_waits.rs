//! The workers that hold records back, since a node that may have stored them does not answer. `/health` and `/metrics` show it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::time::Ts;

/// The wait of one worker.
#[derive(Clone, Debug)]
pub struct PeerWait {
    /// the records of its batch, and the deliveries after these
    pub records: usize,
    /// the peers that it waits for
    pub peers: BTreeSet<String>,
    pub until: Ts,
}

/// By the number of the worker among all of this process.
#[derive(Debug, Default)]
pub struct PeerWaits(Mutex<BTreeMap<u32, PeerWait>>);

impl PeerWaits {
    pub fn begin(&self, worker: u32, wait: PeerWait) {
        self.lock().insert(worker, wait);
    }

    pub fn end(&self, worker: u32) {
        self.lock().remove(&worker);
    }

    /// The records that wait.
    pub fn records(&self) -> usize {
        self.lock().values().map(|wait| wait.records).sum()
    }

    /// `1313 records wait for 10.0.0.3:9312 until 2026-11-22T00:47:09.000000Z`, with the last of the ends; None if no worker waits.
    pub fn text(&self) -> Option<String> {
        let waits = self.lock();
        let until = waits.values().map(|wait| wait.until).max()?;
        let records: usize = waits.values().map(|wait| wait.records).sum();
        let peers: BTreeSet<&str> = waits.values().flat_map(|wait| &wait.peers).map(String::as_str).collect();
        let peers = Vec::from_iter(peers).join(", ");
        Some(format!("{records} records wait for {peers} until {until}"))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, PeerWait>> {
        // a panic of another thread leaves the map whole
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_of_workers_are_shown_as_one() {
        let waits = PeerWaits::default();
        assert_eq!((waits.records(), waits.text()), (0, None));
        let wait = |records, peers: &[&str], seconds: i64| PeerWait {
            records,
            peers: peers.iter().map(|peer| (*peer).to_owned()).collect(),
            until: Ts::from_micros(seconds * 1_000_000),
        };
        waits.begin(0, wait(3, &["c:9312"], 1_795_308_429));
        waits.begin(1, wait(1310, &["b:9312", "c:9312"], 1_795_308_428));
        let text = "1313 records wait for b:9312, c:9312 until 2026-11-22T00:47:09.000000Z";
        assert_eq!((waits.records(), waits.text().as_deref()), (1313, Some(text)));
        waits.end(1);
        assert_eq!(waits.records(), 3);
        waits.end(0);
        assert_eq!(waits.text(), None);
    }
}
