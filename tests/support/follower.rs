//! A follower as a program reads it: its lines so far.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::{Alco, SOON};

#[derive(Debug)]
pub struct Follower {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Follower {
    /// Follows from now on.
    pub fn start(alco: &Alco, path: &str) -> Follower {
        let mut stream = TcpStream::connect(alco.url.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
        // the head is sent as soon as it follows
        stream.read_exact(&mut [0]).unwrap();
        Follower { stream, read: Vec::new() }
    }

    /// What `pick` finds in its lines: that many, or fewer if they do not come soon.
    pub fn picked<T>(&mut self, count: usize, pick: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let (deadline, mut some) = (Instant::now() + SOON, [0; 1 << 16]);
        loop {
            let picked: Vec<T> = String::from_utf8_lossy(&self.read).lines().filter_map(&pick).collect();
            if picked.len() >= count || Instant::now() > deadline {
                return picked;
            }
            let length = self.stream.read(&mut some).unwrap();
            assert!(length > 0, "it goes on");
            self.read.extend_from_slice(&some[..length]);
        }
    }
}
