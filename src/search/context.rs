//! The lines around matches, as grep's -A, -B and -C give them: each once, with `--` between groups that do not touch. They
//! are of the same stream: the pattern is left out, filters and range hold.

use crate::search::cursor::Place;
use crate::search::page::collect;
use crate::search::plan::Plan;
use crate::search::query::Query;
use crate::search::walk::Manner;
use crate::search::{Hit, Line, SearchError, Searcher};

/// The lines around matches, each once, with gaps between groups.
pub(super) struct Around<'a> {
    plan: &'a Plan,
    before: usize,
    after: usize,
    /// the last line that was given
    last: Option<Place>,
}

impl<'a> Around<'a> {
    pub(super) fn new(query: &Query, plan: &'a Plan) -> Around<'a> {
        let (before, after) = match (plan.pattern.is_empty(), query.around()) {
            (true, _) => (0, 0),
            (false, (before, after)) => (before as usize, after.unwrap_or(0) as usize),
        };
        Around { plan, before, after, last: None }
    }

    /// Whether there are any lines around a match.
    pub(super) fn is_wanted(&self) -> bool {
        self.before > 0 || self.after > 0
    }

    /// Gives a match and its lines. `following` is the next match, where it is known: the lines after this one end there,
    /// else at whatever matches.
    pub(super) fn add(
        &mut self,
        searcher: &Searcher,
        hit: Hit,
        following: Option<Place>,
        take: &mut impl FnMut(Line) -> bool,
    ) -> Result<bool, SearchError> {
        if !self.is_wanted() {
            return Ok(take(Line::Match(hit)));
        }
        let backwards = self.plan.newest_first;
        let side = |backwards, lines| {
            let manner = Manner { backwards, stream: true, bare: false, hint: lines };
            searcher.walk(self.plan, manner, Some(hit.place), None)
        };
        // one line more tells whether the group touches the one before
        let (earlier, ..) = collect(&mut side(!backwards, self.before + 1), self.before + 1)?;
        let given = |place: Place| self.last.is_some_and(|last| if backwards { place >= last } else { place <= last });
        let touches = earlier.iter().any(|hit| given(hit.place));
        if self.last.is_some() && !touches && !take(Line::Gap) {
            return Ok(false);
        }
        let mut earlier: Vec<Hit> = earlier.into_iter().take(self.before).take_while(|hit| !given(hit.place)).collect();
        earlier.reverse();
        let (later, ..) =
            if self.after == 0 { Default::default() } else { collect(&mut side(backwards, self.after), self.after)? };
        self.last = Some(later_end(self.plan, &hit, &later, following));
        let later = later.into_iter().take_while(|line| !ends(self.plan, line, following));
        let lines = earlier.into_iter().map(Line::Near).chain([Line::Match(hit)]).chain(later.map(Line::Near));
        for line in lines {
            if !take(line) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether the lines after a match end before this one.
fn ends(plan: &Plan, line: &Hit, following: Option<Place>) -> bool {
    following == Some(line.place) || plan.matches(&line.record.message, &line.record.columns)
}

fn later_end(plan: &Plan, hit: &Hit, later: &[Hit], following: Option<Place>) -> Place {
    later.iter().take_while(|line| !ends(plan, line, following)).last().map_or(hit.place, |line| line.place)
}
