//! The same search as text, NDJSON and CSV: streamed, whole, in constant memory, or visibly broken off.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::{Alco, Publisher, SOON, Stack, soak, wait_until};

fn memory(alco: &Alco, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", alco.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse().unwrap()
}

#[test]
fn a_search_is_text_ndjson_and_csv_of_the_same_records() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("texts"));
    let mut publisher = Publisher::open(&stack.amqp);
    let sent = [
        record(-3_600_000, r#""message":"an hour old","levelname":"INFO""#),
        record(1, r#""message":"one, \"two\"","levelname":"INFO","host":"web-01","n":1.50"#),
        record(2, r#""message":"=cmd()","levelname":"ERROR","exc_text":"Traceback\n  x\u001b[2Jy","host":"web-02""#),
        record(3, r#""message":"tab\tand\nline","levelname":"INFO","deep":{"a":[1,2,{"b":null}]}"#),
    ];
    publisher.publish("logstash", "texts.key", &sent);
    wait_until("all are stored", SOON, || stack.count("texts").filter(|count| *count >= 4));

    let ndjson = alco.get("/grep/texts/?format=ndjson");
    assert_eq!((ndjson.status, ndjson.header("content-type")), (200, "application/x-ndjson"));
    let read: Vec<Value> = ndjson.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.len(), 3, "the last five minutes: {}", ndjson.body);
    for (read, sent) in read.iter().zip(&sent[1..]) {
        let mut sent: Value = serde_json::from_str(sent).unwrap();
        assert_eq!(read["@id"].as_str().unwrap().split('.').count(), 4, "{read}");
        sent["@id"] = read["@id"].clone();
        assert_eq!(*read, sent);
    }
    assert!(ndjson.body.contains("\"n\":1.50"), "to the digit: {}", ndjson.body);

    let text = alco.get("/grep/texts/?format=text&columns=levelname,host&tz=Europe/Berlin");
    let lines: Vec<&str> = text.body.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].ends_with(" INFO web-01 one, \"two\""), "{}", lines[0]);
    assert!(lines[2].ends_with(" INFO - tab\tand↵line"), "{}", lines[2]);
    let text = alco.get("/grep/texts/?format=text&tracebacks=1&levelname=ERROR").body;
    assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), ["    Traceback", "      x^[[2Jy"]);
    let text = alco.get("/grep/texts/?format=text&search=cmd&context=1&limit=1").body;
    assert_eq!(text.lines().count(), 3, "with the lines around: {text}");

    let csv = alco.get("/grep/texts/?format=csv&columns=host&download=1&order=desc&limit=2");
    assert!(csv.header("content-type").starts_with("text/csv"));
    let name = csv.header("content-disposition");
    assert!(name.starts_with("attachment; filename=\"texts_2") && name.ends_with(".csv\""), "{name}");
    let rows: Vec<&str> = csv.body.split("\r\n").collect();
    assert_eq!((rows[0], rows.len()), ("time,host,message", 4));
    assert!(rows[1].ends_with(",,\"tab\tand\nline\"") && rows[2].ends_with(",web-02,'=cmd()"), "{rows:?}");

    // what cannot be searched has a status and says why
    let bad = alco.get("/grep/texts/?format=text&mode=regex&search=(");
    assert_eq!(bad.status, 400, "{}", bad.body);

    // HTTP/1.0 has no chunks; HEAD has no body
    let address = alco.url.trim_start_matches("http://");
    let ask = |request: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    };
    let old = ask("GET /grep/texts/?format=ndjson HTTP/1.0\r\n\r\n");
    assert!(!old.to_lowercase().contains("transfer-encoding") && old.ends_with("}\n"), "{old}");
    let head = ask("HEAD /grep/texts/?format=csv HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n") && !head.contains("time,"), "{head}");
    let new = ask("GET /grep/texts/?format=text HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(new.contains("Transfer-Encoding: chunked") && new.ends_with("\r\n0\r\n\r\n"), "{new}");
}

fn record(n: i64, rest: &str) -> String {
    let time = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(n);
    let micros = time.as_microsecond();
    let time = jiff::Timestamp::from_microsecond(micros).unwrap();
    format!(r#"{{"@timestamp":"{}",{rest}}}"#, time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ"))
}

#[test]
fn any_number_of_records_is_sent_in_little_memory_and_none_is_missing() {
    let records = if soak() { 1_000_000 } else { 60_000 };
    const INI: &str = "[index many]\ndays = 2\nthreads = 2\nrouting_keys = many.#\n";
    let stack = Stack::private("many", INI);
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.declare_exchange("logstash");
    publisher.declare_queue("many", "logstash", "many.#");
    let collecting = Alco::start(&stack, INI);
    let now = jiff::Timestamp::now();
    let body = |n: usize| {
        let time = (now + jiff::SignedDuration::from_micros(n as i64 / 3)).strftime("%Y-%m-%dT%H:%M:%S.%6fZ");
        format!(
            r#"{{"@timestamp":"{time}","message":"record {n} of many, as \"long\" as records are","n":{n},"host":"web-{}"}}"#,
            n % 7
        )
    };
    for from in (0..records).step_by(10_000) {
        publisher.publish("logstash", "many.key", (from..(from + 10_000).min(records)).map(body));
    }
    stack.settled_count("many", records as u64, SOON * 30);
    assert!(collecting.stop().success());

    let alco = Alco::start(&stack, INI);
    alco.get("/grep/many/");
    alco.get("/grep/many/?format=ndjson&start_ts=-2h&limit=10");
    let before = memory(&alco, "VmRSS");
    let address = alco.url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    let ask = "GET /grep/many/?format=ndjson&start_ts=-2h&end_ts=2100-01-01 HTTP/1.0\r\n\r\n";
    stream.write_all(ask.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap).skip_while(|line| !line.is_empty()).skip(1);
    let mut seen: BTreeMap<u64, String> = BTreeMap::new();
    let mut last = String::new();
    for line in lines.by_ref() {
        let read: Value = serde_json::from_str(&line).unwrap();
        let n = read["n"].as_u64().unwrap();
        let sent: Value = serde_json::from_str(&body(n as usize)).unwrap();
        for (key, value) in sent.as_object().unwrap() {
            assert_eq!(read[key], *value, "{line}");
        }
        let time = read["@timestamp"].as_str().unwrap().to_owned();
        assert!(time >= last, "in order");
        last = time;
        assert_eq!(seen.insert(n, String::new()), None, "twice: {line}");
    }
    assert_eq!(seen.len(), records);
    let grown = memory(&alco, "VmHWM").saturating_sub(before);
    println!("{records} records: {grown} KiB more than before");
    assert!(grown < 8 * 1024, "{grown} KiB");

    // searchd dies midway: no last chunk
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let ask = "GET /grep/many/?format=ndjson&start_ts=-2h&end_ts=2100-01-01 HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(ask.as_bytes()).unwrap();
    let mut reply = vec![0; 4096];
    stream.read_exact(&mut reply).unwrap();
    stack.kill("searchd");
    stream.read_to_end(&mut reply).unwrap();
    assert!(reply.starts_with(b"HTTP/1.1 200"));
    assert!(!reply.ends_with(b"0\r\n\r\n"), "it looks whole");
    assert!(alco.stop().success());
}
