//! Many connections of one address: those of others have their pages meanwhile, and what waits idle makes room.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crate::support::clients::RawClient;
use crate::support::{Alco, LONG, Publisher, SOON, SetAtEnd, Stack, body, soak, wait_until};

/// Readers notice more than a second; the tests run on busy machines.
const NOTICED: Duration = Duration::from_secs(10);

const PAGE: &str = "/grep/crowds/?start_ts=-1h";

/// Twice as many as alco has places, or more.
fn clients() -> std::ops::Range<usize> {
    0..if soak() { 500 } else { 260 }
}

fn client(alco: &Alco, from: u8) -> RawClient<'_> {
    RawClient { alco, from, user: None }
}

/// All pages of others come.
#[track_caller]
fn others_have_pages(alco: &Alco, when: &str) {
    let mut times: Vec<Duration> = (0..20)
        .map(|number| {
            let page = client(alco, 2 + number % 3).get(PAGE);
            assert!(page.is_page(), "{when}, page {number}: {page:?}");
            page.took
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
    thread::scope(|scope| {
        for from in 100..=250 {
            let (alco, over) = (&alco, &over);
            scope.spawn(move || {
                while !over.load(Relaxed) {
                    let mut stream = client(alco, from).ask("/style.css");
                    let mut chunk = [0; 65536];
                    let _ = stream.read(&mut chunk);
                    let _ =
                        stream.write_all(b"POST /grep/shortcut/ HTTP/1.1\r\nHost: alco\r\nContent-Length: 100\r\n\r\n");
                    // ends when alco ends the connection
                    while stream.read(&mut chunk).is_ok_and(|read| read > 0) {}
                }
            });
        }
        let _ending = SetAtEnd(&over);
        wait_until("all places are taken: a stranger is refused", SOON, || {
            (!client(&alco, 77).get("/grep/").is_page()).then_some(())
        });
        // those that rest for less than a second keep their places
        let has_page = |_| client(&alco, 2).get(PAGE).is_page();
        wait_until("pages come", SOON, || (0..10).all(has_page).then_some(()));
        others_have_pages(&alco, "requests without their forms");
    });
    assert!(alco.stop().success());
}

#[test]
fn crowds_of_one_address_leave_others_their_pages() {
    let stack = Stack::shared();
    let alco = start(stack);
    others_have_pages(&alco, "before");

    let idle: Vec<TcpStream> = clients().map(|_| client(&alco, 100).connected()).collect();
    others_have_pages(&alco, "idle connections");
    for mut stream in &idle {
        // one that was refused is gone already
        let _ = stream.write_all(client(&alco, 100).head("/style.css").as_bytes());
    }
    others_have_pages(&alco, "kept connections");

    let slow: Vec<TcpStream> = clients().map(|_| client(&alco, 101).ask(&format!("{PAGE}&limit=1000"))).collect();
    others_have_pages(&alco, "slow readers");
    assert!(client(&alco, 77).get(PAGE).is_page(), "a stranger");
    let begun: Vec<TcpStream> = clients()
        .map(|_| {
            let stream = client(&alco, 102).connected();
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
