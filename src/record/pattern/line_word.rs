//! A word of a line, and its places in it. Invariant: its lead, core and trail follow each other, and any of them may be empty.

use std::ops::Range;

use crate::record::pattern::vocabulary::WordRoles;

/// A word: the bytes where it, its core, and the signs after its core begin and end.
#[derive(Clone, Copy, Debug)]
pub struct LineWord {
    /// opening brackets, `key=` and `name(` stand before the core
    pub start: usize,
    pub core: usize,
    /// closing brackets and punctuation stand after it
    pub core_end: usize,
    pub end: usize,
    pub is_variable: bool,
    /// can be a name for its joints: `orders-eu`
    pub is_compound: bool,
    pub roles: WordRoles,
}

impl LineWord {
    pub fn lead<'a>(&self, line: &'a str) -> &'a str {
        &line[self.start..self.core]
    }

    pub fn text<'a>(&self, line: &'a str) -> &'a str {
        &line[self.core..self.core_end]
    }

    pub fn trail<'a>(&self, line: &'a str) -> &'a str {
        &line[self.core_end..self.end]
    }

    pub fn is_bare_before(&self) -> bool {
        self.core == self.start
    }

    pub fn is_bare_after(&self) -> bool {
        self.core_end == self.end
    }

    pub fn variable(start: usize, core: Range<usize>, end: usize) -> LineWord {
        let Range { start: core, end: core_end } = core;
        LineWord { start, core, core_end, end, is_variable: true, is_compound: false, roles: WordRoles::NONE }
    }
}
