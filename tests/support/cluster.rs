//! A cluster of three RabbitMQ on this host: own ports, an own register of Erlang's nodes, and a cookie of their own.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{LONG, SOON, Stack, free_port, wait_until};

pub struct Cluster {
    dir: PathBuf,
    epmd: u16,
    register: Child,
    nodes: Vec<Broker>,
}

struct Broker {
    name: String,
    port: u16,
    child: Child,
}

const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const CONTROL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";

impl Cluster {
    /// The processes end with those of the stack.
    pub fn start(stack: &Stack) -> Cluster {
        let (dir, epmd) = (stack.dir().join("cluster"), free_port());
        fs::create_dir_all(&dir).unwrap();
        let mut register = Command::new("epmd");
        register.args(["-port", &epmd.to_string()]).env("ERL_EPMD_ADDRESS", "127.0.0.1").current_dir(&dir);
        let register = register.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        stack.adopt(register.id());
        let mut cluster = Cluster { dir, epmd, register, nodes: Vec::new() };
        for number in 1..=3 {
            let node = cluster.launch(number);
            stack.adopt(node.child.id());
            let log = cluster.dir.join(&node.name).join("log");
            let is_up = || fs::read_to_string(&log).unwrap().contains("Server startup complete").then_some(());
            wait_until("a RabbitMQ of the cluster is up", LONG, is_up);
            cluster.nodes.push(node);
        }
        let count = || {
            let list = cluster.control(0, &["eval", "length(rabbit_nodes:all_running())."]);
            (list.trim() == "3").then_some(())
        };
        wait_until("they are a cluster", SOON, count);
        cluster
    }

    fn launch(&self, number: usize) -> Broker {
        let (name, port, dist) = (format!("alco{number}@localhost"), free_port(), free_port());
        let home = self.dir.join(&name);
        fs::create_dir_all(&home).unwrap();
        let write = |file: &str, text: &str| fs::write(home.join(file), text).unwrap();
        write(".erlang.cookie", "acookieofthistest");
        fs::set_permissions(home.join(".erlang.cookie"), fs::Permissions::from_mode(0o400)).unwrap();
        let others: String =
            (1..=3).map(|n| format!("cluster_formation.classic_config.nodes.{n} = alco{n}@localhost\n")).collect();
        let limits = "vm_memory_high_watermark.absolute = 512MB\ndisk_free_limit.absolute = 50MB\n";
        let log = "log.console = true\nlog.file = false\n";
        let formation = "cluster_formation.peer_discovery_backend = classic_config\n";
        write("rabbitmq.conf", &format!("listeners.tcp.1 = 127.0.0.1:{port}\n{log}{limits}{formation}{others}"));
        write("env.conf", "");
        write("plugins", "[].");
        let log = File::create(home.join("log")).unwrap();
        let mut server = Command::new(SERVER);
        let path = |file: &str| home.join(file);
        server
            .current_dir(&home)
            .env("HOME", &home)
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .env("RABBITMQ_NODENAME", &name)
            .env("RABBITMQ_DIST_PORT", dist.to_string())
            .env("ERL_EPMD_PORT", self.epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", port.to_string())
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_CONF_ENV_FILE", path("env.conf"))
            .env("RABBITMQ_CONFIG_FILE", path("rabbitmq"))
            .env("RABBITMQ_CONFIG_FILES", path("conf.d"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", path("generated"))
            .env("RABBITMQ_SCHEMA_DIR", path("schema"))
            .env("RABBITMQ_MNESIA_BASE", path("mnesia"))
            .env("RABBITMQ_LOG_BASE", path("logs"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("plugins"))
            .env("RABBITMQ_PID_FILE", path("node.pid"))
            .env_remove("NOTIFY_SOCKET");
        let child = server.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        Broker { name, port, child }
    }

    /// The addresses, in the order of the nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("amqp://guest:guest@127.0.0.1:{}/%2f", node.port)).collect()
    }

    /// The node that leads a quorum queue, by its place.
    #[track_caller]
    pub fn leader(&self, by: usize, queue: &str) -> usize {
        wait_until("the queue has a leader", LONG, || {
            let list = self.control(by, &["list_queues", "--silent", "name", "pid"]);
            let line = list.lines().find(|line| line.split_whitespace().next() == Some(queue))?.to_owned();
            self.nodes.iter().position(|node| line.contains(&node.name))
        })
    }

    /// Kills a node by SIGKILL.
    pub fn kill(&mut self, node: usize) {
        let child = &mut self.nodes[node].child;
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[track_caller]
    pub fn control(&self, by: usize, arguments: &[&str]) -> String {
        let (name, home) = (&self.nodes[by].name, self.dir.join(&self.nodes[by].name));
        let mut control = Command::new(Path::new(CONTROL));
        control.args(["-n", name]).args(arguments).env("HOME", &home).env("ERL_EPMD_PORT", self.epmd.to_string());
        let output = control.env("RABBITMQ_CONF_ENV_FILE", home.join("env.conf")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().map(|node| &mut node.child).chain([&mut self.register]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
