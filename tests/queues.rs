//! Exchanges and queues of unusual kinds, and a broker that takes no records while alco has to dead-letter one.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use amiquip::{AmqpValue, Connection, ExchangeDeclareOptions, ExchangeType, QueueDeclareOptions};

use crate::support::{Alco, LONG, Publisher, SOON, SetAtEnd, Stack, body, queue_state, take_dead, try_get, wait_until};

fn index(name: &str, more: &str) -> String {
    format!("[index {name}]\ndays = 2\nrouting_keys = {name}.#\n{more}")
}

#[test]
fn quorum_queues_are_collected_exactly_once() {
    let ini = index("quorum", "queue_type = quorum\nthreads = 2\n");
    let stack = Stack::private("quorum", &ini);
    let alco = Alco::start(&stack, &ini);
    let over = AtomicBool::new(false);
    let (alco, published) = thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let mut publisher = Publisher::open(&stack.amqp);
            let mut published = 0;
            while !over.load(Relaxed) {
                let numbers = published..published + 200;
                publisher.publish("logstash", "quorum.key", numbers.map(|n| body(&format!("record {n}"))));
                published += 200;
            }
            published
        });
        let ending = SetAtEnd(&over);
        // kill -9 while more of them come
        wait_until("a part is stored", LONG, || stack.count("quorum").filter(|n| *n > 500));
        drop(alco);
        drop(ending);
        (Alco::start(&stack, &ini), publishing.join().unwrap())
    });
    let stored = stack.settled("quorum", published as u64, LONG);
    wait_until("all are acknowledged", LONG, || queue_state(&stack.amqp, "quorum").filter(|queue| queue.messages == 0));
    assert!(alco.stop().success());
    assert_eq!((stored.len(), stack.count("quorum")), (published, Some(published as u64)), "each once");
    assert_eq!(queue_state(&stack.amqp, "quorum").map(|queue| queue.messages), Some(0));
}

#[test]
fn an_exchange_is_declared_or_used_as_it_is() {
    let ini = [index("loose", ""), index("fan", "")].concat();
    let stack = Stack::private("exchanges", &ini);
    let mut connection = Connection::insecure_open(&stack.amqp).unwrap();
    let channel = connection.open_channel(None).unwrap();
    let publish = |exchange: &str, key: &str| {
        let mut publisher = Publisher::open(&stack.amqp);
        publisher.publish(exchange, key, [body(&format!("by {exchange}"))]);
        publisher.close();
    };

    // not durable
    let alco = Alco::start(&stack, &(index("loose", "") + "[rabbitmq]\nexchange = loose\nexchange_durable = no\n"));
    let loose = ExchangeDeclareOptions { durable: false, ..Default::default() };
    channel.exchange_declare(ExchangeType::Topic, "loose", loose).unwrap();
    publish("loose", "loose.key");
    assert_eq!(stack.settled("loose", 1, SOON).get("by loose"), Some(&1));
    assert!(alco.stop().success());

    // of another type, which has its own rules for routing keys
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare(ExchangeType::Fanout, "fan", durable).unwrap();
    let alco = Alco::start(&stack, &(index("fan", "") + "[rabbitmq]\nexchange = fan\n"));
    assert_eq!(alco.logged("exchange 'fan' exists with other properties and is used as it is"), 1, "{}", alco.log());
    publish("fan", "whatever");
    assert_eq!(stack.settled("fan", 1, SOON).get("by fan"), Some(&1));
    assert!(alco.stop().success());
}

#[test]
fn a_blocked_dead_letter_holds_up_no_other_record() {
    let ini = index("blocked", "");
    let stack = Stack::private("blocked", &ini);
    let mut publisher = Publisher::to_queue(&stack.amqp, "blocked");
    let mut all: Vec<String> = (0..100).map(|n| body(&format!("record {n}"))).collect();
    all.insert(50, body(&"x".repeat(5 << 20)));
    publisher.publish("logstash", "blocked.key", &all);
    publisher.close();
    // the broker takes no records from publishers: connection.blocked
    stack.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "1"]);
    let alco = Alco::start(&stack, &ini);
    // at least those before it: the broker decides how many of the others are in its batch
    wait_until("the good ones of its batch are stored", SOON, || stack.count("blocked").filter(|count| *count >= 50));
    assert!(
        queue_state(&stack.amqp, "blocked.dead").is_none_or(|dead| dead.messages == 0),
        "no record can be dead-lettered"
    );
    stack.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "512MB"]);
    let dead = wait_until("it is dead-lettered", LONG, || {
        Some(take_dead(&stack.amqp, "blocked")).filter(|dead| !dead.is_empty())
    });
    // once, and once more for each time that the broker was slow to confirm it
    assert!(dead.len() <= 1 + alco.logged("did not confirm"), "{} dead:\n{}", dead.len(), alco.log());
    assert!(dead.iter().all(|dead| dead.body == all[50].as_bytes()));
    wait_until("all are acknowledged", LONG, || {
        queue_state(&stack.amqp, "blocked").filter(|queue| queue.messages == 0)
    });
    assert_eq!(stack.settled("blocked", 100, SOON).len(), 100);
    assert!(alco.stop().success());
    assert_eq!(stack.count("blocked"), Some(100), "each once");
    assert_eq!(queue_state(&stack.amqp, "blocked").map(|queue| queue.messages), Some(0));
}

#[test]
fn a_queue_that_exists_is_taken_as_it_is() {
    let long = index("long", "queue_arguments = x-max-length=1000, x-message-ttl=86400000\nthreads = 2\n");
    let own = index("own", "queue_arguments = x-max-length=1000, x-queue-mode=lazy, x-single-active-consumer=true\n");
    let (short, quorum) = (index("short", "threads = 2\n"), index("majority", ""));
    let ini = [long, own, short, quorum].concat();
    let stack = Stack::private("arguments", &ini);
    let mut connection = Connection::insecure_open(&stack.amqp).unwrap();
    let channel = connection.open_channel(None).unwrap();
    let number = AmqpValue::LongLongInt;
    let text = |text: &str| AmqpValue::LongString(text.into());
    let declare = |queue: &str, durable, arguments: &[(&str, AmqpValue)]| {
        let arguments = arguments.iter().map(|(key, value)| ((*key).into(), value.clone())).collect();
        let options = QueueDeclareOptions { durable, arguments, ..Default::default() };
        channel.queue_declare(queue, options).unwrap_or_else(|error| panic!("{queue}: {error}"));
    };
    // other programs declare them: with the configured arguments, with other ones, and with another type
    declare("long", true, &[("x-max-length", number(1000)), ("x-message-ttl", number(86_400_000))]);
    declare("short", false, &[("x-max-length", number(1000)), ("x-dead-letter-exchange", text("dlx"))]);
    declare("majority", true, &[("x-queue-type", text("quorum")), ("x-max-length", number(1000))]);

    let alco = Alco::start(&stack, &ini);
    let mut publisher = Publisher::open(&stack.amqp);
    for name in ["long", "own", "short", "majority"] {
        publisher.publish("logstash", &format!("{name}.key"), (0..200).map(|n| body(&format!("{name} {n}"))));
    }
    // the dead queue has no arguments
    publisher.publish("logstash", "own.key", [body(&"x".repeat(5 << 20))]);
    publisher.close();
    for name in ["long", "own", "short", "majority"] {
        assert_eq!(stack.settled(name, 200, LONG).len(), 200, "{name}: each once");
        let as_it_is = format!("queue '{name}' exists with other properties and is used as it is: ");
        let is_other = ["short", "majority"].contains(&name);
        assert_eq!(alco.logged(&as_it_is), usize::from(is_other), "logged once for all workers: {}", alco.log());
    }
    let reply = wait_until("all work", LONG, || Some(alco.get("/health")).filter(|reply| reply.status == 200));
    assert!(reply.body.contains("collecting majority works: 1 of 1 workers"), "{}", reply.body);
    wait_until("it is dead-lettered", LONG, || queue_state(&stack.amqp, "own.dead").filter(|dead| dead.messages == 1));
    // alco made these
    declare(
        "own",
        true,
        &[
            ("x-max-length", number(1000)),
            ("x-queue-mode", text("lazy")),
            ("x-single-active-consumer", AmqpValue::Boolean(true)),
        ],
    );
    declare("own.dead", true, &[]);
    assert!(alco.stop().success());
}

#[test]
fn health_names_the_queue_that_cannot_be_used() {
    let ini = [index("usable", ""), index("refused", "queue_arguments = x-max-length=-1\n")].concat();
    let stack = Stack::private("refused-queue", &ini);
    let alco = Alco::spawn(&stack, &ini);
    let texts = [
        "collecting usable works: 1 of 1 workers",
        "collecting refused does not work: cannot declare queue 'refused': ",
        "invalid arg 'x-max-length'",
    ];
    let health = || try_get(&format!("{}/health", alco.url)).ok();
    let reply = wait_until("/health names the queue", LONG, || {
        health().filter(|reply| texts.iter().all(|text| reply.body.contains(text)))
    });
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert!(alco.stop().success());
}
