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

/// Up to `limit` hits.
pub(super) fn collect(walk: &mut Walk, limit: usize) -> Result<CollectedHits, SearchError> {
    let mut collected = CollectedHits::default();
    loop {
        match walk.next()? {
            Step::Hit(hit) if collected.hits.len() < limit => {
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
