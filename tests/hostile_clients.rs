//! Hostile clients: what one sends may cost alco little more than what any reader sends, and others are served meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{fs, thread};

use base64::prelude::{BASE64_STANDARD, Engine};

use crate::support::{ALCO, Alco, LONG, Publisher, SOON, Stack, body, executable, try_get, wait_until};

/// Of other readers while it lasts. Readers notice more; the tests run on busy machines, and the attacks took minutes.
const NOTICED: Duration = Duration::from_secs(10);

/// An alco whose searches have their usual time, and some records.
fn start(stack: &Stack, records: usize) -> Alco {
    let alco = Alco::start(stack, &format!("{}[http]\nsearch_budget = 2s\n", stack.index("clients")));
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "clients.key", (0..records).map(|n| body(&format!("record {n}"))));
    stack.settled_count("clients", records as u64, LONG);
    alco
}

#[test]
fn the_number_of_filters_in_an_address_is_bounded() {
    let stack = Stack::shared();
    let alco = start(stack, 100);
    let page = |filters: usize, value_bytes: usize| {
        let value = "v".repeat(value_bytes);
        let filters: Vec<String> = (0..filters).map(|n| format!("c{n}={value}")).collect();
        let begun = Instant::now();
        let reply = alco.get(&format!("/grep/clients/?start_ts=-1h&{}", filters.join("&")));
        assert!(begun.elapsed() < NOTICED, "{} filters took {:?}", filters.len(), begun.elapsed());
        reply
    };
    let refused = page(2000, 1);
    assert!(refused.status == 400 && refused.body.contains("there are more than 64 filters"), "{}", refused.status);
    assert!(refused.body.len() < 1 << 20, "a page of {} bytes", refused.body.len());
    let (few, many) = (page(8, 1800), page(64, 230));
    assert_eq!((few.status, many.status), (200, 200));
    let values_of_each = |values: usize| {
        let values: Vec<String> = (0..values).map(|value| format!("v{value}")).collect();
        let filters: Vec<String> = (0..64).map(|n| format!("c{n}__in={}", values.join(","))).collect();
        alco.get(&format!("/grep/clients/?start_ts=-1h&{}", filters.join("&")))
    };
    let too_long = values_of_each(40);
    assert!(too_long.status == 400 && too_long.body.contains("16384 are the limit"), "{}", too_long.status);
    let values = values_of_each(20);
    let sizes = [&few, &many, &values].map(|page| page.body.len());
    println!("bytes for 8 filters, for 64, and for 64 of 20 values: {sizes:?}");
    assert!(values.status == 200 && sizes.iter().all(|bytes| *bytes < 1 << 20), "{sizes:?}");
}

/// A regex with many states that are alive at once, in characters that an address takes as they are.
pub fn heavy(end: &str) -> String {
    let letters = ('a'..='z').chain('0'..='9').map(|letter| format!("[ -~]*{letter}[ -~]{{300}}{end}"));
    letters
        .collect::<Vec<_>>()
        .join("|")
        .replace('{', "%7B")
        .replace('}', "%7D")
        .replace('|', "%7C")
        .replace(' ', "%20")
}

/// Sends a request, and leaves after that time without its answer.
fn impatient(alco: &Alco, path: &str, patience: Duration) {
    let mut stream = TcpStream::connect(alco.url.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: alco\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    let begun = Instant::now();
    let mut chunk = [0; 4096];
    while begun.elapsed() < patience && stream.read(&mut chunk).is_ok_and(|read| read > 0) {}
}

/// Asks for a page of another reader that often, and returns the longest time.
#[track_caller]
fn others(alco: &Alco, times: usize) -> Duration {
    let ask = |_| {
        let begun = Instant::now();
        assert_eq!(alco.get("/grep/?x").status, 200);
        begun.elapsed()
    };
    (0..times).map(ask).max().unwrap()
}

/// Random lines of these lengths.
pub fn publish_lines(stack: &Stack, index: &str, lengths: &[usize]) {
    let mut random = fastrand::Rng::with_seed(1);
    // searchd indexes each part of a word: few words are quickly stored
    let words: Vec<String> = (0..200).map(|_| (0..5).map(|_| random.alphanumeric()).chain([' ']).collect()).collect();
    let mut line = |length: usize| (0..length / 6).map(|_| words[random.usize(..200)].as_str()).collect::<String>();
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", &format!("{index}.key"), lengths.iter().map(|length| body(&line(*length))));
    publisher.close();
}

/// Lines over which a heavy regex takes milliseconds each, and one over which it would take a minute.
#[test]
fn a_regex_that_does_not_match_ends_with_its_client() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &format!("{}[http]\nsearch_budget = 2s\n", stack.index("clients_regex")));
    publish_lines(stack, "clients_regex", &[600; 2000]);
    publish_lines(stack, "clients_regex", &[3 << 20]);
    stack.settled_count("clients_regex", 2001, LONG);
    for end in ["!", "%5Cx01", ""] {
        let path = format!("/grep/clients_regex/?start_ts=-1h&mode=regex&search={}", heavy(end));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| impatient(&alco, &path, Duration::from_secs(2)));
            }
        });
        let begun = Instant::now();
        let longest = others(&alco, 3);
        println!("after 8 clients with '{end}': {longest:?}");
        assert!(begun.elapsed() < NOTICED, "{:?}", begun.elapsed());
        // it is refused until the searches of the others have ended
        let time = wait_until("a page is served", 2 * NOTICED, || {
            let begun = Instant::now();
            (alco.get(&path).status == 200).then(|| begun.elapsed())
        });
        println!("one page: {time:?}");
        assert!(time < NOTICED, "a page took {time:?}");
    }
}

/// The processor time of the process's threads of that name. None: there is none, or the system has no /proc.
fn processor_time(pid: u32, name: &str) -> Option<Duration> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?.filter_map(|task| Some(task.ok()?.path()));
    let named = tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name));
    // nanoseconds come first
    let nanos = |task: std::path::PathBuf| -> Option<u64> {
        fs::read_to_string(task.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    named.filter_map(nanos).map(Duration::from_nanos).reduce(|a, b| a + b)
}

/// A line over which a heavy regex would take a minute arrives while a client follows.
#[test]
fn the_check_of_a_followed_line_ends_with_its_client() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("clients_follow"));
    let path = format!("/grep/clients_follow/?follow=1&format=text&mode=regex&search={}", heavy("!"));
    let mut follower = TcpStream::connect(alco.url.strip_prefix("http://").unwrap()).unwrap();
    write!(follower, "GET {path} HTTP/1.1\r\nHost: alco\r\n\r\n").unwrap();
    follower.set_read_timeout(Some(SOON)).unwrap();
    follower.read_exact(&mut [0; 100]).unwrap();
    publish_lines(stack, "clients_follow", &[3 << 20]);
    stack.settled_count("clients_follow", 1, LONG);
    wait_until("the line is checked", SOON, || {
        processor_time(alco.pid(), "follow-1").filter(|time| *time > Duration::from_secs(1))
    });
    assert_eq!(alco.metric("alco_followers"), 1, "the check has not ended");
    drop(follower);
    let left = Instant::now();
    wait_until("its place is free", NOTICED, || (alco.metric("alco_followers") == 0).then_some(()));
    println!("free after {:?}", left.elapsed());
}

/// A line of users_file.
fn passwd(user: &str, password: &str) -> String {
    let mut command = Command::new(ALCO);
    let mut child = command.args(["passwd", user]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// The status of a page, and its Retry-After.
fn sign_in(alco: &Alco, user: &str, password: &str) -> (u16, Option<String>) {
    let credentials = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let request = agent.get(format!("{}/grep/", alco.url)).header("Authorization", credentials);
    let reply = request.call().unwrap();
    let header = reply.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (reply.status().as_u16(), header)
}

#[test]
fn wrong_passwords_do_not_keep_readers_waiting() {
    let stack = Stack::shared();
    let file = stack.dir().join("clients.users");
    fs::write(&file, passwd("anna", "right")).unwrap();
    let alco = Alco::start(stack, &format!("{}[http]\nusers_file = {}\n", stack.index("clients"), file.display()));
    assert_eq!(sign_in(&alco, "anna", "right").0, 200);
    let (over, refused, early) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let longest = thread::scope(|scope| {
        for client in 0..8 {
            let (alco, over, refused, early) = (&alco, &over, &refused, &early);
            scope.spawn(move || {
                for n in (0..100).take_while(|_| !over.load(Relaxed)) {
                    match sign_in(alco, if n % 2 == 0 { "anna" } else { "bob" }, &format!("wrong{client}x{n}")) {
                        (401, None) => refused.fetch_add(1, Relaxed),
                        (429, Some(seconds)) if seconds.parse::<u64>().is_ok() => early.fetch_add(1, Relaxed),
                        other => panic!("{other:?}"),
                    };
                }
            });
        }
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            let begun = Instant::now();
            assert_eq!(sign_in(&alco, "anna", "right").0, 200, "the right password stays right");
            longest = longest.max(begun.elapsed());
        }
        over.store(true, Relaxed);
        longest
    });
    println!("{longest:?} at most, {refused:?} refused and {early:?} too early");
    assert!(longest < NOTICED, "a page took {longest:?}");
    assert!(refused.load(Relaxed) < 20 && early.load(Relaxed) > 20, "{refused:?} {early:?}");
    assert_eq!(sign_in(&alco, "anna", "right").0, 200);
    assert_eq!(alco.logged("logins refused: "), 1, "{}", alco.log());
    assert!(!alco.log().contains("wrong0x"), "no password is logged");
}

#[test]
fn long_searches_wait_for_each_other() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &format!("{}[http]\nsearch_budget = 2s\n", stack.index("clients_many")));
    publish_lines(stack, "clients_many", &[600; 2000]);
    stack.settled_count("clients_many", 2000, LONG);
    let path = format!("/grep/clients_many/?start_ts=-1h&mode=regex&search={}", heavy("!"));
    let (served, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut times = thread::scope(|scope| {
        let search = |_| {
            scope.spawn(|| {
                let reply = alco.get(&path);
                match reply.status {
                    200 => served.fetch_add(1, Relaxed),
                    503 if reply.body.contains("too many searches take long") => refused.fetch_add(1, Relaxed),
                    other => panic!("{other}: {}", reply.body),
                };
            })
        };
        let searches: Vec<_> = (0..50).map(search).collect();
        let mut times = Vec::new();
        // one that fails ends, too
        while searches.iter().any(|search| !search.is_finished()) {
            let begun = Instant::now();
            assert_eq!(alco.get("/grep/clients_many/?limit=10").status, 200);
            times.push(begun.elapsed());
        }
        times
    });
    times.sort();
    println!(
        "others: {:?}, at most {:?}; {served:?} served, {refused:?} refused",
        times[times.len() / 2],
        times.last()
    );
    let median = times[times.len() / 2];
    assert!(median < Duration::from_secs(1) && times.last().is_some_and(|longest| *longest < 2 * NOTICED), "{times:?}");
    assert!(served.load(Relaxed) > 0);
}

#[test]
fn few_open_files_bound_the_connections() {
    let stack = Stack::shared();
    for files in [64, 128] {
        let program = stack.dir().join(format!("alco-of-{files}-files"));
        executable(&program, &format!("ulimit -n {files}\nexec {ALCO} \"$@\"\n"));
        let mut alco = Alco::spawn_as(&program, stack, &stack.index("clients_files"));
        alco.wait_ready(stack);
        assert_eq!(alco.logged(&format!("the process may have {files} open files")), 1, "{}", alco.log());
        let mut clients: Vec<TcpStream> = (0..200)
            .map(|_| {
                let mut stream = TcpStream::connect(alco.url.strip_prefix("http://").unwrap()).unwrap();
                stream.set_read_timeout(Some(SOON)).unwrap();
                // a client that was refused may be gone already
                let _ = write!(stream, "GET /grep/clients_files/ HTTP/1.1\r\nHost: alco\r\n\r\n");
                stream
            })
            .collect();
        let mut status = [0; 12];
        let mut answers = |status_wanted: &[u8]| {
            let is = |stream: &mut TcpStream| stream.read_exact(&mut status).is_ok() && status.ends_with(status_wanted);
            clients.iter_mut().map(is).filter(|is| *is).count()
        };
        let served = answers(b"200");
        assert!((1..=30).contains(&served), "{served} of 200 have a page:\n{}", alco.log());
        drop(clients);
        wait_until("others have their pages again", SOON, || {
            try_get(&format!("{}/grep/clients_files/", alco.url)).ok().filter(|reply| reply.status == 200)
        });
        let stored = stack.count("clients_files").unwrap();
        publish_lines(stack, "clients_files", &[10]);
        stack.settled_count("clients_files", stored + 1, SOON);
        assert_eq!(alco.logged("panicked"), 0, "{}", alco.log());
        assert_eq!(alco.logged("cannot accept a connection"), 0, "{}", alco.log());
        assert!(alco.stop().success());
    }
}
