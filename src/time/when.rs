//! The times that users write: kept as written in links, made instants by `When::at`. Pure: the present is an argument.

use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::time::instant::Ts;
use crate::time::sent::parse_rfc3339;

/// A time as a user writes it for the start or the end of a range. Links keep it as written; `at` makes it an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// `-5m`: a number of seconds before the present
    Ago(u32),
    Now,
    /// midnight in the user's zone, this number of days before today: 0 is today, 1 yesterday
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
                "'{text}' is not a time; write 2026-11-22, 2026-11-22 10:00, 2026-11-22T10:00:00Z, -5m, -2h, -1d, today, \
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
        // a time without an offset is in the user's zone; jiff reads any other as RFC 3339
        let civil = text.bytes().skip(10).all(|b| b.is_ascii_digit() || matches!(b, b'T' | b't' | b' ' | b':' | b'.'));
        let ts = parse_rfc3339(text, &TimeZone::UTC).ok_or_else(bad)?;
        Ok(if civil { When::Civil(ts.civil(&TimeZone::UTC)) } else { When::At(ts) })
    }

    pub fn at(&self, now: Ts, zone: &TimeZone) -> Ts {
        let civil = |at: DateTime| match zone.to_ambiguous_timestamp(at).compatible() {
            Ok(timestamp) => Ts::from_micros(timestamp.as_microsecond()),
            // fails only outside the years that jiff knows
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::instant::zone;

    #[test]
    fn a_time_survives_its_link() {
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
}
