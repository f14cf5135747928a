//! alco.ini changes and alco is restarted: searchd then serves the days that it should, whether `days` became smaller or larger, or
//! an index came or went. No day leaves the disk at once, and no day is optimized twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::support::clock::Clock;
use crate::support::{Alco, LONG, SOON, Stack, queue_state, try_get, wait_until};

#[test]
fn searchd_serves_what_the_changed_ini_says() {
    // noon: days are optimized some time after midnight
    let now = Timestamp::now();
    let today = now.to_zoned(TimeZone::UTC).date();
    let noon = today.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
    let clock = Clock::new("restarted-clock");
    clock.set(noon.duration_since(now));
    let day = |n: i64| today.checked_add(Span::new().days(n)).unwrap().strftime("%Y%m%d").to_string();
    let ini = "[index one]\ndays = 3\n[index two]\ndays = 1\n";
    let stack = Stack::of("restarted", &["rabbitmq", "redis", "searchd"], &clock.alco, ini);
    let servers = fs::read_to_string(stack.dir().join("alco.ini")).unwrap();
    let servers = servers.split("[index ").next().unwrap().to_owned();
    let two_ahead = 2;
    let mut finished = BTreeMap::new();
    for (ini, expect) in [
        // index, its days; all of them but today's are to be optimized
        ("[index one]\ndays = 3\n[index two]\ndays = 1\n", vec![("one", 3), ("two", 1)]),
        ("[index one]\ndays = 5\n[index three]\ndays = 2\n", vec![("one", 5), ("three", 2)]),
        ("[index one]\ndays = 1\n[index three]\ndays = 1\n", vec![("one", 1), ("three", 1)]),
    ] {
        // searchd's script reads the same settings as alco does
        fs::write(stack.dir().join("alco.ini"), format!("{servers}{ini}")).unwrap();
        let mut alco = Alco::spawn_as(&clock.alco, &stack, ini);
        alco.wait_ready(&stack);
        let days = |&(index, count): &(&str, i64)| {
            let days = (1 - count..=two_ahead).map(|n| format!("{index}_{}", day(n)));
            days.chain([index.to_owned(), format!("{index}_local")]).collect::<Vec<_>>()
        };
        let expected: BTreeSet<String> = expect.iter().flat_map(days).collect();
        wait_until(&format!("searchd serves what is in {ini}"), LONG, || {
            let served: BTreeSet<String> = stack.select("SHOW TABLES").ok()?.into_iter().collect();
            (served == expected).then_some(())
        });
        assert_eq!(alco.logged("though alco had it read"), 0, "{}", alco.log());
        for (index, count) in expect {
            for past in (1 - count..0).map(|n| format!("{index}_{}", day(n))) {
                // such as `done 1795341600`
                let done = || {
                    let days: BTreeMap<String, String> =
                        stack.ask_redis(&["HGETALL", &format!("ALCO:FINISHED:{index}")]);
                    let mut days = days.into_iter().filter(|(_, state)| state.starts_with("done "));
                    days.find(|(day, _)| past.ends_with(day.rsplit(' ').next().unwrap())).map(|(_, state)| state)
                };
                let state = wait_until(&format!("{past} is optimized"), LONG, done);
                assert_eq!(*finished.entry(past.clone()).or_insert(state.clone()), state, "{past} is optimized again");
                // the day has no record
                assert_eq!(alco.logged(&format!("{past}: the day is over")), 0, "{}", alco.log());
            }
        }
        assert!(alco.stop().success());
    }
    assert_eq!(finished.len(), 5, "{finished:?}");
    let data = stack.dir().join("searchd/data");
    for (index, n) in [("one", -2), ("one", -4), ("two", 0), ("three", -1)] {
        assert!(data.join(index).join(day(n)).is_dir(), "{index} of {}", day(n));
    }
}

#[test]
fn a_node_that_does_not_collect_keeps_its_days() {
    let ini = |days: i64| format!("[index idle]\ndays = {days}\nthreads = 0\n");
    let stack = Stack::private("idle", &ini(1));
    let path = stack.dir().join("alco.ini");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(&ini(1), &ini(3))).unwrap();
    let alco = Alco::spawn(&stack, &ini(3));
    let before = Timestamp::now().to_zoned(TimeZone::UTC).date().checked_sub(Span::new().days(1)).unwrap();
    let yesterday = format!("idle_{}", before.strftime("%Y%m%d"));
    wait_until("searchd serves more days", LONG, || {
        stack.select("SHOW TABLES").ok()?.contains(&yesterday).then_some(())
    });
    let health = wait_until("alco listens", SOON, || try_get(&format!("{}/health", alco.url)).ok());
    assert_eq!((health.status, queue_state(&stack.amqp, "idle").is_none()), (200, true), "{}", health.body);
    assert!(health.body.contains("collecting idle is left to other nodes: threads = 0"), "{}", health.body);
}
