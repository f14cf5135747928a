//! Every column seen: its role in alco.ini, the number of its values, and an example.

use maud::{Markup, html};

use crate::http::pages::links::LINK_BYTES;
use crate::http::pages::{Frame, age, links, note, thousands};
use crate::query::{Condition, Filter, Query, edit};
use crate::render::escape::{cut, visible_in_line};
use crate::time::{Day, Ts};

const NAME_CHARS: usize = 100;
const EXAMPLE_CHARS: usize = 120;

#[derive(Clone, Debug)]
pub struct ColumnsView<'a> {
    pub frame: Frame<'a>,
    pub query: &'a Query,
    pub now: Ts,
    /// sorted by name
    pub columns: Vec<SeenColumn>,
    /// there are more than those that are listed
    pub more: bool,
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct SeenColumn {
    pub name: String,
    pub settings: Vec<ColumnRole>,
    /// older days have no field for it; None: none of them lacks it
    pub indexed_since: Option<Day>,
    pub values: KnownValues,
    /// from one of the last records
    pub example: Option<String>,
    pub last: Option<Ts>,
}

/// The key of the ini that names the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnRole {
    Shown,
    Level,
    Filtered,
    Hidden,
    Context,
    Indexed,
}

impl ColumnRole {
    /// The ini key's name, and its effect.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            ColumnRole::Shown => ("columns", "shown in a line"),
            ColumnRole::Level => ("level", "its value is the level"),
            ColumnRole::Filtered => ("filtered", "its values are offered as filters"),
            ColumnRole::Hidden => ("hidden", "left out of a record's page and of lists"),
            ColumnRole::Context => ("context", "folded below its line"),
            ColumnRole::Indexed => ("indexed", "a full-text field of its own"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownValues {
    /// only those of filtered columns are
    NotKept,
    Count(usize),
    MoreThan(usize),
}

impl ColumnsView<'_> {
    pub fn page(&self) -> Markup {
        let path = links::grep_path(self.frame.base, &self.query.indexes);
        let main = html! {
            main {
                p.bar { a href=(links::to(&path, self.query)) { "← back to the search" } }
                @for warning in &self.warnings { (note(html! { (visible_in_line(warning)) })) }
                section #log .seen {
                    h1 { "Columns of " (self.query.indexes.title()) }
                    @if self.columns.is_empty() { p { "No record with a column has been seen yet." } }
                    @else {
                        p.dim { "Click a column for the records that have it, the number of its values for the list of them, an example for the records with the same value. The role is the column's in alco.ini." @if self.query.selects() { " Examples are those of the search." } }
                        table.indexes {
                            thead { tr { th scope="col" { "column" } th scope="col" { "role" } th.n scope="col" { "values" } th scope="col" { "last seen" } th scope="col" { "example" } } }
                            tbody { @for column in &self.columns { (self.row(&path, column)) } }
                        }
                        @if self.more {
                            p.dim { "More columns than 1,000: those that came in the most minutes are listed. A filter takes any other column too." }
                        }
                    }
                }
            }
        };
        self.frame.page(&format!("columns of {}", self.query.indexes.title()), main)
    }

    fn row(&self, path: &str, column: &SeenColumn) -> Markup {
        let name = visible_in_line(cut(&column.name, NAME_CHARS).0);
        let example = column.example.as_ref().filter(|example| example.len() <= LINK_BYTES);
        html! {
            tr {
                th scope="row" {
                    @if column.name.len() <= LINK_BYTES { a href=(self.frame.links.to(path, &self.with(&column.name))) { (name) } } @else { (name) }
                }
                td {
                    @for (at, setting) in column.settings.iter().enumerate() {
                        @let (word, title) = setting.words();
                        @if at > 0 { ", " }
                        span title=(title) { (word) }
                        @if let (ColumnRole::Indexed, Some(day)) = (setting, column.indexed_since) {
                            " " span.dim title="older days were declared without it: a filter finds the same there, and reads more records" { "from " (day.dashed()) " on" }
                        }
                    }
                }
                td.n {
                    @let number = match column.values {
                        KnownValues::NotKept => "values".to_owned(),
                        KnownValues::Count(count) => thousands(count as u64),
                        KnownValues::MoreThan(count) => format!("over {}", thousands(count as u64)),
                    };
                    @if column.name.len() <= LINK_BYTES { a href=(self.frame.links.values(path, self.query, &column.name)) { (number) } }
                    @else if column.values != KnownValues::NotKept { (number) }
                }
                td.age { @if let Some(last) = column.last { span title=(last) { (age(last, self.now)) } } }
                td.example {
                    @if let Some(value) = example { a href=(self.frame.links.to(path, &edit::only(self.query, &column.name, value))) { (visible_in_line(cut(value, EXAMPLE_CHARS).0)) } }
                    @else if let Some(value) = &column.example { (visible_in_line(cut(value, EXAMPLE_CHARS).0)) }
                }
            }
        }
    }

    /// The search for the records that have it.
    fn with(&self, column: &str) -> Query {
        let mut query = edit::first(self.query);
        query.filters.push(Filter { column: column.to_owned(), is: Condition::Exists(true), off: false });
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_leads_to_its_records() {
        let query = Query::from_url(vec!["web".parse().expect("a name")], "start_ts=-1h").expect("a query");
        let now = Ts::from_micros(1_795_341_600_000_000);
        let column = |name: &str, values, example: &str| SeenColumn {
            name: name.to_owned(),
            settings: vec![ColumnRole::Shown, ColumnRole::Filtered, ColumnRole::Indexed],
            indexed_since: (name == "id").then(|| now.day()),
            values,
            example: Some(example.to_owned()),
            last: Some(now.plus_seconds(-180)),
        };
        let view = ColumnsView {
            frame: Frame { base: "/", ..Frame::default() },
            query: &query,
            now,
            columns: vec![
                column("ho<st", KnownValues::Count(1234), "a&b"),
                column("id", KnownValues::MoreThan(10_000), &"x".repeat(3000)),
                column("user", KnownValues::NotKept, "ada"),
            ],
            more: false,
            warnings: vec![],
        };
        let html = view.page().into_string();
        for part in [
            "href=\"/grep/web/?start_ts=-1h&amp;ho%3Cst__exists=1\">ho&lt;st</a>",
            "href=\"/grep/web/?start_ts=-1h&amp;ho%3Cst=a%26b\">a&amp;b</a>",
            "href=\"/grep/web/values/ho%3Cst/?start_ts=-1h\">1,234</a>",
            "href=\"/grep/web/values/id/?start_ts=-1h\">over 10,000</a>",
            "href=\"/grep/web/values/user/?start_ts=-1h\">values</a>",
            "3 min ago",
            "title=\"its values are offered as filters\">filtered</span>",
            "title=\"a full-text field of its own\">indexed</span> <span class=\"dim\"",
            ">from 2026-11-22 on</span>",
        ] {
            assert!(html.contains(part), "no {part} in {html}");
        }
        assert!(!html.contains(&"x".repeat(200)), "a long example is cut");
        assert_eq!(html.matches(" on</span>").count(), 1, "{html}");
    }
}
