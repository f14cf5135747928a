//! What is done now and then: says what was collected, lets values go that are past retention, and sees to it that searchd
//! serves the day indexes it should.

use std::convert::Infallible;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::config::{Config, Sphinx};
use crate::metrics::Metrics;
use crate::sphinx::daily::{day_index, oldest, served_days};
use crate::sphinx::engine::Engine;
use crate::time::{Day, Ts};
use crate::values::Values;

/// How often the clock is looked at: a new day's indexes are wanted at once.
const LOOK: Duration = Duration::from_secs(1);
const ROUND: Duration = Duration::from_secs(10);
/// Values past retention leave once an hour, and when the day turns.
const FORGET_ROUNDS: u32 = 360;
/// searchd answers at once what it serves.
const SEARCHD_TIMEOUT: Duration = Duration::from_secs(10);

pub struct Housekeeping<'a> {
    config: &'a Config,
    metrics: &'a Metrics,
    values: Result<Values, String>,
    engine: Engine,
    /// stored at the last report, for each index
    stored: Vec<u64>,
    /// what was said of missing day indexes, so that it is said once
    said: Option<String>,
}

impl<'a> Housekeeping<'a> {
    pub fn new(config: &'a Config, metrics: &'a Metrics, process: &str) -> Housekeeping<'a> {
        Housekeeping {
            config,
            metrics,
            values: Values::new(&config.redis, process, "housekeeping"),
            engine: Engine::new(&config.sphinx.address, SEARCHD_TIMEOUT),
            stored: vec![0; metrics.indexes.len()],
            said: None,
        }
    }

    /// Until it is told to stop.
    pub fn run(mut self, stop: &Receiver<Infallible>) {
        for round in 0_u32.. {
            let now = Ts::of(SystemTime::now());
            self.report(now);
            self.days(now.day());
            if round % FORGET_ROUNDS == 0 {
                self.forget(now.day());
            }
            let next = Instant::now() + ROUND;
            let mut today = now.day();
            while Instant::now() < next {
                match stop.recv_timeout(LOOK) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                let day = Ts::of(SystemTime::now()).day();
                if day != today {
                    today = day;
                    self.days(day);
                    self.forget(day);
                }
            }
        }
    }

    fn report(&mut self, now: Ts) {
        for ((name, collected), before) in self.metrics.indexes.iter().zip(&mut self.stored) {
            let stored = collected.stored.get();
            let count = stored - *before;
            *before = stored;
            if count > 0 {
                let lag = collected.newest.get().map_or(0, |newest| (now.seconds() - newest.seconds()).max(0));
                let seconds = ROUND.as_secs();
                log::info!("{name}: {count} records in {seconds} s, {}/s, {lag} s behind", count / seconds);
            }
        }
    }

    fn forget(&self, today: Day) {
        let Ok(values) = &self.values else { return };
        for index in &self.config.indexes {
            if let Err(why) = values.forget(&index.name, oldest(today, index.days).start()) {
                log::debug!("{}: {why}", index.name);
            }
        }
    }

    /// Has searchd read its configuration anew where it lacks a day that it should serve.
    fn days(&mut self, today: Day) {
        // searchd being away is said by those who need it
        let Ok(tables) = self.engine.select("SHOW TABLES") else { return };
        let served = |name: &str| tables.iter().any(|row| row.bytes(0) == name.as_bytes());
        let expected = self
            .config
            .indexes
            .iter()
            .flat_map(|index| served_days(today, index.days).map(|day| day_index(&index.name, day)));
        let missing: Vec<String> = expected.filter(|name| !served(name)).collect();
        let Some(first) = missing.first() else {
            if self.said.take().is_some() {
                log::info!("searchd serves all day indexes now");
            }
            return;
        };
        let lacking = match missing.len() {
            1 => format!("searchd does not serve {first}"),
            n => format!("searchd does not serve {first} and {} more day indexes", n - 1),
        };
        let line = match reread(&self.config.sphinx) {
            Ok(()) => format!("{lacking}: told it to read its configuration anew"),
            Err(why) => format!("{lacking}: {why}"),
        };
        if self.said.as_ref() != Some(&line) {
            log::warn!("{line}");
            self.said = Some(line);
        }
    }
}

/// SIGHUP to the process that searchd's pid file names.
fn reread(sphinx: &Sphinx) -> Result<(), String> {
    signal(sphinx, Some(Signal::SIGHUP))
}

/// Sends a signal to the process that searchd's pid file names; None: says whether one could.
pub fn signal(sphinx: &Sphinx, signal: Option<Signal>) -> Result<(), String> {
    let by_hand = "have it read its configuration anew (kill -HUP)";
    let Some(path) = &sphinx.pid_file else {
        return Err(format!("{by_hand}, or set [sphinx] pid_file in alco.ini"));
    };
    let pid = pid_in(path).map_err(|why| format!("cannot read {}: {why}; {by_hand}", path.display()))?;
    kill(pid, signal).map_err(|error| match error {
        Errno::EPERM => format!("process {pid} is another user's; run alco as searchd's user, or {by_hand} once a day"),
        Errno::ESRCH => format!("{} names process {pid}, which is gone; start searchd", path.display()),
        error => format!("cannot signal process {pid}: {error}; {by_hand}"),
    })
}

fn pid_in(path: &Path) -> Result<Pid, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    match text.trim().parse() {
        // 0 and below would mean groups of processes
        Ok(pid) if pid > 1 => Ok(Pid::from_raw(pid)),
        _ => Err("it holds no process id".into()),
    }
}
