//! SIGTERM: alco exits with 0 within 5 s, under load and while a server is silent; no record is lost or stored twice.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Alco, Publisher, SOON, Stack, body, queue_state, wait_until};

/// alco promises five seconds; three more are for a busy machine.
const MAX_STOP: Duration = Duration::from_secs(5 + 3);
const RECORDS: usize = 60_000;
/// With those that come while searchd is silent; these are fewer than may be delivered at a time.
const ALL_RECORDS: usize = RECORDS + 100;

#[track_caller]
fn ends_in_time(alco: Alco, when: &str) {
    let asked = Instant::now();
    let log = alco.log();
    let status = alco.stop();
    let took = asked.elapsed();
    assert!(status.success() && took < MAX_STOP, "{when}: {status} after {took:?}\n{log}");
}

#[test]
fn sigterm_ends_alco_within_five_seconds_without_loss() {
    let ini = "[index stop]\ndays = 2\nthreads = 2\nrouting_keys = stop.#\n";
    let stack = Stack::private("stop", ini);
    let mut publisher = Publisher::to_queue(&stack.amqp, "stop");
    let all: Vec<String> = (0..RECORDS).map(|n| body(&format!("record {n}"))).collect();
    publisher.publish("logstash", "stop.key", &all);
    publisher.close();
    let stored_more = |than: u64| {
        wait_until("some are stored", SOON * 2, || stack.count("stop").filter(|n| *n > than));
    };

    let alco = Alco::start(&stack, ini);
    stored_more(1000);
    ends_in_time(alco, "under full load");
    let before = stack.count("stop").unwrap();
    assert!(before < RECORDS as u64, "the load was still there");

    let alco = Alco::start(&stack, ini);
    stored_more(before);
    stack.pause("searchd");
    ends_in_time(alco, "while searchd is silent");
    stack.resume("searchd");

    let alco = Alco::start(&stack, ini);
    stack.pause("rabbitmq");
    ends_in_time(alco, "while the broker is silent");
    stack.resume("rabbitmq");

    let mut alco = Alco::start(&stack, ini);
    stored_more(RECORDS as u64 - 1);
    stack.pause("searchd");
    // records for alco to wait for, since all before may be stored
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "stop.key", (RECORDS..ALL_RECORDS).map(|n| body(&format!("record {n}"))));
    publisher.close();
    wait_until("they are delivered", SOON, || queue_state(&stack.amqp, "stop").filter(|queue| queue.messages == 0));
    alco.signal(Signal::SIGTERM);
    wait_until("alco has the first signal", SOON, || (alco.logged("stopping") == 1).then_some(()));
    // an orderly end would have the status 0
    alco.signal(Signal::SIGTERM);
    assert_eq!(alco.ended(SOON).code(), Some(130), "{}", alco.log());
    stack.resume("searchd");

    let alco = Alco::start(&stack, ini);
    let stored = stack.settled("stop", ALL_RECORDS as u64, SOON * 4);
    assert!(alco.stop().success());
    assert_eq!(stored.len(), ALL_RECORDS);
    assert_eq!(stack.count("stop"), Some(ALL_RECORDS as u64), "nothing twice");
}
