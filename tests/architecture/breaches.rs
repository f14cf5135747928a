//! Shows that each rule can fail: a small made-up tree, whole at first, and then with one breach of each kind.

use crate::engine::edges::Edges;
use crate::engine::rules::{self, Debts, Tables};
use crate::engine::source::Tree;

const TABLES: Tables = Tables {
    rows: &[("words", 0), ("sphinx", 1), ("flow", 2), ("flow::rule", 1), ("pages", 2), ("main", 3)],
    strangers: &[("flow", "pages"), ("pages", "flow")],
    doors: &[("mysql", "sphinx")],
    open: &["log"],
    pure: &[("words", true), ("flow::rule", true)],
    impure: &["std::time::Instant::now", "std::fs", ".elapsed", "println!", "log"],
    statements: "sphinx",
    debts: DEBTS,
};

const DEBTS: Debts = Debts {
    circles: &[],
    folder_circles: &[],
    many_doors: &[("jiff", &["words"])],
    statements: &[],
    impure: &[],
    doubled_types: &[],
    bare_constants: &[],
    many_parameters: &[],
    long_files: &[],
};

/// A tree that keeps every rule. Only its comments, strings and tests have text that would break one.
const WHOLE: &[(&str, &str)] = &[
    (
        "main.rs",
        "//! What it is for.\nmod flow;\nmod pages;\nmod sphinx;\nmod words;\nfn main() { flow::run(); pages::page(); }",
    ),
    (
        "words.rs",
        r##"//! Words.
        use jiff::Timestamp;
        /* crate::flow::run() /* nested */ std::fs */
        /// `crate::flow::run` takes std::fs; SELECT is a word
        pub struct Word<'a>(pub &'a str);
        pub enum Error { Known }
        const ADDRESS: &str = "https://host//crate::flow::run";
        const RAW: &str = r#"a "crate::flow" // in a raw string"#;
        const MARK: (char, char) = ('"', '\'');
        pub const MAX_WORD_BYTES: usize = 4;
        pub fn stamp(_: Timestamp) -> Result<(), String> { let (log, mysql) = (1, 2); Ok(drop((log, mysql, ADDRESS, RAW, MARK))) }
        #[cfg(test)]
        pub fn only_for_tests() -> u8 { crate::flow::run(); std::fs::read("SELECT 1").map_or(0, |_| 1) }
        pub fn after_the_test(word: &Word<'_>) -> bool { word.0.is_empty() }
        #[cfg(test)]
        mod tests { use crate::flow::run; struct Word; const LONE: u8 = 1; fn many(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8) {} }
        "##,
    ),
    (
        "sphinx/mod.rs",
        "//! The door.\nmod client;\npub use client::Client;\npub use self::client as door;\npub fn text() -> String { log::info!(\"x\"); \"SELECT 1\".to_owned() }",
    ),
    (
        "sphinx/client.rs",
        "//! Client.\nuse mysql::{Conn as Connection, prelude::*};\nuse crate::words::{self, Word};\npub struct Client(Connection);\npub fn ask(_: Word, _: words::Error) {}",
    ),
    (
        "flow/mod.rs",
        "//! A flow.\nmod rule;\n#[cfg(test)]\nmod model;\nuse crate::sphinx::Client;\nuse rule::Rule as Law;\nenum Error { Own }\npub fn run() { std::fs::read(\"x\").ok(); Law::new(); let _: Option<(Client, Error)> = None; }",
    ),
    (
        "flow/rule.rs",
        "//! A rule.\nuse crate::words::stamp;\npub struct Rule;\nimpl Rule { pub fn new() -> Rule { stamp(todo!()).ok(); Rule } }",
    ),
    (
        "flow/model.rs",
        "//! A test's.\nmod deeper;\nuse super::rule::Rule; use crate::pages::page; struct Word; fn ask() -> &'static str { \"SHOW TABLES\" }",
    ),
    ("flow/model/deeper.rs", "//! A test's too.\nuse crate::pages::page;"),
    ("pages.rs", "//! Pages.\nuse crate::words::Word;\npub fn page() -> String { format!(\"{}\", Word(\"x\").0) }"),
];

const DEPENDENCIES: &[&str] = &["mysql", "log", "jiff"];

/// The breaches that the rules find in the made-up tree, with `more` at the end of `file`.
fn wrong(tables: &Tables, file: &str, more: &str) -> Vec<String> {
    let mut sources: Vec<(String, String)> =
        WHOLE.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    match sources.iter_mut().find(|(path, _)| path == file) {
        Some((_, text)) => *text += more,
        None => sources.push((file.to_owned(), more.to_owned())),
    }
    let tree = Tree::new(&sources);
    let edges = Edges::of(&tree);
    let dependencies: Vec<String> = DEPENDENCIES.iter().map(|name| (*name).to_owned()).collect();
    [
        rules::paths_resolve(&tree, &edges),
        rules::rows(&tree, &edges, tables),
        rules::strangers(&tree, &edges, tables),
        rules::no_circles(&tree, &edges, tables),
        rules::no_folder_circles(&tree, &edges, tables),
        rules::doors(&tree, &edges, tables, &dependencies),
        rules::statements(&tree, tables),
        rules::purity(&tree, &edges, tables),
        rules::type_names(&tree, tables),
        rules::constant_names(&tree, tables),
        rules::parameters(&tree, tables),
        rules::lengths(&tree, tables),
    ]
    .concat()
}

/// With `more` in `file`, a line of the breaches contains `expected`.
#[track_caller]
fn breach(file: &str, more: &str, expected: &str) {
    let wrong = wrong(&TABLES, file, &format!("\n{more}\n"));
    assert!(
        wrong.iter().any(|line| line.contains(expected)),
        "{file} with {more}\nwanted: {expected}\nfound: {wrong:#?}"
    );
}

/// A list that allows a breach which is not there is a breach itself.
#[track_caller]
fn mended(debts: Debts, expected: &str) {
    let wrong = wrong(&Tables { debts, ..TABLES }, "pages.rs", "");
    assert!(matches!(&wrong[..], [line] if line.contains(expected)), "wanted: {expected}\nfound: {wrong:#?}");
}

#[test]
fn a_tree_that_keeps_the_rules_has_no_breach() {
    assert_eq!(wrong(&TABLES, "pages.rs", ""), Vec::<String>::new());
}

#[test]
fn an_import_from_below_is_found_however_written() {
    let below = "(row 0) uses flow (row 2)";
    breach("words.rs", "use crate::flow::run;", "src/words.rs:18: words (row 0) uses flow (row 2)");
    breach("words.rs", "use super::flow::run;", below);
    breach("words.rs", "pub use super::flow;", below);
    breach("words.rs", "use crate::{sphinx::{self, Client}, flow::{run as go}};", below);
    breach("words.rs", "use crate::flow::*;", below);
    breach("words.rs", "use crate as root; fn f() { root::flow::run() }", below);
    breach("words.rs", "fn f() { crate::flow::run() }", below);
    breach("words.rs", "fn f() { let _ = format!(\"{}\", [crate::flow::run()]); }", below);
    breach("words.rs", "mod inner { fn f() { super::super::flow::run() } }", below);
    breach("words.rs", "fn f() { use super::flow; flow::run() }", below);
    breach("words.rs", "#[derive(crate::flow::run)] struct S;", below);
    breach("words.rs", "#[cfg(not(test))] fn f() { crate::flow::run() }", below);
    // by way of a re-export it is an edge to the file that defines the name
    breach("words.rs", "use crate::sphinx::Client;", "uses sphinx::client (row 1)");
    breach("words.rs", "fn f() { crate::sphinx::door::ask() }", "uses sphinx::client (row 1)");
    // a child path, and a parent's child
    breach(
        "flow/rule.rs",
        "fn f() { self::deep::f() } mod deep { pub fn f() { super::super::run() } }",
        "flow::rule (row 1) uses flow (row 2)",
    );
    breach("flow/rule.rs", "fn f() { super::run() }", "flow::rule (row 1) uses flow (row 2)");
}

#[test]
fn a_path_that_leads_nowhere_is_found() {
    breach("pages.rs", "fn f() { crate::words::absent() }", "'crate::words::absent' leads to no item");
    breach("pages.rs", "mod absent;", "module pages::absent has no file");
}

#[test]
fn a_file_without_a_row_is_found() {
    breach("other.rs", "//! Other.", "src/other.rs: other has no place in the architecture");
    let rows = &[("words", 0), ("sphinx", 1), ("flow", 2), ("flow::rule", 1), ("pages", 2), ("main", 3), ("gone", 3)];
    let wrong = wrong(&Tables { rows, ..TABLES }, "pages.rs", "");
    assert_eq!(wrong, ["row 3: gone has no file: take it off the table"]);
}

#[test]
fn flows_that_meet_are_found_both_ways() {
    breach("flow/mod.rs", "use crate::pages::page;", "flow uses pages: the two never meet");
    breach("pages.rs", "use crate::flow::run;", "pages uses flow: the two never meet");
    breach("pages.rs", "fn f() { crate::flow::run() }", "pages uses flow: the two never meet");
}

#[test]
fn a_circle_is_found_and_a_smaller_one_too() {
    breach("flow/rule.rs", "use super::Error;", "circle of flow, flow::rule");
    breach("sphinx/client.rs", "use super::text;", "circle of sphinx, sphinx::client");
    let more = "use crate::pages::page;";
    breach("words.rs", more, "circle of pages, words");
    let pair: &[&[&str]] = &[&["pages", "words"]];
    let allowed = Tables { debts: Debts { circles: pair, folder_circles: pair, ..DEBTS }, ..TABLES };
    assert!(!wrong(&allowed, "words.rs", more).iter().any(|line| line.contains("circle")));
    let larger: &[&[&str]] = &[&["flow", "pages", "words"]];
    let larger = Tables { debts: Debts { circles: larger, folder_circles: pair, ..DEBTS }, ..TABLES };
    assert!(wrong(&larger, "words.rs", more).iter().any(|line| line.contains("smaller than the list CIRCLES")));
    // a circle that has grown is reported once
    let words: &[&[&str]] = &[&["sphinx::client", "words"]];
    let grown = Tables { debts: Debts { circles: words, folder_circles: pair, ..DEBTS }, ..TABLES };
    let grown =
        wrong(&grown, "words.rs", "use crate::pages::page; use crate::sphinx::Client; fn f() { crate::flow::run() }");
    let complaints: Vec<&String> = grown.iter().filter(|line| line.contains("sphinx::client, words")).collect();
    assert!(matches!(&complaints[..], [line] if line.starts_with("circle of flow")), "{grown:#?}");
    mended(Debts { circles: pair, ..DEBTS }, "take it off the list CIRCLES");
    mended(Debts { folder_circles: pair, ..DEBTS }, "take it off the list FOLDER_CIRCLES");
}

#[test]
fn a_crate_outside_its_door_is_found() {
    breach("pages.rs", "use mysql::Conn;", "pages names mysql, whose one door is sphinx");
    breach("pages.rs", "fn f() { ::mysql::f() }", "pages names mysql");
    breach("pages.rs", "fn f() { let _ = vec![mysql::f()]; }", "pages names mysql");
    breach("pages.rs", "use jiff::tz;", "pages names jiff, which no further module may");
    mended(Debts { many_doors: &[("jiff", &["pages", "words"])], ..DEBTS }, "pages names jiff no longer; take it off");
    let open = wrong(&Tables { open: &[], ..TABLES }, "pages.rs", "");
    assert!(matches!(&open[..], [line] if line.contains("log must stand in one of DOORS")), "{open:#?}");
    let spare = wrong(&Tables { open: &["log", "spare"], ..TABLES }, "pages.rs", "");
    assert!(matches!(&spare[..], [line] if line.contains("spare: no dependency")), "{spare:#?}");
}

#[test]
fn a_statement_elsewhere_is_found() {
    let found = "pages: writes a statement for searchd";
    breach("pages.rs", "fn f() -> &'static str { \"SELECT 1\" }", found);
    breach("pages.rs", "fn f() -> String { format!(\"REPLACE INTO {}\", 1) }", found);
    breach("pages.rs", "const LIST: &[&str] = &[r#\"a DELETE FROM b\"#];", found);
    breach("pages.rs", "fn f() -> &'static [u8] { b\"SHOW TABLES\" }", found);
    mended(Debts { statements: &[("pages", 1)], ..DEBTS }, "pages: mended; take it off the list STATEMENTS");
}

#[test]
fn impure_items_are_found_under_any_name() {
    breach("words.rs", "fn f() { std::fs::read(\"x\").ok(); }", "words uses std::fs");
    breach("words.rs", "use std::{fs as files, io};", "words uses std::fs");
    breach("words.rs", "use std::time::Instant; fn f() { Instant::now(); }", "words uses std::time::Instant::now");
    breach("words.rs", "use std::time as t; fn f() { t::Instant::now(); }", "words uses std::time::Instant::now");
    breach("words.rs", "fn f(at: std::time::Instant) { at.elapsed(); }", "words uses .elapsed");
    breach("words.rs", "fn f(at: std::time::Instant) { assert!(at.elapsed() > at); }", "words uses .elapsed");
    breach("words.rs", "fn f() { println!(); }", "words uses println!");
    breach("words.rs", "use log::info;", "words uses log");
    breach("flow/rule.rs", "mod deep { fn f() { std::fs::read(\"x\").ok(); } }", "flow::rule uses std::fs");
    mended(Debts { impure: &[("words uses std::fs", 1)], ..DEBTS }, "take it off the list IMPURE");
}

#[test]
fn a_doubled_type_name_is_found() {
    breach("pages.rs", "struct Word;", "src/pages.rs:4, src/words.rs:5: Word");
    breach("pages.rs", "enum Rule {}", "Rule: a type's name");
    breach("pages.rs", "trait Rule {}", "Rule: a type's name");
    breach("pages.rs", "type Rule = u8;", "Rule: a type's name");
    mended(Debts { doubled_types: &[("Word", 2)], ..DEBTS }, "Word: mended; take it off");
}

#[test]
fn a_number_without_a_unit_is_found() {
    breach("pages.rs", "const MOST: u64 = 1;", "src/pages.rs:4: pages MOST");
    breach("pages.rs", "static KEEP: f64 = 1.0;", "pages KEEP");
    breach("pages.rs", "struct S; impl S { const FIRST: std::num::NonZeroUsize = todo!(); }", "pages FIRST");
    breach("pages.rs", "const WIDTHS: &[u32] = &[1];", "pages WIDTHS");
    mended(Debts { bare_constants: &[("pages MOST", 1)], ..DEBTS }, "pages MOST: mended");
}

#[test]
fn too_many_parameters_are_found() {
    breach(
        "pages.rs",
        "fn f(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8) {}",
        "src/pages.rs:4: pages: a function has more",
    );
    breach(
        "pages.rs",
        "trait T { fn f(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8); }",
        "pages: a function has more",
    );
    let fits = wrong(&TABLES, "pages.rs", "struct S; impl S { fn f(&self, a: u8, b: u8, c: u8, d: u8, e: u8) {} }");
    assert_eq!(fits, Vec::<String>::new());
    mended(Debts { many_parameters: &[("pages", 1)], ..DEBTS }, "pages: mended");
}

#[test]
fn a_long_file_is_found() {
    let function = "/// Documented.\n\nfn f() {\n    // a comment\n    g(\n    );\n}\n";
    breach("pages.rs", &function.repeat(100), "src/pages.rs:402: pages: more than 300 lines");
    let tests = format!("#[cfg(test)]\nmod tests {{ {} }}", function.repeat(100));
    assert_eq!(wrong(&TABLES, "pages.rs", &tests), Vec::<String>::new());
    mended(Debts { long_files: &[("pages", 1)], ..DEBTS }, "pages: mended");
}
