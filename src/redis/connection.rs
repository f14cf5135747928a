//! A connection to Redis: opened when it is needed, and again after an error that may leave it out of step.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{ConnectionLike, Pipeline, RedisResult};

use crate::config;
use crate::redis::error::Error;
use crate::redis::primary::Primary;
use crate::redis::slowness::Slowness;
use crate::redis::stream::RedisStream;
use crate::time::Ts;

/// Redis answers in microseconds; one that needs seconds counts as away.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What a replica answers to a write, with other words around it if a script writes.
const READ_ONLY: &str = "READONLY";

pub struct RedisStore {
    primary: Primary,
    /// the owner of its leases: `<process>/<thread>`
    pub owner: String,
    /// the number of this owner's session
    session: u32,
    timeout: Duration,
    connection: Mutex<Option<RedisStream>>,
    /// for those who can do without its answers
    slowness: Option<Mutex<Slowness>>,
    /// that its leases have others among them
    pub has_warned: AtomicBool,
}

impl RedisStore {
    /// Does not connect yet. No other process has the name `process`, and no other thread of this one the name `thread`.
    pub fn new(redis: &config::Redis, process: &str, thread: &str) -> Result<RedisStore, String> {
        Ok(RedisStore {
            primary: Primary::new(redis)?,
            owner: format!("{process}/{thread}"),
            session: 0,
            timeout: TIMEOUT,
            connection: Mutex::new(None),
            slowness: None,
            has_warned: AtomicBool::new(false),
        })
    }

    /// The same for callers who do not wait longer than that for one answer, and can do without if Redis is slow.
    pub fn answering_within(self, timeout: Duration) -> RedisStore {
        RedisStore { timeout, slowness: Some(Mutex::default()), ..self }
    }

    /// Begins a session, for another connection to the broker: leases from now on belong to it.
    pub fn begin_session(&mut self) {
        self.session += 1;
    }

    pub fn session(&self) -> String {
        format!("{}/{}", self.owner, self.session)
    }

    pub fn send(&self, pipe: &Pipeline) -> Result<(), Error> {
        match pipe.is_empty() {
            true => Ok(()),
            false => self.ask(|connection| pipe.query(connection)),
        }
    }

    /// Processes that hold a connection to this Redis, this one among them.
    pub fn processes(&self) -> Result<HashSet<String>, Error> {
        let list: String = self.ask(|connection| redis::cmd("CLIENT").arg("LIST").query(connection))?;
        let names = list.split_whitespace().filter_map(|word| word.strip_prefix("name=alco-"));
        Ok(names.map(|name| name.split('/').next().unwrap_or_default().to_owned()).collect())
    }

    /// Returns an error if this Redis takes no writes. It writes nothing: XX changes only a key that exists, and this key never does.
    pub fn takes_writes(&self) -> Result<(), Error> {
        self.ask(|connection| redis::cmd("SET").arg("ALCO:NEVER").arg("").arg("XX").query(connection))
    }

    /// The INFO of this Redis, and the time of its clock.
    pub fn about(&self) -> Result<(HashMap<String, String>, Ts), Error> {
        let mut pipe = redis::pipe();
        pipe.cmd("INFO").cmd("TIME");
        let (info, (seconds, micros)): (String, (i64, i64)) = self.ask(|connection| pipe.query(connection))?;
        let pairs = info.lines().filter_map(|line| line.trim_end().split_once(':'));
        let info = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Ok((info, Ts::from_micros(seconds.saturating_mul(1_000_000).saturating_add(micros))))
    }

    /// The time of its clock, which all nodes with this Redis see.
    pub fn time(&self) -> Result<Ts, Error> {
        let (seconds, micros): (i64, i64) = self.ask(|connection| redis::cmd("TIME").query(connection))?;
        Ok(Ts::from_micros(seconds.saturating_mul(1_000_000).saturating_add(micros)))
    }

    pub fn ask<T>(&self, question: impl FnOnce(&mut dyn ConnectionLike) -> RedisResult<T>) -> Result<T, Error> {
        // a panic while it was held leaves a connection that may be out of step
        let mut held = self.connection.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
            let mut held = poisoned.into_inner();
            *held = None;
            held
        });
        let at_address = |error: Error| error.with_text(|why| format!("redis at {}: {why}", self.primary.shown()));
        let connection = match &mut *held {
            Some(connection) => connection,
            None => held.insert(self.connect().map_err(at_address)?),
        };
        let answer = question(connection);
        if let Some(waited) = connection.take_waited() {
            self.note_wait(waited);
        }
        answer.map_err(|answer| {
            let error = Error::from(&answer);
            // an answer of Redis itself leaves the connection in step, another error may not; and only connecting logs in again, or finds
            // the primary that has taken the place of this one
            let is_replica = self.primary.may_move() && error.to_string().contains(READ_ONLY);
            if answer.code().is_none() || matches!(error, Error::Refused(_)) || is_replica {
                *held = None;
            }
            at_address(error)
        })
    }

    /// True if its last answers took so long that whoever can do without them should.
    pub fn is_slow(&self) -> bool {
        self.slowness().is_some_and(|slowness| slowness.is_slow())
    }

    /// True, now and then, for the one who is to find out whether it still is.
    pub fn is_to_be_tried(&self) -> bool {
        self.slowness().is_some_and(|mut slowness| slowness.is_due(Instant::now()))
    }

    fn note_wait(&self, waited: Duration) {
        let at = self.primary.shown();
        match self.slowness().and_then(|mut slowness| slowness.note(waited, Instant::now())) {
            Some(true) => {
                log::warn!("redis at {at} takes {} ms for an answer: pages do without its values", waited.as_millis());
            }
            Some(false) => log::info!("redis at {at} answers quickly again"),
            None => {}
        }
    }

    fn slowness(&self) -> Option<MutexGuard<'_, Slowness>> {
        // a panic of another thread leaves whole values
        Some(self.slowness.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn connect(&self) -> Result<RedisStream, Error> {
        self.primary.connect(self.timeout, &format!("alco-{}", self.owner))
    }
}
