//! No crash loses a record or stores one twice. `make chaos` runs seven minutes of it, `make check` one.
//!
//! Producers publish numbered persistent records with confirms to a durable queue; meanwhile alco, searchd, Redis and RabbitMQ
//! are killed, stopped and restarted by a seeded schedule. At the end every number that the broker confirmed must be stored
//! exactly once. A number whose confirm was lost with a connection may be there or not, but not twice.
//!
//! Environment: CHAOS_SEED; CHAOS_SECONDS and CHAOS_FAULTS (the minimum of both; it ends when both are reached); CHAOS_RATE
//! (records a second). The servers and their logs are in target/tests/chaos-PID, until the next run of any tests.

#[allow(clippy::unwrap_used)] // as in the tests
mod support;

use std::collections::HashMap;
use std::fs::{self, File};
use std::process::{Child, Command, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use amiquip::{
    AmqpProperties, Confirm, Connection, ExchangeDeclareOptions, ExchangeType, FieldTable, Publish, QueueDeclareOptions,
};
use mysql::prelude::Queryable;

use support::{ALCO, Stack, memory_kib};

const INDEX: &str = "chaos";
const PUBLISHERS: u64 = 2;
/// Records of a publisher that may be unconfirmed at a time.
const MAX_UNCONFIRMED_RECORDS: usize = 200;
/// alco's promise for its memory with records of this size.
const MAX_MEMORY_KIB: u64 = 48 * 1024;

fn main() -> ExitCode {
    let number = |name: &str, default| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number")),
        Err(_) => default,
    };
    let seed = number("CHAOS_SEED", 1);
    let (seconds, faults, rate) = (number("CHAOS_SECONDS", 40), number("CHAOS_FAULTS", 5), number("CHAOS_RATE", 3000));
    println!("chaos: seed {seed}, {seconds} s and {faults} faults at least, {rate} records a second");
    let mut run = ChaosRun::start(seed);
    let report = run.all(Duration::from_secs(seconds), faults, rate);
    drop(run);
    match report {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("chaos: FAILED with CHAOS_SEED={seed}: {why}");
            ExitCode::FAILURE
        }
    }
}

struct ChaosRun {
    stack: Arc<Stack>,
    random: fastrand::Rng,
    alco: Option<Child>,
    alco_starts: usize,
    peak_kib: u64,
    faults: Vec<&'static str>,
    begun: Instant,
    /// faults at which alco broke a promise
    complaints: Vec<String>,
}

impl ChaosRun {
    fn start(seed: u64) -> ChaosRun {
        let stack = Stack::private("chaos", &format!("[index {INDEX}]\nthreads = 2\nfiltered = levelname, host\n"));
        // with odd seeds the acknowledgement comes a second after the insert, so that deaths fall in between
        if seed % 2 == 1 {
            let path = stack.dir().join("alco.ini");
            let ini = fs::read_to_string(&path).expect("tests/stack wrote it");
            fs::write(&path, ini.replace("[rabbitmq]", "[rabbitmq]\nack_delay = 1s")).expect("target can be written");
        }
        let mut run = ChaosRun {
            stack: Arc::new(stack),
            random: fastrand::Rng::with_seed(seed),
            alco: None,
            alco_starts: 0,
            peak_kib: 0,
            faults: Vec::new(),
            begun: Instant::now(),
            complaints: Vec::new(),
        };
        run.start_alco();
        run
    }

    fn start_alco(&mut self) {
        self.alco_starts += 1;
        let log =
            File::options().create(true).append(true).open(self.stack.dir().join("alco.log")).expect("a log for alco");
        let child = Command::new(ALCO)
            .args(["run", "--collect-only", "--config"])
            .env("ALCO_LOG", "warn,alco=debug")
            .arg(self.stack.dir().join("alco.ini"))
            .stderr(log)
            .spawn()
            .expect("alco can be started");
        self.alco = Some(child);
    }

    fn note_memory(&mut self) {
        let peak = self.alco.as_ref().and_then(|alco| memory_kib(alco.id(), "VmHWM"));
        self.peak_kib = self.peak_kib.max(peak.unwrap_or(0));
    }

    fn signal_alco(&mut self, signal: &str) {
        self.note_memory();
        let id = self.alco.as_ref().expect("alco runs").id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().expect("kill can be run");
        assert!(sent.success(), "alco was there to be killed");
    }

    fn kill_alco(&mut self) {
        self.signal_alco("-KILL");
        self.alco.take().expect("alco runs").wait().expect("alco can be waited for");
    }

    /// SIGTERM, and the promise to be gone within 5 s, with status 0.
    fn end_alco(&mut self) {
        self.signal_alco("-TERM");
        let mut alco = self.alco.take().expect("alco runs");
        let asked = Instant::now();
        let status = loop {
            if let Some(status) = alco.try_wait().expect("alco can be waited for") {
                break status;
            }
            if asked.elapsed() > Duration::from_secs(20) {
                alco.kill().expect("alco can be killed");
            }
            thread::sleep(Duration::from_millis(20));
        };
        // a machine with two cores and four servers: three seconds are theirs
        if asked.elapsed() > Duration::from_secs(5 + 3) || !status.success() {
            self.complaints.push(format!("SIGTERM: {status} after {:?}", asked.elapsed()));
        }
    }

    fn fault(&mut self) {
        let pause = |random: &mut fastrand::Rng, milliseconds: std::ops::Range<u64>| {
            thread::sleep(Duration::from_millis(random.u64(milliseconds)));
        };
        let name = match self.random.u8(0..11) {
            0 => {
                self.kill_alco();
                self.start_alco();
                "alco kill -9"
            }
            1 => {
                self.end_alco();
                self.start_alco();
                "alco SIGTERM"
            }
            2 => {
                // the statement is in searchd's socket when alco dies: stored, and never acknowledged
                self.stack.pause("searchd");
                pause(&mut self.random, 1200..2500);
                self.kill_alco();
                self.start_alco();
                self.stack.resume("searchd");
                "alco kill -9 between insert and ack"
            }
            3 => {
                self.stack.kill("searchd");
                pause(&mut self.random, 0..3000);
                self.stack.restart("searchd");
                "searchd kill -9"
            }
            4 => {
                self.stack.pause("searchd");
                pause(&mut self.random, 1000..12_000);
                self.stack.resume("searchd");
                "searchd SIGSTOP"
            }
            5 => {
                self.stack.kill("redis");
                pause(&mut self.random, 0..3000);
                self.stack.restart("redis");
                "redis kill -9"
            }
            6 => {
                self.stack.kill("redis");
                let data = self.stack.dir().join("redis/appendonlydir");
                fs::remove_dir_all(&data).expect("redis keeps its data there");
                self.stack.restart("redis");
                "redis kill -9, data lost"
            }
            7 => {
                self.stack.rabbitmqctl(&["stop_app"]);
                pause(&mut self.random, 0..2000);
                self.stack.rabbitmqctl(&["start_app"]);
                "rabbitmq stop_app"
            }
            8 => {
                self.stack.kill("rabbitmq");
                self.stack.restart("rabbitmq");
                "rabbitmq kill -9"
            }
            9 => {
                // both ends at once: the broker has forgotten acknowledgements, and alco its unacknowledged records
                self.stack.kill("rabbitmq");
                self.kill_alco();
                self.stack.restart("rabbitmq");
                self.start_alco();
                "rabbitmq and alco kill -9"
            }
            _ => {
                self.stack.pause("searchd");
                pause(&mut self.random, 1000..2000);
                self.end_alco();
                self.start_alco();
                self.stack.resume("searchd");
                "alco SIGTERM while searchd is stopped"
            }
        };
        println!("chaos: {} {:5.1} s {name}", clock(), self.begun.elapsed().as_secs_f64());
        self.faults.push(name);
    }

    fn all(&mut self, time: Duration, faults: u64, rate: u64) -> Result<(), String> {
        let stop = Arc::new(AtomicBool::new(false));
        let book = Arc::new(Book::default());
        let mut publishers = Vec::new();
        for n in 0..PUBLISHERS {
            let (stop, book, url) = (stop.clone(), book.clone(), self.stack.amqp.clone());
            publishers.push(thread::spawn(move || publisher(n, &url, &book, &stop, rate / PUBLISHERS)));
        }
        let stall = Arc::new(Mutex::new(Duration::ZERO));
        let watcher = {
            let (stop, stall, stack) = (stop.clone(), stall.clone(), self.stack.clone());
            thread::spawn(move || watch(&stack, &stop, &stall))
        };
        let end = Instant::now() + time;
        while Instant::now() < end || (self.faults.len() as u64) < faults {
            let quiet = self.random.u64(500..4000);
            thread::sleep(Duration::from_millis(quiet));
            self.note_memory();
            self.fault();
        }
        stop.store(true, Relaxed);
        for publisher in publishers {
            publisher.join().expect("a publisher ends");
        }
        watcher.join().expect("the watcher ends");
        let confirmed = book.confirmed.lock().expect("no publisher panicked").clone();
        let stored = self.settled(confirmed.len())?;
        self.note_memory();

        let lost: Vec<&u64> = confirmed.iter().filter(|n| !stored.contains_key(n)).collect();
        let twice: Vec<&u64> = stored.iter().filter(|(_, found)| found.count > 1).map(|(n, _)| n).collect();
        println!(
            "chaos: published {} (confirmed {}), stored {}, lost {}, duplicates {}, faults {}, alco starts {}, longest stall \
             {:.1} s, peak memory {} MiB",
            book.next.load(Relaxed),
            confirmed.len(),
            stored.values().map(|found| found.count).sum::<u64>(),
            lost.len(),
            twice.len(),
            self.faults.len(),
            self.alco_starts,
            stall.lock().expect("the watcher did not panic").as_secs_f64(),
            self.peak_kib / 1024
        );
        print_neighbours(&lost, &twice, &stored);
        let sample = |numbers: &[&u64]| numbers.iter().take(10).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
        let mut wrong = self.complaints.clone();
        if !lost.is_empty() {
            wrong.push(format!("lost {}: {}…", lost.len(), sample(&lost)));
        }
        if !twice.is_empty() {
            wrong.push(format!("twice {}: {}…", twice.len(), sample(&twice)));
        }
        if self.peak_kib > MAX_MEMORY_KIB {
            wrong.push(format!("alco held {} KiB", self.peak_kib));
        }
        if confirmed.len() < 1000 {
            wrong.push("next to nothing was published".into());
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }

    /// Waits until all confirmed numbers are stored, or none has come for 60 s; returns how often each number is stored.
    fn settled(&self, confirmed: usize) -> Result<HashMap<u64, StoredNumber>, String> {
        let (mut best, mut since) = (0, Instant::now());
        loop {
            let count = self.stack.count(INDEX).unwrap_or(0);
            if count > best {
                (best, since) = (count, Instant::now());
            }
            // some seconds more than needed: a record that is stored twice may come late
            let quiet = if best >= confirmed as u64 { 5 } else { 60 };
            if since.elapsed() > Duration::from_secs(quiet) {
                break;
            }
            thread::sleep(Duration::from_millis(200));
        }
        let mut conn = self.stack.sphinxql();
        let mut stored: HashMap<u64, StoredNumber> = HashMap::new();
        let mut last = 0_u64;
        loop {
            let sql = format!(
                "SELECT id, ts, logline FROM {INDEX} WHERE id > {last} ORDER BY id ASC LIMIT 10000 OPTION max_matches=10000"
            );
            let rows: Vec<(u64, u64, String)> = conn.query(sql).map_err(|error| error.to_string())?;
            let Some((highest, ..)) = rows.last() else { return Ok(stored) };
            last = *highest;
            for (id, ts, line) in &rows {
                let number =
                    line.split(' ').nth(1).and_then(|n| n.parse().ok()).ok_or(format!("a strange line: {line}"))?;
                // docids begin at milliseconds since 1970 times 2048
                let found = stored.entry(number).or_insert(StoredNumber {
                    count: 0,
                    ts: *ts,
                    leased: id / 2048 * 1000,
                    ids: Vec::new(),
                });
                found.count += 1;
                found.ids.push(*id);
            }
        }
    }
}

impl Drop for ChaosRun {
    fn drop(&mut self) {
        if let Some(mut alco) = self.alco.take() {
            let _ = alco.kill();
            let _ = alco.wait();
        }
    }
}

/// The longest time in which nothing was stored, though records came.
fn watch(stack: &Stack, stop: &AtomicBool, stall: &Mutex<Duration>) {
    let (mut best, mut since) = (0, Instant::now());
    while !stop.load(Relaxed) {
        let count = stack.count(INDEX).unwrap_or(0);
        let mut longest = stall.lock().expect("no thread panics while it holds the lock");
        *longest = (*longest).max(since.elapsed());
        drop(longest);
        if count > best {
            (best, since) = (count, Instant::now());
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// A number, as it is stored.
struct StoredNumber {
    count: u64,
    /// both in microseconds since 1970
    ts: u64,
    leased: u64,
    ids: Vec<u64>,
}

/// The neighbours of a lost number show when it was published, and their docids when they were stored.
fn print_neighbours(lost: &[&u64], twice: &[&u64], stored: &HashMap<u64, StoredNumber>) {
    for number in lost.iter().take(3) {
        let near = (**number..).chain((0..**number).rev()).find_map(|n| stored.get(&n).map(|s| (n, s)));
        if let Some((n, found)) = near {
            println!(
                "chaos: lost {number}; {n} was published at {}, docid of {}",
                time_of_day(found.ts),
                time_of_day(found.leased)
            );
        }
    }
    for number in twice.iter().take(3) {
        let found = &stored[*number];
        let leased: Vec<String> = found.ids.iter().map(|id| time_of_day(id / 2048 * 1000)).collect();
        println!("chaos: twice {number}, published at {}, docids {:?} of {leased:?}", time_of_day(found.ts), found.ids);
    }
}

fn time_of_day(micros: u64) -> String {
    let seconds = micros / 1_000_000 % 86_400;
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, micros / 1000 % 1000)
}

fn clock() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    // until the year 584542
    time_of_day(now.as_micros() as u64)
}

/// The next number, and the numbers that the broker has confirmed.
#[derive(Default)]
struct Book {
    next: AtomicU64,
    confirmed: Mutex<Vec<u64>>,
}

fn publisher(name: u64, url: &str, book: &Book, stop: &AtomicBool, rate: u64) {
    let mut random = fastrand::Rng::with_seed(name);
    while !stop.load(Relaxed) {
        // a new connection mends every failure
        if publish(url, book, stop, rate, &mut random).is_none() {
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Publishes until `stop` or the end of the connection. Numbers that are unconfirmed then are given up: they may be stored or not.
fn publish(url: &str, book: &Book, stop: &AtomicBool, rate: u64, random: &mut fastrand::Rng) -> Option<()> {
    let mut connection = Connection::insecure_open(&format!("{url}?heartbeat=5&connection_timeout=3000")).ok()?;
    let channel = connection.open_channel(None).ok()?;
    // the queue must be there before the first record, or the exchange would drop it
    let exchange = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(ExchangeType::Topic, "logstash", exchange).ok()?;
    let queue = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(INDEX, queue).ok()?;
    channel.queue_bind(INDEX, "logstash", "logstash.#", FieldTable::new()).ok()?;
    channel.enable_publisher_confirms().ok()?;
    let confirms = channel.listen_for_publisher_confirms().ok()?;
    let mut open: HashMap<u64, u64> = HashMap::new();
    let mut oldest_tag = 1;
    let mut tag = 0;
    let begun = Instant::now();
    loop {
        let ended = stop.load(Relaxed);
        if ended && open.is_empty() {
            return Some(());
        }
        if !ended && open.len() < MAX_UNCONFIRMED_RECORDS {
            let ahead = tag as f64 / rate as f64 - begun.elapsed().as_secs_f64();
            if ahead > 0.0 {
                thread::sleep(Duration::from_secs_f64(ahead.min(0.05)));
            }
            let number = book.next.fetch_add(1, Relaxed);
            let body = body(number, random);
            let properties = AmqpProperties::default().with_delivery_mode(2);
            tag += 1;
            open.insert(tag, number);
            channel.basic_publish("logstash", Publish::with_properties(&body, "logstash.chaos", properties)).ok()?;
        }
        let wait =
            if open.len() >= MAX_UNCONFIRMED_RECORDS || ended { Duration::from_secs(20) } else { Duration::ZERO };
        let confirm = match confirms.recv_timeout(wait) {
            Ok(Confirm::Ack(confirm)) => confirm,
            Ok(Confirm::Nack(_)) => return None,
            Err(error) if error.is_timeout() && wait.is_zero() => continue,
            Err(_) => return None,
        };
        let first = if confirm.multiple { oldest_tag } else { confirm.delivery_tag };
        let done = (first..=confirm.delivery_tag).filter_map(|tag| open.remove(&tag));
        book.confirmed.lock().expect("no publisher panicked").extend(done);
        if confirm.multiple {
            oldest_tag = confirm.delivery_tag + 1;
        }
    }
}

/// A record with a number; one in two hundred is large, up to 64 KiB.
fn body(number: u64, random: &mut fastrand::Rng) -> Vec<u8> {
    let filler = if random.u8(0..200) == 0 { random.usize(0..60_000) } else { random.usize(0..300) };
    // words as in logs: random letters would make searchd write a huge dictionary, and the test would test little else
    let words =
        ["request", "finished", "user", "timed", "out", "queue", "10.0.7.12", "GET", "/cart/", "status=200", "7f3a9c"];
    let mut filler_text = String::new();
    while filler_text.len() < filler {
        filler_text.push_str(words[random.usize(0..words.len())]);
        filler_text.push(' ');
    }
    let filler = filler_text;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_micros();
    format!(
        r#"{{"@timestamp":{now},"message":"record {number} {filler}","levelname":"INFO","host":"h{}","seq":{number}}}"#,
        number % 10
    )
    .into_bytes()
}
