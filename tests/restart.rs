//! alco.ini changes and alco is started anew: searchd serves what it should by then, whether days became fewer or more, or an index
//! came or went, and nothing leaves the disk at once.

use std::collections::BTreeSet;
use std::fs;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::clock::LONG;
use crate::support::{Alco, Stack, wait_until};

#[test]
fn fewer_days_and_more_a_new_index_and_a_removed_one_are_served_after_a_restart() {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let day = |n: i64| today.checked_add(Span::new().days(n)).unwrap().strftime("%Y%m%d").to_string();
    let stack = Stack::private("restarted", "[index one]\ndays = 3\n[index two]\ndays = 1\n");
    let servers = fs::read_to_string(stack.dir().join("alco.ini")).unwrap();
    let servers = servers.split("[index ").next().unwrap().to_owned();
    let two_ahead = 2;
    for (ini, expect) in [
        // index, its days
        ("[index one]\ndays = 3\n[index two]\ndays = 1\n", vec![("one", 3), ("two", 1)]),
        ("[index one]\ndays = 1\n[index two]\ndays = 1\n", vec![("one", 1), ("two", 1)]),
        ("[index one]\ndays = 5\n[index three]\ndays = 2\n", vec![("one", 5), ("three", 2)]),
    ] {
        // searchd's script reads the same settings as alco does
        fs::write(stack.dir().join("alco.ini"), format!("{servers}{ini}")).unwrap();
        let alco = Alco::start(&stack, ini);
        let days = |&(index, count): &(&str, i64)| {
            let days = (1 - count..=two_ahead).map(|n| format!("{index}_{}", day(n)));
            days.chain([index.to_owned(), format!("{index}_local")]).collect::<Vec<_>>()
        };
        let expected: BTreeSet<String> = expect.iter().flat_map(days).collect();
        wait_until(&format!("searchd serves what is in {ini}"), LONG, || {
            let served: BTreeSet<String> = stack.select("SHOW TABLES").ok()?.into_iter().collect();
            (served == expected).then_some(())
        });
        assert_eq!(alco.said("though it was told"), 0, "{}", alco.log());
        assert!(alco.stop().success());
    }
    let data = stack.dir().join("searchd/data");
    for (index, n) in [("one", -2), ("one", -4), ("two", 0), ("three", -1)] {
        assert!(data.join(index).join(day(n)).is_dir(), "{index} of {}", day(n));
    }
}
