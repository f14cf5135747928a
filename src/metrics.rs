//! Counters: plain atomics, one struct an index, and their text form for Prometheus. The code that does the work counts it;
//! the page `/metrics` reads.

pub mod obstacles;
pub mod peers;

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::config::IndexName;
use crate::metrics::obstacles::Obstacles;
use crate::time::Ts;

#[derive(Debug)]
pub struct Metrics {
    pub indexes: Vec<(IndexName, Collected)>,
    pub redis: Obstacles,
    pub searchd: Obstacles,
    /// this host's clock is wrong
    pub clock: Obstacles,
    pub searched: Arc<Searched>,
}

/// Searches of pages and programs since the start.
#[derive(Debug)]
pub struct Searched {
    /// seconds that each page or stream of a search took; a followed one counts until it has caught up
    pub seconds: Histogram,
    /// records that searchd returned and alco checked
    pub candidates: Counter,
    /// pages and streams that follow at this moment
    pub followers: AtomicI64,
}

impl Default for Searched {
    fn default() -> Searched {
        Searched {
            seconds: Histogram::new(SECONDS_BUCKETS),
            candidates: Counter::default(),
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
    pub broker: Obstacles,
    /// a day index, or the dead queue, that takes no record
    pub place: Obstacles,
}

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// For each bound, the number of observations up to it, as Prometheus counts them.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// one for each bound, and one for the observations above all bounds
    counts: Vec<AtomicU64>,
    /// in millionths
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Histogram {
        Histogram { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    pub fn observe(&self, value: f64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at].fetch_add(1, Relaxed);
        self.sum.fetch_add((value * 1e6) as u64, Relaxed);
    }
}

/// The time of the last event of a kind, in microseconds since 1970; 0 stands for never.
#[derive(Debug, Default)]
pub struct Moment(AtomicI64);

impl Moment {
    pub fn set(&self, ts: Ts) {
        self.0.store(ts.micros(), Relaxed);
    }

    pub fn get(&self) -> Option<Ts> {
        Some(self.0.load(Relaxed)).filter(|micros| *micros != 0).map(Ts::from_micros)
    }
}

/// The messages in the queue when a worker last asked. A worker that waits for a server does not ask, while the queue grows.
#[derive(Debug, Default)]
pub struct Backlog {
    messages: AtomicU64,
    asked: Moment,
}

/// Workers ask every 5 s; an older number is not shown.
const OUTDATED_MICROS: i64 = 15_000_000;

impl Backlog {
    pub fn set(&self, messages: u64, now: Ts) {
        self.messages.store(messages, Relaxed);
        self.asked.set(now);
    }

    pub fn get(&self, now: Ts) -> Option<u64> {
        let asked = self.asked.get()?;
        (now.micros() - asked.micros() < OUTDATED_MICROS).then(|| self.messages.load(Relaxed))
    }
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

/// Facts about this process.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub started: Ts,
    /// in bytes; None if the system does not show it
    pub resident: Option<u64>,
}

impl Metrics {
    pub fn new(indexes: impl Iterator<Item = IndexName>) -> Metrics {
        Metrics {
            indexes: indexes.map(|name| (name, Collected::new())).collect(),
            redis: Obstacles::default(),
            searchd: Obstacles::default(),
            clock: Obstacles::default(),
            searched: Arc::default(),
        }
    }

    pub fn of(&self, index: &IndexName) -> Option<&Collected> {
        self.indexes.iter().find(|(name, _)| name == index).map(|(_, collected)| collected)
    }

    /// In Prometheus' text format, version 0.0.4, with those indexes that `shows` returns true for.
    pub fn text(&self, now: Ts, process: Process, shows: &dyn Fn(&IndexName) -> bool) -> String {
        let indexes: Vec<&(IndexName, Collected)> = self.indexes.iter().filter(|(name, _)| shows(name)).collect();
        let mut out = Text(String::with_capacity(16 * 1024));
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
            out.each(&format!("alco_records_{name}_total"), "counter", help, &indexes, |c| Some(count(c) as f64));
        }
        let deliveries = |c: &Collected| Some(c.deliveries.get() as f64);
        out.each("alco_deliveries_total", "counter", "Deliveries, each of one record or several", &indexes, deliveries);
        let changed = |c: &Collected| Some(c.changed.get() as f64);
        out.each(
            "alco_deliveries_changed_total",
            "counter",
            "Deliveries whose routing key, properties or headers were not readable as they were sent",
            &indexes,
            changed,
        );
        let new_patterns = |c: &Collected| Some(c.new_patterns.get() as f64);
        out.each(
            "alco_patterns_new_total",
            "counter",
            "Patterns of messages that were seen for the first time",
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
            out.each(&format!("alco_last_{name}_age_seconds"), "gauge", help, &indexes, age);
        }
        let backlog =
            |c: &Collected| c.backlog.get(now).filter(|_| c.working.load(Relaxed) > 0).map(|messages| messages as f64);
        out.each("alco_backlog_messages", "gauge", "Messages that wait in the queue", &indexes, backlog);
        let working = |c: &Collected| Some(c.working.load(Relaxed).max(0) as f64);
        out.each("alco_workers", "gauge", "Workers that collect at this moment", &indexes, working);
        out.about("alco_search_seconds", "histogram", "Seconds that a search took");
        out.histogram("alco_search_seconds", &[], &self.searched.seconds);
        out.about("alco_search_candidates_total", "counter", "Records that searchd returned and alco checked");
        out.sample("alco_search_candidates_total", &[], self.searched.candidates.get() as f64);
        out.about("alco_followers", "gauge", "Pages and streams that follow at this moment");
        out.sample("alco_followers", &[], self.searched.followers.load(Relaxed).max(0) as f64);
        out.about("alco_build_info", "gauge", "The version that runs");
        out.sample("alco_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        out.about("process_start_time_seconds", "gauge", "Start of the process in seconds since 1970");
        out.sample("process_start_time_seconds", &[], process.started.micros() as f64 / 1e6);
        if let Some(resident) = process.resident {
            out.about("process_resident_memory_bytes", "gauge", "Resident memory in bytes");
            out.sample("process_resident_memory_bytes", &[], resident as f64);
        }
        out.0
    }
}

/// Lines of Prometheus' text format.
struct Text(String);

impl Text {
    fn about(&mut self, name: &str, kind: &str, help: &str) {
        // writing to a string cannot fail, here and below
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Label values are names that alco has checked: they need no escape.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{text}\"", if at == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn each(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        indexes: &[&(IndexName, Collected)],
        value: impl Fn(&Collected) -> Option<f64>,
    ) {
        self.about(name, kind, help);
        for (index, collected) in indexes {
            if let Some(value) = value(collected) {
                self.sample(name, &[("index", index.as_str())], value);
            }
        }
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram) {
        let mut below = 0;
        let bounds = histogram.bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&histogram.counts) {
            below += count.load(Relaxed);
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            self.sample(&format!("{name}_bucket"), &labels, below as f64);
        }
        self.sample(&format!("{name}_sum"), labels, histogram.sum.load(Relaxed) as f64 / 1e6);
        self.sample(&format!("{name}_count"), labels, below as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let process = Process { started: Ts::from_micros(500_000), resident: Some(9 << 20) };
        let text = metrics.text(Ts::from_micros(3_500_000), process, &|_| true);
        for line in [
            "# TYPE alco_records_received_total counter",
            "alco_deliveries_total{index=\"web\"} 2",
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
        ] {
            assert!(text.lines().any(|found| found == line), "no '{line}' in\n{text}");
        }
        assert!(!text.contains("alco_last_ack_age_seconds{index=\"mail\"}"), "an event that never happened has no age");
        let of_mail = metrics.text(Ts::from_micros(3_500_000), process, &|index| index.as_str() == "mail");
        assert!(of_mail.contains("{index=\"mail\"") && !of_mail.contains("web"), "{of_mail}");
        assert!(!text.contains("alco_backlog_messages{"), "no worker has asked for it");
    }
}
