//! A place in the stream: (ts, seq, digest, id), the order of all pages. Pure.
//!
//! Equal records differ in their docid only, so no two documents of an index share a place. A permanent link leaves the
//! docid out, since it depends on the host that stored the record.

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
