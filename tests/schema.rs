//! The `indexed` columns change while older day indexes stay: records are stored with the fields that each day index has, searches
//! stay exact, and alco shows the first day on which a column has its field.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::support::{ALCO, Alco, LONG, Publisher, SOON, Stack, queue_state, wait_until};

const STATUS: [&str; 3] = ["paid", "open-7f3a", "lost cause"];
const HOST: [&str; 4] = ["alpha", "beta", "gamma-paid", "open"];

fn index(indexed: &str) -> String {
    format!("[index schema]\ndays = 2\nrouting_keys = schema.#\nindexed = {indexed}\n")
}

fn publish(stack: &Stack, numbers: std::ops::Range<usize>, at: Timestamp) {
    let body = |n: usize| {
        let (status, host) = (STATUS[n % 3], HOST[n % 4]);
        format!(r#"{{"@timestamp":"{at}","message":"m","seq":{n},"status":"{status}","host":"{host}"}}"#)
    };
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "schema.key", numbers.map(body));
    publisher.close();
}

/// Each filter finds what a plain look at the `stored` records finds.
#[track_caller]
fn check(alco: &Alco, stored: usize) {
    for (column, values) in [("status", &STATUS[..]), ("host", &HOST)] {
        for text in values.iter().chain(&["pai", "7f3", "o", "nowhere"]) {
            for (filter, is_like) in [(column.to_owned(), false), (format!("{column}__like"), true)] {
                let expected: BTreeSet<usize> = (0..stored)
                    .filter(|n| match values[n % values.len()] {
                        value if is_like => value.contains(text),
                        value => value == *text,
                    })
                    .collect();
                let url = format!("/grep/schema/?start_ts=-1h&end_ts=2099-01-01&{filter}={}", text.replace(' ', "%20"));
                let seq = |line: &str| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap() as usize;
                let found: BTreeSet<usize> = alco.get(&format!("{url}&format=ndjson")).body.lines().map(seq).collect();
                assert_eq!(found, expected, "{url}");
                assert_eq!(alco.page(&url).total(), expected.len() as u64, "{url}");
            }
        }
    }
}

fn fields(stack: &Stack, day: Timestamp) -> Vec<String> {
    let day = day.to_zoned(TimeZone::UTC).strftime("%Y%m%d");
    let names = stack.select(&format!("DESCRIBE schema_{day}")).unwrap();
    names.into_iter().filter(|name| name.starts_with("x_")).collect()
}

#[test]
fn indexed_columns_change_and_records_flow_on() {
    let old = index("status");
    let stack = Stack::private("schema", &old);
    let (now, day) = (Timestamp::now(), SignedDuration::from_hours(24));
    let dashed = |at: Timestamp| at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string();
    let alco = Alco::start(&stack, &old);
    publish(&stack, 0..24, now);
    stack.settled_count("schema", 24, SOON);
    check(&alco, 24);
    assert!(!alco.page("/grep/schema/columns/").html.contains(" on</span>"), "every day has its field");
    assert!(alco.stop().success());

    // one column more and one less, and searchd has not read the new configuration
    let new = index("host");
    let alco = Alco::start(&stack, &new);
    publish(&stack, 24..48, now);
    stack.settled_count("schema", 48, SOON);
    check(&alco, 48);
    let since = format!("from {} on", dashed(now + day + day + day));
    let page = alco.page("/grep/schema/columns/").html;
    assert!(page.contains(&since), "no '{since}' in {page}");
    let output = Command::new(ALCO).args(["check", "--config"]).arg(&alco.ini).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let line = format!("ok       index schema: column 'host' is indexed {since}");
    assert!(said.contains(&line), "no '{line}' in {said}");
    assert_eq!(alco.logged("trying again"), 0, "{}", alco.log());
    assert!(alco.stop().success());

    // the alco with the old alco.ini looks in its field for records that the other one has stored
    let alco = Alco::start(&stack, &old);
    check(&alco, 48);
    assert!(alco.stop().success());

    // searchd dies and reads the new configuration, while records come
    let alco = Alco::start(&stack, &new);
    let ini = stack.dir().join("alco.ini");
    fs::write(&ini, fs::read_to_string(&ini).unwrap().replace("indexed = status", "indexed = host")).unwrap();
    publish(&stack, 48..60, now);
    stack.kill("searchd");
    publish(&stack, 60..72, now);
    stack.restart("searchd");
    stack.settled_count("schema", 72, LONG);
    assert_eq!(fields(&stack, now), ["x_status"], "its fields were decided before the first record");
    // a day without records is declared as configured now
    let tomorrow = now + SignedDuration::from_mins(24 * 60 - 5);
    publish(&stack, 72..96, tomorrow);
    stack.settled_count("schema", 96, LONG);
    assert_eq!(fields(&stack, tomorrow), ["x_host"]);
    assert!(alco.stop().success());
    let alco = Alco::start(&stack, &new);
    check(&alco, 96);
    let since = format!("from {} on", dashed(now + day));
    let page = alco.page("/grep/schema/columns/").html;
    assert!(page.contains(&since), "no '{since}' in {page}");
    wait_until("all are acknowledged", SOON, || queue_state(&stack.amqp, "schema").filter(|queue| queue.messages == 0));
    assert!(alco.stop().success());
    assert_eq!(stack.count("schema"), Some(96), "each once");
    assert!(queue_state(&stack.amqp, "schema.dead").is_none(), "none was dead-lettered");
}

#[test]
fn columns_of_nearly_one_name_have_a_field_each() {
    const ALL: &str = "user_agent, user-agent, User-Agent";
    let index =
        |name: &str, indexed: &str| format!("[index {name}]\ndays = 2\nrouting_keys = {name}.#\nindexed = {indexed}\n");
    let stack = Stack::private("names", &[index("names", "user-agent"), index("all", ALL)].concat());
    let mut publisher = Publisher::open(&stack.amqp);
    // after a change, today's index has the field of the old name, and is asked for the new one
    for (name, run, indexed) in
        [("names", 0, "user-agent"), ("names", 1, "user_agent"), ("names", 2, ALL), ("all", 0, ALL)]
    {
        let alco = Alco::start(&stack, &index(name, indexed));
        let now = Timestamp::now();
        let record = |n: usize| {
            format!(
                r#"{{"@timestamp":"{now}","message":"{run} {n}","user-agent":"curl","user_agent":"w{n}","User-Agent":"x"}}"#
            )
        };
        publisher.publish("logstash", &format!("{name}.key"), (0..5).map(record));
        let stored = 5 * (run + 1);
        stack.settled_count(name, stored as u64, SOON);
        for (filter, found) in [
            ("user-agent=curl", stored),
            ("user_agent=w3", run + 1),
            ("user_agent=curl", 0),
            ("user-agent=w3", 0),
            ("User-Agent=x", stored),
            ("User-Agent=curl", 0),
        ] {
            let reply = alco.get(&format!("/grep/{name}/?start_ts=-1h&format=ndjson&{filter}"));
            assert_eq!(reply.body.lines().count(), found, "{name}, indexed = {indexed}: {filter}");
        }
        assert!(alco.stop().success());
    }
}
