//! Connections to searchd for callers that need one now and then: pages, streams, /health.
//!
//! Invariant: while searchd is silent, a watched pool lets one question in a second wait, and answers the others at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::{Address, Dialect};
use crate::sphinx::client::{Engine, Fault};
use crate::sphinx::doubt::{Advice, Doubt};

/// Idle connections for callers that need searchd now and then. Each connection serves one caller at a time.
#[derive(Debug)]
pub struct Pool {
    address: Address,
    timeout: Duration,
    /// with the time of its last use; the last used one is the last
    idle: Mutex<Vec<(Engine, Instant)>>,
    /// None: each question is asked, whatever became of the last one
    doubt: Option<Mutex<Doubt>>,
    /// when the last question was answered
    answered: Mutex<Option<Instant>>,
    /// that of the last connection that was open
    dialect: Mutex<Option<Dialect>>,
}

/// The pool keeps at most this number of connections open that have been idle for long.
const IDLE_CONNECTIONS: usize = 4;
/// Those that many readers have used at a time stay for this time: searchd drops connections that come faster than it takes them.
const IDLE_TIME: Duration = Duration::from_secs(10);
/// A searchd that runs greets at once, also one that is busy with other questions.
pub const GREETING_TIMEOUT: Duration = Duration::from_millis(500);

impl Pool {
    pub fn new(address: &Address, timeout: Duration) -> Pool {
        Pool {
            address: address.clone(),
            timeout,
            idle: Mutex::default(),
            doubt: None,
            answered: Mutex::default(),
            dialect: Mutex::default(),
        }
    }

    /// The same for questions of readers who wait: while searchd is silent, only the first one waits for it.
    pub fn watched(self) -> Pool {
        Pool { doubt: Some(Mutex::default()), ..self }
    }

    /// The engine that answered last; None: none has answered yet.
    pub fn last_dialect(&self) -> Option<Dialect> {
        *self.dialect()
    }

    /// Lends a connection for the time of `work`.
    ///
    /// # Errors
    /// Those of `work`; or the last one of another caller, if searchd has been silent since.
    pub fn with<T>(&self, work: impl FnOnce(&mut Engine) -> Result<T, Fault>) -> Result<T, Fault> {
        self.is_worth_asking()?;
        // a panic while the lock was held leaves the list as it was
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let lent = idle().pop();
        let mut engine = lent.map_or_else(|| Engine::new(&self.address, self.timeout), |(engine, _)| engine);
        let asked = Instant::now();
        let result = work(&mut engine);
        if let Some(dialect) = engine.known_dialect() {
            *self.dialect() = Some(dialect);
        }
        if !matches!(result, Err(Fault::Retry(_))) {
            *self.answered() = Some(Instant::now());
        }
        if let Err(Fault::Retry(why)) = &result
            && asked.elapsed() >= GREETING_TIMEOUT
        {
            // the caller gets its own error
            let _ = self.greet(Some(why));
        }
        let now = Instant::now();
        let mut idle = idle();
        idle.push((engine, now));
        let old = idle.iter().take_while(|(_, used)| now.duration_since(*used) > IDLE_TIME).count();
        let excess = old.min(idle.len().saturating_sub(IDLE_CONNECTIONS));
        let closed: Vec<(Engine, Instant)> = idle.drain(..excess).collect();
        // closed without the lock
        drop(idle);
        drop(closed);
        result
    }

    fn is_worth_asking(&self) -> Result<(), Fault> {
        let Some(doubt) = self.doubt() else { return Ok(()) };
        let advice = doubt.advice(Instant::now());
        drop(doubt);
        match advice {
            Advice::Ask => Ok(()),
            Advice::Refuse(why) => Err(Fault::Retry(why)),
            Advice::Greet => self.greet(None),
        }
    }

    /// Notes whether searchd greets, or has answered somebody meanwhile; `failed` is the question that it has not answered.
    fn greet(&self, failed: Option<&str>) -> Result<(), Fault> {
        let begun = Instant::now();
        let greeting = Engine::new(&self.address, GREETING_TIMEOUT).version();
        let has_answered = self.answered().is_some_and(|at| at >= begun);
        let Some(mut doubt) = self.doubt() else { return Ok(()) };
        match greeting {
            // one that has much to do answers some
            Err(fault) if !has_answered => {
                let why = failed.unwrap_or(fault.why());
                if doubt.is_silent(why, Instant::now()) {
                    log::warn!("{why}; pages show an error until it answers");
                }
                Err(fault)
            }
            _ => {
                if doubt.is_over() {
                    log::info!("searchd at {} answers again", self.address);
                }
                Ok(())
            }
        }
    }

    fn answered(&self) -> MutexGuard<'_, Option<Instant>> {
        // a panic of another thread leaves it whole
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dialect(&self) -> MutexGuard<'_, Option<Dialect>> {
        // a panic of another thread leaves it whole
        self.dialect.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doubt(&self) -> Option<MutexGuard<'_, Doubt>> {
        // a panic of another thread leaves it whole
        self.doubt.as_ref().map(|doubt| doubt.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
