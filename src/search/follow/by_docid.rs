//! Questions of a follower about documents of all days, by their docids.

use std::ops::Range;

use crate::search::answer::GroupRows;
use crate::search::follow::arrivals::{Counted, DOCIDS_PER_BUCKET};
use crate::search::large::{LargeRecords, MAX_COPIED_BYTES};
use crate::search::nodes::Nodes;
use crate::search::plan::{Slice, SourcePlan};
use crate::sphinx::client::{Engine, Fault, Row};
use crate::sphinx::day_index::local_index;
use crate::sphinx::select::SelectArrived;
use crate::sphinx::sizes::Size;
use crate::time::{Range as TimeRange, Ts};

/// All days of an index.
pub(super) fn all_days(source: &SourcePlan) -> Slice {
    Slice::new(local_index(&source.index), TimeRange { start: Ts::MIN, end: Ts::MAX })
}

/// The question about the documents of these docids.
pub(super) fn arrived<'a>(source: &'a SourcePlan, all: &'a Slice, ids: Range<u64>) -> SelectArrived<'a> {
    SelectArrived { from: &all.from, matching: None, conditions: source.conditions(), ids }
}

/// How many documents each bucket has from a docid on.
pub(super) fn count(
    nodes: &Nodes,
    engine: &mut Engine,
    (source, all): (&SourcePlan, &Slice),
    first: u64,
) -> Result<GroupRows<Vec<Counted>>, Fault> {
    let ids = first..u64::MAX >> 1;
    let number = |row: &Row, column| row.int(column).and_then(|n| u64::try_from(n).ok());
    let GroupRows { rows, missing } =
        nodes.rows_by(engine, all, |all| arrived(source, all, ids.clone()).counted(DOCIDS_PER_BUCKET))?;
    let counted = |row| Some(Counted { bucket: number(row, 0)?, documents: number(row, 1)?, high: number(row, 2)? });
    Ok(GroupRows { rows: rows.iter().filter_map(counted).collect(), missing })
}

/// The docids of a bucket.
pub(super) fn ids(
    nodes: &Nodes,
    engine: &mut Engine,
    (source, all): (&SourcePlan, &Slice),
    bucket: u64,
) -> Result<GroupRows<Vec<u64>>, Fault> {
    let mut ids = bucket * DOCIDS_PER_BUCKET..(bucket + 1) * DOCIDS_PER_BUCKET;
    let mut found = GroupRows::<Vec<u64>>::default();
    while !ids.is_empty() {
        let end = end_of(nodes, engine, (source, all), &ids, MAX_COPIED_BYTES)?;
        let GroupRows { rows, missing } = nodes.rows_by(engine, all, |all| {
            arrived(source, all, ids.start..end).documents("id", DOCIDS_PER_BUCKET as usize)
        })?;
        found.rows.extend(rows.iter().filter_map(id_of));
        found.missing.extend(missing);
        ids.start = end;
    }
    Ok(found)
}

/// The end of a range of docids, or of the part of it whose large records have at most so many bytes.
pub(super) fn end_of(
    nodes: &Nodes,
    engine: &mut Engine,
    (source, all): (&SourcePlan, &Slice),
    ids: &Range<u64>,
    most_bytes: usize,
) -> Result<u64, Fault> {
    let large = LargeRecords::list(false, most_bytes, |sizes, limit| {
        let matching = Size::expression(sizes);
        let answer = nodes.rows_by(engine, all, |all| {
            SelectArrived { matching: Some(&matching), ..arrived(source, all, ids.clone()) }.documents("id", limit)
        })?;
        Ok(answer.rows.iter().filter_map(id_of).collect::<Vec<u64>>())
    })?;
    Ok(large.first_beyond().map_or(ids.end, |(id, _)| id))
}

fn id_of(row: &Row) -> Option<u64> {
    row.int(0).and_then(|id| u64::try_from(id).ok())
}
