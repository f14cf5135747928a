//! alco: an online grep and less for the logs of a distributed system. `main` parses, runs, reports.
//!
//! Two flows, which never call each other:
//!
//!     In:   delivery -> record -> batch -> documents -> searchd -> ack      ingest/, a thread per worker
//!     Out:  request  -> query  -> SphinxQL -> candidates -> hits -> page    http/ and commands/ over search/
//!
//! Both use the doors to the three servers (`sphinx/`, `rabbitmq/`, `redis/`) and the plain words (`record`, `query`, `time`,
//! `config`, `metrics`). `daemon` starts, watches and stops the threads. There is no async runtime, no global state, and nothing
//! that forks, writes a pid file or speaks to syslog.

mod commands;
mod config;
mod daemon;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod housekeeping;
mod http;
mod ingest;
mod metrics;
mod net;
mod query;
mod rabbitmq;
mod record;
mod redis;
mod render;
mod search;
mod sphinx;
mod threads;
mod time;
mod users_file;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use crate::commands::{Done, FAILURE_STATUS, Failure};
use crate::render::escape::visible;
use crate::time::Ts;

fn main() -> ExitCode {
    // chatter of the libraries below is of no use to an administrator; what amiquip warns of, ingest logs
    let filter = env_logger::Env::new().filter_or("ALCO_LOG", "warn,amiquip=off,alco=info");
    env_logger::Builder::from_env(filter).format(line).init();
    let outcome = commands::words(std::env::args_os()).and_then(|words| commands::run(words, now));
    match outcome {
        Ok(done) => print(&done),
        Err(Failure { text, status }) => {
            let _ = io::stderr().write_all(text.as_bytes());
            ExitCode::from(status)
        }
    }
}

/// Prints what a command has left to print; its exit status.
fn print(done: &Done) -> ExitCode {
    let mut stdout = io::stdout();
    match stdout.write_all(done.text.as_bytes()).and_then(|()| stdout.flush()) {
        // a part of searchd's configuration must not pass for all of it
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("alco: cannot write all of it: {error}");
            ExitCode::from(FAILURE_STATUS)
        }
        // a reader that has gone away has read what it wanted
        _ => ExitCode::from(done.status),
    }
}

fn now() -> Ts {
    Ts::of(SystemTime::now())
}

/// `2026-11-22T10:00:00.123Z WARN  ingest-web-1  web: …`
fn line(out: &mut env_logger::fmt::Formatter, record: &log::Record) -> io::Result<()> {
    // amiquip's debug has the handshake with the password, its trace whole deliveries: ALCO_LOG=debug must not show them
    if record.target().starts_with("amiquip") && record.level() > log::Level::Info {
        return Ok(());
    }
    let thread = std::thread::current();
    let time = now().rfc3339();
    // milliseconds will do for people
    let time = time.get(..23).unwrap_or(&time);
    // a server may have written a part of it
    let text = record.args().to_string();
    writeln!(out, "{time}Z {:<5} {}  {}", record.level(), thread.name().unwrap_or("-"), visible(&text))
}
