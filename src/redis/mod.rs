//! alco's data in Redis: docid leases, the values, columns and patterns seen, a queue's bindings. The only door to the redis crate.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `ALCO:PK:<index>` | string | the highest docid ever leased |
//! | `ALCO:LEASES:<index>` | hash | first docid -> `last session ended renewed acknowledged before`: times in epoch seconds; the docid up to which all is acknowledged, and the same before the last acknowledgement; `since`, or `since <queue>` for another than that of the index's name -> the time when this Redis first had a lease for the queue |
//! | `ALCO:CLAIMS:<index>` | sorted set | `docid digest` of each document that a redelivered record has claimed, by its place: see `ingest::redelivery` |
//! | `ALCO:DOUBTS:<index>:<session>` | string | digests of records that the session may have stored: see `doubts` |
//! | `ALCO:VALUES:<index>:<column>` | sorted set | values, by epoch seconds when last seen |
//! | `ALCO:COLUMNS:<index>` | sorted set | columns, by epoch seconds when last seen, and 1/1024 for each later minute in which it was seen |
//! | `ALCO:PATTERNS:<index>` | hash | the hash of a pattern -> when it was first and last seen, its worst level and its text: see `patterns` |
//! | `ALCO:FINISHED:<index>` | hash | `<searchd> <day>` -> `begun <process>` or `done <epoch seconds>` |
//! | `ALCO:INSERTING:<index>:<searchd>` | sorted set | the workers that insert now, by the epoch seconds when their turn expires: see `turns` |
//! | `ALCO:SAVING:<index>:<searchd>` | string | the worker that has searchd save a RAM chunk |
//! | `ALCO:NODES` | hash | a searchd -> its node's settings: see `housekeeping::node_facts` |
//! | `ALCO:BINDINGS:<queue>` | set | `exchange routing_key` of each binding alco made |
//! | `ALCO:SHORTCUTS` | hash | the name of a search that a user saved -> when, indexes, query, user: see `shortcuts` |
//! | `ALCO:SEARCHES:<week>` | hash | a token -> the query string that the links of a page mean by it: see `searches` |
//!
//! Invariant: no docid is leased twice, even if Redis loses its data or a clock jumps: see `Lease`.

pub mod bindings;
pub mod connection;
pub mod day_claims;
mod doubts;
mod error;
pub mod keys;
pub mod leases;
mod nodes;
pub mod patterns;
mod primary;
mod replies;
pub mod searches;
pub mod seen;
pub mod shortcuts;
mod slowness;
pub mod stored;
mod stream;
pub mod turns;

pub use crate::redis::error::Error;
