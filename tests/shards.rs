//! Several nodes that search as one, while one of them is away or silent, with mirrors, and with answers that are too large.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::clients::RawClient;
use crate::support::follower::Follower;
use crate::support::nodes::{Node, nodes};
use crate::support::{ALCO, Alco, LONG, Publisher, SOON, body, directory, encoded, executable, wait_until};

const RECORDS: u64 = 900;
/// A peer that does not answer is waited for once, and at most for this time; a page takes some of its own.
const MAX_WAIT_FOR_PEER: Duration = Duration::from_millis(2500);

fn index(name: &str) -> String {
    format!("[index {name}]\ndays = 2\nrouting_keys = {name}.#\nfiltered = levelname\n")
}

/// Publishes, and waits until each node has a part.
fn stored(nodes: &[Node], name: &str) {
    let mut publisher = Publisher::open(&nodes[0].stack.amqp);
    let bodies = (0..RECORDS).map(|n| body(&format!("record {n} of {name}")));
    publisher.publish("logstash", &format!("{name}.key"), bodies);
    publisher.close();
    nodes[0].stack.settled_count(name, RECORDS, LONG);
}

fn json(alco: &Alco, name: &str, what: &str) -> Value {
    let reply = alco.get(&format!("/api/grep/{name}/{what}/?start_ts=-1h"));
    serde_json::from_str(&reply.body).unwrap_or_else(|error| panic!("{error}: {}", reply.body))
}

fn count(alco: &Alco, name: &str) -> (u64, bool) {
    let answer = json(alco, name, "count");
    (answer["count"].as_u64().unwrap(), answer["missing"].as_array().unwrap().is_empty())
}

/// The permanent link of a record, by its line of NDJSON.
fn link(name: &str, line: &str) -> String {
    let record: Value = serde_json::from_str(line).unwrap();
    let (place, _docid) = record["@id"].as_str().unwrap().rsplit_once('.').unwrap();
    format!("/grep/{name}/at/{place}/")
}

/// The page names the part once, and readers of text come to it before the lines, or before what an empty page has.
#[track_caller]
fn is_told_first(page: &str, peer: &str) {
    let told: Vec<usize> =
        page.match_indices(&format!("the records of {peer} are missing")).map(|(at, _)| at).collect();
    let lines = page.find("id=\"log\"").expect("the place of the lines");
    assert!(told.len() == 1 && told[0] < lines, "{told:?} {lines}: {page}");
}

#[test]
fn a_peer_that_is_away_is_named_and_waited_for_once() {
    let name = "away";
    let nodes = nodes(name, 3, &index(name));
    let alcos: Vec<Alco> = nodes.iter().map(|node| node.alco(&index(name))).collect();
    stored(&nodes, name);
    let peer = format!("127.0.0.1:{}", nodes[1].port);
    let alco = &alcos[0];
    assert_eq!(count(alco, name), (RECORDS, true));
    assert!(alco.get("/metrics").body.contains(&format!("alco_peer_up{{peer=\"{peer}\"}} 1")));
    let lines = alco.get(&format!("/grep/{name}/?format=ndjson&start_ts=-1h")).body;
    assert_eq!(lines.lines().count() as u64, RECORDS);
    let links: Vec<String> = lines.lines().map(|line| link(name, line)).collect();

    for silent in [false, true] {
        match silent {
            true => nodes[1].stack.pause("searchd"),
            false => nodes[1].stack.kill("searchd"),
        }
        let left =
            wait_until("the answer says so", SOON, || Some(count(alco, name)).filter(|(_, is_whole)| !is_whole)).0;
        assert!(left > 0 && left < RECORDS, "{left}");
        for search in ["", "&search=no+such+text"] {
            is_told_first(&alco.get(&format!("/grep/{name}/?start_ts=-1h{search}")).body, &peer);
        }
        // it is waited for once
        for path in [format!("/grep/{name}/?start_ts=-1h"), "/grep/".to_owned(), "/health".to_owned()] {
            let asked = Instant::now();
            let reply = alco.get(&path);
            assert!(reply.status == 200 && reply.body.contains(&peer), "{path}: {}", reply.body);
            assert!(asked.elapsed() < MAX_WAIT_FOR_PEER, "{path}: {:?}", asked.elapsed());
        }
        assert!(alco.get("/metrics").body.contains(&format!("alco_peer_up{{peer=\"{peer}\"}} 0")));
        for what in ["histogram", "values/levelname", "patterns"] {
            assert_eq!(json(alco, name, what)["exact"], Value::Bool(false), "{what}");
        }
        let ndjson = alco.get(&format!("/grep/{name}/?format=ndjson&start_ts=-1h")).body;
        assert!(ndjson.lines().last().unwrap().contains(&peer), "{ndjson}");
        let grep = Command::new(ALCO)
            .args(["grep", "-c", name, "--since", "-1h", "--config"])
            .arg(&alco.ini)
            .output()
            .unwrap();
        assert_eq!(grep.status.code(), Some(2), "{grep:?}");
        assert!(String::from_utf8_lossy(&grep.stderr).contains(&peer), "{grep:?}");
        // a record of that node may well be there
        let is_left =
            |link: &String| ndjson.lines().any(|line| line.contains("\"@id\"") && self::link(name, line) == *link);
        for (is_there, status) in [(true, 200), (false, 503)] {
            let link = links.iter().find(|link| is_left(link) == is_there).expect("a record");
            assert_eq!(alco.get(link).status, status, "{link}");
        }
        match silent {
            true => nodes[1].stack.resume("searchd"),
            false => nodes[1].stack.restart("searchd"),
        }
        wait_until("it is asked again", LONG, || (count(alco, name) == (RECORDS, true)).then_some(()));
        assert!(alco.logged("answers again") > usize::from(silent));
    }
}

/// Its lines are whole, and its figures are not.
#[test]
fn a_peer_that_dies_while_a_page_is_read_is_named() {
    let name = "dying";
    let nodes = nodes(name, 2, &index(name));
    let alcos: Vec<Alco> = nodes.iter().map(|node| node.alco(&index(name))).collect();
    let mut publisher = Publisher::open(&nodes[0].stack.amqp);
    const COLUMNS: usize = 60;
    const RECORDS: u64 = 600;
    const LINES: u64 = 300;
    // a page has more than the 4 MiB that the kernel may hold between alco and its reader
    let columns = (0..COLUMNS).map(|n| format!(r#""c{n}":"{}""#, "𝔣".repeat(100))).collect::<Vec<_>>().join(",");
    let time = jiff::Timestamp::now();
    let wide = |n| format!(r#"{{"@timestamp":"{time}","message":"record {n}","levelname":"INFO",{columns}}}"#);
    publisher.publish("logstash", &format!("{name}.key"), (0..RECORDS).map(wide));
    publisher.close();
    nodes[0].stack.settled_count(name, RECORDS, LONG);
    let client = RawClient { alco: &alcos[0], from: 1, user: None };
    let shown = (0..COLUMNS).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",");
    let mut page = client.ask(&format!("/grep/{name}/?start_ts=-1h&limit={LINES}&columns={shown}"));
    let mut text = vec![0; 1000];
    page.read_exact(&mut text).unwrap();
    nodes[1].stack.kill("searchd");
    let _ = page.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("</html>"), "the page is whole");
    assert_eq!(text.matches("role=listitem").count() as u64, LINES, "and so are its lines");
    let told = format!("the records of 127.0.0.1:{} are missing", nodes[1].port);
    let (_, end) = text.split_once("id=\"total\"").unwrap();
    assert!(text.contains(&told), "{}", end.chars().take(1000).collect::<String>());
}

#[test]
fn a_mirror_stands_in_for_another() {
    let name = "mirrored";
    let nodes = nodes(name, 3, &index(name));
    // the first node has no records; the others have the same ones
    let conf = nodes[0].stack.dir().join("alco.ini");
    let text = fs::read_to_string(&conf).unwrap();
    let (one, other) = (nodes[1].port, nodes[2].port);
    let shards = format!("127.0.0.1:{one}, 127.0.0.1:{other}");
    assert!(text.contains(&shards), "{text}");
    fs::write(&conf, text.replace(&shards, &shards.replace(", ", "|"))).unwrap();
    nodes[0].stack.stop("searchd");
    nodes[0].stack.restart("searchd");
    let own = |at: usize, keys: &str| {
        format!("[index {name}]\ndays = 2\nrouting_keys = {keys}\nqueue = {name}_{at}\nfiltered = levelname\n")
    };
    let asking = nodes[0].alco(&own(0, "none.#"));
    let alcos: Vec<Alco> = [1, 2].map(|at| nodes[at].alco(&own(at, &format!("{name}.#")))).into_iter().collect();
    let mut publisher = Publisher::open(&nodes[0].stack.amqp);
    publisher.publish("logstash", &format!("{name}.key"), (0..RECORDS).map(|n| body(&format!("record {n}"))));
    publisher.close();
    for node in &nodes[1..] {
        node.stack.settled_count(&format!("{name}_local"), RECORDS, LONG);
    }
    assert_eq!(count(&asking, name), (RECORDS, true));
    let stream = |search: &str| asking.get(&format!("/grep/{name}/?format=text&start_ts=-1h&{search}")).body;
    let sevens = format!("mode=regex&search={}", encoded("record [0-9]*7$"));
    let (all, some) = (stream(""), stream(&sevens));
    assert_eq!((all.lines().count() as u64, some.lines().count() as u64), (RECORDS, RECORDS / 10));
    for at in [1, 2] {
        nodes[at].stack.kill("searchd");
        if at == 2 {
            // the other one was away itself: until it may have caught up, its answers say so
            let has_caught_up = || (count(&asking, name) == (RECORDS, true)).then_some(());
            wait_until("the other one has caught up", LONG, has_caught_up);
        }
        // nothing is missing, and what was found by one mirror's docids is found with the other's
        assert_eq!(stream(&sevens), some);
        assert_eq!((stream(""), count(&asking, name)), (all.clone(), (RECORDS, true)));
        nodes[at].stack.restart("searchd");
        wait_until("both answer", LONG, || {
            let metrics = asking.get("/metrics").body;
            let up = metrics.lines().filter(|line| line.starts_with("alco_peer_up{") && line.ends_with(" 1")).count();
            (up == 2).then_some(())
        });
    }
    drop(alcos);
}

/// A record whose message has that number of bytes or more, and whose column has some.
fn large(n: usize, bytes: usize) -> String {
    let message = format!("record {n} of packets {}", "filling ".repeat(bytes / 8));
    let value = format!("value {n} ").repeat(200);
    let time = jiff::Timestamp::now();
    format!(r#"{{"@timestamp":"{time}","message":"{message}","levelname":"INFO","wide":"{value}"}}"#)
}

#[test]
fn answers_larger_than_a_packet_lose_nothing() {
    const PACKET_BYTES: usize = 256 << 10;
    const LARGE: usize = 400;
    let name = "packets";
    let ini = |at: usize| {
        let keys = if at == 1 { name } else { "none" };
        format!("[index {name}]\ndays = 2\nrouting_keys = {keys}.#\nqueue = {name}_{at}\nfiltered = levelname\n")
    };
    let mut nodes = nodes(name, 2, &ini(0));
    // the node that asks has no records, and takes small answers only, which alco.ini would refuse
    let smaller = directory("packets_alco").join("alco");
    executable(&smaller, &format!("{ALCO} \"$@\" | sed 's/max_packet_size = .*/max_packet_size = {PACKET_BYTES}/'\n"));
    nodes[0].stack.configure_by(&smaller);
    nodes[0].stack.stop("searchd");
    nodes[0].stack.restart("searchd");
    let (alco, _other) = (nodes[0].alco(&ini(0)), nodes[1].alco(&ini(1)));
    let mut follower = Follower::start(&alco, &format!("/grep/{name}/?format=text&follow=1&limit=1&columns="));
    let mut publisher = Publisher::open(&nodes[0].stack.amqp);
    publisher.publish("logstash", &format!("{name}.key"), (0..LARGE).map(|n| large(n, 8 << 10)));
    nodes[1].stack.settled_count(&format!("{name}_local"), LARGE as u64, LONG);

    let path = |search: &str| format!("/grep/{name}/?start_ts=-1h&{search}");
    let number = |line: &str| line.split_once("record ")?.1.split(' ').next()?.parse().ok();
    let numbers = |text: &str| -> BTreeSet<usize> { text.lines().filter_map(number).collect() };
    let all: BTreeSet<usize> = (0..LARGE).collect();
    let sevens: BTreeSet<usize> = (0..LARGE).filter(|n| n % 10 == 7).collect();
    let is_seven = format!("mode=regex&search={}", encoded("record [0-9]*7 of"));
    for (search, expect) in
        [("", &all), ("search=filling", &all), (&is_seven, &sevens), ("context=1&search=packets", &all)]
    {
        let lines = alco.get(&path(&format!("format=ndjson&{search}"))).body;
        assert_eq!((&numbers(&lines), lines.lines().count()), (expect, expect.len()), "{search}");
        assert!(lines.lines().all(|line| line.contains("\"wide\":\"value ")), "{search}");
        assert_eq!(numbers(&alco.get(&path(&format!("format=text&columns=&{search}"))).body), *expect, "{search}");
        let count: Value =
            serde_json::from_str(&alco.get(&format!("/api/grep/{name}/count/?start_ts=-1h&{search}")).body).unwrap();
        assert_eq!(count, serde_json::json!({"count": expect.len(), "missing": []}), "{search}");
        let page = alco.page(&path(&format!("limit=100&{search}")));
        assert_eq!((page.total() as usize, page.lines().len()), (expect.len(), expect.len().min(100)), "{search}");
    }
    let mut followed = follower.picked(LARGE, number);
    followed.sort_unstable();
    assert_eq!(followed, (0..LARGE).collect::<Vec<usize>>());
    // each has a value of its own: they do not fit, and cannot be asked for in parts
    let values = alco.get(&format!("/api/grep/{name}/values/wide/?start_ts=-1h")).body;
    let values: Value = serde_json::from_str(&values).unwrap();
    let is_whole = values["values"].as_array().is_some_and(|values| values.len() == LARGE);
    assert!(is_whole || values["exact"] == Value::Bool(false), "{values}");

    // one that fits into no packet: it is missing, and the answer says so
    publisher.publish("logstash", &format!("{name}.key"), [large(LARGE, PACKET_BYTES), large(LARGE + 1, 8)]);
    publisher.close();
    nodes[1].stack.settled_count(&format!("{name}_local"), LARGE as u64 + 2, LONG);
    let lines = alco.get(&path("format=ndjson")).body;
    assert!(lines.lines().last().unwrap().contains("max_packet_size"), "{}", lines.lines().last().unwrap());
    assert!(numbers(&lines).is_superset(&(0..LARGE / 2).collect()));
}
