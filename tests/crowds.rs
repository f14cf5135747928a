//! Many connections of one address: those of others have their pages meanwhile, and what waits idle makes room.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt};

use crate::support::{Alco, LONG, Publisher, SOON, Stack, body, soak, wait_until};

/// Readers notice more than a second; the tests run on busy machines.
const NOTICED: Duration = Duration::from_secs(10);

/// Twice as many as alco has places, or more.
fn clients() -> std::ops::Range<usize> {
    0..if soak() { 500 } else { 260 }
}

/// A connection from an address of this host, 127.0.0.x, with a small buffer for what it reads.
fn connected(alco: &Alco, from: u8) -> TcpStream {
    let to: SocketAddr = alco.url.strip_prefix("http://").unwrap().parse().unwrap();
    let SocketAddr::V4(to) = to else { panic!("{to}") };
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    setsockopt(&socket, sockopt::RcvBuf, &4096).unwrap();
    bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, from, 0)).unwrap();
    connect(socket.as_raw_fd(), &SockaddrIn::from(to)).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// Sends a request. A client that was refused is gone already.
fn ask(mut stream: &TcpStream, path: &str) {
    let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: alco\r\n\r\n");
}

/// The status of a page for a client of that address, and the time that it took.
fn page(alco: &Alco, from: u8, path: &str) -> (String, Duration) {
    let begun = Instant::now();
    let mut stream = connected(alco, from);
    let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: alco\r\nConnection: close\r\n\r\n");
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    let status = text.lines().next().unwrap_or_default().to_owned();
    let is_whole = read.is_ok() && text.contains("</html>");
    (if is_whole { status } else { format!("{status} but not whole: {read:?}") }, begun.elapsed())
}

/// All pages of others come.
#[track_caller]
fn others_have_pages(alco: &Alco, when: &str) {
    let mut times: Vec<Duration> = (0..20)
        .map(|number| {
            let (status, time) = page(alco, 2 + number % 3, "/grep/crowds/?start_ts=-1h");
            assert_eq!(status, "HTTP/1.1 200 OK", "{when}, page {number}, after {time:?}");
            time
        })
        .collect();
    times.sort();
    println!("{when}: {:?}, at most {:?}", times[10], times[19]);
    assert!(times[19] < NOTICED, "{when}: {times:?}");
}

fn start(stack: &Stack) -> Alco {
    let alco = Alco::start(stack, &format!("{}[http]\nsearch_budget = 2s\n", stack.index("crowds")));
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "crowds.key", (0..2000).map(|n| body(&format!("record {n} {}", "x".repeat(300)))));
    stack.settled_count("crowds", 2000, LONG);
    alco
}

/// Each of these addresses is served, and then sends a request without its form, again and again.
#[test]
fn many_addresses_that_send_no_form_leave_others_their_pages() {
    let stack = Stack::shared();
    let alco = start(stack);
    others_have_pages(&alco, "before");
    let over = AtomicBool::new(false);
    let outcome = thread::scope(|scope| {
        for from in 100..=250 {
            let (alco, over) = (&alco, &over);
            scope.spawn(move || {
                while !over.load(Relaxed) {
                    let mut stream = connected(alco, from);
                    ask(&stream, "/style.css");
                    let mut chunk = [0; 65536];
                    let _ = stream.read(&mut chunk);
                    let _ =
                        stream.write_all(b"POST /grep/shortcut/ HTTP/1.1\r\nHost: alco\r\nContent-Length: 100\r\n\r\n");
                    // ends when alco ends the connection
                    while stream.read(&mut chunk).is_ok_and(|read| read > 0) {}
                }
            });
        }
        let outcome = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            let is_full = || (page(&alco, 77, "/grep/").0 != "HTTP/1.1 200 OK").then_some(());
            wait_until("all places are taken: a stranger is refused", SOON, is_full);
            // those that rest for less than a second keep their places
            let has_page = |_| page(&alco, 2, "/grep/crowds/?start_ts=-1h").0 == "HTTP/1.1 200 OK";
            wait_until("pages come", SOON, || (0..10).all(has_page).then_some(()));
            others_have_pages(&alco, "requests without their forms");
        }));
        over.store(true, Relaxed);
        outcome
    });
    outcome.unwrap_or_else(|failure| panic::resume_unwind(failure));
    assert!(alco.stop().success());
}

#[test]
fn crowds_of_one_address_leave_others_their_pages() {
    let stack = Stack::shared();
    let alco = start(stack);
    others_have_pages(&alco, "before");

    let idle: Vec<TcpStream> = clients().map(|_| connected(&alco, 100)).collect();
    others_have_pages(&alco, "idle connections");
    idle.iter().for_each(|stream| ask(stream, "/style.css"));
    others_have_pages(&alco, "kept connections");

    let slow: Vec<TcpStream> = clients()
        .map(|_| {
            let stream = connected(&alco, 101);
            ask(&stream, "/grep/crowds/?start_ts=-1h&limit=1000");
            stream
        })
        .collect();
    others_have_pages(&alco, "slow readers");
    let (status, _) = page(&alco, 77, "/grep/crowds/?start_ts=-1h");
    assert_eq!(status, "HTTP/1.1 200 OK", "a stranger");
    let begun: Vec<TcpStream> = clients()
        .map(|_| {
            let stream = connected(&alco, 102);
            let _ = (&stream).write_all(b"GET /grep/ HTTP/1.1\r\nX: ");
            stream
        })
        .collect();
    others_have_pages(&alco, "requests that do not end");
    drop((idle, slow, begun));
    others_have_pages(&alco, "after them");
    assert_eq!(alco.logged("panicked"), 0, "{}", alco.log());
    assert!(alco.stop().success());
}
