//! The settings that nodes at one queue must have alike, as each of them notes them in Redis, and `alco check` compares them. Pure.

use std::collections::BTreeMap;

use crate::config::{Config, Index};
use crate::time::Ts;

#[derive(Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// when they were noted, in seconds since 1970 by the node's clock
    pub noted: i64,
    /// of alco
    pub version: String,
    /// the node as its own `peers` name it; empty: they do not
    pub peer: String,
    /// for each index its settings
    pub indexes: BTreeMap<String, BTreeMap<String, String>>,
}

/// Settings that only nodes at one queue must have alike.
const OF_A_QUEUE: [&str; 5] = ["queue", "queue_type", "queue_arguments", "durable", "routing_keys"];

impl NodeFacts {
    pub fn of(config: &Config, now: Ts) -> NodeFacts {
        NodeFacts {
            noted: now.seconds(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            peer: config.sphinx.own_peer.clone().unwrap_or_default(),
            indexes: config.indexes.iter().map(|index| (index.name.to_string(), settings(index))).collect(),
        }
    }

    /// A line with the time, the version and the peer, and one for each setting: `index key value`, with tabs between.
    pub fn text(&self) -> String {
        let mut text = format!("{}\t{}\t{}\n", self.noted, self.version, self.peer);
        for (index, settings) in &self.indexes {
            settings.iter().for_each(|(key, value)| text.push_str(&format!("{index}\t{key}\t{value}\n")));
        }
        text
    }

    /// The facts of a `text`; None if it is none.
    pub fn parse(text: &str) -> Option<NodeFacts> {
        let mut lines = text.lines();
        let mut words = lines.next()?.split('\t').map(str::to_owned);
        let mut facts = NodeFacts {
            noted: words.next()?.parse().ok()?,
            version: words.next()?,
            // an older version of alco did not write it
            peer: words.next().unwrap_or_default(),
            indexes: BTreeMap::new(),
        };
        for line in lines {
            let (index, (key, value)) =
                line.split_once('\t').and_then(|(index, rest)| Some((index, rest.split_once('\t')?)))?;
            facts.indexes.entry(index.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
        }
        Some(facts)
    }

    /// Each difference from another node as a text: `[index web] days is 30 here and 7 there`.
    pub fn differences(&self, there: &NodeFacts) -> Vec<String> {
        let mut found = Vec::new();
        if self.version != there.version {
            found.push(format!("alco is {} here and {} there", self.version, there.version));
        }
        for (index, here) in &self.indexes {
            let Some(there) = there.indexes.get(index) else {
                found.push(format!("[index {index}] is missing there"));
                continue;
            };
            let differs = here.iter().filter_map(|(key, here)| Some((key, here, there.get(key)?)));
            // mirrors and shards by routing key have queues of their own
            let is_one_queue = here.get("queue") == there.get("queue");
            let differs = differs
                .filter(|(_, here, there)| here != there)
                .filter(|(key, ..)| is_one_queue || !OF_A_QUEUE.contains(&key.as_str()));
            found.extend(
                differs.map(|(key, here, there)| format!("[index {index}] {key} is '{here}' here and '{there}' there")),
            );
        }
        let missing = there.indexes.keys().filter(|index| !self.indexes.contains_key(*index));
        found.extend(missing.map(|index| format!("[index {index}] is missing here")));
        found
    }
}

fn settings(index: &Index) -> BTreeMap<String, String> {
    let arguments: Vec<String> = index.queue_arguments.iter().map(|argument| format!("{argument:?}")).collect();
    let pairs = [
        ("queue", index.queue.clone()),
        ("queue_type", format!("{:?}", index.queue_type).to_lowercase()),
        ("queue_arguments", arguments.join(", ")),
        ("durable", index.durable.to_string()),
        ("routing_keys", index.routing_keys.join(", ")),
        ("days", index.days.to_string()),
        ("timestamp", index.timestamp.join(", ")),
        ("message", index.message.join(", ")),
        ("filtered", index.filtered.join(", ")),
        ("indexed", index.indexed.join(", ")),
        ("excluded", index.excluded.join(", ")),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_differ_are_named() {
        let facts = |ini: &str| {
            NodeFacts::of(&Config::parse(ini, "alco.ini").expect("no mistakes"), Ts::from_micros(1_000_000))
        };
        let here = facts("[index web]\ndays = 30\n[index shop]\n");
        assert_eq!(NodeFacts::parse(&here.text()).as_ref(), Some(&here));
        assert_eq!(NodeFacts::parse(""), None);
        assert_eq!(
            here.differences(&facts("[index web]\ndays = 30\ntitle = Other\n[index shop]\n")),
            Vec::<String>::new()
        );
        let mirror = facts("[index web]\ndays = 7\nqueue = web_b\nrouting_keys = b\n[index shop]\n");
        assert_eq!(here.differences(&mirror), ["[index web] days is '30' here and '7' there"]);
        assert_eq!(
            here.differences(&facts("[index web]\ndays = 7\nrouting_keys = a, b\n[index mail]\n")),
            [
                "[index shop] is missing there",
                "[index web] days is '30' here and '7' there",
                "[index web] routing_keys is 'logstash.#' here and 'a, b' there",
                "[index mail] is missing here",
            ]
        );
    }
}
