//! A page of matches, with the lines around them if the query wants them. It is read in the direction of its cursor: on from a
//! place, or back from it. A page that is read back is handed over in the order of the search nonetheless.

use std::collections::BTreeSet;

use crate::query::cursor::{Cursor, Place};
use crate::search::Searcher;
use crate::search::collect::{CollectedHits, collect};
use crate::search::context::{Around, Neighbours};
use crate::search::hit::{Hit, Line, Page, SearchError};
use crate::search::page::PageWanted;
use crate::search::page_room::PageRoom;
use crate::search::plan::Subset;
use crate::search::scan::{Read, ScanMode, Step, Walk};
use crate::search::scope::Deadline;

/// Rows of a first question for each hit that is wanted, if candidates have to be checked: either most are hits, or few are.
const ROWS_PER_CHECKED_HIT: usize = 4;

/// The next match on the side of a page where its reading began.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BeyondPage {
    Nothing,
    Match(Place),
    /// the time ran out: a link that leads to an empty page is better than a missing link
    NotKnown,
}

impl BeyondPage {
    fn place(self) -> Option<Place> {
        if let BeyondPage::Match(place) = self { Some(place) } else { None }
    }
}

/// A page while it is read.
struct MatchPage<'a> {
    searcher: &'a Searcher,
    wanted: PageWanted<'a>,
    around: Around<'a>,
    /// matches
    limit: usize,
    /// the cursor's place
    from: Option<Place>,
    /// it is read against the order of the search
    back: bool,
    /// the first and the last match, in the order of reading
    ends: Option<(Place, Place)>,
    /// the match after the last one
    next: Option<Place>,
    /// the place where the time ran out
    reached: Option<Place>,
    /// of the matches that were handed over, and the lines around them
    bytes: usize,
    room: PageRoom,
    warnings: BTreeSet<String>,
}

impl Searcher {
    pub(super) fn hits(&self, wanted: PageWanted, take: &mut dyn FnMut(Line)) -> Result<Page, SearchError> {
        let (back, from) = match wanted.query.cursor {
            None => (false, None),
            Some(Cursor::After(place)) => (false, Some(place)),
            Some(Cursor::Before(place)) => (true, Some(place)),
        };
        let around = Around::new(wanted.query, wanted.plan, None);
        let limit = wanted.limit.min(around.most_matches());
        let mut page = MatchPage {
            searcher: self,
            wanted,
            around,
            limit,
            from,
            back,
            ends: None,
            next: None,
            reached: None,
            bytes: 0,
            room: self.page_room(wanted.scope),
            warnings: BTreeSet::new(),
        };
        let mode = ScanMode {
            backwards: page.is_backwards(),
            of: Subset::Candidates,
            read: Read::Line,
            hint: if wanted.plan.pattern.is_empty() { limit + 1 } else { limit * ROWS_PER_CHECKED_HIT },
        };
        let mut walk = self.walk(wanted.plan, mode, from, wanted.until);
        let mut give = |line| {
            take(line);
            true
        };
        let beyond = match back {
            false => page.read_on(&mut walk, &mut give)?,
            true => page.read_back(&mut walk, &mut give)?,
        };
        page.warnings.append(&mut walk.warnings);
        page.warnings.append(&mut page.around.warnings);
        Ok(page.finish(beyond))
    }
}

impl<'a> MatchPage<'a> {
    fn is_backwards(&self) -> bool {
        self.wanted.plan.newest_first != self.back
    }

    /// Hands over each match as soon as it is read; one with lines around it, as soon as the next match is known, since its lines
    /// end there.
    fn read_on(&mut self, walk: &mut Walk, give: &mut impl FnMut(Line) -> bool) -> Result<BeyondPage, SearchError> {
        let (mut held, mut beyond): (Option<Hit>, _) = (None, None);
        for count in 0.. {
            let hit = match walk.next()? {
                Step::Hit(hit) => hit,
                Step::Late(place) => {
                    self.reached = Some(place);
                    break;
                }
                Step::End => break,
            };
            let place = hit.place;
            if count == self.limit || self.room.is_full(self.bytes) {
                self.next = Some(place);
                break;
            }
            let before = self.ends;
            self.ends = Some((before.map_or(place, |(first, _)| first), place));
            if !self.around.is_wanted() {
                self.bytes += hit.bytes();
                give(Line::Match(hit));
            } else if let Some(last) = held.replace(hit) {
                self.give(last, Some(place), give)?;
                // the time is over: the page ends here
                if self.wanted.scope.is_over() {
                    (held, self.ends, self.next) = (None, before, Some(place));
                    break;
                }
            } else if self.from.is_some() {
                let found = self.match_beyond()?;
                if let Some(before) = found.place() {
                    self.around.begin_after(self.searcher, before, place)?;
                }
                beyond = Some(found);
            }
        }
        if let Some(last) = held {
            self.give(last, self.next, give)?;
        }
        beyond.map_or_else(|| self.match_beyond(), Ok)
    }

    /// Reads all matches and the lines around them first: the match that was read last is handed over first.
    fn read_back(&mut self, walk: &mut Walk, give: &mut impl FnMut(Line) -> bool) -> Result<BeyondPage, SearchError> {
        let CollectedHits { hits, next, reached } = collect(walk, self.limit, |bytes| self.room.is_full(bytes))?;
        let places = || hits.iter().map(|hit| hit.place);
        self.ends = places().next().zip(places().next_back());
        (self.next, self.reached) = (next, reached);
        let mut surrounded: Vec<(Hit, Neighbours)> = Vec::with_capacity(hits.len());
        for hit in hits {
            // the time is over, or the memory: the page ends with the match before this one
            if let Some((last, _)) = surrounded.last()
                && self.around.is_wanted()
                && (self.wanted.scope.is_over() || self.room.is_full(self.bytes))
            {
                self.ends = self.ends.map(|(first, _)| (first, last.place));
                (self.next, self.reached) = (Some(hit.place), None);
                break;
            }
            let beside = self.around.read(self.searcher, &hit)?;
            self.bytes += hit.bytes() + beside.bytes();
            surrounded.push((hit, beside));
        }
        let beyond = self.match_beyond()?;
        if let (Some(before), Some((first, _)), true) = (self.next, surrounded.last(), self.around.is_wanted()) {
            self.around.begin_after(self.searcher, before, first.place)?;
        }
        let mut surrounded = surrounded.into_iter().rev().peekable();
        while let Some((hit, beside)) = surrounded.next() {
            let following = surrounded.peek().map(|(hit, _)| hit.place).or(beyond.place());
            self.around.give(hit, beside, following, give);
        }
        Ok(beyond)
    }

    fn give(
        &mut self,
        hit: Hit,
        following: Option<Place>,
        give: &mut impl FnMut(Line) -> bool,
    ) -> Result<(), SearchError> {
        let beside = self.around.read(self.searcher, &hit)?;
        self.bytes += hit.bytes() + beside.bytes();
        self.around.give(hit, beside, following, give);
        Ok(())
    }

    /// The next match on the side where the reading began; before a first page there is none.
    fn match_beyond(&mut self) -> Result<BeyondPage, SearchError> {
        let Some(from) = self.from else { return Ok(BeyondPage::Nothing) };
        let place = self.ends.map_or(from, |(first, _)| first);
        let backwards = !self.is_backwards();
        let mode = ScanMode { backwards, of: Subset::Candidates, read: Read::Place, hint: ROWS_PER_CHECKED_HIT };
        let PageWanted { plan, scope, .. } = self.wanted;
        let mut walk = self.searcher.walk(plan, mode, Some(place), Deadline::over(scope));
        let step = walk.next()?;
        self.warnings.append(&mut walk.warnings);
        Ok(match step {
            Step::Hit(hit) => BeyondPage::Match(hit.place),
            Step::End => BeyondPage::Nothing,
            Step::Late(_) => BeyondPage::NotKnown,
        })
    }

    fn finish(self, beyond: BeyondPage) -> Page {
        let (from, ends, next) = (self.from, self.ends, self.next);
        let far = ends.map(|(_, last)| last).filter(|_| next.is_some());
        let near = from.map(|from| ends.map_or(from, |(first, _)| first)).filter(|_| beyond != BeyondPage::Nothing);
        let (previous, next) = if self.back { (far, near) } else { (near, far) };
        let (warnings, slot) = (self.warnings.into_iter().collect(), self.room.into_slot());
        Page { previous, next, reached: self.reached, warnings, slot, ..Page::default() }
    }
}
