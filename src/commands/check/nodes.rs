//! Looks at the other nodes: whether their searchd answer for each index, and whether their alco are configured as this one.

use crate::commands::check::report::Report;
use crate::config::Config;
use crate::housekeeping::NodeFacts;
use crate::ingest::searchd_name;
use crate::redis::connection::RedisStore;
use crate::sphinx::client::Engine;
use crate::sphinx::statement;
use crate::time::Ts;

const PART: &str = "nodes";
/// A node notes its settings every ten seconds. One that has not for this time does not run.
const SILENT_SECONDS: i64 = 60;
/// A node that is silent for longer is gone.
const GONE_SECONDS: i64 = 86_400;

/// Has searchd ask its peers for each index.
pub fn peers(config: &Config, engine: &mut Engine, report: &mut Report) {
    let peers = &config.sphinx.peers;
    if peers.is_empty() {
        return;
    }
    let cure = "start searchd there; does it listen there, is the port open, has its alco.ini that index?";
    let mut is_whole = true;
    for index in &config.indexes {
        let asked = engine.select(&statement::any(index.name.as_str())).and_then(|_| engine.warnings());
        // another error is reported with the day indexes
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

/// Compares the settings of the nodes that have this Redis.
pub fn settings(config: &Config, redis: &RedisStore, now: Ts, report: &mut Report) {
    let (own, here) = (NodeFacts::of(config, now), searchd_name(&config.sphinx.address));
    // an error of Redis is reported by then
    for (searchd, facts) in redis.nodes().unwrap_or_default().into_iter().filter(|(searchd, _)| *searchd != here) {
        let Some(facts) = NodeFacts::parse(&facts) else { continue };
        let node = format!("the node with searchd {searchd}");
        let age = now.seconds() - facts.noted;
        if age > GONE_SECONDS {
            continue;
        }
        if age.abs() > SILENT_SECONDS {
            let text = format!("{node} noted its settings {age} s ago, by this host's clock");
            report.warning(PART, text, "start alco there, and set the clocks by NTP; after a day it counts as gone");
        }
        let differences = own.differences(&facts);
        if differences.is_empty() {
            report.ok(PART, format!("{node} is configured alike"));
        }
        for difference in differences {
            report.warning(PART, format!("{node}: {difference}"), "have the same alco.ini and alco on all nodes");
        }
    }
}
