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

use std::ops::Range;

use crate::query::condition::{ANY, SIGNS, split_operator};
use crate::query::group::typed_groups;
use crate::query::parameter::{Parameter, join_list, split_list};

/// A filter at the start of a word of the search field.
struct InlineFilter<'a> {
    backslashes: usize,
    /// without the backslashes
    text: &'a str,
    parameters: Vec<Parameter>,
}

/// Where the groups and the quoted values of a text end. All are found at once: to look for each from its own start would take time
/// by the square of the text's length.
struct FilterEnds {
    /// in order
    groups: Vec<Range<usize>>,
    closing_quotes: Vec<usize>,
}

impl FilterEnds {
    fn of(text: &str) -> FilterEnds {
        FilterEnds { groups: typed_groups(text), closing_quotes: closing_quotes(text).collect() }
    }

    /// The group whose part between the brackets begins there.
    fn group(&self, start: usize) -> Option<Range<usize>> {
        let found = self.groups.binary_search_by_key(&start, |group| group.start);
        found.ok().map(|at| self.groups[at].clone())
    }

    /// The first closing quote from there on.
    fn closing_quote(&self, from: usize) -> Option<usize> {
        self.closing_quotes.get(self.closing_quotes.partition_point(|at| *at < from)).copied()
    }
}

/// The quotes of a text that may end a value: after them a word begins, or nothing.
fn closing_quotes(text: &str) -> impl Iterator<Item = usize> {
    let ends = |at: &usize| text[at + 1..].chars().next().is_none_or(char::is_whitespace);
    text.match_indices('"').map(|(at, _)| at).filter(ends)
}

/// The filter that begins at that byte of a text.
fn typed<'a>(whole: &'a str, at: usize, ends: &FilterEnds) -> Option<InlineFilter<'a>> {
    let text = &whole[at..];
    let unescaped = text.trim_start_matches('\\');
    let backslashes = text.len() - unescaped.len();
    let bare = unescaped.strip_prefix('@')?;
    let bare_at = whole.len() - bare.len();
    let group =
        ends.group(bare_at + 1).map(|group| (vec![(ANY.to_owned(), whole[group.clone()].to_owned())], group.len() + 2));
    let closing_quote = |after: usize| Some(ends.closing_quote(bare_at + after)? - bare_at);
    let (parameters, length) = group.or_else(|| condition_of(bare, closing_quote))?;
    Some(InlineFilter { backslashes, text: &unescaped[..1 + length], parameters })
}

/// The condition with which the text begins, `column=value`, and its length in bytes.
pub fn condition(text: &str) -> Option<(Vec<Parameter>, usize)> {
    condition_of(text, |after| closing_quotes(&text[after..]).next().map(|at| after + at))
}

/// The same. `closing_quote`: the first one of the text from a byte on.
fn condition_of(text: &str, closing_quote: impl FnOnce(usize) -> Option<usize>) -> Option<(Vec<Parameter>, usize)> {
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
    let quoted = rest.strip_prefix('"').and_then(|inner| {
        let start = text.len() - inner.len();
        closing_quote(start).map(|end| &text[start..end])
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
    let ends = FilterEnds::of(text);
    let mut rest = text;
    let mut word_starts = true;
    while let Some(c) = rest.chars().next() {
        let at = text.len() - rest.len();
        let filter = if word_starts && matches!(c, '@' | '\\') { typed(text, at, &ends) } else { None };
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::group::typed_group;

    /// A group as it is read from the place where it begins.
    fn plain_group(text: &str) -> Option<&str> {
        let rest = text.strip_prefix('(')?;
        let (mut is_quoted, mut escaped) = (false, false);
        for (at, c) in rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' if is_quoted => escaped = true,
                '"' => is_quoted = !is_quoted,
                ')' if !is_quoted => {
                    let (inner, after) = rest.split_at(at);
                    let ends = after[1..].chars().next().is_none_or(char::is_whitespace);
                    return (ends && inner.contains(['=', '!', '<', '>', '~'])).then_some(inner);
                }
                _ => {}
            }
        }
        None
    }

    /// The first closing quote as it is looked for from the place where its value begins.
    fn plain_closing_quote(text: &str) -> Option<usize> {
        let ends = |at: usize| text[at + 1..].chars().next().is_none_or(char::is_whitespace);
        text.match_indices('"').map(|(at, _)| at).find(|&at| ends(at))
    }

    fn starts(text: &str) -> impl Iterator<Item = (usize, &str)> {
        text.char_indices().map(|(at, _)| (at, &text[at..]))
    }

    /// Text in which filters begin at many places, and end at few.
    fn hostile_text() -> impl Strategy<Value = String> {
        let piece = proptest::sample::select(vec![
            "@", "(", ")", "\"", "\\", " ", "\u{a0}", "a", "é", "=", "!", "@(", "@a=\"", ") ", "\" ", "|", ",", "~b",
        ]);
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    #[test]
    fn the_ends_of_many_filters_are_found_in_one_pass() {
        // to look for each of these ends from its own start takes 10^11 steps and more
        for (piece, filters) in [
            ("@( ", 0),
            ("@(a= ", 0),
            ("\\@(\" ", 0),
            ("@(a=1)b ", 0),
            ("@a=\"b ", 1),
            ("@a>\"\"b ", 1),
            ("@(a=1) ", 1),
        ] {
            let number = (1 << 20) / piece.len();
            let text = piece.repeat(number);
            assert_eq!(write_typed(&text).len(), text.len() + filters * number, "{piece}");
        }
        assert_eq!(typed_group(&"(a=1".repeat(1 << 18)), None);
    }

    proptest! {
        #[test]
        fn a_filter_ends_where_it_ends_when_read_alone(text in hostile_text()) {
            let ends = FilterEnds::of(&text);
            for (at, rest) in starts(&text) {
                let group = plain_group(rest);
                prop_assert_eq!(typed_group(rest), group);
                prop_assert_eq!(ends.group(at + 1).filter(|_| rest.starts_with('(')).map(|group| &text[group]), group, "{}", rest);
                let quote = plain_closing_quote(rest);
                prop_assert_eq!(ends.closing_quote(at), quote.map(|quote| at + quote), "{}", rest);
            }
        }

        #[test]
        fn a_typed_text_is_read_back_as_it_was_written(text in hostile_text()) {
            let mut read = String::new();
            prop_assert_eq!(read_typed(&write_typed(&text), &mut read), vec![]);
            prop_assert_eq!(read, text);
        }
    }
}
