//! A Redis beside that of a stack.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use super::Stack;

/// A redis-server beside the one of the stack.
pub struct RedisServer(Child);

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `lines` for its configuration.
pub fn start(stack: &Stack, name: &str, options: &[&str], lines: &str) -> RedisServer {
    let dir = stack.dir().join(name);
    fs::create_dir_all(&dir).unwrap();
    let (conf, log) = (dir.join("conf"), File::create(dir.join("log")).unwrap());
    fs::write(&conf, format!("bind 127.0.0.1\ndir {}\n{lines}", dir.display())).unwrap();
    let mut server = Command::new("redis-server");
    server.arg(conf).args(options).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let child = server.spawn().unwrap();
    stack.adopt(child.id());
    RedisServer(child)
}

/// The answer of a Redis; None if there is none.
pub fn ask<T: redis::FromRedisValue>(url: &str, command: &[&str]) -> Option<T> {
    let mut redis = redis::Client::open(url).unwrap().get_connection().ok()?;
    redis::cmd(command[0]).arg(&command[1..]).query(&mut redis).ok()
}
