//! The alco under test: over a stack of servers, or alone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{ALCO, POLL, Reply, SOON, Stack, directory, free_port, ini, queue_state, try_get, wait_until};

/// `alco run` over a stack, with an ini, a port and a log of its own.
#[derive(Debug)]
pub struct Alco {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    pub ini: PathBuf,
    log: PathBuf,
}

impl Alco {
    /// Starts alco and waits until it is ready: its pages answer, and every index has its consumers. `ini` has the index
    /// sections and any other setting, which takes the place of the stack's.
    #[track_caller]
    pub fn start(stack: &Stack, ini: &str) -> Alco {
        let mut alco = Alco::spawn(stack, ini);
        alco.wait_ready(stack);
        alco
    }

    /// As `start`, without waiting: for an alco that cannot get ready.
    #[track_caller]
    pub fn spawn(stack: &Stack, ini: &str) -> Alco {
        Alco::spawn_as(Path::new(ALCO), stack, ini)
    }

    /// As `spawn`, with a program that becomes alco.
    #[track_caller]
    pub fn spawn_as(program: &Path, stack: &Stack, ini: &str) -> Alco {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let name = format!("alco-{}", STARTED.fetch_add(1, Ordering::Relaxed));
        let port = free_port();
        // Each alco has its own port, and its own indexes of those that searchd serves. It must not have the shared searchd read
        // its configuration again: with 1,600 indexes searchd answers no client meanwhile.
        let is_its_own = |line: &&str| stack.private || !line.starts_with("pid_file");
        let servers = ini::sections(&fs::read_to_string(stack.dir.join("alco.ini")).unwrap())
            .into_iter()
            .filter(|(header, _)| {
                !["[index ", "[sphinx.index ", "[http]"].iter().any(|other| header.starts_with(other))
            })
            .map(|(header, lines)| (header, lines.lines().filter(is_its_own).collect::<Vec<_>>().join("\n")))
            .fold(String::new(), |ini, (header, lines)| ini + &header + "\n" + &lines + "\n");
        let mut listen = format!("[http]\nlisten = 127.0.0.1:{port}\n");
        if !ini.contains("search_budget") {
            // a page should find all records and count them exactly, on a busy machine too
            listen += "search_budget = 60s\n";
        }
        let (path, log) = (stack.dir.join(format!("{name}.ini")), stack.dir.join(format!("{name}.log")));
        let own = ini::merged(&[ini]);
        fs::write(&path, ini::overlaid(&ini::merged(&[&servers, &listen]), &own)).unwrap();
        let output = File::create(&log).unwrap();
        let child = Command::new(program)
            .args(["run", "--config"])
            .arg(&path)
            .env_remove("ALCO_INI")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        stack.adopt(child.id());
        Alco { child, url: format!("http://127.0.0.1:{port}"), ini: path, log }
    }

    #[track_caller]
    pub fn wait_ready(&mut self, stack: &Stack) {
        let indexes: Vec<_> = ini::sections(&fs::read_to_string(&self.ini).unwrap())
            .into_iter()
            .filter_map(|(header, lines)| {
                let name = header.strip_prefix("[index ")?.strip_suffix(']')?.to_owned();
                let key = |wanted: &str| {
                    let mut keys = lines.lines().filter_map(|line| line.split_once('='));
                    keys.find_map(|(key, value)| (key.trim() == wanted).then(|| value.trim().to_owned()))
                };
                Some((key("queue").unwrap_or(name), key("threads").map_or(1, |n| n.parse().unwrap())))
            })
            .collect();
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("alco ended with {status}:\n{}", self.log());
            }
            let listens = try_get(&format!("{}/style.css", self.url)).is_ok_and(|reply| reply.status == 200);
            if listens
                && indexes.iter().all(|(queue, n)| queue_state(&stack.amqp, queue).is_some_and(|q| q.consumers >= *n))
            {
                return;
            }
            assert!(Instant::now() < deadline, "alco is not ready after {SOON:?}:\n{}", self.log());
            thread::sleep(POLL);
        }
    }

    /// The reply for a path, with any status.
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        try_get(&format!("{}{path}", self.url)).unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.log()))
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Sends SIGTERM, and returns the exit status.
    #[track_caller]
    pub fn stop(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        wait_until("alco ends", SOON, || self.child.try_wait().unwrap())
    }
}

impl Drop for Alco {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Alco {
    /// The value of a sample of /metrics, by its name and labels as /metrics writes them.
    #[track_caller]
    pub fn metric(&self, sample: &str) -> u64 {
        let metrics = self.get("/metrics").body;
        let value = metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("no {sample} in {metrics}"))
    }

    /// The number of lines of its log with that text.
    pub fn logged(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ended(&mut self, at_most: Duration) -> ExitStatus {
        let child = &mut self.child;
        wait_until("alco ends", at_most, || child.try_wait().unwrap())
    }
}

/// An alco with an ini of its own and no servers.
pub struct Lonely {
    child: Child,
    pub url: String,
    /// its log file
    pub log: PathBuf,
}

impl Drop for Lonely {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lonely {
    pub fn start(ini: &str) -> Lonely {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let dir = directory(&format!("lonely-{number}"));
        let port = free_port();
        let (path, log) = (dir.join("alco.ini"), dir.join("alco.log"));
        fs::write(&path, format!("{ini}\n[http]\nlisten = 127.0.0.1:{port}\n")).unwrap();
        let mut command = Command::new(ALCO);
        command.args(["run", "--config"]).arg(&path).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        wait_until("alco listens", SOON, || try_get(&format!("{url}/style.css")).ok());
        Lonely { child, url, log }
    }
}
