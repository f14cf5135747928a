//! The tools of the whole-daemon tests: servers, an alco that uses them, a publisher, and waiting.
//!
//! Invariant: no process that is started here outlives the test process, even if that is killed: tests/stack watches it
//! (`ALCO_STACK_OWNER`), and ends the servers and alco; `Drop` ends them too.
#![allow(dead_code, unused_imports)] // the benchmark uses a part, each test another

mod alco;
mod broker;
pub mod browser;
pub mod clients;
pub mod clock;
pub mod cluster;
pub mod corpus;
pub mod follower;
pub mod hosts;
pub mod ini;
pub mod link;
pub mod nginx;
pub mod nodes;
pub mod page;
pub mod raw_amqp;
pub mod redis_server;
mod stack;
pub mod steps;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, Once};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::kill;
use nix::unistd::Pid;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

pub use alco::{Alco, Lonely};
pub use broker::{Publisher, queue_state, take_dead};
pub use stack::Stack;

/// The binary under test.
pub const ALCO: &str = env!("CARGO_BIN_EXE_alco");
/// The repository.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The limit of a wait that takes milliseconds on an idle machine. CI has few cores, and they are busy; a high limit costs nothing
/// if the test does not reach it.
pub const SOON: Duration = Duration::from_secs(60);
/// The limit of a wait that takes seconds on an idle machine: a back-off, a searchd that reads its configuration, a browser
/// that starts.
pub const LONG: Duration = Duration::from_secs(180);

/// Prints each failure when it happens, too: of a log that was cut, what surrounds the name of a failed test is there.
fn show_failures_at_once() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |failure| {
            // not kept for the end, as the usual hook's output is
            let _ = writeln!(io::stderr(), "{failure}");
            usual(failure);
        }));
    });
}

/// A file counts as written an hour ago.
pub fn make_an_hour_old(file: &Path) -> io::Result<()> {
    File::options().append(true).open(file)?.set_modified(SystemTime::now() - Duration::from_secs(3600))
}

/// Sets the flag at the end of its scope, also after a failure: threads that go on until then must end.
pub struct SetAtEnd<'a>(pub &'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// True in `make soak`: a test that has a long form, of more than a minute, runs it there.
pub fn soak() -> bool {
    std::env::var_os("ALCO_SOAK").is_some()
}

/// Notes that this machine cannot check something: on stderr, past libtest's capture, and in a file that tests/check counts at
/// the end of all tests.
pub fn not_checked(what: &str, why: &str) {
    let line = format!("not checked: {what}: {why}\n");
    let _ = io::stderr().write_all(line.as_bytes());
    let mut file =
        File::options().append(true).create(true).open(Path::new(ROOT).join("target/tests.unchecked")).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}

/// True if the searchd of the tests is Manticore: by ALCO_TEST_DIALECT, which tests/stack describes. Debian's is Sphinx 2.2.11.
pub fn is_manticore() -> bool {
    std::env::var("ALCO_TEST_DIALECT").is_ok_and(|dialect| dialect == "manticore")
}

/// An empty directory of this process. Directories of processes that have ended are removed: their logs stay until the next run.
pub fn directory(name: &str) -> PathBuf {
    let tests = Path::new(ROOT).join("target/tests");
    fs::create_dir_all(&tests).unwrap();
    for entry in fs::read_dir(&tests).unwrap().flatten() {
        let owner = entry.file_name().to_str().and_then(|name| name.rsplit('-').next()?.parse().ok());
        if owner.is_some_and(|pid| kill(Pid::from_raw(pid), None).is_err()) {
            let _ = stack::command("stop", &entry.path(), &[]).status();
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let dir = tests.join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Writes an executable script for sh.
pub fn executable(path: &Path, script: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, format!("#!/bin/sh\n{script}")).unwrap();
    // a process that another test starts meanwhile would inherit the open file, and a file that is open for writing cannot run
    assert!(Command::new("cp").arg(&draft).arg(path).status().unwrap().success());
    fs::remove_file(draft).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs make with this binary under test.
#[track_caller]
pub fn make(program: &str, goal: &str, stage: &Path, settings: &[&str]) -> String {
    let mut make = Command::new(program);
    make.current_dir(ROOT).arg(goal).arg(format!("DESTDIR={}", stage.display())).arg(format!("ALCO={ALCO}"));
    // a make that runs these tests has settings of its own
    make.args(settings).env_remove("MAKEFLAGS").env_remove("MFLAGS").env_remove("MAKELEVEL");
    let output = make.output().unwrap();
    assert!(output.status.success(), "{program} {goal}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Text as a part of an address: everything but ASCII letters and digits is escaped.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The values of `__in` or `__not`: commas, spaces and backslashes in them are escaped.
pub fn list(values: &[&str]) -> String {
    let escape = |value: &&str| value.replace('\\', "\\\\").replace(',', "\\,").replace(' ', "\\ ");
    values.iter().map(escape).collect::<Vec<_>>().join(",")
}

/// A line of /proc/PID/status that is given in kB, such as `VmHWM`. None where the system has no such file.
pub fn memory_kib(pid: u32, line: &str) -> Option<u64> {
    status_line(pid, line)?.strip_suffix(" kB")?.parse().ok()
}

/// The process's threads. None where the system has no /proc.
pub fn threads(pid: u32) -> Option<u64> {
    status_line(pid, "Threads")?.parse().ok()
}

fn status_line(pid: u32, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|text| text.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: String,
}

impl Reply {
    /// A header; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

pub fn try_get(url: &str) -> Result<Reply, ureq::Error> {
    try_get_with(url, &[])
}

/// With these headers.
pub fn try_get_with(url: &str, headers: &[(&str, &str)]) -> Result<Reply, ureq::Error> {
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).timeout_global(Some(SOON));
    let request = ureq::Agent::from(config.build()).get(url);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let mut response = request.call()?;
    let body = response.body_mut().with_config().limit(1 << 30).read_to_string()?;
    Ok(Reply { status: response.status().as_u16(), headers: response.headers().clone(), body })
}

/// The time between two probes: short for a person, and long enough to leave the cores to the servers.
const POLL: Duration = Duration::from_millis(20);

/// A port where no program listens, for a program that takes its port as a setting. It returns no port twice, since the owner of
/// the first may not listen yet, or not at all.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// Calls `probe` until it returns a value. `what` completes "timed out waiting until".
#[track_caller]
pub fn wait_until<T>(what: &str, at_most: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + at_most;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "timed out after {at_most:?} waiting until {what}");
        thread::sleep(POLL);
    }
}

/// A record as producers write it, with the present time.
pub fn body(message: &str) -> String {
    format!(r#"{{"@timestamp":"{}","message":"{message}","levelname":"INFO","host":"h1"}}"#, jiff::Timestamp::now())
}
