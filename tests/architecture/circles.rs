//! Circles of files, by Tarjan's algorithm: the strongly connected components of more than one file.

use std::collections::{BTreeMap, BTreeSet};

/// From each node to the ones that it uses.
pub type Graph = BTreeMap<usize, BTreeSet<usize>>;

pub fn circles(graph: &Graph) -> Vec<BTreeSet<usize>> {
    let mut search = Search { graph, seen: BTreeMap::new(), stack: Vec::new(), found: Vec::new() };
    for node in graph.keys() {
        if !search.seen.contains_key(node) {
            search.visit(*node);
        }
    }
    search.found
}

struct Search<'a> {
    graph: &'a Graph,
    /// the order in which each node was seen first
    seen: BTreeMap<usize, usize>,
    stack: Vec<usize>,
    found: Vec<BTreeSet<usize>>,
}

impl Search<'_> {
    /// Returns the earliest node on the stack that `node` reaches.
    fn visit(&mut self, node: usize) -> usize {
        let order = self.seen.len();
        let mut low = order;
        self.seen.insert(node, order);
        self.stack.push(node);
        for next in self.graph.get(&node).into_iter().flatten() {
            match self.seen.get(next) {
                None => low = low.min(self.visit(*next)),
                Some(other) if self.stack.contains(next) => low = low.min(*other),
                Some(_) => {}
            }
        }
        if low == order {
            let at = self.stack.iter().position(|on| *on == node).expect("it was pushed above");
            let members: BTreeSet<usize> = self.stack.drain(at..).collect();
            if members.len() > 1 {
                self.found.push(members);
            }
        }
        low
    }
}
