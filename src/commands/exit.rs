//! How a command ends: `Done`, when it came to its end, or `Failure`. Either has the exit status of the process.

/// Nothing was started: the usage was wrong, or alco.ini has mistakes. grep and most other programs exit with 2 too.
pub const WRONG_USAGE_STATUS: u8 = 2;
/// The command began, and could not go on.
pub const FAILURE_STATUS: u8 = 1;

/// The end of a command that did what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// what is left to print on stdout
    pub text: String,
    /// not always 0: `alco grep` that found nothing ends with 1
    pub status: u8,
}

impl Done {
    /// The text is still to be printed; the exit status is 0.
    pub fn text(text: String) -> Done {
        Done { text, status: 0 }
    }

    /// The command has printed all it had to print.
    pub fn status(status: u8) -> Done {
        Done { text: String::new(), status }
    }
}

/// The end of a command that could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// whole lines, for stderr
    pub text: String,
    pub status: u8,
}

impl Failure {
    /// `command` is the command as typed, `alco grep`: its help is offered.
    pub fn wrong_usage(command: &str, why: &str) -> Failure {
        Failure { text: format!("alco: {why}\nTry '{command} --help'.\n"), status: WRONG_USAGE_STATUS }
    }

    /// The one line `command: why`.
    pub fn new(command: &str, why: &str, status: u8) -> Failure {
        Failure { text: format!("{command}: {why}\n"), status }
    }
}
