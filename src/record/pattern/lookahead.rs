//! Where quotes and brackets of a line end, and what stands between them.
//!
//! Invariant: all searches of a line read a bounded number of bytes together; after that, nothing ends.

use crate::record::pattern::signs::{BYTE_SIGNS, sign};

/// Four times the longest line: brackets of real lines are within, and those of hostile ones end the search.
const MAX_LOOKAHEAD_BYTES: usize = 4096;

pub struct Lookahead<'a> {
    bytes: &'a [u8],
    left_bytes: usize,
}

impl<'a> Lookahead<'a> {
    pub fn new(line: &'a str) -> Lookahead<'a> {
        Lookahead { bytes: line.as_bytes(), left_bytes: MAX_LOOKAHEAD_BYTES }
    }

    /// Whether `key=` stands there.
    pub fn begins_pair(&mut self, at: usize) -> bool {
        let key = self.bytes[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        let key_bytes = key.take(self.left_bytes).count();
        self.left_bytes -= key_bytes;
        key_bytes > 0 && self.bytes.get(at + key_bytes) == Some(&b'=')
    }

    /// Where the quoted text ends that begins there.
    pub fn closing_quote(&mut self, open: usize) -> Option<usize> {
        let quote = self.bytes[open];
        let rest = self.looked_at(open + 1)?;
        let close = (0..rest.len()).find(|at| {
            // `word' is how older programs quote
            let is_quote = rest[*at] == quote || quote == b'`' && rest[*at] == b'\'';
            let is_escaped = *at > 0 && rest[*at - 1] == b'\\';
            is_quote && !is_escaped && !rest.get(at + 1).is_some_and(u8::is_ascii_alphanumeric)
        });
        self.look(close.unwrap_or(rest.len()));
        close.map(|at| open + 1 + at)
    }

    /// Where the bracket is closed that opens there.
    pub fn closing_bracket(&mut self, open: usize) -> Option<usize> {
        let opener = self.bytes[open];
        let closer = match opener {
            b'(' => b')',
            b'[' => b']',
            _ => b'}',
        };
        let rest = self.looked_at(open + 1)?;
        let mut depth = 0_usize;
        let close = rest.iter().position(|byte| {
            if *byte == closer && depth == 0 {
                return true;
            }
            depth = depth + usize::from(*byte == opener) - usize::from(*byte == closer);
            false
        });
        self.look(close.unwrap_or(rest.len()));
        close.map(|at| open + 1 + at)
    }

    /// The bytes that may be looked at from there.
    fn looked_at(&self, from: usize) -> Option<&[u8]> {
        (self.left_bytes > 0).then(|| &self.bytes[from..])
    }

    fn look(&mut self, bytes: usize) {
        self.left_bytes = self.left_bytes.saturating_sub(bytes);
    }
}

pub fn begins_with_command(quoted: &[u8]) -> bool {
    let capitals = quoted.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    capitals > 1 && quoted.get(capitals) == Some(&b' ')
}

/// `f(7)` and `f(a, b)` have arguments; `port(s)` and `pam_unix(sshd:auth)` do not.
pub fn has_arguments(inner: &[u8]) -> bool {
    let is_argument = |byte: &u8| {
        BYTE_SIGNS[usize::from(*byte)] & (sign::SURE_BIT | sign::SLASH_BIT | sign::DOT_BIT | sign::SEPARATOR_BIT) != 0
            || matches!(byte, b'"' | b'\'' | b'=')
    };
    inner.iter().any(is_argument)
}

/// A number with dots or colons in it, or `::`.
pub fn is_address(inner: &[u8]) -> bool {
    inner == b"::" || inner.iter().any(u8::is_ascii_digit) && inner.iter().any(|byte| matches!(byte, b'.' | b':'))
}

/// Single words with commas between them.
pub fn is_list(inner: &[u8]) -> bool {
    let mut has_comma = false;
    let mut before = b',';
    for (at, byte) in inner.iter().enumerate() {
        let is_after_comma = before == b',' || at > 1 && before == b' ' && inner[at - 2] == b',';
        if *byte == b' ' && !is_after_comma {
            return false;
        }
        has_comma |= *byte == b',';
        before = *byte;
    }
    has_comma
}
