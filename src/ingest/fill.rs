//! Decides when a batch is full, and when it is due. Pure: the time is an argument.

use std::time::Instant;

use crate::config::BatchLimits;
use crate::sphinx::fulltext::MAX_DIFFERENT_TOKENS;

/// What a record takes of the room of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordSize {
    /// of its tuple
    pub bytes: usize,
    /// of all full-text fields
    pub tokens: usize,
}

/// The fill of the batch. Invariant: it never grows past its limits by more than the record that filled it; `fits` is the
/// question before a record is added.
#[derive(Debug)]
pub struct BatchFill {
    limits: BatchLimits,
    records: usize,
    size: RecordSize,
    /// when the delivery of its first record arrived
    begun: Option<Instant>,
    /// when the batch before was due
    last_due: Option<Instant>,
}

impl BatchFill {
    pub fn new(limits: BatchLimits) -> BatchFill {
        BatchFill { limits, records: 0, size: RecordSize::default(), begun: None, last_due: None }
    }

    /// True if a record of that size does not exceed the limits of bytes and of tokens; an empty batch takes any.
    pub fn fits(&self, RecordSize { bytes, tokens }: RecordSize) -> bool {
        let has_room = self.size.bytes + bytes <= self.limits.size.get();
        // all of them may be different
        self.records == 0 || has_room && self.size.tokens + tokens <= MAX_DIFFERENT_TOKENS
    }

    /// True if that number of records does not exceed the limit of records; an empty batch takes as many as it can.
    pub fn has_room_for(&self, records: usize) -> bool {
        self.records == 0 || self.records + records <= self.limits.records.get()
    }

    pub fn add(&mut self, RecordSize { bytes, tokens }: RecordSize, arrived: Instant) {
        self.begun.get_or_insert(arrived);
        self.records += 1;
        self.size.bytes += bytes;
        self.size.tokens += tokens;
    }

    pub fn is_full(&self) -> bool {
        let BatchLimits { records, size, .. } = &self.limits;
        self.records >= records.get() || self.size.bytes >= size.get() || self.size.tokens >= MAX_DIFFERENT_TOKENS
    }

    /// The time when the batch is sent although it is not full; None while it is empty. Rare records are sent at once; a batch
    /// that soon follows another waits, so that the two are half of batch_age apart.
    pub fn due(&self) -> Option<Instant> {
        let begun = self.begun?;
        let apart = self.last_due.map_or(begun, |last| last + self.limits.age / 2);
        Some(apart.clamp(begun, begun + self.limits.age))
    }

    /// Begins the next batch, which is empty. Returns the time when the old one began; None if it was empty too.
    pub fn take(&mut self) -> Option<Instant> {
        self.last_due = self.due().or(self.last_due);
        self.records = 0;
        self.size = RecordSize::default();
        self.begun.take()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use super::*;

    fn batch() -> BatchFill {
        let number = |n| NonZeroUsize::new(n).expect("not zero");
        BatchFill::new(BatchLimits { records: number(3), age: Duration::from_secs(1), size: number(100) })
    }

    fn bytes(bytes: usize) -> RecordSize {
        RecordSize { bytes, tokens: 1 }
    }

    #[test]
    fn a_batch_goes_out_by_count_size_or_age() {
        let now = Instant::now();
        let mut batch = batch();
        assert_eq!((batch.due(), batch.is_full()), (None, false));
        batch.add(bytes(10), now);
        batch.add(bytes(10), now + Duration::from_millis(900));
        assert_eq!((batch.due(), batch.is_full()), (Some(now), false));
        batch.add(bytes(10), now);
        assert!(batch.is_full());
        assert_eq!(batch.take(), Some(now));
        assert_eq!((batch.take(), batch.due()), (None, None));
        batch.add(bytes(100), now);
        assert!(batch.is_full());
    }

    #[test]
    fn a_rare_record_goes_out_at_once() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut batch = batch();
        for (comes, due) in [(0, 0), (100, 500), (700, 1000), (5000, 5000), (5001, 5500)] {
            batch.add(bytes(10), at(comes));
            assert_eq!(batch.due(), Some(at(due)), "{comes}");
            batch.take();
        }
        // the one before went out before it was due, since it was full
        batch.add(bytes(100), at(5002));
        batch.take();
        batch.add(bytes(10), at(5003));
        assert_eq!(batch.due(), Some(at(6003)));
    }

    #[test]
    fn a_large_record_waits_for_the_next_batch() {
        let mut batch = batch();
        assert!(batch.fits(bytes(1000)));
        batch.add(bytes(60), Instant::now());
        assert!(batch.fits(bytes(40)) && !batch.fits(bytes(41)));
        assert!(batch.has_room_for(2) && !batch.has_room_for(3));
        batch.take();
        assert_eq!(batch.due(), None);
        assert!(batch.fits(bytes(1000)) && batch.has_room_for(1000));
    }

    #[test]
    fn a_batch_has_so_many_tokens() {
        let tokens = |tokens| RecordSize { bytes: 1, tokens };
        let mut batch = batch();
        assert!(batch.fits(tokens(MAX_DIFFERENT_TOKENS + 1)), "alone");
        batch.add(tokens(MAX_DIFFERENT_TOKENS - 2), Instant::now());
        assert!(batch.fits(tokens(2)) && !batch.fits(tokens(3)) && !batch.is_full());
        batch.add(tokens(2), Instant::now());
        assert!(batch.is_full());
        batch.take();
        assert!(!batch.is_full());
    }
}
