//! Redelivered records wait for a node that may have stored them, and say so; they do not wait for one that has never collected.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::nodes::under_load;
use crate::support::nodes::{Node, copies, count, nodes};
use crate::support::{ALCO, Alco, LONG, free_port, queue_state, wait_until};

const NAME: &str = "absent";
const INDEX: &str = "[index absent]\ndays = 2\nrouting_keys = absent.#\n";
const RABBITMQ: &str = "[rabbitmq]\nack_delay = 3s\nredelivery_wait = 600s\n";

/// Gives a node these peers, itself among them, in the words that its alco.ini had.
fn set_peers(node: &Node, peers: &[u16]) {
    let path = node.stack.dir().join("alco.ini");
    let ini = fs::read_to_string(&path).unwrap();
    let named: Vec<String> = peers.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let line = |line: &str| match line.starts_with("peers = ") {
        true => format!("peers = {}\n", named.join(", ")),
        false => format!("{line}\n"),
    };
    fs::write(path, ini.lines().map(line).collect::<String>()).unwrap();
}

fn stored(node: &Node) -> u64 {
    node.stack.count("absent_local").unwrap_or(0)
}

#[track_caller]
fn wait_for_more(node: &Node) {
    let before = stored(node);
    wait_until("it stores more", LONG, || (stored(node) > before + 1000).then_some(()));
}

fn start(node: &Node) -> Alco {
    node.alco(&format!("{INDEX}{RABBITMQ}"))
}

/// Kills an alco that has unacknowledged records, and starts it again.
fn restart(node: &Node, alco: Alco) -> Alco {
    alco.signal(Signal::SIGKILL);
    drop(alco);
    start(node)
}

fn health(alco: &Alco) -> (u16, String) {
    let reply = alco.get("/health");
    (reply.status, reply.body)
}

fn waiting_records(alco: &Alco) -> u64 {
    let metrics = alco.get("/metrics").body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("alco_waiting_records{index=\"absent\"} "));
    line.expect("the metric").parse().unwrap()
}

fn check(alco: &Alco) -> String {
    let output = Command::new(ALCO).args(["check", "--config"]).arg(&alco.ini).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn records_wait_for_a_peer_that_collected_and_for_no_other() {
    let nodes = nodes(NAME, 2, INDEX);
    let (a, b, absent) = (&nodes[0], &nodes[1], free_port());
    let amqp = &a.stack.amqp;
    let mut left = Vec::new();
    b.stack.stop("searchd");
    set_peers(a, &[a.port]);
    let alco_a = start(a);
    let published = under_load(amqp, NAME, || {
        // one node, which then names another that is not there
        wait_for_more(a);
        set_peers(a, &[a.port, b.port]);
        let alco_a = restart(a, alco_a);
        wait_for_more(a);
        assert_eq!(alco_a.logged("wait for a node"), 0, "{}", alco_a.log());

        // two nodes, which then name a third that is not there
        b.stack.restart("searchd");
        set_peers(b, &[a.port, b.port, absent]);
        let alco_b = start(b);
        wait_for_more(b);
        set_peers(a, &[a.port, b.port, absent]);
        let alco_a = restart(a, alco_a);
        wait_for_more(a);
        wait_for_more(b);
        for alco in [&alco_a, &alco_b] {
            assert_eq!(alco.logged("wait for a node"), 0, "{}", alco.log());
        }
        assert_eq!((waiting_records(&alco_a), health(&alco_a).0), (0, 200));

        // the second dies: only it is waited for
        alco_b.signal(Signal::SIGKILL);
        b.stack.kill("searchd");
        drop(alco_b);
        wait_until("a waits for b", LONG, || (waiting_records(&alco_a) > 0).then_some(()));
        let (status, body) = health(&alco_a);
        let waits = format!(" records wait for 127.0.0.1:{} until 20", b.port);
        assert!(status == 200 && body.contains(&waits), "{status} {body}");
        let checked = check(&alco_a);
        let warning = checked.lines().find(|line| line.starts_with("warning") && line.contains(&waits));
        assert!(warning.is_some_and(|line| line.contains("start searchd there")), "{checked}");
        b.stack.restart("searchd");
        wait_until("it waits no longer", LONG, || (waiting_records(&alco_a) == 0).then_some(()));
        wait_for_more(a);
        assert!(!health(&alco_a).1.contains("records wait"));
        left.push(alco_a);
    });
    wait_until("all are taken", LONG, || queue_state(amqp, NAME).filter(|queue| queue.messages == 0));
    wait_until("all are stored", LONG, || (count(&nodes, NAME) >= published as u64).then_some(()));
    let copies = copies(&nodes, NAME);
    assert_eq!(copies.len(), published, "none is lost");
    let wrong: Vec<_> = copies.iter().filter(|(_, copies)| copies.all > 1 || copies.marked > 0).collect();
    assert!(wrong.is_empty(), "twice or marked: {wrong:?}");
}
