//! A day that is over: its RAM chunk is written to the disk, and its disk chunks become one, which takes less memory and time to
//! search. Once for each day, one day at a time, when there is little to store.
//!
//! Redis remembers what is done, for each searchd, so that neither a restart nor another alco on the same searchd does it again.
//! Late records do not begin it anew, unless there are many of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Address, Config};
use crate::ingest::Shared;
use crate::ingest::ram_chunk;
use crate::ingest::ram_chunk::Chunks;
use crate::redis::{Claim, Values};
use crate::sphinx::client::{Engine, Fault};
use crate::sphinx::day_index::{day_index, served_days};
use crate::sphinx::statement;
use crate::time::{Day, Ts};

/// Writing 64 MiB to a busy disk may take long.
const SEARCHD_TIMEOUT: Duration = Duration::from_secs(60);
/// Of records a second: with less, the other work is not felt.
const IDLE_RECORDS_PER_SECOND: u64 = 200;
/// Seconds after midnight: what was on its way is stored by then, and searchd has read its configuration; and how long a busy
/// host may put it off.
const AT_THE_EARLIEST: i64 = 600;
const AT_THE_LATEST: i64 = 3 * 3600;
/// searchd merges tens of megabytes a second. What has not ended by then is left to it.
const MERGE: Duration = Duration::from_secs(1800);
/// What came late is worth another round from here on.
const LATE_BYTES: i64 = 8 << 20;
const LATE_CHUNKS: i64 = 4;

pub struct Finishing {
    engine: Engine,
    /// this searchd among all that use the same Redis
    node: String,
    /// by the number of the index
    done: BTreeSet<(usize, Day)>,
    /// whose chunks searchd is merging
    merging: Option<(usize, Day, Instant)>,
}

impl Finishing {
    pub fn new(address: &Address) -> Finishing {
        let here = || {
            nix::unistd::gethostname().map_or_else(|_| "localhost".into(), |name| name.to_string_lossy().into_owned())
        };
        let node = match address {
            Address::Tcp { host, port }
                if !["localhost", "::1"].contains(&host.as_str()) && !host.starts_with("127.") =>
            {
                format!("{host}:{port}")
            }
            address => format!("{}/{address}", here()),
        };
        Finishing { engine: Engine::new(address, SEARCHD_TIMEOUT), node, done: BTreeSet::new(), merging: None }
    }

    /// Done now and then; goes one step on. `rate`: records that are being stored in a second. A server that is away is no
    /// matter: the next time will do.
    pub fn step(&mut self, config: &Config, shared: &[Arc<Shared>], values: &Values, now: Ts, rate: u64) {
        let since = now.seconds() - now.day().start().seconds();
        let is_due = since > AT_THE_EARLIEST && (rate < IDLE_RECORDS_PER_SECOND || since > AT_THE_LATEST);
        let outcome = match self.merging {
            Some((index, day, since)) => self.is_merged(config, values, index, day, since, now),
            None if is_due => self.begin(config, shared, values, now),
            None => Ok(()),
        };
        if let Err(why) = outcome {
            log::debug!("cannot finish a day: {why}");
        }
    }

    /// The next day that is over and not finished, the newest first: it is the one that is still in memory.
    fn begin(&mut self, config: &Config, shared: &[Arc<Shared>], values: &Values, now: Ts) -> Result<(), String> {
        for (at, index) in config.indexes.iter().enumerate() {
            let mut over: Vec<Day> = served_days(now.day(), index.days).filter(|day| *day < now.day()).collect();
            over.reverse();
            for day in over {
                if self.done.contains(&(at, day)) {
                    continue;
                }
                match values.claim_finishing(&index.name, &self.node, day)? {
                    Claim::Done => {
                        self.done.insert((at, day));
                    }
                    Claim::Taken => {}
                    Claim::Ours => {
                        let name = day_index(&index.name, day);
                        let saved = shared[at].turn().save(&name, &mut self.engine, |_| true);
                        match saved.and_then(|()| self.engine.select(&statement::optimize(&name))) {
                            Ok(_) => self.merging = Some((at, day, Instant::now())),
                            // it is not served: another may be
                            Err(Fault::Reject(_)) => continue,
                            Err(Fault::Retry(why)) => return Err(why),
                        }
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn is_merged(
        &mut self,
        config: &Config,
        values: &Values,
        at: usize,
        day: Day,
        since: Instant,
        now: Ts,
    ) -> Result<(), String> {
        let index = &config.indexes[at];
        let name = day_index(&index.name, day);
        let disk = match ram_chunk::chunks(&mut self.engine, &name) {
            Ok(chunks) => chunks.disk,
            // it is served no more
            Err(Fault::Reject(_)) => 0,
            Err(Fault::Retry(why)) => return Err(why),
        };
        if disk > 1 && since.elapsed() < MERGE {
            return Ok(());
        }
        values.finished(&index.name, &self.node, day, now)?;
        self.merging = None;
        self.done.insert((at, day));
        match disk {
            0 | 1 => log::info!("{name}: the day is over, and on the disk in one piece"),
            n => log::info!("{name}: the day is over, and on the disk in {n} pieces, which searchd has not merged"),
        }
        Ok(())
    }

    /// Days that are finished, and have got much since, are to be finished again.
    pub fn look_back(&mut self, config: &Config, values: &Values, today: Day) {
        self.done.retain(|(at, day)| served_days(today, config.indexes[*at].days).any(|served| served == *day));
        let engine = &mut self.engine;
        self.done.retain(|(at, day)| {
            let index = &config.indexes[*at].name;
            match ram_chunk::chunks(engine, &day_index(index, *day)) {
                Ok(Chunks { ram, disk }) if ram > LATE_BYTES || disk > LATE_CHUNKS => {
                    values.unfinished(index, &self.node, *day).is_err()
                }
                _ => true,
            }
        });
    }
}
