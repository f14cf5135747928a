//! Connections to servers: TCP with a timeout, and TLS over it.
pub mod tcp;
pub mod tls;
