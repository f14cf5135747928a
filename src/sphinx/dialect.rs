//! The differences between Sphinx 2.2, Sphinx 2.3 and Manticore, and the faults of 2.2.11: a function for each, which names the
//! engines and works around the fault. Pure.
//!
//! A connection knows the engine by the version of its handshake (`of_version`); sphinx.conf is written for the engine of `[sphinx]
//! dialect`. alco treats 2.2 and 2.3 alike, as 2.2.11 needs it. A function without a `Dialect` writes a form, or reads an answer, that
//! is right for every engine.
//!
//! Some are elsewhere: what searchd makes of chunks that meet (`chunk_faults`), the directives that an engine takes from alco.ini
//! (`config::sphinx_directives`), the JSON that no engine returns as it was sent (`attributes`), and the ranges that Manticore gets
//! wrong (`statement::is_between`).

use std::borrow::Cow;

use crate::config::Dialect;
use crate::sphinx::{DocId, statement};

/// The engine of that version. Manticore began with Sphinx 2.3.2 and calls its first release 2.4.1; built from its repository, without
/// a release, it is 0.0.0.
pub fn of_version((major, minor, _): (u16, u16, u16)) -> Dialect {
    match (major, minor) {
        (0, 1..) | (1, _) | (2, 0..=3) => Dialect::Sphinx,
        _ => Dialect::Manticore,
    }
}

/// The engine of a searchd that introduces itself with that text; None: of neither.
pub fn of_banner(banner: &str) -> Option<Dialect> {
    banner.lines().find_map(|line| match line.split(' ').next()? {
        "Sphinx" => Some(Dialect::Sphinx),
        "Manticore" => Some(Dialect::Manticore),
        _ => None,
    })
}

/// The engine that wrote a realtime index, by the first bytes of its .meta file; None: neither did. Neither engine serves an index of
/// the other. Sphinx 2.2.11 writes version 9 of that file, 2.3.2 version 12; Manticore refuses all before 14, and writes JSON today.
pub fn of_meta(head: &[u8]) -> Option<Dialect> {
    match head {
        [b'{', ..] => Some(Dialect::Manticore),
        [b'S', b'P', b'R', b'T', 0..14, 0, 0, 0, ..] => Some(Dialect::Sphinx),
        [b'S', b'P', b'R', b'T', _, _, _, _, ..] => Some(Dialect::Manticore),
        _ => None,
    }
}

/// The end of every SELECT that may have a MATCH or count something.
pub const WITHOUT_RANKS: &str = "ranker=none";

/// A statement with the options that it needs for this engine alone. Manticore is asked
///
/// - not to simplify the expression of MATCH, as it does since 9.2: of two phrases with the same tail in an OR it finds neither
///   (`"*refused use ser er7" | "ref efu fus use sed use ser er7"`). 2.x takes any value of this option for 1.
/// - to count distinct values exactly: above 3,500 it estimates their number.
pub fn with_options(dialect: Dialect, statement: &str) -> Cow<'_, str> {
    match dialect {
        Dialect::Manticore if statement.ends_with(WITHOUT_RANKS) => {
            Cow::Owned(format!("{statement}, boolean_simplify=0, distinct_precision_threshold=0"))
        }
        _ => Cow::Borrowed(statement),
    }
}

/// The question by which it is known whether an index has any document that a statement groups. None: the statement has no sum, and no
/// least or greatest value.
///
/// Where an index of its own has none, 2.2.11 does not merge these of its agents: it takes those of one of them. It does merge them
/// where it asks agents only, and it always adds the numbers of documents.
pub fn first_match(statement: &str) -> Option<String> {
    let has_any = ["SUM(", "MIN(", "MAX("].iter().any(|function| statement.contains(function));
    let before = statement.strip_suffix(WITHOUT_RANKS).filter(|_| has_any)?;
    Some(format!("{before}cutoff=1, {WITHOUT_RANKS}"))
}

/// The directive that a day index has for this engine alone.
pub fn day_index_directive(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        // strings and JSON stay in a mapped file, for the system to page out
        Dialect::Sphinx => ("ondisk_attrs", "pool"),
        // Manticore does so by default; but it would also keep the text of fields, which alco does not read
        Dialect::Manticore => ("stored_fields", ""),
    }
}

/// The directives that the searchd section has for this engine alone. Manticore warns of the two of Sphinx.
pub fn searchd_directives(dialect: Dialect) -> &'static [(&'static str, &'static str)] {
    match dialect {
        // 200 connections, a thread each: the workers', the pages', the followers' and some commands'
        Dialect::Sphinx => &[("workers", "threads"), ("max_children", "200")],
        Dialect::Manticore => &[
            // else Manticore warns that its helper program is missing; with peers or telemetry, it would start it
            ("buddy_path", ""),
            // with its columnar library, Manticore would use indexes without which alco was tested
            ("secondary_indexes", "0"),
        ],
    }
}

/// The statements by which searchd writes down how an empty day index was declared. They change no document: there must be a
/// transaction, and one that deletes nothing is enough.
///
/// 2.2.11 writes it only when it saves the index for the first time. If it is killed before that, it declares the index by its
/// configuration at the next start, and takes the hits in its binlog by the number of their field: a search of a column that
/// became `indexed` meanwhile would read another column's text. Harmless for other engines, which were not tried without it.
pub fn pin_declaration(day_index: &str) -> [String; 2] {
    [statement::delete(day_index, DocId::NEVER), statement::flush_index(day_index)]
}

/// The statement that keeps searchd's binlog in use: it deletes a document that does not exist. `day_index` should be empty. None:
/// the engine needs no such statement.
///
/// 2.2.11 crashes at the first insert after it has ceased to serve an index, if the indexes' files at that moment had all
/// transactions of its binlog; tests saw it each time, and on 2.2.11 only. This is so after few records for longer than
/// rt_flush_period, or just after a day was optimized. searchd keeps a binlog that has a transaction.
pub fn keep_binlog_in_use(dialect: Dialect, day_index: &str) -> Option<String> {
    (dialect == Dialect::Sphinx).then(|| statement::delete(day_index, DocId::NEVER))
}

/// The statement that makes searchd merge the disk chunks into one, in the background. By itself, Manticore leaves two chunks for
/// each core.
pub fn optimize(dialect: Dialect, day_index: &str) -> String {
    let optimize = statement::optimize(day_index);
    match dialect {
        Dialect::Sphinx => optimize,
        Dialect::Manticore => format!("{optimize} OPTION cutoff=1"),
    }
}

/// The id of a thread, and the seconds that its statement has run, if it stores documents or still reads its statement. `column`
/// returns the column of that name in the thread's row of SHOW THREADS. Manticore's threads serve the connections in turn, so there
/// the id is that of the connection.
pub fn inserting_thread<'r>(column: impl Fn(&str) -> Cow<'r, str>) -> Option<(i64, f64)> {
    if column("State") != "net_read" && !column("Info").starts_with("REPLACE") {
        return None;
    }
    match column("Tid").parse() {
        Ok(thread) => Some((thread, column("Time").parse().ok()?)),
        Err(_) => Some((column("ConnID").parse().ok()?, seconds(&column("This/prev job time"))?)),
    }
}

/// The seconds of a time as Manticore writes it: `1m 11s`, `12ms`, `5us`; None for another text.
fn seconds(time: &str) -> Option<f64> {
    let part = |part: &str| {
        let (number, unit) = part.split_at(part.find(|c: char| c.is_ascii_alphabetic())?);
        let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];
        Some(number.parse::<f64>().ok()? * units.iter().find(|(name, _)| *name == unit)?.1)
    };
    if time.is_empty() { None } else { time.split(' ').map(part).sum() }
}

/// The index that searchd does not serve, by the error of a statement that names it; None for another error. Sphinx and Manticore
/// write it in different words.
pub fn unserved_index(error: &str) -> Option<&str> {
    let name =
        ["unknown local index '", "unknown local table(s) '"].iter().find_map(|words| error.split_once(words))?.1;
    name.split('\'').next()
}

/// searchd's report of an agent: what is wrong with its part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentReport<'w> {
    /// host:port, as the configuration names the agent; for several that are mirrors, with `|` between
    pub address: &'w str,
    pub why: &'w str,
}

/// The reports in a warning or an error. Sphinx writes `index web_20261122, web_20261123: agent 10.0.0.2:9312: connect() timed out`,
/// and Manticore `table` for `index`. Several reports stand on lines of their own, with `;` between. Words of a user within a report
/// may look like one more, with an empty reason.
pub fn agent_reports(warning: &str) -> impl Iterator<Item = AgentReport<'_>> {
    const BEFORE_ADDRESS: &str = "agent ";
    warning.match_indices(BEFORE_ADDRESS).map(move |(at, _)| {
        let report = &warning[at + BEFORE_ADDRESS.len()..];
        let (address, rest) = report.split_once(": ").unwrap_or((report, ""));
        let ends = ["; ", ";\n"].iter().filter_map(|between| rest.find(between));
        AgentReport { address, why: rest[..ends.min().unwrap_or(rest.len())].trim() }
    })
}

/// True if searchd waits for a silent agent as long as for a busy one. Sphinx waits for an agent's greeting, and so knows within
/// agent_connect_timeout that there is none. Manticore sends the question at once, and then agent_query_timeout holds; 29.2.2 takes
/// an option of that name in a statement, and does not use it.
pub fn waits_for_silent_agents(dialect: Dialect) -> bool {
    dialect == Dialect::Manticore
}

/// True if a peer's answer does not fit into one packet, by searchd's report of the peer.
pub fn is_of_size(report: &str) -> bool {
    report.contains("packet size")
}

/// True if a peer reports only that a word of the question has other statistics in one of its indexes than in another, by searchd's
/// report of the peer. Its documents are all there.
pub fn is_of_statistics(report: &str) -> bool {
    report.contains("query word(s) mismatch")
}

/// True if the error is that an index does not have the field or the attribute of a statement.
pub fn lacks_part(error: &str) -> bool {
    error.contains("no field '") || error.contains("unknown column")
}

/// True if DESCRIBE's second column is that of a full-text field. Manticore writes `text`.
pub fn is_field(kind: &[u8]) -> bool {
    matches!(kind, b"field" | b"text")
}

/// True if DESCRIBE's second column for `id` is that of docids of 32 bits: of Sphinx 2.x built without --enable-id64, as by
/// FreeBSD's port with the option ID64 off.
pub fn is_narrow_docid(kind: &[u8]) -> bool {
    kind == b"uint"
}

/// 1 where the value at the path is one of these texts, or an array with one of them; `texts` are literals with commas between.
///
/// 2.x crashes at `path=''` in a select list, and at `ANY(x='' FOR x IN path)`, over texts of 193 bytes or more; `IN()` is safe,
/// though not with integers. In an array of integers, 2.x finds texts by their length: see `begins_with_number`.
pub fn is_among(path: &str, texts: &str) -> String {
    format!("IN({path},{texts})")
}

/// 1 where the value is this integer. `=` compares 32 bits in 2.x, and takes what is missing for 0.
pub fn is_integer(path: &str, integer: i64) -> String {
    format!("{path}={integer}")
}

/// 1 where the value is the number 0, and neither a text nor 0.5, of which `=0` is 1 too.
pub fn is_zero(path: &str) -> String {
    format!("{} AND LENGTH({path})=1 AND DOUBLE({path})=0", is_integer(path, 0))
}

/// 1 for a text, true, false, null and an empty array: `LENGTH()` of each is 0. It is 1 for a number, a decimal too.
pub fn has_no_length(path: &str) -> String {
    format!("LENGTH({path})=0")
}

/// 1 for an array that begins with a number, or with an array that is not empty: what 2.x may take for an array with a text of
/// that length.
pub fn begins_with_number(path: &str) -> String {
    format!("LENGTH({path}[0])>0")
}

/// 1 where `is_among` is sure: the value is one of the texts, or an array with one for which `begins_with_number` is 0.
pub fn is_surely_among(path: &str, texts: &str) -> String {
    format!("{} AND {}", is_among(path, texts), has_no_length(&format!("{path}[0]")))
}

/// 1 for an array of several elements, or of one that is not null.
pub fn is_array(path: &str) -> String {
    format!("LENGTH({path})>1 OR {path}[0] IS NOT NULL")
}

/// The select list of `GROUP BY path`, over the values at the path. (Manticore prints the groups of an alias of the path as hashes.)
/// It shows which of a group's values only look alike: 2.x groups integers by their low 32 bits, decimals by six digits, and the text
/// "5" with the number 5. The columns are
///
/// | 0 | 1 | 2..=4 | 5, 6 | 7, 8 | 9 |
/// |---|---|---|---|---|---|
/// | the value as printed | documents | of some document | least and most BIGINT() | shortest and longest LENGTH() | 1: all are read back as sent |
pub fn grouped_values(path: &str) -> String {
    format!(
        "GROUPBY() AS g, COUNT(*) AS n, BIGINT({path}) AS b, LENGTH({path}) AS l, (exact='') AS k, MIN(b) AS least, \
         MAX(b) AS most, MIN(l) AS shortest, MAX(l) AS longest, MIN(k) AS kept"
    )
}

/// True if the group of which searchd prints this may be that of true or false, rather than of a text. `longest`: the greatest LENGTH()
/// of its values. Manticore prints 1 and 0 for true and false, in groups without a number; 2.x counts them among null
/// (`is_null_group`).
pub fn may_be_boolean(dialect: Dialect, printed: &str, longest: i64) -> bool {
    dialect == Dialect::Manticore && matches!(printed, "0" | "1") && longest == 0
}

/// True if searchd prints this for the group of null. It prints the same for an empty text, true, false and an empty array, and the
/// text "NULL" looks the same.
pub fn is_null_group(printed: &str) -> bool {
    matches!(printed, "" | "NULL")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGINES: [Dialect; 2] = [Dialect::Sphinx, Dialect::Manticore];

    #[test]
    fn a_sum_is_asked_for_its_first_match() {
        for (statement, expect) in [
            ("SELECT SUM(w) FROM web OPTION ranker=none", Some("SELECT SUM(w) FROM web OPTION cutoff=1, ranker=none")),
            ("SELECT COUNT(*) FROM web OPTION ranker=none", None),
            ("SELECT MIN(ts) FROM web", None),
        ] {
            assert_eq!(first_match(statement).as_deref(), expect, "{statement}");
        }
    }

    #[test]
    fn an_unserved_index_is_named_by_every_engine() {
        for (error, name) in [
            ("searchd reports: unknown local index 'web_20261122' in search request", Some("web_20261122")),
            ("searchd reports: unknown local table(s) 'web_20261122' in search request", Some("web_20261122")),
            ("searchd reports: no local index", None),
            ("", None),
        ] {
            assert_eq!(unserved_index(error), name, "{error}");
        }
    }

    #[test]
    fn agents_and_their_reasons_are_read_of_every_engine() {
        let (sphinx, manticore) = ("index web_20261122, web_20261122_p1: ", "table web_20261122, web_20261122_p1: ");
        let lacks = "remote query error: index web_20261122: query error: no field 'x0_a' found in schema";
        let mismatch = "remote query warning: index 'web_20261122': query word(s) mismatch: agent smith";
        for (warning, expect) in [
            (
                format!("{sphinx}agent 10.0.0.2:9312: connect() timed out"),
                &[("10.0.0.2:9312", "connect() timed out")][..],
            ),
            (
                format!("{sphinx}agent h:9312: connect() failed: errno=111, Operation now in progress"),
                &[("h:9312", "connect() failed: errno=111, Operation now in progress")],
            ),
            (format!("{sphinx}agent h:9312: {lacks}"), &[("h:9312", lacks)]),
            (
                format!("{manticore}agent h:9312: receiving failure (errno=111, msg=Connection refused)"),
                &[("h:9312", "receiving failure (errno=111, msg=Connection refused)")],
            ),
            (
                format!(
                    "searchd reports: {manticore}agent h:9312: remote query error: unknown local table(s) 'web_20261122'"
                ),
                &[("h:9312", "remote query error: unknown local table(s) 'web_20261122'")],
            ),
            (
                format!(
                    "{sphinx}agent b:9312: query timed out;\nindex web_20261123: agent b:9312: connect() timed out"
                ),
                &[("b:9312", "query timed out"), ("b:9312", "connect() timed out")],
            ),
            (
                format!("{manticore}agent b:9312: query timed out; {manticore}agent [::1]:9312: query timed out"),
                &[("b:9312", "query timed out"), ("[::1]:9312", "query timed out")],
            ),
            (format!("{sphinx}agent b:9312|c:9312: query timed out"), &[("b:9312|c:9312", "query timed out")]),
            // a user's words do not cut the reason
            (format!("{sphinx}agent b:9312: {mismatch}"), &[("b:9312", mismatch), ("smith", "")]),
            (format!("{sphinx}query error: something else"), &[]),
            (String::new(), &[]),
        ] {
            let reports: Vec<_> = agent_reports(&warning).map(|report| (report.address, report.why)).collect();
            assert_eq!(reports, expect, "{warning}");
        }
    }

    #[test]
    fn every_engine_names_a_part_that_an_index_lacks() {
        let lacking = "index web_1_p1: agent h:9312: remote query error: index web_1: ";
        for (error, expect) in [
            (format!("{lacking}query error: no field 'x0' found in schema"), true),
            (format!("{lacking}parse error: unknown column: v_host"), true),
            (
                "table web_1_p1: agent h:9312: remote query error: query error: no field 'x0' found in schema".into(),
                true,
            ),
            ("table web_1: parse error: unknown column: v_host".into(), true),
            ("table web_1_p1: agent h:9312: query timed out".into(), false),
        ] {
            assert_eq!(lacks_part(&error), expect, "{error}");
        }
    }

    #[test]
    fn threads_that_store_or_read_are_known_by_their_row() {
        let found = |names: &[&str], row: &[&'static str]| {
            let column = |name: &str| names.iter().position(|own| *own == name).map_or("", |at| row[at]);
            inserting_thread(|name| Cow::Borrowed(column(name)))
        };
        let sphinx = ["Tid", "Proto", "State", "Time", "Info"];
        let manticore = [
            "TID",
            "Name",
            "Proto",
            "State",
            "Connection from",
            "ConnID",
            "This/prev job time",
            "Jobs done",
            "Thread status",
            "Info",
        ];
        let row = |time, statement| {
            ["11524", "work_0", "mysql", "query", "127.0.0.1:32910", "12", time, "1138", "working", statement]
        };
        for (time, statement, expect) in [
            ("15ms", "REPLACE INTO web_20261128 (id,ts", Some((12, 0.015))),
            ("1m 11s", "REPLACE INTO web_20261128 (id,ts", Some((12, 71.0))),
            ("-", "REPLACE INTO web_20261128 (id,ts", None),
            ("86us", "SHOW THREADS", None),
        ] {
            assert_eq!(found(&manticore, &row(time, statement)), expect, "{time} {statement}");
        }
        for (row, expect) in [
            (["7", "sphinxql", "query", "1.250000", "REPLACE INTO web_20261122 (id"], Some((7, 1.25))),
            (["7", "sphinxql", "net_read", "0.000100", "-"], Some((7, 0.0001))),
            (["7", "sphinxql", "query", "1.250000", "SELECT 1"], None),
            (["7", "sphinxql", "net_idle", "1.250000", "-"], None),
        ] {
            assert_eq!(found(&sphinx, &row), expect, "{row:?}");
        }
    }

    #[test]
    fn each_engine_is_known_by_its_banner() {
        for (banner, expect) in [
            (
                "[Sun Nov 29 17:22:01.276 2026] [29740] FATAL: malformed or unknown option near '--version'; use '-h'\n\
                 Sphinx 2.2.11-id64-release (95ae9a6)\nCopyright (c) 2001-2016, Andrew Aksyonoff\n",
                Some(Dialect::Sphinx),
            ),
            (
                "Manticore 29.2.2 e790cb571@26082218\nCopyright (c) 2001-2016, Andrew Aksyonoff\n",
                Some(Dialect::Manticore),
            ),
            ("sh: 1: searchd: not found", None),
            ("", None),
        ] {
            assert_eq!(of_banner(banner), expect, "{banner}");
        }
    }

    #[test]
    fn each_engine_is_known_by_the_indexes_that_it_wrote() {
        for (head, expect) in [
            (b"SPRT\x09\0\0\0".as_slice(), Some(Dialect::Sphinx)),
            (b"SPRT\x0c\0\0\0", Some(Dialect::Sphinx)),
            (b"SPRT\x0e\0\0\0", Some(Dialect::Manticore)),
            (b"{\n\"meta_created_time_utc\":\"2026-11-30T01:14:18.898\",", Some(Dialect::Manticore)),
            (b"SPRT", None),
            (b"SPHX\x09\0\0\0", None),
            (b"", None),
        ] {
            assert_eq!(of_meta(head), expect, "{head:?}");
        }
    }

    #[test]
    fn each_engine_is_known_by_its_version() {
        for (version, expect) in [
            ((2, 2, 11), Dialect::Sphinx),
            ((2, 3, 2), Dialect::Sphinx),
            ((2, 4, 1), Dialect::Manticore),
            ((6, 3, 8), Dialect::Manticore),
            ((29, 2, 2), Dialect::Manticore),
            ((0, 0, 0), Dialect::Manticore),
        ] {
            assert_eq!(of_version(version), expect, "{version:?}");
        }
    }

    #[test]
    fn each_engine_gets_its_own_statements() {
        assert_eq!(
            ENGINES.map(|dialect| optimize(dialect, "web_20261122")),
            ["OPTIMIZE INDEX web_20261122", "OPTIMIZE INDEX web_20261122 OPTION cutoff=1"]
        );
        let select = "SELECT id FROM web WHERE MATCH('a') OPTION ranker=none";
        assert_eq!(
            ENGINES.map(|dialect| with_options(dialect, select).into_owned()),
            [select.to_owned(), format!("{select}, boolean_simplify=0, distinct_precision_threshold=0")]
        );
        assert_eq!(ENGINES.map(|dialect| with_options(dialect, "SHOW TABLES").into_owned()), ["SHOW TABLES"; 2]);
        assert_eq!(
            ENGINES.map(|dialect| keep_binlog_in_use(dialect, "web_20261122")),
            [Some("DELETE FROM web_20261122 WHERE id=1".to_owned()), None]
        );
    }
}
