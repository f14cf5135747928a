//! Of which values: a column's values with counts, for a search without that column's own filter.

use std::collections::HashMap;
use std::time::Instant;

use crate::record::{elements, members, readable};
use crate::search::filter::find;
use crate::search::query::Query;
use crate::search::{Scope, SearchError, Searcher};
use crate::sphinx::json::read_back;
use crate::sphinx::select::column_paths;

/// Values of one answer: a column with more is none to choose from.
const GROUPS: usize = 10_000;
/// Stands in searchd's JSON for a control character.
const ALTERED: char = '\u{fffd}';

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
    /// Of the same search, without the column's own filters.
    pub fn values(&self, query: &Query, scope: &Scope, column: &str, limit: usize) -> Result<Values, SearchError> {
        let mut query = query.clone();
        query.filters.retain(|filter| filter.column != column);
        let plan = self.plan(&query, scope)?;
        let mut counts: HashMap<String, u64> = HashMap::new();
        let mut exact = true;
        let paths = column_paths(column);
        let mut decided = plan.is_decided() && !paths.is_empty();
        let checked = |counts: &mut HashMap<String, u64>| {
            self.each_checked(&plan, false, scope.deadline, |_, columns| {
                let mut values = Vec::new();
                find(&members(columns), column, &mut values);
                add_values(&values, 1, counts);
            })
        };
        if !decided {
            exact = checked(&mut counts)?;
            if !exact && !paths.is_empty() {
                counts.clear();
                decided = true;
            }
        }
        let mut altered = false;
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
                            let text = grouped(row.text(0));
                            altered |= text.contains(ALTERED);
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
        // such a value is another one in truth, and nothing would be found by it: only the records tell
        if altered && plan.is_decided() {
            let mut true_counts = HashMap::new();
            exact = checked(&mut true_counts)?;
            counts.retain(|value, _| !exact && !value.contains(ALTERED));
            for (value, n) in true_counts {
                counts.entry(value).or_insert(n);
            }
        }
        let mut values: Vec<(String, u64)> = counts.into_iter().collect();
        values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let more = values.len() > limit;
        values.truncate(limit);
        Ok(Values { values, more, exact })
    }
}

/// What searchd prints for the value of a group: JSON where it is an array or an object, a string without its quotes, a number.
fn grouped(printed: String) -> String {
    match printed.parse::<f64>().is_ok() || printed.starts_with(['[', '{']) {
        true => read_back(&printed),
        false => printed,
    }
}

fn add_values(values: &[&str], n: u64, counts: &mut HashMap<String, u64>) {
    let elements = values.iter().flat_map(|value| elements(value));
    for value in elements.filter(|value| *value != "null" && !value.starts_with(['{', '['])) {
        *counts.entry(readable(value).into_owned()).or_default() += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_digits_and_dots_is_not_taken_for_a_number() {
        for (printed, value) in [
            ("web-00.example.org", "web-00.example.org"),
            ("10.0.0.10", "10.0.0.10"),
            ("1.500000", "1.5"),
            ("[2.500000,\"x\"]", "[2.5,\"x\"]"),
            ("5.", "5."),
            ("it's \"9.50\"", "it's \"9.50\""),
        ] {
            assert_eq!(grouped(printed.to_owned()), value);
        }
    }
}
