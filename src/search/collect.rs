//! The first hits of a walk.

use crate::query::cursor::Place;
use crate::search::hit::{Hit, SearchError};
use crate::search::scan::{Step, Walk};

/// The records of a page that are in memory together. A page that would have more ends there, and the next one goes on.
pub(super) const MAX_PAGE_BYTES: usize = 16 << 20;

#[derive(Default)]
pub(super) struct CollectedHits {
    pub hits: Vec<Hit>,
    /// one more
    pub next: Option<Place>,
    /// where the time was used up
    pub reached: Option<Place>,
}

/// Up to `limit` hits, and no more after these have `max_bytes` together.
pub(super) fn collect(walk: &mut Walk, limit: usize, max_bytes: usize) -> Result<CollectedHits, SearchError> {
    let mut collected = CollectedHits::default();
    let mut bytes = 0;
    loop {
        match walk.next()? {
            Step::Hit(hit) if collected.hits.len() < limit && bytes < max_bytes => {
                bytes += hit.bytes();
                collected.hits.push(hit);
                continue;
            }
            Step::Hit(hit) => collected.next = Some(hit.place),
            Step::End => {}
            Step::Late(place) => collected.reached = Some(place),
        }
        return Ok(collected);
    }
}
