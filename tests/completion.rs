//! `alco completion`: bash, zsh and fish complete by the scripts that it prints.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::support::{ALCO, directory};

/// A line as far as it is typed, and one of the words that the shell must offer for its end.
const LINES: [(&str, &str); 18] = [
    ("alco gr", "grep"),
    ("alco grep", "grep"),
    ("alco sphinx", "sphinx-conf"),
    ("alco --conf", "--config"),
    ("alco grep --onl", "--only-matching"),
    ("alco grep web --sin", "--since"),
    ("alco grep -i web -C 3 --reve", "--reverse"),
    // operands, one of which is a command's name
    ("alco grep alco send * --trac", "--tracebacks"),
    ("alco send -k key --t", "--tee"),
    ("alco check --conf", "--config"),
    ("alco run --config the-i", "the-ini-to-read"),
    // values
    ("alco grep --color=al", "always"),
    ("alco grep web --patterns --against=y", "yesterday"),
    ("alco grep web --patterns --against be", "before"),
    ("alco completion fi", "fish"),
    // indexes of alco.ini
    ("alco grep bil", "billing"),
    ("alco grep -i --since -1h bil", "billing"),
    ("alco grep stock,bil", "stock,billing"),
];

/// A directory with the script and one more file.
fn with_script(shell: &str, name: &str) -> PathBuf {
    let dir = directory(&format!("completion-{shell}"));
    let output = Command::new(ALCO).args(["completion", shell]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(dir.join(name), output.stdout).unwrap();
    fs::write(dir.join("the-ini-to-read"), "[index billing]\n[index stock]\n").unwrap();
    dir
}

/// The output of a shell in that directory. Fails if the shell does, or writes to stderr.
#[track_caller]
fn said(dir: &PathBuf, words: &[&str]) -> String {
    let path = format!("{}:{}", Path::new(ALCO).parent().unwrap().display(), env::var("PATH").unwrap());
    let mut command = Command::new("timeout");
    command.arg("60").args(words).current_dir(dir).env("PATH", path).env("ALCO_INI", dir.join("the-ini-to-read"));
    let output = command.output().unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && wrong.is_empty(), "{words:?}: {} {said} {wrong}", output.status);
    said.into_owned()
}

/// Completes the line $1 as bash does.
const COMPLETE_BASH: &str = r#"
        . ./alco
        cmd=mine
        # bash makes words of their own of what COMP_WORDBREAKS has
        set -f; COMP_WORDS=(${1//=/ = }); set +f
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$1 COMP_POINT=${#1}
        set -- $(complete -p alco)
        while [ "$1" != -F ]; do shift; done
        "$2" alco "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        # as `-o default` has it
        [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
        printf '%s\n' "${COMPREPLY[@]}"
        [ "$cmd" = mine ] || echo 'a variable of the user is gone'
    "#;

#[test]
fn bash_completes() {
    let dir = with_script("bash", "alco");
    // `*` must not become this file's name
    fs::write(dir.join("check"), "").unwrap();
    for (line, expect) in LINES {
        let offered = said(&dir, &["bash", "--norc", "-c", COMPLETE_BASH, "bash", line]);
        assert!(offered.lines().any(|word| word == expect), "{line}: {offered}");
        assert!(!offered.contains(' '), "{line}: {offered}");
    }
    // the pattern of grep is not the name of an index
    assert_eq!(said(&dir, &["bash", "--norc", "-c", COMPLETE_BASH, "bash", "alco grep stock bil"]).trim(), "");
    let registered = said(&dir, &["bash", "--norc", "-c", ". ./alco; complete -p alco"]);
    assert!(registered.contains(" -o default "), "{registered}");
}

#[test]
fn fish_completes() {
    let dir = with_script("fish", "alco.fish");
    for (line, expect) in LINES {
        let program = "source alco.fish; complete -C $argv[1]";
        let offered = said(&dir, &["fish", "--no-config", "-c", program, line]);
        // the whole word, also of an option with its value
        let is_expected = |word: &str| word == expect || word.ends_with(&format!("={expect}"));
        assert!(offered.lines().any(|word| word.split('\t').next().is_some_and(is_expected)), "{line}: {offered}");
    }
}

/// Types into a zsh that finds the script as it would find an installed one, and waits for the completed line.
#[test]
fn zsh_completes() {
    const TYPE: &str = r#"
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell 'stty -echo cols 200; PS1= LISTMAX=1000; fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D'
        zpty -w shell 'show() { print -r -- "<$BUFFER>"; BUFFER= }; bindkey -e; zle -N show; bindkey ^X show; print rea""dy'
        zpty -r shell seen '*ready*'
        while (( $# )); do
            print -r -- "for $1"
            # it is typed, completed, shown and emptied
            zpty -n -w shell "$1"$'\t\x18'
            zpty -r shell seen "*<*>*" || exit 1
            [[ $seen == *\<*${(b)2}*\>* ]] || { print -r -- $seen; exit 1 }
            shift 2
        done
        zpty -d shell
    "#;
    let dir = with_script("zsh", "_alco");
    said(&dir, &["zsh", "-n", "_alco"]);
    let words: Vec<&str> = LINES.iter().flat_map(|(line, expect)| [*line, *expect]).collect();
    let got_to = said(&dir, &[&["zsh", "-f", "-c", TYPE, "zsh"], words.as_slice()].concat());
    assert_eq!(got_to.lines().count(), LINES.len(), "{got_to}");
}

#[test]
fn the_names_of_the_indexes_are_printed() {
    let ini = directory("completion-indexes").join("alco.ini");
    fs::write(&ini, "[index billing]\n[index stock]\n[redis]\npassword_file = /nonexistent\n").unwrap();
    for (words, code, printed) in
        [(&["--indexes"][..], 0, "billing\nstock\n"), (&["--indexes", "bash"], 2, ""), (&[], 2, "")]
    {
        let output = Command::new(ALCO).arg("completion").args(words).env("ALCO_INI", &ini).output().unwrap();
        let found = (output.status.code(), String::from_utf8(output.stdout).unwrap());
        assert_eq!(found, (Some(code), printed.to_owned()), "{words:?}");
    }
}

#[test]
fn unknown_shells_are_refused() {
    let output = Command::new(ALCO).args(["completion", "tcsh"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].contains("'tcsh'") && lines[0].contains("bash, zsh and fish"), "{said}");
    assert_eq!(lines[1..], ["Try 'alco completion --help'."]);
}
