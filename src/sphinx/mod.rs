//! What searchd keeps for alco: the words (document, docid, digest), and the modules that speak to it.
//!
//! An index `web` is a distributed index over one realtime index a UTC day, `web_20261122`. A document has
//!
//! | attribute | type | holds |
//! |---|---|---|
//! | `id` | docid | leased, unique over all days of an index |
//! | `ts` | bigint | microseconds since 1970 UTC |
//! | `seq` | bigint | the producer's `seq`, else 0: the order within a microsecond |
//! | `digest` | bigint | 64 bits over the delivery, see `Digest` |
//! | `logline` | string | the message |
//! | `js` | JSON | the columns, for filters and for reading |
//! | `exact` | string | the columns' JSON text as sent, only where Sphinx would not give `js` back equal; else empty |
//!
//! and the full-text fields `line` (the message), `cols` (the columns, where the index had `search = all` when it was stored,
//! else a token that says so), `x_<column>` (each column that was `indexed` when the day was declared; the same token where it
//! was not when the document was stored), all holding prepared text: see `fulltext`.

pub mod attributes;
pub mod client;
pub mod conf;
pub mod day_index;
pub mod described;
pub mod dialect;
pub mod filter_sql;
pub mod fulltext;
pub mod select;
pub mod statement;

pub use crate::config::IndexName;

/// A document's id: never 0, always below 2^53, so that a JSON client can hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocId(u64);

impl DocId {
    /// All docids are below.
    pub const UPPER_BOUND: u64 = 1 << 53;
    /// The decimal digits of the largest docid, and of all that are given out from 1986 on.
    pub const MAX_DIGITS: usize = 16;
    /// Docids for each millisecond since 1970. A lease begins at least there, so that it is greater than all docids given
    /// out before, whatever Redis remembers, unless more than two million a second were used. The end is reached in 2109.
    pub const PER_MILLISECOND: u64 = 2048;
    /// Docids of a block. A batch begins a block, so no two batches share one. The usual batch has up to a thousand records.
    pub const BLOCK_LENGTH: u64 = 1024;

    /// No document has it: it is less than all docids that alco gives out.
    pub const NEVER: DocId = DocId(1);

    /// None where no document may have that id.
    pub fn new(id: u64) -> Option<DocId> {
        (id > 0 && id < DocId::UPPER_BOUND).then_some(DocId(id))
    }

    pub fn get(self) -> u64 {
        self.0
    }

    /// Where the block of a docid begins.
    pub fn block(id: u64) -> u64 {
        id - id % DocId::BLOCK_LENGTH
    }
}
