//! `alco completion`: the script with which a shell completes commands and options. argh knows them.

use std::str::FromStr;

use argh::{ArgsInfo, CommandInfoWithArgs, FlagInfo, FlagInfoKind, FromArgs, Optionality};
use argh_complete::{Generator, bash::Bash, fish::Fish, zsh::Zsh};

use crate::commands::exit::Done;

/// Print the script with which a shell completes commands and options.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "completion",
    help_triggers("-h", "--help"),
    note = "make install and the package install the scripts where the shells look for them. A user's own copy: bash reads \
            ~/.local/share/bash-completion/completions/alco (with the package bash-completion), fish ~/.config/fish/completions/alco.fish, \
            and zsh reads _alco in a directory that is in $fpath before compinit runs.",
    example = "alco completion bash >~/.local/share/bash-completion/completions/alco",
    example = "alco completion zsh >~/.zsh/completions/_alco",
    example = "alco completion fish >~/.config/fish/completions/alco.fish",
    error_code(0, "the script was printed"),
    error_code(2, "wrong usage")
)]
pub struct Completion {
    /// bash, zsh or fish
    #[argh(positional)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl FromStr for Shell {
    type Err = String;

    fn from_str(text: &str) -> Result<Shell, String> {
        match text {
            "bash" => Ok(Shell::Bash),
            "zsh" => Ok(Shell::Zsh),
            "fish" => Ok(Shell::Fish),
            _ => Err("alco has scripts for bash, zsh and fish".to_owned()),
        }
    }
}

impl Shell {
    /// Pairs: what argh_complete 0.1.19 writes, and what has to be there instead. tests/completion.rs tries each script in its
    /// shell.
    fn mends(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Shell::Bash => &[
                // the script runs in the user's shell, which may have a variable of that name
                ("local i cur prev opts cmds\n", "local i cur prev opts cmds cmd\n"),
                // the word that is being typed is not the command, nor is an operand; and `*` must not become a list of files
                ("for i in ${COMP_WORDS[@]}; do", "for i in \"${COMP_WORDS[@]:0:COMP_CWORD}\"; do"),
                ("        esac\n    done\n", "        esac\n        [[ $cmd == *_* ]] && break\n    done\n"),
            ],
            Shell::Zsh => &[
                // an operand may be a file; without this line zsh completes nothing after an operand
                (" \\\n        && return 0", " \\\n        '*: :_default' && return 0"),
                ("any command takes it]'': :'", "any command takes it]'':file:_files'"),
            ],
            Shell::Fish => &[
                // fish before version 4 does not know -x
                ("commandline -xpc", "commandline -opc"),
                // operands come after a command
                (
                    "if test $count_cleaned -ne $count_target\n",
                    "if test $count_cleaned -lt $count_target; or test $count_target -eq 0 -a $count_cleaned -gt 0\n",
                ),
                // the value of --config is a file
                (" -f -l config", " -l config"),
            ],
        }
    }
}

impl Completion {
    /// `program` is what argh knows of alco and its commands.
    pub fn run(&self, program: &CommandInfoWithArgs) -> Done {
        Done::text(generate(self.shell, "alco", program))
    }
}

fn generate(shell: Shell, name: &str, program: &CommandInfoWithArgs) -> String {
    let mut program = program.clone();
    for one in &mut program.commands {
        // every command takes the program's options too; a command's own option of the same name comes first, as in
        // `Typed::place`
        let not_own = program.flags.iter().filter(|flag| one.command.flags.iter().all(|own| own.long != flag.long));
        let flags: Vec<FlagInfo> = one.command.flags.iter().chain(not_own).map(copy).collect();
        // argh takes only 'static slices; leaking is harmless, since the process ends after it prints the script
        one.command.flags = flags.leak();
    }
    let script = match shell {
        Shell::Bash => Bash::generate(name, &program),
        Shell::Zsh => Zsh::generate(name, &program),
        Shell::Fish => Fish::generate(name, &program),
    };
    shell.mends().iter().fold(script, |script, (wrong, right)| script.replace(wrong, right))
}

/// argh does not derive Clone for its flags.
fn copy(flag: &FlagInfo<'static>) -> FlagInfo<'static> {
    FlagInfo {
        kind: match flag.kind {
            FlagInfoKind::Switch => FlagInfoKind::Switch,
            FlagInfoKind::Option { arg_name } => FlagInfoKind::Option { arg_name },
        },
        optionality: Optionality::Optional,
        long: flag.long,
        short: flag.short,
        description: flag.description,
        hidden: flag.hidden,
    }
}
