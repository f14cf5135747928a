//! The cost of a long range: a page of seven days with a million records each, for a reader who comes first, and again.

use jiff::SignedDuration;

use crate::figures::{Bound, Table, median, memory_mb};
use crate::filling::{fill, range_of_days};
use crate::questions::Asker;
use crate::records::{Records, times};
use crate::support::{Alco, Stack};
use crate::{INDEX, today};

const DAYS: i64 = 7;
const RECORDS_PER_DAY: usize = 1_000_000;
const SEED: u64 = 3;
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// An odd number. Each has a new alco, which has counted nothing yet.
const ROUNDS: usize = 3;

const MAX_FIRST_MS: f64 = 1200.0;
const MAX_AGAIN_MS: f64 = 300.0;
const MAX_REST_MB: f64 = 40.0;

pub fn run() -> bool {
    let stack = Stack::private("bench_days", INDEX);
    // the default, while other tests give a search more time
    let ini = format!("[http]\nsearch_budget = 2s\n{INDEX}");
    let start = today() - DAY * (DAYS as i32 - 1);
    let alco = Alco::start(&stack, &ini);
    let mut records = Records::new(SEED);
    for day in 0..DAYS as i32 {
        fill(&stack, times(RECORDS_PER_DAY, start + DAY * day, DAY).map(|at| records.body(at)));
    }
    assert!(alco.stop().success(), "alco ends well");

    let path = format!("/grep/bench/?{}", range_of_days(start, DAYS));
    let (mut first, mut again, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    let mut exact = true;
    for round in 0..=ROUNDS {
        let alco = Alco::start(&stack, &ini);
        let asker = Asker::new(&alco, &stack);
        let costs = [&mut first, &mut again].map(|costs: &mut Vec<[f64; 2]>| {
            let before = asker.cpu_seconds();
            let answer = asker.ask(&path);
            let cost = [(asker.cpu_seconds() - before) * 1000.0, answer.wall_ms];
            // the first round reads from the disk
            if round > 0 {
                costs.push(cost);
                exact &= answer.exact_total() == Some(RECORDS_PER_DAY as u64 * DAYS as u64);
            }
        });
        let [(), ()] = costs;
        rest.push(memory_mb(alco.pid(), "VmRSS"));
        assert!(alco.stop().success(), "alco ends well");
    }
    let mut table = Table::new("page of 7 days with a million each", &["CPU", "wall"]);
    for (what, costs, bound) in [("the first time", first, MAX_FIRST_MS), ("again", again, MAX_AGAIN_MS)] {
        let medians = [0, 1].map(|of| median(costs.iter().map(|cost| cost[of]).collect()));
        table.add(what, "ms", &medians, Bound::AtMost(bound));
    }
    table.add("alco's memory after both", "MB", &[median(rest)], Bound::AtMost(MAX_REST_MB));
    if !exact {
        table.refuse("the number of records is not exact");
    }
    table.is_reached()
}
