//! Connections to servers: TCP with a timeout, and TLS over it; how long to wait for an answer; the name of this host; the
//! household of a client, how much each has used, and slots that a few may hold.
pub mod host;
pub mod household;
pub mod patience;
pub mod recent_use;
pub mod slots;
pub mod tcp;
pub mod tls;
