//! A worker: delivery -> record -> batch -> index -> ack.
//!
//! Invariants. A delivery is acknowledged only after searchd has committed its document (or the broker its dead record).
//! A statement whose fate is unknown is sent again with the same docids, until searchd answers: REPLACE makes that harmless.
//! A redelivered record is looked up before it is stored.

pub mod batch;
pub mod broker;
pub mod chunk;
pub mod document;
pub mod outage;
pub mod redelivery;

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, at, never, select, tick};

use crate::config::{Config, Index, QueueType, field_of_column};
use crate::ingest::batch::Batch;
use crate::ingest::broker::{Deliveries, Delivery, Message, Session, Tag};
use crate::ingest::chunk::{Gathered, Turn};
use crate::ingest::document::{Seen, Writer};
use crate::ingest::outage::Outage;
use crate::ingest::redelivery::Claims;
use crate::metrics::{Collected, Metrics};
use crate::record::{self, MAX_BODY, Record, Shape};
use crate::sphinx::engine::{Engine, Fault};
use crate::sphinx::{DocId, daily, sphinxql};
use crate::time::{Day, Ts};
use crate::values::{Lease, Values};

/// Bodies that may lie in a worker's memory, delivered and not yet stored.
const IN_FLIGHT_BYTES: usize = 8 << 20;
/// The prefetch limit of a new session, until the size of records is known: the largest of them fit.
const FIRST_PREFETCH: u16 = 4;
/// The limit of a quorum queue's consumer, which cannot be changed: records of 64 KiB fit.
const QUORUM_PREFETCH: u16 = 128;
/// So many batches may be on their way: one is being stored while the next arrives.
const PREFETCH_BATCHES: usize = 2;
/// How often the backlog is asked for, the prefetch limit set anew, old leases looked through.
const TICK: Duration = Duration::from_secs(5);
/// searchd may be stopped or swapped out for long; a statement is only sent again, with the same docids.
const SEARCHD_TIMEOUT: Duration = Duration::from_secs(60);
/// Before the first look-up of a session: for searchd to read the statements of workers that died from its sockets.
const SETTLE: Duration = Duration::from_secs(1);
/// Documents that a look-up asks for at a time: searchd sets room for them aside in every day index.
const FOUND: usize = 2000;
/// A batch that has waited longer may belong to a session that the broker has given up; asked before it is stored.
const STALE: Duration = Duration::from_secs(15);
/// An ended lease is kept until no redelivered record has come for so long.
const FRESH: i64 = 60;
/// A refused statement smaller than this is not refused for its size.
const SMALL_STATEMENT: usize = 1 << 20;
/// The buffer of tuples is not kept larger than that between batches.
const KEEP: usize = 8 << 20;

/// What the workers of an index share.
#[derive(Debug, Default)]
pub struct Shared {
    claims: Mutex<Claims>,
    turn: Turn,
}

pub struct Worker {
    config: Arc<Config>,
    index: Index,
    metrics: Arc<Metrics>,
    shared: Arc<Shared>,
    stop: Receiver<Infallible>,
    values: Values,
    engine: Engine,
    writer: Writer,
    seen: Seen,
    shape: Shape,
    fields: Vec<String>,
    lease: Option<Lease>,
    batch: Batch<Entry>,
    /// the tuples of the batch's entries, one after the other
    tuples: String,
    statement: String,
    gathered: Gathered,
    /// with `ack_delay`: stored, and to be acknowledged when
    unacked: VecDeque<(Instant, Tag, usize)>,
    /// this worker among all of this process, and its sessions so far
    number: u32,
    mean_size: f64,
    /// what both clocks said when it began
    born: (Ts, Instant),
    sessions: u32,
    last_redelivered: Instant,
    settled: bool,
    broker: Outage,
    searchd: Outage,
    /// searchd answers, but takes no record of that day
    refused: Outage,
    redis: Outage,
}

/// A delivery in the batch.
struct Entry {
    delivery: Delivery,
    digest: i64,
    fate: Fate,
}

enum Fate {
    /// to be stored in that day's index; where in `tuples` its tuple stands
    Store(Day, Range<usize>),
    /// for the dead queue, and why
    Bury(String),
    /// stored before: to be acknowledged only
    Stored,
}

/// Why a worker does not go on.
enum Halt {
    /// this session is over, and why; a new one may work
    Session(String),
    Stopped,
}

impl From<String> for Halt {
    fn from(why: String) -> Halt {
        Halt::Session(why)
    }
}

fn now() -> Ts {
    Ts::of(SystemTime::now())
}

fn summary(entries: &[Entry]) -> String {
    let count = |fate: fn(&Fate) -> bool| entries.iter().filter(|entry| fate(&entry.fate)).count();
    format!(
        "{} redelivered, {} stored, {} stored before, {} buried",
        entries.iter().filter(|entry| entry.delivery.redelivered).count(),
        count(|fate| matches!(fate, Fate::Store(..))),
        count(|fate| matches!(fate, Fate::Stored)),
        count(|fate| matches!(fate, Fate::Bury(_))),
    )
}

impl Worker {
    /// `process` is the same for all workers of this process, `number` differs; `shared` is that of the index.
    pub fn new(
        config: Arc<Config>,
        index: &Index,
        process: &str,
        number: u32,
        shared: Arc<Shared>,
        metrics: Arc<Metrics>,
        stop: Receiver<Infallible>,
    ) -> Result<Worker, String> {
        Ok(Worker {
            values: Values::new(&config.redis, process, &number.to_string())?,
            engine: Engine::new(&config.sphinx.address, SEARCHD_TIMEOUT),
            writer: Writer::new(index),
            seen: Seen::new(index),
            shape: Shape {
                timestamp: index.timestamp.clone(),
                message: index.message.clone(),
                zone: index.timestamp_zone.clone(),
                excluded: index.excluded.clone(),
            },
            fields: index.indexed.iter().map(|column| field_of_column(column)).collect(),
            lease: None,
            batch: Batch::new(config.rabbitmq.batch),
            tuples: String::new(),
            statement: String::new(),
            gathered: Gathered::default(),
            unacked: VecDeque::new(),
            mean_size: 0.0,
            born: (now(), Instant::now()),
            number,
            sessions: 0,
            last_redelivered: Instant::now(),
            settled: false,
            broker: Outage::default(),
            searchd: Outage::default(),
            refused: Outage::default(),
            redis: Outage::default(),
            index: index.clone(),
            shared,
            metrics,
            stop,
            config,
        })
    }

    /// Collects until it is told to stop.
    pub fn run(mut self) {
        loop {
            self.sessions += 1;
            let outcome = self.session();
            self.after_session();
            let Err(Halt::Session(why)) = outcome else { return };
            self.counters().reconnects.add(1);
            let (line, wait) = self.broker.failed(&why, Instant::now());
            if let Some(line) = line {
                log::warn!("{}: {line}", self.index.name);
            }
            if self.wait(wait).is_err() {
                return;
            }
        }
    }

    /// One connection's life.
    fn session(&mut self) -> Result<(), Halt> {
        // a lease that is still live is of a session before this one, which may have ended while Redis was away
        self.ask_redis(|worker| worker.values.end_leases(&worker.index.name, now()))?;
        let mut session = Session::open(&self.config.rabbitmq, &self.index)?;
        let outcome = self.collect(&mut session);
        match outcome {
            Ok(()) => session.close().map_err(Halt::Session),
            Err(halt) => {
                session.abandon();
                Err(halt)
            }
        }
    }

    /// Whatever happened to the session: its unacknowledged records will come again, and are found by their leases.
    fn after_session(&mut self) {
        self.batch.take();
        self.tuples.clear();
        self.unacked.clear();
        self.lease = None;
        self.settled = false;
        self.lock_claims().end(self.claimer());
        if let Err(why) = self.values.end_leases(&self.index.name, now()) {
            log::debug!("{}: {why}", self.index.name);
        }
    }

    fn collect(&mut self, session: &mut Session) -> Result<(), Halt> {
        if let Some(notice) = session.notice.take()
            && self.sessions == 1
        {
            log::warn!("{}: {notice}", self.index.name);
        }
        self.bind(session)?;
        let prefetch = self.prefetch();
        session.prefetch(prefetch, self.index.queue_type)?;
        let deliveries = session.consume(&self.index.queue)?;
        if let Some(line) = self.broker.over("rabbitmq", Instant::now()) {
            log::info!("{}: {line}", self.index.name);
        }
        log::debug!("{}: collecting from queue '{}'", self.index.name, self.index.queue);
        self.counters().working.fetch_add(1, Relaxed);
        let outcome = self.events(session, &deliveries);
        self.counters().working.fetch_sub(1, Relaxed);
        outcome
    }

    /// Binds what is configured, and lets go what this or a former run bound and is configured no more. Redis learns of a
    /// binding before the broker does, and forgets it after: no binding of ours is unknown to it.
    fn bind(&mut self, session: &Session) -> Result<(), Halt> {
        let (queue, exchange) = (self.index.queue.clone(), self.config.rabbitmq.exchange.clone());
        for routing_key in &self.index.routing_keys.clone() {
            self.ask_redis(|worker| worker.values.bound(&queue, &exchange, routing_key))?;
            session.bind(&queue, &exchange, routing_key)?;
        }
        for (exchange, routing_key) in self.ask_redis(|worker| worker.values.bindings(&queue))? {
            let configured =
                exchange == self.config.rabbitmq.exchange && self.index.routing_keys.contains(&routing_key);
            if !configured {
                session.unbind(&queue, &exchange, &routing_key)?;
                self.ask_redis(|worker| worker.values.unbound(&queue, &exchange, &routing_key))?;
                log::info!(
                    "{}: queue '{queue}' is bound to '{exchange}' with '{routing_key}' no more",
                    self.index.name
                );
            }
        }
        Ok(())
    }

    fn events(&mut self, session: &mut Session, deliveries: &Deliveries) -> Result<(), Halt> {
        let stop = self.stop.clone();
        let ticks = tick(TICK);
        let mut prefetch = self.prefetch();
        loop {
            let due = self.batch.due().map_or_else(never, at);
            let ack_due = self.unacked.front().map_or_else(never, |(when, ..)| at(*when));
            select! {
                recv(deliveries) -> message => {
                    let Ok(message) = message else { return Err(Halt::Session("rabbitmq: the connection broke".into())) };
                    // the clock is asked once for all that has arrived
                    let (arrived, instant) = (now(), Instant::now());
                    self.take(message, arrived, instant, session)?;
                    // not without end: under full load there is always one more, and the stop must be heard
                    for message in deliveries.try_iter().take(self.config.rabbitmq.batch.records.get()) {
                        self.take(message, arrived, instant, session)?;
                    }
                }
                recv(due) -> _ => self.flush(session)?,
                recv(ack_due) -> _ => self.ack(session, Instant::now())?,
                recv(ticks) -> _ => self.quiet(session)?,
                recv(stop) -> _ => {
                    self.flush(session)?;
                    // what is not due yet stays with the broker, and will be found stored
                    return self.ack(session, Instant::now());
                }
            }
            if self.batch.len() + self.waiting() >= usize::from(prefetch) {
                // the broker sends no more until something is acknowledged: to wait for a full batch were in vain
                self.flush(session)?;
            }
            let wanted = self.prefetch();
            // a change by a fifth of what may lie in memory is worth a word to the broker
            if usize::from(wanted.abs_diff(prefetch)) > usize::from(wanted).saturating_sub(self.waiting()) / 5 {
                session.prefetch(wanted, self.index.queue_type)?;
                prefetch = wanted;
            }
        }
    }

    /// As many records as keep the bodies in memory under their bound; those stored and waiting for their
    /// acknowledgement hold no body.
    fn prefetch(&self) -> u16 {
        if self.index.queue_type == QueueType::Quorum {
            return QUORUM_PREFETCH;
        }
        let batches = self.config.rabbitmq.batch.records.get() * PREFETCH_BATCHES;
        let by_size = match self.mean_size {
            0.0 => usize::from(FIRST_PREFETCH),
            mean => (IN_FLIGHT_BYTES as f64 / mean) as usize,
        };
        u16::try_from(by_size.clamp(1, batches) + self.waiting()).unwrap_or(u16::MAX)
    }

    /// Records stored and not yet acknowledged.
    fn waiting(&self) -> usize {
        self.unacked.iter().map(|(_, _, count)| count).sum()
    }

    fn take(&mut self, message: Message, arrived: Ts, instant: Instant, session: &mut Session) -> Result<(), Halt> {
        let mut delivery = broker::delivery(message).map_err(|why| Halt::Session(format!("rabbitmq: {why}")))?;
        let body = std::mem::take(&mut delivery.body);
        let counters = self.counters();
        counters.received.add(1);
        counters.last_delivery.set(arrived);
        if delivery.redelivered {
            counters.redelivered.add(1);
            self.last_redelivered = instant;
        }
        // quick to grow, slow to shrink: a burst of large records must not fill the memory
        let size = body.len() as f64;
        self.mean_size =
            if size > self.mean_size { (self.mean_size + size) / 2.0 } else { self.mean_size * 0.99 + size * 0.01 };
        let properties = &delivery.properties;
        let message_id = properties.message_id().as_ref().map(|id| id.as_str());
        let digest = record::digest(&body, &delivery.routing_key, message_id, *properties.timestamp());
        let id = self.next_id()?;
        let today = arrived.day();
        let from = self.tuples.len();
        let fate = if body.len() > MAX_BODY {
            Fate::Bury(format!("a body of {} bytes; Sphinx's strings end at {MAX_BODY}", body.len()))
        } else {
            let oldest = daily::oldest(today, self.index.days).start();
            let when = properties.timestamp().and_then(|seconds| i64::try_from(seconds).ok());
            let arrived = match when.map(|seconds| Ts::from_micros(seconds.saturating_mul(1_000_000))) {
                Some(sent) if sent >= oldest && sent <= arrived => sent,
                _ => arrived,
            };
            let record = Record::read(&body, &self.shape, arrived, oldest);
            match self.writer.write(&record, &body, id, digest, &mut self.tuples) {
                Ok(()) => {
                    self.seen.note(&record, arrived);
                    if record.error.is_some() {
                        self.counters().malformed.add(1);
                    }
                    self.counters().newest.set(record.ts);
                    Fate::Store(record.ts.day(), from..self.tuples.len())
                }
                Err(why) => {
                    self.tuples.truncate(from);
                    Fate::Bury(why)
                }
            }
        };
        delivery.body = body;
        let size = self.tuples.len() - from;
        if !self.batch.fits(size) {
            // the tuple is written already: it moves to the front of the next batch
            let tuple = self.tuples.split_off(from);
            self.flush(session)?;
            self.tuples.push_str(&tuple);
        }
        let fate = match fate {
            Fate::Store(day, _) => Fate::Store(day, self.tuples.len() - size..self.tuples.len()),
            fate => fate,
        };
        self.batch.push(Entry { delivery, digest, fate }, size, instant);
        match self.batch.is_full() {
            true => self.flush(session),
            false => Ok(()),
        }
    }

    fn next_id(&mut self) -> Result<DocId, Halt> {
        loop {
            if let Some(id) = self.lease.as_mut().and_then(Lease::next) {
                return Ok(id);
            }
            let stored = match self.lease.is_some() {
                // the one before was behind all that is stored, and so is this
                true => 0,
                false => self.highest_stored()?,
            };
            self.lease = Some(self.ask_redis(|worker| {
                // a clock that is set back while this process runs does not lead back to docids given out before
                let clock = worker.born.0.plus_micros(i64::try_from(worker.born.1.elapsed().as_micros()).unwrap_or(0));
                worker.values.lease(&worker.index.name, stored, clock.max(now()))
            })?);
        }
    }

    fn highest_stored(&mut self) -> Result<u64, Halt> {
        let question = sphinxql::highest_id(&self.index.name);
        let rows = self.ask_searchd(|engine| engine.select(&question))?;
        Ok(rows.first().and_then(|row| row.int(0)).and_then(|id| u64::try_from(id).ok()).unwrap_or(0))
    }

    /// Stores, buries and acknowledges what is in the batch.
    fn flush(&mut self, session: &mut Session) -> Result<(), Halt> {
        let begun = self.batch.due().map(|due| due - self.config.rabbitmq.batch.age);
        let mut entries = self.batch.take();
        let Some(begun) = begun else { return Ok(()) };
        if begun.elapsed() > STALE {
            // while this process slept, the broker may have given its records to another
            self.note_backlog(session)?;
        }
        self.drop_stored(&mut entries)?;
        if let Some(lease) = &self.lease {
            let (values, index) = (&self.values, &self.index.name);
            if let Err(why) = values.renew(index, lease, now()) {
                self.redis_failed(&why)?;
                self.ask_redis(|worker| match &worker.lease {
                    Some(lease) => worker.values.renew(&worker.index.name, lease, now()),
                    None => Ok(()),
                })?;
            }
        }
        let mut days: BTreeMap<Day, Vec<usize>> = BTreeMap::new();
        for (at, entry) in entries.iter().enumerate() {
            if let Fate::Store(day, _) = &entry.fate {
                days.entry(*day).or_default().push(at);
            }
        }
        for (day, chosen) in days {
            for (at, why) in self.insert(day, &entries, &chosen)? {
                entries[at].fate = Fate::Bury(why);
            }
        }
        self.counters().last_insert.set(now());
        self.bury(session, &entries)?;
        self.count(&entries);
        log::debug!("{}: {}", self.index.name, summary(&entries));
        self.tuples.clear();
        self.tuples.shrink_to(KEEP);
        self.statement.clear();
        self.statement.shrink_to(KEEP);
        let count = entries.len();
        if let Some(last) = entries.pop() {
            self.unacked.push_back((Instant::now() + self.config.rabbitmq.ack_delay, Tag::from(last.delivery), count));
        }
        drop(entries);
        self.ack(session, Instant::now())?;
        self.tell_seen();
        Ok(())
    }

    /// Acknowledges what is due by then.
    fn ack(&mut self, session: &Session, by: Instant) -> Result<(), Halt> {
        let mut last = None;
        while self.unacked.front().is_some_and(|(due, ..)| *due <= by) {
            last = self.unacked.pop_front();
        }
        if let Some((_, tag, _)) = last {
            session.ack_up_to(tag)?;
            self.counters().last_ack.set(now());
        }
        Ok(())
    }

    /// Marks the redelivered records that are stored already: one look-up for the whole batch, none in normal running.
    fn drop_stored(&mut self, entries: &mut [Entry]) -> Result<(), Halt> {
        let again: Vec<usize> = (0..entries.len()).filter(|at| entries[*at].delivery.redelivered).collect();
        if again.is_empty() {
            return Ok(());
        }
        let digests: Vec<i64> = again.iter().map(|at| entries[*at].digest).collect();
        let find = |worker: &mut Worker| -> Result<Vec<(u64, i64)>, Halt> {
            let spans = worker.ask_redis(|worker| {
                // a Redis that has lost its data says so here, and not that there is nothing to look for
                if let Some(lease) = &worker.lease {
                    worker.values.renew(&worker.index.name, lease, now())?;
                }
                worker.values.ended_leases(&worker.index.name, now())
            })?;
            let (Some(first), Some(last)) = (spans.iter().map(|s| s.0).min(), spans.iter().map(|s| s.1).max()) else {
                return Ok(Vec::new());
            };
            let mut found: Vec<(u64, i64)> = Vec::new();
            let mut from = first;
            loop {
                let question = sphinxql::by_digest(&worker.index.name, &digests, from, last, FOUND);
                let rows = worker.ask_searchd(|engine| engine.select(&question))?;
                found.extend(rows.iter().filter_map(|row| Some((u64::try_from(row.int(0)?).ok()?, row.int(1)?))));
                match found.last() {
                    Some((id, _)) if rows.len() == FOUND => from = id + 1,
                    _ => break,
                }
            }
            let within = |id: u64| spans.iter().any(|(first, last)| *first <= id && id <= *last);
            found.retain(|(id, _)| within(*id));
            Ok(found)
        };
        let mut found = find(self)?;
        if !self.settled {
            self.settle()?;
            found = find(self)?;
        }
        let claimer = self.claimer();
        let stored = self.lock_claims().stored(claimer, &digests, found);
        for at in again.into_iter().zip(stored).filter_map(|(at, stored)| stored.then_some(at)) {
            entries[at].fate = Fate::Stored;
        }
        Ok(())
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

    /// Stores the chosen entries in the day's index, whatever it takes. Returns those that searchd will not take, and why.
    fn insert(&mut self, day: Day, entries: &[Entry], chosen: &[usize]) -> Result<Vec<(usize, String)>, Halt> {
        let day_index = daily::day_index(&self.index.name, day);
        self.statement.clear();
        sphinxql::replace_into(&day_index, &self.fields, &mut self.statement);
        for (n, at) in chosen.iter().enumerate() {
            if let Fate::Store(_, tuple) = &entries[*at].fate {
                if n > 0 {
                    self.statement.push(',');
                }
                self.statement.push_str(&self.tuples[tuple.clone()]);
            }
        }
        let mut broke = 0;
        let why = loop {
            let sent = Instant::now();
            let outcome = {
                let _turn = self.shared.turn.insert();
                self.engine.replace(&self.statement, chosen.len())
            };
            match outcome {
                Ok(()) => {
                    self.searchd_works();
                    if let Some(line) = self.refused.over(&day_index, Instant::now()) {
                        log::info!("{}: {line}", self.index.name);
                    }
                    let (size, turn) = (self.statement.len(), &self.shared.turn);
                    if let Err(fault) = self.gathered.add(&day_index, size, turn, &mut self.engine) {
                        log::debug!("{}: cannot have the RAM chunk written: {}", self.index.name, fault.why());
                    }
                    return Ok(Vec::new());
                }
                // an index that is not served, or was declared otherwise, refuses everything: no record's fault
                Err(Fault::Reject(why)) => match self.unfit(&day_index) {
                    Ok(None) => break why,
                    Ok(Some(why)) => {
                        // two things to say, if it was away before: that it is back, and what is wrong now
                        self.searchd_works();
                        let (line, wait) = self.refused.failed(&why, Instant::now());
                        self.say_and_wait(line, wait)?;
                    }
                    Err(why) => self.searchd_failed(&why)?,
                },
                // a statement above max_packet_size drops the connection without a word
                Err(Fault::Retry(why)) => {
                    let dropped = self.statement.len() > SMALL_STATEMENT && sent.elapsed() < SEARCHD_TIMEOUT / 2;
                    let alive = dropped && self.engine.select(&format!("DESCRIBE {day_index}")).is_ok();
                    if !alive {
                        broke = 0;
                        self.searchd_failed(&why)?;
                        continue;
                    }
                    // once may have been a restart. No wait: the others of the batch must not be held up by each half of it
                    broke += 1;
                    if broke >= 2 {
                        break format!(
                            "searchd drops the connection at a statement of {} bytes (is max_packet_size = 64M?): {why}",
                            self.statement.len()
                        );
                    }
                }
            }
        };
        if let [at] = chosen {
            return Ok(vec![(*at, why)]);
        }
        log::debug!("{}: {} records, one at fault: {why}", self.index.name, chosen.len());
        let (left, right) = chosen.split_at(chosen.len() / 2);
        let mut refused = self.insert(day, entries, left)?;
        refused.extend(self.insert(day, entries, right)?);
        Ok(refused)
    }

    /// Why that day index takes no record at all, if so; an error while searchd is away.
    fn unfit(&mut self, day_index: &str) -> Result<Option<String>, String> {
        let cure = "have searchd reread its configuration (kill -HUP), or set [sphinx] pid_file";
        match self.engine.select(&format!("DESCRIBE {day_index}")) {
            Ok(rows) => {
                let has = |column: &str| rows.iter().any(|row| row.bytes(0) == column.as_bytes());
                let mut needed = sphinxql::COLUMNS.into_iter().chain(self.fields.iter().map(String::as_str));
                Ok(needed.find(|column| !has(column)).map(|lacking| {
                    format!("{day_index} has no '{lacking}': it was declared by another configuration; restart searchd")
                }))
            }
            Err(Fault::Reject(why)) => Ok(Some(format!(
                "searchd does not serve {day_index}: records of that day wait in the queue; {cure} ({why})"
            ))),
            Err(Fault::Retry(why)) => Err(why),
        }
    }

    fn bury(&mut self, session: &mut Session, entries: &[Entry]) -> Result<(), Halt> {
        for entry in entries {
            if let Fate::Bury(why) = &entry.fate {
                session.bury(&self.index.queue, &entry.delivery, why)?;
                log::warn!("{}: a record went to queue '{}.dead': {why}", self.index.name, self.index.queue);
            }
        }
        Ok(())
    }

    fn count(&self, entries: &[Entry]) {
        let counters = self.counters();
        let count = |fate: fn(&Fate) -> bool| entries.iter().filter(|entry| fate(&entry.fate)).count();
        counters.stored.add(count(|fate| matches!(fate, Fate::Store(..))));
        counters.dead.add(count(|fate| matches!(fate, Fate::Bury(_))));
        counters.already_stored.add(count(|fate| matches!(fate, Fate::Stored)));
        counters.batches.add(1);
    }

    /// Values and columns are a help to the user: if Redis is away they are told with a later batch.
    fn tell_seen(&mut self) {
        if self.seen.is_empty() {
            return;
        }
        match self.values.seen(&self.index.name, now(), self.seen.columns(), self.seen.values()) {
            Ok(()) => self.seen.clear(),
            Err(why) => log::debug!("{}: {why}", self.index.name),
        }
    }

    /// What is done now and then.
    fn quiet(&mut self, session: &Session) -> Result<(), Halt> {
        self.note_backlog(session)?;
        self.tell_seen();
        let fresh = Duration::from_secs(FRESH.unsigned_abs());
        if self.last_redelivered.elapsed() > fresh {
            // not worth an outage: the next tick will do
            let _ = self.values.retire_leases(&self.index.name, now().plus_seconds(-FRESH));
        }
        Ok(())
    }

    fn note_backlog(&self, session: &Session) -> Result<(), Halt> {
        self.counters().backlog.store(session.backlog(&self.index.queue)?, Relaxed);
        Ok(())
    }

    fn ask_searchd<T>(&mut self, mut question: impl FnMut(&mut Engine) -> Result<T, Fault>) -> Result<T, Halt> {
        loop {
            match question(&mut self.engine) {
                Ok(answer) => {
                    self.searchd_works();
                    return Ok(answer);
                }
                Err(fault) => self.searchd_failed(fault.why())?,
            }
        }
    }

    fn ask_redis<T>(&mut self, mut question: impl FnMut(&mut Worker) -> Result<T, String>) -> Result<T, Halt> {
        loop {
            match question(self) {
                Ok(answer) => {
                    if let Some(line) = self.redis.over("redis", Instant::now()) {
                        log::info!("{}: {line}", self.index.name);
                    }
                    return Ok(answer);
                }
                Err(why) => self.redis_failed(&why)?,
            }
        }
    }

    fn searchd_works(&mut self) {
        if let Some(line) = self.searchd.over("searchd", Instant::now()) {
            log::info!("{}: {line}", self.index.name);
        }
    }

    fn searchd_failed(&mut self, why: &str) -> Result<(), Halt> {
        let (line, wait) = self.searchd.failed(why, Instant::now());
        self.say_and_wait(line, wait)
    }

    fn redis_failed(&mut self, why: &str) -> Result<(), Halt> {
        let (line, wait) = self.redis.failed(why, Instant::now());
        self.say_and_wait(line, wait)
    }

    fn say_and_wait(&self, line: Option<String>, wait: Duration) -> Result<(), Halt> {
        if let Some(line) = line {
            log::warn!("{}: {line}", self.index.name);
        }
        self.wait(wait)
    }

    fn wait(&self, time: Duration) -> Result<(), Halt> {
        match self.stop.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Halt::Stopped),
        }
    }

    fn counters(&self) -> &Collected {
        self.metrics.of(&self.index.name).expect("metrics are made of the same indexes")
    }

    fn lock_claims(&self) -> std::sync::MutexGuard<'_, Claims> {
        // a panic of another worker leaves the map whole
        self.shared.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This session among all of this process.
    fn claimer(&self) -> u64 {
        u64::from(self.number) << 32 | u64::from(self.sessions)
    }
}
