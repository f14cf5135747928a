//! The groups that searchd has counted of a whole day, kept for as long as its documents stay the same. Pure.
//!
//! A day that is over hardly changes, and a page of a week has seven. What is kept is found by the statement, and holds in the state
//! of the day index that was seen before searchd was asked: a document that comes in between makes it the answer of an older state.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::sphinx::index_status::IndexStatus;

/// The answers that are kept hold at most this. Those of a page over a week, with the values of five columns, hold 0.2 MB.
const MAX_HELD_BYTES: usize = 2 << 20;

/// The part of a day index's state that every statement which stores or deletes a document changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayState {
    documents: u64,
    /// that searchd has indexed so far; those of documents that were replaced or deleted too
    indexed_bytes: u64,
}

impl DayState {
    /// None: the engine does not report it.
    pub fn of(status: &IndexStatus) -> Option<DayState> {
        Some(DayState {
            documents: status.figure("indexed_documents")?,
            indexed_bytes: status.figure("indexed_bytes")?,
        })
    }

    pub fn documents(self) -> u64 {
        self.documents
    }
}

/// The states of the day indexes during one search, each asked for once. The answers of a search are thus as new as its begin.
#[derive(Debug, Default)]
pub struct DayStates(RefCell<HashMap<String, Option<DayState>>>);

impl DayStates {
    /// The state of a day index, which `ask` finds out if it is not known.
    pub fn of(&self, day_index: &str, ask: impl FnOnce() -> Option<DayState>) -> Option<DayState> {
        let known = self.0.borrow().get(day_index).copied();
        known.unwrap_or_else(|| {
            let state = ask();
            self.0.borrow_mut().insert(day_index.to_owned(), state);
            state
        })
    }
}

/// Answers of several rows each.
#[derive(Debug)]
pub struct DayGroups<R> {
    /// by their statements
    kept: HashMap<String, Kept<R>>,
    held_bytes: usize,
    /// the number of the last use
    used: u64,
}

#[derive(Debug)]
struct Kept<R> {
    state: DayState,
    rows: Arc<[R]>,
    bytes: usize,
    last_used: u64,
}

impl<R> Default for DayGroups<R> {
    fn default() -> DayGroups<R> {
        DayGroups { kept: HashMap::new(), held_bytes: 0, used: 0 }
    }
}

impl<R> DayGroups<R> {
    /// The answer to a statement, if it was asked for in the state in which its day index is now.
    pub fn get(&mut self, statement: &str, state: DayState) -> Option<Arc<[R]>> {
        self.used += 1;
        let kept = self.kept.get_mut(statement).filter(|kept| kept.state == state)?;
        kept.last_used = self.used;
        Some(Arc::clone(&kept.rows))
    }

    /// Keeps an answer that holds so many bytes; the answers that were not used for longest go.
    pub fn keep(&mut self, statement: String, state: DayState, rows: Arc<[R]>, bytes: usize) {
        let bytes = bytes + statement.len() + size_of::<Kept<R>>();
        if bytes > MAX_HELD_BYTES {
            return;
        }
        self.used += 1;
        self.held_bytes += bytes;
        let kept = Kept { state, rows, bytes, last_used: self.used };
        self.held_bytes -= self.kept.insert(statement, kept).map_or(0, |old| old.bytes);
        while self.held_bytes > MAX_HELD_BYTES {
            let oldest =
                self.kept.iter().min_by_key(|(_, kept)| kept.last_used).map(|(statement, _)| statement.clone());
            let Some(gone) = oldest.and_then(|oldest| self.kept.remove(&oldest)) else { break };
            self.held_bytes -= gone.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(documents: u64, indexed_bytes: u64) -> DayState {
        DayState { documents, indexed_bytes }
    }

    #[test]
    fn an_answer_holds_for_its_state_only() {
        let mut groups = DayGroups::default();
        groups.keep("a".to_owned(), state(5, 100), Arc::from([1, 2]), 8);
        assert_eq!(groups.get("a", state(5, 100)).as_deref(), Some([1, 2].as_slice()));
        for other in [state(6, 100), state(5, 101)] {
            assert_eq!(groups.get("a", other), None);
        }
        assert_eq!(groups.get("b", state(5, 100)), None);
        groups.keep("a".to_owned(), state(6, 120), Arc::from([3]), 4);
        assert_eq!(groups.get("a", state(6, 120)).as_deref(), Some([3].as_slice()));
    }

    #[test]
    fn what_was_not_used_for_longest_goes() {
        let mut groups = DayGroups::default();
        let third = MAX_HELD_BYTES / 3 - 1000;
        for name in ["a", "b", "c"] {
            groups.keep(name.to_owned(), state(1, 1), Arc::from([name]), third);
        }
        assert!(groups.get("a", state(1, 1)).is_some());
        groups.keep("d".to_owned(), state(1, 1), Arc::from(["d"]), third);
        groups.keep("large".to_owned(), state(1, 1), Arc::from(["large"]), MAX_HELD_BYTES);
        let left = ["a", "b", "c", "d", "large"].map(|name| groups.get(name, state(1, 1)).is_some());
        assert_eq!(left, [true, false, true, true, false]);
        assert!(groups.held_bytes <= MAX_HELD_BYTES);
    }
}
