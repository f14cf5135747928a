//! The patterns of the messages that a search finds, with their numbers, levels and times; those of the range before too, if the search
//! compares both.
//!
//! searchd counts the records that the index alone decides (`kinds`): one question a day. alco reads the others, and those of days that
//! other rules made, within the time of the search (`counting`). The bars and the messages (`sampled`) of the patterns that are shown are
//! asked for afterwards, so they cost the same for any number of patterns.

mod counting;
mod kinds;
mod sampled;

use crate::query::{PatternSort, Query, edit};
use crate::record::pattern::{self, MessagePattern, PatternHash};
use crate::search::Searcher;
use crate::search::hit::{Count, SearchError};
use crate::search::pattern_counts::{CountsBefore, FoundPattern, PatternCount, PatternCounts};
use crate::search::pattern_list::{ListedPattern, listed, sort_list};
use crate::search::scope::Scope;
use crate::search::stats::patterns::counting::{CountingTime, PatternCounting};
use crate::search::stats::patterns::sampled::Sampled;
use crate::time::Range;

/// The most patterns of one answer.
const MAX_PATTERNS: usize = 10_000;

/// The patterns to find out.
#[derive(Clone, Copy, Debug)]
pub struct PatternsWanted {
    sort: Option<PatternSort>,
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
}

impl Searcher {
    pub fn patterns(
        &self,
        query: &Query,
        scope: &Scope,
        wanted: &PatternsWanted,
    ) -> Result<PatternCounts, SearchError> {
        let _timed = self.timed();
        let range_before = query.range_before(scope.now, &scope.zone);
        let time = |ranges_left| CountingTime { to_the_end: wanted.to_the_end, ranges_left };
        let own = PatternCounting::of(self, query, scope, time(1 + u32::from(range_before.is_some())))?;
        let before = range_before.map(|range| {
            let counting = PatternCounting::of(self, &edit::between(query, range), scope, time(1))?;
            Ok(RangeBefore { range, counting })
        });
        finish(own, before.transpose()?, wanted)
    }
}

/// The range that is compared.
struct RangeBefore<'a> {
    range: Range,
    counting: PatternCounting<'a>,
}

/// Chooses the patterns of the list, and asks for what it shows of them.
fn finish(
    mut own: PatternCounting,
    mut before: Option<RangeBefore>,
    wanted: &PatternsWanted,
) -> Result<PatternCounts, SearchError> {
    let patterns_before = before.as_mut().map(|before| before.counting.take_patterns());
    let records_before = patterns_before.as_ref().map_or(0, |patterns| patterns.records);
    let patterns = own.take_patterns();
    let (records, is_compared) = (patterns.records, before.is_some());
    let (mut listed, known) = listed(patterns, patterns_before, wanted.sort, wanted.limit);
    let mut only_frequent = own.leaves_out;
    if own.leaves_out {
        own.count_again(&mut listed, |one| &mut one.found)?;
    }
    if let Some(before) = before.as_mut().filter(|before| before.counting.leaves_out) {
        before.counting.count_again(&mut listed, |one| &mut one.before)?;
        only_frequent = true;
    }
    if only_frequent {
        sort_list(&mut listed, wanted.sort, is_compared);
    }
    let number = match &before {
        Some(_) if only_frequent => Count::AtLeast(known),
        Some(before) => match (own.number, before.counting.number) {
            (Count::Exact(_), Count::Exact(_)) => Count::Exact(known),
            _ => Count::AtLeast(known),
        },
        None => own.number,
    };
    let is_part = std::mem::take(&mut own.searchd.is_part);
    let mut found: Vec<_> = listed.iter_mut().filter_map(|one| Some((one.pattern, one.found.as_mut()?))).collect();
    own.add_steps(&mut found)?;
    let samples = own.samples(listed.iter().filter_map(|one| Some(one.found.as_ref()?.sample)))?;
    let is_gone = |one: &&ListedPattern| one.found.is_none();
    let gone = listed.iter().filter(is_gone).filter_map(|one| Some(one.before.as_ref()?.sample));
    let samples_before = before.as_ref().map(|before| before.counting.samples(gone)).transpose()?;
    let bars: Vec<Range> = own.bars.bars.iter().map(|bar| bar.range).collect();
    let counted = |one| pattern_count(one, &samples, samples_before.as_ref(), bars.len());
    let patterns = listed.iter().filter_map(counted).collect();
    let mut warnings = std::mem::take(&mut own.searchd.warnings);
    let exact = !is_part && warnings.is_empty();
    let counts_before = before.map(|before| {
        let searchd = before.counting.searchd;
        let exact = !searchd.is_part && searchd.warnings.is_empty();
        warnings.extend(searchd.warnings);
        CountsBefore { range: before.range, records: records_before, exact }
    });
    Ok(PatternCounts {
        patterns,
        number,
        records,
        bars,
        exact,
        has_whole_bars: !own.searchd.is_part,
        only_frequent,
        warnings: warnings.into_iter().collect(),
        before: counts_before,
    })
}

/// `samples_before`: lines of the patterns that are gone, if two ranges are compared. None: no range has records of it.
fn pattern_count(
    listed: &ListedPattern,
    samples: &Sampled,
    samples_before: Option<&Sampled>,
    bars: usize,
) -> Option<PatternCount> {
    let ListedPattern { found, before, .. } = listed;
    let (described, samples) = match found {
        Some(found) => (found, samples),
        None => (before.as_ref()?, samples_before?),
    };
    let FoundPattern { first, last, sample, .. } = *described;
    let (index, sample) = (samples.index(sample).cloned(), samples.line(sample));
    let text = match sample.map(pattern::of) {
        Some(MessagePattern { text, hash }) if hash == listed.pattern => text,
        _ if listed.pattern == PatternHash::NONE => String::new(),
        _ => listed.pattern.to_string(),
    };
    let levels = |found: &Option<FoundPattern>| found.as_ref().map(|found| found.levels).unwrap_or_default();
    Some(PatternCount {
        pattern: listed.pattern,
        text,
        sample: sample.map(str::to_owned),
        index,
        levels: levels(found),
        first,
        last,
        bars: found.as_ref().map_or_else(|| vec![0; bars], |found| found.bars.clone()),
        before: samples_before.map(|_| levels(before)),
    })
}
