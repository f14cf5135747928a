//! The way of deliveries into the batch: a part of the worker. Invariant: a delivery is taken as a whole before the next one.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ingest::batch::{DeadLetters, Unnumbered};
use crate::ingest::body::{Content, Pieces};
use crate::ingest::entry::{self, InDelivery, Parcel};
use crate::ingest::inbox::Arrival;
use crate::ingest::servers::Stop;
use crate::ingest::worker::{TICK, Worker};
use crate::rabbitmq::{Part, Session};

impl Worker {
    /// Dead-letters the records that the broker would drop if they came back once more, before anything that could end this process
    /// or take long. Some may be stored already.
    pub(super) fn dead_letter_last_deliveries(&mut self, session: &mut Session) -> Result<(), Stop> {
        let Some(limit) = session.delivery_limit else { return Ok(()) };
        for Arrival { delivery, digest, .. } in self.inbox.take_last_deliveries(limit) {
            let why = format!(
                "not acknowledged after {limit} deliveries, the limit of its queue: RabbitMQ would drop it next; it may be stored"
            );
            let Worker { shared, servers, inbox, .. } = self;
            session.take_body(&delivery);
            DeadLetters { session, servers, inbox, index: &shared.index }.put(&delivery, Part::Whole, &why)?;
            session.ack_one(delivery)?;
            self.inbox.decided(&[digest]);
            self.counters().received.add(1);
            self.counters().redelivered.add(1);
            self.counters().dead.add(1);
        }
        Ok(())
    }

    /// Takes as many deliveries as a full batch may have, and not without end: under full load there is always one more, and the
    /// stop must be heard.
    pub(super) fn take_some(&mut self, session: &mut Session) -> Result<(), Stop> {
        for _ in 0..=self.shared.config.rabbitmq.batch.records.get() {
            let Some(arrival) = self.inbox.pop() else { break };
            self.take(arrival, session)?;
        }
        Ok(())
    }

    /// Takes all records of a delivery.
    fn take(&mut self, arrival: Arrival, session: &mut Session) -> Result<(), Stop> {
        self.prefetch.note(arrival.delivery.body.len());
        session.take_body(&arrival.delivery);
        self.open(Parcel::new(arrival, &self.index().properties), session)?;
        match self.batch.is_full() || self.acks.is_spanning() {
            true => self.flush(session),
            false => Ok(()),
        }
    }

    /// Takes the one record of a delivery, or all that it holds.
    fn open(&mut self, mut parcel: Parcel, session: &mut Session) -> Result<(), Stop> {
        let delivery = Arc::clone(&parcel.delivery);
        let (content, parts) = entry::open(&delivery, self.index().split);
        let Some(parts) = parts else { return self.put(&parcel, content, InDelivery::Whole, session) };
        if let Ok(Content::Text(Cow::Owned(unpacked), _)) = content {
            parcel.unpack(unpacked);
        }
        if delivery.redelivered {
            // its records are looked up instead, each by its own digest
            self.inbox.decided(&[parcel.digest]);
        }
        drop(delivery);
        self.take_parts(&parcel, parts, session)
    }

    /// Takes the records of a delivery that has several, over as many batches as they need.
    fn take_parts(&mut self, parcel: &Parcel, mut parts: Pieces, session: &mut Session) -> Result<(), Stop> {
        if !self.batch.has_room_for(parts.left()) {
            // the records before it need not wait for it
            self.flush(session)?;
        }
        let body = &parcel.delivery.body;
        let mut looked = parcel.instant;
        let mut position = 0;
        while let Some(text) = parts.next(body) {
            let is_last = parts.left() == 0;
            let piece = text.clone();
            let content = match std::str::from_utf8(piece.bytes(body)) {
                Ok(text) => Content::Text(Cow::Borrowed(text), None),
                Err(_) => return Err(Stop::from("a body was text, and its part is not".to_owned())),
            };
            self.put(parcel, Ok(content), InDelivery::One { position, text, is_last }, session)?;
            position += 1;
            if self.batch.is_full() && !is_last {
                self.flush(session)?;
            }
            if self.acks.is_spanning() {
                // this may take long, so the stop is heard; the records that are stored will be found when the delivery comes again
                self.servers.wait(Duration::ZERO)?;
                if looked.elapsed() > TICK {
                    self.quiet(session)?;
                    looked = Instant::now();
                }
            }
        }
        Ok(())
    }

    /// Puts a record into the batch. If it is too large for what is left of it, the batch is stored before the record gets its
    /// docid.
    fn put(
        &mut self,
        parcel: &Parcel,
        content: Result<Content, String>,
        place: InDelivery,
        session: &mut Session,
    ) -> Result<(), Stop> {
        let counters = self.counters();
        counters.received.add(1);
        if parcel.delivery.redelivered {
            counters.redelivered.add(1);
            if let InDelivery::One { .. } = place {
                self.inbox.came(place.digest(parcel.digest));
            }
        }
        let draft = match content {
            Ok(content) => self.batch.draft(parcel, &place, &content, &mut self.store, &mut self.servers)?,
            Err(why) => Err(why),
        };
        let record = Unnumbered { place, draft };
        if !self.batch.fits(&record) {
            self.flush(session)?;
        }
        if record.place.ends_delivery() {
            self.acks.end_delivery();
        }
        let id = self.docids.next(&mut self.servers)?;
        self.batch.push(parcel, record, id);
        Ok(())
    }
}
