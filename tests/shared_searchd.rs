//! Two alcos store in one searchd: what one of them has searchd do costs the other no record.

use serde_json::json;

use crate::support::{Alco, Publisher, SOON, Stack};

/// searchd 2.2.11 loses what is committed while it writes a RAM chunk to the disk.
#[test]
fn no_alco_inserts_while_another_has_a_ram_chunk_written() {
    // alco has a RAM chunk of 64 MiB written
    const RECORDS: usize = 9_000;
    const DETAIL_BYTES: usize = 20_000;
    let ini = "[index shared]\ndays = 2\nrouting_keys = shared.#\nfiltered =\nthreads = 1\n";
    let stack = Stack::private("shared_searchd", ini);
    let mut publisher = Publisher::to_queue(&stack.amqp, "shared");
    let detail = "x".repeat(DETAIL_BYTES);
    let body = |n| json!({"message": format!("record {n}"), "detail": detail}).to_string();
    publisher.publish("logstash", "shared.x", (0..RECORDS).map(body));
    publisher.close();
    let alcos = [(); 2].map(|()| Alco::start(&stack, ini));
    stack.settled_count("shared", RECORDS as u64, SOON * 3);
    let tables = stack.select("SHOW TABLES").unwrap();
    let days =
        tables.iter().filter_map(|table| table.split_whitespace().next()).filter(|name| name.starts_with("shared_2"));
    let written: i64 = days.map(|day| stack.index_status(day)["disk_chunks"]).sum();
    assert!(written > 0, "alco has no RAM chunk written: {tables:?}");
    for alco in alcos {
        assert!(alco.stop().success());
    }
}
