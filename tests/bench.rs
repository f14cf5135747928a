//! make bench: the costs of collecting and of searching.
//!
//! Collecting: 300,000 records wait in a queue. alco's rate into searchd is compared with that of a bare loader, which sends the
//! rows that alco stored, in batches as large, over as many connections. alco's CPU time and memory are measured meanwhile, and
//! after that the time that a record takes to a follower. Searching: see `search`.
//!
//! The benchmark prints each figure next to its bound, and fails if one misses it. ALCO_BENCH=collect or search runs one of the
//! two; ALCO_BENCH_RECORDS names a file of JSON lines for collecting to use instead of what ../shared/bench/gen.py writes.

// The loader's rows are read back from searchd, except the full-text field, which searchd does not give
// back; alco's own function makes it
#[path = "../src/sphinx/fulltext.rs"]
#[allow(dead_code)] // the benchmark only prepares texts
mod text;

#[path = "bench/search.rs"]
mod search;
#[allow(clippy::unwrap_used)] // as in the tests
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use support::{Alco, Publisher, ROOT, SOON, Stack, body, memory_kib, queue_state, wait_until};

const RECORDS: usize = 300_000;
const SPAN: Duration = Duration::from_secs(6 * 3600);
/// alco's default batch_records
const BATCH_RECORDS: usize = 1000;
const CONNECTIONS: usize = 2;
const INDEX: &str =
    "[index bench]\nqueue = bench\nrouting_keys = bench.#\nthreads = 2\nfiltered = levelname, host, application\n";
/// The limit for storing all records; far more than it should take.
const DEADLINE: Duration = Duration::from_secs(300);

/// The bounds: a share of the loader's rate, µs of CPU for a record, MB at the peak.
const MIN_SHARE_OF_LOADER: f64 = 0.5;
const MAX_CPU_MICROS: f64 = 20.0;
const MAX_PEAK_MB: f64 = 48.0;
/// From a record's publishing to its line at a follower.
const MAX_FOLLOWED: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let chosen = std::env::var("ALCO_BENCH").unwrap_or_default();
    let collected = chosen == "search" || collect();
    let searched = chosen == "collect" || search::run();
    if collected && searched { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn collect() -> bool {
    let bodies = bodies();
    let count = bodies.len();
    let bytes = bodies.iter().map(String::len).sum::<usize>();
    println!(
        "{count} records of {} bytes in the mean, {CONNECTIONS} workers, batches of {BATCH_RECORDS}",
        bytes / count
    );
    let stack = Stack::private("bench", INDEX);

    // a first alco declares exchange, queue and bindings, and is idle
    let idle = {
        let alco = Alco::start(&stack, INDEX);
        let idle = memory_mb(alco.pid(), "VmRSS");
        assert!(alco.stop().success(), "alco ends well");
        idle
    };
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "bench.shop", &bodies);
    publisher.close();
    let all_wait = || queue_state(&stack.amqp, "bench").filter(|queue| queue.messages as usize == count);
    wait_until("all records wait in the queue", SOON, all_wait);

    let begin = Instant::now();
    let alco = Alco::spawn(&stack, INDEX);
    let mut searchd = stack.sphinxql();
    wait_until("all records are stored", DEADLINE, || (stored(&mut searchd) >= count).then_some(()));
    let through = begin.elapsed();
    assert_eq!(stored(&mut searchd), count, "each is stored once");
    let (cpu, peak) = (cpu_seconds(alco.pid()), memory_mb(alco.pid(), "VmHWM"));
    alco.stop();
    let loaded = load(&stack, count);
    let mut followed = followed(&stack);

    let rate = |took: Duration| count as f64 / took.as_secs_f64();
    println!("bare loader    {:>8.0} records/s", rate(loaded));
    let mut good = true;
    let share = rate(through) / rate(loaded);
    good &= figure(
        "alco run",
        format!("{:>8.0} records/s, {share:.2} of it", rate(through)),
        share >= MIN_SHARE_OF_LOADER,
        format!("{MIN_SHARE_OF_LOADER} of it"),
    );
    match (cpu, idle, peak) {
        (Some(cpu), Some(idle), Some(peak)) => {
            let each = cpu * 1e6 / count as f64;
            good &= figure(
                "its CPU",
                format!("{each:>8.1} µs a record"),
                each <= MAX_CPU_MICROS,
                format!("{MAX_CPU_MICROS} µs"),
            );
            good &= figure(
                "its memory",
                format!("{peak:>8.1} MB at its peak, {idle:.1} MB idle"),
                peak <= MAX_PEAK_MB,
                format!("{MAX_PEAK_MB} MB"),
            );
        }
        _ => println!("CPU and memory are read from Linux' /proc, which is not here"),
    }
    followed.sort_unstable();
    let (median, worst) = (followed[followed.len() / 2], followed[followed.len() - 1]);
    good &= figure(
        "follow=1",
        format!("{:>8} ms in the median, {} ms at the most", median.as_millis(), worst.as_millis()),
        worst <= MAX_FOLLOWED,
        format!("{} ms", MAX_FOLLOWED.as_millis()),
    );
    good
}

/// The times that records take to a follower: of all records of a quiet stream, and of some of a busy stream.
#[allow(clippy::unwrap_used)] // as in the tests
fn followed(stack: &Stack) -> Vec<Duration> {
    let alco = Alco::start(stack, INDEX);
    let mut stream = TcpStream::connect(alco.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(b"GET /grep/bench/?format=text&follow=1&limit=1&columns= HTTP/1.0\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
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
                lines.by_ref().find(|line| line.ends_with(&message)).unwrap();
                took.push(sent.elapsed());
            }
        }
    }
    assert!(alco.stop().success());
    took
}

fn figure(name: &str, value: String, good: bool, wanted: String) -> bool {
    let verdict = if good { "reached" } else { "MISSED" };
    println!("{name:<14} {value}   ({wanted}: {verdict})");
    good
}

/// JSON lines, of the last hours.
fn bodies() -> Vec<String> {
    let file = match std::env::var_os("ALCO_BENCH_RECORDS") {
        Some(file) => PathBuf::from(file),
        None => generate("bench.jsonl", RECORDS, SPAN, SPAN),
    };
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
    text.lines().map(str::to_owned).collect()
}

/// Writes that number of records, spread over `span`, which begins `ago` before now.
fn generate(name: &str, records: usize, span: Duration, ago: Duration) -> PathBuf {
    let root = Path::new(ROOT);
    let generator = root.join("../shared/bench/gen.py");
    assert!(generator.exists(), "no {}: name a file of JSON lines by ALCO_BENCH_RECORDS", generator.display());
    let file = root.join("target").join(name);
    let start = (jiff::Timestamp::now() - ago).strftime("%Y-%m-%dT%H:%M:%SZ");
    let status = Command::new("python3")
        .arg(generator)
        .args(["-n", &records.to_string(), "--span", &span.as_secs().to_string(), "--start", &start.to_string(), "-o"])
        .arg(&file)
        .status();
    assert!(status.expect("python3 runs").success(), "gen.py writes the records");
    file
}

fn stored(searchd: &mut Conn) -> usize {
    let count: Option<Row> = searchd.query_first("SELECT COUNT(*) FROM bench").expect("searchd answers");
    text_of(&count.expect("a row"), 0).parse().expect("a number")
}

fn text_of(row: &Row, column: usize) -> String {
    row.get_opt::<String, usize>(column).and_then(Result::ok).unwrap_or_default()
}

/// Empties the day indexes and fills them again with the same rows, as fast as searchd takes them.
fn load(stack: &Stack, count: usize) -> Duration {
    let mut searchd = stack.sphinxql();
    let tables: Vec<Row> = searchd.query("SHOW TABLES").expect("searchd answers");
    let days = tables.iter().filter(|row| text_of(row, 1) == "rt").map(|row| text_of(row, 0));
    let mut statements = Vec::new();
    for day in days.collect::<Vec<_>>() {
        statements.extend(replaces(&mut searchd, &day));
        searchd.query_drop(format!("TRUNCATE RTINDEX {day}")).expect("searchd empties an index");
    }
    assert_eq!(stored(&mut searchd), 0);
    let begin = Instant::now();
    thread::scope(|scope| {
        for own in 0..CONNECTIONS {
            let statements = &statements;
            scope.spawn(move || {
                let mut searchd = stack.sphinxql();
                for statement in statements.iter().skip(own).step_by(CONNECTIONS) {
                    searchd.query_drop(statement).expect("searchd stores a batch");
                }
            });
        }
    });
    let took = begin.elapsed();
    assert_eq!(stored(&mut searchd), count);
    took
}

/// The batches that fill one day index.
fn replaces(searchd: &mut Conn, day: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut last = String::from("0");
    loop {
        let rows: Vec<Row> = searchd
            .query(format!(
                "SELECT id, ts, seq, digest, logline, js, exact FROM {day} WHERE id > {last} ORDER BY id ASC \
                 LIMIT {BATCH_RECORDS} OPTION max_matches = {BATCH_RECORDS}"
            ))
            .expect("searchd answers");
        let Some(end) = rows.last() else { return statements };
        last = text_of(end, 0);
        let mut statement = format!("REPLACE INTO {day} (id, ts, seq, digest, logline, js, exact, line) VALUES ");
        for (at, row) in rows.iter().enumerate() {
            statement.push_str(if at == 0 { "(" } else { ",(" });
            for column in 0..4 {
                statement.push_str(&text_of(row, column));
                statement.push(',');
            }
            for column in 4..7 {
                quoted(&text_of(row, column), &mut statement);
                statement.push(',');
            }
            let mut line = String::new();
            text::prepare(&text_of(row, 4), &mut line);
            quoted(&line, &mut statement);
            statement.push(')');
        }
        statements.push(statement);
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push('\'');
    out.push_str(&text.replace('\\', "\\\\").replace('\'', "\\'"));
    out.push('\'');
}

/// A figure of a process's memory, in MB.
fn memory_mb(pid: u32, key: &str) -> Option<f64> {
    memory_kib(pid, key).map(|kib| kib as f64 / 1024.0)
}

/// User and system time of a process.
fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // after the name, which may hold any character: state is field 3, utime 14, stime 15
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    let a_second = Command::new("getconf").arg("CLK_TCK").output().ok()?;
    Some(ticks / String::from_utf8(a_second.stdout).ok()?.trim().parse::<f64>().ok()?)
}
