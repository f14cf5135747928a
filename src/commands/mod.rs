//! What a user may type. Two passes: `flags` puts the spellings of grep and of every other program into the few that argh
//! reads; the second is argh.
//!
//! A new subcommand is a struct and a variant of `Command`; the first pass learns its flags from argh. Pure: the words
//! are an argument, and what is to be printed is returned.

pub mod completion;
pub mod flags;

use std::ffi::OsString;
use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs, TopLevelCommand};

pub use crate::commands::completion::Completion;
use crate::commands::flags::{Typed, names};
pub use crate::commands::grep::args::Grep;

/// Printed to stdout where `code` is 0, and to stderr otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    pub text: String,
    pub code: u8,
}

/// As grep and most others do.
const WRONG_USAGE: u8 = 2;

#[derive(Debug, PartialEq)]
pub struct Args {
    /// the alco.ini that was named
    pub config: Option<PathBuf>,
    pub command: Command,
}

/// An online grep and less for the logs of a distributed system.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(
    help_triggers("-h", "--help"),
    note = "alco.ini is what --config names, else $ALCO_INI, else the first that exists of /usr/local/etc/alco.ini and \
            /etc/alco.ini; without one, every setting is at its default. alco COMMAND --help tells more; so do alco(1) and alco.ini(5).",
    example = "alco check",
    example = "alco run --config /usr/local/etc/alco.ini",
    example = "alco grep web 'connection refused' --since=-2h",
    example = "make 2>&1 | alco send --tee -k build.web",
    error_code(0, "it is done; grep: a record was found; check: all is well"),
    error_code(1, "it is not; grep: none was found; check: there are warnings"),
    error_code(2, "wrong usage, or a mistake in alco.ini; grep: it could not be searched; check: there are errors")
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

/// Collect records and serve the pages, until SIGTERM or SIGINT.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "run",
    help_triggers("-h", "--help"),
    note = "It stays in the foreground and tells what happens on stderr; ALCO_LOG=debug tells more. A server that is away is \
            waited for. SIGTERM and SIGINT let it end within five seconds, nothing lost.",
    example = "alco run",
    example = "alco run --web-only --config ./alco.ini",
    error_code(0, "it was told to end"),
    error_code(1, "it cannot go on"),
    error_code(2, "wrong usage, or a mistake in alco.ini")
)]
pub struct Run {
    /// serve no pages
    #[argh(switch)]
    pub collect_only: bool,

    /// collect nothing
    #[argh(switch)]
    pub web_only: bool,
}

/// Print a line for users_file: a user, and the hash of a password, which is asked for on a terminal or else is the first line of
/// stdin.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "passwd",
    help_triggers("-h", "--help"),
    note = "The hash is bcrypt's, as htpasswd -B makes it. A change of the file holds at once; it needs no restart.",
    example = "alco passwd anna >>/usr/local/etc/alco.users",
    error_code(0, "it was printed"),
    error_code(2, "wrong usage, or no password that can be taken")
)]
pub struct Passwd {
    /// as the user will type it
    #[argh(positional)]
    pub user: String,
}

/// Send the lines of stdin to the exchange as records, and wait until the broker has confirmed every one.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "send",
    help_triggers("-h", "--help"),
    note = "On a terminal a bar shows how far it is: how fast, and how long it will take where stdin is a file.",
    example = "make 2>&1 | alco send --tee -k build.web --logger make job=nightly",
    example = "alco send --json <old.json",
    example = "zcat old.json.gz | alco send --json",
    error_code(0, "the broker has confirmed every line"),
    error_code(1, "it has not: stderr tells how many it has, and which line of --json is not an object"),
    error_code(2, "wrong usage, or a mistake in alco.ini")
)]
pub struct Send {
    /// the routing key; 'logstash' unless given
    #[argh(option, short = 'k', default = "\"logstash\".to_owned()", arg_name = "key")]
    pub routing_key: String,

    /// the lines are JSON records, an object a line, and are sent as they are
    #[argh(switch)]
    pub json: bool,

    /// level of plain lines; 'INFO' unless given
    #[argh(option, short = 'l', arg_name = "level")]
    pub levelname: Option<String>,

    /// logger of plain lines
    #[argh(option, arg_name = "name")]
    pub logger: Option<String>,

    /// write the lines to stdout as well
    #[argh(switch)]
    pub tee: bool,

    /// column=value: more columns of plain lines
    #[argh(positional, arg_name = "column=value")]
    pub columns: Vec<String>,
}

impl Send {
    /// What every plain line has beside its text.
    pub fn columns(&self) -> Result<Vec<(String, String)>, Exit> {
        let wrong = |what: String| wrong("alco send", &what);
        let named = [("levelname", &self.levelname), ("logger", &self.logger)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        let mut columns: Vec<(String, String)> = named.collect();
        for word in &self.columns {
            match word.split_once('=') {
                Some((column, _)) if send::WRITTEN.contains(&column) => {
                    return Err(wrong(format!(
                        "'{word}' would replace what every line has of its own; alco send writes {}",
                        send::WRITTEN.join(", ")
                    )));
                }
                Some((column, value)) if !column.is_empty() => columns.push((column.to_owned(), value.to_owned())),
                _ => return Err(wrong(format!("'{word}' is no column; write column=value"))),
            }
        }
        match self.json && !columns.is_empty() {
            true => Err(wrong("--json sends records as they are: columns cannot be added".to_owned())),
            false => Ok(columns),
        }
    }
}

/// Print the configuration for searchd.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "sphinx-conf",
    help_triggers("-h", "--help"),
    note = "Nobody needs to call this by hand: the script sphinx.conf, which searchd is given as its configuration, does. It \
            depends on alco.ini and on the day.",
    example = "alco sphinx-conf | less",
    error_code(0, "it was printed"),
    error_code(2, "wrong usage, or a mistake in alco.ini")
)]
pub struct SphinxConf {}

/// Look over alco.ini, the three servers, the disk, and tell what is wrong and how to mend it, a line each. Nothing is changed.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "check",
    help_triggers("-h", "--help"),
    note = "Run it as the user that alco runs as: it may read and signal what that user may.",
    example = "sudo -u alco alco check",
    example = "alco check | grep -v ^ok",
    error_code(0, "all is well"),
    error_code(1, "there are warnings"),
    error_code(2, "there are errors; wrong usage, or a mistake in alco.ini")
)]
pub struct Check {
    /// a JSON object a line: part, state, text, cure
    #[argh(switch)]
    pub json: bool,
}

/// The words behind the program's name. Ours are text: a pattern that is not UTF-8 could match nothing that is stored.
pub fn words(raw: impl Iterator<Item = OsString>) -> Result<Vec<String>, Exit> {
    raw.skip(1)
        .map(|word| word.into_string().map_err(|word| wrong("alco", &format!("{word:?} is not UTF-8"))))
        .collect()
}

pub fn args(words: Vec<String>) -> Result<Args, Exit> {
    let alco: Alco = parse("alco", &words)?;
    if alco.version {
        return Err(Exit { text: format!("alco {}\n", env!("CARGO_PKG_VERSION")), code: 0 });
    }
    let Some(command) = alco.command else {
        return Err(wrong("alco", &format!("a command is missing: {}", names(&Alco::get_args_info()))));
    };
    if let Command::Run(Run { collect_only: true, web_only: true }) = command {
        return Err(wrong(
            "alco run",
            "--collect-only and --web-only exclude each other; leave both out for both parts",
        ));
    }
    Ok(Args { config: alco.config, command })
}

pub fn wrong(command: &str, what: &str) -> Exit {
    Exit { text: format!("alco: {what}\nTry '{command} --help'.\n"), code: WRONG_USAGE }
}

/// Both passes.
fn parse<T: TopLevelCommand + ArgsInfo>(program: &str, words: &[String]) -> Result<T, Exit> {
    let typed = Typed::read(words, &T::get_args_info()).map_err(|what| wrong(program, &what))?;
    let command = typed.command.as_ref().map_or(program.to_owned(), |command| format!("{program} {command}"));
    let words = typed.into_words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    T::from_args(&[program], &words).map_err(|exit| match exit.status {
        Ok(()) => Exit { text: exit.output, code: 0 },
        Err(()) => wrong(&command, exit.output.trim()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn run(config: Option<&str>, collect_only: bool, web_only: bool) -> Args {
        Args { config: config.map(PathBuf::from), command: Command::Run(Run { collect_only, web_only }) }
    }

    #[track_caller]
    fn check(line: &str, expect: Args) {
        assert_eq!(args(split(line)), Ok(expect), "{line}");
    }

    #[test]
    fn config_stands_before_or_behind_the_command() {
        check("run", run(None, false, false));
        check("--config x.ini run --web-only", run(Some("x.ini"), false, true));
        check("run --collect-only --config x.ini", run(Some("x.ini"), true, false));
        check("run --config=x.ini", run(Some("x.ini"), false, false));
        check("--config a run --config b", run(Some("b"), false, false));
        check("sphinx-conf", Args { config: None, command: Command::SphinxConf(SphinxConf {}) });
        check(
            "check --config -odd",
            Args { config: Some("-odd".into()), command: Command::Check(Check { json: false }) },
        );
    }

    #[track_caller]
    fn check_exit(line: &str, code: u8, start: &str) {
        let exit = args(split(line)).expect_err(line);
        assert_eq!(exit.code, code, "{line}");
        assert!(exit.text.starts_with(start), "{line}: {}", exit.text);
        assert!(exit.text.ends_with('\n'), "{line}: {}", exit.text);
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
    fn what_is_sent_with_plain_lines_is_written_as_columns() {
        let columns = |line: &str| match args(split(line)).expect(line).command {
            Command::Send(send) => send.columns().map_err(|exit| exit.text),
            _ => panic!("{line}"),
        };
        let pair = |column: &str, value: &str| (column.to_owned(), value.to_owned());
        assert_eq!(columns("send -k build.web a=b=c -l DEBUG"), Ok(vec![pair("levelname", "DEBUG"), pair("a", "b=c")]));
        assert_eq!(columns("send --json"), Ok(vec![]));
        assert!(columns("send --json a=b").is_err_and(|text| text.contains("as they are")));
        assert!(columns("send plain").is_err_and(|text| text.contains("column=value")));
        for line in
            ["send message=x", "send a=1 message=", "send seq=1", "send @timestamp=2026-11-22", "send @version=2"]
        {
            assert!(columns(line).is_err_and(|text| text.contains("would replace what every line has")), "{line}");
        }
        assert_eq!(columns("send Message=x"), Ok(vec![pair("Message", "x")]));
    }

    #[test]
    fn help_and_version_are_no_mistakes() {
        check_exit("--help", 0, "Usage: alco ");
        check_exit("-h", 0, "Usage: alco ");
        check_exit("run --help", 0, "Usage: alco run ");
        check_exit("--help run", 0, "Usage: alco run ");
        check_exit("run operand -h", 0, "Usage: alco run ");
        check_exit("--version", 0, concat!("alco ", env!("CARGO_PKG_VERSION")));
        check_exit("run --version", 0, concat!("alco ", env!("CARGO_PKG_VERSION")));
    }

    /// A command with all that grep's has.
    #[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
    #[argh(help_triggers("-h", "--help"))]
    /// A program.
    struct Program {
        /// a file
        #[argh(option)]
        config: Option<String>,
        #[argh(subcommand)]
        command: Sub,
    }

    #[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
    #[argh(subcommand)]
    enum Sub {
        Grep(Grep),
    }

    #[derive(Debug, Default, PartialEq, FromArgs, ArgsInfo)]
    #[argh(subcommand, name = "grep", help_triggers("-h", "--help"))]
    /// Search.
    struct Grep {
        /// without case
        #[argh(switch, short = 'i')]
        ignore_case: bool,
        /// literal
        #[argh(switch, short = 'F')]
        fixed_strings: bool,
        /// count
        #[argh(switch, short = 'c')]
        count: bool,
        /// lines around
        #[argh(option, short = 'C')]
        context: Option<u32>,
        /// from when
        #[argh(option)]
        since: Option<String>,
        #[argh(positional)]
        index: String,
        #[argh(positional)]
        rest: Vec<String>,
    }

    #[track_caller]
    fn check_grep(line: &str, config: Option<&str>, expect: Grep) {
        let expect = Program { config: config.map(str::to_owned), command: Sub::Grep(expect) };
        assert_eq!(parse("alco", &split(line)), Ok(expect), "{line}");
    }

    fn grep(index: &str, rest: &[&str]) -> Grep {
        Grep { index: index.to_owned(), rest: rest.iter().map(|&word| word.to_owned()).collect(), ..Grep::default() }
    }

    #[test]
    fn greps_spellings_are_understood() {
        let both = |grep: Grep| Grep { ignore_case: true, fixed_strings: true, ..grep };
        check_grep("grep -iF web x", None, both(grep("web", &["x"])));
        check_grep("grep web x -i --fixed-strings", None, both(grep("web", &["x"])));
        let context = |grep: Grep| Grep { context: Some(3), ..grep };
        check_grep("grep -C3 web", None, context(grep("web", &[])));
        check_grep("grep -C 3 web", None, context(grep("web", &[])));
        check_grep("grep --context=3 web", None, context(grep("web", &[])));
        check_grep("grep -iFC3 web", None, both(context(grep("web", &[]))));
        let since = |grep: Grep| Grep { since: Some("-1h".to_owned()), ..grep };
        check_grep("grep --since=-1h web", None, since(grep("web", &[])));
        check_grep("grep web --since -1h x=y", None, since(grep("web", &["x=y"])));
        check_grep("grep web -- -x --since", None, grep("web", &["-x", "--since"]));
        check_grep("grep web - help", None, grep("web", &["-", "help"]));
        check_grep("grep -c web --config f", Some("f"), Grep { count: true, ..grep("web", &[]) });
    }

    #[test]
    fn a_missing_value_takes_no_operand_along() {
        for (line, what) in [
            ("grep web --since", "alco: --since needs a value"),
            ("grep web -iC", "alco: -C needs a value"),
            ("grep web -ix", "alco: no option -x"),
            ("grep", "alco: Required positional arguments not provided"),
            ("grep -Cx web", "alco: Error parsing option '-C' with value 'x'"),
        ] {
            let exit = parse::<Program>("alco", &split(line)).expect_err(line);
            assert!(exit.code == 2 && exit.text.starts_with(what), "{line}: {}", exit.text);
        }
    }
}

pub mod check;
pub mod grep;
pub mod passwd;
pub mod send;
