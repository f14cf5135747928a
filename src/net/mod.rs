//! Connections to servers: TCP with a timeout, and TLS over it; how long to wait for an answer; the name of this host.
pub mod host;
pub mod patience;
pub mod tcp;
pub mod tls;
