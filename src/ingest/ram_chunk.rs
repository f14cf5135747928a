//! searchd writes its RAM chunk to the disk when alco asks for it, and never while a worker inserts.
//!
//! searchd 2.2.11 loses what is committed while it saves a RAM chunk, if it is killed before the next save (`dialect` has the
//! whole story). So the generated `rt_mem_limit` is far above what alco lets gather.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use crate::sphinx::client::{Engine, Fault};
use crate::sphinx::dialect::{RAM_CHUNK_BYTES, save_ram_chunk};

/// RAM chunks are written from this size on. A quarter of the generated rt_mem_limit, so that the inserts that
/// come while a save waits for its turn stay below it. A smaller size costs collecting more time, since nothing is stored
/// during a save; a larger one costs memory.
const RAM_CHUNK: u64 = 64 << 20;
/// Bytes of SphinxQL inserted before searchd is asked again for the size of the RAM chunk.
const BYTES_BETWEEN_CHECKS: usize = 8 << 20;

/// For all workers of an index: inserts go side by side, a save goes alone.
#[derive(Debug, Default)]
pub struct ChunkLock(RwLock<()>);

impl ChunkLock {
    /// To be held while inserting.
    pub fn insert(&self) -> RwLockReadGuard<'_, ()> {
        // nothing lies in the lock that a panic could break
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the RAM chunk of a day index written while no worker of this process inserts, if it is still due then.
    pub fn save(&self, day_index: &str, engine: &mut Engine, is_due: impl Fn(Chunks) -> bool) -> Result<(), Fault> {
        let _alone = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if is_due(chunks(engine, day_index)?) {
            let begun = Instant::now();
            for statement in save_ram_chunk(day_index) {
                engine.select(&statement)?;
            }
            log::debug!("{day_index}: RAM chunk written in {:.1} s", begun.elapsed().as_secs_f64());
        }
        Ok(())
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
    pub fn add(&mut self, day_index: &str, bytes: usize, turn: &ChunkLock, engine: &mut Engine) -> Result<(), Fault> {
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
        turn.save(day_index, engine, |chunks| chunks.ram >= RAM_CHUNK)
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
