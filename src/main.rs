//! alco: an online grep and less for the logs of a distributed system. `main` parses, runs, reports.
//!
//! Two flows, which never call each other:
//!
//!     In:   delivery -> record -> batch -> documents -> searchd -> ack      ingest/, a thread per worker
//!     Out:  request  -> search -> SphinxQL -> candidates -> hits -> page    http/ and term/ over search/
//!
//! Both stand on `sphinx/` (what searchd calls things, and the only door to it), `values` (Redis) and the plain words
//! (`record`, `time`, `config`, `metrics`). `daemon` starts, watches and stops the threads. There is no async runtime, no
//! global state, and nothing that forks, writes a pid file or speaks to syslog.

mod commands;
mod config;
mod daemon;
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
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use crate::commands::{Args, Command, Exit};
use crate::config::Config;
use crate::time::Ts;

/// Wrong usage, or an alco.ini with mistakes: nothing was started.
const USAGE: u8 = 2;
/// It began, and could not go on.
const FAILURE: u8 = 1;
/// alco grep found nothing; what it could not do is 2, as grep's.
const NOT_FOUND: u8 = 1;

fn main() -> ExitCode {
    // chatter of the libraries below is of no use to an administrator; what amiquip warns of, ingest says
    let filter = env_logger::Env::new().filter_or("ALCO_LOG", "warn,amiquip=off,alco=info");
    env_logger::Builder::from_env(filter).format(line).init();
    let outcome = commands::words(std::env::args_os()).and_then(commands::args).and_then(run);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit { text, code: 0 }) => {
            let mut stdout = io::stdout();
            match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
                // a part of searchd's configuration must not pass for all of it
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    eprintln!("alco: cannot write all of it: {error}");
                    ExitCode::from(FAILURE)
                }
                // a reader that has gone away has read what it wanted
                _ => ExitCode::SUCCESS,
            }
        }
        Err(Exit { text, code }) => {
            let _ = io::stderr().write_all(text.as_bytes());
            ExitCode::from(code)
        }
    }
}

fn run(args: Args) -> Result<(), Exit> {
    match args.command {
        Command::Run(flags) => {
            let parts = daemon::Parts { collect: !flags.web_only, web: !flags.collect_only };
            let config = load(args.config.as_deref(), Config::load)?;
            daemon::run(config, parts).map_err(|why| Exit { text: format!("alco: {why}\n"), code: FAILURE })
        }
        Command::Grep(grep) => {
            let options = grep.options()?;
            let cannot = |why: String| Exit { text: format!("alco grep: {why}\n"), code: USAGE };
            let source = match &grep.url {
                Some(url) => commands::grep::Source::remote(url).map_err(cannot)?,
                None => {
                    let config = load(args.config.as_deref(), Config::load_without_secrets)?;
                    commands::grep::Source::searchd(config, || Ts::of(SystemTime::now()))
                }
            };
            match commands::grep::grep(&options, &source).map_err(cannot)? {
                true => Ok(()),
                // as grep's
                false => Err(Exit { text: String::new(), code: NOT_FOUND }),
            }
        }
        Command::Send(send) => {
            let options = commands::send::Options {
                columns: send.columns()?,
                routing_key: send.routing_key,
                json: send.json,
                tee: send.tee,
            };
            let config = load(args.config.as_deref(), Config::load)?;
            let clock = || Ts::of(SystemTime::now());
            commands::send::send(&config, &options, clock)
                .map_err(|why| Exit { text: format!("alco send: {why}\n"), code: FAILURE })
        }
        Command::SphinxConf(_) => {
            let config = load(args.config.as_deref(), Config::load_without_secrets)?;
            Err(Exit { text: sphinx::conf::sphinx_conf(&config, Ts::of(SystemTime::now()).day()), code: 0 })
        }
        Command::Passwd(passwd) => {
            let cannot = |why: String| Exit { text: format!("alco passwd: {why}\n"), code: USAGE };
            let line = commands::passwd::read()
                .and_then(|password| users_file::line(&passwd.user, &password))
                .map_err(cannot)?;
            Err(Exit { text: format!("{line}\n"), code: 0 })
        }
        Command::Completion(completion) => Err(Exit { text: completion.script(), code: 0 }),
        Command::Check(check) => {
            let ini = args.config.or_else(|| config::find().ok());
            let config = load(ini.as_deref(), Config::load)?;
            let code = commands::check::check(&config, ini.as_deref(), check.json, || Ts::of(SystemTime::now()));
            Err(Exit { text: String::new(), code })
        }
    }
}

/// Reads the named file, or the one in its usual place, or takes the defaults and says so.
fn load(named: Option<&Path>, read: fn(&Path) -> Result<Config, Vec<String>>) -> Result<Config, Exit> {
    let found = named.map(Path::to_owned).map_or_else(config::find, Ok);
    let config = match found {
        Ok(path) => read(&path),
        Err(notice) => {
            log::warn!("{notice}");
            Ok(Config::default())
        }
    };
    config.map_err(|mistakes| Exit { text: mistakes.join("\n") + "\n", code: USAGE })
}

/// `2026-11-22T10:00:00.123Z WARN  ingest-web-1  web: …`
fn line(out: &mut env_logger::fmt::Formatter, record: &log::Record) -> io::Result<()> {
    let thread = std::thread::current();
    let time = Ts::of(SystemTime::now()).rfc3339();
    // milliseconds will do for people
    let time = time.get(..23).unwrap_or(&time);
    writeln!(out, "{time}Z {:<5} {}  {}", record.level(), thread.name().unwrap_or("-"), record.args())
}
