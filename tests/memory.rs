//! The daemon's memory is bounded for records of every size, for every number of waiting records, and for the lines around a match.

use std::thread;

use crate::support::{Alco, Publisher, SOON, Stack, body, memory_kib, queue_state, wait_until};

/// The promise of docs/operating.md in MiB: for records up to 64 KiB, and for the largest that are stored.
const MAX_USUAL_MIB: u64 = 48;
const MAX_LARGEST_MIB: u64 = 160;
/// After pages and streams of any size.
const MAX_AFTER_ANSWERS_MIB: u64 = 40;

/// A message of that size, of words as logs have them, and some quotes to escape.
fn message(size: usize, n: usize) -> String {
    let words =
        ["request", "finished", "user='7'", "timed out", "queue", "10.0.7.12", "GET", "/cart/", "status=\"200\""];
    let mut text = format!("record {n}");
    while text.len() < size {
        text.push(' ');
        text.push_str(words[(text.len() + n) % words.len()]);
    }
    text
}

#[test]
fn memory_is_bounded_for_records_of_every_size() {
    let ini = "[index memory]\ndays = 2\nthreads = 2\nrouting_keys = memory.#\n";
    let stack = Stack::private("memory", ini);
    let mut publisher = Publisher::to_queue(&stack.amqp, "memory");
    let mut published = 0;
    for (size, count, bound) in [(64 << 10, 1500, MAX_USUAL_MIB), ((39 << 20) / 10, 30, MAX_LARGEST_MIB)] {
        publisher.publish("logstash", "memory.key", (0..count).map(|n| body(&message(size - 100, n))));
        published += count as u64;
        let alco = Alco::start(&stack, ini);
        wait_until("all are stored", SOON * 3, || stack.count("memory").filter(|n| *n >= published));
        let peak = || memory_kib(alco.pid(), "VmHWM").unwrap() / 1024;
        let collected = peak();
        // all records are around one of them
        let page = alco.get("/grep/memory/?start_ts=-1h&search=record+17+request&context=1000");
        assert!(page.status == 200 && page.body.contains("record 17 request"), "{}", page.status);
        assert!(page.body.contains("the lines around a match are too long to show all of them"), "{size} bytes");
        let shown = peak();
        assert!(alco.stop().success());
        println!("{count} records of {size} bytes: {collected} MiB, {shown} with a page");
        assert!(
            collected < bound && shown < MAX_LARGEST_MIB,
            "{collected} and {shown} MiB for records of {size} bytes"
        );
    }
}

#[test]
fn delayed_acknowledgements_keep_no_bodies_in_memory() {
    const RECORDS: usize = 12_000;
    let ini = "[index delayed]\ndays = 2\nrouting_keys = delayed.#\n";
    let stack = Stack::private("delayed", ini);
    let mut publisher = Publisher::to_queue(&stack.amqp, "delayed");
    publisher.publish("logstash", "delayed.key", (0..RECORDS).map(|n| body(&message(1000, n))));
    publisher.close();
    // many times the number that may be delivered at a time, and none is acknowledged
    let alco = Alco::start(&stack, &format!("{ini}[rabbitmq]\nack_delay = 600s\n"));
    stack.settled("delayed", RECORDS as u64, SOON * 3);
    let peak = memory_kib(alco.pid(), "VmHWM").unwrap() / 1024;
    assert!(peak < MAX_USUAL_MIB, "{peak} MiB");
    assert!(alco.stop().success());
    let all_again = || queue_state(&stack.amqp, "delayed").filter(|queue| queue.messages == RECORDS as u32);
    wait_until("all records are ready to be redelivered", SOON, all_again);

    let alco = Alco::start(&stack, ini);
    wait_until("all are acknowledged", SOON * 3, || {
        let listed = stack.rabbitmqctl(&["-q", "list_queues", "--no-table-headers", "messages"]);
        (listed.trim() == "0").then_some(())
    });
    assert!(alco.stop().success());
    assert_eq!(stack.settled("delayed", RECORDS as u64, SOON).len(), RECORDS);
    assert_eq!(stack.count("delayed"), Some(RECORDS as u64), "nothing twice");
}

#[test]
fn memory_of_large_answers_is_given_back() {
    const RECORDS: usize = 40_000;
    const READERS: usize = 8;
    let ini = "[index answers]\ndays = 2\nrouting_keys = answers.#\nfiltered = host\n";
    let stack = Stack::private("answers", ini);
    let mut publisher = Publisher::to_queue(&stack.amqp, "answers");
    let record = |n| format!(r#"{{"message":"{}","host":"web-{}"}}"#, message(400, n).replace('"', ""), n % 20);
    publisher.publish("logstash", "answers.key", (0..RECORDS).map(record));
    publisher.close();
    let alco = Alco::start(&stack, ini);
    stack.settled("answers", RECORDS as u64, SOON * 3);
    let read = |_| {
        for format in ["", "format=ndjson", "limit=1000", "format=csv", "mode=regex&search=finished.*cart"] {
            assert_eq!(alco.get(&format!("/grep/answers/?start_ts=-1h&{format}")).status, 200);
        }
    };
    thread::scope(|readers| {
        let all = [(); READERS].map(|()| readers.spawn(|| (0..2).for_each(read)));
        all.into_iter().for_each(|reader| reader.join().unwrap());
    });
    // the pages of the program's file do not count: those of the tests' alco are many
    let used = memory_kib(alco.pid(), "RssAnon").unwrap() / 1024;
    println!("{used} MiB");
    assert!(used < MAX_AFTER_ANSWERS_MIB, "{used} MiB");
}
