//! The end of a command: `Done` if it did its work, else `Failure`. Both have the exit status of the process.

use crate::render::escape::visible;

/// The command did not begin: the usage was wrong, or alco.ini has mistakes. grep and most other programs exit with 2 too.
pub const WRONG_USAGE_STATUS: u8 = 2;
/// The command began, and could not go on.
pub const FAILURE_STATUS: u8 = 1;

/// The end of a command that did its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// the text that remains to be printed on stdout
    pub text: String,
    /// not always 0: an `alco grep` that found nothing ends with 1
    pub status: u8,
}

impl Done {
    /// The text remains to be printed; the exit status is 0.
    pub fn text(text: String) -> Done {
        Done { text, status: 0 }
    }

    /// The command has printed everything.
    pub fn status(status: u8) -> Done {
        Done { text: String::new(), status }
    }
}

/// The end of a command that could not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// whole lines, for stderr
    pub text: String,
    pub status: u8,
}

impl Failure {
    /// `command` is the command as typed, such as `alco grep`; the text names its help.
    pub fn wrong_usage(command: &str, why: &str) -> Failure {
        Failure { text: format!("alco: {}\nTry '{command} --help'.\n", visible(why)), status: WRONG_USAGE_STATUS }
    }

    /// The one line `command: why`. A server may have written a part of it: no character of it reaches a terminal that this obeys.
    pub fn new(command: &str, why: &str, status: u8) -> Failure {
        Failure { text: format!("{command}: {}\n", visible(why)), status }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_nothing_that_a_terminal_obeys() {
        let failure = Failure::new("alco grep", "it answers 400: \u{1b}]0;x\u{7}\u{1b}[2J\u{202e}", 2);
        assert_eq!(failure.text, "alco grep: it answers 400: ^[]0;x^G^[[2J<U+202E>\n");
    }
}
