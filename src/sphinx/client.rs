//! A searchd connection, by SphinxQL: the only door to the mysql crate.
//!
//! Invariant: a connection that failed in any way but an error packet is dropped, and never asked again: after a timeout it
//! would answer the next statement with the rows of the one before. The next call connects again.

use std::borrow::Cow;
use std::cell::Cell;
use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, DriverError, Opts, OptsBuilder, Value};

use crate::config::{Address, Dialect};
use crate::sphinx::described::DescribedIndex;
use crate::sphinx::dialect;
use crate::sphinx::index_status::IndexStatus;
use crate::sphinx::statement;

/// Bytes of a statement or an answer. A statement is at most a batch (4 MiB of SphinxQL by default) or one record of 4 MiB,
/// escaped and prepared; the generated searchd section has max_packet_size = 64M for the same reason.
const MAX_PACKET: usize = 64 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that searchd has closed fails at once; one that fails later was not closed before the statement.
const STALE: Duration = Duration::from_millis(500);

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

/// A row of an answer: text and numbers, as searchd sent them.
#[derive(Debug)]
pub struct Row(mysql::Row);

impl Row {
    /// Bytes of a column; strings of searchd need not be UTF-8.
    pub fn bytes(&self, column: usize) -> &[u8] {
        match self.0.as_ref(column) {
            Some(Value::Bytes(bytes)) => bytes,
            _ => b"",
        }
    }

    /// The column of that name; empty if the answer has none.
    pub fn named(&self, name: &str) -> Cow<'_, str> {
        let column = self.0.columns_ref().iter().position(|column| column.name_str() == name);
        column.map_or(Cow::Borrowed(""), |column| self.str(column))
    }

    pub fn str(&self, column: usize) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes(column))
    }

    pub fn text(&self, column: usize) -> String {
        self.str(column).into_owned()
    }

    /// About how many bytes of memory the row takes.
    pub fn held_bytes(&self) -> usize {
        let columns = (0..self.0.len()).map(|column| size_of::<Option<Value>>() + self.bytes(column).len());
        size_of::<Row>() + columns.sum::<usize>()
    }

    /// As `text`, without a copy; the row no longer has the column.
    pub fn take_text(&mut self, column: usize) -> String {
        match self.0.take(column) {
            Some(Value::Bytes(bytes)) => {
                String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
            }
            _ => String::new(),
        }
    }

    /// A number; None for NULL, an empty string or anything else. Sphinx's bigint is signed in some places and
    /// unsigned in others: above `i64::MAX` the bits count.
    pub fn int(&self, column: usize) -> Option<i64> {
        match self.0.as_ref(column)? {
            Value::Int(n) => Some(*n),
            Value::UInt(n) => Some(*n as i64),
            Value::Bytes(bytes) => {
                let text = std::str::from_utf8(bytes).ok()?;
                text.parse::<i64>().ok().or_else(|| text.parse::<u64>().ok().map(|n| n as i64))
            }
            _ => None,
        }
    }
}

/// A connection to searchd that opens itself again when it is needed.
#[derive(Debug)]
pub struct Engine {
    address: Address,
    timeout: Duration,
    conn: Option<Conn>,
    /// connections dropped so far
    dropped: u64,
}

impl Engine {
    /// Does not connect yet. `timeout` bounds each wait for an answer.
    pub fn new(address: &Address, timeout: Duration) -> Engine {
        Engine { address: address.clone(), timeout, conn: None, dropped: 0 }
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
        let (affected, warnings) = self.ask(|conn| {
            let answer = conn.query_iter(statement)?;
            Ok((answer.affected_rows(), answer.warnings()))
        })?;
        match (affected == rows as u64, warnings) {
            (true, 0) => Ok(()),
            (true, _) => Err(Fault::Reject(format!("searchd warns: {}", self.warnings()?.join("; ")))),
            (false, _) => Err(Fault::Reject(format!("searchd stored {affected} of {rows} documents"))),
        }
    }

    /// All rows of the answer.
    pub fn select(&mut self, statement: &str) -> Result<Vec<Row>, Fault> {
        let mut rows = Vec::new();
        self.each(statement, |row| {
            rows.push(row);
            true
        })?;
        Ok(rows)
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
    pub fn each(&mut self, statement: &str, mut take: impl FnMut(Row) -> bool) -> Result<(), Fault> {
        let (was_open, asked, took) = (self.conn.is_some(), Instant::now(), Cell::new(false));
        let mut question = |conn: &mut Conn| {
            let dialect = dialect::of_version(conn.server_version());
            for row in conn.query_iter(dialect::with_options(dialect, statement))? {
                took.set(true);
                if !take(Row(row?)) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let mut answer = self.ask(&mut question);
        if matches!(answer, Err(Fault::Retry(_))) && was_open && !took.get() && asked.elapsed() < STALE {
            answer = self.ask(&mut question);
        }
        let ended_early = answer?;
        if ended_early {
            self.disconnect();
        }
        Ok(())
    }

    /// The warnings of the last statement, which must have been sent by this connection.
    pub fn warnings(&mut self) -> Result<Vec<String>, Fault> {
        Ok(self.select(statement::SHOW_WARNINGS)?.iter().map(|row| row.text(2)).collect())
    }

    /// searchd's version as it reports it in the handshake: 2.2.11.
    pub fn version(&mut self) -> Result<(u16, u16, u16), Fault> {
        self.ask(|conn| Ok(conn.server_version()))
    }

    /// The engine of that version.
    pub fn dialect(&mut self) -> Result<Dialect, Fault> {
        Ok(dialect::of_version(self.version()?))
    }

    /// That of the open connection; None: there is none.
    pub fn known_dialect(&self) -> Option<Dialect> {
        Some(dialect::of_version(self.conn.as_ref()?.server_version()))
    }

    fn ask<T>(&mut self, question: impl FnOnce(&mut Conn) -> mysql::Result<T>) -> Result<T, Fault> {
        if self.conn.is_none() {
            self.conn = Some(self.connect()?);
        }
        let conn = self.conn.as_mut().expect("connected just above");
        question(conn).map_err(|error| match error {
            mysql::Error::MySqlError(error) => Fault::Reject(format!("searchd reports: {}", error.message)),
            error => {
                self.disconnect();
                self.away(&error)
            }
        })
    }

    fn disconnect(&mut self) {
        self.conn = None;
        self.dropped += 1;
    }

    fn connect(&self) -> Result<Conn, Fault> {
        let opts = OptsBuilder::new()
            .prefer_socket(false)
            .max_allowed_packet(Some(MAX_PACKET))
            .tcp_connect_timeout(Some(self.timeout.min(CONNECT_TIMEOUT)))
            .read_timeout(Some(self.timeout))
            .write_timeout(Some(self.timeout));
        let opts: Opts = match &self.address {
            Address::Tcp { host, port } => opts.ip_or_hostname(Some(host.clone())).tcp_port(*port).into(),
            Address::Unix(path) => opts.socket(Some(path.to_string_lossy())).into(),
        };
        Conn::new(opts).map_err(|error| self.away(&error))
    }

    fn away(&self, error: &mysql::Error) -> Fault {
        Fault::Retry(format!("searchd at {}: {}", self.address, cause(error, self.timeout)))
    }
}

/// The cause without the names of the crate's types. A read that has timed out is named as such.
fn cause(error: &mysql::Error, timeout: Duration) -> String {
    let of_io = |error: &io::Error| match error.kind() {
        io::ErrorKind::WouldBlock => format!("it has not answered for {} s", timeout.as_secs_f64()),
        _ => error.to_string(),
    };
    match error {
        mysql::Error::IoError(error) => of_io(error),
        mysql::Error::CodecError(error) => match error.source().and_then(|source| source.downcast_ref()) {
            Some(error) => of_io(error),
            None => error.to_string(),
        },
        // the address stands before it already
        mysql::Error::DriverError(DriverError::CouldNotConnect(Some((_, why, _)))) => why.clone(),
        mysql::Error::DriverError(error) => error.to_string(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_do_not_show_names_of_types() {
        let silent = || io::Error::from(io::ErrorKind::WouldBlock);
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let driver = |why: &str| {
            let (address, why) = ("127.0.0.1:9306".to_owned(), why.to_owned());
            DriverError::CouldNotConnect(Some((address, why, io::ErrorKind::ConnectionRefused)))
        };
        for (error, expect) in [
            (mysql::Error::IoError(silent()), "it has not answered for 10 s"),
            (mysql::Error::CodecError(silent().into()), "it has not answered for 10 s"),
            (mysql::Error::IoError(refused()), "connection refused"),
            (mysql::Error::CodecError(refused().into()), "connection refused"),
            (mysql::Error::DriverError(driver("Connection refused")), "Connection refused"),
            (mysql::Error::DriverError(DriverError::PacketTooLarge), "Packet too large"),
        ] {
            assert_eq!(cause(&error, Duration::from_secs(10)), expect, "{error}");
        }
    }
}
