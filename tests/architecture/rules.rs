//! The rules. Each returns a line for every breach: the place, the fault, and the cure.
//!
//! Today's breaches are in lists that may only shrink: more breaches than a list allows are a breach, and fewer are one too, since
//! the list must then be shortened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::engine::circles::{Graph, circles};
use crate::engine::edges::{Edge, Edges};
use crate::engine::source::{Place, Tree, inside};

/// A file with more lines of code must be split.
const MAX_FILE_LINES: usize = 300;
/// A function with more parameters needs a struct.
const MAX_PARAMETERS: usize = 5;
/// The one type name that each module may have for itself.
const SHARED_TYPE: &str = "Error";

/// A list of today's breaches by name, and their numbers.
pub type Debt = &'static [(&'static str, usize)];

/// The architecture as data.
#[derive(Clone, Copy, Default)]
pub struct Tables {
    /// prefix of modules, row
    pub rows: &'static [(&'static str, u8)],
    /// user, used
    pub strangers: &'static [(&'static str, &'static str)],
    /// crate, the module that alone may name it, with all below it
    pub doors: &'static [(&'static str, &'static str)],
    /// crates that any module may name
    pub open: &'static [&'static str],
    /// prefix of modules, whether they are pure
    pub pure: &'static [(&'static str, bool)],
    /// paths of other crates, `.methods` and `macros!` that a pure module must not use
    pub impure: &'static [&'static str],
    /// the modules that may write statements for searchd
    pub statements: &'static str,
    pub debts: Debts,
}

/// The lists that may only shrink.
#[derive(Clone, Copy, Default)]
pub struct Debts {
    pub circles: &'static [&'static [&'static str]],
    pub folder_circles: &'static [&'static [&'static str]],
    /// crates without a single door yet, and the modules that name each
    pub many_doors: &'static [(&'static str, &'static [&'static str])],
    pub statements: Debt,
    pub impure: Debt,
    pub doubled_types: Debt,
    pub bare_constants: Debt,
    pub many_parameters: Debt,
    pub long_files: Debt,
}

/// The breaches that were found, by name, and their places.
#[derive(Default)]
struct Found(BTreeMap<String, Vec<Place>>);

impl Found {
    fn add(&mut self, name: String, place: Place) {
        self.0.entry(name).or_default().push(place);
    }

    fn against(self, tree: &Tree, list: &str, debt: Debt, rule: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, places) in &self.0 {
            let allowed = debt.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count);
            if places.len() > allowed {
                let places: Vec<String> = places.iter().map(|place| tree.at(*place)).collect();
                let today = if allowed > 0 { format!(" ({allowed} allowed)") } else { String::new() };
                wrong.push(format!("{}: {name}{today}: {rule}", places.join(", ")));
            }
        }
        for (name, allowed) in debt {
            let count = self.0.get(*name).map_or(0, Vec::len);
            if count == 0 {
                wrong.push(format!("{name}: mended; take it off the list {list}"));
            } else if count < *allowed {
                wrong.push(format!("{name}: better than the list {list} allows; lower {allowed} to {count}"));
            }
        }
        wrong
    }
}

/// The value of the longest prefix of the module.
fn longest<T: Copy>(module: &str, table: &[(&str, T)]) -> Option<T> {
    let fits = table.iter().filter(|(prefix, _)| inside(module, prefix));
    fits.max_by_key(|(prefix, _)| prefix.len()).map(|(_, value)| *value)
}

/// Every path of ours leads to an item, and every `mod x;` has its file; otherwise the other rules would miss breaches.
pub fn paths_resolve(tree: &Tree, edges: &Edges) -> Vec<String> {
    let lost =
        edges.lost.iter().map(|(place, path)| (place, format!("'{path}' leads to no item that the sources define")));
    let missing = tree.missing.iter().map(|(place, path)| (place, format!("module {path} has no file")));
    lost.chain(missing)
        .map(|(place, what)| format!("{}: {what}: write the path so that it can be followed", tree.at(*place)))
        .collect()
}

/// A module uses only rows above or its own.
pub fn rows(tree: &Tree, edges: &Edges, tables: &Tables) -> Vec<String> {
    let row = |file: usize| longest(&tree.files[file].module, tables.rows);
    let mut wrong: Vec<String> = (0..tree.files.len())
        .filter(|file| row(*file).is_none())
        .map(|file| {
            format!(
                "{}: {} has no place in the architecture: give it a row",
                tree.files[file].path, tree.files[file].module
            )
        })
        .collect();
    for (prefix, row) in tables.rows {
        if !tree.files.iter().any(|file| inside(&file.module, prefix)) {
            wrong.push(format!("row {row}: {prefix} has no file: take it off the table"));
        }
    }
    for Edge { place, to, .. } in &edges.inner {
        let (Some(own), Some(other)) = (row(place.file), row(*to)) else { continue };
        if other > own {
            let (user, used) = (&tree.files[place.file].module, &tree.files[*to].module);
            wrong.push(format!(
                "{}: {user} (row {own}) uses {used} (row {other}): a module uses only rows above or its own; move what it needs up, or hand it in",
                tree.at(*place)
            ));
        }
    }
    wrong
}

/// The flows never meet.
pub fn strangers(tree: &Tree, edges: &Edges, tables: &Tables) -> Vec<String> {
    let meets =
        |user: &str, used: &str| tables.strangers.iter().any(|(one, other)| inside(user, one) && inside(used, other));
    let named =
        edges.inner.iter().map(|edge| (edge.place, &tree.files[edge.place.file].module, &tree.files[edge.to].module));
    named
        .filter(|(_, user, used)| meets(user, used))
        .map(|(place, user, used)| {
            format!("{}: {user} uses {used}: the two never meet; what both need stands below both", tree.at(place))
        })
        .collect()
}

/// No file uses itself through other files.
pub fn no_circles(tree: &Tree, edges: &Edges, tables: &Tables) -> Vec<String> {
    let names: Vec<&str> = tree.files.iter().map(|file| file.module.as_str()).collect();
    circles_of(tree, edges, &names, "CIRCLES", tables.debts.circles)
}

/// No folder of src/ and no file directly in it uses itself through others; `main` is above all.
pub fn no_folder_circles(tree: &Tree, edges: &Edges, tables: &Tables) -> Vec<String> {
    let names: Vec<&str> = tree.files.iter().map(|file| file.module.split("::").next().unwrap_or_default()).collect();
    circles_of(tree, edges, &names, "FOLDER_CIRCLES", tables.debts.folder_circles)
}

/// `names` are the nodes: one for each file, and files of one name are one node.
fn circles_of(tree: &Tree, edges: &Edges, names: &[&str], list: &str, debt: &[&[&str]]) -> Vec<String> {
    let node = |file: usize| names.iter().position(|name| *name == names[file]).expect("a file's own name is there");
    let used = || edges.inner.iter().filter(|edge| edge.uses && names[edge.place.file] != names[edge.to]);
    let mut graph = Graph::new();
    for edge in used() {
        graph.entry(node(edge.place.file)).or_default().insert(node(edge.to));
    }
    let mut allowed: Vec<BTreeSet<&str>> = debt.iter().map(|circle| circle.iter().copied().collect()).collect();
    let joined = |circle: &BTreeSet<&str>| circle.iter().copied().collect::<Vec<&str>>().join(", ");
    let mut wrong = Vec::new();
    let found: Vec<BTreeSet<&str>> =
        circles(&graph).iter().map(|circle| circle.iter().map(|node| names[*node]).collect()).collect();
    for members in &found {
        if let Some(at) = allowed.iter().position(|known| known == members) {
            allowed.remove(at);
            continue;
        }
        if allowed.iter().any(|known| members.is_subset(known)) {
            wrong.push(format!(
                "circle of {}: smaller than the list {list} allows; put this in its place",
                joined(members)
            ));
            continue;
        }
        let mut ways = BTreeMap::new();
        for edge in used().filter(|edge| members.contains(names[edge.place.file]) && members.contains(names[edge.to])) {
            ways.entry((names[edge.place.file], names[edge.to])).or_insert_with(|| tree.at(edge.place));
        }
        let ways: Vec<String> = ways.iter().map(|((_, used), at)| format!("\n        {at} uses {used}")).collect();
        let cure = "move what they share below them; they use each other at";
        wrong.push(format!("circle of {}: {cure}{}", joined(members), ways.concat()));
    }
    // a circle that has grown or shrunk is reported already
    for gone in allowed.iter().filter(|known| !found.iter().any(|now| now.is_superset(known) || now.is_subset(known))) {
        wrong.push(format!("circle of {}: opened; take it off the list {list}", joined(gone)));
    }
    wrong
}

/// Each outside crate is named in its one place. `dependencies` are those of Cargo.toml.
pub fn doors(tree: &Tree, edges: &Edges, tables: &Tables, dependencies: &[String]) -> Vec<String> {
    let Tables { doors, open, debts: Debts { many_doors, .. }, .. } = tables;
    let named = |name: &str| -> BTreeMap<&str, Place> {
        let places = edges.outer.iter().rev().filter(|outer| outer.direct && inside(&outer.path, name));
        places.map(|outer| (tree.files[outer.place.file].module.as_str(), outer.place)).collect()
    };
    let mut wrong = Vec::new();
    for name in dependencies {
        let lists = [
            doors.iter().any(|(door, _)| door == name),
            open.contains(&name.as_str()),
            many_doors.iter().any(|(door, _)| door == name),
        ];
        if lists.iter().filter(|listed| **listed).count() != 1 {
            wrong.push(format!(
                "Cargo.toml: {name} must stand in one of DOORS, OPEN and MANY_DOORS: say where alone it may be named"
            ));
        }
        if named(name).is_empty() {
            wrong.push(format!("Cargo.toml: {name} is named in no source: take it out"));
        }
    }
    let tabled = doors.iter().map(|(name, _)| name).chain(*open).chain(many_doors.iter().map(|(name, _)| name));
    for name in tabled.filter(|name| !dependencies.iter().any(|known| known == *name)) {
        wrong.push(format!("{name}: no dependency of Cargo.toml: take it off the table of doors"));
    }
    for (name, door) in *doors {
        for (module, place) in named(name).into_iter().filter(|(module, _)| !inside(module, door)) {
            wrong.push(format!("{}: {module} names {name}, whose one door is {door}: ask the door", tree.at(place)));
        }
    }
    for (name, modules) in *many_doors {
        let named = named(name);
        for (module, place) in named.iter().filter(|(module, _)| !modules.contains(module)) {
            wrong.push(format!(
                "{}: {module} names {name}, which no further module may: use what is there",
                tree.at(*place)
            ));
        }
        for module in modules.iter().filter(|module| !named.contains_key(**module)) {
            wrong.push(format!("{module} names {name} no longer; take it off the list MANY_DOORS"));
        }
    }
    wrong
}

/// A statement for searchd: its first words, in upper case.
static STATEMENT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:(?:SELECT|DESCRIBE|SHOW|FLUSH|OPTIMIZE|TRUNCATE|ATTACH|CALL|UPDATE) |(?:REPLACE|INSERT) INTO\b|DELETE FROM\b|(?:CREATE|DROP|ALTER) TABLE\b)")
        .expect("a regex")
});

/// Only one place has the text of statements.
pub fn statements(tree: &Tree, tables: &Tables) -> Vec<String> {
    let mut found = Found::default();
    for (place, text) in &tree.strings {
        let module = &tree.files[place.file].module;
        if STATEMENT.is_match(text) && !inside(module, tables.statements) {
            found.add(module.clone(), *place);
        }
    }
    let rule = format!("writes a statement for searchd: that is the business of {} alone", tables.statements);
    found.against(tree, "STATEMENTS", tables.debts.statements, &rule)
}

/// Pure modules take no clock, socket, file, thread, environment, process, log or lock.
pub fn purity(tree: &Tree, edges: &Edges, tables: &Tables) -> Vec<String> {
    let mut found = Found::default();
    let pure = |place: &Place| longest(&tree.files[place.file].module, tables.pure).unwrap_or(false);
    let calls = tree.calls.iter().map(|(place, name)| (place, name.clone()));
    let paths = edges.outer.iter().map(|outer| (&outer.place, outer.path.clone()));
    let mut lines = BTreeSet::new();
    for (place, path) in paths.chain(calls).filter(|(place, _)| pure(place)) {
        // an import and each use of it are one breach
        let Some(known) = tables.impure.iter().find(|known| inside(&path, known)) else { continue };
        if lines.insert((place.file, *known)) {
            found.add(format!("{} uses {known}", tree.files[place.file].module), *place);
        }
    }
    found.against(
        tree,
        "IMPURE",
        tables.debts.impure,
        "a pure module takes it as an argument, or is moved to another row",
    )
}

/// A type's name is used once in the tree.
pub fn type_names(tree: &Tree, tables: &Tables) -> Vec<String> {
    let mut found = Found::default();
    for (place, name) in tree.types.iter().filter(|(_, name)| name != SHARED_TYPE) {
        found.add(name.clone(), *place);
    }
    found.0.retain(|_, places| places.len() > 1);
    found.against(
        tree,
        "DOUBLED_TYPES",
        tables.debts.doubled_types,
        "a type's name is used once in the tree: name it for what it is here",
    )
}

/// A number has its unit in its name: `MIN_SLICE_MICROS`, not `SHORTEST`.
pub fn constant_names(tree: &Tree, tables: &Tables) -> Vec<String> {
    let mut found = Found::default();
    for constant in tree.constants.iter().filter(|constant| constant.number && !constant.name.contains('_')) {
        found.add(format!("{} {}", tree.files[constant.place.file].module, constant.name), constant.place);
    }
    found.against(
        tree,
        "BARE_CONSTANTS",
        tables.debts.bare_constants,
        "a number's name holds its unit, or its type does (Duration)",
    )
}

/// A function has few parameters.
pub fn parameters(tree: &Tree, tables: &Tables) -> Vec<String> {
    let mut found = Found::default();
    for function in tree.functions.iter().filter(|function| function.parameters > MAX_PARAMETERS) {
        found.add(tree.files[function.place.file].module.clone(), function.place);
    }
    let rule = format!("a function has more than {MAX_PARAMETERS} parameters: give it a struct with named fields");
    found.against(tree, "MANY_PARAMETERS", tables.debts.many_parameters, &rule)
}

/// A file is short enough to be read at one sitting.
pub fn lengths(tree: &Tree, tables: &Tables) -> Vec<String> {
    let mut found = Found::default();
    for (at, file) in tree.files.iter().enumerate().filter(|(_, file)| file.code_lines > MAX_FILE_LINES) {
        found.add(file.module.clone(), Place { file: at, line: file.code_lines });
    }
    let rule = format!(
        "more than {MAX_FILE_LINES} lines of code (their number stands after the colon): split it by what it is for"
    );
    found.against(tree, "LONG_FILES", tables.debts.long_files, &rule)
}
