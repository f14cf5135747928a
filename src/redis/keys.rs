//! The keys that alco has in Redis, by index or queue. Pure.

use crate::config::IndexName;

/// The nodes with this Redis.
pub const NODES: &str = "ALCO:NODES";

pub fn finished(index: &IndexName) -> String {
    format!("ALCO:FINISHED:{index}")
}

pub fn pk(index: &IndexName) -> String {
    format!("ALCO:PK:{index}")
}

pub fn leases(index: &IndexName) -> String {
    format!("ALCO:LEASES:{index}")
}

pub fn claims(index: &IndexName) -> String {
    format!("ALCO:CLAIMS:{index}")
}

pub fn doubts(index: &IndexName, session: &str) -> String {
    format!("ALCO:DOUBTS:{index}:{session}")
}

pub fn columns(index: &IndexName) -> String {
    format!("ALCO:COLUMNS:{index}")
}

pub fn values(index: &IndexName, column: &str) -> String {
    format!("ALCO:VALUES:{index}:{column}")
}

pub fn patterns(index: &IndexName) -> String {
    format!("ALCO:PATTERNS:{index}")
}

pub fn inserting(index: &IndexName, node: &str) -> String {
    format!("ALCO:INSERTING:{index}:{node}")
}

pub fn saving(index: &IndexName, node: &str) -> String {
    format!("ALCO:SAVING:{index}:{node}")
}

pub fn shortcuts() -> &'static str {
    "ALCO:SHORTCUTS"
}

pub fn searches(week: i64) -> String {
    format!("ALCO:SEARCHES:{week}")
}

pub fn bindings(queue: &str) -> String {
    format!("ALCO:BINDINGS:{queue}")
}
