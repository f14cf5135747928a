//! What searchd counts by kind: the records of slices that the index alone decides, on days whose patterns are by today's rules.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::IndexName;
use crate::record::level::Level;
use crate::record::pattern::PatternHash;
use crate::search::Searcher;
use crate::search::answer::{GroupRows, KindRow, MostGroups, select_of};
use crate::search::day_groups::DayStates;
use crate::search::hit::SearchError;
use crate::search::pattern_counts::{FoundPattern, FoundPatterns, RecordsByLevel, SampleAt};
use crate::search::plan::{Plan, Slice, Subset};
use crate::search::scope::Deadline;
use crate::search::stats::histogram::Bars;
use crate::sphinx::counting::{UNSURE_KIND, kind, pattern_and_rank, rank};
use crate::sphinx::select::Restriction;

/// Kinds of one answer. Of more, searchd returns the most frequent; a pattern has mostly one level.
const MAX_KINDS: usize = 20_000;
/// Kinds that one question names: a peer takes at most 4096 values of a condition.
const MAX_AMONG: usize = 4096;

pub struct KindCounter<'a> {
    searcher: &'a Searcher,
    until: Deadline<'a>,
    /// those of all indexes
    pub slices: Vec<(IndexName, Slice)>,
    /// the slices that searchd is asked about, and which of their records
    asked: Vec<(usize, Restriction)>,
    states: DayStates,
    /// the time was over before all was asked
    pub is_part: bool,
    pub warnings: BTreeSet<String>,
    /// slices with more kinds than searchd returns: the most patterns of one of them
    pub overflow: Option<u64>,
}

/// The records of a slice by pattern and step.
pub struct StepRows {
    /// the number of the bar of step 0
    pub first: i64,
    /// their keys are those of `sphinx::kinds`
    pub rows: Arc<[KindRow]>,
}

impl<'a> KindCounter<'a> {
    pub fn new(searcher: &'a Searcher, until: Deadline<'a>, plan: &Plan) -> KindCounter<'a> {
        let slices = plan.sources.iter().flat_map(|source| {
            let of_index = |slice: &Slice| (source.index.clone(), slice.clone());
            source.slices.iter().map(of_index)
        });
        KindCounter {
            searcher,
            until,
            slices: slices.collect(),
            asked: Vec::new(),
            states: DayStates::default(),
            is_part: false,
            warnings: BTreeSet::new(),
            overflow: None,
        }
    }

    /// Finds the slices that searchd is asked about.
    pub fn choose(&mut self, plan: &Plan) -> Result<(), SearchError> {
        for (source, slice, narrowing) in plan.asked(Subset::Exact) {
            let index = self.searcher.index(&source.index)?;
            if self.searcher.counts_levels(index, slice) {
                let at = self.place(&source.index, slice);
                self.asked.extend(at.map(|at| (at, narrowing.clone())));
            }
        }
        Ok(())
    }

    fn place(&self, index: &IndexName, slice: &Slice) -> Option<usize> {
        self.slices.iter().position(|(other, its)| other == index && its.range == slice.range)
    }

    pub fn is_asked(&self, index: &IndexName, slice: &Slice) -> bool {
        let place = self.place(index, slice);
        self.asked.iter().any(|(at, _)| Some(*at) == place)
    }

    /// Counts all records. Returns the slices with records whose pattern searchd does not know; they are not counted.
    pub fn count(&mut self, found: &mut FoundPatterns) -> Result<Vec<(IndexName, Slice)>, SearchError> {
        let mut unsure = Vec::new();
        for at in 0..self.asked.len() {
            let rows = self.kinds(at, &[])?;
            let slice = self.asked[at].0;
            if rows.iter().any(|row| row.key == UNSURE_KIND) {
                unsure.push(self.slices[slice].clone());
            }
            add(found, slice, rows.iter().take(MAX_KINDS));
            if rows.len() > MAX_KINDS {
                found.records += self.count_others(at, &rows)?;
            }
        }
        Ok(unsure)
    }

    /// Counts the records of these patterns, which may be among the rare ones of a slice.
    pub fn count_these(&mut self, patterns: impl Iterator<Item = PatternHash>) -> Result<FoundPatterns, SearchError> {
        let (kinds, mut found) = (kinds_of(patterns.map(|pattern| (pattern, [1; _]))), FoundPatterns::default());
        for at in 0..self.asked.len() {
            for some in kinds.chunks(MAX_AMONG) {
                let rows = self.kinds(at, some)?;
                add(&mut found, self.asked[at].0, rows.iter());
            }
        }
        Ok(found)
    }

    /// The records of these patterns by step. The patterns come with their records of each level.
    pub fn steps(
        &mut self,
        patterns: impl ExactSizeIterator<Item = (PatternHash, RecordsByLevel)>,
        bars: &Bars,
    ) -> Result<Vec<StepRows>, SearchError> {
        let limit = patterns.len() * bars.bars.len();
        let (mut kinds, mut all) = (kinds_of(patterns), Vec::new());
        // the same patterns in another order are the same question
        kinds.sort_unstable();
        for at in 0..self.asked.len() {
            for part in bars.steps.parts(self.question(at).0.range) {
                let (slice, narrowing) = self.question(at);
                let slice = slice.part(part.range);
                // the part's first step may be that of its day
                let first = bars.steps.number(part.range.start);
                let start = part.start_micros + (first - part.first) * bars.steps.width_micros;
                let step = bars.steps.sql_from(start);
                let statement = |slice: &Slice| select_of(slice, &narrowing, limit).steps_of_kinds(&step, &kinds);
                all.push(StepRows { first, rows: self.rows((&slice, &narrowing), limit, &statement)? });
            }
        }
        Ok(all)
    }

    fn kinds(&mut self, at: usize, among: &[i64]) -> Result<Arc<[KindRow]>, SearchError> {
        let (slice, narrowing) = self.question(at);
        self.rows((&slice, &narrowing), MAX_KINDS + 1, &|slice| {
            select_of(slice, &narrowing, MAX_KINDS + 1).kinds(among)
        })
    }

    fn question(&self, at: usize) -> (Slice, Restriction) {
        let (slice, narrowing) = &self.asked[at];
        (self.slices[*slice].1.clone(), narrowing.clone())
    }

    /// The number of the records that these rows leave out, since their slice has more kinds. Counts its patterns too.
    fn count_others(&mut self, at: usize, rows: &[KindRow]) -> Result<u64, SearchError> {
        let (slice, narrowing) = self.question(at);
        let patterns = |slice: &Slice| select_of(slice, &narrowing, 1).number_of_patterns();
        let GroupRows { rows: documents, missing } = self.searcher.documents_of(&slice, &narrowing, &self.states)?;
        self.warnings.extend(missing);
        let patterns = self.rows((&slice, &narrowing), 1, &patterns)?.first().map_or(0, |row| row.documents);
        self.overflow = self.overflow.max(Some(patterns));
        Ok(documents.saturating_sub(rows.iter().take(MAX_KINDS).map(|row| row.documents).sum()))
    }

    /// The rows of a statement about a slice, which asks for at most that many kinds; none if the time is over. Those of a whole
    /// day are kept.
    fn rows(
        &mut self,
        (slice, narrowing): (&Slice, &Restriction),
        most: usize,
        statement: &dyn Fn(&Slice) -> String,
    ) -> Result<Arc<[KindRow]>, SearchError> {
        if self.until.is_over() {
            self.is_part = true;
            return Ok(Arc::default());
        }
        let answer = self.searcher.kept(
            &self.searcher.day_kinds,
            (slice, narrowing),
            (statement, MostGroups::of_any_time(most)),
            (&self.states, &|| self.until.is_over()),
            |rows| {
                let rows: Arc<[KindRow]> = rows.iter().map(KindRow::of).collect();
                let bytes = size_of_val(&*rows);
                (rows, bytes)
            },
        )?;
        self.warnings.extend(answer.missing);
        Ok(answer.rows)
    }
}

/// The kinds of these patterns, one for each level that a pattern has records of.
fn kinds_of(patterns: impl Iterator<Item = (PatternHash, RecordsByLevel)>) -> Vec<i64> {
    let of_pattern = |(pattern, records): (PatternHash, RecordsByLevel)| {
        let levels = Level::ALL.into_iter().zip(records).filter(|(_, records)| *records > 0);
        levels.map(move |(level, _)| kind(rank(level), pattern))
    };
    patterns.flat_map(of_pattern).collect()
}

fn add<'r>(found: &mut FoundPatterns, slice: usize, rows: impl Iterator<Item = &'r KindRow>) {
    for row in rows.filter(|row| row.key != UNSURE_KIND) {
        let (pattern, rank) = pattern_and_rank(row.key);
        let sample = SampleAt { slice, id: row.id };
        found.add(pattern, FoundPattern::of_level(rank, row.documents, row.first, row.last, sample));
    }
}
