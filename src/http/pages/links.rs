//! The addresses of a page's links, as text. The search that a link asks for is made in `query::edit`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::{IndexName, IndexSelection};
use crate::query::cursor::Place;
use crate::query::difference::{KeptSearch, split};
use crate::query::parameter::Parameter;
use crate::query::url::pairs;
use crate::query::{Query, edit};

/// A name or a value of this size makes a link that servers and browsers refuse.
pub const LINK_BYTES: usize = 2000;

/// Characters that stand in a path unencoded.
const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b',').remove(b'*');

/// One part of a path.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// `/grep/web,billing/`
pub fn grep_path(base: &str, indexes: &IndexSelection) -> String {
    format!("{base}grep/{indexes}/")
}

/// `/grep/web/`
pub fn index_path(base: &str, index: &IndexName) -> String {
    format!("{base}grep/{index}/")
}

/// The part of a record's address that names it, on every host the same.
pub fn place(place: Place) -> String {
    format!("{}.{}.{}", place.ts.micros(), place.seq, place.digest)
}

/// A search as an address: at `path`, or on the very page where that is empty.
pub fn to(path: &str, query: &Query) -> String {
    at(path, &query.to_url())
}

/// `query`: a query string.
pub fn at(path: &str, query: &str) -> String {
    match (path, query) {
        ("", "") => "./".to_owned(),
        (path, "") => path.to_owned(),
        (path, query) => format!("{path}?{query}"),
    }
}

/// The links of a page to searches near its own. Each has the token of a search that is kept, where that is shorter.
#[derive(Clone, Debug, Default)]
pub struct SearchLinks {
    kept: Option<KeptSearch>,
}

impl SearchLinks {
    /// None: no search is kept.
    pub const fn new(kept: Option<KeptSearch>) -> SearchLinks {
        SearchLinks { kept }
    }

    /// A search as an address: at `path`, or on the very page where that is empty.
    pub fn to(&self, path: &str, query: &Query) -> String {
        at(path, &self.parameters(query))
    }

    /// A search as a query string.
    pub fn parameters(&self, query: &Query) -> String {
        let (whole, short) = (query.to_url(), self.kept.as_ref().and_then(|kept| kept.link(query)));
        short.filter(|short| short.len() < whole.len()).unwrap_or(whole)
    }

    /// The fields of a form that adds some parameters to a search: those of the whole, or of a link to it.
    pub fn fields(&self, whole: &[Parameter], added: &[&str]) -> Vec<Parameter> {
        // in a link, a parameter stands for all of its name
        let is_new = whole.iter().all(|(name, _)| !added.contains(&name.as_str()));
        let link = self.kept.as_ref().and_then(|kept| kept.link_to(whole)).filter(|_| is_new);
        link.map_or_else(|| whole.to_vec(), |link| pairs(&link))
    }

    /// The end of the address of a record, after its place. The anchor of a short link comes with the address that it leads to.
    pub fn to_record(&self, query: &Query) -> String {
        match self.parameters(query) {
            none if none.is_empty() => "#here".to_owned(),
            short if split(&short).is_some() => format!("?{short}"),
            whole => format!("?{whole}#here"),
        }
    }

    /// The values of a column in a search, which is at `path`.
    pub fn values(&self, path: &str, query: &Query, column: &str) -> String {
        self.to(&format!("{path}values/{}/", segment(column)), &edit::first(query))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_the_fields_of_the_link() {
        let names = vec!["web".parse().expect("a name")];
        let read = |url: &str| Query::from_url(names.clone(), url).expect(url);
        let q = read("search=a%26b+c%2B%22&host=%D0%BA%D0%BB");
        let fields = q.pairs();
        let url = fields.iter().map(|(k, v)| format!("{}={}", segment(k), segment(v))).collect::<Vec<_>>().join("&");
        assert_eq!(read(&url), q);
    }
}
