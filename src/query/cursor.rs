//! A place in the stream: (ts, seq, digest, id), the order of all pages. Pure.
//!
//! Equal records differ in their docid only, so no two documents of an index share a place. A permanent link leaves the
//! docid out, since it depends on the host that stored the record. A page of a hundred lines has the short form of such a link.

use std::fmt;
use std::str::FromStr;

use crate::time::Ts;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub ts: Ts,
    pub seq: i64,
    pub digest: i64,
    pub id: u64,
}

impl Place {
    /// The place before all records of an instant; no record has it, since no docid is 0.
    pub fn start_of(ts: Ts) -> Place {
        Place { ts, seq: i64::MIN, digest: i64::MIN, id: 0 }
    }

    /// `5NCe9Jqd-~6~8srTQ_zHbkK`: time, number and digest in few characters. Those of one century are in the order of time.
    pub fn short(self) -> String {
        format!("{}~{}~{}", short(self.ts.micros()), short(self.seq), short(self.digest))
    }

    /// The time, the number and the digest of a short form.
    pub fn parse_short(text: &str) -> Option<(Ts, i64, i64)> {
        let mut parts = text.split('~');
        let (ts, seq, digest) = (long(parts.next()?)?, long(parts.next()?)?, long(parts.next()?)?);
        parts.next().is_none().then_some((Ts::from_micros(ts), seq, digest))
    }
}

/// Each has 6 bits of a number. In the order of ASCII.
const SHORT_DIGITS: &[u8; 64] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
const DIGIT_BITS: u32 = 6;

fn short(number: i64) -> String {
    let bits = number as u64;
    let digits = (u64::BITS - bits.leading_zeros()).div_ceil(DIGIT_BITS);
    (0..digits).rev().map(|at| char::from(SHORT_DIGITS[(bits >> (DIGIT_BITS * at)) as usize % 64])).collect()
}

/// Nothing is 0.
fn long(text: &str) -> Option<i64> {
    let bits = text.bytes().try_fold(0u64, |bits, byte| {
        let digit = SHORT_DIGITS.iter().position(|digit| *digit == byte)? as u64;
        Some(bits.checked_mul(64)? | digit)
    });
    bits.map(|bits| bits as i64)
}

/// A page begins after a place in the page's order, or ends before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    After(Place),
    Before(Place),
}

impl fmt::Display for Cursor {
    /// `a1795341600000000.12.-77.9001`, `b…`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (side, place) = match self {
            Cursor::After(place) => ('a', place),
            Cursor::Before(place) => ('b', place),
        };
        write!(f, "{side}{}.{}.{}.{}", place.ts.micros(), place.seq, place.digest, place.id)
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Cursor, String> {
        let bad = || format!("'{text}' is not a cursor; use a link of a page");
        let mut numbers = text.get(1..).ok_or_else(bad)?.split('.');
        let mut next = || numbers.next().and_then(|part| part.parse::<i64>().ok()).ok_or_else(bad);
        let place = Place {
            ts: Ts::from_micros(next()?),
            seq: next()?,
            digest: next()?,
            id: u64::try_from(next()?).map_err(|_| bad())?,
        };
        match (numbers.next(), text.as_bytes()[0]) {
            (None, b'a') => Ok(Cursor::After(place)),
            (None, b'b') => Ok(Cursor::Before(place)),
            _ => Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_place_is_the_place_and_in_its_order() {
        let numbers = [0, 1, 63, 64, -1, i64::MIN, i64::MAX, -7_046_029_254_386_353_131];
        for (ts, digest) in numbers.into_iter().zip(numbers.into_iter().rev()) {
            let place = Place { ts: Ts::from_micros(ts), seq: ts, digest, id: 5 };
            assert_eq!(Place::parse_short(&place.short()), Some((place.ts, ts, digest)), "{}", place.short());
        }
        let at = |micros: i64| Place { ts: Ts::from_micros(1_795_341_600_000_000 + micros), seq: 0, digest: 0, id: 1 };
        let places: Vec<String> = (0..5000).map(|n| at(n * 977_777).short()).collect();
        assert!(places.is_sorted(), "{places:?}");
        for bad in ["", "~", "A~1", "A~1~B~", "A~.~B", "é~1~B", "A=~1~B", "zzzzzzzzzzzz~1~B", "1795341600000000.0.5"] {
            assert_eq!(Place::parse_short(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_cursor_survives_its_link() {
        let place = Place { ts: Ts::from_micros(-5), seq: i64::MIN, digest: -77, id: 9001 };
        for cursor in [Cursor::After(place), Cursor::Before(place)] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for bad in ["", "a", "a1.2.3", "a1.2.3.4.5", "c1.2.3.4", "é1.2.3.4", "a1.2.3.-4", "a1.2.3.x"] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }
}
