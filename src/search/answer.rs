//! searchd, as a search asks it, and what its answers mean: rows are records, a fault is an error or a part that is missing.

use crate::query::cursor::Place;
use crate::record::Stored;
use crate::search::hit::SearchError;
use crate::search::plan::Slice;
use crate::sphinx::attributes::{has_decimals, read_back};
use crate::sphinx::client::{Fault, Row};
use crate::sphinx::dialect::unserved_index;
use crate::sphinx::select::{Restriction, Select};
use crate::time::Ts;

/// Bytes of text in one answer, which searchd holds in memory at once; the rest is asked for by the next question.
pub const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Bytes of hits to hold at a time, planned; an answer may have twice as many. A stream of any length may take 8 MB of memory. With
/// half as many, searchd spends a tenth more on each record of a day of a million.
pub const MAX_HELD_BYTES: usize = 1 << 20;

/// The attributes that a check of the message needs.
pub const PLACE_COLUMNS: &str = "id, ts, seq, digest, logline";
/// All of a document: `whole_record`.
pub const WHOLE_COLUMNS: &str = "id, ts, seq, digest, logline, js, exact";

/// The place of a row of `PLACE_COLUMNS` or `WHOLE_COLUMNS`.
pub fn place_of(row: &Row) -> Place {
    let int = |column| row.int(column).unwrap_or(0);
    Place { ts: Ts::from_micros(int(1)), seq: int(2), digest: int(3), id: int(0) as u64 }
}

/// A row of `WHOLE_COLUMNS`.
pub fn whole_record(row: Row) -> (Place, Stored) {
    (place_of(&row), Stored { message: row.text(4), columns: columns_of(&row, 5) })
}

/// The columns as sent, from `js` and the `exact` after it.
pub fn columns_of(row: &Row, js: usize) -> String {
    if !row.bytes(js + 1).is_empty() {
        return row.text(js + 1);
    }
    let printed = row.text(js);
    if has_decimals(&printed) { read_back(&printed) } else { printed }
}

/// The warning for a day index that searchd should serve and does not: only its part of the answer is missing. None: the fault
/// is another one.
pub fn not_served(fault: &Fault) -> Option<String> {
    let Fault::Reject(why) = fault else { return None };
    let name = unserved_index(why)?;
    Some(format!("searchd does not serve {name}: its records are missing here; alco check has the cure"))
}

/// The error for a searchd that does not answer.
pub fn away(fault: &Fault) -> SearchError {
    SearchError::Away(format!("cannot search: {}", fault.why()))
}

/// The columns to read of groups of documents.
#[derive(Clone, Copy, Debug)]
pub struct Grouping<'a> {
    /// the select list
    pub columns: &'a str,
    /// the column of the list, or the path, that a group has in common; empty: all documents are one group
    pub by: &'a str,
    pub most: MostGroups,
}

/// How many groups a statement asks for, at most.
#[derive(Clone, Copy, Debug)]
pub struct MostGroups {
    pub in_all: usize,
    /// with documents of one microsecond
    pub at_one_time: usize,
}

impl MostGroups {
    /// Groups by something else than the time.
    pub fn of_any_time(in_all: usize) -> MostGroups {
        MostGroups { in_all, at_one_time: in_all }
    }
}

impl<'a> Grouping<'a> {
    /// All documents in one row.
    pub fn all(columns: &'a str) -> Grouping<'a> {
        Grouping { columns, by: "", most: MostGroups::of_any_time(1) }
    }

    /// The statement that asks for the groups of a narrowing's documents.
    pub fn statement(self, slice: &Slice, narrowing: &Restriction) -> String {
        Select { columns: self.columns, ..select_of(slice, narrowing, self.most.in_all) }.groups(self.by)
    }
}

/// A question about a narrowing's documents that returns at most `limit` rows, still without its columns.
pub fn select_of<'a>(slice: &'a Slice, narrowing: &'a Restriction, limit: usize) -> Select<'a> {
    let Slice { from, keys, range, .. } = slice;
    let keys = keys.as_ref();
    Select { columns: "", from, narrowing, keys, range: *range, newest_first: false, beyond: None, limit }
}

/// A row of an answer about kinds (`sphinx::kinds`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindRow {
    /// the kind, or a pattern and a step
    pub key: i64,
    pub documents: u64,
    /// the times of the first and the last document
    pub first: Ts,
    pub last: Ts,
    /// the docid of one of them
    pub id: u64,
}

impl KindRow {
    /// The columns that are missing are 0.
    pub fn of(row: &Row) -> KindRow {
        let int = |column| row.int(column).unwrap_or(0);
        let ts = |column| Ts::from_micros(int(column));
        KindRow { key: int(0), documents: row.count(1), first: ts(2), last: ts(3), id: int(4) as u64 }
    }
}

/// The rows of an answer.
#[derive(Debug, Default)]
pub struct GroupRows<R> {
    pub rows: R,
    /// the parts that are missing, as texts for the user
    pub missing: Vec<String>,
}

/// The first column of the first row: a count.
pub fn first_number(rows: &[Row]) -> u64 {
    rows.first().map_or(0, |row| row.count(0))
}
