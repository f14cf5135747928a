//! Redelivered records: alco only acknowledges those that it has stored, and stores the others, after a crash of the broker or of
//! alco.
//!
//! The broker marks all records that it recovers after a crash as redelivered. So the flag does not show which are stored, and the
//! body of a record that equals others does not either.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Alco, LONG, Publisher, Stack, memory_kib, queue_state, wait_until};

const RECORDS: usize = 100_000;
const EQUAL_RECORDS: usize = 1000;

fn index(name: &str) -> String {
    format!("[index {name}]\ndays = 2\nthreads = 2\nrouting_keys = {name}.#\n")
}

/// Puts numbered records into a durable queue; those for which `is_equal` holds are equal instead.
fn fill(stack: &Stack, queue: &str, records: usize, is_equal: impl Fn(usize) -> bool) {
    fill_bodies(stack, queue, records, 1, is_equal);
}

/// The same with `in_each` records in each body: every other body of several is an envelope of OpenTelemetry, the others are lines.
fn fill_bodies(stack: &Stack, queue: &str, records: usize, in_each: usize, is_equal: impl Fn(usize) -> bool) {
    let mut publisher = Publisher::to_queue(&stack.amqp, queue);
    let now = jiff::Timestamp::now();
    let record = |message: &str| format!(r#"{{"@timestamp":"{now}","message":"{message}","host":"h1"}}"#);
    let message = |n: usize| if is_equal(n) { "the same again".to_owned() } else { format!("record {n}") };
    let all: Vec<String> = (0..records).map(|n| record(&message(n))).collect();
    let body = |(at, some): (usize, &[String])| match in_each > 1 && at % 2 == 1 {
        true => format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{}]}}]}}]}}"#, some.join(",")),
        false => some.join("\n"),
    };
    let all: Vec<String> = all.chunks(in_each).enumerate().map(body).collect();
    for some in all.chunks(10_000) {
        publisher.publish("logstash", &format!("{queue}.key"), some);
    }
    publisher.close();
}

/// Ends alco when all records are stored, and counts them. Records that wait for their `ack_delay` stay with the broker.
#[track_caller]
fn check(stack: &Stack, alco: Alco, index: &str, records: usize, equal: usize, acknowledged: bool) {
    let stored = stack.settled(index, records as u64, LONG);
    // a record that is stored twice would be delivered by now
    wait_until("the queue is empty", LONG, || queue_state(&stack.amqp, index).filter(|queue| queue.messages == 0));
    assert!(alco.stop().success());
    let queue = wait_until("its consumers are gone", LONG, || {
        queue_state(&stack.amqp, index).filter(|queue| queue.consumers == 0)
    });
    if acknowledged {
        assert_eq!(queue.messages, 0, "all are acknowledged");
    }
    let same = stored.get("the same again").copied().unwrap_or(0);
    assert_eq!(same, equal, "equal records");
    let wrong: BTreeMap<_, _> =
        stored.iter().filter(|(message, count)| **count != 1 && *message != "the same again").collect();
    assert!(wrong.is_empty(), "stored more than once: {wrong:?}");
    assert_eq!(stack.count(index), Some(records as u64));
}

#[test]
fn a_batch_whose_connection_is_over_is_not_stored() {
    let ini = index("over").replace("threads = 2", "threads = 1");
    let stack = Stack::private("over", &ini);
    let alco = Alco::start(&stack, &ini);
    let publish = |message: &str| {
        let mut publisher = Publisher::open(&stack.amqp);
        publisher.publish("logstash", "over.key", [format!(r#"{{"message":"{message}"}}"#)]);
        publisher.close();
    };
    publish("first");
    stack.settled("over", 1, LONG);
    // alco has the next record, and cannot store it yet
    stack.pause("redis");
    publish("not its own");
    wait_until("it is delivered", LONG, || queue_state(&stack.amqp, "over").filter(|queue| queue.messages == 0));
    // the broker delivers it to another consumer, which does not find it, and stores it elsewhere
    stack.rabbitmqctl(&["close_all_connections", "handed on"]);
    wait_until("it waits again", LONG, || queue_state(&stack.amqp, "over").filter(|queue| queue.messages > 0));
    stack.rabbitmqctl(&["purge_queue", "over"]);
    stack.resume("redis");
    wait_until("alco is back", LONG, || queue_state(&stack.amqp, "over").filter(|queue| queue.consumers == 1));
    publish("last");
    let messages = || stack.documents("over").into_iter().map(|(_, message)| message).collect::<Vec<_>>();
    wait_until("the last is stored", LONG, || messages().contains(&"last".to_owned()).then_some(()));
    assert_eq!(messages(), ["first", "last"]);
    assert!(alco.stop().success());
}

#[test]
fn redelivered_records_are_stored_exactly_once() {
    let stack = Stack::private("redelivery", &[index("killed"), index("died"), index("delayed")].concat());
    // Equal records on both sides of the broker's crash: it marks all that it still has as redelivered, and has lost some
    // acknowledgements. The neighbours of equal records show which of them are stored.
    fill(&stack, "killed", RECORDS, |n| n.is_multiple_of(RECORDS / EQUAL_RECORDS));
    let alco = Alco::start(&stack, &index("killed"));
    wait_until("a part is stored", LONG, || stack.count("killed").filter(|n| *n > RECORDS as u64 / 2));
    stack.kill("rabbitmq");
    stack.restart("rabbitmq");
    check(&stack, alco, "killed", RECORDS, EQUAL_RECORDS, true);

    // alco itself dies, again and again; many a batch begins or ends with equal ones
    let equal = |records: usize| records - records.div_ceil(3);
    fill(&stack, "died", RECORDS / 2, |n| !n.is_multiple_of(3));
    for part in 1..=8 {
        let alco = Alco::start(&stack, &index("died"));
        wait_until("a part is stored", LONG, || stack.count("died").filter(|n| *n > part * RECORDS as u64 / 20));
        drop(alco);
    }
    check(&stack, Alco::start(&stack, &index("died")), "died", RECORDS / 2, equal(RECORDS / 2), true);

    // many are stored and not acknowledged when it dies
    let ini = format!("{}[rabbitmq]\nack_delay = 1s\n", index("delayed"));
    fill(&stack, "delayed", RECORDS / 4, |n| n.is_multiple_of(2));
    let alco = Alco::start(&stack, &ini);
    wait_until("a part is stored", LONG, || stack.count("delayed").filter(|n| *n > 3000));
    drop(alco);
    let alco = Alco::start(&stack, &ini);
    for counted in ["redelivered", "already_stored"] {
        let sample = format!("alco_records_{counted}_total{{index=\"delayed\"}} ");
        let is_counted =
            |metrics: &str| metrics.lines().any(|line| line.strip_prefix(&sample).is_some_and(|n| n != "0"));
        wait_until(counted, LONG, || is_counted(&alco.get("/metrics").body).then_some(()));
    }
    check(&stack, alco, "delayed", RECORDS / 4, RECORDS / 8, false);
}

#[test]
fn records_of_one_body_are_stored_once_after_a_crash() {
    let stack = Stack::private("parts", &[index("parts"), index("mixed"), index("tiny")].concat());
    // each body takes more than two batches; equal records stand in each of them
    fill_bodies(&stack, "parts", RECORDS / 2, 2500, |n| n.is_multiple_of(10));
    for part in 1..=4 {
        let alco = Alco::start(&stack, &index("parts"));
        wait_until("a part is stored", LONG, || stack.count("parts").filter(|n| *n > part * RECORDS as u64 / 20));
        drop(alco);
    }
    let alco = Alco::start(&stack, &index("parts"));
    wait_until("a part is stored", LONG, || stack.count("parts").filter(|n| *n > 5 * RECORDS as u64 / 20));
    stack.kill("rabbitmq");
    stack.restart("rabbitmq");
    check(&stack, alco, "parts", RECORDS / 2, RECORDS / 20, true);

    // bodies that do not fill a batch, and among them those of one record
    let ini = format!("{}[rabbitmq]\nack_delay = 1s\n", index("mixed"));
    fill_bodies(&stack, "mixed", RECORDS / 4, 300, |_| false);
    let alco = Alco::start(&stack, &ini);
    wait_until("a part is stored", LONG, || stack.count("mixed").filter(|n| *n > 5000));
    drop(alco);
    let alco = Alco::start(&stack, &ini);
    wait_until("a part is stored", LONG, || stack.count("mixed").filter(|n| *n > 10_000));
    stack.kill("rabbitmq");
    stack.restart("rabbitmq");
    check(&stack, alco, "mixed", RECORDS / 4, 0, false);

    a_large_body_takes_little_memory_and_the_stop_is_heard(&stack);
}

/// 4 MiB of small records go through batch by batch.
fn a_large_body_takes_little_memory_and_the_stop_is_heard(stack: &Stack) {
    let mut publisher = Publisher::to_queue(&stack.amqp, "tiny");
    let records: Vec<String> = (0..100_000).map(|n| format!(r#"{{"message":"record {n}"}}"#)).collect();
    publisher.publish("logstash", "tiny.key", [format!("[{}]", records.join(","))]);
    let alco = Alco::start(stack, &index("tiny"));
    wait_until("a part is stored", LONG, || stack.count("tiny").filter(|n| *n > 5000));
    let asked = Instant::now();
    assert!(alco.stop().success());
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert!(stack.count("tiny").is_some_and(|n| n < 100_000), "it was stopped midway");
    let alco = Alco::start(stack, &index("tiny"));
    let before = memory_kib(alco.pid(), "VmRSS").unwrap();
    stack.settled_count("tiny", 100_000, LONG);
    let grown = memory_kib(alco.pid(), "VmHWM").unwrap().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB");
    check(stack, alco, "tiny", 100_000, 0, true);
}

/// RabbitMQ's files of that extension, and when they were last written.
fn files(stack: &Stack, extension: &str) -> BTreeMap<PathBuf, SystemTime> {
    let (mut written, mut directories) = (BTreeMap::new(), vec![stack.dir().join("rabbitmq")]);
    while let Some(directory) = directories.pop() {
        // the broker removes files meanwhile
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            match metadata.is_dir() {
                true => directories.push(entry.path()),
                false if entry.path().extension().is_some_and(|found| found == extension) => {
                    written.extend(metadata.modified().ok().map(|modified| (entry.path(), modified)));
                }
                false => {}
            }
        }
    }
    written
}

/// Kills the broker at once by SIGKILL, and starts it again.
fn kill_broker_now(stack: &Stack) {
    kill(Pid::from_raw(i32::try_from(stack.pids()[0]).unwrap()), Signal::SIGKILL).unwrap();
    stack.kill("rabbitmq");
    stack.restart("rabbitmq");
}

/// RabbitMQ writes acknowledgements down one segment after another. Killed between two of them it has forgotten those before and
/// after a part in the middle.
#[test]
fn a_broker_killed_as_it_writes_acknowledgements_loses_none() {
    const RECORDS: usize = 50_000;
    const EQUAL: usize = RECORDS / 50;
    let ini = index("segments");
    let stack = Stack::private("segments", &ini);
    fill(&stack, "segments", RECORDS, |n| n.is_multiple_of(50));
    let alco = Alco::start(&stack, &ini);
    // the files in which RabbitMQ keeps what is acknowledged, by segments of 2048 messages
    let segments = || files(&stack, "idx");
    let (begun, deadline) = (segments(), Instant::now() + LONG);
    // some milliseconds pass between the first segment and the last
    while segments() == begun {
        assert!(Instant::now() < deadline, "RabbitMQ wrote nothing down");
    }
    kill_broker_now(&stack);
    // an equal record at the edge of a segment may be mistaken; a segment has 40 of them
    const MISTAKEN: usize = 4;
    stack.settled_count("segments", (RECORDS - MISTAKEN) as u64, LONG);
    wait_until("the queue is empty", LONG, || queue_state(&stack.amqp, "segments").filter(|queue| queue.messages == 0));
    // it stores the last batch
    assert!(alco.stop().success());
    let mut stored: BTreeMap<String, usize> = BTreeMap::new();
    stack.documents("segments").into_iter().for_each(|(_, message)| *stored.entry(message).or_default() += 1);
    let equal = stored.remove("the same again").unwrap_or(0);
    assert_eq!(stored.len(), RECORDS - EQUAL, "records unlike any other");
    assert!(stored.values().all(|count| *count == 1), "each is stored once");
    assert!(equal.abs_diff(EQUAL) <= MISTAKEN, "{equal} equal records of {EQUAL}");
}

/// The files in which RabbitMQ keeps large bodies.
fn files_of_bodies(stack: &Stack) -> BTreeSet<PathBuf> {
    let is_persistent = |file: &PathBuf| file.to_string_lossy().contains("/msg_store_persistent/");
    files(stack, "rdq").into_keys().filter(is_persistent).collect()
}

/// RabbitMQ deletes a file of large bodies as soon as all of them are acknowledged. Killed then, it has forgotten the
/// acknowledgements, and redelivers only the records whose bodies are in another file.
#[test]
fn a_large_record_that_comes_again_alone_is_stored_once() {
    const BODY_BYTES: usize = 20_000;
    /// of each file
    const FILE_BYTES: usize = 16 << 20;
    const ROUNDS: usize = 3;
    let ini = index("large").replace("threads = 2", "threads = 1");
    let stack = Stack::private("large", &ini);
    let (mut published, mut redelivered) = (0, 0);
    for _ in 0..ROUNDS {
        let mut publisher = Publisher::to_queue(&stack.amqp, "large");
        let mut publish = |records: usize| {
            let numbers = published..published + records;
            let message = |n| format!(r#"{{"message":"record {n}","filler":"{}"}}"#, "-".repeat(BODY_BYTES));
            publisher.publish("logstash", "large.key", numbers.map(message));
            published += records;
        };
        // up to the first record of the next file
        let begun = files_of_bodies(&stack);
        publish(FILE_BYTES / BODY_BYTES * 9 / 10);
        while files_of_bodies(&stack).is_subset(&begun) {
            publish(1);
        }
        publish(1);
        publisher.close();
        let full = files_of_bodies(&stack);
        let newest = full.difference(&begun).next().unwrap();
        let alco = Alco::spawn(&stack, &ini);
        let deadline = Instant::now() + LONG;
        while files_of_bodies(&stack).iter().any(|file| file != newest) {
            assert!(Instant::now() < deadline, "RabbitMQ deleted no file of {full:?}");
        }
        kill_broker_now(&stack);
        wait_until("all are acknowledged", LONG, || {
            let queues =
                stack.rabbitmqctl(&["list_queues", "--quiet", "--no-table-headers", "name", "messages", "consumers"]);
            queues.lines().any(|queue| queue == "large\t0\t1").then_some(())
        });
        redelivered += alco.metric("alco_records_redelivered_total{index=\"large\"}");
        check(&stack, alco, "large", published, 0, true);
    }
    assert!(redelivered > 0, "RabbitMQ forgot no acknowledgement");
}
