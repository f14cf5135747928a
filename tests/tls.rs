//! RabbitMQ and Redis over TLS: collecting, checking and sending by amqps:// and rediss://, and the reasons for which a server is
//! not trusted.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::{ALCO, Alco, LONG, Publisher, SOON, Stack, body, directory, soak, wait_until};

const INI: &str = "[index tls]\ndays = 2\nrouting_keys = tls.#\n";
const PASSWORD: &str = "s3cret/w";
const IN_URL: &str = "s3cret%2Fw";

#[track_caller]
fn openssl(dir: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// RabbitMQ and Redis with certificates, which can be changed while they run. They know the user `alco` with that password.
struct Servers {
    stack: Stack,
    tls: PathBuf,
}

impl Servers {
    fn start(name: &str) -> Servers {
        let tls = directory(name).join("tls");
        fs::create_dir_all(&tls).unwrap();
        for ca in ["ca", "other"] {
            openssl(
                &tls,
                &format!("req -x509 -newkey rsa:2048 -nodes -keyout {ca}.key -out {ca}.pem -subj /CN={ca} -days 2"),
            );
        }
        openssl(&tls, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out server.key");
        openssl(&tls, "req -new -key server.key -subj /CN=server -out server.csr");
        for (certificate, names, days) in [
            ("good", "DNS:localhost,IP:127.0.0.1", "2"),
            ("elsewhere", "DNS:elsewhere.example,IP:192.0.2.1", "2"),
            ("expired", "DNS:localhost,IP:127.0.0.1", "-1"),
        ] {
            fs::write(tls.join("names"), format!("subjectAltName={names}")).unwrap();
            openssl(
                &tls,
                &format!(
                    "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -days {days} -out {certificate}.pem"
                ),
            );
        }
        fs::copy(tls.join("good.pem"), tls.join("server.pem")).unwrap();
        let several =
            fs::read_to_string(tls.join("other.pem")).unwrap() + &fs::read_to_string(tls.join("ca.pem")).unwrap();
        fs::write(tls.join("several.pem"), several).unwrap();
        let servers = Servers { stack: Stack::private(name, INI), tls };
        servers.stack.rabbitmqctl(&["add_user", "alco", PASSWORD]);
        servers.stack.rabbitmqctl(&["set_permissions", "alco", ".*", ".*", ".*"]);
        servers.add_user_of_redis();
        servers
    }

    /// Redis keeps them in memory only.
    fn add_user_of_redis(&self) {
        self.stack.ask_redis::<()>(&["ACL", "SETUSER", "alco", "on", &format!(">{PASSWORD}"), "~*", "&*", "+@all"]);
    }

    fn present(&self, certificate: &str) {
        let server = self.tls.join("server.pem");
        fs::copy(self.tls.join(format!("{certificate}.pem")), &server).unwrap();
        self.stack.rabbitmqctl(&["eval", "ssl:clear_pem_cache()."]);
        self.stack.ask_redis::<()>(&["CONFIG", "SET", "tls-cert-file", server.to_str().unwrap()]);
    }

    /// Writes alco.ini with these URLs, and with ca_file where a URL has TLS.
    fn ini(&self, amqp: &str, redis: &str, ca_file: Option<&str>) -> PathBuf {
        let section = |name: &str, url: &str| {
            let ca_file = ca_file
                .filter(|_| url.starts_with(&format!("{name}s:")) || url.starts_with("amqps:"))
                .map(|name| self.tls.join(name));
            let ca_file = ca_file.map(|path| format!("ca_file = {}\n", path.display())).unwrap_or_default();
            format!("[{name}]\nurl = {url}\n{ca_file}\n")
        };
        let path = self.stack.dir().join("alco.ini");
        let text = fs::read_to_string(&path).unwrap();
        let others: String = text.split_inclusive("\n\n").filter(|part| part.contains("[sphinx")).collect();
        let ini = section("rabbitmq", amqp) + &section("redis", redis) + &others + INI;
        fs::write(&path, ini).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn amqps(&self) -> String {
        format!("amqps://alco:{IN_URL}@localhost:{}/%2f", self.stack.port("amqps"))
    }

    fn rediss(&self) -> String {
        format!("rediss://alco:{IN_URL}@localhost:{}/1", self.stack.port("rediss"))
    }
}

/// The exit status and the output of a command.
#[track_caller]
fn alco(arguments: &[&str], ini: &Path, stdin: Stdio) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        Command::new(ALCO).args(arguments).arg("--config").arg(ini).stdin(stdin).output().unwrap();
    let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    assert!(!shows_password(&text), "{text}");
    (status.code(), text)
}

fn shows_password(text: &str) -> bool {
    text.contains("s3cret")
}

const ENDS: &str = "is back after";

#[test]
fn records_are_collected_and_sent_over_tls() {
    let servers = Servers::start("tls");
    let stack = &servers.stack;
    // alco tries several in turn: here a port without TLS, and then one with TLS
    let no_tls = format!("amqps://alco:{IN_URL}@localhost:{}", stack.amqp.rsplit(':').next().unwrap());
    let ini = servers.ini(&format!("{no_tls}, {}", servers.amqps()), &servers.rediss(), Some("several.pem"));
    let daemon = Alco::start(stack, INI);
    let mut published = 0;
    let mut publish = || {
        let mut publisher = Publisher::open(&stack.amqp);
        publisher.publish("logstash", "tls.key", (published..published + 1000).map(|n| body(&format!("record {n}"))));
        publisher.close();
        published += 1000;
        published
    };
    stack.settled_count("tls", publish(), SOON);

    all_connections_use_tls(stack);
    let (code, text) = alco(&["check"], &ini, Stdio::null());
    assert_eq!(code, Some(0), "{text}");
    for server in ["RabbitMQ", "Redis"] {
        assert!(text.lines().any(|line| line.contains(server) && line.contains("s://alco@localhost:")), "{text}");
    }
    // more than fits into all buffers on the way, so that writing has to wait
    let lines: Vec<String> = (0..100).map(|n| format!("{n} ").repeat(100_000)).collect();
    let input = stack.dir().join("lines");
    fs::write(&input, lines.join("\n")).unwrap();
    let (code, text) = alco(&["send", "-k", "tls.sent"], &ini, File::open(&input).unwrap().into());
    assert_eq!((code, text.as_str()), (Some(0), ""));
    let stored = stack.settled("tls", 1100, SOON);
    assert!(lines.iter().all(|line| stored.get(line) == Some(&1)), "each line once, and as it was");

    for (server, what) in [("rabbitmq", "rabbitmq is back"), ("redis", "redis is back")] {
        stack.kill(server);
        if server == "redis" {
            publish();
        }
        wait_until("the outage is logged", LONG, || {
            (daemon.logged("trying again until it works") > daemon.logged(ENDS)).then_some(())
        });
        stack.restart(server);
        if server == "redis" {
            servers.add_user_of_redis();
        }
        wait_until(what, LONG, || (daemon.logged(what) == 1).then_some(()));
        let count = 100 + publish();
        let stored = stack.settled("tls", count, LONG);
        assert_eq!((stored.len() as u64, stored.values().max()), (count, Some(&1)), "{}", daemon.log());
    }
    if soak() {
        // neither an answer nor an end; alco notices after two heartbeats
        let ended = daemon.logged("rabbitmq is back");
        stack.pause("rabbitmq");
        wait_until("the outage is logged", LONG, || {
            (daemon.logged("trying again until it works") > daemon.logged(ENDS)).then_some(())
        });
        stack.resume("rabbitmq");
        wait_until("it is back", LONG, || (daemon.logged("rabbitmq is back") > ended).then_some(()));
    }
    assert!(!shows_password(&daemon.log()), "{}", daemon.log());
    assert!(daemon.stop().success());
}

#[track_caller]
fn all_connections_use_tls(stack: &Stack) {
    wait_until("only alco is connected, by TLS", SOON, || {
        let connections = stack.rabbitmqctl(&["list_connections", "--quiet", "--no-table-headers", "user", "ssl"]);
        (connections.trim() == "alco\ttrue").then_some(())
    });
    let clients: String = stack.ask_redis(&["CLIENT", "LIST"]);
    let port = format!(":{} ", stack.port("rediss"));
    let ours: Vec<&str> = clients.lines().filter(|line| line.contains(" name=alco-")).collect();
    assert!(!ours.is_empty() && ours.iter().all(|line| line.contains(&port) && line.contains(" db=1 ")), "{clients}");
}

#[test]
fn untrusted_tls_peers_are_rejected_with_the_reason() {
    let servers = Servers::start("tls-refused");
    certificates(&servers);
    certificates_of_the_system(&servers);
    ports(&servers);
}

fn certificates(servers: &Servers) {
    let stack = &servers.stack;
    let (amqps, rediss) = (servers.amqps(), servers.rediss());
    for (certificate, ca_file, why) in [
        (
            "good",
            None,
            "its certificate is not trusted: self-signed certificate in certificate chain; set [] ca_file to the CA's certificate",
        ),
        (
            "good",
            Some("other.pem"),
            "its certificate is not trusted: self-signed certificate in certificate chain; [] ca_file lacks the certificate of \
             the CA that signed it",
        ),
        (
            "elsewhere",
            Some("ca.pem"),
            "its certificate is not for 'localhost': hostname mismatch; have [] url name the server as its certificate does",
        ),
        (
            "expired",
            Some("ca.pem"),
            "its certificate is out of date: certificate has expired; renew it (or is a clock wrong?)",
        ),
    ] {
        if certificate != "good" {
            servers.present(certificate);
        }
        let (code, text) = alco(&["check"], &servers.ini(&amqps, &rediss, ca_file), Stdio::null());
        assert_eq!(code, Some(2), "{text}");
        let daemons: Vec<(&str, Alco)> = [("rabbitmq", &amqps, &stack.redis), ("redis", &stack.amqp, &rediss)]
            .into_iter()
            .map(|(section, amqp, redis)| {
                servers.ini(amqp, redis, ca_file);
                (section, Alco::spawn(stack, INI))
            })
            .collect();
        for (section, daemon) in &daemons {
            let why = why.replace("[]", &format!("[{section}]"));
            let address = format!("{}s://alco@localhost:", section.replace("rabbitmq", "amqp"));
            let found = text.lines().any(|line| line.contains(&address) && line.contains(&why));
            assert!(found, "no '{why}' of {address} in\n{text}");

            let outage = format!("{section} at {address}");
            let line = wait_until("the outage is logged", LONG, || {
                daemon.log().lines().find(|line| line.contains(&outage)).map(str::to_owned)
            });
            assert!(line.ends_with(&format!("{why}; trying again until it works")), "{line}");
        }
        if certificate == "expired" {
            // alco accepts a renewed certificate without a restart
            servers.present("good");
            for (section, daemon) in &daemons {
                let back = format!("{section} is back after");
                wait_until("it is back", LONG, || (daemon.logged(&back) == 1).then_some(()));
            }
        }
        for (_, daemon) in daemons {
            assert!(!shows_password(&daemon.log()), "{}", daemon.log());
            assert!(daemon.stop().success());
        }
    }
}

/// Certificates that the system trusts count only without a ca_file.
fn certificates_of_the_system(servers: &Servers) {
    for (system, ca_file, trusted) in
        [("ca.pem", None, true), ("ca.pem", Some("other.pem"), false), ("other.pem", Some("ca.pem"), true)]
    {
        // by its address, which the certificate has too
        let ip = |url: String| url.replace("localhost", "127.0.0.1");
        let ini = servers.ini(&ip(servers.amqps()), &ip(servers.rediss()), ca_file);
        let mut command = Command::new(ALCO);
        // OpenSSL looks there for the system's certificates
        command.env("SSL_CERT_FILE", servers.tls.join(system)).args(["check", "--config"]).arg(ini);
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let (there, refused) = (text.matches("s://alco@127.0.0.1:").count(), text.matches("is not trusted").count());
        assert_eq!((there, refused), (2, if trusted { 0 } else { 2 }), "{system} and {ca_file:?}:\n{text}");
    }
}

fn ports(servers: &Servers) {
    let stack = &servers.stack;
    let (amqps, rediss) = (servers.amqps(), servers.rediss());
    let port_of = |url: &str| url.rsplit_once(':').unwrap().1.split('/').next().unwrap().to_owned();
    let at_port = |url: &str, port: &str| url.replace(&port_of(url), port);
    #[track_caller]
    fn check(servers: &Servers, amqp: &str, redis: &str, of_rabbitmq: &str, of_redis: &str) {
        let (code, text) = alco(&["check"], &servers.ini(amqp, redis, Some("ca.pem")), Stdio::null());
        assert_eq!(code, Some(2), "{text}");
        for (part, says) in [("error    rabbitmq: ", of_rabbitmq), ("error    redis: ", of_redis)] {
            let found = text.lines().any(|line| line.starts_with(part) && line.contains(says));
            assert!(found, "no '{part}{says}' in\n{text}");
        }
    }

    check(
        servers,
        &at_port(&amqps, &port_of(&stack.amqp)),
        &at_port(&rediss, &port_of(&stack.redis)),
        "it does not speak TLS (error:",
        "if that is its port without TLS, have [redis] url begin with redis://",
    );
    check(
        servers,
        &amqps.replace("amqps:", "amqp:"),
        &rediss.replace("rediss:", "redis:"),
        "if that is its port for TLS, have [rabbitmq] url begin with amqps://",
        "if that is its port for TLS, have [redis] url begin with rediss://",
    );
    let wrong = |url: &str| url.replace(IN_URL, "s3cret");
    check(
        servers,
        &wrong(&amqps),
        &wrong(&rediss),
        "the broker refuses the login; ",
        "it refuses the login: WRONGPASS",
    );
    for tls in ["s:", ":"] {
        let nowhere = |url: &str| url.replace("localhost", "nowhere.invalid").replacen("s:", tls, 1);
        let why = "failed to lookup address information";
        check(servers, &nowhere(&amqps), &nowhere(&rediss), why, why);
    }

    servers.ini(&amqps, &rediss, Some("ca.pem"));
    stack.pause("rabbitmq");
    stack.pause("redis");
    let daemon = Alco::spawn(stack, INI);
    let silent = "it did not answer the TLS handshake in time";
    check(servers, &amqps, &rediss, silent, silent);
    wait_until("the outage is logged", LONG, || (daemon.logged(silent) > 0).then_some(()));
    assert!(daemon.stop().success(), "the end of alco does not wait for it");
    stack.resume("rabbitmq");
    stack.resume("redis");
}
