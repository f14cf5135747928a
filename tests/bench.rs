//! make bench: the costs of collecting and of searching, each next to its bound; it fails if one misses it.
//!
//! The tables are Markdown: README.md has its figures from them. Times of the CPU are utime + stime of alco and searchd together,
//! medians of an odd number; they mean less on a busy machine, and the times by the clock hardly anything. ALCO_BENCH chooses parts,
//! by words with commas between them; without it, `collect` and `search` run.
//!
//! | word | what runs | minutes |
//! |---|---|---|
//! | `collect` | 300,000 records from the queue into searchd, against bare clients; see `collecting` | 5 |
//! | `search` | questions to a million records of a day, their streams, and growth from 0.3 to 3 million; see `searching` | 15 |
//! | `days` | a page of seven days with a million records each; see `days` | 20 |
//! | `nodes` | three nodes against one, and against each other; see `nodes` | 10 |
//!
//! ALCO_BENCH_RECORDS names a file of JSON lines for `collect` to use instead of generated records; it needs times of one day.

#[path = "bench/collecting.rs"]
mod collecting;
#[path = "bench/days.rs"]
mod days;
#[path = "bench/figures.rs"]
mod figures;
#[path = "bench/filling.rs"]
mod filling;
#[path = "bench/nodes.rs"]
mod nodes;
#[path = "bench/questions.rs"]
mod questions;
#[path = "bench/records.rs"]
mod records;
#[path = "bench/searching.rs"]
mod searching;
#[path = "bench/statements.rs"]
mod statements;
#[allow(clippy::unwrap_used)] // as in the tests
mod support;

use std::fs;
use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use support::Stack;

const WORKERS: usize = 2;
const INDEX: &str = "[index bench]\nqueue = bench\nrouting_keys = bench.#\nthreads = 2\ndays = 9\n\
                     filtered = levelname, host, application, project\n";

/// A word of ALCO_BENCH, and what it runs: true if all bounds were reached.
type Part = (&'static str, fn() -> bool);
const PARTS: [Part; 4] =
    [("collect", collecting::run), ("search", searching::run), ("days", days::run), ("nodes", nodes::run)];
const USUAL: &str = "collect,search";

fn main() -> ExitCode {
    let chosen = std::env::var("ALCO_BENCH").unwrap_or_else(|_| USUAL.to_owned());
    let words: Vec<&str> = chosen.split(',').map(str::trim).collect();
    if let Some(unknown) = words.iter().find(|word| PARTS.iter().all(|(name, _)| name != *word)) {
        eprintln!("ALCO_BENCH has no word '{unknown}': use collect, search, days, nodes, or several with commas");
        return ExitCode::FAILURE;
    }
    println!("load {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    // each part that is chosen runs, whatever the part before it reached
    let missed = PARTS.iter().filter(|(name, run)| words.contains(name) && !run()).count();
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The begin of the UTC day. alco takes records of all of it, since it takes times up to a day ahead.
fn today() -> Timestamp {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    now.start_of_day().expect("UTC has midnights").timestamp()
}

fn searchd_pid(stack: &Stack) -> u32 {
    let pid = fs::read_to_string(stack.dir().join("searchd.pid")).expect("searchd's id");
    pid.split(' ').next().and_then(|pid| pid.parse().ok()).expect("a process id")
}
