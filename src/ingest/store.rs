//! A batch into a day index, whatever it takes; and into the dead queue what searchd will not take, found by bisection.

use std::time::Instant;

use crate::ingest::servers::{SEARCHD_TIMEOUT, Stop, now};
use crate::ingest::statements::Statement;
use crate::ingest::{BatchEntry, Fate, Worker};
use crate::rabbitmq::Session;
use crate::sphinx::client::{Engine, Fault};
use crate::sphinx::{DocId, day_index, statement};
use crate::time::Day;

/// A refused statement smaller than this is not refused for its size.
const SMALL_STATEMENT: usize = 1 << 20;

impl Worker {
    /// Stores the chosen entries in the day's index, whatever it takes. Returns those that searchd will not take, and why.
    pub(super) fn insert(
        &mut self,
        day: Day,
        entries: &[BatchEntry],
        chosen: &[usize],
    ) -> Result<Vec<(usize, String)>, Stop> {
        let statement = self.statements.take(day);
        let refused = match statement.documents == chosen.len() {
            true => match self.commit(day, &statement.sql, entries, chosen)? {
                None => Vec::new(),
                Some(why) => self.bisect(day, &statement, entries, chosen, why)?,
            },
            // some were stored before
            false => self.insert_some(day, &statement, entries, chosen)?,
        };
        self.statements.give_back(statement);
        Ok(refused)
    }

    fn insert_some(
        &mut self,
        day: Day,
        statement: &Statement,
        entries: &[BatchEntry],
        chosen: &[usize],
    ) -> Result<Vec<(usize, String)>, Stop> {
        let tuples = chosen.iter().filter_map(|at| match &entries[*at].fate {
            Fate::Store(_, tuple) => Some(tuple),
            Fate::DeadLetter(_) | Fate::Stored => None,
        });
        match self.commit(day, &statement.of(tuples), entries, chosen)? {
            None => Ok(Vec::new()),
            Some(why) => self.bisect(day, statement, entries, chosen, why),
        }
    }

    /// One of the chosen is at fault: each half by itself.
    fn bisect(
        &mut self,
        day: Day,
        statement: &Statement,
        entries: &[BatchEntry],
        chosen: &[usize],
        why: String,
    ) -> Result<Vec<(usize, String)>, Stop> {
        if let [at] = chosen {
            return Ok(vec![(*at, why)]);
        }
        log::debug!("{}: {} records, one at fault: {why}", self.index.name, chosen.len());
        let (left, right) = chosen.split_at(chosen.len() / 2);
        let mut refused = self.insert_some(day, statement, entries, left)?;
        refused.extend(self.insert_some(day, statement, entries, right)?);
        Ok(refused)
    }

    /// Has searchd tell the fields of that day's index, unless this connection has told them. Ends the session where they are
    /// not those that were known: what was written for the day is of no use, and its records come again.
    pub(super) fn learn_fields(&mut self, day: Day) -> Result<(), Stop> {
        match self.statements.is_known(day, self.servers.engine().connection()) {
            true => Ok(()),
            false => self.ask_fields(day),
        }
    }

    fn ask_fields(&mut self, day: Day) -> Result<(), Stop> {
        let day_index = day_index::day_index(&self.index.name, day);
        let told = self.servers.ask_searchd(|engine| match settled(engine, &day_index) {
            // it is not served, or out of order: storing waits until it is, and says so
            Err(Fault::Reject(_)) => Ok(None),
            told => told.map(Some),
        })?;
        let connection = self.servers.engine().connection();
        match self.statements.learn(day, told.as_deref().map(|names| (names, connection))) {
            true => Ok(()),
            false => Err(Stop::Session(format!(
                "{day_index} has other full-text fields than before: records of that day are read again"
            ))),
        }
    }

    /// Sends a statement until searchd has committed it, or refuses it: then why.
    fn commit(
        &mut self,
        day: Day,
        sql: &str,
        entries: &[BatchEntry],
        chosen: &[usize],
    ) -> Result<Option<String>, Stop> {
        let day_index = &day_index::day_index(&self.index.name, day);
        let mut broke = 0;
        loop {
            // what the broker has handed to another since is that one's to store
            self.inbox.listen()?;
            // it was written for the fields that were known then
            self.learn_fields(day)?;
            let sent = Instant::now();
            let outcome = {
                let _turn = self.shared.turn().insert();
                self.servers.engine().replace(sql, chosen.len())
            };
            match outcome {
                Ok(()) => {
                    self.counters().inserts.observe(sent.elapsed().as_secs_f64());
                    self.servers.searchd_works();
                    self.servers.day_works(day_index);
                    let turn = self.shared.turn();
                    if let Err(fault) = self.gathered.add(day_index, sql.len(), turn, self.servers.engine()) {
                        log::debug!("{}: cannot have the RAM chunk written: {}", self.index.name, fault.why());
                    }
                    return Ok(None);
                }
                // an index that is not served, was declared otherwise, or is out of order refuses everything: no record's fault
                Err(Fault::Reject(why)) => {
                    // it may be another index by now
                    self.ask_fields(day)?;
                    match self.unfit(day_index, entries, chosen) {
                        Ok(None) => return Ok(Some(why)),
                        Ok(Some(why)) => {
                            // two things to say, if it was away before: that it is back, and what is wrong now
                            self.servers.searchd_works();
                            self.servers.day_refused(&why)?;
                            // the clock was set, or the retention has passed meanwhile: another day may be theirs now
                            if !day_index::served_days(now().day(), self.index.days).any(|served| served == day) {
                                return Err(Stop::Session(format!(
                                    "{day_index} is not kept any more: its records are read anew"
                                )));
                            }
                        }
                        Err(why) => self.servers.searchd_failed(&why)?,
                    }
                }
                // a statement above max_packet_size drops the connection without a word
                Err(Fault::Retry(why)) => {
                    let dropped = sql.len() > SMALL_STATEMENT && sent.elapsed() < SEARCHD_TIMEOUT / 2;
                    let alive = dropped && self.servers.engine().select(&statement::describe(day_index)).is_ok();
                    if !alive {
                        broke = 0;
                        self.servers.searchd_failed(&why)?;
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

    /// Why that day index takes no record at all, if so; an error while searchd is away. When a single record is left that is
    /// refused, a bare document in its place tells whether any would be taken; it is in 1970, where nobody sees it, and goes.
    fn unfit(&mut self, day_index: &str, entries: &[BatchEntry], chosen: &[usize]) -> Result<Option<String>, String> {
        let cure = "have searchd reread its configuration (kill -HUP), or set [sphinx] pid_file";
        match self.servers.engine().select(&statement::describe(day_index)) {
            Ok(rows) => {
                let has = |column: &str| rows.iter().any(|row| row.bytes(0) == column.as_bytes());
                if let Some(lacking) = statement::COLUMNS.into_iter().find(|column| !has(column)) {
                    return Ok(Some(format!(
                        "{day_index} has no '{lacking}', so it was not declared by alco: records of that day wait in the \
                         queue; alco check says what to do"
                    )));
                }
                let [at] = chosen else { return Ok(None) };
                let id = entries[*at].id;
                match self.servers.engine().replace(&statement::bare(day_index, id), 1) {
                    Ok(()) => match self.servers.engine().select(&statement::delete(day_index, id)) {
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

    pub(super) fn dead_letter(&mut self, session: &mut Session, entries: &[BatchEntry]) -> Result<(), Stop> {
        for entry in entries {
            if let Fate::DeadLetter(why) = &entry.fate {
                session.dead_letter(&self.index.queue, &entry.delivery, entry.part(), why)?;
                log::warn!("{}: a record went to queue '{}.dead': {why}", self.index.name, self.index.queue);
            }
        }
        Ok(())
    }
}

/// The names of what a day index consists of, once that is settled.
///
/// searchd (2.2.11) writes down how an index was declared when it saves it for the first time. Killed before that, it declares
/// the index as its configuration says by then, and takes the hits in its binlog by the number of their field: a column that
/// was made `indexed` meanwhile would be looked for in another's text. So an index without a document is saved before it gets
/// one; there must be a transaction for that, and one that deletes nothing will do.
fn settled(engine: &mut Engine, day_index: &str) -> Result<Vec<String>, Fault> {
    if engine.select(&statement::any(day_index))?.is_empty() {
        engine.select(&statement::delete(day_index, DocId::NEVER))?;
        engine.select(&statement::flush_index(day_index))?;
    }
    Ok(engine.select(&statement::describe(day_index))?.iter().map(|row| row.text(0)).collect())
}
