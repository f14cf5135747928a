//! A worker: delivery -> record -> batch -> index -> ack.
//!
//! Invariants. A delivery is acknowledged only after searchd has committed the documents of all its records (or the broker the dead
//! ones). What is acknowledged together are whole batches: one, or several where a delivery's records go on from one to the next; so
//! the docids of what is acknowledged end with a block, and a batch is acknowledged with the delivery that it ends in.
//! A statement whose fate is unknown is sent again with the same docids, until searchd answers: REPLACE makes that harmless.
//! A redelivered record is looked up before it is stored.

pub mod acks;
pub mod batch;
pub mod body;
pub mod day_fields;
mod docids;
pub mod document;
mod entry;
mod inbox;
mod lookup;
pub mod outage;
pub mod prefetch;
pub mod ram_chunk;
pub mod redelivery;
mod servers;
mod shared;
pub mod statements;
mod store;

pub use crate::ingest::shared::IndexShared;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, at, never, select, tick};

use crate::config::{Config, Index};
use crate::ingest::acks::Acks;
use crate::ingest::batch::Batch;
use crate::ingest::body::{Content, Pieces};
use crate::ingest::docids::Docids;
use crate::ingest::document::{ReadFrom, Seen, Writer};
use crate::ingest::entry::{BatchEntry, Fate, InDelivery, Parcel};
use crate::ingest::inbox::{Arrival, Inbox};
use crate::ingest::lookup::Lookup;
use crate::ingest::prefetch::Prefetch;
use crate::ingest::servers::{Servers, Stop, now};
use crate::ingest::statements::{Draft, Statements};
use crate::ingest::store::{Insertion, Store};
use crate::metrics::Collected;
use crate::rabbitmq;
use crate::rabbitmq::{Deliveries, Delivery, Session, Tag};
use crate::record::{Record, Shape};
use crate::sphinx::{DocId, day_index};
use crate::time::{Day, Ts};

/// How often the backlog is asked for, the prefetch limit set anew, old leases looked through.
const TICK: Duration = Duration::from_secs(5);
/// A batch that has waited longer may belong to a session that the broker has given up: the worker asks before it stores it.
const STALE: Duration = Duration::from_secs(15);
pub struct Worker {
    config: Arc<Config>,
    index: Index,
    shared: Arc<IndexShared>,
    servers: Servers,
    inbox: Inbox,
    docids: Docids,
    writer: Writer,
    seen: Seen,
    shape: Shape,
    batch: Batch<BatchEntry>,
    /// the batch's records, as they are sent to searchd
    statements: Statements,
    store: Store,
    acks: Acks<Tag>,
    prefetch: Prefetch,
}

/// What a worker waited for.
enum Woken {
    /// what is not in the batch yet
    Arrived,
    /// the batch is due
    Due,
    Acknowledge,
    Tick,
    Stop,
}

fn summary(entries: &[BatchEntry]) -> String {
    let count = |fate: fn(&Fate) -> bool| entries.iter().filter(|entry| fate(&entry.fate)).count();
    format!(
        "{} redelivered, {} stored, {} stored before, {} dead-lettered",
        entries.iter().filter(|entry| entry.delivery.redelivered).count(),
        count(|fate| matches!(fate, Fate::Store(..))),
        count(|fate| matches!(fate, Fate::Stored)),
        count(|fate| matches!(fate, Fate::DeadLetter(_))),
    )
}

impl Worker {
    /// Does not connect yet. `number` differs for each worker of this process; the worker stops when the channel `stop` is closed.
    pub fn new(shared: Arc<IndexShared>, number: u32, stop: Receiver<Infallible>) -> Result<Worker, String> {
        let (config, index) = (shared.config.clone(), shared.index.clone());
        Ok(Worker {
            servers: Servers::new(shared.clone(), number, stop)?,
            inbox: Inbox::new(shared.clone(), number),
            docids: Docids::new(index.name.clone()),
            writer: Writer::new(&index),
            seen: Seen::new(&index),
            shape: Shape {
                timestamp: index.timestamp.clone(),
                message: index.message.clone(),
                zone: index.timestamp_zone.clone(),
                excluded: index.excluded.clone(),
            },
            batch: Batch::new(config.rabbitmq.batch),
            statements: Statements::new(index.name.clone()),
            store: Store::new(shared.clone()),
            acks: Acks::new(config.rabbitmq.ack_delay),
            prefetch: Prefetch::new(config.rabbitmq.batch.records.get(), index.queue_type),
            index,
            shared,
            config,
        })
    }

    /// Collects until it is told to stop.
    pub fn run(mut self) {
        loop {
            self.inbox.begin_session();
            let outcome = self.session();
            self.after_session();
            let Err(Stop::Session(why)) = outcome else { return };
            if self.servers.broker_failed(&why).is_err() {
                return;
            }
        }
    }

    /// One connection's life.
    fn session(&mut self) -> Result<(), Stop> {
        // a lease that is still live is of a session before this one, which may have ended while Redis was away
        self.servers.ask_redis(|redis| redis.end_leases(&self.index.name, now()))?;
        self.servers.begin_session();
        let mut session = Session::open(&self.config.rabbitmq, &self.index)?;
        let outcome = self.collect(&mut session);
        self.inbox.end_claims();
        // before the broker hands what is not acknowledged to another worker, which looks for it under leases that have ended
        if let Err(why) = self.servers.redis().end_leases(&self.index.name, now()) {
            log::debug!("{}: {why}", self.index.name);
        }
        match outcome {
            Ok(()) => Ok(session.close()?),
            Err(halt) => {
                session.abandon();
                Err(halt)
            }
        }
    }

    /// Whatever happened to the session: its unacknowledged records will come again, and are found by their leases.
    fn after_session(&mut self) {
        self.inbox.clear();
        self.batch.take();
        self.statements.clear();
        self.acks.clear();
        self.docids.end_session();
    }

    fn collect(&mut self, session: &mut Session) -> Result<(), Stop> {
        for notice in session.notices.drain(..) {
            if self.shared.is_news(&notice) {
                log::warn!("{}: {notice}", self.index.name);
            }
        }
        self.bind(session)?;
        session.prefetch(self.prefetch.begin(self.acks.waiting()), self.prefetch.kind())?;
        self.inbox.busy();
        let deliveries = session.consume(&self.index.queue).inspect_err(|error| {
            if let rabbitmq::Error::Unsupported(_) = error {
                self.prefetch.refused();
            }
        })?;
        self.inbox.open(deliveries.clone());
        self.servers.broker_works();
        log::debug!("{}: collecting from queue '{}'", self.index.name, self.index.queue);
        self.counters().working.fetch_add(1, Relaxed);
        let outcome = self.note_backlog(session).and_then(|()| self.events(session, &deliveries));
        self.counters().working.fetch_sub(1, Relaxed);
        outcome
    }

    /// Binds what is configured, and lets go what this or a former run bound and is configured no more. Redis learns of a
    /// binding before the broker does, and forgets it after: no binding of ours is unknown to it.
    fn bind(&mut self, session: &Session) -> Result<(), Stop> {
        let (queue, exchange) = (self.index.queue.clone(), self.config.rabbitmq.exchange.clone());
        for routing_key in &self.index.routing_keys.clone() {
            self.servers.ask_redis(|redis| redis.bound(&queue, &exchange, routing_key))?;
            session.bind(&queue, &exchange, routing_key)?;
        }
        for (exchange, routing_key) in self.servers.ask_redis(|redis| redis.bindings(&queue))? {
            let configured =
                exchange == self.config.rabbitmq.exchange && self.index.routing_keys.contains(&routing_key);
            if !configured {
                session.unbind(&queue, &exchange, &routing_key)?;
                self.servers.ask_redis(|redis| redis.unbound(&queue, &exchange, &routing_key))?;
                log::info!(
                    "{}: queue '{queue}' is no longer bound to '{exchange}' with '{routing_key}'",
                    self.index.name
                );
            }
        }
        Ok(())
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
                    // the clock is asked once for all that has arrived
                    let (arrived, instant) = (now(), Instant::now());
                    for message in deliveries.try_iter().take(self.config.rabbitmq.batch.records.get()) {
                        self.inbox.hear(message, arrived, instant)?;
                    }
                    self.take_some(session)?;
                }
                Woken::Due => self.flush(session)?,
                Woken::Acknowledge => self.ack(session)?,
                Woken::Tick => self.quiet(session)?,
                Woken::Stop => {
                    self.flush(session)?;
                    // what is not due yet stays with the broker, and will be found stored
                    let due = self.acks.take_due_at_stop(Instant::now());
                    return self.acknowledge(session, due);
                }
            }
            if let Some(limit) = self.prefetch.change(self.acks.waiting()) {
                session.prefetch(limit, self.prefetch.kind())?;
            }
            // a full batch would never come
            if self.acks.deliveries_in_batch() >= self.prefetch.deliveries_of_a_batch(self.acks.waiting()) {
                self.flush(session)?;
            }
        }
    }

    /// Not without end: under full load there is always one more, and the stop must be heard.
    fn take_some(&mut self, session: &mut Session) -> Result<(), Stop> {
        for _ in 0..=self.config.rabbitmq.batch.records.get() {
            let Some(arrival) = self.inbox.pop() else { break };
            self.take(arrival, session)?;
        }
        Ok(())
    }

    /// Takes all records of a delivery.
    fn take(&mut self, arrival: Arrival, session: &mut Session) -> Result<(), Stop> {
        let Arrival { delivery, digest, at: arrived, instant } = arrival;
        self.prefetch.note(delivery.body.len());
        let properties = rabbitmq::properties::columns(&delivery, &self.index.properties);
        self.open(Parcel { delivery: Arc::new(delivery), properties, digest, arrived, instant }, session)?;
        match self.batch.is_full() || self.acks.is_spanning() {
            true => self.flush(session),
            false => Ok(()),
        }
    }

    /// Takes the one record of a delivery, or all that it holds.
    fn open(&mut self, mut parcel: Parcel, session: &mut Session) -> Result<(), Stop> {
        let delivery = Arc::clone(&parcel.delivery);
        let encoding = delivery.properties.content_encoding().as_ref().map(|encoding| encoding.as_str());
        let content = body::read(&delivery.body, encoding);
        let parts = match &content {
            Ok(Content::Text(text, None)) if self.index.split => Pieces::of(text),
            _ => None,
        };
        let Some(parts) = parts else { return self.put(&parcel, content, InDelivery::Whole, session) };
        if let Ok(Content::Text(Cow::Owned(unpacked), _)) = content {
            // only its records may still be dead-lettered, each by itself
            let mut delivery = Delivery::clone(&delivery);
            delivery.body = unpacked.into_bytes();
            parcel.delivery = Arc::new(delivery);
        }
        if delivery.redelivered {
            // not it has come again, but what it holds
            self.inbox.decided(&[parcel.digest]);
        }
        drop(delivery);
        self.take_parts(&parcel, parts, session)
    }

    /// Takes the records of a delivery that has several, over as many batches as they need.
    fn take_parts(&mut self, parcel: &Parcel, mut parts: Pieces, session: &mut Session) -> Result<(), Stop> {
        if !self.batch.has_room_for(parts.left()) {
            // what came before it need not wait for it
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
                Err(_) => return Err(Stop::Session("a body was text, and its part is not".to_owned())),
            };
            self.put(parcel, Ok(content), InDelivery::One { position, text, is_last }, session)?;
            position += 1;
            if self.batch.is_full() && !is_last {
                self.flush(session)?;
            }
            if self.acks.is_spanning() {
                // it may take long: the stop is heard, and what is stored of it will be found when it comes again
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
        let digest = place.digest(parcel.digest);
        if parcel.delivery.redelivered {
            counters.redelivered.add(1);
            if let InDelivery::One { .. } = place {
                self.inbox.came(digest);
            }
        }
        let draft = match content {
            Ok(content) => self.draft(parcel, &content, &place)?,
            Err(why) => Err(why),
        };
        let size = draft.as_ref().map_or(0, Draft::size);
        if draft.is_ok() && !self.batch.fits(size) {
            self.flush(session)?;
        }
        let id = self.docids.next(&mut self.servers)?;
        let fate = match draft {
            Ok(draft) => {
                let tuple = self.statements.add(&draft, id);
                self.writer.give_back(draft.rest);
                Fate::Store(draft.day, tuple)
            }
            Err(why) => Fate::DeadLetter(why),
        };
        let entry = BatchEntry { delivery: Arc::clone(&parcel.delivery), place, id, digest, fate };
        if entry.ends_delivery() {
            self.acks.end_delivery();
        }
        self.batch.push(entry, size, parcel.instant);
        Ok(())
    }

    /// Reads a record and writes it, but for its docid; an error is why it cannot be stored.
    fn draft(&mut self, parcel: &Parcel, content: &Content, place: &InDelivery) -> Result<Result<Draft, String>, Stop> {
        let Parcel { delivery, arrived, properties, .. } = parcel;
        let oldest = day_index::oldest(arrived.day(), self.index.days).start();
        let when = delivery.properties.timestamp().and_then(|seconds| i64::try_from(seconds).ok());
        let sent = match when.map(|seconds| Ts::from_micros(seconds.saturating_mul(1_000_000))) {
            Some(sent) if sent >= oldest && sent <= *arrived => sent,
            _ => *arrived,
        };
        let (mut record, body) = match content {
            Content::Text(text, problem) => {
                let mut record = Record::read(text.as_bytes(), &self.shape, sent, oldest);
                if let Some(problem) = problem {
                    record = record.with_problem(problem);
                }
                (record, text.as_bytes())
            }
            Content::Bytes(bytes, why) => (Record::of_bytes(bytes, &self.shape, sent, why.clone()), &**bytes),
        };
        record.add_columns(properties);
        if let InDelivery::One { position, .. } = place {
            record.keep_order(*position);
        }
        let digest = place.digest(parcel.digest);
        let day = record.ts.day();
        if !self.statements.is_begun(day) {
            self.store.learn_fields(day, &mut self.servers)?;
        }
        let fields = self.store.fields(day);
        let written = self.writer.write(&record, ReadFrom { body, properties }, digest, &fields);
        if written.is_ok() {
            self.seen.note(&record, sent);
            if record.error.is_some() {
                self.counters().malformed.add(1);
            }
            self.counters().newest.set(record.ts);
        }
        Ok(written.map(|rest| Draft { day, fields, rest }))
    }

    /// Stores, buries and acknowledges what is in the batch.
    fn flush(&mut self, session: &mut Session) -> Result<(), Stop> {
        let begun = self.batch.begun();
        let mut entries = self.batch.take();
        let Some(begun) = begun else { return Ok(()) };
        self.docids.end_batch();
        let Worker { index, docids, servers, inbox, .. } = self;
        Lookup { index, docids, servers, inbox }.drop_stored(&mut entries)?;
        self.docids.renew(&mut self.servers)?;
        if begun.elapsed() > STALE {
            // while this process slept or waited for Redis, the broker may have given its records to another
            self.note_backlog(session)?;
        }
        let mut days: BTreeMap<Day, Vec<usize>> = BTreeMap::new();
        for (at, entry) in entries.iter().enumerate() {
            if let Fate::Store(day, _) = &entry.fate {
                days.entry(*day).or_default().push(at);
            }
        }
        for (day, chosen) in days {
            let statement = self.statements.take(day);
            let Worker { store, servers, inbox, .. } = self;
            let mut insertion = Insertion { day, statement: &statement, entries: &entries, store, servers, inbox };
            for (at, why) in insertion.insert(&chosen)? {
                entries[at].fate = Fate::DeadLetter(why);
            }
            self.statements.give_back(statement);
        }
        self.counters().last_insert.set(now());
        self.dead_letter(session, &entries)?;
        self.count(&entries);
        log::debug!("{}: {}", self.index.name, summary(&entries));
        self.statements.clear();
        let is_telling = redelivery::is_telling(entries.iter().map(|entry| entry.digest));
        let last = entries.pop().filter(BatchEntry::ends_delivery);
        // the delivery of the last has no other owner then
        drop(entries);
        self.acks.stored(is_telling, last.map(|last| (Tag::from(last.delivery), last.id)), Instant::now());
        self.ack(session)?;
        self.tell_seen();
        Ok(())
    }

    /// Acknowledges what is due.
    fn ack(&mut self, session: &Session) -> Result<(), Stop> {
        let due = self.acks.take_due(Instant::now());
        self.acknowledge(session, due)
    }

    /// Redis hears of it before the broker does.
    fn acknowledge(&mut self, session: &Session, due: Option<(Tag, DocId)>) -> Result<(), Stop> {
        if let Some((tag, id)) = due {
            self.docids.acknowledge(id, &mut self.servers)?;
            session.ack_up_to(tag)?;
            self.counters().last_ack.set(now());
        }
        Ok(())
    }

    fn dead_letter(&self, session: &mut Session, entries: &[BatchEntry]) -> Result<(), Stop> {
        for entry in entries {
            if let Fate::DeadLetter(why) = &entry.fate {
                session.dead_letter(&self.index.queue, &entry.delivery, entry.part(), why)?;
                log::warn!("{}: a record went to queue '{}.dead': {why}", self.index.name, self.index.queue);
            }
        }
        Ok(())
    }

    fn count(&self, entries: &[BatchEntry]) {
        let counters = self.counters();
        let count = |fate: fn(&Fate) -> bool| entries.iter().filter(|entry| fate(&entry.fate)).count();
        counters.stored.add(count(|fate| matches!(fate, Fate::Store(..))));
        counters.dead.add(count(|fate| matches!(fate, Fate::DeadLetter(_))));
        counters.already_stored.add(count(|fate| matches!(fate, Fate::Stored)));
        counters.batches.observe(entries.len() as f64);
    }

    /// Values and columns are a help to the user: if Redis is away they are told with a later batch.
    fn tell_seen(&mut self) {
        if self.seen.is_empty() {
            return;
        }
        match self.servers.redis().seen(&self.index.name, now(), self.seen.columns(), self.seen.values()) {
            Ok(()) => self.seen.clear(),
            Err(why) => log::debug!("{}: {why}", self.index.name),
        }
    }

    /// What is done now and then.
    fn quiet(&mut self, session: &Session) -> Result<(), Stop> {
        self.note_backlog(session)?;
        self.tell_seen();
        self.docids.age(&self.servers, self.inbox.last_redelivered());
        Ok(())
    }

    fn note_backlog(&self, session: &Session) -> Result<(), Stop> {
        self.counters().backlog.set(session.backlog(&self.index.queue)?, now());
        Ok(())
    }

    fn counters(&self) -> &Collected {
        self.shared.counters()
    }
}
