//! The costs of several nodes: what a search and a record cost each process, by the number of nodes, and what goes over the network.
//!
//! Three nodes share a queue; one node alone has a queue of its own with the same records, of 30 days. Some figures are ratios of the
//! nodes to the one. The tables by the number of nodes are with as many records on each node, so they show what a node more costs.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use jiff::SignedDuration;

use crate::figures::{Bound, Table, cpu_seconds, median};
use crate::filling::{fill_by, range_of_days, range_of_most, stored};
use crate::records::{Records, needle, times};
use crate::searching::merge;
use crate::support::link::Link;
use crate::support::nodes::{Node, alone, nodes_at};
use crate::support::{Alco, Publisher, SOON, Stack, encoded, free_port, queue_state, wait_until};
use crate::today;

const NODES: usize = 3;
const DAYS: i64 = 30;
const RECORDS_PER_DAY: usize = 10_000;
/// Records that wait in the queue for a measurement of collecting.
const LOAD: usize = 60_000;
const SEED: u64 = 4;
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// An odd number of measurements, of so many requests each.
const BATCHES: usize = 5;
const BATCH: Duration = Duration::from_millis(700);
const MAX_PER_BATCH: u32 = 60;
/// Followers, and how long they are measured.
const FOLLOWERS: usize = 4;
const FOLLOWED: Duration = Duration::from_secs(15);

/// Against one node with the same records: the searchd of any of three.
const MAX_RATIO: f64 = 1.5;

/// The load has routing keys of its own, which the node alone does not take.
const INI: &str = "[index bench]\nqueue = bench\nrouting_keys = bench.#, load.#\ndays = 31\n\
                   filtered = levelname, host, application, project\n";

struct Cluster {
    nodes: Vec<Node>,
    links: Vec<Link>,
    one: Stack,
}

pub fn run() -> bool {
    let ports: Vec<u16> = (0..NODES).map(|_| free_port()).collect();
    let links: Vec<Link> = ports.iter().map(|port| Link::to(*port)).collect();
    let doors: Vec<u16> = links.iter().map(|link| link.port).collect();
    let nodes = nodes_at("bench_nodes", &ports, &doors, INI);
    let of_one = INI.replace("queue = bench", "queue = bench_one").replace(", load.#", "");
    let one = alone("bench_alone", &nodes[0].stack.amqp, &of_one);
    let cluster = Cluster { nodes, links, one };
    let alcos: Vec<Alco> = cluster.nodes.iter().map(|node| node.alco(INI)).collect();
    let alone = Alco::start(&cluster.one, &of_one);
    cluster.fill();
    let ratios = cluster.against_one(&alcos[0], &alone);
    let network = cluster.network(&alcos[0]);
    drop((alcos, alone));
    let searching = cluster.searching();
    let collecting = cluster.collecting();
    [ratios, network, searching, collecting].iter().all(Table::is_reached)
}

/// A search over all days for what five records have.
fn rare() -> String {
    let range = range_of_days(today() - DAY * (DAYS as i32 - 1), DAYS);
    format!("/api/grep/bench/?{range}&search={}", encoded("gave imeout=5 -> retry#7"))
}

fn common() -> String {
    format!("/api/grep/bench/?{}&search=user", range_of_most(today() - DAY))
}

fn regex_without_a_literal() -> String {
    format!("/api/grep/bench/?{}&mode=regex&search={}", range_of_most(today() - DAY), encoded("[0-9]{6}[a-f]{2}"))
}

fn histogram() -> String {
    format!("/api/grep/bench/histogram/?{}", range_of_days(today() - DAY * (DAYS as i32 - 1), DAYS))
}

impl Cluster {
    fn fill(&self) {
        let mut records = Records::new(SEED);
        let first = today() - DAY * (DAYS as i32 - 1);
        let bodies = (0..DAYS as i32).flat_map(|day| times(RECORDS_PER_DAY, first + DAY * day, DAY).enumerate());
        let bodies = bodies.enumerate().map(|(n, (of_day, at))| match (n / RECORDS_PER_DAY % 7, of_day) {
            (3, 5000) => needle(at),
            _ => records.body(at),
        });
        fill_by(&self.one.amqp, &|| self.stored().min(stored(&self.one)), bodies);
        for stack in self.stacks() {
            merge(stack);
        }
    }

    fn stored(&self) -> usize {
        self.nodes.iter().map(|node| stored(&node.stack)).sum()
    }

    fn stacks(&self) -> impl Iterator<Item = &Stack> {
        self.nodes.iter().map(|node| &node.stack).chain([&self.one])
    }

    fn searchds(&self) -> Vec<u32> {
        self.nodes.iter().map(|node| node.stack.pid_of("SEARCHD")).collect()
    }

    fn against_one(&self, alco: &Alco, alone: &Alco) -> Table {
        let mut table = Table::new("searchd of three nodes against one", &["ratio", "asking", "answering", "alone"]);
        let mut add = |what: &str, of_nodes: Vec<f64>, of_one: f64, bound| {
            let (asking, others) = (of_nodes[0], of_nodes[1..].iter().sum::<f64>() / (NODES - 1) as f64);
            table.add(what, "", &[asking.max(others) / of_one, asking, others, of_one], bound);
        };
        let alone_searchd = [self.one.pid_of("SEARCHD")];
        // what was counted of whole days is kept by one node, and not with peers
        for (what, path, bound) in [
            ("rare phrase in 30 days (CPU, ms)", rare(), Bound::AtMost(MAX_RATIO)),
            ("histogram of 30 days (CPU, ms)", histogram(), Bound::None),
        ] {
            add(what, cost(alco, &path, &self.searchds()), cost(alone, &path, &alone_searchd)[0], bound);
        }
        let (of_nodes, of_one) = (followed(alco, &self.searchds()), followed(alone, &alone_searchd)[0]);
        add("follower (CPU, ms a second)", of_nodes, of_one, Bound::AtMost(MAX_RATIO));
        table
    }

    fn network(&self, alco: &Alco) -> Table {
        let mut table = Table::new("over the network, from two nodes", &["per byte", "KB", "KB shown"]);
        for (what, path) in [
            ("page of a common word", common()),
            ("page of a regex without a literal", regex_without_a_literal()),
            ("rare phrase in 30 days", rare()),
        ] {
            let bytes = || self.links.iter().map(Link::bytes).sum::<u64>();
            let before = bytes();
            let shown = ask(alco, &path) as f64;
            let passed = (bytes() - before) as f64;
            table.add(what, "", &[passed / shown, passed / 1e3, shown / 1e3], Bound::None);
        }
        table
    }

    /// Searches over one node, two and three, each with as many records.
    fn searching(&self) -> Table {
        let columns = ["alco", "its searchd", "the others"];
        let mut table = Table::new("CPU of a search (ms)", &columns);
        let stack = &self.nodes[0].stack;
        let path = stack.dir().join("alco.ini");
        let all = fs::read_to_string(&path).expect("the stack has an alco.ini");
        let (_, rest) = all.split_once("\npeers = ").expect("it has peers");
        let peers: Vec<&str> = rest.lines().next().unwrap_or_default().split(", ").collect();
        for nodes in 1..=NODES {
            let some = all.replace(&peers.join(", "), &peers[..nodes - 1].join(", "));
            fs::write(&path, some).expect("alco.ini can be written");
            stack.stop("searchd");
            stack.restart("searchd");
            let alco = Alco::start(stack, INI);
            for (what, path) in [
                ("rare phrase, 30 days", rare()),
                ("histogram, 30 days", histogram()),
                ("common word, a day", common()),
            ] {
                let processes = [&[alco.pid()][..], &self.searchds()].concat();
                let costs = cost(&alco, &path, &processes);
                let others = &costs[2..1 + nodes];
                let mean = others.iter().sum::<f64>() / others.len() as f64;
                let shown = if others.is_empty() { 0.0 } else { mean };
                table.add(&format!("{what}, over {nodes}"), "", &[costs[0], costs[1], shown], Bound::None);
            }
        }
        table
    }

    /// Records that wait in the queue, stored by one node, two and three.
    fn collecting(&self) -> Table {
        let mut table = Table::new("CPU of a record (µs)", &["alco", "searchd", "RabbitMQ", "Redis"]);
        let broker = &self.nodes[0].stack;
        let servers = || {
            let [rabbitmq, redis] = ["RABBITMQ", "REDIS"].map(|server| cpu_seconds(broker.pid_of(server)));
            [self.searchds().into_iter().map(cpu_seconds).sum(), rabbitmq, redis]
        };
        let mut records = Records::new(SEED + 1);
        let each = |seconds: f64| seconds * 1e6 / LOAD as f64;
        for nodes in 1..=NODES {
            let at_first = servers();
            let mut publisher = Publisher::open(&broker.amqp);
            publisher.publish("logstash", "load.shop", times(LOAD, today(), DAY).map(|at| records.body(at)));
            publisher.close();
            let all = || queue_state(&broker.amqp, "bench").filter(|queue| queue.messages as usize == LOAD);
            wait_until("all records wait in the queue", SOON, all);
            let (published, before, had) = (servers()[1] - at_first[1], servers(), self.stored());
            let alcos: Vec<Alco> = self.nodes[..nodes].iter().map(|node| Alco::spawn(&node.stack, INI)).collect();
            wait_until("they are stored", SOON * 4, || (self.stored() >= had + LOAD).then_some(()));
            let alco = alcos.iter().map(|alco| cpu_seconds(alco.pid())).sum::<f64>();
            let after = servers();
            let [searchd, rabbitmq, redis] = [0, 1, 2].map(|at| each(after[at] - before[at]));
            table.add(&format!("{nodes} nodes"), "", &[each(alco), searchd, rabbitmq, redis], Bound::None);
            if nodes == 1 {
                table.add("(publishing, with confirms)", "", &[0.0, 0.0, each(published), 0.0], Bound::None);
            }
        }
        table
    }
}

/// Reads an answer, and returns its bytes.
fn ask(alco: &Alco, path: &str) -> usize {
    let reply = alco.get(path);
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    reply.body.len()
}

/// Medians: the CPU of these processes for a request, in ms.
fn cost(alco: &Alco, path: &str, processes: &[u32]) -> Vec<f64> {
    ask(alco, path);
    let begin = Instant::now();
    ask(alco, path);
    let per_batch = (BATCH.as_secs_f64() / begin.elapsed().as_secs_f64()).clamp(1.0, f64::from(MAX_PER_BATCH)) as u32;
    let batches: Vec<Vec<f64>> = (0..BATCHES)
        .map(|_| {
            let before: Vec<f64> = processes.iter().map(|pid| cpu_seconds(*pid)).collect();
            for _ in 0..per_batch {
                ask(alco, path);
            }
            let spent = processes.iter().zip(before).map(|(pid, before)| cpu_seconds(*pid) - before);
            spent.map(|seconds| seconds * 1000.0 / f64::from(per_batch)).collect()
        })
        .collect();
    (0..processes.len()).map(|at| median(batches.iter().map(|batch| batch[at]).collect())).collect()
}

/// The CPU of these processes for a follower of a quiet log, in ms a second.
fn followed(alco: &Alco, processes: &[u32]) -> Vec<f64> {
    let followers: Vec<TcpStream> = (0..FOLLOWERS)
        .map(|_| {
            let mut stream = TcpStream::connect(alco.url.trim_start_matches("http://")).expect("alco listens");
            stream.write_all(b"GET /grep/bench/?format=text&follow=1&limit=1 HTTP/1.0\r\n\r\n").expect("alco reads");
            // the head is sent as soon as it follows
            stream.read_exact(&mut [0]).expect("alco answers");
            stream
        })
        .collect();
    // they ask more often at first
    thread::sleep(FOLLOWED);
    let before: Vec<f64> = processes.iter().map(|pid| cpu_seconds(*pid)).collect();
    thread::sleep(FOLLOWED);
    let spent = processes.iter().zip(before).map(|(pid, before)| cpu_seconds(*pid) - before);
    let each = spent.map(|seconds| seconds * 1000.0 / FOLLOWED.as_secs_f64() / FOLLOWERS as f64).collect();
    drop(followers);
    each
}
