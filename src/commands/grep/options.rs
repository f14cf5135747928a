//! The task of `alco grep`: the search, and the form of its output. `args` makes it from the words of the command line.

use std::io::{self, IsTerminal};

use crate::query::Query;

#[derive(Debug)]
pub struct GrepOptions {
    /// names and patterns, separated by commas: the source knows what they stand for
    pub indexes: String,
    /// without its indexes
    pub query: Query,
    pub output: Output,
    pub extract: Extract,
    /// None: colours if stdout is a terminal
    pub colours: Option<bool>,
    pub follow: bool,
    /// `-m0`: searchd is not asked
    pub none: bool,
}

impl GrepOptions {
    /// True if the user wants colours, or, without an option, if stdout is a terminal that shows them.
    pub fn coloured(&self) -> bool {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        self.colours.unwrap_or_else(|| io::stdout().is_terminal() && !is_set("NO_COLOR") && !dumb)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Lines,
    Count,
    /// each pattern of their messages once, with its number
    Patterns,
    Nothing,
}

/// The part of a record that is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extract {
    Records,
    Messages,
    Parts,
}
