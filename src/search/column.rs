//! Of which values: a column's values with counts, for a search without that column's own filter.

use std::collections::HashMap;

use serde::de::IgnoredAny;

use crate::record::{elements, members, readable};
use crate::search::filter::{find, is_number};
use crate::search::query::Query;
use crate::search::{Scope, SearchError, Searcher};
use crate::sphinx::json::read_back;
use crate::sphinx::select::column_paths;

/// Stands in searchd's JSON for a control character.
const ALTERED: char = '\u{fffd}';

/// Values of one answer: a column with more is none to choose from.
const GROUPS: usize = 10_000;

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
            self.each_checked(&plan, false, scope, |_, columns| {
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
        if decided {
            'all: for source in &plan.sources {
                for slice in &source.slices {
                    for path in &paths {
                        if scope.is_over() {
                            exact = false;
                            break 'all;
                        }
                        let select = format!("{path} AS v, COUNT(*) AS n");
                        let rows = self.rows(slice, source.narrowing(slice, false), &select, "v", GROUPS)?;
                        exact &= rows.len() < GROUPS;
                        for row in rows {
                            let n = row.int(1).unwrap_or(0) as u64;
                            add_printed(&row.text(0), n, &mut counts);
                        }
                    }
                }
            }
        }
        // such a value is another one in truth, and nothing would be found by it: only the records tell
        if plan.is_decided() && counts.keys().any(|value| value.contains(ALTERED)) {
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

/// What searchd prints for a group: strings bare, arrays and objects as JSON. A string that is itself such JSON cannot be
/// told from it.
fn add_printed(text: &str, n: u64, counts: &mut HashMap<String, u64>) {
    let is_json = |opens: char| text.starts_with(opens) && serde_json::from_str::<IgnoredAny>(text).is_ok();
    if matches!(text, "" | "NULL") || is_json('{') {
        return;
    }
    if is_json('[') {
        return add_values(&[&read_back(text)], n, counts);
    }
    let text = if is_number(text) { read_back(text) } else { text.to_owned() };
    *counts.entry(text).or_default() += n;
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
            ("[2.500000]", "2.5"),
            ("5.", "5."),
            ("it's \"9.50\"", "it's \"9.50\""),
        ] {
            let mut counts = HashMap::new();
            add_printed(printed, 1, &mut counts);
            assert_eq!(counts.into_keys().collect::<Vec<_>>(), [value], "{printed}");
        }
    }
}
