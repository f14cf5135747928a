//! Counts the figures of the sources in the same way before and after a change:
//! `cargo test --test architecture figures -- --ignored --nocapture`

use std::collections::BTreeMap;
use std::path::Path;

use regex::Regex;

use crate::engine::source::{Tree, read};

/// A file with more lines is long; tests and comments count.
const LONG_FILE_LINES: usize = 300;
/// A function with this number of parameters or more has many; `self` does not count.
const MANY_PARAMETERS: usize = 6;

fn share(part: usize, whole: usize) -> String {
    format!("{part} of {whole} ({}%)", part * 100 / whole.max(1))
}

fn yes(all: &[bool]) -> String {
    share(all.iter().filter(|is| **is).count(), all.len())
}

/// Median, 95th percentile, maximum.
fn spread(mut all: Vec<usize>) -> String {
    all.sort_unstable();
    let at = |percent: usize| all.get(all.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default();
    format!("median {}, p95 {}, max {}", at(50), at(95), at(100))
}

fn test_names(sources: &[(String, String)]) -> Vec<usize> {
    let test = Regex::new(r"#\[test\]\s*(?:#\[[^\]]*\]\s*)*(?:pub )?fn (\w+)").expect("a regex");
    sources.iter().flat_map(|(_, text)| test.captures_iter(text)).map(|found| found[1].len()).collect()
}

/// The figures of src/, as `tree` has it without the tests, and of tests/.
fn figures(root: &Path, tree: &Tree) -> Vec<(&'static str, String)> {
    let (sources, tests) = (read(&root.join("src")), read(&root.join("tests")));
    let lines =
        |sources: &[(String, String)]| -> Vec<usize> { sources.iter().map(|(_, text)| text.lines().count()).collect() };
    let mut types: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, name) in &tree.types {
        *types.entry(name).or_default() += 1;
    }
    let calls = |name: &str| tree.calls.iter().filter(|(_, call)| call == name).count();
    let bare: Vec<bool> = tree.constants.iter().map(|constant| !constant.name.contains('_')).collect();
    let numbers: Vec<bool> =
        tree.constants.iter().filter(|constant| constant.number).map(|constant| !constant.name.contains('_')).collect();
    let many = tree.functions.iter().filter(|function| function.parameters >= MANY_PARAMETERS).count();
    let longest = tree.functions.iter().max_by_key(|function| function.lines);
    let purposes: Vec<bool> = tree.files.iter().map(|file| file.opens_with_purpose).collect();
    let long = lines(&sources).iter().filter(|lines| **lines > LONG_FILE_LINES).count();
    let long_code = tree.files.iter().filter(|file| file.code_lines > LONG_FILE_LINES).count();
    vec![
        ("files of src", sources.len().to_string()),
        ("  of them a test's", (sources.len() - tree.files.len()).to_string()),
        ("lines of src", lines(&sources).iter().sum::<usize>().to_string()),
        ("lines a file", spread(lines(&sources))),
        ("files over 300 lines", long.to_string()),
        (
            "lines of code (no blanks, comments, tests)",
            tree.files.iter().map(|file| file.code_lines).sum::<usize>().to_string(),
        ),
        ("lines of code a file", spread(tree.files.iter().map(|file| file.code_lines).collect())),
        ("files over 300 lines of code", long_code.to_string()),
        ("files that open with //!", yes(&purposes)),
        ("public items (no fields, no modules) documented", yes(&tree.public)),
        ("functions", tree.functions.len().to_string()),
        ("lines a function", spread(tree.functions.iter().map(|function| function.lines).collect())),
        (
            "longest function",
            longest.map_or_else(String::new, |function| format!("{} at {}", function.name, tree.at(function.place))),
        ),
        ("functions with 6 parameters or more, without self", many.to_string()),
        ("unwrap, expect outside tests", format!("{}, {}", calls(".unwrap"), calls(".expect"))),
        ("Results in return types that are Result<_, String>", yes(&tree.results)),
        (
            "names of types given twice or more (Error too)",
            share(types.values().filter(|count| **count > 1).count(), types.len()),
        ),
        ("constants of one word", yes(&bare)),
        ("  of them numbers", yes(&numbers)),
        ("traits", tree.traits.to_string()),
        ("files, lines of tests", format!("{}, {}", tests.len(), lines(&tests).iter().sum::<usize>())),
        ("letters of a test's name, in tests", spread(test_names(&tests))),
        ("letters of a test's name, in src", spread(test_names(&sources))),
    ]
}

#[test]
#[ignore = "prints figures and checks nothing"]
fn figures_of_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tree = Tree::new(&read(&root.join("src")));
    for (name, figure) in figures(root, &tree) {
        println!("{name:52} {figure}");
    }
}
