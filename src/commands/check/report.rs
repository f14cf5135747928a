//! The lines of `alco check`: the part, its state, what was found, and the cure.

use std::io::{self, Write};

use serde::Serialize;

use crate::time::Ts;

/// Records are ordered by their time, so the clocks of the hosts should agree within this.
const SKEW_SECONDS: i64 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warning,
    Error,
}

#[derive(Debug, Serialize)]
struct Finding {
    part: String,
    state: State,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

/// Writes each finding to stdout at once, and keeps the worst state.
pub struct Report {
    json: bool,
    worst: State,
}

impl Report {
    /// `json`: each line is an object.
    pub fn new(json: bool) -> Report {
        Report { json, worst: State::Ok }
    }

    /// The exit status: 0 if all is well, 1 after a warning, 2 after an error.
    pub fn status(&self) -> u8 {
        self.worst as u8
    }

    fn write(&mut self, part: &str, state: State, text: String, cure: Option<String>) {
        self.worst = self.worst.max(state);
        let finding = Finding { part: part.to_owned(), state, text, cure };
        let line = match self.json {
            true => serde_json::to_string(&finding).expect("texts are JSON"),
            false => finding.line(),
        };
        // the reader of stdout may have left; the exit status still counts
        let _ = writeln!(io::stdout(), "{line}");
    }

    pub fn ok(&mut self, part: &str, text: impl Into<String>) {
        self.write(part, State::Ok, text.into(), None);
    }

    pub fn warning(&mut self, part: &str, text: impl Into<String>, cure: impl Into<String>) {
        self.write(part, State::Warning, text.into(), Some(cure.into()));
    }

    pub fn error(&mut self, part: &str, text: impl Into<String>, cure: impl Into<String>) {
        self.write(part, State::Error, text.into(), Some(cure.into()));
    }

    /// Reports a server that answers, and its version; an error if the version is older than `oldest`.
    pub fn server(&mut self, part: &str, address: &str, product: &str, version: &str, oldest: &[u64]) {
        let text = format!("{product} {version} at {address}");
        match numbers(version).as_slice() < oldest {
            true => {
                let oldest: Vec<String> = oldest.iter().map(u64::to_string).collect();
                self.error(part, text, format!("install {} or newer", oldest.join(".")));
            }
            false => self.ok(part, text),
        }
    }

    /// Compares the clock of a server with this host's. `ours` is this host's time before the question and after the answer; the
    /// time that the answer took does not count as a difference.
    pub fn skew(&mut self, part: &str, theirs: Ts, ours: (Ts, Ts)) {
        let [before, after] = [ours.0, ours.1].map(|ours| theirs.seconds() - ours.seconds());
        let seconds = before.min(0) + after.max(0);
        if seconds.abs() > SKEW_SECONDS {
            let direction = if seconds > 0 { "ahead of" } else { "behind" };
            let text = format!("its clock is {} s {direction} this host's", seconds.abs());
            self.warning(part, text, "set the clocks of both hosts by NTP");
        } else {
            self.ok(part, format!("its clock agrees with this host's within {SKEW_SECONDS} s"));
        }
    }
}

impl Finding {
    fn line(&self) -> String {
        let state = match self.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Error => "error",
        };
        let cure = self.cure.as_ref().map_or(String::new(), |cure| format!("; {cure}"));
        format!("{state:<8} {}: {}{cure}", self.part, self.text)
    }
}

/// `3.10.8` as numbers; text after them does not count.
fn numbers(version: &str) -> Vec<u64> {
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    version.split('.').map_while(|part| digits(part).parse().ok()).collect()
}

/// The first names, and the number of the other names.
pub fn listed(names: &[&str]) -> String {
    match names {
        [first, second, third, rest @ ..] if rest.len() > 1 => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, oldest, old) in [
            ("3.10.8", &[3, 8][..], false),
            ("3.7.28", &[3, 8], true),
            ("7.0.15", &[5], false),
            ("2.2.9-id64", &[2, 2, 11], true),
            ("29.2.2 abc", &[2, 2, 11], false),
            ("", &[5], true),
        ] {
            assert_eq!(numbers(version).as_slice() < oldest, old, "{version}");
        }
    }

    #[test]
    fn many_names_are_shortened_to_a_number() {
        assert_eq!(listed(&["a", "b", "c", "d"]), "a, b, c, d");
        assert_eq!(listed(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
