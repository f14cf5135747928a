//! Records whose keys are ids: what Redis keeps of an index stays bounded, the columns that come again are kept, and pages stay
//! small.

use serde_json::{Map, Value, json};

use crate::support::{Alco, Publisher, SOON, Stack, wait_until};

const RECORDS: usize = 1000;
const KEYS_PER_RECORD: usize = 200;
/// of `filtered` columns
const HOSTS_PER_RECORD: usize = 20;
/// One more than are listed and offered.
const KEPT_COLUMNS: usize = 1001;
const KEPT_VALUES: usize = 10_001;
/// Of a page with 100 lines, each of which is cut.
const MAX_PAGE_BYTES: usize = 2 << 20;

fn flood(n: usize) -> String {
    let keys = (0..KEYS_PER_RECORD).map(|key| (format!("a{}", n * KEYS_PER_RECORD + key), json!(1)));
    let mut record: Map<String, Value> = keys.collect();
    let hosts = (0..HOSTS_PER_RECORD).map(|host| json!(format!("h{}", n * HOSTS_PER_RECORD + host)));
    record.insert("host".to_owned(), hosts.collect());
    record.insert("message".to_owned(), json!(format!("flood {n}")));
    Value::Object(record).to_string()
}

#[test]
fn a_flood_of_columns_is_bounded_and_spares_the_known() {
    let stack = Stack::shared();
    let columns = || stack.ask_redis::<usize>(&["ZCARD", "ALCO:COLUMNS:flood"]);
    let score = |column: &str| stack.ask_redis::<Option<f64>>(&["ZSCORE", "ALCO:COLUMNS:flood", column]);
    // seen in three minutes, an hour ago
    let before = jiff::Timestamp::now().as_second() - 3600;
    for column in ["host", "zone"] {
        stack.ask_redis::<()>(&["ZADD", "ALCO:COLUMNS:flood", &format!("{}.001953125", before), column]);
    }
    let alco = Alco::start(stack, &stack.index("flood"));
    let mut publisher = Publisher::to_queue(&stack.amqp, "flood");
    publisher.publish("logstash", "flood.key", (0..RECORDS).map(flood));
    stack.settled_count("flood", RECORDS as u64, SOON * 3);
    wait_until("the columns are noted", SOON, || (columns() >= KEPT_COLUMNS).then_some(()));
    // a column that comes after the flood gets in
    publisher.publish("logstash", "flood.key", [r#"{"message":"late","late":1}"#.to_owned()]);
    wait_until("the new column is noted", SOON, || score("late"));

    assert_eq!(columns(), KEPT_COLUMNS);
    assert_eq!(score("zone"), Some(before as f64 + 2.0 / 1024.0), "the flood does not displace it");
    let host = score("host").unwrap();
    assert!(host > before as f64 + 3000.0 && host.fract() >= 3.0 / 1024.0, "seen again: {host}");
    let values = stack.ask_redis::<usize>(&["ZCARD", "ALCO:VALUES:flood:host"]);
    assert_eq!(values, KEPT_VALUES);

    let page = alco.get("/grep/flood/columns/");
    assert_eq!(page.status, 200);
    for text in ["More columns than 1,000: ", ">host</a>", ">zone</a>", ">late</a>", "over 10,000"] {
        assert!(page.body.contains(text), "no {text}");
    }
    let log = alco.get("/grep/flood/");
    assert!(log.body.contains(",zone\">zone</a>"), "offered before those that came once");
    for page in [page, log] {
        assert!(page.body.len() < MAX_PAGE_BYTES, "{} bytes", page.body.len());
    }
    assert!(alco.stop().success());
}
