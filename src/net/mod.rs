//! Connections to servers: TCP with a timeout, and TLS over it; the name of this host.
pub mod host;
pub mod tcp;
pub mod tls;
