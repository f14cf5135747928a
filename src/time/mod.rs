//! Instants, UTC days, ranges, and what producers and users write for them. Pure: the present is an argument.
//!
//! An instant is whole microseconds since 1970 UTC; that is what is stored, compared and put into links. A range is
//! half open: its start belongs to it, its end does not, so neighbouring ranges share no record.

mod sent;

use std::fmt;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

pub use crate::time::sent::{from_epoch, from_number, from_text, parse_rfc3339};

const MICROS: i64 = 1_000_000;
const DAY_MICROS: i64 = 86_400 * MICROS;

/// Microseconds since 1970-01-01T00:00:00Z, between the years 0 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ts(i64);

impl Ts {
    pub const MIN: Ts = Ts(-62_167_219_200 * MICROS);
    pub const MAX: Ts = Ts(253_402_207_200 * MICROS - 1);

    /// Instants outside the years 0 to 9999 have no written form that could be read back: the nearest that has one.
    pub fn from_micros(micros: i64) -> Ts {
        Ts(micros.clamp(Ts::MIN.0, Ts::MAX.0))
    }

    /// What a clock says; one that stands before 1970 says 1970.
    pub fn of(clock: SystemTime) -> Ts {
        let since = clock.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Ts::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    pub fn micros(self) -> i64 {
        self.0
    }

    pub fn seconds(self) -> i64 {
        self.0.div_euclid(MICROS)
    }

    pub fn day(self) -> Day {
        // the clamp of from_micros keeps the quotient far inside an i32
        Day(self.0.div_euclid(DAY_MICROS) as i32)
    }

    pub fn plus_micros(self, micros: i64) -> Ts {
        Ts::from_micros(self.0.saturating_add(micros))
    }

    pub fn plus_seconds(self, seconds: i64) -> Ts {
        self.plus_micros(seconds.saturating_mul(MICROS))
    }

    fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).expect("the clamp of from_micros is inside jiff's range")
    }

    /// The civil time that a clock on a wall of that zone shows.
    pub fn civil(self, zone: &TimeZone) -> DateTime {
        zone.to_datetime(self.timestamp())
    }

    /// `2026-11-22T10:00:00.123456Z`: the one written form of ours, always with six digits.
    pub fn rfc3339(self) -> String {
        let at = self.civil(&TimeZone::UTC);
        format!("{}.{:06}Z", at.strftime("%Y-%m-%dT%H:%M:%S"), self.0.rem_euclid(MICROS))
    }

    /// `2026-11-22` in that zone.
    pub fn date_in(self, zone: &TimeZone) -> String {
        self.civil(zone).strftime("%Y-%m-%d").to_string()
    }

    /// `10:00:00.123` in that zone, the microseconds cut to `digits`.
    pub fn clock_in(self, zone: &TimeZone, digits: usize) -> String {
        let at = self.civil(zone).strftime("%H:%M:%S").to_string();
        let fraction = format!("{:06}", self.0.rem_euclid(MICROS));
        if digits == 0 { at } else { format!("{at}.{}", &fraction[..digits.min(6)]) }
    }
}

impl fmt::Display for Ts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// A UTC day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    pub fn plus(self, days: i32) -> Day {
        Day(self.0.saturating_add(days))
    }

    pub fn start(self) -> Ts {
        Ts::from_micros(i64::from(self.0) * DAY_MICROS)
    }

    pub fn range(self) -> Range {
        Range { start: self.start(), end: self.plus(1).start() }
    }

    /// `2026-11-22`, for readers.
    pub fn dashed(self) -> String {
        self.start().civil(&TimeZone::UTC).strftime("%Y-%m-%d").to_string()
    }

    /// `20261122`, as in the name of a day index; nothing else is taken. Tests write days so.
    #[cfg(test)]
    pub fn parse_compact(text: &str) -> Option<Day> {
        if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let date = Date::new(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?).ok()?;
        let since = date.since((jiff::Unit::Day, Date::constant(1970, 1, 1))).ok()?;
        Some(Day(since.get_days()))
    }
}

impl fmt::Display for Day {
    /// `20261122`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.start().civil(&TimeZone::UTC).strftime("%Y%m%d"))
    }
}

/// From `start` up to, not including, `end`. May be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub start: Ts,
    pub end: Ts,
}

impl Range {
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    pub fn contains(&self, ts: Ts) -> bool {
        self.start <= ts && ts < self.end
    }
}

/// What a user may write for the start or the end of a range; kept as written in links, made an instant by `at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// `-5m`: so many seconds before the present
    Ago(u32),
    Now,
    /// midnight in the user's zone, `0` days before the present one
    Midnight(u8),
    /// civil time in the user's zone
    Civil(DateTime),
    At(Ts),
}

impl When {
    pub fn parse(text: &str) -> Result<When, String> {
        let text = text.trim();
        let bad = || {
            format!(
                "'{text}' is no time; write 2026-11-22, 2026-11-22 10:00, 2026-11-22T10:00:00Z, -5m, -2h, -1d, today, \
                 yesterday or now"
            )
        };
        match text {
            "now" => return Ok(When::Now),
            "today" => return Ok(When::Midnight(0)),
            "yesterday" => return Ok(When::Midnight(1)),
            _ => {}
        }
        if let Some(rest) = text.strip_prefix('-') {
            let unit = match rest.bytes().last() {
                Some(b's') => 1,
                Some(b'm') => 60,
                Some(b'h') => 3600,
                Some(b'd') => 86_400,
                Some(b'w') => 7 * 86_400,
                _ => return Err(bad()),
            };
            let count: u32 = rest[..rest.len() - 1].parse().map_err(|_| bad())?;
            return count.checked_mul(unit).map(When::Ago).ok_or_else(bad);
        }
        if let Ok(date) = text.parse::<Date>()
            && text.len() == 10
        {
            return Ok(When::Civil(date.at(0, 0, 0, 0)));
        }
        // a time without an offset is the user's own; jiff takes the rest as RFC 3339
        let civil = text.bytes().skip(10).all(|b| b.is_ascii_digit() || matches!(b, b'T' | b't' | b' ' | b':' | b'.'));
        let ts = parse_rfc3339(text, &TimeZone::UTC).ok_or_else(bad)?;
        Ok(if civil { When::Civil(ts.civil(&TimeZone::UTC)) } else { When::At(ts) })
    }

    pub fn at(&self, now: Ts, zone: &TimeZone) -> Ts {
        let civil = |at: DateTime| match zone.to_ambiguous_timestamp(at).compatible() {
            Ok(timestamp) => Ts::from_micros(timestamp.as_microsecond()),
            // only beyond the years that jiff knows
            Err(_) => Ts::MAX,
        };
        match self {
            When::Ago(seconds) => now.plus_seconds(-i64::from(*seconds)),
            When::Now => now,
            When::Midnight(days) => {
                let today = now.civil(zone).date();
                let day = today.checked_sub(jiff::Span::new().days(i64::from(*days))).unwrap_or(today);
                civil(day.at(0, 0, 0, 0))
            }
            When::Civil(at) => civil(*at),
            When::At(ts) => *ts,
        }
    }
}

impl fmt::Display for When {
    /// As short as a user would write it; `When::parse` reads it back to the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Ago(seconds) => match *seconds {
                n if n != 0 && n % 86_400 == 0 => write!(f, "-{}d", n / 86_400),
                n if n != 0 && n % 3600 == 0 => write!(f, "-{}h", n / 3600),
                n if n != 0 && n % 60 == 0 => write!(f, "-{}m", n / 60),
                n => write!(f, "-{n}s"),
            },
            When::Now => f.write_str("now"),
            When::Midnight(0) => f.write_str("today"),
            When::Midnight(_) => f.write_str("yesterday"),
            When::Civil(at) => {
                let micros = at.subsec_nanosecond() / 1000;
                match (at.hour(), at.minute(), at.second(), micros) {
                    (0, 0, 0, 0) => write!(f, "{}", at.strftime("%Y-%m-%d")),
                    (_, _, 0, 0) => write!(f, "{}", at.strftime("%Y-%m-%d %H:%M")),
                    (_, _, _, 0) => write!(f, "{}", at.strftime("%Y-%m-%d %H:%M:%S")),
                    _ => write!(f, "{}.{micros:06}", at.strftime("%Y-%m-%d %H:%M:%S")),
                }
            }
            When::At(ts) => write!(f, "{ts}"),
        }
    }
}

/// A time zone by its IANA name (`UTC`, `Europe/Berlin`).
pub fn zone(name: &str) -> Result<TimeZone, String> {
    if name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|_| format!("'{name}' is no time zone; write a name such as UTC or Europe/Berlin"))
}

/// What a zone is called on a page and in a link.
pub fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_writes_survives_its_link() {
        let berlin = zone("Europe/Berlin").expect("a known zone");
        let now = Ts::from_micros(1_795_341_600_000_000);
        for (text, at) in [
            ("-5m", "2026-11-22T09:55:00.000000Z"),
            ("-90s", "2026-11-22T09:58:30.000000Z"),
            ("-2h", "2026-11-22T08:00:00.000000Z"),
            ("today", "2026-11-21T23:00:00.000000Z"),
            ("yesterday", "2026-11-20T23:00:00.000000Z"),
            ("2026-11-22", "2026-11-21T23:00:00.000000Z"),
            ("2026-11-22 10:00", "2026-11-22T09:00:00.000000Z"),
            ("2026-11-22 10:00:01.000002", "2026-11-22T09:00:01.000002Z"),
            ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00.000000Z"),
            ("2026-11-22T10:00:00+05:30", "2026-11-22T04:30:00.000000Z"),
            ("now", "2026-11-22T10:00:00.000000Z"),
        ] {
            let when = When::parse(text).expect(text);
            assert_eq!(when.at(now, &berlin).rfc3339(), at, "{text}");
            assert_eq!(When::parse(&when.to_string()), Ok(when), "{text}");
        }
        for bad in ["", "-5", "5m", "-5y", "soon", "-99999999d", "2026-11-31", "2026-11-22 1"] {
            assert!(When::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_day_is_what_its_index_is_named_after() {
        let day = Day::parse_compact("20261122").expect("a day");
        assert_eq!(day.to_string(), "20261122");
        assert_eq!(day.start().rfc3339(), "2026-11-22T00:00:00.000000Z");
        assert_eq!(Ts::from_micros(day.plus(1).start().micros() - 1).day(), day);
        assert_eq!(Ts::from_micros(-1).day().to_string(), "19691231");
        for bad in ["2026112", "20261131", "2026112x", "202611220"] {
            assert_eq!(Day::parse_compact(bad), None, "{bad}");
        }
    }
}
