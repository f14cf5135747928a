//! The figures of a page's search: the number of its matches, by time and by value. Figures that are not exact are marked.
//!
//! searchd counts the records that the index alone decides. Candidates are read and checked once for all figures together; if
//! that would take too long, the index gives an upper bound. `tally` adds up what was seen, `figures` adds what searchd counts;
//! `levels` has searchd count by level, `patterns` by the patterns of messages.

pub mod column_values;
mod figures;
pub mod histogram;
mod levels;
pub mod patterns;
mod tally;

use std::sync::{Arc, Mutex, PoisonError};

use crate::query::{Query, Within};
use crate::search::Searcher;
use crate::search::answer::{GroupRows, Grouping, MostGroups, first_number};
use crate::search::day_groups::{DayGroups, DayState, DayStates};
use crate::search::hit::{Count, Hit, SearchError};
use crate::search::pace::ALL_ROWS;
use crate::search::plan::{Plan, Slice, Subset};
use crate::search::scan::{Read, ScanMode, Step};
use crate::search::scope::{Deadline, Scope};
use crate::search::stats::column_values::{ValueCounts, ValuesWanted};
use crate::search::stats::figures::Figures;
use crate::search::stats::histogram::Bars;
pub use crate::search::stats::tally::{Tally, Wanted};
use crate::sphinx::client::Row;
use crate::sphinx::select::Restriction;
use crate::time::{Range, Ts, WallClock};

/// Candidates that are checked in a millisecond, at best; if the time allows fewer than there are, checking does not begin.
const CHECKS_PER_MILLISECOND: u64 = 130;

impl Searcher {
    /// An empty tally, for matches that are read anyway; use it only if they turn out to be all matches.
    pub fn tally(&self, query: &Query, scope: &Scope, wanted: Wanted) -> Tally {
        let range = query.range(scope.now, &scope.zone);
        let indexes = query.indexes.iter().filter_map(|name| self.index(name).ok().cloned()).collect();
        let clock = WallClock::of(query.zone(&scope.zone));
        Tally::new(Bars::new(range, wanted.bars, &clock, indexes), wanted.columns)
    }

    /// The figures of a search whose matches are all in the tally.
    pub fn figures_of(&self, query: &Query, scope: &Scope, tally: Tally) -> Result<Figures<'_>, SearchError> {
        Figures::new(self, self.plan(query, scope)?, scope, tally, None)
    }

    pub fn figures(&self, query: &Query, scope: &Scope, wanted: Wanted) -> Result<Figures<'_>, SearchError> {
        let plan = self.plan(query, scope)?;
        let mut tally = self.tally(query, scope, wanted);
        let checking = scope.at_most(scope.counting);
        let read = if tally.is_bare() { Read::Place } else { Read::Columns };
        let few = match self.to_check(&plan, scope)? {
            Some(candidates) => candidates <= CHECKS_PER_MILLISECOND * checking.left().as_millis() as u64,
            // only checking can answer
            None => true,
        };
        let take = |hit: &Hit| tally.take(hit);
        let checked = few && self.each_checked(&plan, &Subset::TO_CHECK, read, &checking, take)?;
        let rest = if checked { Subset::Exact } else { Subset::Candidates };
        Figures::new(self, plan, scope, tally, Some(rest))
    }

    /// The values of a column, of the same search without the column's own filters.
    pub fn values(&self, query: &Query, scope: &Scope, wanted: &ValuesWanted) -> Result<ValueCounts, SearchError> {
        let column = wanted.column;
        let mut query = query.clone();
        query.filters.retain(|filter| !filter.is_on(column));
        self.figures(&query, scope, Wanted::values(&[column]))?.values(wanted)
    }

    /// Counts all matches, for as long as it takes, while the client waits. Returns their number, and the parts that are missing.
    pub fn count_all(&self, query: &Query, scope: &Scope) -> Result<(u64, Vec<String>), SearchError> {
        let plan = self.plan(query, scope)?;
        let states = DayStates::default();
        let (mut count, most) = (0, query.limit.map_or(u64::MAX, |limit| limit.get() as u64));
        let mut missing: Vec<String> = Vec::new();
        for of in Subset::TO_CHECK {
            let mode = ScanMode { backwards: false, of, read: Read::Place, hint: ALL_ROWS };
            let mut walk = self.walk(&plan, mode, None, Deadline::left(scope));
            while count < most && matches!(walk.next()?, Step::Hit(_)) {
                count += 1;
            }
            missing.extend(walk.warnings);
        }
        for (_, slice, narrowing) in plan.asked(Subset::Exact) {
            let counted = self.documents_of(slice, narrowing, &states)?;
            count += counted.rows;
            missing.extend(counted.missing);
        }
        missing.sort();
        missing.dedup();
        Ok((count.min(most), missing))
    }

    /// If no message matches: the number of records that do with their columns, as far as it is found out in a moment. None: the
    /// search has no such other question.
    pub fn count_in_all(&self, query: &Query, scope: &Scope) -> Result<Option<Count>, SearchError> {
        if query.search.is_empty() || query.invert || query.within == Within::All {
            return Ok(None);
        }
        let all = Query { within: Within::All, ..query.clone() };
        // only a hint
        self.figures(&all, &scope.at_most(scope.counting / 2), Wanted::values(&[]))?.count().map(Some)
    }

    /// The number of documents to check. None: nearly all that there are, or more than can be counted in time.
    fn to_check(&self, plan: &Plan, scope: &Scope) -> Result<Option<u64>, SearchError> {
        let mut candidates = 0;
        for (_, slice, narrowing) in Subset::TO_CHECK.into_iter().flat_map(|of| plan.asked(of)) {
            if narrowing.is_nothing() || scope.is_over() {
                return Ok(None);
            }
            candidates += first_number(&self.groups(slice, narrowing, Grouping::all("COUNT(*) AS n"))?.rows);
        }
        Ok(Some(candidates))
    }

    /// As `groups`. What was counted of a whole day is kept, and serves again while the day index stays as it was. With peers,
    /// nothing is kept: the state of their day indexes is not known.
    fn kept_groups(
        &self,
        slice: &Slice,
        narrowing: &Restriction,
        grouping: Grouping,
        (states, is_over): (&DayStates, &dyn Fn() -> bool),
    ) -> Result<GroupRows<Arc<[Row]>>, SearchError> {
        let statement = |slice: &Slice| grouping.statement(slice, narrowing);
        self.kept(&self.day_groups, (slice, narrowing), (&statement, grouping.most), (states, is_over), |rows| {
            let bytes = rows.iter().map(Row::held_bytes).sum();
            (Arc::from(rows), bytes)
        })
    }

    /// The answer to a statement about a slice, which asks for at most that many groups: what `read` makes of the rows, and its bytes.
    /// That of a whole day is kept in `groups`.
    fn kept<R>(
        &self,
        groups: &Mutex<DayGroups<R>>,
        (slice, narrowing): (&Slice, &Restriction),
        (statement, most): (&dyn Fn(&Slice) -> String, MostGroups),
        (states, is_over): (&DayStates, &dyn Fn() -> bool),
        read: impl FnOnce(Vec<Row>) -> (Arc<[R]>, usize),
    ) -> Result<GroupRows<Arc<[R]>>, SearchError> {
        let state = self.state(slice, states);
        let kept = || groups.lock().unwrap_or_else(PoisonError::into_inner);
        let key = state.map(|state| (statement(slice), state));
        if let Some(rows) = key.as_ref().and_then(|(statement, state)| kept().get(statement, *state)) {
            return Ok(GroupRows { rows, missing: Vec::new() });
        }
        let GroupRows { rows, missing } =
            self.access(&self.pool).group_rows((slice, narrowing), most, statement, is_over)?;
        let (rows, bytes) = read(rows);
        if let (Some((statement, state)), true) = (key, missing.is_empty()) {
            kept().keep(statement, state, Arc::clone(&rows), bytes);
        }
        Ok(GroupRows { rows, missing })
    }

    /// The state of the day index of a slice that is a whole day; None: it is not, or searchd does not report it.
    fn state(&self, slice: &Slice, states: &DayStates) -> Option<DayState> {
        if self.nodes.has_peers() || !slice.is_whole_day() {
            return None;
        }
        states.of(&slice.from, || {
            let status = self.pool.with(|engine| engine.index_status(&slice.from)).ok()?;
            DayState::of(&status)
        })
    }

    /// The number of a slice's documents that meet the conditions. Without conditions, searchd need not look through a whole day.
    fn documents_of(
        &self,
        slice: &Slice,
        narrowing: &Restriction,
        states: &DayStates,
    ) -> Result<GroupRows<u64>, SearchError> {
        let count = |slice| {
            let GroupRows { rows, missing } = self.groups(slice, narrowing, Grouping::all("COUNT(*) AS n"))?;
            Ok(GroupRows { rows: first_number(&rows), missing })
        };
        let state = if narrowing.is_nothing() && slice.keys.is_none() { self.state(slice, states) } else { None };
        let Some(state) = state else { return count(slice) };
        // a document of 1970 is not a record: alco may have ended before it deleted it
        let before = Range { start: Ts::MIN, end: slice.range.start };
        let others = count(&Slice::new(slice.from.clone(), before))?;
        Ok(GroupRows { rows: state.documents().saturating_sub(others.rows), ..others })
    }

    pub(super) fn groups(
        &self,
        slice: &Slice,
        narrowing: &Restriction,
        grouping: Grouping,
    ) -> Result<GroupRows<Vec<Row>>, SearchError> {
        self.nodes.rows(&self.pool, slice, |slice| grouping.statement(slice, narrowing))
    }

    /// Passes on the candidates that match, until the time is over; returns whether these are all.
    fn each_checked(
        &self,
        plan: &Plan,
        of: &[Subset],
        read: Read,
        scope: &Scope,
        mut take: impl FnMut(&Hit),
    ) -> Result<bool, SearchError> {
        let mut all = true;
        for &of in of {
            let mode = ScanMode { backwards: plan.newest_first, of, read, hint: ALL_ROWS };
            let mut walk = self.walk(plan, mode, None, Deadline::over(scope));
            loop {
                match walk.next()? {
                    Step::Hit(hit) => take(&hit),
                    Step::End => break all &= walk.warnings.is_empty(),
                    Step::Late(_) => return Ok(false),
                }
            }
        }
        Ok(all)
    }
}
