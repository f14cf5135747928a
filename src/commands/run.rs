//! `alco run`: the daemon, in the foreground.

use argh::{ArgsInfo, FromArgs};

use crate::commands::environment::Environment;
use crate::commands::exit::{Done, FAILURE_STATUS, Failure};
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
