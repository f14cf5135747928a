//! The network's side of HTTP, and the only door to tiny_http: listening sockets, the gate before tiny_http, the clients
//! that still wait, and the sending of replies.
pub mod clients;
pub mod crowd;
pub mod forward;
pub mod gate;
pub mod places;
pub mod refusal;
pub mod request_head;
pub mod request_queue;
pub mod send;
pub mod socket;
pub mod stop;
