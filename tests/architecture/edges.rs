//! The edges from file to file: each path is followed to the file that defines the item.
//!
//! An import by way of a re-export is an edge to the file that defines the name, not to the one that re-exports it; so a `mod.rs`
//! that only re-exports is in no circle. `pub use` is an edge as `use` is: if a file re-exports an item of its child, and the child
//! uses an item of that file, the two are a circle. An import of a module is an edge for the rows only; for the circles, the items
//! that are used from it count. `mod x;` is not an edge. Methods and fields have no path, and the engine does not see them.

use std::collections::BTreeSet;

use crate::engine::source::{Manner, Mention, Name, Place, ROOT, Tree, parent};

/// Deeper than any chain of re-exports; a circle of them must end too.
const MAX_RE_EXPORTS: usize = 16;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Edge {
    pub place: Place,
    /// an index into `Tree::files`, as `place.file` is
    pub to: usize,
    /// an edge for the circles too, not for the rows only
    pub uses: bool,
}

/// A path into another crate, with the imports written out: `std::time::Instant::now`.
#[derive(Debug)]
pub struct Outer {
    pub place: Place,
    pub path: String,
    /// true if the file names the crate itself; false if another file of ours, the door, re-exports the name
    pub direct: bool,
}

#[derive(Default, Debug)]
pub struct Edges {
    pub inner: Vec<Edge>,
    pub outer: Vec<Outer>,
    /// Paths of our own that the engine cannot follow.
    pub lost: Vec<(Place, String)>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Item(usize),
    Module(usize),
    /// and the file that leaves our sources
    Outer(String, usize),
    Lost,
}

impl Edges {
    pub fn of(tree: &Tree) -> Edges {
        let mut inner = BTreeSet::new();
        let mut found = Edges::default();
        for mention in &tree.mentions {
            let single = mention.path.len() == 1;
            for end in resolve(tree, &mention.scope, &mention.path, 0) {
                let (to, module) = match end {
                    End::Item(to) => (to, false),
                    End::Module(to) => (to, true),
                    // a single word that is not imported is a local, or a name of the prelude
                    End::Outer(path, _) if single && !path.contains("::") && mention.manner == Manner::Code => continue,
                    End::Outer(path, file) => {
                        let Mention { place, .. } = *mention;
                        found.outer.push(Outer { place, path, direct: file == place.file });
                        continue;
                    }
                    End::Lost => {
                        found.lost.push((mention.place, mention.path.join("::")));
                        continue;
                    }
                };
                // a module is not a value: a single word in code with a module's name is a local
                if to != mention.place.file && !(single && module && mention.manner == Manner::Code) {
                    inner.insert(Edge { place: mention.place, to, uses: !module });
                }
            }
        }
        found.inner = inner.into_iter().collect();
        found
    }
}

/// A name may be a module, a type and a function at once: returns all of these.
fn resolve(tree: &Tree, scope: &str, path: &[String], depth: usize) -> BTreeSet<End> {
    let (Some(first), Some(scoped)) = (path.first(), tree.scopes.get(scope)) else { return BTreeSet::new() };
    let file = scoped.file;
    match first.as_str() {
        "Self" => BTreeSet::new(),
        "" => BTreeSet::from([End::Outer(path[1..].join("::"), file)]),
        "crate" => walk(tree, ROOT, &path[1..], depth),
        "self" => walk(tree, scope, &path[1..], depth),
        "super" => {
            let mut above = parent(scope);
            let mut rest = &path[1..];
            while rest.first().is_some_and(|next| next == "super") {
                above = parent(above);
                rest = &rest[1..];
            }
            walk(tree, above, rest, depth)
        }
        _ => {
            let found = walk(tree, scope, path, depth);
            let known: BTreeSet<End> = found.into_iter().filter(|end| *end != End::Lost).collect();
            if known.is_empty() { BTreeSet::from([End::Outer(path.join("::"), file)]) } else { known }
        }
    }
}

fn walk(tree: &Tree, module: &str, path: &[String], depth: usize) -> BTreeSet<End> {
    let Some(scope) = tree.scopes.get(module) else { return BTreeSet::from([End::Lost]) };
    let Some((first, rest)) = path.split_first() else { return BTreeSet::from([End::Module(scope.file)]) };
    if first == "self" && rest.is_empty() {
        return BTreeSet::from([End::Module(scope.file)]);
    }
    if depth > MAX_RE_EXPORTS {
        return BTreeSet::from([End::Lost]);
    }
    let mut ends = BTreeSet::new();
    for name in scope.names.get(first).into_iter().flatten() {
        match name {
            Name::Item => ends.extend([End::Item(scope.file)]),
            Name::Module(inner) => ends.extend(walk(tree, inner, rest, depth)),
            // `use log::…` in a module with a child `log` would not compile: the first word of an import is not the import itself
            Name::Import(target) if target.first() == Some(first) && target.len() == 1 => {
                ends.insert(End::Outer(path.join("::"), scope.file));
            }
            Name::Import(target) => ends.extend(resolve(tree, module, &[target, rest].concat(), depth + 1)),
        }
    }
    if ends.iter().any(|end| *end != End::Lost) {
        ends.remove(&End::Lost);
        return ends;
    }
    for glob in &scope.globs {
        let inner = glob.first().is_some_and(|first| {
            ["crate", "self", "super"].contains(&first.as_str()) || scope.names.contains_key(first)
        });
        if inner {
            let through = resolve(tree, module, &[glob, path].concat(), depth + 1);
            ends.extend(through.into_iter().filter(|end| *end != End::Lost));
        }
    }
    if ends.iter().all(|end| *end == End::Lost) { BTreeSet::from([End::Lost]) } else { ends }
}
