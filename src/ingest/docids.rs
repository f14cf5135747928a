//! The docids of a worker's records. Invariant: a lease stays in Redis as long as the broker may redeliver its records: until all of
//! them are acknowledged, and for some time after that. The docids of a batch share a block with those of no other batch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ingest::servers::{Servers, Stop, now};
use crate::ingest::shared::IndexShared;
use crate::redis;
use crate::redis::connection::RedisStore;
use crate::redis::leases::{Acknowledged, Lease, LeasesOf};
use crate::redis::stored::LeaseSpan;
use crate::sphinx::{DocId, statement};
use crate::time::Ts;

/// A lease gives out docids for this time at most: after the broker's death, alco may take the documents of a lease for redelivered
/// records.
const LEASE_LIFETIME: Duration = Duration::from_secs(60);
/// An ended lease is kept until no redelivered record has come for this time: the broker writes acknowledgements to its disk
/// when it has nothing else to do, or after some ten thousand of them.
const REDELIVERY_PAUSE: Duration = Duration::from_secs(60);

pub(super) struct Docids {
    shared: Arc<IndexShared>,
    /// the time by both clocks when the worker began
    born: (Ts, Instant),
    leases: Leases,
}

/// The leases of one session, in the order in which they were given out.
#[derive(Debug, Default)]
struct Leases {
    /// these give out no docids any longer, and not all of their documents are acknowledged
    used: Vec<Lease>,
    current: Option<Lease>,
    acknowledged: Acknowledged,
    /// a docid of this session was above all stored ones, and so are those that follow
    is_after_stored: bool,
    /// the batch has a docid, and its next docids follow that
    has_begun: bool,
}

impl Leases {
    fn live(&self) -> impl Iterator<Item = &Lease> + Clone {
        self.used.iter().chain(&self.current)
    }

    /// Notes that this session lives, the leases under which it stores, and its acknowledged docids.
    fn renew(&mut self, redis: &RedisStore, of: LeasesOf) -> Result<(), redis::Error> {
        redis.renew(of, self.live(), self.acknowledged, now())?;
        let Leases { used, acknowledged, .. } = self;
        used.retain(|lease| !lease.ends_by(*acknowledged));
        Ok(())
    }

    fn set_aside(&mut self, lease: Option<Lease>) {
        self.used.extend(lease.map(Lease::ended));
    }

    fn next(&mut self) -> Option<DocId> {
        let current = self.current.as_mut()?;
        let id = if self.has_begun { current.next() } else { current.next_block() }?;
        self.has_begun = true;
        Some(id)
    }
}

impl Docids {
    pub(super) fn new(shared: Arc<IndexShared>) -> Docids {
        Docids { shared, born: (now(), Instant::now()), leases: Leases::default() }
    }

    /// The docid of the batch's next record.
    pub(super) fn next(&mut self, servers: &mut Servers) -> Result<DocId, Stop> {
        loop {
            if let Some(id) = self.leases.next() {
                return Ok(id);
            }
            let stored = match self.leases.is_after_stored {
                true => None,
                false => Some(self.highest_stored(servers)?),
            };
            let is_alone = self.shared.config.sphinx.peers.is_empty();
            let lease = servers.ask_redis(|redis| {
                // a clock that is set back while this process runs does not lead back to docids given out before
                let (wall, instant) = self.born;
                let clock = wall.plus_micros(i64::try_from(instant.elapsed().as_micros()).unwrap_or(0));
                redis.lease(leases_of(&self.shared), stored, is_alone, clock.max(now()))
            })?;
            let used = self.leases.current.replace(lease);
            self.leases.set_aside(used);
            self.leases.is_after_stored = true;
        }
    }

    fn highest_stored(&self, servers: &mut Servers) -> Result<u64, Stop> {
        let question = statement::highest_id(&self.shared.index.name);
        let rows = servers.ask_searchd(|engine| engine.select(&question))?;
        Ok(rows.first().and_then(|row| row.int(0)).and_then(|id| u64::try_from(id).ok()).unwrap_or(0))
    }

    /// The next docid is that of another batch.
    pub(super) fn end_batch(&mut self) {
        self.leases.has_begun = false;
    }

    /// Forgets the leases of the session.
    pub(super) fn end_session(&mut self) {
        self.leases = Leases::default();
    }

    /// Notes in Redis that this worker lives, and the leases under which it stores.
    pub(super) fn renew(&mut self, servers: &mut Servers) -> Result<(), Stop> {
        servers.ask_redis(|redis| self.leases.renew(redis, leases_of(&self.shared)))
    }

    /// Notes in Redis that all documents up to that docid are about to be acknowledged.
    pub(super) fn acknowledge(&mut self, id: DocId, servers: &mut Servers) -> Result<(), Stop> {
        self.leases.acknowledged = self.leases.acknowledged.next(id);
        self.renew(servers)
    }

    /// The docids whose records may be redelivered, and the number of processes that collect from the queue. Asked after a renewal, so
    /// that a Redis which has lost its data reports that, and not an empty window.
    pub(super) fn past(&mut self, servers: &mut Servers) -> Result<(Vec<LeaseSpan>, usize), Stop> {
        servers.ask_redis(|redis| {
            self.leases.renew(redis, leases_of(&self.shared))?;
            redis.past(&self.shared.index.name, self.born.0, now())
        })
    }

    /// Done now and then: no lease gives out docids for long, and leases that ended long ago are forgotten.
    pub(super) fn age(&mut self, servers: &Servers, last_redelivered: Instant) {
        let ago = |time: Duration| now().plus_seconds(-i64::try_from(time.as_secs()).unwrap_or(0));
        let old = |lease: &mut Lease| lease.is_older_than(ago(LEASE_LIFETIME));
        let used = self.leases.current.take_if(old);
        self.leases.set_aside(used);
        // not worth an outage: the next tick will do
        let _ = self.leases.renew(servers.redis(), leases_of(&self.shared));
        if last_redelivered.elapsed() > REDELIVERY_PAUSE {
            let _ = servers.redis().retire_leases(&self.shared.index.name, ago(REDELIVERY_PAUSE));
        }
    }
}

fn leases_of(shared: &IndexShared) -> LeasesOf<'_> {
    LeasesOf { index: &shared.index.name, queue: &shared.index.queue }
}
