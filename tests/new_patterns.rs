//! alco knows when each pattern of messages was first seen: across restarts, from several daemons and over days. A Redis that lost its
//! data does not make all patterns new. What is kept is bounded, and goes with the retention.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::clock::ClockedRun;
use crate::support::{Alco, LONG, Publisher, SOON, Stack, encoded, memory_kib, wait_until};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Fields of the hash that are not patterns: rules, since, and forgotten if some were.
const HEAD_FIELDS: [&str; 3] = ["rules", "since", "forgotten"];
/// Of today's rules.
const RULES_VERSION: &str = "2";
const MAX_PATTERNS: usize = 20_000;
/// The new patterns that alco reports to Redis at a time, at the most.
const MAX_PATTERNS_OF_A_WRITE: usize = 4000;
/// The promise of docs/operating.md for 20,000 patterns, and for alco.
const MAX_REDIS_BYTES: usize = 6_000_000;
const MAX_ALCO_KIB: u64 = 48 << 10;

/// An entry of the hash.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    first_micros: i64,
    last_second: i64,
    level: u8,
    comes_again: bool,
    forgotten_second: i64,
}

fn key(index: &str) -> String {
    format!("ALCO:PATTERNS:{index}")
}

/// What Redis remembers, by the texts of the patterns.
fn remembered(stack: &Stack, index: &str) -> BTreeMap<String, Entry> {
    let fields: BTreeMap<String, String> = stack.ask_redis(&["HGETALL", &key(index)]);
    let entry = |entry: &String| {
        let parts: Vec<&str> = entry.splitn(6, ' ').collect();
        let number = |at: usize| parts[at].parse::<i64>().unwrap();
        let entry = Entry {
            first_micros: number(0),
            last_second: number(1),
            level: number(2) as u8,
            comes_again: number(3) == 1,
            forgotten_second: number(4),
        };
        (parts[5].to_owned(), entry)
    };
    fields.iter().filter(|(name, _)| !HEAD_FIELDS.contains(&name.as_str())).map(|(_, value)| entry(value)).collect()
}

#[track_caller]
fn remembers(stack: &Stack, index: &str, text: &str, is_so: impl Fn(&Entry) -> bool) -> Entry {
    wait_until(&format!("Redis remembers '{text}'"), LONG, || {
        remembered(stack, index).remove(text).filter(|entry| is_so(entry))
    })
}

/// Has Redis remember patterns since that time.
fn remember_since(stack: &Stack, index: &str, since: Timestamp) {
    stack.ask_redis::<()>(&["HSET", &key(index), "rules", RULES_VERSION, "since", &since.as_second().to_string()]);
}

fn since(stack: &Stack, index: &str) -> Option<i64> {
    stack.ask_redis(&["HGET", &key(index), "since"])
}

/// A message whose pattern is unlike that of any other number.
fn word(n: usize) -> String {
    n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'g')).collect()
}

struct Records(Publisher, String);

impl Records {
    fn publish(&mut self, records: impl IntoIterator<Item = (Timestamp, &'static str, String)>) {
        let body = |(time, level, message): (Timestamp, _, String)| {
            json!({"@timestamp": time.to_string(), "levelname": level, "message": message}).to_string()
        };
        self.0.publish("logstash", &format!("{}.key", self.1), records.into_iter().map(body));
    }
}

/// The patterns that a list of these indexes and parameters has: those that are new, and the others. Its forms for programs have the same.
#[track_caller]
fn patterns(alco: &Alco, indexes: &str, parameters: &str) -> (Vec<String>, Vec<String>) {
    let page = alco.get(&format!("/grep/{indexes}/patterns/?{parameters}"));
    assert_eq!(page.status, 200, "{}", page.body);
    let rows = page.body.split("<td class=\"p\">").skip(1);
    let text = |row: &str| row.split_once("\">").unwrap().1.split_once("</a>").unwrap().0.to_owned();
    let mut all: Vec<(String, bool)> = rows.map(|row| (text(row), row.contains(">new</b>"))).collect();
    all.sort_unstable();
    let (new, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, is_new)| *is_new);
    let [new, others] = [new, others].map(|rows| rows.into_iter().map(|(text, _)| text).collect::<Vec<_>>());
    let as_text = alco.get(&format!("/grep/{indexes}/patterns/?{parameters}&only_new=1&format=text")).body;
    let lines = as_text.lines().filter(|line| !line.starts_with("--"));
    let mut only: Vec<String> = lines.map(|line| line[8..].to_owned()).collect();
    only.sort_unstable();
    assert_eq!(only, new, "{as_text}");
    let api = alco.get(&format!("/api/grep/{indexes}/patterns/?{parameters}&only_new=1")).body;
    let api: Value = serde_json::from_str(&api).unwrap();
    assert_eq!(api["patterns"].as_array().unwrap().len(), new.len(), "{api}");
    (new, others)
}

/// The cell of the index list: a number, or a question mark with its reason.
fn listed(alco: &Alco) -> String {
    let page = alco.get("/grep/").body;
    let cell = page.split("class=\"n news\">").nth(1).unwrap_or_else(|| panic!("no cell in {page}"));
    cell.split("<span class=\"unit\">").next().unwrap().to_owned()
}

/// Waits until the cell has this text: alco keeps it for some seconds.
#[track_caller]
fn lists(alco: &Alco, text: &str) {
    wait_until(&format!("the list has {text}"), SOON, || listed(alco).contains(text).then_some(()));
}

/// How often Redis was asked for all that it keeps under a key.
fn whole_keys_read(stack: &Stack) -> u64 {
    let stats: String = stack.ask_redis(&["INFO", "commandstats"]);
    let calls =
        stats.lines().find_map(|line| line.strip_prefix("cmdstat_hgetall:calls=")?.split(',').next()?.parse().ok());
    calls.unwrap_or_default()
}

#[test]
fn a_pattern_is_new_once_and_not_after_redis_lost_all() {
    const INI: &str = "[index firsts]\ndays = 3\nrouting_keys = firsts.#\n\
                       [index seconds]\ndays = 3\nrouting_keys = seconds.#\n";
    let stack = Stack::private("firsts", INI);
    let now = Timestamp::now();
    let ago = |seconds| now - SignedDuration::from_secs(seconds);
    let new = |alco: &Alco| alco.metric("alco_patterns_new_total{index=\"firsts\"}");
    remember_since(&stack, "firsts", now - DAY * 2);
    let alco = Alco::start(&stack, INI);
    let mut records = Records(Publisher::open(&stack.amqp), "firsts".to_owned());
    records.publish([
        (ago(60), "INFO", "order 1 paid".to_owned()),
        (ago(100), "ERROR", "order 2 failed".to_owned()),
        (ago(50), "WARNING", "order 3 paid".to_owned()),
    ]);
    let paid = remembers(&stack, "firsts", "order * paid", |_| true);
    assert_eq!((paid.first_micros, paid.level), (ago(60).as_microsecond(), 3));
    wait_until("two are new", SOON, || (new(&alco) == 2).then_some(()));
    lists(&alco, "title=\"order * failed\norder * paid\">2</a>");
    // readers who come together share an answer; each reads the saved searches, and the leases of workers are read now and then
    let read = whole_keys_read(&stack);
    (0..20).for_each(|_| drop(listed(&alco)));
    assert!(whole_keys_read(&stack) - read < 20 + 10, "{read}, then {}", whole_keys_read(&stack));
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let both = texts(&["order * failed", "order * paid"]);
    assert_eq!(patterns(&alco, "firsts", "start_ts=-1h"), (both.clone(), vec![]));
    // in a part of the range, one came before
    let from = |seconds| format!("start_ts={}&end_ts=2099-01-01", encoded(&ago(seconds).to_string()));
    assert_eq!(patterns(&alco, "firsts", &from(55)), (vec![], texts(&["order * paid"])));
    assert_eq!(patterns(&alco, "firsts", &format!("{}&levelname=ERROR", from(900))).0, texts(&["order * failed"]));

    // of several indexes, one that knew a pattern before is enough
    remember_since(&stack, "seconds", now - DAY * 2);
    let mut others = Records(Publisher::open(&stack.amqp), "seconds".to_owned());
    let before = [(ago(1000), "INFO", "order 1 paid".to_owned()), (ago(30), "INFO", "order 2 shipped".to_owned())];
    others.publish(before);
    remembers(&stack, "seconds", "order * shipped", |_| true);
    let new_ones = texts(&["order * failed", "order * shipped"]);
    assert_eq!(patterns(&alco, "firsts,seconds", &from(900)), (new_ones, texts(&["order * paid"])));

    // an older record makes the first time earlier, and a restart changes nothing
    records.publish([(ago(80), "INFO", "order 4 paid".to_owned())]);
    remembers(&stack, "firsts", "order * paid", |entry| entry.first_micros == ago(80).as_microsecond());
    assert!(alco.stop().success());
    let alco = Alco::start(&stack, INI);
    records.publish([
        (ago(10), "CRITICAL", "order 5 paid".to_owned()),
        (ago(28_800), "INFO", "order 6 failed".to_owned()),
        (ago(5), "INFO", "order 7 sent".to_owned()),
    ]);
    let paid = remembers(&stack, "firsts", "order * paid", |entry| entry.level == 5);
    assert_eq!(paid.first_micros, ago(80).as_microsecond());
    remembers(&stack, "firsts", "order * failed", |entry| entry.first_micros == ago(28_800).as_microsecond());
    wait_until("one is new", SOON, || (new(&alco) == 1).then_some(()));
    lists(&alco, "title=\"order * paid\">1</a>");
    assert_eq!(patterns(&alco, "firsts", &from(40)), (texts(&["order * sent"]), texts(&["order * paid"])));

    // a record's page has the first time of its pattern, and a link to the lines since then
    let record_of = |alco: &Alco, message: &str| {
        let lines = alco.page(&format!("/grep/firsts/?{}&search={}", from(9000), encoded(message)));
        alco.page(&lines.link("class=t ").expect("a line"))
    };
    let at = |seconds| format!("first seen {}", ago(seconds).strftime("%Y-%m-%d %H:%M:%S"));
    let record = record_of(&alco, "order 5 paid");
    assert!(!record.html.contains(" or earlier"), "{}", record.html);
    let lines = alco.page(&record.link_called(&at(80)).expect("a link"));
    let messages: Vec<String> = lines.lines().into_iter().map(|line| line.message).collect();
    assert_eq!(messages, ["order 4 paid", "order 1 paid", "order 3 paid", "order 5 paid"]);

    // two daemons: each pattern is counted once, and has the earliest time
    let other = Alco::start(&stack, INI);
    let of = |n: usize| (ago((n * 7 % 1000) as i64), "ERROR", format!("{} 7", word(n % 20)));
    records.publish((0..2000).map(of));
    stack.settled_count("firsts", 7 + 2000, SOON);
    for n in 0..20 {
        let first = (0..2000).filter(|m| m % 20 == n).map(|m| of(m).0).min().unwrap().as_microsecond();
        remembers(&stack, "firsts", &format!("{} *", word(n)), |entry| entry.first_micros == first);
    }
    wait_until("twenty more are new", SOON, || (new(&alco) + new(&other) == 21).then_some(()));
    assert!(other.stop().success());

    // Redis loses all: what comes is unknown before that time, and is not counted
    let counted = new(&alco);
    stack.ask_redis::<()>(&["FLUSHALL"]);
    let lost = Timestamp::now().as_second();
    records.publish([(ago(0), "ERROR", "order 8 returned".to_owned()), (ago(0), "ERROR", "order 9 paid".to_owned())]);
    remembers(&stack, "firsts", "order * returned", |_| true);
    assert!(since(&stack, "firsts").unwrap() >= lost);
    records.publish([(ago(0), "ERROR", "order 10 lost".to_owned())]);
    remembers(&stack, "firsts", "order * lost", |_| true);
    assert_eq!(new(&alco), counted);
    let why = "alco has remembered patterns since ";
    lists(&alco, why);
    assert!(listed(&alco).ends_with(">?</span>"), "{}", listed(&alco));
    assert_eq!(patterns(&alco, "firsts", &from(3600)).0, texts(&[]));
    for only in ["", "&only_new=1"] {
        let page = alco.get(&format!("/grep/firsts/patterns/?{}{only}", from(3600))).body;
        assert!(page.contains(" are marked as new: "), "it does not say that it does not know: {page}");
    }
    let record = record_of(&alco, "order 10 lost");
    assert!(record.link_called(&at(0)).is_some() && record.html.contains(" or earlier</span>"), "{}", record.html);
    wait_until("all are acknowledged", SOON, || {
        let listed = stack.rabbitmqctl(&["-q", "list_queues", "--no-table-headers", "messages"]);
        listed.lines().all(|count| count.trim() == "0").then_some(())
    });
    assert!(alco.stop().success());

    // it is alike for a Redis without any data
    stack.ask_redis::<()>(&["FLUSHALL"]);
    let alco = Alco::start(&stack, INI);
    assert!(listed(&alco).contains("what is new is known a day later"), "{}", listed(&alco));
    let page = alco.get("/grep/firsts/patterns/?start_ts=-1h").body;
    assert!(page.contains("alco does not remember any patterns yet"), "{page}");
    assert!(alco.stop().success());
}

#[test]
fn a_flood_of_patterns_spares_those_that_come_again() {
    const FLOOD: usize = 30_000;
    let stack = Stack::shared();
    let now = Timestamp::now();
    let index = "patternflood";
    remember_since(stack, index, now - DAY * 2);
    let alco = Alco::start(stack, &stack.index(index));
    let mut records = Records(Publisher::to_queue(&stack.amqp, index), index.to_owned());
    // one that comes again, and one that came once, before the flood
    let ago = |seconds| now - SignedDuration::from_secs(seconds);
    let before = [(ago(900), "daily job 1"), (ago(700), "daily job 2"), (ago(800), "came once")];
    records.publish(before.map(|(time, message)| (time, "INFO", message.to_owned())));
    remembers(stack, index, "daily job *", |entry| entry.comes_again || entry.last_second == ago(700).as_second());
    records.publish([(ago(600), "WARNING", "daily job 3".to_owned())]);
    remembers(stack, index, "daily job *", |entry| entry.comes_again);
    // each pattern with a text of usual length
    let text = |n: usize| format!("cannot {} the parcel of customer in the warehouse, trying again in 5 s", word(n));
    records.publish((0..FLOOD).map(|n| (now, "ERROR", text(n))));
    stack.settled_count(index, 4 + FLOOD as u64, SOON * 3);
    let last = text(FLOOD - 1).replace("5 s", "*");
    remembers(stack, index, &last, |_| true);

    let kept = remembered(stack, index);
    println!("{} patterns are kept", kept.len());
    assert!((MAX_PATTERNS / 2..=MAX_PATTERNS).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept["daily job *"].first_micros, ago(900).as_microsecond());
    assert!(!kept.contains_key("came once"), "it is displaced by what came later");
    assert!(kept[&last].forgotten_second >= ago(800).as_second(), "it may be one of those that were forgotten");
    let new = alco.metric(&format!("alco_patterns_new_total{{index=\"{index}\"}}"));
    // the write that fills the memory may bring this number more
    let most = MAX_PATTERNS + MAX_PATTERNS_OF_A_WRITE;
    assert!((MAX_PATTERNS / 2..=most).contains(&(new as usize)), "{new} are new for sure");
    let bytes: usize = stack.ask_redis(&["MEMORY", "USAGE", &key(index), "SAMPLES", "0"]);
    let peak = memory_kib(alco.pid(), "VmHWM").unwrap();
    println!("{bytes} bytes in Redis, {peak} KiB in alco");
    assert!(bytes < MAX_REDIS_BYTES && peak < MAX_ALCO_KIB, "{bytes} bytes in Redis, {peak} KiB in alco");
    assert_eq!(alco.get("/grep/").status, 200);
    assert!(alco.stop().success());
}

#[test]
fn first_sights_last_as_long_as_the_retention() {
    const RETENTION_DAYS: i32 = 2;
    // noon: the machine's own midnight must not disturb the test
    let real = Timestamp::now();
    let noon = real.to_zoned(TimeZone::UTC).date().at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
    let to_noon = noon.duration_since(real);
    let run = ClockedRun::start("sights", &format!("days = {RETENTION_DAYS}\n"), to_noon);
    let mut records = Records(Publisher::open(&run.stack.amqp), "sights".to_owned());
    let mut publish = |message: &str| records.publish([(run.clock.now(), "ERROR", message.to_owned())]);
    let shows = |number: usize| {
        wait_until(&format!("{number} are new"), LONG, || {
            let cell = listed(&run.alco);
            (cell == number.to_string() || cell.ends_with(&format!(">{number}</a>"))).then_some(())
        });
    };

    publish("disk 1 full");
    let full = remembers(&run.stack, "sights", "disk * full", |_| true);
    assert!(listed(&run.alco).contains("what is new is known a day later"), "all is new: {}", listed(&run.alco));
    let begun = since(&run.stack, "sights").unwrap();

    // the next day: alco knows what came before
    run.clock.set(to_noon + DAY + SignedDuration::from_mins(5));
    publish("disk 2 full");
    publish("disk 2 broken");
    remembers(&run.stack, "sights", "disk * full", |entry| entry.last_second > full.last_second);
    remembers(&run.stack, "sights", "disk * broken", |_| true);
    shows(1);
    assert_eq!(run.alco.metric("alco_patterns_new_total{index=\"sights\"}"), 1);

    // the first day leaves, and later the second one, with what came last then
    run.clock.set(to_noon + DAY * 2 + SignedDuration::from_mins(10));
    publish("disk 3 broken");
    let broken = remembers(&run.stack, "sights", "disk * broken", |entry| entry.comes_again);
    assert_eq!(remembers(&run.stack, "sights", "disk * full", |_| true).first_micros, full.first_micros);
    shows(0);
    run.clock.set(to_noon + DAY * 3 + SignedDuration::from_mins(15));
    wait_until("what is not kept is forgotten", LONG, || {
        let kept = remembered(&run.stack, "sights");
        (!kept.contains_key("disk * full") && kept["disk * broken"] == broken).then_some(())
    });
    publish("disk 4 full");
    remembers(&run.stack, "sights", "disk * full", |_| true);
    shows(1);
    assert_eq!(since(&run.stack, "sights"), Some(begun));
    let ttl: u64 = run.stack.ask_redis(&["TTL", &key("sights")]);
    let keep = Duration::from_secs(86_400 * (RETENTION_DAYS as u64 + 1));
    assert!(ttl <= keep.as_secs() && ttl + 600 > keep.as_secs(), "{ttl}");
    assert!(run.alco.stop().success());
}
