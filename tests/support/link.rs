//! A link of a network between two programs of this host: it can be cut, so that no byte passes and no connection ends.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use super::POLL;

/// Passes on what clients of its port and the server send each other. Its threads end with the connections.
#[derive(Debug)]
pub struct Link {
    pub port: u16,
    is_cut: Arc<AtomicBool>,
    /// both ways
    bytes: Arc<AtomicU64>,
}

impl Link {
    /// A link to that port of this host.
    pub fn to(server: u16) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, is_cut) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(false)));
        let bytes = Arc::new(AtomicU64::new(0));
        let (cut, passed) = (is_cut.clone(), bytes.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (cut, passed) = (cut.clone(), passed.clone());
                    thread::spawn(move || pass(from, to, &cut, &passed));
                }
            }
        });
        Link { port, is_cut, bytes }
    }

    /// The bytes that have passed so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub fn cut(&self) {
        self.is_cut.store(true, Relaxed);
    }

    pub fn mend(&self) {
        self.is_cut.store(false, Relaxed);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, is_cut: &AtomicBool, passed: &AtomicU64) {
    let mut bytes = [0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
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
