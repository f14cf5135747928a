//! The figures of a realtime index, by searchd's answer to SHOW INDEX STATUS. Pure.

use std::collections::HashMap;

/// Each figure that is a whole number, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexStatus(pub HashMap<String, u64>);

impl IndexStatus {
    /// None: the engine has no such figure.
    pub fn figure(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }
}
