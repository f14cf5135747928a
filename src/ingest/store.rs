//! Stores a batch in a day index, trying again as often as needed. Invariant: a statement whose outcome is unknown is sent again
//! with the same docids, and a record is refused only where searchd takes others of that day: it is found by bisection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ingest::day_schemas::DaySchemas;
use crate::ingest::entry::{BatchEntry, Fate};
use crate::ingest::inbox::Inbox;
use crate::ingest::outage::Trouble;
use crate::ingest::ram_chunk::{self, RamChunkFill};
use crate::ingest::servers::{SEARCHD_TIMEOUT, Servers, Stop, now};
use crate::ingest::shared::IndexShared;
use crate::ingest::statements::Statement;
use crate::rabbitmq::Session;
use crate::redis::turns::InsertTurn;
use crate::sphinx::client::{Engine, Fault};
use crate::sphinx::day_schema::DaySchema;
use crate::sphinx::{day_index, dialect, statement};
use crate::time::Day;

/// A refused statement smaller than this is not refused for its size.
const SMALL_STATEMENT: usize = 1 << 20;
/// A batch that has waited longer may belong to a session that the broker has given up: the worker asks before it stores it.
const STALE: Duration = Duration::from_secs(15);

pub(super) struct Store {
    shared: Arc<IndexShared>,
    schemas: DaySchemas,
    gathered: RamChunkFill,
}

impl Store {
    pub(super) fn new(shared: Arc<IndexShared>) -> Store {
        Store { schemas: DaySchemas::new(shared.index.clone()), gathered: RamChunkFill::default(), shared }
    }

    /// The schema to write by for that day.
    pub(super) fn schema(&mut self, day: Day) -> Arc<DaySchema> {
        self.schemas.of(day)
    }

    /// Has searchd describe that day's index, unless it has by this connection. Ends the session if its schema is not
    /// the one that was known: the texts that were written for the day are useless, and its records are redelivered.
    pub(super) fn learn_schema(&mut self, day: Day, servers: &mut Servers) -> Result<(), Stop> {
        match self.schemas.is_known(day, servers.engine().connection()) {
            true => Ok(()),
            false => self.ask_schema(day, servers),
        }
    }

    fn ask_schema(&mut self, day: Day, servers: &mut Servers) -> Result<(), Stop> {
        let day_index = day_index::day_index(&self.shared.index.name, day);
        let described = servers.ask_searchd(|engine| match settled(engine, &day_index) {
            // it is not served, or out of order: storing waits until it is, and logs that
            Err(Fault::Reject(_)) => Ok(None),
            described => described.map(Some),
        })?;
        let connection = servers.engine().connection();
        match self.schemas.learn(day, described.as_deref().map(|names| (names, connection))) {
            true => Ok(()),
            false => Err(Stop::from(format!(
                "{day_index} has another schema than before: records of that day are read again"
            ))),
        }
    }
}

/// The records of one day on their way into its index.
pub(super) struct Insertion<'a> {
    pub(super) day: Day,
    /// with the tuples of all of the batch's records of that day
    pub(super) statement: &'a Statement,
    /// the batch
    pub(super) entries: &'a [BatchEntry],
    pub(super) store: &'a mut Store,
    pub(super) servers: &'a mut Servers,
    pub(super) inbox: &'a mut Inbox,
    pub(super) session: &'a Session,
    /// when the broker last showed that it has the session
    pub(super) lived: Instant,
}

impl Insertion<'_> {
    /// Stores the chosen entries, trying again as often as needed. Returns those that searchd refuses, with the reasons.
    pub(super) fn insert(&mut self, chosen: &[usize]) -> Result<Vec<(usize, String)>, Stop> {
        match self.statement.documents == chosen.len() {
            true => {
                let refused = self.commit(&self.statement.sql, chosen)?;
                self.bisect_refused(refused, chosen)
            }
            // some were stored before
            false => self.insert_some(chosen),
        }
    }

    fn insert_some(&mut self, chosen: &[usize]) -> Result<Vec<(usize, String)>, Stop> {
        let tuples = chosen.iter().filter_map(|at| match &self.entries[*at].fate {
            Fate::Store(_, tuple) => Some(tuple),
            Fate::DeadLetter(_) | Fate::Stored => None,
        });
        let refused = self.commit(&self.statement.of(tuples), chosen)?;
        self.bisect_refused(refused, chosen)
    }

    /// If the chosen were refused, one of them is at fault: each half is sent by itself.
    fn bisect_refused(&mut self, refused: Option<String>, chosen: &[usize]) -> Result<Vec<(usize, String)>, Stop> {
        let Some(why) = refused else { return Ok(Vec::new()) };
        if let [at] = chosen {
            return Ok(vec![(*at, why)]);
        }
        log::debug!("{}: {} records, one at fault: {why}", self.store.shared.index.name, chosen.len());
        let (left, right) = chosen.split_at(chosen.len() / 2);
        let mut refused = self.insert_some(left)?;
        refused.extend(self.insert_some(right)?);
        Ok(refused)
    }

    /// Sends a statement until searchd has committed it, or refuses it: then returns the reason.
    fn commit(&mut self, sql: &str, chosen: &[usize]) -> Result<Option<String>, Stop> {
        let day_index = &day_index::day_index(&self.store.shared.index.name, self.day);
        let mut broke = 0;
        loop {
            // it was written by the schema that was known then
            self.store.learn_schema(self.day, self.servers)?;
            let sent = Instant::now();
            match self.replace(sql, chosen.len())? {
                Ok(()) => {
                    self.store.shared.counters().inserts.observe(sent.elapsed().as_secs_f64());
                    self.servers.searchd_works();
                    self.servers.place_works(day_index);
                    let turn = self.store.shared.turn();
                    let (engine, redis) = self.servers.engine_and_redis();
                    if let Err(fault) = self.store.gathered.add(self.day, sql.len(), turn, engine, redis) {
                        log::debug!(
                            "{}: cannot have the RAM chunk written: {}",
                            self.store.shared.index.name,
                            fault.why()
                        );
                    }
                    return Ok(None);
                }
                // an index that is not served, was declared otherwise, or is out of order refuses everything: no record's fault
                Err(Fault::Reject(why)) => {
                    // it may be another index by now
                    self.store.ask_schema(self.day, self.servers)?;
                    match self.unfit(day_index, chosen) {
                        Ok(None) => return Ok(Some(why)),
                        Ok(Some(why)) => {
                            // two things to log, if it was away before: that it is back, and what is wrong now
                            self.servers.searchd_works();
                            self.servers.place_failed(&Trouble::Away(why))?;
                            self.is_day_kept(day_index)?;
                        }
                        Err(why) => self.servers.searchd_failed(why)?,
                    }
                }
                // a statement above max_packet_size drops the connection without a word
                Err(Fault::Retry(why)) => {
                    let dropped = sql.len() > SMALL_STATEMENT && sent.elapsed() < SEARCHD_TIMEOUT / 2;
                    let alive = dropped && self.servers.engine().describe(day_index).is_ok();
                    if !alive {
                        broke = 0;
                        self.servers.searchd_failed(why)?;
                        continue;
                    }
                    // once may have been a restart. No wait: the others of the batch must not be held up by each half of it
                    broke += 1;
                    if broke >= 2 {
                        return Ok(Some(format!(
                            "searchd drops the connection at a statement of {} bytes (is max_packet_size = 64M?): {why}",
                            sql.len()
                        )));
                    }
                }
            }
        }
    }

    /// Sends a statement while no process has searchd write a RAM chunk. If searchd may be merging the chunks of that day, the
    /// documents are in a file of its own too when this returns.
    fn replace(&mut self, sql: &str, documents: usize) -> Result<Result<(), Fault>, Stop> {
        let shared = Arc::clone(&self.store.shared);
        let turn = shared.turn();
        let (_here, is_merging) = loop {
            let here = turn.insert();
            let wait = match self.servers.ask_redis(|redis| turn.begin_insert(redis, self.day))? {
                InsertTurn::Begun => break (here, false),
                InsertTurn::BegunInMerge if turn.has_room(self.day, self.servers.engine()) => break (here, true),
                InsertTurn::BegunInMerge => {
                    turn.end_insert(self.servers.redis());
                    ram_chunk::LOOK_AT_MERGE
                }
                InsertTurn::Refused => ram_chunk::LOOK,
            };
            // what is waited for may need to be alone here
            drop(here);
            self.servers.wait(wait)?;
        };
        if let Err(ended) = self.is_session_alive() {
            turn.end_insert(self.servers.redis());
            return Err(ended);
        }
        let mut outcome = self.servers.engine().replace(sql, documents);
        if is_merging && outcome.is_ok() {
            outcome = turn.keep(self.day, self.servers.engine());
        }
        if !matches!(outcome, Err(Fault::Retry(_))) {
            turn.end_insert(self.servers.redis());
        }
        Ok(outcome)
    }

    /// Ends the session if the broker has: records that it has given to another worker since are for that one to store. To be asked
    /// after all waits, and at once before searchd gets the records.
    fn is_session_alive(&mut self) -> Result<(), Stop> {
        self.inbox.listen()?;
        if self.lived.elapsed() > STALE {
            // while this process slept or waited for a server, the broker may have given the session up
            self.session.queue(&self.store.shared.index.queue)?;
            self.lived = Instant::now();
            // the end of the session may have come before the answer
            self.inbox.listen()?;
        }
        Ok(())
    }

    /// Ends the session if the clock was set, or the retention has passed meanwhile: the records may be of another day now.
    fn is_day_kept(&self, day_index: &str) -> Result<(), Stop> {
        let days = self.store.shared.index.days;
        match day_index::served_days(now().day(), days).any(|served| served == self.day) {
            true => Ok(()),
            false => Err(Stop::from(format!("{day_index} is no longer kept: its records are read again"))),
        }
    }

    /// The reason why that day index takes no record at all, if so; an error while searchd is away. If a single refused record is
    /// left, a bare document in its place shows whether the index takes any. That document is in 1970, where no search finds it,
    /// and is deleted at once.
    fn unfit(&mut self, day_index: &str, chosen: &[usize]) -> Result<Option<String>, String> {
        let cure = "have searchd reread its configuration (kill -HUP), or set [sphinx] pid_file";
        let engine = self.servers.engine();
        match engine.describe(day_index) {
            Ok(described) => {
                if let Some(lacking) = described.lacking() {
                    return Ok(Some(format!(
                        "{day_index} has no '{lacking}', so it was not declared by alco: records of that day wait in the \
                         queue; alco check says what to do"
                    )));
                }
                let [at] = chosen else { return Ok(None) };
                let id = self.entries[*at].id;
                match engine.replace(&statement::bare(day_index, id), 1) {
                    Ok(()) => match engine.select(&statement::delete(day_index, id)) {
                        Ok(_) => Ok(None),
                        Err(fault) => Err(fault.why().to_owned()),
                    },
                    Err(Fault::Reject(why)) => Ok(Some(format!("searchd takes no record into {day_index}: {why}"))),
                    Err(Fault::Retry(why)) => Err(why),
                }
            }
            Err(Fault::Reject(why)) => Ok(Some(format!(
                "searchd does not serve {day_index}: records of that day wait in the queue; {cure} ({why})"
            ))),
            Err(Fault::Retry(why)) => Err(why),
        }
    }
}

/// The names of what a day index consists of, once that is settled: an index without a document is pinned before it gets one.
fn settled(engine: &mut Engine, day_index: &str) -> Result<Vec<String>, Fault> {
    if engine.select(&statement::any(day_index))?.is_empty() {
        for statement in dialect::pin_declaration(day_index) {
            engine.select(&statement)?;
        }
    }
    Ok(engine.describe(day_index)?.names().map(str::to_owned).collect())
}
