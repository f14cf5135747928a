//! Quorum queues: a cluster of RabbitMQ whose leader dies, and records that were delivered too often.

use std::fs;
use std::path::Path;

use amiquip::{Connection, ConsumerOptions};
use nix::sys::signal::Signal;

use crate::nodes::under_load;
use crate::support::cluster::Cluster;
use crate::support::{ALCO, Alco, LONG, Publisher, SOON, Stack, body, queue_state, take_dead, wait_until};

fn index(name: &str, more: &str) -> String {
    format!("[index {name}]\ndays = 2\nrouting_keys = {name}.#\nqueue_type = quorum\n{more}")
}

#[test]
fn the_leader_of_a_quorum_queue_dies_without_loss() {
    let ini = index("led", "threads = 2\n");
    let mut stack = Stack::of("cluster", &["redis", "searchd"], Path::new(ALCO), &ini);
    let mut cluster = Cluster::start(&stack);
    let urls = cluster.urls();
    // the last is the one that lives to the end
    let path = stack.dir().join("alco.ini");
    let text = fs::read_to_string(&path).unwrap().replace(&stack.amqp, &urls.join(", "));
    fs::write(&path, text).unwrap();
    stack.amqp.clone_from(&urls[2]);
    let alco = Alco::start(&stack, &ini);
    let led = cluster.leader(2, "led");
    assert_ne!(led, 2, "a queue is led where alco declared it: at the first address");
    let published = under_load(&urls[2], "led", || {
        wait_until("a part is stored", LONG, || stack.count("led").filter(|count| *count > 1000));
        cluster.kill(led);
        let before = stack.count("led").unwrap();
        wait_until("more is stored", LONG, || stack.count("led").filter(|count| *count > before + 2000));
        assert_ne!(cluster.leader(2, "led"), led);
    });
    let stored = stack.settled("led", published as u64, LONG);
    wait_until("all are acknowledged", LONG, || {
        let messages = cluster.control(2, &["list_queues", "--silent", "messages"]);
        messages.split_whitespace().all(|count| count == "0").then_some(())
    });
    assert!(alco.stop().success());
    assert_eq!((stored.len(), stack.count("led")), (published, Some(published as u64)), "each once");
    eprintln!("{published} records, leader alco{} killed", led + 1);
}

/// Takes all records of a queue, and ends the connection without an acknowledgement.
fn take_and_die(amqp: &str, queue: &str, records: usize) {
    let mut connection = Connection::insecure_open(amqp).unwrap();
    let channel = connection.open_channel(None).unwrap();
    let consumer = channel.basic_consume(queue, ConsumerOptions::default()).unwrap();
    for _ in 0..records {
        consumer.receiver().recv_timeout(SOON).expect("a delivery");
    }
    drop(consumer);
    drop(channel);
    let _ = connection.close();
    wait_until("they wait again", SOON, || {
        queue_state(amqp, queue).filter(|queue| queue.consumers == 0 && queue.messages as usize == records)
    });
}

#[test]
fn a_record_at_its_delivery_limit_is_dead_lettered_not_dropped() {
    let ini = index("limited", "queue_arguments = x-delivery-limit=3\n");
    let stack = Stack::private("limited", &ini);
    let alco = Alco::start(&stack, &ini);
    assert!(alco.stop().success());
    let publish = |from: usize| {
        let mut publisher = Publisher::open(&stack.amqp);
        publisher.publish("logstash", "limited.key", (from..from + 300).map(|n| body(&format!("record {n}"))));
        publisher.close();
    };
    publish(0);

    // alco takes none while searchd is away, however often it is killed
    stack.stop("searchd");
    for _ in 0..5 {
        let alco = Alco::spawn(&stack, &ini);
        wait_until("it waits for searchd", LONG, || (alco.logged("trying again until it works") > 0).then_some(()));
        alco.signal(Signal::SIGKILL);
    }
    stack.restart("searchd");
    assert_eq!(queue_state(&stack.amqp, "limited").map(|queue| queue.messages), Some(300));

    // two deliveries in vain leave one
    take_and_die(&stack.amqp, "limited", 300);
    take_and_die(&stack.amqp, "limited", 300);
    let alco = Alco::start(&stack, &ini);
    assert_eq!(stack.settled("limited", 300, LONG).len(), 300);
    wait_until("all are taken", LONG, || queue_state(&stack.amqp, "limited").filter(|queue| queue.messages == 0));
    assert!(alco.stop().success());
    assert!(take_dead(&stack.amqp, "limited").is_empty());

    // three leave none: alco gives the reason
    publish(300);
    (0..3).for_each(|_| take_and_die(&stack.amqp, "limited", 300));
    let alco = Alco::start(&stack, &ini);
    wait_until("all are dead-lettered", LONG, || {
        queue_state(&stack.amqp, "limited.dead").filter(|dead| dead.messages == 300)
    });
    assert!(alco.stop().success());
    let dead = take_dead(&stack.amqp, "limited");
    assert!(
        dead.iter().all(|dead| dead.reason.contains("after 3 deliveries, the limit of its queue")),
        "{:?}",
        dead[0]
    );
    assert_eq!(queue_state(&stack.amqp, "limited").map(|queue| queue.messages), Some(0));

    // RabbitMQ itself does not drop them either
    publish(600);
    (0..3).for_each(|_| take_and_die(&stack.amqp, "limited", 300));
    let mut connection = Connection::insecure_open(&stack.amqp).unwrap();
    let channel = connection.open_channel(None).unwrap();
    let consumer = channel.basic_consume("limited", ConsumerOptions::default()).unwrap();
    (0..300).for_each(|_| drop(consumer.receiver().recv_timeout(SOON).expect("a delivery")));
    drop(consumer);
    let _ = connection.close();
    wait_until("they are in the dead queue", SOON, || {
        queue_state(&stack.amqp, "limited.dead").filter(|dead| dead.messages == 300)
    });
    assert_eq!(stack.count("limited"), Some(300));
}
