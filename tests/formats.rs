//! The same search as text, NDJSON and CSV: streamed and whole in constant memory, or visibly broken off.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::nginx::Nginx;
use crate::support::{Alco, Publisher, SOON, Stack, memory_kib, soak, wait_until};

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

    ndjson_has_the_records_as_sent(&alco, &sent[1..]);
    text_has_a_line_for_each_record(&alco);
    csv_has_a_row_for_each_record(&alco);
    // an invalid search has an error status
    let bad = alco.get("/grep/texts/?format=text&mode=regex&search=(");
    assert_eq!(bad.status, 400, "{}", bad.body);
    answers_have_the_form_of_their_http_version(&alco);
}

#[track_caller]
fn ndjson_has_the_records_as_sent(alco: &Alco, sent: &[String]) {
    let ndjson = alco.get("/grep/texts/?format=ndjson");
    assert_eq!((ndjson.status, ndjson.header("content-type")), (200, "application/x-ndjson"));
    let read: Vec<Value> = ndjson.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.len(), 3, "the last five minutes: {}", ndjson.body);
    for (read, sent) in read.iter().zip(sent) {
        let mut sent: Value = serde_json::from_str(sent).unwrap();
        assert_eq!(read["@id"].as_str().unwrap().split('.').count(), 4, "{read}");
        sent["@id"] = read["@id"].clone();
        assert_eq!(*read, sent);
    }
    assert!(ndjson.body.contains("\"n\":1.50"), "to the digit: {}", ndjson.body);
}

#[track_caller]
fn text_has_a_line_for_each_record(alco: &Alco) {
    let text = alco.get("/grep/texts/?format=text&columns=levelname,host&tz=Europe/Berlin");
    let lines: Vec<&str> = text.body.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].ends_with(" INFO web-01 one, \"two\""), "{}", lines[0]);
    assert!(lines[2].ends_with(" INFO - tab\tand↵line"), "{}", lines[2]);
    let text = alco.get("/grep/texts/?format=text&tracebacks=1&levelname=ERROR").body;
    assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), ["    Traceback", "      x^[[2Jy"]);
    let text = alco.get("/grep/texts/?format=text&search=cmd&context=1&limit=1").body;
    assert_eq!(text.lines().count(), 3, "with the lines around: {text}");
}

#[track_caller]
fn csv_has_a_row_for_each_record(alco: &Alco) {
    let csv = alco.get("/grep/texts/?format=csv&columns=&tracebacks=1&levelname=ERROR").body;
    let (head, row) = csv.split_once("\r\n").unwrap();
    assert!(head.starts_with("time,message,") && head.contains(",exc_text"), "{head}");
    assert!(row.contains(",'=cmd(),") && row.contains(",\"Traceback\n  x^[[2Jy\""), "{row}");

    let csv = alco.get("/grep/texts/?format=csv&columns=host&download=1&order=desc&limit=2");
    assert!(csv.header("content-type").starts_with("text/csv"));
    let name = csv.header("content-disposition");
    assert!(name.starts_with("attachment; filename=\"texts-2") && name.ends_with(".csv\""), "{name}");
    for (list, range, format, expected) in [
        ("texts", "start_ts=2026-11-28+15:00", "ndjson", "texts-2026-11-28T15.ndjson"),
        ("texts,texts", "start_ts=2026-11-28", "csv", "texts-2026-11-28.csv"),
        ("*", "start_ts=2026-11-28+15:30", "text", "all-2026-11-28T1530.txt"),
        ("te*", "start_ts=2026-11-28+15:30:01.5&tz=Asia/Tokyo", "text", "te-2026-11-28T153001.txt"),
    ] {
        let path = format!("/grep/{list}/?{range}&end_ts=2026-11-29&format={format}");
        let name = format!("filename=\"{expected}\"");
        assert_eq!(alco.get(&path).header("content-disposition"), format!("inline; {name}"), "{path}");
        let saved = format!("{path}&download=1");
        assert_eq!(alco.get(&saved).header("content-disposition"), format!("attachment; {name}"), "{saved}");
    }
    let rows: Vec<&str> = csv.body.split("\r\n").collect();
    assert_eq!((rows[0], rows.len()), ("time,host,message", 4));
    assert!(rows[1].ends_with(",,\"tab\tand\nline\"") && rows[2].ends_with(",web-02,'=cmd()"), "{rows:?}");

    // the page has a link for Excel: the same CSV after a byte order mark
    let page = alco.get("/grep/texts/?columns=host&order=desc&limit=2").body;
    let excel =
        page.split("href=\"").filter_map(|link| link.split('"').next()).find(|link| link.contains("bom=1")).unwrap();
    let marked = alco.get(&format!("/grep/texts/{}", excel.replace("&amp;", "&")));
    assert!(marked.body.starts_with("\u{feff}time,host,message\r\n"), "{excel}: {}", marked.body);
    assert!(marked.header("content-disposition").starts_with("attachment"), "{excel}");
}

/// HTTP/1.0 has no chunks; HEAD has no body.
#[track_caller]
fn answers_have_the_form_of_their_http_version(alco: &Alco) {
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
fn exports_of_any_size_take_little_memory() {
    let records = if soak() { 1_000_000 } else { 60_000 };
    const INI: &str = "[index many]\ndays = 2\nthreads = 2\nrouting_keys = many.#\n";
    let stack = Stack::private("many", INI);
    let mut publisher = Publisher::to_queue(&stack.amqp, "many");
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
    let before = memory_kib(alco.pid(), "VmRSS").unwrap();
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
    let grown = memory_kib(alco.pid(), "VmHWM").unwrap().saturating_sub(before);
    println!("{records} records: {grown} KiB more than before");
    assert!(grown < 8 * 1024, "{grown} KiB");

    lines_around_are_greps(&stack, &alco);
    searchd_stops_for_a_while(&stack, &alco, records);
    searchd_dies(&stack, &alco);
    assert!(alco.stop().success());
}

fn address(alco: &Alco, format: &str) -> String {
    format!("{}/grep/many/?format={format}&start_ts=-2h&end_ts=2100-01-01", alco.url)
}

/// A download as `curl` or `curl -0` asks for it, of which a little has been read.
struct Download {
    stream: TcpStream,
    reply: Vec<u8>,
}

impl Download {
    fn begin(alco: &Alco, format: &str, version: &str) -> Download {
        let mut stream = TcpStream::connect(alco.url.trim_start_matches("http://")).unwrap();
        let path = address(alco, format).replace(&alco.url, "");
        stream.write_all(format!("GET {path} HTTP/{version}\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        let mut reply = vec![0; 4096];
        stream.read_exact(&mut reply).unwrap();
        assert!(reply.starts_with(b"HTTP/1.1 200"));
        Download { stream, reply }
    }

    /// Reads to the end, or until nothing comes for `patience`.
    fn read(&mut self, patience: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(patience)).unwrap();
        self.stream.read_to_end(&mut self.reply).map(|_| ())
    }

    fn body(&self) -> String {
        let text = String::from_utf8_lossy(&self.reply);
        text.split_once("\r\n\r\n").unwrap().1.to_owned()
    }
}

/// The context of matches that are close together, and of matches with thousands of lines between them.
fn lines_around_are_greps(stack: &Stack, alco: &Alco) {
    let whole = stack.dir().join("whole.log");
    // curl has no time limit
    let get = |url: &str| Command::new("curl").args(["-sSf", url]).output().unwrap().stdout;
    for order in ["asc", "desc"] {
        let all = format!("{}&order={order}", address(alco, "text"));
        fs::write(&whole, get(&all)).unwrap();
        for pattern in ["77 of many", "7777 of many", "record 59999 of many"] {
            let found = get(&format!("{all}&search={}&before=3&after=2", pattern.replace(' ', "+")));
            let grep = Command::new("grep").args(["-F", "-B3", "-A2", pattern]).arg(&whole).output().unwrap();
            assert!(grep.status.success() && found == grep.stdout, "{order} {pattern}");
        }
    }
}

/// alco waits for a searchd that is silent for a while, and the download is whole.
fn searchd_stops_for_a_while(stack: &Stack, alco: &Alco, records: usize) {
    for (format, head) in [("ndjson", 0), ("text", 0), ("csv", 1)] {
        let mut download = Download::begin(alco, format, "1.0");
        stack.pause("searchd");
        let stalled = download.read(Duration::from_secs(1));
        stack.resume("searchd");
        assert_eq!(stalled.map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock), "{format}: it waits");
        download.read(SOON).unwrap();
        assert_eq!(download.body().lines().count(), records + head, "{format}");
    }
}

/// Every client can see that a download is not whole: the last chunk is missing, or the connection is reset for a client without
/// chunks; a proxy passes that on; and the last line has the reason.
fn searchd_dies(stack: &Stack, alco: &Alco) {
    // nginx reads as fast as its client, and not ahead into a file
    let nginx = Nginx::start(stack, alco, "proxy_max_temp_file_size 0;");
    for format in ["ndjson", "text", "csv"] {
        let mut chunked = Download::begin(alco, format, "1.1");
        let mut plain = Download::begin(alco, format, "1.0");
        let mut curl = Command::new("curl");
        // the download has begun, and curl reads slowly
        curl.args(["-sSN", "--limit-rate", "100k", &address(alco, format).replace(&alco.url, &nginx.url)]);
        let mut curl = curl.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut proxied = curl.stdout.take().unwrap();
        proxied.read_exact(&mut [0; 4096]).unwrap();
        stack.kill("searchd");

        chunked.read(SOON).unwrap();
        assert!(!chunked.reply.ends_with(b"0\r\n\r\n"), "{format}: it looks whole");
        let text = String::from_utf8_lossy(&chunked.reply);
        let last = text.trim_end().lines().next_back().unwrap();
        assert!(last.contains("incomplete, broken off here: "), "{format}: {last}");
        let ended = plain.read(SOON).map_err(|error| error.kind());
        assert_eq!(ended, Err(io::ErrorKind::ConnectionReset), "{format}: it looks whole");
        proxied.read_to_end(&mut Vec::new()).unwrap();
        let output = curl.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(18) || output.status.code() == Some(56), "{format}: {said}");
        stack.restart("searchd");
        wait_until("all is served again", SOON * 10, || {
            alco.get("/grep/many/?format=text&limit=1").body.lines().next().map(|_| ())
        });
    }
}
