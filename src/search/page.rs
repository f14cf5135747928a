//! What is made of a walk: a page, a stream without end, a record's surroundings.

use std::collections::BTreeSet;
use std::time::{Instant, SystemTime};

use crate::config::IndexName;
use crate::search::context::Around;
use crate::search::count::COUNTING;
use crate::search::cursor::{Cursor, Place};
use crate::search::plan::{Plan, slices};
use crate::search::query::{Context, Order, Query};
use crate::search::walk::{Manner, Step, Walk, away, candidate, not_served};
use crate::search::{Count, Hit, Line, Page, Scope, SearchError, Searcher};
use crate::sphinx::daily::day_index;
use crate::time::{Range, Ts, When};

/// Rows of a first question when something has to be checked: most candidates are hits, or few are.
const CHECKED: usize = 4;
/// Equal records at one place of a permanent link.
const EQUAL: usize = 100;

impl Searcher {
    pub fn page(&self, query: &Query, scope: &Scope) -> Result<Page, SearchError> {
        let mut lines = Vec::new();
        let page = self.page_as_found(query, scope, &|| true, &mut |line| lines.push(line))?;
        Ok(Page { lines, ..page })
    }

    /// A page whose lines are handed over in their order, as soon as they are known, and are not in what is returned.
    /// `pulse` is called before each question to searchd, and gives up where it says false.
    pub fn page_as_found(
        &self,
        query: &Query,
        scope: &Scope,
        pulse: &dyn Fn() -> bool,
        take: &mut dyn FnMut(Line),
    ) -> Result<Page, SearchError> {
        let plan = self.plan(query, scope)?;
        let limit = query.limit.map_or(scope.page_size, usize::from);
        let mut shown = 0;
        let mut take = |line: Line| {
            shown += u64::from(matches!(line, Line::Match(_)));
            take(line);
        };
        let mut page = match query.context {
            Context::All if !plan.pattern.is_empty() => {
                let page = self.whole_log(query, &plan, limit, scope)?;
                page.lines.into_iter().for_each(&mut take);
                Page { lines: Vec::new(), ..page }
            }
            _ => self.hits(query, &plan, limit, scope, pulse, &mut take)?,
        };
        let complete = page.previous.is_none() && page.next.is_none() && page.reached.is_none();
        let from_start = query.cursor.is_none() && !matches!(query.context, Context::All);
        page.count = match complete && from_start {
            true => Count::Exact(shown),
            false => self.count_of(&plan, scope.deadline.min(Instant::now() + COUNTING))?,
        };
        page.count = match page.count {
            Count::Exact(count) if !page.warnings.is_empty() => Count::AtLeast(count),
            Count::AtLeast(count) => Count::AtLeast(count.max(shown)),
            count => count,
        };
        Ok(page)
    }

    /// A page of matches, with the lines around them where these are asked for.
    fn hits(
        &self,
        query: &Query,
        plan: &Plan,
        limit: usize,
        scope: &Scope,
        pulse: &dyn Fn() -> bool,
        take: &mut dyn FnMut(Line),
    ) -> Result<Page, SearchError> {
        let (back, from) = match query.cursor {
            None => (false, None),
            Some(Cursor::After(place)) => (false, Some(place)),
            Some(Cursor::Before(place)) => (true, Some(place)),
        };
        let manner = Manner {
            backwards: plan.newest_first != back,
            stream: false,
            bare: false,
            hint: if plan.pattern.is_empty() { limit + 1 } else { limit * CHECKED },
        };
        let mut walk = self.walk(plan, manner, from, Some(scope.deadline)).with_pulse(pulse);
        let mut around = Around::new(query, plan);
        let alone = !around.is_wanted();
        let mut give = |hit: Hit, following: Option<Place>| {
            around.add(self, hit, following, &mut |line| {
                take(line);
                true
            })
        };
        // the first and the last that were found, and what cannot be given yet: on the way back all of it, else one whose
        // lines end where the next one stands
        let (mut ends, mut held, mut found): (_, Option<Hit>, _) = (None, None, Vec::new());
        let (mut more, mut reached, mut count) = (false, None, 0);
        loop {
            match walk.next()? {
                Step::Hit(_) if count == limit => more = true,
                Step::Hit(hit) => {
                    count += 1;
                    let (first, _) = ends.unwrap_or((hit.place, hit.place));
                    ends = Some((first, hit.place));
                    let place = hit.place;
                    if back {
                        found.push(hit);
                    } else if alone {
                        give(hit, None)?;
                    } else if let Some(before) = held.replace(hit) {
                        give(before, Some(place))?;
                    }
                    continue;
                }
                Step::Late(place) => reached = Some(place),
                Step::End => {}
            }
            break;
        }
        found.extend(held);
        let mut found = found.into_iter().rev().peekable();
        while let Some(hit) = found.next() {
            give(hit, found.peek().map(|hit| hit.place))?;
        }
        let mut warnings = walk.warnings;
        let far = ends.map(|(_, last)| last).filter(|_| more);
        // what is on the other side: nothing before a first page
        let beside = from.map(|from| ends.map_or(from, |(first, _)| first));
        let near = match beside {
            Some(place) if self.is_any(plan, !manner.backwards, place, scope.deadline, &mut warnings)? => Some(place),
            _ => None,
        };
        let (previous, next) = if back { (far, near) } else { (near, far) };
        let warnings = warnings.into_iter().collect();
        Ok(Page { lines: Vec::new(), previous, next, count: Count::AtLeast(0), reached, warnings })
    }

    /// `context=y`: everything from the first match on.
    fn whole_log(&self, query: &Query, plan: &Plan, limit: usize, scope: &Scope) -> Result<Page, SearchError> {
        let backwards = plan.newest_first;
        let empty = |reached, warnings: BTreeSet<String>| Page {
            lines: Vec::new(),
            previous: None,
            next: None,
            count: Count::AtLeast(0),
            reached,
            warnings: warnings.into_iter().collect(),
        };
        let find = Manner { backwards, stream: false, bare: false, hint: limit };
        let mut walk = self.walk(plan, find, None, Some(scope.deadline));
        let first = match walk.next()? {
            Step::Hit(hit) => hit,
            Step::End => return Ok(empty(None, walk.warnings)),
            Step::Late(place) => return Ok(empty(Some(place), walk.warnings)),
        };
        let is_before = |a: Place, b: Place| if backwards { a > b } else { a < b };
        let start = first.place;
        let (back, from) = match query.cursor {
            Some(Cursor::After(place)) if !is_before(place, start) => (false, Some(place)),
            Some(Cursor::Before(place)) if is_before(start, place) => (true, Some(place)),
            _ => (false, None),
        };
        let manner = Manner { backwards: backwards != back, stream: true, bare: false, hint: limit + 1 };
        let mut walk = self.walk(plan, manner, from.or(Some(start)), Some(scope.deadline));
        let mut hits = if from.is_none() { vec![first] } else { Vec::new() };
        let (rest, mut more, reached) = collect(&mut walk, limit - hits.len())?;
        hits.extend(rest);
        if back {
            let all = hits.len();
            hits.retain(|hit| !is_before(hit.place, start));
            more &= all == hits.len();
            hits.reverse();
        }
        let ends = (hits.first().map(|hit| hit.place), hits.last().map(|hit| hit.place));
        let has_before = ends.0.is_some_and(|place| is_before(start, place));
        Ok(Page {
            previous: ends.0.filter(|_| has_before),
            next: ends.1.filter(|_| more || back),
            lines: hits.into_iter().map(|hit| marked(plan, hit)).collect(),
            reached,
            ..empty(None, walk.warnings)
        })
    }

    /// Whether there is a match beyond a place.
    fn is_any(
        &self,
        plan: &Plan,
        backwards: bool,
        place: Place,
        deadline: Instant,
        warnings: &mut BTreeSet<String>,
    ) -> Result<bool, SearchError> {
        let manner = Manner { backwards, stream: false, bare: true, hint: CHECKED };
        let mut walk = self.walk(plan, manner, Some(place), Some(deadline));
        // not known in time: the link is better there in vain than missing
        let is_any = !matches!(walk.next()?, Step::End);
        warnings.append(&mut walk.warnings);
        Ok(is_any)
    }

    /// Hands over every line of the answer, however many, until `take` says false. `pulse` is called before each question
    /// to searchd, and gives up where it says false. Says what was missing.
    pub fn each(
        &self,
        query: &Query,
        scope: &Scope,
        pulse: &dyn Fn() -> bool,
        mut take: impl FnMut(Line) -> bool,
    ) -> Result<Vec<String>, SearchError> {
        let plan = self.plan(query, scope)?;
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
        let manner = Manner { backwards, stream: false, bare: false, hint };
        let mut walk = self.walk(&plan, manner, from, None).with_pulse(pulse);
        if query.context == Context::All && !plan.pattern.is_empty() {
            let Some(first) = hit_of(walk.next()?) else { return Ok(walk.warnings.into_iter().collect()) };
            let manner = Manner { stream: true, ..manner };
            let mut stream = self.walk(&plan, manner, Some(first.place), None).with_pulse(pulse);
            let mut hit = Some(first);
            while let Some(this) = hit {
                left -= 1;
                if !take(marked(&plan, this)) || left == 0 {
                    break;
                }
                hit = hit_of(stream.next()?);
            }
            walk.warnings.append(&mut stream.warnings);
            return Ok(walk.warnings.into_iter().collect());
        }
        let mut around = Around::new(query, &plan);
        let mut next = hit_of(walk.next()?);
        while let Some(hit) = next {
            left -= 1;
            // the match after this one, where lines around it have to end there; else it is not waited for
            let following = if around.is_wanted() && left > 0 { hit_of(walk.next()?) } else { None };
            let goes_on = around.add(self, hit, following.as_ref().map(|hit| hit.place), &mut take)?;
            if !goes_on || left == 0 {
                break;
            }
            next = if around.is_wanted() { following } else { hit_of(walk.next()?) };
        }
        Ok(walk.warnings.into_iter().collect())
    }

    /// The records of a permanent link: one, or several that are equal.
    pub fn at(&self, index: &IndexName, ts: Ts, seq: i64, digest: i64) -> Result<Vec<Hit>, SearchError> {
        self.index(index)?;
        let from = if self.peers { index.to_string() } else { day_index(index, ts.day()) };
        let statement = format!(
            "SELECT id, ts, seq, digest, logline, js, exact FROM {from} WHERE ts={} AND seq={seq} AND digest={digest} \
             ORDER BY id ASC LIMIT {EQUAL} OPTION max_matches={EQUAL}",
            ts.micros()
        );
        match self.pool.with(|engine| engine.select(&statement)) {
            Ok(rows) => Ok(rows
                .iter()
                .map(|row| candidate(row, true))
                .map(|(place, record)| Hit { index: index.clone(), place, record, marks: Vec::new() })
                .collect()),
            // a day that is kept no longer
            Err(fault) if not_served(&fault).is_some() => Ok(Vec::new()),
            Err(fault) => Err(away(&fault)),
        }
    }

    /// The same stream around a record, filters dropped: so many lines before it and after it, oldest first.
    pub fn around(&self, hit: &Hit, before: usize, after: usize) -> Result<Page, SearchError> {
        let query = Query {
            start: Some(When::At(Ts::MIN)),
            end: Some(When::At(Ts::MAX)),
            order: Order::OldestFirst,
            ..Query::new(vec![hit.index.clone()])
        };
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = Ts::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        let range = Range { start: Ts::MIN, end: Ts::MAX };
        let index = self.index(&hit.index)?;
        let mut plan =
            Plan::new(&query, &[index], self.peers, now, &jiff::tz::TimeZone::UTC).map_err(SearchError::Bad)?;
        plan.sources[0].slices = slices(&index.name, index.days, self.peers, range, now);
        let side = |backwards, lines: usize| {
            let manner = Manner { backwards, stream: true, bare: false, hint: lines + 1 };
            let mut walk = self.walk(&plan, manner, Some(hit.place), None);
            let (hits, more, _) = collect(&mut walk, lines)?;
            let last = hits.last().map_or(hit.place, |hit| hit.place);
            Ok::<_, SearchError>((hits, more.then_some(last), walk.warnings))
        };
        let (mut earlier, previous, mut warnings) = side(true, before)?;
        let (later, next, more_warnings) = side(false, after)?;
        warnings.extend(more_warnings);
        earlier.reverse();
        let mut lines: Vec<Line> = earlier.into_iter().map(Line::Near).collect();
        lines.push(Line::Match(hit.clone()));
        lines.extend(later.into_iter().map(Line::Near));
        let count = Count::AtLeast(lines.len() as u64);
        Ok(Page { lines, previous, next, count, reached: None, warnings: warnings.into_iter().collect() })
    }
}

/// Up to `limit` hits, whether there is one more, and where the time was used up.
pub(super) fn collect(walk: &mut Walk, limit: usize) -> Result<(Vec<Hit>, bool, Option<Place>), SearchError> {
    let mut hits = Vec::new();
    loop {
        match walk.next()? {
            Step::Hit(_) if hits.len() == limit => return Ok((hits, true, None)),
            Step::Hit(hit) => hits.push(hit),
            Step::End => return Ok((hits, false, None)),
            Step::Late(place) => return Ok((hits, false, Some(place))),
        }
    }
}

/// A walk without a deadline is late only when it is given up.
fn hit_of(step: Step) -> Option<Hit> {
    match step {
        Step::Hit(hit) => Some(hit),
        Step::End | Step::Late(_) => None,
    }
}

/// A record of the stream, as what it is for the pattern.
fn marked(plan: &Plan, mut hit: Hit) -> Line {
    match plan.matches(&hit.record.message, &hit.record.columns) {
        true => {
            hit.marks = plan.pattern.marks(&hit.record.message);
            Line::Match(hit)
        }
        false => Line::Near(hit),
    }
}
