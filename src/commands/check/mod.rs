//! `alco check` examines alco.ini, the three servers, the day indexes and the disk. It prints a line for each part, with the cure
//! for a warning or an error. It changes nothing. `report` writes the lines; `files` examines the files on this host;
//! `served_indexes` asks searchd, `nodes` the other nodes, and `running` the alco that runs here. `left_queues` looks for queues of
//! indexes that are gone.
//!
//! The command cannot ask for three things. AMQP cannot list RabbitMQ's bindings, and the management plugin may be missing: the
//! command shows the bindings that Redis remembers. It cannot find out without a change whether RabbitMQ lets alco bind or publish:
//! it shows the refusals that a running alco met. Nor is there a way to read the clock of RabbitMQ's host.

mod files;
mod left_queues;
mod nodes;
mod report;
mod running;
mod served_indexes;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use argh::{ArgsInfo, FromArgs};

use crate::commands::check::report::Report;
use crate::commands::environment::Environment;
use crate::commands::exit::{Done, Failure};
use crate::config;
use crate::config::{Config, Grantee, Index, Secret};
use crate::rabbitmq;
use crate::rabbitmq::probe::Probe;
use crate::redis;
use crate::redis::connection::RedisStore;
use crate::sphinx::client::Engine;
use crate::time::Ts;

/// A user waits at a terminal for the answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The time that searchd and alco have to start. searchd reads its indexes first, alco connects to RabbitMQ.
const START_TIME: Duration = Duration::from_secs(5);
/// The time between two looks whether they have started.
const START_LOOK: Duration = Duration::from_millis(200);
/// The oldest version that alco was tested with, or that has all it needs.
const OLDEST_RABBITMQ: &[u64] = &[3, 8];
const OLDEST_REDIS: &[u64] = &[5];
/// The cure where the finding has its own already.
const NOTHING_UNTIL_THEN: &str = "alco collects nothing until then";
/// As above, for what only a new connection meets: a server does not ask an older one for its password or rights again.
const NOTHING_AFTER_A_BREAK: &str =
    "alco collects nothing until then, or, while its older connection lasts, from the next break on";

/// Examine alco.ini, the three servers and the disk, and print a line for each part, with the cure if something is wrong. Changes
/// nothing.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "check",
    help_triggers("-h", "--help"),
    note = "Run it as the user that alco run has: then it reads and signals with that user's rights.",
    example = "sudo -u alco alco check",
    example = "alco check | grep -v ^ok",
    error_code(0, "all is well"),
    error_code(1, "there are warnings"),
    error_code(2, "there are errors; wrong usage, or a mistake in alco.ini")
)]
pub struct Check {
    /// print each line as a JSON object: part, state, text, cure
    #[argh(switch)]
    pub json: bool,
}

impl Check {
    pub fn run(&self, environment: &Environment) -> Result<Done, Failure> {
        let config = environment.config()?;
        Ok(Done::status(check(&config, environment.ini().as_deref(), self.json, environment.now)))
    }
}

/// Writes the findings to stdout, and returns the exit status.
fn check(config: &Config, ini: Option<&Path>, json: bool, now: fn() -> Ts) -> u8 {
    wait_for_start(config);
    let mut report = Report::new(json);
    let names: Vec<&str> = config.indexes.iter().map(|index| index.name.as_str()).collect();
    match ini {
        Some(path) => report.ok("alco.ini", format!("{}: indexes {}", path.display(), names.join(", "))),
        None => {
            report.warning("alco.ini", "there is none: every setting is at its default", "write one; see alco.ini(5)")
        }
    }
    files::secrets(config, ini, &mut report);
    rights(config, &mut report);
    let (probe, store) = (rabbitmq(config, &mut report), redis(config, &mut report, now));
    if let (Some(mut probe), Some(store)) = (probe, store) {
        left_queues::left(config, &mut probe, &store, now(), &mut report);
    }
    served_indexes::searchd(config, TIMEOUT, &mut report, now);
    files::data_dir(config, &mut report);
    running::health(config, &mut report);
    report.status()
}

/// Waits until searchd answers and the alco that runs here, if any, reports no fault: both may have been started a moment ago. What
/// is wrong after this time is reported.
fn wait_for_start(config: &Config) {
    let begun = Instant::now();
    let is_ready = || {
        let mut engine = Engine::new(&config.sphinx.address, TIMEOUT);
        engine.version().is_ok() && !running::reports_fault(config)
    };
    while !is_ready() && begun.elapsed() < START_TIME {
        thread::sleep(START_LOOK);
    }
}

/// Reports who may see an index, and users and groups that alco does not know.
fn rights(config: &Config, report: &mut Report) {
    let http = &config.http;
    let listed = http.users_file.as_deref().and_then(|path| config::users(path).ok()).unwrap_or_default();
    for index in config.indexes.iter().filter(|index| !index.users.is_empty()) {
        let part = format!("index {}", index.name);
        let is_unknown = |grantee: &&Grantee| match grantee {
            Grantee::User(name) => http.user_header.is_none() && !listed.has(name),
            Grantee::Group(name) => http.group_header.is_none() && !listed.has_group(name),
        };
        let unknown: Vec<String> = index.users.iter().filter(is_unknown).map(Grantee::to_string).collect();
        let names: Vec<String> = index.users.iter().map(Grantee::to_string).collect();
        report.ok(&part, format!("for {} only", names.join(", ")));
        if !unknown.is_empty() {
            let text = format!("users: users_file does not have {}", unknown.join(", "));
            report.warning(&part, text, "add a line of alco passwd for a user, of @group: user, user for a group");
        }
    }
}

/// Returns the connection to RabbitMQ, if it answers.
fn rabbitmq(config: &Config, report: &mut Report) -> Option<Probe> {
    const PART: &str = "rabbitmq";
    let mut probe = match Probe::open(&config.rabbitmq) {
        Ok(probe) => probe,
        Err(error) => {
            let cure = match &error {
                rabbitmq::Error::Refused(_) => NOTHING_AFTER_A_BREAK,
                _ => "start it, or set [rabbitmq] url",
            };
            report.error(PART, error, cure);
            return None;
        }
    };
    let (product, version) = probe.product();
    let address = probe.address.clone();
    match product.as_str() {
        "RabbitMQ" => report.server(PART, &address, &product, &version, OLDEST_RABBITMQ),
        _ => report.warning(PART, format!("{product} {version} at {address}"), "alco is tested with RabbitMQ"),
    }
    let exchange = &config.rabbitmq.exchange;
    match probe.exchange(&config.rabbitmq) {
        Ok(None) => report.ok(PART, format!("exchange '{exchange}' is as configured")),
        Ok(Some(notice)) => {
            report.warning(
                PART,
                notice,
                "set [rabbitmq] exchange_type and exchange_durable to the properties that it has",
            );
        }
        Err(rabbitmq::Error::NotFound(_)) => {
            report.warning(
                PART,
                format!("there is no exchange '{exchange}'"),
                "alco run declares it, or a producer does",
            );
        }
        Err(error) => report.error(PART, error, NOTHING_UNTIL_THEN),
    }
    for index in &config.indexes {
        queue(&mut probe, index, report);
    }
    Some(probe)
}

fn queue(probe: &mut Probe, index: &Index, report: &mut Report) {
    let (part, queue) = (format!("index {}", index.name), &index.queue);
    let (found, notices) = match probe.queue(index) {
        Ok(found) => found,
        Err(rabbitmq::Error::NotFound(_)) => {
            return report.warning(&part, format!("there is no queue '{queue}'"), "alco run declares and binds it");
        }
        Err(error) => return report.error(&part, error, "its records wait until then"),
    };
    for notice in notices {
        let cure = "set durable, queue_type and queue_arguments to the properties that it has";
        report.warning(&part, notice, cure);
    }
    match found.consumers {
        0 => {
            let text = format!("no worker collects from queue '{queue}'; {} records wait", found.messages);
            report.warning(&part, text, "start alco run; if it runs, its log has the reason");
        }
        consumers => {
            let text = format!("queue '{queue}': {} records wait, {consumers} consumers", found.messages);
            report.ok(&part, text);
        }
    }
}

/// Returns the connection to Redis, if it answers.
fn redis(config: &Config, report: &mut Report, now: fn() -> Ts) -> Option<RedisStore> {
    const PART: &str = "redis";
    let address = config.redis.urls.iter().map(Secret::without_password).collect::<Vec<_>>().join(", ");
    let cure = "start it, or set [redis] url";
    let values = RedisStore::new(&config.redis, "check", "check").map_err(|why| report.error(PART, why, cure)).ok()?;
    let before = now();
    let (info, time) = match values.about() {
        Ok(about) => about,
        Err(error) => {
            let is_refused = matches!(error, redis::Error::Refused(_));
            report.error(PART, error, if is_refused { NOTHING_AFTER_A_BREAK } else { cure });
            return None;
        }
    };
    let of = |key: &str| info.get(key).map_or("", String::as_str);
    report.server(PART, &address, "Redis", of("redis_version"), OLDEST_REDIS);
    report.skew(PART, time, (before, now()));
    if of("role") == "slave" {
        report.error(PART, "it is a replica, and takes no writes", "set [redis] url to the primary");
    } else if let Err(why) = values.takes_writes() {
        report.error(PART, format!("it takes no writes: {why}"), NOTHING_UNTIL_THEN);
    }
    nodes::settings(config, &values, now(), report);
    let policy = of("maxmemory_policy");
    if of("maxmemory") != "0" && policy != "noeviction" {
        let text = format!("maxmemory-policy is {policy}: Redis may evict docid leases");
        report.warning(PART, text, "set maxmemory-policy to noeviction");
    }
    for index in &config.indexes {
        let part = format!("index {}", index.name);
        let bindings = match values.bindings(&index.queue) {
            Ok(bindings) => bindings,
            Err(error) => {
                report.error(PART, error, NOTHING_UNTIL_THEN);
                return None;
            }
        };
        let made = |key: &String| bindings.contains(&(config.rabbitmq.exchange.clone(), key.clone()));
        let missing: Vec<&str> = index.routing_keys.iter().filter(|key| !made(key)).map(String::as_str).collect();
        match missing.is_empty() {
            true => report.ok(&part, format!("alco bound its queue with {}", index.routing_keys.join(", "))),
            false => {
                let text = format!("alco has not bound its queue with {} yet", missing.join(", "));
                report.warning(&part, text, "alco run does, at its start");
            }
        }
    }
    Some(values)
}
