//! Slots that one answer holds for long, as those of followers and of downloads: how many there are, and how many of them the clients
//! of one address may hold.
//!
//! Invariant: while the clients of one address hold all that they may, others find a slot, if there are more than three.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::net::household::Household;

#[derive(Debug)]
pub struct Slots {
    max: usize,
    /// who holds each of those that are taken, by number from 1
    taken: Mutex<BTreeMap<usize, Household>>,
}

/// Free again when it is dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    pub number: usize,
}

impl Slots {
    pub fn new(max: usize) -> Slots {
        Slots { max, taken: Mutex::default() }
    }

    pub fn max(&self) -> usize {
        self.max
    }

    /// The lowest free slot; None if all are taken, or if the clients of that address hold their share: three of four.
    pub fn take(self: &Arc<Slots>, household: Household) -> Option<Slot> {
        let mut taken = self.taken();
        let held = taken.values().filter(|other| **other == household).count();
        // many clients are behind a trusted proxy
        let has_share = household == Household::Local || held < self.max - self.max / 4;
        let number = (1..=self.max).find(|number| !taken.contains_key(number)).filter(|_| has_share)?;
        taken.insert(number, household);
        Some(Slot { slots: self.clone(), number })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<usize, Household>> {
        // a panic of another thread leaves a map whole
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leaves_slots_to_others() {
        for (max, share) in [(1, 1), (2, 2), (4, 3), (16, 12)] {
            let slots = Arc::new(Slots::new(max));
            let [a, b] = ["192.0.2.1", "192.0.2.2"].map(Household::of);
            let of_a: Vec<Slot> = std::iter::from_fn(|| slots.take(a)).collect();
            let of_b: Vec<Slot> = std::iter::from_fn(|| slots.take(b)).collect();
            assert_eq!((of_a.len(), of_b.len()), (share, max - share), "of {max}");
            drop(of_a);
            let of_proxy: Vec<Slot> = std::iter::from_fn(|| slots.take(Household::Local)).collect();
            assert_eq!(of_proxy.len(), share, "of {max}");
            assert!(slots.take(a).is_none());
            assert_eq!(of_proxy.first().map(|slot| slot.number), Some(1));
        }
    }
}
