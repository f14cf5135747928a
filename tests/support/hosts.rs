//! The hosts of docs/nodes.md on this one: what the page's commands do there, they do here. Each host is a searchd and an alco of its own;
//! the first has RabbitMQ and Redis.
//!
//! Invariant: a command that is not known here fails the test.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use nix::sys::signal::Signal;

use super::nodes::Node;
use super::redis_server::{RedisServer, ask, start};
use super::steps::{Step, steps};
use super::{ALCO, Alco, LONG, SOON, Stack, free_port, ini, wait_until};

const PAGE: &str = "docs/nodes.md";
const INDEX: &str = "[index web]\nqueue = web\nrouting_keys = logstash.web.#\ndays = 3\n";

/// Where searchd of each host answers the other nodes.
const DOORS: [(char, &str); 3] = [('a', "10.0.0.1:9312"), ('b', "10.0.0.2:9312"), ('c', "10.0.0.3:9312")];

/// A host of the page.
pub struct Machine {
    pub node: Node,
    /// alco.ini as it came with the host, and the lines of the page for it
    installed: String,
    settings: String,
    pub alco: Option<Alco>,
}

impl Machine {
    pub fn count(&self) -> u64 {
        self.node.stack.count("web_local").unwrap_or(0)
    }

    fn data(&self) -> PathBuf {
        self.node.stack.dir().join("searchd/data")
    }

    fn ini(&self) -> PathBuf {
        self.node.stack.dir().join("alco.ini")
    }

    /// A path of the page below /var/lib/alco.
    fn file(&self, path: &str) -> PathBuf {
        self.data().join(path.strip_prefix("/var/lib/alco/").unwrap())
    }
}

/// The hosts of the page.
pub struct Hosts {
    pub machines: BTreeMap<char, Machine>,
    /// the addresses of all alco that run
    pub pages: Arc<Mutex<Vec<String>>>,
    /// the port of each server, by the address that the page gives it
    ports: BTreeMap<&'static str, u16>,
    redis: Option<RedisServer>,
    /// what `alco check` printed, by the machine
    checks: Vec<(char, String)>,
    /// what `alco grep -c` counted, by the machine; None: it named records that are missing
    counts: Vec<(char, Option<u64>)>,
}

impl Hosts {
    /// One node, as it is before the page's first step.
    pub fn one() -> Hosts {
        let mut hosts = Hosts {
            machines: BTreeMap::new(),
            pages: Arc::default(),
            ports: DOORS.into_iter().map(|(_, door)| (door, free_port())).collect(),
            redis: None,
            checks: Vec::new(),
            counts: Vec::new(),
        };
        hosts.install('a');
        let stack = &hosts.machines[&'a'].node.stack;
        let port = |url: &str| url.rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap();
        let (amqp, redis) = (port(&stack.amqp), port(&stack.redis));
        hosts.ports.extend([("10.0.0.1:5672", amqp), ("10.0.0.1:6379", redis)]);
        hosts.start_alco('a');
        hosts
    }

    fn forget(&self, alco: &Alco) {
        self.pages.lock().unwrap().retain(|page| *page != alco.url);
    }

    /// Kills all that runs on a host.
    pub fn kill(&mut self, name: char) {
        let machine = self.machines.get_mut(&name).unwrap();
        let alco = machine.alco.take().unwrap();
        alco.signal(Signal::SIGKILL);
        machine.node.stack.kill("searchd");
        self.forget(&alco);
    }

    /// A new host with the files of a, in the place of c.
    pub fn install_d(&mut self) {
        self.install('d');
        let settings = self.machines[&'a'].settings.clone();
        self.set('d', &settings);
    }

    /// A new host that reaches the servers of a.
    pub fn install_mirror(&mut self) {
        self.install('b');
        let of_a = &self.machines[&'a'].node.stack;
        let servers = format!("[rabbitmq]\nurl = {}\n[redis]\nurl = {}\n", of_a.amqp, of_a.redis);
        self.set('b', &servers);
    }

    /// Another RabbitMQ, which has the user that a has.
    pub fn install_broker(&mut self) -> Stack {
        let broker = Stack::of("growing_broker", &["rabbitmq"], Path::new(ALCO), INDEX);
        broker.rabbitmqctl(&["add_user", "alco", "SECRET"]);
        broker.rabbitmqctl(&["set_permissions", "alco", ".*", ".*", ".*"]);
        let port = broker.amqp.rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap();
        self.ports.insert("10.0.0.4:5672", port);
        broker
    }

    /// Has the tests look for the consumers of a host there.
    pub fn collects_from(&mut self, name: char, broker: &Stack) {
        self.machines.get_mut(&name).unwrap().node.stack.amqp.clone_from(&broker.amqp);
    }

    /// Changes a host's alco.ini, and restarts its alco.
    pub fn change(&mut self, name: char, lines: &str) {
        self.set(name, lines);
        self.restart(name, "alco");
    }

    fn install(&mut self, name: char) {
        let servers = if name == 'a' { &["rabbitmq", "redis", "searchd"][..] } else { &["searchd"] };
        static INSTALLED: AtomicUsize = AtomicUsize::new(0);
        let number = INSTALLED.fetch_add(1, Relaxed);
        let mut stack = Stack::of(&format!("growing_{number}"), servers, Path::new(ALCO), INDEX);
        // d has the address of c, which it replaces
        let (_, door) = DOORS.into_iter().find(|(of, _)| *of == name).unwrap_or(DOORS[2]);
        let port = self.ports[door];
        if let Some(first) = self.machines.get(&'a') {
            stack.amqp.clone_from(&first.node.stack.amqp);
        }
        let installed = fs::read_to_string(stack.dir().join("alco.ini")).unwrap();
        // a dead node's redelivered records are not waited for longer than the test may take
        let settings = "[rabbitmq]\nredelivery_wait = 2s\n".to_owned();
        let password = stack.dir().join("alco.password");
        fs::write(&password, "SECRET\n").unwrap();
        fs::set_permissions(password, Permissions::from_mode(0o640)).unwrap();
        let machine = Machine { node: Node { stack, port }, installed, settings, alco: None };
        self.machines.insert(name, machine);
        self.write_ini(name);
    }

    /// The page's text with the addresses and paths of this test.
    fn here(&self, name: char, text: &str) -> String {
        let machine = &self.machines[&name];
        let (dir, door) = (machine.node.stack.dir(), machine.node.port);
        let listen = format!("{}:mysql41, 127.0.0.1:{door}", machine.node.stack.sphinx);
        let text = text
            .replace("127.0.0.1:9306:mysql41, 9312", &listen)
            .replace("/etc/alco.password", dir.join("alco.password").to_str().unwrap());
        self.ports.iter().fold(text, |text, (page, port)| text.replace(page, &format!("127.0.0.1:{port}")))
    }

    fn write_ini(&self, name: char) {
        let machine = &self.machines[&name];
        let settings = self.here(name, &machine.settings);
        let ini = ini::overlaid(&machine.installed, &settings);
        // a key may be indented, and has white space before its `=` or not
        fs::write(machine.ini(), ini.replace("\npeers = ", "\n\t peers= ")).unwrap();
    }

    fn set(&mut self, name: char, lines: &str) {
        let machine = self.machines.get_mut(&name).unwrap();
        machine.settings = ini::overlaid(&machine.settings, lines);
        self.write_ini(name);
    }

    fn start_alco(&mut self, name: char) {
        let machine = self.machines.get_mut(&name).unwrap();
        let sections = ini::sections(&fs::read_to_string(machine.ini()).unwrap());
        let indexes = sections.into_iter().filter(|(header, _)| header.starts_with("[index "));
        let indexes = indexes.fold(String::new(), |ini, (header, lines)| ini + &header + "\n" + &lines);
        let alco = Alco::start(&machine.node.stack, &indexes);
        self.pages.lock().unwrap().push(alco.url.clone());
        machine.alco = Some(alco);
    }

    fn stop_alco(&mut self, name: char) {
        if let Some(alco) = self.machines.get_mut(&name).unwrap().alco.take() {
            self.forget(&alco);
            assert!(alco.stop().success());
        }
    }

    /// Takes the steps below a heading.
    pub fn follow(&mut self, heading: &str) {
        self.take(steps(PAGE, heading));
    }

    /// Takes the steps below a heading up to the first that stops searchd, and returns the others.
    pub fn follow_to_a_stop(&mut self, heading: &str) -> Vec<Step> {
        let mut first = steps(PAGE, heading);
        let stops = |step: &Step| matches!(step, Step::Command { line, .. } if line.contains(" stop alco-searchd"));
        let rest = first.split_off(first.iter().position(stops).expect("a step that stops searchd"));
        self.take(first);
        rest
    }

    pub fn take(&mut self, steps: Vec<Step>) {
        assert!(!steps.is_empty(), "the page has no steps");
        for step in steps {
            match step {
                Step::Ini { machines, lines } => machines.iter().for_each(|name| self.set(*name, &lines)),
                Step::Command { machine, line } => self.run(machine, &line),
                Step::File(text) => {
                    // Redis' password is set once it runs again
                    assert!(
                        text.lines().all(|line| line.starts_with("bind ") || line.starts_with("requirepass ")),
                        "{text}"
                    );
                }
            }
        }
    }

    fn run(&mut self, name: char, line: &str) {
        if line.contains(" | ") {
            return self.pipe(name, line);
        }
        let days = [("2026-11-23", 0), ("2026-11-22", 1), ("2026-11-21", 2), ("2026-11-20", 3)];
        let line = &days.into_iter().fold(line.to_owned(), |line, (page, days)| {
            let day = day_before(days);
            let dashed = format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..]);
            line.replace(page, &dashed).replace(&page.replace('-', ""), &day)
        });
        let command = line.trim_start_matches("sudo ").trim_start_matches("-u alco ");
        let words: Vec<&str> = command.split_whitespace().map(|word| word.trim_matches('\'')).collect();
        match words[..] {
            ["apt", "install", ..] => self.install(name),
            ["chown", ..] => {}
            ["rabbitmqctl", ref arguments @ ..] => drop(self.machines[&name].node.stack.rabbitmqctl(arguments)),
            ["systemctl", "restart", ref services @ ..] => {
                services.iter().for_each(|service| self.restart(name, service));
            }
            ["systemctl", "start", "alco-searchd"] => self.machines[&name].node.stack.restart("searchd"),
            ["rm", "-r", directory] => fs::remove_dir_all(self.machines[&name].file(directory)).unwrap(),
            ["rsync", "-a", ref days @ .., "/var/lib/alco/web/"] => {
                let (from, to) = (&self.machines[&'a'], &self.machines[&name]);
                for day in days {
                    let day = from.file(day.strip_prefix("root@10.0.0.1:").unwrap());
                    copy(&day, &to.file("/var/lib/alco/web").join(day.file_name().unwrap())).unwrap();
                }
            }
            ["systemctl", "stop", ref services @ ..] | ["systemctl", "disable", "--now", ref services @ ..] => {
                services.iter().for_each(|service| self.stop(name, service));
            }
            ["alco", "check"] => {
                let mut check = Command::new(ALCO);
                let output = check.args(["check", "--config"]).arg(self.machines[&name].ini()).output().unwrap();
                self.checks.push((name, String::from_utf8(output.stdout).unwrap()));
            }
            ["alco", "grep", "-c", ref arguments @ ..] => {
                let mut grep = Command::new(ALCO);
                let grep = grep.args(["grep", "-c"]).args(arguments).arg("--config").arg(self.machines[&name].ini());
                let output = grep.output().unwrap();
                let count = String::from_utf8(output.stdout).unwrap().trim().parse().expect("a number");
                self.counts.push((name, (output.status.code() != Some(2)).then_some(count)));
            }
            ["redis-cli", "-h", host, "-a", _, "info", "replication"] => {
                let url = self.redis_url(host);
                let is_primary = || ask::<String>(&url, &["INFO"]).filter(|info| info.contains("role:master"));
                wait_until("it is the primary", SOON, is_primary);
            }
            ["redis-cli", "-h", host, "-a", password, ref arguments @ ..] => {
                self.redis_cli(host, password, arguments);
            }
            ["rsync", "-a", ref from @ .., "/etc/"] => {
                assert!(from.iter().all(|file| file.starts_with("root@10.0.0.1:/etc/alco.")), "{line}");
                // "install c as b before"
                if !self.machines.contains_key(&name) {
                    self.install(name);
                }
                let settings = self.machines[&'a'].settings.clone();
                self.set(name, &settings);
            }
            ["rsync", "-a", "--delete", "root@10.0.0.3:/var/lib/alco/", "/var/lib/alco/"] => self.copy_data('c', name),
            _ => panic!("{PAGE} has a command that this test does not know: {line}"),
        }
    }

    fn restart(&mut self, name: char, service: &str) {
        self.stop(name, service);
        let stack = &self.machines[&name].node.stack;
        match service {
            "alco" => self.start_alco(name),
            "alco-searchd" => stack.restart("searchd"),
            "redis-server" => {
                stack.restart("redis");
                stack.ask_redis::<()>(&["CONFIG", "SET", "requirepass", "SECRET"]);
            }
            _ => panic!("{service}"),
        }
    }

    fn stop(&mut self, name: char, service: &str) {
        match service {
            "alco" => self.stop_alco(name),
            "alco-searchd" => self.machines[&name].node.stack.stop("searchd"),
            "redis-server" => self.machines[&name].node.stack.stop("redis"),
            _ => panic!("{service}"),
        }
    }

    fn redis_cli(&mut self, host: &str, password: &str, arguments: &[&str]) {
        if host == "10.0.0.4" && self.redis.is_none() {
            let port = free_port();
            self.ports.insert("10.0.0.4:6379", port);
            let lines = format!("port {port}\nrequirepass {password}\nsave \"\"\nappendonly yes\n");
            self.redis = Some(start(&self.machines[&'a'].node.stack, "another", &[], &lines));
            let url = self.redis_url(host);
            wait_until("the new Redis answers", SOON, || ask::<String>(&url, &["PING"]));
        }
        let port = |host: &str| self.ports[&*format!("{host}:6379")].to_string();
        let here: Vec<String> = arguments
            .iter()
            .enumerate()
            .map(|(at, word)| match *word {
                word if word.starts_with("10.0.0.") => "127.0.0.1".to_owned(),
                "6379" => port(arguments[at - 1]),
                word => word.to_owned(),
            })
            .collect();
        let here: Vec<&str> = here.iter().map(String::as_str).collect();
        let answer = ask::<String>(&self.redis_url(host), &here);
        assert_eq!(answer.as_deref(), Some("OK"), "{arguments:?}");
        if arguments[0] == "replicaof" {
            let url = self.redis_url(host);
            let follows = || ask::<String>(&url, &["INFO"]).filter(|info| info.contains("master_link_status:up"));
            wait_until("the new Redis follows the old one", SOON, follows);
        }
    }

    fn redis_url(&self, host: &str) -> String {
        format!("redis://:SECRET@127.0.0.1:{}/0", self.ports[&*format!("{host}:6379")])
    }

    fn pipe(&self, name: char, line: &str) {
        let machine = &self.machines[&name];
        let dir = machine.node.stack.dir().to_str().unwrap();
        let line = line
            .replace("/var/lib/alco/", &format!("{dir}/"))
            .replace("/etc/alco.ini", machine.ini().to_str().unwrap())
            .replace("sudo -u alco alco ", &format!("{ALCO} "))
            .replace("sudo -u alco ", "")
            .replace("sudo ", "");
        let output = Command::new("sh").args(["-ec", &line]).env("ALCO_INI", machine.ini()).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// As rsync does it; a file may vanish while searchd runs.
    fn copy_data(&self, from: char, to: char) {
        let (from, to) = (&self.machines[&from], &self.machines[&to]);
        let copied = copy(&from.data(), &to.data());
        assert!(copied.is_ok() || from.alco.is_some(), "{copied:?}");
    }

    /// c and d are one from now on: d has its address and its records.
    pub fn c_is_now_d(&mut self) {
        let d = self.machines.remove(&'d').unwrap();
        self.machines.insert('c', d);
    }

    #[track_caller]
    pub fn wait_for_more(&self, names: &str) {
        let counts = || names.chars().map(|name| self.machines[&name].count()).collect::<Vec<_>>();
        let before = counts();
        wait_until(&format!("{names} store more"), LONG, || {
            before.iter().zip(counts()).all(|(before, now)| now > before + 200).then_some(())
        });
    }

    /// The last count of a machine.
    #[track_caller]
    pub fn counted(&self, name: char) -> Option<u64> {
        self.counts.iter().rev().find(|(of, _)| *of == name).expect("a count").1
    }

    /// What is not as it should be by the last `alco check` of a host.
    #[track_caller]
    pub fn problems(&self, name: char) -> Vec<&str> {
        let (_, printed) = self.checks.iter().rev().find(|(of, _)| *of == name).expect("a check");
        printed.lines().filter(|line| !line.starts_with("ok ")).collect()
    }
}

/// A day of UTC as its directory is called.
pub fn day_before(days: i64) -> String {
    let day = Timestamp::now().to_zoned(TimeZone::UTC).date().checked_sub(Span::new().days(days)).unwrap();
    day.strftime("%Y%m%d").to_string()
}

/// Puts a copy of a directory into the place of another.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let _ = fs::remove_dir_all(to);
    let output = Command::new("cp").arg("-a").args([from, to]).output().unwrap();
    output.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())
}
