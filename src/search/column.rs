//! Of which values: a column's values with counts, for a search without that column's own filter. Pure.

use std::collections::HashMap;

use serde::de::IgnoredAny;

use crate::record::{elements, members, readable};
use crate::search::filter::{find, is_number};
use crate::sphinx::json::read_back;

/// Stands in searchd's JSON for a control character.
pub(super) const ALTERED: char = '\u{fffd}';

/// The values of a column, the commonest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    pub values: Vec<(String, u64)>,
    /// there are others
    pub more: bool,
    /// false: not all was counted in time, or not all that was counted was checked
    pub exact: bool,
}

/// How often each value was seen.
pub(super) type Counts = HashMap<String, u64>;

impl Values {
    pub(super) fn new(counts: Counts, limit: usize, exact: bool) -> Values {
        let mut values: Vec<(String, u64)> = counts.into_iter().collect();
        values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let more = values.len() > limit;
        values.truncate(limit);
        Values { values, more, exact }
    }
}

/// The values that a record's columns have for a column.
pub(super) fn take(columns: &str, column: &str, counts: &mut Counts) {
    let mut values = Vec::new();
    find(&members(columns), column, &mut values);
    add_values(&values, 1, counts);
}

/// What searchd prints for a group: strings bare, arrays and objects as JSON. A string that is itself such JSON cannot be
/// told from it.
pub(super) fn take_printed(text: &str, n: u64, counts: &mut Counts) {
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

fn add_values(values: &[&str], n: u64, counts: &mut Counts) {
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
            take_printed(printed, 1, &mut counts);
            assert_eq!(counts.into_keys().collect::<Vec<_>>(), [value], "{printed}");
        }
    }
}
