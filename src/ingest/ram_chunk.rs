//! searchd writes its RAM chunk to the disk when alco asks for it, and never while a worker inserts, of this or another process.
//!
//! searchd 2.2.11 loses what is committed while it saves a RAM chunk (`dialect` has the whole story). So the generated
//! `rt_mem_limit` is far above what alco lets gather.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::{Address, IndexName};
use crate::net::host::host_name;
use crate::redis;
use crate::redis::connection::RedisStore;
use crate::sphinx::client::{Engine, Fault};
use crate::sphinx::dialect::{RAM_CHUNK_BYTES, save_ram_chunk};

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

    /// Begins an insert among all processes. Returns false while another process saves: ask again after `LOOK`.
    pub fn begin_insert(&self, redis: &RedisStore) -> Result<bool, redis::Error> {
        redis.begin_insert(&self.index, &self.node)
    }

    /// Ends an insert that searchd has answered. searchd may still run one that it has not answered: that turn lasts until it
    /// expires.
    pub fn end_insert(&self, redis: &RedisStore) {
        let ended = redis.end_insert(&self.index, &self.node);
        ended.unwrap_or_else(|error| log::debug!("{}: an insert's turn has to expire: {error}", self.index));
    }

    /// Has the RAM chunk of a day index written while no worker inserts, if it is still due then.
    ///
    /// # Errors
    /// Those of searchd and Redis, and that another process inserts or saves for long.
    pub fn save(
        &self,
        day_index: &str,
        engine: &mut Engine,
        redis: &RedisStore,
        is_due: impl Fn(Chunks) -> bool,
    ) -> Result<(), Fault> {
        let _alone = self.here.write().unwrap_or_else(PoisonError::into_inner);
        if !is_due(chunks(engine, day_index)?) {
            return Ok(());
        }
        let begun = Instant::now();
        let cannot = |error: redis::Error| Fault::Retry(error.to_string());
        if !redis.begin_save(&self.index, &self.node).map_err(cannot)? {
            return Err(Fault::Retry(format!("another alco has searchd save {}", self.index)));
        }
        let saved = self.await_inserts(redis).and_then(|()| {
            save_ram_chunk(day_index).iter().try_for_each(|statement| engine.select(statement).map(drop))
        });
        redis.end_save(&self.index, &self.node).map_err(cannot)?;
        if saved.is_ok() {
            log::debug!("{day_index}: RAM chunk written in {:.1} s", begun.elapsed().as_secs_f64());
        }
        saved
    }

    fn await_inserts(&self, redis: &RedisStore) -> Result<(), Fault> {
        let begun = Instant::now();
        loop {
            let left = redis.inserts_under_way(&self.index, &self.node);
            match left.map_err(|error| Fault::Retry(error.to_string()))? {
                0 => return Ok(()),
                _ if begun.elapsed() < MAX_WAIT_FOR_INSERTS => thread::sleep(LOOK),
                n => return Err(Fault::Retry(format!("{n} other inserts into {} do not end", self.index))),
            }
        }
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
    day_index: String,
    bytes: usize,
}

impl RamChunkFill {
    /// Notes an insert; has the RAM chunk written if it has grown enough. After an error the next insert asks again, and logs
    /// the cause.
    pub fn add(
        &mut self,
        day_index: &str,
        bytes: usize,
        turn: &ChunkLock,
        engine: &mut Engine,
        redis: &RedisStore,
    ) -> Result<(), Fault> {
        if self.day_index != day_index {
            // days change seldom; the chunk of the one before is smaller than what would be written
            self.day_index = day_index.to_owned();
            self.bytes = 0;
        }
        self.bytes += bytes;
        if self.bytes < BYTES_BETWEEN_CHECKS {
            return Ok(());
        }
        self.bytes = 0;
        if chunks(engine, day_index)?.ram < RAM_CHUNK {
            return Ok(());
        }
        // another worker may have been first
        turn.save(day_index, engine, redis, |chunks| chunks.ram >= RAM_CHUNK)
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
