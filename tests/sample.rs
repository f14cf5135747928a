//! Sample records for the demo: six hours of a small web shop, with an outage in them, then a few records a second until killed.
//!
//!     cargo run --example sample -- --url amqp://guest:guest@127.0.0.1:5672/%2f --queue web --queue billing
//!
//! Routing keys are `logstash.<project>.<logger>`, bodies have the form of logcollect. The records are persistent, and count as
//! sent when the broker has confirmed them.

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use amiquip::{
    AmqpProperties, Channel, Confirm, ConfirmSmoother, Connection, ExchangeDeclareOptions, ExchangeType, Publish,
};
use argh::FromArgs;
use crossbeam_channel::Receiver;
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Publishes sample log records.
#[derive(FromArgs)]
struct Options {
    /// the broker
    #[argh(option, default = "String::from(\"amqp://guest:guest@127.0.0.1:5672/%2f\")")]
    url: String,
    /// a durable topic exchange
    #[argh(option, default = "String::from(\"logstash\")")]
    exchange: String,
    /// wait until this queue has a consumer; may be repeated
    #[argh(option)]
    queue: Vec<String>,
    /// records of the last hours
    #[argh(option, default = "6000")]
    count: usize,
    /// records a second afterwards; 0: end then
    #[argh(option, default = "4.0")]
    rate: f64,
}

const SPAN_SECONDS: f64 = 6.0 * 3600.0;
/// The payment gateway is down, in seconds before now.
const OUTAGE_SECONDS_AGO: std::ops::Range<f64> = 7320.0..7740.0;

const USERS: &[&str] = &[
    "ada",
    "bertil",
    "chiara",
    "dmitri",
    "emil.larsen",
    "fatou",
    "greta.h",
    "hiroshi",
    "inês",
    "jorge",
    "kasia",
    "luuk",
];
const GOODS: &[&str] = &[
    "rain barrel",
    "tomato seeds",
    "bird feeder",
    "pruning saw",
    "watering can",
    "bee hotel",
    "wheelbarrow",
    "hemp twine",
];
const PATHS: &[&str] =
    &["/", "/basket", "/search?q=seeds", "/garden/tools", "/garden/seeds", "/account", "/api/stock", "/assets/app.css"];
const CITIES: &[&str] = &["Ghent", "Utrecht", "Aarhus", "Kraków", "Porto", "Tartu", "Graz", "Bern"];
const JOBS: &[&str] = &["nightly-report", "reindex-catalogue", "expire-baskets", "send-newsletter", "import-prices"];

/// project | application | level | logger | how often | message, with {slots}
const TEMPLATES: &str = r"
web|frontend|INFO|access|90|{ip} {method} {path} {status} {bytes} {ms}ms
web|frontend|INFO|access|25|{ip} GET /img/{hex}.webp 200 {bytes} from cache
web|frontend|WARNING|access|4|{ip} GET /{hex}.php 404: no such page
web|frontend|WARNING|limits|2|{ip} sent {count} requests within a minute, slowed down
web|backend|INFO|requests|60|{method} {path} answered with {status} in {ms}ms for {user}
web|backend|DEBUG|requests|18|{method} {path} begins, session {hex}
web|backend|DEBUG|database|30|{ms}ms for SELECT id, title, price FROM goods WHERE shelf = {small} ORDER BY title LIMIT {count}
web|backend|WARNING|database|3|{slow}ms for SELECT * FROM orders WHERE city = '{city}': no index on orders.city
web|backend|INFO|basket|26|{user} put {small} × {goods} into basket {hex}
web|backend|INFO|basket|7|{user} took {goods} out of basket {hex}
web|backend|INFO|login|14|{user} signed in from {ip} ({city})
web|backend|WARNING|login|4|wrong password for {user} from {ip}, attempt {small}
web|backend|INFO|search|16|'{goods}' found {count} times in {ms}ms
web|backend|INFO|search|3|'{goods} cheap' found nothing, offered '{goods}'
web|backend|ERROR|requests|2|{method} {path} failed for {user} after {ms}ms
web|backend|DEBUG|cache|24|hit shelf:{small}:{hex}
web|backend|DEBUG|cache|9|miss shelf:{small}:{hex}, filled in {ms}ms
web|worker|INFO|jobs|10|{job} done in {ms}ms, {count} rows
web|worker|WARNING|jobs|1|{job} is late: it should have begun {count} seconds ago
web|worker|ERROR|jobs|1|{job} given up after {small} attempts
web|worker|INFO|mail|9|order confirmation {order} sent to {user}@example.org in {ms}ms
web|worker|WARNING|mail|2|mail to {user}@example.org put off: 451 try again later
billing|backend|INFO|orders|14|order {order} placed by {user}: {small} positions, {money} EUR, to {city}
billing|backend|INFO|payments|13|{money} EUR reserved for order {order}, reference {hex}
billing|backend|INFO|payments|11|{money} EUR collected for order {order} in {ms}ms
billing|backend|WARNING|payments|2|gateway took {slow}ms for order {order}
billing|backend|ERROR|payments|1|card refused for order {order}: insufficient funds
billing|worker|INFO|invoices|10|invoice {count}-{small} for order {order} written, {bytes} bytes
billing|worker|INFO|ledger|6|{count} bookings of account {small}00 agree with the bank
billing|worker|ERROR|ledger|0.6|booking {hex} does not balance: {money} EUR missing
billing|worker|CRITICAL|ledger|0.1|the ledger of {city} is locked by another process since {count} seconds
";

const DOWN: &str = "billing|backend|ERROR|payments|1|gateway pay.example.net:443 refused the connection for order {order} (attempt {small})";

const FRAMES: &[(&str, &str, &str)] = &[
    ("shop/web.py", "handle", "answer = view(request, **arguments)"),
    ("shop/views/checkout.py", "pay", "receipt = gateway.reserve(order, card)"),
    ("shop/payments/gateway.py", "reserve", "answer = self.post('/reservations', body, timeout=5)"),
    ("shop/payments/gateway.py", "post", "return self.pool.urlopen('POST', path, body=body)"),
    ("shop/jobs/run.py", "attempt", "rows = job.run(connection)"),
    ("shop/database.py", "execute", "return cursor.execute(statement, values)"),
];

struct Template {
    project: &'static str,
    application: &'static str,
    level: &'static str,
    logger: &'static str,
    weight: f64,
    text: &'static str,
}

fn template(line: &'static str) -> Template {
    let mut parts = line.splitn(6, '|');
    let mut part = || parts.next().expect("a template has six parts");
    let (project, application, level, logger) = (part(), part(), part(), part());
    Template { project, application, level, logger, weight: part().parse().expect("a number"), text: part() }
}

struct Shop {
    templates: Vec<Template>,
    down: Template,
    random: Rng,
    seq: u64,
}

/// A routing key and a body, as published.
type Record = (String, Value);

impl Shop {
    fn new() -> Shop {
        let templates = TEMPLATES.lines().filter(|line| !line.is_empty()).map(template).collect();
        // always the same shop, so that two screenshots can be compared
        Shop { templates, down: template(DOWN), random: Rng::with_seed(4), seq: 0 }
    }

    /// The last hours: busier and quieter times, and one in which the gateway is down. In the order of time.
    fn past(&mut self, now: Timestamp, count: usize) -> Vec<Record> {
        let mut ages: Vec<f64> = Vec::with_capacity(count);
        while ages.len() < count {
            let age = self.random.f64() * SPAN_SECONDS;
            let busy = 0.5 + 0.2 * (age / 1900.0).sin() + 0.1 * (age / 530.0).cos();
            let density = if OUTAGE_SECONDS_AGO.contains(&age) { busy + 1.2 } else { busy };
            if self.random.f64() * 2.0 < density {
                ages.push(age);
            }
        }
        ages.sort_by(|a, b| b.total_cmp(a));
        let mut records: Vec<(f64, Record)> =
            ages.into_iter().map(|age| (age, self.any(before(now, age), age))).collect();
        records.extend(self.remarkable(now));
        records.sort_by(|a, b| b.0.total_cmp(&a.0));
        records.into_iter().map(|(_, record)| record).collect()
    }

    fn any(&mut self, at: Timestamp, age: f64) -> Record {
        let down = OUTAGE_SECONDS_AGO.contains(&age) && self.random.f64() < 0.6;
        let template = if down {
            &self.down
        } else {
            let mut left = self.random.f64() * self.templates.iter().map(|template| template.weight).sum::<f64>();
            let chosen = self.templates.iter().find(|template| {
                left -= template.weight;
                left < 0.0
            });
            chosen.unwrap_or(&self.templates[0])
        };
        let &Template { project, application, level, logger, text, .. } = template;
        let message = self.fill(text);
        let mut record = self.record(at, project, application, level, logger, &message);
        if (down || text.contains("failed") || text.contains("given up")) && self.random.f64() < 0.6 {
            let error = if down {
                "ConnectionRefusedError: [Errno 111] Connection refused"
            } else {
                "TimeoutError: no answer within 5 seconds"
            };
            record.1["exc_info"] = self.traceback(application, error).into();
        }
        record
    }

    fn record(
        &mut self,
        at: Timestamp,
        project: &str,
        application: &str,
        level: &str,
        logger: &str,
        message: &str,
    ) -> Record {
        self.seq += 1;
        let host = match application {
            "frontend" => format!("edge-{}", self.random.u8(1..=2)),
            "worker" => format!("job-{}", self.random.u8(1..=2)),
            _ => format!("app-{}", self.random.u8(1..=4)),
        };
        let process = 1200 + u64::from(host.bytes().map(u32::from).sum::<u32>());
        let body = json!({
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
            // some twenty records to a request
            "request_id": format!("{:012x}", (self.seq / 20).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16),
        });
        (format!("logstash.{project}.{logger}"), body)
    }

    fn fill(&mut self, text: &str) -> String {
        let mut filled = String::new();
        for (at, part) in text.split(['{', '}']).enumerate() {
            match at % 2 {
                0 => filled.push_str(part),
                _ => filled.push_str(&self.slot(part)),
            }
        }
        filled
    }

    fn slot(&mut self, name: &str) -> String {
        let random = &mut self.random;
        let mut one = |of: &[&str]| of[random.usize(..of.len())].to_owned();
        match name {
            "user" => one(USERS),
            "goods" => one(GOODS),
            "path" => one(PATHS),
            "city" => one(CITIES),
            "job" => one(JOBS),
            "method" => one(&["GET", "GET", "GET", "POST"]),
            "status" => one(&["200", "200", "200", "200", "304", "302", "404"]),
            "ip" => format!("10.{}.{}.{}", random.u8(0..4), random.u8(..), random.u8(1..)),
            "hex" => format!("{:08x}", random.u32(..)),
            "order" => format!("B{}", random.u32(200_000..260_000)),
            "money" => format!("{}.{:02}", random.u32(4..180), random.u32(..100)),
            // many short, few long
            "ms" => (3.0 + 180.0 * random.f64().powi(4)).round().to_string(),
            "slow" => random.u32(900..6000).to_string(),
            "bytes" => random.u32(180..90_000).to_string(),
            "count" => random.u32(10..4000).to_string(),
            "small" => random.u32(1..9).to_string(),
            _ => unreachable!("a slot of the templates above"),
        }
    }

    fn traceback(&mut self, application: &str, error: &str) -> String {
        let frames = if application == "worker" { &FRAMES[4..] } else { &FRAMES[..self.random.usize(3..=4)] };
        let mut text = String::from("Traceback (most recent call last):\n");
        for (file, function, line) in frames {
            text += &format!("  File \"/srv/{file}\", line {}, in {function}\n    {line}\n", self.random.u32(20..400));
        }
        text + error
    }

    /// Records that show what a page has to cope with; the first of them among the last five minutes.
    fn remarkable(&mut self, now: Timestamp) -> Vec<(f64, Record)> {
        let lines: &[(f64, &str, &str, &str, &str)] = &[
            (40.0, "backend", "WARNING", "requests", "GET /account/orders slow: answered with 200 in 8412ms for ada"),
            (
                75.0,
                "frontend",
                "INFO",
                "access",
                "\u{1b}[32m10.0.3.17\u{1b}[0m \u{1b}[1mPOST\u{1b}[0m /basket \u{1b}[33m302\u{1b}[0m 12ms",
            ),
            (
                110.0,
                "backend",
                "WARNING",
                "database",
                "slow statement, its plan:\n  Sort  (cost=8214.11..8221.46 rows=2940 width=96)\n    Sort Key: placed_at DESC\n    \
                 ->  Seq Scan on orders  (cost=0.00..8044.80 rows=2940 width=96)\n          Filter: (city = 'Ghent'::text)",
            ),
            (
                150.0,
                "backend",
                "INFO",
                "search",
                "「如雨露 大きい」 found 3 times in 9ms; «садовый инвентарь» found 41 times in 7ms",
            ),
            (185.0, "backend", "INFO", "login", "محمد signed in from 10.2.41.9 🌱"),
            (
                220.0,
                "frontend",
                "WARNING",
                "access",
                "10.3.66.6 GET /search?q=<script>alert(1)</script>&amp; 400: not a search",
            ),
            (
                260.0,
                "worker",
                "INFO",
                "jobs",
                r#"import-prices read {"file": "prices.csv", "rows": 4120, "skipped": [17, 2208]}"#,
            ),
            (7750.0, "backend", "CRITICAL", "health", "payment gateway is down, checkout switched off"),
            (7310.0, "backend", "INFO", "health", "payment gateway answers again, checkout switched on"),
        ];
        lines
            .iter()
            .map(|&(age, application, level, logger, message)| {
                (age, self.record(before(now, age), "web", application, level, logger, message))
            })
            .collect()
    }
}

fn before(now: Timestamp, seconds: f64) -> Timestamp {
    now - SignedDuration::from_secs_f64(seconds)
}

/// Publishes and waits until the broker has confirmed all that is on its way.
struct Broker {
    channel: Channel,
    confirms: Receiver<Confirm>,
    smoother: ConfirmSmoother,
    waiting: usize,
    exchange: String,
    _connection: Connection,
}

impl Broker {
    fn open(options: &Options) -> Result<Broker, Box<dyn Error>> {
        let mut connection = Connection::insecure_open(&options.url)?;
        for queue in &options.queue {
            let deadline = Instant::now() + Duration::from_secs(30);
            while !has_consumer(&mut connection, queue) {
                if Instant::now() > deadline {
                    return Err(format!("the queue {queue} has no consumer").into());
                }
                thread::sleep(Duration::from_millis(100));
            }
        }
        let channel = connection.open_channel(None)?;
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        channel.exchange_declare(ExchangeType::Topic, &options.exchange, durable)?;
        channel.enable_publisher_confirms()?;
        let confirms = channel.listen_for_publisher_confirms()?;
        let exchange = options.exchange.clone();
        Ok(Broker {
            channel,
            confirms,
            smoother: ConfirmSmoother::new(),
            waiting: 0,
            exchange,
            _connection: connection,
        })
    }

    fn publish(&mut self, (routing_key, body): &Record) -> Result<(), Box<dyn Error>> {
        let properties = AmqpProperties::default().with_delivery_mode(2).with_content_type("application/json".into());
        let body = body.to_string();
        let message = Publish::with_properties(body.as_bytes(), routing_key, properties);
        self.channel.basic_publish(&self.exchange, message)?;
        self.waiting += 1;
        Ok(())
    }

    fn confirmed(&mut self) -> Result<(), Box<dyn Error>> {
        while self.waiting > 0 {
            let confirm =
                self.confirms.recv_timeout(Duration::from_secs(30)).map_err(|_| "the broker does not confirm")?;
            for confirm in self.smoother.process(confirm) {
                if let Confirm::Nack(_) = confirm {
                    return Err("the broker refused a record".into());
                }
                self.waiting -= 1;
            }
        }
        Ok(())
    }
}

/// A queue that does not exist costs the channel.
fn has_consumer(connection: &mut Connection, queue: &str) -> bool {
    let Ok(channel) = connection.open_channel(None) else { return false };
    let consumers = channel.queue_declare_passive(queue).ok().and_then(|queue| queue.declared_consumer_count());
    consumers.is_some_and(|count| count > 0)
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut broker = Broker::open(options)?;
    let mut shop = Shop::new();
    let records = shop.past(Timestamp::now(), options.count);
    for record in &records {
        broker.publish(record)?;
    }
    broker.confirmed()?;
    println!("{} records of the last six hours sent", records.len());
    if options.rate <= 0.0 {
        return Ok(());
    }
    loop {
        // irregular, as life is
        thread::sleep(Duration::from_secs_f64(shop.random.f64() * 2.0 / options.rate));
        let record = shop.any(Timestamp::now(), 0.0);
        broker.publish(&record)?;
        broker.confirmed()?;
    }
}

fn main() -> ExitCode {
    let options: Options = argh::from_env();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sample: cannot publish to {}: {error}", options.exchange);
            ExitCode::FAILURE
        }
    }
}
