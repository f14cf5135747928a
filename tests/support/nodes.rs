//! Several nodes on this host: a searchd and an alco for each, one RabbitMQ and one Redis for all.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mysql::prelude::Queryable;

use super::{ALCO, Alco, Stack, free_port};

/// A node's part of the servers.
#[derive(Debug)]
pub struct Node {
    /// its searchd; the RabbitMQ and the Redis of the first node
    pub stack: Stack,
    /// the port at which its searchd answers the other nodes
    pub port: u16,
}

/// The copies of a message that several nodes have.
#[derive(Debug, Default)]
pub struct Copies {
    pub all: usize,
    /// those with an `alco_error`
    pub marked: usize,
}

/// Nodes of which each has the others as peers. The first has RabbitMQ and Redis.
pub fn nodes(name: &str, count: usize, indexes: &str) -> Vec<Node> {
    let ports: Vec<u16> = (0..count).map(|_| free_port()).collect();
    nodes_at(name, &ports, &ports, indexes)
}

/// `ports`: those of the searchd; `doors`: those by which the other nodes reach them.
pub fn nodes_at(name: &str, ports: &[u16], doors: &[u16], indexes: &str) -> Vec<Node> {
    let servers = |at| if at == 0 { &["rabbitmq", "redis", "searchd"][..] } else { &["searchd"] };
    let start = |at| Stack::of(&format!("{name}_{at}"), servers(at), Path::new(ALCO), indexes);
    let mut stacks: Vec<Stack> = (0..ports.len()).map(start).collect();
    let (amqp, redis) = (stacks[0].amqp.clone(), stacks[0].redis.clone());
    for (at, stack) in stacks.iter_mut().enumerate() {
        let path = stack.dir().join("alco.ini");
        let mut ini = fs::read_to_string(&path).unwrap();
        let peers = doors.iter().enumerate().filter(|(other, _)| *other != at);
        let peers: Vec<String> = peers.map(|(_, door)| format!("127.0.0.1:{door}")).collect();
        for (old, new) in [
            (stack.amqp.clone(), amqp.clone()),
            (stack.redis.clone(), redis.clone()),
            ("[sphinx]\n".to_owned(), format!("[sphinx]\npeers = {}\n", peers.join(", "))),
            (":mysql41\n".to_owned(), format!(":mysql41, 127.0.0.1:{}\n", ports[at])),
        ] {
            assert_eq!(ini.matches(&old).count(), 1, "{old} in {ini}");
            ini = ini.replace(&old, &new);
        }
        fs::write(path, ini).unwrap();
        (stack.amqp, stack.redis) = (amqp.clone(), redis.clone());
        stack.stop("searchd");
        stack.restart("searchd");
    }
    stacks.into_iter().zip(ports).map(|(stack, port)| Node { stack, port: *port }).collect()
}

/// A node that none of these knows: a searchd and a Redis of its own, and their RabbitMQ. Its queues need other names.
pub fn alone(name: &str, amqp: &str, indexes: &str) -> Stack {
    let mut stack = Stack::of(name, &["redis", "searchd"], Path::new(ALCO), indexes);
    let path = stack.dir().join("alco.ini");
    let ini = fs::read_to_string(&path).unwrap();
    assert_eq!(ini.matches(&stack.amqp).count(), 1, "{ini}");
    fs::write(path, ini.replace(&stack.amqp, amqp)).unwrap();
    stack.amqp = amqp.to_owned();
    stack
}

impl Node {
    /// The alco of this node.
    #[track_caller]
    pub fn alco(&self, ini: &str) -> Alco {
        Alco::start(&self.stack, ini)
    }
}

/// How often the nodes have each message of an index, of documents in their own searchd.
pub fn copies(nodes: &[Node], index: &str) -> BTreeMap<String, Copies> {
    let mut copies: BTreeMap<String, Copies> = BTreeMap::new();
    for node in nodes {
        let (mut conn, mut last) = (node.stack.sphinxql(), 0);
        loop {
            let statement = format!(
                "SELECT id, logline, js FROM {index}_local WHERE id > {last} ORDER BY id ASC LIMIT 10000 OPTION max_matches=10000"
            );
            let some: Vec<(u64, String, String)> = conn.query(statement).unwrap();
            let Some((id, ..)) = some.last() else { break };
            last = *id;
            for (_, message, js) in some {
                let of = copies.entry(message).or_default();
                of.all += 1;
                of.marked += usize::from(js.contains("alco_error"));
            }
        }
    }
    copies
}

/// The documents of an index that the nodes have, each in its own searchd.
pub fn count(nodes: &[Node], index: &str) -> u64 {
    nodes.iter().map(|node| node.stack.count(&format!("{index}_local")).unwrap_or(0)).sum()
}
