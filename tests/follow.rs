//! `follow=1`: a follower gets each record at once, once, and whole, from every worker and with every time, also behind nginx; and
//! it learns of outages.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use mysql::prelude::Queryable;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::browser::Browser;
use crate::support::nginx::Nginx;
use crate::support::{Alco, LONG, Publisher, SOON, Stack, body, soak, wait_until};

/// `curl -N`, and the time at which each line came.
struct Tail {
    child: Child,
    lines: Receiver<(Instant, String)>,
    seen: Vec<(Instant, String)>,
}

impl Tail {
    fn start(url: &str) -> Tail {
        let mut command = Command::new("curl");
        command.args(["-sSN", "--compressed", url]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("curl is installed");
        let (sender, lines) = unbounded();
        let out = child.stdout.take().unwrap();
        thread::spawn(move || {
            for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8(line).unwrap();
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Tail { child, lines, seen: Vec::new() }
    }

    /// All lines so far, without keep-alives.
    fn lines(&mut self) -> Vec<String> {
        self.seen.extend(self.lines.try_iter());
        let lines = self.seen.iter().map(|(_, line)| line.trim_start_matches([' ', '\r']).trim_end_matches('\r'));
        lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    #[track_caller]
    fn wait(&mut self, what: &str, is_there: impl Fn(&[String]) -> bool) -> Vec<String> {
        wait_until(what, SOON, || Some(self.lines()).filter(|lines| is_there(lines)))
    }

    /// Waits for a line that contains the text, and returns the time at which it came.
    #[track_caller]
    fn came(&mut self, text: &str) -> Instant {
        self.wait(&format!("'{text}' comes"), |lines| lines.iter().any(|line| line.contains(text)));
        self.seen.iter().find(|(_, line)| line.contains(text)).unwrap().0
    }

    /// curl's exit status, when the answer has ended.
    #[track_caller]
    fn ended(&mut self) -> Option<i32> {
        wait_until("the answer ends", SOON, || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn messages(lines: &[String]) -> Vec<String> {
    let read =
        lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    read.filter_map(|read| Some(read["message"].as_str()?.to_owned())).collect()
}

/// A record of that many seconds ago.
fn aged(message: &str, seconds: i64, rest: &str) -> String {
    let time = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    format!(r#"{{"@timestamp":"{time}","message":"{message}"{rest}}}"#)
}

#[test]
fn followers_get_each_record_once() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &(stack.index("follow") + &stack.index("follow_too")));
    let nginx = Nginx::start(stack, &alco, "");
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish(
        "logstash",
        "follow.key",
        [aged("long ago", 1000, ""), aged("before one", 2, ""), aged("before two", 1, "")],
    );
    wait_until("they are stored", SOON, || stack.count("follow").filter(|count| *count >= 3));

    let at = |format: &str| format!("/grep/follow,follow_too/?format={format}&follow=1");
    let mut tails = [
        Tail::start(&format!("{}{}", alco.url, at("ndjson"))),
        Tail::start(&format!("{}{}", nginx.url, at("ndjson"))),
        Tail::start(&format!("{}{}&limit=1", alco.url, at("text"))),
        Tail::start(&format!("{}{}", nginx.url, at("csv"))),
    ];
    for tail in &mut tails {
        tail.came("before two");
    }
    // a single record, while nothing else happens
    let sent = Instant::now();
    publisher.publish("logstash", "follow_too.key", [aged("alone", 0, r#","levelname":"ERROR","host":"h9""#)]);
    let took = tails.each_mut().map(|tail| tail.came("alone").duration_since(sent));
    println!("a single record was on the wire after {took:?}");

    // two producers, records of the past and of the future, equal times, equal records
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for round in 0..30 {
        for (key, from) in [("follow.key", 0), ("follow_too.key", 1)] {
            let ages = [0, 0, 700, -3000, 3, 86_400];
            let bodies: Vec<String> = (0..40)
                .map(|n| {
                    let message = format!("{key} {round}/{}", if n < 2 { 0 } else { n });
                    *expected.entry(message.clone()).or_default() += 1;
                    aged(&message, ages[(n + from) % ages.len()], "")
                })
                .collect();
            publisher.publish("logstash", key, bodies);
        }
        thread::sleep(Duration::from_millis(100));
    }
    let all: usize = expected.values().sum();
    for tail in &mut tails[..2] {
        let lines = tail.wait("all have come", |lines| lines.len() >= 3 + all);
        let mut came: BTreeMap<String, usize> = BTreeMap::new();
        for message in messages(&lines) {
            *came.entry(message).or_default() += 1;
        }
        assert_eq!(came.remove("long ago"), None, "it was there already");
        for message in ["before one", "before two", "alone"] {
            assert_eq!(came.remove(message), Some(1), "{message}");
        }
        assert_eq!(came, expected);
    }
    let text = tails[2].wait("all have come", |lines| lines.len() >= 2 + all);
    assert!(text[0].ends_with("before two") && text[1].ends_with("ERROR follow_too h9 alone"), "{:?}", &text[..2]);
    assert_eq!(text.len(), 2 + all);
    let csv = tails[3].wait("all have come", |lines| lines.len() >= 4 + all);
    assert_eq!((csv[0].as_str(), csv.len()), ("time,index,levelname,host,message", 4 + all));
}

#[test]
fn a_followed_search_prints_what_grep_would() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("grown"));
    let mut publisher = Publisher::open(&stack.amqp);
    let line = |n: usize| {
        let host = if n.is_multiple_of(5) { "h5" } else { "h1" };
        aged(
            &format!("line {n} {}", if n % 7 == 3 { "Timeout!" } else { "ok" }),
            0,
            &format!(r#","host":"{host}","seq":{n}"#),
        )
    };
    publisher.publish("logstash", "grown.key", (0..12).map(line));
    wait_until("they are stored", SOON, || stack.count("grown").filter(|count| *count >= 12));
    let tail = |query: &str| Tail::start(&format!("{}/grep/grown/?format=text&follow=1&columns=&{query}", alco.url));
    let mut tails = [
        tail("search=timeout"),
        tail("search=timeout!&context=1"),
        tail("search=^line+\\d%2b+ok$&mode=regex&case=1&invert=1"),
        tail("host=h5&limit=1"),
        tail("search=nothing+of+it"),
        tail("search=timeout&context=y"),
        tail("any=host=h5|host=h1+message~timeout&limit=1"),
    ];
    // the metrics show that all of them have begun
    wait_until("all follow", SOON, || (alco.metric("alco_followers") == 7).then_some(()));
    for tail in &mut tails[..4] {
        tail.came("line");
    }
    for n in 12..40 {
        // one after the other, so that grep's order is known
        publisher.publish("logstash", "grown.key", [line(n)]);
        wait_until("it is stored", SOON, || stack.count("grown").filter(|count| *count > n as u64));
    }
    publisher.publish("logstash", "grown.key", [aged("line 40 Timeout! the last", 0, r#","host":"h5","seq":40"#)]);
    let mut printed = |n: usize, last: &str| -> Vec<String> {
        let lines = tails[n].wait(&format!("'{last}' comes"), |lines| lines.iter().any(|line| line.contains(last)));
        // the time is the first two words
        lines.iter().map(|line| line.splitn(3, ' ').nth(2).unwrap_or(line).to_owned()).collect()
    };
    let hits = [
        "3 Timeout!",
        "10 Timeout!",
        "17 Timeout!",
        "24 Timeout!",
        "31 Timeout!",
        "38 Timeout!",
        "40 Timeout! the last",
    ];
    let hits = hits.map(|hit| format!("line {hit}"));
    assert_eq!(printed(0, "the last"), hits);
    assert_eq!(printed(2, "the last"), hits);
    let of_host: Vec<String> = printed(3, "the last");
    let numbers = |lines: &[String]| -> Vec<usize> {
        lines.iter().filter_map(|line| line.split(' ').nth(1)?.parse().ok()).collect()
    };
    assert_eq!(numbers(&of_host), [10, 15, 20, 25, 30, 35, 40]);
    let of_group: Vec<String> = printed(6, "the last");
    assert_eq!(numbers(&of_group), [10, 15, 17, 20, 24, 25, 30, 31, 35, 38, 40]);
    let around = printed(1, "the last");
    let mut expect: Vec<String> = Vec::new();
    for n in [3, 10, 17, 24, 31, 38] {
        expect.extend([n - 1, n, n + 1].map(|n| n.to_string()));
        expect.push("--".to_owned());
    }
    expect.pop();
    expect.push("40".to_owned());
    let around: Vec<String> = around.iter().map(|line| line.split(' ').nth(1).unwrap_or(line).to_owned()).collect();
    assert_eq!(around, expect);
    assert_eq!(numbers(&printed(5, "the last")), (3..=40).collect::<Vec<_>>());
    assert_eq!(tails[4].lines(), Vec::<String>::new());

    let refused = alco.get("/grep/grown/?format=text&follow=1&end_ts=-1m");
    assert_eq!((refused.status, refused.body.contains("has no end")), (400, true), "{}", refused.body);
    assert_eq!(alco.get("/grep/grown/?format=ndjson&follow=1&mode=regex&search=(").status, 400);
    assert_eq!(alco.get("/grep/grown/?follow=1&mode=regex&search=(").status, 400);
}

#[test]
fn a_follower_too_many_is_refused() {
    let stack = Stack::shared();
    let mut alco = Alco::start(stack, &format!("{}[http]\nmax_followers = 2\n", stack.index("seats")));
    let url = format!("{}/grep/seats/?follow=1", alco.url);
    let mut page = Tail::start(&url);
    page.came("follows new records");
    let mut stream = Tail::start(&format!("{url}&format=ndjson"));
    wait_until("both are counted", SOON, || (alco.metric("alco_followers") == 2).then_some(()));
    wait_until("their threads have names", SOON, || {
        let threads: HashSet<String> = fs::read_dir(format!("/proc/{}/task", alco.pid()))
            .unwrap()
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .map(|name| name.trim().to_owned())
            .collect();
        (threads.contains("follow-1") && threads.contains("follow-2")).then_some(())
    });

    let third = alco.get("/grep/seats/?follow=1&format=ndjson");
    assert_eq!((third.status, third.header("retry-after")), (503, "10"), "{}", third.body);
    let third = alco.get("/grep/seats/?follow=1");
    assert_eq!(third.status, 200);
    assert!(third.body.contains("<meta http-equiv=\"refresh\" content=\"10\">"), "{}", third.body);
    assert!(third.body.contains("all 2 places to follow are taken"), "{}", third.body);

    // a follower that leaves frees its place, even if no record arrives
    drop(page);
    wait_until("its leaving is noticed", SOON, || (alco.metric("alco_followers") == 1).then_some(()));
    let mut page = Tail::start(&url);
    page.came("follows new records");

    // followers learn of the daemon's end, which waits for none of them
    alco.signal(Signal::SIGTERM);
    assert!(alco.ended(SOON).success(), "{}", alco.log());
    assert_eq!((page.ended(), stream.ended()), (Some(0), Some(0)), "whole answers");
    page.came("alco stops");
    stream.came(r#"{"@alco":"alco stops"}"#);
    assert!(page.lines().concat().ends_with("</html>"), "a whole page");
}

#[test]
fn followers_survive_a_restart_of_searchd() {
    let ini = "[index lasting]\ndays = 2\nthreads = 2\nrouting_keys = lasting.#\n";
    let stack = Stack::private("lasting", ini);
    let alco = Alco::start(&stack, ini);
    let mut publisher = Publisher::open(&stack.amqp);
    let mut tail = Tail::start(&format!("{}/grep/lasting/?format=ndjson&follow=1", alco.url));
    wait_until("it follows", SOON, || (alco.metric("alco_followers") == 1).then_some(()));
    let mut sent = 0;
    let mut publish = |publisher: &mut Publisher, count: usize| {
        publisher.publish("logstash", "lasting.key", (sent..sent + count).map(|n| body(&format!("record {n}"))));
        sent += count;
    };
    publish(&mut publisher, 500);
    for round in 0..2 {
        stack.kill("searchd");
        publish(&mut publisher, 700);
        tail.wait("it reports that searchd is away", |lines| {
            lines.iter().filter(|line| line.contains("searchd does not answer")).count() > round
        });
        stack.restart("searchd");
        publish(&mut publisher, 300);
        tail.wait("it reports that searchd is back", |lines| {
            lines.iter().filter(|line| line.contains("searchd is back")).count() > round
        });
    }
    publish(&mut publisher, 1);
    tail.came("record 2500");
    let mut came = messages(&tail.wait("all have come", |lines| messages(lines).len() >= 2501));
    came.sort_unstable();
    let mut expected: Vec<String> = (0..2501).map(|n| format!("record {n}")).collect();
    expected.sort_unstable();
    assert_eq!(came, expected);
    assert!(alco.stop().success());
}

/// A reader that takes 16 KiB every 500 ms up to a moment, and then reads on until all of `ends` have come.
fn slow_reader(
    alco: &Alco,
    path: &str,
    up_to: Arc<OnceLock<Instant>>,
    ends: &'static [&'static str],
) -> thread::JoinHandle<String> {
    let mut stream = TcpStream::connect(alco.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(3 * SOON)).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
    thread::spawn(move || {
        let (mut read, mut chunk) = (Vec::new(), vec![0; 16 * 1024]);
        let mut missing = ends.to_vec();
        loop {
            let count = stream.read(&mut chunk).unwrap();
            let before = read.len().saturating_sub(100);
            read.extend_from_slice(&chunk[..count]);
            let tail = String::from_utf8_lossy(&read[before..]);
            missing.retain(|end| !tail.contains(end));
            if count == 0 || missing.is_empty() {
                // the last character may have come in part
                return String::from_utf8_lossy(&read).into_owned();
            }
            if up_to.get().is_none_or(|moment| Instant::now() < *moment) {
                thread::sleep(Duration::from_millis(500));
            }
        }
    })
}

/// A worker may have waited for minutes with a batch while others stored theirs; the docids of that batch are old.
#[test]
fn late_records_are_reported_to_followers() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("late"));
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "late.key", [aged("of now", 1, "")]);
    stack.settled_count("late", 1, SOON);
    let newest = stack.documents("late")[0].0;
    // a bucket of docids of ten minutes ago
    let old = (newest - 2048 * 1000 * 600) / 16_384 * 16_384;
    let now = jiff::Timestamp::now();
    let store = |id: u64, message: &str| {
        let day = now.strftime("late_%Y%m%d");
        let row = format!("({id},{},0,{id},'{message}','{{}}')", now.as_microsecond());
        stack.sphinxql().query_drop(format!("REPLACE INTO {day} (id,ts,seq,digest,logline,js) VALUES {row}")).unwrap();
    };
    store(old + 7, "of then");
    let at = |form: &str| Tail::start(&format!("{}/grep/late/?follow=1{form}", alco.url));
    let mut tails = [at("&format=text"), at("&format=ndjson"), at("&format=csv"), at("")];
    for tail in &mut tails {
        tail.came("of then");
    }
    // a reader that has begun knows what was there by now
    store(newest + 1, "of now too");
    for tail in &mut tails {
        tail.came("of now too");
    }
    store(old + 8, "above all of then");
    store(old + 3, "below some of then");
    const TOLD: &str = "1 record arrived late: not shown here, found by a search";
    for tail in &mut tails {
        // all docids are looked at every 15 s
        let told = || Some(tail.lines()).filter(|lines| lines.iter().any(|line| line.contains(TOLD)));
        let lines = wait_until("the late record is reported", 3 * SOON, told);
        assert!(lines.iter().any(|line| line.contains("above all of then")), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("below some")), "{lines:#?}");
    }
    let of = |n: usize| tails[n].seen.iter().find(|(_, line)| line.contains(TOLD)).unwrap().1.trim().to_owned();
    assert!(of(0).starts_with("-- ") && of(0).ends_with(TOLD), "{}", of(0));
    assert_eq!(serde_json::from_str::<Value>(&of(1)).unwrap(), serde_json::json!({ "@alco": TOLD }));
    assert!(of(2).ends_with(&format!(",\"'-- {TOLD}\"")), "{}", of(2));
    assert!(alco.get("/grep/late/?format=text").body.contains("below some of then"));
}

#[test]
fn a_slow_follower_learns_that_it_lags() {
    const RECORDS: usize = 60_000;
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("slow"));
    let (slow, never) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::from(Instant::now())));
    let page = slow_reader(&alco, "/grep/slow/?follow=1", slow.clone(), &["the end of it"]);
    let ends = &["the end of it", "caught up"];
    let stream = slow_reader(&alco, "/grep/slow/?follow=1&format=ndjson", slow.clone(), ends);
    let quick = slow_reader(&alco, "/grep/slow/?follow=1&wrap=1", never, &["</html>"]);
    wait_until("all follow", SOON, || (alco.metric("alco_followers") == 3).then_some(()));
    let mut publisher = Publisher::open(&stack.amqp);
    let padding = "as long as records are ".repeat(10);
    for from in (0..RECORDS).step_by(10_000) {
        publisher.publish(
            "logstash",
            "slow.key",
            (from..from + 10_000).map(|n| body(&format!("record {n} {padding}"))),
        );
    }
    wait_until("all are stored", LONG, || stack.count("slow").filter(|count| *count >= RECORDS as u64));
    // alco's patience with a page ends within this time, even if storing was quick
    slow.set(Instant::now() + Duration::from_secs(20)).unwrap();
    // the page may leave out one of these too
    let mut ends = 0;
    while !(stream.is_finished() && page.is_finished()) {
        publisher.publish("logstash", "slow.key", [body("the end of it")]);
        ends += 1;
        thread::sleep(Duration::from_secs(1));
    }

    let stream = stream.join().unwrap();
    let lines: Vec<&str> = stream.split_once("\r\n\r\n").unwrap().1.trim_end().lines().map(str::trim_start).collect();
    let told = lines.iter().filter(|line| line.starts_with(r#"{"@alco":"lags by "#)).count();
    assert!(told > 0, "it lagged, and did not learn of it");
    let numbers = |texts: &mut dyn Iterator<Item = &str>| -> Vec<usize> {
        texts.filter_map(|text| text.split_once("record ")?.1.split(' ').next()?.parse().ok()).collect()
    };
    let mut came = numbers(&mut lines.iter().copied());
    came.sort_unstable();
    assert!(
        came == (0..RECORDS).collect::<Vec<_>>(),
        "{} of {RECORDS} came, and a stream leaves nothing out",
        came.len()
    );

    let page = page.join().unwrap();
    let came: HashSet<usize> = numbers(&mut page.split("<bdi>").skip(1)).into_iter().collect();
    let left_out: usize = page
        .match_indices(" records are left out here")
        .map(|(at, _)| {
            let number = page[..at].rsplit(' ').next().unwrap();
            number.replace(',', "").parse::<usize>().unwrap()
        })
        .sum();
    println!("{} came, {left_out} were left out, the stream learned {told} times that it lags", came.len());
    assert!(left_out > 0, "nothing was left out");
    let all = came.len() + left_out;
    assert!((RECORDS..=RECORDS + ends).contains(&all), "records that did not come were not counted: {all}");

    let quick = quick.join().unwrap();
    assert_eq!(quick.matches("<bdi>").count(), 20_000);
    assert!(quick.contains("this page ends here, after 20,000 lines"));
    let on = quick.rsplit("<a href=\"").find(|link| link.contains("go on")).unwrap();
    let on = on.split('"').next().unwrap().replace("&amp;", "&");
    assert!(on.starts_with("?wrap=1&follow=1&cursor=a"), "{on}");
}

/// nginx gives up on a reply that is silent for 60 s, by default; in the short form of this test after 12 s.
#[test]
fn nginx_does_not_end_a_silent_stream() {
    let (settings, idle) = if soak() { ("", 600) } else { ("proxy_read_timeout 12s;", 26) };
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("silent"));
    let nginx = Nginx::start(stack, &alco, settings);
    let mut tails = ["ndjson", "text", "csv", "html"]
        .map(|format| Tail::start(&format!("{}/grep/silent/?follow=1&format={format}", nginx.url)));
    wait_until("all follow", SOON, || (alco.metric("alco_followers") == 4).then_some(()));
    thread::sleep(Duration::from_secs(idle));
    let mut publisher = Publisher::open(&stack.amqp);
    let sent = Instant::now();
    publisher.publish("logstash", "silent.key", [body("after the silence")]);
    let took = tails.each_mut().map(|tail| tail.came("after the silence").duration_since(sent));
    println!("after {idle} s of silence a record was on the wire after {took:?}");
    assert_eq!(messages(&tails[0].lines()), ["after the silence"]);
    assert_eq!((tails[1].lines().len(), tails[2].lines().len()), (1, 2));
}

#[test]
fn text_browsers_read_the_page_that_refreshes_itself() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("refreshed"));
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish(
        "logstash",
        "refreshed.key",
        (0..150).map(|n| aged(&format!("entry {n}."), 0, &format!(r#","seq":{n}"#))),
    );
    wait_until("they are stored", SOON, || stack.count("refreshed").filter(|count| *count >= 150));
    let url = format!("{}/grep/refreshed/?follow=10s", alco.url);
    for browser in ["w3m", "lynx"] {
        let output = Command::new(browser).args(["-dump", &url]).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("entry 149.") && !text.contains("entry 20."), "the newest, not the oldest: {text}");
        assert!(text.contains("refreshes every 10 s"), "{text}");
    }
    let page = alco.page("/grep/refreshed/?follow=10s");
    assert!(page.html.contains("<meta http-equiv=\"refresh\" content=\"10\">"));
    let stop = page.link("accesskey=\"f\"").unwrap();
    assert_eq!(stop, "/grep/refreshed/");

    // a client of HTTP/1.0 gets no chunks
    let mut stream = TcpStream::connect(alco.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(b"GET /grep/refreshed/?follow=1&format=text&limit=1 HTTP/1.0\r\n\r\n").unwrap();
    let mut reply = String::new();
    let mut byte = [0];
    while !reply.contains("entry 149.") {
        stream.read_exact(&mut byte).unwrap();
        reply.push(char::from(byte[0]));
    }
    assert!(!reply.to_lowercase().contains("transfer-encoding"), "{reply}");
    assert!(reply.contains("X-Accel-Buffering: no"), "{reply}");
}

/// A record of a web shop, with its number at the start of the message.
fn shop_record(n: usize) -> String {
    const LEVELS: [&str; 7] = ["INFO", "DEBUG", "INFO", "WARNING", "INFO", "ERROR", "INFO"];
    const TEXTS: [&str; 7] = [
        "GET /cart/ 200 in 31 ms",
        "cache hit for basket 5512",
        "order 9981 was paid",
        "slow query: 812 ms",
        "sent 3 mails",
        "connection timed out to ledger.internal:7001",
        "worker 4 is idle",
    ];
    let (level, host, logger) = (LEVELS[n % 7], n % 3, n % 5);
    let rest = format!(r#","seq":{n},"levelname":"{level}","host":"web-0{host}","logger":"shop.{logger}""#);
    aged(&format!("{n}: {}", TEXTS[n % 7]), 0, &rest)
}

/// For people to look at; and axe finds no barrier.
#[track_caller]
fn follow_screenshots(browser: &Browser) {
    for (name, width, scheme) in
        [("follow.png", 1280, "light"), ("follow-dark.png", 1280, "dark"), ("phone-follow.png", 390, "light")]
    {
        browser.colours(scheme);
        browser.screen(width, if width < 500 { 844 } else { 800 }, width < 500);
        assert_eq!(browser.overhang(), 0, "{name} is wider than its screen");
        browser.screenshot(name, None);
        let barriers = browser.barriers();
        assert!(barriers.is_empty(), "{name}: {barriers:#?}");
    }
    browser.screen(1280, 800, false);
}

/// Distance of the box's view from its end, and the texts of the first and the last line.
const VIEW: &str = "const tail = document.querySelector('.tail'), lines = [...document.querySelectorAll('.tail bdi')];
    const last = lines.at(-1).getBoundingClientRect(), box = tail.getBoundingClientRect();
    return [Math.round(-tail.scrollTop), lines.length, lines.at(-1).textContent, last.bottom <= box.bottom + 1 && last.top >= box.top]";

#[test]
fn a_followed_page_keeps_its_readers_place() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("growing"));
    let mut publisher = Publisher::open(&stack.amqp);
    let mut sent = 0;
    let mut publish = |publisher: &mut Publisher, count: usize| {
        publisher.publish("logstash", "growing.key", (sent..sent + count).map(shop_record));
        sent += count;
    };
    publish(&mut publisher, 150);
    wait_until("they are stored", SOON, || stack.count("growing").filter(|count| *count >= 150));

    let browser = Browser::impatient(stack);
    browser.screen(1280, 800, false);
    browser.open(&format!("{}/grep/growing/?follow=1", alco.url));
    let ready = "return document.querySelectorAll('.tail bdi').length >= 100";
    wait_until("the last lines are there", SOON, || browser.script(ready).as_bool().filter(|ready| *ready));
    let shows = |lines: usize, last: usize| {
        wait_until(&format!("line {last} comes"), SOON, || {
            let view = browser.script(VIEW);
            let is_there = view[1] == lines && view[2].as_str()?.starts_with(&format!("{last}: "));
            is_there.then_some((view[0].as_i64()?, view[3].as_bool()?))
        })
    };
    assert_eq!(shows(100, 149), (0, true), "pinned to the newest");

    // a selection stays, and the view goes with the newest line
    let select = "getSelection().selectAllChildren([...document.querySelectorAll('.tail bdi')].at(-3)); return String(getSelection())";
    let selected = browser.script(select);
    assert!(selected.as_str().unwrap().starts_with("147: "), "{selected}");
    for n in 1..=6 {
        publish(&mut publisher, 5);
        assert_eq!(shows(100 + 5 * n, 149 + 5 * n), (0, true));
    }
    assert_eq!(browser.script("return String(getSelection())"), selected);
    follow_screenshots(&browser);

    // a reader who has scrolled up keeps the place
    browser.script("document.querySelector('.tail').scrollTop = -400");
    let top = "const line = [...document.querySelectorAll('.tail bdi')].find(m => m.textContent.startsWith('130: '));
        return Math.round(line.getBoundingClientRect().top)";
    let before = browser.script(top);
    publish(&mut publisher, 40);
    let (distance, is_seen) = shows(170, 219);
    assert!(distance > 400 && !is_seen, "{distance} {is_seen}");
    assert_eq!(browser.script(top), before, "the same line at the same place");
    // from the end on, the view goes with the newest line again
    browser.script("document.querySelector('.tail').scrollTop = 0");
    publish(&mut publisher, 1);
    assert_eq!(shows(171, 220), (0, true));

    assert_eq!(browser.complaints(), Vec::<Value>::new());
    browser.click("a[accesskey=f]");
    wait_until("the page is a still one", SOON, || (!browser.address().contains("follow")).then_some(()));
    wait_until("no client follows", SOON, || (alco.metric("alco_followers") == 0).then_some(()));
}
