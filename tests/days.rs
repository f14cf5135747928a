//! Each record is stored in the index of its own UTC day, or of the day of its arrival; then `alco_error` has the reason.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use mysql::prelude::Queryable;

use crate::support::{Alco, Publisher, SOON, Stack, wait_until};

#[test]
fn records_are_in_the_index_of_their_day() {
    let stack = Stack::shared();
    let _alco = Alco::start(stack, &stack.index("days"));
    let now = Timestamp::now();
    let today = now.to_zoned(TimeZone::UTC).date();
    let midnight = today.to_zoned(TimeZone::UTC).unwrap().timestamp();
    let day = |n: i64| today.checked_add(jiff::Span::new().days(n)).unwrap();
    let after = |from: Timestamp, seconds: i64| from.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    let days = 86_400;
    // message, time, the day whose index stores it, a part of alco_error
    let table: Vec<(&str, Timestamp, Date, &str)> = vec![
        ("the last microsecond of yesterday", midnight - SignedDuration::from_micros(1), day(-1), ""),
        ("midnight", midnight, today, ""),
        ("before midnight, but later sent", after(midnight, -1), day(-1), ""),
        ("last month", after(midnight, -29 * days), day(-29), ""),
        ("the newest day that is no longer kept", after(midnight, -29 * days - 1), today, "before the oldest"),
        ("a year ago", after(midnight, -365 * days), today, "before the oldest"),
        ("almost a day ahead", after(now, days - 600), after(now, days - 600).to_zoned(TimeZone::UTC).date(), ""),
        ("next week", after(now, 7 * days), today, "more than a day ahead"),
        ("now", now, today, ""),
    ];
    let bodies = table.iter().map(|(name, time, ..)| format!(r#"{{"@timestamp":"{time}","message":"{name}"}}"#));
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "days.key", bodies);
    wait_until("all are stored", SOON, || stack.count("days").filter(|n| *n >= table.len() as u64));
    for (name, _, day, why) in table {
        let of = |day: Date| {
            let day_index = format!("days_{}", day.strftime("%Y%m%d"));
            let statement = format!("SELECT logline, js FROM {day_index} ORDER BY id ASC LIMIT 100");
            let rows: Vec<(String, String)> = stack.sphinxql().query(statement).unwrap();
            rows.into_iter().find(|(message, _)| message == name)
        };
        // if midnight has passed since, a record that is stored by its arrival is in the next day's index
        let found = of(day).or_else(|| (!why.is_empty()).then(|| of(day.tomorrow().unwrap())).flatten());
        let (_, js) = found.unwrap_or_else(|| panic!("'{name}' is not in the index of {day}"));
        assert_eq!(js.contains("alco_error"), !why.is_empty(), "{name}: {js}");
        assert!(js.contains(why), "{name}: {js}");
    }
    assert_eq!(stack.count("days"), Some(9), "each once");
}
