//! Records as large as they may be, many of them: they are found and read whole, and no question has searchd make an answer of many.

use crate::support::follower::Follower;
use crate::support::link::Link;
use crate::support::{Alco, Publisher, SOON, Stack, wait_until};

/// An answer may have one record of up to 8 MiB, or 4 MiB of several, and the usual records beside them.
const LARGEST_ANSWER: u64 = 10 << 20;

#[test]
fn many_large_records_of_a_word_are_found() {
    const RECORDS: usize = 9;
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("bulky"));
    let now = jiff::Timestamp::now();
    let column = "x y ".repeat(1_000_000);
    let body = |n| format!(r#"{{"@timestamp":"{now}","message":"grapefruit {n}","levelname":"INFO","n":"{column}"}}"#);
    let mut publisher = Publisher::to_queue(&stack.amqp, "bulky");
    publisher.publish("logstash", "bulky.key", (0..RECORDS).map(body));
    stack.settled_count("bulky", RECORDS as u64, SOON);
    for order in ["asc", "desc"] {
        let found = format!("/grep/bulky/?search=grapefruit&start_ts=-1h&order={order}&format=");
        assert_eq!(alco.get(&format!("{found}text")).body.matches("grapefruit").count(), RECORDS);
        let records = alco.get(&format!("{found}ndjson")).body;
        let whole = records.lines().filter(|line| line.contains(&column)).count();
        assert_eq!((records.lines().count(), whole), (RECORDS, RECORDS));
    }
    let first = alco.get("/api/grep/bulky/?search=grapefruit&limit=1");
    assert!(first.status == 200 && first.body.contains("grapefruit "), "{}", first.status);
}

#[test]
fn no_question_has_searchd_print_many_large_records() {
    const RECORDS: usize = 12;
    let stack = Stack::private("large-records", "[index large]\ndays = 2\nrouting_keys = large.#\n");
    let link = Link::to(stack.port("searchd").parse().unwrap());
    let behind_link =
        format!("[index large]\ndays = 2\nrouting_keys = large.#\n[sphinx]\naddress = 127.0.0.1:{}\n", link.port);
    let alco = Alco::start(&stack, &behind_link);
    let mut follower = Follower::start(&alco, "/grep/large/?search=pear&format=ndjson&follow=1");
    let now = jiff::Timestamp::now();
    // searchd prints the numbers beside the exact text, since it would change some
    let numbers = "1e-7,25,[7],".repeat(45_000);
    // all are of one microsecond
    let nested = |n| format!(r#"{{"@timestamp":"{now}","message":"pear {n}","n":[{numbers}{n}]}}"#);
    let text = "x y ".repeat(550_000);
    let long = |n| format!(r#"{{"@timestamp":"{now}","message":"apple {n} {text}","n":{n}}}"#);
    let mut publisher = Publisher::to_queue(&stack.amqp, "large");
    publisher.publish("logstash", "large.key", (0..RECORDS).map(nested));
    publisher.publish("logstash", "large.key", (0..RECORDS).map(long));
    stack.settled_count("large", 2 * RECORDS as u64, SOON);
    let followed =
        follower.picked(RECORDS, |line| (line.contains("pear ") && line.ends_with('}')).then_some(line.len()));
    assert!(followed.len() == RECORDS && followed.iter().all(|bytes| *bytes > numbers.len()), "{followed:?}");
    assert!(link.largest_answer() < LARGEST_ANSWER, "a follower had searchd print {} bytes", link.largest_answer());
    for order in ["asc", "desc"] {
        for (search, expect) in
            [("pear", RECORDS), ("apple", RECORDS), ("", 2 * RECORDS), ("regex", 2 * RECORDS), ("n=3", 2)]
        {
            let search = match search {
                "regex" => "mode=regex&search=[ep]%2B".to_owned(),
                "n=3" => "n=3".to_owned(),
                text => format!("search={text}"),
            };
            let found = alco.get(&format!("/grep/large/?start_ts=-1h&order={order}&format=ndjson&{search}"));
            let lines = found.body.lines().filter(|line| line.len() > 100_000).count();
            assert_eq!((found.status, lines), (200, expect), "{search}");
            let page = alco.get(&format!("/grep/large/?start_ts=-1h&order={order}&{search}&context=2"));
            assert_eq!(page.status, 200, "{search}: {}", page.body);
            let largest = link.largest_answer();
            assert!(largest < LARGEST_ANSWER, "{search} {order}: {largest} bytes");
        }
    }
    let patterns = alco.get("/grep/large/patterns/?start_ts=-1h");
    assert!(patterns.status == 200 && patterns.body.contains("apple "), "{}", patterns.body);
    let place = alco.get("/grep/large/?start_ts=-1h&search=apple&format=ndjson").body;
    let id = place.split(r#""@id":""#).nth(1).and_then(|rest| rest.split('"').next()).expect("an id");
    let record = alco.get(&format!("/grep/large/at/{id}/"));
    assert_eq!(record.status, 200, "{}", record.body);
    let largest = link.largest_answer();
    assert!(largest < LARGEST_ANSWER, "{largest} bytes");
    wait_until("alco is ready", SOON, || Some(alco.get("/health").status).filter(|status| *status == 200));
}
