mod cli;
mod config;
mod daemon;
mod http;
mod ingest;
mod metrics;
mod record;
mod search;
mod sphinx;
mod time;
mod values;
fn main() {}
