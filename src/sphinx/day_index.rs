//! The name of a day's index; the days that are served; those of them that a time range touches. Pure: today is an argument.
//!
//! An index keeps `days` days, today included, and is declared two days ahead, so that a configuration that is a day old
//! still has an index for the records after midnight.

use std::num::NonZeroU32;

use crate::config::IndexName;
use crate::time::{Day, Range, Ts};

/// Days: a record's time may lie a day ahead of its arrival, and searchd's configuration may be a day old.
const DAYS_AHEAD: i32 = 2;

/// `web_20261122`
pub fn day_index(index: &IndexName, day: Day) -> String {
    format!("{index}_{day}")
}

/// All days of an index, of this node alone: `web_local`
pub fn local_index(index: &IndexName) -> String {
    format!("{index}_local")
}

/// The name in this node's searchd for the same index of a peer, which has this number: `web_20261122_p1`
pub fn peer_index(own: &str, peer: usize) -> String {
    format!("{own}_p{peer}")
}

/// The index of this node of which `name` is a peer's; of any other name, the name itself.
pub fn own_index(name: &str) -> &str {
    let is_part =
        |own: &str| own.ends_with("_local") || own.rsplit_once('_').is_some_and(|(_, day)| Day::is_written(day));
    let of_peer = name.rsplit_once("_p").filter(|(own, number)| number.parse::<usize>().is_ok() && is_part(own));
    of_peer.map_or(name, |(own, _)| own)
}

/// The first day that is kept where an index keeps `days` days.
pub fn oldest(today: Day, days: NonZeroU32) -> Day {
    // a number above i32's range means all days
    today.plus(1).plus(i32::try_from(days.get()).map_or(i32::MIN, |days| -days))
}

/// The days that searchd serves, from the oldest to two days ahead.
pub fn served_days(today: Day, days: NonZeroU32) -> impl Iterator<Item = Day> {
    let last = today.plus(DAYS_AHEAD);
    std::iter::successors(Some(oldest(today, days)), |day| Some(day.plus(1))).take_while(move |day| *day <= last)
}

/// The served days that a range touches, oldest first: those that can hold a record of the range.
pub fn days_within(range: Range, today: Day, days: NonZeroU32) -> impl Iterator<Item = Day> {
    let first = range.start.day();
    // the end does not belong to the range
    let last = Ts::from_micros(range.end.micros().saturating_sub(1)).day();
    served_days(today, days).filter(move |day| !range.is_empty() && (first..=last).contains(day))
}

/// The day since which all day indexes have something that earlier ones lack; None: none lacks it. `days`: the known ones,
/// oldest first, each with whether it has it.
pub fn since(days: impl Iterator<Item = (Day, bool)>) -> Option<Day> {
    days.filter(|(_, has)| !has).last().map(|(day, _)| day.plus(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse_compact(text).expect("a day")
    }

    fn days(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).expect("not 0")
    }

    fn names(days: impl Iterator<Item = Day>) -> String {
        days.map(|day| day.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_day_index_bears_its_indexs_name_and_its_day() {
        let web: IndexName = "web_2".parse().expect("a name");
        assert_eq!(day_index(&web, day("20261122")), "web_2_20261122");
    }

    #[test]
    fn a_peers_index_has_the_name_of_ours_and_a_number() {
        for own in ["web_20261122", "web_local", "web_p2_20261122"] {
            assert_eq!(own_index(&peer_index(own, 12)), own);
        }
        for name in ["web", "web_p1", "web_20261122", "web_p1_20261122", "web_20261122_px", "_p1"] {
            assert_eq!(own_index(name), name);
        }
    }

    #[test]
    fn served_are_the_days_kept_and_two_ahead() {
        let today = day("20261231");
        assert_eq!(names(served_days(today, days(1))), "20261231 20270101 20270102");
        assert_eq!(names(served_days(today, days(3))), "20261229 20261230 20261231 20270101 20270102");
        assert_eq!(oldest(today, days(3)).to_string(), "20261229");
        assert_eq!(served_days(today, days(30)).count(), 32);
    }

    #[test]
    fn days_have_it_since_the_last_that_lacks_it() {
        for (lacking, expect) in
            [("", None), ("20", Some("20261121")), ("20 22", Some("20261123")), ("24", Some("20261125"))]
        {
            let days = served_days(day("20261122"), days(3));
            let found =
                since(days.map(|day| {
                    (day, !lacking.split(' ').any(|end| day.to_string().ends_with(end) && !end.is_empty()))
                }));
            assert_eq!(found.map(|day| day.to_string()).as_deref(), expect, "{lacking}");
        }
    }

    #[track_caller]
    fn check(start: &str, end: &str, expect: &str) {
        let at = |text: &str| crate::time::parse_rfc3339(text, &jiff::tz::TimeZone::UTC).expect(text);
        let range = Range { start: at(start), end: at(end) };
        assert_eq!(names(days_within(range, day("20261122"), days(3))), expect);
    }

    #[test]
    fn a_range_touches_the_days_that_can_hold_its_records() {
        check("2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z", "20261122");
        check("2026-11-21T23:59:59Z", "2026-11-22T00:00:00Z", "20261121");
        check("2026-11-21T23:59:59Z", "2026-11-22T00:00:00.000001Z", "20261121 20261122");
        check("2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z", "");
        check("2026-11-23T00:00:00Z", "2026-11-22T00:00:00Z", "");
        check("0001-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "20261120 20261121 20261122 20261123 20261124");
        check("2026-11-01T00:00:00Z", "2026-11-19T00:00:00Z", "");
    }
}
