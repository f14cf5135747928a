//! A worker's life: sessions, and the loop that takes deliveries, stores batches and acknowledges them.
//!
//! Invariants. A delivery is acknowledged only after searchd has committed the documents of all its records (or the broker the dead
//! ones). A statement whose outcome is unknown is sent again with the same docids, until searchd answers: REPLACE makes that
//! harmless. A redelivered record is looked up before it is stored.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, at, never, select, tick};

use crate::config::Index;
use crate::ingest::acks::Acks;
use crate::ingest::batch::{Batch, Unnumbered};
use crate::ingest::bindings;
use crate::ingest::body::{Content, Pieces};
use crate::ingest::docids::Docids;
use crate::ingest::entry::{self, Fate, InDelivery, Parcel};
use crate::ingest::inbox::{Arrival, Inbox};
use crate::ingest::lookup::Lookup;
use crate::ingest::prefetch::Prefetch;
use crate::ingest::servers::{Servers, Stop, now};
use crate::ingest::shared::IndexShared;
use crate::ingest::store::{Insertion, Store};
use crate::metrics::Collected;
use crate::rabbitmq::{self, Deliveries, Session, Tag};
use crate::sphinx::DocId;

/// The time between two looks at the backlog, the values seen and old leases.
const TICK: Duration = Duration::from_secs(5);
/// A batch that has waited longer may belong to a session that the broker has given up: the worker asks before it stores it.
const STALE: Duration = Duration::from_secs(15);
/// The wait for more deliveries after the first of them.
const GATHERING: Duration = Duration::from_millis(3);

pub struct Worker {
    shared: Arc<IndexShared>,
    servers: Servers,
    inbox: Inbox,
    docids: Docids,
    batch: Batch,
    store: Store,
    acks: Acks<Tag>,
    prefetch: Prefetch,
}

/// An event that a worker waited for.
enum Woken {
    /// a delivery that is not in the batch yet
    Arrived,
    /// the batch is due
    Due,
    Acknowledge,
    Tick,
    Stop,
}

impl Worker {
    /// Does not connect yet. `number` differs for each worker of this process; the worker stops when the channel `stop` is closed.
    pub fn new(shared: Arc<IndexShared>, number: u32, stop: Receiver<Infallible>) -> Result<Worker, String> {
        let (rabbitmq, index) = (&shared.config.rabbitmq, &shared.index);
        Ok(Worker {
            servers: Servers::new(shared.clone(), number, stop)?,
            inbox: Inbox::new(shared.clone(), number),
            docids: Docids::new(index.name.clone()),
            batch: Batch::new(shared.clone()),
            store: Store::new(shared.clone()),
            acks: Acks::new(rabbitmq.ack_delay),
            prefetch: Prefetch::new(rabbitmq.batch.records.get(), index.queue_type),
            shared,
        })
    }

    /// Collects until the worker is to stop.
    pub fn run(mut self) {
        loop {
            self.inbox.begin_session();
            let outcome = self.session();
            self.after_session();
            let Err(Stop::Session(trouble)) = outcome else { return };
            if self.servers.broker_failed(&trouble).is_err() {
                return;
            }
        }
    }

    /// One connection's life.
    fn session(&mut self) -> Result<(), Stop> {
        // a lease that is still live is of a session before this one, which may have ended while Redis was away
        self.servers.ask_redis(|redis| redis.end_leases(&self.shared.index.name, now()))?;
        self.servers.begin_session();
        let mut session = Session::open(&self.shared.config.rabbitmq, &self.shared.index)?;
        let outcome = self.collect(&mut session);
        self.inbox.end_claims();
        // before the broker hands unacknowledged deliveries to another worker, which looks for them under leases that have ended
        if let Err(why) = self.servers.redis().end_leases(&self.index().name, now()) {
            log::debug!("{}: {why}", self.index().name);
        }
        match outcome {
            Ok(()) => Ok(session.close()?),
            Err(halt) => {
                session.abandon();
                Err(halt)
            }
        }
    }

    /// Forgets the session: the broker redelivers its unacknowledged records, and `lookup` finds the stored ones by their leases.
    fn after_session(&mut self) {
        self.inbox.clear();
        drop(self.batch.take());
        self.acks.clear();
        self.docids.end_session();
    }

    fn collect(&mut self, session: &mut Session) -> Result<(), Stop> {
        session.notices.drain(..).for_each(|notice| self.shared.log_once(notice));
        bindings::bind(session, &self.shared, &mut self.servers)?;
        session.prefetch(self.prefetch.begin(self.acks.waiting()), self.prefetch.kind())?;
        self.inbox.busy();
        let deliveries = session.consume(&self.index().queue).inspect_err(|error| {
            if let rabbitmq::Error::Unsupported(_) = error {
                self.prefetch.refused();
            }
        })?;
        self.inbox.open(deliveries.clone());
        self.servers.broker_works();
        log::debug!("{}: collecting from queue '{}'", self.index().name, self.index().queue);
        self.counters().working.fetch_add(1, Relaxed);
        let outcome = self.note_backlog(session).and_then(|()| self.events(session, &deliveries));
        self.counters().working.fetch_sub(1, Relaxed);
        outcome
    }

    fn events(&mut self, session: &mut Session, deliveries: &Deliveries) -> Result<(), Stop> {
        let stop = self.servers.stop();
        let ticks = tick(TICK);
        loop {
            let due = self.batch.due().map_or_else(never, at);
            let ack_due = self.acks.due().map_or_else(never, at);
            let more = if self.inbox.is_empty() { never() } else { at(Instant::now()) };
            self.inbox.idle();
            let woken = select! {
                recv(deliveries) -> message => {
                    self.inbox.hear(message.map_err(|_| rabbitmq::broke())?, now(), Instant::now())?;
                    // more arrive meanwhile, and to be woken for each costs more than to store it
                    thread::sleep(if deliveries.is_empty() { GATHERING } else { Duration::ZERO });
                    Woken::Arrived
                }
                recv(more) -> _ => Woken::Arrived,
                recv(due) -> _ => Woken::Due,
                recv(ack_due) -> _ => Woken::Acknowledge,
                recv(ticks) -> _ => Woken::Tick,
                recv(stop) -> _ => Woken::Stop,
            };
            self.inbox.busy();
            match woken {
                Woken::Arrived => {
                    self.inbox.gather(deliveries, self.shared.config.rabbitmq.batch.records.get())?;
                    self.shared.note_changed(session.take_changed());
                    self.take_some(session)?;
                }
                Woken::Due => self.flush(session)?,
                Woken::Acknowledge => self.ack(session)?,
                Woken::Tick => self.quiet(session)?,
                Woken::Stop => {
                    self.flush(session)?;
                    // deliveries that are not due yet stay with the broker, and will be found stored
                    let due = self.acks.take_due_at_stop(Instant::now());
                    return self.acknowledge(session, due);
                }
            }
            if let Some(limit) = self.prefetch.change(self.acks.waiting()) {
                session.prefetch(limit, self.prefetch.kind())?;
            }
            // the broker sends no more, so the batch would never be full
            if self.acks.deliveries_in_batch() >= self.prefetch.deliveries_of_a_batch(self.acks.waiting()) {
                self.flush(session)?;
            }
        }
    }

    /// Takes as many deliveries as a full batch may have, and not without end: under full load there is always one more, and the
    /// stop must be heard.
    fn take_some(&mut self, session: &mut Session) -> Result<(), Stop> {
        for _ in 0..=self.shared.config.rabbitmq.batch.records.get() {
            let Some(arrival) = self.inbox.pop() else { break };
            self.take(arrival, session)?;
        }
        Ok(())
    }

    /// Takes all records of a delivery.
    fn take(&mut self, arrival: Arrival, session: &mut Session) -> Result<(), Stop> {
        self.prefetch.note(arrival.delivery.body.len());
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

    /// Stores, dead-letters and acknowledges the records of the batch.
    fn flush(&mut self, session: &mut Session) -> Result<(), Stop> {
        let Some(mut full) = self.batch.take() else { return Ok(()) };
        self.docids.end_batch();
        let Worker { shared, docids, servers, inbox, .. } = self;
        Lookup { index: &shared.index, docids, servers, inbox }.drop_stored(&mut full.entries)?;
        self.docids.renew(&mut self.servers)?;
        if full.begun.elapsed() > STALE {
            // while this process slept or waited for Redis, the broker may have given its records to another
            self.note_backlog(session)?;
        }
        for (day, chosen) in full.days() {
            let statement = full.statements.remove(&day).unwrap_or_default();
            let Worker { store, servers, inbox, .. } = self;
            let entries = &full.entries;
            let mut insertion = Insertion { day, statement: &statement, entries, store, servers, inbox };
            for (at, why) in insertion.insert(&chosen)? {
                full.entries[at].fate = Fate::DeadLetter(why);
            }
            self.batch.give_back(statement);
        }
        self.counters().last_insert.set(now());
        full.dead_letter(session, &mut self.servers, &mut self.inbox, &self.shared.index)?;
        full.count(self.counters(), self.index());
        self.acks.stored(full.is_distinctive(), full.into_end(), Instant::now());
        self.ack(session)?;
        self.batch.report_seen(self.servers.redis(), now());
        Ok(())
    }

    /// Acknowledges the batches that are due.
    fn ack(&mut self, session: &Session) -> Result<(), Stop> {
        let due = self.acks.take_due(Instant::now());
        self.acknowledge(session, due)
    }

    /// Acknowledges up to that tag, and notes it in Redis before the broker gets it.
    fn acknowledge(&mut self, session: &Session, due: Option<(Tag, DocId)>) -> Result<(), Stop> {
        if let Some((tag, id)) = due {
            self.docids.acknowledge(id, &mut self.servers)?;
            session.ack_up_to(tag)?;
            self.counters().last_ack.set(now());
        }
        Ok(())
    }

    /// Done at each tick, and now and then within a long delivery.
    fn quiet(&mut self, session: &Session) -> Result<(), Stop> {
        self.note_backlog(session)?;
        self.batch.report_seen(self.servers.redis(), now());
        self.docids.age(&self.servers, self.inbox.last_redelivered());
        Ok(())
    }

    fn note_backlog(&self, session: &Session) -> Result<(), Stop> {
        self.counters().backlog.set(session.backlog(&self.index().queue)?, now());
        Ok(())
    }

    fn counters(&self) -> &Collected {
        self.shared.counters()
    }

    fn index(&self) -> &Index {
        &self.shared.index
    }
}
