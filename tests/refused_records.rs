//! searchd answers with an error: for one record of a batch, or for every record for a while. A proxy between alco and the real
//! searchd sends the error, since no statement of alco's makes searchd send one.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::{Alco, Publisher, SOON, Stack, body, take_dead, wait_until};

const INI: &str = "[index refused]\ndays = 2\nrouting_keys = refused.#\n";
const MARK: &str = "this one is refused";
/// COM_QUERY of MySQL's protocol.
const COM_QUERY: u8 = 3;

/// A proxy in front of searchd that answers some statements with an error.
struct RefusingProxy {
    address: String,
    /// whether it refuses every REPLACE, not only that of the marked record
    refuses_all: Arc<AtomicBool>,
}

/// A packet with its header, None at the end of the connection.
fn packet(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut packet = vec![0; 4];
    from.read_exact(&mut packet).ok()?;
    let length = usize::from(packet[0]) | usize::from(packet[1]) << 8 | usize::from(packet[2]) << 16;
    packet.resize(4 + length, 0);
    from.read_exact(&mut packet[4..]).ok()?;
    Some(packet)
}

fn error(sequence: u8, why: &str) -> Vec<u8> {
    let mut payload = vec![0xff, 0x28, 0x04];
    payload.extend(b"#42000");
    payload.extend(why.as_bytes());
    let mut packet = vec![payload.len() as u8, 0, 0, sequence];
    packet.extend(payload);
    packet
}

impl RefusingProxy {
    fn to(searchd: &str) -> RefusingProxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let refuses_all = Arc::new(AtomicBool::new(false));
        let (searchd, all) = (searchd.to_owned(), refuses_all.clone());
        // it ends with the test process
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&searchd) else { continue };
                let all = all.clone();
                let (mut down, mut up) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || {
                    std::io::copy(&mut down, &mut up).and_then(|_| up.shutdown(std::net::Shutdown::Both))
                });
                thread::spawn(move || RefusingProxy::statements(client, server, &all));
            }
        });
        RefusingProxy { address, refuses_all }
    }

    /// alco sends one statement at a time, so an error from here is never in the middle of an answer of searchd's.
    fn statements(mut client: TcpStream, mut server: TcpStream, all: &AtomicBool) {
        let answers = Mutex::new(client.try_clone().unwrap());
        while let Some(packet) = packet(&mut client) {
            let text = String::from_utf8_lossy(&packet[5.min(packet.len())..]).into_owned();
            let stores = packet.get(4) == Some(&COM_QUERY) && text.starts_with("REPLACE");
            let passed = match stores && (all.load(Relaxed) || text.contains(MARK)) {
                true => answers.lock().unwrap().write_all(&error(packet[3] + 1, "no room for it")),
                false => server.write_all(&packet),
            };
            if passed.is_err() {
                break;
            }
        }
        let _ = server.shutdown(std::net::Shutdown::Both);
    }
}

#[test]
fn refusals_of_searchd_lose_no_record() {
    let stack = Stack::private("refused", INI);
    let line = RefusingProxy::to(&stack.sphinx);
    let ini = stack.dir().join("alco.ini");
    let text = std::fs::read_to_string(&ini).unwrap();
    let through = text.replace(&format!("address = {}", stack.sphinx), &format!("address = {}", line.address));
    assert!(through != text, "alco connects to the proxy:\n{text}");
    std::fs::write(&ini, through).unwrap();
    let alco = Alco::start(&stack, INI);
    let mut publisher = Publisher::open(&stack.amqp);

    let good = |n: usize| body(&format!("record {n}"));
    let mut one_bad: Vec<String> = (0..1999).map(good).collect();
    one_bad.insert(500, body(&format!("{MARK}: 'quoted\\'")));
    publisher.publish("logstash", "refused.key", &one_bad);
    stack.settled_count("refused", 1999, SOON);
    assert_eq!(alco.logged("trying again"), 0, "nothing was waited for:\n{}", alco.log());
    let dead = wait_until("it is dead-lettered", SOON, || {
        Some(take_dead(&stack.amqp, "refused")).filter(|dead| !dead.is_empty())
    });
    assert_eq!(dead.len(), 1);
    assert!(dead[0].reason.contains("no room for it"), "{}", dead[0].reason);
    assert!(dead[0].body == one_bad[500].as_bytes());
    assert_eq!(stack.count("refused"), Some(1999), "the record that was tried in its place has been deleted");

    // every record is refused: the records are not at fault
    line.refuses_all.store(true, Relaxed);
    publisher.publish("logstash", "refused.key", (1999..2999).map(good));
    wait_until("the outage is logged", SOON, || {
        (alco.logged("searchd takes no record into refused_") == 1).then_some(())
    });
    line.refuses_all.store(false, Relaxed);
    wait_until("its end is logged", SOON, || (alco.logged("is back after") == 1).then_some(()));
    let stored = stack.settled("refused", 2999, SOON);
    assert_eq!(stored.len(), 2999, "each once");
    assert!(take_dead(&stack.amqp, "refused").is_empty(), "none is dead-lettered:\n{}", alco.log());
    assert_eq!(alco.logged("trying again"), 1, "{}", alco.log());
    assert!(alco.stop().success());
}
