//! The memory of pages. A page holds the records that it was asked for up to a bound, and ends there: the next one goes on. Most are
//! small, and those that are not share a bound too.

use std::sync::Arc;

use crate::net::household::Household;
use crate::net::slots::{Slot, Slots};

/// The records of a page that are in memory together.
const MAX_PAGE_BYTES: usize = 16 << 20;
/// A page with more is large.
const USUAL_PAGE_BYTES: usize = 2 << 20;
/// Large pages at a time, until their clients have read them. Others end at the usual bound meanwhile.
const MAX_LARGE_PAGES: usize = 4;

pub(super) fn slots_of_large_pages() -> Arc<Slots> {
    Arc::new(Slots::new(MAX_LARGE_PAGES))
}

/// The room of one page.
pub(super) struct PageRoom {
    slots: Arc<Slots>,
    household: Household,
    /// once it was asked for: None if there was none
    slot: Option<Option<Slot>>,
}

impl PageRoom {
    pub fn new(slots: Arc<Slots>, household: Household) -> PageRoom {
        PageRoom { slots, household, slot: None }
    }

    /// True if a page that has so many bytes is to end.
    pub fn is_full(&mut self, bytes: usize) -> bool {
        if bytes < USUAL_PAGE_BYTES {
            return false;
        }
        let slot = self.slot.get_or_insert_with(|| self.slots.take(self.household));
        slot.is_none() || bytes >= MAX_PAGE_BYTES
    }

    /// To be held as long as the records of the page are.
    pub fn into_slot(self) -> Option<Slot> {
        self.slot.flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pages_are_few_at_a_time() {
        let slots = slots_of_large_pages();
        let room = |n: usize| PageRoom::new(slots.clone(), Household::of(&format!("192.0.2.{n}")));
        let is_full = |room: &mut PageRoom| {
            [0, USUAL_PAGE_BYTES, 2 * USUAL_PAGE_BYTES, MAX_PAGE_BYTES].map(|bytes| room.is_full(bytes))
        };
        let mut large: Vec<PageRoom> = (1..=MAX_LARGE_PAGES).map(room).collect();
        for page in &mut large {
            assert_eq!(is_full(page), [false, false, false, true]);
        }
        let held: Vec<Slot> = large.into_iter().filter_map(PageRoom::into_slot).collect();
        let mut usual = room(20);
        assert_eq!(is_full(&mut usual), [false, true, true, true]);
        drop(held);
        assert_eq!(is_full(&mut usual), [false, true, true, true], "its next page goes on");
        assert_eq!(is_full(&mut room(20)), [false, false, false, true]);
    }
}
