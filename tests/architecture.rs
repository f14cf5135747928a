//! Rows and doors: the modules that a module may use, and the one place that may name a crate. The tables are the architecture: a
//! new file needs a place in them. The engine in tests/architecture/ reads the sources and finds the breaches.
//! tests/architecture/debts.rs lists today's breaches; its lists may only shrink.

#[path = "architecture/mod.rs"]
mod engine;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use engine::debts::DEBTS;
use engine::edges::Edges;
use engine::rules::{self, Tables};
use engine::source::{self, Tree};

/// The longest prefix of a module's path counts. A module uses modules of its own row or of rows above, never below.
const ROWS: &[(&str, u8)] = &[
    // words
    ("time", 0),
    ("metrics", 0),
    ("net", 0),
    ("config", 0),
    ("users_file", 0),
    ("threads", 0),
    // records and queries
    ("record", 1),
    ("query", 1),
    // rules: pure
    ("sphinx", 2),
    ("ingest::acks", 2),
    ("ingest::body", 2),
    ("ingest::day_schemas", 2),
    ("ingest::document", 2),
    ("ingest::fill", 2),
    ("ingest::outage", 2),
    ("ingest::prefetch", 2),
    ("ingest::statements", 2),
    ("ingest::redelivery", 2),
    ("ingest::seen", 2),
    ("redis::keys", 2),
    ("redis::stored", 2),
    ("search::hit", 2),
    ("search::pattern", 2),
    ("search::pattern_counts", 2),
    ("search::pattern_list", 2),
    ("search::filter", 2),
    ("search::filter_asking", 2),
    ("search::plan", 2),
    ("search::follow::arrivals", 2),
    ("render", 2),
    ("http::pages", 2),
    ("http::assets", 2),
    // edges: one outside crate each
    ("rabbitmq", 3),
    ("redis", 3),
    ("sphinx::client", 3),
    ("sphinx::pool", 3),
    // flows
    ("ingest", 4),
    ("search", 4),
    // the callers of the flows
    ("http", 5),
    ("housekeeping", 5),
    // the whole, which is one of the commands
    ("daemon", 6),
    ("commands", 6),
    ("main", 7),
];

/// Modules that never use each other: collecting and searching do not know each other, nor their callers.
const STRANGERS: &[(&str, &str)] = &[
    ("ingest", "search"),
    ("ingest", "http"),
    ("ingest", "commands"),
    ("search", "ingest"),
    ("search", "http"),
    ("search", "commands"),
    ("http", "ingest"),
    ("http", "commands"),
];

/// Crates, and the only module that may name each. A crate without such a module yet is in `debts::MANY_DOORS`.
const DOORS: &[(&str, &str)] = &[
    ("amiquip", "rabbitmq"),
    ("mio", "rabbitmq"),
    ("url", "rabbitmq"),
    ("native_tls", "net::tls"),
    ("redis", "redis"),
    ("ruzstd", "ingest::body::unpack"),
    ("memchr", "ingest::body::pieces"),
    ("tiny_http", "http::server"),
    ("httparse", "http::server::request_head"),
    ("httpdate", "http::server"),
    ("form_urlencoded", "query::url"),
    ("maud", "http::pages"),
    ("argh", "commands"),
    ("argh_complete", "commands::completion"),
    ("bcrypt", "users_file"),
    ("rpassword", "commands::passwd"),
    ("ipnet", "config"),
    ("ctrlc", "daemon"),
    ("heap_trim", "daemon"),
    ("ureq", "commands::grep::remote"),
    ("regex_syntax", "search::pattern"),
    ("regex_automata", "search::pattern::matches"),
    ("regex", "search"),
    ("env_logger", "main"),
    ("indicatif", "commands::send"),
];

/// Crates that any module may name, as if they were part of the language. A pure module does not use `log` even so.
const OPEN: &[&str] = &["log"];

/// The longest prefix of a module's path counts; a module below none of them is not pure.
const PURE: &[(&str, bool)] = &[
    ("time", true),
    ("metrics", true),
    ("net::tls", true),
    // obstacles and peer_waits: a lock, and nothing else
    ("metrics::obstacles", false),
    ("metrics::peer_waits", false),
    ("config", true),
    ("config::files", false),
    ("users_file", true),
    ("record", true),
    ("query", true),
    ("sphinx", true),
    ("sphinx::client", false),
    ("sphinx::pool", false),
    ("sphinx::client::packets", true),
    ("sphinx::client::row", true),
    ("ingest::acks", true),
    ("ingest::body", true),
    ("rabbitmq::dead_letter", true),
    ("rabbitmq::frames", true),
    ("rabbitmq::properties", true),
    ("ingest::day_schemas", true),
    ("ingest::document", true),
    ("ingest::fill", true),
    ("ingest::outage", true),
    ("ingest::prefetch", true),
    ("ingest::redelivery", true),
    ("ingest::seen", true),
    ("redis::keys", true),
    ("redis::stored", true),
    ("search::hit", true),
    ("search::pattern", true),
    ("search::pattern_counts", true),
    ("search::pattern_list", true),
    ("search::filter", true),
    ("search::filter_asking", true),
    ("search::plan", true),
    ("search::follow::arrivals", true),
    ("render", true),
    ("http::pages", true),
    ("http::assets", true),
];

/// A pure module uses none of these: clocks, sockets, files, threads, the environment, processes, the log, locks, chance.
const IMPURE: &[&str] = &[
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "jiff::tz::TimeZone::system",
    ".elapsed",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::os::unix::net",
    "std::fs",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "std::thread",
    "std::env",
    "std::process",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::Condvar",
    "std::sync::mpsc",
    "crossbeam_channel",
    "log",
    "fastrand",
    "nix",
];

const TABLES: Tables = Tables {
    rows: ROWS,
    strangers: STRANGERS,
    doors: DOORS,
    open: OPEN,
    pure: PURE,
    impure: IMPURE,
    statements: "sphinx",
    debts: DEBTS,
};

/// Read once for all tests.
static TREE: LazyLock<(Tree, Edges)> = LazyLock::new(|| {
    let tree = Tree::new(&source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")));
    let edges = Edges::of(&tree);
    (tree, edges)
});

/// The crates of Cargo.toml's [dependencies], as sources name them.
fn dependencies() -> Vec<String> {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("Cargo.toml is there");
    let section =
        text.lines().skip_while(|line| *line != "[dependencies]").skip(1).take_while(|line| !line.starts_with('['));
    let names = section.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| name.replace('-', "_")).collect()
}

#[track_caller]
fn check(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} breaches of the architecture:\n    {}\n", wrong.len(), wrong.join("\n    "));
}

#[test]
fn every_path_of_ours_can_be_followed() {
    let (tree, edges) = &*TREE;
    check(&rules::paths_resolve(tree, edges));
    assert!(tree.files.len() > 10 && edges.inner.len() > 100, "the sources are found");
}

#[test]
fn data_goes_one_way() {
    let (tree, edges) = &*TREE;
    check(&rules::rows(tree, edges, &TABLES));
}

#[test]
fn collecting_and_searching_never_meet() {
    let (tree, edges) = &*TREE;
    check(&rules::strangers(tree, edges, &TABLES));
}

#[test]
fn files_do_not_use_each_other_in_circles() {
    let (tree, edges) = &*TREE;
    check(&rules::no_circles(tree, edges, &TABLES));
}

#[test]
fn folders_do_not_use_each_other_in_circles() {
    let (tree, edges) = &*TREE;
    check(&rules::no_folder_circles(tree, edges, &TABLES));
}

#[test]
fn each_outside_crate_has_one_door() {
    let (tree, edges) = &*TREE;
    check(&rules::doors(tree, edges, &TABLES, &dependencies()));
}

#[test]
fn statements_stand_in_one_place() {
    check(&rules::statements(&TREE.0, &TABLES));
}

#[test]
fn pure_modules_take_no_clock_and_no_socket() {
    let (tree, edges) = &*TREE;
    check(&rules::purity(tree, edges, &TABLES));
}

#[test]
fn a_type_name_is_used_once() {
    check(&rules::type_names(&TREE.0, &TABLES));
}

#[test]
fn a_number_has_a_unit_in_its_name() {
    check(&rules::constant_names(&TREE.0, &TABLES));
}

#[test]
fn a_function_has_at_most_five_parameters() {
    check(&rules::parameters(&TREE.0, &TABLES));
}

#[test]
fn a_file_is_short_enough_for_one_sitting() {
    check(&rules::lengths(&TREE.0, &TABLES));
}
