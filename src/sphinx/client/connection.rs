//! One connection to searchd, and the bounds of what it may send.
//!
//! Another program may answer at searchd's port, or a searchd that is broken. Invariant: an answer holds at most its bounds in memory,
//! and takes at most the timeout of waiting, whatever the other side sends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Address;
use crate::net::patience::Patience;
use crate::sphinx::client::large::{LARGE_BYTES, LargeAnswer};
use crate::sphinx::client::packets::{self, BEFORE_STATEMENT, Begin, Greeting, LoggedIn, NextPacket};
use crate::sphinx::client::row::Row;
use crate::sphinx::client::socket::SearchdSocket;

/// A statement is at most a batch (4 MiB of SphinxQL by default) or one record of 4 MiB, escaped and prepared; the generated
/// searchd section has max_packet_size = 64M for the same reason.
const MAX_STATEMENT_BYTES: usize = 64 << 20;
/// A row has at most three texts of 4 MiB: the message, the columns as searchd prints them (escaped, so up to twice as long), and the
/// columns as they were sent.
const MAX_ROW_BYTES: usize = 24 << 20;
/// Of all rows of an answer; those of a search end at 16 MiB.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Greetings and replies to a login have less than a hundred.
const MAX_GREETING_BYTES: usize = 1024;
/// A server may ask for another way to log in; searchd does not.
const MAX_LOGIN_REPLIES: usize = 3;
/// The longest part of a packet that has a head of its own.
const MAX_PART_BYTES: usize = 0xff_ffff;
const HEAD_BYTES: usize = 4;
/// Read from the socket at a time.
const AHEAD_BYTES: usize = 32 << 10;
/// A shorter statement goes out in one piece with its head.
const SMALL_BYTES: usize = 64 << 10;
/// Of the bytes of another program, for the error.
const SHOWN_BYTES: usize = 40;

/// Why a question has no answer.
#[derive(Debug)]
pub enum AskFailure {
    /// searchd has sent an error; the connection goes on
    Refused(String),
    /// the connection is of no use any longer
    Lost(String),
}

#[derive(Debug)]
pub struct Connection {
    socket: SearchdSocket,
    /// searchd's, as its greeting has it
    pub version: (u16, u16, u16),
    patience: Patience,
    /// bytes of the answer so far
    received: usize,
    /// read from the socket: of these, the packets before have taken `used`
    ahead: Vec<u8>,
    used: usize,
    /// of the next packet
    sequence: u8,
    /// the answer has had a large row
    large: Option<LargeAnswer>,
    /// how many warnings the last answer has caused
    pub warnings: u16,
}

/// What is done when the first bytes of an answer do not come.
pub struct Watch<'a> {
    pub after: Duration,
    /// returns the reason to give the question up; asked once
    pub gives_up: &'a mut dyn FnMut() -> Option<String>,
}

/// An answer without rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoneStatement {
    pub affected: u64,
    pub warnings: u16,
}

impl Connection {
    /// # Errors
    /// One line: what answers there, if it is not searchd.
    pub fn open(address: &Address, timeout: Duration) -> Result<Connection, String> {
        let socket = SearchdSocket::open(address, timeout)?;
        let mut connection = Connection {
            socket,
            version: (0, 0, 0),
            patience: Patience::new(timeout),
            received: 0,
            ahead: Vec::with_capacity(AHEAD_BYTES),
            used: 0,
            sequence: 0,
            large: None,
            warnings: 0,
        };
        connection.log_in().map(|()| connection).map_err(|failure| match failure {
            AskFailure::Refused(why) => format!("it refuses the connection: {why}"),
            AskFailure::Lost(why) => why,
        })
    }

    fn log_in(&mut self) -> Result<(), AskFailure> {
        self.fill()?;
        let begin = self.ahead.clone();
        let greeting = self.packet(MAX_GREETING_BYTES).ok().and_then(|packet| packets::greeting(&packet));
        self.version = match greeting {
            Some(Greeting::Welcome(version)) => version,
            Some(Greeting::Refused(why)) => return Err(AskFailure::Refused(why)),
            None => {
                let shown = begin[..begin.len().min(SHOWN_BYTES)].escape_ascii();
                return Err(AskFailure::Lost(format!(
                    "no searchd answers there: it begins with \"{shown}\"; does [sphinx] address name searchd's listen for mysql41?"
                )));
            }
        };
        self.send(&[], &packets::login(MAX_STATEMENT_BYTES))?;
        for _ in 0..MAX_LOGIN_REPLIES {
            match packets::logged_in(&self.packet(MAX_GREETING_BYTES)?) {
                Some(LoggedIn::Yes) => return Ok(()),
                Some(LoggedIn::Refused(why)) => return Err(AskFailure::Refused(why)),
                // without a password, there is nothing else to send
                Some(LoggedIn::Again) => self.send(&[], &[])?,
                None => break,
            }
        }
        Err(unreadable())
    }

    /// Sends a statement, and returns what its answer begins with: all of it, or the number of columns.
    fn begin(&mut self, statement: &str, watch: Option<Watch>) -> Result<Begin, AskFailure> {
        if statement.len() >= MAX_STATEMENT_BYTES {
            return Err(AskFailure::Refused(format!("a statement of {} bytes is too long", statement.len())));
        }
        (self.sequence, self.received, self.large) = (0, 0, None);
        self.patience.renew();
        self.send(&BEFORE_STATEMENT, statement.as_bytes())?;
        if let Some(Watch { after, gives_up }) = watch
            && !self.comes_within(after)?
            && let Some(why) = gives_up()
        {
            return Err(AskFailure::Lost(why));
        }
        let packet = self.packet(MAX_ROW_BYTES)?;
        match packets::begin(&packet).ok_or_else(unreadable)? {
            Begin::Refused(why) => Err(AskFailure::Refused(why)),
            begin @ Begin::Done { warnings, .. } => {
                self.warnings = warnings;
                Ok(begin)
            }
            begin @ Begin::Columns(_) => Ok(begin),
        }
    }

    /// # Errors
    /// Also where the answer has rows.
    pub fn run(&mut self, statement: &str) -> Result<DoneStatement, AskFailure> {
        match self.begin(statement, None)? {
            Begin::Done { affected, warnings } => Ok(DoneStatement { affected, warnings }),
            Begin::Columns(_) | Begin::Refused(_) => Err(unreadable()),
        }
    }

    /// Passes each row to `take`. Returns false if `take` did so: the rest of the answer is still on its way then, and the connection
    /// is of no use any longer.
    pub fn rows(
        &mut self,
        statement: &str,
        watch: Option<Watch>,
        take: impl FnMut(Row) -> bool,
    ) -> Result<bool, AskFailure> {
        let outcome = self.each_row(statement, watch, take);
        self.large = None;
        outcome
    }

    fn each_row(
        &mut self,
        statement: &str,
        watch: Option<Watch>,
        mut take: impl FnMut(Row) -> bool,
    ) -> Result<bool, AskFailure> {
        let Begin::Columns(columns) = self.begin(statement, watch)? else { return Ok(true) };
        let names = (0..columns).map(|_| packets::column_name(&self.packet(MAX_ROW_BYTES)?).ok_or_else(unreadable));
        let names = names.collect::<Result<Arc<[String]>, AskFailure>>()?;
        if !packets::is_end(&self.packet(MAX_ROW_BYTES)?) {
            return Err(unreadable());
        }
        loop {
            match packets::next(self.packet(MAX_ROW_BYTES)?, &names).ok_or_else(unreadable)? {
                NextPacket::Row(row) => {
                    if !take(row) {
                        return Ok(false);
                    }
                }
                NextPacket::End { warnings } => {
                    self.warnings = warnings;
                    return Ok(true);
                }
                NextPacket::Refused(why) => return Err(AskFailure::Refused(why)),
            }
        }
    }

    /// The next packet. Its memory grows with the bytes that come, and not by the length that it announces.
    fn packet(&mut self, max_bytes: usize) -> Result<Vec<u8>, AskFailure> {
        let mut packet = Vec::new();
        loop {
            while self.ahead.len() - self.used < HEAD_BYTES {
                self.fill()?;
            }
            let head = &self.ahead[self.used..self.used + HEAD_BYTES];
            let (length, sequence) = (u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize, head[3]);
            if sequence != self.sequence {
                return Err(AskFailure::Lost("its packets do not follow each other".to_owned()));
            }
            let whole = packet.len() + length;
            if whole > max_bytes || self.received + length > MAX_ANSWER_BYTES {
                return Err(AskFailure::Lost(format!(
                    "its answer is too long: a row may have {} MiB, and all {} MiB",
                    MAX_ROW_BYTES >> 20,
                    MAX_ANSWER_BYTES >> 20
                )));
            }
            if whole > LARGE_BYTES && self.large.is_none() {
                self.large = LargeAnswer::wait(self.patience.left());
                if self.large.is_none() {
                    return Err(AskFailure::Lost(
                        "its answer is large, and others that are as large came first".to_owned(),
                    ));
                }
            }
            self.used += HEAD_BYTES;
            self.received += length;
            self.sequence = self.sequence.wrapping_add(1);
            while packet.len() < whole {
                if self.used == self.ahead.len() {
                    self.fill()?;
                }
                let taken = (self.ahead.len() - self.used).min(whole - packet.len());
                if packet.capacity() - packet.len() < taken {
                    packet.reserve_exact((whole - packet.len()).min(packet.len().max(AHEAD_BYTES)));
                }
                packet.extend_from_slice(&self.ahead[self.used..self.used + taken]);
                self.used += taken;
            }
            if length < MAX_PART_BYTES {
                return Ok(packet);
            }
        }
    }

    /// Reads more from the socket: at least a byte.
    fn fill(&mut self) -> Result<(), AskFailure> {
        let read = self.read_within(Duration::MAX);
        self.is_filled(read)
    }

    /// Waits for the first bytes of an answer. Returns whether they come in that time.
    fn comes_within(&mut self, time: Duration) -> Result<bool, AskFailure> {
        match self.read_within(time) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut && !self.patience.left().is_zero() => Ok(false),
            read => self.is_filled(read).map(|()| true),
        }
    }

    fn read_within(&mut self, at_most: Duration) -> io::Result<usize> {
        self.ahead.drain(..std::mem::take(&mut self.used));
        let kept = self.ahead.len();
        self.ahead.resize(kept + AHEAD_BYTES, 0);
        let (socket, room) = (&mut self.socket, &mut self.ahead[kept..]);
        let read = self.patience.step(|left| socket.read(room, left.min(at_most)));
        self.ahead.truncate(kept + *read.as_ref().unwrap_or(&0));
        read
    }

    fn is_filled(&self, read: io::Result<usize>) -> Result<(), AskFailure> {
        match read.map_err(|error| self.lost(&error))? {
            0 if self.received == 0 && self.sequence == 0 && self.ahead.is_empty() => {
                Err(AskFailure::Lost("it closed the connection without a greeting or an answer".to_owned()))
            }
            0 => Err(AskFailure::Lost("it closed the connection".to_owned())),
            _ => Ok(()),
        }
    }

    /// Sends a packet of two pieces.
    fn send(&mut self, first: &[u8], second: &[u8]) -> Result<(), AskFailure> {
        let mut left = second;
        let mut piece = first.to_vec();
        loop {
            let part = left.len().min(MAX_PART_BYTES - piece.len());
            let length = piece.len() + part;
            let head = (length as u32 | u32::from(self.sequence) << 24).to_le_bytes();
            self.sequence = self.sequence.wrapping_add(1);
            let (now, later) = left.split_at(part);
            let mut out = [&head[..], &piece].concat();
            if now.len() <= SMALL_BYTES {
                out.extend_from_slice(now);
                self.write(&out)?;
            } else {
                self.write(&out)?;
                self.write(now)?;
            }
            (left, piece) = (later, Vec::new());
            if length < MAX_PART_BYTES {
                return Ok(());
            }
        }
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), AskFailure> {
        while !bytes.is_empty() {
            let socket = &mut self.socket;
            let written = self.patience.step(|left| socket.write(bytes, left));
            bytes = &bytes[written.map_err(|error| self.lost(&error))?..];
        }
        Ok(())
    }

    fn lost(&self, error: &io::Error) -> AskFailure {
        let seconds = self.patience.timeout().as_secs_f64();
        AskFailure::Lost(match error.kind() {
            io::ErrorKind::TimedOut if self.received > 0 => {
                format!("it has not ended its answer for {seconds} s")
            }
            io::ErrorKind::TimedOut => format!("it has not answered for {seconds} s"),
            _ => error.to_string(),
        })
    }
}

fn unreadable() -> AskFailure {
    AskFailure::Lost("its answer cannot be read: no searchd answers there, or it is broken".to_owned())
}
