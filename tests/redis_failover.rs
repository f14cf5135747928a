//! Another Redis becomes the primary: alco finds it by Sentinel or among several addresses, and no record is lost or stored twice.

use std::fs;

use crate::nodes::under_load;
use crate::support::redis_server::{RedisServer, ask, start};
use crate::support::{Alco, LONG, Publisher, SOON, Stack, body, free_port, queue_state, wait_until};

/// The primary fails over under load: `fail` has it do so.
#[track_caller]
fn check(name: &str, redis: impl FnOnce(&Stack, u16) -> (String, Option<RedisServer>), fail: impl FnOnce(&Stack, u16)) {
    let ini = format!("[index {name}]\ndays = 2\nthreads = 2\nrouting_keys = {name}.#\n");
    let stack = Stack::private(name, &ini);
    let (primary, port) = (stack.redis.clone(), free_port());
    let primary_port = primary.rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    let replica_of = format!("port {port}\nreplicaof 127.0.0.1 {primary_port}\nsave \"\"\nappendonly yes\n");
    let _replica = start(&stack, "replica", &[], &replica_of);
    let replica = format!("redis://127.0.0.1:{port}/0");
    wait_until("the replica follows", SOON, || {
        ask::<String>(&replica, &["INFO"]).filter(|info| info.contains("master_link_status:up"))
    });
    let (setting, _sentinel) = redis(&stack, port);
    let path = stack.dir().join("alco.ini");
    let text = fs::read_to_string(&path).unwrap().replace(&format!("url = {primary}"), &setting);
    fs::write(&path, text).unwrap();
    let alco = Alco::start(&stack, &ini);
    let published = under_load(&stack.amqp, name, || {
        wait_until("a part is stored", LONG, || stack.count(name).filter(|count| *count > 2000));
        fail(&stack, port);
        let is_primary = || ask::<String>(&replica, &["INFO"]).filter(|info| info.contains("role:master"));
        wait_until("the replica is the primary", LONG, is_primary);
        let before = stack.count(name).unwrap();
        wait_until("more is stored", LONG, || stack.count(name).filter(|count| *count > before + 5000));
    });
    let stored = stack.settled(name, published as u64, LONG);
    wait_until("all are taken", LONG, || queue_state(&stack.amqp, name).filter(|queue| queue.messages == 0));
    assert!(alco.stop().success());
    assert_eq!((stored.len(), stack.count(name)), (published, Some(published as u64)), "each once");
}

#[test]
fn sentinel_names_another_redis_and_no_record_is_lost() {
    let sentinel = |stack: &Stack, _| {
        let primary = stack.redis.rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
        let port = free_port();
        let lines = format!(
            "port {port}\nsentinel monitor main 127.0.0.1 {primary} 1\nsentinel down-after-milliseconds main 1000\n\
             sentinel failover-timeout main 5000\n"
        );
        let server = start(stack, "sentinel", &["--sentinel"], &lines);
        let url = format!("redis://127.0.0.1:{port}/0");
        wait_until("Sentinel knows the replica", LONG, || {
            ask::<Vec<redis::Value>>(&url, &["SENTINEL", "REPLICAS", "main"]).filter(|replicas| !replicas.is_empty())
        });
        // one that is down is passed over
        (format!("url = redis://127.0.0.1:{}/0, {url}\nsentinel = main", free_port()), Some(server))
    };
    check("sentinel", sentinel, |stack, _| stack.kill("redis"));
}

#[test]
fn the_primary_among_several_addresses_takes_the_records() {
    let both = |stack: &Stack, port| (format!("url = redis://127.0.0.1:{port}/0, {}", stack.redis), None);
    // the old one lives on, and takes no writes
    check("addresses", both, |stack, port| stack.ask_redis::<()>(&["FAILOVER", "TO", "127.0.0.1", &port.to_string()]));
}

#[test]
fn a_sentinel_that_asks_for_a_login_gets_that_of_redis() {
    let name = "sentinel_login";
    let ini = format!("[index {name}]\ndays = 2\nrouting_keys = {name}.#\n");
    let stack = Stack::private(name, &ini);
    let (primary, port) = (stack.redis.rsplit(':').next().unwrap().split('/').next().unwrap(), free_port());
    let lines = format!(
        "port {port}\nrequirepass secret\nsentinel monitor main 127.0.0.1 {primary} 1\nsentinel auth-pass main secret\n"
    );
    let _sentinel = start(&stack, "sentinel", &["--sentinel"], &lines);
    let url = format!("redis://:secret@127.0.0.1:{port}/0");
    wait_until("Sentinel answers", LONG, || ask::<String>(&url, &["PING"]));
    stack.ask_redis::<()>(&["CONFIG", "SET", "requirepass", "secret"]);
    let path = stack.dir().join("alco.ini");
    let text = fs::read_to_string(&path).unwrap();
    let setting = format!("url = {url}\nsentinel = main");
    fs::write(&path, text.replace(&format!("url = {}", stack.redis), &setting)).unwrap();
    let alco = Alco::start(&stack, &ini);
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", &format!("{name}.key"), (0..10).map(|n| body(&format!("record {n}"))));
    publisher.close();
    stack.settled_count(name, 10, LONG);
    assert!(alco.stop().success());
}
