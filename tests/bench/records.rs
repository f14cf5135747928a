//! The records of the benchmark: those of an imaginary web shop, of about 400 bytes of JSON and 12 columns each.
//!
//! Invariant: the same seed and times give the same bytes. Hosts, applications and levels have few values, and some are far more
//! frequent than others; about five records share a request id; the messages have some hundred forms, and about one record in a
//! hundred has a traceback. The demo's records (tests/sample) are half as long, and made one JSON tree at a time.

use std::fmt::{self, Write};

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

/// level | logger | applications | weight | message, with {slots}
const FORMS: &str = r#"
I|access|frontend|130|{ip} "{method} {path} HTTP/2.0" {status} {bytes} rt={fraction} ua="{browser}"
I|access|frontend|45|{ip} - {user} "GET /media/{hex}/{goods}.webp HTTP/2.0" 200 {bytes} {fraction} "https://www.example.org{path}" cache=HIT
I|app.requests|backend|95|request finished method={method} path={path} status={status} duration={ms}ms user={user} ip={ip} queries={small} bytes={bytes} ua="{browser}"
D|app.requests|backend|50|request started method={method} path={path} user={user} session={hex} remote={ip}
D|app.database|backend,worker|95|({fraction}) SELECT "{table}"."id", "{table}"."state", "{table}"."reference", "{table}"."created", "{table}"."changed" FROM "{table}" WHERE "{table}"."owner" = {id} LIMIT {small}
D|app.database|backend,worker|18|({fraction}) UPDATE "{table}" SET "state" = '{word}', "changed" = now() WHERE "{table}"."id" = {id}
W|app.database|backend,worker|2|slow query on {table} took {ms}ms: {id} rows read, {small} returned
E|app.database|backend,worker|1|deadlock on {table}: process {id} waits for ShareLock on transaction {id}, which process {id} holds
C|app.database|backend,worker|0.2|database {ip}:5432 refused the connection: remaining slots are reserved
D|app.cache|backend,frontend|40|cache hit key={word}:{id}:{hex} age={seconds}s size={bytes}
D|app.cache|backend,frontend|18|cache miss key={word}:{id}:{hex}, made again in {ms}ms
I|shop.cart|backend|34|user {user} put {small} of {goods} into cart {hex}, which now costs {money} EUR
I|shop.cart|backend|12|user {user} took {goods} out of cart {hex}, {small} articles are left
I|shop.checkout|backend|16|order {order} created for customer {id} ({user}): {small} articles, {money} EUR, to be sent to {city}
W|shop.checkout|backend|2|voucher {word}{id} refused for user {user}: it was used for order {order}
I|payments.gateway|backend|13|payment authorised for order {order}: amount={money} EUR reference={hex}{hex}
I|payments.gateway|backend|9|payment of order {order} collected in {ms}ms, reference {hex}{hex}
W|payments.gateway|backend|2|gateway is slow: authorisation of order {order} took {ms}ms (limit 800ms)
E|payments.gateway|backend|1|gateway answered {bad} for order {order}: https://pay.example.net/v1/charges/{hex}{hex}
I|app.login|backend|24|user {user} logged in from {ip} ({city}) by password, session {hex}
I|app.login|backend|10|user {user} logged out, session {hex} lasted {seconds} seconds
W|app.login|backend|5|login failed for user {user} from {ip}: wrong password (attempt {small})
I|app.search|backend|28|search "{word} {word}" by user {user}: {id} hits in {ms}ms from shard {small}
W|app.search|backend|2|search took {ms}ms: q="{word} {word}" filters=category:{word},price:{small}-{id}
I|jobs.run|worker|32|job {job}[{hex}-{hex}] received from queue {word}
I|jobs.run|worker|32|job {job}[{hex}-{hex}] succeeded in {fraction}s with {small} results
W|jobs.run|worker|3|job {job}[{hex}-{hex}] will be tried again in {small}s: ConnectionError to {service} after {ms}ms
E|jobs.run|worker|2|job {job}[{hex}-{hex}] raised TimeoutError('no answer from {service} within {small} seconds')
I|mail.sender|worker|16|mail "confirmation of {order}" sent to {user}@example.org by {service} in {ms}ms
W|mail.sender|worker|2|mail to {user}@example.org put off by its server: 451 4.7.1 greylisted, next attempt in {seconds} seconds
I|http.client|backend,worker|30|GET https://{service}/v1/{word}/{id} -> {status} in {ms}ms ({bytes} bytes)
W|http.client|backend,worker|4|connection timed out to {service} after {ms}ms, attempt {small} of 5
E|http.client|backend,worker|3|connection timed out to {service} after {ms}ms, giving up on {hex}
W|app.pages|backend|9|not found: {path}{hex} (ip {ip}, user {user})
I|app.pages|backend|26|rendered the page of {goods} for user {user} in {ms}ms with {small} queries
E|app.pages|backend|3|cannot render {path} for user {user}: request failed after {ms}ms
I|stock.sync|worker|12|stock of {goods} set to {id} by warehouse {city} (was {id})
W|stock.sync|worker|3|stock of {goods} below its limit: {small} left in warehouse {city}
W|proxy.error|frontend|3|upstream response is kept in a temporary file, client: {ip}, request: "GET {path}"
E|proxy.error|frontend|1|upstream timed out (110) while its head was read, client: {ip}, upstream: http://{service}{path}
I|analytics|frontend|36|event={word}_{word} user={user} session={hex}{hex} page={path} referrer=https://www.example.org{path} screen={small}00x{small}00 city={city}
I|health|backend,worker,frontend|14|health: database {ms}ms, cache {small}ms, queue {small}ms, disk {small}% used
C|supervisor|backend|0.3|worker {id} does not answer since {seconds} seconds: killed
"#;

/// Rarer forms: each of the things meets each of the verbs.
const THINGS: &[&str] = &[
    "order {order}",
    "stock entry {id} of {goods}",
    "customer {id} ({user})",
    "reminder {hex} of invoice {id}",
    "page {word}-{word}",
    "ticket #{id} of {user}",
    "review {id} of {goods} by {user}",
    "parcel {hex}{hex} to {city}",
    "file /srv/files/{word}/{hex}.pdf",
];
const VERBS: &[(char, f64, &str)] = &[
    ('I', 2.4, "{thing} went from state {word} to state {word} by {user} in {ms}ms"),
    ('D', 2.4, "reading {thing} with {small} rows of {table} took {ms}ms"),
    ('I', 1.6, "{thing} given to team {word}, due in {small} days, priority {small}"),
    ('W', 0.5, "{thing} was changed by another process: version {id} and not {id}; reading it again"),
    ('I', 1.2, "remark of {bytes} bytes added to {thing} by {user} from {ip}"),
    ('E', 0.2, "{thing} is not valid: field {word} is empty (request from {ip}, user {user})"),
    ('W', 0.4, "user {user} may not {word} {thing}"),
    ('E', 0.1, "cannot lock {thing} within {ms}ms, process {id} on {service} holds it"),
];

const USERS: &[&str] = &["ada", "bertil", "chiara", "dmitri", "emil.larsen", "fatou", "greta.holm", "hiroshi", "jorge"];
const GOODS: &[&str] = &["canvas-backpack", "rain-barrel", "bird-feeder", "pruning-saw", "bee-hotel", "wheelbarrow"];
const CITIES: &[&str] = &["Ghent", "Utrecht", "Aarhus", "Kraków", "Porto", "Tartu", "Graz", "Bern", "Oslo", "Leeds"];
const WORDS: &[&str] =
    &["wooden", "small", "large", "cheap", "summer", "winter", "kitchen", "garden", "steel", "light", "dark", "modern"];
const PATHS: &[&str] =
    &["/", "/cart/", "/checkout/", "/login/", "/account/orders/", "/api/v1/products/", "/static/site.css", "/health/"];
const TABLES: &[&str] = &["orders", "order_items", "customers", "sessions", "products", "stock_levels", "payments"];
const JOBS: &[&str] = &["shop.send_order_mail", "shop.resize_image", "billing.create_invoice", "core.export_csv"];
const SERVICES: &[&str] =
    &["pricing.internal:8081", "search.internal:9200", "mailer.internal:2525", "auth.internal:8443"];
const STATUSES: &[&str] = &["201", "204", "301", "302", "304", "404"];
const BROWSERS: &[&str] = &[
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile/15E148 Safari/604.1",
    "curl/8.5.0",
];
const FRAMES: &[(&str, &str)] = &[
    ("shop/web.py\\\", line 88, in handle", "answer = view(request, **arguments)"),
    ("shop/views/checkout.py\\\", line 214, in pay", "receipt = gateway.reserve(order, card)"),
    ("shop/payments/gateway.py\\\", line 61, in reserve", "answer = self.post('/reservations', body, timeout=5)"),
    ("shop/http.py\\\", line 37, in post", "return self.pool.urlopen('POST', path, body=body)"),
    ("shop/database.py\\\", line 140, in execute", "return cursor.execute(statement, values)"),
];
/// Of the errors, which are 1.5 % of the records.
const TRACEBACK_SHARE: f64 = 0.7;
/// Records that share a request id, in the mean, and requests that a process works on at a time.
const RECORDS_PER_REQUEST: usize = 5;
const OPEN_REQUESTS: usize = 4;

/// The message of records that no form resembles. Rare patterns have many shapes.
const NEEDLE: &str = "upload of naïve_日本語.pdf gave imeout=5 -> retry#7 at 10.0.0.77:8443 (99.97%ile → q=zq!) id=K7f3a9c2e41b \
                      Донауdampfschifffahrtsgesellschaft~x";

/// A record with the needle, and with values that no other record has: of a column as each record has it, in an object, in an
/// array, and a number.
pub fn needle(at: Timestamp) -> String {
    format!(
        r#"{{"@timestamp":"{at:.6}","message":"{NEEDLE}","levelname":"INFO","host":"web-01.example.org","application":"backend","request_id":"needle-5efcc620d4f8","order":{{"id":"needle-7"}},"tags":["needle","pdf"],"process":4194301}}"#
    )
}

/// `count` times, in order: at equal distances from each other, in the span that begins at `start`.
pub fn times(count: usize, start: Timestamp, span: SignedDuration) -> impl Iterator<Item = Timestamp> {
    let step = span.as_micros() / count.max(1) as i128;
    (0..count).map(move |n| start + SignedDuration::from_micros((step * n as i128) as i64))
}

/// What fills a place in a message.
type Slot = fn(&mut Rng, &mut String);

struct Form {
    level: &'static str,
    logger: &'static str,
    applications: Vec<&'static str>,
    /// the weights of the forms up to this one, together
    weight: f64,
    /// text as it stands in JSON, and what follows it
    pieces: Vec<(String, Option<Slot>)>,
}

struct Process {
    host: String,
    project: &'static str,
    application: &'static str,
    id: u32,
    records: u32,
    requests: Vec<u64>,
}

pub struct Records {
    random: Rng,
    forms: Vec<Form>,
    processes: Vec<Process>,
}

impl Records {
    pub fn new(seed: u64) -> Records {
        let mut random = Rng::with_seed(seed);
        let mut records = Records { forms: forms(), processes: Vec::new(), random: random.fork() };
        for (application, kind, hosts) in [("backend", "web", 8), ("frontend", "edge", 3), ("worker", "job", 5)] {
            for host in 1..=hosts {
                for project in ["shop", "shop", "shop", "billing", "pages", "intranet"] {
                    let (host, id) = (format!("{kind}-{host:02}.example.org"), random.u32(800..32_000));
                    let requests = Vec::new();
                    records.processes.push(Process { host, project, application, id, records: 0, requests });
                }
            }
        }
        records
    }

    /// The next record, of that time.
    pub fn body(&mut self, at: Timestamp) -> String {
        let random = &mut self.random;
        let weight = random.f64() * self.forms.last().map_or(0.0, |form| form.weight);
        let form = &self.forms[self.forms.partition_point(|form| form.weight <= weight)];
        let application = form.applications[random.usize(..form.applications.len())];
        let process = loop {
            let chosen = random.usize(..self.processes.len());
            if self.processes[chosen].application == application {
                break &mut self.processes[chosen];
            }
        };
        process.records += 1;
        if process.requests.is_empty() || random.usize(..RECORDS_PER_REQUEST) == 0 {
            process.requests.push(random.u64(..));
            if process.requests.len() > OPEN_REQUESTS {
                process.requests.remove(0);
            }
        }
        let request = process.requests[random.usize(..process.requests.len())];
        let mut body = String::with_capacity(512);
        // writing to a String cannot fail
        let _ = write!(body, r#"{{"@timestamp":"{at:.6}","@version":1,"message":""#);
        for (text, slot) in &form.pieces {
            body.push_str(text);
            if let Some(slot) = slot {
                slot(random, &mut body);
            }
        }
        let Process { host, project, application, id, records, .. } = process;
        let Form { level, logger, .. } = form;
        let _ = write!(
            body,
            r#"","host":"{host}","tags":[],"type":"Logstash","seq":{records},"levelname":"{level}","logger":"{logger}","process":{id},"project":"{project}","application":"{application}","request_id":"{request:016x}""#
        );
        if *level == "ERROR" && random.f64() < TRACEBACK_SHARE {
            traceback(random, &mut body);
        }
        body.push('}');
        body
    }
}

fn traceback(random: &mut Rng, body: &mut String) {
    body.push_str(r#","exc_info":"Traceback (most recent call last):\n"#);
    for (place, line) in &FRAMES[random.usize(..FRAMES.len() - 1)..] {
        let _ = write!(body, r#"  File \"/srv/app/{place}\n    {line}\n"#);
    }
    let _ = write!(body, r#"TimeoutError: no answer within {} seconds""#, random.u8(1..30));
}

fn forms() -> Vec<Form> {
    let mut weight = 0.0;
    let mut forms = Vec::new();
    let mut add = |level: &str, logger, applications: &'static str, own: f64, message: &str| {
        weight += own;
        let level = match level {
            "D" => "DEBUG",
            "I" => "INFO",
            "W" => "WARNING",
            "E" => "ERROR",
            _ => "CRITICAL",
        };
        forms.push(Form {
            level,
            logger,
            applications: applications.split(',').collect(),
            weight,
            pieces: pieces(message),
        });
    };
    for line in FORMS.lines().filter(|line| !line.is_empty()) {
        let mut parts = line.splitn(5, '|');
        let mut part = || parts.next().expect("a form has five parts");
        let (level, logger, applications) = (part(), part(), part());
        add(level, logger, applications, part().parse().expect("a number"), part());
    }
    for thing in THINGS {
        for (level, own, verb) in VERBS {
            add(&level.to_string(), "app.changes", "backend,worker", *own, &verb.replace("{thing}", thing));
        }
    }
    forms
}

/// A message taken apart at its slots.
fn pieces(message: &str) -> Vec<(String, Option<Slot>)> {
    let mut pieces = Vec::new();
    for part in message.split_inclusive('}') {
        let (text, slot) = match part.split_once('{') {
            Some((text, name)) => (text, Some(slot(name.trim_end_matches('}')))),
            None => (part, None),
        };
        pieces.push((text.replace('"', "\\\""), slot));
    }
    pieces
}

fn slot(name: &str) -> Slot {
    fn any(random: &mut Rng, out: &mut String, of: &[&str]) {
        out.push_str(of[random.usize(..of.len())]);
    }
    fn put(out: &mut String, text: fmt::Arguments) {
        // writing to a String cannot fail
        let _ = out.write_fmt(text);
    }
    /// Numbers of many sizes, of which the small ones are frequent: up to 10 to the power of `digits`.
    fn skewed(random: &mut Rng, digits: f64) -> f64 {
        10_f64.powf(random.f64() * random.f64() * digits)
    }
    match name {
        "user" => |random, out| match random.u8(..10) {
            0..7 => any(random, out, USERS),
            _ => put(out, format_args!("user{}", random.u32(1..60_000))),
        },
        "path" => |random, out| match random.u8(..10) {
            0..6 => any(random, out, PATHS),
            _ => {
                out.push_str("/product/");
                any(random, out, GOODS);
                put(out, format_args!("-{}/", random.u16(100..9999)));
            }
        },
        // few busy clients, and many rare ones
        "ip" => |random, out| {
            let [_, b, c, d] = match random.u8(..10) {
                0..8 => (skewed(random, 3.6) as u32).wrapping_mul(2_654_435_761).to_be_bytes(),
                _ => random.u32(..).to_be_bytes(),
            };
            put(out, format_args!("10.{b}.{c}.{d}"));
        },
        "method" => |random, out| any(random, out, &["GET", "GET", "GET", "GET", "POST", "PUT", "DELETE"]),
        "status" => |random, out| match random.u8(..10) {
            0..8 => out.push_str("200"),
            _ => any(random, out, STATUSES),
        },
        "bad" => |random, out| any(random, out, &["500", "502", "503", "504", "429"]),
        "goods" => |random, out| any(random, out, GOODS),
        "city" => |random, out| any(random, out, CITIES),
        "word" => |random, out| any(random, out, WORDS),
        "table" => |random, out| any(random, out, TABLES),
        "job" => |random, out| any(random, out, JOBS),
        "service" => |random, out| any(random, out, SERVICES),
        "browser" => |random, out| any(random, out, BROWSERS),
        "ms" => |random, out| put(out, format_args!("{}", skewed(random, 4.3) as u32)),
        "seconds" => |random, out| put(out, format_args!("{}", skewed(random, 5.0) as u32)),
        "bytes" => |random, out| put(out, format_args!("{}", skewed(random, 7.0) as u32)),
        "fraction" => |random, out| put(out, format_args!("{:.3}", skewed(random, 3.0) / 100.0)),
        "money" => |random, out| put(out, format_args!("{:.2}", skewed(random, 3.5))),
        "small" => |random, out| put(out, format_args!("{}", random.u8(1..=12))),
        "id" => |random, out| put(out, format_args!("{}", random.u32(1..250_000))),
        "hex" => |random, out| put(out, format_args!("{:08x}", random.u32(..))),
        "order" => |random, out| put(out, format_args!("{:012x}", random.u64(..1 << 48))),
        _ => panic!("no slot is called {name}"),
    }
}
