//! What the whole-daemon tests stand on: servers, an alco over them, a publisher, and waiting for what must come.
//!
//! Invariant: nothing that is started here outlives the test process, however that ends: the servers watch it
//! (`ALCO_STACK_OWNER`), and an alco is in their care besides its `Drop`.
#![allow(dead_code)] // the benchmark uses a part, each test another

pub mod browser;
pub mod clock;
pub mod nginx;
pub mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use amiquip::{
    AmqpProperties, Channel, Confirm, ConfirmSmoother, Connection, ExchangeDeclareOptions, ExchangeType, Publish,
    QueueDeclareOptions,
};
use crossbeam_channel::Receiver;
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The binary under test.
pub const ALCO: &str = env!("CARGO_BIN_EXE_alco");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const INDEXES: &str = include_str!("../indexes.ini");

/// For what takes milliseconds on an idle machine; a busy one with few cores is what CI has, and waiting costs nothing where it
/// does not come to that.
pub const SOON: Duration = Duration::from_secs(60);
/// For what takes seconds by itself: a back-off, searchd that reads its configuration, a browser that starts.
pub const LONG: Duration = Duration::from_secs(180);

/// Whether this is `make soak`: what takes over a minute is done in full.
pub fn soak() -> bool {
    std::env::var_os("ALCO_SOAK").is_some()
}

/// Private servers, started by tests/stack.
#[derive(Debug)]
pub struct Stack {
    dir: PathBuf,
    /// `amqp://…`
    pub amqp: String,
    /// `redis://…`
    pub redis: String,
    /// SphinxQL's `host:port`
    pub sphinx: String,
    /// the alco that wrote searchd's configuration
    alco: PathBuf,
    private: bool,
}

impl Stack {
    /// The one that all tests share, with every index of tests/indexes.ini.
    pub fn shared() -> &'static Stack {
        static SHARED: OnceLock<Stack> = OnceLock::new();
        SHARED.get_or_init(|| Stack::start("shared", Path::new(ALCO), INDEXES, &[], None, false))
    }

    /// All three servers for one test, which may break them. They end with the value.
    pub fn private(name: &str, indexes: &str) -> Stack {
        Stack::start(name, Path::new(ALCO), indexes, &[], None, true)
    }

    /// Some servers only, and a stand-in for alco that writes searchd's configuration.
    pub fn of(name: &str, servers: &[&str], alco: &Path, indexes: &str) -> Stack {
        Stack::start(name, alco, indexes, servers, None, true)
    }

    /// searchd only, by a script other than sphinx/sphinx.conf, which asks that alco.
    pub fn by_script(name: &str, alco: &Path, script: &Path) -> Stack {
        Stack::start(name, alco, "", &["searchd"], Some(("ALCO_SPHINX_CONF", script)), true)
    }

    /// All three servers in a control group, given by its file of processes.
    pub fn within(name: &str, indexes: &str, processes: Option<&Path>) -> Stack {
        let processes = processes.map(|file| ("ALCO_STACK_CGROUP", file));
        Stack::start(name, Path::new(ALCO), indexes, &[], processes, true)
    }

    /// Of the servers that run.
    pub fn pids(&self) -> Vec<u32> {
        let env = fs::read_to_string(self.dir.join("env")).unwrap();
        let pid = |name: &str| env.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
        ["PID_RABBITMQ", "PID_EPMD", "PID_REDIS", "PID_SEARCHD"].into_iter().filter_map(pid).collect()
    }

    /// `more`: a word of the environment of tests/stack.
    fn start(
        name: &str,
        alco: &Path,
        indexes: &str,
        servers: &[&str],
        more: Option<(&str, &Path)>,
        private: bool,
    ) -> Stack {
        let dir = directory(name);
        assert!(!dir.join("settings").exists(), "two stacks are called {name}");
        let extra = dir.join("indexes.ini");
        fs::write(&extra, indexes).unwrap();
        let mut command = stack("start", &dir, servers);
        command.env("ALCO", alco).env("ALCO_INI_EXTRA", &extra).env("ALCO_STACK_OWNER", std::process::id().to_string());
        command.env_remove("ALCO_INI").env_remove("ALCO_SPHINX_CONF");
        command.envs(more);
        let output = command.output().unwrap();
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

    /// The sections of one index in tests/indexes.ini, for `Alco::start`.
    pub fn index(&self, name: &str) -> String {
        let header = format!("[index {name}]");
        let found = sections(INDEXES).into_iter().find(|(section, _)| *section == header);
        let (_, lines) = found.unwrap_or_else(|| panic!("no {header} in tests/indexes.ini"));
        format!("{header}\n{lines}\n")
    }

    /// The end of a server by SIGKILL.
    pub fn kill(&self, server: &str) {
        run(stack("kill", &self.dir, &[server]));
    }

    pub fn stop(&self, server: &str) {
        run(stack("stop", &self.dir, &[server]));
    }

    /// A server that was stopped or killed: on its port, with its data.
    pub fn restart(&self, server: &str) {
        run(stack("start", &self.dir, &[server]).env("ALCO", &self.alco));
    }

    pub fn pause(&self, server: &str) {
        run(stack("pause", &self.dir, &[server]));
    }

    pub fn resume(&self, server: &str) {
        run(stack("resume", &self.dir, &[server]));
    }

    /// A process that ends with the servers, should this one die before it ends it.
    #[track_caller]
    pub fn adopt(&self, pid: u32) {
        run(stack("adopt", &self.dir, &[&pid.to_string()]));
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
            let _ = stack("stop", &self.dir, &[]).status();
        }
    }
}

fn stack(command: &str, dir: &Path, servers: &[&str]) -> Command {
    let mut stack = Command::new(format!("{ROOT}/tests/stack"));
    stack.arg(command).arg(dir).args(servers).stdin(Stdio::null());
    stack
}

#[track_caller]
fn run(mut command: impl std::borrow::BorrowMut<Command>) -> String {
    let output = command.borrow_mut().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// An empty directory for what this process starts. Those of processes that are no more are removed: what they logged was of
/// interest until the next run.
pub fn directory(name: &str) -> PathBuf {
    let tests = Path::new(ROOT).join("target/tests");
    fs::create_dir_all(&tests).unwrap();
    for entry in fs::read_dir(&tests).unwrap().flatten() {
        let owner = entry.file_name().to_str().and_then(|name| name.rsplit('-').next()?.parse().ok());
        if owner.is_some_and(|pid| kill(Pid::from_raw(pid), None).is_err()) {
            let _ = stack("stop", &entry.path(), &[]).status();
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let dir = tests.join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// A program of the test's own, in sh.
pub fn executable(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// `[header]` and what stands below it, in order.
fn sections(ini: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in ini.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('[') {
            sections.push((line.to_owned(), String::new()));
        } else {
            let (_, lines) = sections.last_mut().expect("a key stands in a section");
            writeln!(lines, "{line}").unwrap();
        }
    }
    sections
}

/// One ini from several, where a section may stand in each.
fn merged(inis: &[&str]) -> String {
    let mut all: Vec<(String, String)> = Vec::new();
    for (header, lines) in inis.iter().flat_map(|ini| sections(ini)) {
        match all.iter_mut().find(|(known, _)| *known == header) {
            Some((_, known)) => known.push_str(&lines),
            None => all.push((header, lines)),
        }
    }
    all.iter().fold(String::new(), |ini, (header, lines)| ini + header + "\n" + lines + "\n")
}

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
    /// Ready: its pages answer, and every index has its consumers. `ini` holds the index sections and any other setting.
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

    /// As `spawn`, by a program that becomes alco.
    #[track_caller]
    pub fn spawn_as(program: &Path, stack: &Stack, ini: &str) -> Alco {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let name = format!("alco-{}", STARTED.fetch_add(1, Ordering::Relaxed));
        let port = free_port();
        // Its own port; its own indexes out of those that searchd knows. Of the others it need not know, and must not have a
        // searchd with 1,600 of them read its configuration anew, which answers nobody meanwhile.
        let is_its_own = |line: &&str| stack.private || !line.starts_with("pid_file");
        let servers = sections(&fs::read_to_string(stack.dir.join("alco.ini")).unwrap())
            .into_iter()
            .filter(|(header, _)| {
                !["[index ", "[sphinx.index ", "[http]"].iter().any(|other| header.starts_with(other))
            })
            .map(|(header, lines)| (header, lines.lines().filter(is_its_own).collect::<Vec<_>>().join("\n")))
            .fold(String::new(), |ini, (header, lines)| ini + &header + "\n" + &lines + "\n");
        let mut listen = format!("[http]\nlisten = 127.0.0.1:{port}\n");
        if !ini.contains("search_budget") {
            // however busy the machine is, a page should find all, and count it exactly
            listen += "search_budget = 60s\n";
        }
        let (path, log) = (stack.dir.join(format!("{name}.ini")), stack.dir.join(format!("{name}.log")));
        fs::write(&path, merged(&[&servers, &listen, ini])).unwrap();
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
        let indexes: Vec<_> = sections(&fs::read_to_string(&self.ini).unwrap())
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

    /// Asks for a path, whatever the status.
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        try_get(&format!("{}{path}", self.url)).unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.log()))
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// SIGTERM, and how it ended.
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

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: String,
}

impl Reply {
    /// A header, or nothing where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

pub fn try_get(url: &str) -> Result<Reply, ureq::Error> {
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).timeout_global(Some(SOON));
    let mut response = ureq::Agent::from(config.build()).get(url).call()?;
    let body = response.body_mut().with_config().limit(1 << 30).read_to_string()?;
    Ok(Reply { status: response.status().as_u16(), headers: response.headers().clone(), body })
}

/// Short enough not to be felt, long enough to leave the cores to those waited for.
const POLL: Duration = Duration::from_millis(20);

/// searchd counts in milliseconds, unless it is paused.
const ANSWER: Duration = Duration::from_secs(5);

/// A port where nobody listens, for a program that takes its port as a setting. None is given twice: whoever got one may not
/// listen yet, or want nobody to.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// Asks again until there is something. `what` completes "in vain waited until".
#[track_caller]
pub fn wait_until<T>(what: &str, at_most: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + at_most;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain waited until {what}, for {at_most:?}");
        thread::sleep(POLL);
    }
}

#[derive(Clone, Copy, Debug)]
pub struct QueueState {
    /// ready to be delivered, those in flight not counted
    pub messages: u32,
    pub consumers: u32,
}

/// None: no such queue, or no broker.
pub fn queue_state(amqp: &str, queue: &str) -> Option<QueueState> {
    let mut connection = Connection::insecure_open(amqp).ok()?;
    let channel = connection.open_channel(None).ok()?;
    let queue = channel.queue_declare_passive(queue).ok()?;
    let state = QueueState { messages: queue.declared_message_count()?, consumers: queue.declared_consumer_count()? };
    let _ = connection.close();
    Some(state)
}

/// Publishes, and knows that the broker has it.
pub struct Publisher {
    // before the connection, which must outlive it
    channel: Channel,
    confirms: Receiver<Confirm>,
    smoother: ConfirmSmoother,
    connection: Connection,
}

impl Publisher {
    #[track_caller]
    pub fn open(amqp: &str) -> Publisher {
        let mut connection = Connection::insecure_open(amqp).unwrap();
        let channel = connection.open_channel(None).unwrap();
        channel.enable_publisher_confirms().unwrap();
        let confirms = channel.listen_for_publisher_confirms().unwrap();
        Publisher { channel, confirms, smoother: ConfirmSmoother::new(), connection }
    }

    /// A durable topic exchange, as producers declare it.
    #[track_caller]
    pub fn declare_exchange(&self, name: &str) {
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        self.channel.exchange_declare(ExchangeType::Topic, name, durable).unwrap();
    }

    /// A durable queue before alco is there to declare it.
    #[track_caller]
    pub fn declare_queue(&self, name: &str, exchange: &str, routing_key: &str) {
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        self.channel.queue_declare(name, durable).unwrap();
        self.channel.queue_bind(name, exchange, routing_key, Default::default()).unwrap();
    }

    /// Persistent messages, in order; returns when the broker has confirmed the last.
    #[track_caller]
    pub fn publish(&mut self, exchange: &str, routing_key: &str, bodies: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        let mut waiting = 0;
        for body in bodies {
            let properties =
                AmqpProperties::default().with_delivery_mode(2).with_content_type("application/json".into());
            let message = Publish::with_properties(body.as_ref(), routing_key, properties);
            self.channel.basic_publish(exchange, message).unwrap();
            waiting += 1;
        }
        while waiting > 0 {
            let confirm = self.confirms.recv_timeout(SOON).expect("the broker confirms");
            for confirm in self.smoother.process(confirm) {
                assert!(matches!(confirm, Confirm::Ack(_)), "the broker refused a message");
                waiting -= 1;
            }
        }
    }

    pub fn close(self) {
        let _ = self.channel.close();
        let _ = self.connection.close();
    }
}

/// What the fault tests ask of the servers.
impl Stack {
    pub fn ask_redis<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut redis = redis::Client::open(self.redis.as_str()).unwrap().get_connection().unwrap();
        redis::cmd(command[0]).arg(&command[1..]).query(&mut redis).unwrap()
    }

    /// Of `epmd`, and of `amqps` and `rediss` where there is a DIR/tls.
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

    /// Waits for so many documents, and says which messages are stored how often.
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

impl Alco {
    /// How many lines of its log hold that text.
    pub fn said(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// SIGTERM or whatever it ends by; waits for the end.
    #[track_caller]
    pub fn ended(&mut self, at_most: Duration) -> ExitStatus {
        let child = &mut self.child;
        wait_until("alco ends", at_most, || child.try_wait().unwrap())
    }
}

/// A record that alco put aside.
#[derive(Debug)]
pub struct Dead {
    pub body: Vec<u8>,
    pub reason: String,
    pub exchange: String,
    pub routing_key: String,
}

/// Takes all that lies in `<queue>.dead`.
#[track_caller]
pub fn take_dead(amqp: &str, queue: &str) -> Vec<Dead> {
    let mut connection = Connection::insecure_open(amqp).unwrap();
    let channel = connection.open_channel(None).unwrap();
    let mut dead = Vec::new();
    while let Some(got) = channel.basic_get(format!("{queue}.dead"), true).unwrap() {
        let headers = got.delivery.properties.headers().clone().unwrap();
        let text = |key: &str| match headers.get(key) {
            Some(amiquip::AmqpValue::LongString(text)) => text.clone(),
            other => panic!("{key} is {other:?}"),
        };
        let (reason, exchange) = (text("x-alco-reason"), text("x-alco-exchange"));
        let routing_key = text("x-alco-routing-key");
        dead.push(Dead { body: got.delivery.body, reason, exchange, routing_key });
    }
    let _ = channel.close();
    let _ = connection.close();
    dead
}

/// A record as producers write it, at this moment.
pub fn body(message: &str) -> String {
    format!(r#"{{"@timestamp":"{}","message":"{message}","levelname":"INFO","host":"h1"}}"#, jiff::Timestamp::now())
}
