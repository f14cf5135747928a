//! The commands: one line each in `Command` and in `Command::run`. `args` and `flags` read the words of the command line; `exit`
//! is the end of a command; every other file or folder is one command, with its options and its `run`.
//!
//! A new subcommand is a file here and its lines in this file; the first pass learns its flags from argh.

mod args;
mod check;
mod completion;
mod environment;
mod exit;
mod flags;
mod grep;
mod passwd;
mod run;
mod searchd_program;
mod send;
mod sphinx_conf;

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

pub use crate::commands::args::words;
use crate::commands::args::{Parsed, parse};
use crate::commands::check::Check;
use crate::commands::completion::Completion;
use crate::commands::environment::Environment;
pub use crate::commands::exit::{Done, FAILURE_STATUS, Failure};
use crate::commands::flags::names;
use crate::commands::grep::args::Grep;
use crate::commands::passwd::Passwd;
use crate::commands::run::Run;
use crate::commands::send::Send;
use crate::commands::sphinx_conf::SphinxConf;
use crate::time::Ts;

#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(subcommand)]
pub enum Command {
    Run(Run),
    Grep(Grep),
    Send(Send),
    SphinxConf(SphinxConf),
    Check(Check),
    Passwd(Passwd),
    Completion(Completion),
}

impl Command {
    fn run(self, environment: &Environment) -> Result<Done, Failure> {
        match self {
            Command::Run(run) => run.run(environment),
            Command::Grep(grep) => grep.run(environment),
            Command::Send(send) => send.run(environment),
            Command::SphinxConf(sphinx_conf) => sphinx_conf.run(environment),
            Command::Check(check) => check.run(environment),
            Command::Passwd(passwd) => passwd.run(),
            Command::Completion(completion) => completion.run(&Alco::get_args_info(), environment),
        }
    }
}

/// An online grep and less for the logs of a distributed system.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(
    help_triggers("-h", "--help"),
    note = "alco reads the alco.ini that --config names, else $ALCO_INI, else the first that exists of /usr/local/etc/alco.ini \
            and /etc/alco.ini. If none exists, every setting has its default. See alco COMMAND --help, alco(1) and alco.ini(5) for more.",
    example = "alco check",
    example = "alco run --config /usr/local/etc/alco.ini",
    example = "alco grep web 'connection refused' --since=-2h",
    example = "make 2>&1 | alco send --tee -k logstash.build",
    error_code(0, "success; grep: a record was found; check: all is well"),
    error_code(1, "failure; grep: no record was found; check: there are warnings"),
    error_code(2, "wrong usage, or a mistake in alco.ini; grep: the search failed; check: there are errors")
)]
pub struct Alco {
    /// the alco.ini to read, instead of $ALCO_INI, /usr/local/etc/alco.ini or /etc/alco.ini; any command takes it
    #[argh(option, arg_name = "file")]
    config: Option<PathBuf>,

    /// print the version
    #[argh(switch)]
    version: bool,

    #[argh(subcommand)]
    command: Option<Command>,
}

/// Runs the command of `words` to its end.
///
/// # Errors
/// The usage was wrong, alco.ini has mistakes, or the command could not go on.
pub fn run(words: Vec<String>, now: fn() -> Ts) -> Result<Done, Failure> {
    let alco: Alco = match parse("alco", &words)? {
        Parsed::Args(alco) => alco,
        Parsed::Text(help) => return Ok(Done::text(help)),
    };
    if alco.version {
        return Ok(Done::text(format!("alco {}\n", env!("CARGO_PKG_VERSION"))));
    }
    let Some(command) = alco.command else {
        let why = format!("a command is missing: {}", names(&Alco::get_args_info()));
        return Err(Failure::wrong_usage("alco", &why));
    };
    command.run(&Environment::new(alco.config, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn run(config: Option<&str>, collect_only: bool, web_only: bool) -> (Option<PathBuf>, Command) {
        (config.map(PathBuf::from), Command::Run(Run { collect_only, web_only }))
    }

    #[track_caller]
    fn check(line: &str, (config, command): (Option<PathBuf>, Command)) {
        let expect = Alco { config, version: false, command: Some(command) };
        assert_eq!(parse("alco", &split(line)), Ok(Parsed::Args(expect)), "{line}");
    }

    #[test]
    fn config_is_taken_before_and_after_the_command() {
        check("run", run(None, false, false));
        check("--config x.ini run --web-only", run(Some("x.ini"), false, true));
        check("run --collect-only --config x.ini", run(Some("x.ini"), true, false));
        check("run --config=x.ini", run(Some("x.ini"), false, false));
        check("--config a run --config b", run(Some("b"), false, false));
        check("sphinx-conf", (None, Command::SphinxConf(SphinxConf {})));
        check("check --config -odd", (Some("-odd".into()), Command::Check(Check { json: false })));
    }

    #[track_caller]
    fn check_exit(line: &str, expect: u8, start: &str) {
        let (text, status) = match super::run(split(line), Ts::default) {
            Ok(Done { text, status }) => (text, status),
            Err(Failure { text, status }) => (text, status),
        };
        assert_eq!(status, expect, "{line}");
        assert!(text.starts_with(start), "{line}: {text}");
        assert!(text.ends_with('\n'), "{line}: {text}");
    }

    #[test]
    fn wrong_usage_exits_2() {
        check_exit(
            "",
            2,
            "alco: a command is missing: run, grep, send, sphinx-conf, check, passwd, completion\nTry 'alco --help'.",
        );
        check_exit(
            "rum",
            2,
            "alco: no command 'rum'; there are run, grep, send, sphinx-conf, check, passwd, completion",
        );
        check_exit("help", 2, "alco: no command 'help'");
        check_exit("run --collect-only --web-only", 2, "alco: --collect-only and --web-only exclude each other");
        check_exit("run --foo", 2, "alco: no option --foo");
        check_exit("run -x", 2, "alco: no option -x");
        check_exit("run --web-only=yes", 2, "alco: --web-only takes no value");
        check_exit("run --config", 2, "alco: --config needs a value");
        check_exit("run operand", 2, "alco: Unrecognized argument: operand\nTry 'alco run --help'.");
        check_exit("--collect-only run", 2, "alco: no option --collect-only");
    }

    #[test]
    fn help_and_version_exit_0() {
        check_exit("--help", 0, "Usage: alco ");
        check_exit("-h", 0, "Usage: alco ");
        check_exit("run --help", 0, "Usage: alco run ");
        check_exit("--help run", 0, "Usage: alco run ");
        check_exit("run operand -h", 0, "Usage: alco run ");
        check_exit("--version", 0, concat!("alco ", env!("CARGO_PKG_VERSION")));
        check_exit("run --version", 0, concat!("alco ", env!("CARGO_PKG_VERSION")));
    }
}
