//! The limit of deliveries that the broker may send before they are acknowledged. Pure.
//!
//! Invariant: the bodies that are in memory stay below their bound, by the mean size of the last deliveries. Deliveries that are
//! stored and wait for their acknowledgement hold no body, and do not count. Large messages that come together after small ones are
//! more than that: a session that has too many of them ends, and the next one takes few at a time until they are smaller.

use crate::config::QueueType;

/// Bytes of bodies in a worker's memory, delivered and not yet stored. While its batch is stored, each body takes about four times its
/// size more: the statement is twice as large, since the full-text field has a text of its own, and is in memory a second time on
/// its way to searchd. So this limit keeps two workers below 48 MiB.
const IN_FLIGHT_BYTES: usize = 3 << 19;
/// The limit of a new session, until the size of records is known: the largest of them fit.
const FIRST_PREFETCH: u16 = 4;
/// The limit of a quorum queue's consumer, which cannot be changed within a session: usual records fit.
const QUORUM_PREFETCH: u16 = 128;
/// The same after a session to which too much came: the largest records that are stored fit. After one more such session it is one.
const NARROW_PREFETCH: u16 = 4;
const USUAL_RECORD_BYTES: usize = 64 << 10;
/// Usual records in a row, after which a quorum queue has its usual limit again.
const USUAL_IN_A_ROW: usize = 4;
/// Batches that may be on their way: one is stored while the next arrives.
const PREFETCH_BATCHES: usize = 2;
/// The limit is set again when it is to change by this share of what may lie in memory.
const WORTH_A_CHANGE: usize = 5;

#[derive(Debug)]
pub struct Prefetch {
    /// the records of a full batch
    batch_records: usize,
    /// the kind of limit that the queue takes: as it is configured, unless the broker refused that
    limit: QueueType,
    mean_size: f64,
    /// the limit of this session
    current: u16,
    /// the limit of the next session of a quorum queue
    quorum: u16,
    usual_in_a_row: usize,
}

impl Prefetch {
    pub fn new(batch_records: usize, limit: QueueType) -> Prefetch {
        Prefetch { batch_records, limit, mean_size: 0.0, current: 0, quorum: QUORUM_PREFETCH, usual_in_a_row: 0 }
    }

    /// The kind of queue whose limit is to be set.
    pub fn kind(&self) -> QueueType {
        self.limit
    }

    /// The broker refused a limit for the whole channel: the next session sets one for the consumer.
    pub fn refused(&mut self) {
        self.limit = QueueType::Quorum;
    }

    /// More came than fits into memory.
    pub fn too_much(&mut self) {
        self.mean_size = self.mean_size.max(IN_FLIGHT_BYTES as f64);
        self.quorum = if self.quorum > NARROW_PREFETCH { NARROW_PREFETCH } else { 1 };
        self.usual_in_a_row = 0;
    }

    /// True once for a quorum queue whose records are small again: only a new session has its usual limit.
    pub fn wants_session(&mut self) -> bool {
        let is_narrow = self.limit == QueueType::Quorum && self.quorum < QUORUM_PREFETCH;
        let wants = is_narrow && self.usual_in_a_row >= USUAL_IN_A_ROW;
        if wants {
            self.quorum = QUORUM_PREFETCH;
        }
        wants
    }

    /// A body has come. The mean is quick to grow and slow to shrink: a burst of large records must not fill the memory.
    pub fn note(&mut self, body_bytes: usize) {
        let size = body_bytes as f64;
        self.mean_size =
            if size > self.mean_size { (self.mean_size + size) / 2.0 } else { self.mean_size * 0.99 + size * 0.01 };
        self.usual_in_a_row = if body_bytes <= USUAL_RECORD_BYTES { self.usual_in_a_row + 1 } else { 0 };
    }

    /// The limit to begin a session with, while `waiting` deliveries wait for their acknowledgement.
    pub fn begin(&mut self, waiting: usize) -> u16 {
        self.current = self.wanted(waiting);
        self.current
    }

    /// The limit to set now, if it has changed enough.
    pub fn change(&mut self, waiting: usize) -> Option<u16> {
        if self.limit == QueueType::Quorum {
            return None;
        }
        let wanted = self.wanted(waiting);
        let is_worth =
            usize::from(wanted.abs_diff(self.current)) > usize::from(wanted).saturating_sub(waiting) / WORTH_A_CHANGE;
        is_worth.then(|| {
            self.current = wanted;
            wanted
        })
    }

    /// The number of deliveries at which a batch has to be stored although it is not full: the broker sends no further ones before an
    /// acknowledgement.
    pub fn deliveries_of_a_batch(&self, waiting: usize) -> usize {
        (usize::from(self.current).saturating_sub(waiting) / PREFETCH_BATCHES).max(1)
    }

    fn wanted(&self, waiting: usize) -> u16 {
        if self.limit == QueueType::Quorum {
            return self.quorum;
        }
        let by_size = match self.mean_size {
            0.0 => usize::from(FIRST_PREFETCH),
            mean => (IN_FLIGHT_BYTES as f64 / mean) as usize,
        };
        u16::try_from(by_size.clamp(1, self.batch_records * PREFETCH_BATCHES) + waiting).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefetch(bodies: &[usize]) -> Prefetch {
        let mut prefetch = Prefetch::new(1000, QueueType::Classic);
        bodies.iter().for_each(|size| prefetch.note(*size));
        prefetch
    }

    #[test]
    fn bodies_in_memory_stay_below_their_bound() {
        for (bodies, waiting, expected) in [
            (&[][..], 0, FIRST_PREFETCH),
            (&[][..], 10, FIRST_PREFETCH + 10),
            // the mean begins with 0, so that the first counts by a half
            (&[2000], 0, 1572),
            (&[200], 0, 2000),
            (&[200], 500, 2500),
            (&[200, 4 << 20], 0, 1),
            (&[200], 1 << 17, u16::MAX),
        ] {
            assert_eq!(prefetch(bodies).begin(waiting), expected, "{bodies:?}, {waiting} waiting");
        }
    }

    #[test]
    fn a_limit_is_set_again_only_if_it_changes_enough() {
        let mut prefetch = prefetch(&[3000]);
        assert_eq!(prefetch.begin(0), 1048);
        assert_eq!(prefetch.change(0), None);
        assert_eq!(prefetch.change(209), None, "a fifth of what may lie in memory");
        assert_eq!(prefetch.change(210), Some(1258));
        assert_eq!(prefetch.change(210), None);
        prefetch.note(60_000);
        assert_eq!(prefetch.change(0), Some(51));
    }

    #[test]
    fn a_batch_is_stored_before_the_broker_holds_back() {
        let mut prefetch = prefetch(&[3000]);
        prefetch.begin(0);
        for (waiting, expected) in [(0, 524), (1000, 24), (1047, 1), (5000, 1)] {
            assert_eq!(prefetch.deliveries_of_a_batch(waiting), expected, "{waiting}");
        }
    }

    #[test]
    fn a_quorum_queue_keeps_one_limit() {
        let mut prefetch = prefetch(&[200]);
        prefetch.refused();
        assert_eq!((prefetch.kind(), prefetch.begin(0)), (QueueType::Quorum, QUORUM_PREFETCH));
        prefetch.note(1 << 20);
        assert_eq!(prefetch.change(300), None);
    }

    #[test]
    fn after_too_much_few_come_at_a_time_until_records_are_small() {
        let mut classic = prefetch(&[200]);
        classic.too_much();
        assert_eq!((classic.begin(0), classic.begin(3)), (1, 4));
        (0..2000).for_each(|_| classic.note(200));
        assert_eq!((classic.wants_session(), classic.change(0)), (false, Some(2000)));

        let mut quorum = Prefetch::new(1000, QueueType::Quorum);
        for (large, limit) in [(4 << 20, 4), (100 << 20, 1), (100 << 20, 1)] {
            quorum.too_much();
            assert_eq!(quorum.begin(0), limit);
            for size in [200, 200, 200, large, 200, 200, 200] {
                quorum.note(size);
                assert!(!quorum.wants_session());
            }
        }
        quorum.note(200);
        assert!(quorum.wants_session() && !quorum.wants_session());
        assert_eq!(quorum.begin(0), QUORUM_PREFETCH);
    }
}
