//! Records go from a real logger to the page: all of them, once each, by every kind of search.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::page::{Page, text};
use crate::support::{Alco, Publisher, ROOT, SOON, Stack, encoded, wait_until};

/// There are two producers.
const RECORDS_PER_PRODUCER: usize = 5000;

/// Runs tests/producer.py, which ends when the broker has all its records.
#[track_caller]
fn logcollect(stack: &Stack, routing_key: &str, count: usize) {
    let root = PathBuf::from(ROOT);
    let own = root.join("target/venv/bin/python");
    let python = if own.exists() { own } else { "python3".into() };
    let (_, address) = stack.amqp.rsplit_once('@').unwrap();
    let (host, port) = address.split('/').next().unwrap().split_once(':').unwrap();
    let mut producer = Command::new(python);
    producer.arg(root.join("tests/producer.py")).args([host, port, "logstash", routing_key, &count.to_string()]);
    let output = producer.output().unwrap();
    assert!(output.status.success(), "tests/producer.py: {}", String::from_utf8_lossy(&output.stderr));
}

/// A message with characters that mean something to tokenizers, SQL, MATCH, HTML and URLs.
fn message(n: usize) -> String {
    let odd =
        ["100%", "日本語", "a_b-c", "\"quoted\"", "it's", r"C:\new\table", "<b>&amp;</b>", "$x*(y)|[z]?", "naïve ☃"];
    format!("{n:05} timeout={} from 10.0.{}.{}: {}", n % 60, n % 16, n % 256, odd[n % odd.len()])
}

fn record(n: usize, start: Timestamp) -> String {
    // ten of them have the same time, and come in an order of their own
    let at = start + SignedDuration::from_millis((n / 10 * 3571 % 3_400_000) as i64);
    let level = ["DEBUG", "INFO", "INFO", "WARNING", "ERROR"][n % 5];
    // one producer sends it as a number, the other as a text
    json!({"@timestamp": at.to_string(), "message": message(n), "seq": n % 4, "levelname": level, "application": "shop",
        "host": format!("web-{:02}.example", n % 7), "logger": "stock", "status": (200 + n % 3).to_string()})
    .to_string()
}

/// Follows a link from page to page. Returns the number of times that each message was shown, the number of pages, and the
/// address of the last one.
fn along(alco: &Alco, from: &str, link: &str) -> (BTreeMap<String, usize>, usize, String) {
    let (mut seen, mut pages, mut path) = (BTreeMap::new(), 0, from.to_owned());
    loop {
        let page = alco.page(&path);
        pages += 1;
        for line in page.lines() {
            *seen.entry(line.message).or_default() += 1;
        }
        match page.link(link) {
            Some(next) => path = next,
            None => return (seen, pages, path),
        }
    }
}

#[test]
fn ten_thousand_records_are_on_the_pages_once_each() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("collect"));
    let start = Timestamp::now() - SignedDuration::from_secs(3600);

    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "collect.shop", (0..RECORDS_PER_PRODUCER).map(|n| record(n, start)));
    publisher.close();
    logcollect(stack, "collect.web", RECORDS_PER_PRODUCER - 1);

    let mut sent: BTreeMap<String, usize> = (0..RECORDS_PER_PRODUCER).map(|n| (message(n), 1)).collect();
    sent.extend((0..RECORDS_PER_PRODUCER - 1).map(|n| (format!("hello world {n}"), 1)));
    sent.insert("hello exception".to_owned(), 1);
    assert_eq!(sent.len(), 2 * RECORDS_PER_PRODUCER);

    let range = format!("start_ts={}", start - SignedDuration::from_secs(1));
    let all = format!("/grep/collect/?{range}");
    wait_until("all records are collected", 3 * SOON, || {
        (alco.page(&format!("{all}&limit=1")).total() >= 2 * RECORDS_PER_PRODUCER as u64).then_some(())
    });

    paging_shows_all(&alco, &all, &sent);
    searching_finds_what_grep_would(&alco, &all, &sent);
    filters_find_what_they_say(&alco, &all, &sent);
    assert!(alco.stop().success());
}

/// Paging through, there and back, and in the other order.
#[track_caller]
fn paging_shows_all(alco: &Alco, all: &str, sent: &BTreeMap<String, usize>) {
    let first = format!("{all}&limit=1000&order=asc");
    let (seen, pages, last) = along(alco, &first, "rel=\"next\"");
    assert!(seen == *sent, "forwards: {}", difference(sent, &seen));
    assert_eq!(pages, 10);
    let (seen, pages, _) = along(alco, &last, "rel=\"prev\"");
    assert!(seen == *sent, "backwards: {}", difference(sent, &seen));
    assert_eq!(pages, 10);
    let (seen, ..) = along(alco, &format!("{all}&limit=1000"), "rel=\"next\"");
    assert!(seen == *sent, "newest first: {}", difference(sent, &seen));
}

/// Patterns from one character to whole words.
const NEEDLES: &[&str] = &[
    "imeout=5",
    "timeout=59 from",
    "10.0.0.",
    ".255: ",
    "%",
    "00% ",
    "日本",
    "本語",
    "A_B-C",
    "b-c",
    "\"quoted\"",
    "\"",
    "it's",
    "'",
    r"c:\NEW",
    r"\",
    r"\t",
    "<b>",
    "&amp;",
    "</b",
    "$x*(y)|[z]?",
    "*",
    "|",
    "[z]",
    "NAÏVE",
    "☃",
    " ",
    "e",
    "7",
    "00042",
    "hello world 77",
    "HELLO",
    "world 4999",
    "hello exception",
    "no such text",
    "from 10.0.3.19: \"q",
    "@",
    "%25",
];

/// A search finds exactly the lines that grep -F -i would print.
#[track_caller]
fn searching_finds_what_grep_would(alco: &Alco, all: &str, sent: &BTreeMap<String, usize>) {
    let search = |search: &str| format!("{all}&search={}", encoded(search));
    for needle in NEEDLES {
        let folded = needle.to_lowercase();
        let expected: BTreeMap<String, usize> = sent
            .iter()
            .filter(|(message, _)| message.to_lowercase().contains(&folded))
            .map(|(m, n)| (m.clone(), *n))
            .collect();
        let page = alco.page(&(search(needle) + "&limit=1000"));
        assert_eq!(page.total(), expected.len() as u64, "search={needle}");
        let lines = page.lines();
        assert_eq!(lines.len(), expected.len().min(1000), "search={needle}");
        for line in lines {
            assert!(expected.contains_key(&line.message), "search={needle}: {line:?}");
            // matches that touch are one mark
            let marked = |mark: &String| mark.to_lowercase().replace(&folded, "").is_empty();
            assert!(line.marks.iter().all(marked) && !line.marks.is_empty(), "search={needle}: {line:?}");
        }
    }
    let (seen, ..) = along(alco, &(search("hello") + "&limit=1000"), "rel=\"next\"");
    assert_eq!(
        seen,
        sent.range("hello".to_owned()..)
            .filter(|(m, _)| m.starts_with("hello"))
            .map(|(m, n)| (m.clone(), *n))
            .collect()
    );
}

/// Every record has one of the levels, and the link of its level finds it.
#[track_caller]
fn filters_find_what_they_say(alco: &Alco, all: &str, sent: &BTreeMap<String, usize>) {
    let page = alco.page(all);
    for column in ["levelname", "host", "application"] {
        let values = page.values(column);
        assert_eq!(
            values.iter().map(|(_, count, _)| count).sum::<u64>(),
            2 * RECORDS_PER_PRODUCER as u64,
            "{column}: {values:?}"
        );
        for (value, count, only) in &values {
            assert_eq!(alco.page(only).total(), *count, "{column}={value}");
        }
    }
    let mut seen = BTreeMap::new();
    for (_, _, only) in page.values("levelname") {
        for (message, times) in along(alco, &format!("{only}&limit=1000"), "rel=\"next\"").0 {
            *seen.entry(message).or_default() += times;
        }
    }
    assert!(seen == *sent, "by level: {}", difference(sent, &seen));
    let by = |filter: &str| alco.page(&format!("{all}&{filter}")).total() as usize;
    let each = |of: &dyn Fn(usize) -> bool| (0..RECORDS_PER_PRODUCER).filter(|n| of(*n)).count();
    assert_eq!(by("host=web-03.example&levelname=ERROR"), each(&|n| n % 7 == 3 && n % 5 == 4));
    assert_eq!(by("host=web-03.example&host=web-04.example"), each(&|n| matches!(n % 7, 3 | 4)));
    assert_eq!(by("host__like=web-0*.exam"), RECORDS_PER_PRODUCER);
    // the exception has no status
    let sent_as_number = |rest| (0..RECORDS_PER_PRODUCER - 1).filter(|n| n % 3 == rest).count();
    assert_eq!(by("status=201"), each(&|n| n % 3 == 1) + sent_as_number(1));
    assert_eq!(by("status__exists=0"), 1);
    assert_eq!(by("status__not=200,201"), each(&|n| n % 3 == 2) + sent_as_number(2) + 1);
}

/// The first messages whose number differs from the number sent.
fn difference(sent: &BTreeMap<String, usize>, seen: &BTreeMap<String, usize>) -> String {
    let wrong: Vec<_> = sent
        .keys()
        .chain(seen.keys().filter(|message| !sent.contains_key(*message)))
        .filter(|message| sent.get(*message) != seen.get(*message))
        .map(|message| format!("{message:?} {} times", seen.get(message).unwrap_or(&0)))
        .collect();
    format!("{} wrong: {:?}", wrong.len(), &wrong[..wrong.len().min(5)])
}

/// Waits for a page for which `is` holds.
fn until(alco: &Alco, path: &str, is: impl Fn(&Page) -> bool) -> Page {
    wait_until(&format!("{path} is complete"), SOON, || Some(alco.page(path)).filter(&is))
}

#[test]
fn logged_records_appear_on_the_page() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("producer"));
    logcollect(stack, "producer.web", 1);
    let logged = Instant::now();
    let page = until(&alco, "/grep/producer/?order=asc", |page| page.lines().len() == 2);
    println!("on the page after {:?}; alco promises 2 s on an idle machine", logged.elapsed());

    let lines = page.lines();
    assert_eq!(lines[0].message, "hello world 0");
    assert_eq!(lines[0].cells[0], "INFO");
    assert_eq!(lines[0].cells[2], "shop.cart");
    assert_eq!((lines[1].message.as_str(), lines[1].cells[0].as_str()), ("hello exception", "ERROR"));
    // the traceback folds under its line, and its summary names the exception
    let (summary, whole) = lines[1].folded.split_once("</summary>").unwrap();
    assert!(text(summary).contains("KeyError: 'missing'"), "{summary}");
    assert!(text(whole).contains("Traceback (most recent call last):\n  File"), "{whole}");

    // every field that was logged with it
    let record = alco.page(&format!("/grep/producer/at/{}/", lines[0].place));
    for (name, value) in [
        ("user", "анна"),
        ("status", "200"),
        ("seconds", "0.0"),
        ("request_id", "00000000"),
        ("project", "shop"),
        ("application", "backend"),
        ("logger", "shop.cart"),
    ] {
        let (_, rest) = record.html.split_once(&format!(">{name}</a></dt>")).unwrap_or_else(|| panic!("no {name}"));
        let shown = text(rest.split("</dd>").next().unwrap().split("<span").next().unwrap());
        assert_eq!(shown.trim(), value, "{name}");
    }
    assert!(record.html.contains(">nested.cart</a></dt>"), "{}", text(&record.html));
}

#[test]
fn malformed_records_are_shown_with_their_error() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("malformed"));
    let now = Timestamp::now();
    let bodies: [(&[u8], &str); 6] = [
        (b"plain text, no JSON", "JSON"),
        (br#"["an", "array"]"#, "object"),
        (br#"{"message": "no time"}"#, "@timestamp"),
        (br#"{"@timestamp": "yesterday, I think", "message": "unreadable time"}"#, "@timestamp"),
        (b"{\"message\": \"not UTF-8: \xff\xfe\"}", "UTF-8"),
        (b"", ""),
    ];
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "malformed.x", bodies.iter().map(|(body, _)| *body));
    let no_message = format!(r#"{{"@timestamp": "{now}", "levelname": "INFO", "host": "web-01"}}"#);
    publisher.publish("logstash", "malformed.x", [no_message]);
    publisher.close();

    let page = until(&alco, "/grep/malformed/?columns=alco_error", |page| page.lines().len() == bodies.len() + 1);
    let lines = page.lines();
    let error = |message: &str| {
        let line = lines.iter().find(|line| line.message.contains(message));
        line.unwrap_or_else(|| panic!("no {message:?} in {lines:?}")).cells[0].clone()
    };
    for line in &lines {
        assert!(line.cells[0].len() > 1, "nothing is wrong with {line:?}");
    }
    for (message, what) in [
        ("plain text, no JSON", "JSON"),
        (r#"["an", "array"]"#, "object"),
        ("no time", "@timestamp"),
        ("unreadable time", "@timestamp"),
        ("not UTF-8", "UTF-8"),
    ] {
        assert!(error(message).contains(what), "{message}: {}", error(message));
    }
    assert_eq!(alco.page("/grep/malformed/?alco_error__like=message").lines().len(), 1);
}
