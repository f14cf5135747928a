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
    /// bytes that a server sent between two of a client's
    largest_answer: AtomicU64,
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
                // what comes in several parts is late by no acknowledgement
                [&client, &server].iter().for_each(|stream| stream.set_nodelay(true).unwrap());
                let answer = Arc::new(AtomicU64::new(0));
                for (from, to, is_answer) in [(&client, &server, false), (&server, &client, true)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (state, answer) = (state.clone(), answer.clone());
                    thread::spawn(move || pass(from, to, &state, &answer, is_answer));
                }
            }
        });
        link
    }

    /// The bytes that have passed so far.
    pub fn bytes(&self) -> u64 {
        self.state.bytes.load(Relaxed)
    }

    /// The bytes of the longest answer so far, if clients ask again only after an answer. One that its client did not wait for counts
    /// whole.
    pub fn largest_answer(&self) -> u64 {
        self.state.largest_answer.load(Relaxed)
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

fn pass(mut from: TcpStream, mut to: TcpStream, state: &LinkState, answer: &AtomicU64, is_answer: bool) {
    let LinkState { is_cut, delay_millis, bytes: passed, largest_answer } = state;
    let (mut bytes, mut is_heard) = ([0; 1 << 16], true);
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        thread::sleep(Duration::from_millis(delay_millis.load(Relaxed)));
        while is_cut.load(Relaxed) {
            thread::sleep(POLL);
        }
        match is_answer {
            true => largest_answer.fetch_max(answer.fetch_add(length as u64, Relaxed) + length as u64, Relaxed),
            false => answer.swap(0, Relaxed),
        };
        is_heard &= to.write_all(&bytes[..length]).is_ok();
        if !is_heard && !is_answer {
            break;
        }
        passed.fetch_add(length as u64, Relaxed);
    }
    while is_cut.load(Relaxed) {
        thread::sleep(POLL);
    }
    // a server that has been asked answers whether the client waits or not
    let _ = if is_answer {
        from.shutdown(Shutdown::Both).and(to.shutdown(Shutdown::Both))
    } else {
        to.shutdown(Shutdown::Write)
    };
}
