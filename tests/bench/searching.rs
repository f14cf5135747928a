//! The cost of searching: a million records of one day, stored by alco itself. Then the day grows to three million.
//!
//! The records of the minutes around now are stored first, as many as a million in a day have, so the last five minutes hold the same
//! records whatever the day holds.

use std::thread;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mysql::prelude::Queryable;

use crate::INDEX;
use crate::figures::{Bound, Table, bytes_below, cpu_seconds, memory_mb};
use crate::filling::{day_indexes, fill, range_of_days, range_of_most};
use crate::questions::{Asker, Cost};
use crate::records::{Records, needle, times};
use crate::support::{Alco, Stack, encoded, is_manticore, wait_until};
use crate::{searchd_pid, today};

const FEW: usize = 300_000;
const MILLION: usize = 1_000_000;
const MANY: usize = 3_000_000;
const SEED: u64 = 2;
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// The minutes around the begin of the benchmark, which ends before them.
const BEFORE_NOW: SignedDuration = SignedDuration::from_mins(15);
const AFTER_NOW: SignedDuration = SignedDuration::from_mins(45);
const NEEDLES: usize = 5;
const MERGE_LIMIT: Duration = Duration::from_secs(120);
/// alco does a day in a few seconds, and none in the first ten minutes after midnight.
const ALCO_LIMIT: Duration = Duration::from_secs(1200);
/// The time until memory that alco gives back is given back.
const REST: Duration = Duration::from_secs(5);

/// Values that the needles have, of a column, a column of an object, an array, and a number; and one that no record has.
const RARE_VALUES: [&str; 5] = [
    "request_id=needle-5efcc620d4f8",
    "order.id=needle-7",
    "tags=needle",
    "process=4194301",
    "request_id=5efcc620d4f8dea1",
];
/// Patterns that the needles match, and two that no record does.
const RARE_PATTERNS: [&str; 20] = [
    "7f3a9c2e41b",
    "f3a9c2",
    "imeout=5",
    "gave imeout=5 -> ret",
    "10.0.0.77",
    "10.0.0.7",
    ".77:84",
    "日本",
    "e_日",
    "naïv",
    "ДОНАУD",
    "schifffahrtsgesellsch",
    "→",
    "99.97%",
    "%ile",
    "zq",
    "q=zq!",
    "#7 at",
    "no record holds this",
    "xqzj",
];
/// Part of one word: from hardly any record to one in seven.
const PARTIAL: [&str; 6] = ["reylis", "imeout", "uthoris", "ackpac", "pstrea", "hrome"];
/// Queries with filters and patterns that many records match.
const RECENT: [&str; 5] = ["", "levelname=ERROR", "search=timed+out", "search=user", "search=zq"];

pub fn run() -> bool {
    let stack = Stack::private("bench_search", INDEX);
    // the default, while other tests give a search more time
    let alco = Alco::start(&stack, &format!("[http]\nsearch_budget = 2s\n{INDEX}"));
    let (asker, searchd) = (Asker::new(&alco, &stack), searchd_pid(&stack));
    let mut day = Day::new();
    let used = || [cpu_seconds(alco.pid()), cpu_seconds(searchd)];
    let (empty_mb, before) = (unpaged_mb(searchd), used());
    day.fill(&stack, FEW);
    let few = asker.cost("/api/grep/bench/?start_ts=-5m").0;
    day.fill(&stack, MILLION);
    let stored = used();

    let range = range_of_most(today());
    let mut table = Table::new("question to a million records of a day", &["CPU", "wall"]);
    questions(&mut table, &asker, &range);
    let recent = asker.cost("/api/grep/bench/?start_ts=-5m").0;
    table.add("last 5 minutes, 100 lines", "ms", &[recent.cpu_ms, recent.wall_ms], Bound::None);
    patterns(&mut table, &asker, &range);
    let mut streams = Table::new("stream of a million records, for each", &["CPU", "wall"]);
    stream(&mut streams, &asker, &range);
    let rest_mb = at_rest(&alco);

    let mut costs = Table::new("cost of a million records", &["measured"]);
    let each = |process: usize| (stored[process] - before[process]) * 1e6 / MILLION as f64;
    costs.add("alco's CPU a record", "µs", &[each(0)], Bound::AtMost(9.0));
    costs.add("searchd's CPU a record", "µs", &[each(1)], Bound::AtMost(70.0));
    costs.add(
        "searchd's memory, with what it has for new records",
        "MB",
        &[unpaged_mb(searchd) - empty_mb],
        Bound::None,
    );
    merge(&stack);
    stack.stop("searchd");
    stack.restart("searchd");
    // searchd has deleted the pieces that it merged
    let disk = bytes_below(&stack.dir().join("searchd/data/bench")) as f64 / MILLION as f64;
    costs.add("disk a record, after the day", "B", &[disk], Bound::AtMost(530.0));
    // the first question reads from the disk
    let asker = Asker::new(&alco, &stack);
    asker.ask(&format!("/api/grep/bench/histogram/?{range}"));
    let fixed_mb = unpaged_mb(searchd_pid(&stack)) - empty_mb;
    costs.add("searchd's memory that cannot be paged out", "MB", &[fixed_mb], Bound::AtMost(70.0));
    costs.add("alco's memory at rest after all questions", "MB", &[rest_mb], Bound::AtMost(40.0));

    day.fill(&stack, MANY);
    let many = asker.cost("/api/grep/bench/?start_ts=-5m").0;
    let mut growth = Table::new("last 5 minutes, 100 lines", &["CPU", "wall"]);
    for (records, cost) in [("0.3", few), ("1", recent), ("3", many)] {
        growth.add(&format!("with {records} million records"), "ms", &[cost.cpu_ms, cost.wall_ms], Bound::None);
    }
    let ratio = [many.cpu_ms / few.cpu_ms, many.wall_ms / few.wall_ms];
    growth.add("with 3 million against 0.3 million", "×", &ratio, Bound::AtMost(1.5));
    let rest_mb = at_rest(&alco);
    growth.add("alco's memory at rest after that", "MB", &[rest_mb], Bound::AtMost(40.0));
    [table, streams, costs, growth].iter().all(Table::is_reached)
}

/// Has searchd write each day index as one piece, as alco has it done when a day is over. alco must have done so before: Sphinx 2.2.11
/// deletes a day whose RAM chunk was written for two at once.
pub fn merge(stack: &Stack) {
    let of_today = format!("bench_{}", today().strftime("%Y%m%d"));
    let over: Vec<String> = day_indexes(stack).into_iter().filter(|day| *day < of_today).collect();
    let done = || {
        let claims: Vec<String> = stack.ask_redis(&["HGETALL", "ALCO:FINISHED:bench"]);
        let of_day = |day: &str| format!("{} {}", stack.sphinx, day.trim_start_matches("bench_"));
        let is_done =
            |day: &String| claims.chunks(2).any(|pair| pair[0].ends_with(&of_day(day)) && pair[1].starts_with("done "));
        over.iter().all(is_done).then_some(())
    };
    wait_until("alco has optimized the days that are over", ALCO_LIMIT, done);
    // by itself, Manticore leaves two pieces for each core
    let option = if is_manticore() { " OPTION cutoff=1" } else { "" };
    for day in day_indexes(stack) {
        for statement in [format!("FLUSH RAMCHUNK {day}"), format!("OPTIMIZE INDEX {day}{option}")] {
            stack.sphinxql().query_drop(statement).expect("searchd writes an index");
        }
        let is_one = || (stack.index_status(&day)["disk_chunks"] <= 1).then_some(());
        wait_until("searchd has merged the day", MERGE_LIMIT, is_one);
    }
}

fn questions(table: &mut Table, asker: &Asker, range: &str) {
    let (name, rare) = worst(&RARE_VALUES, |filter| asker.cost(&format!("/api/grep/bench/?{range}&{filter}")).0);
    table.add(&format!("rare value ({name})"), "ms", &[rare.cpu_ms, rare.wall_ms], Bound::AtMost(4.0));
    let whole_day = range_of_days(today(), 1);
    let (count, answer) = asker.cost(&format!("/api/grep/bench/count/?{whole_day}"));
    table.add("number of records", "ms", &[count.cpu_ms, count.wall_ms], Bound::AtMost(5.0));
    if !answer.text.contains(&format!("\"count\":{MILLION},")) {
        table.refuse(&format!("number of records: {}", answer.text));
    }
    for (what, path, bound) in [
        ("counts by level", format!("/api/grep/bench/values/levelname/?{range}"), Bound::AtMost(25.0)),
        ("histogram by level", format!("/api/grep/bench/histogram/?{range}"), Bound::AtMost(40.0)),
        ("values of a filtered column", format!("/api/grep/bench/values/host/?{range}"), Bound::AtMost(25.0)),
        ("values of another column", format!("/api/grep/bench/values/logger/?{range}"), Bound::None),
        // of 23,000 patterns: more than searchd returns at a time
        ("page of the patterns of messages", format!("/grep/bench/patterns/?{range}"), Bound::None),
        ("the same against the day before", format!("/grep/bench/patterns/?{range}&against=yesterday"), Bound::None),
    ] {
        exactly(table, asker, what, &path, bound);
    }
    let page = format!("/grep/bench/?{range}");
    let cost = exactly(table, asker, "page without a search", &page, Bound::AtMost(150.0));
    table.add("its first byte (by the clock)", "ms", &[cost.first_byte_ms], Bound::AtMost(10.0));
    exactly(table, asker, "page of a whole day, again", &format!("/grep/bench/?{whole_day}"), Bound::AtMost(150.0));
    let regex = format!("{page}&mode=regex&search={}", encoded("took [0-9]{4}ms"));
    exactly(table, asker, "page with a regex that has a literal", &regex, Bound::AtMost(250.0));
}

/// A row, and another if the answer is not exact.
fn exactly(table: &mut Table, asker: &Asker, what: &str, path: &str, bound: Bound) -> Cost {
    let (cost, answer) = asker.cost(path);
    table.add(what, "ms", &[cost.cpu_ms, cost.wall_ms], bound);
    if !answer.is_exact() {
        table.refuse(&format!("{what}: not exact"));
    }
    cost
}

fn patterns(table: &mut Table, asker: &Asker, range: &str) {
    let cost = |query: String| asker.cost(&format!("/api/grep/bench/?{query}")).0;
    let pattern = |text: &str| cost(format!("{range}&search={}", encoded(text)));
    for (group, (name, cost), bound) in [
        ("rare pattern", worst(&RARE_PATTERNS, pattern), 50.0),
        ("part of a word", worst(&PARTIAL, pattern), 150.0),
        ("last 5 minutes", worst(&RECENT, |query| cost(format!("start_ts=-5m&{query}"))), 15.0),
    ] {
        table.add(&format!("{group} ({name})"), "ms", &[cost.cpu_ms, cost.wall_ms], Bound::AtMost(bound));
    }
}

/// The query with the highest cost.
fn worst<'a>(queries: &[&'a str], cost: impl Fn(&str) -> Cost) -> (&'a str, Cost) {
    let costs = queries.iter().map(|query| (*query, cost(query)));
    costs.max_by(|(_, a), (_, b)| a.cpu_ms.total_cmp(&b.cpu_ms)).expect("at least one query")
}

fn stream(table: &mut Table, asker: &Asker, range: &str) {
    for (format, bound) in [("ndjson", 5.0), ("csv", 5.0), ("text", 5.0)] {
        let (cost, answer) = asker.cost(&format!("/grep/bench/?{range}&format={format}"));
        let each = |ms: f64| ms * 1000.0 / MILLION as f64;
        table.add(format, "µs", &[each(cost.cpu_ms), each(cost.wall_ms)], Bound::AtMost(bound));
        if answer.lines < MILLION {
            table.refuse(&format!("{format}: {} lines", answer.lines));
        }
    }
}

/// Memory of a process that is in no file. searchd has attributes in shared memory.
fn unpaged_mb(pid: u32) -> f64 {
    memory_mb(pid, "RssAnon") + memory_mb(pid, "RssShmem")
}

fn at_rest(alco: &Alco) -> f64 {
    thread::sleep(REST);
    memory_mb(alco.pid(), "VmRSS")
}

/// A day that is filled in steps.
struct Day {
    records: Records,
    stored: usize,
    start: Timestamp,
    around_now: [Timestamp; 2],
}

impl Day {
    fn new() -> Day {
        let (start, now) = (today(), Timestamp::now());
        // the minutes around midnight belong to two days; then so do their records, and figures of the day lack them
        Day { records: Records::new(SEED), stored: 0, start, around_now: [now - BEFORE_NOW, now + AFTER_NOW] }
    }

    /// Adds records, up to that number.
    fn fill(&mut self, stack: &Stack, count: usize) {
        let [from, to] = self.around_now;
        let recent = match self.stored {
            0 => (MILLION as f64 * (AFTER_NOW + BEFORE_NOW).as_secs_f64() / DAY.as_secs_f64()) as usize,
            _ => 0,
        };
        let none = SignedDuration::ZERO;
        let early = from.duration_since(self.start).max(none);
        let late = (self.start + DAY).duration_since(to).max(none);
        let others = count - self.stored - recent;
        let first = (others as f64 * early.as_secs_f64() / (early + late).as_secs_f64()) as usize;
        let all = times(first, self.start, early).chain(times(recent, from, AFTER_NOW + BEFORE_NOW)).chain(times(
            others - first,
            to,
            late,
        ));
        let has_needles = self.stored == 0;
        let records = &mut self.records;
        let bodies = all.enumerate().map(|(n, at)| match n % (FEW / NEEDLES) {
            7 if has_needles => needle(at),
            _ => records.body(at),
        });
        fill(stack, bodies);
        self.stored = count;
    }
}
