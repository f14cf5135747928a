//! One file a route: from a request that is parsed to an answer. The pages of the same names hold the HTML.
pub mod api;
pub mod columns;
pub mod error;
pub mod export;
pub mod follow;
pub mod frame;
pub mod habits;
pub mod help;
pub mod hints;
pub mod index_list;
pub mod log;
pub mod log_lines;
pub mod monitoring;
pub mod new_patterns;
pub mod patterns;
pub mod record;
pub mod values;
