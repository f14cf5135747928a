//! The addresses of a page's links, as text. The search that a link asks for is made in `query::edit`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::{IndexName, IndexSelection};
use crate::query::cursor::Place;
use crate::query::{Query, edit};

/// Characters that stand in a path unencoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b',');

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
    match (query.to_url(), path) {
        (query, "") if query.is_empty() => "./".to_owned(),
        (query, path) if query.is_empty() => path.to_owned(),
        (query, path) => format!("{path}?{query}"),
    }
}

/// The values of a column in a search, which is at `path`.
pub fn values(path: &str, query: &Query, column: &str) -> String {
    to(&format!("{path}values/{}/", segment(column)), &edit::first(query))
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
