//! tests/packages names every program that the tests call, and looks for each of them on a new machine (`make fresh`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::support::ROOT;

/// Before the word that names the program.
const PREFIXES: &[&str] =
    &["if", "then", "else", "elif", "do", "while", "until", "!", "exec", "env", "setsid", "inside", "nohup"];
/// Words of a here-document or of a list that are also names of programs.
const NOT_CALLED: &[&str] = &["dir", "last"];
/// cargo has to be there before the first command; without git, only the date of a package differs.
const NOT_NEEDED: &[&str] = &["cargo", "git"];

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a directory.
fn below(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(ROOT).join(directory)).unwrap().map(|entry| entry.unwrap().path());
    let (directories, mut found): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    found.extend(directories.iter().flat_map(|path| below(path.to_str().unwrap())));
    found
}

/// The literal names after `Command::new`, `run` and `make`, without their directories; a script of these tests is not a program.
fn called_by_rust(text: &str) -> Vec<String> {
    let call = Regex::new(r#"(?:Command::new|\brun|\bmake)\(\s*"(/?[a-z][\w./+-]*)""#).unwrap();
    let names = call.captures_iter(text).map(|found| found[1].to_owned());
    names.filter(|name| !name.starts_with("tests/")).map(|name| name.rsplit('/').next().unwrap().to_owned()).collect()
}

/// The words at the places where a shell expects a command, if this machine has a program of that name: the others are keywords,
/// functions or text.
fn called_by_shell(text: &str) -> Vec<String> {
    let (separator, assignment) = (Regex::new(r"[|&;(){`]").unwrap(), Regex::new(r#"^"?\w+="#).unwrap());
    let mut found = Vec::new();
    for line in text.lines().map(|line| line.split(" #").next().unwrap().trim()).filter(|line| !line.starts_with('#')) {
        for part in separator.split(line) {
            let words = part.split_whitespace().map(|word| word.trim_start_matches(['"', '@']));
            let mut words = words.skip_while(|word| PREFIXES.contains(word) || assignment.is_match(word));
            found.extend(words.next().filter(|word| is_program(word)).map(str::to_owned));
        }
    }
    found
}

fn is_program(word: &str) -> bool {
    const PLACES: [&str; 4] = ["/usr/local/bin", "/usr/bin", "/usr/sbin", "/bin"];
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && !word.contains('/')
        && PLACES.iter().any(|place| Path::new(place).join(word).is_file())
}

/// The names in tests/packages: of the packages' lists what has to be there, and the words of `called`.
fn named() -> BTreeSet<String> {
    let text = read("tests/packages");
    let lists = text.split("='\n").skip(1).map(|list| list.split("\n'").next().unwrap());
    lists.flat_map(str::split_whitespace).map(|word| word.split('|').next().unwrap().to_owned()).collect()
}

#[test]
fn every_called_program_is_in_tests_packages() {
    let named = named();
    assert!(named.contains("searchd") && named.contains("sed"), "{named:?}");
    let mut missing = BTreeSet::new();
    let mut check = |path: &Path, called: Vec<String>| {
        let unknown = called.into_iter().filter(|name| {
            let known = [NOT_CALLED, NOT_NEEDED].concat();
            !named.contains(name) && !known.contains(&name.as_str())
        });
        missing.extend(unknown.map(|name| format!("{name} in {}", path.strip_prefix(ROOT).unwrap_or(path).display())));
    };
    let mut files = below("tests");
    files.extend(below("systemd/debian"));
    files.extend(
        ["Makefile", ".ci/run", "rc.d/alco", "rc.d/sphinxsearch", "sphinx/sphinx.conf"]
            .map(|file| Path::new(ROOT).join(file)),
    );
    for path in files.into_iter().filter(|path| !path.ends_with(file!())) {
        // an image is not text
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let is_shell = text.starts_with("#!/bin/sh") || path.ends_with("Makefile");
        // without the lists themselves
        let text =
            if path.ends_with("tests/packages") { text.split("\nmissing()").nth(1).unwrap().to_owned() } else { text };
        match path.extension().is_some_and(|extension| extension == "rs") {
            true => check(&path, called_by_rust(&text)),
            false if is_shell => check(&path, called_by_shell(&text)),
            false => {}
        }
    }
    assert!(missing.is_empty(), "add these to tests/packages: {missing:#?}");
}

#[test]
fn calls_of_programs_are_recognized() {
    let rust =
        r#"Command::new("curl"); run("dpkg-deb", &[]); make("make", 1); Command::new(ALCO); run("tests/debian", &[]);"#;
    assert_eq!(called_by_rust(rust), ["curl", "dpkg-deb", "make"]);
    assert_eq!(called_by_rust("Command::new(\n \"/usr/sbin/rsyslogd\")"), ["rsyslogd"]);
    let shell = "# sort\nif ! A=1 grep x | sort -u; then x=$(sed p); fi # tail\nfrobnicate && { env cat; }\n";
    assert_eq!(called_by_shell(shell), ["grep", "sort", "sed", "cat"]);
}
