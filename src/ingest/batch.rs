//! The batch that is filled now. Invariant: each of its entries that is to be stored has its tuple in the statement of its day;
//! a record is read and written before it gets its docid, so that the batch knows whether it fits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::config::Index;
use crate::ingest::body::Content;
use crate::ingest::document::{ReadFrom, Writer};
use crate::ingest::entry::{BatchEntry, Fate, InDelivery, Parcel};
use crate::ingest::fill::{BatchFill, RecordSize};
use crate::ingest::inbox::Inbox;
use crate::ingest::outage::Trouble;
use crate::ingest::redelivery;
use crate::ingest::seen::Seen;
use crate::ingest::seen_patterns::SeenPatterns;
use crate::ingest::servers::{Servers, Stop};
use crate::ingest::shared::IndexShared;
use crate::ingest::statements::{Draft, Statement, Statements};
use crate::ingest::store::Store;
use crate::metrics::Collected;
use crate::rabbitmq::{self, Delivery, Part, Session, Tag};
use crate::record::{Record, Shape};
use crate::redis;
use crate::redis::connection::RedisStore;
use crate::sphinx::{DocId, day_index};
use crate::time::{Day, Ts};

/// The `alco_error` of a redelivered record that may be stored where alco cannot look for it.
const MAY_BE_TWICE: &str = "redelivered, and a node that may have stored it does not answer: it may be there twice";

pub(super) struct Batch {
    shared: Arc<IndexShared>,
    shape: Shape,
    writer: Writer,
    seen: Seen,
    patterns: SeenPatterns,
    entries: Vec<BatchEntry>,
    statements: Statements,
    fill: BatchFill,
}

/// A record without its docid.
pub(super) struct Unnumbered {
    pub(super) place: InDelivery,
    /// an error is the reason why it cannot be stored
    pub(super) draft: Result<Draft, String>,
}

/// The records of a batch that is to be stored.
pub(super) struct FullBatch {
    /// when the delivery of its first record arrived
    pub(super) begun: Instant,
    pub(super) entries: Vec<BatchEntry>,
    pub(super) statements: BTreeMap<Day, Statement>,
}

impl Batch {
    pub(super) fn new(shared: Arc<IndexShared>) -> Batch {
        let index = &shared.index;
        Batch {
            shape: Shape {
                timestamp: index.timestamp.clone(),
                message: index.message.clone(),
                zone: index.timestamp_zone.clone(),
                excluded: index.excluded.clone(),
            },
            writer: Writer::new(index),
            seen: Seen::new(index),
            patterns: SeenPatterns::default(),
            entries: Vec::new(),
            statements: Statements::new(index.name.clone()),
            fill: BatchFill::new(shared.config.rabbitmq.batch),
            shared,
        }
    }

    /// The time when it is sent although it is not full.
    pub(super) fn due(&self) -> Option<Instant> {
        self.fill.due()
    }

    pub(super) fn is_full(&self) -> bool {
        self.fill.is_full()
    }

    /// True if there is room for that number of records.
    pub(super) fn has_room_for(&self, records: usize) -> bool {
        self.fill.has_room_for(records)
    }

    /// True if the record fits; one that cannot be stored takes no room.
    pub(super) fn fits(&self, record: &Unnumbered) -> bool {
        record.draft.as_ref().map_or(true, |draft| self.fill.fits(draft.size()))
    }

    /// Reads a record and writes it without its docid; the inner error is the reason why it cannot be stored.
    pub(super) fn draft(
        &mut self,
        parcel: &Parcel,
        place: &InDelivery,
        content: &Content,
        store: &mut Store,
        servers: &mut Servers,
    ) -> Result<Result<Draft, String>, Stop> {
        let Parcel { delivery, arrived, properties, .. } = parcel;
        let oldest = day_index::oldest(arrived.day(), self.shared.index.days).start();
        let when = delivery.properties.timestamp().and_then(|seconds| i64::try_from(seconds).ok());
        let sent = match when.map(|seconds| Ts::from_micros(seconds.saturating_mul(1_000_000))) {
            Some(sent) if sent >= oldest && sent <= *arrived => sent,
            _ => *arrived,
        };
        let (mut record, body) = match content {
            Content::Text(text, problem) => {
                let mut record = Record::read(text, &self.shape, sent, oldest);
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
        let day = record.ts.day();
        if !self.statements.is_begun(day) {
            store.learn_schema(day, servers)?;
        }
        let schema = store.schema(day);
        let source = ReadFrom { body, properties };
        let digest = place.digest(parcel.digest);
        let doubtful = self.shared.may_be_elsewhere(delivery).then(|| record.clone().with_problem(MAY_BE_TWICE));
        let doubtful = doubtful.and_then(|record| self.writer.write(&record, source, digest, &schema).ok());
        let mut tokens = doubtful.as_ref().map_or(0, |_| self.writer.tokens());
        let written = self.writer.write(&record, source, digest, &schema);
        tokens += self.writer.tokens();
        if written.is_ok() {
            self.seen.note(&record, sent);
            self.patterns.note(self.writer.pattern(), record.ts, *arrived, oldest);
            let counters = self.shared.counters();
            if record.error.is_some() {
                counters.malformed.add(1);
            }
            counters.newest.set(record.ts);
        }
        Ok(written.map(|rest| Draft { day, schema, rest, doubtful, tokens }))
    }

    pub(super) fn push(&mut self, parcel: &Parcel, record: Unnumbered, id: DocId) {
        let Unnumbered { place, draft } = record;
        let digest = place.digest(parcel.digest);
        let size = draft.as_ref().map_or_else(|_| RecordSize::default(), Draft::size);
        let (fate, doubtful) = match draft {
            Ok(draft) => {
                let tuple = self.statements.add(&draft, id);
                self.writer.give_back(draft.rest);
                (Fate::Store(draft.day, tuple), draft.doubtful)
            }
            Err(why) => (Fate::DeadLetter(why), None),
        };
        self.entries.push(BatchEntry { delivery: Arc::clone(&parcel.delivery), place, id, digest, fate, doubtful });
        self.fill.add(size, parcel.instant);
    }

    /// Takes out all that is in it. None: it was empty.
    pub(super) fn take(&mut self) -> Option<FullBatch> {
        let begun = self.fill.take()?;
        let (entries, statements) = (std::mem::take(&mut self.entries), self.statements.take());
        Some(FullBatch { begun, entries, statements })
    }

    /// The text of a statement is no longer needed.
    pub(super) fn give_back(&mut self, statement: Statement) {
        self.statements.give_back(statement);
    }

    /// Reports new values, columns and patterns to Redis. They are a help to the user: if Redis is away, they are reported with a
    /// later batch.
    pub(super) fn report_seen(&mut self, redis: &RedisStore, now: Ts) {
        if let Err(why) = self.try_report(redis, now) {
            log::debug!("{}: {why}", self.shared.index.name);
        }
    }

    fn try_report(&mut self, redis: &RedisStore, now: Ts) -> Result<(), redis::Error> {
        let index = &self.shared.index.name;
        if !self.seen.is_empty() {
            redis.seen(index, now, self.seen.columns(), self.seen.values())?;
            self.seen.clear();
        }
        if self.patterns.is_due(now) {
            let new = redis.patterns_seen(index, now, self.patterns.waiting())?;
            self.patterns.clear(now);
            self.shared.counters().new_patterns.add(new);
        }
        Ok(())
    }
}

/// The way to the dead queue.
pub(super) struct DeadLetters<'a> {
    pub(super) session: &'a mut Session,
    pub(super) servers: &'a mut Servers,
    pub(super) inbox: &'a mut Inbox,
    pub(super) index: &'a Index,
}

impl DeadLetters<'_> {
    /// Puts a delivery, or one of its records, into the dead queue, and returns when the broker has it.
    pub(super) fn put(&mut self, delivery: &Delivery, part: Part, why: &str) -> Result<(), Stop> {
        let Index { name, queue, .. } = self.index;
        // a new session would meet the same refusal
        while let Err(error) = self.session.dead_letter(queue, delivery, part, why) {
            let rabbitmq::Error::Refused(refused) = error else { return Err(error.into()) };
            self.servers.place_failed(&Trouble::Refused(refused))?;
            self.inbox.listen()?;
        }
        self.servers.place_works(&format!("{queue}.dead"));
        log::warn!("{name}: a record went to queue '{queue}.dead': {why}");
        Ok(())
    }
}

impl FullBatch {
    /// The record may be stored already: its column `alco_error` will show that.
    pub(super) fn mark_doubtful(&mut self, at: usize) {
        let BatchEntry { id, fate: Fate::Store(day, tuple), doubtful: Some(rest), .. } = &mut self.entries[at] else {
            return;
        };
        if let Some(statement) = self.statements.get_mut(day) {
            *tuple = statement.replace(*id, rest);
        }
    }

    pub(super) fn digests(&self) -> Vec<i64> {
        self.entries.iter().map(|entry| entry.digest).collect()
    }

    /// The entries to be stored, by their day.
    pub(super) fn days(&self) -> BTreeMap<Day, Vec<usize>> {
        let mut days: BTreeMap<Day, Vec<usize>> = BTreeMap::new();
        for (at, entry) in self.entries.iter().enumerate() {
            if let Fate::Store(day, _) = &entry.fate {
                days.entry(*day).or_default().push(at);
            }
        }
        days
    }

    /// Puts the dead records into the dead queue, and returns when the broker has them.
    pub(super) fn dead_letter(
        &self,
        session: &mut Session,
        servers: &mut Servers,
        inbox: &mut Inbox,
        index: &Index,
    ) -> Result<(), Stop> {
        for entry in &self.entries {
            if let Fate::DeadLetter(why) = &entry.fate {
                DeadLetters { session, servers, inbox, index }.put(&entry.delivery, entry.part(), why)?;
            }
        }
        Ok(())
    }

    pub(super) fn count(&self, counters: &Collected, index: &Index) {
        let count = |fate: fn(&Fate) -> bool| self.entries.iter().filter(|entry| fate(&entry.fate)).count();
        let stored = count(|fate| matches!(fate, Fate::Store(..)));
        let dead = count(|fate| matches!(fate, Fate::DeadLetter(_)));
        let before = count(|fate| matches!(fate, Fate::Stored));
        counters.stored.add(stored);
        counters.dead.add(dead);
        counters.already_stored.add(before);
        counters.batches.observe(self.entries.len() as f64);
        log::debug!(
            "{}: {} redelivered, {stored} stored, {before} stored before, {dead} dead-lettered",
            index.name,
            self.entries.iter().filter(|entry| entry.delivery.redelivered).count(),
        );
    }

    /// True if the batch shows by itself that it is redelivered.
    pub(super) fn is_distinctive(&self) -> bool {
        redelivery::is_distinctive(self.entries.iter().map(|entry| entry.digest))
    }

    /// The tag and the last docid of the last delivery, if that ends in this batch.
    pub(super) fn into_end(mut self) -> Option<(Tag, DocId)> {
        let last = self.entries.pop().filter(|entry| entry.place.ends_delivery());
        // dropped first, so that the last delivery has one owner
        drop(self.entries);
        last.map(|last| (Tag::from(last.delivery), last.id))
    }
}
