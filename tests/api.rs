//! The addresses for programs: the API of the Python alco, links to follow, figures, and answers that a client has already.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::nginx::Nginx;
use crate::support::{Alco, Lonely, Publisher, ROOT, SOON, Stack, directory, try_get, wait_until};

#[track_caller]
fn json(url: &str) -> Value {
    let reply = try_get(url).unwrap();
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"), "{url}: {}", reply.body);
    serde_json::from_str(&reply.body).unwrap()
}

#[test]
fn a_program_follows_the_links_of_the_api() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("programs"));
    let mut publisher = Publisher::open(&stack.amqp);
    let start = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(60);
    let bodies = (0..250).map(|n| {
        let time = (start + jiff::SignedDuration::from_millis(n)).strftime("%Y-%m-%dT%H:%M:%S.%6fZ");
        let level = if n % 50 == 0 { "ERROR" } else { "INFO" };
        format!(r#"{{"@timestamp":"{time}","message":"<i>request</i> {n}","levelname":"{level}","n":{n},"deep":{{"a":[{n},null]}}}}"#)
    });
    publisher.publish("logstash", "programs.key", bodies);
    wait_until("all are stored", SOON, || stack.count("programs").filter(|count| *count >= 250));

    let first = json(&format!("{}/api/grep/programs/?search=request", alco.url));
    assert_eq!(first["previous"], Value::Null);
    assert_eq!(first["results"].as_array().unwrap().len(), 100, "the page size");
    let log = &first["results"][7];
    assert!(log["id"].as_u64().is_some_and(|id| id > 0 && id < 1 << 53), "{log}");
    assert!(log["datetime"].as_str().is_some_and(|time| time.len() == 27 && time.ends_with('Z')), "{log}");
    assert_eq!(log["logline"], "<i>request</i> 7");
    assert_eq!(log["logline_snippet"], "&lt;i&gt;<b>request</b>&lt;/i&gt; 7");
    assert_eq!(log["js"], serde_json::json!({"levelname": "INFO", "n": 7, "deep": {"a": [7, null]}}));

    // forward by its links, and back
    let (mut seen, mut url, mut last) =
        (Vec::new(), Some(format!("{}/api/grep/programs/?search=request", alco.url)), None);
    while let Some(this) = url {
        let page = json(&this);
        seen.extend(page["results"].as_array().unwrap().iter().map(|log| log["js"]["n"].as_i64().unwrap()));
        url = page["next"].as_str().map(str::to_owned);
        assert!(url.as_ref().is_none_or(|url| url.starts_with(&alco.url)), "{url:?}");
        last = page["previous"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, (0..250).collect::<Vec<_>>());
    let back = json(&last.unwrap());
    assert_eq!(back["results"][0]["js"]["n"], 100);

    // filters as the Python program had them
    let errors = json(&format!("{}/api/grep/programs/?levelname__in=ERROR,FATAL&format=json", alco.url));
    assert_eq!(errors["results"].as_array().unwrap().len(), 5);
    let both =
        json(&format!("{}/grep/programs/?format=json&levelname=ERROR&n=50", alco.url).replace("/grep/", "/api/grep/"));
    assert_eq!(both["results"][0]["logline"], "<i>request</i> 50");
    assert_eq!(alco.get("/grep/programs/?format=json&n=50").header("location"), "/api/grep/programs/?n=50");

    let histogram = json(&format!("{}/api/grep/programs/histogram/?start_ts=-1h", alco.url));
    let sum =
        |key: &str| histogram["bars"].as_array().unwrap().iter().map(|bar| bar[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("total"), sum("errors"), &histogram["exact"]), (250, 5, &Value::Bool(true)));
    let values = json(&format!("{}/api/grep/programs/values/levelname/?start_ts=-1h&levelname=ERROR", alco.url));
    let expected = serde_json::json!([{"value": "INFO", "count": 245}, {"value": "ERROR", "count": 5}]);
    assert_eq!((&values["values"], &values["exact"]), (&expected, &Value::Bool(true)));
    let columns = wait_until("the columns are listed", SOON, || {
        let columns = json(&format!("{}/api/grep/programs/columns/", alco.url));
        Some(columns).filter(|columns| columns.as_array().is_some_and(|list| list.len() >= 3))
    });
    let names: BTreeSet<&str> =
        columns.as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["deep", "levelname", "n"].into());

    for (path, status) in [
        ("/api/grep/nothing/", 404),
        ("/api/grep/programs/?start_ts=soon", 400),
        ("/api/grep/programs/?mode=regex&search=(", 400),
        ("/api/nothing/", 404),
    ] {
        let reply = alco.get(path);
        let wrong: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(reply.status, status, "{path}");
        assert!(wrong["error"].is_string() && wrong["hint"].is_string(), "{path}: {wrong}");
    }
}

#[test]
fn answers_are_compressed_and_cached() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("programs"));
    let ask = |path: &str, headers: &[(&str, &str)]| {
        let config = ureq::Agent::config_builder().http_status_as_error(false).accept_encoding("").build();
        let mut request = ureq::Agent::from(config).get(format!("{}{path}", alco.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.call().unwrap();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (etag, encoding) = (header("etag"), header("content-encoding"));
        (response.status().as_u16(), etag, encoding, response.body_mut().read_to_vec().unwrap())
    };
    for path in ["/collector/sphinx.conf", "/api/collector/indices/?format=json"] {
        let (status, etag, _, body) = ask(path, &[]);
        let etag = etag.unwrap();
        assert!(status == 200 && !body.is_empty());
        let (status, _, _, body) = ask(path, &[("If-None-Match", &etag)]);
        assert_eq!((status, body.len()), (304, 0), "{path}");
        assert_eq!(ask(path, &[("If-None-Match", "\"other\"")]).0, 200);
    }
    // HEAD has the head of GET, and no body; other methods get an error in a form for programs
    let agent = ureq::Agent::from(ureq::Agent::config_builder().http_status_as_error(false).build());
    for (path, status) in [
        ("/api/collector/indices/", 200),
        ("/api/grep/programs/", 200),
        ("/api/grep/programs/count/", 200),
        ("/api/grep/programs/histogram/", 200),
        ("/api/grep/programs/values/host/", 200),
        ("/api/grep/programs/columns/", 200),
        ("/api/grep/nothing/", 404),
        ("/api/grep/programs/?start_ts=x", 400),
        ("/metrics", 200),
    ] {
        let mut head = agent.head(format!("{}{path}", alco.url)).call().unwrap();
        assert_eq!((head.status().as_u16(), head.body_mut().read_to_vec().unwrap().len()), (status, 0), "{path}");
        let kind = head.headers().get("content-type").unwrap().to_str().unwrap();
        assert!(kind.starts_with(if path == "/metrics" { "text/plain" } else { "application/json" }), "{path}: {kind}");
    }
    let mut posted = agent.post(format!("{}/api/grep/programs/", alco.url)).send("x").unwrap();
    assert_eq!(posted.status().as_u16(), 405);
    let told = posted.body_mut().read_to_string().unwrap();
    assert!(told.starts_with("{\"error\":\"POST is not supported\",\"hint\":"), "{told}");

    let (_, _, encoding, plain) = ask("/collector/sphinx.conf", &[("Accept-Encoding", "gzip;q=0")]);
    assert_eq!(encoding, None);
    let (_, _, encoding, packed) = ask("/collector/sphinx.conf", &[("Accept-Encoding", "br, gzip")]);
    assert_eq!(encoding.as_deref(), Some("gzip"));
    assert!(packed.len() * 4 < plain.len(), "{} of {}", packed.len(), plain.len());
    let mut gunzip = Command::new("gunzip")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    gunzip.stdin.take().unwrap().write_all(&packed).unwrap();
    assert_eq!(gunzip.wait_with_output().unwrap().stdout, plain);
}

#[test]
fn the_python_programs_sphinx_conf_works_against_this_one() {
    let venv = Path::new(ROOT).join("target/venv");
    let found = Command::new("find").arg(&venv).args(["-path", "*/alco/sphinx_conf.py"]).output().unwrap();
    let script = String::from_utf8(found.stdout).unwrap();
    let script = script.lines().next().expect("make check installs alco 2.5.2 of the Python program");
    let dir = directory("python");
    // the script has /data/sphinx built in: proot shows it a directory of ours there
    let data = dir.join("data");
    fs::create_dir_all(data.join("sphinx/programs")).unwrap();
    for old in ["20200101", "20200102", "20200103", "not-a-day"] {
        fs::create_dir_all(data.join("sphinx/programs").join(old)).unwrap();
    }
    let alco = Lonely::start("[index programs]\n[sphinx]\ndata_dir = /data/sphinx\n");
    let conf = try_get(&format!("{}/collector/sphinx.conf", alco.url)).unwrap().body;
    fs::write(dir.join("settings.py"), format!("ALCO_SETTINGS = {{'SPHINX_CONF_URL': '{}/'}}\n", alco.url)).unwrap();
    let output = Command::new("proot")
        .arg("-b")
        .arg(format!("{}:/data", data.display()))
        .arg(venv.join("bin/python"))
        .arg(script)
        .current_dir(&dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), conf.trim_end());
    let names = fs::read_dir(data.join("sphinx/programs")).unwrap();
    let names: BTreeSet<String> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let made: BTreeSet<String> =
        conf.lines().filter_map(|line| line.strip_prefix("index programs_2")).map(|day| format!("2{day}")).collect();
    assert!(made.len() > 2, "{conf}");
    let expected = made.into_iter().chain(["20200103".to_owned(), "not-a-day".to_owned()]).collect();
    assert_eq!(names, expected, "the days are made; of those expired only the newest is left");
}

/// With the lines for nginx in docs/operating.md.
#[test]
fn links_of_the_api_lead_back_through_the_proxy() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &format!("[http]\ntrusted_proxies = 127.0.0.1\n{}", stack.index("proxied")));
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "proxied.key", (0..3).map(|n| format!(r#"{{"message":"{n}","seq":{n}}}"#)));
    wait_until("all are stored", SOON, || stack.count("proxied").filter(|count| *count >= 3));

    let manual = fs::read_to_string(Path::new(ROOT).join("docs/operating.md")).unwrap();
    let lines: String = manual.lines().filter(|line| line.contains("proxy_set_header X-Forwarded-")).collect();
    assert!(lines.contains("-Host") && lines.contains("-Proto"), "{lines}");
    let nginx = Nginx::start(stack, &alco, &lines);
    let mut next = Some(format!("{}/api/grep/proxied/?limit=1", nginx.url));
    let mut seen = Vec::new();
    while let Some(url) = next {
        assert!(url.starts_with(&format!("{}/api/", nginx.url)), "{url}");
        let page = json(&url);
        seen.extend(page["results"].as_array().unwrap().iter().map(|log| log["logline"].clone()));
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, ["0", "1", "2"]);
}
