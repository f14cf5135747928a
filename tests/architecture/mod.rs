//! The engine below tests/architecture.rs: sources -> names -> edges -> breaches. It knows no module of alco; the tables come
//! with the rules, so that a made-up tree with its own tables shows that each rule can fail.

pub mod breaches;
pub mod circles;
pub mod debts;
pub mod edges;
pub mod figures;
pub mod reader;
pub mod rules;
pub mod source;
