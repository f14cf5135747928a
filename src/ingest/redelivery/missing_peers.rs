//! Peers that did not answer a look-up. Pure.
//!
//! Invariant: a peer counts as one that answered only if searchd asks it, and each warning is about another peer. So where a warning
//! is not understood, none counts.

use std::collections::BTreeSet;

use crate::sphinx::dialect::agent_reports;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPeers {
    /// the warnings of searchd
    pub why: String,
    /// Peers that answered, and the mirrors of such.
    pub answered: BTreeSet<String>,
    /// the other peers
    pub lacking: BTreeSet<String>,
}

impl MissingPeers {
    /// Those of an answer with these warnings. `peers` are shards, each a list of mirrors; `asks` returns true for those of them that
    /// searchd asks.
    pub fn of(warnings: &[String], peers: &[Vec<String>], asks: impl Fn(&str) -> bool) -> MissingPeers {
        let named: Vec<&str> =
            warnings.iter().flat_map(|warning| agent_reports(warning)).map(|of| of.address).collect();
        let is_known = |name: &&str| peers.iter().flatten().any(|peer| peer == name);
        let is_about_agents = |warning: &String| agent_reports(warning).next().is_some();
        let is_understood = warnings.iter().all(is_about_agents) && named.iter().all(is_known);
        let (mut answered, mut lacking) = (BTreeSet::new(), BTreeSet::new());
        for mirrors in peers {
            let is_missing = |peer: &String| named.contains(&peer.as_str()) || !asks(peer);
            let has_answered = is_understood && !mirrors.iter().any(is_missing);
            if has_answered { &mut answered } else { &mut lacking }.extend(mirrors.iter().cloned());
        }
        MissingPeers { why: warnings.join("; "), answered, lacking }
    }

    /// Those of two answers together: a peer has answered only if it did so each time.
    pub fn and(self, other: MissingPeers) -> MissingPeers {
        MissingPeers {
            why: self.why,
            answered: self.answered.intersection(&other.answered).cloned().collect(),
            lacking: self.lacking.union(&other.lacking).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_peer_without_a_warning_has_answered() {
        let peers = [vec!["b:9312".to_owned()], vec!["c:9312".to_owned(), "d:9312".to_owned()]];
        let both = "index web: agent b:9312: connect() timed out;\nindex web: agent d:9312: query timed out";
        for (warning, unknown, expected) in [
            ("index web: agent b:9312: connect() timed out", "", &["c:9312", "d:9312"][..]),
            ("table web: agent d:9312: query timed out", "", &["b:9312"]),
            ("index web: agent b:9312: remote query error: unknown local index 'web_local'", "", &["c:9312", "d:9312"]),
            (both, "", &[]),
            // one whose name searchd could not resolve, and which it does not ask
            ("index web: agent b:9312: connect() timed out", "c:9312", &[]),
            // of which peer it is cannot be told
            ("index web: agent c:9312|d:9312: connect() timed out", "", &[]),
            ("index web: agent b:9312: connect() timed out; index web: agent 10.0.0.3:9312: query timed out", "", &[]),
            ("index web: something else", "", &[]),
        ] {
            let missing = MissingPeers::of(&[warning.to_owned()], &peers, |peer| peer != unknown);
            assert_eq!(Vec::from_iter(&missing.answered), expected, "{warning}");
            assert_eq!(missing.answered.len() + missing.lacking.len(), 3, "{warning}");
        }
        let one_is_not_understood = ["index web: agent b:9312: query timed out", "index web: something else"];
        let missing = MissingPeers::of(&one_is_not_understood.map(str::to_owned), &peers, |_| true);
        assert_eq!(missing.answered.len(), 0, "{missing:?}");
    }

    #[test]
    fn a_peer_answers_each_time_or_is_missing() {
        let peers = ["b:9312", "c:9312", "d:9312"].map(|peer| vec![peer.to_owned()]);
        let without = |peer| MissingPeers::of(&[format!("index web: agent {peer}: query timed out")], &peers, |_| true);
        let both = without("b:9312").and(without("d:9312"));
        assert_eq!(Vec::from_iter(&both.answered), ["c:9312"]);
        assert_eq!(Vec::from_iter(&both.lacking), ["b:9312", "d:9312"]);
    }
}
