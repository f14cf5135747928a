//! The cost of a search grows with the records that may match, not with all that are stored; a search of the last five minutes
//! queries one day, of any number of `days`; and figures of a whole day are counted once, until the day changes.

use std::process::Command;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use mysql::prelude::Queryable;
use serde_json::{Value, json};

use crate::support::{ALCO, Alco, Publisher, SOON, Stack};

const RECORDS: usize = 1500;
/// Their number among the first records.
const NEEDLES: usize = 7;
const SEARCHES: [&str; 7] = [
    "search=needle",
    "search=eedle&order=desc",
    "search=needle&case=1&word=1",
    "mode=words&search=needle+found",
    "mode=regex&search=needle.f[ou]*nd",
    "search=in+the+hay&levelname=ERROR",
    "any=levelname=ERROR|levelname=FATAL+host=a",
];
const FORMS: [&str; 4] =
    ["/grep/INDEX/?", "/api/grep/INDEX/?", "/grep/INDEX/?format=text&", "/api/grep/INDEX/histogram/?"];

/// The number of queries that searchd has had.
fn queries(stack: &Stack) -> u64 {
    let status: Vec<(String, String)> = stack.sphinxql().query("SHOW STATUS").unwrap();
    status.iter().find(|(name, _)| name == "queries").unwrap().1.parse().unwrap()
}

#[track_caller]
fn ask(alco: &Alco, path: &str) {
    let reply = alco.get(path);
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
}

#[test]
fn a_search_costs_what_may_match_and_not_what_is_stored() {
    let ini = "[index hay]\ndays = 30\nrouting_keys = cost.#\nfiltered = levelname\n\
               [index few]\ndays = 3\nrouting_keys = cost.#\nfiltered = levelname\n";
    let stack = Stack::private("cost", ini);
    let alco = Alco::start(&stack, ini);
    let now = Timestamp::now();
    let mut publisher = Publisher::open(&stack.amqp);
    // only the first fill has needles, and errors
    let mut fill = |times: usize, first: bool| {
        let bodies = (0..RECORDS * times).map(|n| {
            let is_needle = first && n % (RECORDS / NEEDLES) == 5;
            let what = if is_needle { "a needle found in the hay" } else { "a straw among the others" };
            let level = if is_needle { "ERROR" } else { "INFO" };
            // the second fill has later times
            let time = now + SignedDuration::from_millis(if first { n as i64 - 200_000 } else { n as i64 - 100_000 });
            format!(r#"{{"@timestamp":"{time}","message":"{what} {n}","levelname":"{level}"}}"#)
        });
        publisher.publish("logstash", "cost.x", bodies);
    };
    let measured = |alco: &Alco| {
        let mut all = Vec::new();
        for (form, search) in FORMS.iter().flat_map(|form| SEARCHES.map(|search| (form, search))) {
            let before = alco.metric("alco_search_candidates_total");
            ask(alco, &format!("{}start_ts=-1h&{search}", form.replace("INDEX", "hay")));
            all.push((*form, search, alco.metric("alco_search_candidates_total") - before));
        }
        all
    };
    fill(1, true);
    stack.settled_count("hay", RECORDS as u64, SOON);
    let few = measured(&alco);
    fill(3, false);
    ["hay", "few"].iter().for_each(|index| stack.settled_count(index, RECORDS as u64 * 4, SOON));
    assert_eq!(measured(&alco), few);
    assert!(few.iter().any(|(.., checked)| *checked > 0), "some records are checked");

    // housekeeping sends queries too: the test takes the least of three tries, and of up to forty while the two differ
    let asked = |index: &str, form: &str, search: &str| {
        let before = queries(&stack);
        ask(&alco, &format!("{}start_ts=-5m&{search}", form.replace("INDEX", index)));
        queries(&stack) - before
    };
    for (form, search) in FORMS.iter().flat_map(|form| SEARCHES.map(|search| (form, search))) {
        let mut least = [u64::MAX; 2];
        for nth in 0..40 {
            if nth >= 3 && least[0] == least[1] {
                break;
            }
            for (least, index) in least.iter_mut().zip(["hay", "few"]) {
                *least = asked(index, form, search).min(*least);
            }
        }
        let [many, few] = least;
        assert!(many > 0 && many == few, "{form}{search}: {many} queries with 30 days, {few} with 3");
    }
}

#[test]
fn a_day_is_counted_again_only_after_it_has_changed() {
    let ini = "[index kept]\ndays = 5\nrouting_keys = kept.#\nfiltered = host\n";
    let stack = Stack::private("kept", ini);
    let alco = Alco::start(&stack, ini);
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let yesterday = today.yesterday().unwrap();
    let mut publisher = Publisher::open(&stack.amqp);
    let mut publish = |hosts: &[&str]| {
        let body = |host: &&str| {
            let time = format!("{yesterday}T12:00:00Z");
            json!({"@timestamp": time, "message": "a message", "host": host, "levelname": "ERROR"}).to_string()
        };
        publisher.publish("logstash", "kept.key", hosts.iter().map(body));
    };
    let range = format!("start_ts={yesterday}&end_ts={today}");
    let get = |what: &str| -> Value {
        let answer: Value = serde_json::from_str(&alco.get(&format!("/api/grep/kept/{what}/?{range}")).body).unwrap();
        assert_eq!(answer["exact"], true, "{answer}");
        answer
    };
    // the records, the errors among them, those of host b, and what alco grep counts
    let figures = || {
        let bars = get("histogram");
        let sum = |of: &str| bars["bars"].as_array().unwrap().iter().map(|bar| bar[of].as_u64().unwrap()).sum::<u64>();
        let values = get("values/host");
        let of_b = values["values"].as_array().unwrap().iter().find(|value| value["value"] == "b");
        let grep = Command::new(ALCO)
            .args(["grep", "-c", "kept", "--tz", "UTC", "--config"])
            .arg(&alco.ini)
            .args(["--since", &yesterday.to_string(), "--until", &today.to_string()])
            .output()
            .unwrap();
        let counted = String::from_utf8(grep.stdout).unwrap().trim().parse().unwrap();
        let answer = alco.get(&format!("/api/grep/kept/count/?{range}")).body;
        assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), json!({"count": counted, "missing": []}));
        assert_eq!(get("patterns")["records"], counted);
        [sum("total"), sum("errors"), of_b.map_or(0, |value| value["count"].as_u64().unwrap()), counted]
    };
    publish(&["a"; 20]);
    stack.settled_count("kept", 20, SOON);
    assert_eq!(figures(), [20, 20, 0, 20]);
    // housekeeping sends queries too: the test takes the least of several tries
    let asked = |_| {
        let before = queries(&stack);
        get("histogram");
        get("values/host");
        queries(&stack) - before
    };
    assert_eq!((0..20).map(asked).min(), Some(0), "what is known is not counted again");
    let asked_for_patterns = |_| {
        let before = queries(&stack);
        get("patterns");
        queries(&stack) - before
    };
    assert_eq!((0..20).map(asked_for_patterns).min(), Some(1), "only a line of each pattern is read again");

    publish(&["b", "a"]);
    stack.settled_count("kept", 22, SOON);
    assert_eq!(figures(), [22, 22, 1, 22]);
    // alco tries with such a document whether a day takes any, and may end before it deletes it
    let day_index = format!("kept_{}", yesterday.strftime("%Y%m%d"));
    stack.sphinxql().query_drop(format!("REPLACE INTO {day_index} (id) VALUES (1)")).unwrap();
    assert_eq!(figures(), [22, 22, 1, 22]);
    stack.sphinxql().query_drop(format!("DELETE FROM {day_index} WHERE id=1")).unwrap();
    assert_eq!(figures(), [22, 22, 1, 22]);
}
