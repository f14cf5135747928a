//! The tests that need real servers: one module a promise, one set of servers for all of them.
//!
//! Invariant: tests run side by side on one stack, so each has an index of its own (tests/indexes.ini), with its own queue and
//! routing keys; a test that breaks a server starts private ones.
#![allow(clippy::unwrap_used)] // an unwrap of nothing fails the test and shows the place

mod absent_peers;
mod api;
#[cfg(target_os = "linux")] // the addresses 127.0.0.x
mod attacks;
mod bodies;
mod browser;
mod budget;
mod check;
mod clock;
mod cluster;
mod collect;
mod column_flood;
mod completion;
mod context;
#[cfg(target_os = "linux")] // the addresses 127.0.0.x
mod crowds;
mod day_change;
mod days;
mod days_optimized;
mod documents;
mod equal_nodes;
mod fidelity;
mod figures;
mod filters;
mod follow;
mod formats;
mod growing;
mod hostile_bodies;
mod hostile_clients;
mod hostile_deliveries;
mod hostile_text;
mod infix_length;
mod install;
mod large_records;
mod leases;
mod loggers;
mod lying_servers;
mod manual;
mod memory;
mod metrics;
mod new_patterns;
mod nodes;
mod oracle;
#[cfg(target_os = "linux")]
mod package;
mod pages;
mod paging;
mod pattern_changes;
mod pattern_list;
mod patterns;
mod peers;
#[cfg(target_os = "linux")]
mod programs;
mod queues;
mod redelivery;
mod redis_failover;
mod redis_writes;
mod refused_logins;
mod refused_records;
mod restart;
mod rights;
mod saved_searches;
mod schema;
mod search_cost;
mod searchd_silent;
mod secrets;
mod send;
mod servers;
mod servers_away;
mod services;
mod several_indexes;
mod shards;
mod shared_searchd;
mod small_host;
mod sphinx_script;
mod stop;
mod support;
mod terminal;
mod tls;
mod users;
