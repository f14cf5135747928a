//! Hostile deliveries: a producer may put any bytes into a routing key, a property or a header. alco stores each such record, and
//! collecting goes on.

use std::collections::BTreeMap;

use amiquip::{AmqpValue, Connection};
use serde_json::{Value, json};

use crate::support::raw_amqp::{RawMessage, RawPublisher, long, short};
use crate::support::{Alco, LONG, Publisher, SOON, Stack, body, queue_state, wait_until};

const HEADERS: u16 = 1 << 13;
const CORRELATION_ID: u16 = 1 << 10;
const REPLY_TO: u16 = 1 << 9;
const EXPIRATION: u16 = 1 << 8;
const MESSAGE_ID: u16 = 1 << 7;
const USER_ID: u16 = 1 << 4;

fn message(name: &str) -> RawMessage {
    let (exchange, routing_key) = (b"logstash".to_vec(), b"deliveries.raw".to_vec());
    RawMessage { exchange, routing_key, body: body(name).into_bytes(), ..RawMessage::default() }
}

/// With a header `v` of that type and value, between two others.
fn with_header(letter: u8, value: &[u8]) -> RawMessage {
    let table = [&short(b"a")[..], b"t\x01", &short(b"v"), &[letter], value, &short(b"z"), b"t\x01"].concat();
    RawMessage { flags: HEADERS, properties: long(&table), ..message("") }
}

/// Tables within tables, or arrays within arrays.
fn nested(letter: u8, levels: usize) -> Vec<u8> {
    let key: &[u8] = if letter == b'F' { &[0] } else { &[] };
    let each = key.len() + 5;
    let length = |levels: usize| u32::try_from(levels * each).unwrap().to_be_bytes();
    let inner: Vec<u8> = (0..levels).rev().flat_map(|level| [key, &[letter], &length(level)].concat()).collect();
    long(&inner)
}

/// Name, message, column, its value as stored; and whether alco changes it.
fn hostile() -> Vec<(&'static str, RawMessage, &'static str, Value, bool)> {
    let with = |flags: u16, properties: Vec<u8>| RawMessage { flags, properties, ..message("") };
    let keyed = |routing_key: &[u8]| RawMessage { routing_key: routing_key.to_vec(), ..message("") };
    let longest = [&b"deliveries."[..], &[0xff; 244]].concat();
    let cut = format!("deliveries.{}", "\u{fffd}".repeat(81));
    let mut all = vec![
        ("a routing key", keyed(b"deliveries.\xff\xfe"), "routing_key", json!("deliveries.\u{fffd}\u{fffd}"), true),
        ("a routing key of 255 bytes", keyed(&longest), "routing_key", json!(cut), true),
        ("a NUL in it", keyed(b"deliveries.\0"), "routing_key", json!("deliveries.\0"), false),
        ("a message id", with(MESSAGE_ID, short(b"m\xff")), "message_id", json!("m\u{fffd}"), true),
        ("a correlation id", with(CORRELATION_ID, short(b"\xc3")), "correlation_id", json!("\u{fffd}"), true),
        ("flags that do not exist", with(0b10, vec![]), "message_id", Value::Null, true),
    ];
    let headers: [(&str, u8, Vec<u8>, Value, bool); 26] = [
        ("a text", b'S', long(b"\xff"), json!("\u{fffd}"), true),
        ("a long text", b'S', long(&[b'x'; 100_000]), json!("x".repeat(100_000)), false),
        ("an empty text", b'S', long(b""), json!(""), false),
        ("bytes", b'x', long(b"\xff"), json!("/w=="), false),
        ("a boolean", b't', vec![2], json!(true), false),
        ("8 bits", b'b', vec![0xff], json!(-1), false),
        ("8 bits, unsigned", b'B', vec![0xff], json!(255), false),
        ("16 bits", b's', vec![0x80, 0], json!(-32768), false),
        ("16 bits, unsigned", b'u', vec![0xff; 2], json!(65535), false),
        ("32 bits", b'I', vec![0x80, 0, 0, 0], json!(i32::MIN), false),
        ("32 bits, unsigned", b'i', vec![0xff; 4], json!(u32::MAX), false),
        ("64 bits", b'l', vec![0x80, 0, 0, 0, 0, 0, 0, 0], json!(i64::MIN), false),
        ("a time", b'T', vec![0xff; 8], json!(u64::MAX), false),
        ("a short float", b'f', 0.5f32.to_be_bytes().to_vec(), json!(0.5), false),
        ("a float", b'd', 1e300f64.to_be_bytes().to_vec(), json!(1e300), false),
        ("a decimal", b'D', vec![2, 0, 0, 0x30, 0x39], json!(123.45), false),
        ("nothing", b'V', vec![], Value::Null, false),
        ("an empty table", b'F', long(b""), json!({}), false),
        ("an empty array", b'A', long(b""), json!([]), false),
        ("a table", b'F', long(b"\x01\xfft\x01"), json!({"\u{fffd}": true}), true),
        ("an array", b'A', long(b"S\0\0\0\x01\xffV"), json!(["\u{fffd}", null]), true),
        ("12 levels", b'A', nested(b'A', 12), (0..12).fold(json!([]), |inner, _| json!([inner])), false),
        ("20,000 arrays", b'A', nested(b'A', 20_000), deepest(|inner| json!([inner])), true),
        ("20,000 tables", b'F', nested(b'F', 20_000), deepest(|inner| json!({"": inner})), true),
        ("the same key in a table", b'F', long(b"\x01kt\x01\x01kt\0"), json!({"k": false}), false),
        ("an empty key", b'F', long(b"\0t\x01"), json!({"": true}), false),
    ];
    all.extend(
        headers
            .into_iter()
            .map(|(name, letter, value, read, changed)| (name, with_header(letter, &value), "header.v", read, changed)),
    );
    all
}

fn deepest(wrap: fn(Value) -> Value) -> Value {
    (0..32).fold(json!("nested too deep"), |inner, _| wrap(inner))
}

/// Every record of the index, by its message.
fn records(alco: &Alco) -> BTreeMap<String, Value> {
    let text = alco.get("/grep/deliveries/?format=ndjson&start_ts=-1h").body;
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.map(|record| (record["message"].as_str().unwrap().to_owned(), record)).collect()
}

#[test]
fn every_delivery_is_stored_whatever_its_properties() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("deliveries"));
    let mut publisher = RawPublisher::open(&stack.amqp);
    let (hostile, mut published, mut changed) = (hostile(), 0, 0);
    for (name, message, .., is_changed) in &hostile {
        publisher.publish(&RawMessage { body: body(name).into_bytes(), ..message.clone() });
        publisher.publish(&self::message(&format!("after {name}")));
        published += 2;
        changed += u64::from(*is_changed);
    }
    stack.settled_count("deliveries", published, SOON);
    let records = records(&alco);
    for (name, _, column, read, _) in &hostile {
        let record = records.get(*name).unwrap_or_else(|| panic!("{name} is not stored"));
        assert_eq!(record.get(column).unwrap_or(&Value::Null), read, "{name}");
    }
    wait_until("all are acknowledged", SOON, || {
        queue_state(&stack.amqp, "deliveries").filter(|queue| queue.messages == 0)
    });
    assert_eq!(alco.metric("alco_deliveries_changed_total{index=\"deliveries\"}"), changed);
    assert_eq!(alco.logged("alco_deliveries_changed_total"), 1, "{}", alco.log());
    assert_eq!(
        alco.metric("alco_server_failures_total{index=\"deliveries\",server=\"rabbitmq\"}"),
        0,
        "the connection lasts:\n{}",
        alco.log()
    );
    assert!(queue_state(&stack.amqp, "deliveries.dead").is_none(), "none is dead-lettered");
    assert!(alco.stop().success());
    assert_eq!(stack.count("deliveries"), Some(published), "each once");
}

/// RabbitMQ obeys some properties of a message that is published again: it refuses a foreign user's name, sends copies to queues
/// that CC names, drops what has expired, and closes the connection for headers that do not fit a frame.
#[test]
fn no_property_keeps_a_record_from_the_dead_queue() {
    let ini = "[index dead]\ndays = 2\nrouting_keys = dead.#\n";
    let stack = Stack::private("hostile-dead", ini);
    stack.rabbitmqctl(&["add_user", "producer", "pr0ducer"]);
    stack.rabbitmqctl(&["set_permissions", "producer", ".*", ".*", ".*"]);
    let alco = Alco::start(&stack, ini);
    let mut publisher = RawPublisher::open(&stack.amqp.replace("guest:guest@", "producer:pr0ducer@"));
    let large = body(&"x".repeat(5 << 20)).into_bytes();
    let mut filling = Vec::new();
    for n in 0..129 {
        filling.extend([&short(format!("h{n}").as_bytes())[..], b"S", &long(&[b'x'; 1000])].concat());
    }
    filling.extend([&short(b"h")[..], b"S", &long(&[b'x'; 800])].concat());
    // in UTF-8 it is three times as long
    let growing = [&short(b"h")[..], b"S", &long(&[0xff; 130_000])].concat();
    let copies =
        [&short(b"CC")[..], b"A", &long(&[&b"S"[..], &long(b"dead"), b"S", &long(b"dead.dead")].concat())].concat();
    let sent = [
        (USER_ID, short(b"producer")),
        (EXPIRATION, short(b"60000")),
        (HEADERS, long(&copies)),
        (HEADERS, long(&filling)),
        (HEADERS, long(&growing)),
        (REPLY_TO | MESSAGE_ID, [short(b"amq.rabbitmq.reply-to.x"), short(b"last")].concat()),
    ];
    for (flags, properties) in &sent {
        let (exchange, routing_key) = (b"logstash".to_vec(), b"dead.key".to_vec());
        let (flags, properties, body) = (*flags, properties.clone(), large.clone());
        publisher.publish(&RawMessage { exchange, routing_key, flags, properties, body });
    }
    let mut good = Publisher::open(&stack.amqp);
    good.publish("logstash", "dead.key", [body("good")]);
    stack.settled_count("dead", 1, LONG);
    wait_until("all are acknowledged", LONG, || queue_state(&stack.amqp, "dead").filter(|queue| queue.messages == 0));
    assert!(alco.stop().success());
    let dead = queue_state(&stack.amqp, "dead.dead").map(|queue| queue.messages as usize);
    assert_eq!(dead, Some(sent.len()), "each once");

    let mut connection = Connection::insecure_open(&stack.amqp).unwrap();
    let channel = connection.open_channel(None).unwrap();
    let mut found = BTreeMap::new();
    while let Some(got) = channel.basic_get("dead.dead", true).unwrap() {
        let properties = got.delivery.properties;
        assert_eq!((properties.user_id(), properties.expiration(), properties.reply_to()), (&None, &None, &None));
        for (name, value) in properties.headers().clone().unwrap_or_default() {
            if let AmqpValue::LongString(text) = value {
                found.insert(name, text);
            }
        }
    }
    assert_eq!(found["x-alco-user-id"], "producer");
    assert_eq!(found["x-alco-expiration"], "60000");
    assert_eq!(found["x-alco-reply-to"], "amq.rabbitmq.reply-to.x");
    assert!(found["x-alco-left-out"].starts_with("headers of "), "{found:?}");
    assert_eq!(found["x-alco-routing-key"], "dead.key");
}
