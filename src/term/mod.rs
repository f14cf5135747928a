//! What is done from a shell.

pub mod check;
pub mod send;
