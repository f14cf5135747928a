//! The daemon's memory is bounded for records of every size, for every number of waiting records, and for the lines around a match.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::support::{Alco, Publisher, SOON, Stack, body, memory_kib, queue_state, wait_until};

/// The promise of docs/operating.md in MiB: for records up to 64 KiB, and for the largest that are stored.
const MAX_USUAL_MIB: u64 = 48;
const MAX_LARGEST_MIB: u64 = 160;
/// With two workers that get many of the largest at once.
const MAX_BURST_MIB: u64 = 112;
/// After pages and streams of any size.
const MAX_AFTER_ANSWERS_MIB: u64 = 40;

/// With two clients that have a page of the API with 16 MiB of records each, or the page of a record among long lines.
const MAX_WITH_LARGE_PAGES_MIB: u64 = 96;

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

/// The broker sends by the limit that fits the small messages before, as long as nothing is stored.
#[test]
fn large_messages_that_come_together_after_small_ones_wait_at_the_broker() {
    const SMALL: usize = 3000;
    const LARGE: usize = 40;
    let ini = "[index burst]\ndays = 2\nrouting_keys = burst.#\n\
               [index quorum]\ndays = 2\nqueue_type = quorum\nrouting_keys = burst.#\n";
    let stack = Stack::private("burst", ini);
    let alco = Alco::start(&stack, ini);
    let mut publisher = Publisher::open(&stack.amqp);
    let mut published = 0;
    let mut publish = |bodies: Vec<String>| {
        published += bodies.len();
        publisher.publish("logstash", "burst.key", bodies);
        published as u64
    };
    let stored = |count| ["burst", "quorum"].map(|index| stack.settled_count(index, count, SOON * 3));
    stored(publish((0..SMALL).map(|n| body(&message(100, n))).collect()));

    stack.pause("searchd");
    let payload = "x".repeat((39 << 20) / 10);
    let large = |n| format!(r#"{{"message":"large {n}","payload":"{payload}"}}"#);
    publish(vec![body("the worker waits for searchd to store this")]);
    let count = publish((0..LARGE).map(large).collect());
    let consumers = || {
        let listed = stack.rabbitmqctl(&["-q", "list_consumers", "--no-table-headers", "queue_name", "prefetch_count"]);
        listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    wait_until("both connections are given up", SOON, || consumers().is_empty().then_some(()));
    stack.resume("searchd");
    for index in ["burst", "quorum"] {
        let messages = stack.settled(index, count, SOON * 3);
        assert_eq!((messages.len() as u64, stack.count(index)), (count, Some(count)), "{index}: each once");
    }
    let peak = memory_kib(alco.pid(), "VmHWM").unwrap() / 1024;
    println!("{peak} MiB");
    assert!(peak < MAX_BURST_MIB, "{peak} MiB");
    assert_eq!(alco.logged("came together after smaller ones"), 2, "once for each index: {}", alco.log());

    stored(publish((0..SMALL).map(|n| body(&message(100, n + SMALL))).collect()));
    let usual = || consumers().contains(&"quorum 128".to_owned()).then_some(());
    wait_until("the usual limit of the quorum queue", SOON, usual);
    assert!(alco.stop().success());
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

/// Each character of these messages has six in JSON, and stands in two members.
#[test]
fn a_client_of_the_api_holds_records_not_their_json() {
    const BYTES: usize = 900_000;
    const RECORDS: u64 = 40;
    let ini = "[index controls]\ndays = 2\nrouting_keys = controls.#\n";
    let stack = Stack::private("controls", ini);
    let mut publisher = Publisher::to_queue(&stack.amqp, "controls");
    let message = "\u{1}".repeat(BYTES);
    publisher.publish("logstash", "controls.key", (0..RECORDS).map(|_| &message));
    publisher.close();
    let alco = Alco::start(&stack, ini);
    wait_until("all are stored", SOON, || stack.count("controls").filter(|n| *n == RECORDS));
    assert!(alco.stop().success());

    let alco = Alco::start(&stack, ini);
    let path = "/api/grep/controls/?start_ts=-1h&order=desc&limit=";
    two_readers_hold_little(&alco, &format!("{path}40"));

    // the page is whole, as it was sent
    let url = format!("{}{path}3", alco.url);
    for form in [&["--http1.1"][..], &["--http1.0"], &["--compressed"]] {
        let output = Command::new("curl").args(["-sSf"]).args(form).arg(&url).output().unwrap();
        assert!(output.status.success(), "{form:?}: {}", String::from_utf8_lossy(&output.stderr));
        let page: Value = serde_json::from_slice(&output.stdout).unwrap();
        let results = page["results"].as_array().unwrap();
        assert!(results.len() == 3 && page["next"].is_string() && page["previous"].is_null(), "{form:?}");
        for record in results {
            assert!(record["logline"] == *message && record["logline_snippet"] == *message, "{form:?}");
        }
    }
    let output = Command::new("curl").args(["-sSI"]).arg(&url).output().unwrap();
    let head = String::from_utf8(output.stdout).unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("Content-Type: application/json\r\n"), "{head}");
    assert!(alco.stop().success());
}

/// Two clients that have read the head of their large page and nothing more keep alco within its bound.
#[track_caller]
fn two_readers_hold_little(alco: &Alco, path: &str) {
    // each holds its page, of which it has read the head
    let readers = [(); 2].map(|()| {
        let mut stream = TcpStream::connect(alco.url.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut begin = [0; 4096];
        stream.read_exact(&mut begin).unwrap();
        assert!(begin.starts_with(b"HTTP/1.1 200"));
        stream
    });
    let peak = memory_kib(alco.pid(), "VmHWM").unwrap() / 1024;
    println!("{peak} MiB");
    assert!(peak < MAX_WITH_LARGE_PAGES_MIB, "{peak} MiB");
    drop(readers);
}

/// Each character of these messages has two bytes, and 14 in HTML.
#[test]
fn a_client_of_a_record_page_holds_records_not_their_html() {
    const CHARS: usize = 450_000;
    const LINES: usize = 1000;
    let ini = "[index around]\ndays = 2\nrouting_keys = around.#\n";
    let stack = Stack::private("around", ini);
    let mut publisher = Publisher::to_queue(&stack.amqp, "around");
    let (line, record) = ("\u{80}".repeat(4000), format!("the record {}", "\u{80}".repeat(CHARS)));
    let lines = || std::iter::repeat_n(&line, LINES);
    publisher.publish("logstash", "around.key", lines().chain([&record]).chain(lines()));
    publisher.close();
    let alco = Alco::start(&stack, ini);
    wait_until("all are stored", SOON, || stack.count("around").filter(|n| *n == 2 * LINES as u64 + 1));
    let search = alco.get("/grep/around/?start_ts=-1h&search=the+record").body;
    let (_, line) = search.split_once("class=t href=").expect("a link to the record");
    let (_, place) = line.split_once("at/").expect("a record's address");
    let path = format!("/grep/around/at/{}/{LINES}-{LINES}/", place.split_once('/').unwrap().0);
    assert!(alco.stop().success());

    let alco = Alco::start(&stack, ini);
    two_readers_hold_little(&alco, &path);

    // the page is whole, and so is its JSON
    let url = format!("{}{path}", alco.url);
    for form in [&["--http1.1"][..], &["--http1.0"], &["--compressed"]] {
        let curl = |url: &str| {
            let output = Command::new("curl").args(["-sSf"]).args(form).arg(url).output().unwrap();
            assert!(output.status.success(), "{form:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let page = curl(&url);
        let (_, message) = page.split_once("<pre class=\"message\">the record ").expect("the record's message");
        let (message, _) = message.split_once("</pre>").unwrap();
        assert_eq!(message.matches("&lt;U+0080&gt;").count(), CHARS, "{form:?}");
        assert!(page.ends_with("</html>"), "{form:?}");
        let json: Value = serde_json::from_str(&curl(&format!("{url}?format=json"))).unwrap();
        assert!(json["message"] == *record, "{form:?}");
    }
    assert!(alco.stop().success());
}
