//! The `indexed` columns change while older day indexes stay: records are stored with the fields that each day index has, searches
//! stay exact, and alco shows the first day on which a column has its field. So do `filtered` columns and levels, and counts stay exact.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::process::Command;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{ALCO, Alco, LONG, Publisher, SOON, Stack, is_manticore, queue_state, wait_until};

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
    // a day without records is declared as configured now; Manticore has noted how it was declared first
    let (declared, days_ahead) = if is_manticore() { ("x_status", 3) } else { ("x_host", 1) };
    let tomorrow = (now + day).to_zoned(TimeZone::UTC).start_of_day().unwrap().timestamp();
    publish(&stack, 72..96, tomorrow);
    stack.settled_count("schema", 96, LONG);
    assert_eq!(fields(&stack, tomorrow), [declared]);
    assert!(alco.stop().success());
    let alco = Alco::start(&stack, &new);
    check(&alco, 96);
    let since = format!("from {} on", dashed(now + day * days_ahead));
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

/// Values of a column with their counts, and the bars' total, warnings and errors; all have to be exact.
#[track_caller]
fn figures(alco: &Alco, column: &str) -> (Vec<(String, u64)>, [u64; 3]) {
    let get = |what: &str| -> Value {
        let reply = alco.get(&format!("/api/grep/counted/{what}/?start_ts=-1h&end_ts=2099-01-01"));
        let answer: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(answer["exact"], true, "{what}: {}", reply.body);
        answer
    };
    let pair = |value: &Value| (value["value"].as_str().unwrap().to_owned(), value["count"].as_u64().unwrap());
    let values = get(&format!("values/{column}"))["values"].as_array().unwrap().iter().map(pair).collect();
    let bars = get("histogram");
    let sum = |of: &str| bars["bars"].as_array().unwrap().iter().map(|bar| bar[of].as_u64().unwrap()).sum();
    (values, ["total", "warnings", "errors"].map(sum))
}

#[test]
fn filtered_columns_and_levels_change_and_counts_stay_exact() {
    let index = |settings: &str| format!("[index counted]\ndays = 2\nrouting_keys = counted.#\n{settings}\n");
    let old = index("filtered = host\nlevel = levelname");
    let stack = Stack::private("counted", &old);
    let now = Timestamp::now();
    let publish = |count: usize| {
        let body = |n: usize| {
            let (host, shop) = (HOST[n % 4], STATUS[n % 3]);
            let (level, severity) = (["INFO", "ERROR"][n % 2], ["warning", "info", "error"][n % 3]);
            json!({"@timestamp": now.to_string(), "message": "m", "host": host, "shop": shop, "levelname": level,
                "severity": severity})
            .to_string()
        };
        let mut publisher = Publisher::open(&stack.amqp);
        publisher.publish("logstash", "counted.key", (0..count).map(body));
        publisher.close();
    };
    let values = |names: &[&str], each: u64| names.iter().map(|name| ((*name).to_owned(), each)).collect::<Vec<_>>();
    let shops = ["lost cause", "open-7f3a", "paid"];

    let alco = Alco::start(&stack, &old);
    publish(24);
    stack.settled_count("counted", 24, SOON);
    assert_eq!(figures(&alco, "host"), (values(&HOST, 6), [24, 0, 12]));
    assert_eq!(figures(&alco, "shop").0, values(&shops, 8));
    assert!(alco.stop().success());

    // today's index has no attribute for shop, and the ranks of another column's level
    let new = index("filtered = shop\nlevel = severity");
    let alco = Alco::start(&stack, &new);
    publish(24);
    stack.settled_count("counted", 48, SOON);
    assert_eq!(figures(&alco, "host"), (values(&HOST, 12), [48, 16, 16]));
    assert_eq!(figures(&alco, "shop").0, values(&shops, 16));
    assert!(alco.stop().success());

    // the old configuration knows nothing of the records that the new one has stored
    let alco = Alco::start(&stack, &old);
    assert_eq!(figures(&alco, "host"), (values(&HOST, 12), [48, 0, 24]));
    assert!(alco.stop().success());
}

#[test]
fn lines_that_differ_in_a_number_have_one_pattern() {
    let index = |level: &str| format!("[index kinds]\ndays = 2\nrouting_keys = kinds.#\nlevel = {level}\n");
    let stack = Stack::private("kinds", &index("levelname"));
    let publish = |messages: &[&str]| {
        let now = Timestamp::now();
        let body = |message: &&str| json!({"@timestamp": now.to_string(), "message": message, "levelname": "ERROR"});
        let mut publisher = Publisher::open(&stack.amqp);
        publisher.publish("logstash", "kinds.key", messages.iter().map(|message| body(message).to_string()));
        publisher.close();
    };
    let kinds = |of: &str| -> Vec<i64> {
        let rows = stack.select(&format!("SELECT kind FROM kinds WHERE MATCH('@line {of}') ORDER BY id ASC")).unwrap();
        rows.iter().map(|kind| kind.parse().unwrap()).collect()
    };

    let alco = Alco::start(&stack, &index("levelname"));
    publish(&["order 7 paid", "order 12 paid", "order 7 sent", ""]);
    stack.settled_count("kinds", 4, SOON);
    assert!(alco.stop().success());
    let alco = Alco::start(&stack, &index("levelname"));
    publish(&["order 4711 paid"]);
    stack.settled_count("kinds", 5, SOON);
    assert!(alco.stop().success());
    let (paid, sent) = (kinds("paid"), kinds("sent"));
    assert!(paid.len() == 3 && paid.iter().all(|kind| *kind == paid[0] && kind >> 3 > 0), "{paid:?}");
    assert!(paid[0] & 7 == sent[0] & 7 && paid[0] != sent[0], "one level, two patterns: {paid:?} {sent:?}");
    assert_eq!(stack.select("SELECT id FROM kinds WHERE kind<8").unwrap().len(), 1, "no line, no pattern");

    // within a day that was declared by other rules, neither the pattern nor the level is sure
    let alco = Alco::start(&stack, &index("severity"));
    publish(&["order 8 lost"]);
    stack.settled_count("kinds", 6, SOON);
    assert_eq!(kinds("lost"), [7]);
    assert!(alco.stop().success());
}

#[test]
fn values_that_share_a_hash_are_counted_apart() {
    let index = "[index counted]\ndays = 2\nrouting_keys = counted.#\nfiltered = host\n";
    // a birthday among 32 bits
    let mut hashes = HashMap::new();
    let (one, other) = (0..)
        .find_map(|n| {
            let text = format!("host-{n}");
            let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes()) as u32;
            hashes.insert(hash, text.clone()).map(|earlier| (earlier, text))
        })
        .unwrap();
    let stack = Stack::private("apart", index);
    let alco = Alco::start(&stack, index);
    let body = |n: usize| {
        let host = if n.is_multiple_of(3) { &one } else { &other };
        json!({"@timestamp": Timestamp::now().to_string(), "message": "m", "host": host}).to_string()
    };
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "counted.key", (0..30).map(body));
    publisher.close();
    stack.settled_count("counted", 30, SOON);
    let hash = "SELECT v_host, COUNT(*) AS n FROM counted GROUP BY v_host";
    assert_eq!(stack.select(hash).unwrap().len(), 1, "they have one hash");
    assert_eq!(figures(&alco, "host").0, [(other, 20), (one, 10)]);
    assert!(alco.stop().success());
}

/// The day on which a reader's clock is changed is counted in parts for the bars, and as a whole for the values.
#[test]
fn figures_of_a_day_with_a_changed_clock_are_whole() {
    const ZONE: &str = "Europe/Berlin";
    let index = |settings: &str| format!("[index clocks]\ndays = 230\nrouting_keys = clocks.#\n{settings}\n");
    let stack = Stack::private("clocks", &index("filtered = host\nlevel = severity"));
    // searchd has neither the ranks nor the hashes of these: it counts by the columns
    let alco = Alco::start(&stack, &index("filtered = levelname\nlevel = levelname"));
    let now = Timestamp::now();
    let changed = TimeZone::get(ZONE).unwrap().preceding(now).next().unwrap().timestamp();
    let hours = |hours: i64| changed + SignedDuration::from_hours(hours);
    let body = |(at, level): (i64, &str)| {
        json!({"@timestamp": hours(at).to_string(), "message": "m", "levelname": level}).to_string()
    };
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "clocks.key", [(-1, "INFO"), (1, "ERROR"), (9, "ERROR")].map(body));
    stack.settled_count("clocks", 3, SOON);
    // a page that does not have all lines is counted by searchd; its bars are of more than an hour
    let range = format!("start_ts={}&end_ts={}&tz={ZONE}&limit=1", hours(-96), hours(96));
    let page = alco.page(&format!("/grep/clocks/?{range}"));
    let values: Vec<_> = page.values("levelname").into_iter().map(|(value, count, _)| (value, count)).collect();
    assert_eq!(
        (page.count(), values),
        (("exactly".to_owned(), 3), vec![("ERROR".to_owned(), 2), ("INFO".to_owned(), 1)])
    );
    let bars: Value = serde_json::from_str(&alco.get(&format!("/api/grep/clocks/histogram/?{range}")).body).unwrap();
    let sum = |of: &str| bars["bars"].as_array().unwrap().iter().map(|bar| bar[of].as_u64().unwrap()).sum::<u64>();
    assert_eq!(([sum("total"), sum("errors")], &bars["exact"]), ([3, 2], &Value::Bool(true)));
}
