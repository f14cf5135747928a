//! Optimizes the index of a day that is over: searchd merges its disk chunks into one, writes its RAM chunk to the disk, and merges
//! the two, which takes less memory and is searched faster. This happens once for each day, one day at a time, when few records arrive.
//!
//! Redis remembers which days are done, for each searchd, so that neither a restart nor another alco on the same searchd does
//! them again. A few late records do not make alco optimize a day again; many of them do. Invariant: Redis has a day as begun before
//! searchd gets the statement, and until its chunks are one; meanwhile no RAM chunk of it is written (`ChunkLock`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Address, Config};
use crate::ingest::IndexShared;
use crate::ingest::ram_chunk;
use crate::ingest::ram_chunk::Chunks;
use crate::redis::connection::RedisStore;
use crate::redis::day_claims::DayClaim;
use crate::sphinx::client::{Engine, Fault};
use crate::sphinx::day_index::{day_index, served_days};
use crate::time::{Day, Ts};

/// Writing 64 MiB to a busy disk may take long.
const SEARCHD_TIMEOUT: Duration = Duration::from_secs(60);
/// Below this rate the merge does not slow storing down.
const IDLE_RECORDS_PER_SECOND: u64 = 200;
/// Seconds after midnight: by then, the records of the past day are stored, and searchd has read its configuration.
const AT_THE_EARLIEST: i64 = 600;
/// Seconds after midnight: from then on, a busy host no longer puts the work off.
const AT_THE_LATEST: i64 = 3 * 3600;
/// searchd merges tens of megabytes a second, and no file of a chunk is above 4 GiB. A merge that has not become shorter by a chunk in
/// this time has failed.
const MAX_MERGE_STEP: Duration = Duration::from_secs(1800);
/// A day is optimized again when its late records take more bytes of the RAM chunk than this, or more disk chunks than
/// `LATE_CHUNKS`.
const LATE_BYTES: u64 = 8 << 20;
const LATE_CHUNKS: u64 = 4;

/// A day index whose chunks searchd is merging.
#[derive(Clone, Copy)]
struct Merge {
    /// the number of the index
    index: usize,
    day: Day,
    /// the number of disk chunks, and when it was first seen
    disk: u64,
    seen: Instant,
    /// the day's RAM chunk is one of them
    is_ram_written: bool,
    /// that of the statement: a searchd that has started since no longer knows it
    connection: u64,
}

pub struct Finishing {
    engine: Engine,
    /// the name of this searchd among all that use the same Redis
    node: String,
    /// days that need no more work, with the number of their index
    done: BTreeSet<(usize, Day)>,
    merging: Option<Merge>,
}

impl Finishing {
    pub fn new(address: &Address) -> Finishing {
        let engine = Engine::new(address, SEARCHD_TIMEOUT);
        Finishing { engine, node: ram_chunk::searchd_name(address), done: BTreeSet::new(), merging: None }
    }

    /// searchd is merging the chunks of a day, and would read its configuration after that only.
    pub fn is_merging(&self) -> bool {
        self.merging.is_some()
    }

    /// Does the next step. `rate` is the number of records stored per second. An error of a server is only logged, since the
    /// next call tries again.
    pub fn step(&mut self, config: &Config, shared: &[Arc<IndexShared>], values: &RedisStore, now: Ts, rate: u64) {
        let since = now.seconds() - now.day().start().seconds();
        let is_due = since > AT_THE_EARLIEST && (rate < IDLE_RECORDS_PER_SECOND || since > AT_THE_LATEST);
        let outcome = match self.merging {
            Some(merge) => self.follow(config, shared, values, merge, now),
            None if is_due => self.begin(config, shared, values, now),
            None => Ok(()),
        };
        if let Err(why) = outcome {
            log::debug!("cannot optimize a day that is over: {why}");
        }
    }

    /// Begins to optimize the newest day that is over and not done: searchd still has that one in memory.
    fn begin(
        &mut self,
        config: &Config,
        shared: &[Arc<IndexShared>],
        values: &RedisStore,
        now: Ts,
    ) -> Result<(), String> {
        for (at, index) in config.indexes.iter().enumerate() {
            let mut over: Vec<Day> = served_days(now.day(), index.days).filter(|day| *day < now.day()).collect();
            over.reverse();
            for day in over {
                if self.done.contains(&(at, day)) {
                    continue;
                }
                match values.claim_finishing(&index.name, &self.node, day)? {
                    DayClaim::Done => {
                        self.done.insert((at, day));
                    }
                    DayClaim::Taken => {}
                    DayClaim::Ours => {
                        match self.merge(shared, values, at, day) {
                            Ok(()) => return Ok(()),
                            // searchd does not serve this day; it may serve another
                            Err(Fault::Reject(_)) => {}
                            Err(Fault::Retry(why)) => return Err(why),
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Has searchd merge the chunks of a day that this process has claimed.
    fn merge(&mut self, shared: &[Arc<IndexShared>], values: &RedisStore, index: usize, day: Day) -> Result<(), Fault> {
        let is_ram_written = shared[index].turn().merge(day, &mut self.engine, values)?;
        let connection = self.engine.connection();
        self.merging = Some(Merge { index, day, disk: u64::MAX, seen: Instant::now(), is_ram_written, connection });
        Ok(())
    }

    /// Notes the day as done when searchd has merged its chunks, or fails to.
    fn follow(
        &mut self,
        config: &Config,
        shared: &[Arc<IndexShared>],
        values: &RedisStore,
        merge: Merge,
        now: Ts,
    ) -> Result<(), String> {
        let Merge { index: at, day, is_ram_written, .. } = merge;
        let index = &config.indexes[at];
        let name = day_index(&index.name, day);
        let disk = match ram_chunk::chunks(&mut self.engine, &name) {
            Ok(chunks) => chunks.disk,
            // searchd no longer serves it
            Err(Fault::Reject(_)) => 0,
            Err(Fault::Retry(why)) => return Err(why),
        };
        let has_failed = disk > 1 && disk >= merge.disk && merge.seen.elapsed() > MAX_MERGE_STEP;
        if disk > 1 && !has_failed || disk == 1 && !is_ram_written {
            // a Redis that lost its data no longer has the day as begun
            if values.claim_finishing(&index.name, &self.node, day)? != DayClaim::Ours {
                self.merging = None;
            } else if disk == 1 || self.engine.connection() != merge.connection {
                self.merge(shared, values, at, day).map_err(|fault| fault.why().to_owned())?;
            } else if disk < merge.disk {
                self.merging = Some(Merge { disk, seen: Instant::now(), ..merge });
            }
            return Ok(());
        }
        values.finished(&index.name, &self.node, day, now)?;
        self.merging = None;
        self.done.insert((at, day));
        match disk {
            // a day without records
            0 => log::debug!("{name}: the day is over, and empty"),
            1 => log::info!("{name}: the day is over, and on the disk in one piece"),
            n => {
                log::info!("{name}: the day is over, and on the disk in {n} pieces, which searchd has not merged");
                if !is_ram_written {
                    let saved = shared[at].turn().save(day, &mut self.engine, values, |_| true);
                    saved.map_err(|fault| fault.why().to_owned())?;
                }
            }
        }
        Ok(())
    }

    /// Forgets days past retention; lets days be optimized again that got many records after they were done.
    pub fn look_back(&mut self, config: &Config, values: &RedisStore, today: Day) {
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
