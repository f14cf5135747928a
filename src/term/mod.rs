//! What is done from a shell.

pub mod check;
pub mod grep;
pub mod password;
pub mod send;
