//! `@column=value` typed into the search field is a filter; a backslash before it makes it text. Pure: both ways, so that
//! a text that looks like a filter survives its link.
//!
//! | typed | parameter of an address |
//! |---|---|
//! | `@column=a`, `@column=a,b`, `@column="a, b"` | `column=a`; `column=a&column=b`; one value, as it stands |
//! | `@column!=a,b`, `@column>5`, `>=`, `<`, `<=` | `column__not=a,b`, `column__gt=5`, … |
//! | `@column~sub*string`, `@column!` | `column__like=sub*string`, `column__exists=0` |
//! | `@column__in=a,b` | as in the address, for every operator |
//! | `@(a=1 \| b=2)` | `any=a=1 \| b=2`: see `group` |

use crate::query::condition::{ANY, SIGNS, split_operator};
use crate::query::group::typed_group;
use crate::query::parameter::{Parameter, join_list, split_list};

/// A filter at the start of a word of the search field.
struct InlineFilter<'a> {
    backslashes: usize,
    /// without the backslashes
    text: &'a str,
    parameters: Vec<Parameter>,
}

fn typed(text: &str) -> Option<InlineFilter<'_>> {
    let unescaped = text.trim_start_matches('\\');
    let backslashes = text.len() - unescaped.len();
    let bare = unescaped.strip_prefix('@')?;
    let group = typed_group(bare).map(|group| (vec![(ANY.to_owned(), group.to_owned())], group.len() + 2));
    let (parameters, length) = group.or_else(|| condition(bare))?;
    Some(InlineFilter { backslashes, text: &unescaped[..1 + length], parameters })
}

/// The condition with which the text begins, `column=value`, and its length in bytes.
pub fn condition(text: &str) -> Option<(Vec<Parameter>, usize)> {
    let starts = text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '@'));
    let name = &text[..text.find(|c: char| c.is_whitespace() || matches!(c, '=' | '!' | '<' | '>' | '~' | '"'))?];
    let rest = &text[name.len()..];
    if !starts {
        return None;
    }
    let Some((sign, operator)) = SIGNS.into_iter().find(|(sign, _)| rest.starts_with(sign)) else {
        let is_alone = rest.strip_prefix('!')?.chars().next().is_none_or(char::is_whitespace);
        return is_alone.then(|| (vec![(format!("{name}__exists"), "0".to_owned())], name.len() + 1));
    };
    let rest = &rest[sign.len()..];
    let quoted = rest.strip_prefix('"').and_then(|rest| {
        let ends = |at: usize| rest[at + 1..].chars().next().is_none_or(char::is_whitespace);
        rest.match_indices('"').map(|(at, _)| at).find(|&at| ends(at)).map(|at| &rest[..at])
    });
    let bare = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
    let written = quoted.map_or(bare.len(), |value| value.len() + 2);
    let parameters = match operator {
        "" if split_operator(name).1.is_some() => vec![(name.to_owned(), quoted.unwrap_or(bare).to_owned())],
        "" if quoted == Some("") => vec![(format!("{name}__in"), String::new())],
        "" => values(quoted, bare).into_iter().map(|value| (name.to_owned(), value)).collect(),
        "__not" => match values(quoted, bare).as_slice() {
            [] => Vec::new(),
            values => vec![(format!("{name}__not"), join_list(values))],
        },
        _ => vec![(format!("{name}{operator}"), quoted.unwrap_or(bare).to_owned())],
    };
    let is_said = |(_, value): &Parameter| !value.is_empty() || quoted.is_some() && matches!(operator, "" | "__not");
    let is_filter = parameters.iter().any(is_said);
    is_filter.then_some((parameters, name.len() + sign.len() + written))
}

/// A quoted value is one; the commas of another separate several. A comma at the end belongs to the sentence.
fn values(quoted: Option<&str>, bare: &str) -> Vec<String> {
    match quoted {
        Some(value) => vec![value.to_owned()],
        None if bare.contains(',') => split_list(bare).into_iter().filter(|value| !value.is_empty()).collect(),
        None if bare.is_empty() => Vec::new(),
        None => vec![bare.to_owned()],
    }
}

/// Goes through the search field: calls `found` for each typed filter, which returns the text that stays of it.
fn each_typed<'a>(text: &'a str, out: &mut String, mut found: impl FnMut(InlineFilter<'a>) -> Option<String>) {
    let mut rest = text;
    let mut word_starts = true;
    while let Some(c) = rest.chars().next() {
        let filter = if word_starts && matches!(c, '@' | '\\') { typed(rest) } else { None };
        match filter {
            Some(filter) => {
                let length = filter.backslashes + filter.text.len();
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
pub fn read_typed(text: &str, out: &mut String) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    each_typed(text, out, |filter| match filter.backslashes.checked_sub(1) {
        None => {
            parameters.extend(filter.parameters);
            None
        }
        Some(backslashes) => Some(format!("{}{}", "\\".repeat(backslashes), filter.text)),
    });
    parameters
}

/// The search field that is read back as this text.
pub fn write_typed(text: &str) -> String {
    let mut out = String::new();
    each_typed(text, &mut out, |filter| Some(format!("{}{}", "\\".repeat(filter.backslashes + 1), filter.text)));
    out
}
