//! docs/nodes.md, step by step, as its reader takes them: from one node to three, to another Redis, to another host, and back to two.
//! Numbered records arrive all the time, and a reader searches. Nothing is lost, nothing is silently twice, and no answer lacks
//! records without naming their node.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use serde_json::Value;

use crate::support::hosts::{Hosts, day_before};
use crate::support::nodes::{Node, copies, count};
use crate::support::{Alco, LONG, Publisher, Stack, body, queue_state, soak, try_get, wait_until};

/// Records published at once, and the time until the next ones, or the next search.
const BATCH: usize = 20;
const PACE: Duration = Duration::from_millis(20);

/// Records of the day before.
const EARLY: u64 = 300;

/// A reader who knows the pages of all nodes.
#[derive(Default)]
struct Reader {
    /// true from when on there is more than one node: one of them answers at any moment
    has_choice: AtomicBool,
    /// true while each record is on one node: a whole answer has no fewer records than the one before
    is_once: AtomicBool,
    whole: AtomicUsize,
    partial: AtomicUsize,
}

fn is_over(over: &Receiver<()>) -> bool {
    over.recv_timeout(PACE) != Err(RecvTimeoutError::Timeout)
}

impl Reader {
    /// Asks one page after the other until one answers, again and again.
    fn read(&self, known: &Mutex<Vec<String>>, over: &Receiver<()>) {
        let (mut most, mut turn) = (0, 0);
        while !is_over(over) {
            let (has_choice, pages) = (self.has_choice.load(Relaxed), known.lock().unwrap().clone());
            turn += 1;
            let answer = (0..pages.len()).find_map(|at| {
                let page = &pages[(turn + at) % pages.len()];
                let reply = try_get(&format!("{page}/api/grep/web/count/?start_ts=-1h")).ok()?;
                (reply.status == 200).then(|| (page.clone(), reply.body))
            });
            let Some((page, answer)) = answer else {
                assert!(!has_choice || *known.lock().unwrap() != pages, "none of {pages:?} answers");
                continue;
            };
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let is_whole = answer["missing"].as_array().unwrap().is_empty();
            if is_whole { &self.whole } else { &self.partial }.fetch_add(1, Relaxed);
            if is_whole && self.is_once.load(Relaxed) {
                let found = answer["count"].as_u64().unwrap();
                assert!(found >= most, "{page} has {found} records after {most}, and names no node");
                most = found;
            }
        }
    }
}

/// Publishes numbered records until it is over; returns their number.
fn publish(broker: &Mutex<String>, over: &Receiver<()>) -> usize {
    let mut amqp = broker.lock().unwrap().clone();
    let mut publisher = Publisher::open(&amqp);
    let mut published = 0;
    while !is_over(over) {
        let now = broker.lock().unwrap().clone();
        if now != amqp {
            publisher.close();
            (publisher, amqp) = (Publisher::open(&now), now);
        }
        let numbers = published..published + BATCH;
        publisher.publish("logstash", "logstash.web", numbers.map(|n| body(&format!("record {n}"))));
        published += BATCH;
    }
    publisher.close();
    published
}

fn grow(hosts: &mut Hosts, reader: &Reader) {
    hosts.wait_for_more("a");
    hosts.follow("From one node to two");
    let problems = hosts.problems('a');
    assert!(problems.len() == 1 && problems[0].contains(": agent 127.0.0.1:"), "only b is not there yet: {problems:?}");
    assert_eq!(hosts.problems('b'), [""; 0]);
    reader.has_choice.store(true, Relaxed);
    hosts.wait_for_more("ab");
    hosts.follow("And to three");
    assert_eq!(hosts.problems('c'), [""; 0]);
    hosts.wait_for_more("abc");
    hosts.follow("Move Redis");
    ['a', 'b', 'c'].into_iter().for_each(|name| assert_eq!(hosts.problems(name), [""; 0], "{name}"));
    hosts.wait_for_more("abc");
}

/// Publishes records of another day.
fn publish_of_day_before(hosts: &Hosts, days: i64, bodies: impl Iterator<Item = String>) {
    let (year, day) = (&day_before(days)[..4], &day_before(days)[4..]);
    let time = format!("{year}-{}-{}T12:00:00Z", &day[..2], &day[2..]);
    let body = |message| format!(r#"{{"@timestamp":"{time}","message":"{message}"}}"#);
    let mut publisher = Publisher::open(&hosts.machines[&'a'].node.stack.amqp);
    publisher.publish("logstash", "logstash.web", bodies.map(body));
    publisher.close();
}

fn replace(hosts: &mut Hosts) {
    publish_of_day_before(hosts, 1, (0..EARLY).map(|n| format!("early {n}")));
    let early = |hosts: &Hosts, name: char| {
        hosts.machines[&name].node.stack.count(&format!("web_{}", day_before(1))).unwrap_or(0)
    };
    wait_until("they are stored", LONG, || {
        (['a', 'b', 'c'].into_iter().map(|name| early(hosts, name)).sum::<u64>() == EARLY).then_some(())
    });
    assert!(early(hosts, 'c') > 0, "c has some of them");
    hosts.install_d();
    hosts.follow("Move a node");
    assert_eq!(hosts.counted('a'), Some(EARLY));
    assert!(hosts.problems('d').iter().all(|line| !line.starts_with("error")), "{:?}", hosts.problems('d'));
    hosts.c_is_now_d();
    hosts.wait_for_more("abc");

    for _ in 0..if soak() { 5 } else { 1 } {
        hosts.kill('c');
        hosts.wait_for_more("ab");
        // its disk is there
        hosts.install_d();
        hosts.follow("Move a node");
        assert_eq!(hosts.counted('a'), Some(EARLY));
        hosts.c_is_now_d();
        hosts.wait_for_more("abc");
    }
}

/// Returns the new broker.
fn move_rabbitmq(hosts: &mut Hosts, broker: &Mutex<String>) -> Stack {
    let (before, another) = (hosts.machines[&'a'].node.stack.amqp.clone(), hosts.install_broker());
    hosts.collects_from('b', &another);
    hosts.follow("Move RabbitMQ");
    broker.lock().unwrap().clone_from(&another.amqp);
    hosts.wait_for_more("b");
    let old = |hosts: &Hosts| is_empty(&hosts.machines[&'a'].node.stack);
    wait_until("the old queue is empty", LONG, || old(hosts).then_some(()));
    for name in ['a', 'c'] {
        hosts.collects_from(name, &another);
        hosts.change(name, "[rabbitmq]\nurl = amqp://alco@10.0.0.4:5672/%2f");
    }
    hosts.wait_for_more("abc");
    let consumers = |amqp: &str| queue_state(amqp, "web").map(|queue| queue.consumers);
    assert_eq!((consumers(&another.amqp), consumers(&before)), (Some(3), Some(0)));
    another
}

fn is_empty(broker: &Stack) -> bool {
    let counts = broker.rabbitmqctl(&["list_queues", "--silent", "messages"]);
    counts.split_whitespace().all(|count| count == "0")
}

fn drain(hosts: &mut Hosts, reader: &Reader, amqp: &str) {
    hosts.follow("Drain a node");
    wait_until("c has stored what it had", LONG, || queue_state(amqp, "web").filter(|queue| queue.consumers == 2));
    let before = hosts.machines[&'c'].count();
    hosts.wait_for_more("ab");
    assert_eq!(hosts.machines[&'c'].count(), before, "c takes no more");
    reader.is_once.store(false, Relaxed);
    hosts.follow("Send its records again");
    wait_until("they are taken", LONG, || queue_state(amqp, "web").filter(|queue| queue.messages == 0));
    hosts.follow("Take it out");
    hosts.wait_for_more("ab");
}

fn settled(broker: &Stack, nodes: &[Node], published: usize) {
    wait_until("all are stored", LONG, || (count(nodes, "web") >= published as u64).then_some(()));
    wait_until("all are acknowledged", LONG, || is_empty(broker).then_some(()));
}

#[test]
fn the_page_leads_from_one_node_to_three_and_back() {
    let mut hosts = Hosts::one();
    let (broker, pages) = (Mutex::new(hosts.machines[&'a'].node.stack.amqp.clone()), hosts.pages.clone());
    let reader = Reader { is_once: true.into(), ..Reader::default() };
    let (stop, over) = bounded::<()>(0);
    let (published, another) = thread::scope(|scope| {
        let stop = stop;
        let publishing = scope.spawn(|| publish(&broker, &over));
        scope.spawn(|| reader.read(&pages, &over));
        grow(&mut hosts, &reader);
        replace(&mut hosts);
        let another = soak().then(|| move_rabbitmq(&mut hosts, &broker));
        let amqp = broker.lock().unwrap().clone();
        drain(&mut hosts, &reader, &amqp);
        drop(stop);
        (publishing.join().unwrap(), another)
    });
    let published = published + EARLY as usize;
    let mut left = hosts.machines;
    let (alcos, nodes): (Vec<Option<Alco>>, Vec<Node>) =
        ['a', 'b'].map(|name| left.remove(&name).unwrap()).into_iter().map(|host| (host.alco, host.node)).unzip();
    settled(another.as_ref().unwrap_or(&nodes[0].stack), &nodes, published);
    drop(alcos);
    let copies = copies(&nodes, "web");
    assert_eq!(copies.len(), published, "none is lost");
    let silently: Vec<_> = copies.iter().filter(|(_, copies)| copies.all > copies.marked + 1).collect();
    assert!(silently.is_empty(), "silently twice: {silently:?}");
    let twice = copies.values().filter(|copies| copies.all > 1).count();
    let (whole, partial) = (reader.whole.into_inner(), reader.partial.into_inner());
    eprintln!("{published} records, {twice} marked as twice; {whole} whole answers, {partial} that named a node");
}

#[test]
fn a_node_that_is_named_last_answers_already() {
    let mut hosts = Hosts::one();
    hosts.follow("From one node to two");
    hosts.follow("In another order");
    for name in ['a', 'b', 'c'] {
        assert_eq!(hosts.problems(name), [""; 0], "{name}");
    }
    let consumers = || queue_state(&hosts.machines[&'a'].node.stack.amqp, "web").map(|queue| queue.consumers);
    wait_until("all collect", LONG, || (consumers() == Some(3)).then_some(()));
}

#[test]
fn a_mirror_gets_earlier_days_from_the_other() {
    let mut hosts = Hosts::one();
    let publish = |hosts: &Hosts, days: i64, numbers: std::ops::Range<usize>| {
        publish_of_day_before(hosts, days, numbers.map(|n| format!("record {n}")));
    };
    let has = |hosts: &Hosts, name: char, days: i64| {
        hosts.machines[&name].node.stack.count(&format!("web_{}", day_before(days))).unwrap_or(0)
    };
    publish(&hosts, 2, 0..300);
    publish(&hosts, 1, 300..800);
    wait_until("a has them", LONG, || (hosts.machines[&'a'].count() == 800).then_some(()));
    hosts.install_mirror();
    let rest = hosts.follow_to_a_stop("Add a mirror, or replace one");
    publish(&hosts, 1, 800..1000);
    wait_until("both have the new ones", LONG, || {
        (has(&hosts, 'a', 1) == 700 && has(&hosts, 'b', 1) == 200).then_some(())
    });
    hosts.take(rest);
    assert_eq!((hosts.counted('a'), hosts.counted('b')), (Some(1000), Some(1000)));
    publish(&hosts, 1, 1000..1100);
    for name in ['a', 'b'] {
        wait_until("it has all of them", LONG, || (hosts.machines[&name].count() == 1100).then_some(()));
        assert_eq!((has(&hosts, name, 1), has(&hosts, name, 2)), (800, 300), "{name}");
    }
}
