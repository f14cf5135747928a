//! Looks at the other nodes: whether their searchd answer for each index, and whether their alco are configured as this one.

use std::time::Duration;

use crate::commands::check::report::Report;
use crate::config::{Address, Config, Sphinx};
use crate::housekeeping::NodeFacts;
use crate::ingest::searchd_name;
use crate::net::host::without_brackets;
use crate::net::tcp::dial;
use crate::redis::connection::RedisStore;
use crate::sphinx::client::Engine;
use crate::sphinx::conf::agent_names;
use crate::sphinx::statement;
use crate::time::Ts;

const PART: &str = "nodes";
/// A user waits at a terminal for the answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A node notes its settings every ten seconds. One that has not for this time does not run.
const SILENT_SECONDS: i64 = 60;
/// A node that is silent for longer is gone.
const GONE_SECONDS: i64 = 86_400;

/// Looks whether the nodes' searchd reach each other.
pub fn searchd(config: &Config, engine: &mut Engine, report: &mut Report) {
    if !config.sphinx.peers.is_empty() {
        doors(&config.sphinx, report);
        peers(config, engine, report);
    }
}

/// Reports whether searchd listens for the other nodes. It reads `listen` only when it starts.
fn doors(sphinx: &Sphinx, report: &mut Report) {
    let searchd = match &sphinx.address {
        Address::Tcp { host, .. } => host,
        Address::Unix(_) => "127.0.0.1",
    };
    let mut doors = sphinx.peer_doors().peekable();
    if doors.peek().is_none() {
        let text = "[sphinx.searchd] listen has no address for the other nodes";
        report.warning(PART, text, "add one without :mysql41, such as 9312, and restart searchd");
    }
    for (host, port) in doors {
        let host = host.unwrap_or(searchd);
        match dial(without_brackets(host), port, TIMEOUT, |_| Ok(())) {
            Ok(()) => report.ok(PART, format!("searchd listens at {host}:{port} for the other nodes")),
            Err::<(), String>(why) => {
                let text = format!("searchd does not listen at {host}:{port}, where other nodes ask it: {why}");
                report.error(PART, text, "restart searchd: it reads listen only when it starts");
            }
        }
    }
}

/// Has searchd ask its peers for each index.
fn peers(config: &Config, engine: &mut Engine, report: &mut Report) {
    let peers = &config.sphinx.peers;
    let cure = "start searchd there; does it listen there, is the port open, has its alco.ini that index?";
    let mut is_whole = true;
    for index in &config.indexes {
        // an error of searchd is reported with the day indexes
        let Ok(described) = engine.describe(index.name.as_str()) else { return };
        let names: Vec<&str> = described.agents().collect();
        for (peer, name) in agent_names(&config.sphinx, &index.name) {
            if !names.contains(&name.as_str()) {
                is_whole = false;
                let cure =
                    "restart alco, which has searchd read its configuration again; can the name be resolved here?";
                report.error(PART, format!("searchd does not ask {peer} for {}", index.name), cure);
            }
        }
        let asked = engine.select(&statement::any(index.name.as_str())).and_then(|_| engine.warnings());
        for warning in asked.unwrap_or_default() {
            is_whole = false;
            report.error(PART, warning, cure);
        }
    }
    if is_whole {
        let peers: Vec<String> = peers.iter().map(|mirrors| mirrors.join("|")).collect();
        report.ok(PART, format!("searchd of {} answers for every index", peers.join(", ")));
    }
}

/// What the other nodes have noted of themselves, by their searchd. An error of Redis is reported by then.
fn others(config: &Config, redis: &RedisStore) -> impl Iterator<Item = (String, NodeFacts)> {
    let here = searchd_name(&config.sphinx.address);
    let noted = redis.nodes().unwrap_or_default().into_iter().filter(move |(searchd, _)| *searchd != here);
    noted.filter_map(|(searchd, facts)| Some((searchd, NodeFacts::parse(&facts)?)))
}

/// The queues that the other nodes collect from.
pub fn queues(config: &Config, redis: &RedisStore, now: Ts) -> impl Iterator<Item = String> {
    let nodes = others(config, redis).filter(move |(_, facts)| now.seconds() - facts.noted <= GONE_SECONDS);
    nodes.flat_map(|(_, facts)| facts.indexes.into_values()).filter_map(|mut settings| settings.remove("queue"))
}

/// Compares the settings of the nodes that have this Redis.
pub fn settings(config: &Config, redis: &RedisStore, now: Ts, report: &mut Report) {
    let own = NodeFacts::of(config, now);
    for (searchd, facts) in others(config, redis) {
        let node = format!("the node with searchd {searchd}");
        let age = now.seconds() - facts.noted;
        let is_silent = age.abs() > SILENT_SECONDS;
        let peers = &config.sphinx.peers;
        let is_taken_out = !facts.peer.is_empty() && !peers.iter().flatten().any(|peer| *peer == facts.peer);
        if age > GONE_SECONDS || is_silent && is_taken_out {
            continue;
        }
        if is_silent {
            let noted = Ts::from_micros(facts.noted.saturating_mul(1_000_000));
            let text = format!("{node} has not noted its settings since {noted}, by its clock");
            let cure = format!(
                "start alco there, and set the clocks by NTP; if it is gone for good, take it out of peers, and redis-cli \
                 hdel ALCO:NODES {searchd}"
            );
            report.warning(PART, text, cure);
        }
        let differences = own.differences(&facts);
        if differences.is_empty() && !is_silent {
            report.ok(PART, format!("{node} is configured alike, as it noted {age} s ago"));
        }
        for difference in differences {
            report.warning(PART, format!("{node}: {difference}"), "have the same alco.ini and alco on all nodes");
        }
    }
}
