//! The name of an index, and the names in searchd that follow from those of columns. Pure.

use std::fmt;
use std::str::FromStr;

use crate::time::Day;

/// A name for a log stream: `[a-z][a-z0-9_]*`, at most 20 characters, not `shortcut`. It does not end like the name of a day
/// index (`web_20261122`), so the two cannot be confused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexName(String);

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
        match text.rsplit_once('_') {
            Some((_, end)) if Day::is_written(end) => {
                Err(format!("'{text}' is not a name for an index: _ and eight digits at its end mean a day"))
            }
            _ => Ok(IndexName(text.to_owned())),
        }
    }
}

impl fmt::Display for IndexName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The full-text field that holds an `indexed` column: searchd's names are lower-case letters, digits and `_`. Two columns
/// of an index that would share a field are refused when the ini is read.
pub fn field_of_column(column: &str) -> String {
    let name = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    format!("{FIELD_OF_COLUMN}{}", column.chars().map(name).collect::<String>())
}

/// The prefix of each such field's name. Nothing else in a day index begins with it.
pub const FIELD_OF_COLUMN: &str = "x_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_an_index_is_no_name_of_a_day() {
        for good in ["web", "a", "w_2026", "web_2026112", "web_202611220", "abcdefghijklmnopqrst"] {
            assert!(good.parse::<IndexName>().is_ok(), "{good}");
        }
        for bad in ["", "Web", "1web", "_web", "wéb", "shortcut", "abcdefghijklmnopqrstu", "web_20261122", "a-b"] {
            assert!(bad.parse::<IndexName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_column_has_a_field_that_searchd_can_name() {
        assert_eq!(field_of_column("user-Agent.name"), "x_user_agent_name");
        assert_eq!(field_of_column("ключ"), "x_____");
    }
}
