//! Which connection goes when all places are taken and another client comes. Pure: the time is an argument.
//!
//! Invariant: a client whose address holds few places is served however many places another address has taken, and by no connection
//! of an address that holds fewer. What waits idle goes first, then what does not move, and strangers before those who were served.
//! For those who were served, an answer that moves goes, too. An address whose connection stood still, while others waited for its
//! place or until its time was over, counts as a stranger for a while.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::net::household::Household;

/// A client that is there may take this time to send its request, for the rest of its head, and to go on reading: a slow line rests
/// for less.
const RESTS: Duration = Duration::from_secs(1);
/// An address counts as served for this time after its last answer.
const REMEMBERED: Duration = Duration::from_secs(600);
/// It counts as a stranger for this time after one of its connections stood still.
const SUSPECTED: Duration = Duration::from_secs(60);
/// Places more than another's with which an address that was served keeps its answers that move: a browser opens as many at once.
const SPARED_PLACES: usize = 2;
/// Addresses to remember; beyond them, those that were served longest ago are forgotten.
const MAX_REMEMBERED: usize = 4096;

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// it waits for a request
    Idle,
    /// it waits for the rest of a request, or for the client to read
    Resting,
    /// its answer is made, or moves
    Answering,
}

#[derive(Debug)]
struct Guest {
    household: Household,
    doing: Doing,
    since: Instant,
}

/// The outcome of a client's coming.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    Free,
    /// after this connection has gone
    InsteadOf(u64),
    Full,
}

#[derive(Debug)]
pub struct Crowd {
    max: usize,
    guests: HashMap<u64, Guest>,
    served: HashMap<Household, Instant>,
    suspected: HashMap<Household, Instant>,
}

impl Crowd {
    pub fn new(max: usize) -> Crowd {
        Crowd { max, guests: HashMap::new(), served: HashMap::new(), suspected: HashMap::new() }
    }

    pub fn len(&self) -> usize {
        self.guests.len()
    }

    pub fn admission(&self, household: Household, now: Instant) -> Admission {
        if self.guests.len() < self.max {
            return Admission::Free;
        }
        let mut counts: HashMap<Household, usize> = HashMap::new();
        self.guests.values().for_each(|guest| *counts.entry(guest.household).or_default() += 1);
        let (own, is_known) = (counts.get(&household).copied().unwrap_or(0), self.is_known(household, now));
        let places = self.guests.iter().filter_map(|(number, guest)| {
            let count = counts[&guest.household];
            let is_stranger = !self.is_known(guest.household, now);
            let rests = now.saturating_duration_since(guest.since) >= RESTS;
            let is_heavy = guest.household != Household::Local && count > self.max / 2 && own < self.max / 4;
            // what does not move may go at once, if its address holds far more
            let is_large = guest.household != Household::Local && count > self.max / 4 && own < self.max / 8;
            // what moves makes room for those who were served: that of strangers, and of an address with more places
            let spared = if is_stranger { own } else { own + SPARED_PLACES };
            let yields = guest.household != Household::Local && is_known && count > spared;
            let may_go = match guest.doing {
                Doing::Idle if rests => guest.household == household || count >= own,
                // one that has just come would else make room before its request is read
                Doing::Idle => count > spared.max(own + 1) || is_stranger && yields,
                Doing::Resting => {
                    is_heavy
                        || is_large
                        || rests && (count > own + 1 || is_known && (count > own || is_stranger && count == own))
                        || yields
                }
                Doing::Answering => is_heavy || yields,
            };
            may_go.then_some((guest.doing as u8, !is_stranger, Reverse(count), guest.since, *number))
        });
        places.min().map_or(Admission::Full, |(.., number)| Admission::InsteadOf(number))
    }

    pub fn enter(&mut self, number: u64, household: Household, now: Instant) {
        self.guests.insert(number, Guest { household, doing: Doing::Idle, since: now });
    }

    pub fn note(&mut self, number: u64, doing: Doing, now: Instant) {
        if let Some(guest) = self.guests.get_mut(&number) {
            (guest.doing, guest.since) = (doing, now);
        }
    }

    /// The client has read an answer to its end.
    pub fn is_served(&mut self, number: u64, now: Instant) {
        if let Some(guest) = self.guests.get(&number) {
            remember(guest.household, now, &mut self.served);
        }
    }

    /// The connection has stood still for too long.
    pub fn stood_still(&mut self, number: u64, now: Instant) {
        // many clients are behind a trusted proxy
        let household = self.guests.get(&number).map(|guest| guest.household).filter(|own| *own != Household::Local);
        if let Some(household) = household {
            remember(household, now, &mut self.suspected);
        }
    }

    /// Another takes its place.
    pub fn make_room(&mut self, number: u64, now: Instant) {
        if self.guests.get(&number).is_some_and(|guest| guest.doing == Doing::Resting) {
            self.stood_still(number, now);
        }
        self.leave(number);
    }

    /// The connection has ended.
    pub fn leave(&mut self, number: u64) {
        self.guests.remove(&number);
    }

    fn is_known(&self, household: Household, now: Instant) -> bool {
        let within = |time: Duration, of: &HashMap<Household, Instant>| {
            of.get(&household).is_some_and(|at| now.saturating_duration_since(*at) < time)
        };
        within(REMEMBERED, &self.served) && !within(SUSPECTED, &self.suspected)
    }
}

fn remember(household: Household, now: Instant, among: &mut HashMap<Household, Instant>) {
    among.insert(household, now);
    if among.len() > MAX_REMEMBERED {
        among.retain(|_, at| now.saturating_duration_since(*at) < REMEMBERED);
    }
    if among.len() > MAX_REMEMBERED {
        let oldest = among.iter().min_by_key(|(_, at)| **at).map(|(household, _)| *household);
        oldest.map(|household| among.remove(&household));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUSEHOLDS: [&str; 3] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];

    /// A crowd of eight places, all taken: what the connections of each household do, by their number, for so many seconds.
    fn crowd(guests: &[(usize, Doing, u64)], now: Instant) -> Crowd {
        let mut crowd = Crowd::new(8);
        for (number, (household, doing, seconds)) in guests.iter().enumerate() {
            crowd.enter(number as u64, Household::of(HOUSEHOLDS[*household]), now);
            crowd.note(number as u64, *doing, now - Duration::from_secs(*seconds));
        }
        crowd
    }

    #[track_caller]
    fn check(guests: &[(usize, Doing, u64)], newcomer: usize, expect: Admission) {
        let now = Instant::now() + Duration::from_secs(3600);
        let household = Household::of(HOUSEHOLDS[newcomer]);
        assert_eq!(crowd(guests, now).admission(household, now), expect, "{guests:?}");
    }

    #[test]
    fn what_does_nothing_goes_first() {
        use Doing::{Answering, Idle, Resting};
        check(&[(0, Idle, 9); 7], 1, Admission::Free);
        let mut guests = [(0, Answering, 0); 8];
        guests[3] = (0, Idle, 5);
        check(&guests, 0, Admission::InsteadOf(3));
        guests[4] = (0, Idle, 6);
        check(&guests, 1, Admission::InsteadOf(4));
        guests[3] = (0, Idle, 0);
        guests[4] = (0, Idle, 0);
        check(&guests, 0, Admission::Full);
        check(&guests, 1, Admission::InsteadOf(3));
        guests[3] = (0, Resting, 9);
        guests[4] = (0, Resting, 3);
        check(&guests, 1, Admission::InsteadOf(3));
        check(&guests, 0, Admission::Full);
    }

    #[test]
    fn a_household_with_many_places_makes_room() {
        use Doing::{Answering, Idle, Resting};
        let mut guests = [(0, Resting, 9); 8];
        guests[7] = (1, Idle, 9);
        check(&guests, 1, Admission::InsteadOf(7));
        check(&guests, 0, Admission::Full);
        guests[7] = (1, Answering, 0);
        check(&guests, 1, Admission::InsteadOf(0));
        check(&guests, 2, Admission::InsteadOf(0));
        check(&[(0, Resting, 0); 8], 2, Admission::InsteadOf(0));
        check(&[(0, Answering, 0); 8], 2, Admission::InsteadOf(0));
        let mut guests = [(0, Answering, 0); 8];
        guests[..4].fill((1, Answering, 0));
        check(&guests, 2, Admission::Full);
        check(&guests, 0, Admission::Full);
    }

    #[test]
    fn one_that_has_just_come_is_not_displaced() {
        use Doing::{Answering, Idle};
        let mut guests = [(0, Answering, 0); 8];
        guests[7] = (1, Idle, 0);
        check(&guests, 2, Admission::InsteadOf(0));
        guests[7] = (1, Idle, 1);
        check(&guests, 2, Admission::InsteadOf(7));
        // an address that opens several at once
        guests[5..].fill((1, Idle, 0));
        check(&guests, 2, Admission::InsteadOf(5));
    }

    #[test]
    fn those_who_were_served_come_before_strangers() {
        let now = Instant::now() + Duration::from_secs(3600);
        let of = |household: usize| Household::of(HOUSEHOLDS[household]);
        let mut guests = [(0, Doing::Resting, 9); 8];
        guests[4..].fill((1, Doing::Resting, 5));
        let mut crowd = crowd(&guests, now);
        assert_eq!(crowd.admission(of(2), now), Admission::InsteadOf(0));
        crowd.is_served(0, now - Duration::from_secs(60));
        assert_eq!(crowd.admission(of(2), now), Admission::InsteadOf(4));
        assert_eq!(crowd.admission(of(0), now), Admission::InsteadOf(4));
        assert_eq!(crowd.admission(of(1), now), Admission::Full);
        let later = now + REMEMBERED;
        assert_eq!(crowd.admission(of(0), later), Admission::Full);
    }

    /// Each address has been served once, and holds one connection that does not move.
    #[test]
    fn one_that_was_served_and_has_no_place_gets_that_of_one_that_rests() {
        let now = Instant::now() + Duration::from_secs(3600);
        let of = |n: u64| Household::of(&format!("192.0.2.{n}"));
        let mut crowd = Crowd::new(8);
        for n in 0..8 {
            crowd.enter(n, of(n), now);
            crowd.is_served(n, now);
            crowd.note(n, Doing::Resting, now - Duration::from_millis(900 + 50 * n));
        }
        assert_eq!(crowd.admission(of(8), now), Admission::Full, "a stranger");
        assert_eq!(crowd.admission(of(0), now), Admission::Full, "it has as many as any");
        crowd.leave(0);
        crowd.enter(0, of(9), now);
        crowd.note(0, Doing::Answering, now);
        assert_eq!(crowd.admission(of(0), now), Admission::InsteadOf(7), "it has rested longest");
        // which comes again
        crowd.make_room(7, now);
        crowd.enter(7, of(0), now);
        crowd.note(7, Doing::Answering, now);
        assert_eq!(crowd.admission(of(7), now), Admission::Full, "a stranger now");
        crowd.is_served(7, now);
        assert_eq!(crowd.admission(of(7), now + SUSPECTED), Admission::InsteadOf(6));
    }

    #[test]
    fn those_who_were_served_need_not_wait_for_answers() {
        let now = Instant::now() + Duration::from_secs(3600);
        let of = |household: usize| Household::of(HOUSEHOLDS[household]);
        let mut guests = [(0, Doing::Answering, 9); 8];
        guests[3..].fill((1, Doing::Answering, 5));
        guests[7] = (2, Doing::Answering, 1);
        let mut crowd = crowd(&guests, now);
        assert_eq!(crowd.admission(of(2), now), Admission::Full, "a stranger");
        crowd.is_served(7, now);
        assert_eq!(crowd.admission(of(2), now), Admission::InsteadOf(3), "of the address with the most places");
        crowd.is_served(3, now);
        assert_eq!(crowd.admission(of(2), now), Admission::InsteadOf(0), "strangers first");
        crowd.note(0, Doing::Idle, now);
        assert_eq!(crowd.admission(of(2), now), Admission::InsteadOf(0), "also one that has just come");
        crowd.note(0, Doing::Answering, now - Duration::from_secs(9));
        crowd.is_served(0, now);
        assert_eq!(crowd.admission(of(2), now), Admission::InsteadOf(3), "its address has three more");
        crowd.leave(3);
        crowd.enter(3, of(2), now);
        crowd.note(3, Doing::Answering, now);
        assert_eq!(crowd.admission(of(2), now), Admission::Full, "none has three more");
    }
}
