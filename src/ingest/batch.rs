//! When is a batch full, when is it due. Pure: the time is an argument.

use std::time::Instant;

use crate::config::BatchLimits;

/// Items and their size together. Invariant: it never grows past its limits by more than the item that filled it, and
/// `fits` tells that before.
#[derive(Debug)]
pub struct Batch<T> {
    limits: BatchLimits,
    items: Vec<T>,
    size: usize,
    begun: Option<Instant>,
    /// when the one before was due
    last: Option<Instant>,
}

impl<T> Batch<T> {
    pub fn new(limits: BatchLimits) -> Batch<T> {
        Batch { limits, items: Vec::new(), size: 0, begun: None, last: None }
    }

    /// Whether an item of that size goes in without passing the limit of bytes; an empty batch takes any.
    pub fn fits(&self, size: usize) -> bool {
        self.items.is_empty() || self.size + size <= self.limits.size.get()
    }

    /// Whether so many items go in without passing the limit of records; an empty batch takes as many as it can.
    pub fn has_room_for(&self, items: usize) -> bool {
        self.items.is_empty() || self.items.len() + items <= self.limits.records.get()
    }

    pub fn push(&mut self, item: T, size: usize, now: Instant) {
        self.begun.get_or_insert(now);
        self.items.push(item);
        self.size += size;
    }

    pub fn is_full(&self) -> bool {
        self.items.len() >= self.limits.records.get() || self.size >= self.limits.size.get()
    }

    /// When its first item came.
    pub fn begun(&self) -> Option<Instant> {
        self.begun
    }

    /// When it goes out though it is not full; None while it is empty. Whoever follows waits for it: what comes seldom goes
    /// out at once, and otherwise two batches are half their age apart.
    pub fn due(&self) -> Option<Instant> {
        let begun = self.begun?;
        let apart = self.last.map_or(begun, |last| last + self.limits.age / 2);
        Some(apart.clamp(begun, begun + self.limits.age))
    }

    /// What is in it; it is empty then.
    pub fn take(&mut self) -> Vec<T> {
        self.last = self.due().or(self.last);
        self.size = 0;
        self.begun = None;
        std::mem::take(&mut self.items)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use super::*;

    fn batch() -> Batch<u8> {
        let number = |n| NonZeroUsize::new(n).expect("not zero");
        Batch::new(BatchLimits { records: number(3), age: Duration::from_secs(1), size: number(100) })
    }

    #[test]
    fn it_goes_out_by_count_or_size_or_age_whichever_comes_first() {
        let now = Instant::now();
        let mut batch = batch();
        assert_eq!((batch.due(), batch.is_full()), (None, false));
        batch.push(1, 10, now);
        batch.push(2, 10, now + Duration::from_millis(900));
        assert_eq!((batch.due(), batch.is_full()), (Some(now), false));
        batch.push(3, 10, now);
        assert!(batch.is_full());
        assert_eq!(batch.take(), [1, 2, 3]);
        batch.push(4, 100, now);
        assert!(batch.is_full());
    }

    #[test]
    fn what_comes_seldom_goes_out_at_once_and_never_waits_longer_than_its_age() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut batch = batch();
        for (comes, due) in [(0, 0), (100, 500), (700, 1000), (5000, 5000), (5001, 5500)] {
            batch.push(1, 10, at(comes));
            assert_eq!(batch.due(), Some(at(due)), "{comes}");
            batch.take();
        }
        // the one before went out before it was due, since it was full
        batch.push(1, 100, at(5002));
        batch.take();
        batch.push(1, 10, at(5003));
        assert_eq!(batch.due(), Some(at(6003)));
    }

    #[test]
    fn a_large_item_waits_for_the_next_batch_unless_there_is_none() {
        let mut batch = batch();
        assert!(batch.fits(1000));
        batch.push(1, 60, Instant::now());
        assert!(batch.fits(40) && !batch.fits(41));
        assert!(batch.has_room_for(2) && !batch.has_room_for(3));
        batch.take();
        assert_eq!(batch.due(), None);
        assert!(batch.fits(1000) && batch.has_room_for(1000));
    }
}
