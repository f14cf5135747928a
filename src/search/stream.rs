//! All matches of a search, of any number, one after the other.

use crate::query::cursor::Cursor;
use crate::query::{Context, Query};
use crate::search::Searcher;
use crate::search::context::Around;
use crate::search::hit::{Hit, Line, SearchError};
use crate::search::plan::Subset;
use crate::search::scan::{Read, ScanMode, Step};
use crate::search::scope::{Deadline, Scope};

impl Searcher {
    /// Passes every line of the answer to `take` until it returns false. Calls `pulse` before each query to searchd, which returns
    /// false to stop. Returns the parts of the answer that are missing.
    pub fn each(
        &self,
        query: &Query,
        scope: &Scope,
        read: Read,
        pulse: &dyn Fn() -> bool,
        mut take: impl FnMut(Line) -> bool,
    ) -> Result<Vec<String>, SearchError> {
        let plan = self.plan(query, scope)?;
        let _timed = self.timed();
        let mut left = query.limit.map_or(usize::MAX, usize::from);
        let backwards = plan.newest_first;
        let from = match query.cursor {
            Some(Cursor::After(place)) => Some(place),
            Some(Cursor::Before(_)) => {
                return Err(SearchError::Bad("a stream goes one way; write a cursor that begins with a".to_owned()));
            }
            None => None,
        };
        let hint = scope.page_size.min(left);
        let mode = ScanMode { backwards, of: Subset::Candidates, read, hint };
        let mut walk = self.walk(&plan, mode, from, Deadline::left(scope).with_pulse(pulse));
        if query.context == Context::All && !plan.pattern.is_empty() {
            let Some(first) = hit_of(walk.next()?) else { return Ok(walk.warnings.into_iter().collect()) };
            let mode = ScanMode { of: Subset::Stream, ..mode };
            let mut stream = self.walk(&plan, mode, Some(first.place), Deadline::left(scope).with_pulse(pulse));
            let mut hit = Some(first);
            while let Some(this) = hit {
                left -= 1;
                if !take(plan.line(this)) || left == 0 {
                    break;
                }
                hit = hit_of(stream.next()?);
            }
            walk.warnings.append(&mut stream.warnings);
            return Ok(walk.warnings.into_iter().collect());
        }
        let mut around = Around::new(query, &plan, from);
        let mut next = hit_of(walk.next()?);
        while let Some(hit) = next {
            left -= 1;
            // the match after this one, if the lines around this one have to end there; otherwise it is not waited for
            let following = if around.is_wanted() && left > 0 { hit_of(walk.next()?) } else { None };
            if left == 0 {
                around.end();
            }
            let beside = around.read(self, &hit)?;
            let goes_on = around.give(hit, beside, following.as_ref().map(|hit| hit.place), &mut take);
            if !goes_on || left == 0 {
                break;
            }
            next = if around.is_wanted() { following } else { hit_of(walk.next()?) };
        }
        walk.warnings.append(&mut around.warnings);
        Ok(walk.warnings.into_iter().collect())
    }
}

/// The hit of a step; a walk without a deadline is late only when its client has gone.
fn hit_of(step: Step) -> Option<Hit> {
    match step {
        Step::Hit(hit) => Some(hit),
        Step::End | Step::Late(_) => None,
    }
}
