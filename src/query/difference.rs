//! A search as what differs from one that is kept under a token. A page has hundreds of links to searches that are nearly its own;
//! so each of them has the token, and not the whole search. Pure.
//!
//! `~=<token>&-=<name>&<name>=<value>`: the kept search without the parameters of these names, and with these instead.
//!
//! Invariant: `whole` of a kept search and of its `link` to another search is that other search; only the order of filters differs.

use std::collections::{HashMap, HashSet};

use crate::query::Query;
use crate::query::parameter::Parameter;
use crate::query::url::{pairs, written};
use crate::record::digest;

/// The name of a link's first parameter. A column of this name has no short links.
const TOKEN: &str = "~";
/// The name of the parameter that names one that the kept search has, and the other one has not.
const WITHOUT: &str = "-";
/// The parameter whose value, in a link, may be that range of the kept search: a histogram has sixty such links.
const OVERVIEW: &str = "overview";
const OWN_RANGE: &str = "~";
/// Each has 6 bits of the digest.
const TOKEN_CHARS: usize = 11;
const TOKEN_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Sets the digests of searches apart from those of other texts.
const TOKEN_SEED: u64 = 1;

/// A search that other searches are told apart from.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptSearch {
    pub token: String,
    /// as in an address
    pub text: String,
    parameters: Vec<Parameter>,
}

impl KeptSearch {
    pub fn of(query: &Query) -> KeptSearch {
        let parameters = query.pairs();
        let text = written(&parameters);
        KeptSearch { token: token(&text), text, parameters }
    }

    /// The query string of a link to that search. None: it cannot be written so.
    pub fn link(&self, to: &Query) -> Option<String> {
        let to = to.pairs();
        if self.parameters.iter().chain(&to).any(|(name, _)| name == TOKEN || name == WITHOUT) {
            return None;
        }
        let mut link = vec![(TOKEN.to_owned(), self.token.clone())];
        // a search may have thousands of values, and a page hundreds of links
        let (own, others) = (by_name(&self.parameters), by_name(&to));
        let mut gone = HashSet::new();
        for (name, _) in &self.parameters {
            if !others.contains_key(name.as_str()) && gone.insert(name) {
                link.push((WITHOUT.to_owned(), name.clone()));
            }
        }
        let differs: HashSet<&str> =
            others.iter().filter(|(name, values)| own.get(*name) != Some(values)).map(|(name, _)| *name).collect();
        link.extend(to.iter().filter(|(name, _)| differs.contains(name.as_str())).cloned());
        let own_range = own_range(&self.parameters);
        if let Some((_, overview)) = link.iter_mut().find(|(name, value)| name == OVERVIEW && *value == own_range) {
            *overview = OWN_RANGE.to_owned();
        }
        Some(written(&link))
    }
}

/// The token of a link and the rest of its query string. None: it has the whole search.
pub fn split(link: &str) -> Option<(&str, &str)> {
    let rest = link.strip_prefix(TOKEN)?.strip_prefix('=')?;
    let (token, changes) = rest.split_once('&').unwrap_or((rest, ""));
    let is_token = token.len() == TOKEN_CHARS && token.bytes().all(|byte| TOKEN_ALPHABET.contains(&byte));
    is_token.then_some((token, changes))
}

/// The query string of the search that a link leads to: `kept` is that of its token, `changes` the rest of the link.
pub fn whole(kept: &str, changes: &str) -> String {
    let (without, mut changes): (Vec<Parameter>, Vec<Parameter>) =
        pairs(changes).into_iter().partition(|(name, _)| name == WITHOUT);
    let mut parameters = pairs(kept);
    let own_range = own_range(&parameters);
    for (_, overview) in changes.iter_mut().filter(|(name, value)| name == OVERVIEW && value == OWN_RANGE) {
        overview.clone_from(&own_range);
    }
    let is_gone = |name: &str| without.iter().any(|(_, gone)| gone == name) || values(&changes, name).next().is_some();
    parameters.retain(|(name, _)| !is_gone(name));
    parameters.extend(changes);
    written(&parameters)
}

/// The range of a search, as `overview` has it.
fn own_range(parameters: &[Parameter]) -> String {
    let [start, end] = ["start_ts", "end_ts"].map(|name| values(parameters, name).next().unwrap_or_default());
    if end.is_empty() && !start.is_empty() { start.to_owned() } else { format!("{start}..{end}") }
}

fn by_name(parameters: &[Parameter]) -> HashMap<&str, Vec<&str>> {
    let mut by_name: HashMap<&str, Vec<&str>> = HashMap::new();
    parameters.iter().for_each(|(name, value)| by_name.entry(name).or_default().push(value));
    by_name
}

fn values<'a>(parameters: &'a [Parameter], name: &str) -> impl Iterator<Item = &'a str> {
    parameters.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
}

fn token(text: &str) -> String {
    let digest = digest::of_text(text, TOKEN_SEED);
    (0..TOKEN_CHARS).map(|at| char::from(TOKEN_ALPHABET[(digest >> (6 * at)) as usize % 64])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Query {
        Query::from_url(vec!["web".parse().expect("a name")], url).expect(url)
    }

    #[track_caller]
    fn check(kept: &str, to: &str, expected: &str) {
        let kept = KeptSearch::of(&read(kept));
        let link = kept.link(&read(to)).expect("a link");
        let (token, changes) = split(&link).expect("a token");
        assert_eq!((token, changes), (kept.token.as_str(), expected));
        assert_eq!(read(&whole(&kept.text, changes)), read(to));
    }

    #[test]
    fn a_link_has_only_what_differs() {
        check("start_ts=-6h&search=x", "start_ts=-6h&search=x", "");
        check("start_ts=-6h&search=x", "start_ts=-1h&search=x&host=a%26b", "start_ts=-1h&host=a%26b");
        check("start_ts=-6h&search=x&host=a&host=b", "search=x&host=a", "-=start_ts&host=a");
        check("search=x&host=a&host=b&n__gt=5", "search=x", "-=host&-=n__gt");
        check("x__in=", "y__in=", "-=x__in&y__in=");
        check("any=a=b|c=d&any=e=f", "any=e=f", "any=e=f");
        check("start_ts=-6h&x=1", "start_ts=-1h&overview=-6h&x=1", "start_ts=-1h&overview=~");
        check("end_ts=-6h&x=1", "end_ts=-1h&overview=..-6h&x=1", "end_ts=-1h&overview=~");
        check("start_ts=-6h", "start_ts=-1h&overview=-5h", "start_ts=-1h&overview=-5h");
        check("js.search=a", "search=a", "-=js.search&search=a");
    }

    #[test]
    fn only_a_token_is_taken_for_one() {
        let is_token = |link: &str| split(link).is_some();
        assert!(is_token("~=abcdefghi-_") && is_token("~=abcdefghijk&x=1"));
        for other in ["", "~", "~=", "~=abc", "~=abcdefghij!", "x=1&~=abcdefghijk", "~x=abcdefghijk", "~=abcdefghijkl"]
        {
            assert!(!is_token(other), "{other}");
        }
        let kept = KeptSearch::of(&read("search=x"));
        assert_eq!(kept.link(&read("~=a")), None, "a column of that name");
        assert_eq!(kept.link(&read("-=a")), None, "a column of that name");
    }

    #[test]
    fn different_searches_have_different_tokens() {
        assert_ne!(token("search=a"), token("search=b"));
        assert_eq!(token("search=a"), token("search=a"));
    }
}
