//! Today's breaches. Each list may only shrink: a test fails for a breach that is not on it, and for one that is mended and still
//! on it.

use crate::engine::rules::{Debt, Debts};

pub const DEBTS: Debts = Debts {
    circles: CIRCLES,
    folder_circles: FOLDER_CIRCLES,
    many_doors: MANY_DOORS,
    statements: STATEMENTS,
    impure: IMPURE,
    doubled_types: DOUBLED_TYPES,
    bare_constants: BARE_CONSTANTS,
    many_parameters: MANY_PARAMETERS,
    long_files: LONG_FILES,
};

/// Files that use each other in a circle.
const CIRCLES: &[&[&str]] = &[];

/// Folders of src/, and files directly in it, that use each other in a circle.
const FOLDER_CIRCLES: &[&[&str]] = &[];

/// Crates without a single door yet, and the modules that name each.
const MANY_DOORS: &[(&str, &[&str])] = &[
    ("base64", &["http::auth", "record::bytes", "commands::grep::remote::login"]),
    (
        "crossbeam_channel",
        &[
            "daemon",
            "housekeeping",
            "http",
            "http::routes::follow",
            "http::server::gate",
            "http::site",
            "ingest::servers",
            "ingest::worker",
            "rabbitmq",
            "rabbitmq::publisher",
            "threads",
        ],
    ),
    // answers are packed, bodies are unpacked
    ("flate2", &["http::body", "ingest::body::unpack"]),
    ("fastrand", &["daemon", "http::server::socket", "ingest::outage"]),
    (
        "jiff",
        &[
            "commands::grep::printer",
            "commands::grep::remote",
            "commands::grep::source",
            "config::sections::http",
            "config::sections::index",
            "http::pages::histogram",
            "http::pages::line",
            "http::pages::log::view",
            "http::pages::record",
            "http::request",
            "query",
            "query::edit",
            "record",
            "render",
            "search",
            "search::plan",
            "search::scope",
            "time::instant",
            "time::sent",
            "time::when",
        ],
    ),
    (
        "nix",
        &[
            "housekeeping::served_days",
            "net::host",
            "http::server::stop",
            "http::server::socket",
            "commands::check::files",
            "commands::grep",
            "commands::grep::pager",
        ],
    ),
    (
        "percent_encoding",
        &[
            "commands::grep::args",
            "commands::grep::remote::login",
            "config::secret",
            "http::pages::links",
            "http::request",
            "query::url",
            "rabbitmq::connect",
        ],
    ),
    (
        "serde",
        &[
            "record::json",
            "http::routes::monitoring",
            "http::routes::api",
            "search::stats::column_values",
            "commands::check::report",
            "commands::grep::remote",
        ],
    ),
    (
        "serde_json",
        &[
            "record::json",
            "http::routes::monitoring",
            "http::routes::api",
            "ingest::seen",
            "record",
            "search::stats::column_values",
            "sphinx::attributes",
            "commands::check::report",
            "commands::grep::remote",
            "commands::send",
        ],
    ),
    ("xxhash_rust", &["http::assets", "http::response", "record::digest"]),
];

/// Modules that write statements for searchd, and the number of these.
const STATEMENTS: Debt = &[];

/// Pure modules, and the impure item that each uses.
const IMPURE: Debt = &[("ingest::outage uses fastrand", 1), ("search::pattern::matches uses std::sync::Mutex", 1)];

/// Names of types that are used more than once, and the number of their types.
const DOUBLED_TYPES: Debt = &[];

/// Constants that are numbers, with no unit in their name.
const BARE_CONSTANTS: Debt = &[];

/// Modules, and the number of their functions with more than five parameters.
const MANY_PARAMETERS: Debt = &[];

/// Files that need to be split.
const LONG_FILES: Debt = &[];
