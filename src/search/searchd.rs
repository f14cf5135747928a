//! searchd, as a walk asks it, and the columns of documents that a walk has found.

use std::collections::HashMap;

use crate::metrics::counters::Counter;
use crate::search::answer::{columns_of, select_of};
use crate::search::hit::{Hit, SearchError};
use crate::search::nodes::Nodes;
use crate::search::plan::Slice;
use crate::sphinx::pool::Pool;
use crate::sphinx::select::{Restriction, Select};
use crate::time::Range;

/// searchd, as a walk asks it.
#[derive(Clone, Copy, Debug)]
pub struct SearchdAccess<'a> {
    pub pool: &'a Pool,
    pub nodes: &'a Nodes,
    /// counts the documents that are checked
    pub candidates: &'a Counter,
}

/// Documents whose columns are read by one question: an answer has a bound, which columns of 64 kB would reach, and a peer takes at
/// most 4096 docids.
const MAX_COLUMNS_READ: usize = 1000;

/// Reads the columns of these documents of one slice. The narrowing leaves searchd fewer documents to look through. Returns what is
/// missing.
pub fn read_columns(
    searchd: SearchdAccess,
    slice: &Slice,
    narrowing: &Restriction,
    hits: &mut Vec<Hit>,
) -> Result<Vec<String>, SearchError> {
    let mut columns: HashMap<u64, String> = HashMap::with_capacity(hits.len());
    let narrowing = Restriction { matching: narrowing.matching.clone(), conditions: Vec::new() };
    let mut missing = Vec::new();
    for hits in hits.chunks(MAX_COLUMNS_READ) {
        let statement = |slice: &Slice, hits: &[Hit]| {
            let ids: Vec<u64> = hits.iter().map(|hit| hit.place.id).collect();
            let range = range_of(hits).unwrap_or(slice.range);
            let select = Select { columns: "id, js, exact", range, ..select_of(slice, &narrowing, ids.len()) };
            select.among(&ids)
        };
        let answer = searchd.nodes.rows_of(searchd.pool, slice, hits, statement)?;
        columns.extend(answer.rows.iter().map(|row| (row.int(0).unwrap_or(0) as u64, columns_of(row, 1))));
        missing.extend(answer.missing);
    }
    // a document that has expired meanwhile is no longer a hit
    hits.retain_mut(|hit| match columns.remove(&hit.place.id) {
        Some(columns) => {
            hit.record.columns = columns;
            true
        }
        None => false,
    });
    Ok(missing)
}

/// From the first to the last; None: there are none.
fn range_of(hits: &[Hit]) -> Option<Range> {
    let times = || hits.iter().map(|hit| hit.place.ts);
    Some(Range { start: times().min()?, end: times().max()?.plus_micros(1) })
}
