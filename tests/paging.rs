//! Paging while records arrive: no record is skipped or shown twice, though thousands have the same time and many are equal. Two
//! alcos give the pages in turn, as one stream of two indexes.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::support::{Alco, LONG, Publisher, SOON, Stack, try_get};

const RECORDS: usize = 5000;
/// Each message is sent this number of times, equal in every byte.
const EQUAL_RECORDS: usize = 20;
const RECORDS_PER_PAGE: usize = 97;

fn record(time: Timestamp, message: &str) -> String {
    format!(r#"{{"@timestamp":"{time}","message":"{message}"}}"#)
}

/// Follows the links of that name from an address on, at both alcos in turn. Returns docids and messages, the address of the last
/// page, and the number of pages.
#[track_caller]
fn walk(alcos: &[Alco; 2], first: String, link: &str) -> (HashSet<(u64, String)>, String, usize) {
    let (mut seen, mut path, mut pages) = (HashSet::new(), first, 0);
    loop {
        let reply = try_get(&format!("{}{path}", alcos[pages % 2].url)).unwrap();
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        let page: Value = serde_json::from_str(&reply.body).unwrap();
        pages += 1;
        for log in page["results"].as_array().unwrap() {
            let (id, message) = (log["id"].as_u64().unwrap(), log["logline"].as_str().unwrap());
            assert!(seen.insert((id, message.to_owned())), "{message} came twice, {link}, page {pages}");
        }
        match page[link].as_str() {
            Some(next) => path = next.trim_start_matches(&alcos[(pages - 1) % 2].url).to_owned(),
            None => return (seen, path, pages),
        }
    }
}

#[test]
fn pages_show_each_record_once_while_others_arrive() {
    let stack = Stack::shared();
    let ini = stack.index("paging") + &stack.index("paging_too");
    let alcos = [Alco::start(stack, &ini), Alco::start(stack, &ini)];
    let time = Timestamp::now() - SignedDuration::from_secs(60);
    let mut publisher = Publisher::open(&stack.amqp);
    let indexes = ["paging", "paging_too"];
    for index in indexes {
        let message = |n: usize| format!("{index} {}", n / EQUAL_RECORDS);
        publisher.publish("logstash", &format!("{index}.key"), (0..RECORDS / 2).map(|n| record(time, &message(n))));
        stack.settled_count(index, RECORDS as u64 / 2, SOON * 2);
    }

    let range = format!("start_ts={}&end_ts={}", time - SignedDuration::from_secs(1), Timestamp::now());
    let address = |order: &str| format!("/api/grep/paging,paging_too/?{range}&limit={RECORDS_PER_PAGE}{order}");
    let over = AtomicBool::new(false);
    let (walks, arrived) = thread::scope(|scope| {
        let arriving = scope.spawn(|| {
            let mut arrived = 0;
            // a limit, or a slow walk would never come to its end
            while !over.load(Relaxed) && arrived < 2 * RECORDS {
                // before, among and after the first records
                let times = [-500, 0, 0, 500].map(|millis| time + SignedDuration::from_millis(millis));
                for index in indexes {
                    let bodies = times.iter().map(|time| record(*time, &format!("arrived in {index}")));
                    publisher.publish("logstash", &format!("{index}.key"), bodies);
                    arrived += times.len();
                }
            }
            arrived
        });
        let walks = ["", "&order=desc"].map(|order| {
            let (there, last, _) = walk(&alcos, address(order), "next");
            let (back, _, pages) = walk(&alcos, last, "previous");
            (there, back, pages)
        });
        over.store(true, Relaxed);
        (walks, arriving.join().unwrap())
    });
    for (there, back, pages) in &walks {
        assert!(*pages > RECORDS / RECORDS_PER_PAGE);
        for seen in [there, back] {
            let mut counts: HashMap<&str, usize> = HashMap::new();
            for (_, message) in seen.iter().filter(|(_, message)| !message.starts_with("arrived")) {
                *counts.entry(message).or_default() += 1;
            }
            assert!(
                counts.len() == RECORDS / EQUAL_RECORDS && counts.values().all(|count| *count == EQUAL_RECORDS),
                "{counts:?}"
            );
        }
    }
    assert!(arrived > 0 && walks.iter().any(|(there, ..)| there.len() > RECORDS), "others arrived meanwhile");
}

#[test]
fn seq_orders_the_records_of_one_microsecond() {
    // a clock of nanoseconds, as some producers count
    const FIRST: i64 = 5_000_000_000_000_000_000;
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("in_sequence"));
    let time = Timestamp::now() - SignedDuration::from_secs(60);
    let body = |n: i64| format!(r#"{{"@timestamp":"{time}","message":"record {n}","seq":{}}}"#, FIRST + n);
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "in_sequence.x", [4, 0, 8, 2, 6, 1, 5, 3, 7].map(body));
    stack.settled_count("in_sequence", 9, SOON);

    for order in ["asc", "desc"] {
        let mut path = format!("/api/grep/in_sequence/?start_ts=-1h&order={order}&limit=2");
        let mut found = Vec::new();
        loop {
            let page: Value = serde_json::from_str(&alco.get(&path).body).unwrap();
            let logs = page["results"].as_array().unwrap().iter().cloned();
            found.extend(logs.map(|log| log["js"]["seq"].as_i64().unwrap() - FIRST));
            let Some(next) = page["next"].as_str() else { break };
            path = next.trim_start_matches(&alco.url).to_owned();
        }
        if order == "desc" {
            found.reverse();
        }
        assert_eq!(found, (0..9).collect::<Vec<i64>>(), "{order}");
    }
    let lines = alco.page("/grep/in_sequence/?start_ts=-1h").lines();
    let record = alco.page(&format!("/grep/in_sequence/at/{}/", lines[0].place));
    let permanent = record.link("rel=\"bookmark\"").unwrap();
    let place = permanent.rsplit('/').nth(1).unwrap();
    let [at, seq, digest] = place.split('.').collect::<Vec<_>>()[..] else { panic!("{permanent}") };
    let sent = FIRST + lines[0].message.strip_prefix("record ").unwrap().parse::<i64>().unwrap();
    for seq in [seq, &sent.to_string()] {
        let page = alco.page(&format!("/grep/in_sequence/at/{at}.{seq}.{digest}/"));
        assert!(page.html.contains(&lines[0].message), "{seq}");
    }
}

/// A client decides how many records a page has, and a producer how long they are: together they are bounded.
#[test]
fn a_page_of_long_records_ends_early() {
    const LONG_RECORDS: usize = 12;
    let stack = Stack::shared();
    let ini = stack.index("paging_long");
    let alcos = [Alco::start(stack, &ini), Alco::start(stack, &ini)];
    let time = Timestamp::now() - SignedDuration::from_secs(60);
    let mut publisher = Publisher::open(&stack.amqp);
    let long =
        |n: usize| record(time + SignedDuration::from_millis(n as i64), &format!("{n} {}", "long ".repeat(600_000)));
    publisher.publish("logstash", "paging_long.key", (0..LONG_RECORDS).map(long));
    stack.settled_count("paging_long", LONG_RECORDS as u64, LONG);

    for order in ["", "&order=desc"] {
        let (forth, last, pages) =
            walk(&alcos, format!("/api/grep/paging_long/?start_ts=-1h&limit=100{order}"), "next");
        assert_eq!(forth.len(), LONG_RECORDS, "{order}");
        assert!(pages > 1, "of 36 MiB, {order}");
        let (back, _, pages) = walk(&alcos, last, "previous");
        assert_eq!(back.len(), LONG_RECORDS, "{order}");
        assert!(pages > 1, "of 36 MiB, back, {order}");
    }
    let first = alcos[0].get("/grep/paging_long/?start_ts=-1h&limit=1&format=ndjson").body;
    let id = first.rsplit("\"@id\":\"").next().and_then(|id| id.split('"').next()).unwrap();
    let page = alcos[0].get(&format!("/grep/paging_long/at/{id}/1000-1000/"));
    assert_eq!(page.status, 200);
    assert!(page.body.contains("the lines around the record are too long to show all of them"));
}
