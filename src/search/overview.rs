//! What the list of indexes shows of each: how many records lately, when the last one was, and a day by the half hour.
//!
//! Half hours that are over hardly change, so they are counted again only now and then: the list costs searchd one small
//! question an index, however many records a day has.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use crate::config::IndexName;
use crate::search::Searcher;
use crate::search::hit::SearchError;
use crate::search::plan::{Slice, slices};
use crate::search::scan::{away, groups};
use crate::sphinx::client::Fault;
use crate::sphinx::select::Narrowing;
use crate::time::{Range, Ts};

const RECENT_SECONDS: i64 = 300;
const HALF_HOURS: i64 = 48;
const HALF_HOUR: i64 = 1_800_000_000;
/// All half hours are counted again after so long, for records that came late.
const AGAIN: i64 = 600_000_000;

/// Of one index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// records of the last five minutes
    pub recent: u64,
    pub last: Option<Ts>,
    /// the last 24 hours, oldest first; the newest is not over
    pub half_hours: Vec<u64>,
}

/// What was counted before.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// by their number since 1970
    half_hours: BTreeMap<i64, u64>,
    /// when all of them were counted, and when any were
    all: Option<Ts>,
    asked: Option<Ts>,
    last: Option<Ts>,
}

impl Known {
    /// The first half hour to count; the newest two may still change.
    fn first(&self, now: Ts) -> i64 {
        let oldest = number(now) - HALF_HOURS + 1;
        let is_fresh = |all: &Ts| (0..AGAIN).contains(&(now.micros() - all.micros()));
        match (self.all.filter(is_fresh), self.asked) {
            (Some(_), Some(asked)) => (number(asked.min(now)) - 1).max(oldest),
            _ => oldest,
        }
    }

    fn take(&mut self, first: i64, counted: BTreeMap<i64, u64>, last: Option<Ts>, now: Ts) {
        let oldest = number(now) - HALF_HOURS + 1;
        self.half_hours.retain(|number, _| (oldest..first).contains(number));
        self.half_hours.extend(counted);
        if first == oldest {
            self.all = Some(now);
        }
        self.asked = Some(now);
        self.last = self.last.max(last);
    }

    fn half_hours(&self, now: Ts) -> Vec<u64> {
        let newest = number(now);
        (newest - HALF_HOURS + 1..=newest).map(|n| self.half_hours.get(&n).copied().unwrap_or(0)).collect()
    }
}

fn number(ts: Ts) -> i64 {
    ts.micros().div_euclid(HALF_HOUR)
}

impl Searcher {
    pub fn overview(&self, name: &IndexName, now: Ts) -> Result<Overview, SearchError> {
        let index = self.index(name)?;
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = known().get(name).cloned().unwrap_or_default();
        let first = own.first(now);
        let select = format!(
            "(ts DIV {HALF_HOUR}) AS bar, (ts>={}) AS late, COUNT(*) AS n, MAX(ts) AS last, SUM(late) AS recent",
            now.plus_seconds(-RECENT_SECONDS).micros()
        );
        let (mut counted, mut last, mut recent) = (BTreeMap::new(), None, 0);
        let range = Range { start: Ts::from_micros(first * HALF_HOUR), end: now.plus_micros(1) };
        for slice in slices(name, index.days, self.peers, range, now) {
            let rows = self.groups(&slice, &Narrowing::default(), &select, "bar", HALF_HOURS as usize)?;
            for row in rows.unwrap_or_default() {
                let int = |column| row.int(column).unwrap_or(0);
                *counted.entry(int(0)).or_default() += int(2) as u64;
                last = last.max(row.int(3).map(Ts::from_micros));
                recent += int(4) as u64;
            }
        }
        let is_all = first == number(now) - HALF_HOURS + 1;
        if is_all && last.is_none() {
            last = self.last(name)?;
        }
        own.take(first, counted, last, now);
        let overview = Overview { recent, last: own.last, half_hours: own.half_hours(now) };
        known().insert(name.clone(), own);
        Ok(overview)
    }

    /// The time of the latest record of all days, by one question to the distributed index.
    pub fn last(&self, name: &IndexName) -> Result<Option<Ts>, SearchError> {
        let all = Slice::new(name.to_string(), Range { start: Ts::MIN, end: Ts::MAX });
        match groups(&self.pool, &all, &Narrowing::default(), "MAX(ts) AS last, COUNT(*) AS n", "", 1) {
            Ok(rows) => {
                let row = rows.first().filter(|row| row.int(1).unwrap_or(0) > 0);
                Ok(row.and_then(|row| row.int(0)).map(Ts::from_micros))
            }
            // no day of it is served yet
            Err(Fault::Reject(_)) => Ok(None),
            Err(fault) => Err(away(&fault)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_hour_that_is_over_is_counted_once_and_again_after_a_while() {
        let start = Ts::from_micros(1_795_341_600_000_000);
        let newest = number(start);
        let mut known = Known::default();
        let counted = |from: i64, n: u64| (from..=newest).map(|number| (number, n)).collect::<BTreeMap<_, _>>();
        let minutes = |minutes: i64| start.plus_seconds(minutes * 60);

        assert_eq!(known.first(start), newest - 47);
        known.take(newest - 47, counted(newest - 47, 5), Some(start), start);
        assert_eq!(known.half_hours(start), [5; 48]);

        assert_eq!(known.first(minutes(3)), newest - 1);
        known.take(newest - 1, counted(newest - 1, 7), None, minutes(3));
        assert_eq!(known.half_hours(minutes(3))[45..], [5, 7, 7]);
        assert_eq!(known.last, Some(start));

        // the newest is another one by then
        assert_eq!(known.half_hours(minutes(33))[44..], [5, 7, 7, 0]);
        assert_eq!(known.first(minutes(11)), newest - 47);
        // a clock that was set back
        assert_eq!(known.first(minutes(-70)), newest - 3 - 47);
    }
}
