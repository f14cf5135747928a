//! How many: figures for exactly the search that the page shows, and marked where they are not.

use std::time::{Duration, Instant};

use crate::search::plan::{Plan, Slice, SourcePlan};
use crate::search::query::{Query, Within};
use crate::search::walk::{ALL, Manner, Step, Until, away, groups, not_served};
use crate::search::{Count, Scope, SearchError, Searcher};
use crate::sphinx::engine::Row;
use crate::sphinx::select::Narrowing;
use crate::time::Ts;

/// Checking candidates only to count them takes at most so much of a page's time.
pub(super) const COUNTING: Duration = Duration::from_millis(300);
/// Candidates that are checked in a millisecond, at best: more than the time allows are not begun.
const CHECKABLE: u64 = 200;

impl Searcher {
    /// How many, however long that takes, and what is missing.
    pub fn count_all(&self, query: &Query, scope: &Scope) -> Result<(u64, Vec<String>), SearchError> {
        let plan = self.plan(query, scope)?;
        let (mut count, most) = (0, query.limit.map_or(u64::MAX, |limit| limit.get() as u64));
        if !plan.is_decided() {
            let mut walk = self.walk(
                &plan,
                Manner { backwards: false, stream: false, bare: true, hint: ALL },
                None,
                Until::default(),
            );
            while count < most && matches!(walk.next()?, Step::Hit(_)) {
                count += 1;
            }
            return Ok((count, walk.warnings.into_iter().collect()));
        }
        let mut missing = Vec::new();
        for (source, slice) in
            plan.sources.iter().flat_map(|source| source.slices.iter().map(move |slice| (source, slice)))
        {
            match groups(&self.pool, slice, source.narrowing(slice, false), "COUNT(*) AS n", "", 1) {
                Ok(rows) => count += rows.first().and_then(|row| row.int(0)).unwrap_or(0) as u64,
                Err(fault) => missing.push(not_served(&fault).ok_or_else(|| away(&fault))?),
            }
        }
        Ok((count.min(most), missing))
    }

    /// Where no message matches: how many records do with their columns, as far as that is found out in a moment. None: not
    /// another question.
    pub fn count_in_all(&self, query: &Query, scope: &Scope) -> Result<Option<Count>, SearchError> {
        if query.search.is_empty() || query.invert || query.within == Within::All {
            return Ok(None);
        }
        let all = Query { within: Within::All, ..query.clone() };
        self.count_of(&self.plan(&all, scope)?, &scope.at_most(COUNTING)).map(Some)
    }

    pub(super) fn count_of(&self, plan: &Plan, scope: &Scope) -> Result<Count, SearchError> {
        let narrowed = plan.is_decided() || plan.sources.iter().all(SourcePlan::is_narrowed) || plan.pattern.is_empty();
        let (mut candidates, mut counted_all) = (0, narrowed);
        'all: for source in plan.sources.iter().filter(|_| narrowed) {
            for slice in &source.slices {
                if scope.is_over() {
                    counted_all = false;
                    break 'all;
                }
                let rows = self.rows(slice, source.narrowing(slice, false), "COUNT(*) AS n", "", 1)?;
                candidates += rows.first().and_then(|row| row.int(0)).unwrap_or(0) as u64;
            }
        }
        if plan.is_decided() {
            return Ok(if counted_all { Count::Exact(candidates) } else { Count::AtLeast(candidates) });
        }
        let left = scope.deadline.saturating_duration_since(Instant::now()).as_millis() as u64;
        if counted_all && plan.sources.iter().all(SourcePlan::is_narrowed) && candidates > CHECKABLE * left {
            return Ok(Count::AtMost(candidates));
        }
        let mut count = 0;
        let exact = self.each_checked(plan, true, scope, |_, _| count += 1)?;
        Ok(match (exact, counted_all) {
            (true, _) => Count::Exact(count),
            (false, true) => Count::AtMost(candidates),
            (false, false) => Count::AtLeast(count),
        })
    }

    /// Checks all candidates, as far as the time goes; says whether it went to the end.
    pub(super) fn each_checked(
        &self,
        plan: &Plan,
        bare: bool,
        scope: &Scope,
        mut take: impl FnMut(Ts, &str),
    ) -> Result<bool, SearchError> {
        let manner = Manner { backwards: plan.newest_first, stream: false, bare, hint: ALL };
        let mut walk = self.walk(plan, manner, None, Until::over(scope));
        loop {
            match walk.next()? {
                Step::Hit(hit) => take(hit.place.ts, &hit.record.columns),
                Step::End => return Ok(true),
                Step::Late(_) => return Ok(false),
            }
        }
    }

    /// A slice that is not served has none; the page says so.
    pub(super) fn rows(
        &self,
        slice: &Slice,
        narrowing: &Narrowing,
        columns: &str,
        by: &str,
        limit: usize,
    ) -> Result<Vec<Row>, SearchError> {
        match groups(&self.pool, slice, narrowing, columns, by, limit) {
            Ok(rows) => Ok(rows),
            Err(fault) if not_served(&fault).is_some() => Ok(Vec::new()),
            Err(fault) => Err(away(&fault)),
        }
    }
}
