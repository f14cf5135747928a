//! Instants, UTC days, ranges, and the zones that instants are written in. Pure.
//!
//! An instant is whole microseconds since 1970 UTC: alco stores, compares and links these. A range is half open: its start
//! belongs to it, its end does not, so neighbouring ranges share no record.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use jiff::Timestamp;
#[cfg(test)]
use jiff::civil::Date;
use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::{Offset, TimeZone};

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

    /// The same time by the clock of that zone, this number of days earlier.
    fn days_before(self, days: i64, zone: &TimeZone) -> Ts {
        let civil = self.civil(zone).checked_sub(jiff::Span::new().days(days));
        let before = civil.and_then(|civil| zone.to_ambiguous_timestamp(civil).compatible());
        // fails only outside the years that jiff knows
        before.map_or(Ts::MIN, |timestamp| Ts::from_micros(timestamp.as_microsecond()))
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

    /// The range before it, of the same length.
    pub fn before(&self) -> Range {
        let micros = self.end.micros().saturating_sub(self.start.micros()).max(0);
        Range { start: self.start.plus_micros(-micros), end: self.start }
    }

    /// The same hours of the day before, by the clock of that zone. A range of several days moves by so many that the two do not
    /// overlap.
    pub fn days_before(&self, zone: &TimeZone) -> Range {
        let moved = |days| Range { start: self.start.days_before(days, zone), end: self.end.days_before(days, zone) };
        let days = (self.end.micros().saturating_sub(self.start.micros()) / DAY_MICROS).max(1);
        // a day whose clock is set back is longer
        [days, days + 1].map(moved).into_iter().find(|range| range.end <= self.start).unwrap_or_else(|| moved(days + 2))
    }
}

/// Abbreviations that mean one zone to all who use them, and are not names of the time zone database. CST, IST and others mean
/// several.
const ABBREVIATIONS: [(&str, &str); 16] = [
    ("MSK", "Europe/Moscow"),
    ("CEST", "CET"),
    ("MEZ", "CET"),
    ("MESZ", "CET"),
    ("EEST", "EET"),
    ("WEST", "WET"),
    ("BST", "Europe/London"),
    ("PST", "America/Los_Angeles"),
    ("PDT", "America/Los_Angeles"),
    ("MDT", "America/Denver"),
    ("CDT", "America/Chicago"),
    ("EDT", "America/New_York"),
    ("JST", "Asia/Tokyo"),
    ("KST", "Asia/Seoul"),
    ("AEST", "Australia/Sydney"),
    ("AEDT", "Australia/Sydney"),
];
/// Where a city has several names, those of the regions that begin first here are taken.
const REGIONS: [&str; 9] =
    ["Europe/", "America/", "Asia/", "Africa/", "Australia/", "Pacific/", "Atlantic/", "Indian/", "Antarctica/"];

/// A time zone by its IANA name (`UTC`, `Europe/Berlin`), the city of such a name, an abbreviation (`MSK`) or an offset
/// (`+02:00`, `UTC+2`).
pub fn zone(name: &str) -> Result<TimeZone, String> {
    if name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    let long = ABBREVIATIONS.iter().find(|(short, _)| name.eq_ignore_ascii_case(short)).map_or(name, |(_, long)| long);
    fixed_zone(name)
        .or_else(|| TimeZone::get(long).ok())
        .or_else(|| zone_of_city(name))
        .ok_or_else(|| format!("'{name}' is not a time zone; write UTC, Europe/Berlin, Berlin, MSK or +02:00"))
}

/// `+02:00`, `-0330`, `+2`, `UTC+2`. In an address, a `+` that was not encoded is a space.
fn fixed_zone(text: &str) -> Option<TimeZone> {
    let text = if text.starts_with(' ') { format!("+{}", text.trim()) } else { text.trim().to_ascii_uppercase() };
    let text = ["UTC", "GMT"].iter().find_map(|utc| text.strip_prefix(utc)).unwrap_or(&text);
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits = text[1..].replace(':', "");
    if digits.len() > 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at(if digits.len() > 2 { digits.len() - 2 } else { digits.len() });
    let minutes: i32 = if minutes.is_empty() { 0 } else { minutes.parse().ok()? };
    let hours: i32 = hours.parse().ok()?;
    let is_offset = hours <= 14 && minutes < 60;
    let offset = Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()?;
    is_offset.then(|| if hours + minutes == 0 { TimeZone::UTC } else { TimeZone::fixed(offset) })
}

/// The zone whose name ends with a city.
fn zone_of_city(city: &str) -> Option<TimeZone> {
    let city = city.trim().replace(' ', "_");
    let database = jiff::tz::db();
    let rank = |name: &str| REGIONS.iter().position(|region| name.starts_with(region));
    let names = database.available().filter(|name| {
        let last = name.as_str().rsplit_once('/').map(|(_, last)| last);
        last.is_some_and(|last| last.eq_ignore_ascii_case(&city))
    });
    let name = names.filter_map(|name| Some((rank(name.as_str())?, name))).min_by_key(|(rank, _)| *rank)?.1;
    TimeZone::get(name.as_str()).ok()
}

/// The name of a zone on a page and in a link; `zone` reads it.
pub fn zone_name(zone: &TimeZone) -> Cow<'_, str> {
    match (zone.iana_name(), zone.to_fixed_offset()) {
        (Some(name), _) => Cow::Borrowed(name),
        (None, Ok(offset)) => {
            let minutes = offset.seconds() / 60;
            let sign = if minutes < 0 { '-' } else { '+' };
            Cow::Owned(format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60))
        }
        (None, Err(_)) => Cow::Borrowed("UTC"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_many_names() {
        for (written, name) in [
            ("UTC", "UTC"),
            ("europe/berlin", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
            ("new york", "America/New_York"),
            ("Istanbul", "Europe/Istanbul"),
            ("MSK", "Europe/Moscow"),
            ("cest", "CET"),
            ("+02:00", "+02:00"),
            (" 02:00", "+02:00"),
            ("-0330", "-03:30"),
            ("+2", "+02:00"),
            ("UTC+5:30", "+05:30"),
            ("+00:00", "UTC"),
        ] {
            let zone = zone(written).expect(written);
            assert_eq!(zone_name(&zone), name, "{written}");
            assert_eq!(super::zone(&zone_name(&zone)), Ok(zone), "{written}");
        }
        for bad in ["", "Mars", "CST", "+15:00", "+2:75", "+", "+a", "+aЇe", "2", "Europe/"] {
            assert!(zone(bad).is_err(), "{bad}");
        }
        let at = Ts::from_micros(1_795_341_600_000_000);
        assert_eq!(at.clock_in(&zone("UTC-3").expect("an offset"), 0), "07:00:00");
    }

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

    #[test]
    fn a_range_before_has_no_instant_in_common() {
        let at = |text: &str| Ts::from_micros(text.parse::<Timestamp>().expect(text).as_microsecond());
        let range = |start: &str, end: &str| Range { start: at(start), end: at(end) };
        let utc = |start: &str, end: &str| range(&format!("2026-11-{start}:00Z"), &format!("2026-11-{end}:00Z"));
        // the range, the one before, the same hours before
        for (own, before, days_before) in [
            (utc("22T10:00", "22T11:30"), utc("22T08:30", "22T10:00"), utc("21T10:00", "21T11:30")),
            (utc("22T00:00", "22T01:00"), utc("21T23:00", "22T00:00"), utc("21T00:00", "21T01:00")),
            (utc("21T23:00", "22T01:00"), utc("21T21:00", "21T23:00"), utc("20T23:00", "21T01:00")),
            (utc("21T00:00", "22T00:00"), utc("20T00:00", "21T00:00"), utc("20T00:00", "21T00:00")),
            (utc("21T00:00", "22T01:00"), utc("19T23:00", "21T00:00"), utc("19T00:00", "20T01:00")),
            (utc("15T00:00", "22T00:00"), utc("08T00:00", "15T00:00"), utc("08T00:00", "15T00:00")),
            (utc("22T10:00", "22T10:00"), utc("22T10:00", "22T10:00"), utc("21T10:00", "21T10:00")),
        ] {
            assert_eq!((own.before(), own.days_before(&TimeZone::UTC)), (before, days_before), "{own:?}");
        }
        // the clock is set back on 2026-10-25, which has 25 hours
        let berlin = zone("Europe/Berlin").expect("a known zone");
        for (own, days_before) in [
            (("2026-10-25T08:00:00Z", "2026-10-25T09:00:00Z"), ("2026-10-24T07:00:00Z", "2026-10-24T08:00:00Z")),
            (("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"), ("2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z")),
            (("2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z"), ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z")),
        ] {
            let own = range(own.0, own.1);
            assert_eq!(own.days_before(&berlin), range(days_before.0, days_before.1), "{own:?}");
        }
        let all = Range { start: Ts::MIN, end: Ts::MAX };
        assert!(all.before().is_empty() && all.days_before(&berlin).is_empty());
    }
}
