//! Several nodes: each searches the records of all, and an answer that lacks those of a node is marked.

use std::fs;
use std::process::{Command, Output};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::support::{ALCO, Alco, Publisher, SOON, Stack, free_port};

const INDEX: &str = "[index nodes]\ndays = 5\nrouting_keys = nodes.#\nfiltered = levelname, host\n";

/// A stack whose ini has another line in a section; searchd has read it.
fn stack(name: &str, section: &str, line: &str) -> Stack {
    let stack = Stack::private(name, INDEX);
    let path = stack.dir().join("alco.ini");
    let header = format!("[{section}]\n");
    let ini = fs::read_to_string(&path).unwrap();
    let sections: Vec<&str> = ini.split(&header).collect();
    assert_eq!(sections.len(), 2, "one [{section}]");
    let (first, rest) = sections[1].split_once('\n').unwrap();
    let section = match first.strip_prefix("listen = ") {
        Some(listen) => format!("listen = {listen}, {line}"),
        None => format!("{line}\n{first}"),
    };
    fs::write(&path, format!("{}{header}{section}\n{rest}", sections[0])).unwrap();
    stack.stop("searchd");
    stack.restart("searchd");
    stack
}

#[test]
fn figures_of_several_days_and_nodes_are_exact_or_marked() {
    let door = format!("127.0.0.1:{}", free_port());
    let other = stack("peers_other", "sphinx.searchd", &door);
    let own = stack("peers_own", "sphinx", &format!("peers = {door}"));
    let nodes = [Alco::start(&own, INDEX), Alco::start(&other, INDEX)];
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let day = |ago: i64| today.checked_sub(jiff::Span::new().days(ago)).unwrap();
    // days ago, level, host
    let stored: [&[(i64, &str, &str)]; 2] =
        [&[(3, "INFO", "a"), (2, "ERROR", "a"), (2, "ERROR", "b")], &[(2, "WARNING", "c"), (1, "INFO", "c")]];
    for (stack, records) in [&own, &other].into_iter().zip(stored) {
        let body = |(ago, level, host): &(i64, &str, &str)| {
            let time = format!("{}T10:00:00Z", day(*ago));
            json!({"@timestamp": time, "message": "a message", "levelname": level, "host": host}).to_string()
        };
        let mut publisher = Publisher::open(&stack.amqp);
        publisher.publish("logstash", "nodes.key", records.iter().map(body));
        publisher.close();
    }
    // a distributed index counts those of the peers too
    own.settled_count("nodes", 5, SOON);
    let get = |what: &str, parameters: &str| -> Value {
        let range = format!("start_ts={}&end_ts={today}", day(3));
        let reply = nodes[0].get(&format!("/api/grep/nodes/{what}/?{range}&{parameters}"));
        serde_json::from_str(&reply.body).unwrap()
    };
    let grep = |parameters: &[&str]| -> Output {
        let range = ["--since", &day(3).to_string(), "--until", &today.to_string(), "--tz", "UTC"].map(str::to_owned);
        Command::new(ALCO)
            .args(["grep", "-c", "nodes", "--config"])
            .arg(&nodes[0].ini)
            .args(range)
            .args(parameters)
            .output()
            .unwrap()
    };
    let bars = |parameters: &str| {
        let answer = get("histogram", parameters);
        let sum = |of: &str| answer["bars"].as_array().unwrap().iter().map(|bar| bar[of].as_u64().unwrap()).sum();
        (["total", "warnings", "errors"].map(sum), answer["exact"].as_bool().unwrap())
    };
    let values = |column: &str| {
        let answer = get(&format!("values/{column}"), "");
        let pair = |value: &Value| format!("{} {}", value["value"].as_str().unwrap(), value["count"]);
        let values: Vec<String> = answer["values"].as_array().unwrap().iter().map(pair).collect();
        (values.join(", "), answer["exact"].as_bool().unwrap())
    };
    for parameters in ["", "search=message", "mode=regex&search=^a.m"] {
        assert_eq!(bars(parameters), ([5, 1, 2], true), "{parameters}");
        assert_eq!(get("count", parameters), json!({"count": 5, "missing": []}), "{parameters}");
    }
    assert_eq!(bars("levelname=ERROR"), ([2, 0, 2], true));
    assert_eq!(values("levelname"), ("ERROR 2, INFO 2, WARNING 1".to_owned(), true));
    assert_eq!(values("host"), ("a 2, c 2, b 1".to_owned(), true));
    assert_eq!(grep(&[]).stdout, b"5\n");

    other.kill("searchd");
    for parameters in ["", "search=message", "levelname=ERROR", "mode=regex&search=^a.m"] {
        let (_, exact) = bars(parameters);
        assert!(!exact, "{parameters}");
        let counted = get("count", parameters);
        assert!(!counted["missing"].as_array().unwrap().is_empty(), "{parameters}: {counted}");
    }
    assert!(!values("levelname").1 && !values("host").1);
    let printed = grep(&[]);
    assert_eq!((printed.status.code(), printed.stdout.as_slice()), (Some(2), b"3\n".as_slice()));
    assert!(String::from_utf8_lossy(&printed.stderr).contains(&door), "{printed:?}");
}
