//! The figures of the list of indexes: for each, the number of recent records, the time of the last one, the half hours of a day, and
//! the days that are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::config::IndexName;
use crate::record::level::Level;
use crate::search::Searcher;
use crate::search::answer::{GroupRows, Grouping, MostGroups, away};
use crate::search::day_sizes::DaySize;
pub use crate::search::half_hours::RecordCounts;
use crate::search::half_hours::{HALF_HOUR_MICROS, HALF_HOURS, HalfHours, SHOWN_HALF_HOURS};
use crate::search::hit::SearchError;
use crate::search::plan::{Slice, slices};
use crate::sphinx::client::Fault;
use crate::sphinx::counting::{RANK, RANK_COUNT, UNSURE_RANK, rank};
use crate::sphinx::day_index::{day_index, local_index, served_days};
use crate::sphinx::select::Restriction;
use crate::sphinx::statement::any;
use crate::time::{Day, Range, Ts, WallClock};

/// Records of this time count as recent.
const RECENT_SECONDS: i64 = 300;
/// For asking the sizes of days: what is missing then is asked for the next reader.
const DAYS_TIME: Duration = Duration::from_millis(300);
/// To count days with very large records in parts.
const COUNTS_TIME: Duration = Duration::from_secs(2);

/// The figures of one index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// records of the last five minutes
    pub recent: u64,
    pub last: Option<Ts>,
    /// the last 24 hours, oldest first; the newest is not over
    pub half_hours: Vec<RecordCounts>,
    /// since midnight
    pub today: RecordCounts,
    /// the parts that are not counted, as texts for the user
    pub missing: Vec<String>,
}

/// The day indexes that have records, those of this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptDays {
    pub days: u32,
    pub oldest: Option<Day>,
    /// None: the engine does not report it
    pub disk_bytes: Option<u64>,
}

/// The begin of the first half hour of an overview.
pub fn shown_since(now: Ts, clock: &WallClock) -> Ts {
    let half_hours = HalfHours::new(clock, now);
    half_hours.start(half_hours.number(now) - SHOWN_HALF_HOURS + 1)
}

impl Searcher {
    /// Asks searchd only for the half hours that may have changed since it was asked last. They, and the day, are those of the
    /// clock.
    pub fn overview(&self, name: &IndexName, now: Ts, clock: &WallClock) -> Result<Overview, SearchError> {
        let index = self.index(name)?;
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = HalfHours::new(clock, now);
        let is_same = |own: &HalfHours| own.ahead_micros == nothing.ahead_micros;
        let mut own = known().get(name).filter(|own| is_same(own)).cloned().unwrap_or(nothing);
        let first = own.first(now);
        let half_hour = format!("((ts+{}) DIV {HALF_HOUR_MICROS})", own.ahead_micros);
        let late = format!("(ts>={}) AS late", now.plus_seconds(-RECENT_SECONDS).micros());
        let sums = "COUNT(*) AS n, MAX(ts) AS last, SUM(late) AS recent";
        let by_level = format!("{half_hour} * {RANK_COUNT} + {RANK} AS bar, {late}, {sums}");
        let by_time = format!("{half_hour} AS bar, {late}, {sums}");
        let (mut counted, mut last, mut recent, mut missing) = (BTreeMap::new(), None, 0, BTreeSet::new());
        let (range, until) = (Range { start: own.start(first), end: now.plus_micros(1) }, Instant::now() + COUNTS_TIME);
        for slice in slices(name, index.days, range, now) {
            let has_levels = self.counts_levels(index, &slice);
            let (columns, ranks) = if has_levels { (&by_level, RANK_COUNT) } else { (&by_time, 1) };
            let grouping = Grouping {
                columns,
                by: "bar",
                most: MostGroups { in_all: (HALF_HOURS * ranks) as usize, at_one_time: ranks as usize },
            };
            let all = Restriction::default();
            let statement = |slice: &Slice| grouping.statement(slice, &all);
            let answer = self
                .access(&self.pool)
                .group_rows((&slice, &all), grouping.most, statement, &|| Instant::now() > until)?;
            missing.extend(answer.missing);
            for row in answer.rows {
                let int = |column| row.int(column).unwrap_or(0);
                let records = row.count(2);
                let errors = match int(0).rem_euclid(ranks) {
                    _ if !has_levels => None,
                    UNSURE_RANK => None,
                    level if level >= rank(Level::Error) => Some(records),
                    _ => Some(0),
                };
                let bar = counted.entry(int(0).div_euclid(ranks)).or_insert(RecordCounts::NONE);
                *bar = bar.plus(RecordCounts { records, errors });
                last = last.max(row.int(3).map(Ts::from_micros));
                recent += row.count(4);
            }
        }
        if own.is_all(first, now) && last.is_none() {
            last = self.kept_range(name)?.map(|kept| kept.end.plus_micros(-1));
        }
        own.take(first, counted, last, now);
        let overview = Overview {
            recent,
            last: own.last,
            half_hours: own.counts(now),
            today: own.today(clock, now),
            missing: missing.into_iter().collect(),
        };
        // what lacks records of a peer is counted again
        if overview.missing.is_empty() {
            known().insert(name.clone(), own);
        }
        Ok(overview)
    }

    /// Returns an error if searchd does not answer a small question about an index at once.
    pub fn is_alive(&self, name: &IndexName, now: Ts) -> Result<(), SearchError> {
        let statement = any(&day_index(name, now.day()));
        match self.health.with(|engine| engine.select(&statement)) {
            // a day that is not served yet is no fault of searchd
            Ok(_) | Err(Fault::Reject(_)) => Ok(()),
            Err(fault) => Err(away(&fault)),
        }
    }

    /// The days of an index that have records on this node. None: not all is known yet.
    pub fn kept_days(&self, name: &IndexName, days: NonZeroU32, now: Ts) -> Option<KeptDays> {
        let until = Instant::now() + DAYS_TIME;
        let mut kept = KeptDays { disk_bytes: Some(0), ..KeptDays::default() };
        let is_old = |day: Day| day < now.day().plus(-1);
        for day in served_days(now.day(), days) {
            let Some(size) = self.day_size(&day_index(name, day), is_old(day), until)? else { continue };
            if size.documents > 0 {
                kept.days += 1;
                kept.oldest = kept.oldest.or(Some(day));
            }
            kept.disk_bytes = kept.disk_bytes.zip(size.disk_bytes).map(|(all, one)| u64::saturating_add(all, one));
        }
        Some(kept)
    }

    /// `Some(None)`: searchd does not serve this day index. None: not known until then.
    fn day_size(&self, day_index: &str, is_old: bool, until: Instant) -> Option<Option<DaySize>> {
        // a panic of another thread leaves whole sizes
        let sizes = || self.day_sizes.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = Instant::now();
        let known = sizes().get(day_index, is_old, asked);
        if known.is_some_and(|(_, is_fresh)| is_fresh) || asked > until {
            return known.map(|(size, _)| Some(size));
        }
        match self.pool.with(|engine| engine.index_status(day_index)) {
            Ok(status) => Some(Some(sizes().note(day_index, &status, asked))),
            Err(Fault::Reject(_)) => Some(None),
            Err(Fault::Retry(_)) => None,
        }
    }

    /// From the first record of all days up to the last one, by one question about all days; None: there is no record.
    pub fn kept_range(&self, name: &IndexName) -> Result<Option<Range>, SearchError> {
        // a document of 1970 is not a record: alco may have ended before it deleted it
        let all = Slice::new(local_index(name), Range { start: Ts::from_micros(1), end: Ts::MAX });
        let columns = "MIN(ts) AS first, MAX(ts) AS last, COUNT(*) AS n";
        let statement = |all: &Slice| Grouping::all(columns).statement(all, &Restriction::default());
        match self.pool.with(|engine| self.nodes.rows_by(engine, &all, statement)) {
            Ok(GroupRows { rows, .. }) => {
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
