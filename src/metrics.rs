//! Counters: plain atomics, one struct an index, and their text form for Prometheus. The code that does the work counts it;
//! the page `/metrics` reads.

pub mod client_counts;
pub mod counters;
pub mod obstacles;
pub mod peer_waits;
pub mod peers;
pub mod process;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use crate::config::IndexName;
use crate::metrics::client_counts::ClientCounts;
use crate::metrics::counters::{Backlog, Counter, Histogram, Moment};
use crate::metrics::obstacles::Obstacles;
use crate::metrics::peer_waits::PeerWaits;
use crate::metrics::process::Process;
use crate::metrics::text::Text;
use crate::time::Ts;

#[derive(Debug)]
pub struct Metrics {
    pub indexes: Vec<(IndexName, Collected)>,
    pub redis: Obstacles,
    pub searchd: Obstacles,
    /// this host's clock is wrong
    pub clock: Obstacles,
    pub searched: Arc<Searched>,
    pub clients: Arc<ClientCounts>,
}

/// Searches of pages and programs since the start.
#[derive(Debug)]
pub struct Searched {
    /// seconds that each page or stream of a search took; a followed one counts until it has caught up
    pub seconds: Histogram,
    /// records that searchd returned and alco checked
    pub candidates: Counter,
    /// at this moment
    pub running: AtomicI64,
    /// those of them that wait for their turn
    pub waiting: AtomicI64,
    /// long searches that found as many waiting as may, or waited too long for a thread
    pub refused: Counter,
    /// pages and streams that follow at this moment
    pub followers: AtomicI64,
}

impl Default for Searched {
    fn default() -> Searched {
        Searched {
            seconds: Histogram::new(SECONDS_BUCKETS),
            candidates: Counter::default(),
            running: AtomicI64::new(0),
            waiting: AtomicI64::new(0),
            refused: Counter::default(),
            followers: AtomicI64::new(0),
        }
    }
}

/// The work of collecting for an index since the start.
#[derive(Debug)]
pub struct Collected {
    pub deliveries: Counter,
    /// with properties that were not readable as they were sent
    pub changed: Counter,
    /// records in these deliveries
    pub received: Counter,
    /// those of the received records that RabbitMQ had marked as redelivered
    pub redelivered: Counter,
    /// those of the redelivered records that were stored already, and were only acknowledged
    pub already_stored: Counter,
    pub stored: Counter,
    /// put into the dead queue
    pub dead: Counter,
    /// stored with an alco_error
    pub malformed: Counter,
    /// patterns that no record had before
    pub new_patterns: Counter,
    /// records in a batch
    pub batches: Histogram,
    /// seconds that searchd took for a batch
    pub inserts: Histogram,
    /// connections to the broker that ended without alco ending them
    pub reconnects: Counter,
    /// requests that searchd and Redis did not answer
    pub searchd_failures: Counter,
    pub redis_failures: Counter,
    pub last_delivery: Moment,
    pub last_insert: Moment,
    pub last_ack: Moment,
    /// the newest record's own time
    pub newest: Moment,
    /// messages that wait in the queue
    pub backlog: Backlog,
    /// workers that collect at this moment
    pub working: AtomicI64,
    /// those of them that wait for another node
    pub peer_waits: PeerWaits,
    pub broker: Obstacles,
    /// a day index, or the dead queue, that takes no record
    pub place: Obstacles,
}

/// A worker that has held a delivery for this time without storing it waits for a server.
const STALLED_MICROS: i64 = 10_000_000;

/// Buckets in records: from a single one to more than the default batch.
const BATCH_RECORDS_BUCKETS: &[f64] = &[1.0, 10.0, 100.0, 500.0, 1000.0, 2000.0, 5000.0];
/// Buckets in seconds: from a delay that no reader notices to one that is a fault.
const SECONDS_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

impl Collected {
    fn new() -> Collected {
        Collected {
            deliveries: Counter::default(),
            changed: Counter::default(),
            received: Counter::default(),
            redelivered: Counter::default(),
            already_stored: Counter::default(),
            stored: Counter::default(),
            dead: Counter::default(),
            malformed: Counter::default(),
            new_patterns: Counter::default(),
            batches: Histogram::new(BATCH_RECORDS_BUCKETS),
            inserts: Histogram::new(SECONDS_BUCKETS),
            reconnects: Counter::default(),
            searchd_failures: Counter::default(),
            redis_failures: Counter::default(),
            last_delivery: Moment::default(),
            last_insert: Moment::default(),
            last_ack: Moment::default(),
            newest: Moment::default(),
            backlog: Backlog::default(),
            working: AtomicI64::new(0),
            peer_waits: PeerWaits::default(),
            broker: Obstacles::default(),
            place: Obstacles::default(),
        }
    }

    /// True if a delivery came more than `STALLED_MICROS` ago, and no batch has been stored since.
    pub fn is_stalled(&self, now: Ts) -> bool {
        let delivered = self.last_delivery.get().filter(|delivered| self.last_insert.get() < Some(*delivered));
        delivered.is_some_and(|delivered| {
            let since = self.last_insert.get().map_or(delivered, |stored| stored.max(delivered));
            now.micros() - since.micros() > STALLED_MICROS
        })
    }
}

impl Metrics {
    pub fn new(indexes: impl Iterator<Item = IndexName>) -> Metrics {
        Metrics {
            indexes: indexes.map(|name| (name, Collected::new())).collect(),
            redis: Obstacles::default(),
            searchd: Obstacles::default(),
            clock: Obstacles::default(),
            searched: Arc::default(),
            clients: Arc::default(),
        }
    }

    pub fn of(&self, index: &IndexName) -> Option<&Collected> {
        self.indexes.iter().find(|(name, _)| name == index).map(|(_, collected)| collected)
    }

    /// In Prometheus' text format, version 0.0.4, with those indexes that `shows` returns true for.
    pub fn text(&self, now: Ts, process: Process, shows: &dyn Fn(&IndexName) -> bool) -> String {
        let indexes: Vec<&(IndexName, Collected)> = self.indexes.iter().filter(|(name, _)| shows(name)).collect();
        let mut out = Text::default();
        type CountOf = fn(&Collected) -> u64;
        let counters: [(&str, &str, CountOf); 6] = [
            ("received", "Records that were delivered", |c| c.received.get()),
            ("redelivered", "Records that the broker had delivered before", |c| c.redelivered.get()),
            ("stored", "Records committed by searchd", |c| c.stored.get()),
            ("already_stored", "Redelivered records that were found stored", |c| c.already_stored.get()),
            ("dead", "Records put into the dead queue", |c| c.dead.get()),
            ("malformed", "Records stored with an alco_error", |c| c.malformed.get()),
        ];
        for (name, help, count) in counters {
            each(&mut out, (&format!("alco_records_{name}_total"), "counter", help), &indexes, |c| {
                Some(count(c) as f64)
            });
        }
        let deliveries = |c: &Collected| Some(c.deliveries.get() as f64);
        each(
            &mut out,
            ("alco_deliveries_total", "counter", "Deliveries, each of one record or several"),
            &indexes,
            deliveries,
        );
        let changed = |c: &Collected| Some(c.changed.get() as f64);
        each(
            &mut out,
            (
                "alco_deliveries_changed_total",
                "counter",
                "Deliveries whose routing key, properties or headers were not readable as they were sent",
            ),
            &indexes,
            changed,
        );
        let new_patterns = |c: &Collected| Some(c.new_patterns.get() as f64);
        each(
            &mut out,
            ("alco_patterns_new_total", "counter", "Patterns of messages that were seen for the first time"),
            &indexes,
            new_patterns,
        );
        let servers: [(&str, CountOf); 3] = [
            ("rabbitmq", |c| c.reconnects.get()),
            ("searchd", |c| c.searchd_failures.get()),
            ("redis", |c| c.redis_failures.get()),
        ];
        out.about(
            "alco_server_failures_total",
            "counter",
            "Connections that broke and requests that were not answered",
        );
        for (index, collected) in &indexes {
            for (server, count) in servers {
                out.sample(
                    "alco_server_failures_total",
                    &[("index", index.as_str()), ("server", server)],
                    count(collected) as f64,
                );
            }
        }
        out.about("alco_batch_records", "histogram", "Records in a batch");
        for (index, collected) in &indexes {
            out.histogram("alco_batch_records", &[("index", index.as_str())], &collected.batches);
        }
        out.about("alco_insert_seconds", "histogram", "Seconds that searchd took to commit a batch");
        for (index, collected) in &indexes {
            out.histogram("alco_insert_seconds", &[("index", index.as_str())], &collected.inserts);
        }
        type MomentOf = fn(&Collected) -> &Moment;
        let ages: [(&str, &str, MomentOf); 4] = [
            ("delivery", "Seconds since the last delivery", |c| &c.last_delivery),
            ("insert", "Seconds since searchd committed the last batch", |c| &c.last_insert),
            ("ack", "Seconds since the last acknowledgement", |c| &c.last_ack),
            ("record", "Age of the newest record in seconds, by its own time", |c| &c.newest),
        ];
        for (name, help, moment) in ages {
            let age = |c: &Collected| moment(c).get().map(|ts| (now.micros() - ts.micros()).max(0) as f64 / 1e6);
            each(&mut out, (&format!("alco_last_{name}_age_seconds"), "gauge", help), &indexes, age);
        }
        let backlog =
            |c: &Collected| c.backlog.get(now).filter(|_| c.working.load(Relaxed) > 0).map(|messages| messages as f64);
        each(&mut out, ("alco_backlog_messages", "gauge", "Messages that wait in the queue"), &indexes, backlog);
        let working = |c: &Collected| Some(c.working.load(Relaxed).max(0) as f64);
        each(&mut out, ("alco_workers", "gauge", "Workers that collect at this moment"), &indexes, working);
        let waiting = |c: &Collected| Some(c.peer_waits.records() as f64);
        let help = "Records that wait for another node, which may have stored them";
        each(&mut out, ("alco_waiting_records", "gauge", help), &indexes, waiting);
        out.about("alco_search_seconds", "histogram", "Seconds that a search took");
        out.histogram("alco_search_seconds", &[], &self.searched.seconds);
        out.about("alco_search_candidates_total", "counter", "Records that searchd returned and alco checked");
        out.sample("alco_search_candidates_total", &[], self.searched.candidates.get() as f64);
        let searched = &self.searched;
        out.about(
            "alco_searches_refused_total",
            "counter",
            "Long searches that found as many waiting as may, or waited too long for a thread",
        );
        out.sample("alco_searches_refused_total", &[], searched.refused.get() as f64);
        for (name, help, value) in [
            ("searches_running", "Searches that run at this moment, those that wait among them", &searched.running),
            ("searches_waiting", "Searches that wait for their turn", &searched.waiting),
            ("followers", "Pages and streams that follow at this moment", &searched.followers),
        ] {
            let name = format!("alco_{name}");
            out.about(&name, "gauge", help);
            out.sample(&name, &[], value.load(Relaxed).max(0) as f64);
        }
        out.about("alco_build_info", "gauge", "The version that runs");
        out.sample("alco_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        self.clients.write(&mut out);
        process.write(&mut out);
        out.into_string()
    }
}

/// A sample for each index that has a value.
fn each(
    out: &mut Text,
    (name, kind, help): (&str, &str, &str),
    indexes: &[&(IndexName, Collected)],
    value: impl Fn(&Collected) -> Option<f64>,
) {
    out.about(name, kind, help);
    for (index, collected) in indexes {
        if let Some(value) = value(collected) {
            out.sample(name, &[("index", index.as_str())], value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::client_counts::{ConnectionRefused, RequestRefused};

    #[test]
    fn the_text_has_what_was_counted() {
        let metrics = Metrics::new(["web", "mail"].into_iter().map(|name| name.parse().expect("a name")));
        let web = &metrics.indexes[0].1;
        web.deliveries.add(2);
        web.received.add(3);
        web.last_ack.set(Ts::from_micros(1_000_000));
        web.inserts.observe(0.01);
        web.inserts.observe(0.2);
        web.inserts.observe(100.0);
        let process = Process {
            started: Ts::from_micros(500_000),
            resident_bytes: Some(9 << 20),
            threads: Some(40),
            open_files: None,
            max_files: Some(1024),
        };
        metrics.clients.refuse_request(RequestRefused::Login);
        metrics.clients.refuse_connection(ConnectionRefused::Displaced);
        let text = metrics.text(Ts::from_micros(3_500_000), process, &|_| true);
        for line in [
            "# TYPE alco_records_received_total counter",
            "alco_deliveries_total{index=\"web\"} 2",
            "alco_waiting_records{index=\"web\"} 0",
            "alco_records_received_total{index=\"web\"} 3",
            "alco_records_received_total{index=\"mail\"} 0",
            "alco_last_ack_age_seconds{index=\"web\"} 2.5",
            "alco_insert_seconds_bucket{index=\"web\",le=\"0.005\"} 0",
            "alco_insert_seconds_bucket{index=\"web\",le=\"0.01\"} 1",
            "alco_insert_seconds_bucket{index=\"web\",le=\"0.25\"} 2",
            "alco_insert_seconds_bucket{index=\"web\",le=\"+Inf\"} 3",
            "alco_insert_seconds_sum{index=\"web\"} 100.21",
            "alco_insert_seconds_count{index=\"web\"} 3",
            "alco_server_failures_total{index=\"web\",server=\"redis\"} 0",
            "alco_search_seconds_count 0",
            "alco_search_candidates_total 0",
            "process_start_time_seconds 0.5",
            "process_resident_memory_bytes 9437184",
            "process_threads 40",
            "process_max_fds 1024",
            "alco_searches_running 0",
            "alco_http_connections 0",
            "alco_http_connections_refused_total{reason=\"displaced\"} 1",
            "alco_http_connections_refused_total{reason=\"full\"} 0",
            "alco_http_requests_refused_total{reason=\"login\"} 1",
            "alco_http_requests_refused_total{reason=\"follower\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "no '{line}' in\n{text}");
        }
        assert!(!text.contains("process_open_fds"), "it is not known");
        assert!(!text.contains("alco_last_ack_age_seconds{index=\"mail\"}"), "an event that never happened has no age");
        let of_mail = metrics.text(Ts::from_micros(3_500_000), process, &|index| index.as_str() == "mail");
        assert!(of_mail.contains("{index=\"mail\"") && !of_mail.contains("web"), "{of_mail}");
        assert!(!text.contains("alco_backlog_messages{"), "no worker has asked for it");
    }
}
