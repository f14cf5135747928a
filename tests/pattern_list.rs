//! The list of a search's patterns against a plain reading of the same records: over several days and indexes, on days of today's
//! rules and of others, as a page, in each format, over the API and in the terminal.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{ALCO, Alco, Publisher, SOON, Stack, wait_until};

/// Messages and their patterns; # is a number that is another one each time. The last one is only among the newest records.
pub const TEMPLATES: [(&str, &str); 5] = [
    ("order # paid by card", "order * paid by card"),
    ("order # sent\n  with parcel #", "order * sent"),
    ("", ""),
    ("\u{1b}[31mcannot read <b># of db.example.com\u{1b}[0m", "cannot read <* of *"),
    ("disk full", "disk full"),
];
/// Of ten records in a row.
const SHARES: [usize; 10] = [0, 0, 1, 0, 3, 0, 1, 0, 2, 4];
pub const INDEXES: [&str; 2] = ["lists_a", "lists_b"];
const HOSTS: [&str; 2] = ["alpha", "beta"];
const STEP_MINUTES: i64 = 9;
/// Sixty hours of them.
const RECORDS: usize = 400;

pub fn indexes(level: &str) -> String {
    let index = |name| format!("[index {name}]\ndays = 5\nrouting_keys = {name}.#\nfiltered = host\nlevel = {level}\n");
    INDEXES.map(index).concat()
}

#[derive(Clone, Debug)]
pub struct Record {
    pub index: &'static str,
    /// one of `TEMPLATES`
    pub template: usize,
    host: &'static str,
    pub at: Timestamp,
    /// by the column that has it
    levels: BTreeMap<&'static str, &'static str>,
    number: usize,
}

impl Record {
    fn of_shares(n: usize, at: Timestamp) -> Record {
        match SHARES[n % SHARES.len()] {
            4 if n >= 40 => Record::new(n, 0, at),
            template => Record::new(n, template, at),
        }
    }

    pub fn new(n: usize, template: usize, at: Timestamp) -> Record {
        let levelname = match template {
            1 if n.is_multiple_of(3) => "WARNING",
            3 => "ERROR",
            4 => "CRITICAL",
            _ => "INFO",
        };
        Record {
            index: INDEXES[n / 7 % 2],
            template,
            host: HOSTS[n / 3 % 2],
            at,
            levels: [("levelname", levelname), ("severity", ["debug", "error"][n % 2])].into(),
            number: 1000 + 7 * n,
        }
    }

    fn body(&self) -> String {
        let message = TEMPLATES[self.template].0.replace('#', &self.number.to_string());
        json!({"@timestamp": self.at.to_string(), "message": message, "host": self.host,
            "levelname": self.levels["levelname"], "severity": self.levels["severity"]})
        .to_string()
    }
}

pub fn publish(stack: &Stack, records: &[Record], stored: &[Record]) {
    let mut publisher = Publisher::open(&stack.amqp);
    for index in INDEXES {
        let own = records.iter().filter(|record| record.index == index).map(Record::body);
        publisher.publish("logstash", &format!("{index}.key"), own);
    }
    publisher.close();
    for index in INDEXES {
        let of = |records: &[Record]| records.iter().filter(|record| record.index == index).count() as u64;
        stack.settled_count(index, of(records) + of(stored), SOON);
    }
}

/// An answer of the API.
pub fn listed(alco: &Alco, search: &str) -> Value {
    let reply = alco.get(&format!("/api/grep/{search}"));
    assert_eq!(reply.status, 200, "{search}: {}", reply.body);
    serde_json::from_str(&reply.body).unwrap()
}

pub fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// The patterns of the records by their texts, as the API lists them, without their hashes, samples and bars.
pub fn read_plainly(records: &[&Record], level_column: &str) -> BTreeMap<String, Value> {
    let mut patterns: BTreeMap<String, Value> = BTreeMap::new();
    for (at, (_, text)) in TEMPLATES.iter().enumerate() {
        let own: Vec<&&Record> = records.iter().filter(|record| record.template == at).collect();
        let (Some(first), Some(last)) = (own.iter().map(|r| r.at).min(), own.iter().map(|r| r.at).max()) else {
            continue;
        };
        let mut levels: BTreeMap<String, u64> = BTreeMap::new();
        own.iter().for_each(|record| *levels.entry(record.levels[level_column].to_lowercase()).or_default() += 1);
        let order = ["debug", "info", "warning", "error", "critical"];
        let worst = order.iter().rfind(|level| levels.contains_key(**level)).unwrap();
        let micros = |at: Timestamp| format!("{at:.6}");
        let row = json!({"text": text, "count": own.len(), "levels": levels, "level": worst, "first": micros(first),
            "last": micros(last)});
        patterns.insert((*text).to_owned(), row);
    }
    patterns
}

#[track_caller]
fn check_api(alco: &Alco, search: &str, records: &[&Record], level_column: &str) {
    let mut answer = listed(alco, search);
    assert_eq!(answer["exact"], true, "{search}: {answer}");
    let expected = read_plainly(records, level_column);
    assert_eq!((&answer["records"], &answer["number"]), (&json!(records.len()), &json!(expected.len())), "{search}");
    let bars = answer["bars"].take();
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    for mut row in answer["patterns"].as_array().unwrap().clone() {
        let text = row["text"].as_str().unwrap().to_owned();
        let template = TEMPLATES.iter().position(|(_, pattern)| *pattern == text).unwrap_or_else(|| panic!("{text}"));
        for (bar, counted) in bars.as_array().unwrap().iter().zip(row["bars"].take().as_array().unwrap()) {
            let span = time(&bar["start"])..time(&bar["end"]);
            let own = records.iter().filter(|record| record.template == template && span.contains(&record.at));
            assert_eq!(*counted, own.count(), "{text:?} in {span:?} of {search}");
        }
        let sample = row["sample"].take();
        let is_its = |record: &&Record| {
            let message = TEMPLATES[template].0.replace('#', &record.number.to_string());
            record.template == template && message.lines().next().unwrap_or_default() == sample
        };
        assert!(records.iter().copied().any(|record| is_its(&record)), "{sample} of {text:?} in {search}");
        let row_members = row.as_object_mut().unwrap();
        ["pattern", "bars", "sample"].iter().for_each(|name| assert!(row_members.remove(*name).is_some(), "{name}"));
        found.insert(text, row);
    }
    assert_eq!(found, expected, "{search}");
}

/// Searches, each with the records that it finds.
pub type Accepts<'a> = Box<dyn Fn(&Record) -> bool + 'a>;

pub fn searches(hashes: &BTreeMap<String, String>) -> Vec<(String, Accepts<'static>)> {
    let [paid, sent] = ["order * paid by card", "order * sent"].map(|text| &hashes[text]);
    let message = |record: &Record| TEMPLATES[record.template].0.replace('#', &record.number.to_string());
    vec![
        (String::new(), Box::new(|_| true)),
        ("search=PAID".to_owned(), Box::new(|r| r.template == 0)),
        // the index cannot decide
        ("search=1".to_owned(), Box::new(move |r| message(r).contains('1'))),
        ("search=order%20[0-9]*7&mode=regex".to_owned(), {
            Box::new(|r| r.template < 2 && r.number.to_string().contains('7'))
        }),
        ("search=order&invert=1".to_owned(), Box::new(|r| r.template >= 2)),
        ("host=alpha".to_owned(), Box::new(|r| r.host == "alpha")),
        ("host__not=alpha&levelname=INFO".to_owned(), {
            Box::new(|r| r.host == "beta" && r.levels["levelname"] == "INFO")
        }),
        (format!("pattern__not={paid}"), Box::new(|r| r.template != 0)),
        (format!("pattern__not={paid},000000000000000&host=beta"), {
            Box::new(|r| r.template != 0 && r.template != 2 && r.host == "beta")
        }),
        (format!("pattern={sent}"), Box::new(|r| r.template == 1)),
        ("host=gamma".to_owned(), Box::new(|_| false)),
    ]
}

#[track_caller]
fn check(alco: &Alco, records: &[Record], now: Timestamp, level_column: &str) {
    let ago = |hours: i64| now - SignedDuration::from_hours(hours);
    let all = format!("{}/patterns/?start_ts={}&end_ts=2099-01-01", INDEXES.join(","), ago(70));
    let hashes = listed(alco, &all)["patterns"].as_array().unwrap().clone().into_iter();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let hashes: BTreeMap<String, String> = hashes.map(|row| (text(&row, "text"), text(&row, "pattern"))).collect();
    for (parameters, accepts) in searches(&hashes) {
        for (indexes, start, end) in [
            (&INDEXES[..], ago(70), now + SignedDuration::from_hours(1)),
            (&INDEXES[..1], ago(70), now + SignedDuration::from_hours(1)),
            (&INDEXES[..], ago(31), ago(3)),
            (&INDEXES[1..], ago(2), ago(1)),
        ] {
            let search = format!("{}/patterns/?start_ts={start}&end_ts={end}&{parameters}", indexes.join(","));
            let is_found = |record: &&Record| {
                indexes.contains(&record.index) && (start..end).contains(&record.at) && accepts(record)
            };
            let expected: Vec<&Record> = records.iter().filter(is_found).collect();
            check_api(alco, &search, &expected, level_column);
        }
    }
}

#[test]
fn a_list_of_patterns_is_that_of_a_plain_reading() {
    let stack = Stack::private("pattern-list", &indexes("levelname"));
    let alco = Alco::start(&stack, &indexes("levelname"));
    let now: Timestamp = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let at = |n: usize| now - SignedDuration::from_mins(STEP_MINUTES * n as i64);
    let mut records: Vec<Record> = (0..RECORDS).map(|n| Record::of_shares(n, at(n))).collect();
    publish(&stack, &records, &[]);
    let candidates = || alco.metric("alco_search_candidates_total");
    let before = candidates();
    listed(&alco, &format!("{}/patterns/?start_ts=-3d&host=alpha", INDEXES.join(",")));
    assert_eq!(candidates(), before, "searchd alone counts them");
    check(&alco, &records, now, "levelname");
    check_page(&alco, &records);
    check_formats(&alco);
    assert!(alco.stop().success());

    // another column has the level: alco reads the records of these days
    let alco = Alco::start(&stack, &indexes("severity"));
    check(&alco, &records, now, "severity");
    let others: Vec<Record> =
        (0..60).map(|n| Record::of_shares(n, now - SignedDuration::from_secs(n as i64))).collect();
    publish(&stack, &others, &records);
    records.extend(others);
    check(&alco, &records, now, "severity");
    assert!(alco.stop().success());

    // some records of a day are by other rules than the day
    let alco = Alco::start(&stack, &indexes("levelname"));
    check(&alco, &records, now, "levelname");
    check_formats(&alco);
    assert!(alco.stop().success());
}

/// The texts of the patterns in the order of the page.
pub fn shown(html: &str) -> Vec<String> {
    let rows = html.split("<td class=\"p\">").skip(1);
    let text = |row: &str| crate::support::page::text(row.split("</a>").next().unwrap());
    rows.map(text).collect()
}

#[track_caller]
fn check_page(alco: &Alco, records: &[Record]) {
    let path = format!("/grep/{}/", INDEXES.join(","));
    let log = alco.page(&format!("{path}?start_ts=-3d&host=alpha&limit=10"));
    let list = log.link_called("patterns").expect("a link");
    assert_eq!(list, format!("{path}patterns/?start_ts=-3d&host=alpha"));
    let found = |accepts: &dyn Fn(&Record) -> bool| {
        records.iter().filter(|record| record.host == "alpha" && accepts(record)).count() as u64
    };
    let page = alco.page(&list);
    assert_eq!(page.total(), found(&|_| true));
    let frequent = shown(&page.html);
    assert_eq!(frequent, ["order * paid by card", "order * sent", "(no text)", "cannot read <* of *", "disk full"]);
    let sample = "cannot read &lt;<mark>b&gt;";
    assert!(page.html.contains(sample), "no {sample} in {}", page.html);
    for (sort, first) in [("rarest", "disk full"), ("newest", "disk full"), ("by level", "disk full")] {
        let sorted = alco.page(&page.link_called(sort).expect(sort));
        assert_eq!(shown(&sorted.html)[0], first, "{sort}");
        assert_eq!(sorted.total(), page.total(), "{sort}");
    }
    // its lines, and back without them
    let lines = alco.page(&page.link_called("order * sent").expect("a link"));
    assert_eq!(lines.total(), found(&|record| record.template == 1));
    assert!(lines.html.contains("<b>pattern</b> = order * sent</a>"), "{}", lines.html);
    let without = alco.page(&page.link("aria-label=\"hide order * sent\"").expect("a link"));
    assert_eq!((without.total(), shown(&without.html).len()), (found(&|record| record.template != 1), 4));
    let lines = alco.page(&without.link_called("← lines").expect("a link"));
    assert_eq!(lines.total(), without.total());
    // as many as are wanted, and the number of the others
    let short = alco.page(&format!("{list}&limit=2"));
    assert_eq!(shown(&short.html), frequent[..2]);
    assert!(short.html.contains("<b class=\"num\">3</b> other patterns"), "{}", short.html);
    assert_eq!(shown(&alco.page(&short.link("limit=1000").expect("a link")).html), frequent);
    // a form sends every field, and an invalid search can be corrected
    let form = alco.get(&format!("{list}&search=&mode=literal&in=message&context="));
    assert_eq!((form.status, form.header("location")), (302, list.as_str()));
    let invalid = alco.get(&format!("{path}patterns/?search=(&mode=regex"));
    assert!(invalid.status == 400 && invalid.body.contains("name=\"search\" value=\"(\""), "{}", invalid.body);
    let none = alco.page(&format!("{path}patterns/?host=gamma"));
    assert_eq!((none.total(), none.html.contains("No records")), (0, true));
    // a record shows how many are alike
    let lines = alco.page(&page.link_called("order * sent").expect("a link"));
    let record = lines.link("class=t ").expect("a link of a line");
    let alike = format!(">{} records</a>", found(&|record| record.template == 1));
    // the page does not wait long for that number
    wait_until("the page has the number of records that are alike", SOON, || {
        alco.page(&record).html.contains(&alike).then_some(())
    });
}

pub fn output(arguments: &[&str]) -> (String, String, i32) {
    let output = Command::new(ALCO).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

/// The formats have what the API has, and the terminal what the formats have.
#[track_caller]
fn check_formats(alco: &Alco) {
    let names = INDEXES.join(",");
    let search = format!("{names}/patterns/?start_ts=-3d&end_ts=2099-01-01&host=beta");
    let rows = listed(alco, &search)["patterns"].as_array().unwrap().clone();
    let in_format = |format: &str, more: &str| {
        let reply = alco.get(&format!("/grep/{search}&format={format}{more}"));
        assert_eq!(reply.status, 200, "{format}: {}", reply.body);
        reply.body
    };
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let line = |row: &Value| {
        let shown = Some(text(row, "text")).filter(|text| !text.is_empty()).unwrap_or("(no text)".to_owned());
        format!("{:7} {shown}\n", row["count"].as_u64().unwrap())
    };
    let plain: String = rows.iter().map(line).collect();
    assert_eq!(in_format("text", ""), plain);
    assert_eq!(in_format("text", "&limit=1"), format!("{}-- 4 other patterns\n", line(&rows[0])));
    let without_bars = |mut row: Value| {
        row.as_object_mut().unwrap().remove("bars");
        row
    };
    let ndjson = in_format("ndjson", "");
    let objects: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects, rows.iter().cloned().map(without_bars).collect::<Vec<Value>>());
    let csv = in_format("csv", "&tz=UTC");
    let row = |row: &Value| {
        let time = |name: &str| text(row, name).replace('T', " ").replace('Z', "");
        format!("{},{},{},{},{}", row["count"], text(row, "level"), time("first"), time("last"), text(row, "pattern"))
    };
    let expected: Vec<String> = rows.iter().map(row).collect();
    let cells: Vec<String> =
        csv.lines().skip(1).map(|line| line.splitn(6, ',').take(5).collect::<Vec<_>>().join(",")).collect();
    assert_eq!(cells, expected, "{csv}");

    let ini = alco.ini.to_str().unwrap();
    for source in [["--config", ini], ["--url", &alco.url]] {
        let grep = |more: &[&str]| {
            let arguments = ["grep", source[0], source[1], "--patterns", "--since=-3d", &names];
            output(&[&arguments[..], more].concat())
        };
        assert_eq!(grep(&["host=beta"]), (plain.clone(), String::new(), 0), "{source:?}");
        let (first, others, status) = grep(&["host=beta", "-m1"]);
        assert_eq!(
            (first, others.as_str(), status),
            (line(&rows[0]), "alco grep: 4 other patterns\n", 0),
            "{source:?}"
        );
        assert_eq!(grep(&["host=beta", "--json"]).0, ndjson, "{source:?}");
        assert_eq!(grep(&["host=beta", "--csv", "--tz=UTC"]).0, csv, "{source:?}");
        assert_eq!(grep(&["no such text"]), (String::new(), String::new(), 1), "{source:?}");
        let (paid, _, _) = grep(&["paid", "host=beta"]);
        assert_eq!(paid, line(&rows[0]), "{source:?}");
    }
    let (_, why, status) = output(&["grep", "--config", ini, "--patterns", "-c", &names]);
    assert!(status == 2 && why.contains("--patterns and -c exclude each other"), "{why}");
}

/// A page whose time is over before all records are read says so; a program gets all.
#[track_caller]
fn check_parts(alco: &Alco, search: &str, records: u64) {
    let answer = listed(alco, search);
    let (exact, counted) = (&answer["exact"], answer["records"].as_u64().unwrap());
    assert!(*exact == false && 0 < counted && counted < records, "{exact} {counted}");
    let page = alco.page(&format!("/grep/{search}"));
    let (word, count) = page.count();
    assert!(word == "at least" && 0 < count && count < records, "{word} {count}");
    assert!(page.html.contains("counted in part"), "{}", page.html);
    let text = alco.get(&format!("/grep/{search}&format=text")).body;
    let first: Vec<&str> = text.lines().take(2).collect();
    assert_eq!(first, ["    300 order * paid", "     40 disk full"]);
}

/// Letters for a number: a message without variable parts.
fn word(n: usize) -> String {
    n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'k')).collect()
}

#[test]
fn of_free_text_the_most_frequent_patterns_are_listed() {
    const SINGLE: usize = 21_000;
    // what makes reading all records last longer than the 100 ms that the second alco has
    const DETAIL_BYTES: usize = 800;
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("free_text"));
    let detail = "x".repeat(DETAIL_BYTES);
    let yesterday = Timestamp::now().to_zoned(TimeZone::UTC).date().yesterday().unwrap();
    let body = |message: &str, level: &str| {
        let time = format!("{yesterday}T12:00:00Z");
        json!({"@timestamp": time, "message": message, "levelname": level, "detail": detail}).to_string()
    };
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "free_text.x", (0..SINGLE).map(|n| body(&format!("free text {}", word(n)), "INFO")));
    let often = (0..300).map(|n| body(&format!("order {n} paid"), ["INFO", "ERROR"][n % 2]));
    publisher.publish("logstash", "free_text.x", often.chain((0..40).map(|_| body("disk full", "ERROR"))));
    publisher.close();
    let stored = SINGLE as u64 + 340;
    stack.settled_count("free_text", stored, SOON);

    let range = format!("start_ts={yesterday}&end_ts={yesterday}T23:59:59Z");
    let answer = listed(&alco, &format!("free_text/patterns/?{range}&limit=3"));
    let numbers = ["exact", "records", "number"].map(|name| &answer[name]);
    assert_eq!(numbers, [&json!(true), &json!(stored), &json!(SINGLE + 2)], "{answer}");
    let top = answer["patterns"].as_array().unwrap();
    let top: Vec<Value> = top.iter().map(|row| json!([row["text"], row["count"], row["levels"]])).collect();
    assert_eq!(top[0], json!(["order * paid", 300, {"info": 150, "error": 150}]));
    assert_eq!(top[1], json!(["disk full", 40, {"error": 40}]));
    // a comparison counts the most changed ones exactly, too
    let after = format!("start_ts={yesterday}T12:30:00Z&end_ts={yesterday}T13:30:00Z&against=before&limit=2");
    let answer = listed(&alco, &format!("free_text/patterns/?{after}"));
    let numbers = [&answer["records"], &answer["before"]["records"], &answer["exact"]];
    assert_eq!(numbers, [&json!(0), &json!(stored), &json!(false)], "{answer}");
    let changed =
        answer["patterns"].as_array().unwrap().iter().map(|row| json!([row["text"], row["count"], row["before"]]));
    assert_eq!(changed.collect::<Vec<_>>(), [json!(["order * paid", 0, 300]), json!(["disk full", 0, 40])]);
    assert_eq!(top[2][1], 1, "{answer}");
    let page = alco.page(&format!("/grep/free_text/patterns/?{range}&sort=rare"));
    assert_eq!(page.total(), stored);
    assert!(page.html.contains("of which the most frequent are listed"), "{}", page.html);
    assert!(page.html.contains("<b class=\"num\">20,902</b> other patterns"), "{}", page.html);
    let text = alco.get(&format!("/grep/free_text/patterns/?{range}&format=text")).body;
    assert_eq!((text.lines().count(), text.lines().last()), (10_001, Some("-- 11002 other patterns")));
    drop(alco);

    // alco reads the records of a day of other rules, and this one has little time
    let hurried = format!("{}level = severity\n[http]\nsearch_budget = 100ms\n", stack.index("free_text"));
    check_parts(&Alco::start(stack, &hurried), &format!("free_text/patterns/?{range}"), stored);
}
