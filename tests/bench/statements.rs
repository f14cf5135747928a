//! Hears what alco sends to searchd: a door between both that keeps the statements which store records. The bare loader sends them
//! again, so it stores what alco stores, whatever a day index consists of.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// MySQL's COM_QUERY, which the text of a statement follows.
const QUERY: u8 = 3;
/// A packet's length and number.
const HEADER_BYTES: usize = 4;

/// Statements that store records.
pub type Statements = Arc<Mutex<Vec<String>>>;

/// Begins to pass connections on to that searchd. Returns the door's address, and where it puts the statements.
pub fn hear(searchd: &str) -> (String, Statements) {
    let door = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = door.local_addr().expect("a bound address").to_string();
    let (heard, searchd) = (Statements::default(), searchd.to_owned());
    let statements = Arc::clone(&heard);
    // ends with the benchmark
    thread::spawn(move || {
        for client in door.incoming().flatten() {
            let Ok(server) = TcpStream::connect(&searchd) else { continue };
            let (Ok(mut answers), Ok(mut back)) = (server.try_clone(), client.try_clone()) else { continue };
            let _ = (server.set_nodelay(true), client.set_nodelay(true));
            let statements = Arc::clone(&statements);
            thread::spawn(move || {
                let _ = io::copy(&mut answers, &mut back);
                let _ = back.shutdown(Shutdown::Both);
            });
            thread::spawn(move || {
                let _ = pass(client, &server, &statements);
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    (address, heard)
}

/// Passes a client's packets on until it ends.
fn pass(mut client: TcpStream, mut server: &TcpStream, statements: &Mutex<Vec<String>>) -> io::Result<()> {
    loop {
        let mut packet = vec![0; HEADER_BYTES];
        client.read_exact(&mut packet)?;
        let length = usize::from(packet[0]) | usize::from(packet[1]) << 8 | usize::from(packet[2]) << 16;
        packet.resize(HEADER_BYTES + length, 0);
        client.read_exact(&mut packet[HEADER_BYTES..])?;
        server.write_all(&packet)?;
        if let Some((&QUERY, text)) = packet[HEADER_BYTES..].split_first()
            && text.starts_with(b"REPLACE INTO ")
        {
            let text = String::from_utf8(text.to_vec()).expect("alco writes UTF-8");
            statements.lock().expect("no thread panicked").push(text);
        }
    }
}
