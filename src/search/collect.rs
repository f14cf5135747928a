//! The first hits of a walk.

use crate::query::cursor::Place;
use crate::search::hit::{Hit, SearchError};
use crate::search::scan::{Step, Walk};

#[derive(Default)]
pub(super) struct CollectedHits {
    pub hits: Vec<Hit>,
    /// one more
    pub next: Option<Place>,
    /// where the time was used up
    pub reached: Option<Place>,
}

/// Up to `limit` hits, and no more after these have so many bytes together that `is_full`.
pub(super) fn collect(
    walk: &mut Walk,
    limit: usize,
    mut is_full: impl FnMut(usize) -> bool,
) -> Result<CollectedHits, SearchError> {
    let mut collected = CollectedHits::default();
    let mut bytes = 0;
    loop {
        match walk.next()? {
            Step::Hit(hit) if collected.hits.len() < limit && !is_full(bytes) => {
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
