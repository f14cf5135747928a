//! A search -> the same search, changed in one point, as the links of a page ask for it. Pure.
//!
//! Each function forgets the cursor, since a page of another search begins elsewhere; only `last`, `after` and `before` set one.

use std::mem::discriminant;

use jiff::tz::TimeZone;

use crate::query::condition::PATTERN;
use crate::query::cursor::{Cursor, Place};
use crate::query::{Condition, Filter, Follow, Mode, Order, Query, WholeRange};
use crate::record::pattern::PatternHash;
use crate::time::{Range, Ts, When};

/// The same search from its first page.
pub fn first(query: &Query) -> Query {
    Query { cursor: None, ..query.clone() }
}

/// The last page of the search.
pub fn last(query: &Query) -> Query {
    let end = match query.order() {
        Order::OldestFirst => Place { ts: Ts::MAX, seq: i64::MAX, digest: i64::MAX, id: i64::MAX as u64 },
        Order::NewestFirst => Place::start_of(Ts::MIN),
    };
    Query { cursor: Some(Cursor::Before(end)), ..query.clone() }
}

pub fn after(query: &Query, place: Place) -> Query {
    Query { cursor: Some(Cursor::After(place)), follow: Follow::No, ..query.clone() }
}

pub fn before(query: &Query, place: Place) -> Query {
    Query { cursor: Some(Cursor::Before(place)), follow: Follow::No, ..query.clone() }
}

/// The same search, following new records or not. One that follows has no end of its range.
pub fn follow(query: &Query, follow: Follow) -> Query {
    let end = if follow == Follow::No { query.end.clone() } else { None };
    Query { follow, end, overview: None, ..first(query) }
}

pub fn ordered(query: &Query, order: Order) -> Query {
    Query { order: Some(order), ..first(query) }
}

pub fn from_to(query: &Query, start: Option<When>, end: Option<When>) -> Query {
    Query { start, end, overview: None, ..first(query) }
}

/// A part of the range, seen within the whole of it.
pub fn part(query: &Query, range: Range, zone: &TimeZone) -> Query {
    let (start, end) = (query.start.clone(), query.end.clone());
    Query { overview: Some(WholeRange { start, end }), ..within(query, range, zone) }
}

/// The search over the whole of which its range is a part, if it is.
pub fn whole(query: &Query) -> Option<Query> {
    query.overview.as_ref().map(|WholeRange { start, end }| from_to(query, start.clone(), end.clone()))
}

/// The search for all the words of a literal text, if it has several.
pub fn of_words(query: &Query) -> Option<Query> {
    let has_several = query.mode == Mode::Literal && query.search.trim().contains(' ');
    has_several.then(|| Query { mode: Mode::Words, ..first(query) })
}

/// Exactly that range, in any zone.
pub fn between(query: &Query, range: Range) -> Query {
    from_to(query, Some(When::At(range.start)), Some(When::At(range.end)))
}

/// Exactly that range, as a user of that zone would write it.
pub fn within(query: &Query, range: Range, zone: &TimeZone) -> Query {
    from_to(query, Some(civil(range.start, zone)), Some(civil(range.end, zone)))
}

/// The same page for other readers and other days: what depends on their time, their zone and their alco is named.
pub fn exactly(query: &Query, range: Range, zone: &TimeZone) -> Query {
    let (tz, order) = (Some(zone.clone()), Some(query.order()));
    Query { cursor: query.cursor, follow: Follow::No, tz, order, ..within(query, range, zone) }
}

/// Three times as long a range: around the old one, or up to the present where that is its end.
pub fn wider(query: &Query, range: Range, zone: &TimeZone) -> Query {
    let seconds = range.end.micros().saturating_sub(range.start.micros()) / 1_000_000 + 1;
    match (&query.end, u32::try_from(seconds * 3)) {
        (None | Some(When::Now), Ok(ago)) => from_to(query, Some(When::Ago(ago / 60 * 60)), None),
        _ => {
            let (start, end) = (range.start.plus_seconds(-seconds), range.end.plus_seconds(seconds));
            within(query, Range { start, end }, zone)
        }
    }
}

/// The civil time, where it means this instant and no other: in the hour that a clock is set back it may mean two.
fn civil(ts: Ts, zone: &TimeZone) -> When {
    let civil = When::Civil(ts.civil(zone));
    if civil.at(ts, zone) == ts { civil } else { When::At(ts) }
}

/// Only records whose column has this value.
pub fn only(query: &Query, column: &str, value: &str) -> Query {
    let mut query = first(query);
    query.filters.retain(|filter| filter.column != column || !matches!(filter.is, Condition::In(_)));
    forget(&mut query, column, value);
    query.filters.push(Filter { column: column.to_owned(), is: Condition::In(vec![value.to_owned()]), off: false });
    query
}

/// The filters on a column, on the column of another name.
pub fn renamed(query: &Query, column: &str, name: &str) -> Query {
    let mut query = first(query);
    for filter in query.filters.iter_mut().flat_map(Filter::single_mut).filter(|filter| filter.is_on(column)) {
        filter.column = name.to_owned();
    }
    query
}

/// This value too, in addition to those that are asked for already.
pub fn also(query: &Query, column: &str, value: &str) -> Query {
    listed(query, column, value, Condition::In)
}

/// No record whose column has this value.
pub fn without(query: &Query, column: &str, value: &str) -> Query {
    listed(query, column, value, Condition::NotIn)
}

/// The value in the column's list of that kind, and in no other list of it.
fn listed(query: &Query, column: &str, value: &str, kind: fn(Vec<String>) -> Condition) -> Query {
    let mut query = regardless(query, column, value);
    let new = Filter { column: column.to_owned(), is: kind(vec![value.to_owned()]), off: false };
    let is_alike = |filter: &&mut Filter| {
        filter.column == column && !filter.off && discriminant(&filter.is) == discriminant(&new.is)
    };
    match query.filters.iter_mut().find(is_alike).map(|filter| &mut filter.is) {
        Some(Condition::In(values) | Condition::NotIn(values)) => values.push(value.to_owned()),
        _ => query.filters.push(new),
    }
    query
}

/// Only records whose message has this pattern.
pub fn only_pattern(query: &Query, pattern: PatternHash) -> Query {
    let mut query = regardless_of_pattern(query, pattern);
    query.filters.retain(|filter| !matches!(filter.is, Condition::HasPattern(_)));
    query.filters.push(on_pattern(Condition::HasPattern(vec![pattern])));
    query
}

/// No record whose message has this pattern.
pub fn without_pattern(query: &Query, pattern: PatternHash) -> Query {
    let mut query = regardless_of_pattern(query, pattern);
    let left_out = query.filters.iter_mut().find_map(|filter| match &mut filter.is {
        Condition::LacksPattern(patterns) if !filter.off => Some(patterns),
        _ => None,
    });
    match left_out {
        Some(patterns) => patterns.push(pattern),
        None => query.filters.push(on_pattern(Condition::LacksPattern(vec![pattern]))),
    }
    query
}

/// The same search without the filters that hide patterns, and the number of these patterns.
pub fn with_hidden_patterns(query: &Query) -> (Query, usize) {
    let mut hidden = 0;
    let mut query = first(query);
    query.filters.retain(|filter| match &filter.is {
        Condition::LacksPattern(patterns) if !filter.off => {
            hidden += patterns.len();
            false
        }
        _ => true,
    });
    (query, hidden)
}

/// Of the records that the search finds, those whose message has one of these patterns too.
pub fn among_patterns(query: &Query, patterns: Vec<PatternHash>) -> Query {
    let mut query = query.clone();
    query.filters.push(on_pattern(Condition::HasPattern(patterns)));
    query
}

/// The same search for a list of its patterns: that has no end to follow, and is not as long as a page of lines.
pub fn listed_patterns(query: &Query) -> Query {
    Query { follow: Follow::No, limit: None, overview: None, ..first(query) }
}

/// The same search for its lines, from a list of its patterns.
pub fn lines(query: &Query) -> Query {
    Query { sort: None, only_new: false, against: None, limit: None, ..first(query) }
}

/// The same search for the lines of other indexes.
pub fn elsewhere(query: &Query) -> Query {
    Query { follow: Follow::No, overview: None, ..lines(query) }
}

/// Of a search, only its range and what names its times.
pub fn range_only(query: &Query) -> Query {
    let (start, end, tz) = (query.start.clone(), query.end.clone(), query.tz.clone());
    Query { start, end, tz, ..Query::new(query.indexes.clone()) }
}

fn on_pattern(is: Condition) -> Filter {
    Filter { column: PATTERN.to_owned(), is, off: false }
}

fn regardless_of_pattern(query: &Query, pattern: PatternHash) -> Query {
    let mut query = first(query);
    query.filters.retain_mut(|filter| match &mut filter.is {
        Condition::HasPattern(patterns) | Condition::LacksPattern(patterns) => {
            patterns.retain(|own| *own != pattern);
            !patterns.is_empty()
        }
        _ => true,
    });
    query
}

/// The value neither asked for nor left out.
pub fn regardless(query: &Query, column: &str, value: &str) -> Query {
    let mut query = first(query);
    forget(&mut query, column, value);
    query
}

/// True if a filter that is on asks for the value, false if one leaves it out.
pub fn chosen(query: &Query, column: &str, value: &str) -> Option<bool> {
    query.filters.iter().filter(|filter| filter.column == column && !filter.off).find_map(|filter| match &filter.is {
        Condition::In(values) if values.iter().any(|v| v == value) => Some(true),
        Condition::NotIn(values) if values.iter().any(|v| v == value) => Some(false),
        _ => None,
    })
}

/// The filter at `at` the other way round, where there is another way.
pub fn turned(query: &Query, at: usize) -> Option<Query> {
    let mut query = first(query);
    let filter = query.filters.get_mut(at)?;
    filter.is = filter.is.opposite()?;
    Some(query)
}

/// The filter at `at` kept but not used, or used again.
pub fn switched(query: &Query, at: usize) -> Query {
    let mut query = first(query);
    if let Some(filter) = query.filters.get_mut(at) {
        filter.off = !filter.off;
    }
    query
}

pub fn removed(query: &Query, at: usize) -> Query {
    let mut query = first(query);
    if at < query.filters.len() {
        query.filters.remove(at);
    }
    query
}

/// Takes the value out of every list of its column, and drops lists that are empty then.
fn forget(query: &mut Query, column: &str, value: &str) {
    query.filters.retain_mut(|filter| match &mut filter.is {
        Condition::In(values) | Condition::NotIn(values) if filter.column == column => {
            values.retain(|v| v != value);
            !values.is_empty()
        }
        _ => true,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(url: &str) -> Query {
        Query::from_url(vec!["web".parse().expect("a name")], url).expect(url)
    }

    #[track_caller]
    fn check(made: Query, expect: &str) {
        assert_eq!(made, query(expect), "{} is not {expect}", made.to_url());
        assert_eq!(made.cursor, None);
    }

    #[test]
    fn a_value_is_asked_for_and_left_out() {
        let q = query("search=x&host=a&host=b&cursor=a1.2.3.4");
        check(only(&q, "host", "c"), "search=x&host=c");
        check(also(&q, "host", "c"), "search=x&host=a&host=b&host=c");
        check(without(&q, "host", "a"), "search=x&host=b&host__not=a");
        check(without(&without(&query(""), "host", "a"), "host", "b"), "host__not=a,b");
        check(only(&query("host__not=a,b"), "host", "a"), "host__not=b&host=a");
        check(regardless(&q, "host", "b"), "search=x&host=a");
        assert_eq!(chosen(&q, "host", "a"), Some(true));
        assert_eq!(chosen(&query("host__not=a"), "host", "a"), Some(false));
        assert_eq!(chosen(&query("off.host=a"), "host", "a"), None);
    }

    #[test]
    fn filters_go_to_a_column_of_another_name() {
        check(renamed(&query("hots=a&off.hots__not=b&x=c"), "hots", "host"), "host=a&off.host__not=b&x=c");
        check(renamed(&query("any=hots=a|x=b+hots!=c"), "hots", "host"), "any=host=a|x=b+host!=c");
    }

    #[test]
    fn a_pattern_is_asked_for_and_left_out() {
        let [a, b] = ["0123456789abcde", "0123456789abcdf"];
        let hash = |text| PatternHash::parse(text).expect("15 digits");
        let q = query(&format!("search=x&js.pattern={a}&cursor=a1.2.3.4"));
        check(only_pattern(&q, hash(a)), &format!("search=x&js.pattern={a}&pattern={a}"));
        check(only_pattern(&only_pattern(&q, hash(a)), hash(b)), &format!("search=x&js.pattern={a}&pattern={b}"));
        check(without_pattern(&without_pattern(&query(""), hash(a)), hash(b)), &format!("pattern__not={a},{b}"));
        let (all, hidden) = with_hidden_patterns(&query(&format!("pattern__not={a},{b}&off.pattern__not={b}&x=1")));
        check(all, &format!("off.pattern__not={b}&x=1"));
        assert_eq!(hidden, 2);
        check(
            only_pattern(&query(&format!("pattern__not={a},{b}")), hash(a)),
            &format!("pattern__not={b}&pattern={a}"),
        );
        check(
            without_pattern(&query(&format!("pattern={a}&pattern={b}")), hash(a)),
            &format!("pattern={b}&pattern__not={a}"),
        );
    }

    #[test]
    fn a_list_of_patterns_is_of_the_same_search() {
        let q = query("search=x&host=a&limit=50&follow=10s&cursor=a1.2.3.4&order=desc");
        check(listed_patterns(&q), "search=x&host=a&order=desc");
        check(lines(&query("search=x&sort=rare&only_new=1&against=before&limit=1000&wrap=1")), "search=x&wrap=1");
        let hash = |text| PatternHash::parse(text).expect("15 digits");
        let among =
            among_patterns(&query("pattern=0123456789abcde"), vec![hash("0123456789abcdf"), hash("0123456789abcde")]);
        check(among, "pattern=0123456789abcde&pattern__in=0123456789abcdf,0123456789abcde");
    }

    #[test]
    fn a_page_begins_with_the_newest_line_and_a_stream_with_the_oldest() {
        for (url, order) in [
            ("search=x", Order::NewestFirst),
            ("search=x&context=3", Order::NewestFirst),
            ("search=x&context=y", Order::OldestFirst),
            ("search=x&after=3", Order::OldestFirst),
            ("search=x&format=text", Order::OldestFirst),
        ] {
            assert_eq!(query(url).order(), order, "{url}");
            check(ordered(&query(url), Order::OldestFirst), &format!("{url}&order=asc"));
            assert_eq!(query(&format!("{url}&order=desc")).order(), Order::NewestFirst, "{url}");
        }
    }

    #[test]
    fn a_filter_is_turned_switched_and_removed() {
        let q = query("host=a&status__gt=5&x__like=y");
        check(turned(&q, 0).expect("has another way"), "host__not=a&status__gt=5&x__like=y");
        check(turned(&q, 1).expect("has another way"), "host=a&status__lte=5&x__like=y");
        assert_eq!(turned(&q, 2), None);
        check(switched(&q, 0), "off.host=a&status__gt=5&x__like=y");
        check(switched(&switched(&q, 0), 0), "host=a&status__gt=5&x__like=y");
        check(removed(&q, 1), "host=a&x__like=y");
    }

    #[test]
    fn a_part_of_a_range_remembers_the_whole() {
        let range =
            Range { start: Ts::from_micros(1_795_341_600_000_000), end: Ts::from_micros(1_795_341_900_000_000) };
        let part_of = |url: &str| part(&query(url), range, &TimeZone::UTC);
        check(
            part_of("search=x&start_ts=-6h&cursor=a1.2.3.4"),
            "search=x&start_ts=2026-11-22+10:00&end_ts=2026-11-22+10:05&overview=-6h",
        );
        for url in ["search=x", "start_ts=-6h", "end_ts=now", "start_ts=2026-11-22&end_ts=23.11.2026+10:00"] {
            let part = part_of(url);
            assert_eq!(query(&part.to_url()), part, "{url}");
            check(whole(&part).expect("the whole"), url);
        }
        assert_eq!(whole(&query("start_ts=-6h")), None);
        assert_eq!(from_to(&part_of(""), None, None).overview, None);
    }

    #[test]
    fn a_range_widens_around_itself_or_into_the_past() {
        let range =
            Range { start: Ts::from_micros(1_795_341_600_000_000), end: Ts::from_micros(1_795_341_900_000_000) };
        check(wider(&query("search=x"), range, &TimeZone::UTC), "search=x&start_ts=-15m");
        check(
            wider(&query("start_ts=2026-11-22+10:00&end_ts=2026-11-22+10:05"), range, &TimeZone::UTC),
            "start_ts=2026-11-22+09:54:59&end_ts=2026-11-22+10:10:01",
        );
    }

    #[test]
    fn a_link_to_exactly_this_depends_on_nothing() {
        let range =
            Range { start: Ts::from_micros(1_795_341_600_000_000), end: Ts::from_micros(1_795_341_900_000_001) };
        let zone = crate::time::zone("Europe/Berlin").expect("a known zone");
        let exact = exactly(&query("search=x&start_ts=-5m&follow=10s&wrap=1&cursor=a1.2.3.4"), range, &zone);
        let expect = "start_ts=2026-11-22+11:00&end_ts=2026-11-22+11:05:00.000001&search=x&order=desc&wrap=1\
                      &tz=Europe/Berlin&cursor=a1.2.3.4";
        assert_eq!(exact.to_url(), expect);
        assert_eq!(exactly(&query(expect), exact.range(Ts::MIN, &zone), &zone), exact);
        assert_eq!(exactly(&query("context=y"), range, &zone).order, Some(Order::OldestFirst));
    }

    #[test]
    fn the_hour_that_comes_twice_is_named_by_its_instant() {
        let zone = crate::time::zone("Europe/Berlin").expect("a known zone");
        let first = Ts::from_micros(1_793_494_800_000_000 - 3_600_000_000);
        for hour in 0..4 {
            let ts = first.plus_seconds(hour * 3600);
            assert_eq!(civil(ts, &zone).at(Ts::MIN, &zone), ts);
        }
    }
}
