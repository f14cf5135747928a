//! searchd, as the rest of alco asks it: by SphinxQL.
//!
//! Invariant: a connection that failed in any way but an error packet is dropped, and never asked again: after a timeout it
//! would answer the next statement with the rows of the one before. The next call connects again.

mod connection;
mod large;
mod packets;
mod row;
mod socket;

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::config::{Address, Dialect};
use crate::sphinx::client::connection::{AskFailure, Connection};
use crate::sphinx::described::DescribedIndex;
use crate::sphinx::dialect;
use crate::sphinx::index_status::IndexStatus;
use crate::sphinx::statement;

pub use crate::sphinx::client::connection::Watch;
pub use crate::sphinx::client::row::Row;

/// A connection that searchd has closed fails at once; one that fails later was not closed before the statement.
const STALE: Duration = Duration::from_millis(500);

/// Of all rows of an answer in memory. The largest are the groups of a column with long values; a search looks at each row and lets
/// it go.
const MAX_ROWS_BYTES: usize = 32 << 20;

/// Why a statement failed, and whether to send it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// searchd is away or silent, or it is unknown whether it has run the statement: send the same again later
    Retry(String),
    /// searchd has read the statement and refuses it: the same again would fail again
    Reject(String),
}

impl Fault {
    pub fn why(&self) -> &str {
        match self {
            Fault::Retry(why) | Fault::Reject(why) => why,
        }
    }
}

/// Why an answer that does not fit is an error.
pub fn too_large() -> String {
    format!("its answer takes more than {} MiB", MAX_ROWS_BYTES >> 20)
}

/// A connection to searchd that opens itself again when it is needed.
#[derive(Debug)]
pub struct Engine {
    address: Address,
    timeout: Duration,
    connection: Option<Connection>,
    /// connections dropped so far
    dropped: u64,
}

impl Engine {
    /// Does not connect yet. `timeout` bounds the waiting for an answer, all of it together.
    pub fn new(address: &Address, timeout: Duration) -> Engine {
        Engine { address: address.clone(), timeout, connection: None, dropped: 0 }
    }

    /// The number of the connection that is open, or that the next statement will open. After it has changed, searchd may be
    /// another process, which has read another configuration.
    pub fn connection(&self) -> u64 {
        self.dropped
    }

    /// Stores the rows of one REPLACE.
    ///
    /// # Errors
    /// Also where searchd counts fewer rows, or warns: for JSON that does not parse it returns no error.
    pub fn replace(&mut self, statement: &str, rows: usize) -> Result<(), Fault> {
        let done = self.ask(|connection| connection.run(statement))?;
        let affected = done.affected;
        match (affected == rows as u64, done.warnings) {
            (true, 0) => Ok(()),
            (true, _) => Err(Fault::Reject(format!("searchd warns: {}", self.warnings()?.join("; ")))),
            (false, _) => Err(Fault::Reject(format!("searchd stored {affected} of {rows} documents"))),
        }
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// All rows of the answer, which must have come before the timeout.
    pub fn select(&mut self, statement: &str) -> Result<Vec<Row>, Fault> {
        let (rows, fits) = self.select_watched(statement, None)?;
        fits.then_some(rows).ok_or_else(|| self.away(&too_large()))
    }

    /// The same, watched until the answer begins. Also returns whether the answer fitted: if not, the rest of its rows is missing.
    pub fn select_watched(&mut self, statement: &str, watch: Option<Watch>) -> Result<(Vec<Row>, bool), Fault> {
        let (mut rows, mut held_bytes, begun) = (Vec::new(), 0, Instant::now());
        let (mut fits, mut is_late) = (true, false);
        let timeout = self.timeout;
        self.each(statement, watch, |row| {
            held_bytes += row.held_bytes();
            rows.push(row);
            fits = held_bytes <= MAX_ROWS_BYTES;
            is_late = begun.elapsed() > timeout;
            fits && !is_late
        })?;
        match is_late && fits {
            true => Err(self.away(&format!("its answer has not ended after {} s", timeout.as_secs_f64()))),
            false => Ok((rows, fits)),
        }
    }

    /// What an index consists of.
    pub fn describe(&mut self, index: &str) -> Result<DescribedIndex, Fault> {
        let rows = self.select(&statement::describe(index))?;
        Ok(DescribedIndex(rows.iter().map(|row| (row.text(0), row.text(1))).collect()))
    }

    /// The figures of a realtime index.
    pub fn index_status(&mut self, index: &str) -> Result<IndexStatus, Fault> {
        let rows = self.select(&statement::index_status(index))?;
        let figure = |row: &Row| Some((row.text(0), u64::try_from(row.int(1)?).ok()?));
        Ok(IndexStatus(rows.iter().filter_map(figure).collect()))
    }

    /// Passes each row to `take` as it arrives. Ends early when `take` returns false; it then drops the connection, since the
    /// rest of the answer is still on its way. searchd may have closed a connection that was idle, by a restart or a timeout:
    /// then the statement is sent again.
    pub fn each(
        &mut self,
        statement: &str,
        mut watch: Option<Watch>,
        mut take: impl FnMut(Row) -> bool,
    ) -> Result<(), Fault> {
        let (was_open, asked, took) = (self.connection.is_some(), Instant::now(), Cell::new(false));
        let mut question = |connection: &mut Connection| {
            let dialect = dialect::of_version(connection.version);
            connection.rows(&dialect::with_options(dialect, statement), watch.take(), |row| {
                took.set(true);
                take(row)
            })
        };
        let mut answer = self.ask(&mut question);
        if matches!(answer, Err(Fault::Retry(_))) && was_open && !took.get() && asked.elapsed() < STALE {
            answer = self.ask(&mut question);
        }
        let is_whole = answer?;
        if !is_whole {
            self.disconnect();
        }
        Ok(())
    }

    /// The warnings of the last statement, which must have been sent by this connection.
    pub fn warnings(&mut self) -> Result<Vec<String>, Fault> {
        // the end of an answer has their number, and nearly all have none
        if self.connection.as_ref().is_some_and(|connection| connection.warnings == 0) {
            return Ok(Vec::new());
        }
        Ok(self.select(statement::SHOW_WARNINGS)?.iter().map(|row| row.text(2)).collect())
    }

    /// searchd's version as it reports it in the handshake: 2.2.11.
    pub fn version(&mut self) -> Result<(u16, u16, u16), Fault> {
        self.ask(|connection| Ok(connection.version))
    }

    /// The engine of that version.
    pub fn dialect(&mut self) -> Result<Dialect, Fault> {
        Ok(dialect::of_version(self.version()?))
    }

    /// That of the open connection; None: there is none.
    pub fn known_dialect(&self) -> Option<Dialect> {
        Some(dialect::of_version(self.connection.as_ref()?.version))
    }

    fn ask<T>(&mut self, question: impl FnOnce(&mut Connection) -> Result<T, AskFailure>) -> Result<T, Fault> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => {
                let opened = Connection::open(&self.address, self.timeout).map_err(|why| self.away(&why))?;
                self.connection.insert(opened)
            }
        };
        question(connection).map_err(|failure| match failure {
            AskFailure::Refused(why) => Fault::Reject(format!("searchd reports: {why}")),
            AskFailure::Lost(why) => {
                self.disconnect();
                self.away(&why)
            }
        })
    }

    fn disconnect(&mut self) {
        self.connection = None;
        self.dropped += 1;
    }

    fn away(&self, why: &str) -> Fault {
        Fault::Retry(format!("searchd at {}: {why}", self.address))
    }
}
