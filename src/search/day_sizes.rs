//! The sizes of day indexes, as searchd last reported them. Pure: the time is an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::sphinx::index_status::IndexStatus;

/// The size of a day that gets records is asked for again after this time; that of another one after ten times as long.
const FRESH_TIME: Duration = Duration::from_secs(60);
/// With more, those that were not asked for long are forgotten: their days have expired.
const MAX_DAY_INDEXES: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySize {
    pub documents: u64,
    /// on the disk, and those that searchd will write there; None: the engine does not report them
    pub disk_bytes: Option<u64>,
}

/// By the names of the day indexes, each with the time when it was asked for.
#[derive(Debug, Default)]
pub struct DaySizes(HashMap<String, (Instant, DaySize)>);

impl DaySizes {
    /// What is known of a day index, and whether that is fresh.
    pub fn get(&self, day_index: &str, is_old: bool, now: Instant) -> Option<(DaySize, bool)> {
        let time = if is_old { 10 * FRESH_TIME } else { FRESH_TIME };
        self.0.get(day_index).map(|(asked, size)| (*size, now < *asked + time))
    }

    pub fn note(&mut self, day_index: &str, status: &IndexStatus, now: Instant) -> DaySize {
        let documents = status.figure("indexed_documents").unwrap_or(0);
        let in_memory = status.figure("ram_chunk").unwrap_or(0);
        let size = DaySize { documents, disk_bytes: status.figure("disk_bytes").map(|disk| disk + in_memory) };
        if self.0.len() >= MAX_DAY_INDEXES {
            self.0.retain(|_, (asked, _)| now < *asked + 20 * FRESH_TIME);
        }
        self.0.insert(day_index.to_owned(), (now, size));
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_is_over_is_rarely_asked_again() {
        let (mut sizes, begin) = (DaySizes::default(), Instant::now());
        let status = IndexStatus(
            [("indexed_documents".to_owned(), 5), ("disk_bytes".to_owned(), 600), ("ram_chunk".to_owned(), 100)].into(),
        );
        let size = DaySize { documents: 5, disk_bytes: Some(700) };
        assert_eq!(sizes.get("web_20261122", false, begin), None);
        assert_eq!(sizes.note("web_20261122", &status, begin), size);
        for (is_old, seconds, is_fresh) in
            [(false, 59, true), (false, 60, false), (true, 599, true), (true, 600, false)]
        {
            let now = begin + Duration::from_secs(seconds);
            assert_eq!(sizes.get("web_20261122", is_old, now), Some((size, is_fresh)), "{is_old} {seconds}");
        }
    }
}
