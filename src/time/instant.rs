//! Instants, UTC days, ranges, and the zones that instants are written in. Pure.
//!
//! An instant is whole microseconds since 1970 UTC: alco stores, compares and links these. A range is half open: its start
//! belongs to it, its end does not, so neighbouring ranges share no record.

use std::fmt;
use std::time::SystemTime;

use jiff::Timestamp;
#[cfg(test)]
use jiff::civil::Date;
use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::TimeZone;

pub const SECOND_MICROS: i64 = 1_000_000;
const DAY_MICROS: i64 = 86_400 * SECOND_MICROS;

/// Microseconds since 1970-01-01T00:00:00Z, between the years 0 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ts(i64);

impl Ts {
    pub const MIN: Ts = Ts(-62_167_219_200 * SECOND_MICROS);
    pub const MAX: Ts = Ts(253_402_207_200 * SECOND_MICROS - 1);

    /// An instant from microseconds since 1970. An instant outside the years 0 to 9999 has no written form that can be read back;
    /// the nearest instant that has one replaces it.
    pub fn from_micros(micros: i64) -> Ts {
        Ts(micros.clamp(Ts::MIN.0, Ts::MAX.0))
    }

    /// The instant that a clock shows; a clock before 1970 counts as 1970.
    pub fn of(clock: SystemTime) -> Ts {
        let since = clock.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Ts::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(SECOND_MICROS)
    }

    /// The UTC day of this instant.
    pub fn day(self) -> Day {
        // the clamp of from_micros keeps the quotient far inside an i32
        Day(self.0.div_euclid(DAY_MICROS) as i32)
    }

    pub fn plus_micros(self, micros: i64) -> Ts {
        Ts::from_micros(self.0.saturating_add(micros))
    }

    pub fn plus_seconds(self, seconds: i64) -> Ts {
        self.plus_micros(seconds.saturating_mul(SECOND_MICROS))
    }

    fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).expect("the clamp of from_micros is inside jiff's range")
    }

    /// The civil time that a clock on a wall of that zone shows.
    pub fn civil(self, zone: &TimeZone) -> DateTime {
        zone.to_datetime(self.timestamp())
    }

    /// `2026-11-22T10:00:00.123456Z`: the one form in which alco writes an instant, always with six digits.
    pub fn rfc3339(self) -> String {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
        PRINTER.timestamp_to_string(&self.timestamp())
    }

    /// `2026-11-22` in that zone.
    pub fn date_in(self, zone: &TimeZone) -> String {
        self.civil(zone).strftime("%Y-%m-%d").to_string()
    }

    /// `2026-11-22 10:00:00.123456` in that zone.
    pub fn written_in(self, zone: &TimeZone) -> String {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().separator(b' ').precision(Some(6));
        PRINTER.datetime_to_string(&self.civil(zone))
    }

    /// `10:00:00.123` in that zone, the microseconds cut to `digits`.
    pub fn clock_in(self, zone: &TimeZone, digits: usize) -> String {
        let at = self.civil(zone).strftime("%H:%M:%S").to_string();
        let fraction = format!("{:06}", self.0.rem_euclid(SECOND_MICROS));
        if digits == 0 { at } else { format!("{at}.{}", &fraction[..digits.min(6)]) }
    }
}

impl fmt::Display for Ts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// A clock on a wall of a zone.
#[derive(Clone, Debug)]
pub struct WallClock(TimeZone);

impl WallClock {
    pub fn of(zone: &TimeZone) -> WallClock {
        WallClock(zone.clone())
    }

    /// How far it is ahead of UTC at that time.
    pub fn ahead_micros(&self, ts: Ts) -> i64 {
        i64::from(self.0.to_offset(ts.timestamp()).seconds()) * SECOND_MICROS
    }

    /// The next time at which it is changed; None: it is not.
    pub fn changed_after(&self, ts: Ts) -> Option<Ts> {
        let change = self.0.following(ts.timestamp()).next()?;
        Some(Ts::from_micros(change.timestamp().as_microsecond()))
    }
}

/// A UTC day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    pub fn plus(self, days: i32) -> Day {
        Day(self.0.saturating_add(days))
    }

    /// Midnight UTC, with which the day begins.
    pub fn start(self) -> Ts {
        Ts::from_micros(i64::from(self.0) * DAY_MICROS)
    }

    /// The 24 hours of the day.
    pub fn range(self) -> Range {
        Range { start: self.start(), end: self.plus(1).start() }
    }

    /// `2026-11-22`, for readers.
    pub fn dashed(self) -> String {
        self.start().civil(&TimeZone::UTC).strftime("%Y-%m-%d").to_string()
    }

    /// True for eight digits, as the names of day indexes and of their directories have them.
    pub fn is_written(text: &str) -> bool {
        text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// The day that `20261122` means, the form in the name of a day index; None for any other text. Tests write days so.
    #[cfg(test)]
    pub fn parse_compact(text: &str) -> Option<Day> {
        if !Day::is_written(text) {
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

/// A time zone by its IANA name (`UTC`, `Europe/Berlin`).
pub fn zone(name: &str) -> Result<TimeZone, String> {
    if name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|_| format!("'{name}' is not a time zone; write a name such as UTC or Europe/Berlin"))
}

/// The name of a zone on a page and in a link.
pub fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_as_in_the_name_of_its_index() {
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
