//! From a delivery to its records: compressed bodies, bodies that are not text, bodies of several records, and the properties that
//! RabbitMQ has of each delivery.

use std::collections::BTreeMap;
use std::io::Write;

use amiquip::{AmqpProperties, AmqpValue, FieldTable};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

use crate::support::{Alco, Publisher, SOON, Stack, body, take_dead, wait_until};

/// The records of an index by their message.
fn records(alco: &Alco, index: &str) -> BTreeMap<String, Value> {
    let reply = alco.get(&format!("/grep/{index}/?format=ndjson&start_ts=-1h"));
    assert_eq!(reply.status, 200, "{}", reply.body);
    let records = reply.body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.map(|record| (record["message"].as_str().unwrap().to_owned(), record)).collect()
}

fn encoding(content_encoding: &str) -> AmqpProperties {
    match content_encoding {
        "" => AmqpProperties::default(),
        name => AmqpProperties::default().with_content_encoding(name.to_owned()),
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).unwrap()
}

fn zlib(text: &str) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).unwrap()
}

/// Deflate without zlib's head, as some programs send it.
fn raw(text: &str) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)
}

/// Without its last bytes.
fn torn(mut packed: Vec<u8>) -> Vec<u8> {
    packed.truncate(packed.len() - 9);
    packed
}

#[test]
fn compressed_bodies_are_read() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("bodies"));
    let odd = b"caf\xe9 \x00 \xff\xfe".to_vec();
    let torn_gzip = torn(gzip(&body("torn")));
    let bomb = gzip(&body(&"x".repeat(5 << 20)));
    let several = format!("[{},{}]", body("packed one"), body("packed two"));
    let sent = [
        (gzip(&body("by gzip")), "gzip"),
        (zlib(&body("by zlib")), "deflate"),
        (raw(&body("by deflate")), "deflate"),
        (zstd(&body("by zstd")), "zstd"),
        (gzip(&body("by gzip, not named")), ""),
        (zlib(&body("by zlib, utf-8 named")), "utf-8"),
        (body("plain, utf-8 named").into_bytes(), "utf-8"),
        (body("plain, gzip named").into_bytes(), "gzip"),
        (gzip(&several), "gzip"),
        (odd.clone(), ""),
        (torn_gzip.clone(), "gzip"),
        (bomb.clone(), "gzip"),
    ];
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish_as("logstash", "bodies.key", sent.iter().map(|(body, name)| (body, encoding(name))));
    wait_until("all are stored", SOON, || stack.count("bodies").filter(|count| *count >= 12));

    let records = records(&alco, "bodies");
    assert_eq!(records.len(), 12, "{:?}", records.keys());
    for message in [
        "by gzip",
        "by zlib",
        "by deflate",
        "by zstd",
        "by gzip, not named",
        "by zlib, utf-8 named",
        "plain, utf-8 named",
        "packed one",
        "packed two",
    ] {
        let record = records.get(message).unwrap_or_else(|| panic!("no '{message}' in {:?}", records.keys()));
        assert_eq!((&record["alco_error"], &record["host"]), (&Value::Null, &json!("h1")), "{record}");
    }
    let said = records["plain, gzip named"]["alco_error"].as_str().unwrap();
    assert!(said.contains("not the gzip that its content_encoding names"), "{said}");
    let kept = |bytes: &[u8], why: &str| {
        let found = records.values().find(|record| record["alco_body"] == BASE64_STANDARD.encode(bytes));
        let found = found.unwrap_or_else(|| panic!("{bytes:?} is not kept: {records:?}"));
        assert!(found["alco_error"].as_str().unwrap().contains(why), "{found}");
        found["message"].as_str().unwrap()
    };
    assert_eq!(kept(&odd, "not UTF-8 at byte 3"), "caf\u{fffd} \0 \u{fffd}\u{fffd}");
    kept(&torn_gzip, "not the gzip that its content_encoding names");
    // a search finds the bytes
    let asked = format!("/grep/bodies/?format=ndjson&alco_body={}", BASE64_STANDARD.encode(&odd).replace('+', "%2B"));
    assert_eq!(alco.get(&asked).body.lines().count(), 1);

    let dead = wait_until("the bomb is dead-lettered", SOON, || {
        Some(take_dead(&stack.amqp, "bodies")).filter(|dead| !dead.is_empty())
    });
    assert_eq!(dead.len(), 1);
    assert!(dead[0].reason.contains("holds more than 4194304"), "{}", dead[0].reason);
    assert!(dead[0].body == bomb, "its body is unchanged");
}

#[test]
fn a_body_of_several_records_is_split_unless_split_is_no() {
    let stack = Stack::shared();
    let ini = [stack.index("bodies_parts"), stack.index("bodies_whole")].concat();
    let alco = Alco::start(stack, &ini);
    let record = |message: &str| body(&format!("several {message}"));
    let ndjson = format!("{}\n{}\r\n\n", record("b1"), record("b2"));
    let sent = [
        format!("[{}, {},\n{}]", record("a1"), record("a2"), record("a3")),
        ndjson.clone(),
        format!("{}{}", record("c1"), record("c2")),
        // the same text at two places of a body is two records
        format!("[{},{}]", record("equal"), record("equal")),
        format!("[{}]", record("alone")),
        format!("[{},1]", record("mixed")),
        "[]".to_owned(),
    ];
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "bodies_parts.key", &sent);
    publisher.publish("logstash", "bodies_whole.key", [&ndjson]);
    let all = |stack: &Stack| {
        let found: Vec<String> = stack.documents("bodies_parts").into_iter().map(|(_, message)| message).collect();
        (found.len() >= 12).then_some(found)
    };
    let mut found = wait_until("all are stored", SOON, || all(stack));
    found.sort();
    let mut expected: Vec<String> = ["a1", "a2", "a3", "alone", "b1", "b2", "c1", "c2", "equal", "equal"]
        .map(|name| format!("several {name}"))
        .into();
    expected.extend([sent[5].clone(), "[]".to_owned()]);
    expected.sort();
    assert_eq!(found, expected);
    let whole = wait_until("the other one is stored", SOON, || {
        Some(stack.documents("bodies_whole")).filter(|documents| !documents.is_empty())
    });
    assert_eq!(whole.into_iter().map(|(_, message)| message).collect::<Vec<_>>(), [ndjson]);
    let metrics = alco.get("/metrics").body;
    for counted in
        ["alco_deliveries_total{index=\"bodies_parts\"} 7", "alco_records_received_total{index=\"bodies_parts\"} 12"]
    {
        assert!(metrics.lines().any(|line| line == counted), "no '{counted}' in {metrics}");
    }
}

#[test]
fn properties_of_a_delivery_can_be_columns() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("origins"));
    let text = |text: &str| AmqpValue::LongString(text.to_owned());
    let headers = FieldTable::from([
        ("x-tenant".to_owned(), text("acme \"1\"")),
        ("n".to_owned(), AmqpValue::LongLongInt(9_007_199_254_740_993)),
        ("other".to_owned(), text("not asked for")),
    ]);
    let full = AmqpProperties::default()
        .with_headers(headers)
        .with_message_id("m-1".to_owned())
        .with_app_id("shop".to_owned())
        .with_user_id("guest".to_owned())
        .with_type_("order".to_owned());
    let own = r#"{"@timestamp":"TIME","message":"own","app_id":5,"routing_key":null}"#;
    let own = own.replace("TIME", &jiff::Timestamp::now().to_string());
    let none = AmqpProperties::default;
    let sent = [
        (body("full"), full.clone()),
        (body("bare"), none()),
        (own, full.clone()),
        ("no JSON".to_owned(), full.clone()),
        (format!("[{},{}]", body("part 1"), body("part 2")), full),
    ];
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish_as("logstash", "origins.a.b", sent);
    wait_until("all are stored", SOON, || stack.count("origins").filter(|count| *count >= 6));
    let records = records(&alco, "origins");
    let all = json!({"routing_key": "origins.a.b", "exchange": "logstash", "message_id": "m-1", "app_id": "shop", "user_id": "guest",
        "type": "order", "header.x-tenant": "acme \"1\"", "header.n": 9_007_199_254_740_993_i64});
    for message in ["full", "no JSON", "part 1", "part 2"] {
        for (key, value) in all.as_object().unwrap() {
            assert_eq!(records[message][key], *value, "{key} of {message}");
        }
        assert_eq!((records[message].get("header.other"), records[message].get("header.missing")), (None, None));
    }
    let bare = records["bare"].as_object().unwrap();
    assert_eq!((&bare["routing_key"], bare.get("app_id"), bare.get("header.n")), (&json!("origins.a.b"), None, None));
    // the producer's own values stay
    assert_eq!((&records["own"]["app_id"], &records["own"]["routing_key"]), (&json!(5), &Value::Null));
    assert_eq!(records["own"]["message_id"], "m-1");
    // they are columns: filters work, and the values are offered
    let count = |filter: &str| alco.get(&format!("/grep/origins/?format=ndjson&{filter}")).body.lines().count();
    assert_eq!(count("routing_key=origins.a.b"), 5);
    assert_eq!(count("header.x-tenant=acme+%221%22"), 5);
    assert_eq!(count("header.n__gt=5&message_id=m-1"), 5);
    assert_eq!(count("app_id__exists=0"), 1);
    let values = wait_until("Redis knows the values", SOON, || {
        let values: Vec<String> = stack.ask_redis(&["ZRANGE", "ALCO:VALUES:origins:app_id", "0", "-1"]);
        (values.len() == 2).then_some(values)
    });
    assert_eq!(values, ["5", "shop"]);
}

/// An envelope of OpenTelemetry as the collector's exporter writes it: two resources, the first with two scopes.
fn envelope(name: &str) -> String {
    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let now = jiff::Timestamp::now().as_nanosecond().to_string();
    let record = |number: u32, severity: u32, attributes: Value| {
        json!({"timeUnixNano": now, "severityNumber": severity, "body": {"stringValue": format!("{name} {number}")},
            "attributes": attributes, "traceId": "5b8efff798038103d269b633813fc60c"})
    };
    let status = json!([{"key": "http.status", "value": {"intValue": "503"}}]);
    json!({"resourceLogs": [
        {"resource": {"attributes": [attribute("service.name", "shop"), attribute("host.name", "web-1")]}, "scopeLogs": [
            {"scope": {"name": "cart", "version": "1.2"}, "logRecords": [record(1, 9, json!([])), record(2, 17, status)]},
            {"scope": {"name": "till"}, "logRecords": [record(3, 13, json!([]))]}]},
        {"resource": {"attributes": [attribute("service.name", "billing")]}, "scopeLogs": [
            {"logRecords": [record(4, 21, json!([])), record(5, 5, json!([]))]}]},
    ]})
    .to_string()
}

#[test]
fn records_of_an_opentelemetry_envelope_are_found() {
    let stack = Stack::shared();
    let ini = [stack.index("otlp"), stack.index("bodies_whole")].concat();
    let alco = Alco::start(stack, &ini);
    let mut publisher = Publisher::open(&stack.amqp);
    let odd = envelope("odd").replace("\"resourceLogs\"", "\"more\":1,\"resourceLogs\"");
    publisher.publish("logstash", "otlp.key", [&envelope("enveloped"), &odd]);
    publisher.publish("logstash", "bodies_whole.otlp", [&envelope("whole")]);
    wait_until("all are stored", SOON, || stack.count("otlp").filter(|count| *count >= 6));

    let records = records(&alco, "otlp");
    assert_eq!(records.len(), 6, "{:?}", records.keys());
    assert!(records.contains_key(&odd), "one record");
    let mut second = records["enveloped 2"].clone();
    second.as_object_mut().unwrap().retain(|key, _| !matches!(key.as_str(), "@id" | "@timestamp" | "timeUnixNano"));
    assert_eq!(
        second,
        json!({"message": "enveloped 2", "body": "enveloped 2", "severityNumber": 17, "attributes": {"http.status": 503},
            "traceId": "5b8efff798038103d269b633813fc60c", "resource": {"service.name": "shop", "host.name": "web-1"},
            "scope": {"name": "cart", "version": "1.2"}})
    );
    for (filter, messages) in [
        ("resource.service.name=shop", "1 2 3"),
        ("resource.service.name=billing", "4 5"),
        ("scope.name=cart", "1 2"),
        ("attributes.http.status__gte=500", "2"),
        ("severityNumber__lt=13", "1 5"),
    ] {
        let text = alco.get(&format!("/grep/otlp/?format=text&columns=none&{filter}")).body;
        let expected: Vec<String> = messages.split(' ').map(|number| format!("enveloped {number}")).collect();
        let lines: Vec<&str> = text.lines().filter_map(|line| line.split_once(" - ")).map(|(_, line)| line).collect();
        assert_eq!(lines, expected, "{filter}: {text}");
    }
    let histogram: Value = serde_json::from_str(&alco.get("/api/grep/otlp/histogram/").body).unwrap();
    let sum = |of: &str| histogram["bars"].as_array().unwrap().iter().map(|bar| bar[of].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("warnings"), sum("errors")), (1, 2), "{histogram}");
    let page = alco.page("/grep/otlp/?resource.service.name=billing");
    assert!(page.html.contains("billing"), "{}", page.html);

    let is_whole = |message: &String| message.starts_with("{\"resourceLogs\"");
    wait_until("split = no leaves it whole", SOON, || {
        stack.documents("bodies_whole").into_iter().map(|(_, message)| message).find(is_whole)
    });
}

#[test]
fn bodies_of_other_forms_are_split_in_their_order() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("forms"));
    // without a time: all records of a body have that of its arrival
    let numbered = |name: &'static str| (0..30).map(move |number| format!("{{\"message\":\"{name} {number:02}\"}}"));
    let joined = |name: &'static str, between: &str| numbered(name).collect::<Vec<_>>().join(between);
    let bulk =
        |name: &'static str| numbered(name).map(|record| format!("{{\"create\":{{\"_index\":\"i\"}}}}\n{record}\n"));
    let sent = [
        format!("\u{1e}{}\n", joined("sequence", "\n\u{1e}")),
        format!("\u{feff}{}\r\n", joined("marks", "\r\n\u{feff}")),
        joined("commas", ",\n"),
        bulk("bulk").collect::<String>(),
        format!("[{}]", joined("array", ",")),
        joined("lines", "\n"),
        // its own order
        format!("[{}]", r#"{"message":"own 1","seq":2},{"message":"own 0","seq":1},{"message":"own 2"}"#),
        "\u{1e}{\"message\":\"alone\"}\n".to_owned(),
    ];
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "forms.key", &sent);
    wait_until("all are stored", SOON, || stack.count("forms").filter(|count| *count >= 184));
    let ndjson = alco.get("/grep/forms/?format=ndjson&start_ts=-1h").body;
    let records: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 184);
    for name in ["sequence", "marks", "commas", "bulk", "array", "lines", "own", "alone"] {
        let of = |record: &&Value| record["message"].as_str().unwrap().split(' ').next() == Some(name);
        let found: Vec<&Value> = records.iter().filter(of).collect();
        let messages: Vec<&str> = found.iter().map(|record| record["message"].as_str().unwrap()).collect();
        assert!(messages.is_sorted(), "{messages:?}");
        // an order is no column
        let has_seq: Vec<bool> = found.iter().map(|record| record.get("seq").is_some()).collect();
        let sent: Vec<bool> = messages.iter().map(|message| matches!(*message, "own 0" | "own 1")).collect();
        assert_eq!(has_seq, sent, "{name}");
    }
    let columns = alco.get("/api/grep/forms/columns/").body;
    assert!(!columns.contains("create"), "{columns}");
}

#[test]
fn the_error_of_a_record_is_apart_from_its_own() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("bodies_errors"));
    let mut publisher = Publisher::open(&stack.amqp);
    let own = r#"{"message":"errors","alco_error":"its own","@alco_error":"more"}"#;
    publisher.publish("logstash", "bodies_errors.key", [own]);
    let find = |filter: &str| {
        let path = format!("/grep/bodies_errors/?format=ndjson&start_ts=-1h&search=errors&{filter}");
        alco.get(&path).body.lines().next().map(str::to_owned)
    };
    let line = wait_until("it is stored", SOON, || find(""));
    assert_eq!(line.matches("\"alco_error\"").count(), 1, "{line}");
    let record: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&record["@alco_error"], &record["@@alco_error"]), (&json!("its own"), &json!("more")));
    assert_eq!(record["alco_error"], "no @timestamp or the like: the time of arrival is used");
    for filter in ["alco_error__like=*time of arrival", "@alco_error=its own", "@@alco_error=more"] {
        let (column, value) = filter.split_once('=').unwrap();
        let column = crate::support::encoded(column);
        assert!(find(&format!("{column}={}", crate::support::encoded(value))).is_some(), "{filter}");
    }
    assert_eq!(find("alco_error=its+own"), None);
}
