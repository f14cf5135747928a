//! The costs of collecting: 300,000 records wait in a queue, and alco stores them.
//!
//! The yardstick is what the machine can do at all: as many bare consumers as alco has workers take the records and acknowledge
//! them, while bare loaders send the statements that alco sent; a loader sends one for each batch that its consumer has taken.
//! alco's rate and the bare one are measured in turns, each from a tenth to nine tenths of the records.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use amiquip::{Connection, ConsumerMessage, ConsumerOptions, QueueDeclareOptions};
use jiff::SignedDuration;
use mysql::prelude::Queryable;

use crate::figures::{Bound, Table, cpu_seconds, median, memory_mb};
use crate::records::{Records, times};
use crate::statements::{Statements, hear};
use crate::support::{Alco, Publisher, SOON, Stack, body, queue_state, wait_until};
use crate::{INDEX, WORKERS, searchd_pid, today};

const RECORDS: usize = 300_000;
/// Of today, in which the records lie: one day index holds all of them.
const SPAN: SignedDuration = SignedDuration::from_hours(6);
const SEED: u64 = 1;
/// Turns of alco and of the bare consumers and loaders: an odd number.
const TURNS: usize = 3;
/// alco's default batch_records, and what it lets the broker send ahead of them.
const BATCH_RECORDS: usize = 1000;
const PREFETCH: u16 = 2000;
/// The limit for storing all records; far more than it should take.
const DEADLINE: Duration = Duration::from_secs(600);
/// The time between two looks at the number of stored records, and that for which a consumer waits for the next one.
const LOOK: Duration = Duration::from_millis(100);

const MIN_SHARE_OF_BARE: f64 = 0.85;
const MAX_CPU_MICROS: f64 = 9.0;
const MAX_SEARCHD_CPU_MICROS: f64 = 70.0;
const MAX_PEAK_MB: f64 = 48.0;
/// From a record's publishing to its line at a follower, at the most.
const MAX_FOLLOWED_MS: f64 = 1000.0;

pub fn run() -> bool {
    let bodies = bodies();
    let bytes = bodies.iter().map(String::len).sum::<usize>() as f64 / bodies.len() as f64;
    println!("{} records of {bytes:.0} bytes in the mean, {WORKERS} workers, {TURNS} turns", bodies.len());
    let stack = Stack::private("bench", INDEX);
    let bench = Bench { stack: &stack, bodies: &bodies, day_index: format!("bench_{}", today().strftime("%Y%m%d")) };
    // alco declares exchange, queue and bindings, and is idle
    let idle = {
        let alco = Alco::start(&stack, INDEX);
        let idle = memory_mb(alco.pid(), "VmRSS");
        assert!(alco.stop().success(), "alco ends well");
        idle
    };
    let statements = bench.statements();
    let (mut alco, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        alco.push(bench.by_alco());
        bare.push(bench.by_bare_clients(&statements));
    }
    let mut followed = followed(&stack);
    followed.sort_by(f64::total_cmp);

    let of_turns = |figure: &dyn Fn(&Turn) -> f64| median(alco.iter().map(figure).collect());
    let rate = |turns: &[Turn]| median(turns.iter().map(|turn| turn.rate).collect());
    let mut table = Table::new("collecting", &["measured"]);
    table.add("bare consumers and loaders at once", "/s", &[rate(&bare)], Bound::None);
    table.add("alco", "/s", &[rate(&alco)], Bound::None);
    let share = median(alco.iter().zip(&bare).map(|(alco, bare)| alco.rate / bare.rate).collect());
    table.add("alco's share of the bare rate", "", &[share], Bound::AtLeast(MIN_SHARE_OF_BARE));
    table.add("alco's CPU a record", "µs", &[of_turns(&|turn| turn.alco)], Bound::AtMost(MAX_CPU_MICROS));
    let searchd = of_turns(&|turn| turn.searchd);
    table.add("searchd's CPU a record", "µs", &[searchd], Bound::AtMost(MAX_SEARCHD_CPU_MICROS));
    table.add("alco's memory, idle", "MB", &[idle], Bound::None);
    table.add("alco's memory, at its peak", "MB", &[of_turns(&|turn| turn.peak)], Bound::AtMost(MAX_PEAK_MB));
    table.add("to a follower, in the median", "ms", &[median(followed.clone())], Bound::None);
    let worst = followed.last().copied().unwrap_or(f64::NAN);
    table.add("to a follower, at the most", "ms", &[worst], Bound::AtMost(MAX_FOLLOWED_MS));
    table.is_reached()
}

fn bodies() -> Vec<String> {
    if let Some(file) = std::env::var_os("ALCO_BENCH_RECORDS") {
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
        return text.lines().map(str::to_owned).collect();
    }
    let mut records = Records::new(SEED);
    times(RECORDS, today(), SPAN).map(|at| records.body(at)).collect()
}

/// Records a second, and what it took: µs of CPU a record, MB of memory.
struct Turn {
    rate: f64,
    alco: f64,
    searchd: f64,
    peak: f64,
}

struct Bench<'a> {
    stack: &'a Stack,
    bodies: &'a [String],
    day_index: String,
}

impl Bench<'_> {
    /// Has all records wait in the queue, and no record stored.
    fn prepare(&self) {
        self.stack
            .sphinxql()
            .query_drop(format!("TRUNCATE RTINDEX {}", self.day_index))
            .expect("searchd empties an index");
        assert_eq!(self.stored(), 0, "the index is empty");
        let mut publisher = Publisher::open(&self.stack.amqp);
        publisher.publish("logstash", "bench.shop", self.bodies);
        publisher.close();
        let all =
            || queue_state(&self.stack.amqp, "bench").filter(|queue| queue.messages as usize == self.bodies.len());
        wait_until("all records wait in the queue", SOON, all);
    }

    /// Waits until all records are stored. Returns their rate, without the begin and the end.
    fn rate(&self) -> f64 {
        let count = self.bodies.len();
        let (begin, mut middle) = (Instant::now(), VecDeque::new());
        loop {
            let stored = self.stored();
            let at = begin.elapsed().as_secs_f64();
            if (count / 10..=count - count / 10).contains(&stored) {
                middle.push_back((stored as f64, at));
            }
            if stored >= count {
                assert_eq!(stored, count, "each is stored once");
                break;
            }
            assert!(begin.elapsed() < DEADLINE, "{stored} of {count} records are stored after {DEADLINE:?}");
            thread::sleep(LOOK);
        }
        let (Some((first, begin)), Some((last, end))) = (middle.front(), middle.back()) else { return f64::NAN };
        (last - first) / (end - begin)
    }

    /// By searchd's own figures, which cost it less than a query.
    fn stored(&self) -> usize {
        let figures = self.stack.index_status(&self.day_index);
        figures.get("indexed_documents").map_or(0, |count| *count as usize)
    }

    /// The statements with which alco stores the records.
    fn statements(&self) -> Vec<String> {
        self.prepare();
        let (door, statements): (String, Statements) = hear(&self.stack.sphinx);
        let ini = self.stack.dir().join("alco.ini");
        let own = fs::read_to_string(&ini).expect("the stack has an alco.ini");
        let by_the_door = own.replace(&format!("address = {}", self.stack.sphinx), &format!("address = {door}"));
        assert_ne!(own, by_the_door, "alco.ini names searchd");
        fs::write(&ini, by_the_door).expect("alco.ini can be written");
        let alco = Alco::spawn(self.stack, INDEX);
        self.rate();
        alco.stop();
        fs::write(&ini, own).expect("alco.ini can be written");
        std::mem::take(&mut statements.lock().expect("no thread panicked"))
    }

    fn by_alco(&self) -> Turn {
        self.prepare();
        let searchd = searchd_pid(self.stack);
        let before = cpu_seconds(searchd);
        let alco = Alco::spawn(self.stack, INDEX);
        let rate = self.rate();
        let each = |seconds: f64| seconds * 1e6 / self.bodies.len() as f64;
        let turn = Turn {
            rate,
            alco: each(cpu_seconds(alco.pid())),
            searchd: each(cpu_seconds(searchd) - before),
            peak: memory_mb(alco.pid(), "VmHWM"),
        };
        assert!(alco.stop().success(), "alco ends well");
        turn
    }

    fn by_bare_clients(&self, statements: &[String]) -> Turn {
        self.prepare();
        let (taken, left) = (&AtomicUsize::new(0), &Mutex::new(statements.iter()));
        let rate = thread::scope(|scope| {
            for _ in 0..WORKERS {
                let (batch_taken, batches) = mpsc::channel();
                scope.spawn(move || consume(&self.stack.amqp, taken, self.bodies.len(), &batch_taken));
                scope.spawn(move || {
                    let mut searchd = self.stack.sphinxql();
                    let next = || left.lock().expect("no thread panicked").next();
                    // what is left when all are taken belongs to batches that are not full
                    for _ in batches.iter().chain(std::iter::repeat(())) {
                        let Some(statement) = next() else { break };
                        searchd.query_drop(statement).expect("searchd stores a batch");
                    }
                });
            }
            self.rate()
        });
        Turn { rate, alco: f64::NAN, searchd: f64::NAN, peak: f64::NAN }
    }
}

/// Takes records and acknowledges them, a batch at a time, until all are taken.
fn consume(amqp: &str, taken: &AtomicUsize, all: usize, batch_taken: &mpsc::Sender<()>) {
    let mut connection = Connection::insecure_open(amqp).expect("the broker answers");
    let channel = connection.open_channel(None).expect("a channel");
    channel.qos(0, PREFETCH, false).expect("a prefetch limit");
    let queue = channel.queue_declare("bench", QueueDeclareOptions { durable: true, ..Default::default() });
    let queue = queue.expect("the queue that alco declared");
    let consumer = queue.consume(ConsumerOptions::default()).expect("a consumer");
    let mut batch = Vec::with_capacity(BATCH_RECORDS);
    while taken.load(Ordering::Relaxed) < all {
        if let Ok(ConsumerMessage::Delivery(delivery)) = consumer.receiver().recv_timeout(LOOK) {
            taken.fetch_add(1, Ordering::Relaxed);
            batch.push(delivery);
        }
        let is_due = batch.len() == BATCH_RECORDS || taken.load(Ordering::Relaxed) == all;
        if is_due && let Some(last) = batch.drain(..).next_back() {
            last.ack_multiple(&channel).expect("the broker takes an acknowledgement");
            // a loader that has sent all has ended
            let _ = batch_taken.send(());
        }
    }
    if let Some(last) = batch.pop() {
        last.ack_multiple(&channel).expect("the broker takes an acknowledgement");
    }
    let _ = connection.close();
}

/// The times in ms that records take to a follower: of all records of a quiet stream, and of some of a busy stream.
fn followed(stack: &Stack) -> Vec<f64> {
    let alco = Alco::start(stack, INDEX);
    let mut stream = TcpStream::connect(alco.url.trim_start_matches("http://")).expect("alco listens");
    stream.set_read_timeout(Some(SOON)).expect("a time limit");
    let request = b"GET /grep/bench/?format=text&follow=1&limit=1&columns= HTTP/1.0\r\n\r\n";
    stream.write_all(request).expect("alco reads");
    let mut lines = BufReader::new(stream).lines().map(|line| line.expect("alco writes lines"));
    // the head of the answer is sent as soon as the client follows
    lines.by_ref().find(|line| line.is_empty());
    let mut publisher = Publisher::open(&stack.amqp);
    let mut took = Vec::new();
    for (pause, count) in [(700, 20), (70, 60)] {
        for n in 0..count {
            thread::sleep(Duration::from_millis(pause + n * 7 % 50));
            let message = format!("followed {pause} {n}.");
            let sent = Instant::now();
            publisher.publish("logstash", "bench.shop", [body(&message)]);
            // the busy stream does not wait for each of its records
            if pause > 500 || n % 10 == 9 {
                lines.by_ref().find(|line| line.ends_with(&message)).expect("the record's line");
                took.push(sent.elapsed().as_secs_f64() * 1000.0);
            }
        }
    }
    assert!(alco.stop().success(), "alco ends well");
    took
}
