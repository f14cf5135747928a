//! The directives of searchd that an administrator may set, and those that alco must own. Pure.
//!
//! A search is exact only if searchd cuts text into words as `sphinx::fulltext` expects, keeps what alco stores, and loses
//! nothing that it has confirmed. Everything else (memory, timeouts, threads, logs) is the administrator's.

use crate::config::manticore_directives;
use crate::config::value::nearest;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sphinx,
    Manticore,
}

impl Dialect {
    /// The name of the product.
    pub fn product(self) -> &'static str {
        match self {
            Dialect::Sphinx => "Sphinx",
            Dialect::Manticore => "Manticore",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// `[sphinx.index]`, `[sphinx.index NAME]`
    Index,
    /// `[sphinx.searchd]`
    Searchd,
}

/// Directives that cut text into words, or leave some words out of the index.
const WORDS: &[&str] = &[
    "bigram_freq_words",
    "bigram_index",
    "blend_chars",
    "blend_mode",
    "charset_table",
    "charset_type",
    "dict",
    "exceptions",
    "hitless_words",
    "html_index_attrs",
    "html_remove_elements",
    "html_strip",
    "ignore_chars",
    "index_exact_words",
    "index_sp",
    "index_token_filter",
    "index_zones",
    "infix_fields",
    "jieba_hmm",
    "jieba_mode",
    "jieba_user_dict_path",
    "max_substring_len",
    "min_prefix_len",
    "min_stemming_len",
    "min_word_len",
    "morphology",
    "morphology_skip_fields",
    "ngram_chars",
    "ngram_len",
    "overshort_step",
    "phrase_boundary",
    "phrase_boundary_step",
    "prefix_fields",
    "regexp_filter",
    "rlp_context",
    "stopword_step",
    "stopwords",
    "stopwords_unstemmed",
    "wordforms",
];

/// Directives that decide an index's type and its fields.
const SHAPE: &[&str] = &[
    "columnar_attrs",
    "embedded_limit",
    "engine",
    "index_field_lengths",
    "rowwise_attrs",
    "source",
    "stored_fields",
    "stored_only_fields",
    "type",
];

/// The other directives of a realtime or a distributed index in Sphinx 2.2 and 2.3.
const INDEX: &[&str] = &[
    "agent_connect_timeout",
    "agent_query_timeout",
    "docinfo",
    "expand_keywords",
    "global_idf",
    "ha_strategy",
    "inplace_docinfo_gap",
    "inplace_enable",
    "inplace_hit_gap",
    "inplace_reloc_factor",
    "inplace_write_factor",
    "min_infix_len",
    "mlock",
    "ondisk_attrs",
    "preopen",
    "rt_mem_limit",
];

/// The directives of searchd in Sphinx 2.2 and 2.3.
const SEARCHD: &[&str] = &[
    "agent_connect_timeout",
    "agent_query_timeout",
    "agent_retry_count",
    "agent_retry_delay",
    "attr_flush_period",
    "binlog_flush",
    "binlog_max_log_size",
    "binlog_path",
    "client_timeout",
    "collation_libc_locale",
    "collation_server",
    "dist_threads",
    "expansion_limit",
    "ha_period_karma",
    "ha_ping_interval",
    "listen",
    "listen_backlog",
    "log",
    "max_batch_queries",
    "max_children",
    "max_filter_values",
    "max_filters",
    "max_packet_size",
    "mva_updates_pool",
    "mysql_version_string",
    "net_send_job",
    "net_throttle_accept",
    "net_throttle_action",
    "net_wait_tm",
    "net_workers",
    "ondisk_attrs_default",
    "persistent_connections_limit",
    "pid_file",
    "predicted_time_costs",
    "prefork_rotation_throttle",
    "preopen_indexes",
    "qcache_max_bytes",
    "qcache_thresh_msec",
    "qcache_ttl_sec",
    "query_log",
    "query_log_format",
    "query_log_min_msec",
    "queue_max_length",
    "read_buffer",
    "read_timeout",
    "read_unhinted",
    "rt_flush_period",
    "rt_merge_iops",
    "rt_merge_maxiosize",
    "seamless_rotate",
    "shutdown_timeout",
    "snippets_file_prefix",
    "sphinxql_state",
    "sphinxql_timeout",
    "subtree_docs_cache",
    "subtree_hits_cache",
    "thread_stack",
    "unlink_old",
    "watchdog",
    "workers",
];

/// # Errors
/// The reason why searchd of that dialect should not get this directive: at one that it does not know, it would end at its next start.
/// None: the dialect is not known, and one of them has to know it.
pub fn known(of: Of, key: &str, dialect: Option<Dialect>) -> Result<(), String> {
    let (sphinx, manticore) = match of {
        Of::Index => (INDEX, manticore_directives::INDEX),
        Of::Searchd => (SEARCHD, manticore_directives::SEARCHD),
    };
    let known = match dialect {
        None => [sphinx, manticore].concat(),
        Some(Dialect::Sphinx) => sphinx.to_vec(),
        Some(Dialect::Manticore) if manticore_directives::WARNED_OF.contains(&key) => {
            return Err(format!("Manticore no longer has the directive '{key}'; leave the line out"));
        }
        Some(Dialect::Manticore) => manticore.to_vec(),
    };
    if known.contains(&key) {
        return Ok(());
    }
    let near = nearest(key, known).map_or(String::new(), |near| format!("; did you mean '{near}'?"));
    Err(format!(
        "{} has no directive '{key}', and would end at its next start{near}",
        dialect.map_or("searchd", Dialect::product)
    ))
}

/// True if searchd of that engine does not end at this directive; it may warn of it.
pub fn is_read(of: Of, key: &str, engine: Dialect) -> bool {
    known(of, key, Some(engine)).is_ok()
        || engine == Dialect::Manticore && manticore_directives::WARNED_OF.contains(&key)
}

/// True if several lines may have this directive.
pub fn may_repeat(of: Of, key: &str) -> bool {
    of == Of::Searchd && key == "listen"
}

/// # Errors
/// The reason why this directive cannot be here, and what to do instead.
pub fn check(of: Of, key: &str, value: &str) -> Result<(), String> {
    if !key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
        return Err(format!("'{key}' is not a directive of searchd: these have lower-case letters, digits and _"));
    }
    match of {
        Of::Index => check_index(key, value),
        Of::Searchd => check_searchd(key, value),
    }
}

fn check_index(key: &str, value: &str) -> Result<(), String> {
    let owned = |why: &str| Err(format!("'{key}' cannot be set: {why}"));
    match key {
        "path" => owned("days live below data_dir; set that in [sphinx]"),
        "local" => owned("it follows from the days; set `days` in the index's section"),
        "agent" | "agent_persistent" | "agent_blackhole" => owned("it follows from `peers`; set that in [sphinx]"),
        "rt_field" => owned("for a full-text field of a column, set `indexed` in the index's section"),
        key if key.starts_with("rt_attr_") => owned("every column can be filtered without it; leave the line out"),
        key if SHAPE.contains(&key) => owned("it stores and reads documents of one shape only; leave the line out"),
        key if WORDS.contains(&key) => {
            owned("an exact search depends on how text is cut into words; leave the line out")
        }
        "min_infix_len" if !matches!(value, "2" | "3") => {
            Err(format!("{key}: '{value}' is neither 2 nor 3: alco asks for parts of words of 2 letters, or of 3"))
        }
        "rt_mem_limit" if bytes(value).is_none_or(|bytes| bytes < 128 << 20) => Err(format!(
            "{key}: '{value}' is less than 128M: alco has searchd write the RAM chunk at 64M, since 2.2 loses what is stored \
             while it does so by itself; write 128M or more, or leave the line out"
        )),
        _ => Ok(()),
    }
}

fn check_searchd(key: &str, value: &str) -> Result<(), String> {
    let lost =
        |why: &str| Err(format!("{key} = {value} loses records that were confirmed: {why}; set 2, or leave it out"));
    match (key, value) {
        ("binlog_flush", "1") => lost("searchd killed at a commit drops the batch that it has just confirmed"),
        ("binlog_flush", "0") => lost("searchd killed within a second of a commit has not written it yet"),
        ("binlog_flush", value) if value != "2" => Err(format!("{key}: '{value}' is not 2")),
        ("binlog_path", "") => Err(format!(
            "{key} is empty: a crash would lose what is in memory; name a directory, or leave the line out"
        )),
        ("collation_server", value) if value != "binary" => {
            Err(format!("{key}: '{value}' is not binary: filters would take 'Error' for 'ERROR'; leave the line out"))
        }
        ("expansion_limit", value) if value != "0" => Err(format!(
            "{key}: '{value}' is not 0: a search for a part of many words would find only some of them; leave it out"
        )),
        ("workers", value) if !matches!(value, "threads" | "thread_pool") => {
            Err(format!("{key}: '{value}' serves no realtime index; write threads, or leave the line out"))
        }
        // the largest that searchd takes is 128M
        ("max_packet_size", value) if !bytes(value).is_some_and(|bytes| (64 << 20..=128 << 20).contains(&bytes)) => {
            Err(format!("{key}: '{value}' is not within 64M and 128M: a record of 4 MiB would not get through"))
        }
        ("mysql_version_string", _) => Err(format!(
            "'{key}' cannot be set: by its version, alco knows which engine searchd is; leave the line out"
        )),
        ("data_dir", _) => Err(format!("'{key}' makes Manticore ignore the day indexes; leave the line out")),
        _ => Ok(()),
    }
}

/// A size as searchd writes it: `64M`.
fn bytes(value: &str) -> Option<u64> {
    let (number, factor) = match value.strip_suffix(['M', 'm']) {
        Some(number) => (number, 1 << 20),
        None => match value.strip_suffix(['K', 'k']) {
            Some(number) => (number, 1 << 10),
            None => (value, 1),
        },
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(of: Of, key: &str, value: &str, why: &str) {
        let why_not = check(of, key, value).expect_err(key);
        assert!(why_not.contains(why), "{why_not}");
    }

    #[test]
    fn directives_of_exactness_and_safety_are_alcos_own() {
        refused(Of::Index, "charset_table", "a..z", "exact search");
        refused(Of::Index, "rt_field", "x", "`indexed`");
        refused(Of::Index, "rt_attr_uint", "x", "without it");
        refused(Of::Index, "path", "/x", "data_dir");
        refused(Of::Index, "type", "plain", "one shape");
        refused(Of::Index, "agent", "h:1:x", "`peers`");
        refused(Of::Index, "min_infix_len", "4", "neither 2 nor 3");
        refused(Of::Index, "rt_mem_limit", "64M", "less than 128M");
        refused(Of::Index, "a}", "4", "not a directive");
        refused(Of::Searchd, "binlog_flush", "1", "has just confirmed");
        refused(Of::Searchd, "binlog_flush", "0", "not written");
        refused(Of::Searchd, "binlog_path", "", "crash");
        refused(Of::Searchd, "collation_server", "libc_ci", "filters");
        refused(Of::Searchd, "expansion_limit", "1000", "some of them");
        refused(Of::Searchd, "workers", "prefork", "realtime");
        refused(Of::Searchd, "max_packet_size", "8M", "4 MiB");
        refused(Of::Searchd, "max_packet_size", "1024", "4 MiB");
        refused(Of::Searchd, "mysql_version_string", "5.0.37", "which engine");
    }

    #[test]
    fn the_rest_is_the_administrators() {
        for (key, value) in [("rt_mem_limit", "128M"), ("min_infix_len", "2"), ("agent_query_timeout", "500")] {
            assert_eq!(check(Of::Index, key, value), Ok(()));
        }
        for (key, value) in [("max_packet_size", "128M"), ("max_packet_size", "65536K"), ("binlog_flush", "2")] {
            assert_eq!(check(Of::Searchd, key, value), Ok(()));
        }
    }

    #[test]
    fn a_directive_that_searchd_does_not_know_is_refused() {
        let check = |of, key, dialect, refused: &str| match known(of, key, dialect) {
            Ok(()) => assert_eq!(refused, "", "{key}"),
            Err(why) => assert!(!refused.is_empty() && why.contains(refused), "{why}"),
        };
        let (sphinx, manticore) = (Some(Dialect::Sphinx), Some(Dialect::Manticore));
        check(
            Of::Index,
            "rt_memlimit",
            sphinx,
            "Sphinx has no directive 'rt_memlimit', and would end at its next start",
        );
        for dialect in [None, sphinx, manticore] {
            check(Of::Index, "rt_memlimit", dialect, "did you mean 'rt_mem_limit'?");
            check(Of::Index, "rt_mem_limit", dialect, "");
        }
        for (of, key) in [(Of::Searchd, "optimize_cutoff"), (Of::Index, "optimize_cutoff"), (Of::Searchd, "threads")] {
            check(of, key, sphinx, "has no directive");
            check(of, key, manticore, "");
            check(of, key, None, "");
        }
        // 2.2.11 ends at each of the first three
        check(Of::Index, "agent_retry_count", sphinx, "has no directive");
        check(Of::Index, "mirror_retry_count", sphinx, "has no directive");
        check(Of::Searchd, "hostname_lookup", sphinx, "has no directive");
        check(Of::Searchd, "agent_retry_count", sphinx, "");
        for (of, key) in [(Of::Searchd, "max_children"), (Of::Searchd, "workers"), (Of::Index, "ondisk_attrs")] {
            check(of, key, sphinx, "");
            check(of, key, manticore, "no longer has");
            check(of, key, None, "");
        }
    }
}
