//! All values of one column in a search.

use maud::{Markup, html};

use crate::http::pages::{Frame, filters, links, search, thousands};
use crate::query::Query;
use crate::record::pattern::PatternTexts;
use crate::render::escape::{cut, visible_in_line};

#[derive(Clone, Debug)]
pub struct ValuesView<'a> {
    pub frame: Frame<'a>,
    pub query: &'a Query,
    /// of its filters
    pub pattern_texts: PatternTexts,
    pub column: filters::FilterColumn,
    pub warnings: Vec<String>,
}

impl ValuesView<'_> {
    pub fn page(&self) -> Markup {
        let path = links::grep_path(self.frame.base, &self.query.indexes);
        let name = visible_in_line(cut(&self.column.name, 100).0);
        let main = html! {
            main {
                p.bar { a href=(links::to(&path, self.query)) { "← back to the search" } }
                @for warning in &self.warnings { (crate::http::pages::note(html! { (visible_in_line(warning)) })) }
                section #log .values {
                    h1 { "Values of " (name) }
                    p { (self.counted()) " in: " (search::searched(self.query, &self.frame.zone, &self.pattern_texts)) }
                    p.dim { "Counts ignore the filter on this column. Click a value to keep it, − to exclude it." }
                    (filters::values(self.query, &self.frame.links, &path, &self.column))
                    @if self.column.more { p.dim { "These are the commonest; there are more. Narrow the search to see the others." } }
                }
            }
        };
        self.frame.page(&format!("values of {name}"), main)
    }

    /// The number of values, without those that are known from other times.
    fn counted(&self) -> String {
        let counted = self.column.values.iter().filter(|(_, count)| count.is_some()).count();
        let least = if self.column.more || !self.warnings.is_empty() { "at least " } else { "" };
        format!("{least}{} {}", thousands(counted as u64), if counted == 1 { "value" } else { "values" })
    }
}
