//! /metrics counts what happened, in a form that Prometheus reads; /health names the part that does not work.

use std::collections::HashMap;
use std::io::Write;
use std::net::TcpStream;

use prometheus_parse::{Scrape, Value};

use crate::support::{Alco, Publisher, SOON, Stack, body, try_get, wait_until};

/// Every sample by its name and labels, sorted: `name{a=b,c=d}`.
fn samples(alco: &Alco) -> HashMap<String, f64> {
    let reply = alco.get("/metrics");
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let lines = reply.body.lines().map(|line| Ok(line.to_owned()));
    let scrape = Scrape::parse(lines).unwrap();
    let mut all = HashMap::new();
    for sample in scrape.samples {
        let mut labels: Vec<String> = sample.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        labels.sort_unstable();
        let key = format!("{}{{{}}}", sample.metric, labels.join(","));
        let value = match sample.value {
            Value::Counter(n) | Value::Gauge(n) | Value::Untyped(n) => n,
            Value::Histogram(buckets) => {
                assert!(buckets.windows(2).all(|two| two[0].count <= two[1].count), "{key}: buckets add up");
                buckets.last().expect("+Inf").count
            }
            Value::Summary(_) => panic!("{key} is a summary"),
        };
        assert!(all.insert(key.clone(), value).is_none(), "{key} occurs twice");
    }
    all
}

#[test]
fn metrics_count_what_happened() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("counted"));
    let mut publisher = Publisher::open(&stack.amqp);
    let good: Vec<String> = (0..200).map(|n| body(&format!("record {n}"))).collect();
    publisher.publish("logstash", "counted.key", &good);
    publisher.publish("logstash", "counted.key", ["no JSON".to_owned(), body(&"x".repeat(5 << 20))]);
    publisher.close();
    stack.settled("counted", 201, SOON);
    let of = |name: &str| format!("{name}{{index=counted}}");
    let expected = [
        ("alco_records_dead_total", 1.0),
        ("alco_records_received_total", 202.0),
        ("alco_records_stored_total", 201.0),
        ("alco_records_malformed_total", 1.0),
        ("alco_records_already_stored_total", 0.0),
        ("alco_workers", 1.0),
        // polled every few seconds
        ("alco_backlog_messages", 0.0),
    ];
    let samples = wait_until(&format!("/metrics has {expected:?}"), SOON, || {
        let samples = samples(&alco);
        expected.iter().all(|(name, value)| samples[&of(name)] == *value).then_some(samples)
    });
    for age in ["delivery", "insert", "ack", "record"] {
        let age = samples[&of(&format!("alco_last_{age}_age_seconds"))];
        assert!((0.0..SOON.as_secs_f64() * 2.0).contains(&age), "{age}");
    }
    let batches = samples[&of("alco_batch_records")];
    assert!((1.0..=202.0).contains(&batches), "{batches}");
    assert!(samples[&of("alco_insert_seconds")] >= 1.0);
    assert!(samples["process_resident_memory_bytes{}"] > 1e6);
    assert_eq!(samples[&format!("alco_build_info{{version={}}}", env!("CARGO_PKG_VERSION"))], 1.0);
    assert_eq!(samples["alco_server_failures_total{index=counted,server=searchd}"], 0.0);

    // a page, a stream and an answer of the API, which check each record
    let before = self::samples(&alco);
    for address in
        ["/grep/counted/?search=record", "/grep/counted/?search=record&format=text", "/api/grep/counted/?search=record"]
    {
        assert_eq!(alco.get(address).status, 200, "{address}");
    }
    // a client has its answer before the search has ended
    let candidates = wait_until("three searches have ended", SOON, || {
        let after = self::samples(&alco);
        let more = |name: &str| after[name] - before[name];
        (more("alco_search_seconds{}") == 3.0).then(|| more("alco_search_candidates_total{}"))
    });
    assert!(candidates >= 400.0, "{candidates}");
}

#[test]
fn metrics_show_what_clients_hold_and_what_they_are_refused() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &format!("{}[http]\nmax_followers = 2\n", stack.index("counted")));
    let of = |name: &str| samples(&alco)[&format!("{name}{{}}")];
    let refused =
        |what: &str, reason: &str| samples(&alco)[&format!("alco_http_{what}_refused_total{{reason={reason}}}")];
    let max = of("alco_http_max_connections");
    assert!(max >= 100.0 && of("process_max_fds") > max && of("process_threads") > 20.0, "{max}");
    assert_eq!([of("alco_searches_running"), of("alco_searches_waiting"), of("alco_searches_refused_total")], [0.0; 3]);

    // connections that do nothing, some more than may be open
    let address = alco.url.strip_prefix("http://").unwrap();
    let connect = || TcpStream::connect(address).unwrap();
    let files = of("process_open_fds");
    let idle: Vec<TcpStream> = (0..max as usize / 2).map(|_| connect()).collect();
    wait_until("they are counted", SOON, || {
        (of("alco_http_connections") > idle.len() as f64 && of("process_open_fds") >= files + idle.len() as f64)
            .then_some(())
    });
    let more: Vec<TcpStream> = (0..max as usize).map(|_| connect()).collect();
    // a connection that has just come makes no room for another of its address
    wait_until("/metrics has a place", SOON, || {
        try_get(&format!("{}/metrics", alco.url)).ok().filter(|reply| reply.status == 200)
    });
    wait_until("some are refused", SOON, || {
        (refused("connections", "full") + refused("connections", "displaced") >= idle.len() as f64).then_some(())
    });
    assert!(of("alco_http_connections") <= max);
    drop((idle, more));

    // requests of each kind that is refused
    for (request, reason) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), "malformed"),
        (format!("GET /{}", "x".repeat(40_000)), "long_address"),
        (format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(40_000)), "long_head"),
    ] {
        let before = refused("requests", reason);
        connect().write_all(request.as_bytes()).unwrap();
        wait_until(reason, SOON, || (refused("requests", reason) == before + 1.0).then_some(()));
    }
    let follow = || {
        let mut client = connect();
        write!(client, "GET /grep/counted/?format=text&follow=1 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        client
    };
    let followers = [follow(), follow(), follow()];
    wait_until("two of three follow", SOON, || {
        (of("alco_followers") == 2.0 && refused("requests", "follower") == 1.0).then_some(())
    });
    drop(followers);
}

#[test]
fn health_names_the_part_that_does_not_work() {
    let ini = "[index healthy]\ndays = 2\nthreads = 2\nrouting_keys = healthy.#\n";
    let stack = Stack::private("health", ini);
    let alco = Alco::start(&stack, ini);
    let reply = alco.get("/health");
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (200, "searching works\ncollecting healthy works: 2 of 2 workers\n")
    );
    stack.stop("searchd");
    let reply = alco.get("/health");
    assert!(reply.status == 503 && reply.body.starts_with("searching does not work: "), "{}", reply.body);
    assert!(!alco.get("/grep/").body.contains("stalled"), "nothing waits");
    let backlog = || samples(&alco).remove("alco_backlog_messages{index=healthy}");
    assert_eq!(backlog(), Some(0.0));

    // a stall is not taken for a silent producer
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "healthy.key", [body("it waits")]);
    let page = wait_until("the page shows the stall", SOON, || {
        Some(alco.get("/grep/").body).filter(|page| page.contains("stalled: "))
    });
    let ages = page.split("stalled: ").nth(1).unwrap().split('<').next().unwrap();
    assert!(ages.starts_with("delivered 1") && ages.ends_with("stored not yet, acknowledged not yet"), "{ages}");
    let reply = alco.get("/health");
    assert!(reply.body.contains("collecting healthy does not work: searchd at "), "{}", reply.body);
    // a waiting worker does not poll, and another one would get some of these records
    publisher.publish("logstash", "healthy.key", (0..100).map(|n| body(&format!("record {n}"))));
    publisher.close();
    wait_until("the backlog is unknown", SOON * 2, || backlog().is_none().then_some(()));

    stack.stop("rabbitmq");
    stack.restart("searchd");
    let of_broker = "searching works\ncollecting healthy does not work: rabbitmq at ";
    let says = || Some(alco.get("/health")).filter(|reply| reply.status == 503 && reply.body.starts_with(of_broker));
    wait_until("/health reports the broker", SOON, says);
    let samples = samples(&alco);
    for server in ["searchd", "rabbitmq"] {
        let failures = samples[&format!("alco_server_failures_total{{index=healthy,server={server}}}")];
        assert!(failures >= 1.0, "{server}: {failures}");
    }
    assert!(!samples.contains_key("alco_backlog_messages{index=healthy}"), "the backlog is unknown");
}
