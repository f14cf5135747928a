//! What the value of a level column means: loggers write words in many cases, syslog and Python write numbers.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Level {
    Critical,
    Error,
    Warning,
    Info,
    Debug,
    #[default]
    Unknown,
}

impl Level {
    pub fn of(text: &str) -> Level {
        match text.trim().to_ascii_lowercase().as_str() {
            "critical" | "crit" | "fatal" | "emergency" | "emerg" | "alert" | "panic" => Level::Critical,
            "error" | "err" | "severe" | "failure" => Level::Error,
            "warning" | "warn" => Level::Warning,
            "info" | "information" | "informational" | "notice" => Level::Info,
            "debug" | "trace" | "verbose" | "fine" | "finer" | "finest" => Level::Debug,
            // syslog's severities
            "0" | "1" | "2" => Level::Critical,
            "3" => Level::Error,
            "4" => Level::Warning,
            "5" | "6" => Level::Info,
            "7" => Level::Debug,
            // Python's levelno
            "50" => Level::Critical,
            "40" => Level::Error,
            "30" => Level::Warning,
            "20" => Level::Info,
            "10" => Level::Debug,
            _ => Level::Unknown,
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
            Level::Unknown => "",
        }
    }

    pub fn is_error(self) -> bool {
        matches!(self, Level::Critical | Level::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_mean_a_level() {
        for (text, level) in [
            ("ERROR", Level::Error),
            ("Err", Level::Error),
            ("warn", Level::Warning),
            (" FATAL ", Level::Critical),
            ("40", Level::Error),
            ("3", Level::Error),
            ("notice", Level::Info),
            ("trace", Level::Debug),
            ("", Level::Unknown),
            ("35", Level::Unknown),
        ] {
            assert_eq!(Level::of(text), level, "{text}");
        }
    }
}
