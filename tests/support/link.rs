//! A link of a network between two programs of this host: it can be cut, so that no byte passes and no connection ends.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use super::POLL;

/// Passes on what clients of its port and the server send each other. Its threads end with the connections.
#[derive(Debug)]
pub struct Link {
    pub port: u16,
    is_cut: Arc<AtomicBool>,
}

impl Link {
    /// A link to that port of this host.
    pub fn to(server: u16) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, is_cut) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(false)));
        let cut = is_cut.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to, cut) = (from.try_clone().unwrap(), to.try_clone().unwrap(), cut.clone());
                    thread::spawn(move || pass(from, to, &cut));
                }
            }
        });
        Link { port, is_cut }
    }

    pub fn cut(&self) {
        self.is_cut.store(true, Relaxed);
    }

    pub fn mend(&self) {
        self.is_cut.store(false, Relaxed);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, is_cut: &AtomicBool) {
    let mut bytes = [0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        while is_cut.load(Relaxed) {
            thread::sleep(POLL);
        }
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    while is_cut.load(Relaxed) {
        thread::sleep(POLL);
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
