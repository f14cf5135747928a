//! `alco run`: the daemon, in the foreground.

use std::path::Path;

use argh::{ArgsInfo, FromArgs};

use crate::commands::environment::Environment;
use crate::commands::exit::{Done, FAILURE_STATUS, Failure};
use crate::config::{Address, Config};
use crate::daemon::{self, Roles};

/// Collect records and serve the pages, until SIGTERM or SIGINT.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "run",
    help_triggers("-h", "--help"),
    note = "alco run stays in the foreground and logs to stderr; ALCO_LOG=debug logs more. If a server is down, alco waits for \
            it. After SIGTERM or SIGINT it ends within five seconds and loses nothing.",
    example = "alco run",
    example = "alco run --web-only --config ./alco.ini",
    error_code(0, "a signal ended it"),
    error_code(1, "it could not go on"),
    error_code(2, "wrong usage, or a mistake in alco.ini")
)]
pub struct Run {
    /// do not serve pages
    #[argh(switch)]
    pub collect_only: bool,

    /// do not collect
    #[argh(switch)]
    pub web_only: bool,
}

impl Run {
    pub fn run(&self, environment: &Environment) -> Result<Done, Failure> {
        let parts = self.parts()?;
        #[cfg(target_env = "gnu")]
        start_with_small_heap();
        let config = environment.config()?;
        for line in introduction(&config, environment.ini().as_deref(), parts) {
            log::info!("{line}");
        }
        daemon::run(config, parts).map_err(|why| Failure::new("alco", &why, FAILURE_STATUS))?;
        Ok(Done::status(0))
    }

    fn parts(&self) -> Result<Roles, Failure> {
        match (self.collect_only, self.web_only) {
            (true, true) => Err(Failure::wrong_usage(
                "alco run",
                "--collect-only and --web-only exclude each other; leave out both to run both parts",
            )),
            (collect_only, web_only) => Ok(Roles { collect: !web_only, web: !collect_only }),
        }
    }
}

/// Names of indexes in a line of the log.
const NAMED_INDEXES: usize = 20;

/// What runs here, in some lines for the log. They have no passwords.
fn introduction(config: &Config, ini: Option<&Path>, parts: Roles) -> Vec<String> {
    let what = match (parts.collect, parts.web) {
        (true, true) => "collects records and serves pages",
        (true, false) => "collects records",
        (false, _) => "serves pages",
    };
    let ini = ini.map_or_else(|| "without an alco.ini".to_owned(), |ini| format!("with {}", ini.display()));
    let names: Vec<&str> = config.indexes.iter().take(NAMED_INDEXES).map(|index| index.name.as_str()).collect();
    let more = match config.indexes.len().saturating_sub(NAMED_INDEXES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let brokers: Vec<String> = config.rabbitmq.urls.iter().map(|url| url.without_password()).collect();
    let broker = if parts.collect { format!("RabbitMQ {}, ", brokers.join(" or ")) } else { String::new() };
    let redis: Vec<String> = config.redis.urls.iter().map(|url| url.without_password()).collect();
    let (redis, searchd) = (redis.join(" or "), &config.sphinx.address);
    let mut lines = vec![
        format!("alco {} {what}, {ini}", env!("CARGO_PKG_VERSION")),
        format!("indexes: {}{more}", names.join(", ")),
        format!("servers: {broker}Redis {redis}, searchd {searchd}"),
    ];
    if parts.web {
        let listen: Vec<String> =
            config.http.listen.iter().map(|address| page_address(address, &config.http.base_path)).collect();
        lines.push(format!("pages: {}", listen.join(", ")));
    }
    lines
}

/// As a browser takes it; a Unix socket as its path.
fn page_address(address: &Address, base_path: &str) -> String {
    match address {
        Address::Tcp { .. } => format!("http://{address}{base_path}"),
        Address::Unix(path) => path.display().to_string(),
    }
}

/// glibc's malloc keeps what the large answers of several threads took (98 MB were seen after eight readers): each thread has a
/// heap, and large blocks are cut from heaps after a while. With two heaps, and large blocks outside them, 32 MB stay. One heap for
/// all would cost collecting 0.5 µs a record, since its threads wait for each other. glibc takes these settings from the
/// environment of a new program, so alco starts itself again with them, as the same process.
#[cfg(target_env = "gnu")]
fn start_with_small_heap() {
    use std::os::unix::process::CommandExt;

    let settings = [("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "131072")];
    let missing = settings.into_iter().filter(|(name, _)| std::env::var_os(name).is_none());
    let mut arguments = std::env::args_os();
    let (Ok(program), Some(name), true) = (std::env::current_exe(), arguments.next(), missing.clone().count() > 0)
    else {
        return;
    };
    let why = std::process::Command::new(program).arg0(name).args(arguments).envs(missing).exec();
    log::debug!("cannot start again with a smaller heap: {why}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_of_the_log_say_what_runs() {
        let ini = "[rabbitmq]\nurl = amqp://u:s3cret@h1/, amqp://h2/\n[redis]\nurl = redis://:s3cret@r:1/0\n\
                   [http]\nlisten = [::1]:80, /run/a\nbase_path = /logs/\n[index web]\n[index billing]\n";
        let config = Config::parse(ini, "alco.ini").expect("no mistakes");
        let (collect, web) = (Roles { collect: true, web: true }, Roles { collect: false, web: true });
        let lines = introduction(&config, Some(Path::new("/etc/alco.ini")), collect);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(lines[0], format!("alco {version} collects records and serves pages, with /etc/alco.ini"));
        assert_eq!(lines[1], "indexes: web, billing");
        assert!(lines[2].starts_with("servers: RabbitMQ amqp://u") && lines[2].ends_with("searchd 127.0.0.1:9306"));
        assert_eq!(lines[3], "pages: http://[::1]:80/logs/, /run/a");
        assert!(!lines.concat().contains("s3cret"), "{lines:?}");
        let lines = introduction(&config, None, web);
        assert!(lines[0].ends_with("serves pages, without an alco.ini") && !lines[2].contains("RabbitMQ"), "{lines:?}");
    }

    #[test]
    fn each_option_of_run_leaves_out_the_other_part() {
        for (collect_only, web_only, parts) in [
            (false, false, Some((true, true))),
            (true, false, Some((true, false))),
            (false, true, Some((false, true))),
            (true, true, None),
        ] {
            let found = Run { collect_only, web_only }.parts();
            assert_eq!(found.as_ref().ok().map(|found| (found.collect, found.web)), parts);
            assert!(found.is_ok() || found.is_err_and(|failure| failure.status == 2));
        }
    }
}
