//! Clients of the web part: how many are connected, and what was refused, by reason; in Prometheus' text format.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::metrics::counters::Counter;
use crate::metrics::text::Text;

/// The reason why a connection was refused, or ended before its time.
#[derive(Clone, Copy, Debug)]
pub enum ConnectionRefused {
    /// all places are taken
    Full,
    /// it made room for another
    Displaced,
    /// its client read too slowly
    Slow,
}

/// The reason why a request was not answered as asked.
#[derive(Clone, Copy, Debug)]
pub enum RequestRefused {
    Malformed,
    LongAddress,
    LongHead,
    /// it did not end in time
    Unfinished,
    /// wrong passwords came before
    Login,
    /// too many downloads are under way
    Download,
    /// all places to follow are taken
    Follower,
}

#[derive(Debug, Default)]
pub struct ClientCounts {
    /// at this moment
    pub connections: AtomicUsize,
    pub max_connections: AtomicUsize,
    connections_refused: [Counter; CONNECTION_REASONS.len()],
    requests_refused: [Counter; REQUEST_REASONS.len()],
}

/// In the order of `ConnectionRefused`.
const CONNECTION_REASONS: [&str; 3] = ["full", "displaced", "slow"];
/// In the order of `RequestRefused`.
const REQUEST_REASONS: [&str; 7] =
    ["malformed", "long_address", "long_head", "unfinished", "login", "download", "follower"];

impl ClientCounts {
    pub fn refuse_connection(&self, why: ConnectionRefused) {
        self.connections_refused[why as usize].add(1);
    }

    pub fn refuse_request(&self, why: RequestRefused) {
        self.requests_refused[why as usize].add(1);
    }

    pub(super) fn write(&self, out: &mut Text) {
        for (name, help, value) in [
            ("alco_http_connections", "Clients that are connected at this moment", &self.connections),
            ("alco_http_max_connections", "Clients that may be connected at a time", &self.max_connections),
        ] {
            out.about(name, "gauge", help);
            out.sample(name, &[], value.load(Relaxed) as f64);
        }
        let refused = [
            ("connections", "Connections", &CONNECTION_REASONS[..], &self.connections_refused[..]),
            ("requests", "Requests", &REQUEST_REASONS, &self.requests_refused),
        ];
        for (of, what, reasons, counts) in refused {
            let name = format!("alco_http_{of}_refused_total");
            out.about(&name, "counter", &format!("{what} that were refused, or ended before their time"));
            for (reason, count) in reasons.iter().zip(counts) {
                out.sample(&name, &[("reason", reason)], count.get() as f64);
            }
        }
    }
}
