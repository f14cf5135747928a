//! Goes through the records of a plan in the order of their places, forwards or backwards: it fetches candidates in chunks (`pace`
//! decides how large), checks each, and merges the streams of several indexes.
//!
//! Invariant: the hits are in order, and no document comes twice.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::query::cursor::Place;
use crate::record::Stored;
use crate::search::amount::Amount;
use crate::search::answer::{MAX_ANSWER_BYTES, MAX_HELD_BYTES, away, columns_of, not_served, place_of};
use crate::search::chunk_wanted::ChunkWanted;
use crate::search::filter::Looked;
use crate::search::hit::{Hit, SearchError};
use crate::search::large::{LargeRecords, MAX_LARGE_BYTES, of_sizes, sizes_found};
use crate::search::nodes::{Heard, Included};
use crate::search::pace::{Chunk, Pace};
use crate::search::plan::{Plan, Slice, Subset};
use crate::search::scope::Deadline;
use crate::search::searchd::{ColumnsRead, SearchdAccess};
use crate::search::source_scan::{SourceScan, is_ahead};
use crate::sphinx::client::Fault;
use crate::sphinx::select::{Restriction, Select};
use crate::sphinx::sizes::Size;

/// Several indexes share `MAX_HELD_BYTES`, but each may hold this much: less costs many questions.
const MIN_HELD_BYTES: usize = 64 << 10;
/// The clock is read once in this many checks, or in this many bytes, which count once more for each filter.
const CHECKS_PER_CLOCK: usize = 64;
const BYTES_PER_CLOCK: usize = 1 << 20;
/// The same if a check may take long: the largest regex takes at most 60 ms for these.
const COSTLY_BYTES_PER_CLOCK: usize = 4 << 10;

/// The answer to one question is checked for at most this time, if a check may take long: then other searches have their turn.
const COSTLY_TURN: Duration = Duration::from_millis(200);

/// The records that a walk returns, and their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanMode {
    /// from later places to earlier ones
    pub backwards: bool,
    pub of: Subset,
    pub read: Read,
    /// rows that will be wanted, or `ALL_ROWS`
    pub hint: usize,
}

/// The parts of a hit that are read.
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

/// The way through the records of a plan.
pub struct Walk<'a> {
    searchd: SearchdAccess<'a>,
    plan: &'a Plan,
    mode: ScanMode,
    until: Deadline<'a>,
    sources: Vec<SourceScan<'a>>,
    /// of the hits of one source
    max_held_bytes: usize,
    pub warnings: BTreeSet<String>,
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
        let is_ahead = |slice: &&Slice| is_ahead(slice, from, mode.backwards);
        let max_slices = searchd.nodes.max_slices();
        let max_held_bytes = (MAX_HELD_BYTES / plan.sources.len().max(1)).max(MIN_HELD_BYTES);
        let sources = plan.sources.iter().map(|source| {
            let has_any = |slice: &&Slice| source.narrowing(slice, mode.of).is_some();
            let mut slices: VecDeque<&Slice> = source.slices.iter().filter(is_ahead).filter(has_any).collect();
            if mode.backwards {
                slices.make_contiguous().reverse();
            }
            // a sample of what the conditions on columns leave would show nothing about the rest
            let may_sample = source.conditions().is_empty();
            let pace = Pace::new(mode.backwards, mode.is_stream(), mode.hint, may_sample, max_held_bytes);
            SourceScan { plan: source, slices, max_slices, hits: VecDeque::new(), at: from, pace, asked: false }
        });
        let (sources, warnings) = (sources.collect(), BTreeSet::new());
        Walk { searchd, plan, mode, until, sources, max_held_bytes, warnings }
    }

    pub fn with_pulse(mut self, pulse: &'a dyn Fn() -> bool) -> Walk<'a> {
        self.until = self.until.with_pulse(pulse);
        self
    }

    /// The next hit in order, of all indexes.
    ///
    /// # Errors
    ///
    /// `SearchError::Away`: searchd does not answer. `SearchError::Busy`: too many long searches wait.
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
                        Place::start_of(if self.mode.backwards { self.plan.range.end } else { self.plan.range.start })
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
            let Some(wanted) = self.next_chunk(n)? else { return Ok(()) };
            let _turn = self.until.turn(self.is_costly() || wanted.is_heavy())?;
            if self.sources[n].asked && self.until.is_over() {
                return Ok(());
            }
            self.fetch(n, self.without_too_many(n, wanted)?)?;
        }
        Ok(())
    }

    /// The documents to ask for next; None: there are none.
    fn next_chunk(&self, n: usize) -> Result<Option<ChunkWanted<'a>>, SearchError> {
        let source = &self.sources[n];
        let Some(first) = source.slices.front().copied() else { return Ok(None) };
        let Some(narrowing) = source.plan.narrowing(first, self.mode.of) else { return Ok(None) };
        let portion =
            source.pace.portion(first.range, source.at, narrowing.matching.is_some() || first.has_rare_keys());
        let days = source.next_slices(&portion);
        let slice = days[1..].iter().fold(first.clone(), |slice, next| slice.joined(next));
        // if hits are rare among many candidates, their columns are read after the check
        let whole = self.plan.needs_columns()
            || self.mode.read != Read::Place && (!self.is_checked() || source.pace.reads_columns(&portion));
        let scanning = || Restriction { matching: None, conditions: narrowing.conditions.clone() };
        let narrowing = if portion.narrowed { Cow::Borrowed(narrowing) } else { Cow::Owned(scanning()) };
        let mut wanted = ChunkWanted { days, slice, narrowing, portion, large: &[], whole };
        if wanted.days.len() > 1 {
            wanted.portion.part = wanted.slice.range;
        }
        if self.searchd.may_have_large(&wanted.slice)? {
            wanted.large = sizes_found(|sizes, limit| self.places_of(n, &wanted, sizes, limit))?;
        }
        Ok(Some(wanted))
    }

    /// The same chunk, up to the first large record with which it would have too many.
    fn without_too_many(&self, n: usize, mut wanted: ChunkWanted<'a>) -> Result<ChunkWanted<'a>, SearchError> {
        let ask = |sizes: &[Size], limit| self.places_of(n, &wanted, sizes, limit);
        let large = LargeRecords::list_of(wanted.large, self.mode.backwards, MAX_LARGE_BYTES, ask)?;
        if let Some((place, before)) = large.first_beyond() {
            wanted.portion.end_before(place, before, self.mode.backwards, self.sources[n].at);
        }
        Ok(wanted)
    }

    /// The first records of these sizes in a chunk.
    fn places_of(
        &self,
        n: usize,
        wanted: &ChunkWanted,
        sizes: &[Size],
        limit: usize,
    ) -> Result<Vec<Place>, SearchError> {
        let narrowing = of_sizes(&wanted.narrowing, sizes);
        let statement = |slice: &Slice| {
            let select = wanted.select(slice, self.mode.backwards, self.sources[n].at);
            Select { columns: "id, ts, seq, digest", narrowing: &narrowing, limit, ..select }.documents()
        };
        let answer = self.searchd.nodes.rows(self.searchd.pool, &wanted.slice, statement)?;
        Ok(answer.rows.iter().map(place_of).collect())
    }

    /// Asks once, and checks the answer.
    fn fetch(&mut self, n: usize, mut wanted: ChunkWanted<'a>) -> Result<(), SearchError> {
        let (portion, place_only) = (wanted.portion, self.mode.read == Read::Place);
        let mut chunk = loop {
            let Some(mut chunk) = self.ask(n, &wanted)? else {
                self.sources[n].leave_out(wanted.days.len());
                return Ok(());
            };
            if place_only || wanted.whole || chunk.hits.is_empty() {
                break chunk;
            }
            let read = self.read_columns(&wanted, std::mem::take(&mut chunk.hits))?;
            if read.gone == 0 || !self.searchd.nodes.has_peers() {
                self.warnings.extend(read.missing);
                chunk.held += read.bytes;
                chunk.hits = read.hits;
                if let Some(last) = chunk.hits.last().filter(|_| read.cut) {
                    // the walk comes to the others by its next question
                    (chunk.last, chunk.cut) = (Some(last.place), true);
                }
                break chunk;
            }
            // a peer has gone, and its mirror has other docids
            wanted.whole = true;
        };
        if self.mode.read == Read::Line && !self.mode.is_stream() {
            // the lines that were found are shown without marks rather than late
            let is_costly = self.plan.pattern.may_take_long();
            let hits = chunk.hits.iter_mut().take_while(|_| !is_costly || !self.until.is_over());
            hits.for_each(|hit| hit.marks = self.plan.pattern.marks(&hit.record.message));
        }
        self.sources[n].take(chunk, &portion, self.mode.backwards);
        Ok(())
    }

    /// Reads the columns of these hits, which are in order.
    fn read_columns(&self, wanted: &ChunkWanted, hits: Vec<Hit>) -> Result<ColumnsRead, SearchError> {
        let (mut left, mut read) = (hits, ColumnsRead::default());
        for slice in &wanted.days {
            let (some, others) = left.into_iter().partition(|hit| slice.range.contains(hit.place.ts));
            left = others;
            read.read(self.searchd, slice, &wanted.narrowing, some)?;
        }
        Ok(read)
    }

    /// True if the pattern decides in addition to searchd.
    fn is_checked(&self) -> bool {
        !(self.plan.pattern.is_empty() || self.mode.is_stream())
    }

    /// True if one check may take long.
    fn is_costly(&self) -> bool {
        self.plan.filters.may_take_long() || self.is_checked() && self.plan.pattern.may_take_long()
    }

    /// The hits of a part of a slice; None if searchd does not serve all of its indexes.
    fn ask(&mut self, n: usize, wanted: &ChunkWanted) -> Result<Option<Chunk>, SearchError> {
        let mut amount = Amount::new(wanted.portion.rows);
        loop {
            let included = self.searchd.nodes.included(&wanted.slice, &amount);
            let select = Select {
                limit: amount.documents,
                ..wanted.select(&included.slice, self.mode.backwards, self.sources[n].at)
            };
            match self.read(n, &included, &select.documents(), wanted.whole) {
                Ok((mut chunk, Heard::Missing(missing))) => {
                    self.warnings.extend(missing);
                    chunk.cut |= amount.is_less() && chunk.seen == amount.documents;
                    return Ok(Some(chunk));
                }
                Ok((_, Heard::Again)) => {}
                Ok((_, Heard::TooLarge(peer))) => amount.lessen(peer),
                Err(fault) if self.searchd.nodes.lacks_peer(&included, &fault) => {}
                Err(fault) => match not_served(&fault) {
                    Some(why) => {
                        self.warnings.insert(why);
                        return Ok(None);
                    }
                    None => return Err(away(&fault)),
                },
            }
        }
    }

    /// The hits among the documents of an answer, until the time is over or there are enough.
    fn read(&self, n: usize, asked: &Included, statement: &str, whole: bool) -> Result<(Chunk, Heard), Fault> {
        let (plan, source, checked) = (self.plan, &self.sources[n], self.is_checked());
        let (nodes, until, max_held_bytes) = (self.searchd.nodes, self.until, 2 * self.max_held_bytes);
        let (is_costly, begun) = (self.is_costly(), Instant::now());
        let bytes_per_clock = if is_costly { COSTLY_BYTES_PER_CLOCK } else { BYTES_PER_CLOCK };
        let (mut answer, mut looked, passes) = (Chunk::default(), 0, 1 + plan.filters.number());
        let heard = self.searchd.pool.with(|engine| {
            nodes.each(engine, asked, statement, |row| {
                // the rows of peers are here already, and only after the last one it is known whether they are all
                if answer.cut {
                    return nodes.has_peers();
                }
                let (place, message) = (place_of(&row), row.text(4));
                let columns = if whole { columns_of(&row, 5) } else { String::new() };
                let size = message.len() + columns.len();
                // the walk stops late rather than without any progress
                looked += bytes_per_clock / CHECKS_PER_CLOCK + size * passes;
                if looked >= bytes_per_clock && answer.seen > 0 {
                    looked = 0;
                    answer.cut = until.is_over() || is_costly && begun.elapsed() >= COSTLY_TURN;
                }
                if answer.cut {
                    return nodes.has_peers();
                }
                let looked = Looked { apart: &source.plan.apart, ts: place.ts, message: &message, columns: &columns };
                let is_hit = match plan.filters.accept_until(looked, &|| until.is_over()) {
                    Some(true) if checked => plan.matches_until(&message, &columns, &|| until.is_over()),
                    is_accepted => is_accepted,
                };
                let Some(is_hit) = is_hit else {
                    answer.cut = true;
                    return nodes.has_peers();
                };
                answer.first.get_or_insert(place.ts);
                answer.last = Some(place);
                answer.seen += 1;
                answer.bytes += size;
                if is_hit {
                    let record = Stored { message, columns };
                    answer.held += size + std::mem::size_of::<Hit>();
                    answer.hits.push(Hit { index: source.plan.index.clone(), place, record, marks: Vec::new() });
                }
                answer.cut = answer.bytes >= MAX_ANSWER_BYTES || answer.held >= max_held_bytes;
                !answer.cut || nodes.has_peers()
            })
        });
        self.searchd.candidates.add(answer.seen);
        Ok((answer, heard?))
    }
}
