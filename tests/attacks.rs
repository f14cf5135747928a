//! Hostile clients, one kind after the other, against one alco that collects all the time. Other readers have their pages meanwhile;
//! the threads and open files of an attack end with it; every record that is published is stored, once. In full (make soak) with
//! more clients, with the bound on alco's memory half a minute after each attack, and with the figures as a table.
//!
//! An attack that needs an alco or servers of its own has its own test:
//!
//! | attack | test |
//! |---|---|
//! | routing keys, properties and bodies that cannot be parsed | hostile_deliveries, hostile_bodies, refused_records |
//! | regexes that match nothing and whose clients leave; heavy searches | hostile_clients, and here |
//! | filters, columns and values without end | hostile_clients, column_flood, and here |
//! | wrong passwords | hostile_clients, refused_logins, users, and here |
//! | few open files | hostile_clients |
//! | slow readers, idle connections, requests that do not end | crowds, and here |
//! | followers of many addresses | here |
//! | memory of large answers | memory, and here |
//! | searchd, Redis and RabbitMQ that lie or are silent | lying_servers, searchd_silent |
//! | an open port by mistake | src/config |
//! | paths that strangers may ask | rights, users |

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::hostile_clients::{heavy, publish_lines};
use crate::support::clients::{RawClient, passwd_line};
use crate::support::{
    Alco, LONG, Publisher, SetAtEnd, Stack, body, memory_kib, soak, threads, try_get_with, wait_until,
};

/// What searches go through.
const LINES: usize = 2000;
/// Records that are published while all attacks last, in portions.
const PORTION: usize = 10;
const PORTION_INTERVAL: Duration = Duration::from_millis(100);
/// Between two pages of a reader.
const READING_INTERVAL: Duration = Duration::from_millis(50);
/// Right for pages: 500 ms. The test runs on busy machines, unoptimized; the attacks took from 2.8 s to minutes.
const MAX_PAGE_TIME: Duration = Duration::from_secs(10);
const MAX_MEDIAN_TIME: Duration = Duration::from_millis(1500);
/// Fewer have no median.
const MIN_PAGES: usize = 5;
/// Connections to searchd that stay open, with what the test's own connections need.
const MAX_MORE_FILES: u64 = 24;
const MAX_MORE_THREADS: u64 = 8;
const MAX_MEMORY_AFTER_KIB: u64 = 40 << 10;
const MEMORY_TIME: Duration = Duration::from_secs(30);
/// The last byte of the addresses of readers, who were served before, and of the attackers.
const READER: u8 = 3;
const ATTACKER: u8 = 100;
const USER: Option<(&str, &str)> = Some(("anna", "right"));
/// The same as a header.
const LOGIN: &str = "Basic YW5uYTpyaWdodA==";

struct Attack {
    name: &'static str,
    run: fn(&Alco),
    /// a reader behind the attackers' address has pages, too
    spares_neighbours: bool,
}

const ATTACKS: [Attack; 9] = [
    Attack { name: "heavy searches", run: heavy_searches, spares_neighbours: true },
    Attack { name: "a regex that does not match", run: regexes_without_a_match, spares_neighbours: true },
    Attack { name: "filters without end", run: many_filters, spares_neighbours: true },
    Attack { name: "scans of many addresses", run: scans_of_many_addresses, spares_neighbours: false },
    Attack { name: "wrong passwords", run: wrong_passwords, spares_neighbours: false },
    Attack { name: "slow and idle clients", run: slow_clients, spares_neighbours: false },
    Attack { name: "followers", run: followers, spares_neighbours: false },
    Attack { name: "large answers", run: large_answers, spares_neighbours: false },
    Attack { name: "a head without an end", run: endless_heads, spares_neighbours: true },
];

/// `few` in make check.
fn times(few: usize, many: usize) -> usize {
    if soak() { many } else { few }
}

fn client(alco: &Alco, from: u8) -> RawClient<'_> {
    RawClient { alco, from, user: USER }
}

/// Calls that of all of these clients at once, and returns when all have ended.
fn at_once(clients: usize, act: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for number in 0..clients {
            let act = &act;
            scope.spawn(move || act(number));
        }
    });
}

fn heavy_searches(alco: &Alco) {
    at_once(50, |number| {
        let path = format!("/grep/attacks/?start_ts=-1h&mode=regex&search={}", heavy(&format!("!{number}")));
        let reply = client(alco, ATTACKER).get(&path);
        assert!(reply.is_page() || reply.is_put_off(), "{}: {}", reply.status, reply.text);
    });
}

fn regexes_without_a_match(alco: &Alco) {
    let path = format!("/grep/attacks/?start_ts=-1h&mode=regex&search={}", heavy("%5Cx01"));
    at_once(8, |_| drop(client(alco, ATTACKER).get_within(&path, Duration::from_secs(2))));
}

fn many_filters(alco: &Alco) {
    let refused: Vec<String> = (0..2000).map(|n| format!("c{n}=v")).collect();
    let values: Vec<String> = (0..20).map(|value| format!("v{value}")).collect();
    let taken: Vec<String> = (0..64).map(|n| format!("c{n}__in={}", values.join(","))).collect();
    at_once(times(8, 24), |number| {
        let (filters, status) = if number % 2 == 0 { (&refused, 400) } else { (&taken, 200) };
        let reply = client(alco, ATTACKER).get(&format!("/grep/attacks/?start_ts=-1h&{}", filters.join("&")));
        // one address may have to wait for its own other searches
        assert!(reply.status == status || status == 200 && reply.is_put_off(), "{}: {}", reply.status, reply.text);
        assert!(reply.text.len() < 2 << 20, "a page of {} bytes", reply.text.len());
    });
}

/// Each is a page like others, and there are more addresses than threads.
fn scans_of_many_addresses(alco: &Alco) {
    at_once(40, |number| {
        for n in 0..times(4, 40) {
            let paths = ["start_ts=-1h&no__lt=1e-9", "limit=10000&start_ts=-1h&search=a", "start_ts=0001-01-01"];
            let path = format!("/grep/attacks/?{}", paths[(number + n) % paths.len()]);
            let reply = client(alco, ATTACKER + number as u8).get(&path);
            assert!(reply.is_page() || reply.is_put_off(), "{}: {}", reply.status, reply.text);
        }
    });
}

fn wrong_passwords(alco: &Alco) {
    at_once(8, |number| {
        for n in 0..times(10, 100) {
            let names = ["anna", "bob"];
            let user = Some((names[n % 2], "wrong"));
            let reply = RawClient { user, ..client(alco, ATTACKER + number as u8) }.get("/grep/attacks/");
            assert!([401, 429].contains(&reply.status), "{}: {}", reply.status, reply.text);
        }
    });
}

fn slow_clients(alco: &Alco) {
    let clients = times(200, 500);
    let idle: Vec<TcpStream> = (0..clients).map(|_| client(alco, ATTACKER).connected()).collect();
    let slow: Vec<TcpStream> =
        (0..clients).map(|_| client(alco, ATTACKER + 1).ask("/grep/attacks/?start_ts=-1h&limit=1000")).collect();
    // more than there are threads, of addresses that together have all of them
    let unread: Vec<TcpStream> = (0..60)
        .map(|n| client(alco, ATTACKER + 3 + n % 3).ask("/grep/attacks/?start_ts=-1h&limit=10000&search=a"))
        .collect();
    let begun = |_| {
        let mut stream = client(alco, ATTACKER + 2).connected();
        // a client that was refused may be gone already
        let _ = stream.write_all(b"GET /grep/ HTTP/1.1\r\nX: ");
        stream
    };
    let begun: Vec<TcpStream> = (0..clients).map(begun).collect();
    others_read(alco, 10);
    drop((idle, slow, unread, begun));
}

fn followers(alco: &Alco) {
    let (clients, addresses) = (times(300, 1000), 50);
    let follow = |n: usize| client(alco, ATTACKER + (n % addresses) as u8).ask("/grep/attacks/?follow=1");
    let streams: Vec<TcpStream> = (0..clients).map(follow).collect();
    others_read(alco, 10);
    drop(streams);
}

fn large_answers(alco: &Alco) {
    let is_served = AtomicBool::new(false);
    at_once(8, |number| {
        for n in 0..times(3, 20) {
            let formats = ["limit=10000", "format=ndjson", "format=csv", "limit=1000&context=5&search=a"];
            let path = format!("/grep/attacks/?start_ts=-1h&{}", formats[(number + n) % formats.len()]);
            // with the usual buffers: a raw client's are small, and it would read for minutes
            let reply = try_get_with(&format!("{}{path}", alco.url), &[("Authorization", LOGIN)]).unwrap();
            match reply.status {
                200 => is_served.store(true, Relaxed),
                status => assert!(status == 503 && !reply.header("retry-after").is_empty(), "{path}: {}", reply.body),
            }
        }
    });
    assert!(is_served.into_inner(), "each was refused");
}

fn endless_heads(alco: &Alco) {
    at_once(times(4, 8), |_| {
        let mut stream = client(alco, ATTACKER).connected();
        let line = vec![b'x'; 1 << 20];
        // alco ends the connection long before
        let _ = (0..times(20, 100)).try_for_each(|_| stream.write_all(&line));
        let _ = stream.read(&mut [0; 100]);
    });
}

/// Holds an attack up until a reader has had that many pages.
fn others_read(alco: &Alco, pages: usize) {
    for _ in 0..pages {
        page(alco, READER + 1);
    }
}

/// The time until a reader who was served before has a page, who loads it again if alco says so: on a busy machine, searchd may be
/// late. It is never reset.
#[track_caller]
fn page(alco: &Alco, from: u8) -> Duration {
    let begun = Instant::now();
    loop {
        let reply = client(alco, from).get("/grep/attacks/?limit=10");
        if reply.is_page() {
            return begun.elapsed();
        }
        let time = begun.elapsed();
        let may_reload = reply.is_put_off() && time < MAX_PAGE_TIME;
        assert!(may_reload, "127.0.0.{from}: {} after {time:?}: {}", reply.status, reply.text);
        thread::sleep(READING_INTERVAL);
    }
}

/// Of the process. The system is asked and not /metrics: each request keeps a thread of tiny_http, which ends after 5 s without one.
#[derive(Clone, Copy, Default)]
struct Used {
    threads: u64,
    files: u64,
    memory_kib: u64,
}

impl Used {
    /// None where the system does not tell.
    fn by(alco: &Alco) -> Option<Used> {
        let files = fs::read_dir(format!("/proc/{}/fd", alco.pid())).ok()?.count() as u64;
        Some(Used { threads: threads(alco.pid())?, files, memory_kib: memory_kib(alco.pid(), "RssAnon")? })
    }

    fn most(self, other: Used) -> Used {
        Used {
            threads: self.threads.max(other.threads),
            files: self.files.max(other.files),
            memory_kib: self.memory_kib.max(other.memory_kib),
        }
    }
}

/// What readers had, and alco used, while an attack lasted.
#[derive(Default)]
struct Seen {
    others: Vec<Duration>,
    neighbours: Vec<Duration>,
    peak: Used,
    stored: u64,
}

/// Runs an attack while others read.
fn seen_during(alco: &Alco, stack: &Stack, attack: &Attack) -> Seen {
    let (over, peak) = (AtomicBool::new(false), Mutex::new(Used::default()));
    let before = stack.count("attacks").unwrap();
    let mut seen = thread::scope(|scope| {
        let reads = |from: u8| {
            let (over, peak) = (&over, &peak);
            scope.spawn(move || {
                let mut times = Vec::new();
                while !over.load(Relaxed) {
                    times.push(page(alco, from));
                    let used = Used::by(alco).unwrap_or_default();
                    let mut peak = peak.lock().unwrap();
                    *peak = peak.most(used);
                    drop(peak);
                    thread::sleep(READING_INTERVAL);
                }
                times
            })
        };
        let others = reads(READER);
        let neighbours = attack.spares_neighbours.then(|| reads(ATTACKER));
        let attacked = scope.spawn(|| (attack.run)(alco)).join();
        over.store(true, Relaxed);
        // a reader's failure says more than the attackers'
        let others = others.join().unwrap_or_else(|failure| std::panic::resume_unwind(failure));
        let neighbours =
            neighbours.map(|reader| reader.join().unwrap_or_else(|failure| std::panic::resume_unwind(failure)));
        attacked.unwrap_or_else(|failure| std::panic::resume_unwind(failure));
        Seen { others, neighbours: neighbours.unwrap_or_default(), ..Seen::default() }
    });
    seen.peak = peak.into_inner().unwrap();
    seen.stored = stack.count("attacks").unwrap() - before;
    seen
}

/// The median, and the longest.
fn figures(times: &mut [Duration]) -> Option<(Duration, Duration)> {
    times.sort();
    Some((*times.get(times.len() / 2)?, *times.last()?))
}

#[test]
fn others_are_served_while_attacks_last() {
    let stack = Stack::shared();
    let file = stack.dir().join("attacks.users");
    fs::write(&file, passwd_line("anna", "right")).unwrap();
    let settings = format!("users_file = {}\nopen_paths = /health, /metrics\nsearch_budget = 2s", file.display());
    let alco = Alco::start(stack, &format!("{}[http]\n{settings}\n", stack.index("attacks")));
    publish_lines(stack, "attacks", &[600; LINES]);
    stack.settled_count("attacks", LINES as u64, LONG);
    // all readers were served before
    let mut usual: Vec<Duration> = (0..30).map(|n| page(&alco, [READER, READER + 1, ATTACKER][n % 3])).collect();
    let (median, longest) = figures(&mut usual).unwrap();
    println!("before: {median:?}, at most {longest:?}");

    let (over, published) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut publisher = Publisher::open(&stack.amqp);
            while !over.load(Relaxed) {
                let from = published.load(Relaxed);
                publisher.publish(
                    "logstash",
                    "attacks.key",
                    (0..PORTION as u64).map(|n| body(&format!("steady {}", from + n))),
                );
                published.fetch_add(PORTION as u64, Relaxed);
                thread::sleep(PORTION_INTERVAL);
            }
            publisher.close();
        });
        let _ending = SetAtEnd(&over);
        for attack in &ATTACKS {
            print!("{}", attacked(&alco, stack, attack, &published));
        }
    });
    let all = published.load(Relaxed) + LINES as u64;
    let messages = stack.settled("attacks", all, LONG);
    assert_eq!(messages.len() as u64, all, "each is stored");
    assert!(messages.values().all(|times| *times == 1), "each is stored once");
    for text in ["panicked", "cannot accept a connection", " ERROR "] {
        assert_eq!(alco.logged(text), 0, "{}", alco.log());
    }
    assert!(alco.stop().success());
}

/// Runs an attack and checks what it did; returns a line of the table.
fn attacked(alco: &Alco, stack: &Stack, attack: &Attack, published: &AtomicU64) -> String {
    let before = Used::by(alco).unwrap_or_default();
    let begun = Instant::now();
    let mut seen = seen_during(alco, stack, attack);
    let (lasted, ended) = (begun.elapsed(), Instant::now());
    stack.settled_count("attacks", published.load(Relaxed) + LINES as u64, LONG);
    let late = ended.elapsed();
    let ends = |what: &str, of: fn(Used) -> u64, more: u64, at_most: Duration| {
        wait_until(&format!("{what} of '{}' are given back", attack.name), at_most, || {
            Used::by(alco).map_or(Some(Used::default()), |used| (of(used) <= more).then_some(used))
        })
    };
    ends("the threads", |used| used.threads, before.threads + MAX_MORE_THREADS, LONG);
    let mut after = ends("the open files", |used| used.files, before.files + MAX_MORE_FILES, LONG);
    if soak() {
        after = ends("the memory", |used| used.memory_kib, MAX_MEMORY_AFTER_KIB, MEMORY_TIME);
    }
    let mut line = format!("{}, {lasted:.1?}: ", attack.name);
    for (who, times) in [("others", &mut seen.others), ("neighbours", &mut seen.neighbours)] {
        let Some((median, longest)) = figures(times) else { continue };
        line.push_str(&format!("{} pages of {who} in {median:.0?}, at most {longest:.0?}; ", times.len()));
        let is_usual = median < MAX_MEDIAN_TIME || times.len() < MIN_PAGES;
        assert!(is_usual && longest < MAX_PAGE_TIME, "{line}");
    }
    assert!(seen.stored > 0 || lasted < LONG / 60, "{line}nothing was collected");
    let used = |of: fn(Used) -> u64| [before, seen.peak, after].map(|used| of(used).to_string()).join("/");
    line + &format!(
        "threads {}, files {}, MiB {}; {} records stored meanwhile, the last {late:.1?} later\n",
        used(|used| used.threads),
        used(|used| used.files),
        used(|used| used.memory_kib >> 10),
        seen.stored
    )
}
