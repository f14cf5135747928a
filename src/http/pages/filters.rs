//! The values of the columns one filters by, with their counts: a click asks for only this value, − for all but this.

use maud::{Markup, html};

use crate::http::pages::links::{LINK_BYTES, SearchLinks};
use crate::http::pages::thousands;
use crate::query::{Query, edit};
use crate::render::escape::{cut, visible_in_line};

/// Longer values are cut where they are shown; the link and the title have more.
const SHOWN_CHARS: usize = 60;
const TITLE_CHARS: usize = 300;

/// The values of one column.
#[derive(Clone, Debug, Default)]
pub struct FilterColumn {
    pub name: String,
    /// each with its count in the search without the filter on this column; None: seen before, and not counted
    pub values: Vec<(String, Option<u64>)>,
    /// there are more than these
    pub more: bool,
    /// the reason why there are no values, or not all
    pub note: Option<String>,
}

/// A list next to the log. `path` is that of the search, empty on its own page.
pub fn list(query: &Query, links: &SearchLinks, path: &str, column: &FilterColumn) -> Markup {
    html! {
        details open {
            summary { (visible_in_line(cut(&column.name, SHOWN_CHARS).0)) }
            (values(query, links, path, column))
            @if column.more {
                p { a.dim href=(links.values(path, query, &column.name)) { "all values…" } }
            }
        }
    }
}

pub fn values(query: &Query, links: &SearchLinks, path: &str, column: &FilterColumn) -> Markup {
    let several = column.values.iter().any(|(value, _)| edit::chosen(query, &column.name, value) == Some(true));
    html! {
        ul {
            @for (value, count) in column.values.iter().filter(|(value, _)| value.len() <= LINK_BYTES) {
                @let chosen = edit::chosen(query, &column.name, value);
                li class=[class(chosen, *count)] {
                    @let shown = visible_in_line(cut(value, SHOWN_CHARS).0);
                    @let title = visible_in_line(cut(value, TITLE_CHARS).0);
                    @let to = |query: &Query| links.to(path, query);
                    @if chosen.is_some() {
                        a href=(to(&edit::regardless(query, &column.name, value))) title={ "no longer filter by " (title) } {
                            (if chosen == Some(true) { "✓ " } else { "≠ " }) (shown)
                        }
                    } @else {
                        a href=(to(&edit::only(query, &column.name, value))) title={ "only " (title) } {
                            @if shown.is_empty() { i { "(empty)" } } @else { (shown) }
                        }
                    }
                    " "
                    span.num { @if let Some(count) = count { (thousands(*count)) } }
                    @if chosen.is_none() {
                        @if several {
                            " "
                            a.not href=(to(&edit::also(query, &column.name, value))) title="also this" aria-label={ "also " (title) } { "+" }
                        }
                        " "
                        a.not href=(to(&edit::without(query, &column.name, value))) title="without this" aria-label={ "without " (title) } { "−" }
                    }
                }
            }
        }
        @if column.values.is_empty() && column.note.is_none() { p.dim { "none in this range" } }
        @if let Some(note) = &column.note { p.dim { (visible_in_line(note)) } }
    }
}

fn class(chosen: Option<bool>, count: Option<u64>) -> Option<&'static str> {
    match (chosen, count) {
        (Some(true), _) => Some("on"),
        (Some(false), _) => Some("no"),
        (None, None | Some(0)) => Some("none"),
        (None, Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_asked_for_or_left_out_with_one_click() {
        let query = Query::from_url(vec!["web".parse().expect("a name")], "search=x").expect("a query");
        let column = FilterColumn {
            name: "host".to_owned(),
            values: vec![("a&b".to_owned(), Some(1234)), ("\u{202e}".to_owned(), None), ("x".repeat(9000), Some(1))],
            more: true,
            note: None,
        };
        let html = list(&query, &SearchLinks::default(), "", &column).into_string();
        assert!(html.contains("href=\"?search=x&amp;host=a%26b\" title=\"only a&amp;b\">a&amp;b</a>"), "{html}");
        assert!(html.contains("href=\"?search=x&amp;host__not=a%26b\""), "{html}");
        assert!(html.contains("1,234"), "{html}");
        assert!(html.contains("&lt;U+202E&gt;") && !html.contains('\u{202e}'), "{html}");
        assert!(!html.contains("xxx"), "a value too long for a link");
        assert!(html.contains("values/host/?search=x"), "{html}");
    }
}
