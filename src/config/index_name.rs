//! The name of an index, and the names in searchd that follow from those of columns. Pure.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::time::Day;

/// A name for a log stream: `[a-z][a-z0-9_]*`, at most 20 characters, not `shortcut`. It does not end like the name of a day
/// index (`web_20261122`), so the two cannot be confused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexName(Arc<str>);

impl IndexName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IndexName {
    type Err = String;

    fn from_str(text: &str) -> Result<IndexName, String> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        let rest = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !first || !rest || text.len() > 20 || text == "shortcut" {
            return Err(format!(
                "'{text}' is not a name for an index: it has a lower-case letter, then lower-case letters, digits and _, at most \
                 20 characters, and is not 'shortcut'"
            ));
        }
        // web_20261122_p1 is a day of a peer
        let of_peer = text.rsplit_once("_p").filter(|(_, number)| number.parse::<usize>().is_ok());
        match of_peer.map_or(text, |(own, _)| own).rsplit_once('_') {
            Some((_, end)) if Day::is_written(end) => {
                Err(format!("'{text}' is not a name for an index: _ and eight digits at its end mean a day"))
            }
            _ => Ok(IndexName(text.into())),
        }
    }
}

impl fmt::Display for IndexName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The part of a path that names the indexes of a search.
pub fn index_list(indexes: &[IndexName]) -> String {
    indexes.iter().map(IndexName::as_str).collect::<Vec<_>>().join(",")
}

/// The full-text field that holds an `indexed` column.
pub fn field_of_column(column: &str) -> String {
    name_of_column(FIELD, column)
}

/// The attribute that holds the hash of a `filtered` column's value.
pub fn attribute_of_column(column: &str) -> String {
    name_of_column(ATTRIBUTE, column)
}

/// Whether something in a day index is the field of a column.
pub fn is_field_of_column(name: &str) -> bool {
    is_name_of_column(FIELD, name)
}

/// Whether something in a day index is the attribute of a column.
pub fn is_attribute_of_column(name: &str) -> bool {
    is_name_of_column(ATTRIBUTE, name)
}

/// The first letters of such names. Nothing else in a day index begins with one of them and `_` or `0_`.
const FIELD: char = 'x';
const ATTRIBUTE: char = 'v';

/// Searchd's names are lower-case letters, digits and `_`: if a column's name has other characters, the name made of it has their
/// numbers. Invariant: no two columns have one name, since a day index keeps its names after the configuration has changed: with one
/// field for both, `user_agent` would be looked for in what was stored of `user-agent`.
fn name_of_column(first: char, column: &str) -> String {
    let is_same = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if column.chars().all(|c| is_same(c) || c == '_') {
        return format!("{first}_{column}");
    }
    let mut name = format!("{first}0_");
    for c in column.chars() {
        match is_same(c) {
            true => name.push(c),
            false => name.push_str(&format!("_{:x}_", u32::from(c))),
        }
    }
    name
}

fn is_name_of_column(first: char, name: &str) -> bool {
    name.strip_prefix(first).is_some_and(|rest| rest.starts_with('_') || rest.starts_with("0_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_an_index_is_no_name_of_a_day() {
        for good in ["web", "a", "w_2026", "web_2026112", "web_202611220", "abcdefghijklmnopqrst"] {
            assert!(good.parse::<IndexName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "Web",
            "1web",
            "_web",
            "wéb",
            "shortcut",
            "abcdefghijklmnopqrstu",
            "web_20261122",
            "web_20261122_p1",
            "a-b",
        ] {
            assert!(bad.parse::<IndexName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_column_has_names_that_searchd_can_read() {
        for (column, field) in [
            ("user_agent", "x_user_agent"),
            ("user-agent", "x0_user_2d_agent"),
            ("user_agent-2", "x0_user_5f_agent_2d_2"),
            ("user_2d_agent", "x_user_2d_agent"),
            ("0_user_2d_agent", "x_0_user_2d_agent"),
            ("User", "x0__55_ser"),
            ("user.id", "x0_user_2e_id"),
            ("ключ", "x0__43a__43b__44e__447_"),
        ] {
            assert_eq!(field_of_column(column), field);
            assert!(is_field_of_column(field) && !is_attribute_of_column(field));
            let attribute = field.replacen('x', "v", 1);
            assert_eq!(attribute_of_column(column), attribute);
            assert!(is_attribute_of_column(&attribute));
        }
        for other in ["line", "cols", "keys", "infix_2", "id", "exact", "kind"] {
            assert!(!is_field_of_column(other) && !is_attribute_of_column(other), "{other}");
        }
    }
}
