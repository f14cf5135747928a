//! The facts that the rules examine: the names, definitions and string literals of each file. Items under `#[cfg(test)]` and
//! comments are left out; the parser deals with strings, char literals and lifetimes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::Visit;

use crate::engine::reader::{Reader, for_tests};

/// The name of the crate's root file, here and in the table of rows.
pub const ROOT: &str = "main";

/// A line of a file of `Tree::files`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    pub file: usize,
    pub line: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// `use a::b`, and `pub use a::b`
    Import,
    /// in an expression, a type, a pattern, or the tokens of a macro
    Code,
}

/// A path as it is written, in the module in which it is written.
#[derive(Clone, Debug)]
pub struct Mention {
    pub scope: String,
    pub path: Vec<String>,
    pub place: Place,
    pub manner: Manner,
}

/// The meaning of a name in a module.
#[derive(Clone, Debug)]
pub enum Name {
    Module(String),
    Item,
    Import(Vec<String>),
}

/// A module's names: a file, or a `mod x { … }` inside of one.
#[derive(Default, Debug)]
pub struct Scope {
    pub file: usize,
    pub names: BTreeMap<String, Vec<Name>>,
    pub globs: Vec<Vec<String>>,
}

#[derive(Debug)]
pub struct Function {
    pub name: String,
    pub place: Place,
    /// without `self`
    pub parameters: usize,
    pub lines: usize,
}

#[derive(Debug)]
pub struct Constant {
    pub name: String,
    pub place: Place,
    /// an integer, a float, or an array of them
    pub number: bool,
}

#[derive(Default, Debug)]
pub struct File {
    /// `http::pages`, `main`
    pub module: String,
    /// `src/http/pages/mod.rs`
    pub path: String,
    /// Lines that hold code: no tests, no comments, no blank lines.
    pub code_lines: usize,
    pub opens_with_purpose: bool,
}

/// All facts that the rules examine, without those of tests.
#[derive(Default, Debug)]
pub struct Tree {
    pub files: Vec<File>,
    pub scopes: BTreeMap<String, Scope>,
    pub mentions: Vec<Mention>,
    pub strings: Vec<(Place, String)>,
    /// Methods and macros, as `.elapsed` and `println!`.
    pub calls: Vec<(Place, String)>,
    pub types: Vec<(Place, String)>,
    pub constants: Vec<Constant>,
    pub functions: Vec<Function>,
    /// `Result`s in the return types of functions, and whether their error is a `String`.
    pub results: Vec<bool>,
    /// Items with any `pub`, and whether they have a doc comment.
    pub public: Vec<bool>,
    pub traits: usize,
    /// Modules that are declared and have no file.
    pub missing: Vec<(Place, String)>,
}

impl Tree {
    /// `path` is the path below `src/`.
    pub fn new(sources: &[(String, String)]) -> Tree {
        let mut tree = Tree::default();
        let mut tests: BTreeSet<String> = BTreeSet::new();
        let mut parsed = Vec::new();
        for (path, text) in sources {
            let module = module_of(path);
            let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("src/{path}: {error}"));
            parsed.push((module, path, text, syntax));
        }
        let known: BTreeSet<String> = parsed.iter().map(|(module, ..)| module.clone()).collect();
        // parents first, so that a file below `#[cfg(test)] mod x;` is known to be a test's
        parsed.sort_by_key(|(module, ..)| (module != ROOT, module.matches("::").count(), module.clone()));
        for (module, path, text, syntax) in &parsed {
            if tests.iter().any(|test| inside(module, test)) || syntax.attrs.iter().any(for_tests) {
                tests.insert(module.clone());
                continue;
            }
            let file = tree.files.len();
            tree.files.push(File {
                module: module.clone(),
                path: format!("src/{path}"),
                opens_with_purpose: text.starts_with("//!"),
                ..File::default()
            });
            tree.scopes.insert(module.clone(), Scope { file, ..Scope::default() });
            let mut reader = Reader::new(&mut tree, file, &known, &mut tests);
            reader.visit_file(syntax);
            let code_lines = reader.code_lines(text);
            tree.files[file].code_lines = code_lines;
        }
        tree
    }

    pub fn at(&self, place: Place) -> String {
        format!("{}:{}", self.files[place.file].path, place.line)
    }
}

/// The files of a folder, by their path below it.
pub fn read(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder of sources can be read") {
            let path = entry.expect("a folder of sources can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(folder).expect("below the folder").to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).expect("a source is text")));
            }
        }
    }
    found.sort();
    found
}

/// Whether a module is `prefix` or below it; everything is below the empty prefix.
pub fn inside(module: &str, prefix: &str) -> bool {
    prefix.is_empty() || module.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

pub fn child(parent: &str, name: &str) -> String {
    if parent == ROOT { name.to_owned() } else { format!("{parent}::{name}") }
}

pub fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or(ROOT, |(parent, _)| parent)
}

fn module_of(path: &str) -> String {
    let module = path.strip_suffix(".rs").unwrap_or(path).replace('/', "::");
    module.strip_suffix("::mod").unwrap_or(&module).to_owned()
}
