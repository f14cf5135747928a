//! The places of the gate: which connections are open, and the one that makes room for another (`crowd`).
//!
//! Invariant: at most `max_open` connections are open, with those among them that were told to end.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Proxy;
use crate::http::server::crowd::{Admission, Crowd, Doing};
use crate::http::server::socket::ClientSocket;
use crate::metrics::client_counts::{ClientCounts, ConnectionRefused};
use crate::net::household::Household;

/// Connections that were told to end and whose threads have still to notice, in addition to those that are served. On a busy machine
/// that takes longer than a client should wait.
pub const MAX_LEAVING_CONNECTIONS: usize = 32;
/// The wait for one of them to end, if there are more.
const LEAVING_TIME: Duration = Duration::from_secs(1);

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionBounds {
    pub served: usize,
    /// with those that were told to end
    pub open: usize,
}

impl ConnectionBounds {
    /// With so many files open at a time, at most `wanted` are served.
    pub fn new(open: usize, wanted: usize) -> ConnectionBounds {
        let leaving = (open / 8).min(MAX_LEAVING_CONNECTIONS);
        ConnectionBounds { served: wanted.min(open - leaving), open }
    }
}

pub struct Places {
    max_open: usize,
    /// their connections do not count as those of one client
    proxies: Vec<Proxy>,
    counted: Arc<ClientCounts>,
    taken: Mutex<TakenPlaces>,
    /// a connection has ended
    left: Condvar,
}

struct TakenPlaces {
    last: u64,
    crowd: Crowd,
    sockets: HashMap<u64, Arc<ClientSocket>>,
    /// told to end, and not ended yet
    leaving: usize,
}

impl TakenPlaces {
    fn open(&self) -> usize {
        self.crowd.len() + self.leaving
    }
}

/// The place of a connection, as long as it lives.
pub struct ClientPlace {
    places: Arc<Places>,
    number: u64,
}

impl Places {
    pub fn new(bounds: ConnectionBounds, proxies: Vec<Proxy>, counted: Arc<ClientCounts>) -> Places {
        counted.max_connections.store(bounds.served, Relaxed);
        let taken = TakenPlaces { last: 0, crowd: Crowd::new(bounds.served), sockets: HashMap::new(), leaving: 0 };
        Places { max_open: bounds.open, proxies, counted, taken: Mutex::new(taken), left: Condvar::new() }
    }

    /// A place for a client, perhaps that of a connection which does nothing. None: there is no place.
    pub fn take(self: &Arc<Places>, client: &Arc<ClientSocket>) -> Option<ClientPlace> {
        let peer = client.peer();
        let is_proxy = self.proxies.iter().any(|proxy| proxy.is(&peer));
        let household = if is_proxy { Household::Local } else { Household::of(&peer) };
        let mut taken = self.taken();
        match taken.crowd.admission(household, Instant::now()) {
            Admission::Free => {}
            Admission::Full => return None,
            Admission::InsteadOf(number) => {
                taken.crowd.make_room(number, Instant::now());
                taken.leaving += 1;
                self.counted.refuse_connection(ConnectionRefused::Displaced);
                if let Some(socket) = taken.sockets.remove(&number) {
                    socket.wake();
                }
            }
        }
        let waited = self.left.wait_timeout_while(taken, LEAVING_TIME, |taken| taken.open() >= self.max_open);
        let mut taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        if taken.open() >= self.max_open {
            return None;
        }
        taken.last += 1;
        let number = taken.last;
        taken.crowd.enter(number, household, Instant::now());
        taken.sockets.insert(number, client.clone());
        self.counted.connections.store(taken.open(), Relaxed);
        Some(ClientPlace { places: self.clone(), number })
    }

    fn taken(&self) -> MutexGuard<'_, TakenPlaces> {
        // a panic of another thread leaves the numbers whole
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientPlace {
    pub fn note(&self, doing: Doing) {
        self.places.taken().crowd.note(self.number, doing, Instant::now());
    }

    /// The client has read an answer to its end.
    pub fn is_served(&self) {
        self.places.taken().crowd.is_served(self.number, Instant::now());
    }

    /// The client has not sent the rest of its request in time.
    pub fn stood_still(&self) {
        self.places.taken().crowd.stood_still(self.number, Instant::now());
    }

    /// True if the connection was told to end.
    pub fn is_lost(&self) -> bool {
        !self.places.taken().sockets.contains_key(&self.number)
    }
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.crowd.leave(self.number);
        if taken.sockets.remove(&self.number).is_none() {
            taken.leaving -= 1;
        }
        self.places.counted.connections.store(taken.open(), Relaxed);
        self.places.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_end_have_places_of_their_own() {
        for (open, wanted, served) in [(224, 192, 192), (160, 128, 128), (1160, 1128, 1128), (40, 192, 35), (1, 192, 1)]
        {
            assert_eq!(ConnectionBounds::new(open, wanted), ConnectionBounds { served, open });
        }
    }
}
