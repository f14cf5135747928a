//! The lines around matches, as grep's -A, -B and -C give them: each once, with `--` between groups that do not touch. They
//! are of the same stream: the pattern is left out, filters and range hold.
//!
//! Invariant: the pages of a search, one after the other, are what grep would print: the lines after a match are on its page,
//! those before it are not repeated from the page before.

use std::collections::VecDeque;

use crate::query::cursor::Place;
use crate::query::{Context, MAX_LIMIT, Query};
use crate::search::Searcher;
use crate::search::hit::{Hit, Line, SearchError};
use crate::search::plan::{Plan, Subset};
use crate::search::scan::{Deadline, Read, ScanMode, Step, Walk, collect};

/// Lines to read at first, beyond what a match needs: they cost little more than a question for a few.
const MIN_LINES_AHEAD: usize = 100;
/// So many lines to the next match are read on; where it is farther, to ask anew costs less.
const CLOSE_LINES: usize = 2000;

/// The lines around matches, each once, with gaps between groups.
pub(super) struct Around<'a> {
    plan: &'a Plan,
    before: usize,
    after: usize,
    /// there is `--` between matches that are not neighbours, though no lines around them are wanted
    parted: bool,
    /// the last line that was given
    last: Option<Place>,
    /// no match comes after the next one
    ends: bool,
    stream: Option<StreamLines<'a>>,
}

/// Lines of the stream, in the order in which they are given, read on from match to match: of matches that lie close together,
/// each would otherwise cost two questions, of which every one has searchd look through a day.
struct StreamLines<'a> {
    /// goes on behind the last of the lines
    walk: Walk<'a>,
    lines: VecDeque<Hit>,
    /// there is nothing before the first of them
    is_whole: bool,
}

/// What stands beside one match, the nearest first.
#[derive(Default)]
pub(super) struct Neighbours {
    /// one more than will be given: it tells whether the group touches the one before
    earlier: Vec<Hit>,
    later: Vec<Hit>,
}

impl StreamLines<'_> {
    /// Whether it is likely that few lines are between these and that place, by how close these are to each other.
    fn is_close(&self, place: Place) -> bool {
        let (Some(first), Some(last)) = (self.lines.front(), self.lines.back()) else { return false };
        let micros = |from: Place, to: Place| u128::from(from.ts.micros().abs_diff(to.ts.micros()));
        let (known, wanted) = (micros(first.place, last.place), micros(last.place, place));
        known == 0 || wanted * (self.lines.len() as u128 - 1) <= known * CLOSE_LINES as u128
    }

    fn forget(&mut self, lines: usize) {
        self.is_whole &= lines == 0;
        self.lines.drain(..lines);
    }
}

impl<'a> Around<'a> {
    /// `last`: what came before is given already.
    pub(super) fn new(query: &Query, plan: &'a Plan, last: Option<Place>) -> Around<'a> {
        let (before, after) = match (plan.pattern.is_empty(), query.around()) {
            (true, _) => (0, 0),
            (false, (before, after)) => (before as usize, after.unwrap_or(0) as usize),
        };
        let parted = query.context == Context::Lines(0) && !plan.pattern.is_empty();
        Around { plan, before, after, parted, last, ends: false, stream: None }
    }

    /// Whether what stands around a match matters.
    pub(super) fn is_wanted(&self) -> bool {
        self.before > 0 || self.after > 0 || self.parted
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
    pub(super) fn read(&mut self, searcher: &'a Searcher, hit: &Hit) -> Result<Neighbours, SearchError> {
        if !self.is_wanted() {
            return Ok(Neighbours::default());
        }
        let (mut stream, at) = match self.read_on(hit.place)? {
            Some(found) => found,
            None => self.read_anew(searcher, hit)?,
        };
        while stream.lines.len() <= at + self.after
            && let Step::Hit(line) = stream.walk.next()?
        {
            stream.lines.push_back(line);
        }
        let earlier = stream.lines.range(..at).rev().take(self.before + 1).cloned().collect();
        let later = stream.lines.range(at + 1..).take(self.after).cloned().collect();
        // those that the next match may need stay
        stream.forget(at.saturating_sub(self.before + 1));
        self.stream = Some(stream);
        Ok(Neighbours { earlier, later })
    }

    /// The stream as far as this match, and where in its lines that is; None where the match is far, or not on the way.
    fn read_on(&mut self, place: Place) -> Result<Option<(StreamLines<'a>, usize)>, SearchError> {
        let Some(mut stream) = self.stream.take() else { return Ok(None) };
        let is_before = |a: Place| if self.plan.newest_first { a > place } else { a < place };
        if !stream.is_close(place) {
            return Ok(None);
        }
        let mut left = CLOSE_LINES;
        while stream.lines.back().is_some_and(|line| is_before(line.place)) {
            let Step::Hit(line) = stream.walk.next()? else { return Ok(None) };
            if left == 0 {
                return Ok(None);
            }
            left -= 1;
            stream.lines.push_back(line);
            stream.forget(stream.lines.len().saturating_sub(self.before + 2));
        }
        let at = stream.lines.iter().position(|line| line.place == place);
        Ok(at.filter(|at| stream.is_whole || *at > self.before).map(|at| (stream, at)))
    }

    fn read_anew(&self, searcher: &'a Searcher, hit: &Hit) -> Result<(StreamLines<'a>, usize), SearchError> {
        let backwards = self.plan.newest_first;
        let earlier = self.side(searcher, hit.place, !backwards, self.before + 1)?;
        let (at, is_whole) = (earlier.len(), earlier.len() <= self.before);
        let lines = earlier.into_iter().rev().chain([hit.clone()]).collect();
        let mode = ScanMode { backwards, of: Subset::Stream, read: Read::Line, hint: self.after.max(MIN_LINES_AHEAD) };
        let walk = searcher.walk(self.plan, mode, Some(hit.place), Deadline::default());
        Ok((StreamLines { walk, lines, is_whole }, at))
    }

    fn side(&self, searcher: &Searcher, place: Place, backwards: bool, lines: usize) -> Result<Vec<Hit>, SearchError> {
        if lines == 0 {
            return Ok(Vec::new());
        }
        let mode = ScanMode { backwards, of: Subset::Stream, read: Read::Line, hint: lines };
        Ok(collect(&mut searcher.walk(self.plan, mode, Some(place), Deadline::default()), lines)?.hits)
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
        beside: Neighbours,
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
