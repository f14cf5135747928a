//! Several nodes that collect from one queue: a record that a dead node may have stored is neither lost nor silently stored twice.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use nix::sys::signal::Signal;

use crate::support::link::Link;
use crate::support::nodes::{Copies, Node, copies, count, nodes, nodes_at};
use crate::support::{ALCO, Alco, LONG, Publisher, SetAtEnd, Stack, body, free_port, queue_state, wait_until};

fn index(name: &str, more: &str) -> String {
    format!("[index {name}]\ndays = 2\nrouting_keys = {name}.#\n{more}")
}

fn rabbitmq(ack_delay: &str, redelivery_wait: &str) -> String {
    format!("[rabbitmq]\nack_delay = {ack_delay}\nredelivery_wait = {redelivery_wait}\n")
}

/// Publishes records while `work` runs; returns their number.
pub fn under_load(amqp: &str, index: &str, work: impl FnOnce()) -> usize {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let mut publisher = Publisher::open(amqp);
            let mut published = 0;
            while !over.load(Relaxed) {
                let numbers = published..published + 100;
                publisher.publish("logstash", &format!("{index}.key"), numbers.map(|n| body(&format!("record {n}"))));
                published += 100;
            }
            publisher.close();
            published
        });
        let ending = SetAtEnd(&over);
        work();
        drop(ending);
        publishing.join().unwrap()
    })
}

/// Waits until the nodes have all records and have acknowledged them, and returns the copies of each message.
#[track_caller]
fn settled(nodes: &[Node], alcos: Vec<Alco>, index: &str, published: usize) -> BTreeMap<String, Copies> {
    let amqp = &nodes[0].stack.amqp;
    wait_until("all are taken", LONG, || queue_state(amqp, index).filter(|queue| queue.messages == 0));
    wait_until("all are stored", LONG, || (count(nodes, index) >= published as u64).then_some(()));
    for alco in alcos {
        assert!(alco.stop().success());
    }
    // records that waited for their ack_delay come again, and are found stored
    let gone = || queue_state(amqp, index).filter(|queue| queue.consumers == 0);
    wait_until("their consumers are gone", LONG, gone);
    let last = nodes[0].alco(&self::index(index, ""));
    let has_broker = |node: &&Node| node.stack.dir().join("rabbitmq").exists();
    let broker = &nodes.iter().find(has_broker).unwrap().stack;
    wait_until("all are acknowledged", LONG, || {
        let queues = broker.rabbitmqctl(&["list_queues", "--silent", "messages"]);
        (queues.trim() == "0").then_some(())
    });
    assert!(last.stop().success());
    let copies = copies(nodes, index);
    assert_eq!(copies.len(), published, "none is lost");
    copies
}

/// The messages of which there are several copies; each copy but one must be marked.
#[track_caller]
fn twice(copies: &BTreeMap<String, Copies>) -> usize {
    let silently: Vec<_> = copies.iter().filter(|(_, copies)| copies.all > copies.marked + 1).collect();
    assert!(silently.is_empty(), "silently twice: {silently:?}");
    copies.values().filter(|copies| copies.all > 1).count()
}

/// A new Redis has alco look for records of an hour before, which any node may have: for the first minute, that is.
fn forget_what_redis_may_have_lost(stack: &Stack, index: &str) {
    let key = format!("ALCO:LEASES:{index}");
    let leases: BTreeMap<String, String> = wait_until("there is a lease", LONG, || {
        Some(stack.ask_redis::<BTreeMap<_, _>>(&["HGETALL", &key])).filter(|leases| !leases.is_empty())
    });
    for (first, _) in leases.iter().filter(|(_, lease)| lease.contains(" lost ")) {
        stack.ask_redis::<()>(&["HDEL", &key, first]);
    }
}

/// Two nodes, of which the first has its servers and its peer behind links.
struct CutOff {
    nodes: Vec<Node>,
    links: Vec<Link>,
}

impl CutOff {
    fn start(name: &str) -> CutOff {
        let ports = [free_port(), free_port()];
        let door = Link::to(ports[1]);
        let mut nodes = nodes_at(name, &ports, &[ports[0], door.port], &index(name, ""));
        let port = |url: &str| url.rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap();
        let Stack { amqp, redis, .. } = &nodes[1].stack;
        let (to_amqp, to_redis) = (Link::to(port(amqp)), Link::to(port(redis)));
        // the second node's alco reaches the servers by links only, and notices within seconds that they are silent
        let path = nodes[1].stack.dir().join("alco.ini");
        let ini = fs::read_to_string(&path).unwrap();
        let ini = ini
            .replace(&format!(":{}/%2f", port(amqp)), &format!(":{}/%2f?heartbeat=1", to_amqp.port))
            .replace(&format!(":{}/0", port(redis)), &format!(":{}/0", to_redis.port));
        fs::write(path, ini).unwrap();
        nodes.reverse();
        CutOff { nodes, links: vec![door, to_amqp, to_redis] }
    }
}

#[test]
fn a_node_that_was_cut_off_has_no_record_silently_twice() {
    // the cut is over before the wait, and after it
    for (name, wait, is_over_before) in [("cutshort", "60s", true), ("cutlong", "2s", false)] {
        let CutOff { nodes, links } = CutOff::start(name);
        let ini = index(name, &rabbitmq("1s", wait));
        let alcos: Vec<Alco> = nodes.iter().map(|node| node.alco(&ini)).collect();
        let (amqp, cut, other) = (&nodes[0].stack.amqp, &alcos[0], &alcos[1]);
        let published = under_load(amqp, name, || {
            wait_until("both have stored some", LONG, || {
                let some = |node: &Node| node.stack.count(&format!("{name}_local")).is_some_and(|count| count > 3000);
                nodes.iter().all(some).then_some(())
            });
            links.iter().for_each(Link::cut);
            wait_until("the other waits for it", LONG, || (other.logged("wait for a node") > 0).then_some(()));
            if !is_over_before {
                wait_until("the wait is over", LONG, || (other.logged("may be stored twice") > 0).then_some(()));
            }
            links.iter().for_each(Link::mend);
            wait_until("it is back", LONG, || (cut.logged("is back after") > 0).then_some(()));
        });
        let copies = settled(&nodes, alcos, name, published);
        let marked: usize = copies.values().map(|copies| copies.marked).sum();
        let twice = twice(&copies);
        eprintln!("{name}: {published} published, {twice} twice, {marked} marked");
        assert_eq!((is_over_before, twice == 0 && marked == 0), (is_over_before, is_over_before));
    }
}

#[test]
fn a_dead_node_leaves_no_record_silently_twice() {
    for (name, wait, is_back_before) in [("deadshort", "60s", true), ("deadlong", "1s", false)] {
        let nodes = nodes(name, 2, &index(name, ""));
        let ini = index(name, &rabbitmq("3s", wait));
        let (dead, other) = (nodes[0].alco(&ini), nodes[1].alco(&ini));
        let amqp = &nodes[0].stack.amqp;
        let published = under_load(amqp, name, || {
            let some = |node: &Node| node.stack.count(&format!("{name}_local")).is_some_and(|count| count > 3000);
            wait_until("both have stored some", LONG, || nodes.iter().all(some).then_some(()));
            dead.signal(Signal::SIGKILL);
            nodes[0].stack.kill("searchd");
            wait_until("the other waits for it", LONG, || (other.logged("wait for a node") > 0).then_some(()));
            if !is_back_before {
                wait_until("the wait is over", LONG, || (other.logged("may be stored twice") > 0).then_some(()));
            }
            nodes[0].stack.restart("searchd");
        });
        drop(dead);
        let copies = settled(&nodes, vec![other], name, published);
        let marked: usize = copies.values().map(|copies| copies.marked).sum();
        let twice = twice(&copies);
        eprintln!("{name}: {published} published, {twice} twice, {marked} marked");
        assert_eq!((is_back_before, twice == 0 && marked == 0), (is_back_before, is_back_before));
    }
}

#[test]
fn a_node_without_searchd_leaves_its_records_to_the_others() {
    let name = "nosearchd";
    let nodes = nodes(name, 2, &index(name, ""));
    let ini = index(name, &rabbitmq("0s", "5s"));
    let alcos = vec![nodes[0].alco(&ini), nodes[1].alco(&ini)];
    // the lease comes with the first record
    let mut publisher = Publisher::to_queue(&nodes[0].stack.amqp, name);
    publisher.publish("logstash", &format!("{name}.key"), [body("the first")]);
    publisher.close();
    forget_what_redis_may_have_lost(&nodes[0].stack, name);
    let amqp = &nodes[0].stack.amqp;
    let published = under_load(amqp, name, || {
        let local = |node: &Node| node.stack.count(&format!("{name}_local")).unwrap_or(0);
        wait_until("both have stored some", LONG, || nodes.iter().all(|node| local(node) > 1000).then_some(()));
        nodes[0].stack.kill("searchd");
        wait_until("it gives up", LONG, || (alcos[0].logged("the other consumers of queue") > 0).then_some(()));
        let before = local(&nodes[1]);
        wait_until("the other stores", LONG, || (local(&nodes[1]) > before + 5000).then_some(()));
        // the line in the log comes before the broker takes its consumer away
        wait_until("no record goes to the first", LONG, || {
            queue_state(amqp, name).filter(|queue| queue.consumers == 1)
        });
        nodes[0].stack.restart("searchd");
        let before = wait_until("it answers", LONG, || Some(local(&nodes[0])).filter(|count| *count > 0));
        wait_until("it takes records again", LONG, || (local(&nodes[0]) > before + 1000).then_some(()));
    });
    let copies = settled(&nodes, alcos, name, published + 1);
    let marked: usize = copies.values().map(|copies| copies.marked).sum();
    eprintln!("{name}: {published} published, {} twice, {marked} marked", twice(&copies));
    assert!(marked <= 1000, "only those of the batch that it was storing: {marked}");
}

#[test]
fn a_node_whose_searchd_is_away_leaves_its_records_to_one_that_comes_later() {
    let name = "joinslater";
    let nodes = nodes(name, 2, &index(name, ""));
    let ini = index(name, &rabbitmq("0s", "5s"));
    let amqp = &nodes[0].stack.amqp;
    let first = nodes[0].alco(&ini);
    let publish = |from: usize, to: usize| {
        let mut publisher = Publisher::to_queue(amqp, name);
        publisher.publish("logstash", &format!("{name}.key"), (from..to).map(|n| body(&format!("record {n}"))));
        publisher.close();
    };
    let on = |node: &Node| node.stack.count(&format!("{name}_local")).unwrap_or(0);
    // by the first records it learns their size, so that it holds more than one batch of the others
    const KNOWN: usize = 2000;
    const ALL: usize = KNOWN + 3000;
    publish(0, KNOWN);
    wait_until("they are stored", LONG, || (on(&nodes[0]) == KNOWN as u64).then_some(()));
    forget_what_redis_may_have_lost(&nodes[0].stack, name);
    nodes[0].stack.kill("searchd");
    publish(KNOWN, ALL);
    wait_until("it holds half of them", LONG, || queue_state(amqp, name).filter(|queue| queue.messages <= 1500));
    let second = nodes[1].alco(&ini);
    // the first may have stored those of its last batch, and is waited for five seconds because of them
    wait_until("the other has all", LONG, || (on(&nodes[1]) == (ALL - KNOWN) as u64).then_some(()));
    nodes[0].stack.restart("searchd");
    let copies = settled(&nodes, vec![first, second], name, ALL);
    eprintln!("{name}: {} twice", twice(&copies));
}

#[test]
fn one_ini_on_all_nodes_and_changed_peers_count_each_record_once() {
    let name = "oneini";
    let ini = index(name, "");
    let nodes = nodes(name, 2, &ini);
    let (amqp, ports) = (&nodes[0].stack.amqp, [nodes[0].port, nodes[1].port]);
    // the records are in the second node alone
    let second = nodes[1].alco(&ini);
    let mut publisher = Publisher::open(amqp);
    publisher.publish("logstash", &format!("{name}.key"), (0..30).map(|n| body(&format!("record {n}"))));
    publisher.close();
    wait_until("they are stored", LONG, || (count(&nodes, name) == 30).then_some(()));
    assert!(second.stop().success());
    let path = nodes[0].stack.dir().join("alco.ini");
    let written = fs::read_to_string(&path).unwrap();
    let set_peers = |peers: &str| {
        let peers = format!("peers = {peers}\n");
        fs::write(&path, written.replace(&format!("peers = 127.0.0.1:{}\n", ports[1]), &peers)).unwrap();
    };
    // searchd drops a name that it cannot find, and asks no peer
    set_peers("nosuchhost.invalid:9312");
    nodes[0].stack.stop("searchd");
    nodes[0].stack.restart("searchd");
    assert_eq!(nodes[0].stack.count(name), Some(0));
    // alco has it read the peers that alco.ini has by now, among them this node itself
    set_peers(&format!("127.0.0.1:{}, 127.0.0.1:{}", ports[0], ports[1]));
    let first = nodes[0].alco(&ini);
    wait_until("searchd asks the peer", LONG, || nodes[0].stack.count(name).filter(|count| *count > 0));
    let agents = nodes[0].stack.select(&format!("DESCRIBE {name}")).unwrap();
    let agents: Vec<&String> = agents.iter().filter(|agent| agent.contains(':')).collect();
    assert_eq!(agents, [&format!("127.0.0.1:{}:{name}_local", ports[1])]);
    assert_eq!(first.logged("alco has it read its configuration again"), 1, "{}", first.log());
    let counted = first.get(&format!("/api/grep/{name}/count/?start_ts=-1h")).body;
    assert_eq!(counted, r#"{"count":30,"missing":[]}"#);
}

#[test]
fn alco_check_looks_at_the_other_nodes() {
    let name = "looked";
    let nodes = nodes(name, 2, &index(name, ""));
    let alcos = [nodes[0].alco(&index(name, "")), nodes[1].alco(&index(name, "filtered = levelname\n"))];
    let another = free_port();
    let check = || {
        let output = Command::new(ALCO).args(["check", "--config"]).arg(&alcos[0].ini).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let answers = format!("searchd of 127.0.0.1:{} answers for every index", nodes[1].port);
    let found = wait_until("the other has noted its settings", LONG, || {
        Some(check().1).filter(|found| found.contains("the node with searchd"))
    });
    assert!(found.contains(&answers) && !found.contains("belong to no index"), "{found}");
    assert!(found.contains(&format!("searchd listens at 127.0.0.1:{} for the other nodes", nodes[0].port)), "{found}");
    let difference = format!("[index {name}] filtered is 'levelname, host, application' here and 'levelname' there");
    assert!(found.contains(&difference) && found.contains("have the same alco.ini"), "{found}");
    // alco.ini is changed, and nothing is restarted yet
    let written = fs::read_to_string(&alcos[0].ini).unwrap();
    let port = |node: &Node| format!("127.0.0.1:{}", node.port);
    for (old, problem) in [
        (port(&nodes[0]), format!("searchd does not listen at 127.0.0.1:{another}, where other nodes ask it: ")),
        (port(&nodes[1]), format!("searchd does not ask 127.0.0.1:{another} for {name}; restart alco")),
    ] {
        fs::write(&alcos[0].ini, written.replace(&old, &format!("127.0.0.1:{another}"))).unwrap();
        let (status, found) = check();
        assert!(found.contains(&problem), "{problem} in {found}");
        assert_eq!(status, Some(2));
    }
    fs::write(&alcos[0].ini, written).unwrap();
    nodes[1].stack.kill("searchd");
    let (status, found) = check();
    let missing = found.lines().find(|line| line.starts_with("error") && line.contains("nodes: ")).unwrap_or(&found);
    assert!(missing.contains(&format!("agent 127.0.0.1:{}", nodes[1].port)), "{found}");
    assert_eq!(status, Some(2));
}
