//! The searchd of other nodes, in Prometheus' text format.

use crate::metrics::text::Text;

/// The address of each, and whether it answers; empty without any.
pub fn peers_text<'p>(peers: impl Iterator<Item = (&'p str, bool)>) -> String {
    let mut out = Text::default();
    for (n, (address, answers)) in peers.enumerate() {
        if n == 0 {
            out.about("alco_peer_up", "gauge", "1 if the searchd of another node answers");
        }
        out.sample("alco_peer_up", &[("peer", address)], f64::from(u8::from(answers)));
    }
    out.into_string()
}
