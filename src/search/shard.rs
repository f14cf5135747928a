//! The searchd of a peer, or of several that hold the same records: which of these mirrors a question goes to.
//!
//! A mirror that was away still collects what its queue has kept meanwhile. alco cannot see when it has all of it, and takes it that
//! this takes no longer than the mirror was away. Until then it asks another mirror, if one answers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::time::Ts;

/// A part of the records: the mirrors that hold it, in the order of `peers`.
#[derive(Debug)]
pub(super) struct Shard(pub Vec<Mirror>);

/// A searchd that holds a part of the records.
#[derive(Debug)]
pub(super) struct Mirror {
    /// host:port
    pub address: String,
    /// from 1 on, in the order of `peers`
    pub number: usize,
    presence: Mutex<Presence>,
}

/// Since when a peer is away, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    pub since: Ts,
    pub why: String,
}

#[derive(Debug, Default)]
struct Presence {
    away: Option<Away>,
    /// when it was away last
    last_gap: Option<Gap>,
}

/// The time that a mirror was away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    since: Ts,
    until: Ts,
}

impl Gap {
    fn is_filled(&self, now: Ts) -> bool {
        let end = self.until.plus_micros(self.until.micros() - self.since.micros());
        // before it began, the clock was set back
        !(self.since..end).contains(&now)
    }
}

impl Mirror {
    pub fn new(address: &str, number: usize) -> Mirror {
        Mirror { address: address.to_owned(), number, presence: Mutex::default() }
    }

    pub fn away(&self) -> Option<Away> {
        self.presence().away.clone()
    }

    pub fn is_away(&self) -> bool {
        self.presence().away.is_some()
    }

    /// Notes that it is away, for the reason, or that it answers.
    pub fn set(&self, why: Option<String>, now: Ts) {
        let mut presence = self.presence();
        match (why, presence.away.take()) {
            (Some(why), None) => {
                log::warn!("searchd at {} is away: {why}; searches lack its records until it answers", self.address);
                presence.away = Some(Away { since: now, why });
            }
            (Some(_), known) => presence.away = known,
            (None, Some(Away { since, .. })) => {
                log::info!("searchd at {} answers again", self.address);
                presence.last_gap = Some(Gap { since, until: now });
            }
            (None, None) => {}
        }
    }

    /// The time whose records it may still lack.
    fn gap(&self, now: Ts) -> Option<Gap> {
        self.presence().last_gap.filter(|gap| !gap.is_filled(now))
    }

    fn presence(&self) -> MutexGuard<'_, Presence> {
        // a panic of another thread leaves it whole
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    /// The mirror to ask: the first that answers and lacks nothing, or else the first that answers. None: none does.
    pub fn asked(&self, now: Ts) -> Option<&Mirror> {
        let answering = || self.0.iter().filter(|mirror| !mirror.is_away());
        answering().find(|mirror| mirror.gap(now).is_none()).or_else(|| answering().next())
    }

    /// The text for a mirror that is asked and may lack records. A shard without mirrors lacks none: others have collected its part.
    pub fn lacks(&self, asked: &Mirror, now: Ts) -> Option<String> {
        let Gap { since, until } = asked.gap(now).filter(|_| self.0.len() > 1)?;
        Some(format!(
            "records from {since} to {until} may be missing: {} was away, and collects them since then",
            asked.address
        ))
    }

    /// The text for a shard none of whose mirrors answers.
    pub fn lacking(&self) -> Option<String> {
        let addresses: Vec<&str> = self.0.iter().map(|mirror| mirror.address.as_str()).collect();
        let away = self.0.iter().find_map(Mirror::away)?;
        Some(format!("the records of {} are missing: away since {}: {}", addresses.join(" and "), away.since, away.why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Ts {
        Ts::from_micros(second * 1_000_000)
    }

    fn shard(addresses: &[&str]) -> Shard {
        Shard((1..).zip(addresses).map(|(number, address)| Mirror::new(address, number)).collect())
    }

    #[track_caller]
    fn check(shard: &Shard, now: i64, address: &str, lacks_some: bool) {
        let asked = shard.asked(at(now)).expect("one answers");
        assert_eq!((asked.address.as_str(), shard.lacks(asked, at(now)).is_some()), (address, lacks_some), "at {now}");
    }

    #[test]
    fn a_mirror_that_was_away_catches_up_first() {
        let shard = shard(&["b:9312", "c:9312"]);
        check(&shard, 0, "b:9312", false);
        shard.0[0].set(Some("connect() timed out".to_owned()), at(10));
        shard.0[0].set(Some("another reason".to_owned()), at(15));
        check(&shard, 20, "c:9312", false);
        shard.0[0].set(None, at(40));
        check(&shard, 41, "c:9312", false);
        // only it answers
        shard.0[1].set(Some("connect() timed out".to_owned()), at(50));
        check(&shard, 60, "b:9312", true);
        let lacks = shard.lacks(&shard.0[0], at(60)).expect("it may lack some");
        assert!(lacks.contains("b:9312") && lacks.contains(&at(10).to_string()), "{lacks}");
        check(&shard, 70, "b:9312", false);
        shard.0[1].set(None, at(70));
        check(&shard, 70, "b:9312", false);
    }

    #[test]
    fn the_others_collect_the_part_of_a_shard_that_is_away() {
        let shard = shard(&["b:9312"]);
        shard.0[0].set(Some("connect() timed out".to_owned()), at(10));
        assert!(shard.asked(at(11)).is_none() && shard.lacking().is_some());
        shard.0[0].set(None, at(40));
        check(&shard, 41, "b:9312", false);
    }
}
