//! What is done from a shell.

pub mod send;
