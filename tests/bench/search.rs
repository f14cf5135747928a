//! The cost of searching: a million records, stored by alco itself, of which five match the rare patterns, and more patterns
//! that a reader might type. The figures are medians of twenty requests.
//!
//! "answer" is the API's: up to a hundred records, and whether there are more. "page" is the whole page, which also counts the
//! matches, by time and by value.

use std::fs;
use std::time::{Duration, Instant};

use crate::INDEX;
use crate::support::{Alco, Publisher, Stack, encoded, queue_state, wait_until};
use crate::{cpu_seconds, figure, generate};

const RECORDS: usize = 1_000_000;
const SPAN: Duration = Duration::from_secs(6 * 3600);
/// The last records lie this far in the future, so that the last five minutes are as full as others.
const AHEAD: Duration = Duration::from_secs(1800);
const REQUESTS_PER_MEDIAN: usize = 20;
const STORED: Duration = Duration::from_secs(900);

/// The message of five records among the million. Rare patterns have many shapes.
const NEEDLE: &str = "upload of naïve_日本語.pdf gave imeout=5 -> retry#7 at 10.0.0.77:8443 (99.97%ile → q=zq!) id=K7f3a9c2e41b \
                      Донауdampfschifffahrtsgesellschaft~x";
const RARE: [&str; 20] = [
    "7f3a9c2e41b",
    "f3a9c2",
    "imeout=5",
    "gave imeout=5 -> ret",
    "10.0.0.77",
    "10.0.0.7",
    ".77:84",
    "日本",
    "e_日",
    "naïv",
    "ДОНАУD",
    "schifffahrtsgesellsch",
    "→",
    "99.97%",
    "%ile",
    "zq",
    "q=zq!",
    "#7 at",
    "no record holds this",
    "xqzj",
];
/// Part of one word: from hardly any record to one in three.
const PARTIAL: [&str; 6] = ["reylis", "imeout", "uthoris", "ackpac", "pstrea", "hrome"];
/// Queries with filters and patterns that many records match.
const RECENT: [&str; 5] = ["", "levelname=ERROR", "search=timed+out", "search=user", "search=zq"];

/// The bounds, in ms for an answer.
const MAX_RARE_MS: f64 = 50.0;
const MAX_PARTIAL_MS: f64 = 150.0;
const MAX_RECENT_MS: f64 = 15.0;

pub fn run() -> bool {
    let stack = Stack::private("bench_search", INDEX);
    // the default, while other tests give a search more time
    let alco = Alco::start(&stack, &format!("[http]\nsearch_budget = 2s\n{INDEX}"));
    let begin = Instant::now();
    fill(&stack);
    println!("{RECORDS} records stored in {:.0} s", begin.elapsed().as_secs_f64());
    println!("load {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    let searchd = fs::read_to_string(stack.dir().join("searchd.pid")).expect("searchd's id");
    let searchd = searchd.split(' ').next().and_then(|pid| pid.parse().ok()).expect("a process id");
    let measure = Measure { alco: &alco, searchd };

    let pattern = |text: &str| format!("start_ts=-1d&search={}", encoded(text));
    println!("\n                                            answer   its CPU      page");
    let rare = RARE.map(|text| measure.print(text, &pattern(text)));
    let partial = PARTIAL.map(|text| measure.print(text, &pattern(text)));
    let recent = RECENT.map(|query| measure.print(&format!("last 5 min {query}"), &format!("start_ts=-5m&{query}")));
    let worst = |figures: &[f64]| figures.iter().copied().fold(0.0, f64::max);
    let mut good = true;
    for (name, figures, wanted) in [
        ("rare literal", rare.as_slice(), MAX_RARE_MS),
        ("partial word", &partial, MAX_PARTIAL_MS),
        ("last 5 minutes", &recent, MAX_RECENT_MS),
    ] {
        let worst = worst(figures);
        good &= figure(name, format!("{worst:>8.1} ms at most"), worst < wanted, format!("{wanted} ms"));
    }
    good
}

/// Stores the records, by way of the queue.
fn fill(stack: &Stack) {
    let text =
        fs::read_to_string(generate("bench_search.jsonl", RECORDS, SPAN, SPAN - AHEAD)).expect("what was written");
    let mut publisher = Publisher::open(&stack.amqp);
    let mut bodies: Vec<String> = text.lines().map(str::to_owned).collect();
    for n in 0..5 {
        let at = RECORDS / 10 + n * RECORDS / 6;
        let time = bodies[at].split('"').nth(3).expect("a time").to_owned();
        bodies[at] = format!(r#"{{"@timestamp":"{time}","message":"{NEEDLE}","levelname":"INFO","host":"web-01"}}"#);
    }
    for some in bodies.chunks(20_000) {
        publisher.publish("logstash", "bench.shop", some);
    }
    publisher.close();
    let settled = || (stack.count("bench")? as usize >= RECORDS).then_some(());
    wait_until("all records are stored", STORED, settled);
    let empty = || queue_state(&stack.amqp, "bench").filter(|queue| queue.messages == 0);
    wait_until("the queue is empty", STORED, empty);
}

struct Measure<'a> {
    alco: &'a Alco,
    searchd: u32,
}

impl Measure<'_> {
    /// Prints the medians, and returns the answer's.
    fn print(&self, name: &str, query: &str) -> f64 {
        let cpu = || Some(cpu_seconds(self.alco.pid())? + cpu_seconds(self.searchd)?);
        // the first request reads from the disk
        self.once(&format!("/api/grep/bench/?{query}"));
        let before = cpu();
        let answer = self.median(&format!("/api/grep/bench/?{query}"));
        let used = cpu().zip(before).map(|(after, before)| (after - before) * 1000.0 / REQUESTS_PER_MEDIAN as f64);
        let page = self.median(&format!("/grep/bench/?{query}"));
        let used = used.map_or(String::new(), |used| format!("{used:.1} ms"));
        println!("{name:<40} {answer:>7.1} ms {used:>9} {page:>7.1} ms");
        answer
    }

    fn median(&self, path: &str) -> f64 {
        let mut times: Vec<f64> = (0..REQUESTS_PER_MEDIAN).map(|_| self.once(path)).collect();
        times.sort_by(f64::total_cmp);
        times[REQUESTS_PER_MEDIAN / 2]
    }

    fn once(&self, path: &str) -> f64 {
        let begin = Instant::now();
        let reply = self.alco.get(path);
        assert_eq!(reply.status, 200, "{path}");
        begin.elapsed().as_secs_f64() * 1000.0
    }
}
