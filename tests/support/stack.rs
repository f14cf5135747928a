//! Servers for the tests, started by tests/stack.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{ALCO, POLL, ROOT, SOON, directory, ini, show_failures_at_once};

const INDEXES: &str = include_str!("../indexes.ini");

/// searchd counts within milliseconds, unless it is paused.
const ANSWER: Duration = Duration::from_secs(5);

/// Private servers, started by tests/stack.
#[derive(Debug)]
pub struct Stack {
    pub(super) dir: PathBuf,
    /// `amqp://…`
    pub amqp: String,
    /// `redis://…`
    pub redis: String,
    /// SphinxQL's `host:port`
    pub sphinx: String,
    /// the alco that wrote searchd's configuration
    alco: PathBuf,
    /// true if one test alone uses the servers, and may break them
    pub(super) private: bool,
}

impl Stack {
    /// The servers that all tests share, with every index of tests/indexes.ini.
    pub fn shared() -> &'static Stack {
        static SHARED: OnceLock<Stack> = OnceLock::new();
        SHARED.get_or_init(|| Stack::start("shared", Path::new(ALCO), INDEXES, &[], None, false))
    }

    /// All three servers for one test, which may break them. They end with the value.
    pub fn private(name: &str, indexes: &str) -> Stack {
        Stack::start(name, Path::new(ALCO), indexes, &[], None, true)
    }

    /// Some of the servers for one test; `alco` writes searchd's configuration.
    pub fn of(name: &str, servers: &[&str], alco: &Path, indexes: &str) -> Stack {
        Stack::start(name, alco, indexes, servers, None, true)
    }

    /// searchd only, with another script than sphinx/sphinx.conf, which runs that alco.
    pub fn by_script(name: &str, alco: &Path, script: &Path) -> Stack {
        Stack::start(name, alco, "", &["searchd"], Some(("ALCO_SPHINX_CONF", script)), true)
    }

    /// All three servers in a control group, given by its file of processes.
    pub fn within(name: &str, indexes: &str, processes: Option<&Path>) -> Stack {
        let processes = processes.map(|file| ("ALCO_STACK_CGROUP", file));
        Stack::start(name, Path::new(ALCO), indexes, &[], processes, true)
    }

    /// The process ids of the running servers.
    pub fn pids(&self) -> Vec<u32> {
        let env = fs::read_to_string(self.dir.join("env")).unwrap();
        let pid = |name: &str| env.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
        ["PID_RABBITMQ", "PID_EPMD", "PID_REDIS", "PID_SEARCHD"].into_iter().filter_map(pid).collect()
    }

    /// The process id of a server of this stack, by its name in capitals.
    #[track_caller]
    pub fn pid_of(&self, server: &str) -> u32 {
        let env = fs::read_to_string(self.dir.join("env")).unwrap();
        let pid = env
            .lines()
            .find_map(|line| line.strip_prefix("PID_")?.strip_prefix(server)?.strip_prefix('=')?.parse().ok());
        pid.unwrap_or_else(|| panic!("no {server} in {env}"))
    }

    /// `more`: a variable for tests/stack.
    fn start(
        name: &str,
        alco: &Path,
        indexes: &str,
        servers: &[&str],
        more: Option<(&str, &Path)>,
        private: bool,
    ) -> Stack {
        show_failures_at_once();
        let dir = directory(name);
        assert!(!dir.join("settings").exists(), "two stacks are called {name}");
        let extra = dir.join("indexes.ini");
        fs::write(&extra, indexes).unwrap();
        let mut start = command("start", &dir, servers);
        start.env("ALCO", alco).env("ALCO_INI_EXTRA", &extra).env("ALCO_STACK_OWNER", std::process::id().to_string());
        start.env_remove("ALCO_INI").env_remove("ALCO_SPHINX_CONF");
        start.envs(more);
        let output = start.output().unwrap();
        assert!(output.status.success(), "tests/stack start: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let env: BTreeMap<_, _> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let value = |key: &str| (*env.get(key).unwrap_or_else(|| panic!("no {key} in {text}"))).to_owned();
        let (amqp, redis, sphinx) = (value("ALCO_AMQP"), value("ALCO_REDIS"), value("ALCO_SPHINX"));
        Stack { dir, amqp, redis, sphinx, alco: alco.to_owned(), private }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Names the alco that writes searchd's configuration from its next start on.
    pub fn configure_by(&mut self, alco: &Path) {
        self.alco = alco.to_owned();
    }

    /// The sections of one index in tests/indexes.ini, for `Alco::start`.
    pub fn index(&self, name: &str) -> String {
        let header = format!("[index {name}]");
        let found = ini::sections(INDEXES).into_iter().find(|(section, _)| *section == header);
        let (_, lines) = found.unwrap_or_else(|| panic!("no {header} in tests/indexes.ini"));
        format!("{header}\n{lines}\n")
    }

    /// Kills a server by SIGKILL.
    pub fn kill(&self, server: &str) {
        run(command("kill", &self.dir, &[server]));
    }

    pub fn stop(&self, server: &str) {
        run(command("stop", &self.dir, &[server]));
    }

    /// Starts a server that was stopped or killed, on its port and with its data.
    pub fn restart(&self, server: &str) {
        run(command("start", &self.dir, &[server]).env("ALCO", &self.alco));
    }

    pub fn pause(&self, server: &str) {
        run(command("pause", &self.dir, &[server]));
    }

    pub fn resume(&self, server: &str) {
        run(command("resume", &self.dir, &[server]));
    }

    /// Has tests/stack end that process with the servers, in case this process dies first.
    #[track_caller]
    pub fn adopt(&self, pid: u32) {
        run(command("adopt", &self.dir, &[&pid.to_string()]));
    }

    /// Has searchd read its configuration again.
    pub fn reread(&self) {
        let pid = fs::read_to_string(self.dir.join("searchd.pid")).unwrap();
        let pid = pid.split(' ').next().unwrap().parse().unwrap();
        kill(Pid::from_raw(pid), Signal::SIGHUP).unwrap();
    }

    /// A SphinxQL connection.
    pub fn sphinxql(&self) -> Conn {
        let (host, port) = self.sphinx.split_once(':').unwrap();
        let opts = OptsBuilder::new()
            .prefer_socket(false)
            .max_allowed_packet(Some(64 << 20))
            .ip_or_hostname(Some(host))
            .tcp_port(port.parse().unwrap())
            .read_timeout(Some(SOON));
        Conn::new(opts).unwrap()
    }

    /// The first column of the answer, as text.
    pub fn select(&self, statement: &str) -> mysql::Result<Vec<String>> {
        self.sphinxql().query_map(statement, |row: mysql::Row| row.get::<String, usize>(0).unwrap_or_default())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.private {
            let _ = command("stop", &self.dir, &[]).status();
        }
    }
}

/// The command of tests/stack for that step.
pub(super) fn command(what: &str, dir: &Path, servers: &[&str]) -> Command {
    let mut stack = Command::new(format!("{ROOT}/tests/stack"));
    stack.arg(what).arg(dir).args(servers).stdin(Stdio::null());
    stack
}

#[track_caller]
fn run(mut command: impl std::borrow::BorrowMut<Command>) -> String {
    let output = command.borrow_mut().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Functions for tests of faults.
impl Stack {
    pub fn ask_redis<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut redis = redis::Client::open(self.redis.as_str()).unwrap().get_connection().unwrap();
        redis::cmd(command[0]).arg(&command[1..]).query(&mut redis).unwrap()
    }

    /// The port of `epmd`, or of `amqps` or `rediss` if there is a DIR/tls.
    #[track_caller]
    pub fn port(&self, of: &str) -> String {
        let settings = fs::read_to_string(self.dir.join("settings")).unwrap();
        let port = |line: &str| Some(line.strip_prefix("port_")?.strip_prefix(of)?.strip_prefix('=')?.to_owned());
        settings.lines().find_map(port).unwrap_or_else(|| panic!("no port of {of} in {settings}"))
    }

    #[track_caller]
    pub fn rabbitmqctl(&self, arguments: &[&str]) -> String {
        let home = self.dir.join("rabbitmq");
        let mut command = Command::new("/usr/lib/rabbitmq/bin/rabbitmqctl");
        command.args(["-n", "alco@localhost"]).args(arguments);
        command
            .env("HOME", &home)
            .env("ERL_EPMD_PORT", self.port("epmd"))
            .env("RABBITMQ_CONF_ENV_FILE", home.join("env.conf"));
        run(command)
    }

    /// Documents of an index; None while searchd does not answer.
    pub fn count(&self, index: &str) -> Option<u64> {
        let (host, port) = self.sphinx.split_once(':').unwrap();
        let opts = OptsBuilder::new().prefer_socket(false).ip_or_hostname(Some(host)).tcp_port(port.parse().unwrap());
        let opts = opts.tcp_connect_timeout(Some(ANSWER)).read_timeout(Some(ANSWER));
        Conn::new(opts).ok()?.query_first(format!("SELECT COUNT(*) FROM {index}")).ok()?
    }

    /// The numbers that SHOW INDEX STATUS gives.
    pub fn index_status(&self, index: &str) -> BTreeMap<String, i64> {
        let rows: Vec<(String, String)> = self.sphinxql().query(format!("SHOW INDEX {index} STATUS")).unwrap();
        rows.into_iter().filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect()
    }

    /// Id and message of every document, by id.
    pub fn documents(&self, index: &str) -> Vec<(u64, String)> {
        let mut conn = self.sphinxql();
        let mut all: Vec<(u64, String)> = Vec::new();
        loop {
            let last = all.last().map_or(0, |(id, _)| *id);
            let statement = format!(
                "SELECT id, logline FROM {index} WHERE id > {last} ORDER BY id ASC LIMIT 10000 OPTION max_matches=10000"
            );
            let some: Vec<(u64, String)> = conn.query(statement).unwrap();
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }

    /// Waits for `count` documents, and returns the number of times that each message is stored.
    #[track_caller]
    pub fn settled(&self, index: &str, count: u64, at_most: Duration) -> BTreeMap<String, usize> {
        self.settled_count(index, count, at_most);
        let mut messages = BTreeMap::new();
        for (_, message) in self.documents(index) {
            *messages.entry(message).or_default() += 1;
        }
        messages
    }

    #[track_caller]
    pub fn settled_count(&self, index: &str, count: u64, at_most: Duration) {
        let (deadline, mut stored) = (Instant::now() + at_most, 0);
        while stored < count {
            assert!(Instant::now() < deadline, "{index} holds {stored} of {count} documents after {at_most:?}");
            thread::sleep(POLL);
            stored = self.count(index).unwrap_or(stored);
        }
    }
}
