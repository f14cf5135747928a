//! The columns and values of records, for Redis, each reported at most once a minute. Pure. Invariant: whatever the records hold,
//! what waits for a report is bounded, and a flood of names that come once leaves room for those that come again.

use std::collections::HashMap;

use crate::config::Index;
use crate::record::{ERROR_COLUMN, Record, digest, json};
use crate::time::Ts;

#[derive(Debug)]
pub struct Seen {
    filtered: Vec<String>,
    /// by the hash of a column, or of a column and value
    reported: HashMap<u64, Reported>,
    columns: Vec<String>,
    values: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug)]
struct Reported {
    /// epoch second
    last: i64,
    /// it came again after a report
    again: bool,
}

/// A value that was reported as seen is reported again after this time.
const REPORT_INTERVAL_SECONDS: i64 = 60;
/// Hashes of reported values that are kept. One that is forgotten is only reported again.
const MAX_REPORTED: usize = 50_000;
/// New names that wait for a report; as many that came before have room after them. Redis keeps no more columns, and a batch of
/// 1000 records rarely has more new values.
const MAX_NEW_COLUMNS: usize = 1000;
const MAX_NEW_VALUES: usize = 5000;
/// Longer names and values do not help a reader to choose a filter.
const MAX_LISTED_BYTES: usize = 256;

impl Seen {
    pub fn new(index: &Index) -> Seen {
        Seen { filtered: index.filtered.clone(), reported: HashMap::new(), columns: Vec::new(), values: Vec::new() }
    }

    pub fn note(&mut self, record: &Record, now: Ts) {
        for (key, value) in &record.columns {
            if key.len() > MAX_LISTED_BYTES {
                continue;
            }
            let hash = digest::of_text(key, 0);
            self.column(hash, key, now);
            if self.filtered.iter().any(|filtered| filtered == key) {
                match value.starts_with('[') {
                    false => self.value(hash, key, value, now),
                    true => {
                        let elements: Vec<&serde_json::value::RawValue> =
                            serde_json::from_str(value).unwrap_or_default();
                        elements.iter().for_each(|element| self.value(hash, key, element.get(), now));
                    }
                }
            }
        }
        if record.error.is_some() {
            self.column(digest::of_text(ERROR_COLUMN, 0), ERROR_COLUMN, now);
        }
    }

    fn column(&mut self, hash: u64, column: &str, now: Ts) {
        if self.is_news(hash, now, self.columns.len(), MAX_NEW_COLUMNS) {
            self.columns.push(column.to_owned());
        }
    }

    fn value(&mut self, column_hash: u64, column: &str, value: &str, now: Ts) {
        if value == "null" || value.starts_with(['{', '[']) || value.len() > MAX_LISTED_BYTES {
            return;
        }
        if self.is_news(digest::of_text(value, column_hash), now, self.values.len(), MAX_NEW_VALUES) {
            self.values.push((column.to_owned(), json::readable(value).into_owned()));
        }
    }

    /// True if it is to be reported, and there is room for it among the `waiting` ones.
    fn is_news(&mut self, hash: u64, now: Ts, waiting: usize, most_new: usize) -> bool {
        let now = now.seconds();
        let again = match self.reported.get(&hash) {
            Some(reported) if now - reported.last < REPORT_INTERVAL_SECONDS => return false,
            reported => reported.is_some(),
        };
        if waiting >= if again { 2 * most_new } else { most_new } {
            return false;
        }
        if self.reported.len() >= MAX_REPORTED {
            self.reported.retain(|_, reported| reported.again);
            if self.reported.len() > MAX_REPORTED / 2 {
                self.reported.clear();
            }
        }
        self.reported.insert(hash, Reported { last: now, again });
        true
    }

    pub fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.values.is_empty()
    }

    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }

    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(column, value)| (column.as_str(), value.as_str()))
    }

    /// Forgets the values that are reported, or never will be: they are only a help to the user.
    pub fn clear(&mut self) {
        self.columns.clear();
        self.values.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// Notes a record with these columns, at that second.
    fn note(seen: &mut Seen, columns: &[String], second: i64) {
        let mut record = Record::of_text(String::new().into(), Ts::from_micros(0), String::new());
        record.error = None;
        let properties: Vec<(String, String)> = columns.iter().map(|name| (name.clone(), "1".to_owned())).collect();
        record.add_columns(&properties);
        seen.note(&record, Ts::from_micros(1_795_341_600_000_000).plus_seconds(second));
    }

    fn seen() -> Seen {
        Seen::new(&Config::parse("[index web]\n", "alco.ini").expect("an ini").indexes[0])
    }

    #[test]
    fn a_flood_of_new_columns_leaves_room_for_the_known() {
        let mut seen = seen();
        let (honest, names) =
            (["host".to_owned()], |from: usize| (from..from + 200).map(|n| format!("id{n}")).collect::<Vec<_>>());
        for minute in 0..2 {
            note(&mut seen, &honest, 60 * minute);
            assert_eq!(seen.columns().collect::<Vec<_>>(), ["host"]);
            seen.clear();
        }
        for n in 0..1000 {
            note(&mut seen, &names(200 * n), 120);
        }
        assert_eq!(seen.columns().count(), MAX_NEW_COLUMNS);
        note(&mut seen, &honest, 120);
        assert_eq!(seen.columns().last(), Some("host"));
        for n in 1000..2000 {
            seen.clear();
            note(&mut seen, &names(200 * n), 121);
        }
        assert!(seen.reported.len() <= MAX_REPORTED);
        seen.clear();
        note(&mut seen, &honest, 122);
        assert!(seen.is_empty(), "it is not forgotten for the others");
    }
}
