//! The deliveries that have arrived at a worker and are not in its batch yet. The other workers of the index learn of a
//! redelivered record as soon as it has arrived, also while this worker looks up or stores a batch: `redelivery` decides by the
//! records that are redelivered next to each other. Invariant: the claims know of every redelivered delivery that was ever in here.

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use crate::ingest::redelivery::Claims;
use crate::ingest::servers::{Stop, now};
use crate::ingest::shared::IndexShared;
use crate::rabbitmq::{self, Deliveries, Delivery, Message};
use crate::record::digest;
use crate::time::Ts;

/// The wait before the first look-up of a session. In this time searchd reads the statements of workers that died from its
/// sockets, and other workers take the deliveries that were redelivered to them.
pub(super) const SETTLE: Duration = Duration::from_secs(1);

pub(super) struct Inbox {
    shared: Arc<IndexShared>,
    /// the number of this worker among all of this process, and of its sessions so far
    worker: u32,
    sessions: u32,
    /// of this session
    deliveries: Option<Deliveries>,
    arrived: VecDeque<Arrival>,
    /// when a redelivered record arrived or was decided last: the broker may have waited with the next one until then
    last_redelivered: Instant,
    /// the statements of workers that died before are stored or lost
    is_settled: bool,
}

/// A delivery that no batch has taken yet, with the facts that are known at once.
pub(super) struct Arrival {
    pub(super) delivery: Delivery,
    pub(super) digest: i64,
    pub(super) at: Ts,
    pub(super) instant: Instant,
}

impl Inbox {
    pub(super) fn new(shared: Arc<IndexShared>, worker: u32) -> Inbox {
        Inbox {
            shared,
            worker,
            sessions: 0,
            deliveries: None,
            arrived: VecDeque::new(),
            last_redelivered: Instant::now(),
            is_settled: false,
        }
    }

    pub(super) fn begin_session(&mut self) {
        self.sessions += 1;
    }

    /// Takes the deliveries of a new session.
    pub(super) fn open(&mut self, deliveries: Deliveries) {
        self.deliveries = Some(deliveries);
    }

    /// Forgets the session's deliveries: the broker redelivers them.
    pub(super) fn clear(&mut self) {
        self.deliveries = None;
        self.arrived.clear();
        self.is_settled = false;
    }

    /// Takes in the deliveries that have arrived.
    ///
    /// # Errors
    /// The broker has ended the session, and redelivers its unacknowledged records to other workers.
    pub(super) fn listen(&mut self) -> Result<(), Stop> {
        let Some(deliveries) = self.deliveries.clone() else { return Ok(()) };
        let (at, instant) = (now(), Instant::now());
        while let Some(message) = rabbitmq::next(&deliveries)? {
            self.hear(message, at, instant)?;
        }
        self.claims().reported(self.session());
        Ok(())
    }

    /// Takes in what has arrived, at most this many deliveries.
    ///
    /// # Errors
    /// As `hear` does.
    pub(super) fn gather(&mut self, deliveries: &Deliveries, at_most: usize) -> Result<(), Stop> {
        // the clock is asked once for all of them
        let (at, instant) = (now(), Instant::now());
        deliveries.try_iter().take(at_most).try_for_each(|message| self.hear(message, at, instant))
    }

    /// Takes in one delivery.
    ///
    /// # Errors
    /// The message is the end of the session.
    pub(super) fn hear(&mut self, message: Message, at: Ts, instant: Instant) -> Result<(), Stop> {
        let delivery = rabbitmq::delivery(message)?;
        let counters = self.shared.counters();
        counters.deliveries.add(1);
        counters.last_delivery.set(at);
        let properties = &delivery.properties;
        let message_id = properties.message_id().as_ref().map(|id| id.as_str());
        let digest = digest::of_delivery(&delivery.body, &delivery.routing_key, message_id, *properties.timestamp());
        if delivery.redelivered {
            self.came(digest);
            // another connection may have ended just now, and its worker may not know it yet
            if instant.duration_since(self.last_redelivered) > SETTLE {
                self.is_settled = false;
            }
            self.last_redelivered = instant;
        }
        self.arrived.push_back(Arrival { delivery, digest, at, instant });
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.arrived.is_empty()
    }

    /// The number of its deliveries.
    pub(super) fn len(&self) -> usize {
        self.arrived.len()
    }

    /// The delivery that arrived first.
    pub(super) fn pop(&mut self) -> Option<Arrival> {
        self.arrived.pop_front()
    }

    /// Takes out the deliveries that the broker will not deliver again.
    pub(super) fn take_last_deliveries(&mut self, limit: u64) -> Vec<Arrival> {
        let is_last =
            |arrival: &Arrival| arrival.delivery.redelivered && rabbitmq::deliveries_before(&arrival.delivery) >= limit;
        if !self.arrived.iter().any(is_last) {
            return Vec::new();
        }
        let (last, others) = self.arrived.drain(..).partition::<Vec<Arrival>, _>(is_last);
        self.arrived = others.into();
        last
    }

    pub(super) fn last_redelivered(&self) -> Instant {
        self.last_redelivered
    }

    pub(super) fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// The statements of workers that died before are stored or lost by now.
    pub(super) fn settle(&mut self) {
        self.is_settled = true;
    }

    pub(super) fn claims(&self) -> MutexGuard<'_, Claims> {
        self.shared.claims()
    }

    /// Notes that this session has received a redelivered record.
    pub(super) fn came(&self, digest: i64) {
        self.claims().came(self.session(), digest);
    }

    /// Notes that these of the redelivered records are decided.
    pub(super) fn decided(&mut self, digests: &[i64]) {
        self.last_redelivered = Instant::now();
        self.claims().decided(self.session(), digests);
    }

    /// Notes that the worker does not wait for deliveries now.
    pub(super) fn busy(&self) {
        self.claims().busy(self.session());
    }

    /// Notes that the worker waits for deliveries.
    pub(super) fn idle(&self) {
        self.claims().idle(self.session());
    }

    /// True if the other workers have reported the records that they had received at that step.
    pub(super) fn have_others_reported(&self, step: u64) -> bool {
        self.claims().have_others_reported(self.session(), step)
    }

    /// Notes that the broker will redeliver the session's undecided records.
    pub(super) fn end_claims(&self) {
        self.claims().end(self.session());
    }

    /// This session among all of this process.
    fn session(&self) -> u64 {
        u64::from(self.worker) << 32 | u64::from(self.sessions)
    }
}
