//! The names of an address's parameters, and the values that they may have. Pure. An error names the parameter, and a valid value.

/// A name and a value as an address has them, not encoded.
pub type Parameter = (String, String);

/// Parameters that are not columns; a column of such a name is `js.<column>`.
pub const RESERVED: [&str; 26] = [
    "start_ts",
    "end_ts",
    "overview",
    "search",
    "mode",
    "case",
    "word",
    "invert",
    "context",
    "before",
    "after",
    "in",
    "columns",
    "order",
    "sort",
    "only_new",
    "against",
    "limit",
    "format",
    "follow",
    "wrap",
    "tz",
    "cursor",
    "download",
    "bom",
    "tracebacks",
];

pub const JS: &str = "js.";
pub const OFF: &str = "off.";

pub fn one_of<T: Copy>(key: &str, text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    match choices.iter().find(|(name, _)| *name == text) {
        Some((_, choice)) => Ok(*choice),
        None => Err(bad(key, text, &choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" or "))),
    }
}

pub fn yes_or_no(key: &str, text: &str) -> Result<bool, String> {
    // `on` is what a form sends for a box without a value
    one_of(key, text, &[("1", true), ("0", false), ("on", true)]).map_err(|_| bad(key, text, "1 or 0"))
}

/// The error for a value that the parameter cannot have.
pub fn bad(key: &str, text: &str, write: &str) -> String {
    format!("invalid {key} '{text}'; write {write}")
}

/// `a, b\,c` -> `a`, `b,c`. Spaces around a value do not count; its own at either end have a backslash before them. A backslash
/// before anything but a comma, a backslash or a space is itself.
pub fn split_list(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    // bytes of the last part up to which its spaces are its own
    let mut kept = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let part = parts.last_mut().expect("there is a part from the start");
        match c {
            ',' => {
                part.truncate(kept);
                parts.push(String::new());
                kept = 0;
                continue;
            }
            ' ' if part.is_empty() => continue,
            ' ' => {
                part.push(c);
                continue;
            }
            '\\' => part.push(chars.next_if(|next| is_escaped(*next)).unwrap_or('\\')),
            _ => part.push(c),
        }
        kept = part.len();
    }
    parts.last_mut().expect("there is a part from the start").truncate(kept);
    parts
}

/// The text of which `split_list` makes these values.
pub fn join_list(parts: &[String]) -> String {
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        let (begins, ends) = (part.len() - part.trim_start_matches(' ').len(), part.trim_end_matches(' ').len());
        let mut chars = part.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let escape = match c {
                ',' => true,
                ' ' => at < begins || at >= ends,
                '\\' => chars.peek().is_none_or(|(_, next)| is_escaped(*next)),
                _ => false,
            };
            if escape {
                text.push('\\');
            }
            text.push(c);
        }
    }
    text
}

/// True if a backslash in a list escapes this character.
fn is_escaped(c: char) -> bool {
    matches!(c, ',' | '\\' | ' ')
}
