//! Turns the words of a command line into argh's structs, in two passes. The first, `flags`, turns the spellings of grep and of
//! other programs into the few that argh reads; the second is argh. Pure: the words are an argument.

use std::ffi::OsString;

use argh::{ArgsInfo, TopLevelCommand};

use crate::commands::exit::Failure;
use crate::commands::flags::Typed;

/// The request of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    Args(T),
    /// a text to print, that of `--help`
    Text(String),
}

/// The words after the program's name. They must be UTF-8, since a pattern of other bytes could match no stored record.
pub fn words(raw: impl Iterator<Item = OsString>) -> Result<Vec<String>, Failure> {
    let not_text = |word: OsString| Failure::wrong_usage("alco", &format!("{word:?} is not UTF-8"));
    raw.skip(1).map(|word| word.into_string().map_err(not_text)).collect()
}

/// Runs both passes.
///
/// # Errors
/// The usage was wrong. The text names the help of the command that was typed.
pub fn parse<T: TopLevelCommand + ArgsInfo>(program: &str, words: &[String]) -> Result<Parsed<T>, Failure> {
    let typed = Typed::read(words, &T::get_args_info()).map_err(|why| Failure::wrong_usage(program, &why))?;
    let command = typed.command.as_ref().map_or(program.to_owned(), |command| format!("{program} {command}"));
    let words = typed.into_words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match T::from_args(&[program], &words) {
        Ok(args) => Ok(Parsed::Args(args)),
        Err(early) if early.status.is_ok() => Ok(Parsed::Text(early.output)),
        Err(early) => Err(Failure::wrong_usage(&command, early.output.trim())),
    }
}

#[cfg(test)]
mod tests {
    use argh::FromArgs;

    use super::*;

    fn split(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
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
        assert_eq!(parse("alco", &split(line)), Ok(Parsed::Args(expect)), "{line}");
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
            let failure = parse::<Program>("alco", &split(line)).expect_err(line);
            assert!(failure.status == 2 && failure.text.starts_with(what), "{line}: {}", failure.text);
        }
    }
}
