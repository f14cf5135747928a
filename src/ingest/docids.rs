//! Docids for a worker's records. A lease stays in Redis as long as its documents may come again: until all of them are
//! acknowledged, and for some time after.

use std::time::Duration;

use crate::config::IndexName;
use crate::ingest::servers::{Stop, now};
use crate::ingest::{REDELIVERY_PAUSE, Worker};
use crate::redis::connection::RedisStore;
use crate::redis::leases::{Acknowledged, Lease};
use crate::sphinx::{DocId, statement};

/// A lease gives out docids for no longer: what is stored under it may be taken for what comes again after the broker's
/// death.
const LEASE_LIFETIME: Duration = Duration::from_secs(60);

/// The leases of one session, in the order in which they were given out.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// these give out nothing any more, and not all of their documents are acknowledged
    used: Vec<Lease>,
    current: Option<Lease>,
    acknowledged: Acknowledged,
    /// one of this session was behind all that is stored, and so are those that follow
    behind: bool,
    /// the batch has a docid, so its others follow that
    begun: bool,
}

impl Leases {
    fn live(&self) -> impl Iterator<Item = &Lease> + Clone {
        self.used.iter().chain(&self.current)
    }

    /// Says that this session lives, under which leases it stores, and what of it is acknowledged.
    pub(super) fn renew(&mut self, values: &RedisStore, index: &IndexName) -> Result<(), String> {
        values.renew(index, self.live(), self.acknowledged, now())?;
        let Leases { used, acknowledged, .. } = self;
        used.retain(|lease| !lease.ends_by(*acknowledged));
        Ok(())
    }

    /// What comes now is of another batch.
    pub(super) fn end_batch(&mut self) {
        self.begun = false;
    }

    fn set_aside(&mut self, lease: Option<Lease>) {
        self.used.extend(lease.map(Lease::ended));
    }

    fn next(&mut self) -> Option<DocId> {
        let current = self.current.as_mut()?;
        let id = if self.begun { current.next() } else { current.next_block() }?;
        self.begun = true;
        Some(id)
    }
}

impl Worker {
    pub(super) fn next_id(&mut self) -> Result<DocId, Stop> {
        loop {
            if let Some(id) = self.leases.next() {
                return Ok(id);
            }
            let stored = match self.leases.behind {
                true => 0,
                false => self.highest_stored()?,
            };
            let (wall, instant) = self.born;
            let lease = self.servers.ask_redis(|redis| {
                // a clock that is set back while this process runs does not lead back to docids given out before
                let clock = wall.plus_micros(i64::try_from(instant.elapsed().as_micros()).unwrap_or(0));
                redis.lease(&self.index.name, stored, clock.max(now()))
            })?;
            let used = self.leases.current.replace(lease);
            self.leases.set_aside(used);
            self.leases.behind = true;
        }
    }

    fn highest_stored(&mut self) -> Result<u64, Stop> {
        let question = statement::highest_id(&self.index.name);
        let rows = self.servers.ask_searchd(|engine| engine.select(&question))?;
        Ok(rows.first().and_then(|row| row.int(0)).and_then(|id| u64::try_from(id).ok()).unwrap_or(0))
    }

    /// Says that this worker lives, and under which leases it stores.
    pub(super) fn renew_leases(&mut self) -> Result<(), Stop> {
        self.servers.ask_redis(|redis| self.leases.renew(redis, &self.index.name))
    }

    /// All documents up to that docid are about to be acknowledged.
    pub(super) fn acknowledge_leases(&mut self, id: DocId) -> Result<(), Stop> {
        self.leases.acknowledged = self.leases.acknowledged.next(id);
        self.renew_leases()
    }

    /// Done now and then: no lease gives out docids for long, and what ended long ago is forgotten.
    pub(super) fn age_leases(&mut self) {
        let ago = |time: Duration| now().plus_seconds(-i64::try_from(time.as_secs()).unwrap_or(0));
        let old = |lease: &mut Lease| lease.is_older_than(ago(LEASE_LIFETIME));
        let used = self.leases.current.take_if(old);
        self.leases.set_aside(used);
        // not worth an outage: the next tick will do
        drop(self.leases.renew(self.servers.redis(), &self.index.name));
        if self.last_redelivered.elapsed() > REDELIVERY_PAUSE {
            let _ = self.servers.redis().retire_leases(&self.index.name, ago(REDELIVERY_PAUSE));
        }
    }
}
