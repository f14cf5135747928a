//! Hostile bodies: alco stores every body, or dead-letters it with the reason; and it stores the good records around it.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use mysql::prelude::Queryable;

use crate::support::{ALCO, Alco, Publisher, SOON, Stack, body, directory, executable, take_dead, wait_until};

/// The fate of a body.
enum Fate {
    /// the stored message, and a part of `alco_error`, if there is one
    Stored(String, Option<&'static str>),
    /// a part of the dead record's header with the reason
    Dead(&'static str),
}
use Fate::{Dead, Stored};

/// Name, body, fate.
fn poison() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let now = jiff::Timestamp::now();
    let stamped = |rest: &str| format!(r#"{{"@timestamp":"{now}",{rest}}}"#).into_bytes();
    let stored = |message: &str, why| Stored(message.to_owned(), why);
    let same = |text: &str, why| (text.as_bytes().to_vec(), Stored(text.to_owned(), why));
    let deep = |depth: usize| format!(r#"{{"message":"deep","n":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let at = |hours: i64| now.checked_add(jiff::SignedDuration::from_hours(hours)).unwrap();
    let mut all = Vec::new();
    let mut add = |name, (body, fate): (Vec<u8>, Fate)| all.push((name, body, fate));
    add("no JSON", same("it's no JSON \\' at all", Some("not a JSON object")));
    add("JSON, but no object", same("[1,2,3]", Some("not a JSON object")));
    add("half an object", same(r#"{"message":"half"#, Some("not a JSON object")));
    add("something after the object", same(r#"{"message":"x"} y"#, Some("not a JSON object")));
    add("invalid UTF-8", (b"bad \xff\xfe bytes".to_vec(), stored("bad \u{fffd}\u{fffd} bytes", Some("not UTF-8"))));
    add("300 levels", same(&deep(300), Some("too deep")));
    add(
        "a byte order mark",
        (["\u{feff}".as_bytes(), &stamped(r#""message":"marked""#)].concat(), stored("marked", None)),
    );
    add("NaN", (stamped(r#""message":"n","a":NaN,"b":[-Infinity]"#), stored("n", Some("NaN or Infinity"))));
    // as searchd's parser counts: the first member of an object, a later one, lists, and both
    for (name, open, close) in [
        ("first members", "{\"a\":", "}"),
        ("second members", "{\"a\":0,\"b\":", "}"),
        ("lists", "[", "]"),
        ("second elements", "[0,", "]"),
        ("objects in lists", "[0,{\"a\":0,\"b\":", "}]"),
    ] {
        for levels in [35, 37, 38, 39, 40, 61, 62, 63, 64, 65, 100, 127] {
            let levels = levels / name.split(' ').filter(|word| *word == "in").count().saturating_add(1);
            let nested = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            add(name, (stamped(&format!(r#""message":"{name}","n":{nested}"#)), stored(name, None)));
        }
    }
    for (name, value, why) in [
        ("a column of 1.9 MiB", format!("\"{}\"", "x".repeat(19 * (1 << 20) / 10)), None),
        ("a column of 2.1 MiB", format!("\"{}\"", "x".repeat(21 * (1 << 20) / 10)), Some("larger than searchd's JSON")),
        ("200,000 numbers", format!("[{}1]", "1,".repeat(200_000)), None),
        ("a million numbers", format!("[{}1]", "1,".repeat(1_000_000)), Some("larger than searchd's JSON")),
        ("300,000 empty lists", format!("[{}1]", "[],".repeat(300_000)), Some("larger than searchd's JSON")),
        (
            "150,000 columns",
            {
                let members: Vec<String> = (0..150_000).map(|n| format!("\"k{n}\":{n}")).collect();
                format!("{{{}}}", members.join(","))
            },
            Some("larger than searchd's JSON"),
        ),
    ] {
        add(name, (stamped(&format!(r#""message":"{name}","n":{value}"#)), stored(name, why)));
    }
    add("100,000 levels", same(&deep(100_000), Some("not a JSON object")));
    add("nothing", same("", Some("not a JSON object")));
    add("an empty object", same("{}", Some("no message")));
    add("no time", (br#"{"message":"timeless"}"#.to_vec(), stored("timeless", Some("no @timestamp"))));
    add("no message", {
        let body = stamped(r#""x":1"#);
        let text = String::from_utf8(body.clone()).unwrap();
        (body, Stored(text, Some("no message")))
    });
    let timed = |time: jiff::Timestamp, message| format!(r#"{{"@timestamp":"{time}","message":"{message}"}}"#);
    add("far ahead", (timed(at(24 * 9), "ahead").into_bytes(), stored("ahead", Some("more than a day ahead"))));
    add("too old", (timed(at(-24 * 90), "old").into_bytes(), stored("old", Some("before the oldest day"))));
    add("a NUL in the message", (stamped(r#""message":"a\u0000b""#), stored("a b", None)));
    add("a NUL in a column and its name", (stamped(r#""message":"c","n\u0000":"\u0000""#), stored("c", None)));
    add("a NUL in a text", (b"raw\0text".to_vec(), stored("raw text", Some("not a JSON object"))));
    let numbers = r#""message":"numbers","n":[1e30,1e300,1e999,-1e400,1e-400,9223372036854775808,1234567890123456789012345678901234567890]"#;
    add("numbers", (stamped(numbers), stored("numbers", None)));
    let key = "k".repeat(1 << 20);
    add("a key of 1 MiB", (stamped(&format!(r#""message":"long key","{key}":1"#)), stored("long key", None)));
    let long = "0123456789 words of it ".repeat((39 << 20) / 10 / 23);
    add("3.9 MiB", (stamped(&format!(r#""message":"{long}""#)), Stored(long, None)));
    let quotes = "'\\\"".repeat(300_000);
    let escaped = quotes.replace('\\', "\\\\").replace('"', "\\\"");
    add("all escapes", (stamped(&format!(r#""message":"{escaped}""#)), Stored(quotes, None)));
    let words = different_words(600_000);
    add("600,000 words", (stamped(&format!(r#""message":"{words}""#)), Dead("different words: searchd takes minutes")));
    let words = different_words(90_000);
    add("90,000 words", (stamped(&format!(r#""message":"{words}""#)), Stored(words, None)));
    let huge = format!(r#""message":"{}""#, "x".repeat(5 << 20));
    add("5 MiB", (stamped(&huge), Dead("a body of 52")));
    for records in ["{}".repeat(2_000_000), format!("[{}{{}}]", "{},".repeat(199_999))] {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let packed = encoder.write_all(records.as_bytes()).and_then(|()| encoder.finish()).unwrap();
        add("too many records, packed", (packed, Dead("00000 records; alco takes at most 131072 in one")));
        add("too many records", (records.into_bytes(), Dead("00000 records; alco takes at most 131072 in one")));
    }
    all
}

/// Words of five letters, none of which is there twice.
fn different_words(count: usize) -> String {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    let words = (0..count).map(|n| (0..5).map(|place| letter(n / 26_usize.pow(place))).collect::<String>());
    words.collect::<Vec<_>>().join(" ")
}

/// searchd's time for a transaction grows with the square of the number of its words, if there are many.
#[test]
fn many_records_of_many_words_are_stored() {
    const RECORDS: usize = 500;
    let stack = Stack::shared();
    let _alco = Alco::start(stack, &stack.index("wordy"));
    let words = different_words(RECORDS * 1000);
    let words: Vec<&str> = words.split(' ').collect();
    let mut publisher = Publisher::to_queue(&stack.amqp, "wordy");
    publisher.publish("logstash", "wordy.key", words.chunks(1000).map(|words| body(&words.join(" "))));
    // one transaction would take minutes
    stack.settled_count("wordy", RECORDS as u64, SOON);
}

/// Their columns together are more than alco takes in one answer.
#[test]
fn every_body_is_stored_or_dead_lettered() {
    let stack = Stack::shared();
    let _alco = Alco::start(stack, &stack.index("poison"));
    let mut publisher = Publisher::open(&stack.amqp);
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    let mut expected: Vec<(String, String, Option<&str>)> = Vec::new();
    let mut dead = Vec::new();
    for (name, bytes, fate) in poison() {
        for n in 0..50 {
            let message = format!("good {n} before {name}");
            bodies.push(body(&message).into_bytes());
            expected.push((name.to_owned(), message, None));
        }
        bodies.push(bytes);
        match fate {
            Stored(message, why) => expected.push((name.to_owned(), message, why)),
            Dead(why) => dead.push((name, why, bodies.last().unwrap().clone())),
        }
    }
    publisher.publish("logstash", "poison.key", &bodies);
    wait_until("all are stored", SOON * 2, || stack.count("poison").filter(|n| *n >= expected.len() as u64));

    // one worker gives out ids in the order of delivery
    let rows: Vec<(String, String, String)> = stack
        .sphinxql()
        .query("SELECT id, logline, js, exact FROM poison ORDER BY id ASC LIMIT 10000 OPTION max_matches=10000")
        .map(|rows: Vec<(u64, String, String, String)>| rows.into_iter().map(|(_, a, b, c)| (a, b, c)).collect())
        .unwrap();
    assert_eq!(rows.len(), expected.len());
    for ((message, js, exact), (name, sent, why)) in rows.iter().zip(&expected) {
        assert!(message == sent, "{name}: sent {sent:.60}, stored {message:.60}");
        let columns = if exact.is_empty() { js } else { exact };
        match why {
            Some(why) => assert!(
                columns.split_once("alco_error").is_some_and(|(_, error)| error.contains(why)),
                "{name}: no '{why}' in {columns:.200}"
            ),
            None => assert!(!columns.contains("alco_error"), "{name}: {columns:.200}"),
        }
    }
    let mut taken = Vec::new();
    wait_until("the dead are there", SOON, || {
        taken.extend(take_dead(&stack.amqp, "poison"));
        (taken.len() >= dead.len()).then_some(())
    });
    assert_eq!(taken.len(), dead.len());
    for (record, (name, why, sent)) in taken.iter().zip(&dead) {
        assert!(record.reason.contains(why), "{name}: {}", record.reason);
        assert!(record.body == *sent, "{name}: the body is unchanged");
        assert_eq!((record.exchange.as_str(), record.routing_key.as_str()), ("logstash", "poison.key"));
    }
}

/// Servers whose searchd drops the connection at a statement above 1 MiB while a file is there; and the path of that file.
fn small_packets(name: &str, index: &str) -> (Stack, PathBuf) {
    let dir = directory(&format!("{name}-packets"));
    let (standin, small) = (dir.join("alco"), dir.join("small"));
    let script = format!(
        "[ -e {small} ] || exec {ALCO} \"$@\"\n{ALCO} \"$@\" | sed 's/max_packet_size = .*/max_packet_size = 1M/'\n",
        small = small.display()
    );
    executable(&standin, &script);
    fs::write(&small, "").unwrap();
    (Stack::of(name, &["rabbitmq", "redis", "searchd"], &standin, index), small)
}

#[test]
fn bisection_finds_the_record_that_searchd_refuses() {
    let index = "[index small]\ndays = 2\nrouting_keys = small.#\n";
    let (stack, small) = small_packets("small", index);
    let mut publisher = Publisher::to_queue(&stack.amqp, "small");
    // the worst place is the first of a batch: it is in the failing half each time
    let large = body(&"0123456789 ".repeat(110_000));
    let good: Vec<String> = (0..999).map(|n| body(&format!("good {n}"))).collect();
    publisher.publish("logstash", "small.key", std::iter::once(&large).chain(&good));

    let alco = Alco::start(&stack, index);
    let messages = stack.settled("small", 999, SOON);
    assert_eq!(messages.len(), 999, "each of the others is stored once");
    let dead = wait_until("it is dead-lettered", SOON, || {
        let dead = take_dead(&stack.amqp, "small");
        (!dead.is_empty()).then_some(dead)
    });
    assert_eq!(dead.len(), 1);
    assert!(dead[0].reason.contains("max_packet_size"), "{}", dead[0].reason);
    assert!(dead[0].body == large.as_bytes());
    assert_eq!(alco.logged("trying again"), 0, "searchd was never away:\n{}", alco.log());

    // the cause is mended; the record goes back to its exchange
    fs::remove_file(&small).unwrap();
    stack.stop("searchd");
    stack.restart("searchd");
    publisher.publish(&dead[0].exchange, &dead[0].routing_key, [&dead[0].body]);
    wait_until("it is stored", Duration::from_secs(40), || stack.count("small").filter(|n| *n == 1000));
    drop(alco);
}

#[test]
fn of_a_body_of_several_the_refused_record_alone_is_dead() {
    let index = "[index small_parts]\ndays = 2\nrouting_keys = small_parts.#\n";
    let (stack, _) = small_packets("small_parts", index);
    let mut publisher = Publisher::to_queue(&stack.amqp, "small_parts");
    let large = body(&"0123456789 ".repeat(110_000));
    let mut parts: Vec<String> = (0..1200).map(|n| body(&format!("good {n}"))).collect();
    parts.insert(700, large.clone());
    // packed, so that the text of the dead record is seen to be no longer
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let packed = encoder.write_all(parts.join("\n").as_bytes()).and_then(|()| encoder.finish()).unwrap();
    let properties = amiquip::AmqpProperties::default().with_content_encoding("gzip".to_owned());
    publisher.publish_as("logstash", "small_parts.key", [(&packed, properties)]);
    let resource = r#""resource":{"service.name":"shop"}"#;
    let envelope = format!(
        r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"shop"}}}}]}},"scopeLogs":[{{"logRecords":[{},{large}]}}]}}]}}"#,
        body("enveloped")
    );
    publisher.publish("logstash", "small_parts.key", [&envelope]);

    let alco = Alco::start(&stack, index);
    let messages = stack.settled("small_parts", 1201, SOON);
    assert_eq!(messages.len(), 1201, "each of the others is stored once");
    let dead = wait_until("it is put aside", SOON, || {
        crate::support::queue_state(&stack.amqp, "small_parts.dead").filter(|queue| queue.messages == 2)?;
        Some(take_dead(&stack.amqp, "small_parts"))
    });
    let of_envelope = large.replace("\"}", &format!("\",{resource}}}"));
    for (dead, text) in dead.iter().zip([large, of_envelope]) {
        assert!(dead.reason.contains("max_packet_size"), "{}", dead.reason);
        assert!(
            dead.body == text.as_bytes(),
            "its text alone, with its resource: {:.300}",
            String::from_utf8_lossy(&dead.body)
        );
    }
    assert_eq!(dead.len(), 2);
    // it goes back as it lies there
    wait_until("the body is acknowledged", SOON, || {
        crate::support::queue_state(&stack.amqp, "small_parts").filter(|queue| queue.messages == 0)
    });
    assert!(alco.stop().success());
}
