//! A search as what differs from one that is kept under a token. A page has hundreds of links to searches that are nearly its own;
//! so each of them has the token, and not the whole search. Pure.
//!
//! `~=<token>&-=<name>&<name>=<value>`: the kept search without the parameters of these names, and with these instead.
//! `~=<token>&~=<start>..<end>`: that part of its range, as a bar of the histogram leads to; there are sixty. An end without a date is on
//! the day of the start. `~=<token>&~=<column>`: with one more column in its lines.
//!
//! Invariant: `whole` of a kept search and of its `link` to another search is that other search; only the order of filters differs.

use std::collections::{HashMap, HashSet};

use crate::query::Query;
use crate::query::parameter::Parameter;
use crate::query::url::{pairs, written};
use crate::record::digest;

/// The name of a link's first parameter. A column of this name has no short links.
const TOKEN: &str = "~";
/// The same as the forms of browsers send it.
const SENT_TOKEN: &str = "%7E";
/// The name of the parameter that names one that the kept search has, and the other one has not.
const WITHOUT: &str = "-";
/// The name of the parameter that has both ends of a part of the kept search's range, or a column that is added to its own.
const ADDED: &str = "~";
const COLUMNS: &str = "columns";
/// Between the ends of a part.
const TO: &str = "..";
const START: &str = "start_ts";
const END: &str = "end_ts";
const OVERVIEW: &str = "overview";
/// Each has 6 bits of the digest.
const TOKEN_CHARS: usize = 8;
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
        self.link_to(&to.pairs())
    }

    /// The same of a search as parameters.
    pub fn link_to(&self, to: &[Parameter]) -> Option<String> {
        if self.parameters.iter().chain(to).any(|(name, _)| name == TOKEN || name == WITHOUT) {
            return None;
        }
        let mut link = vec![(TOKEN.to_owned(), self.token.clone())];
        // a search may have thousands of values, and a page hundreds of links
        let (own, others) = (by_name(&self.parameters), by_name(to));
        let mut gone = HashSet::new();
        for (name, _) in &self.parameters {
            if !others.contains_key(name.as_str()) && gone.insert(name) {
                link.push((WITHOUT.to_owned(), name.clone()));
            }
        }
        let differs: HashSet<&str> =
            others.iter().filter(|(name, values)| own.get(*name) != Some(values)).map(|(name, _)| *name).collect();
        link.extend(to.iter().filter(|(name, _)| differs.contains(name.as_str())).cloned());
        let link = with_part(link, &own_range(&self.parameters));
        Some(written(&with_column(link, values(&self.parameters, COLUMNS).next())))
    }
}

/// The token of a link and the rest of its query string. None: it has the whole search.
pub fn split(link: &str) -> Option<(&str, &str)> {
    let rest = link.strip_prefix(TOKEN).or_else(|| link.strip_prefix(SENT_TOKEN))?.strip_prefix('=')?;
    let (token, changes) = rest.split_once('&').unwrap_or((rest, ""));
    let is_token = token.len() == TOKEN_CHARS && token.bytes().all(|byte| TOKEN_ALPHABET.contains(&byte));
    is_token.then_some((token, changes))
}

/// The query string of the search that a link leads to: `kept` is that of its token, `changes` the rest of the link.
pub fn whole(kept: &str, changes: &str) -> String {
    let (without, mut changes): (Vec<Parameter>, Vec<Parameter>) =
        pairs(changes).into_iter().partition(|(name, _)| name == WITHOUT);
    let mut parameters = pairs(kept);
    let added = changes.iter().position(|(name, _)| name == ADDED).map(|at| changes.remove(at).1);
    let whole = match added.as_deref().map(|added| (added, added.split_once(TO))) {
        Some((_, Some((start, end)))) => {
            vec![(START, start.to_owned()), (END, whole_end(start, end)), (OVERVIEW, own_range(&parameters))]
        }
        Some((column, None)) => {
            let own = values(&parameters, COLUMNS).next().unwrap_or_default();
            vec![(COLUMNS, format!("{own},{column}"))]
        }
        None => Vec::new(),
    };
    changes.splice(0..0, whole.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let is_gone = |name: &str| without.iter().any(|(_, gone)| gone == name) || values(&changes, name).next().is_some();
    parameters.retain(|(name, _)| !is_gone(name));
    parameters.extend(changes);
    written(&parameters)
}

/// The parameters of a link, with one for those of a part of the range.
fn with_part(mut link: Vec<Parameter>, own_range: &str) -> Vec<Parameter> {
    let [start, end, overview] = [START, END, OVERVIEW].map(|name| values(&link, name).next().map(str::to_owned));
    if let (Some(start), Some(end), Some(overview)) = (start, end, overview)
        && let short_end = end.strip_prefix(date(&start)).unwrap_or(&end)
        && overview == own_range
        && whole_end(&start, short_end) == end
    {
        link.retain(|(name, _)| ![START, END, OVERVIEW].contains(&name.as_str()));
        link.push((ADDED.to_owned(), format!("{start}{TO}{short_end}")));
    }
    link
}

/// The parameters of a link, with one for a column that comes after those of the kept search.
fn with_column(mut link: Vec<Parameter>, own: Option<&str>) -> Vec<Parameter> {
    let is_part = values(&link, ADDED).any(|value| value.contains(TO));
    if let (Some(own), false) = (own, is_part)
        && let Some((name, columns)) = link.iter_mut().find(|(name, _)| name == COLUMNS)
        && let Some(column) = columns.strip_prefix(own).and_then(|rest| rest.strip_prefix(','))
        && !column.contains(TO)
    {
        (*name, *columns) = (ADDED.to_owned(), column.to_owned());
    }
    link
}

fn whole_end(start: &str, end: &str) -> String {
    let date = if end.contains('-') { "" } else { date(start) };
    format!("{date}{end}")
}

/// `2026-11-22 ` of a date with a time.
fn date(time: &str) -> &str {
    time.split_inclusive(' ').next().filter(|date| date.ends_with(' ')).unwrap_or_default()
}

/// The range of a search, as `overview` has it.
fn own_range(parameters: &[Parameter]) -> String {
    let [start, end] = [START, END].map(|name| values(parameters, name).next().unwrap_or_default());
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
        check("start_ts=-6h&x=1", "start_ts=-2h&end_ts=-1h&overview=-6h&x=1", "~=-2h..-1h");
        check(
            "start_ts=-6h&x=1",
            "start_ts=2026-11-22+10:00&end_ts=2026-11-22+10:30&overview=-6h&x=1",
            "~=2026-11-22+10:00..10:30",
        );
        check(
            "start_ts=-6h&x=1",
            "start_ts=2026-11-22+23:30&end_ts=2026-11-23&overview=-6h&x=1",
            "~=2026-11-22+23:30..2026-11-23",
        );
        check("end_ts=-6h&x=1", "start_ts=-9h&end_ts=-8h&overview=..-6h", "-=x&~=-9h..-8h");
        check("start_ts=-6h&x=1", "start_ts=-1h&overview=-6h&x=1", "start_ts=-1h&overview=-6h");
        check("columns=a,b&x=1", "columns=a,b,c&x=2", "x=2&~=c");
        check("columns=a,b", "columns=a,b,a..b", "columns=a,b,a..b");
        check("columns=a,b", "columns=b", "columns=b");
        check("start_ts=-6h&columns=a", "start_ts=-2h&end_ts=-1h&overview=-6h&columns=a,b", "columns=a,b&~=-2h..-1h");
        check("start_ts=-6h", "start_ts=-1h&overview=-5h", "start_ts=-1h&overview=-5h");
        check("js.search=a", "search=a", "-=js.search&search=a");
    }

    #[test]
    fn only_a_token_is_taken_for_one() {
        let is_token = |link: &str| split(link).is_some();
        assert!(is_token("~=abcdef-_") && is_token("%7E=abcdef-_&x=1") && is_token("~=abcdefgh&x=1"));
        for other in ["", "~", "~=", "~=abc", "~=abcdefg!", "x=1&~=abcdefgh", "~x=abcdefgh", "~=abcdefghi"] {
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
