//! How many, when, of which values: figures for exactly the search that the page shows, and marked where they are not.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::config::IndexName;
use crate::record::{elements, readable};
use crate::search::filter::find;
use crate::search::plan::{Plan, Slice, slices};
use crate::search::query::Query;
use crate::search::walk::{Manner, Step, away, groups, not_served};
use crate::search::{Count, Scope, SearchError, Searcher};
use crate::sphinx::engine::Row;
use crate::sphinx::json::read_back;
use crate::sphinx::select::{Narrowing, column_paths, first_is};
use crate::time::{Range, Ts};

/// Checking candidates only to count them takes at most so much of a page's time.
const COUNTING: Duration = Duration::from_millis(500);
/// Groups of one answer: bars times levels, or the values of a column; a column with more is none to choose from.
const GROUPS: usize = 10_000;
/// Values of a level column: a column with more is none.
const LEVELS: usize = 1000;
/// Rows of the first question of a count.
const ROWS: usize = 2000;
/// What the list of indexes shows.
const RECENT_SECONDS: i64 = 300;
const HALF_HOURS: usize = 48;

/// How the records of a search are spread over its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// side by side over the range; empty, if the range is
    pub bars: Vec<Bar>,
    /// false: not all was counted in time, or not all that was counted was checked
    pub exact: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    pub range: Range,
    pub total: u64,
    /// parts of the total
    pub warnings: u64,
    pub errors: u64,
}

/// What a level is worth in a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Normal,
    Warning,
    Error,
}

/// The values of a column, the commonest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    pub values: Vec<(String, u64)>,
    /// there are others
    pub more: bool,
    /// false: not all was counted in time, or not all that was counted was checked
    pub exact: bool,
}

impl Searcher {
    #[expect(dead_code, reason = "the formats for programs say how many there are")]
    pub fn count(&self, query: &Query, scope: &Scope) -> Result<Count, SearchError> {
        self.count_of(&self.plan(query, scope)?, scope.deadline)
    }

    pub(super) fn count_of(&self, plan: &Plan, deadline: Instant) -> Result<Count, SearchError> {
        let narrowed = plan.is_decided()
            || plan.sources.iter().all(|source| source.narrowing.matching.is_some())
            || plan.pattern.is_empty();
        let (mut candidates, mut counted_all) = (0, narrowed);
        'all: for source in plan.sources.iter().filter(|_| narrowed) {
            for slice in &source.slices {
                if Instant::now() >= deadline {
                    counted_all = false;
                    break 'all;
                }
                let rows = self.rows(slice, &source.narrowing, "COUNT(*) AS n", "", 1)?;
                candidates += rows.first().and_then(|row| row.int(0)).unwrap_or(0) as u64;
            }
        }
        if plan.is_decided() {
            return Ok(if counted_all { Count::Exact(candidates) } else { Count::AtLeast(candidates) });
        }
        let mut count = 0;
        let exact = self.each_checked(plan, true, deadline, |_, _| count += 1)?;
        Ok(match (exact, counted_all) {
            (true, _) => Count::Exact(count),
            (false, true) => Count::AtMost(candidates),
            (false, false) => Count::AtLeast(count),
        })
    }

    /// Checks all candidates, as far as the time goes; says whether it went to the end.
    fn each_checked(
        &self,
        plan: &Plan,
        bare: bool,
        deadline: Instant,
        mut take: impl FnMut(Ts, &str),
    ) -> Result<bool, SearchError> {
        let deadline = deadline.min(Instant::now() + COUNTING);
        let manner = Manner { backwards: plan.newest_first, stream: false, bare, hint: ROWS };
        let mut walk = self.walk(plan, manner, None, Some(deadline));
        loop {
            match walk.next()? {
                Step::Hit(hit) => take(hit.place.ts, &hit.record.columns),
                Step::End => return Ok(true),
                Step::Late(_) => return Ok(false),
            }
        }
    }

    /// A slice that is not served has none; the page says so.
    fn rows(
        &self,
        slice: &Slice,
        narrowing: &Narrowing,
        columns: &str,
        by: &str,
        limit: usize,
    ) -> Result<Vec<Row>, SearchError> {
        match groups(&self.pool, slice, narrowing, columns, by, limit) {
            Ok(rows) => Ok(rows),
            Err(fault) if not_served(&fault).is_some() => Ok(Vec::new()),
            Err(fault) => Err(away(&fault)),
        }
    }

    /// `severity` says what a value of a level column is worth.
    pub fn histogram(
        &self,
        query: &Query,
        scope: &Scope,
        bars: usize,
        severity: impl Fn(&str) -> Severity,
    ) -> Result<Histogram, SearchError> {
        let plan = self.plan(query, scope)?;
        let mut histogram = Histogram { bars: empty_bars(plan.range, bars), exact: true };
        let Some(width) = histogram.bars.first().map(|bar| bar.range.end.micros() - bar.range.start.micros()) else {
            return Ok(histogram);
        };
        let start = plan.range.start;
        let levels = |source: usize| -> &[String] { &self.indexes_of(query)[source].level };
        if !plan.is_decided() {
            let mut checked: Vec<(i64, Option<String>)> = Vec::new();
            let names: Vec<String> = (0..plan.sources.len()).flat_map(|n| levels(n).to_vec()).collect();
            let exact = self.each_checked(&plan, false, scope.deadline, |ts, columns| {
                checked.push(((ts.micros() - start.micros()).div_euclid(width), level_of(columns, &names)));
            })?;
            if exact {
                for (bar, level) in checked {
                    let bar = usize::try_from(bar).ok().and_then(|bar| histogram.bars.get_mut(bar));
                    let Some(bar) = bar else { continue };
                    bar.total += 1;
                    match level.as_deref().map_or(Severity::Normal, &severity) {
                        Severity::Normal => {}
                        Severity::Warning => bar.warnings += 1,
                        Severity::Error => bar.errors += 1,
                    }
                }
                return Ok(histogram);
            }
        }
        let mut exact = plan.is_decided();
        'all: for (n, source) in plan.sources.iter().enumerate() {
            let paths: Vec<String> = levels(n).iter().flat_map(|level| column_paths(level)).collect();
            for slice in &source.slices {
                if Instant::now() >= scope.deadline {
                    exact = false;
                    break 'all;
                }
                let (values, all) = self.levels(slice, &source.narrowing, &paths)?;
                exact &= all;
                let sum = |of: Severity, name: &str| match first_is(&paths, &values, |text| severity(text) == of) {
                    Some(condition) => (format!(", ({condition}) AS {name}"), format!("SUM({name})")),
                    None => (String::new(), "0".to_owned()),
                };
                let ((warning, warnings), (error, errors)) = (sum(Severity::Warning, "w"), sum(Severity::Error, "e"));
                let bar = format!("((ts-({})) DIV {width}) AS bar", start.micros());
                let mut select = format!("{bar}, COUNT(*) AS n{warning}{error}");
                for sum in [&warnings, &errors] {
                    if sum != "0" {
                        select.push_str(&format!(", {sum} AS of_{}", &sum[4..5]));
                    }
                }
                for row in self.rows(slice, &source.narrowing, &select, "bar", GROUPS)? {
                    let bar = usize::try_from(row.int(0).unwrap_or(-1)).ok();
                    let Some(bar) = bar.and_then(|bar| histogram.bars.get_mut(bar)) else { continue };
                    // the conditions' own columns, of some row of the group, stand between
                    let sums = 2 + usize::from(warnings != "0") + usize::from(errors != "0");
                    let int = |column| row.int(column).unwrap_or(0) as u64;
                    bar.total += int(1);
                    if warnings != "0" {
                        bar.warnings += int(sums);
                    }
                    if errors != "0" {
                        bar.errors += int(sums + usize::from(warnings != "0"));
                    }
                }
            }
        }
        histogram.exact = exact;
        Ok(histogram)
    }

    /// The values of each level column, as far as records lack the ones before it; whether these are all. (To group by a
    /// bar and a value at a time would make each row a group of its own: searchd compares places of JSON, not values.)
    fn levels(
        &self,
        slice: &Slice,
        narrowing: &Narrowing,
        paths: &[String],
    ) -> Result<(Vec<Vec<String>>, bool), SearchError> {
        let (mut values, mut all) = (Vec::new(), true);
        for path in paths {
            let rows = self.rows(slice, narrowing, &format!("{path} AS v, COUNT(*) AS n"), "v", LEVELS)?;
            all &= rows.len() < LEVELS;
            let mut texts: Vec<String> = rows.iter().map(|row| row.text(0)).collect();
            texts.sort();
            texts.dedup();
            let before = texts.len();
            texts.retain(|text| text != "NULL" && !text.is_empty());
            let some_lack_it = texts.len() < before;
            values.push(texts);
            if !some_lack_it {
                break;
            }
        }
        Ok((values, all))
    }

    fn indexes_of(&self, query: &Query) -> Vec<&crate::config::Index> {
        query.indexes.iter().filter_map(|name| self.index(name).ok()).collect()
    }

    /// Of the same search, without the column's own filters.
    pub fn values(&self, query: &Query, scope: &Scope, column: &str, limit: usize) -> Result<Values, SearchError> {
        let mut query = query.clone();
        query.filters.retain(|filter| filter.column != column);
        let plan = self.plan(&query, scope)?;
        let mut counts: HashMap<String, u64> = HashMap::new();
        let mut exact = true;
        let paths = column_paths(column);
        let mut decided = plan.is_decided() && !paths.is_empty();
        if !decided {
            exact = self.each_checked(&plan, false, scope.deadline, |_, columns| {
                let mut values = Vec::new();
                find(&crate::record::members(columns), column, &mut values);
                add_values(&values, 1, &mut counts);
            })?;
            if !exact && !paths.is_empty() {
                counts.clear();
                decided = true;
            }
        }
        if decided {
            'all: for source in &plan.sources {
                for slice in &source.slices {
                    for path in &paths {
                        if Instant::now() >= scope.deadline {
                            exact = false;
                            break 'all;
                        }
                        let select = format!("{path} AS v, COUNT(*) AS n");
                        let rows = self.rows(slice, &source.narrowing, &select, "v", GROUPS)?;
                        exact &= rows.len() < GROUPS;
                        for row in rows {
                            let n = row.int(1).unwrap_or(0) as u64;
                            let text = read_back(&row.text(0));
                            match text.starts_with('[') {
                                true => add_values(&[text.as_str()], n, &mut counts),
                                false if matches!(text.as_str(), "" | "NULL") || text.starts_with('{') => {}
                                false => *counts.entry(text).or_default() += n,
                            }
                        }
                    }
                }
            }
        }
        let mut values: Vec<(String, u64)> = counts.into_iter().collect();
        values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let more = values.len() > limit;
        values.truncate(limit);
        Ok(Values { values, more, exact })
    }

    /// Records of the last five minutes, and the time of the latest record.
    pub fn recent(&self, index: &IndexName, now: Ts) -> Result<(u64, Option<Ts>), SearchError> {
        let index = self.index(index)?;
        let none = Narrowing::default();
        let of = |range| slices(&index.name, index.days, self.peers, range, now);
        let mut count = 0;
        for slice in of(Range { start: now.plus_seconds(-RECENT_SECONDS), end: now.plus_micros(1) }) {
            let rows = self.rows(&slice, &none, "COUNT(*) AS n", "", 1)?;
            count += rows.first().and_then(|row| row.int(0)).unwrap_or(0) as u64;
        }
        for slice in of(Range { start: Ts::MIN, end: Ts::MAX }).iter().rev() {
            let rows = self.rows(slice, &none, "MAX(ts) AS last, COUNT(*) AS n", "", 1)?;
            if let Some(row) = rows.first().filter(|row| row.int(1).unwrap_or(0) > 0) {
                return Ok((count, row.int(0).map(Ts::from_micros)));
            }
        }
        Ok((count, None))
    }

    /// The last 24 hours by the half hour, oldest first.
    pub fn sparkline(&self, index: &IndexName, now: Ts) -> Result<[u64; HALF_HOURS], SearchError> {
        let index = self.index(index)?;
        let start = now.plus_seconds(-86_400);
        let width = 86_400 * 1_000_000 / HALF_HOURS as i64;
        let mut line = [0; HALF_HOURS];
        for slice in slices(&index.name, index.days, self.peers, Range { start, end: now }, now) {
            let select = format!("((ts-({})) DIV {width}) AS bar, COUNT(*) AS n", start.micros());
            for row in self.rows(&slice, &Narrowing::default(), &select, "bar", HALF_HOURS)? {
                if let Some(bar) = line.get_mut(row.int(0).unwrap_or(-1) as usize) {
                    *bar += row.int(1).unwrap_or(0) as u64;
                }
            }
        }
        Ok(line)
    }
}

/// Equal bars over a range, at most so many; fewer where a bar would be less than a microsecond.
fn empty_bars(range: Range, bars: usize) -> Vec<Bar> {
    let length = range.end.micros().saturating_sub(range.start.micros());
    if length <= 0 || bars == 0 {
        return Vec::new();
    }
    let width = (length + bars as i64 - 1) / bars as i64;
    (0..(length + width - 1) / width)
        .map(|n| Bar {
            range: Range {
                start: range.start.plus_micros(n * width),
                end: range.start.plus_micros((n + 1) * width).min(range.end),
            },
            total: 0,
            warnings: 0,
            errors: 0,
        })
        .collect()
}

/// The first level column that a record has.
fn level_of(columns: &str, names: &[String]) -> Option<String> {
    let columns = crate::record::members(columns);
    let mut values = Vec::new();
    names.iter().for_each(|name| find(&columns, name, &mut values));
    values.into_iter().find(|value| *value != "null").map(|value| readable(value).into_owned())
}

fn add_values(values: &[&str], n: u64, counts: &mut HashMap<String, u64>) {
    let elements = values.iter().flat_map(|value| elements(value));
    for value in elements.filter(|value| *value != "null" && !value.starts_with(['{', '['])) {
        *counts.entry(readable(value).into_owned()).or_default() += n;
    }
}
