//! Every column seen: what the ini says of it, how many values it has, and an example.

use maud::{Markup, html};

use super::{Frame, age, links, note, thousands};
use crate::search::query::{Condition, Filter, Query};
use crate::time::{Day, Ts};
use crate::visible::{cut, visible_in_line};

/// More than anybody reads; a column beyond is still found by its name.
const COLUMNS: usize = 1000;
const NAME_CHARS: usize = 100;
const EXAMPLE_CHARS: usize = 120;
/// A value of this size makes a link that servers and browsers refuse.
const LINK_BYTES: usize = 2000;

#[derive(Clone, Debug)]
pub struct View<'a> {
    pub frame: Frame<'a>,
    pub query: &'a Query,
    pub now: Ts,
    /// sorted by name
    pub columns: Vec<Column>,
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub settings: Vec<Setting>,
    /// older days have no field for it; None: none of them lacks it
    pub indexed_since: Option<Day>,
    pub values: Values,
    /// from one of the last records
    pub example: Option<String>,
    pub last: Option<Ts>,
}

/// The key of the ini that names the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    Shown,
    Level,
    Filtered,
    Hidden,
    Context,
    Indexed,
}

impl Setting {
    /// As the key is called, and what it does.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Setting::Shown => ("columns", "shown in a line"),
            Setting::Level => ("level", "its value is the level"),
            Setting::Filtered => ("filtered", "its values are offered as filters"),
            Setting::Hidden => ("hidden", "left out of a record's page and of lists"),
            Setting::Context => ("context", "folded below its line"),
            Setting::Indexed => ("indexed", "a full-text field of its own"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// only those of filtered columns are
    NotKept,
    Count(usize),
    MoreThan(usize),
}

impl View<'_> {
    pub fn page(&self) -> Markup {
        let path = links::grep_path(self.frame.base, &self.query.indexes);
        let main = html! {
            main {
                p.bar { a href=(links::to(&path, self.query)) { "← back to the search" } }
                @for warning in &self.warnings { (note(html! { (visible_in_line(warning)) })) }
                section #log .seen {
                    h1 { "Columns of " (links::index_list(&self.query.indexes)) }
                    @if self.columns.is_empty() { p { "No record with a column has been seen yet." } }
                    @else {
                        p.dim { "A column leads to the records that have it, an example to those with the same value. What alco.ini says of a column stands beside it." }
                        table.indexes {
                            thead { tr { th scope="col" { "column" } th scope="col" { "in alco.ini" } th.n scope="col" { "values" } th scope="col" { "last seen" } th scope="col" { "example" } } }
                            tbody { @for column in self.columns.iter().take(COLUMNS) { (self.row(&path, column)) } }
                        }
                        @if self.columns.len() > COLUMNS { p.dim { (thousands((self.columns.len() - COLUMNS) as u64)) " more are not listed" } }
                    }
                }
            }
        };
        self.frame.page(&format!("columns of {}", links::index_list(&self.query.indexes)), main)
    }

    fn row(&self, path: &str, column: &Column) -> Markup {
        let name = visible_in_line(cut(&column.name, NAME_CHARS).0);
        let example = column.example.as_ref().filter(|example| example.len() <= LINK_BYTES);
        html! {
            tr {
                th scope="row" {
                    @if column.name.len() <= LINK_BYTES { a href=(links::to(path, &self.with(&column.name))) { (name) } } @else { (name) }
                }
                td {
                    @for (at, setting) in column.settings.iter().enumerate() {
                        @let (word, title) = setting.words();
                        @if at > 0 { ", " }
                        span title=(title) { (word) }
                        @if let (Setting::Indexed, Some(day)) = (setting, column.indexed_since) {
                            " " span.dim title="older days were declared without it: a filter finds the same there, and reads more records" { "from " (day.dashed()) " on" }
                        }
                    }
                }
                td.n {
                    @match column.values {
                        Values::NotKept => "",
                        Values::Count(count) => { a href=(links::to(&format!("{path}values/{}/", links::segment(&column.name)), &links::first(self.query))) { (thousands(count as u64)) } },
                        Values::MoreThan(count) => { "over " (thousands(count as u64)) },
                    }
                }
                td.age { @if let Some(last) = column.last { span title=(last) { (age(last, self.now)) } } }
                td.example {
                    @if let Some(value) = example { a href=(links::to(path, &links::only(self.query, &column.name, value))) { (visible_in_line(cut(value, EXAMPLE_CHARS).0)) } }
                    @else if let Some(value) = &column.example { (visible_in_line(cut(value, EXAMPLE_CHARS).0)) }
                }
            }
        }
    }

    /// The search for the records that have it.
    fn with(&self, column: &str) -> Query {
        let mut query = links::first(self.query);
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
        let column = |name: &str, values, example: &str| Column {
            name: name.to_owned(),
            settings: vec![Setting::Shown, Setting::Filtered, Setting::Indexed],
            indexed_since: (name == "id").then(|| now.day()),
            values,
            example: Some(example.to_owned()),
            last: Some(now.plus_seconds(-180)),
        };
        let view = View {
            frame: Frame { base: "/", ..Frame::default() },
            query: &query,
            now,
            columns: vec![
                column("ho<st", Values::Count(1234), "a&b"),
                column("id", Values::MoreThan(10_000), &"x".repeat(3000)),
            ],
            warnings: vec![],
        };
        let html = view.page().into_string();
        for part in [
            "href=\"/grep/web/?start_ts=-1h&amp;ho%3Cst__exists=1\">ho&lt;st</a>",
            "href=\"/grep/web/?start_ts=-1h&amp;ho%3Cst=a%26b\">a&amp;b</a>",
            "href=\"/grep/web/values/ho%3Cst/?start_ts=-1h\">1,234</a>",
            "over 10,000",
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
