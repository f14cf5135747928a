//! The lines around matches, as grep's -A, -B and -C give them: each once, with `--` between groups that do not touch. They
//! are of the same stream: filters and range apply to them, the pattern does not.
//!
//! Invariant: the pages of a search, one after the other, have the lines that grep would print, as far as those on one side of a match
//! have `MAX_SIDE_BYTES` together. The lines after a match are on its page; lines of the page before are not repeated.

use std::collections::{BTreeSet, VecDeque};

use crate::query::cursor::Place;
use crate::query::{Context, MAX_LIMIT, Query};
use crate::search::Searcher;
use crate::search::collect::{CollectedHits, collect};
use crate::search::hit::{Hit, Line, SearchError};
use crate::search::plan::{Plan, Subset};
use crate::search::scan::{Read, ScanMode, Step, Walk};
use crate::search::scope::Deadline;

/// Of the lines on one side of a match that are in memory together: the farthest one begins below it.
const MAX_SIDE_BYTES: usize = 8 << 20;
/// Lines to read at first, even if a match needs fewer: they cost little more than a question for a few.
const MIN_LINES_AHEAD: usize = 100;
/// The reader goes on to the next match through at most this many lines; if it is farther, a new question costs less.
const CLOSE_LINES: usize = 2000;

const TOO_LONG: &str = "the lines around a match are too long to show all of them";

/// The lines around matches, each once, with gaps between groups.
pub(super) struct Around<'a> {
    plan: &'a Plan,
    before: usize,
    after: usize,
    /// `--` comes between matches that are not neighbours, although the query wants no lines around them
    parted: bool,
    /// the last line that was passed on
    last: Option<Place>,
    /// no match comes after the next one
    ends: bool,
    stream: Option<StreamLines<'a>>,
    /// the parts of the lines around that are missing
    pub(super) warnings: BTreeSet<String>,
}

/// Lines of the stream in their order, read on from match to match. Without it, each of two matches that are close together would
/// cost two queries, and searchd looks through a day for each query.
struct StreamLines<'a> {
    /// continues after the last of the lines
    walk: Walk<'a>,
    lines: VecDeque<Hit>,
    /// of their texts
    bytes: usize,
    /// the stream has nothing before the first of them
    is_whole: bool,
}

/// The lines around one match, the nearest first.
#[derive(Default)]
pub(super) struct Neighbours {
    /// one more than will be handed over: it shows whether the group touches the one before
    earlier: Vec<Hit>,
    later: Vec<Hit>,
}

impl Neighbours {
    /// Of the texts of the lines.
    pub fn bytes(&self) -> usize {
        self.earlier.iter().chain(&self.later).map(Hit::bytes).sum()
    }
}

impl StreamLines<'_> {
    /// True if few lines are likely between these and that place, judged by how close these are to each other.
    fn is_close(&self, place: Place) -> bool {
        let (Some(first), Some(last)) = (self.lines.front(), self.lines.back()) else { return false };
        let micros = |from: Place, to: Place| u128::from(from.ts.micros().abs_diff(to.ts.micros()));
        let (known, wanted) = (micros(first.place, last.place), micros(last.place, place));
        known == 0 || wanted * (self.lines.len() as u128 - 1) <= known * CLOSE_LINES as u128
    }

    fn push(&mut self, line: Hit) {
        self.bytes += line.bytes();
        self.lines.push_back(line);
    }

    fn forget(&mut self, lines: usize) {
        self.is_whole &= lines == 0;
        self.bytes -= self.lines.drain(..lines).map(|line| line.bytes()).sum::<usize>();
    }
}

/// The first lines of these, as far as they are kept in memory; and whether these are certainly all that were wanted.
fn side_of<'a>(lines: impl Iterator<Item = &'a Hit>, wanted: usize) -> (Vec<Hit>, bool) {
    let mut bytes = 0;
    let has_room = |line: &&Hit| {
        let has_room = bytes < MAX_SIDE_BYTES;
        bytes += line.bytes();
        has_room
    };
    let side: Vec<Hit> = lines.take(wanted).take_while(has_room).cloned().collect();
    let has_all = side.len() == wanted || bytes < MAX_SIDE_BYTES;
    (side, has_all)
}

impl<'a> Around<'a> {
    /// `last`: the lines up to there are handed over already.
    pub(super) fn new(query: &Query, plan: &'a Plan, last: Option<Place>) -> Around<'a> {
        let (before, after) = match (plan.pattern.is_empty(), query.around()) {
            (true, _) => (0, 0),
            (false, (before, after)) => (before as usize, after.unwrap_or(0) as usize),
        };
        let parted = query.context == Context::Lines(0) && !plan.pattern.is_empty();
        Around { plan, before, after, parted, last, ends: false, stream: None, warnings: BTreeSet::new() }
    }

    /// True if the lines around a match matter.
    pub(super) fn is_wanted(&self) -> bool {
        self.before > 0 || self.after > 0 || self.parted
    }

    /// The most matches of a page: with their context they are at most `MAX_LIMIT` lines.
    pub(super) fn most_matches(&self) -> usize {
        (MAX_LIMIT / (1 + self.before + self.after)).max(1)
    }

    /// As with grep's -m: all lines after the last match are handed over, whether they match or not.
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
            None => self.read_again(searcher, hit)?,
        };
        let mut ahead: usize = stream.lines.range(at + 1..).map(Hit::bytes).sum();
        while stream.lines.len() <= at + self.after
            && ahead < MAX_SIDE_BYTES
            && let Step::Hit(line) = stream.walk.next()?
        {
            ahead += line.bytes();
            stream.push(line);
        }
        let (earlier, has_all_before) = side_of(stream.lines.range(..at).rev(), self.before + 1);
        let (later, has_all_after) = side_of(stream.lines.range(at + 1..), self.after);
        if !(has_all_before && has_all_after) {
            self.warnings.insert(TOO_LONG.to_owned());
        }
        // lines that the next match may need stay
        stream.forget(at.saturating_sub(self.before + 1));
        self.warnings.append(&mut stream.walk.warnings);
        self.stream = Some(stream);
        Ok(Neighbours { earlier, later })
    }

    /// The stream up to this match, and the match's position in its lines; None if the match is far, or not on the way.
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
            stream.push(line);
            stream.forget(stream.lines.len().saturating_sub(self.before + 2));
            if stream.bytes > 2 * MAX_SIDE_BYTES {
                return Ok(None);
            }
        }
        let at = stream.lines.iter().position(|line| line.place == place);
        Ok(at.filter(|at| stream.is_whole || *at > self.before).map(|at| (stream, at)))
    }

    /// The stream around a match, by new questions.
    fn read_again(&mut self, searcher: &'a Searcher, hit: &Hit) -> Result<(StreamLines<'a>, usize), SearchError> {
        let backwards = self.plan.newest_first;
        let (earlier, has_all) = self.side(searcher, hit.place, !backwards, self.before + 1)?;
        let (at, is_whole) = (earlier.len(), has_all && earlier.len() <= self.before);
        let bytes = earlier.iter().chain([hit]).map(Hit::bytes).sum();
        let lines = earlier.into_iter().rev().chain([hit.clone()]).collect();
        let mode = ScanMode { backwards, of: Subset::Stream, read: Read::Line, hint: self.after.max(MIN_LINES_AHEAD) };
        let walk = searcher.walk(self.plan, mode, Some(hit.place), Deadline::default());
        Ok((StreamLines { walk, lines, bytes, is_whole }, at))
    }

    /// The nearest lines on one side of a place, and whether they are all that were wanted.
    fn side(
        &mut self,
        searcher: &Searcher,
        place: Place,
        backwards: bool,
        lines: usize,
    ) -> Result<(Vec<Hit>, bool), SearchError> {
        if lines == 0 {
            return Ok((Vec::new(), true));
        }
        let mode = ScanMode { backwards, of: Subset::Stream, read: Read::Line, hint: lines };
        let mut walk = searcher.walk(self.plan, mode, Some(place), Deadline::default());
        let CollectedHits { hits, next, .. } = collect(&mut walk, lines, |bytes| bytes >= MAX_SIDE_BYTES)?;
        self.warnings.append(&mut walk.warnings);
        let has_all = hits.len() == lines || next.is_none();
        if !has_all {
            self.warnings.insert(TOO_LONG.to_owned());
        }
        Ok((hits, has_all))
    }

    /// The page before this one ends with this match and the lines after it.
    pub(super) fn begin_after(
        &mut self,
        searcher: &Searcher,
        place: Place,
        following: Place,
    ) -> Result<(), SearchError> {
        let (later, _) = self.side(searcher, place, self.plan.newest_first, self.after)?;
        self.last = Some(self.end_of(place, &later, Some(following)));
        Ok(())
    }

    /// Hands over a match and its lines; returns whether `take` wants more. `following` is the next match, if it is known: the
    /// lines after this one end there, otherwise at the next line that matches.
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

    /// True if the lines after a match end before this one.
    fn ends_before(&self, line: &Hit, following: Option<Place>) -> bool {
        let ends = || following == Some(line.place) || self.plan.matches(&line.record.message, &line.record.columns);
        !self.ends && ends()
    }

    fn end_of(&self, place: Place, later: &[Hit], following: Option<Place>) -> Place {
        let given = later.iter().take_while(|line| !self.ends_before(line, following));
        given.last().map_or(place, |line| line.place)
    }
}
