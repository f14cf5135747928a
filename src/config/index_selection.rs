//! The indexes of a search: the names that are meant, and how an address or a command line writes them. Pure.

use std::fmt;
use std::ops::Deref;

use crate::config::index_name::{IndexName, index_list};

/// An error lists at most this many names.
const MAX_LISTED_NAMES: usize = 12;
/// The sign that stands for any characters in a name.
const ANY: char = '*';

/// `web,billing`, `shop*`, or `*` for all. Links keep what was written: a pattern means an index that is added later too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexSelection {
    /// names and patterns, separated by commas
    written: String,
    /// each once
    names: Vec<IndexName>,
}

impl IndexSelection {
    /// The names among `known` that a list of names and patterns stands for.
    ///
    /// # Errors
    /// The first part of the list that no name matches.
    pub fn parse(list: &str, known: &[&IndexName]) -> Result<IndexSelection, String> {
        let (mut parts, mut names): (Vec<&str>, Vec<IndexName>) = (Vec::new(), Vec::new());
        for part in list.split(',') {
            let found: Vec<&IndexName> = known.iter().copied().filter(|name| is_like(name.as_str(), part)).collect();
            if found.is_empty() {
                return Err(part.to_owned());
            }
            if !parts.contains(&part) {
                parts.push(part);
            }
            for name in found {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        Ok(IndexSelection { written: parts.join(","), names })
    }

    /// All of them, as `*`.
    pub fn all(known: &[&IndexName]) -> IndexSelection {
        IndexSelection { written: ANY.to_string(), names: known.iter().copied().cloned().collect() }
    }

    pub fn is_all(&self) -> bool {
        self.written.chars().eq([ANY])
    }

    /// The same, and one index more.
    pub fn with(&self, name: &IndexName) -> IndexSelection {
        let mut names = self.names.clone();
        names.push(name.clone());
        IndexSelection { written: format!("{},{name}", self.written), names }
    }

    /// For a heading or a title.
    pub fn title(&self) -> &str {
        if self.is_all() { "all indexes" } else { &self.written }
    }
}

/// As it is written in a path: it has only the characters of names, commas and `*`.
impl fmt::Display for IndexSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Deref for IndexSelection {
    type Target = [IndexName];

    fn deref(&self) -> &[IndexName] {
        &self.names
    }
}

impl From<Vec<IndexName>> for IndexSelection {
    fn from(list: Vec<IndexName>) -> IndexSelection {
        let mut names: Vec<IndexName> = Vec::with_capacity(list.len());
        for name in list {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        IndexSelection { written: index_list(&names), names }
    }
}

/// True if a part of a list is a pattern and not a name.
pub fn is_index_pattern(part: &str) -> bool {
    part.contains(ANY)
}

/// `there is no index 'wbe'`, or the same of a pattern
pub fn no_index(part: &str) -> String {
    match is_index_pattern(part) {
        true => format!("no index has a name like '{part}'"),
        false => format!("there is no index '{part}'"),
    }
}

/// `there are web, billing`, `there is only logs`; only a user who may see no index has an empty list.
pub fn there_are(known: &[&IndexName]) -> String {
    let listed: Vec<&str> = known.iter().take(MAX_LISTED_NAMES).map(|name| name.as_str()).collect();
    let others = known.len() - listed.len();
    let more = if others > 0 { format!(" and {others} others") } else { String::new() };
    match listed[..] {
        [] => "there is none that you may see".to_owned(),
        [one] => format!("there is only {one}"),
        _ => format!("there are {}{more}", listed.join(", ")),
    }
}

/// True if the name is what the pattern stands for. Takes a time that grows with the pattern's length only.
fn is_like(name: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once(ANY) else { return name == pattern };
    let (between, end) = rest.rsplit_once(ANY).unwrap_or(("", rest));
    let Some(middle) = name.strip_prefix(start).and_then(|name| name.strip_suffix(end)) else { return false };
    let found = between.split(ANY).try_fold(middle, |left, piece| Some(&left[left.find(piece)? + piece.len()..]));
    found.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &str) -> Vec<IndexName> {
        names.split_whitespace().map(|name| name.parse().expect("a name")).collect()
    }

    #[track_caller]
    fn check(list: &str, expect: Result<(&str, &str), &str>) {
        let known = names("web shop_eu shop_us billing");
        let known: Vec<&IndexName> = known.iter().collect();
        let found = IndexSelection::parse(list, &known);
        let expect = expect.map(|(written, found)| (written.to_owned(), names(found))).map_err(str::to_owned);
        assert_eq!(found.map(|found| (found.to_string(), found.to_vec())), expect, "{list}");
    }

    #[test]
    fn a_list_has_names_and_patterns() {
        check("web", Ok(("web", "web")));
        check("billing,web,billing", Ok(("billing,web", "billing web")));
        check("*", Ok(("*", "web shop_eu shop_us billing")));
        check("shop*", Ok(("shop*", "shop_eu shop_us")));
        check("shop_us,shop*,web", Ok(("shop_us,shop*,web", "shop_us shop_eu web")));
        check("*_u*", Ok(("*_u*", "shop_us")));
        check("s*p*u*,**", Ok(("s*p*u*,**", "shop_eu shop_us web billing")));
        check("*i*l*g", Ok(("*i*l*g", "billing")));
        for (list, wrong) in
            [("", ""), ("web,", ""), ("we", "we"), ("web,x*", "x*"), ("webb*b", "webb*b"), ("*g*n", "*g*n")]
        {
            check(list, Err(wrong));
        }
    }

    #[test]
    fn a_long_pattern_takes_little_time() {
        let list = format!("{}x,{}", "*a".repeat(4000), "b*".repeat(4000));
        check(&list, Err(list.split(',').next().expect("a part")));
    }

    #[test]
    fn all_indexes_have_one_sign() {
        let known = names("web billing");
        let all = IndexSelection::all(&known.iter().collect::<Vec<_>>());
        assert_eq!((all.to_string().as_str(), all.title(), all.len()), ("*", "all indexes", 2));
        let one = IndexSelection::from(names("web web"));
        assert_eq!((one.title(), one.with(&known[1]).to_string().as_str()), ("web", "web,billing"));
    }
}
