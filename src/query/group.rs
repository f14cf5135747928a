//! Filters as parameters of an address, and the text of filters of which one is enough: `host=a | host=b level=ERROR`, the value of
//! `any=`, typed as `@(host=a | host=b level=ERROR)`. Pure: what `Alternatives` writes, `read` reads back.
//!
//! `|` separates alternatives, white space the filters of one. A filter has the signs of `inline_filters`. A name or value with
//! white space or a sign stands in quotes, with a backslash before a quote or a backslash.

use std::fmt;
use std::ops::Range;

use crate::query::condition::{ANY, Alternatives, PATTERN, SIGNS, split_operator};
use crate::query::parameter::{JS, OFF, Parameter, RESERVED, join_list, split_list};
use crate::query::{Condition, Filter, MAX_FILTERS};

/// The parameters of a filter; `earlier` are the filters before it. `column=value` is the short form: for the first such filter of a
/// column only, since they are read back as one.
pub fn parameters(filter: &Filter, earlier: &[Filter]) -> Vec<Parameter> {
    let column = &filter.column;
    let is_own = |filter: &Filter| filter.is.patterns().is_some() || matches!(filter.is, Condition::AnyOf(_));
    let taken = RESERVED.contains(&column.as_str())
        || [PATTERN, ANY].contains(&column.as_str())
        || column.starts_with(JS)
        || column.starts_with(OFF)
        || column.is_empty();
    let off = if filter.off { OFF } else { "" };
    let key = format!("{off}{}{column}", if taken && !is_own(filter) { JS } else { "" });
    let is_short = |filter: &Filter| match &filter.is {
        Condition::In(values) => !values.iter().any(String::is_empty) && split_operator(&filter.column).1.is_none(),
        Condition::HasPattern(_) => true,
        _ => false,
    };
    let is_alike =
        |other: &Filter| other.column == filter.column && other.off == filter.off && is_own(other) == is_own(filter);
    let first = || !earlier.iter().any(|other| is_alike(other) && is_short(other));
    match &filter.is {
        Condition::In(values) if is_short(filter) && first() => {
            values.iter().map(|value| (key.clone(), value.clone())).collect()
        }
        Condition::HasPattern(patterns) if first() => {
            patterns.iter().map(|pattern| (key.clone(), pattern.to_string())).collect()
        }
        condition => match condition.written() {
            ("", value) => vec![(key, value)],
            (operator, value) => vec![(format!("{key}__{operator}"), value)],
        },
    }
}

impl fmt::Display for Alternatives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, all) in self.0.iter().enumerate() {
            f.write_str(if at > 0 { " | " } else { "" })?;
            for (at, filter) in all.iter().enumerate() {
                f.write_str(if at > 0 { " " } else { "" })?;
                write_filter(&parameters(filter, &all[..at]), f)?;
            }
        }
        Ok(())
    }
}

/// The parameters of one filter have one name.
fn write_filter(parameters: &[Parameter], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some((name, value)) = parameters.first() else { return Ok(()) };
    let list = |values: &[String]| values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(",");
    let (column, operator) = split_operator(name);
    let operator = operator.map(|operator| operator.name);
    let signed = SIGNS.iter().find(|(_, sign)| operator.is_some() && sign.strip_prefix("__") == operator);
    match (signed, operator) {
        (Some((sign, "__not")), _) => write!(f, "{}{sign}{}", quoted(column), list(&split_list(value))),
        (Some((sign, _)), _) => write!(f, "{}{sign}{}", quoted(column), quoted(value)),
        (None, Some("exists")) if value == "0" => write!(f, "{}!", quoted(column)),
        (None, Some(_)) => write!(f, "{}={}", quoted(name), quoted(value)),
        (None, None) => {
            let values: Vec<String> = parameters.iter().map(|(_, value)| value.clone()).collect();
            write!(f, "{}={}", quoted(name), list(&values))
        }
    }
}

/// The text as a name or a value of a group.
fn quoted(text: &str) -> String {
    match text.is_empty() || text.contains(ends_name) {
        true => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        false => text.to_owned(),
    }
}

/// True for a character that has no place in a value without quotes.
fn ends_value(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '|' | '(' | ')' | ',')
}

fn ends_name(c: char) -> bool {
    ends_value(c) || matches!(c, '=' | '!' | '<' | '>' | '~')
}

/// The group with which a text begins: the part between its brackets. None: it is other text.
pub fn typed_group(text: &str) -> Option<&str> {
    typed_groups(text).into_iter().find(|group| group.start == 1).map(|group| &text[group])
}

/// The groups of a text, in the order of their first brackets: the parts between their brackets. A group may begin within another one,
/// or within its quotes. One pass finds them all: from the end of the text, each place knows the bracket that ends a group around it.
pub fn typed_groups(text: &str) -> Vec<Range<usize>> {
    let ends_word = |close: usize| text[close + 1..].chars().next().is_none_or(char::is_whitespace);
    let mut groups = Vec::new();
    let mut next_sign: Option<usize> = None;
    // the bracket that ends a group, if the text after this place is not quoted, or is; and the latter from a byte further on, which is
    // the first after a backslash and what it escapes
    let (mut unquoted, mut quoted, mut escaped): (Option<usize>, Option<usize>, Option<usize>) = (None, None, None);
    for (at, byte) in text.bytes().enumerate().rev() {
        let (was_unquoted, was_quoted) = (unquoted, quoted);
        match byte {
            b')' => unquoted = Some(at),
            b'"' => (unquoted, quoted) = (was_quoted, was_unquoted),
            b'\\' => quoted = escaped,
            b'(' => {
                let has_sign = |close: &usize| next_sign.is_some_and(|sign| sign < *close);
                let close = unquoted.filter(has_sign).filter(|close| ends_word(*close));
                groups.extend(close.map(|close| at + 1..close));
            }
            b'=' | b'!' | b'<' | b'>' | b'~' => next_sign = Some(at),
            _ => {}
        }
        escaped = was_quoted;
    }
    groups.reverse();
    groups
}

/// The parameters of each alternative.
///
/// # Errors
/// What cannot be read, and the form.
pub fn read(text: &str) -> Result<Vec<Vec<Parameter>>, String> {
    let mut alternatives = vec![Vec::new()];
    let (mut rest, mut number) = (text.trim_start(), 0);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('|') {
            alternatives.push(Vec::new());
            rest = after.trim_start();
            continue;
        }
        let (parameters, after) = filter(rest).ok_or_else(|| unreadable(rest))?;
        number += 1;
        if number > MAX_FILTERS {
            return Err(format!("{ANY} has more than {MAX_FILTERS} filters"));
        }
        alternatives.last_mut().expect("there is one from the start").extend(parameters);
        rest = after.trim_start();
    }
    match alternatives.iter().any(Vec::is_empty) {
        true => Err(unreadable(text)),
        false => Ok(alternatives),
    }
}

pub fn unreadable(text: &str) -> String {
    format!(
        "'{text}' is not a filter of {ANY}; write @(host=a | host=b level=ERROR), and quotes around a value with spaces; a column of \
         that name is js.{ANY}"
    )
}

/// The filter with which a text begins, and the text after it.
fn filter(text: &str) -> Option<(Vec<Parameter>, &str)> {
    let (name, rest) = item(text, ends_name)?;
    let Some((sign, operator)) = SIGNS.into_iter().find(|(sign, _)| rest.starts_with(sign)) else {
        let after = rest.strip_prefix('!')?;
        return Some((vec![(format!("{name}__exists"), "0".to_owned())], after));
    };
    let rest = &rest[sign.len()..];
    let (first, mut rest) = item(rest, ends_value)?;
    let mut values = vec![first];
    while let Some(after) = rest.strip_prefix(',') {
        // a comma at the end says nothing
        let Some((value, after)) = item(after, ends_value) else {
            rest = after;
            break;
        };
        values.push(value);
        rest = after;
    }
    let is_list = values.len() > 1;
    let parameters = match operator {
        "" if split_operator(&name).1.is_some() => {
            vec![(name, if is_list { join_list(&values) } else { values.swap_remove(0) })]
        }
        "" if values.iter().any(String::is_empty) => vec![(format!("{name}__in"), join_list(&values))],
        "" => values.into_iter().map(|value| (name.clone(), value)).collect(),
        "__not" => vec![(format!("{name}__not"), join_list(&values))],
        _ => vec![(format!("{name}{operator}"), values.join(","))],
    };
    let is_said =
        |(name, value): &Parameter| !value.is_empty() || split_operator(name).1.is_some_and(|one| one.takes_empty);
    parameters.iter().all(is_said).then_some((parameters, rest))
}

/// A name or a value, with or without quotes, and the text after it.
fn item(text: &str, ends: fn(char) -> bool) -> Option<(String, &str)> {
    let Some(inner) = text.strip_prefix('"') else {
        let (bare, rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
        return (!bare.is_empty()).then(|| (bare.to_owned(), rest));
    };
    let (mut value, mut chars) = (String::new(), inner.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &inner[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}
