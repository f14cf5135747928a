//! The shop that the sample records are of: what its services log, and when.
//!
//! # The story, and its solution
//!
//! "Customers cannot pay; find out why, since when, for whom." Why: the certificate of pay.nordbank.example has expired, so `billing`
//! refuses payments; it had warned of that for two days. Since when: `INCIDENT_AGE` before the sample began, and it goes on. For whom:
//! customers of one bank of four, `bank=nordbank`. The rest are consequences. In `web`, checkouts fail and answers are 502, which came
//! now and then before. In `stock`, reservations are given up, and, since `SHELVES_AGE`, all of some articles is reserved for orders
//! that are not paid. So two patterns are new: the cause, and that last one. The release of five hours ago has nothing to do with it.
//!
//! Invariant: it is the same shop at each start, so that two screenshots can be compared. Its records leave it in the order of time.

use std::collections::{BTreeMap, HashMap};

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::words::{BANKS, CITIES, EXPIRED_BANK, FRAMES, GOODS, JOBS, PATHS, REMARKABLE, USERS};

/// The hours before now are as busy as those after it.
const BUSY_SECONDS: i64 = 6 * 3600;
/// Before them the shop is quiet, but each kind of request has come at least once. So nothing of it is new later.
const QUIET_SECONDS: i64 = 42 * 3600;
const QUIET_REQUESTS: usize = 500;
const DAY_SECONDS: i64 = 24 * 3600;
/// The busy hours of the day before have this part of today's records.
const YESTERDAY_PART: u64 = 4;
const HOUR_SECONDS: f64 = 3600.0;
const INCIDENT_AGE: SignedDuration = SignedDuration::from_mins(130);
const SHELVES_AGE: SignedDuration = SignedDuration::from_mins(35);
/// How often a payment is refused in the incident, beside the weights of flows.txt: customers try again and again.
const REFUSED_WEIGHT: f64 = 40.0;
const FULL_SHELF_WEIGHT: f64 = 4.0;

/// Requests, with an empty line between them: `= WEIGHT NAME`, and lines of `project|application|level|logger|milliseconds after the
/// line before, at most|message|error of a traceback`, with {slots}. A request whose name ends in `user` or `bank` has these columns.
const FLOWS: &str = include_str!("flows.txt");

/// A routing key and a body, as published.
pub type Record = (String, Value);

/// The lines that one request has in the logs of the services.
struct Flow {
    name: &'static str,
    weight: f64,
    lines: Vec<FlowLine>,
}

struct FlowLine {
    project: &'static str,
    application: &'static str,
    level: &'static str,
    logger: &'static str,
    gap_ms: f64,
    text: &'static str,
    error: Option<&'static str>,
}

fn flow(block: &'static str) -> Flow {
    let (head, lines) = block.trim().split_once('\n').expect("a flow has lines");
    let (weight, name) = head.trim_start_matches("= ").split_once(' ').expect("a weight and a name");
    Flow { name, weight: weight.parse().expect("a number"), lines: lines.lines().map(flow_line).collect() }
}

fn flow_line(line: &'static str) -> FlowLine {
    let parts: Vec<&str> = line.split('|').collect();
    let [project, application, level, logger, gap_ms, text, error @ ..] = &parts[..] else {
        panic!("a line of flows.txt has six parts: {line}")
    };
    let gap_ms = gap_ms.parse().expect("milliseconds");
    FlowLine { project, application, level, logger, gap_ms, text, error: error.first().copied() }
}

/// What the lines of a request have in common.
struct Request {
    id: String,
    values: HashMap<String, String>,
}

pub struct Shop {
    flows: Vec<Flow>,
    random: Rng,
    /// now, when the sample began
    began: Timestamp,
    requests_a_second: f64,
    seq: u64,
    /// not published yet, by their times and numbers
    coming: BTreeMap<(Timestamp, u64), Record>,
}

impl Shop {
    pub fn new(began: Timestamp) -> Shop {
        let flows = FLOWS.split("\n\n").map(flow).collect();
        Shop { flows, random: Rng::with_seed(4), began, requests_a_second: 1.0, seq: 0, coming: BTreeMap::new() }
    }

    /// Lives through two days, with about this number of records in the busy hours.
    pub fn live_until_now(&mut self, busy_records: usize) {
        let quiet = self.ago(BUSY_SECONDS + QUIET_SECONDS);
        for flow in 0..self.flows.len() {
            if self.flows[flow].weight > 0.0 {
                self.request(flow, quiet);
            }
        }
        for _ in 0..QUIET_REQUESTS {
            let at = quiet + self.part_of(QUIET_SECONDS);
            self.any_request(at);
        }
        for (hours, days) in [(47, "2 days"), (23, "1 day")] {
            self.request_with(self.flow("certificate"), self.ago(hours * 3600), &[("days", days)]);
        }
        for hours in [33, 5] {
            self.request(self.flow("release"), self.ago(hours * 3600));
            self.remarkable(self.ago((hours - 5) * 3600));
        }
        // the same hours of the day before, for comparison
        let yesterday_records = self.seq + busy_records as u64 / YESTERDAY_PART;
        while self.seq < yesterday_records {
            let at = self.ago(DAY_SECONDS + BUSY_SECONDS) + self.part_of(BUSY_SECONDS);
            self.any_request(at);
        }
        let quiet_records = self.seq;
        let mut last_hour = 0;
        while self.seq < quiet_records + busy_records as u64 {
            let at = self.ago(BUSY_SECONDS) + self.part_of(BUSY_SECONDS);
            let age = self.age(at).as_secs_f64();
            let busy = 0.5 + 0.08 * (age / 1900.0).sin() + 0.05 * (age / 530.0).cos();
            // the requests of the incident come on top of the others
            if self.random.f64() < busy * self.weight(at) / self.weight(self.ago(BUSY_SECONDS)) {
                self.any_request(at);
                last_hour += u32::from(age < HOUR_SECONDS);
            }
        }
        self.requests_a_second = f64::from(last_hour) / HOUR_SECONDS;
    }

    /// The time until the next request: they go on as in the hour before.
    pub fn until_next_request(&mut self) -> SignedDuration {
        // irregular, as life is
        SignedDuration::from_secs_f64(2.0 * self.random.f64() / self.requests_a_second)
    }

    /// The next record that comes until then, in the order of time.
    pub fn next_until(&mut self, now: Timestamp) -> Option<Record> {
        let first = self.coming.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }

    /// When the next record comes.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.coming.keys().next().map(|(at, _)| *at)
    }

    fn ago(&self, seconds: i64) -> Timestamp {
        self.began - SignedDuration::from_secs(seconds)
    }

    fn age(&self, at: Timestamp) -> SignedDuration {
        self.began.duration_since(at)
    }

    fn part_of(&mut self, seconds: i64) -> SignedDuration {
        SignedDuration::from_secs_f64(seconds as f64 * self.random.f64())
    }

    fn flow(&self, name: &str) -> usize {
        self.flows.iter().position(|flow| flow.name.starts_with(name)).expect("a name of flows.txt")
    }

    /// The requests that come at that time, each with its weight.
    fn weights(&self, at: Timestamp) -> impl Iterator<Item = (usize, f64)> {
        let of = |is_so: bool, name, weight| is_so.then(|| (self.flow(name), weight));
        let refused = of(self.age(at) < INCIDENT_AGE, "refused", REFUSED_WEIGHT);
        let full = of(self.age(at) < SHELVES_AGE, "full shelf", FULL_SHELF_WEIGHT);
        self.flows.iter().map(|flow| flow.weight).enumerate().chain(refused).chain(full)
    }

    fn weight(&self, at: Timestamp) -> f64 {
        self.weights(at).map(|(_, weight)| weight).sum()
    }

    pub fn any_request(&mut self, at: Timestamp) {
        let mut left = self.random.f64() * self.weight(at);
        let chosen = self.weights(at).find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        self.request(chosen.map_or(0, |(flow, _)| flow), at);
    }

    fn request(&mut self, flow: usize, at: Timestamp) {
        self.request_with(flow, at, &[]);
    }

    fn request_with(&mut self, flow: usize, mut at: Timestamp, values: &[(&str, &str)]) {
        let mut request = Request {
            id: format!("{:012x}", self.random.u64(..) >> 16),
            values: values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        let mut columns = vec!["user", "bank"];
        columns.retain(|column| self.flows[flow].name.contains(column));
        let expired = self.age(at) < INCIDENT_AGE;
        let bank = match self.flows[flow].name.starts_with("refused") {
            true => EXPIRED_BANK,
            false => self.one(&BANKS[usize::from(expired)..]),
        };
        request.values.insert("bank".to_owned(), bank.to_owned());
        for line in 0..self.flows[flow].lines.len() {
            let &FlowLine { project, application, level, logger, gap_ms, text, error } = &self.flows[flow].lines[line];
            at += SignedDuration::from_secs_f64(gap_ms / 1e3 * (0.5 + 0.5 * self.random.f64()));
            let message = self.fill(text, &mut request);
            let mut body = self.body(at, [project, application, level, logger], &message);
            body["request_id"] = request.id.clone().into();
            for column in columns.iter().filter(|column| **column != "bank" || project == "billing") {
                body[*column] = self.value(column, &mut request).into();
            }
            if let Some(error) = error {
                body["exc_info"] = self.traceback(application, error).into();
            }
            self.comes(at, project, logger, body);
        }
    }

    /// Records that show what a page has to cope with; some of them among the last five minutes.
    fn remarkable(&mut self, now: Timestamp) {
        for (age_seconds, application, level, logger, message) in REMARKABLE {
            let at = now - SignedDuration::from_secs(*age_seconds);
            let body = self.body(at, ["web", application, level, logger], message);
            self.comes(at, "web", logger, body);
        }
    }

    fn comes(&mut self, at: Timestamp, project: &str, logger: &str, body: Value) {
        self.coming.insert((at, self.seq), (format!("logstash.{project}.{logger}"), body));
    }

    fn body(&mut self, at: Timestamp, source: [&str; 4], message: &str) -> Value {
        self.seq += 1;
        let [project, application, level, logger] = source;
        let host = match application {
            "frontend" => format!("edge-{}", self.random.u8(1..=2)),
            "worker" => format!("job-{}", self.random.u8(1..=2)),
            _ => format!("app-{}", self.random.u8(1..=4)),
        };
        let process = 1200 + u64::from(host.bytes().chain(project.bytes()).map(u32::from).sum::<u32>());
        json!({
            "@timestamp": at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            "@version": 1,
            "message": message,
            "host": format!("{host}.example.org"),
            "tags": [],
            "type": "Logstash",
            "seq": self.seq,
            "levelname": level,
            "logger": logger,
            "process": process,
            "project": project,
            "application": application,
        })
    }

    fn fill(&mut self, text: &str, request: &mut Request) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            match after.split_once('}').filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase())) {
                Some((name, after)) => {
                    filled.push_str(&self.value(name, request));
                    rest = after;
                }
                // JSON
                None => {
                    filled.push('{');
                    rest = after;
                }
            }
        }
        filled + rest
    }

    /// The value of a slot: that of the request, or another one in each line.
    fn value(&mut self, name: &str, request: &mut Request) -> String {
        if let Some(value) = request.values.get(name) {
            return value.clone();
        }
        let random = &mut self.random;
        let each_time = match name {
            "hex" => format!("{:08x}", random.u32(..)),
            // many short, few long
            "ms" => (3.0 + 180.0 * random.f64().powi(4)).round().to_string(),
            "slow" => random.u32(900..6000).to_string(),
            "bytes" => random.u32(180..90_000).to_string(),
            "count" => random.u32(10..4000).to_string(),
            "small" => random.u32(1..9).to_string(),
            _ => String::new(),
        };
        if !each_time.is_empty() {
            return each_time;
        }
        let value = match name {
            "user" => self.one(USERS).to_owned(),
            "goods" | "other" => self.one(GOODS).to_owned(),
            "path" => self.one(PATHS).to_owned(),
            "city" => self.one(CITIES).to_owned(),
            "job" => self.one(JOBS).to_owned(),
            "ip" => format!("10.{}.{}.{}", random.u8(0..4), random.u8(..), random.u8(1..)),
            "session" => format!("{:08x}", random.u32(..)),
            "order" => format!("B{}", random.u32(200_000..260_000)),
            "article" => random.u32(4100..4160).to_string(),
            "money" => format!("{}.{:02}", random.u32(4..180), random.u32(..100)),
            _ => unreachable!("a slot of flows.txt: {name}"),
        };
        request.values.insert(name.to_owned(), value.clone());
        value
    }

    fn one(&mut self, of: &[&'static str]) -> &'static str {
        of[self.random.usize(..of.len())]
    }

    fn traceback(&mut self, application: &str, error: &str) -> String {
        let frames = if application == "worker" { &FRAMES[4..] } else { &FRAMES[..self.random.usize(3..=4)] };
        let mut text = String::from("Traceback (most recent call last):\n");
        for (file, function, line) in frames {
            text += &format!("  File \"/srv/{file}\", line {}, in {function}\n    {line}\n", self.random.u32(20..400));
        }
        text + error
    }
}
