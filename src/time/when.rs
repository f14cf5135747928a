//! The times that users write: kept as written in links, made instants by `When::at`. Pure: the present is an argument.
//!
//! Pages, API and terminal read times here and nowhere else, so that each takes the forms that `FORMS` names.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use crate::time::instant::Ts;
use crate::time::sent::{clock, from_number, parse_rfc3339};

/// The forms that a user may write, for errors and hints.
pub const FORMS: &str = "15:40, yesterday 15:00, 2026-11-28, 2026-11-28 15:40, 28.11.2026 15:40, 2026-11-28T15:40:00Z, \
                         -5m, -2h, -1d, now, today, yesterday or seconds since 1970";

/// A time as a user writes it for the start or the end of a range. Links keep it as written; `at` makes it an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// `-5m`: a number of seconds before the present
    Ago(u32),
    Now,
    /// `15:40`: the last time that the clock in the user's zone showed this
    Clock(Time),
    /// `yesterday 15:00`: on the day of the user's zone that is this number of days before today; at midnight unless written
    OnDay(u8, Time),
    /// civil time in the user's zone
    Civil(DateTime),
    At(Ts),
}

impl When {
    pub const TODAY: When = When::OnDay(0, Time::midnight());
    pub const YESTERDAY: When = When::OnDay(1, Time::midnight());

    pub fn parse(text: &str) -> Result<When, String> {
        let text = text.trim();
        let lower = text.to_lowercase();
        before_now(&lower)
            .or_else(|| on_named_day(&lower))
            .or_else(|| since_1970(text))
            .or_else(|| date_and_clock(text))
            .ok_or_else(|| format!("'{text}' is not a time; write {FORMS}"))
    }

    pub fn at(&self, now: Ts, zone: &TimeZone) -> Ts {
        match self {
            When::Ago(seconds) => now.plus_seconds(-i64::from(*seconds)),
            When::Now => now,
            When::Clock(time) => {
                let today = instant(now.civil(zone).date().to_datetime(*time), zone);
                if today <= now { today } else { instant(days_before(now, 1, zone).to_datetime(*time), zone) }
            }
            When::OnDay(days, time) => instant(days_before(now, *days, zone).to_datetime(*time), zone),
            When::Civil(at) => instant(*at, zone),
            When::At(ts) => *ts,
        }
    }

    /// As the end of a range that begins at `start`: a time of day comes after it.
    pub fn at_end(&self, start: Ts, now: Ts, zone: &TimeZone) -> Ts {
        match (self, self.at(now, zone)) {
            (When::Clock(time), last) if last <= start => {
                let day = start.civil(zone).date();
                let same_day = instant(day.to_datetime(*time), zone);
                if same_day > start {
                    same_day
                } else {
                    instant(day.tomorrow().unwrap_or(day).to_datetime(*time), zone)
                }
            }
            (_, at) => at,
        }
    }
}

fn instant(at: DateTime, zone: &TimeZone) -> Ts {
    match zone.to_ambiguous_timestamp(at).compatible() {
        Ok(timestamp) => Ts::from_micros(timestamp.as_microsecond()),
        // fails only outside the years that jiff knows
        Err(_) => Ts::MAX,
    }
}

fn days_before(now: Ts, days: u8, zone: &TimeZone) -> Date {
    let today = now.civil(zone).date();
    today.checked_sub(jiff::Span::new().days(i64::from(days))).unwrap_or(today)
}

/// `now`, `now-1h`, `-1h`, `1h`, `1h30m ago`
fn before_now(lower: &str) -> Option<When> {
    let text: String = lower.chars().filter(|c| !c.is_whitespace()).collect();
    let ago = match text.strip_prefix("now") {
        Some("") => return Some(When::Now),
        Some(rest) => rest.strip_prefix('-')?,
        None => text.strip_prefix('-').unwrap_or(&text),
    };
    let mut rest = ago.strip_suffix("ago").unwrap_or(ago);
    if rest.is_empty() {
        return None;
    }
    let mut seconds: u32 = 0;
    while !rest.is_empty() {
        let (count, unit) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (name, next) = unit.split_at(unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len()));
        let unit = match name {
            "s" | "sec" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return None,
        };
        seconds = seconds.checked_add(count.parse::<u32>().ok()?.checked_mul(unit)?)?;
        rest = next;
    }
    Some(When::Ago(seconds))
}

/// `today`, `yesterday 15:00`
fn on_named_day(lower: &str) -> Option<When> {
    let (day, clock) = lower.split_once(char::is_whitespace).unwrap_or((lower, "0:00"));
    let days = ["today", "yesterday"].iter().position(|name| *name == day)?;
    Some(When::OnDay(u8::try_from(days).ok()?, whole_clock(clock)?))
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, of which a present time has 10, 13, 16 or 19 digits. Other
/// lengths may be a date without signs.
fn since_1970(text: &str) -> Option<When> {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let is_number = whole.bytes().chain(text.bytes().skip(whole.len() + 1)).all(|byte| byte.is_ascii_digit());
    (is_number && matches!(whole.len(), 9 | 10 | 13 | 16 | 19)).then(|| from_number(text)).flatten().map(When::At)
}

/// `2026-11-28`, `28.11.2026 15:40`, `10:00:00,123`, RFC 3339. Without an offset or zone it is in the user's zone.
fn date_and_clock(text: &str) -> Option<When> {
    if let Some(time) = whole_clock(text) {
        return Some(When::Clock(time));
    }
    let Some((day, clock)) = text.split_once(|c: char| c.is_whitespace() || matches!(c, 'T' | 't')) else {
        return date(text).map(|date| When::Civil(date.to_datetime(Time::midnight())));
    };
    let date = date(day)?;
    if let Some(time) = whole_clock(clock) {
        return Some(When::Civil(date.to_datetime(time)));
    }
    parse_rfc3339(&format!("{date}T{}", clock.trim()), &TimeZone::UTC).map(When::At)
}

/// `15:40`, `9:40:10,123`, and nothing after it.
fn whole_clock(text: &str) -> Option<Time> {
    let text = text.trim();
    let zero = if text.find(':') == Some(1) { "0" } else { "" };
    let padded = format!("{zero}{text}");
    clock(&padded).filter(|(_, after)| after.is_empty()).map(|(time, _)| time)
}

/// `2026-11-28`, `2026/11/28`, `20261128`, `28.11.2026`. Of `11/28/2026` it is not known whether the day or the month comes first.
fn date(text: &str) -> Option<Date> {
    let parts: Vec<&str> = text.split(['-', '/', '.']).collect();
    let signs: String = text.chars().filter(|c| !c.is_ascii_digit()).collect();
    let (year, month, day) = match (parts.as_slice(), signs.as_str()) {
        ([year, month, day], "--" | "//") if (month.len(), day.len()) == (2, 2) => (*year, *month, *day),
        ([day, month, year], "..") if (1..=2).contains(&month.len()) => (*year, *month, *day),
        ([all], "") if all.len() == 8 => (&all[..4], &all[4..6], &all[6..]),
        _ => return None,
    };
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if year.len() != 4 || ![year, month, day].into_iter().all(is_number) {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

impl fmt::Display for When {
    /// The short form that a user would write. `When::parse` reads the same time back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Ago(seconds) => match *seconds {
                n if n != 0 && n % 86_400 == 0 => write!(f, "-{}d", n / 86_400),
                n if n != 0 && n % 3600 == 0 => write!(f, "-{}h", n / 3600),
                n if n != 0 && n % 60 == 0 => write!(f, "-{}m", n / 60),
                n => write!(f, "-{n}s"),
            },
            When::Now => f.write_str("now"),
            When::Clock(time) => write_clock(*time, f),
            When::OnDay(days, time) => {
                f.write_str(if *days == 0 { "today" } else { "yesterday" })?;
                write_clock_after_date(*time, f)
            }
            When::Civil(at) => {
                write!(f, "{}", at.strftime("%Y-%m-%d"))?;
                write_clock_after_date(at.time(), f)
            }
            When::At(ts) => write!(f, "{ts}"),
        }
    }
}

/// Nothing for midnight, with which a day begins.
fn write_clock_after_date(time: Time, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if time == Time::midnight() {
        return Ok(());
    }
    f.write_str(" ")?;
    write_clock(time, f)
}

fn write_clock(time: Time, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match (time.second(), time.subsec_nanosecond() / 1000) {
        (0, 0) => write!(f, "{}", time.strftime("%H:%M")),
        (_, 0) => write!(f, "{}", time.strftime("%H:%M:%S")),
        (_, micros) => write!(f, "{}.{micros:06}", time.strftime("%H:%M:%S")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::instant::zone;

    /// 11:00 in Berlin.
    fn now() -> Ts {
        Ts::from_micros(1_795_341_600_000_000)
    }

    #[track_caller]
    fn check(text: &str, at: &str) {
        let berlin = zone("Europe/Berlin").expect("a known zone");
        let when = When::parse(text).expect(text);
        assert_eq!(when.at(now(), &berlin).rfc3339().replace(".000000Z", "Z"), at, "{text}");
        assert_eq!(When::parse(&when.to_string()), Ok(when), "{text}");
    }

    #[test]
    fn a_time_survives_its_link() {
        for (text, at) in [
            ("-5m", "2026-11-22T09:55:00Z"),
            ("-90s", "2026-11-22T09:58:30Z"),
            ("-2h", "2026-11-22T08:00:00Z"),
            ("2h", "2026-11-22T08:00:00Z"),
            ("now-2h", "2026-11-22T08:00:00Z"),
            ("Now - 2 h", "2026-11-22T08:00:00Z"),
            ("1h30m ago", "2026-11-22T08:30:00Z"),
            ("10 min", "2026-11-22T09:50:00Z"),
            ("now", "2026-11-22T10:00:00Z"),
            ("today", "2026-11-21T23:00:00Z"),
            ("Yesterday", "2026-11-20T23:00:00Z"),
            ("yesterday 15:00", "2026-11-21T14:00:00Z"),
            ("today 8:00:01.5", "2026-11-22T07:00:01.500000Z"),
            ("2026-11-22", "2026-11-21T23:00:00Z"),
            ("2026/11/22", "2026-11-21T23:00:00Z"),
            ("20261122", "2026-11-21T23:00:00Z"),
            ("2026-11-22 10:00", "2026-11-22T09:00:00Z"),
            ("2026-11-22 9:00", "2026-11-22T08:00:00Z"),
            ("2026/11/22 10:00", "2026-11-22T09:00:00Z"),
            ("2026-11-22 10:00:01.000002", "2026-11-22T09:00:01.000002Z"),
            ("2026-11-22 10:00:01,5", "2026-11-22T09:00:01.500000Z"),
            ("28.11.2026 15:40", "2026-11-28T14:40:00Z"),
            ("1.2.2026", "2026-01-31T23:00:00Z"),
            ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
            ("2026-11-22T10:00:00+05:30", "2026-11-22T04:30:00Z"),
            ("2026-11-22 10:00 UTC", "2026-11-22T10:00:00Z"),
            ("1795341600", "2026-11-22T10:00:00Z"),
            ("1795341600.25", "2026-11-22T10:00:00.250000Z"),
            ("1795341600250", "2026-11-22T10:00:00.250000Z"),
        ] {
            check(text, at);
        }
    }

    #[test]
    fn a_time_of_day_is_the_last_one() {
        check("10:00:00,123", "2026-11-22T09:00:00.123000Z");
        check("11:00", "2026-11-22T10:00:00Z");
        check("11:00:01", "2026-11-21T10:00:01Z");
        check("9:40", "2026-11-22T08:40:00Z");
    }

    #[test]
    fn a_time_of_day_at_the_end_comes_after_the_start() {
        let ends = |text: &str, start: &str| {
            let start = When::parse(start).expect(start).at(now(), &TimeZone::UTC);
            When::parse(text).expect(text).at_end(start, now(), &TimeZone::UTC).rfc3339()[..16].to_owned()
        };
        // it is 10:00
        assert_eq!(ends("9:30", "9:00"), "2026-11-22T09:30");
        assert_eq!(ends("18:00", "9:00"), "2026-11-22T18:00");
        assert_eq!(ends("18:00", "yesterday 9:00"), "2026-11-21T18:00");
        assert_eq!(ends("23:00", "22:00"), "2026-11-21T23:00");
        assert_eq!(ends("9:00", "23:50"), "2026-11-22T09:00");
        assert_eq!(ends("9:00", "9:30"), "2026-11-23T09:00");
        assert_eq!(ends("-1h", "9:30"), "2026-11-22T09:00");
    }

    #[test]
    fn an_unclear_time_is_refused_with_the_forms() {
        for bad in [
            "",
            "-",
            "ago",
            "-5",
            "5",
            "2026",
            "5y",
            "-5y",
            "soon",
            "-99999999d",
            "now+1h",
            "now-",
            "h",
            "25:00",
            "15:40 pm",
            "2026-11-31",
            "2026-11-22 1",
            "11/28/2026",
            "28.11.26",
            "28.11.",
            "28.13.2026",
            "202611221000",
            "-1795341600",
            "2026-11/22",
            "yesterday soon",
            "tomorrow",
            "2026-11-22T",
            "１５:40",
            "日本",
        ] {
            let error = When::parse(bad).expect_err(bad);
            assert!(error.contains("28.11.2026 15:40") && error.contains("-5m"), "{error}");
        }
    }
}
