//! The figures of the list of indexes: for each, the number of recent records, the time of the last one, and the half hours of a
//! day.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use crate::config::IndexName;
use crate::search::Searcher;
use crate::search::answer::{Grouping, away};
use crate::search::half_hours::{HALF_HOUR_MICROS, HALF_HOURS, number};
use crate::search::hit::SearchError;
use crate::search::plan::{Slice, slices};
use crate::sphinx::client::Fault;
use crate::sphinx::select::Restriction;
use crate::time::{Range, Ts};

/// Records of this time count as recent.
const RECENT_SECONDS: i64 = 300;

/// The figures of one index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// records of the last five minutes
    pub recent: u64,
    pub last: Option<Ts>,
    /// the last 24 hours, oldest first; the newest is not over
    pub half_hours: Vec<u64>,
}

impl Searcher {
    /// Asks searchd only for the half hours that may have changed since it was asked last.
    pub fn overview(&self, name: &IndexName, now: Ts) -> Result<Overview, SearchError> {
        let index = self.index(name)?;
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = known().get(name).cloned().unwrap_or_default();
        let first = own.first(now);
        let select = format!(
            "(ts DIV {HALF_HOUR_MICROS}) AS bar, (ts>={}) AS late, COUNT(*) AS n, MAX(ts) AS last, SUM(late) AS recent",
            now.plus_seconds(-RECENT_SECONDS).micros()
        );
        let (mut counted, mut last, mut recent) = (BTreeMap::new(), None, 0);
        let range = Range { start: Ts::from_micros(first * HALF_HOUR_MICROS), end: now.plus_micros(1) };
        let grouping = Grouping { columns: &select, by: "bar", limit: HALF_HOURS as usize };
        for slice in slices(name, index.days, self.peers, range, now) {
            for row in self.groups(&slice, &Restriction::default(), grouping)?.rows {
                let int = |column| row.int(column).unwrap_or(0);
                *counted.entry(int(0)).or_default() += int(2) as u64;
                last = last.max(row.int(3).map(Ts::from_micros));
                recent += int(4) as u64;
            }
        }
        let is_all = first == number(now) - HALF_HOURS + 1;
        if is_all && last.is_none() {
            last = self.kept_range(name)?.map(|kept| kept.end.plus_micros(-1));
        }
        own.take(first, counted, last, now);
        let overview = Overview { recent, last: own.last, half_hours: own.counts(now) };
        known().insert(name.clone(), own);
        Ok(overview)
    }

    /// From the first record of all days up to the last one, by one question to the distributed index; None: there is no record.
    pub fn kept_range(&self, name: &IndexName) -> Result<Option<Range>, SearchError> {
        // a document of 1970 is not a record: alco may have ended before it deleted it
        let all = Slice::new(name.to_string(), Range { start: Ts::from_micros(1), end: Ts::MAX });
        let columns = "MIN(ts) AS first, MAX(ts) AS last, COUNT(*) AS n";
        let statement = Grouping::all(columns).statement(&all, &Restriction::default());
        match self.pool.with(|engine| engine.select(&statement)) {
            Ok(rows) => {
                let row = rows.first().filter(|row| row.int(2).unwrap_or(0) > 0);
                let ts = |column| row.and_then(|row| row.int(column)).map(Ts::from_micros);
                Ok(ts(0).zip(ts(1)).map(|(start, last)| Range { start, end: last.plus_micros(1) }))
            }
            // searchd serves no day of it yet
            Err(Fault::Reject(_)) => Ok(None),
            Err(fault) => Err(away(&fault)),
        }
    }
}
