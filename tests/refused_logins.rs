//! A server that refuses alco's user, for its password or for a right: alco logs an error once, with the cure, and `/health` and
//! `alco check` show it. Waiting does not mend it, so alco tries again slowly; after the cure it goes on by itself, and no record is
//! lost.

use std::fs;
use std::process::Command;

use crate::support::{ALCO, Alco, LONG, Publisher, SOON, Stack, body, queue_state, take_dead, try_get, wait_until};

const INI: &str = "[index login]\ndays = 2\nrouting_keys = login.#\nthreads = 2\n";
/// Of the user `alco`, in both servers.
const PASSWORD: &str = "f1rst";

struct Logins {
    stack: Stack,
    alco: Alco,
    published: u64,
}

impl Logins {
    /// Starts alco on a stack whose alco.ini has `to` instead of `from`.
    fn start(stack: Stack, from: &str, to: &str) -> Logins {
        let ini = stack.dir().join("alco.ini");
        let text = fs::read_to_string(&ini).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&ini, text.replace(from, to)).unwrap();
        let alco = Alco::start(&stack, INI);
        Logins { stack, alco, published: 0 }
    }

    fn publish(&mut self) {
        let mut publisher = Publisher::open(&self.stack.amqp);
        let numbers = self.published..self.published + 50;
        publisher.publish("logstash", "login.key", numbers.map(|n| body(&format!("record {n}"))));
        publisher.close();
        self.published += 50;
    }

    /// The errors with these texts in the log, without their time and thread.
    fn errors(&self, texts: &[&str]) -> Vec<String> {
        let log = self.alco.log();
        let errors =
            log.lines().filter(|line| line.contains(" ERROR ")).filter_map(|line| line.split_once("  login: "));
        let errors = errors.map(|(_, text)| text.to_owned());
        errors.filter(|error| texts.iter().all(|part| error.contains(part))).collect()
    }

    /// /health, the log and `alco check` name the refusal by its texts.
    #[track_caller]
    fn is_shown(&self, texts: &[&str]) {
        let has_all = |text: &str| texts.iter().all(|part| text.contains(part));
        let health = || try_get(&format!("{}/health", self.alco.url)).ok();
        wait_until("/health names it", LONG, || health().filter(|reply| reply.status == 503 && has_all(&reply.body)));
        wait_until("the error is logged", SOON, || self.errors(texts).pop());
        assert_eq!(self.alco.log().matches(PASSWORD).count(), 0, "no password is logged");
    }

    #[track_caller]
    fn is_found_by_check(&self, texts: &[&str]) {
        let output = Command::new(ALCO).args(["check", "--config"]).arg(&self.alco.ini).output().unwrap();
        let found = String::from_utf8(output.stdout).unwrap();
        let is_error = |line: &str| line.starts_with("error ") && texts.iter().all(|part| line.contains(part));
        assert!(output.status.code() == Some(2) && found.lines().any(is_error), "no {texts:?} in\n{found}");
    }

    /// What was published while the refusal lasted is stored once, and each refusal was logged once for both workers.
    #[track_caller]
    fn is_over(&self) {
        let stored = self.stack.settled("login", self.published, LONG);
        assert!(stored.values().all(|times| *times == 1), "{stored:?}");
        wait_until("all is well again", LONG, || {
            try_get(&format!("{}/health", self.alco.url)).ok().filter(|reply| reply.status == 200)
        });
        let (errors, mut distinct) = (self.errors(&[]), self.errors(&[]));
        distinct.sort();
        distinct.dedup();
        assert_eq!(errors.len(), distinct.len(), "each once:\n{}", self.alco.log());
    }

    #[track_caller]
    fn end(self) -> Stack {
        wait_until("all are acknowledged", LONG, || {
            queue_state(&self.stack.amqp, "login").filter(|queue| queue.messages == 0)
        });
        assert!(self.alco.stop().success());
        assert_eq!(self.stack.count("login"), Some(self.published), "each once");
        self.stack
    }
}

#[test]
fn a_user_refused_by_rabbitmq_is_named_with_the_cure() {
    let stack = Stack::private("login-rabbitmq", INI);
    stack.rabbitmqctl(&["add_user", "alco", PASSWORD]);
    stack.rabbitmqctl(&["set_permissions", "alco", ".*", ".*", ".*"]);
    let mut run = Logins::start(stack, "guest:guest@", &format!("alco:{PASSWORD}@"));
    a_password_is_changed(&mut run);
    the_rights_to_a_queue_are_taken_away(&mut run);
    the_right_to_bind_is_taken_away(&mut run);
    the_right_to_dead_letter_is_taken_away(&mut run);
    run.end();
}

#[track_caller]
fn a_password_is_changed(run: &mut Logins) {
    run.stack.rabbitmqctl(&["change_password", "alco", "0ther"]);
    // those that are open stay
    run.stack.rabbitmqctl(&["close_all_connections", "test"]);
    run.publish();
    let texts = ["the broker refuses the login; ", "[rabbitmq] url or password_file"];
    run.is_shown(&texts);
    run.is_found_by_check(&texts);
    run.stack.rabbitmqctl(&["change_password", "alco", PASSWORD]);
    run.is_over();

    run.stack.rabbitmqctl(&["clear_permissions", "alco"]);
    run.is_found_by_check(&["NOT_ALLOWED", "virtual host", "set_permissions"]);
    run.stack.rabbitmqctl(&["set_permissions", "alco", ".*", ".*", ".*"]);
}

#[track_caller]
fn the_rights_to_a_queue_are_taken_away(run: &mut Logins) {
    run.stack.rabbitmqctl(&["set_permissions", "alco", "^logstash$", ".*", ".*"]);
    run.stack.rabbitmqctl(&["close_all_connections", "test"]);
    run.publish();
    let texts = ["cannot declare queue 'login': ", "ACCESS_REFUSED", "set_permissions"];
    run.is_shown(&texts);
    run.is_found_by_check(&texts[1..]);
    run.stack.rabbitmqctl(&["set_permissions", "alco", ".*", ".*", ".*"]);
    run.is_over();
}

/// RabbitMQ asks for the right to write to a queue where alco binds it. Only the alco that tried knows of the refusal.
#[track_caller]
fn the_right_to_bind_is_taken_away(run: &mut Logins) {
    run.stack.rabbitmqctl(&["set_permissions", "alco", ".*", "^(logstash|login.dead)$", ".*"]);
    run.stack.rabbitmqctl(&["close_all_connections", "test"]);
    run.publish();
    let texts = ["queue 'login'", "ACCESS_REFUSED", "set_permissions"];
    run.is_shown(&texts);
    run.is_found_by_check(&[&["alco: alco at 127.0.0.1:"], &texts[..]].concat());
    run.stack.rabbitmqctl(&["set_permissions", "alco", ".*", ".*", ".*"]);
    run.is_over();
}

/// The session lasts, and so do the other records' documents.
#[track_caller]
fn the_right_to_dead_letter_is_taken_away(run: &mut Logins) {
    run.stack.rabbitmqctl(&["set_permissions", "alco", ".*", "^(login|logstash)$", ".*"]);
    // a new channel asks for the rights again
    run.stack.rabbitmqctl(&["close_all_connections", "test"]);
    let large = body(&"x".repeat(5 << 20));
    let mut publisher = Publisher::open(&run.stack.amqp);
    publisher.publish("logstash", "login.key", [&large]);
    publisher.close();
    run.publish();
    let texts = ["cannot put a record into 'login.dead': ", "ACCESS_REFUSED", "set_permissions"];
    run.is_shown(&texts);
    run.is_found_by_check(&texts);
    run.stack.rabbitmqctl(&["set_permissions", "alco", ".*", ".*", ".*"]);
    run.is_over();
    let dead = wait_until("it is dead-lettered", LONG, || {
        Some(take_dead(&run.stack.amqp, "login")).filter(|dead| !dead.is_empty())
    });
    assert!(dead.len() == 1 && dead[0].body == large.as_bytes(), "{} dead", dead.len());
}

#[test]
fn a_user_refused_by_redis_is_named_with_the_cure() {
    let mut stack = Stack::private("login-redis", INI);
    stack.ask_redis::<()>(&["ACL", "SETUSER", "admin", "on", ">adm1n", "~*", "&*", "+@all"]);
    let without = stack.redis.clone();
    stack.redis = stack.redis.replace("redis://", "redis://admin:adm1n@");

    let mut run = Logins::start(stack, "[redis]", "[redis]");
    run.stack.ask_redis::<()>(&["CONFIG", "SET", "requirepass", "s3cret"]);
    // those that are open stay
    run.stack.ask_redis::<u64>(&["CLIENT", "KILL", "USER", "default"]);
    run.publish();
    let texts = ["NOAUTH", "[redis] url or password_file"];
    run.is_shown(&texts);
    run.is_found_by_check(&texts);
    run.stack.ask_redis::<()>(&["CONFIG", "SET", "requirepass", ""]);
    run.is_over();
    let published = run.published;
    let stack = run.end();

    let password = format!(">{PASSWORD}");
    let user = ["ACL", "SETUSER", "alco", "on", &password];
    let rights: Vec<&str> = RIGHTS.split(' ').collect();
    stack.ask_redis::<()>(&[&user[..], &rights].concat());
    let mut run = Logins::start(stack, &without, &without.replace("redis://", &format!("redis://alco:{PASSWORD}@")));
    run.published = published;
    run.publish();
    run.is_over();
    assert_eq!(run.alco.logged("NOPERM"), 0, "the documented rights are enough:\n{}", run.alco.log());
    run.stack.ask_redis::<()>(&["ACL", "SETUSER", "alco", "-@write"]);
    run.publish();
    let texts = ["NOPERM", "ACL SETUSER"];
    run.is_shown(&texts);
    run.is_found_by_check(&texts);
    run.stack.ask_redis::<()>(&["ACL", "SETUSER", "alco", "+@write"]);
    run.is_over();
    run.end();
}

/// As docs/operating.md has them.
const RIGHTS: &str = "~ALCO:* +@read +@write +@scripting -@dangerous +client|setname +client|list +info +time +select";

#[test]
fn the_documented_rights_in_redis_are_the_tested_ones() {
    let documented = include_str!("../docs/operating.md");
    assert!(documented.contains(RIGHTS), "docs/operating.md lacks: {RIGHTS}");
}
