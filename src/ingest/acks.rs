//! The batches that are stored and not yet acknowledged. Pure: the time is an argument.
//!
//! Invariant: whole batches are acknowledged together, in their order, up to the end of a delivery: one batch, or several where
//! the records of a delivery go on from one to the next. So the docids of what is acknowledged end with a block. A batch that is
//! not distinctive (`redelivery::is_distinctive`) waits for one that follows.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::sphinx::DocId;

/// A batch that is not distinctive waits for this time after it is due, to be acknowledged together with another.
const WAIT_FOR_DISTINCTIVE: Duration = Duration::from_secs(1);

/// `T` is the tag by which the broker acknowledges a delivery and all before it.
#[derive(Debug)]
pub struct Acks<T> {
    /// from the commit of a batch to its acknowledgement
    delay: Duration,
    unacked: VecDeque<Unacked<T>>,
    together: Together,
}

/// A batch that is stored, or several that a delivery joins.
#[derive(Debug)]
struct Unacked<T> {
    due: Instant,
    /// of the last delivery, and the docid of its last record
    tag: T,
    id: DocId,
    deliveries: usize,
    is_distinctive: bool,
}

impl<T> Unacked<T> {
    /// The time when it is acknowledged although no batch follows.
    fn due_alone(&self) -> Instant {
        if self.is_distinctive { self.due } else { self.due + WAIT_FOR_DISTINCTIVE }
    }
}

/// The batch that is filled now, and those before it that hold a part of the same delivery: they will be acknowledged together.
#[derive(Debug, Default)]
struct Together {
    /// those all of whose records have come
    deliveries: usize,
    /// The records of one delivery go on from the batch before to this one. True only while that delivery is taken.
    is_spanning: bool,
    is_distinctive: bool,
}

impl<T> Acks<T> {
    pub fn new(delay: Duration) -> Acks<T> {
        Acks { delay, unacked: VecDeque::new(), together: Together::default() }
    }

    /// Forgets all: the session has ended, and the broker redelivers its records.
    pub fn clear(&mut self) {
        self.unacked.clear();
        self.together = Together::default();
    }

    /// The last record of a delivery is in the batch.
    pub fn end_delivery(&mut self) {
        self.together.deliveries += 1;
    }

    /// Deliveries that will be acknowledged with the batch that is filled now.
    pub fn deliveries_in_batch(&self) -> usize {
        self.together.deliveries
    }

    /// True if the batch before ended within the delivery that is taken now.
    pub fn is_spanning(&self) -> bool {
        self.together.is_spanning
    }

    /// Deliveries that are stored and not yet acknowledged.
    pub fn waiting(&self) -> usize {
        self.unacked.iter().map(|unacked| unacked.deliveries).sum()
    }

    /// The batch is stored. `end` is the tag and the last docid of its last delivery; None: that delivery goes on in the next
    /// batch.
    pub fn stored(&mut self, is_distinctive: bool, end: Option<(T, DocId)>, now: Instant) {
        self.together.is_distinctive |= is_distinctive;
        let Some((tag, id)) = end else {
            self.together.is_spanning = true;
            return;
        };
        let Together { deliveries, is_distinctive, .. } = std::mem::take(&mut self.together);
        self.unacked.push_back(Unacked { due: now + self.delay, tag, id, deliveries, is_distinctive });
    }

    /// True if all records that are stored are acknowledged.
    pub fn is_empty(&self) -> bool {
        self.unacked.is_empty() && !self.together.is_spanning
    }

    /// The time of the next acknowledgement.
    pub fn due(&self) -> Option<Instant> {
        self.unacked.iter().map(Unacked::due_alone).min()
    }

    /// Takes out the batches that are due. Returns the tag up to which to acknowledge, and the docid of its last record.
    pub fn take_due(&mut self, now: Instant) -> Option<(T, DocId)> {
        self.take_where(|unacked| unacked.due_alone() <= now)
    }

    /// The same when the worker stops, and no batch will follow.
    pub fn take_due_at_stop(&mut self, now: Instant) -> Option<(T, DocId)> {
        self.take_where(|unacked| unacked.due <= now)
    }

    /// Takes out all up to the last that is due.
    fn take_where(&mut self, is_due: impl Fn(&Unacked<T>) -> bool) -> Option<(T, DocId)> {
        let count = self.unacked.iter().rposition(is_due).map_or(0, |last| last + 1);
        let last = self.unacked.drain(..count).next_back()?;
        Some((last.tag, last.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(2);

    fn id(n: u64) -> DocId {
        DocId::new(n).expect("a docid")
    }

    /// A batch of two deliveries, the last of which has that number.
    fn store(acks: &mut Acks<u64>, number: u64, is_distinctive: bool, now: Instant) {
        acks.end_delivery();
        acks.end_delivery();
        acks.stored(is_distinctive, Some((number, id(number))), now);
    }

    #[test]
    fn a_batch_is_due_after_its_delay() {
        let start = Instant::now();
        let mut acks = Acks::new(DELAY);
        assert_eq!((acks.due(), acks.waiting()), (None, 0));
        store(&mut acks, 1, true, start);
        assert_eq!((acks.due(), acks.waiting(), acks.deliveries_in_batch()), (Some(start + DELAY), 2, 0));
        assert_eq!(acks.take_due(start + DELAY - Duration::from_millis(1)), None);
        assert_eq!(acks.take_due(start + DELAY), Some((1, id(1))));
        assert_eq!((acks.due(), acks.waiting()), (None, 0));
    }

    #[test]
    fn a_batch_that_is_not_distinctive_waits() {
        let start = Instant::now();
        let mut acks = Acks::new(DELAY);
        store(&mut acks, 1, false, start);
        assert_eq!(acks.due(), Some(start + DELAY + WAIT_FOR_DISTINCTIVE));
        assert_eq!(acks.take_due(start + DELAY), None);
        store(&mut acks, 2, true, start + Duration::from_millis(10));
        // the later one is due first, and takes the earlier with it
        assert_eq!(acks.due(), Some(start + DELAY + Duration::from_millis(10)));
        assert_eq!(acks.waiting(), 4);
        assert_eq!(acks.take_due(start + DELAY + Duration::from_millis(10)), Some((2, id(2))));
        assert_eq!(acks.waiting(), 0);

        store(&mut acks, 3, false, start);
        assert_eq!(acks.take_due(start + DELAY + WAIT_FOR_DISTINCTIVE), Some((3, id(3))), "no batch followed");
    }

    #[test]
    fn nothing_waits_for_another_batch_at_the_stop() {
        let start = Instant::now();
        let mut acks = Acks::new(DELAY);
        store(&mut acks, 1, false, start);
        store(&mut acks, 2, false, start + DELAY);
        assert_eq!(acks.take_due_at_stop(start + DELAY), Some((1, id(1))));
        assert_eq!(acks.take_due_at_stop(start + DELAY), None, "the second is not due");
    }

    #[test]
    fn a_delivery_over_several_batches_is_acknowledged_once() {
        let start = Instant::now();
        let mut acks = Acks::new(DELAY);
        acks.end_delivery();
        acks.stored(true, None, start);
        assert!(acks.is_spanning());
        assert_eq!((acks.due(), acks.waiting(), acks.deliveries_in_batch()), (None, 0, 1));
        acks.stored(false, None, start);
        assert_eq!(acks.take_due(start + DELAY), None);
        acks.end_delivery();
        acks.stored(false, Some((3, id(3))), start);
        assert!(!acks.is_spanning());
        assert_eq!((acks.due(), acks.waiting()), (Some(start + DELAY), 2), "the first batch was distinctive");
        assert_eq!(acks.take_due(start + DELAY), Some((3, id(3))));
    }

    #[test]
    fn an_ended_session_leaves_nothing_to_acknowledge() {
        let start = Instant::now();
        let mut acks = Acks::new(DELAY);
        store(&mut acks, 1, true, start);
        acks.end_delivery();
        acks.stored(true, None, start);
        acks.clear();
        assert_eq!((acks.due(), acks.waiting(), acks.deliveries_in_batch()), (None, 0, 0));
        assert!(!acks.is_spanning());
        store(&mut acks, 2, false, start);
        assert_eq!(acks.take_due(start + DELAY), None, "that the lost one was distinctive is forgotten too");
    }
}
