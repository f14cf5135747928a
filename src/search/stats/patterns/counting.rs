//! The patterns of one range: counted by searchd (`kinds`) and by alco, which reads the other records.

use std::collections::HashMap;

use crate::config::IndexName;
use crate::query::Query;
use crate::record::json::Columns;
use crate::record::level;
use crate::record::pattern::{self, PatternBuffer, PatternHash};
use crate::search::Searcher;
use crate::search::hit::{Count, Hit, SearchError};
use crate::search::pace::ALL_ROWS;
use crate::search::pattern_counts::{FoundPattern, FoundPatterns, SampleAt};
use crate::search::pattern_list::ListedPattern;
use crate::search::plan::{Plan, Slice, Subset};
use crate::search::scan::{Read, ScanMode, Step};
use crate::search::scope::{Deadline, Scope};
use crate::search::stats::histogram::Bars;
use crate::search::stats::patterns::kinds::{KindCounter, StepRows};
use crate::search::stats::patterns::sampled::Sampled;
use crate::sphinx::counting::{UNSURE_KIND, rank};
use crate::sphinx::kinds::{MAX_STEPS, key, key_and_step};
use crate::time::WallClock;

/// Bars of a pattern: one more is there if the range begins within a step.
const PATTERN_BARS: usize = MAX_STEPS as usize - 2;
/// Groups of one question about bars: searchd holds four times as many.
const MAX_BARS_ASKED: usize = 10_000;

/// How long a range is counted.
#[derive(Clone, Copy, Debug)]
pub struct CountingTime {
    /// as long as it takes, while the client waits, and without bars; otherwise within the time of the search
    pub to_the_end: bool,
    /// the ranges that are to be counted within that time
    pub ranges_left: u32,
}

impl CountingTime {
    fn until(self, scope: &Scope) -> Deadline<'_> {
        if self.to_the_end { Deadline::left(scope) } else { Deadline::over(scope) }
    }
}

/// Patterns of one range, as far as they are counted.
pub struct PatternCounting<'a> {
    searcher: &'a Searcher,
    scope: &'a Scope,
    time: CountingTime,
    pub bars: Bars,
    pub searchd: KindCounter<'a>,
    /// all of them
    patterns: FoundPatterns,
    /// how many there are
    pub number: Count,
    /// there are more than can be counted at a time: rare ones are left out
    pub leaves_out: bool,
    /// those of the records that alco has read
    read: FoundPatterns,
}

impl<'a> PatternCounting<'a> {
    /// Counts all records of the search.
    pub fn of(
        searcher: &'a Searcher,
        query: &Query,
        scope: &'a Scope,
        time: CountingTime,
    ) -> Result<PatternCounting<'a>, SearchError> {
        let plan = searcher.plan(query, scope)?;
        let clock = WallClock::of(query.zone(&scope.zone));
        let bars = if time.to_the_end { 0 } else { PATTERN_BARS };
        let mut counting = PatternCounting {
            searcher,
            scope,
            time,
            bars: Bars::new(plan.range, bars, &clock, Vec::new()),
            searchd: KindCounter::new(searcher, time.until(scope), &plan),
            patterns: FoundPatterns::default(),
            number: Count::Exact(0),
            leaves_out: false,
            read: FoundPatterns::default(),
        };
        counting.count(plan)?;
        counting.join();
        Ok(counting)
    }

    pub fn take_patterns(&mut self) -> FoundPatterns {
        std::mem::take(&mut self.patterns)
    }

    fn count(&mut self, mut plan: Plan) -> Result<(), SearchError> {
        self.searchd.choose(&plan)?;
        let unsure = self.searchd.count(&mut self.patterns)?;
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
        let scope = self.scope.at_most(self.scope.left() * 3 / 4 / self.time.ranges_left);
        let until = self.time.until(&scope);
        let mode = ScanMode { backwards: !self.time.to_the_end, of, read: Read::Columns, hint: ALL_ROWS };
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

    /// Adds those that alco has read to those that searchd has counted.
    fn join(&mut self) {
        self.patterns = self.take_patterns().with(&self.read);
        let known = self.patterns.len() as u64;
        self.leaves_out = self.patterns.has_forgotten || self.read.has_forgotten || self.searchd.overflow.is_some();
        // each node counts its own, and a pattern may be on several
        self.number = match self.searchd.overflow.filter(|_| !self.searcher.has_peers()) {
            Some(number) if self.searchd.slices.len() == 1 && self.read.len() == 0 => Count::Exact(number),
            Some(number) => Count::AtLeast(number.max(known)),
            None if self.leaves_out || self.searchd.is_part => Count::AtLeast(known),
            None => Count::Exact(known),
        };
    }

    /// Counts the records of these patterns again: some were left out where the patterns were among the rare ones. `own` is the part of a
    /// listed pattern that this range has.
    pub fn count_again(
        &mut self,
        listed: &mut [ListedPattern],
        own: fn(&mut ListedPattern) -> &mut Option<FoundPattern>,
    ) -> Result<(), SearchError> {
        let again = self.searchd.count_these(listed.iter().map(|one| one.pattern))?;
        for one in listed {
            match (again.get(one.pattern), self.read.get(one.pattern)) {
                (Some(counted), Some(read)) => {
                    let mut found = counted.clone();
                    found.join(read.clone());
                    *own(one) = Some(found);
                }
                (Some(only), None) | (None, Some(only)) => *own(one) = Some(only.clone()),
                (None, None) => {}
            }
        }
        // what alco has read and forgotten cannot be counted again
        self.searchd.is_part |= self.read.has_forgotten;
        Ok(())
    }

    /// Adds the records that searchd counts to the bars of these patterns.
    pub fn add_steps(&mut self, listed: &mut [(PatternHash, &mut FoundPattern)]) -> Result<(), SearchError> {
        let bars = self.bars.bars.len();
        listed.iter_mut().for_each(|(_, found)| found.bars.resize(bars, 0));
        let mut left: Vec<usize> = if bars == 0 { Vec::new() } else { (0..listed.len()).collect() };
        while !left.is_empty() {
            // some patterns at a time; those with the same key one after the other
            let mut asked: HashMap<i64, usize> = HashMap::new();
            left.retain(|at| {
                let has_room = (asked.len() + 1) * bars <= MAX_BARS_ASKED;
                !has_room || *asked.entry(key(listed[*at].0)).or_insert(*at) != *at
            });
            let patterns = asked.values().map(|at| (listed[*at].0, listed[*at].1.levels));
            for StepRows { first, rows } in self.searchd.steps(patterns, &self.bars)? {
                for row in rows.iter() {
                    let (key, step) = key_and_step(row.key);
                    if let (Some(at), Some(bar)) = (asked.get(&key), self.bars.place(first + step)) {
                        listed[*at].1.bars[bar] += row.documents;
                    }
                }
            }
        }
        Ok(())
    }

    /// A line of each of these documents.
    pub fn samples(&self, samples: impl Iterator<Item = SampleAt>) -> Result<Sampled<'_>, SearchError> {
        let mut sampled = Sampled::new(self.searcher, &self.searchd.slices);
        sampled.read(samples)?;
        Ok(sampled)
    }
}
