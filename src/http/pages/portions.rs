//! Writes a page part by part, and a long text of it portion by portion, so that no part is large.

use std::fmt::{self, Write};
use std::ops::Range;

use maud::Markup;

use crate::http::pages::marked::linked;

/// Of a text that is written at once.
const PORTION_BYTES: usize = 64 * 1024;

/// Writes a part of a page.
pub fn put(out: &mut dyn Write, part: Markup) -> fmt::Result {
    out.write_str(&part.0)
}

/// Writes a text with its matches and web addresses, portion by portion.
pub fn put_text(text: &str, marks: &[Range<usize>], out: &mut dyn Write) -> fmt::Result {
    portions(text).try_for_each(|(at, portion, is_divided)| put(out, linked(portion, marks, at, is_divided)))
}

/// The portions of a text, where each begins, and whether it ends within a word. A portion ends after white space, which no web address
/// has, unless there is none in it.
fn portions(text: &str) -> impl Iterator<Item = (usize, &str, bool)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let most = &rest[..rest.floor_char_boundary(PORTION_BYTES)];
        let space = most.char_indices().rfind(|(_, c)| c.is_whitespace()).map(|(at, c)| at + c.len_utf8());
        let is_last = most.len() == rest.len();
        let length = space.filter(|_| !is_last).unwrap_or(most.len());
        let start = at;
        at += length;
        Some((start, &rest[..length], !is_last && space.is_none()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_written_in_portions() {
        for text in
            ["".to_owned(), "x".to_owned(), "日本".repeat(PORTION_BYTES), "a http://b/c\n".repeat(PORTION_BYTES)]
        {
            let all: Vec<_> = portions(&text).collect();
            assert_eq!(all.iter().map(|(_, portion, _)| *portion).collect::<String>(), text);
            let mut at = 0;
            for (start, portion, is_divided) in &all {
                assert!(*start == at && !portion.is_empty() && portion.len() <= PORTION_BYTES);
                at += portion.len();
                assert_eq!(*is_divided, at < text.len() && !portion.ends_with(char::is_whitespace));
            }
            let mut html = String::new();
            put_text(&text, &[(6..9), (PORTION_BYTES + 2..PORTION_BYTES + 8)], &mut html)
                .expect("a String takes everything");
            assert_eq!(html.matches("<a href=\"http://b/c\"").count(), text.matches("http://b/c").count());
            assert_eq!(html.matches("<mark>").count() >= 2, text.len() > PORTION_BYTES);
        }
    }
}
