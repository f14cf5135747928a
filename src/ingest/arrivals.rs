//! What has arrived at a worker and is not in its batch yet. The other workers of the index learn of a redelivered record as
//! soon as it has arrived, also while this one looks up or stores a batch: which records come again beside each other
//! decides what is taken as stored, see `redelivery`.

use std::time::Instant;

use crate::ingest::lookup::SETTLE;
use crate::ingest::servers::{Stop, now};
use crate::ingest::{Arrival, Worker};
use crate::rabbitmq::{self, Message};
use crate::record::digest;
use crate::time::Ts;

impl Worker {
    /// Takes in what has arrived. An error if the broker has ended the session: then it hands what is not acknowledged to
    /// others.
    pub(super) fn listen(&mut self) -> Result<(), Stop> {
        let Some(deliveries) = self.deliveries.clone() else { return Ok(()) };
        let (at, instant) = (now(), Instant::now());
        while let Some(message) = rabbitmq::next(&deliveries)? {
            self.hear(message, at, instant)?;
        }
        self.lock_claims().told(self.claimer());
        Ok(())
    }

    pub(super) fn hear(&mut self, message: Message, at: Ts, instant: Instant) -> Result<(), Stop> {
        let delivery = rabbitmq::delivery(message).map_err(|why| Stop::Session(format!("rabbitmq: {why}")))?;
        let counters = self.counters();
        counters.deliveries.add(1);
        counters.last_delivery.set(at);
        let properties = &delivery.properties;
        let message_id = properties.message_id().as_ref().map(|id| id.as_str());
        let digest = digest::of_delivery(&delivery.body, &delivery.routing_key, message_id, *properties.timestamp());
        if delivery.redelivered {
            self.lock_claims().came(self.claimer(), digest);
            // another connection may have ended just now, and its worker not know it yet
            if instant.duration_since(self.last_redelivered) > SETTLE {
                self.settled = false;
            }
            self.last_redelivered = instant;
        }
        self.arrived.push_back(Arrival { delivery, digest, at, instant });
        Ok(())
    }
}
