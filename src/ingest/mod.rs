//! Collecting: delivery -> record -> batch -> index -> ack; a `Worker` for each thread of an index.
//!
//! | part | holds |
//! |---|---|
//! | `servers` | the connections to searchd and Redis, and the waits for a server |
//! | `inbox` | the deliveries that have arrived and are not in the batch |
//! | `docids` | the leases of docids |
//! | `batch` | the records that are stored next, with their statements |
//! | `store` | the fields of each day index, and the bytes inserted since the last look at its RAM chunk |
//! | `acks` | the batches that are stored and not acknowledged |
//! | `prefetch` | the limit of deliveries that the broker may send |
//!
//! `worker` has the loop and the order of all effects; no part knows it. Outside of it, `lookup` finds the redelivered records that
//! are stored already, by the rules of `redelivery`.

pub mod acks;
mod batch;
mod bindings;
pub mod body;
pub mod day_schemas;
mod docids;
pub mod document;
mod entry;
pub mod fill;
mod inbox;
mod lookup;
pub mod outage;
pub mod prefetch;
pub mod ram_chunk;
pub mod redelivery;
pub mod seen;
pub mod seen_patterns;
mod servers;
mod shared;
pub mod statements;
mod store;
mod worker;

pub use crate::ingest::ram_chunk::searchd_name;
pub use crate::ingest::shared::IndexShared;
pub use crate::ingest::worker::Worker;
