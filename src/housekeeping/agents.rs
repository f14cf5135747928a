//! Compares the peers that searchd asks with those of alco.ini. searchd drops a peer whose name it cannot resolve when it reads its
//! configuration, and asks it only after it has read that again.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::net::host::addresses_of;
use crate::sphinx::client::Engine;
use crate::sphinx::conf::agent_names;
use crate::sphinx::day_index::{day_index, peer_index};
use crate::time::Day;

/// The difference as the end of a sentence that begins with searchd; None if there is none, or if reading its configuration again
/// does not help.
pub fn difference(config: &Config, today: Day, engine: &mut Engine) -> Option<String> {
    let index = config.indexes.first()?;
    // the workers log an outage of searchd
    let described = engine.describe(index.name.as_str()).ok()?;
    let asked: BTreeSet<&str> = described.agents().collect();
    let named: Vec<(&str, String)> = agent_names(&config.sphinx, &index.name).collect();
    let lacking = named.iter().find(|(peer, name)| !asked.contains(name.as_str()) && is_there(peer));
    let beyond = || asked.iter().find(|asked| !named.iter().any(|(_, name)| name == **asked));
    match (lacking, beyond()) {
        (Some((peer, _)), _) => Some(format!("does not ask the peer {peer}")),
        (None, Some(agent)) => Some(format!("asks {agent}, which is no longer a peer")),
        (None, None) => other_address(config, today, engine),
    }
}

/// True if the name of the peer of that number, from 1 on, can be resolved.
pub fn is_resolved(config: &Config, number: usize) -> bool {
    config.sphinx.peers.iter().flatten().nth(number - 1).is_some_and(|peer| is_there(peer))
}

fn is_there(peer: &str) -> bool {
    peer.rsplit_once(':').is_some_and(|(host, _)| !addresses_of(host).is_empty())
}

/// The names of peers' day indexes may stand for the same peers in another order.
fn other_address(config: &Config, today: Day, engine: &mut Engine) -> Option<String> {
    let own = day_index(&config.indexes.first()?.name, today);
    let is_other = |(number, peer): (usize, &String)| {
        let described = engine.describe(&peer_index(&own, number)).ok()?;
        (!described.has(&format!("{peer}:{own}"))).then(|| format!("does not ask the peer {peer} for {own}"))
    };
    (1..).zip(config.sphinx.peers.iter().flatten()).find_map(is_other)
}
