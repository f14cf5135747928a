//! The network's side of HTTP, and the only door to tiny_http: listening sockets, the gate before tiny_http, the clients
//! that still wait, and the sending of replies.
pub mod clients;
pub mod gate;
pub mod request_head;
pub mod send;
pub mod socket;
