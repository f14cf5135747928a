//! Makes a page of the records of a walk: of the whole log, or of a record with its surroundings. `match_page` makes one of matches.

use std::collections::BTreeSet;

use crate::config::IndexName;
use crate::query::cursor::{Cursor, Place};
use crate::query::{Context, Order, Query};
use crate::search::Searcher;
use crate::search::answer::{
    GroupRows, Grouping, WHOLE_COLUMNS, away, first_number, not_served, select_of, whole_record,
};
use crate::search::collect::{CollectedHits, collect};
use crate::search::hit::{Hit, Line, Page, SearchError};
use crate::search::page_room::PageRoom;
use crate::search::plan::{Plan, Slice, Subset};
use crate::search::scan::{Read, ScanMode, Step};
use crate::search::scope::{Deadline, Scope};
use crate::sphinx::day_index::day_index;
use crate::sphinx::select::{Restriction, Select};
use crate::sphinx::statement::stored_order;
use crate::time::{Range, Ts, When};

/// The lines on one side of a record that are in memory together.
const MAX_NEIGHBOURS_BYTES: usize = 4 << 20;

/// A page is made of these.
#[derive(Clone, Copy)]
pub(super) struct PageWanted<'a> {
    pub query: &'a Query,
    pub plan: &'a Plan,
    /// matches; of a whole log, lines
    pub limit: usize,
    pub scope: &'a Scope,
    pub until: Deadline<'a>,
}

impl Searcher {
    /// A page of the answer, as far as the scope's time goes.
    pub fn page(&self, query: &Query, scope: &Scope) -> Result<Page, SearchError> {
        let mut lines = Vec::new();
        let page = self.page_as_found(query, scope, &|| true, &mut |line| lines.push(line))?;
        Ok(Page { lines, ..page })
    }

    /// Passes the lines of a page to `take` in their order, as soon as they are known; the page that it returns does not have them.
    /// It calls `pulse` before each query to searchd, which returns false to stop.
    pub fn page_as_found(
        &self,
        query: &Query,
        scope: &Scope,
        pulse: &dyn Fn() -> bool,
        take: &mut dyn FnMut(Line),
    ) -> Result<Page, SearchError> {
        let plan = self.plan(query, scope)?;
        let _timed = self.timed();
        let limit = query.limit.map_or(scope.page_size, usize::from);
        let until = Deadline::over(scope).with_pulse(pulse);
        let wanted = PageWanted { query, plan: &plan, limit, scope, until };
        let mut page = match query.context {
            Context::All if !plan.pattern.is_empty() => self.whole_log(wanted, take)?,
            _ => self.hits(wanted, take)?,
        };
        let complete = page.previous.is_none() && page.next.is_none() && page.reached.is_none();
        let from_start = query.cursor.is_none() && !matches!(query.context, Context::All);
        page.has_all = complete && from_start && page.warnings.is_empty();
        Ok(page)
    }

    pub(super) fn page_room(&self, scope: &Scope) -> PageRoom {
        PageRoom::new(self.large_pages.clone(), scope.began.household)
    }

    /// `context=y`: everything from the first match on.
    fn whole_log(&self, wanted: PageWanted, take: &mut dyn FnMut(Line)) -> Result<Page, SearchError> {
        let PageWanted { query, plan, limit, scope, until } = wanted;
        let backwards = plan.newest_first;
        let is_before = |a: Place, b: Place| if backwards { a > b } else { a < b };
        let mut warnings = BTreeSet::new();
        // after a cursor the first match is not looked for: the reader has passed it
        let first = match query.cursor {
            Some(Cursor::After(_)) => None,
            None | Some(Cursor::Before(_)) => {
                let mode = ScanMode { backwards, of: Subset::Candidates, read: Read::Line, hint: limit };
                let mut walk = self.walk(plan, mode, None, until);
                let step = walk.next()?;
                warnings.append(&mut walk.warnings);
                match step {
                    Step::Hit(hit) => Some(hit),
                    Step::End | Step::Late(_) => {
                        let reached = if let Step::Late(place) = step { Some(place) } else { None };
                        return Ok(Page {
                            reached,
                            seeks_first: true,
                            warnings: warnings.into_iter().collect(),
                            ..Page::default()
                        });
                    }
                }
            }
        };
        let start = first.as_ref().map(|hit| hit.place);
        let (back, from) = match (query.cursor, start) {
            (Some(Cursor::After(place)), _) => (false, Some(place)),
            (Some(Cursor::Before(place)), Some(start)) if is_before(start, place) => (true, Some(place)),
            _ => (false, None),
        };
        let mut hits: Vec<Hit> = first.filter(|_| from.is_none()).into_iter().collect();
        let mode = ScanMode { backwards: backwards != back, of: Subset::Stream, read: Read::Line, hint: limit + 1 };
        let mut walk = self.walk(plan, mode, from.or(start), until);
        let mut room = self.page_room(scope);
        let CollectedHits { hits: rest, next, reached } =
            collect(&mut walk, limit - hits.len(), |bytes| room.is_full(bytes))?;
        warnings.append(&mut walk.warnings);
        hits.extend(rest);
        let (mut more, mut reached) = (next.is_some(), reached);
        match query.cursor {
            Some(Cursor::Before(_)) if back => {
                let all = hits.len();
                hits.retain(|hit| start.is_none_or(|start| !is_before(hit.place, start)));
                more &= all == hits.len();
                hits.reverse();
                // lines before the first match are not wanted
                reached = reached.filter(|reached| start.is_none_or(|start| is_before(start, *reached)));
            }
            // nothing is before it: this is the first page, and continues to the next one
            Some(Cursor::Before(_)) => more |= reached.take().is_some(),
            _ => {}
        }
        let ends = (hits.first().map(|hit| hit.place), hits.last().map(|hit| hit.place));
        let has_before = match start {
            Some(start) => ends.0.is_some_and(|place| is_before(start, place)),
            None => true,
        };
        hits.into_iter().for_each(|hit| take(plan.line(hit)));
        Ok(Page {
            previous: ends.0.or(from).filter(|_| has_before),
            next: ends.1.filter(|_| more || back),
            reached,
            warnings: warnings.into_iter().collect(),
            slot: room.into_slot(),
            ..Page::default()
        })
    }

    /// The record of a permanent link, and the number of records that are stored there, which are equal; None: the day is no longer kept,
    /// or has none.
    pub fn at(
        &self,
        index: &IndexName,
        (ts, seq, digest): (Ts, i64, i64),
    ) -> Result<Option<(Hit, usize)>, SearchError> {
        self.index(index)?;
        let day = Slice::new(day_index(index, ts.day()), Range { start: ts, end: ts.plus_micros(1) });
        let ask = |statement: &dyn Fn(&Slice) -> String| match self
            .pool
            .with(|engine| self.nodes.rows_by(engine, &day, statement))
        {
            Ok(GroupRows { rows, missing }) if rows.is_empty() && !missing.is_empty() => {
                Err(SearchError::Away(format!("the record is not on the nodes that answer; {}", missing.join("; "))))
            }
            Ok(GroupRows { rows, .. }) => Ok(rows),
            Err(fault) if not_served(&fault).is_some() => Ok(Vec::new()),
            Err(fault) => Err(away(&fault)),
        };
        let equal = [format!("seq={}", stored_order(Some(seq))), format!("digest={digest}")];
        let equal = Restriction { matching: None, conditions: equal.to_vec() };
        // one of them is read, and the others are counted: they may be many, and large
        let first = |day: &Slice| Select { columns: WHOLE_COLUMNS, ..select_of(day, &equal, 1) }.documents();
        let Some(row) = ask(&first)?.into_iter().next() else { return Ok(None) };
        let number = ask(&|day| Grouping::all("COUNT(*) AS n").statement(day, &equal))?;
        let (place, record) = whole_record(row);
        let hit = Hit { index: index.clone(), place, record, marks: Vec::new() };
        Ok(Some((hit, first_number(&number) as usize)))
    }

    /// The record among the lines of a stream, of all times: `sides` lines before and after it, oldest first.
    pub fn around(&self, hit: &Hit, stream: &Query, sides: (usize, usize), scope: &Scope) -> Result<Page, SearchError> {
        let (start, end) = (Some(When::At(Ts::MIN)), Some(When::At(Ts::MAX)));
        let query = Query { start, end, order: Some(Order::OldestFirst), ..stream.clone() };
        let plan = self.plan(&query, scope)?;
        // the neighbours in one index are near; a silent index, or a rare value, has none for days
        let are_near = query.indexes.len() == 1 && query.filters.is_empty();
        let until = if are_near { Deadline::default() } else { Deadline::over(scope) };
        let side = |backwards, lines: usize| {
            let mode = ScanMode { backwards, of: Subset::Stream, read: Read::Line, hint: lines + 1 };
            let mut walk = self.walk(&plan, mode, Some(hit.place), until);
            let is_full = |bytes| bytes >= MAX_NEIGHBOURS_BYTES;
            let CollectedHits { hits, next, reached } = collect(&mut walk, lines, is_full)?;
            if hits.len() < lines && next.is_some() {
                walk.warnings.insert("the lines around the record are too long to show all of them".to_owned());
            }
            if reached.is_some() {
                walk.warnings.insert("not all lines around the record could be read in time".to_owned());
            }
            let last = hits.last().map_or(hit.place, |hit| hit.place);
            Ok::<_, SearchError>((hits, next.or(reached).map(|_| last), walk.warnings))
        };
        let (mut earlier, previous, mut warnings) = side(true, sides.0)?;
        let (later, next, more_warnings) = side(false, sides.1)?;
        warnings.extend(more_warnings);
        earlier.reverse();
        let mut lines: Vec<Line> = earlier.into_iter().map(Line::Near).collect();
        lines.push(Line::Match(hit.clone()));
        lines.extend(later.into_iter().map(Line::Near));
        Ok(Page { lines, previous, next, warnings: warnings.into_iter().collect(), ..Page::default() })
    }
}
