//! The level of a record. Loggers write words in many cases, and numbers of several scales.
//!
//! Invariant: a row, the bars of the histogram and the colours of a terminal have a record's level from `of_record`.

use crate::config::{Index, LevelNumbers};
use crate::record::json::Columns;
use crate::record::json::{elements, readable};

/// The levels in the order of their severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    #[default]
    Unknown,
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

/// The column that holds nothing but Python's numbers.
const PYTHON_COLUMN: &str = "levelno";
/// The column that holds nothing but OpenTelemetry's numbers.
const OTEL_COLUMN: &str = "severityNumber";
/// Columns that pino and bunyan add to each record: the level of a record with both is theirs.
pub const BUNYAN_COLUMNS: [&str; 2] = ["pid", "hostname"];

impl Level {
    /// By their severity.
    pub const ALL: [Level; 6] =
        [Level::Unknown, Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Critical];

    /// The level that a text or a number means on that scale. With `Auto`, 0 to 7 are syslog's, 10 to 60 Python's.
    pub fn of(text: &str, numbers: LevelNumbers) -> Level {
        let text = text.trim();
        match text.parse::<u32>() {
            Ok(number) => Level::of_number(number, numbers),
            Err(_) => Level::of_word(&text.to_ascii_lowercase()),
        }
    }

    fn of_word(word: &str) -> Level {
        // OpenTelemetry's WARN2 and PostgreSQL's DEBUG5 are kinds of these
        match word.trim_end_matches(|c: char| matches!(c, '1'..='5')) {
            "critical" | "crit" | "fatal" | "ftl" | "f" | "emergency" | "emerg" | "alert" | "panic" | "dpanic" => {
                Level::Critical
            }
            "error" | "err" | "e" | "severe" | "failure" | "fail" => Level::Error,
            "warning" | "warn" | "wrn" | "w" => Level::Warning,
            "info" | "inf" | "i" | "information" | "informational" | "notice" | "success" | "log" | "config"
            | "default" => Level::Info,
            "debug" | "dbug" | "dbg" | "d" | "trace" | "trce" | "trc" | "verbose" | "vrb" | "v" | "fine" | "finer"
            | "finest" | "silly" => Level::Debug,
            _ => Level::Unknown,
        }
    }

    fn of_number(number: u32, numbers: LevelNumbers) -> Level {
        // bunyan has no numbers below 10, so in its records these are syslog's
        let scale = if number < 10 && numbers == LevelNumbers::Bunyan { LevelNumbers::Syslog } else { numbers };
        match (scale, number) {
            (LevelNumbers::Auto | LevelNumbers::Syslog, 0..=2) => Level::Critical,
            (LevelNumbers::Auto | LevelNumbers::Syslog, 3) => Level::Error,
            (LevelNumbers::Auto | LevelNumbers::Syslog, 4) => Level::Warning,
            (LevelNumbers::Auto | LevelNumbers::Syslog, 5..=6) => Level::Info,
            (LevelNumbers::Auto | LevelNumbers::Syslog, 7) => Level::Debug,
            (LevelNumbers::Syslog, _) | (LevelNumbers::Auto, ..10 | 61..) | (_, 0) => Level::Unknown,
            // between two levels, a number is the lower one
            (LevelNumbers::Auto | LevelNumbers::Python, ..20) => Level::Debug,
            (LevelNumbers::Auto | LevelNumbers::Python, ..30) => Level::Info,
            (LevelNumbers::Auto | LevelNumbers::Python, ..40) => Level::Warning,
            (LevelNumbers::Auto | LevelNumbers::Python, ..50) => Level::Error,
            (LevelNumbers::Auto | LevelNumbers::Python, 50..) => Level::Critical,
            (LevelNumbers::Bunyan, ..30) => Level::Debug,
            (LevelNumbers::Bunyan, ..40) => Level::Info,
            (LevelNumbers::Bunyan, ..50) => Level::Warning,
            (LevelNumbers::Bunyan, ..60) => Level::Error,
            (LevelNumbers::Bunyan, 60..) => Level::Critical,
            (LevelNumbers::Otel, ..9) => Level::Debug,
            (LevelNumbers::Otel, ..13) => Level::Info,
            (LevelNumbers::Otel, ..17) => Level::Warning,
            (LevelNumbers::Otel, ..21) => Level::Error,
            (LevelNumbers::Otel, ..25) => Level::Critical,
            (LevelNumbers::Otel, 25..) => Level::Unknown,
        }
    }

    /// The class that style.css colours.
    pub fn class(self) -> &'static str {
        match self {
            Level::Critical => "critical",
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Unknown => "plain",
        }
    }

    /// Its name, for people and programs.
    pub fn name(self) -> &'static str {
        if self == Level::Unknown { "unknown" } else { self.class() }
    }

    pub fn is_error(self) -> bool {
        self >= Level::Error
    }
}

/// The first level column that a record has, and its value as JSON.
pub fn holder<'i, 'c>(index: &'i Index, columns: &Columns<'c>) -> Option<(&'i str, &'c str)> {
    index.level.iter().find_map(|name| Some((name.as_str(), columns.raw(name)?)))
}

/// The level of a record; the most severe one of an array.
pub fn of_record(index: &Index, columns: &Columns) -> Level {
    let Some((column, value)) = holder(index, columns) else { return Level::Unknown };
    let is_bunyan = || BUNYAN_COLUMNS.iter().all(|name| columns.raw(name).is_some());
    let numbers = numbers(index, column, is_bunyan);
    elements(value).into_iter().map(|value| Level::of(&readable(value), numbers)).max().unwrap_or_default()
}

/// The scale of a level column's numbers in a record. `is_bunyan` returns whether the record has all of `BUNYAN_COLUMNS`.
pub fn numbers(index: &Index, column: &str, is_bunyan: impl Fn() -> bool) -> LevelNumbers {
    let name = column.rsplit('.').next();
    match index.level_numbers {
        _ if name == Some(OTEL_COLUMN) => LevelNumbers::Otel,
        LevelNumbers::Auto if name == Some(PYTHON_COLUMN) => LevelNumbers::Python,
        LevelNumbers::Auto if is_bunyan() => LevelNumbers::Bunyan,
        numbers => numbers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LevelNumbers::{Auto, Bunyan, Otel, Python, Syslog};

    #[test]
    fn words_of_all_loggers_mean_a_level() {
        for (words, level) in [
            ("CRITICAL crit FATAL emergency emerg alert Panic DPANIC FTL F", Level::Critical),
            ("ERROR Err SEVERE failure fail E error3", Level::Error),
            ("warning WARN WRN W warn2", Level::Warning),
            ("info Information informational NOTICE inf I success LOG CONFIG default", Level::Info),
            ("debug TRACE Verbose fine FINER finest dbug DBG D vrb V trace4 DEBUG5", Level::Debug),
            ("- unknown errors 35x 3.5 -1", Level::Unknown),
        ] {
            words.split(' ').for_each(|word| assert_eq!(Level::of(&format!(" {word} "), Auto), level, "{word}"));
        }
        assert_eq!(Level::of("", Auto), Level::Unknown);
    }

    #[test]
    fn numbers_mean_a_level_of_their_scale() {
        use Level::{Critical, Debug, Error, Info, Unknown, Warning};
        for (number, auto, python, bunyan, syslog) in [
            ("0", Critical, Unknown, Critical, Critical),
            ("2", Critical, Debug, Critical, Critical),
            ("3", Error, Debug, Error, Error),
            ("4", Warning, Debug, Warning, Warning),
            ("6", Info, Debug, Info, Info),
            ("7", Debug, Debug, Debug, Debug),
            ("8", Unknown, Debug, Unknown, Unknown),
            ("10", Debug, Debug, Debug, Unknown),
            ("20", Info, Info, Debug, Unknown),
            ("25", Info, Info, Debug, Unknown),
            ("30", Warning, Warning, Info, Unknown),
            ("35", Warning, Warning, Info, Unknown),
            ("40", Error, Error, Warning, Unknown),
            ("50", Critical, Critical, Error, Unknown),
            ("60", Critical, Critical, Critical, Unknown),
            ("200", Unknown, Critical, Critical, Unknown),
        ] {
            let levels = [Auto, Python, Bunyan, Syslog].map(|numbers| Level::of(number, numbers));
            assert_eq!(levels, [auto, python, bunyan, syslog], "{number}");
        }
    }

    #[test]
    fn severity_numbers_are_those_of_opentelemetry() {
        use Level::{Critical, Debug, Error, Info, Unknown, Warning};
        for (range, level) in [
            (0..=0, Unknown),
            (1..=8, Debug),
            (9..=12, Info),
            (13..=16, Warning),
            (17..=20, Error),
            (21..=24, Critical),
            (25..=30, Unknown),
        ] {
            for number in range {
                assert_eq!(Level::of(&number.to_string(), Otel), level, "{number}");
            }
        }
    }

    #[track_caller]
    fn check(numbers: LevelNumbers, record: &str, level: Level) {
        let mut index = Index::new("web".parse().expect("a name"));
        index.level = ["levelname", "level", "levelno", "log.level", "severityNumber"].map(str::to_owned).to_vec();
        index.level_numbers = numbers;
        assert_eq!(of_record(&index, &Columns::parse(record)), level, "{numbers:?} {record}");
    }

    #[test]
    fn a_sure_sign_in_a_record_decides_the_scale_of_its_level() {
        for (record, level) in [
            (r#"{"level":30,"time":1795887141142,"pid":7,"hostname":"web-1","msg":"pino"}"#, Level::Info),
            (r#"{"name":"bunyan","hostname":"web-1","pid":7,"level":50,"v":0}"#, Level::Error),
            (r#"{"level":50,"pid":7,"hostname":null}"#, Level::Critical),
            (r#"{"level":40}"#, Level::Error),
            (r#"{"level":3,"pid":7,"hostname":"web-1"}"#, Level::Error),
            (r#"{"levelno":40,"pid":7,"hostname":"web-1"}"#, Level::Error),
            (r#"{"version":"1.1","host":"web-1","short_message":"GELF","level":3}"#, Level::Error),
            (r#"{"log":{"level":"warn"}}"#, Level::Warning),
            (r#"{"log.level":null,"log":{"level":"fatal"}}"#, Level::Critical),
            (r#"{"levelname":null,"level":"error"}"#, Level::Error),
            (r#"{"level":["info","error"]}"#, Level::Error),
            (r#"{"level":["40"]}"#, Level::Error),
            (r#"{"severityNumber":5}"#, Level::Debug),
            (r#"{"severityNumber":10,"pid":7,"hostname":"web-1"}"#, Level::Info),
            (r#"{"level":[]}"#, Level::Unknown),
            (r#"{"level":{"name":"error"}}"#, Level::Unknown),
            ("{}", Level::Unknown),
        ] {
            check(Auto, record, level);
        }
        check(Bunyan, r#"{"level":50}"#, Level::Error);
        check(Python, r#"{"level":50,"pid":7,"hostname":"web-1"}"#, Level::Critical);
        check(Syslog, r#"{"level":"5"}"#, Level::Info);
        check(Syslog, r#"{"severityNumber":"5"}"#, Level::Debug);
    }
}
