//! The private servers of the tests: they come back with their data, and none outlives the process that started it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{ROOT, SOON, Stack, directory, wait_until};

#[test]
fn a_killed_server_comes_back_on_its_port_with_its_data() {
    let stack = Stack::of("killed", &["redis"], Path::new("/bin/false"), "");
    stack.ask_redis::<()>(&["SET", "key", "kept"]);
    stack.kill("redis");
    assert!(redis::Client::open(stack.redis.as_str()).unwrap().get_connection().is_err());
    stack.restart("redis");
    assert_eq!(stack.ask_redis::<String>(&["GET", "key"]), "kept");
}

#[test]
fn the_servers_end_with_the_process_that_owns_them() {
    let dir = directory("owned");
    let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
    let script = Path::new(ROOT).join("tests/stack");
    let mut start = Command::new(script);
    start.arg("start").arg(&dir).arg("redis").env("ALCO_STACK_OWNER", owner.id().to_string()).stdout(Stdio::null());
    assert!(start.status().unwrap().success());
    assert!(dir.join("redis.pid").exists());
    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_until("redis is gone", SOON, || (!dir.join("redis.pid").exists()).then_some(()));
}
