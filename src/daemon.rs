//! Starts the threads of the daemon, watches them, and stops them after a signal.
//!
//! To stop, the daemon closes a channel on which every thread waits. A worker that panics is started again after a back-off; the
//! end of any other thread ends the process.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, after, bounded, select, tick, unbounded};

use crate::config::Config;
use crate::housekeeping::Housekeeping;
use crate::http;
use crate::ingest::{IndexShared, Worker, searchd_name};
use crate::metrics::Metrics;
use crate::redis::stored::process_name;
use crate::threads::{End, spawn_watched};

/// The manual promises 5 s. A thread that has not ended by then is left behind: its records stay with the broker.
const STOP: Duration = Duration::from_millis(4500);
const RESTART: Duration = Duration::from_secs(1);
/// After a burst of large answers, their memory goes back to the system within this time.
const GIVE_BACK: Duration = Duration::from_secs(10);

/// The parts of alco that run in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    pub collect: bool,
    pub web: bool,
}

/// Starts a worker's thread, for the first time and again.
type Start = Box<dyn Fn() -> Result<(), String>>;

/// Runs until a signal ends it.
pub fn run(config: Config, parts: Roles) -> Result<(), String> {
    let signals = signals()?;
    let config = Arc::new(config);
    let metrics = Arc::new(Metrics::new(config.indexes.iter().map(|index| index.name.clone())));
    let (stopper, stop) = bounded::<Infallible>(0);
    let (ends, ended) = unbounded();
    let (searchd, own_peer) = (searchd_name(&config.sphinx.address), config.sphinx.own_peer.as_deref());
    let process = process_name(std::process::id(), fastrand::u64(..), &searchd, own_peer);
    let mut running = 0;

    let mut server = None;
    if parts.web {
        let started = http::WebServer::start(config.clone(), metrics.clone(), parts.collect, stop.clone(), &ends)?;
        running += started.watched;
        server = Some(started);
    }
    let mut workers: Vec<(String, Start)> = Vec::new();
    if parts.collect {
        let share = |index| Arc::new(IndexShared::new(&config, index, &metrics, &process));
        let all: Vec<Arc<IndexShared>> = config.indexes.iter().map(share).collect();
        for (index, shared) in config.indexes.iter().zip(&all) {
            for n in 1..=index.threads {
                let name = format!("ingest-{}-{n}", index.name);
                // a number for each worker of the process: threads are far fewer than 2^32
                let number = workers.len() as u32;
                let (shared, stop, ends, thread) = (shared.clone(), stop.clone(), ends.clone(), name.clone());
                let start = move || {
                    let worker = Worker::new(shared.clone(), number, stop.clone())?;
                    spawn_watched(&thread, &ends, move || worker.run())
                };
                workers.push((name, Box::new(start)));
            }
        }
        for (_, start) in &workers {
            start()?;
            running += 1;
        }
        let (config, metrics, stop, process) = (config.clone(), metrics.clone(), stop.clone(), process.clone());
        spawn_watched("housekeeping", &ends, move || match Housekeeping::new(&config, &metrics, all, &process) {
            Ok(housekeeping) => housekeeping.run(&stop),
            Err(why) => log::error!("{why}"),
        })?;
        running += 1;
    }

    let mut outcome = Ok(());
    let give_back = tick(GIVE_BACK);
    loop {
        select! {
            recv(signals) -> _ => break,
            recv(give_back) -> _ => heap_trim::give_back(),
            recv(ended) -> end => {
                let Ok(End { name, panicked }) = end else { break };
                running -= 1;
                let ended = format!("thread {name} ended{}", if panicked { " by a panic" } else { "" });
                let Some((_, start)) = workers.iter().find(|(worker, _)| *worker == name) else {
                    // alco needs this thread: the process ends in good order, and its supervisor starts it again
                    outcome = Err(ended);
                    break;
                };
                log::error!("{ended}; starting it again");
                select! {
                    recv(signals) -> _ => break,
                    recv(after(RESTART)) -> _ => {}
                }
                start()?;
                running += 1;
            }
        }
    }
    log::info!("stopping");
    drop(stop);
    drop(stopper);
    let deadline = Instant::now() + STOP;
    while running > 0 && ended.recv_deadline(deadline).is_ok() {
        running -= 1;
    }
    if let Some(server) = server {
        server.join(deadline);
    }
    if running > 0 {
        log::warn!("{running} threads still wait for a server; their unacknowledged records stay with the broker");
    }
    outcome
}

/// The first SIGTERM, SIGINT or SIGHUP ends the process in good order, a second one at once.
fn signals() -> Result<Receiver<()>, String> {
    let (sender, receiver) = bounded(1);
    let signalled = AtomicBool::new(false);
    let handler = move || {
        if !signalled.swap(true, Relaxed) {
            // cannot fail: the channel has room for one, and this is the first
            let _ = sender.try_send(());
        } else {
            log::warn!("stopped at once by a second signal");
            // as shells report it: 128 + SIGINT
            std::process::exit(130);
        }
    };
    ctrlc::set_handler(handler).map_err(|error| format!("cannot listen for signals: {error}"))?;
    Ok(receiver)
}
