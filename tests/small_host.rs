//! A host of 512 MiB: RabbitMQ, Redis, searchd and alco together collect and search within that limit, and none of them is killed.
//! In full (make soak) with 300,000 records, in make check with 40,000.
//!
//! A control group sets the limit, where the test can make one (as root, with cgroup v1 or v2 writable). In any case, the test adds
//! up the memory of the processes that is not a copy of a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crate::support::{ALCO, Alco, Publisher, SOON, SetAtEnd, Stack, executable, memory_kib, not_checked, soak};

const LIMIT_BYTES: u64 = 512 << 20;
/// One record among this number is a needle.
const RECORDS_PER_NEEDLE: usize = 10_000;

/// A control group with the limit; goes with the value.
struct Group {
    dir: PathBuf,
    /// of cgroup v1
    one: bool,
}

impl Group {
    fn new() -> Option<Group> {
        let name = format!("alco-test-{}", std::process::id());
        for (parent, file, one) in
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes", true), ("/sys/fs/cgroup", "memory.max", false)]
        {
            let group = Group { dir: Path::new(parent).join(&name), one };
            if fs::create_dir(&group.dir).is_ok() && fs::write(group.dir.join(file), LIMIT_BYTES.to_string()).is_ok() {
                return Some(group);
            }
        }
        not_checked("the limit of 512 MiB", "no control group can be made here; memory is only measured");
        None
    }

    fn processes(&self) -> PathBuf {
        self.dir.join("cgroup.procs")
    }

    /// Processes that were killed because they took too much.
    fn killed(&self) -> String {
        let file = if self.one { "memory.oom_control" } else { "memory.events" };
        let text = fs::read_to_string(self.dir.join(file)).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")).unwrap_or("0").to_owned()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // it can be removed after its last process has ended
        for _ in 0..50 {
            if fs::remove_dir(&self.dir).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The memory of a process that is not a copy of a file, which the system could drop and read again.
fn anonymous_bytes(pid: u32) -> u64 {
    memory_kib(pid, "RssAnon").unwrap_or(0) << 10
}

/// A record as logs have it: words, ids and addresses that all differ, and a traceback in one of a hundred.
fn body(n: usize, random: &mut fastrand::Rng) -> String {
    const PATHS: [&str; 6] = ["/", "/cart/", "/checkout/", "/api/v1/products/", "/search/", "/media/thumbs/"];
    const USERS: [&str; 8] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
    let (id, session) = (random.u32(..), random.u64(..));
    let ip = format!("10.{}.{}.{}", random.u8(0..32), random.u8(..), random.u8(1..255));
    let (path, user) = (PATHS[random.usize(0..PATHS.len())], USERS[random.usize(0..USERS.len())]);
    let message = match n % RECORDS_PER_NEEDLE {
        0 => format!("payment declined for order {id:08x}: needle"),
        _ => format!(
            "request finished method=GET path={path} status=200 duration={}ms user={user} session={session:016x} ip={ip}",
            random.u16(1..5000)
        ),
    };
    let more = match random.u8(0..100) {
        0 => {
            let frame = format!("\\n  File \\\"/srv/app/views.py\\\", line {}, in get\\n    answer()", id % 900);
            format!(r#","exc_info":"Traceback (most recent call last):{}\nKeyError: {user}""#, frame.repeat(6))
        }
        _ => String::new(),
    };
    format!(
        r#"{{"@timestamp":"{}","@version":1,"message":"{message}","host":"web-{:02}.example.org","tags":[],"type":"Logstash","seq":{n},"levelname":"{}","logger":"app.middleware","process":{},"project":"shop","application":"backend","request_id":"{id:08x}{:08x}"{more}}}"#,
        jiff::Timestamp::now(),
        n % 8,
        ["INFO", "DEBUG", "WARNING", "ERROR"][random.usize(0..4)],
        800 + n % 50,
        random.u32(..)
    )
}

#[test]
fn the_whole_stack_runs_on_512_mb() {
    let records = if soak() { 300_000 } else { 40_000 };
    let ini = "[index small]\ndays = 7\nrouting_keys = small.#\nfiltered = levelname, host, application\n";
    let group = Group::new();
    let processes = group.as_ref().map(Group::processes);
    let stack = Stack::within("small-host", ini, processes.as_deref());
    let program = stack.dir().join("alco-within");
    let enter = processes.as_ref().map_or(String::new(), |file| format!("echo $$ >{}\n", file.display()));
    executable(&program, &format!("{enter}exec {ALCO} \"$@\"\n"));
    let mut alco = Alco::spawn_as(&program, &stack, ini);
    alco.wait_ready(&stack);

    let pids = [stack.pids(), vec![alco.pid()]].concat();
    let (over, peak) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Relaxed) {
                peak.fetch_max(pids.iter().map(|pid| anonymous_bytes(*pid)).sum(), Relaxed);
                thread::sleep(Duration::from_millis(200));
            }
        });
        let _ending = SetAtEnd(&over);
        let mut publisher = Publisher::open(&stack.amqp);
        let mut random = fastrand::Rng::with_seed(1);
        for from in (0..records).step_by(5000) {
            publisher.publish("logstash", "small.key", (from..from + 5000).map(|n| body(n, &mut random)));
        }
        stack.settled_count("small", records as u64, SOON * 15);
        let all = "start_ts=-1d";
        for search in ["needle", "%2Fcart%2F", "in=all&search=backend", "mode=regex&search=duration%3D(1%7C2)0+ms"] {
            let reply = alco.get(&format!("/grep/small/?{all}&search={search}"));
            assert_eq!(reply.status, 200, "{search}: {}", reply.body);
        }
        let found = alco.get(&format!("/grep/small/?{all}&format=text&search=needle")).body;
        assert_eq!(found.lines().count(), records / RECORDS_PER_NEEDLE);
        let found = alco.get(&format!("/grep/small/?{all}&format=text&mode=regex&search=ip%3D10%5C.7%5C.")).body;
        assert!(found.lines().count() > records / 100, "one in 32 of them");
    });
    let each: Vec<u64> = pids.iter().map(|pid| anonymous_bytes(*pid)).collect();
    let peak = peak.load(Relaxed);
    println!(
        "{records} records, {}: {} MiB at the peak, at the end {:?} MiB (RabbitMQ, its epmd, Redis, searchd, alco)",
        group.as_ref().map_or("measured only", |_| "within a control group of 512 MiB"),
        peak >> 20,
        each.iter().map(|bytes| bytes >> 20).collect::<Vec<_>>()
    );
    assert!(
        each.iter().all(|bytes| *bytes > 0) || !Path::new("/proc/self/status").exists(),
        "all of them run: {each:?}"
    );
    assert!(peak < LIMIT_BYTES / 10 * 9, "{} MiB", peak >> 20);
    if let Some(group) = &group {
        assert_eq!(group.killed(), "0");
    }
    assert!(alco.stop().success());
    drop(stack);
}
