//! The lines around matches, as grep's -A, -B and -C give them: each once, with `--` between groups that do not touch. They
//! are of the same stream: the pattern is left out, filters and range hold.
//!
//! Invariant: the pages of a search, one after the other, are what grep would print: the lines after a match are on its page,
//! those before it are not repeated from the page before.

use crate::search::cursor::Place;
use crate::search::page::collect;
use crate::search::plan::{Of, Plan};
use crate::search::query::{MAX_LIMIT, Query};
use crate::search::walk::{Manner, Read, Until};
use crate::search::{Hit, Line, SearchError, Searcher};

/// The lines around matches, each once, with gaps between groups.
pub(super) struct Around<'a> {
    plan: &'a Plan,
    before: usize,
    after: usize,
    /// the last line that was given
    last: Option<Place>,
    /// no match comes after the next one
    ends: bool,
}

/// What stands beside one match, the nearest first.
#[derive(Default)]
pub(super) struct Beside {
    /// one more than will be given: it tells whether the group touches the one before
    earlier: Vec<Hit>,
    later: Vec<Hit>,
}

impl<'a> Around<'a> {
    /// `last`: what came before is given already.
    pub(super) fn new(query: &Query, plan: &'a Plan, last: Option<Place>) -> Around<'a> {
        let (before, after) = match (plan.pattern.is_empty(), query.around()) {
            (true, _) => (0, 0),
            (false, (before, after)) => (before as usize, after.unwrap_or(0) as usize),
        };
        Around { plan, before, after, last, ends: false }
    }

    /// Whether there are any lines around a match.
    pub(super) fn is_wanted(&self) -> bool {
        self.before > 0 || self.after > 0
    }

    /// Matches of a page, so that it has no more lines than one without context may have.
    pub(super) fn most_matches(&self) -> usize {
        (MAX_LIMIT / (1 + self.before + self.after)).max(1)
    }

    /// As grep's -m has it: the lines after the last match that is given are all there are, whether they match or not.
    pub(super) fn end(&mut self) {
        self.ends = true;
    }

    /// Reads the lines around a match.
    pub(super) fn read(&self, searcher: &Searcher, place: Place) -> Result<Beside, SearchError> {
        if !self.is_wanted() {
            return Ok(Beside::default());
        }
        let backwards = self.plan.newest_first;
        let earlier = self.side(searcher, place, !backwards, self.before + 1)?;
        Ok(Beside { earlier, later: self.side(searcher, place, backwards, self.after)? })
    }

    fn side(&self, searcher: &Searcher, place: Place, backwards: bool, lines: usize) -> Result<Vec<Hit>, SearchError> {
        if lines == 0 {
            return Ok(Vec::new());
        }
        let manner = Manner { backwards, of: Of::Stream, read: Read::Line, hint: lines };
        Ok(collect(&mut searcher.walk(self.plan, manner, Some(place), Until::default()), lines)?.hits)
    }

    /// The page before this one ends with this match and the lines after it.
    pub(super) fn begin_behind(
        &mut self,
        searcher: &Searcher,
        place: Place,
        following: Place,
    ) -> Result<(), SearchError> {
        let later = self.side(searcher, place, self.plan.newest_first, self.after)?;
        self.last = Some(self.end_of(place, &later, Some(following)));
        Ok(())
    }

    /// Gives a match and its lines; says whether more is wanted. `following` is the next match, where it is known: the lines
    /// after this one end there, else at whatever matches.
    pub(super) fn give(
        &mut self,
        hit: Hit,
        beside: Beside,
        following: Option<Place>,
        take: &mut impl FnMut(Line) -> bool,
    ) -> bool {
        if !self.is_wanted() {
            return take(Line::Match(hit));
        }
        let backwards = self.plan.newest_first;
        let given = |place: Place| self.last.is_some_and(|last| if backwards { place >= last } else { place <= last });
        let touches = beside.earlier.iter().any(|hit| given(hit.place));
        if self.last.is_some() && !touches && !take(Line::Gap) {
            return false;
        }
        let mut earlier: Vec<Hit> =
            beside.earlier.into_iter().take(self.before).take_while(|hit| !given(hit.place)).collect();
        earlier.reverse();
        self.last = Some(self.end_of(hit.place, &beside.later, following));
        let later = beside.later.into_iter().take_while(|line| !self.ends_before(line, following));
        let lines = earlier.into_iter().map(Line::Near).chain([Line::Match(hit)]).chain(later.map(Line::Near));
        for line in lines {
            if !take(line) {
                return false;
            }
        }
        true
    }

    /// Whether the lines after a match end before this one.
    fn ends_before(&self, line: &Hit, following: Option<Place>) -> bool {
        let ends = || following == Some(line.place) || self.plan.matches(&line.record.message, &line.record.columns);
        !self.ends && ends()
    }

    fn end_of(&self, place: Place, later: &[Hit], following: Option<Place>) -> Place {
        let given = later.iter().take_while(|line| !self.ends_before(line, following));
        given.last().map_or(place, |line| line.place)
    }
}
