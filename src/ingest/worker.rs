//! A worker's life: sessions, and the loop that takes deliveries, stores batches and acknowledges them.
//!
//! Invariants. A delivery is acknowledged only after searchd has committed the documents of all its records (or the broker the dead
//! ones). A statement whose outcome is unknown is sent again with the same docids, until searchd answers: REPLACE makes that
//! harmless. A redelivered record is looked up before it is stored.

mod intake;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, at, never, select, tick};

use crate::config::Index;
use crate::ingest::acks::Acks;
use crate::ingest::batch::Batch;
use crate::ingest::bindings;
use crate::ingest::docids::Docids;
use crate::ingest::entry::Fate;
use crate::ingest::inbox::Inbox;
use crate::ingest::lookup::{Absence, Lookup};
use crate::ingest::prefetch::Prefetch;
use crate::ingest::servers::{Servers, Stop, now};
use crate::ingest::shared::IndexShared;
use crate::ingest::store::{Insertion, Store};
use crate::metrics::Collected;
use crate::rabbitmq::{self, Deliveries, Session, Tag};
use crate::sphinx::{DocId, statement};

/// The time between two looks at the backlog, the values seen and old leases.
const TICK: Duration = Duration::from_secs(5);
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
    absence: Absence,
    /// the digests of a batch that is stored now
    storing: Vec<i64>,
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
            docids: Docids::new(shared.clone()),
            batch: Batch::new(shared.clone()),
            store: Store::new(shared.clone()),
            acks: Acks::new(rabbitmq.ack_delay),
            prefetch: Prefetch::new(rabbitmq.batch.records.get(), index.queue_type),
            absence: Absence::default(),
            storing: Vec::new(),
            shared,
        })
    }

    /// Collects until the worker is to stop.
    pub fn run(mut self) {
        loop {
            self.inbox.begin_session();
            let outcome = self.session();
            self.after_session();
            let waited = match outcome {
                Ok(()) | Err(Stop::Stopped) => return,
                Err(Stop::Session(trouble)) => self.servers.broker_failed(&trouble),
                // the next session waits for searchd
                Err(Stop::SearchdAway | Stop::AnotherLimit) => Ok(()),
            };
            if waited.is_err() {
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
        if let Err(Stop::SearchdAway) = outcome {
            self.give_up(&session);
        }
        self.inbox.end_claims();
        // before the broker hands unacknowledged deliveries to another worker, which looks for them under leases that have ended
        if let Err(why) = self.servers.redis().end_leases(&self.index().name, now()) {
            log::debug!("{}: {why}", self.index().name);
        }
        match outcome {
            Ok(()) => Ok(session.close()?),
            Err(halt) => {
                // amiquip says only that its thread has ended
                let wrong = session.wrong();
                if let Some(rabbitmq::Error::TooMuch(why)) = &wrong {
                    self.prefetch.too_much();
                    self.shared.log_once(why.clone());
                }
                session.abandon();
                Err(wrong.map_or(halt, Stop::from))
            }
        }
    }

    /// Leaves the session's records to the other nodes, with a note of those that may be stored here.
    fn give_up(&mut self, session: &Session) {
        let due = self.acks.take_due_at_stop(Instant::now());
        let noted = match self.acknowledge(session, due) {
            Ok(()) if self.acks.is_empty() => self.servers.redis().note_doubts(&self.index().name, &self.storing),
            // all may be
            _ => Ok(()),
        };
        if let Err(why) = noted {
            log::debug!("{}: {why}", self.index().name);
        }
        log::warn!(
            "{}: searchd is away: the other consumers of queue '{}' get its records",
            self.index().name,
            self.index().queue
        );
    }

    /// Forgets the session: the broker redelivers its unacknowledged records, and `lookup` finds the stored ones by their leases.
    fn after_session(&mut self) {
        self.inbox.clear();
        drop(self.batch.take());
        self.acks.clear();
        self.storing.clear();
        self.docids.end_session();
    }

    fn collect(&mut self, session: &mut Session) -> Result<(), Stop> {
        session.notices.drain(..).for_each(|notice| self.shared.log_once(notice));
        bindings::bind(session, &self.shared, &mut self.servers)?;
        session.prefetch(self.prefetch.begin(self.acks.waiting()), self.prefetch.kind())?;
        // a record that is delivered and cannot be stored waits here, where another node might store it; and a quorum queue counts its
        // deliveries
        self.servers.ask_searchd(|engine| engine.select(statement::NOW))?;
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
        let outcome = self.note_queue(session).and_then(|()| self.events(session, &deliveries));
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
                    self.dead_letter_last_deliveries(session)?;
                    self.take_some(session)?;
                }
                Woken::Due => self.flush(session)?,
                Woken::Acknowledge => self.ack(session)?,
                Woken::Tick => self.quiet(session)?,
                Woken::Stop => return self.end(session),
            }
            if self.prefetch.wants_session() {
                return self.end(session).and(Err(Stop::AnotherLimit));
            }
            // the broker sends no more, so the batch would never be full
            if self.acks.deliveries_in_batch() >= self.prefetch.deliveries_of_a_batch(self.acks.waiting()) {
                self.flush(session)?;
            }
            // after what was stored: it may wait for the next delivery to be acknowledged
            if let Some(limit) = self.prefetch.change(self.acks.waiting()) {
                session.prefetch(limit, self.prefetch.kind())?;
            }
        }
    }

    /// Stores what is in the batch. Deliveries whose acknowledgement is not due yet stay with the broker, and will be found stored.
    fn end(&mut self, session: &mut Session) -> Result<(), Stop> {
        self.flush(session)?;
        let due = self.acks.take_due_at_stop(Instant::now());
        self.acknowledge(session, due)
    }

    /// Stores, dead-letters and acknowledges the records of the batch.
    fn flush(&mut self, session: &mut Session) -> Result<(), Stop> {
        let Some(mut full) = self.batch.take() else { return Ok(()) };
        self.docids.end_batch();
        let Worker { shared, docids, servers, inbox, absence, .. } = self;
        Lookup { shared, docids, servers, inbox, absence }.drop_stored(&mut full)?;
        self.docids.renew(&mut self.servers)?;
        self.storing = full.digests();
        for (day, chosen) in full.days() {
            let statement = full.statements.remove(&day).unwrap_or_default();
            let Worker { store, servers, inbox, .. } = self;
            let (entries, lived) = (&full.entries, full.begun);
            let mut insertion =
                Insertion { day, statement: &statement, entries, store, servers, inbox, session, lived };
            for (at, why) in insertion.insert(&chosen)? {
                full.entries[at].fate = Fate::DeadLetter(why);
            }
            self.batch.give_back(statement);
        }
        self.counters().last_insert.set(now());
        self.storing.clear();
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
        self.note_queue(session)?;
        self.batch.report_seen(self.servers.redis(), now());
        self.docids.age(&self.servers, self.inbox.last_redelivered());
        Ok(())
    }

    fn note_queue(&mut self, session: &Session) -> Result<(), Stop> {
        let queue = session.queue(&self.index().queue)?;
        self.counters().backlog.set(u64::from(queue.messages), now());
        self.servers.note_queue(queue);
        Ok(())
    }

    fn counters(&self) -> &Collected {
        self.shared.counters()
    }

    fn index(&self) -> &Index {
        &self.shared.index
    }
}
