//! `alco completion`: the script with which a shell completes commands and options, which argh knows, and some values. The script
//! asks `alco completion --indexes` for the names of indexes.

use std::str::FromStr;

use argh::{ArgsInfo, CommandInfoWithArgs, FlagInfo, FlagInfoKind, FromArgs, Optionality};
use argh_complete::{Generator, bash::Bash, fish::Fish, zsh::Zsh};

use crate::commands::environment::Environment;
use crate::commands::exit::{Done, Failure};
use crate::query::Against;

/// Print the script with which a shell completes commands, options and names of indexes.
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
    error_code(0, "the script, or the names, were printed"),
    error_code(2, "wrong usage; with --indexes, a mistake in alco.ini")
)]
pub struct Completion {
    /// print the names of the indexes in alco.ini instead; the scripts use it
    #[argh(switch)]
    indexes: bool,

    /// bash, zsh or fish
    #[argh(positional)]
    shell: Option<Shell>,
}

/// The values of `--color`.
const COLOR_VALUES: &str = "always never auto";
const SHELLS: &str = "bash zsh fish";

/// bash makes three words of `--color=a`.
const BASH_OPTION: &str = r#"    local option=
    if [[ $cur == = ]]; then
        option=$prev cur=
    elif [[ $prev == = && $COMP_CWORD -ge 2 ]]; then
        option=${COMP_WORDS[COMP_CWORD-2]}
    fi
    cmd=""
"#;
const BASH_VALUES: &str = r#"    case "$option" in
        --color)
            COMPREPLY=( $(compgen -W "COLORS" -- "${cur}") )
            return 0
            ;;
        --against)
            COMPREPLY=( $(compgen -W "AGAINST" -- "${cur}") )
            return 0
            ;;
    esac

    case "${cmd}" in
        alco)
"#;
/// The first operand of grep is a list of indexes; the next ones are not.
const BASH_INDEXES: &str = r#"        alco_grep)
            if [[ $cur != -* ]]; then
                cmds=$("${COMP_WORDS[0]}" completion --indexes 2>/dev/null)
                for i in "${COMP_WORDS[@]:2:COMP_CWORD-2}"; do
                    if [[ -n $i && " ${cmds//$'\n'/ } " == *" ${i%%,*} "* ]]; then
                        cmds=
                        break
                    fi
                done
                if [[ $cur == *,* ]]; then
                    cmds=$(for i in $cmds; do echo "${cur%,*},$i"; done)
                fi
            fi
"#;
const ZSH_INDEXES: &str = r#"
_alco_indexes() {
    compset -P '*,'
    compadd -- ${(f)"$(alco completion --indexes 2>/dev/null)"} || _default
}
"#;
const FISH_INDEXES: &str = r#"
function __fish_alco_wants_indexes
    __fish_alco_using_command grep; or return 1
    set -l names (alco completion --indexes 2>/dev/null)
    for word in (commandline -opc)[3..-1]
        contains -- (string split -m1 , -- $word)[1] $names; and return 1
    end
    return 0
end

function __fish_alco_indexes
    set -l before (string match -r '^.*,' -- (commandline -ct))
    for name in (alco completion --indexes 2>/dev/null)
        echo "$before$name"
    end
end

complete -c alco -n __fish_alco_wants_indexes -f -a '(__fish_alco_indexes)' -d index
complete -c alco -n '__fish_alco_using_command completion' -f -a 'SHELLS'
"#;

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
                ("    cmd=\"\"\n", BASH_OPTION),
                (
                    "                --color)\n                    COMPREPLY=()\n                    return 0\n                    ;;\n",
                    "",
                ),
                ("    case \"${cmd}\" in\n        alco)\n", BASH_VALUES),
                (
                    "--against)\n                    COMPREPLY=()",
                    "--against)\n                    COMPREPLY=( $(compgen -W \"AGAINST\" -- \"${cur}\") )",
                ),
                ("        alco_grep)\n", BASH_INDEXES),
                ("        alco_completion)\n", "        alco_completion)\n            cmds=\"SHELLS\"\n"),
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
                ("'--against[", "'--against=["),
                ("the most changed first]'': :'", "the most changed first]:range:(AGAINST)'"),
                ("'--color[always, never, or auto\\: on a terminal]'': :'", "'--color=-[on a terminal]:when:(COLORS)'"),
            ],
            Shell::Fish => &[
                // fish before version 4 does not know -x
                ("commandline -xpc", "commandline -opc"),
                (
                    "'after-context' 'against' 'before-context' 'color' 'columns'",
                    "'after-context' 'against' 'before-context' 'columns'",
                ),
                (" -l color -r -d", " -l color -f -a 'COLORS' -d"),
                (" -l against -r -d", " -l against -x -a 'AGAINST' -d"),
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

impl Shell {
    /// For the operands of a command: the command, and what is there instead in its part of zsh's script.
    fn operands(self) -> &'static [(&'static str, &'static str, &'static str)] {
        match self {
            Shell::Bash | Shell::Fish => &[],
            Shell::Zsh => &[
                ("grep", "'*: :_default'", "'1:indexes:_alco_indexes' '*: :_default'"),
                ("completion", "'*: :_default'", "'1:shell:(SHELLS)'"),
            ],
        }
    }

    /// What a script has in addition.
    fn more(self) -> &'static str {
        match self {
            Shell::Bash => "",
            Shell::Zsh => ZSH_INDEXES,
            Shell::Fish => FISH_INDEXES,
        }
    }
}

impl Completion {
    /// `program` is what argh knows of alco and its commands.
    pub fn run(&self, program: &CommandInfoWithArgs, environment: &Environment) -> Result<Done, Failure> {
        match (self.indexes, self.shell) {
            (true, None) => {
                let config = environment.config_without_secrets()?;
                Ok(Done::text(config.indexes.iter().map(|index| format!("{}\n", index.name)).collect()))
            }
            (false, Some(shell)) => Ok(Done::text(generate(shell, "alco", program))),
            _ => Err(Failure::wrong_usage("alco completion", "write a shell: bash, zsh or fish; or --indexes alone")),
        }
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
    let mended = shell.mends().iter().fold(script, |script, (wrong, right)| script.replace(wrong, right));
    let mended = shell.operands().iter().fold(mended, |script, (command, wrong, right)| {
        let (before, own) = script.split_once(&format!("_{name}_{command}() {{")).unwrap_or((&script, ""));
        format!("{before}_{name}_{command}() {{{}", own.replacen(wrong, right, 1))
    });
    // zsh's script ends with the call of its function
    let whole = match mended.rsplit_once("\nif [[ $funcstack") {
        Some((functions, call)) => format!("{functions}{}\nif [[ $funcstack{call}", shell.more()),
        None => mended + shell.more(),
    };
    let against = Against::NAMES.map(|(name, _)| name).join(" ");
    [("COLORS", COLOR_VALUES), ("SHELLS", SHELLS), ("AGAINST", &against)]
        .into_iter()
        .fold(whole, |script, (stands, value)| script.replace(stands, value))
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
