//! Days change by themselves, while records and searches go on: searchd serves the days that are kept, and all their records are
//! found. Expired days leave searchd, the disk and Redis. The index of a past day is on the disk in one piece.
//!
//! In full (make soak) a month passes; make check takes as many days as the retention needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use crate::support::clock::ClockedRun;
use crate::support::{LONG, Publisher, SetAtEnd, soak, try_get, wait_until};

const RETENTION_DAYS: i64 = 7;
/// Each day gets at least this number of records.
const MIN_RECORDS_A_DAY: u64 = 50;
/// This number of successive records has the same value.
const RECORDS_PER_VALUE: usize = 100;

fn named(day: Date) -> String {
    day.strftime("%Y%m%d").to_string()
}

fn days(from: Date, count: i64) -> impl Iterator<Item = String> {
    from.series(Span::new().days(1)).take(count as usize).map(named)
}

fn before(day: Date, days: i64) -> Date {
    day.checked_sub(Span::new().days(days)).unwrap()
}

/// Publishes records without a time of their own, one after another, until `over`.
fn publish(amqp: &str, published: &AtomicUsize, over: &AtomicBool) {
    let mut publisher = Publisher::open(amqp);
    while !over.load(Relaxed) {
        let n = published.load(Relaxed);
        let body = format!(r#"{{"message":"record {n}","part":"{}"}}"#, n / RECORDS_PER_VALUE);
        publisher.publish("logstash", "turning.key", [body]);
        published.store(n + 1, Relaxed);
        // a hundred a second: days stay small, and none is without a record
        thread::sleep(Duration::from_millis(10));
    }
    publisher.close();
}

/// The numbers of all records that a search from the oldest day on finds, sorted: the records of a batch arrive at the same
/// moment, in no order.
fn found(url: &str, oldest: Date) -> Vec<usize> {
    let reply = try_get(&format!("{url}/grep/turning/?format=text&search=record&start_ts={oldest}")).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    let number = |line: &str| line.rsplit_once("record ").unwrap_or_else(|| panic!("{line}")).1.parse().unwrap();
    let mut numbers: Vec<usize> = reply.body.lines().map(number).collect();
    numbers.sort_unstable();
    numbers
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    // a file may have gone meanwhile
    let size = |path: &Path| match path.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(path),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.map(|entry| size(&entry.path())).sum()
}

#[test]
fn a_month_of_days_passes_unattended() {
    let turns = if soak() { 31 } else { RETENTION_DAYS + 2 };
    let ini = format!("days = {RETENTION_DAYS}\nfiltered = part\n");
    // noon: the machine's own midnight must not disturb the test
    let now = Timestamp::now();
    let noon = now.to_zoned(TimeZone::UTC).date().at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
    let to_noon = noon.duration_since(now);
    let run = ClockedRun::start("turning", &ini, to_noon);
    let (url, amqp) = (run.alco.url.clone(), run.stack.amqp.clone());
    let (published, over, searches) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicUsize::new(0));
    let data = run.stack.dir().join("searchd/data");
    // the first number of each day so far, and the bytes for a record at the end of the retention
    let (mut firsts, mut usual) = (Vec::new(), 0);
    thread::scope(|scope| {
        scope.spawn(|| publish(&amqp, &published, &over));
        scope.spawn(|| {
            while !over.load(Relaxed) {
                let reply = try_get(&format!("{url}/grep/turning/?search=record&start_ts=-2d&order=desc")).unwrap();
                assert_eq!(reply.status, 200, "{}", reply.body);
                searches.fetch_add(1, Relaxed);
            }
        });
        let _ending = SetAtEnd(&over);
        for n in 0..turns {
            run.set_hours_later(to_noon + SignedDuration::from_hours(24 * n));
            let today = run.today();
            the_day_is_served(&run, n);
            firsts.push(*run.numbers(today).iter().min().unwrap());
            let kept = (n + 1 - RETENTION_DAYS).max(0);
            let newest = published.load(Relaxed) - 1;
            let oldest = before(today, n - kept);
            let count = all_are_found_once(&url, oldest, firsts[kept as usize], newest);
            let per_record = bytes_below(&data.join("turning")) / count as u64;
            println!("day {n}: {} records are kept, {per_record} bytes each", count);
            if n == RETENTION_DAYS {
                usual = per_record;
            } else if n > RETENTION_DAYS {
                assert!(per_record < usual * 2, "day {n}: {per_record} bytes a record, and before {usual}");
            }
        }
    });
    assert!(searches.load(Relaxed) > turns as usize, "{searches:?}");
    let today = run.today();
    let oldest = before(today, RETENTION_DAYS - 1);

    only_kept_days_are_on_the_disk(&data.join("turning"), oldest);
    past_days_are_optimized_once(&run, oldest);
    only_kept_values_are_in_redis(&run, firsts[(turns - RETENTION_DAYS) as usize]);
    let log = run.alco.log();
    let complaints: Vec<&str> =
        log.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).collect();
    // its clock is not that of Redis, since this test sets it
    let complaints: Vec<&str> = complaints.into_iter().filter(|line| !line.contains("this host's clock")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert!(run.alco.stop().success());
}

/// Waits for the records of the day, and for searchd to serve the kept days and no others.
#[track_caller]
fn the_day_is_served(run: &ClockedRun, n: i64) {
    let today = run.today();
    wait_until(&format!("day {n} has its records"), LONG, || {
        run.stack.count(&format!("turning_{}", named(today))).filter(|count| *count >= MIN_RECORDS_A_DAY)
    });
    let served = days(before(today, RETENTION_DAYS - 1), RETENTION_DAYS + 2).map(|day| format!("turning_{day}"));
    let expected: BTreeSet<String> = served.chain(["turning".into(), "turning_local".into()]).collect();
    wait_until("searchd serves the kept days and no others", LONG, || {
        let tables: BTreeSet<String> = run.stack.select("SHOW TABLES").ok()?.into_iter().collect();
        (tables == expected).then_some(())
    });
}

/// Waits until a search from the oldest day on finds the newest record. It finds each record once; returns their number.
#[track_caller]
fn all_are_found_once(url: &str, oldest: Date, first: usize, newest: usize) -> usize {
    let numbers = wait_until(&format!("record {newest} is found"), LONG, || {
        Some(found(url, oldest)).filter(|numbers| *numbers.last().unwrap() >= newest)
    });
    let all: Vec<usize> = (first..=*numbers.last().unwrap()).collect();
    assert!(numbers == all, "{} of {} records from {oldest} on are found", numbers.len(), all.len());
    numbers.len()
}

/// The kept days, two days ahead, and the newest expired day.
#[track_caller]
fn only_kept_days_are_on_the_disk(folder: &Path, oldest: Date) {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<String> = names.collect();
    assert_eq!(names, days(before(oldest, 1), RETENTION_DAYS + 3).collect());
}

/// Each past day has been optimized once, and Redis knows no others.
#[track_caller]
fn past_days_are_optimized_once(run: &ClockedRun, oldest: Date) {
    let finished = || {
        let entries: Vec<String> = run.stack.ask_redis(&["HGETALL", "ALCO:FINISHED:turning"]);
        let (fields, states): (Vec<_>, Vec<_>) =
            entries.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).unzip();
        let days: BTreeSet<String> = fields.iter().map(|field| field.rsplit(' ').next().unwrap().to_owned()).collect();
        (days == days_over(oldest) && states.iter().all(|state| state.starts_with("done "))).then_some(())
    };
    wait_until("all past days are optimized", LONG, finished);
    for day in days(oldest, RETENTION_DAYS - 1) {
        // Redis knows it before the log
        let line = format!("turning_{day}: the day is over, and on the disk in one piece");
        let times = wait_until("it is logged", LONG, || Some(run.alco.logged(&line)).filter(|times| *times > 0));
        assert_eq!(times, 1, "{day}");
        let status = run.stack.index_status(&format!("turning_{day}"));
        // records that were under way when the clock jumped came later
        assert!(status["ram_chunk"] < status["disk_bytes"] && status["disk_chunks"] == 1, "{day}: {status:?}");
    }
}

/// Values of expired days only have left Redis, and the others would expire. `first`: the number of the first kept record.
#[track_caller]
fn only_kept_values_are_in_redis(run: &ClockedRun, first: usize) {
    let parts: Vec<usize> = run.stack.ask_redis(&["ZRANGE", "ALCO:VALUES:turning:part", "0", "-1"]);
    let (least, most) = (parts.iter().min().unwrap(), parts.iter().max().unwrap());
    assert!((first / RECORDS_PER_VALUE..=first / RECORDS_PER_VALUE + 1).contains(least), "{least} of {first}");
    assert_eq!(parts.len(), most - least + 1, "none that is kept has left");
    for key in ["PK:turning", "LEASES:turning", "COLUMNS:turning", "VALUES:turning:part", "FINISHED:turning"] {
        let seconds: i64 = run.stack.ask_redis(&["TTL", &format!("ALCO:{key}")]);
        assert!(seconds > RETENTION_DAYS * 86_400 || key == "PK:turning", "{key} leaves in {seconds} s");
    }
}

fn days_over(oldest: Date) -> BTreeSet<String> {
    days(oldest, RETENTION_DAYS - 1).collect()
}
