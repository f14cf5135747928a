//! The patterns of the messages that a search finds, with their numbers, levels and times.
//!
//! searchd counts the records that the index alone decides (`kinds`): one question a day. alco reads the others, and those of days that
//! other rules made, within the time of the search. The bars and the messages (`sampled`) of the patterns that are shown are asked for
//! afterwards, so they cost the same for any number of patterns.

mod kinds;
mod sampled;

use std::collections::HashMap;

use crate::config::IndexName;
use crate::query::{PatternSort, Query};
use crate::record::json::Columns;
use crate::record::level;
use crate::record::pattern::{self, MessagePattern, PatternBuffer, PatternHash};
use crate::search::Searcher;
use crate::search::hit::{Count, Hit, SearchError};
use crate::search::pace::ALL_ROWS;
use crate::search::pattern_counts::{FoundPattern, FoundPatterns, PatternCount, PatternCounts, SampleAt};
use crate::search::plan::{Plan, Slice, Subset};
use crate::search::scan::{Read, ScanMode, Step};
use crate::search::scope::{Deadline, Scope};
use crate::search::stats::histogram::Bars;
use crate::search::stats::patterns::kinds::{KindCounter, StepRows};
use crate::search::stats::patterns::sampled::Sampled;
use crate::sphinx::counting::{UNSURE_KIND, rank};
use crate::sphinx::kinds::{MAX_STEPS, key, key_and_step};
use crate::time::WallClock;

/// The most patterns of one answer.
const MAX_PATTERNS: usize = 10_000;
/// Bars of a pattern: one more is there if the range begins within a step.
const PATTERN_BARS: usize = MAX_STEPS as usize - 2;

/// Groups of one question about bars: searchd holds four times as many.
const MAX_BARS_ASKED: usize = 10_000;

/// The patterns to find out.
#[derive(Clone, Copy, Debug)]
pub struct PatternsWanted {
    sort: PatternSort,
    limit: usize,
    /// as long as it takes, while the client waits, and without bars; otherwise within the time of the search
    to_the_end: bool,
}

impl PatternsWanted {
    /// For a page, with bars: the number that the query names, else `usual`, but at most `most`.
    pub fn of_page(query: &Query, usual: usize, most: usize) -> PatternsWanted {
        let limit = query.limit.map_or(usual, usize::from).min(most);
        PatternsWanted { sort: query.sort, limit, to_the_end: false }
    }

    /// As many as the query names, of all that an answer may have.
    pub fn to_the_end(query: &Query) -> PatternsWanted {
        PatternsWanted { to_the_end: true, ..PatternsWanted::of_page(query, MAX_PATTERNS, MAX_PATTERNS) }
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    fn until<'a>(&self, scope: &'a Scope) -> Deadline<'a> {
        if self.to_the_end { Deadline::left(scope) } else { Deadline::over(scope) }
    }
}

impl Searcher {
    pub fn patterns(
        &self,
        query: &Query,
        scope: &Scope,
        wanted: &PatternsWanted,
    ) -> Result<PatternCounts, SearchError> {
        let _timed = self.timed();
        let plan = self.plan(query, scope)?;
        let clock = WallClock::of(query.zone(&scope.zone));
        let bars = if wanted.to_the_end { 0 } else { PATTERN_BARS };
        let mut counting = PatternCounting {
            searcher: self,
            scope,
            wanted,
            bars: Bars::new(plan.range, bars, &clock, Vec::new()),
            searchd: KindCounter::new(self, wanted.until(scope), &plan),
            counted: FoundPatterns::default(),
            read: FoundPatterns::default(),
        };
        counting.count(plan)?;
        counting.finish()
    }
}

/// Patterns of a search, as far as they are counted.
struct PatternCounting<'a> {
    searcher: &'a Searcher,
    scope: &'a Scope,
    wanted: &'a PatternsWanted,
    bars: Bars,
    searchd: KindCounter<'a>,
    /// by searchd
    counted: FoundPatterns,
    /// by alco
    read: FoundPatterns,
}

impl PatternCounting<'_> {
    /// Counts all records of the plan.
    fn count(&mut self, mut plan: Plan) -> Result<(), SearchError> {
        self.searchd.choose(&plan)?;
        let unsure = self.searchd.count(&mut self.counted)?;
        for of in Subset::TO_CHECK {
            self.read(&plan, of)?;
        }
        let sources = plan.sources.clone();
        plan.keep(|index, slice| !self.searchd.is_asked(index, slice), None);
        self.read(&plan, Subset::Exact)?;
        plan.sources = sources;
        let is_unsure = |index: &IndexName, slice: &Slice| {
            unsure.iter().any(|(other, its)| other == index && its.range == slice.range)
        };
        plan.keep(is_unsure, Some(&format!("kind={UNSURE_KIND}")));
        self.read(&plan, Subset::Exact)
    }

    /// Reads records, and finds the pattern of each.
    fn read(&mut self, plan: &Plan, of: Subset) -> Result<(), SearchError> {
        // what was found is shown in the rest of the time
        let scope = self.scope.at_most(self.scope.left() * 3 / 4);
        let until = self.wanted.until(&scope);
        let mode = ScanMode { backwards: !self.wanted.to_the_end, of, read: Read::Columns, hint: ALL_ROWS };
        let mut walk = self.searcher.walk(plan, mode, None, until);
        let mut buffer = PatternBuffer::default();
        loop {
            match walk.next()? {
                Step::Hit(hit) => self.take(&hit, &mut buffer)?,
                Step::End => break,
                Step::Late(_) => {
                    self.searchd.is_part = true;
                    break;
                }
            }
        }
        self.searchd.warnings.append(&mut walk.warnings);
        Ok(())
    }

    fn take(&mut self, hit: &Hit, buffer: &mut PatternBuffer) -> Result<(), SearchError> {
        let index = self.searcher.index(&hit.index)?;
        let ts = hit.place.ts;
        let is_its = |(index, slice): &(IndexName, Slice)| *index == hit.index && slice.range.contains(ts);
        let slice = self.searchd.slices.iter().position(is_its).unwrap_or(0);
        let level = level::of_record(index, &Columns::parse(&hit.record.columns));
        let sample = SampleAt { slice, id: hit.place.id };
        let mut found = FoundPattern::of_level(rank(level), 1, ts, ts, sample);
        if let Some(bar) = self.bars.place(self.bars.steps.number(ts)) {
            found.bars = vec![0; self.bars.bars.len()];
            found.bars[bar] = 1;
        }
        self.read.add(pattern::hash(&hit.record.message, buffer), found);
        Ok(())
    }

    fn finish(mut self) -> Result<PatternCounts, SearchError> {
        let all = std::mem::take(&mut self.counted).with(&self.read);
        let (records, known) = (all.records, all.len() as u64);
        let only_frequent = all.has_forgotten || self.read.has_forgotten || self.searchd.overflow.is_some();
        let number = match self.searchd.overflow {
            Some(patterns) if self.searchd.slices.len() == 1 && self.read.len() == 0 => Count::Exact(patterns),
            Some(patterns) => Count::AtLeast(patterns.max(known)),
            None if only_frequent || self.searchd.is_part => Count::AtLeast(known),
            None => Count::Exact(known),
        };
        let mut chosen = all.first(self.wanted.sort, self.wanted.limit);
        if only_frequent {
            self.count_again(&mut chosen)?;
        }
        let is_part = std::mem::take(&mut self.searchd.is_part);
        self.add_steps(&mut chosen)?;
        let mut samples = Sampled::new(self.searcher, &self.searchd.slices);
        samples.read(chosen.iter().map(|(_, found)| found.sample))?;
        let patterns = chosen.into_iter().map(|(pattern, found)| pattern_count(pattern, found, &samples));
        Ok(PatternCounts {
            patterns: patterns.collect(),
            number,
            records,
            bars: self.bars.bars.iter().map(|bar| bar.range).collect(),
            exact: !is_part && self.searchd.warnings.is_empty(),
            has_whole_bars: !self.searchd.is_part,
            only_frequent,
            warnings: self.searchd.warnings.into_iter().collect(),
        })
    }

    /// Counts the records of these patterns again: some were left out where the patterns were among the rare ones.
    fn count_again(&mut self, chosen: &mut [(PatternHash, FoundPattern)]) -> Result<(), SearchError> {
        let again = self.searchd.count_these(chosen.iter().map(|(pattern, _)| *pattern))?;
        for (pattern, found) in chosen {
            match (again.get(*pattern), self.read.get(*pattern)) {
                (Some(counted), Some(read)) => {
                    *found = counted.clone();
                    found.join(read.clone());
                }
                (Some(only), None) | (None, Some(only)) => *found = only.clone(),
                (None, None) => {}
            }
        }
        // what alco has read and forgotten cannot be counted again
        self.searchd.is_part |= self.read.has_forgotten;
        Ok(())
    }

    /// Adds the records that searchd counts to the bars of these patterns.
    fn add_steps(&mut self, chosen: &mut [(PatternHash, FoundPattern)]) -> Result<(), SearchError> {
        let bars = self.bars.bars.len();
        chosen.iter_mut().for_each(|(_, found)| found.bars.resize(bars, 0));
        let mut left: Vec<usize> = if bars == 0 { Vec::new() } else { (0..chosen.len()).collect() };
        while !left.is_empty() {
            // some patterns at a time; those with the same key one after the other
            let mut asked: HashMap<i64, usize> = HashMap::new();
            left.retain(|at| {
                let has_room = (asked.len() + 1) * bars <= MAX_BARS_ASKED;
                !has_room || *asked.entry(key(chosen[*at].0)).or_insert(*at) != *at
            });
            let patterns = asked.values().map(|at| (chosen[*at].0, chosen[*at].1.levels));
            for StepRows { first, rows } in self.searchd.steps(patterns, &self.bars)? {
                for row in rows.iter() {
                    let (key, step) = key_and_step(row.key);
                    if let (Some(at), Some(bar)) = (asked.get(&key), self.bars.place(first + step)) {
                        chosen[*at].1.bars[bar] += row.documents;
                    }
                }
            }
        }
        Ok(())
    }
}

fn pattern_count(pattern: PatternHash, found: FoundPattern, samples: &Sampled) -> PatternCount {
    let FoundPattern { levels, first, last, bars, sample } = found;
    let sample = samples.line(sample);
    let text = match sample.map(pattern::of) {
        Some(MessagePattern { text, hash }) if hash == pattern => text,
        _ if pattern == PatternHash::NONE => String::new(),
        _ => pattern.to_string(),
    };
    PatternCount { pattern, text, sample: sample.map(str::to_owned), levels, first, last, bars }
}
