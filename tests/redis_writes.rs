//! A Redis that answers but takes no writes: `alco check` and `/health` report it at once with the cure, and no record is lost.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{ALCO, Alco, LONG, Publisher, Stack, body, queue_state, wait_until};

const INI: &str = "[index unwritten]\ndays = 2\nrouting_keys = unwritten.#\n";

#[test]
fn a_redis_without_writes_is_named_with_its_cure() {
    let stack = Stack::private("unwritten", INI);
    let config = |name: &str, value: &str| stack.ask_redis::<()>(&["CONFIG", "SET", name, value]);
    let of = |name: &str| stack.ask_redis::<Vec<String>>(&["CONFIG", "GET", name])[1].clone();
    // a directory of that name prevents the file
    let file = Path::new(&of("dir")).join(of("dbfilename"));
    let alco = Alco::start(&stack, INI);
    let health = |status: u16| Some(alco.get("/health")).filter(|reply| reply.status == status);
    wait_until("all is well", LONG, || health(200));

    let save = || {
        let before = stack.ask_redis::<String>(&["INFO", "persistence"]);
        assert!(before.contains("rdb_bgsave_in_progress:0"), "{before}");
        stack.ask_redis::<()>(&["BGSAVE"]);
        wait_until("Redis has tried", LONG, || {
            stack.ask_redis::<String>(&["INFO", "persistence"]).contains("rdb_bgsave_in_progress:0").then_some(())
        });
    };
    let cannot_save = || {
        config("save", "3600 1");
        let _ = fs::remove_file(&file);
        fs::create_dir_all(file.join("inside")).unwrap();
        save();
    };
    let can_save = || {
        fs::remove_dir_all(&file).unwrap();
        save();
    };
    let full = || config("maxmemory", "1");
    let roomy = || config("maxmemory", "0");
    let replica = || stack.ask_redis::<()>(&["REPLICAOF", "127.0.0.1", "1"]);
    let primary = || stack.ask_redis::<()>(&["REPLICAOF", "NO", "ONE"]);
    // a part of Redis' error, the cure, the begin and the end of the trouble
    type Trouble<'a> = (&'a str, &'a str, &'a dyn Fn(), &'a dyn Fn());
    let table: [Trouble; 3] = [
        ("MISCONF", "BGSAVE", &cannot_save, &can_save),
        ("OOM", "raise its maxmemory", &full, &roomy),
        ("read only replica", "set [redis] url to the primary", &replica, &primary),
    ];
    let mut published = 0;
    for (code, cure, begins, ends) in table {
        begins();
        let output = Command::new(ALCO).args(["check", "--config"]).arg(&alco.ini).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let is_shown = |line: &str| line.starts_with("error    redis: ") && line.contains(cure);
        assert!(output.status.code() == Some(2) && said.lines().any(is_shown), "{code}: {said}");
        // alco notices though there is nothing to store
        let reply = wait_until(code, LONG, || health(503));
        for text in ["collecting unwritten does not work: redis at ", code, cure] {
            assert!(reply.body.contains(text), "{code}: no '{text}' in {}", reply.body);
        }
        let mut publisher = Publisher::open(&stack.amqp);
        publisher.publish("logstash", "unwritten.key", (0..50).map(|n| body(&format!("{code} {n}"))));
        publisher.close();
        published += 50;
        ends();
        let stored = stack.settled("unwritten", published, LONG);
        assert!(stored.values().all(|times| *times == 1), "{code}: {stored:?}");
        wait_until("all is well again", LONG, || health(200));
    }
    wait_until("all are acknowledged", LONG, || {
        queue_state(&stack.amqp, "unwritten").filter(|queue| queue.messages == 0)
    });
    assert!(alco.stop().success());
    assert_eq!(stack.count("unwritten"), Some(published), "each once");
}
