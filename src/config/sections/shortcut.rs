//! `[shortcut NAME]`: a saved search. Pure.

use crate::config::index_name::IndexName;
use crate::config::section::Reader;
use crate::config::value::{list_of, optional, text};

#[derive(Clone, Debug, PartialEq)]
pub struct Shortcut {
    pub name: String,
    pub index: Vec<IndexName>,
    pub title: String,
    /// a query string as in a link, without the `?`
    pub query: String,
    pub parameter: Option<String>,
    /// of `query`, for mistakes in it
    pub line: usize,
}

impl Shortcut {
    /// Takes the keys of `[shortcut NAME]`.
    pub fn read(from: &mut Reader, name: &str) -> Shortcut {
        if let Err(why) = shortcut_name(name) {
            from.wrong(from.section.line, why);
        }
        let (name, query) = (name.to_owned(), String::new());
        let mut to = Shortcut {
            name,
            index: Vec::new(),
            title: String::new(),
            query,
            parameter: None,
            line: from.section.line_of("query"),
        };
        from.take_list("index", &mut to.index, list_of(str::parse));
        from.take("title", &mut to.title, |value| Ok(value.to_owned()));
        from.take("query", &mut to.query, |value| Ok(value.strip_prefix('?').unwrap_or(value).to_owned()));
        from.take("parameter", &mut to.parameter, optional(text));
        if to.query.is_empty() && to.parameter.is_none() {
            from.wrong_at(
                "query",
                "has no query; write one as it stands in an address, such as search=slow&start_ts=-1h".to_owned(),
            );
        }
        to
    }
}

/// A name that can stand in a page's path as it is.
fn shortcut_name(value: &str) -> Result<String, String> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match value.chars().all(safe) {
        true => text(value),
        false => Err(format!("'{value}' is not a name for a shortcut: it has only letters, digits, - and _")),
    }
}
