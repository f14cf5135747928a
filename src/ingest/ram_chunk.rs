//! searchd writes its RAM chunk to the disk when alco asks for it, and never while a worker inserts, of this or another process, nor
//! while searchd writes or merges chunks of that day.
//!
//! searchd 2.2.11 loses what is committed while it saves a RAM chunk, and what two saves or a merge make of a day's files
//! (`chunk_faults` has the whole story). So the generated `rt_mem_limit` is far above what alco lets gather.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::{Address, IndexName};
use crate::net::host::host_name;
use crate::redis;
use crate::redis::connection::RedisStore;
use crate::redis::turns::InsertTurn;
use crate::sphinx::chunk_faults::{self, RAM_CHUNK_BYTES, save_ram_chunk};
use crate::sphinx::client::{Engine, Fault};
use crate::sphinx::day_index::day_index;
use crate::sphinx::dialect::optimize;
use crate::sphinx::statement;
use crate::time::Day;

/// RAM chunks are written from this size on. A quarter of the generated rt_mem_limit, so that the inserts that
/// come while a save waits for its turn stay below it. A smaller size costs collecting more time, since nothing is stored
/// during a save; a larger one costs memory.
const RAM_CHUNK: u64 = 64 << 20;
/// Bytes of SphinxQL inserted before searchd is asked again for the size of the RAM chunk.
const BYTES_BETWEEN_CHECKS: usize = 8 << 20;

/// The time between two looks at whether another process has ended its save or its insert.
pub const LOOK: Duration = Duration::from_millis(10);
/// The longest wait of a save for inserts of other processes; meanwhile none begins. The next save is due after some more records.
const MAX_WAIT_FOR_INSERTS: Duration = Duration::from_secs(2);
/// The time between two looks at whether the chunks of a day are merged.
pub const LOOK_AT_MERGE: Duration = Duration::from_secs(1);
/// searchd that refuses connections, or closes them, does so at once; one that takes longer hangs.
const AT_ONCE: Duration = Duration::from_secs(5);

/// For all workers of an index, here and in other processes: inserts go side by side, a save goes alone.
#[derive(Debug)]
pub struct ChunkLock {
    index: IndexName,
    /// the name of this searchd among all that use the same Redis
    node: String,
    /// Redis decides between processes; a worker of this one need not look again and again
    here: RwLock<()>,
}

impl ChunkLock {
    pub fn new(index: IndexName, searchd: &Address) -> ChunkLock {
        ChunkLock { index, node: searchd_name(searchd), here: RwLock::default() }
    }

    /// To be held while inserting.
    pub fn insert(&self) -> RwLockReadGuard<'_, ()> {
        // nothing lies in the lock that a panic could break
        self.here.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an insert among all processes. It is refused while another process saves: ask again after `LOOK`.
    pub fn begin_insert(&self, redis: &RedisStore, day: Day) -> Result<InsertTurn, redis::Error> {
        redis.begin_insert(&self.index, &self.node, day)
    }

    /// Whether a day that searchd may be merging takes more records. Its RAM chunk is not written before the merge has ended.
    pub fn has_room(&self, day: Day, engine: &mut Engine) -> bool {
        // the insert will show why searchd does not answer
        chunks(engine, &self.day_index(day)).map_or(true, |chunks| chunks.ram < RAM_CHUNK)
    }

    /// Has searchd keep what it has committed to a day that it may be merging: `chunk_faults::keep_in_merge` has the reason.
    pub fn keep(&self, day: Day, engine: &mut Engine) -> Result<(), Fault> {
        match engine.select(&chunk_faults::keep_in_merge(&self.day_index(day))) {
            Ok(_) => Ok(()),
            // no record is at fault
            Err(Fault::Retry(why) | Fault::Reject(why)) => Err(Fault::Retry(why)),
        }
    }

    fn day_index(&self, day: Day) -> String {
        day_index(&self.index, day)
    }

    /// Ends an insert that searchd has answered. searchd may still run one that it has not answered: that turn lasts until it
    /// expires.
    pub fn end_insert(&self, redis: &RedisStore) {
        let ended = redis.end_insert(&self.index, &self.node);
        ended.unwrap_or_else(|error| log::debug!("{}: an insert's turn has to expire: {error}", self.index));
    }

    /// Has the RAM chunk of a day written while no worker inserts, if it is still due then. Does nothing while searchd may be merging
    /// the day's chunks.
    ///
    /// # Errors
    /// Those of searchd and Redis, and that another process inserts or saves for long.
    pub fn save(
        &self,
        day: Day,
        engine: &mut Engine,
        redis: &RedisStore,
        is_due: impl Fn(Chunks) -> bool,
    ) -> Result<(), Fault> {
        let name = self.day_index(day);
        self.alone(&name, engine, redis, |engine| {
            if redis.is_merging(&self.index, &self.node, day).map_err(cannot)? || !is_due(chunks(engine, &name)?) {
                return Ok(());
            }
            write(&name, engine)
        })
    }

    /// Has searchd merge the disk chunks of a day that this process has claimed. If it has more than one, they may already be on
    /// their way into one: then the RAM chunk is left for another call. Returns whether the RAM chunk was written.
    ///
    /// # Errors
    /// As those of `save`.
    pub fn merge(&self, day: Day, engine: &mut Engine, redis: &RedisStore) -> Result<bool, Fault> {
        let name = self.day_index(day);
        let optimize = optimize(engine.dialect()?, &name);
        self.alone(&name, engine, redis, |engine| {
            let is_written = chunks(engine, &name)?.disk <= 1;
            if is_written {
                write(&name, engine)?;
            }
            engine.select(&optimize).map(|_| is_written)
        })
    }

    /// Does a task while no worker inserts into the index or has a RAM chunk of it written, of this or another process.
    fn alone<T>(
        &self,
        day_index: &str,
        engine: &mut Engine,
        redis: &RedisStore,
        task: impl FnOnce(&mut Engine) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let _alone = self.here.write().unwrap_or_else(PoisonError::into_inner);
        if !redis.begin_save(&self.index, &self.node).map_err(cannot)? {
            return Err(Fault::Retry(format!("another alco has searchd save {}", self.index)));
        }
        let is_alone = self.await_inserts(redis).and_then(|()| no_save_under_way(day_index, engine));
        let outcome = is_alone.and_then(|()| task(engine));
        if outcome.is_err() && !self.is_save_over(day_index, engine, redis) {
            // the turn lasts until it expires
            return outcome;
        }
        redis.end_save(&self.index, &self.node).map_err(cannot)?;
        outcome
    }

    /// Waits for the end of a save that searchd has not answered. Returns false if searchd does not answer either whether it saves.
    fn is_save_over(&self, day_index: &str, engine: &mut Engine, redis: &RedisStore) -> bool {
        loop {
            let asked = Instant::now();
            match saves_under_way(day_index, engine) {
                Ok(false) => return true,
                Ok(true) if redis.go_on_saving(&self.index, &self.node).is_err() => return false,
                Ok(true) => thread::sleep(LOOK_AT_MERGE),
                // a searchd that has ended saves no longer
                Err(_) => return asked.elapsed() < AT_ONCE,
            }
        }
    }

    fn await_inserts(&self, redis: &RedisStore) -> Result<(), Fault> {
        let begun = Instant::now();
        loop {
            let left = redis.inserts_under_way(&self.index, &self.node);
            match left.map_err(cannot)? {
                0 => return Ok(()),
                _ if begun.elapsed() < MAX_WAIT_FOR_INSERTS => thread::sleep(LOOK),
                n => return Err(Fault::Retry(format!("{n} other inserts into {} do not end", self.index))),
            }
        }
    }
}

fn cannot(error: redis::Error) -> Fault {
    Fault::Retry(error.to_string())
}

fn write(day_index: &str, engine: &mut Engine) -> Result<(), Fault> {
    let begun = Instant::now();
    save_ram_chunk(day_index).iter().try_for_each(|statement| engine.select(statement).map(drop))?;
    log::debug!("{day_index}: RAM chunk written in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Whether searchd writes the RAM chunk of a day: for this process, one that has died, or an administrator.
fn saves_under_way(day_index: &str, engine: &mut Engine) -> Result<bool, Fault> {
    let threads = engine.select(statement::SHOW_THREADS)?;
    Ok(threads.iter().any(|row| chunk_faults::saves(|column| row.named(column), day_index)))
}

fn no_save_under_way(day_index: &str, engine: &mut Engine) -> Result<(), Fault> {
    match saves_under_way(day_index, engine)? {
        true => Err(Fault::Retry(format!("searchd still writes the RAM chunk of {day_index}"))),
        false => Ok(()),
    }
}

/// The name of a searchd among all that use the same Redis.
pub fn searchd_name(searchd: &Address) -> String {
    let here = || host_name().unwrap_or_else(|| "localhost".to_owned());
    match searchd {
        Address::Tcp { host, port } if !searchd.is_local() => format!("{host}:{port}"),
        address => format!("{}/{address}", here()),
    }
}

/// The bytes that a worker has inserted into a day index since its last check.
#[derive(Debug, Default)]
pub struct RamChunkFill {
    day: Option<Day>,
    bytes: usize,
}

impl RamChunkFill {
    /// Notes an insert; has the RAM chunk written if it has grown enough. After an error the next insert asks again, and logs
    /// the cause.
    pub fn add(
        &mut self,
        day: Day,
        bytes: usize,
        turn: &ChunkLock,
        engine: &mut Engine,
        redis: &RedisStore,
    ) -> Result<(), Fault> {
        if self.day != Some(day) {
            // days change seldom; the chunk of the one before is smaller than what would be written
            self.day = Some(day);
            self.bytes = 0;
        }
        self.bytes += bytes;
        if self.bytes < BYTES_BETWEEN_CHECKS {
            return Ok(());
        }
        self.bytes = 0;
        if chunks(engine, &turn.day_index(day))?.ram < RAM_CHUNK {
            return Ok(());
        }
        // another worker may have been first
        turn.save(day, engine, redis, |chunks| chunks.ram >= RAM_CHUNK)
    }
}

/// The parts of a realtime index.
#[derive(Clone, Copy, Debug)]
pub struct Chunks {
    /// bytes of the RAM chunk; about ten of an empty one
    pub ram: u64,
    /// the number of those on the disk
    pub disk: u64,
}

pub fn chunks(engine: &mut Engine, day_index: &str) -> Result<Chunks, Fault> {
    let status = engine.index_status(day_index)?;
    let of = |name: &str| status.figure(name).unwrap_or(0);
    Ok(Chunks { ram: of(RAM_CHUNK_BYTES), disk: of("disk_chunks") })
}
