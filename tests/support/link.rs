//! A link of a network between two programs of this host: it can be cut, so that no byte passes and no connection ends, or be slow.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use super::POLL;

/// Passes on what clients of its port and the server send each other. Its threads end with the connections.
#[derive(Debug)]
pub struct Link {
    pub port: u16,
    state: Arc<LinkState>,
}

#[derive(Debug, Default)]
struct LinkState {
    is_cut: AtomicBool,
    /// for what is read at once, in each direction
    delay_millis: AtomicU64,
    /// both ways
    bytes: AtomicU64,
}

impl Link {
    /// A link to that port of this host.
    pub fn to(server: u16) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, state) = (listener.local_addr().unwrap().port(), Arc::new(LinkState::default()));
        let link = Link { port, state: state.clone() };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let state = state.clone();
                    thread::spawn(move || pass(from, to, &state));
                }
            }
        });
        link
    }

    /// The bytes that have passed so far.
    pub fn bytes(&self) -> u64 {
        self.state.bytes.load(Relaxed)
    }

    pub fn cut(&self) {
        self.state.is_cut.store(true, Relaxed);
    }

    /// What passes is this late from now on, in each direction.
    pub fn delay(&self, millis: u64) {
        self.state.delay_millis.store(millis, Relaxed);
    }

    pub fn mend(&self) {
        self.state.is_cut.store(false, Relaxed);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, state: &LinkState) {
    let LinkState { is_cut, delay_millis, bytes: passed } = state;
    let mut bytes = [0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        thread::sleep(Duration::from_millis(delay_millis.load(Relaxed)));
        while is_cut.load(Relaxed) {
            thread::sleep(POLL);
        }
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
        passed.fetch_add(length as u64, Relaxed);
    }
    while is_cut.load(Relaxed) {
        thread::sleep(POLL);
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
