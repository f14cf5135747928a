//! The manual pages are well-formed and complete: they have each command and option of the binary and each key of
//! alco.ini.example with its default, and no others.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{ALCO, ROOT};

const PAGES: [&str; 2] = ["man/alco.1", "man/alco.ini.5"];

#[test]
fn mandoc_lint_finds_nothing() {
    for page in PAGES {
        let path = Path::new(ROOT).join(page);
        let output = Command::new("mandoc").args(["-T", "lint"]).arg(path).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        // the manual pages that these refer to may be missing on this host
        let wrong: Vec<&str> = said.lines().filter(|line| !line.contains("referenced manual not found")).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// The text below a heading, to the next.
#[track_caller]
fn below<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("no '{heading}'"));
    rest.split("\n.S").next().unwrap()
}

/// The text of `alco COMMAND --help`, or of `alco --help`.
fn help(command: &[&str]) -> String {
    let output = Command::new(ALCO).args(command).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that `alco --help` lists.
#[track_caller]
fn commands() -> Vec<String> {
    let help = help(&[]);
    let listed = help.split("\nCommands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let lines = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let commands: Vec<String> = lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert!(commands.iter().any(|command| command == "run"), "{help}");
    commands
}

/// The options that --help lists: `-k`, `--routing-key`.
fn options_of_help(command: &[&str]) -> BTreeSet<String> {
    let help = help(command);
    let options = help.split("\nOptions:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let words = options.lines().filter(|line| line.starts_with("  -")).flat_map(|line| line.split_whitespace().take(2));
    let options = words.map(|word| word.trim_end_matches(',')).filter(|word| word.starts_with('-'));
    options.map(str::to_owned).collect()
}

/// The exit statuses that --help lists: `0` of `  0 a signal ended it`.
fn exit_statuses(help: &str) -> Vec<&str> {
    let listed = help.split("\nError codes:\n").nth(1).unwrap_or_default();
    listed.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn exit_statuses_of_help_are_in_alco_1() {
    let page = fs::read_to_string(Path::new(ROOT).join("man/alco.1")).unwrap();
    let section = below(&page, ".Sh EXIT STATUS");
    assert!(section.starts_with("2 means"), "of every command");
    for command in commands() {
        let help = help(&[&command]);
        assert!(help.contains("\nExamples:\n  ") && help.contains(&format!("alco {command}")), "{help}");
        let (_, told) = section.split_once(&format!(".It Cm {command}\n")).unwrap();
        let told = told.split("\n.").next().unwrap();
        let words: Vec<&str> = told.split(|c: char| !c.is_alphanumeric()).collect();
        let statuses = exit_statuses(&help);
        assert!(statuses.contains(&"0") && statuses.contains(&"2"), "{help}");
        for status in statuses.into_iter().filter(|status| *status != "2") {
            assert!(words.contains(&status), "alco {command} exits with {status}, in alco.1: {told}");
        }
    }
    let help = help(&[]);
    for place in ["$ALCO_INI", "/usr/local/etc/alco.ini", "/etc/alco.ini", "\nExamples:\n"] {
        assert!(help.contains(place), "no {place} in {help}");
    }
    assert_eq!(exit_statuses(&help), ["0", "1", "2"]);
}

/// The options that the page describes: `.It Fl k , Fl Fl routing-key Ar key`.
fn options_of_page(section: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in section.lines().filter(|line| line.starts_with(".It Fl ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for three in words.windows(3) {
            match three {
                ["Fl", "Fl", long] => found.insert(format!("--{long}")),
                [before, "Fl", short] if *before != "Fl" && *short != "Fl" => found.insert(format!("-{short}")),
                _ => false,
            };
        }
    }
    found
}

#[test]
fn every_command_and_option_is_in_alco_1_and_nothing_else() {
    let page = fs::read_to_string(Path::new(ROOT).join("man/alco.1")).unwrap();
    let commands = commands();
    let common = options_of_page(below(&page, ".Sh DESCRIPTION"));
    assert_eq!(common, options_of_help(&[]), "options of every command");
    let help_alone = BTreeSet::from(["-h".to_owned(), "--help".to_owned()]);
    for command in &commands {
        let described = options_of_page(below(&page, &format!(".Ss alco {command}")));
        let there: BTreeSet<String> = options_of_help(&[command]).difference(&help_alone).cloned().collect();
        assert_eq!(described, there, "left: described in man/alco.1, right: taken by alco {command}");
        assert!(page.contains(&format!("\n.Cm {command}\n")), "{command} is in the synopsis");
        assert!(page.contains(&format!("\n.It Cm {command}\n")), "{command} has an exit status");
    }
    let described: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix(".Ss alco ")).collect();
    let there: BTreeSet<&str> = commands.iter().map(String::as_str).collect();
    assert_eq!(described, there, "left: described, right: there");
}

#[test]
fn every_key_is_in_alco_ini_5_with_its_default_and_nothing_else() {
    let page = fs::read_to_string(Path::new(ROOT).join("man/alco.ini.5")).unwrap();
    let example = fs::read_to_string(Path::new(ROOT).join("alco.ini.example")).unwrap();
    // `[section] key = default`
    let mut there = BTreeSet::new();
    let mut section = String::new();
    for line in example.lines() {
        let shortcut = section == "[shortcut name]";
        let line = if line.starts_with(";[shortcut") || shortcut { line.trim_start_matches(';') } else { line };
        if line.starts_with('[') {
            section = line.to_owned();
            for named in ["[index ", "[shortcut "] {
                if section.starts_with(named) {
                    section = format!("{named}name]");
                }
            }
        } else if let Some((key, _)) = line.split_once(" =")
            && !line.starts_with([';', ' '])
        {
            // the values of the example's shortcut are not defaults
            let shown = if shortcut { format!("{key} =") } else { line.to_owned() };
            there.insert(format!("{section} {shown}"));
        }
    }
    assert!(there.contains("[index name] days = 30") && there.contains("[shortcut name] query ="), "{there:#?}");

    let mut described = BTreeSet::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix(".Ss ") {
            section = heading.split(':').next().unwrap().to_owned();
        } else if let Some(item) = line.strip_prefix(".It Li ") {
            described.insert(format!("{section} {item}"));
        }
    }
    assert_eq!(described, there, "left: described in man/alco.ini.5, right: in alco.ini.example");
}

/// The bounds of alco.ini(5) are those of the sources: the place of each constant, and its value in the manual.
#[test]
fn the_manual_has_the_bounds_of_the_sources() {
    let manual = fs::read_to_string(Path::new(ROOT).join("man/alco.ini.5")).unwrap();
    let bounds = manual.split(".Sh BOUNDS\n").nth(1).unwrap().split("\n.Sh ").next().unwrap();
    for (file, constant, shown) in [
        ("http/server/gate.rs", "MAX_CONNECTIONS: usize = 128;", "128 and\n.Li max_followers"),
        ("http/server/request_head.rs", "HEAD_BYTES: usize = 32 * 1024;", "32 KiB, in 10 s"),
        ("http/server/gate.rs", "HEAD_TIME: Duration = Duration::from_secs(10);", "32 KiB, in 10 s"),
        ("http/server/gate.rs", "IDLE_TIME: Duration = Duration::from_secs(30);", "30 s between two requests"),
        ("http/server/forward.rs", "WRITE_TIME: Duration = Duration::from_secs(30);", "30 s without accepting a byte"),
        ("http/server/forward.rs", "MIN_BYTES_A_SECOND: f64 = 4096.0;", "less than 4 KiB a second"),
        ("http/server/crowd.rs", "RESTS: Duration = Duration::from_secs(1);", "rest\nfor 1 s"),
        ("http/server/crowd.rs", "REMEMBERED: Duration = Duration::from_secs(600);", "in the last ten minutes"),
        ("http/server/crowd.rs", "SUSPECTED: Duration = Duration::from_secs(60);", "counts as a stranger for 60 s"),
        ("http/request.rs", "LONG_SEARCH_BYTES: usize = 2000;", "a search of more than 2,000 bytes"),
        ("http/mod.rs", "MAX_THREADS_OF_CLIENT: usize = POOL_THREADS / 2;", "12 of 24"),
        (
            "http/server/request_queue.rs",
            "other.may_take_long) < all / 2",
            "Half of these answers: 12, and 6 of one address",
        ),
        ("sphinx/client/connection.rs", "MAX_ROW_BYTES: usize = 24 << 20;", "24 MiB a row"),
        ("sphinx/client/mod.rs", "MAX_ROWS_BYTES: usize = 32 << 20;", "32 MiB all rows"),
        ("sphinx/client/large.rs", "MAX_LARGE_ANSWERS: usize = 4;", "Four at a time"),
        ("sphinx/sizes.rs", "USUAL_BYTES: usize = 32 << 10;", "Records above 32 KiB in one question"),
        ("search/large.rs", "MAX_LARGE_BYTES: usize = 4 << 20;", "4 MiB, or one record"),
        ("search/large.rs", "MAX_COPIED_BYTES: usize = 64 << 20;", "64 MiB of records above 512 KiB"),
        ("search/searchd.rs", "MAX_COPIED_BYTES_OF_ONE_TIME: usize = 512 << 20;", "512 MiB\nof one microsecond"),
        ("redis/replies.rs", "MAX_REPLY_BYTES: usize = 64 << 20;", "64 MiB, a million elements"),
        ("http/server/request_head.rs", "MAX_FORM_BYTES: usize = 16 * 1024;", "16 KiB.\nBeyond: it is not read"),
        ("http/site.rs", "MAX_DOWNLOADS: usize = 16;", "16 at a time, and 12 of one address"),
        ("http/request.rs", "MAX_URL_BYTES: usize = 16 * 1024;", "16 KiB.\nBeyond: 414"),
        ("http/routes/follow.rs", "PAGE_LINES: usize = 20_000;", "20,000 lines, or a day"),
        ("http/request.rs", "MAX_COOKIE_BYTES: usize = 3000;", "3,000 bytes"),
        ("http/routes/shortcuts.rs", "MAX_SAVED_BYTES: usize = 2000;", "2,000 bytes each"),
        ("http/logins.rs", "FREE_FAILURES: u32 = 3;", "Three, then a wait from 1 s"),
        ("query/mod.rs", "MAX_FILTERS: usize = 64;", "64, and 16 KiB as its links write them"),
        ("search/pattern/mod.rs", "MAX_WORDS: usize = 100;", "100; what stands in quotes"),
        ("search/page_room.rs", "MAX_PAGE_BYTES: usize = 16 << 20;", "16 MiB; of a record"),
        ("search/page_room.rs", "MAX_LARGE_PAGES: usize = 4;", "Four pages with more than"),
        ("search/page_room.rs", "USUAL_PAGE_BYTES: usize = 2 << 20;", "2 MiB at a time, and three of one address"),
        ("search/page.rs", "MAX_NEIGHBOURS_BYTES: usize = 4 << 20;", "4 MiB of lines on each side"),
        ("query/mod.rs", "MAX_COLUMNS: usize = 64;", "64 on a page"),
        ("search/pattern/posix.rs", "MAX_WIDE_CLASSES: usize = 100;", "100 classes of many\ncharacters"),
        ("query/mod.rs", "MAX_LIMIT: usize = 10_000;", "10,000 lines of a page"),
        ("query/mod.rs", "MAX_CONTEXT_LINES: u32 = 1000;", "1000.\nBeyond: 400"),
        ("search/pattern/mod.rs", "MAX_REGEX_BYTES: usize = 4 << 20;", "4 MiB when it is compiled"),
        ("search/turns.rs", "MAX_WAITING_PAGES: usize = 18;", "18 pages may wait for that"),
        ("search/turns.rs", "MAX_WAITING_PAGES_OF_ONE: usize = 8;", "and eight of one address"),
        ("search/turns.rs", "MAX_NEW_COSTLY_PAGES: usize = 12;", "only twelve with a regex"),
        ("search/context.rs", "MAX_SIDE_BYTES: usize = 8 << 20;", "8 MiB.\nBeyond: lines that are farther"),
        ("http/server/crowd.rs", "SPARED_PLACES: usize = 2;", "an address with three places more"),
        ("redis/searches.rs", "MAX_WEEK_BYTES: usize = 20 << 20;", "20 MiB in a week"),
        ("record/mod.rs", "MAX_BODY: usize = 4 << 20;", "4 MiB.\nBeyond: the dead queue"),
        ("sphinx/fulltext.rs", "MAX_DIFFERENT_TOKENS: usize = 100_000;", "100,000 different ones"),
        ("ingest/body/pieces.rs", "MAX_RECORDS: usize = 131_072;", "131,072.\nBeyond: the dead queue, as a whole"),
        ("ingest/body/unpack.rs", "MAX_WINDOW_BYTES: u64 = 8 << 20;", "a window of 8 MiB"),
        ("sphinx/attributes.rs", "MAX_DEPTH: usize = 128;", "128 levels"),
        ("rabbitmq/frames.rs", "FRAME_BYTES: u32 = 128 << 10;", "128 KiB a frame"),
        ("rabbitmq/frames.rs", "MAX_FRAME_BYTES: usize = 16 << 20;", "16 MiB a message's properties"),
        ("rabbitmq/frames.rs", "MAX_BODY_BYTES: u64 = 512 << 20;", "512 MiB a message"),
        ("rabbitmq/connect.rs", "CONNECT_TIMEOUT: Duration = Duration::from_secs(5);", "the login in 5 s"),
        ("rabbitmq/amqp_stream.rs", "ANSWER_TIME: Duration = Duration::from_secs(30);", "an answer in 30 s"),
        ("rabbitmq/frames.rs", "MAX_LEVELS: usize = 32;", "32 levels"),
        ("rabbitmq/amqp_stream.rs", "MAX_WAITING_BYTES: u64 = 16 << 20;", "16 MiB of messages, or one"),
        ("redis/shortcuts.rs", "MAX_SAVED: usize = 200;", "200, and 50 of one user"),
        ("redis/shortcuts.rs", "MAX_SAVED_BY_ONE: usize = 50;", "200, and 50 of one user"),
        ("redis/seen.rs", "LISTED_COLUMNS: usize = 1000;", "1,000 columns"),
        ("redis/seen.rs", "OFFERED_VALUES: usize = 10_000;", "10,000 values"),
        ("redis/patterns.rs", "MAX_PATTERNS: usize = 20_000;", "20,000 patterns"),
    ] {
        let source = fs::read_to_string(Path::new(ROOT).join("src").join(file)).unwrap();
        assert!(
            source.contains(constant),
            "{file} has another bound than '{constant}': change BOUNDS in alco.ini(5), and this test"
        );
        assert!(bounds.contains(shown), "no '{shown}' for {constant} in alco.ini(5): {bounds}");
    }
}
