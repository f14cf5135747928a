//! Text of a log with the matches in it marked: all of it, or the part around the first match.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use maud::{Markup, html};

use crate::render::escape::{cut, visible, visible_in_line};
use crate::render::web_links::web_links;

/// Of a text within a line.
pub const CELL_CHARS: usize = 80;

/// A text within a line, cut to fit: its start, or the part around its first match.
pub fn excerpt(text: &str, marks: &[Range<usize>]) -> Markup {
    excerpt_from(text, marks, 0)
}

/// The same of a part that begins at the byte `start` of the text that has the marks.
pub fn excerpt_from(text: &str, marks: &[Range<usize>], start: usize) -> Markup {
    let mark = marks.iter().find_map(|mark| mark.start.checked_sub(start));
    let first = mark.and_then(|at| text.get(..at)).map_or(0, |before| before.chars().count());
    let skipped = if first < CELL_CHARS / 2 { 0 } else { first - CELL_CHARS / 4 };
    let at = cut(text, skipped).0.len();
    let (shown, cut_off) = cut(&text[at..], CELL_CHARS);
    html! { @if at > 0 { "…" } (marked_as(shown, marks, start + at, visible_in_line)) @if cut_off { "…" } }
}

/// A part of a message that begins at the byte `at` of the whole, its matches marked.
pub fn marked(part: &str, marks: &[Range<usize>], at: usize) -> Markup {
    marked_as(part, marks, at, visible)
}

/// The same with its web addresses as links, which no mark divides. `is_cut`: the whole goes on after the part.
pub fn linked(part: &str, marks: &[Range<usize>], at: usize, is_cut: bool) -> Markup {
    let links = web_links(part, is_cut);
    let starts = std::iter::once(0).chain(links.iter().map(|link| link.end));
    let rest = links.last().map_or(0, |link| link.end);
    html! {
        @for (start, link) in starts.zip(&links) {
            (marked(&part[start..link.start], marks, at + start))
            a href=(part[link.clone()]) rel="noreferrer" { (marked(&part[link.clone()], marks, at + link.start)) }
        }
        (marked(&part[rest..], marks, at + rest))
    }
}

fn marked_as(part: &str, marks: &[Range<usize>], at: usize, shown: impl Fn(&str) -> Cow<'_, str>) -> Markup {
    let (pieces, rest) = pieces(part, marks, at);
    html! { @for (before, mark) in pieces { (shown(before)) mark { (shown(mark)) } } (shown(rest)) }
}

/// A message as HTML for programs, each match within `<b>`. A client that shows it need not escape anything.
///
/// It may be six times as long as the message, so it is written part by part, and never there as a whole.
pub struct Snippet<'t> {
    pieces: Vec<(&'t str, &'t str)>,
    rest: &'t str,
}

impl<'t> Snippet<'t> {
    pub fn new(message: &'t str, marks: &[Range<usize>]) -> Snippet<'t> {
        let (pieces, rest) = pieces(message, marks, 0);
        Snippet { pieces, rest }
    }
}

impl fmt::Display for Snippet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (before, mark) in &self.pieces {
            write_escaped(before, f)?;
            f.write_str("<b>")?;
            write_escaped(mark, f)?;
            f.write_str("</b>")?;
        }
        write_escaped(self.rest, f)
    }
}

/// Bytes of a text that are escaped at once.
const ESCAPED_BYTES: usize = 4096;

fn write_escaped(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut rest = text;
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.floor_char_boundary(ESCAPED_BYTES));
        f.write_str(&html! { (part) }.into_string())?;
        rest = after;
    }
    Ok(())
}

/// The marks that share bytes with a part of a text. They are in their order, and none overlaps another.
fn marks_of(marks: &[Range<usize>], part: Range<usize>) -> &[Range<usize>] {
    let first = marks.partition_point(|mark| mark.end <= part.start);
    let end = marks.partition_point(|mark| mark.start < part.end);
    &marks[first..end.max(first)]
}

/// Each match in a part of a text, after the text before it; and the text after the last one.
fn pieces<'t>(part: &'t str, marks: &[Range<usize>], at: usize) -> (Vec<(&'t str, &'t str)>, &'t str) {
    let mut done = 0;
    let mut pieces = Vec::new();
    for mark in marks_of(marks, at..at + part.len()) {
        let start = mark.start.saturating_sub(at).clamp(done, part.len());
        let end = mark.end.saturating_sub(at).clamp(start, part.len());
        // a mark that is empty, elsewhere, or (never, but this is hostile text) inside a character
        if start == end || !part.is_char_boundary(start) || !part.is_char_boundary(end) {
            continue;
        }
        pieces.push((&part[done..start], &part[start..end]));
        done = end;
    }
    (pieces, &part[done..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_marked(part: &str, marks: &[Range<usize>], at: usize, expect: &str) {
        assert_eq!(marked(part, marks, at).into_string(), expect);
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init)] // one mark is a list of one
    fn matches_are_marked_in_every_part_of_a_message() {
        check_marked("timed out", &[0..5, 6..9], 0, "<mark>timed</mark> <mark>out</mark>");
        check_marked("ut\nrest", &[0..12], 10, "<mark>ut</mark>\nrest");
        check_marked("a<b", &[1..2], 0, "a<mark>&lt;</mark>b");
        check_marked("日本", &[1..3, 3..6], 0, "日<mark>本</mark>");
        check_marked("x", &[], 0, "x");
        check_marked("short", &[3..900], 0, "sho<mark>rt</mark>");
    }

    /// A text of many links is looked through in as many parts: each with its own marks only.
    #[test]
    fn a_part_has_its_own_marks() {
        let marks = [0..2, 4..6, 6..9, 12..14];
        for (part, expect) in [(0..20, 0..4), (2..4, 1..1), (5..7, 1..3), (6..12, 2..3), (14..20, 4..4)] {
            assert_eq!(marks_of(&marks, part.clone()), &marks[expect], "{part:?}");
        }
        assert!(marks_of(&[], 3..9).is_empty());
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init)] // one mark is a list of one
    fn no_mark_divides_a_web_address() {
        let link = |text: &str| format!("<a href=\"http://a/b?c&amp;d\" rel=\"noreferrer\">{text}</a>");
        for (marks, expect) in [
            (vec![], format!("to {}, ok", link("http://a/b?c&amp;d"))),
            (vec![10..12], format!("to {}, ok", link("http://<mark>a/</mark>b?c&amp;d"))),
            (
                vec![0..7, 16..20],
                format!("<mark>to </mark>{}<mark>, o</mark>k", link("<mark>http</mark>://a/b?c&amp;<mark>d</mark>")),
            ),
        ] {
            let marks: Vec<Range<usize>> =
                marks.into_iter().map(|mark: Range<usize>| mark.start + 5..mark.end + 5).collect();
            assert_eq!(linked("to http://a/b?c&d, ok", &marks, 5, false).into_string(), expect);
        }
        assert_eq!(linked("to http://a/b", &[], 0, true).into_string(), "to http://a/b", "it may be half of one");
        let hostile = linked("javascript://a/%0aalert(1) http://a/\"onclick=x", &[], 0, false).into_string();
        assert_eq!(
            hostile,
            "javascript://a/%0aalert(1) <a href=\"http://a/\" rel=\"noreferrer\">http://a/</a>&quot;onclick=x"
        );
    }

    #[test]
    fn a_snippet_marks_matches_and_is_no_markup_of_the_log() {
        assert_eq!(
            Snippet::new("<b>\"x\" & é</b>", &[3..6, 9..11]).to_string(),
            "&lt;b&gt;<b>&quot;x&quot;</b> &amp; <b>é</b>&lt;/b&gt;"
        );
        // longer than one part, which would end within a character
        let long = format!("x{}", "é<".repeat(ESCAPED_BYTES));
        assert_eq!(Snippet::new(&long, &[]).to_string(), long.replace('<', "&lt;"));
    }
}
