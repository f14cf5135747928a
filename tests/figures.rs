//! The figures of a search (its counts by time and by value) against a plain reading of the same records: an exact figure is exact,
//! and a bound is a bound. Matches in columns are counted, linked and marked.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use regex::{Regex, RegexBuilder};
use serde_json::{Value, json};

use crate::support::corpus::{Record, corpus};
use crate::support::{Alco, Publisher, SOON, Stack, encoded, is_manticore, soak, wait_until};

const RECORDS: usize = 3000;
const SEARCHES: usize = 60;
const INDEXES: [&str; 2] = ["figures", "figures_all"];
const COLUMNS: [&str; 5] = ["levelname", "host", "status", "tags", "odd"];
/// Values that searchd prints like others, or groups by elements.
const ODD: [&str; 12] = [
    "true",
    "false",
    "null",
    "\"NULL\"",
    "\"\"",
    "[]",
    "[\"x\",\"x\"]",
    "[1,\"1\",null]",
    "1",
    "\"true\"",
    "{\"a\":1}",
    "[true]",
];

type Accepts = fn(&Record) -> bool;

/// Filters, and the column of each.
const FILTERS: [(&str, &str, Accepts); 6] = [
    ("levelname", "levelname=ERROR&levelname=WARNING", |r| matches!(r.level, "ERROR" | "WARNING")),
    ("levelname", "levelname__not=INFO", |r| r.level != "INFO"),
    ("status", "status__gt=301", |r| number(&r.status).is_some_and(|n| n > 301.0)),
    ("status", "status=200", |r| number(&r.status) == Some(200.0)),
    ("tags", "tags=slow", |r| r.tags.contains(&"slow")),
    ("host", "host__like=web-0", |r| r.host.starts_with("web-0")),
];

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn publish(routing_key: &str, bodies: impl IntoIterator<Item = String>) {
    let mut publisher = Publisher::open(&Stack::shared().amqp);
    publisher.publish("logstash", routing_key, bodies);
    publisher.close();
}

/// A pattern of some line, in ASCII, and a regex for the lines that it is in.
fn pattern(random: &mut Rng, records: &[Record]) -> (String, Regex) {
    let regex = |text: &str| RegexBuilder::new(text).case_insensitive(true).multi_line(true).build().unwrap();
    loop {
        let message = &records[random.usize(..records.len())].message;
        let line = message.split('\n').next().unwrap();
        let from = random.usize(..line.len().max(1));
        let length = [1, 2, 3, 5, 9, 20][random.usize(..6)];
        let Some(slice) = line.get(from..(from + length).min(line.len())) else { continue };
        if !slice.is_ascii() || slice.trim().is_empty() || slice.contains('@') {
            continue;
        }
        let escaped = regex::escape(slice);
        return match random.u32(..5) {
            0 => {
                let words = slice.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
                let Some(word) = words.max_by_key(|word| word.len()) else { continue };
                (
                    format!("mode=words&search={word}"),
                    regex(&format!(r"(?:^|[^\p{{Alphabetic}}\p{{Nd}}_]){word}(?:$|[^\p{{Alphabetic}}\p{{Nd}}_])")),
                )
            }
            1 => (format!("mode=regex&search={}", encoded(&escaped)), regex(&escaped)),
            2 => (
                format!("mode=regex&search={}", encoded(&format!("{escaped}.*[0-9]{{2}}"))),
                regex(&format!("{escaped}.*[0-9]{{2}}")),
            ),
            // every record
            3 if random.u32(..3) == 0 => (String::new(), regex("")),
            _ => (format!("search={}", encoded(slice)), regex(&escaped)),
        };
    }
}

/// The values of a column that a reader sees, each once.
fn texts(record: &Record, column: &str) -> BTreeSet<String> {
    let shown = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        value => Some(value.to_string()),
    };
    match column {
        "levelname" => [record.level.to_owned()].into(),
        "host" => [record.host.clone()].into(),
        "status" => shown(&record.status).into_iter().collect(),
        "tags" => record.tags.iter().map(|tag| (*tag).to_owned()).collect(),
        _ => match &serde_json::from_str::<Value>(&record.body).unwrap()["odd"] {
            Value::Array(values) => values.iter().filter_map(shown).collect(),
            Value::Object(_) => BTreeSet::new(),
            value => shown(value).into_iter().collect(),
        },
    }
}

/// The values of a column in these records, with their counts.
fn value_counts(records: &[&Record], column: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for text in records.iter().flat_map(|record| texts(record, column)) {
        *counts.entry(text).or_default() += 1;
    }
    counts
}

fn time(text: &Value) -> Timestamp {
    text.as_str().unwrap().parse().unwrap()
}

/// Each bar counts the records of its time by level, and all bars together count all of them.
#[track_caller]
fn check_bars(histogram: &Value, found: &[&Record], path: &str) {
    for bar in histogram["bars"].as_array().unwrap() {
        let (from, to) = (time(&bar["start"]), time(&bar["end"]));
        let within = |level: &str| {
            let is_in = |record: &&&Record| from <= record.at && record.at < to && record.level.contains(level);
            found.iter().filter(is_in).count() as u64
        };
        let expected = json!({"start": bar["start"], "end": bar["end"], "total": within(""), "warnings": within("WARNING"), "errors": within("ERROR")});
        assert_eq!(*bar, expected, "{path}");
    }
    let sum: u64 = histogram["bars"].as_array().unwrap().iter().map(|bar| bar["total"].as_u64().unwrap()).sum();
    assert_eq!(sum, found.len() as u64, "{path}");
}

#[test]
fn exact_figures_are_what_a_plain_reading_gives() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &INDEXES.map(|index| stack.index(index)).concat());
    let start = Timestamp::now() - SignedDuration::from_mins(10);
    let start = Timestamp::from_microsecond(start.as_microsecond()).unwrap();
    let mut records = corpus(77, RECORDS, start);
    for (n, record) in records.iter_mut().enumerate().filter(|(n, _)| n % 3 == 0) {
        let odd = ODD[n / 3 % ODD.len()];
        record.body = record.body.replacen('{', &format!("{{\"odd\":{odd},"), 1);
    }
    publish("figures.x", records.iter().map(|record| record.body.clone()));
    INDEXES.iter().for_each(|index| stack.settled_count(index, RECORDS as u64, SOON));
    let length = records.last().unwrap().at.duration_since(start).as_micros() as i64;

    let mut random = Rng::with_seed(3);
    let (mut exact, mut asked, mut some) = (0, 0, 0);
    for n in 0..if soak() { SEARCHES * 10 } else { SEARCHES } {
        let (search, matches) = pattern(&mut random, &records);
        let filter = (random.u32(..2) == 0).then(|| FILTERS[random.usize(..FILTERS.len())]);
        let (from, to) = match random.u32(..3) {
            0 => (0, length + 1),
            _ => {
                let from = random.i64(0..length);
                (from, from + 1 + random.i64(0..length))
            }
        };
        let (from, to) = (start + SignedDuration::from_micros(from), start + SignedDuration::from_micros(to));
        let url = format!(
            "?start_ts={from}&end_ts={to}&{search}{}",
            filter.map_or(String::new(), |(_, filter, _)| format!("&{filter}"))
        );
        let index = INDEXES[n % 2];
        let in_range = |record: &&Record| from <= record.at && record.at < to && matches.is_match(&record.message);
        let matching: Vec<&Record> = records.iter().filter(in_range).collect();
        let found: Vec<&Record> =
            matching.iter().copied().filter(|record| filter.is_none_or(|(.., accepts)| accepts(record))).collect();
        some += usize::from(!found.is_empty());

        let page = alco.page(&format!("/grep/{index}/{url}"));
        let (word, count) = page.count();
        let truth = found.len() as u64;
        let holds = match word.as_str() {
            "exactly" => count == truth,
            "at least" => count <= truth,
            _ => count >= truth,
        };
        assert!(holds, "{word} {count}, and {truth} are there: /grep/{index}/{url}");
        asked += 1;
        exact += usize::from(word == "exactly");

        let get = |what: &str| -> Value {
            let reply = alco.get(&format!("/api/grep/{index}/{what}/{url}"));
            assert_eq!(reply.status, 200, "{url}: {}", reply.body);
            serde_json::from_str(&reply.body).unwrap()
        };
        let histogram = get("histogram");
        if histogram["exact"] == true {
            exact += 1;
            check_bars(&histogram, &found, &format!("/grep/{index}/{url}"));
        }
        asked += 1;

        for column in COLUMNS {
            // without the column's own filter
            let counted = if filter.is_some_and(|(of, ..)| of == column) { &matching } else { &found };
            let expected = value_counts(counted, column);
            let values = get(&format!("values/{column}"));
            asked += 1;
            if values["exact"] == true {
                exact += 1;
                let pair =
                    |value: &Value| (value["value"].as_str().unwrap().to_owned(), value["count"].as_u64().unwrap());
                let got: BTreeMap<String, u64> = values["values"].as_array().unwrap().iter().map(pair).collect();
                assert_eq!(got, expected, "{column} of /grep/{index}/{url}");
            }
            // next to the page's lines, as far as there is room
            if !page.html.contains("counted in part") {
                for (value, count, _) in page.values(column) {
                    let value = value.trim_start_matches(['✓', '≠', ' ']);
                    // a value that no record of the search has is offered with 0
                    assert_eq!(count, expected.get(value).copied().unwrap_or(0), "{value} of /grep/{index}/{url}");
                }
            }
        }
    }
    println!("{exact} of {asked} figures are exact; {some} searches find something");
    assert!(exact * 2 > asked && some * 2 > asked / 6, "{exact} of {asked}, {some}");
}

#[test]
fn matches_in_columns_are_counted_linked_and_marked() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &["within", "within_all"].map(|index| stack.index(index)).concat());
    let body = |n: usize| {
        let mut record =
            json!({"@timestamp": Timestamp::now().to_string(), "message": format!("record {n}"), "seq": n});
        match n % 10 {
            0..3 => record["host"] = "db-shownsomewhere.example".into(),
            3 => record["context"] = json!({"request": [{"user": "x nestedsomewhere"}, 7]}),
            4 | 5 => record["tags"] = json!(["a", "listedSomewhere & more"]),
            6 => record["exc_info"] = format!("Traceback\n{}\nfoldedsomewhere", "line\n".repeat(20)).into(),
            7 => record["number"] = json!(123_456_789),
            _ => {}
        }
        record.to_string()
    };
    publish("within.x", (0..40).map(body));
    let both = ["within", "within_all"];
    both.iter().for_each(|index| stack.settled_count(index, 40, SOON));
    for index in both {
        for (search, count, where_) in [
            ("shownsomewhere", 12, ">db-<mark>shownsomewhere</mark>.example</"),
            ("NESTEDsome", 4, "<b>context.request</b> x <mark>nestedsome</mark>where"),
            ("somewhere & m", 8, "<b>tags</b> a, listed<mark>Somewhere &amp; m</mark>ore"),
            ("foldedsomewhere", 4, "<mark>foldedsomewhere</mark></pre>"),
            ("345678", 4, "<b>number</b> 12<mark>345678</mark>9"),
        ] {
            let path = format!("/grep/{index}/?start_ts=-1h&columns=host&search={}", encoded(search));
            let page = alco.page(&path);
            assert_eq!((page.lines().len(), page.total()), (0, 0), "{path}");
            let link = page.link_called(&format!("{count} records")).unwrap_or_else(|| panic!("{path}: {}", page.html));
            let all = alco.page(&link);
            assert_eq!((all.lines().len(), all.total()), (count, count as u64), "{link}");
            assert_eq!(all.html.matches(where_).count(), count, "{link}: {}", all.html);
            assert_eq!(all.html.matches("<mark>").count(), count, "{link}");
        }
        let page = alco.page(&format!("/grep/{index}/?start_ts=-1h&search=nowhere"));
        assert!(page.html.contains("No column matches either"), "{}", page.html);
    }
}

/// searchd groups and compares by the first of equal keys.
#[test]
fn the_first_of_equal_keys_counts() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("twice"));
    let time = Timestamp::now();
    let record = format!(
        r#"{{"@timestamp":"{time}","message":"a record","k":"first","k":"second","n":1,"n":2,"o":{{"p":"1st","p":"2nd"}}}}"#
    );
    publish("twice.x", [record]);
    stack.settled_count("twice", 1, SOON);
    let path = "/grep/twice/?start_ts=-1h&columns=k,n,o.p";
    for (filter, count) in [
        ("k=first", 1),
        ("k=second", 0),
        ("k__not=second", 1),
        ("n__lt=2", 1),
        ("n__gt=1", 0),
        ("o.p=1st", 1),
        ("o.p__like=2nd", 0),
    ] {
        assert_eq!(alco.page(&format!("{path}&{filter}")).total(), count, "{filter}");
    }
    let page = alco.page(path);
    let cells = &page.lines()[0].cells;
    assert_eq!(cells[cells.len() - 3..], ["first", "1", "1st"]);
    assert_eq!(page.values("k")[0].0, "first");
    let text = alco.get(&format!("{path}&format=text")).body;
    assert!(text.contains("first 1 1st"), "{text}");
    // both are kept
    let kept = alco.get(&format!("{path}&format=ndjson")).body;
    assert!(kept.contains(r#""k":"first","k":"second""#), "{kept}");
}

#[test]
fn counts_over_budget_are_shown_as_bounds() {
    const ALL_RECORDS: u64 = 20_000;
    let stack = Stack::shared();
    let alco = Alco::start(stack, &format!("[http]\nsearch_budget = 100ms\n{}", stack.index("bounds")));
    let time = Timestamp::now() - SignedDuration::from_secs(60);
    let message = |n: u64| {
        let (parity, id) = (n % 2, 1 + ((n % 2) << 32));
        let (status, rt) = [(200, 0.25), (404, 1.404), (500, 0.013)][n as usize % 3];
        format!(
            r#"{{"@timestamp":"{time}","message":"a common line {parity}","seq":{n},"status":{status},"id":{id},"rt":{rt}}}"#
        )
    };
    publish("bounds.x", (0..ALL_RECORDS).map(message));
    stack.settled_count("bounds", ALL_RECORDS, SOON * 3);
    let path = format!("/grep/bounds/?start_ts={time}&mode=regex&limit=5");
    let search = encoded("common [k-m]ine 1");
    let (word, count) = alco.page(&format!("{path}&search={search}")).count();
    // a slow machine may not even come to the index's own count
    let is_bound = (word == "at most" && count >= ALL_RECORDS / 2) || (word == "at least" && count <= ALL_RECORDS / 2);
    assert!(is_bound, "{word} {count}");
    let reply = alco.get(&format!("/api/grep/bounds/histogram/?start_ts={time}&mode=regex&search={search}"));
    let histogram: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(histogram["exact"], false, "{histogram}");

    // alco reads no records where the index is sure, and does not call merged groups exact
    let values = |column: &str| values(&alco, &format!("/api/grep/bounds/values/{column}/?start_ts={time}"));
    for column in ["status", "rt"] {
        let exact = || Some(values(column)).filter(|(_, exact)| *exact);
        let (counts, _) = wait_until(&format!("{column} is counted exactly"), SOON, exact);
        assert_eq!((counts.len(), counts.values().sum::<u64>()), (3, ALL_RECORDS), "{column}: {counts:?}");
    }
    // Sphinx counts the two integers together, by their low 32 bits; Manticore keeps them apart
    let (ids, exact) = values("id");
    assert_eq!(exact, is_manticore(), "{ids:?}");
    assert!(!exact || ids.values().eq(&[ALL_RECORDS / 2; 2]), "{ids:?}");
}

/// A column's values with their counts, and whether these are called exact.
fn values(alco: &Alco, path: &str) -> (BTreeMap<String, u64>, bool) {
    let reply = alco.get(path);
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    let values: Value = serde_json::from_str(&reply.body).unwrap();
    let pair = |value: &Value| (value["value"].as_str().unwrap().to_owned(), value["count"].as_u64().unwrap());
    (values["values"].as_array().unwrap().iter().map(pair).collect(), values["exact"] == true)
}

/// Values that searchd merges, separates without need, or prints like others.
const LIKE_OTHERS: [&str; 58] = [
    "5",
    "5.0",
    "5.00",
    "\"5\"",
    "\"5.0\"",
    "50e-1",
    "[5]",
    "[5,5]",
    "[5.0,1.5]",
    "[\"5\"]",
    "[5,\"5\",null,true]",
    "1",
    "4294967297",
    "4294967301",
    "[4294967297]",
    "[4294967297,5]",
    "9007199254740993",
    "9007199254740992",
    "9007199254740992.0",
    "-1",
    "4294967295",
    "1763556497161513790",
    "1763556497161513791",
    "\"1763556497161513791\"",
    "9223372036854775808",
    "\"9223372036854775808\"",
    "1e30",
    "1E30",
    "10e29",
    "1000000000000000000000000000000",
    "1e15",
    "1000000000000000",
    "0.3",
    "0.30000001",
    "\"0.300000\"",
    "1e-7",
    "2e-7",
    "1.5",
    "1.50",
    "\"1.5\"",
    "0",
    "-0",
    "0.0",
    "-0.0",
    "true",
    "false",
    "null",
    "\"true\"",
    "\"NULL\"",
    "\"\"",
    "[]",
    "{}",
    "\"{}\"",
    "{\"a\":1}",
    "[\"x\",\"x\"]",
    "\"x\"",
    "\"\\u0001\"",
    "\"[1]\"",
];

#[test]
fn counts_of_values_are_what_their_links_find() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("links"));
    let mut random = Rng::with_seed(13);
    let time = Timestamp::now() - SignedDuration::from_mins(5);
    let columns = if soak() { 60 } else { 8 };
    // each column has some of the values, the first one all, the second one numbers that searchd merges
    let kinds: Vec<Vec<&str>> = (0..columns)
        .map(|column| match column {
            0 => LIKE_OTHERS.to_vec(),
            1 => vec!["5", "5.0", "\"5\"", "1", "4294967297", "0.3", "0.30000001"],
            _ => (0..random.usize(1..9)).map(|_| LIKE_OTHERS[random.usize(..LIKE_OTHERS.len())]).collect(),
        })
        .collect();
    let records = if soak() { 2000 } else { 200 };
    let body = |n: usize, random: &mut Rng| {
        let columns: Vec<String> = kinds
            .iter()
            .enumerate()
            .map(|(at, kinds)| format!("\"c{at}\":{}", kinds[random.usize(..kinds.len())]))
            .collect();
        format!(r#"{{"@timestamp":"{time}","message":"record","seq":{n},{}}}"#, columns.join(","))
    };
    publish("links.x", (0..records).map(|n| body(n, &mut random)));
    stack.settled_count("links", records as u64, SOON);
    let start = format!("start_ts={}", time - SignedDuration::from_secs(1));
    for (column, kinds) in kinds.iter().enumerate() {
        let exact =
            || Some(values(&alco, &format!("/api/grep/links/values/c{column}/?{start}"))).filter(|(_, exact)| *exact);
        let (counts, _) = wait_until(&format!("c{column} is counted exactly"), SOON, exact);
        for (value, count) in &counts {
            // an empty field of a form is not a filter
            let is = if value.is_empty() { "__in" } else { "" };
            let path = format!("/grep/links/?{start}&c{column}{is}={}", encoded(value));
            let found = alco.page(&path).count();
            assert_eq!(found, ("exactly".to_owned(), *count), "{value:?} of {kinds:?}: {path}");
        }
        let spelt: BTreeSet<&str> =
            kinds.iter().copied().filter(|kind| matches!(*kind, "1" | "4294967297" | "0.3" | "0.30000001")).collect();
        spelt.iter().for_each(|value| assert!(counts.contains_key(*value), "{value} of {counts:?}"));
    }
}

#[test]
fn rows_and_bars_agree_on_the_level_of_a_record() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("levels"));
    let time = Timestamp::now() - SignedDuration::from_mins(5);
    let pino = |level: u32| format!(r#""level":{level},"pid":7,"hostname":"web-1""#);
    // the columns of a record, and the level that its row and its bar have to show
    let records = [
        (pino(30), ""),
        (pino(40), "warning"),
        (pino(50), "error"),
        (pino(60), "error"),
        (r#""level":30"#.to_owned(), "warning"),
        (r#""level":40,"pid":7"#.to_owned(), "error"),
        (r#""levelno":40,"pid":7,"hostname":"web-1""#.to_owned(), "error"),
        (r#""version":"1.1","short_message":"GELF","level":4"#.to_owned(), "warning"),
        (r#""level":3"#.to_owned(), "error"),
        (r#""level":0"#.to_owned(), "error"),
        (r#""level":0.5"#.to_owned(), ""),
        (r#""level":"3""#.to_owned(), "error"),
        (r#""levelname":"SEVERE","level":30"#.to_owned(), "error"),
        (r#""levelname":null,"level":"Warn""#.to_owned(), "warning"),
        (r#""levelname":["error"]"#.to_owned(), "error"),
        (r#""levelname":["warning","error"]"#.to_owned(), "error"),
        (r#""levelname":["info","warning"]"#.to_owned(), "warning"),
        (r#""levelname":"verbose","level":40"#.to_owned(), ""),
        (r#""level":4294967336"#.to_owned(), ""),
        ("\"level\":[40]".to_owned(), "error"),
    ];
    let body = |(n, (columns, _)): (usize, &(String, &str))| {
        format!(r#"{{"@timestamp":"{time}","message":"record {n}","seq":{n},{columns}}}"#)
    };
    // searchd cannot count the last two, so that alco reads each record
    let sure = records.len() - 2;
    for published in [0..sure, sure..records.len()] {
        let count = published.end;
        publish("levels.x", records.iter().enumerate().skip(published.start).take(published.len()).map(body));
        stack.settled_count("levels", count as u64, SOON);
        let truth = |level: &str| records[..count].iter().filter(|(_, of)| *of == level).count() as u64;
        let start = format!("start_ts={}", time - SignedDuration::from_secs(1));
        // searchd counts the first search; for the second, alco reads each record
        for search in ["", "&mode=regex&search=r.cord"] {
            let page = alco.page(&format!("/grep/levels/?{start}{search}&order=asc"));
            let rows: Vec<&str> = page.html.split("<div role=listitem").skip(1).collect();
            assert_eq!(rows.len(), count);
            for (row, (columns, level)) in rows.iter().zip(&records) {
                let class =
                    row.strip_prefix(" class=").and_then(|row| row.split([' ', '>']).next()).unwrap_or_default();
                let of = match class {
                    "critical" | "error" => "error",
                    "warning" => "warning",
                    _ => "",
                };
                assert_eq!(of, *level, "{columns}: {class}");
            }
            let exact = || {
                let reply = alco.get(&format!("/api/grep/levels/histogram/?{start}{search}"));
                let histogram: Value = serde_json::from_str(&reply.body).unwrap();
                (histogram["exact"] == true).then_some(histogram)
            };
            let histogram = wait_until("the bars are exact", SOON, exact);
            let sum = |of: &str| -> u64 {
                histogram["bars"].as_array().unwrap().iter().map(|bar| bar[of].as_u64().unwrap()).sum()
            };
            assert_eq!((sum("errors"), sum("warnings")), (truth("error"), truth("warning")), "{count} {search}");
        }
    }
}
