//! Rows and doors: which module may use which, and which crate is named where. The table is the architecture; a new file has
//! to be given its place in it.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// The longest prefix of a module's path counts. A module uses modules of its own row or of rows above, never below.
const ROWS: &[(&str, u8)] = &[
    // words
    ("record", 0),
    ("columns", 0),
    ("level", 0),
    ("number", 0),
    ("visible", 0),
    ("time", 0),
    ("metrics", 0),
    ("config", 0),
    ("users", 0),
    ("tls", 0),
    // documents and queries
    ("sphinx", 1),
    ("search::query", 1),
    ("search::link", 1),
    ("search::typed", 1),
    ("search::cursor", 1),
    // rules: pure
    ("sphinx::text", 2),
    ("sphinx::sphinxql", 2),
    ("sphinx::conf", 2),
    ("ingest::batch", 2),
    ("ingest::document", 2),
    ("ingest::outage", 2),
    ("ingest::redelivery", 2),
    ("sphinx::select", 2),
    ("search::pattern", 2),
    ("search::narrow", 2),
    ("search::parts", 2),
    ("search::filter", 2),
    ("search::plan", 2),
    ("search::arrivals", 2),
    ("shown", 2),
    ("http::pages", 2),
    ("http::assets", 2),
    // edges: one outside crate each
    ("dial", 3),
    ("ingest::broker", 3),
    ("ingest::chunk", 3),
    ("sphinx::engine", 3),
    ("values", 3),
    // flows
    ("ingest", 4),
    ("search", 4),
    ("rows", 5),
    ("http", 5),
    ("term", 5),
    ("term::check", 6),
    // the whole
    ("daemon", 6),
    ("housekeeping", 6),
    ("cli", 6),
    ("main", 7),
];

/// Crates, and where alone they may be named.
const DOORS: &[(&str, &str)] = &[
    ("amiquip", "ingest::broker"),
    ("mio", "ingest::broker"),
    ("url", "ingest::broker"),
    ("native_tls", "tls"),
    ("mysql", "sphinx::engine"),
    ("redis", "values"),
    ("tiny_http", "http"),
    ("flate2", "http::reply"),
    ("maud", "http::pages"),
    ("argh", "cli"),
    ("argh_complete", "cli::completion"),
    ("bcrypt", "users"),
    ("rpassword", "term::password"),
    ("ipnet", "config"),
    ("ctrlc", "daemon"),
    ("ureq", "term::grep::remote"),
    ("regex_syntax", "search"),
    ("regex_automata", "search::parts"),
];

/// What a pure module has no business with: clocks, sockets, files, threads.
const IMPURE: &str = r"Instant::now|SystemTime::now|std::fs|std::thread|Tcp(Stream|Listener)|Unix(Stream|Listener)|UdpSocket|elapsed\(\)";

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("below src").with_extension("");
                let module = name.to_string_lossy().replace('/', "::");
                let module = module.strip_suffix("::mod").unwrap_or(&module).to_owned();
                let text = fs::read_to_string(&path).expect("a source is text");
                // comments may name what they like, tests may use what they need
                let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
                found.push((module, code.join("\n")));
            }
        }
    }
    assert!(found.len() > 10, "the sources are found");
    found
}

fn row(module: &str) -> u8 {
    let inside = |prefix: &str| module == prefix || module.starts_with(&format!("{prefix}::"));
    let best = ROWS.iter().filter(|(prefix, _)| inside(prefix)).max_by_key(|(prefix, _)| prefix.len());
    best.unwrap_or_else(|| panic!("{module} has no place in the architecture: give it a row in tests/architecture.rs"))
        .1
}

/// `crate::a::{b, c::D}` names a::b and a::c::D.
fn uses(code: &str) -> Vec<String> {
    let braces = Regex::new(r"crate::((?:\w+::)*)\{([^}]*)\}").expect("a regex");
    let plain = Regex::new(r"crate::(\w+(?:::\w+)*)").expect("a regex");
    let mut found: Vec<String> = plain.captures_iter(code).map(|found| found[1].to_owned()).collect();
    for group in braces.captures_iter(code) {
        found.extend(group[2].split(',').map(|part| format!("{}{}", &group[1], part.trim())));
    }
    found
}

#[test]
fn data_goes_one_way() {
    let mut wrong = Vec::new();
    for (module, code) in sources() {
        for used in uses(&code) {
            let flows = |name: &str| ["ingest", "search", "http"].into_iter().find(|flow| name.starts_with(flow));
            let meets = flows(&module) == Some("ingest") && matches!(flows(&used), Some("search" | "http"));
            if !used.is_empty() && (row(&used) > row(&module) || meets) && !used.starts_with(&module) {
                wrong.push(format!("{module} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_outside_crate_has_one_door() {
    let mut wrong = Vec::new();
    for (module, code) in sources() {
        for (name, door) in DOORS {
            let named = Regex::new(&format!(r"\b{name}(::|!)")).expect("a regex").is_match(&code);
            if named && !(module == *door || module.starts_with(&format!("{door}::"))) {
                wrong.push(format!("{module} names {name}, whose door is {door}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pure_modules_take_no_clock_and_no_socket() {
    let impure = Regex::new(IMPURE).expect("a regex");
    let pure = |module: &str| row(module) <= 2 && module != "config::load" && module != "config";
    let wrong: Vec<String> = sources()
        .into_iter()
        .filter(|(module, code)| pure(module) && impure.is_match(code))
        .map(|(module, code)| format!("{module}: {}", &impure.find(&code).expect("just matched").as_str()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
