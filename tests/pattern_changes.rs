//! A list of patterns that is compared with the time before, or with the same hours of the day before, against a plain reading of the
//! same records: over several days and indexes, by searchd and by alco, on the page and in each form for programs.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::pattern_list::{
    INDEXES, Record, TEMPLATES, indexes, listed, output, publish, read_plainly, searches, shown, time,
};
use crate::support::{Alco, Stack};

const STEP_MINUTES: i64 = 9;
/// Eighty hours of them.
const RECORDS: usize = 533;
/// Of six hours; the next six have one template less, and so on.
const RECORDS_OF_A_TIME: usize = 40;

type Span = (Timestamp, Timestamp);

fn records(now: Timestamp) -> Vec<Record> {
    let record = |n: usize| {
        let template = match (n % 10, n / RECORDS_OF_A_TIME % 3) {
            (5 | 6, 0) => 1,
            (5, 1) => 2,
            (7, 0 | 1) => 3,
            (8, 2) => 4,
            (9, 2) => 1,
            _ => 0,
        };
        Record::new(n, template, now - SignedDuration::from_mins(STEP_MINUTES * n as i64))
    };
    (0..RECORDS).map(record).collect()
}

/// The range that is compared: of full hours, in UTC.
fn before(against: &str, (start, end): Span) -> Span {
    let length = end.duration_since(start);
    match against {
        "before" => (start - length, start),
        _ => {
            let days = (length.as_secs() + 86_399) / 86_400;
            let moved = SignedDuration::from_hours(24 * days);
            (start - moved, end - moved)
        }
    }
}

fn change(now: u64, before: u64) -> String {
    let (most, least) = (now.max(before), now.min(before));
    match (now, before) {
        (_, 0) => "new".to_owned(),
        (0, _) => "gone".to_owned(),
        _ if now == before => "same".to_owned(),
        _ if most * 20 < least * 21 => "≈".to_owned(),
        _ => {
            let tenths = (most * 20 / least).div_ceil(2);
            let ratio = if tenths >= 100 {
                format!("{}", (most * 2 / least).div_ceil(2))
            } else {
                format!("{}.{}", tenths / 10, tenths % 10)
            };
            format!("{}{}", if now > before { '×' } else { '÷' }, ratio.trim_end_matches(".0"))
        }
    }
}

/// As the manual has it.
fn measure(row: &Value) -> f64 {
    let [now, before] = [&row["count"], &row["before"]].map(|number| number.as_f64().unwrap());
    let sum = now + before;
    ((now - before).abs() - 1.0).max(0.0) / (sum + (sum / 10.0).powi(2)).sqrt()
}

/// The rows that the API should list, by their texts: without pattern, sample and bars.
fn expected(now: &[&Record], before: &[&Record], level_column: &str) -> BTreeMap<String, Value> {
    let (mut rows, mut others) = (read_plainly(now, level_column), read_plainly(before, level_column));
    for (text, row) in &mut rows {
        let other = others.remove(text);
        let count = other.as_ref().map_or(0, |other| other["count"].as_u64().unwrap());
        let levels = other.map_or(json!({}), |mut other| other["levels"].take());
        row["change"] = change(row["count"].as_u64().unwrap(), count).into();
        (row["before"], row["levels_before"]) = (count.into(), levels);
    }
    for (text, mut row) in others {
        (row["before"], row["levels_before"]) = (row["count"].take(), row["levels"].take());
        (row["count"], row["levels"], row["change"]) = (0.into(), json!({}), "gone".into());
        rows.insert(text, row);
    }
    rows
}

#[track_caller]
fn check(alco: &Alco, records: &[Record], ranges: &[Span], level_column: &str) {
    let all = format!("{}/patterns/?start_ts=-4d", INDEXES.join(","));
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let hashes = listed(alco, &all)["patterns"].as_array().unwrap().clone().into_iter();
    let hashes: BTreeMap<String, String> = hashes.map(|row| (text(&row, "text"), text(&row, "pattern"))).collect();
    for (parameters, accepts) in searches(&hashes) {
        for (at, range) in ranges.iter().enumerate() {
            let indexes = if at % 2 == 0 { &INDEXES[..] } else { &INDEXES[1..] };
            let found = |(start, end): Span| -> Vec<&Record> {
                let is_found = |record: &&Record| {
                    indexes.contains(&record.index) && (start..end).contains(&record.at) && accepts(record)
                };
                records.iter().filter(is_found).collect()
            };
            for against in ["before", "yesterday"] {
                let (start, end) = *range;
                let search = format!(
                    "{}/patterns/?start_ts={start}&end_ts={end}&{parameters}&against={against}",
                    indexes.join(",")
                );
                let answer = listed(alco, &search);
                let compared = before(against, *range);
                assert_eq!((time(&answer["before"]["start"]), time(&answer["before"]["end"])), compared, "{search}");
                let (now, earlier) = (found(*range), found(compared));
                let expected = expected(&now, &earlier, level_column);
                let numbers = [&answer["records"], &answer["before"]["records"], &answer["number"], &answer["exact"]];
                let plain = [json!(now.len()), json!(earlier.len()), json!(expected.len()), json!(true)];
                assert_eq!(numbers, plain.each_ref(), "{search}: {answer}");
                let rows = answer["patterns"].as_array().unwrap().clone();
                let measures: Vec<f64> = rows.iter().map(measure).collect();
                assert!(measures.is_sorted_by(|a, b| a >= b), "{search}: {measures:?}");
                let bare = |mut row: Value| {
                    let bars = row["bars"].as_array().unwrap().iter().map(|bar| bar.as_u64().unwrap()).sum::<u64>();
                    assert_eq!(row["count"], bars, "{search}: {row}");
                    ["pattern", "sample", "bars"]
                        .iter()
                        .for_each(|name| assert!(row.as_object_mut().unwrap().remove(*name).is_some()));
                    (text(&row, "text"), row)
                };
                assert_eq!(rows.into_iter().map(bare).collect::<BTreeMap<_, _>>(), expected, "{search}");
            }
        }
    }
}

#[test]
fn a_comparison_of_patterns_is_that_of_a_plain_reading() {
    let stack = Stack::private("pattern-changes", &indexes("levelname"));
    let alco = Alco::start(&stack, &indexes("levelname"));
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let records = records(now);
    publish(&stack, &records, &[]);
    let ago = |hours: i64| now - SignedDuration::from_hours(hours);
    let midnight = now.to_zoned(TimeZone::UTC).date().yesterday().unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp();
    let around = SignedDuration::from_mins(90);
    let ranges = [(ago(6), ago(1)), (ago(26), ago(20)), (midnight - around, midnight + around), (ago(31), ago(3))];
    check(&alco, &records, &ranges, "levelname");
    check_page(&alco, &records, (ago(6), ago(1)));
    check_forms(&alco, (ago(6), ago(1)));
    check_open_ranges(&alco, &records, now);
    assert!(alco.stop().success());

    // another column has the level: alco reads the records of these days
    let alco = Alco::start(&stack, &indexes("severity"));
    check(&alco, &records, &ranges, "severity");
    assert!(alco.stop().success());
}

fn number_of(records: &[Record], (start, end): Span, text: &str) -> u64 {
    let is_its = |record: &&Record| TEMPLATES[record.template].1 == text && (start..end).contains(&record.at);
    records.iter().filter(is_its).count() as u64
}

#[track_caller]
fn check_page(alco: &Alco, records: &[Record], range: Span) {
    let earlier = before("before", range);
    let path = format!("{}/patterns/?start_ts={}&end_ts={}", INDEXES.join(","), range.0, range.1);
    let list = alco.page(&format!("/grep/{path}"));
    let page = alco.page(&list.link_called("the range before").expect("a link"));
    let in_range =
        |(start, end): Span| records.iter().filter(|record| (start..end).contains(&record.at)).count() as u64;
    assert_eq!(page.total(), in_range(range));
    assert_eq!(alco.page(&page.link_called("← lines").expect("a link")).total(), in_range(range));
    let (_, lines_before) = page.html.split_once(", and <a href=\"").expect("a link to the range before");
    let lines_before = lines_before.split('"').next().unwrap().replace("&amp;", "&");
    assert_eq!(alco.page(&lines_before).total(), in_range(earlier));
    let rows = listed(alco, &format!("{path}&against=before"))["patterns"].as_array().unwrap().clone();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let names: Vec<String> = rows.iter().map(|row| text(row, "text")).collect();
    let shown: Vec<String> = shown(&page.html).iter().map(|name| name.replace("(no text)", "")).collect();
    assert_eq!(shown, names);
    // each pattern, now and before, leads to its lines
    let mut changes = BTreeMap::new();
    for row in &rows {
        let (name, hash, change) = (text(row, "text"), text(row, "pattern"), text(row, "change"));
        let (now, before) = (number_of(records, range, &name), number_of(records, earlier, &name));
        *changes.entry(change.clone()).or_insert(0) += 1;
        let of_list = &page.html[..page.html.find(&format!("pattern={hash}\" title=\"the ")).expect("a link")];
        let own = &of_list[of_list.rfind("<tr>").expect("a row")..];
        assert!(own.contains(&format!("<td class=\"change\">{change}</td>")), "no {change} in {own}");
        let lines = alco.page(&page.link(&format!("pattern={hash}\" title=\"the ")).expect("a link"));
        assert_eq!(lines.total(), if now == 0 { before } else { now }, "{name}");
        let in_cell = |class: &str| {
            let (_, link) = own.split_once(&format!("<td class=\"{class}\"><a href=\""))?;
            Some(alco.page(&link.split('"').next()?.replace("&amp;", "&")).total())
        };
        assert_eq!(
            [in_cell("n"), in_cell("n before")],
            [now, before].map(|count| (count > 0).then_some(count)),
            "{name}"
        );
        let without = alco.page(&page.link(&format!("pattern__not={hash}")).expect("a link"));
        assert!(
            without.html.contains(">most changed</a>")
                && !without.html.contains(&format!("pattern={hash}\" title=\"the "))
        );
    }
    assert!(changes.contains_key("new") && changes.contains_key("gone"), "{changes:?}");
    // other orders, and back
    let frequent = alco.page(&page.link_called("most frequent").expect("a link"));
    let mut by_number = rows.clone();
    by_number.sort_by_key(|row| std::cmp::Reverse(row["count"].as_u64()));
    assert_eq!(crate::pattern_list::shown(&frequent.html)[0], text(&by_number[0], "text"));
    let alone = alco.page(&page.link_called("the range before").expect("a link"));
    assert!(!alone.html.contains("most changed"), "{}", alone.html);
}

/// Text, NDJSON, CSV and the terminal have what the API has.
#[track_caller]
fn check_forms(alco: &Alco, (start, end): Span) {
    let names = INDEXES.join(",");
    let search = format!("{names}/patterns/?start_ts={start}&end_ts={end}&against=yesterday");
    let rows = listed(alco, &search)["patterns"].as_array().unwrap().clone();
    let in_format = |format: &str| alco.get(&format!("/grep/{search}&format={format}")).body;
    let line = |row: &Value| {
        let name = Some(row["text"].as_str().unwrap()).filter(|name| !name.is_empty()).unwrap_or("(no text)");
        let [now, before] = ["count", "before"].map(|name| row[name].as_u64().unwrap());
        format!("{now:7} {before:7} {:>6} {name}\n", row["change"].as_str().unwrap())
    };
    let plain: String = rows.iter().map(line).collect();
    assert_eq!(in_format("text"), plain);
    let ndjson = in_format("ndjson");
    let without_bars = |mut row: Value| {
        row.as_object_mut().unwrap().remove("bars");
        row
    };
    let objects: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects, rows.iter().cloned().map(without_bars).collect::<Vec<Value>>());
    let csv = in_format("csv");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("count,level,first,last,pattern,text,sample,before,change"));
    let ends = |row: &Value| format!(",{},{}", row["before"], row["change"].as_str().unwrap());
    assert!(lines.zip(&rows).all(|(line, row)| line.ends_with(&ends(row))), "{csv}");

    let ini = alco.ini.to_str().unwrap();
    let (since, until) = (format!("--since={start}"), format!("--until={end}"));
    for source in [["--config", ini], ["--url", &alco.url]] {
        let grep = |more: &[&str]| {
            let arguments = ["grep", source[0], source[1], "--patterns", "--against=yesterday", &since, &until, &names];
            output(&[&arguments[..], more].concat())
        };
        assert_eq!(grep(&[]), (plain.clone(), String::new(), 0), "{source:?}");
        assert_eq!(grep(&["--json"]).0, ndjson, "{source:?}");
        assert_eq!(grep(&["--csv"]).0, csv, "{source:?}");
        assert_eq!(grep(&["no such text"]), (String::new(), String::new(), 1), "{source:?}");
    }
}

/// A range that ends in the future is compared as far as it is over, one that names nothing is the last five minutes.
#[track_caller]
fn check_open_ranges(alco: &Alco, records: &[Record], now: Timestamp) {
    let ago = |minutes: i64| now - SignedDuration::from_mins(minutes);
    // ten hours and four minutes: the records nearest to the begin of both ranges are minutes away
    let start = ago(604);
    for (range, earlier) in [
        (format!("start_ts={start}&end_ts=2099-01-01"), (ago(1208), start)),
        (format!("start_ts={start}"), (ago(1208), start)),
        ("end_ts=2001-01-01".to_owned(), (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH)),
    ] {
        let answer = listed(alco, &format!("{}/patterns/?{range}&against=before", INDEXES.join(",")));
        let found = records.iter().filter(|record| (earlier.0..earlier.1).contains(&record.at)).count();
        assert_eq!(answer["before"]["records"], found, "{range}: {answer}");
    }
    let answer = listed(alco, &format!("{}/patterns/?against=before", INDEXES[0]));
    let [start, end] = ["start", "end"].map(|name| time(&answer["before"][name]));
    assert_eq!(end.duration_since(start), SignedDuration::from_mins(5));
    // of a time that is no longer kept, all forms say so
    for (path, more) in [("grep", ""), ("grep", "&format=text"), ("grep", "&format=ndjson"), ("api/grep", "")] {
        let reply = alco.get(&format!("/{path}/{}/patterns/?start_ts=-4d&against=before{more}", INDEXES[0]));
        assert!(reply.body.contains(" are no longer kept: the range before is not whole"), "{more}: {}", reply.body);
    }
}
