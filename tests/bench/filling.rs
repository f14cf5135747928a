//! Has alco store many records, by way of the queue.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::support::{Publisher, Stack};

/// Records that are published at a time, and those that may wait in the queue.
const PUBLISHED_AT_A_TIME: usize = 20_000;
const MAX_WAITING: usize = 100_000;
/// The time between two looks, and the limit without progress.
const LOOK: Duration = Duration::from_millis(200);
const STUCK: Duration = Duration::from_secs(60);

/// Publishes the records in order, and waits until all of them are stored.
pub fn fill(stack: &Stack, bodies: impl Iterator<Item = String>) {
    fill_by(&stack.amqp, &|| stored(stack), bodies);
}

/// The same; `stored` returns the number of records that are stored.
pub fn fill_by(amqp: &str, stored: &dyn Fn() -> usize, bodies: impl Iterator<Item = String>) {
    let before = stored();
    let mut publisher = Publisher::open(amqp);
    let (mut bodies, mut published) = (bodies.peekable(), 0);
    while bodies.peek().is_some() {
        let some: Vec<String> = bodies.by_ref().take(PUBLISHED_AT_A_TIME).collect();
        published += some.len();
        publisher.publish("logstash", "bench.shop", &some);
        wait_for(stored, before + published.saturating_sub(MAX_WAITING));
    }
    publisher.close();
    wait_for(stored, before + published);
}

fn wait_for(count_stored: &dyn Fn() -> usize, count: usize) {
    let (mut last, mut at) = (0, Instant::now());
    loop {
        let stored = count_stored();
        if stored >= count {
            return;
        }
        if stored > last {
            (last, at) = (stored, Instant::now());
        }
        assert!(at.elapsed() < STUCK, "{stored} of {count} records are stored, and no more for {STUCK:?}");
        thread::sleep(LOOK);
    }
}

/// The records that are stored, by searchd's own figures, which cost it less than a query.
pub fn stored(stack: &Stack) -> usize {
    let figures = day_indexes(stack).into_iter().map(|day| stack.index_status(&day));
    figures.map(|figures| figures.get("indexed_documents").map_or(0, |count| *count as usize)).sum()
}

/// The day indexes that have files.
pub fn day_indexes(stack: &Stack) -> Vec<String> {
    let days = fs::read_dir(stack.dir().join("searchd/data/bench")).expect("searchd serves the index");
    let name = |entry: fs::DirEntry| Some(format!("bench_{}", entry.file_name().to_str()?));
    days.flatten().filter_map(name).collect()
}

/// The range of a search: the UTC day of that time without its last microsecond. alco keeps what it counted of a whole day, so a
/// range like this one is counted each time.
pub fn range_of_most(day: Timestamp) -> String {
    let date = day.to_zoned(TimeZone::UTC).date();
    format!("start_ts={date}&end_ts={date}T23:59:59.999999Z")
}

/// The range of a search: so many UTC days from that time on.
pub fn range_of_days(start: Timestamp, days: i64) -> String {
    let first = start.to_zoned(TimeZone::UTC).date();
    let end = first.saturating_add(jiff::Span::new().days(days));
    format!("start_ts={first}&end_ts={end}")
}
