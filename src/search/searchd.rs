//! searchd, as a search asks it: for groups, and for the columns of documents that a walk has found.

use std::collections::HashMap;

use crate::metrics::counters::Counter;
use crate::search::answer::{GroupRows, MostGroups, columns_of, select_of};
use crate::search::hit::{Hit, SearchError};
use crate::search::large_days::{DayPart, LargeDays};
use crate::search::nodes::Nodes;
use crate::search::plan::Slice;
use crate::sphinx::client::Row;
use crate::sphinx::pool::Pool;
use crate::sphinx::select::{Restriction, Select};
use crate::sphinx::sizes::Size;
use crate::time::Range;

/// searchd, as a search asks it.
#[derive(Clone, Copy, Debug)]
pub struct SearchdAccess<'a> {
    pub pool: &'a Pool,
    pub nodes: &'a Nodes,
    pub large_days: &'a LargeDays,
    /// counts the documents that are checked
    pub candidates: &'a Counter,
}

/// Bytes of very large records of one microsecond, which has no parts, that searchd may copy for one question.
const MAX_COPIED_BYTES_OF_ONE_TIME: usize = 512 << 20;
/// Groups of so few documents are asked for at once.
const FEW_GROUPS: usize = 8;
/// Documents whose columns are read by one question: an answer has a bound, which columns of 64 kB would reach, and a peer takes at
/// most 4096 docids.
const MAX_COLUMNS_READ: usize = 1000;
/// Those of the first question, whose columns have sizes that are not known.
const FIRST_COLUMNS_READ: usize = 100;
/// Columns to hold at a time; an answer may have four times as many.
const MAX_COLUMNS_BYTES: usize = 8 << 20;

impl SearchdAccess<'_> {
    /// True if a day index of the slice may have large records, here or on a peer.
    pub fn may_have_large(self, slice: &Slice) -> Result<bool, SearchError> {
        self.large_days.may_have((self.nodes, self.pool), slice)
    }

    /// The rows of a statement that asks for at most that many groups of a narrowing's documents. A group has several rows if it is in
    /// several parts. What is not asked before `is_over`, or cannot be, is missing.
    pub fn group_rows(
        self,
        (slice, narrowing): (&Slice, &Restriction),
        most: MostGroups,
        statement: impl Fn(&Slice) -> String,
        is_over: &dyn Fn() -> bool,
    ) -> Result<GroupRows<Vec<Row>>, SearchError> {
        let fit = || self.large_days.fit((self.nodes, self.pool), slice, narrowing);
        if most.in_all <= FEW_GROUPS || !self.may_have_large(slice)? || fit()? {
            return self.nodes.rows(self.pool, slice, statement);
        }
        let mut all = GroupRows { rows: Vec::new(), missing: Vec::new() };
        let parts = self.large_days.parts((self.nodes, self.pool), slice, is_over)?;
        let mut left = parts.as_deref().unwrap_or_default().iter().copied();
        while !is_over()
            && let Some(DayPart { range, bytes }) = left.next()
        {
            // a part with more than fit together is one microsecond
            if bytes.min(most.at_one_time * Size::LARGEST.most_bytes) > MAX_COPIED_BYTES_OF_ONE_TIME {
                all.missing.push(format!(
                    "the counts are not whole: the records of {} are too large to be counted together",
                    range.start.rfc3339()
                ));
                continue;
            }
            let answer = self.nodes.rows(self.pool, &slice.part(range), &statement)?;
            all.rows.extend(answer.rows);
            all.missing.extend(answer.missing);
        }
        if parts.is_none() || left.next().is_some() {
            all.missing.push("the counts are not whole: very large records take searchd too long".to_owned());
        }
        Ok(all)
    }
}

/// What came of reading columns.
#[derive(Debug, Default)]
pub struct ColumnsRead {
    /// the first hits, with their columns
    pub hits: Vec<Hit>,
    /// hits that are no longer there
    pub gone: usize,
    /// there are more hits, whose columns are too much to hold
    pub cut: bool,
    /// bytes of the columns
    pub bytes: usize,
    /// the parts that are missing, as texts for the user
    pub missing: Vec<String>,
}

impl ColumnsRead {
    /// Reads the columns of these hits of one slice, up to the bound. The narrowing leaves searchd fewer documents to look through.
    pub fn read(
        &mut self,
        searchd: SearchdAccess,
        slice: &Slice,
        narrowing: &Restriction,
        hits: Vec<Hit>,
    ) -> Result<(), SearchError> {
        let narrowing = Restriction { matching: narrowing.matching.clone(), conditions: Vec::new() };
        let (mut left, mut at_a_time) = (hits, FIRST_COLUMNS_READ);
        while !left.is_empty() {
            if self.bytes >= MAX_COLUMNS_BYTES {
                self.cut = true;
                break;
            }
            let statement = |slice: &Slice, hits: &[Hit]| {
                let ids: Vec<u64> = hits.iter().map(|hit| hit.place.id).collect();
                let range = range_of(hits).unwrap_or(slice.range);
                let select = Select { columns: "id, js, exact", range, ..select_of(slice, &narrowing, ids.len()) };
                select.among(&ids)
            };
            let some = &left[..left.len().min(at_a_time)];
            let (answer, asked) = searchd.nodes.rows_of_some(searchd.pool, slice, some, statement)?;
            let columns = answer.rows.iter().map(|row| (row.int(0).unwrap_or(0) as u64, columns_of(row, 1)));
            let mut columns: HashMap<u64, String> = columns.collect();
            let bytes: usize = columns.values().map(String::len).sum();
            self.bytes += bytes;
            self.missing.extend(answer.missing);
            at_a_time = (MAX_COLUMNS_BYTES / (bytes / asked + 1)).clamp(1, MAX_COLUMNS_READ);
            for mut hit in left.drain(..asked) {
                // a document that has expired meanwhile is no longer a hit
                match columns.remove(&hit.place.id) {
                    Some(columns) => {
                        hit.record.columns = columns;
                        self.hits.push(hit);
                    }
                    None => self.gone += 1,
                }
            }
        }
        Ok(())
    }
}

/// From the first to the last; None: there are none.
fn range_of(hits: &[Hit]) -> Option<Range> {
    let times = || hits.iter().map(|hit| hit.place.ts);
    Some(Range { start: times().min()?, end: times().max()?.plus_micros(1) })
}
