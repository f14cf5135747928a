//! Goes through the records of a plan in the order of their places, forwards or backwards: it fetches candidates in growing
//! chunks, checks each, and merges the streams of several indexes.
//!
//! Invariant: the hits are in order, and no document comes twice.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::metrics::Counter;
use crate::query::cursor::Place;
use crate::record::Stored;
use crate::search::filter::Looked;
use crate::search::hit::{Hit, SearchError};
use crate::search::plan::{Plan, Slice, SourcePlan, Subset};
use crate::search::scope::Scope;
use crate::sphinx::attributes::read_back;
use crate::sphinx::client::{Engine, Fault, Pool, Row};
use crate::sphinx::dialect::unserved_index;
use crate::sphinx::select::{Restriction, Select};
use crate::time::{Range, Ts};

/// Rows of one question: enough that asking costs less than answering.
const MAX_ROWS: usize = 20_000;
/// Bytes of text in one answer, which searchd holds in memory at once; the rest is asked for by the next question.
pub const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Bytes of hits to hold at a time: a stream of any length may take 8 MB of memory, and this is the larger part of it.
pub const MAX_HELD_BYTES: usize = 1 << 19;
/// Width of the first time slice when the full-text index is not used: searchd looks at all records of it.
const FIRST_SLICE_MICROS: i64 = 60_000_000;
/// Width of the first time slice when lines around a match are read.
const NEIGHBOUR_SLICE_MICROS: i64 = 5_000_000;
/// Rows that are sampled before the full-text index is used.
const SAMPLE_ROWS: usize = 500;
/// If more than one in this many sampled rows matches, the full-text index is not used: to list all documents of a common word
/// takes longer than to fill a page.
const COMMON_ONE_IN: usize = 10;
/// Up to this many rows, fetching whole rows is cheaper than a second question for the matches.
const FEW_ROWS: usize = 1000;
/// The hint for a walk that will see all records.
pub const ALL_ROWS: usize = usize::MAX;
/// Rows of the first question of such a walk.
const FIRST_ROWS_OF_ALL: usize = 2000;
/// The narrowest time slice: the records of half a second are a short answer.
const MIN_SLICE_MICROS: i64 = 500_000;
/// The clock is read once in this many checks, or in this many bytes.
const CHECKS_PER_CLOCK: usize = 64;
const BYTES_PER_CLOCK: usize = 1 << 20;

const PLACE_COLUMNS: &str = "id, ts, seq, digest, logline";
pub const WHOLE_COLUMNS: &str = "id, ts, seq, digest, logline, js, exact";

/// Which records a walk returns, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanMode {
    /// from later places to earlier ones
    pub backwards: bool,
    pub of: Subset,
    pub read: Read,
    /// rows that will be wanted, or `ALL_ROWS`
    pub hint: usize,
}

/// How much of a hit is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// its place is enough
    Place,
    /// and its columns
    Columns,
    /// all that is shown of it
    Line,
}

impl ScanMode {
    fn is_stream(self) -> bool {
        self.of == Subset::Stream
    }
}

/// When a walk stops before its end.
#[derive(Clone, Copy, Default)]
pub struct Deadline<'a> {
    /// its deadline counts only after the walk has read something
    scope: Option<&'a Scope>,
    /// of the scope, only whether the client waits counts
    timeless: bool,
    /// called before each question; flushes the output; returns false to stop (the client has gone)
    pulse: Option<&'a dyn Fn() -> bool>,
}

impl<'a> Deadline<'a> {
    /// At the scope's deadline.
    pub fn over(scope: &'a Scope) -> Deadline<'a> {
        Deadline { scope: Some(scope), ..Deadline::default() }
    }

    /// When the client no longer waits, whatever the time.
    pub fn left(scope: &'a Scope) -> Deadline<'a> {
        Deadline { timeless: true, ..Deadline::over(scope) }
    }

    /// `pulse` is called before each question; it returns false to stop.
    pub fn with_pulse(self, pulse: &'a dyn Fn() -> bool) -> Deadline<'a> {
        Deadline { pulse: Some(pulse), ..self }
    }

    fn is_over(self) -> bool {
        self.scope.is_some_and(|scope| if self.timeless { !scope.waits.yes() } else { scope.is_over() })
    }

    fn gives_up(self) -> bool {
        self.pulse.is_some_and(|pulse| !pulse())
    }
}

/// searchd, as a walk asks it.
#[derive(Clone, Copy, Debug)]
pub struct SearchdAccess<'a> {
    pub pool: &'a Pool,
    /// asks for warnings too: only peers cause any
    pub warns: bool,
    /// counts the documents that are checked
    pub candidates: &'a Counter,
}

/// The way through the records of a plan.
pub struct Walk<'a> {
    searchd: SearchdAccess<'a>,
    plan: &'a Plan,
    mode: ScanMode,
    until: Deadline<'a>,
    sources: Vec<SourceScan<'a>>,
    pub warnings: BTreeSet<String>,
}

#[derive(Debug)]
struct SourceScan<'a> {
    plan: &'a SourcePlan,
    slices: VecDeque<&'a Slice>,
    hits: VecDeque<Hit>,
    /// all documents up to here were looked at
    at: Option<Place>,
    rows: usize,
    /// microseconds of a slice to ask for at a time; None: the whole slice, or its first part
    window: Option<i64>,
    /// it is not known yet whether matches are common
    samples: bool,
    /// more than a quarter of the last answer were hits
    dense: bool,
    asked: bool,
}

/// What one question asks for.
struct ChunkWanted<'a> {
    slice: &'a Slice,
    narrowing: &'a Restriction,
    /// of the slice
    part: Range,
    /// at most this many
    rows: usize,
    /// with the columns, not only place and message
    whole: bool,
}

/// What came of one question.
#[derive(Debug, Default)]
struct Chunk {
    hits: Vec<Hit>,
    /// the documents that were looked at: the first and the last, their number, bytes of all and bytes of the hits
    first: Option<Ts>,
    last: Option<Place>,
    seen: usize,
    bytes: usize,
    held: usize,
    /// there is more of it
    cut: bool,
}

impl SourceScan<'_> {
    /// The next part of a slice, as long as the window.
    fn part(&self, slice: Range, backwards: bool, window: Option<i64>) -> Range {
        let at = self.at.map(|place| place.ts).filter(|ts| slice.start <= *ts && *ts <= slice.end);
        match (backwards, window) {
            (_, None) => slice,
            (false, Some(window)) => {
                let start = at.unwrap_or(slice.start);
                Range { start, end: start.plus_micros(window).min(slice.end) }
            }
            (true, Some(window)) => {
                // documents of the same time as the place are still to come
                let end = at.map_or(slice.end, |at| at.plus_micros(1).min(slice.end));
                Range { start: end.plus_micros(-window).max(slice.start), end }
            }
        }
    }
}

/// The next step of a walk.
#[derive(Debug)]
pub enum Step {
    Hit(Hit),
    End,
    /// the time ran out, or the client has gone; all hits before this place have come
    Late(Place),
}

impl<'a> Walk<'a> {
    /// Begins next to `from`, which itself does not come.
    pub fn new(
        searchd: SearchdAccess<'a>,
        plan: &'a Plan,
        mode: ScanMode,
        from: Option<Place>,
        until: Deadline<'a>,
    ) -> Walk<'a> {
        let beside = |slice: &Slice| match (from, mode.backwards) {
            (None, _) => true,
            (Some(place), false) => start_of(slice.range.end) > place,
            (Some(place), true) => start_of(slice.range.start) < place,
        };
        let sources = plan.sources.iter().map(|source| {
            let has_any = |slice: &&Slice| source.narrowing(slice, mode.of).is_some();
            let mut slices: VecDeque<&Slice> =
                source.slices.iter().filter(|slice| beside(slice)).filter(has_any).collect();
            if mode.backwards {
                slices.make_contiguous().reverse();
            }
            let rows = if mode.hint == ALL_ROWS { FIRST_ROWS_OF_ALL } else { mode.hint.clamp(1, MAX_ROWS) };
            SourceScan {
                plan: source,
                slices,
                hits: VecDeque::new(),
                at: from,
                rows,
                window: None,
                // a sample of what the conditions on columns leave would tell nothing about the rest
                samples: mode.hint != ALL_ROWS && !mode.is_stream() && source.conditions().is_empty(),
                dense: false,
                asked: false,
            }
        });
        let (sources, warnings) = (sources.collect(), BTreeSet::new());
        Walk { searchd, plan, mode, until, sources, warnings }
    }

    pub fn with_pulse(mut self, pulse: &'a dyn Fn() -> bool) -> Walk<'a> {
        self.until = self.until.with_pulse(pulse);
        self
    }

    /// The next hit in order, of all indexes.
    ///
    /// # Errors
    ///
    /// `SearchError::Away`: searchd does not answer.
    pub fn next(&mut self) -> Result<Step, SearchError> {
        for source in 0..self.sources.len() {
            self.fill(source)?;
        }
        let before = |a: &Place, b: &Place| if self.mode.backwards { a > b } else { a < b };
        let mut first: Option<(usize, Place)> = None;
        let mut late: Option<Place> = None;
        for (n, source) in self.sources.iter().enumerate() {
            match source.hits.front() {
                Some(hit) => {
                    if first.is_none_or(|(_, place)| before(&hit.place, &place)) {
                        first = Some((n, hit.place));
                    }
                }
                None if source.slices.is_empty() => {}
                None => {
                    let at = source.at.unwrap_or_else(|| {
                        start_of(if self.mode.backwards { self.plan.range.end } else { self.plan.range.start })
                    });
                    if late.is_none_or(|late| before(&at, &late)) {
                        late = Some(at);
                    }
                }
            }
        }
        match (first, late) {
            (Some((n, place)), late) if late.is_none_or(|late| !before(&late, &place)) => {
                match self.sources[n].hits.pop_front() {
                    Some(hit) => Ok(Step::Hit(hit)),
                    None => Ok(Step::End),
                }
            }
            (_, Some(late)) => Ok(Step::Late(late)),
            (_, None) => Ok(Step::End),
        }
    }

    /// Asks until the source has a hit, or no slice is left, or the time is over.
    fn fill(&mut self, n: usize) -> Result<(), SearchError> {
        while self.sources[n].hits.is_empty() && !self.sources[n].slices.is_empty() {
            if self.sources[n].asked && self.until.is_over() || self.until.gives_up() {
                return Ok(());
            }
            self.fetch(n)?;
        }
        Ok(())
    }

    /// Asks once, and checks the answer.
    fn fetch(&mut self, n: usize) -> Result<(), SearchError> {
        let source = &self.sources[n];
        let Some(slice) = source.slices.front().copied() else { return Ok(()) };
        let Some(narrowing) = source.plan.narrowing(slice, self.mode.of) else { return Ok(()) };
        let samples = source.samples && narrowing.matching.is_some();
        let scans = samples || narrowing.matching.is_none();
        let first = if self.mode.is_stream() { NEIGHBOUR_SLICE_MICROS } else { FIRST_SLICE_MICROS };
        let window = if scans { source.window.or(Some(first)) } else { source.window };
        let part = source.part(slice.range, self.mode.backwards, window);
        let rows = if samples { source.rows.min(SAMPLE_ROWS) } else { source.rows };
        let bare = self.mode.read == Read::Place;
        let checked = !(self.plan.pattern.is_empty() || self.mode.is_stream());
        // if hits are rare among many candidates, their columns are read after the check
        let whole = self.plan.needs_columns() || !bare && (!checked || source.dense || rows <= FEW_ROWS);
        let scanning = Restriction { matching: None, conditions: narrowing.conditions.clone() };
        let narrowing = if scans { &scanning } else { narrowing };
        let Some(answer) = self.ask(n, &ChunkWanted { slice, narrowing, part, rows, whole })? else {
            self.sources[n].slices.pop_front();
            return Ok(());
        };
        let Chunk { mut hits, first, last, seen, bytes, held, cut } = answer;
        if !bare && !whole && !hits.is_empty() {
            self.read_columns(slice, narrowing, &mut hits)?;
        }
        if self.mode.read == Read::Line && !self.mode.is_stream() {
            hits.iter_mut().for_each(|hit| hit.marks = self.plan.pattern.marks(&hit.record.message));
        }
        let source = &mut self.sources[n];
        source.asked = true;
        source.at = last.or(source.at);
        source.dense = hits.len() * 4 > seen;
        let common = hits.len() * COMMON_ONE_IN > seen;
        source.hits.extend(hits);
        let fits = |most: usize, bytes: usize| most / (bytes / seen.max(1) + 1);
        source.rows =
            (rows * 4).min(MAX_ROWS).min(fits(MAX_ANSWER_BYTES, bytes)).min(fits(MAX_HELD_BYTES, held)).max(1);
        if seen < rows && !cut {
            source.at = Some(start_of(if self.mode.backwards { part.start } else { part.end }));
            source.window = window.map(|window| window.saturating_mul(4));
            let is_whole = match self.mode.backwards {
                true => part.start <= slice.range.start,
                false => part.end >= slice.range.end,
            };
            if is_whole {
                source.slices.pop_front();
            }
        } else if let (Some(first), Some(last)) = (first, last) {
            // searchd sorts all of a range for each question: the next one is as long as its rows will be
            let span = (last.ts.micros() - first.micros()).abs().max(MIN_SLICE_MICROS);
            source.window = Some(span.saturating_mul((source.rows / rows.max(1)).max(1) as i64));
        }
        if samples && !common {
            (source.samples, source.window) = (false, None);
        }
        Ok(())
    }

    /// The hits of a part of a slice; None if searchd does not serve it.
    fn ask(&mut self, n: usize, wanted: &ChunkWanted) -> Result<Option<Chunk>, SearchError> {
        let ChunkWanted { slice, narrowing, part, rows, whole } = *wanted;
        let (plan, source) = (self.plan, &self.sources[n]);
        let checked = !(plan.pattern.is_empty() || self.mode.is_stream());
        let select = Select {
            columns: if whole { WHOLE_COLUMNS } else { PLACE_COLUMNS },
            from: &slice.from,
            narrowing,
            range: part,
            newest_first: self.mode.backwards,
            // a part that does not hold the place is new from end to end
            beyond: source.at.filter(|place| part.contains(place.ts) && *place > start_of(part.start)),
            limit: rows,
        };
        let statement = select.documents();
        let mut answer = Chunk::default();
        let mut looked = 0;
        let until = self.until;
        let result = self.searchd.pool.with(|engine| {
            engine.each(&statement, |row| {
                let (place, message) = (place_of(&row), row.str(4));
                let columns = if whole { columns_of(&row, 5) } else { Cow::Borrowed("") };
                let size = message.len() + columns.len();
                // the walk stops late rather than without any progress
                looked += BYTES_PER_CLOCK / CHECKS_PER_CLOCK + size;
                if looked >= BYTES_PER_CLOCK && answer.seen > 0 {
                    looked = 0;
                    answer.cut = until.is_over();
                }
                if answer.cut {
                    return false;
                }
                answer.first.get_or_insert(place.ts);
                answer.last = Some(place);
                answer.seen += 1;
                answer.bytes += size;
                let looked = Looked { apart: &source.plan.apart, ts: place.ts, message: &message, columns: &columns };
                if plan.filters.accept(looked) && (!checked || plan.matches(&message, &columns)) {
                    let record = Stored { message: message.into_owned(), columns: columns.into_owned() };
                    answer.held += size + std::mem::size_of::<Hit>();
                    answer.hits.push(Hit { index: source.plan.index.clone(), place, record, marks: Vec::new() });
                }
                answer.cut = answer.bytes >= MAX_ANSWER_BYTES || answer.held >= 2 * MAX_HELD_BYTES;
                !answer.cut
            })?;
            warnings(engine, self.searchd.warns && !answer.cut)
        });
        self.searchd.candidates.add(answer.seen);
        match result {
            Ok(warnings) => self.warnings.extend(warnings),
            Err(fault) => match not_served(&fault) {
                Some(why) => {
                    self.warnings.insert(why);
                    return Ok(None);
                }
                None => return Err(away(&fault)),
            },
        }
        Ok(Some(answer))
    }

    /// Reads the columns of these documents of one slice. The narrowing leaves searchd fewer documents to look through.
    fn read_columns(&self, slice: &Slice, narrowing: &Restriction, hits: &mut Vec<Hit>) -> Result<(), SearchError> {
        let ids: Vec<u64> = hits.iter().map(|hit| hit.place.id).collect();
        let places = || hits.iter().map(|hit| hit.place.ts);
        let (Some(first), Some(last)) = (places().min(), places().max()) else { return Ok(()) };
        let range = Range { start: first, end: last.plus_micros(1) };
        let statement = Select {
            columns: "id, js, exact",
            from: &slice.from,
            narrowing: &Restriction { matching: narrowing.matching.clone(), conditions: Vec::new() },
            range,
            newest_first: false,
            beyond: None,
            limit: ids.len(),
        }
        .among(&ids);
        let rows = self.searchd.pool.with(|engine| engine.select(&statement)).map_err(|fault| away(&fault))?;
        let mut columns: HashMap<u64, String> =
            rows.iter().map(|row| (row.int(0).unwrap_or(0) as u64, columns_of(row, 1).into_owned())).collect();
        // a document that has expired meanwhile is no longer a hit
        hits.retain_mut(|hit| match columns.remove(&hit.place.id) {
            Some(columns) => {
                hit.record.columns = columns;
                true
            }
            None => false,
        });
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct CollectedHits {
    pub hits: Vec<Hit>,
    /// one more
    pub next: Option<Place>,
    /// where the time was used up
    pub reached: Option<Place>,
}

/// Up to `limit` hits.
pub(super) fn collect(walk: &mut Walk, limit: usize) -> Result<CollectedHits, SearchError> {
    let mut collected = CollectedHits::default();
    loop {
        match walk.next()? {
            Step::Hit(hit) if collected.hits.len() < limit => {
                collected.hits.push(hit);
                continue;
            }
            Step::Hit(hit) => collected.next = Some(hit.place),
            Step::End => {}
            Step::Late(place) => collected.reached = Some(place),
        }
        return Ok(collected);
    }
}

/// The place before all records of an instant; no record has it, since no docid is 0.
fn start_of(ts: Ts) -> Place {
    Place { ts, seq: i64::MIN, digest: i64::MIN, id: 0 }
}

fn place_of(row: &Row) -> Place {
    let int = |column| row.int(column).unwrap_or(0);
    Place { ts: Ts::from_micros(int(1)), seq: int(2), digest: int(3), id: int(0) as u64 }
}

/// A row of `WHOLE`.
pub fn whole_record(row: &Row) -> (Place, Stored) {
    (place_of(row), Stored { message: row.text(4), columns: columns_of(row, 5).into_owned() })
}

/// The columns as sent, from `js` and the `exact` after it.
fn columns_of(row: &Row, js: usize) -> Cow<'_, str> {
    match row.bytes(js + 1).is_empty() {
        false => row.str(js + 1),
        true => Cow::Owned(read_back(&row.str(js))),
    }
}

/// What searchd warns of after a statement, if wanted.
pub fn warnings(engine: &mut Engine, wanted: bool) -> Result<Vec<String>, Fault> {
    if wanted { engine.warnings() } else { Ok(Vec::new()) }
}

/// The warning for a day index that searchd should serve and does not: only its part of the answer is missing. None: the fault
/// is another one.
pub fn not_served(fault: &Fault) -> Option<String> {
    let Fault::Reject(why) = fault else { return None };
    let name = unserved_index(why)?;
    Some(format!("searchd does not serve {name}: its records are missing here; alco check says how to mend it"))
}

/// The error for a searchd that does not answer.
pub fn away(fault: &Fault) -> SearchError {
    SearchError::Away(format!("cannot search: {}", fault.why()))
}

/// What to read of groups of documents.
#[derive(Clone, Copy, Debug)]
pub struct Grouping<'a> {
    /// the select list
    pub columns: &'a str,
    /// the column of the list that a group has in common; empty: all documents are one group
    pub by: &'a str,
    /// groups
    pub limit: usize,
}

impl<'a> Grouping<'a> {
    /// All documents in one row.
    pub fn all(columns: &'a str) -> Grouping<'a> {
        Grouping { columns, by: "", limit: 1 }
    }
}

/// All of a narrowing's documents, in one row or in groups.
pub fn groups(pool: &Pool, slice: &Slice, narrowing: &Restriction, grouping: Grouping) -> Result<Vec<Row>, Fault> {
    let Grouping { columns, by, limit } = grouping;
    let select =
        Select { columns, from: &slice.from, narrowing, range: slice.range, newest_first: false, beyond: None, limit };
    pool.with(|engine| engine.select(&select.groups(by)))
}
