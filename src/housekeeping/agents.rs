//! Compares the peers that searchd asks with those of alco.ini. searchd drops a peer whose name it cannot resolve when it reads its
//! configuration, and asks it only after it has read that again.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::net::host::addresses_of;
use crate::sphinx::client::Engine;
use crate::sphinx::conf::agent_names;

/// The difference as the end of a sentence that begins with searchd; None if there is none, or if reading its configuration again
/// does not help.
pub fn difference(config: &Config, engine: &mut Engine) -> Option<String> {
    let index = config.indexes.first()?;
    // the workers log an outage of searchd
    let described = engine.describe(index.name.as_str()).ok()?;
    let asked: BTreeSet<&str> = described.agents().collect();
    let named: Vec<(&str, String)> = agent_names(&config.sphinx, &index.name).collect();
    let is_there = |peer: &str| peer.rsplit_once(':').is_some_and(|(host, _)| !addresses_of(host).is_empty());
    let lacking = named.iter().find(|(peer, name)| !asked.contains(name.as_str()) && is_there(peer));
    let beyond = || asked.iter().find(|asked| !named.iter().any(|(_, name)| name == **asked));
    match (lacking, beyond()) {
        (Some((peer, _)), _) => Some(format!("does not ask the peer {peer}")),
        (None, Some(agent)) => Some(format!("asks {agent}, which is no longer a peer")),
        (None, None) => None,
    }
}
