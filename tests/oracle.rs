//! alco finds the lines that grep prints: for patterns of all kinds over lines of all kinds, the test compares each answer and each
//! count with GNU grep's. A difference is a fault of alco.
//!
//! `make soak` runs the long form: ten seeds, 500 patterns each; ORACLE_SEEDS=3-5 or 3, and ORACLE_PATTERNS=50, choose another.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::support::corpus::{Record, corpus};
use crate::support::nodes::{count as count_of, nodes};
use crate::support::{Alco, Publisher, Stack, encoded, soak, wait_until};

const LINES: usize = 20_000;
/// For the short form, and for the long one.
const SHORT_PATTERNS: usize = 60;
const SOAK_PATTERNS: usize = 500;
const SEEDS: [&str; 2] = ["1", "1-10"];
const MAX_STORING: Duration = Duration::from_secs(120);
/// The limits for grep, in seconds of CPU, without -w and with it. With -w, grep 3.8 tries each possible end of a match, which takes
/// minutes if `.*` has a thousand ends: then the test gives grep an equal pattern without -w.
const GREP_CPU_SECONDS: [&str; 2] = ["300", "10"];

/// Numbers of records, which are their `seq`.
type Found = BTreeSet<usize>;

/// A file of lines, and the record of each line.
struct Lines {
    path: PathBuf,
    record: Vec<usize>,
}

/// Whether a record passes a filter.
type Accepts = Box<dyn Fn(&Record) -> bool>;

impl Lines {
    fn write<'a>(path: PathBuf, texts: impl Iterator<Item = (usize, &'a str)>) -> Lines {
        let (mut file, mut record) = (String::new(), Vec::new());
        for (n, text) in texts {
            for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
                file.push_str(line);
                file.push('\n');
                record.push(n);
            }
        }
        fs::write(&path, file).unwrap();
        Lines { path, record }
    }

    /// The lines that grep prints.
    fn grep(&self, options: &[&str], pattern: &str) -> BTreeSet<usize> {
        let seconds = GREP_CPU_SECONDS[usize::from(options.contains(&"-w"))];
        let mut grep = Command::new("sh");
        grep.env("LC_ALL", "C.UTF-8")
            .args(["-c", &format!("ulimit -t {seconds}; exec grep \"$@\""), "sh", "-an"])
            .args(options)
            .arg("-e")
            .arg(pattern)
            .arg(&self.path);
        let output = grep.output().unwrap();
        // the limit's signal
        if output.status.signal().is_some() {
            assert!(options.contains(&"-E") && options.contains(&"-w"), "grep {options:?} {pattern:?} takes too long");
            let others: Vec<&str> = options.iter().copied().filter(|option| *option != "-w").collect();
            return self.grep(&others, &format!("(^|[^[:alnum:]_])({pattern})([^[:alnum:]_]|$)"));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.is_empty(), "grep {options:?} {pattern:?}: {said}");
        let number = |line: &[u8]| {
            let digits = line.split(|byte| *byte == b':').next().unwrap();
            std::str::from_utf8(digits).unwrap().parse::<usize>().unwrap() - 1
        };
        output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(number).collect()
    }

    /// The records that have one of these lines.
    fn records(&self, lines: impl IntoIterator<Item = usize>) -> Found {
        lines.into_iter().map(|line| self.record[line]).collect()
    }
}

/// One search in alco's parameters, and the records that grep finds.
struct Case {
    /// parameters after the range
    url: String,
    expect: Found,
}

struct Oracle<'a> {
    records: &'a [Record],
    messages: Lines,
    /// with the columns' texts
    all: Lines,
    random: Rng,
}

/// For both kinds of extended regular expressions.
fn escaped(text: &str) -> String {
    let special = |c: char| ".[(){*+?|^$\\".contains(c);
    text.chars().fold(String::new(), |mut out, c| {
        if special(c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

impl<'a> Oracle<'a> {
    fn new(records: &'a [Record], dir: &Path, seed: u64) -> Oracle<'a> {
        let texts = || records.iter().enumerate().map(|(n, record)| (n, record.message.as_str()));
        let columns: Vec<Vec<String>> = records.iter().map(Record::columns).collect();
        let of = |n: usize| columns[n].iter().map(move |text| (n, text.as_str()));
        Oracle {
            records,
            messages: Lines::write(dir.join(format!("messages-{seed}")), texts()),
            all: Lines::write(dir.join(format!("all-{seed}")), texts().flat_map(|it| [it].into_iter().chain(of(it.0)))),
            random: Rng::with_seed(seed),
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.u32(..100) < percent
    }

    /// A piece of some line, cut anywhere; and whether it includes the line's start, and its end.
    fn slice(&mut self, longest: usize) -> (String, bool, bool) {
        loop {
            let record = &self.records[self.random.usize(..self.records.len())];
            let lines: Vec<&str> = record.message.split('\n').collect();
            let chars: Vec<char> = lines[self.random.usize(..lines.len())].chars().collect();
            if chars.is_empty() {
                continue;
            }
            let from = if self.chance(10) { 0 } else { self.random.usize(..chars.len()) };
            let most = (chars.len() - from).min(longest);
            let length = 1 + self.random.usize(..most);
            let text: String = chars[from..from + length].iter().collect();
            // alco would read it as a filter in the search field
            if text.contains('@') && text.contains('=') {
                continue;
            }
            return (text, from == 0, from + length == chars.len());
        }
    }

    fn changed(&mut self, text: String) -> String {
        match self.random.u32(..5) {
            0 => text.to_uppercase(),
            1 => text.to_lowercase(),
            2 => text.chars().map(|c| if self.random.bool() { c.to_ascii_uppercase() } else { c }).collect(),
            _ => text,
        }
    }

    fn literal(&mut self) -> String {
        let longest = [3, 8, 20, 60, 300][self.random.usize(..5)];
        let (mut text, ..) = self.slice(longest);
        match self.random.u32(..20) {
            // absent, most likely
            0 => text.push_str("zq"),
            1 => text.insert(0, '§'),
            // punctuation only
            2 => text.retain(|c| !c.is_alphanumeric()),
            _ => {}
        }
        if text.is_empty() { "->".to_owned() } else { self.changed(text) }
    }

    fn regex(&mut self) -> String {
        let mut parts = Vec::new();
        for _ in 0..[1, 1, 1, 2, 3][self.random.usize(..5)] {
            let (text, starts, ends) = self.slice(25);
            let text = self.changed(text);
            let mut part = String::new();
            if starts && self.chance(40) {
                part.push('^');
            }
            for c in text.chars() {
                let other = char::from(b'a' + self.random.u8(..26));
                match self.random.u32(..30) {
                    0 => part.push('.'),
                    1 => part.push_str(".*"),
                    2 if c.is_ascii_alphanumeric() => write!(part, "[{c}{other}]").unwrap(),
                    3 if c.is_ascii_digit() => part.push_str("[0-9]+"),
                    4 => write!(part, "({}|{other}{other})", escaped(&c.to_string())).unwrap(),
                    5 => write!(part, "{}+", escaped(&c.to_string())).unwrap(),
                    6 => write!(part, "{}?", escaped(&c.to_string())).unwrap(),
                    7 => write!(part, "{}{{1,3}}", escaped(&c.to_string())).unwrap(),
                    8 => part.push_str("[^q]"),
                    9 if c.is_alphabetic() => part.push_str("[[:alpha:]]"),
                    10 => part.push_str("[^[:cntrl:]]"),
                    _ => part.push_str(&escaped(&c.to_string())),
                }
            }
            if ends && self.chance(40) {
                part.push('$');
            }
            parts.push(part);
        }
        if parts.len() > 1 && self.chance(30) { format!("({})", parts.join("|")) } else { parts.join("|") }
    }

    /// Words, some of them excluded, as in `a -b`.
    fn words(&mut self, case: &[&str]) -> (String, Found) {
        let mut lines: Option<BTreeSet<usize>> = None;
        let mut search = String::new();
        for n in 0..self.random.usize(1..4) {
            let (text, ..) = self.slice(60);
            let words: Vec<&str> =
                text.split(|c: char| !(c == '_' || c.is_alphanumeric())).filter(|w| !w.is_empty()).collect();
            if words.is_empty() {
                continue;
            }
            let word = words[self.random.usize(..words.len())].to_owned();
            let negated = n > 0 && self.chance(40);
            let found = self.messages.grep(&[&["-F", "-w"], case].concat(), &word);
            write!(search, "{}{word} ", if negated { "-" } else { "" }).unwrap();
            let before = lines.unwrap_or_else(|| (0..self.messages.record.len()).collect());
            lines = Some(match negated {
                true => before.difference(&found).copied().collect(),
                false => before.intersection(&found).copied().collect(),
            });
        }
        match lines {
            Some(lines) => (search, self.messages.records(lines)),
            None => self.words(case),
        }
    }

    fn case(&mut self) -> Case {
        let (word, invert, case) = (self.chance(20), self.chance(12), self.chance(30));
        let in_all = self.chance(12);
        let mut options = if case { vec![] } else { vec!["-i"] };
        let mut url = if case { "&case=1".to_owned() } else { String::new() };
        let kind = self.random.u32(..100);
        if kind < 12 {
            let (search, mut expect) = self.words(&options);
            if invert {
                expect = (0..self.records.len()).filter(|n| !expect.contains(n)).collect();
                url.push_str("&invert=1");
            }
            write!(url, "&mode=words&search={}", encoded(&search)).unwrap();
            return self.filtered(url, expect);
        }
        let pattern = match kind {
            ..45 => {
                options.push("-E");
                url.push_str("&mode=regex");
                self.regex()
            }
            _ => {
                options.push("-F");
                self.literal()
            }
        };
        if word {
            options.push("-w");
            url.push_str("&word=1");
        }
        let lines = if in_all { &self.all } else { &self.messages };
        if in_all {
            url.push_str("&in=all");
        }
        let expect = match invert {
            true => {
                // a record is an answer if grep -v prints all its lines
                options.push("-v");
                url.push_str("&invert=1");
                let printed = lines.grep(&options, &pattern);
                let others = (0..lines.record.len()).filter(|line| !printed.contains(line));
                let others = lines.records(others);
                (0..self.records.len()).filter(|n| !others.contains(n)).collect()
            }
            false => lines.records(lines.grep(&options, &pattern)),
        };
        write!(url, "&search={}", encoded(&pattern)).unwrap();
        self.filtered(url, expect)
    }

    fn filtered(&mut self, url: String, mut expect: Found) -> Case {
        if !self.chance(25) {
            return Case { url, expect };
        }
        let number = |record: &Record| match &record.status {
            Value::String(text) => text.parse::<f64>().ok(),
            value => value.as_f64(),
        };
        let (filter, accepts): (&str, Accepts) = match self.random.u32(..10) {
            0 => ("levelname=ERROR", Box::new(|r| r.level == "ERROR")),
            1 => ("levelname__not=ERROR,INFO", Box::new(|r| !matches!(r.level, "ERROR" | "INFO"))),
            2 => ("levelname__in=DEBUG,INFO", Box::new(|r| matches!(r.level, "DEBUG" | "INFO"))),
            3 => ("host__like=EB-0*example", Box::new(|r| r.host.starts_with("web-0"))),
            4 => ("status=200", Box::new(move |r| number(r) == Some(200.0))),
            5 => ("status__gt=301", Box::new(move |r| number(r).is_some_and(|n| n > 301.0))),
            6 => ("status__lte=200.5", Box::new(move |r| number(r).is_some_and(|n| n <= 200.5))),
            7 => ("status__exists=0", Box::new(|r| r.status.is_null())),
            8 => ("tags=slow", Box::new(|r| r.tags.contains(&"slow"))),
            _ => ("tags__not=%E9%87%8D%E8%A6%81", Box::new(|r| !r.tags.contains(&"重要"))),
        };
        expect.retain(|n| accepts(&self.records[*n]));
        Case { url: format!("{url}&{filter}"), expect }
    }
}

/// Each record comes back as it was sent.
fn check_sent(alco: &Alco, path: &str, records: &[Record]) {
    let reply = alco.get(&format!("{path}&format=ndjson"));
    assert_eq!(reply.status, 200, "{}", reply.body);
    let mut lines = reply.body.lines();
    for record in records {
        let line = lines.next().expect("as many records as were sent");
        let mut read: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(read.as_object_mut().unwrap().remove("@id").is_some_and(|id| id.is_string()), "{line}");
        assert_eq!(read, serde_json::from_str::<Value>(&record.body).unwrap());
    }
    assert_eq!(lines.next(), None);
}

/// The numbers of the records in an answer, in its order.
#[track_caller]
fn asked(alco: &Alco, path: &str) -> Vec<usize> {
    let reply = alco.get(&format!("{path}&format=text&columns=seq"));
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    let number = |line: &str| line.split(' ').nth(2).and_then(|seq| seq.parse().ok());
    reply.body.split_terminator('\n').map(|line| number(line).unwrap_or_else(|| panic!("{path}: {line}"))).collect()
}

/// The number of matches on the page, and the word before it: `exactly`, `least` or `most`.
fn count(alco: &Alco, path: &str) -> (String, usize) {
    let reply = alco.get(&format!("{path}&limit=1"));
    let total = reply.body.split_once("<p class=\"total\">").unwrap_or_else(|| panic!("{path}: {}", reply.body)).1;
    let total = crate::support::page::text(total.split_once("</p>").unwrap().0);
    let words: Vec<&str> = total.split_whitespace().collect();
    // `exactly 5`, `at least 5`, `at most 5`
    let at = usize::from(words[0] == "at");
    (words[at].to_owned(), words[at + 1].replace(',', "").parse().unwrap())
}

/// The numbers of records that alco and grep found, and some that only one of both found.
fn difference(records: &[Record], got: Vec<usize>, expect: &Found) -> String {
    let got: Found = got.into_iter().collect();
    let sample = |only: &mut dyn Iterator<Item = &usize>| {
        let some: Vec<String> = only.take(3).map(|n| format!("{n} {:?}", records[*n].message)).collect();
        some.join("; ")
    };
    format!(
        "{} by alco, {} by grep\n  only alco: {}\n  only grep: {}",
        got.len(),
        expect.len(),
        sample(&mut got.difference(expect)),
        sample(&mut expect.difference(&got))
    )
}

fn seeds() -> std::ops::RangeInclusive<u64> {
    let text = std::env::var("ORACLE_SEEDS").unwrap_or_else(|_| SEEDS[usize::from(soak())].to_owned());
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    first.parse().expect("ORACLE_SEEDS is 1-10 or the like")..=last.parse().expect("ORACLE_SEEDS is 1-10 or the like")
}

fn patterns(short: usize) -> usize {
    let patterns = std::env::var("ORACLE_PATTERNS").ok().map(|number| number.parse().expect("a number"));
    patterns.unwrap_or(if soak() { SOAK_PATTERNS } else { short })
}

/// The records of a seed, published, and the parameters of their range.
fn publish(amqp: &str, key: &str, seed: u64, nth: u64) -> (Vec<Record>, String) {
    // each seed has its own range of time
    let start = Timestamp::now() - SignedDuration::from_hours(nth as i64 + 1);
    let start = Timestamp::from_microsecond(start.as_microsecond()).unwrap();
    let records = corpus(seed, LINES, start);
    let end = records.last().unwrap().at + SignedDuration::from_micros(1);
    let mut publisher = Publisher::open(amqp);
    publisher.publish("logstash", key, records.iter().map(|record| &record.body));
    publisher.close();
    (records, format!("start_ts={start}&end_ts={end}"))
}

/// Compares answers about records of one of the indexes with grep's; returns the differences.
fn compare(alco: &Alco, indexes: &[&str], range: &str, records: &[Record], seed: u64, patterns: usize) -> Vec<String> {
    let mut oracle = Oracle::new(records, &crate::support::directory("oracle"), seed);
    let began = Instant::now();
    let (mut answers, mut exact, mut slowest, mut wrong) = (0, 0, (Duration::ZERO, String::new()), Vec::new());
    for n in 0..patterns {
        let Case { url, expect } = oracle.case();
        let index = indexes[oracle.random.usize(..indexes.len())];
        let path = format!("/grep/{index}/?{range}{url}");
        let asking = Instant::now();
        let got = asked(alco, &path);
        slowest = slowest.max((asking.elapsed(), url.clone()));
        answers += got.len();
        if !got.iter().eq(&expect) {
            wrong.push(format!("seed {seed}, pattern {n}: {path}\n  {}", difference(records, got, &expect)));
        }
        let (word, number) = count(alco, &path);
        let holds = match word.as_str() {
            "exactly" => number == expect.len(),
            "least" => number <= expect.len(),
            _ => number >= expect.len(),
        };
        exact += usize::from(word == "exactly");
        if !holds {
            wrong.push(format!("seed {seed}, pattern {n}: {path}\n  {word} {number}, {} by grep", expect.len()));
        }
    }
    println!(
        "seed {seed}: {patterns} patterns over {LINES} lines, {answers} records found, {exact} counts exact, {:.1?}, the slowest \
         answer {:.0?}: {}",
        began.elapsed(),
        slowest.0,
        slowest.1
    );
    wrong
}

#[test]
fn every_answer_is_what_grep_prints() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &(stack.index("oracle") + &stack.index("oracle_all")));
    let (mut stored, mut wrong) = (0, Vec::new());
    for (nth, seed) in seeds().enumerate() {
        let (records, range) = publish(&stack.amqp, "oracle.x", seed, nth as u64);
        stored += LINES as u64;
        for index in ["oracle", "oracle_all"] {
            wait_until("all lines are stored", MAX_STORING, || (stack.count(index)? >= stored).then_some(()));
        }
        check_sent(&alco, &format!("/grep/oracle/?{range}"), &records);
        wrong.extend(compare(&alco, &["oracle", "oracle_all"], &range, &records, seed, patterns(SHORT_PATTERNS)));
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_answer_of_three_nodes_is_what_grep_prints() {
    let index = "[index thirds]\ndays = 3\nrouting_keys = thirds.#\nfiltered = levelname, host\n";
    let nodes = nodes("thirds", 3, index);
    let alcos: Vec<Alco> = nodes.iter().map(|node| node.alco(index)).collect();
    let (records, range) = publish(&nodes[0].stack.amqp, "thirds.x", 11, 0);
    wait_until("all lines are stored", MAX_STORING, || (count_of(&nodes, "thirds") >= LINES as u64).then_some(()));
    let parts: Vec<u64> = nodes.iter().map(|node| node.stack.count("thirds_local").unwrap_or(0)).collect();
    assert!(parts.iter().all(|part| *part > LINES as u64 / 20), "each has a part: {parts:?}");
    check_sent(&alcos[1], &format!("/grep/thirds/?{range}"), &records);
    let wrong = compare(&alcos[2], &["thirds"], &range, &records, 11, patterns(SHORT_PATTERNS / 2));
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
