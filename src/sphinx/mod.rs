//! alco's data in searchd (documents, docids, digests), and the modules that speak to searchd.
//!
//! An index `web` is a distributed index over one realtime index a UTC day, `web_20261122`. A document has
//!
//! | attribute | type | holds |
//! |---|---|---|
//! | `id` | docid | leased, unique over all days of an index |
//! | `ts` | bigint | microseconds since 1970 UTC |
//! | `seq` | uint | the order within a microsecond: see `statement::stored_order` |
//! | `digest` | bigint | 64 bits over the delivery, see `Digest` |
//! | `kind` | bigint | the rank of its level and the pattern of its message: see `counting` |
//! | `v_<column>` | uint | a hash of the value of each column that was `filtered` when the day was declared: see `counting` |
//! | `logline` | string | the message |
//! | `js` | JSON | the columns, for filters and for reading |
//! | `exact` | string | the columns' JSON text as sent, if Sphinx would not return `js` equal to it; else empty |
//!
//! and the full-text fields `line` (the message), `cols` (the columns, if the index had `search = all` when the document was
//! stored, else a token that marks this), `keys` (words for all values: see `keys`; and for the size
//! of a large document: see `sizes`), and `x_<column>` (each column that was
//! `indexed` when the day was declared; a token that marks this if it was not when the document was stored). The others hold
//! prepared text: see `fulltext`.

pub mod asking;
pub mod attributes;
pub mod chunk_faults;
pub mod client;
pub mod conf;
pub mod counting;
pub mod day_index;
pub mod day_schema;
pub mod described;
pub mod dialect;
pub mod doubt;
pub mod filter_sql;
pub mod fulltext;
pub mod index_status;
pub mod keys;
pub mod kinds;
pub mod pool;
pub mod select;
pub mod sizes;
pub mod statement;

pub use crate::config::IndexName;

/// A document's id: never 0, always below 2^53, so that a JSON client can hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocId(u64);

impl DocId {
    /// All docids are below it.
    pub const UPPER_BOUND: u64 = 1 << 53;
    /// The decimal digits of the largest docid, and of all docids that are given out from 1986 on.
    pub const MAX_DIGITS: usize = 16;
    /// Docids for each millisecond since 1970. A lease begins at the present millisecond or later, so it is above all docids given
    /// out before, even if Redis has forgotten them, unless more than two million a second were used. The docids last until 2109.
    pub const PER_MILLISECOND: u64 = 2048;
    /// Docids of a block. A batch begins a block, so no two batches share one. The usual batch has up to a thousand records.
    pub const BLOCK_LENGTH: u64 = 1024;

    /// A docid that no document has: it is below all docids that alco gives out.
    pub const NEVER: DocId = DocId(1);

    /// None if no document may have that id.
    pub fn new(id: u64) -> Option<DocId> {
        (id > 0 && id < DocId::UPPER_BOUND).then_some(DocId(id))
    }

    pub fn get(self) -> u64 {
        self.0
    }

    /// The first docid of a docid's block.
    pub fn block(id: u64) -> u64 {
        id - id % DocId::BLOCK_LENGTH
    }
}
