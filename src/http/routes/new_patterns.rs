//! The patterns of a list that are new in its range, by what alco remembers of the search's indexes.

use std::cmp::Reverse;

use crate::http::request::LogRequest;
use crate::http::site::Site;
use crate::query::{Query, edit};
use crate::record::pattern::PatternHash;
use crate::record::pattern::memory::{FIRST_DAY_SECONDS, PatternMemory};
use crate::search::hit::{Count, SearchError};
use crate::search::pattern_counts::{CountsBefore, PatternCounts};
use crate::search::scope::Scope;
use crate::search::stats::patterns::PatternsWanted;
use crate::sphinx::day_index::served_days;
use crate::time::Range;

/// New patterns that a search is asked for, as filters.
const MAX_NEW_PATTERNS: usize = 1000;
/// Bytes of a time up to its second.
const SECONDS_BYTES: usize = "2026-11-22 10:00:00".len();

/// The patterns of a search; with `only_new`, those that are new in its range. The warnings are for people.
pub fn counted(
    site: &Site,
    request: &LogRequest,
    query: &Query,
    scope: &Scope,
    wanted: &PatternsWanted,
) -> Result<PatternCounts, SearchError> {
    let mut found = listed(site, request, query, scope, wanted)?;
    found.warnings.extend(cut_before(request, &found));
    Ok(found)
}

fn listed(
    site: &Site,
    request: &LogRequest,
    query: &Query,
    scope: &Scope,
    wanted: &PatternsWanted,
) -> Result<PatternCounts, SearchError> {
    if !query.only_new {
        return site.searcher.patterns(query, scope, wanted);
    }
    let memory = joined(query.indexes.iter().map(|index| site.pattern_memory(index)));
    let mut warnings = Vec::from_iter(unknown(memory.as_ref(), request));
    let (memory, range) = (memory.unwrap_or_default(), request.range());
    let mut new: Vec<_> = memory.new_between(range.start, range.end).collect();
    if new.len() > MAX_NEW_PATTERNS {
        new.sort_unstable_by_key(|(_, sighting)| (Reverse(sighting.level), Reverse(sighting.first)));
        warnings.push(format!("of {} new patterns, only {MAX_NEW_PATTERNS} are listed", new.len()));
        new.truncate(MAX_NEW_PATTERNS);
    }
    let new: Vec<PatternHash> = new.into_iter().map(|(pattern, _)| pattern).collect();
    let mut found = match new.is_empty() {
        true => nothing(query.range_before(request.now, &request.zone)),
        false => site.searcher.patterns(&edit::among_patterns(query, new), scope, wanted)?,
    };
    found.warnings.extend(warnings);
    Ok(found)
}

/// The reason why the range before is not whole, if an index keeps no records of its begin.
fn cut_before(request: &LogRequest, found: &PatternCounts) -> Option<String> {
    let range = found.before?.range;
    let oldest = request.indexes.iter().filter_map(|index| served_days(request.now.day(), index.days).next()).max()?;
    (range.start < oldest.start())
        .then(|| format!("records from before {} are no longer kept: the range before is not whole", oldest.dashed()))
}

/// What alco remembers of these patterns in the search's indexes together. None: Redis is away.
pub fn remembered(site: &Site, query: &Query, patterns: &[PatternHash]) -> Option<PatternMemory> {
    joined(query.indexes.iter().map(|index| site.pattern_memory_of(index, patterns)))
}

/// What alco remembers of several indexes together. None: Redis is away.
pub fn joined(memories: impl Iterator<Item = Option<PatternMemory>>) -> Option<PatternMemory> {
    memories.reduce(|all, memory| Some(all?.join(memory?))).flatten()
}

/// The reason why alco does not know of all patterns in the range whether they are new.
pub fn unknown(memory: Option<&PatternMemory>, request: &LogRequest) -> Option<String> {
    let Some(memory) = memory else {
        return Some("Redis is away or slow: alco does not know which patterns are new".to_owned());
    };
    memory.unknown_before(request.range().start)?;
    Some(match memory.since {
        Some(since) => format!(
            "only patterns that first came after {} are marked as new: alco has remembered them for a day by then",
            &since.plus_seconds(FIRST_DAY_SECONDS).written_in(&request.zone)[..SECONDS_BYTES]
        ),
        None => "alco does not remember any patterns yet, and calls none new".to_owned(),
    })
}

fn nothing(range_before: Option<Range>) -> PatternCounts {
    PatternCounts {
        patterns: Vec::new(),
        number: Count::Exact(0),
        records: 0,
        bars: Vec::new(),
        exact: true,
        has_whole_bars: true,
        only_frequent: false,
        warnings: Vec::new(),
        before: range_before.map(|range| CountsBefore { range, records: 0, exact: true }),
    }
}
