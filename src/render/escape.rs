//! Makes log text fit for a page: characters that a terminal or a browser would obey become visible.
//!
//! All text from a log (messages, values, names of columns) goes through here; maud escapes markup. Colour
//! codes are removed, line ends and tabs stay, everything else that has no glyph of its own is written as one.

use std::borrow::Cow;

/// The text as it can be shown in a `<pre>`.
pub fn visible(text: &str) -> Cow<'_, str> {
    // nearly all log text is fit as it is
    if !any_byte(text, |byte| !matches!(byte, b' '..=b'~' | b'\n' | b'\t')) {
        return Cow::Borrowed(text);
    }
    let Some(first) = text.find(|c: char| c != '\n' && c != '\t' && is_unfit(c)) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    out.push_str(&rest[..first]);
    rest = &rest[first..];
    while let Some(c) = rest.chars().next() {
        if let Some(length) = colour_code(rest) {
            rest = &rest[length..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '\n' | '\t' => out.push(c),
            // a line end as Windows writes it
            '\r' if rest.starts_with('\n') => {}
            // as less and cat -v write them
            '\0'..='\x1f' | '\x7f' => out.extend(['^', char::from(c as u8 ^ 0x40)]),
            c if is_unfit(c) => out.push_str(&format!("<U+{:04X}>", u32::from(c))),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The text as it can stand within a line: line ends and tabs are visible too.
pub fn visible_in_line(text: &str) -> Cow<'_, str> {
    match visible(text) {
        shown if !shown.contains(['\n', '\t']) => shown,
        shown => Cow::Owned(shown.replace('\n', "↵").replace('\t', "⇥")),
    }
}

/// True if the text has a byte of that kind. Looks at many bytes at once: most texts have none, and are seen to the end.
pub fn any_byte(text: &str, is: impl Fn(u8) -> bool) -> bool {
    text.as_bytes().chunks(64).any(|bytes| bytes.iter().fold(false, |any, byte| any | is(*byte)))
}

/// The first `chars` characters, and whether there are more.
pub fn cut(text: &str, chars: usize) -> (&str, bool) {
    match text.char_indices().nth(chars) {
        Some((at, _)) => (&text[..at], true),
        None => (text, false),
    }
}

/// Controls, the characters that turn the direction of text or have no width, and those that HTML forbids. The joiners
/// stay: Persian and emoji are written with them.
fn is_unfit(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{fdd0}'..='\u{fdef}' | '\u{e0000}'..='\u{e007f}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// The length in bytes of a colour code at the start of the text: `ESC [ … m`, and `ESC [ K`, which grep writes with its colours.
fn colour_code(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\x1b[").or_else(|| text.strip_prefix('\u{9b}'))?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && !matches!(c, ';' | ':'))?;
    matches!(parameters.as_bytes()[end], b'm' | b'K').then(|| text.len() - parameters.len() + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(visible(text), expect, "{text:?}");
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["", "GET / 200", "日本語 العربية 👩‍👩‍👧 é", "two\nlines\tand a tab"] {
            check(text, text);
            assert!(matches!(visible(text), Cow::Borrowed(_)), "{text:?} was copied");
        }
    }

    #[test]
    fn colour_codes_are_removed() {
        check("\x1b[1;31mERROR\x1b[0m done", "ERROR done");
        check("\x1b[38:5:196mred\x1b[m\x1b[K", "red");
        check("\u{9b}31mred", "red");
    }

    #[test]
    fn control_characters_are_shown() {
        check("a\0b\x08\x1b]0;title\x07", "a^@b^H^[]0;title^G");
        check("\x1b[2J\x1b[", "^[[2J^[[");
        check("rm \u{202e}txt.exe\u{2066}", "rm <U+202E>txt.exe<U+2066>");
        check("\u{feff}\u{200b}\u{ffff}\u{85}\x7f", "<U+FEFF><U+200B><U+FFFF><U+0085>^?");
        check("one\r\ntwo\rthree", "one\ntwo^Mthree");
        assert_eq!(visible_in_line("a\nb\tc"), "a↵b⇥c");
    }

    #[test]
    fn a_cut_falls_between_characters() {
        assert_eq!(cut("日本語", 2), ("日本", true));
        assert_eq!(cut("日本語", 3), ("日本語", false));
    }
}
