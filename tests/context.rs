//! The lines around matches are those that grep prints: compared with its -A, -B and -C over the records of the stream, in both
//! orders, in one piece and page by page.

use std::fs;
use std::path::Path;
use std::process::Command;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use crate::support::{Alco, Publisher, SOON, Stack, directory, encoded, soak};

const RECORDS: usize = 1500;
const SEARCHES: usize = 12;
/// The first words of messages: common, rare, and in runs.
const WORDS: [&str; 4] = ["common", "seldom", "rare", "needle"];

struct Record {
    message: String,
    level: &'static str,
}

fn records(random: &mut Rng) -> Vec<Record> {
    let mut run = 0;
    (0..RECORDS)
        .map(|n| {
            run = if run > 0 { run - 1 } else { random.usize(..400).saturating_sub(394) };
            let word = match (run, random.usize(..300)) {
                (1.., _) => "rare",
                (_, 0) => "needle",
                (_, ..20) => "rare",
                (_, ..100) => "seldom",
                _ => "common",
            };
            Record { message: format!("{word} line {n}"), level: ["INFO", "ERROR"][random.usize(..2)] }
        })
        .collect()
}

/// The numbers of the lines that grep prints, and -1 for `--`.
fn grep(file: &Path, lines: &[(usize, &str)], options: &[String], pattern: &str) -> Vec<i64> {
    let text: String = lines.iter().map(|(n, message)| format!("{n}@{message}\n")).collect();
    fs::write(file, text).unwrap();
    let output = Command::new("grep").args(options).args(["-i", "-E", "-e", pattern]).arg(file).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.lines().map(|line| line.split_once('@').map_or(-1, |(n, _)| n.parse().unwrap())).collect()
}

/// The numbers at the ends of the lines of a page, and -1 for a gap; the address of the next page.
fn page(alco: &Alco, path: &str, link: &str) -> (Vec<i64>, Option<String>) {
    let page = alco.page(path);
    let log = page.html.split("<nav class=\"pages\"").next().unwrap();
    let mut found = Vec::new();
    for (at, _) in log.match_indices('<') {
        let tag = &log[at..];
        if tag.starts_with("<div class=\"gap\"") {
            found.push(-1);
        } else if tag.starts_with("<bdi") {
            let message = crate::support::page::text(tag.split("</bdi>").next().unwrap());
            found.push(message.rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{path}: {message}")));
        }
    }
    (found, page.link(&format!("rel=\"{link}\"")))
}

/// Some records have equal times, and there are two long pauses.
fn publish(stack: &Stack, records: &[Record]) {
    let start = Timestamp::now() - SignedDuration::from_secs(600);
    let bodies = records.iter().enumerate().map(|(n, Record { message, level })| {
        let pauses = i64::from(n > 500) * 90_000 + i64::from(n > 1200) * 300_000;
        let time = start + SignedDuration::from_millis(n as i64 / 3 + pauses);
        format!(r#"{{"@timestamp":"{time}","message":"{message}","levelname":"{level}","seq":{n}}}"#)
    });
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "context.x", bodies);
    publisher.close();
    stack.settled_count("context", RECORDS as u64, SOON);
}

/// A search as an address, and for grep; and the lines that it searches, in its order.
struct Search<'a> {
    url: String,
    options: Vec<String>,
    pattern: String,
    stream: Vec<(usize, &'a str)>,
}

fn search<'a>(random: &mut Rng, records: &'a [Record]) -> Search<'a> {
    let word = WORDS[random.usize(..WORDS.len())];
    let (pattern, mode) = if random.bool() {
        (word.to_owned(), "")
    } else {
        (format!("{word} line [0-9]*[{}]$", random.u32(..10)), "&mode=regex")
    };
    let (before, after) = (random.usize(1..5), random.usize(..4));
    let (mut options, around) = match random.u32(..3) {
        // -C0 as well: `--` is between matches that are not neighbours
        0 => (vec![format!("-C{}", before - 1)], format!("&context={}", before - 1)),
        1 => (vec![format!("-A{before}")], format!("&after={before}")),
        _ => (vec![format!("-B{before}"), format!("-A{after}")], format!("&before={before}&after={after}")),
    };
    let mut url = format!("/grep/context/?start_ts=-1h&columns=seq{mode}{around}&search={}", encoded(&pattern));
    if random.u32(..5) == 0 {
        options.push("-v".to_owned());
        url.push_str("&invert=1");
    }
    let mut stream: Vec<(usize, &str)> = records.iter().map(|record| record.message.as_str()).enumerate().collect();
    if random.u32(..3) == 0 {
        stream.retain(|(n, _)| records[*n].level == "ERROR");
        url.push_str("&levelname=ERROR");
    }
    match random.bool() {
        true => {
            stream.reverse();
            url.push_str("&order=desc");
        }
        false => url.push_str("&order=asc"),
    }
    Search { url, options, pattern, stream }
}

/// The pages show the expected lines, and the way back the same pages. Returns the number of pages.
#[track_caller]
fn pages_there_and_back(alco: &Alco, url: &str, limit: usize, expected: &[i64]) -> usize {
    let (mut seen, mut path) = (Vec::new(), format!("{url}&limit={limit}"));
    let mut visited = Vec::new();
    loop {
        let (found, next) = page(alco, &path, "next");
        visited.push(found.clone());
        seen.extend(found);
        match next {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(seen, *expected, "{url}, pages of {limit}");
    let pages = visited.len();
    let (_, mut previous) = page(alco, &path, "prev");
    while let Some(path) = previous {
        visited.pop();
        let found;
        (found, previous) = page(alco, &path, "prev");
        assert_eq!(Some(&found), visited.last(), "{path}");
    }
    assert!(visited.len() <= 1, "the way back ends at the first page of {url}");
    pages
}

#[test]
fn the_lines_around_matches_are_those_that_grep_prints() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("context"));
    let mut random = Rng::with_seed(5);
    let records = records(&mut random);
    publish(stack, &records);
    let file = directory("context").join("lines");
    let (mut lines, mut pages) = (0, 0);
    let searches = if soak() { SEARCHES * 10 } else { SEARCHES };
    for _ in 0..searches {
        let Search { url, options, pattern, stream } = search(&mut random, &records);
        let expected = grep(&file, &stream, &options, &pattern);
        let text = alco.get(&format!("{url}&format=text"));
        assert_eq!(text.status, 200, "{url}: {}", text.body);
        let number = |line: &str| if line == "--" { -1 } else { line.split(' ').nth(2).unwrap().parse().unwrap() };
        assert_eq!(text.body.lines().map(number).collect::<Vec<i64>>(), expected, "{url}");
        lines += expected.len();

        let limit = [5, 17, 100][random.usize(..3)];
        pages += pages_there_and_back(&alco, &url, limit, &expected);
    }
    println!("{lines} lines, {pages} pages");
    assert!(pages > searches * 3, "{pages}");
}

#[test]
fn the_whole_log_begins_with_the_first_match() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("whole"));
    let start = Timestamp::now() - SignedDuration::from_secs(60);
    let mut publisher = Publisher::open(&stack.amqp);
    let word = |n: usize| if matches!(n, 30 | 31 | 77) { "needle" } else { "hay" };
    publisher.publish(
        "logstash",
        "whole.x",
        (0..100).map(|n| {
            let time = start + SignedDuration::from_millis(n as i64 / 2);
            let level = if n % 2 == 0 { "INFO" } else { "ERROR" };
            format!(r#"{{"@timestamp":"{time}","message":"{} {n}","levelname":"{level}","seq":{n}}}"#, word(n))
        }),
    );
    publisher.close();
    stack.settled_count("whole", 100, SOON);
    for (options, expected) in [
        ("", (30..100).collect::<Vec<i64>>()),
        ("&order=desc", (0..78).rev().collect()),
        ("&levelname=ERROR", (31..100).step_by(2).collect()),
        ("&levelname=INFO&order=desc", (0..31).step_by(2).map(|n| 30 - n).collect()),
    ] {
        let url = format!("/grep/whole/?start_ts=-1h&columns=seq&context=y&search=NEEDLE{options}");
        let text = alco.get(&format!("{url}&format=text")).body;
        let number = |line: &str| line.split(' ').nth(2).unwrap().parse().unwrap();
        assert_eq!(text.lines().map(number).collect::<Vec<i64>>(), expected, "{url}");
        let (mut seen, mut path) = (Vec::new(), format!("{url}&limit=9"));
        let mut visited = Vec::new();
        loop {
            let (found, next) = page(&alco, &path, "next");
            visited.push(found.clone());
            seen.extend(found);
            match next {
                Some(next) => path = next,
                None => break,
            }
        }
        assert_eq!(seen, expected, "{url}");
        let marked = |path: &str| alco.page(path).lines().iter().filter(|line| !line.marks.is_empty()).count();
        assert!(marked(&format!("{url}&limit=100")) >= 1, "{url}");
        // back: whole pages but for the first, which begins with the first match
        let mut back = visited.pop().unwrap();
        let (_, mut previous) = page(&alco, &path, "prev");
        while let Some(path) = previous {
            let found;
            (found, previous) = page(&alco, &path, "prev");
            assert!(!found.is_empty(), "{path}");
            back.splice(0..0, found);
        }
        assert_eq!(back, expected, "{url}, on the way back");
    }
    let none = alco.page("/grep/whole/?start_ts=-1h&context=y&search=nothing+of+it");
    assert!(none.lines().is_empty() && none.total() == 0);
}
