//! When: how the records of a search are spread over its range, by level.

use crate::record::readable;
use crate::search::filter::find;
use crate::search::plan::Slice;
use crate::search::query::Query;
use crate::search::{Scope, SearchError, Searcher};
use crate::sphinx::select::{Narrowing, column_paths, first_is};
use crate::time::Range;

/// Bars of one answer: more than any screen has columns.
const BARS: usize = 10_000;
/// Values of a level column: a column with more is none.
const LEVELS: usize = 1000;

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

impl Searcher {
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
            let exact = self.each_checked(&plan, false, scope, |ts, columns| {
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
                if scope.is_over() {
                    exact = false;
                    break 'all;
                }
                let (values, all) = self.levels(slice, source.narrowing(slice, false), &paths)?;
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
                for row in self.rows(slice, source.narrowing(slice, false), &select, "bar", BARS)? {
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
