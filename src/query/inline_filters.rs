//! `@column=value` typed into the search field is a filter; a backslash before it makes it text. Pure: both ways, so that
//! a text that looks like a filter survives its link.

/// `@column=value` or `@column="a value"` at the start of a word of the search field; `\` before it makes it plain text.
struct InlineFilter<'a> {
    backslashes: usize,
    name: &'a str,
    value: &'a str,
    length: usize,
}

fn typed(text: &str) -> Option<InlineFilter<'_>> {
    let unescaped = text.trim_start_matches('\\');
    let backslashes = text.len() - unescaped.len();
    let (name, rest) = unescaped.strip_prefix('@')?.split_once('=')?;
    let starts = name.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '@'));
    if !starts || name.contains(|c: char| c.is_whitespace() || c == '"') {
        return None;
    }
    let bare = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
    let quoted = rest.strip_prefix('"').and_then(|rest| {
        let ends = |at: usize| rest[at + 1..].chars().next().is_none_or(char::is_whitespace);
        rest.match_indices('"').map(|(at, _)| at).find(|&at| ends(at)).map(|at| &rest[..at])
    });
    let (value, quotes) = quoted.map_or((bare, 0), |value| (value, 2));
    let length = backslashes + 1 + name.len() + 1 + value.len() + quotes;
    (!value.is_empty()).then_some(InlineFilter { backslashes, name, value, length })
}

/// Goes through the search field: calls `found` for each typed filter, which returns the text that stays of it.
fn each_typed<'a>(text: &'a str, out: &mut String, mut found: impl FnMut(InlineFilter<'a>) -> Option<String>) {
    let mut rest = text;
    let mut word_starts = true;
    while let Some(c) = rest.chars().next() {
        let filter = if word_starts && matches!(c, '@' | '\\') { typed(rest) } else { None };
        match filter {
            Some(filter) => {
                let length = filter.length;
                match found(filter) {
                    Some(text) => out.push_str(&text),
                    // the white space on one side goes too
                    None => out.truncate(out.trim_end().len()),
                }
                rest = &rest[length..];
                if out.is_empty() {
                    rest = rest.trim_start();
                    word_starts = true;
                } else {
                    word_starts = false;
                }
            }
            None => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
                word_starts = c.is_whitespace();
            }
        }
    }
}

/// Takes the typed filters out of the search field; the rest goes to `out`.
pub fn read_typed<'a>(text: &'a str, out: &mut String) -> Vec<(&'a str, &'a str)> {
    let mut filters = Vec::new();
    each_typed(text, out, |filter| match filter.backslashes {
        0 => {
            filters.push((filter.name, filter.value));
            None
        }
        _ => Some(text_of(&filter, filter.backslashes - 1)),
    });
    filters
}

/// The search field that is read back as this text.
pub fn write_typed(text: &str) -> String {
    let mut out = String::new();
    each_typed(text, &mut out, |filter| Some(text_of(&filter, filter.backslashes + 1)));
    out
}

fn text_of(filter: &InlineFilter<'_>, backslashes: usize) -> String {
    let quote =
        if filter.length == filter.backslashes + 2 + filter.name.len() + filter.value.len() { "" } else { "\"" };
    format!("{}@{}={quote}{}{quote}", "\\".repeat(backslashes), filter.name, filter.value)
}
