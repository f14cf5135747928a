//! How many documents a question asks for, while the answers of peers have to fit into searchd's packets. Pure.

/// How many documents a question asks for: fewer than wanted, after those of a peer did not fit into one answer.
#[derive(Clone, Debug)]
pub struct Amount {
    wanted: usize,
    pub documents: usize,
    /// this node, which has none, and the peers of whose documents not even one fits
    left_out: Vec<usize>,
}

/// The number of this node; those of peers begin with 1.
pub const OWN_NODE: usize = 0;

impl Amount {
    /// At least one.
    pub fn new(wanted: usize) -> Amount {
        Amount { wanted: wanted.max(1), documents: wanted.max(1), left_out: Vec::new() }
    }

    /// The documents of the peers only.
    pub fn of_peers(wanted: usize) -> Amount {
        Amount { left_out: vec![OWN_NODE], ..Amount::new(wanted) }
    }

    /// True if that node is not asked.
    pub fn leaves_out(&self, node: usize) -> bool {
        self.left_out.contains(&node)
    }

    /// True if fewer are asked for than wanted.
    pub fn is_less(&self) -> bool {
        self.documents < self.wanted
    }

    /// The answer of that peer did not fit.
    pub fn lessen(&mut self, peer: usize) {
        if self.documents > 1 {
            self.documents = (self.documents / 8).max(1);
        } else {
            self.left_out.push(peer);
            self.documents = self.wanted;
        }
    }
}
