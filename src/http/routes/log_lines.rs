//! Hits as lines of a page: the columns that they show, and the parts of a record that fold.

use std::ops::ControlFlow;

use crate::config::Index;
use crate::http::pages::line::{ColumnMatch, LineView, Role};
use crate::http::pages::log::LogRow;
use crate::query::{Query, Within};
use crate::record::column_value::ColumnValue;
use crate::record::json::{Columns, column_value, each_text};
use crate::render::cells::Shown;
use crate::search::hit;
use crate::search::hit::{Hit, Page};
use crate::search::pattern::Pattern;

/// Levels of nested objects that a record page shows as columns, and that are searched for the name of a column that matches.
pub const OPENED_LEVELS: usize = 6;
/// Columns of a record in which a match is shown, in addition to those of its line.
const MAX_COLUMN_MATCHES: usize = 5;

pub fn hits(page: &Page) -> impl Iterator<Item = &Hit> {
    page.lines.iter().filter_map(|line| match line {
        hit::Line::Match(hit) | hit::Line::Near(hit) => Some(hit),
        hit::Line::Gap => None,
    })
}

/// Makes rows of the lines that a search finds.
pub struct Lines<'a> {
    settings: &'a [&'a Index],
    shown: &'a [String],
    several: bool,
    /// the pattern, where the columns are searched too
    in_columns: Option<Pattern>,
}

impl<'a> Lines<'a> {
    /// An invalid pattern is reported by the search, not here.
    pub fn new(settings: &'a [&'a Index], shown: &'a [String], query: &Query) -> Lines<'a> {
        let in_columns = if query.within == Within::All { Pattern::new(query).ok() } else { None };
        Lines { settings, shown, several: query.indexes.len() > 1, in_columns }
    }

    pub fn row<'l>(&self, line: &'l hit::Line) -> LogRow<'l> {
        match line {
            hit::Line::Match(hit) => {
                let mut view = line_view(self.settings, self.shown, hit, Role::Match, self.several);
                if let Some(pattern) = &self.in_columns {
                    self.mark_columns(&mut view, hit, pattern);
                }
                LogRow::Line(view)
            }
            hit::Line::Near(hit) => LogRow::Line(line_view(self.settings, self.shown, hit, Role::Near, self.several)),
            hit::Line::Gap => LogRow::Gap,
        }
    }

    /// Marks matches in the cells, and adds matching columns that have no cell.
    fn mark_columns(&self, line: &mut LineView, hit: &Hit, pattern: &Pattern) {
        for cell in &mut line.cells {
            let text = cell.text.as_ref().filter(|_| !cell.is_index);
            cell.marks = text.map_or_else(Vec::new, |text| pattern.marks(text));
        }
        Columns::parse(&hit.record.columns).each_flat(OPENED_LEVELS, &mut |column, raw| {
            if self.shown.contains(&column) {
                return ControlFlow::Continue(());
            }
            let mut texts = Vec::new();
            match column_value(raw, usize::MAX) {
                ColumnValue::Json(json) => each_text(&json, &mut |text| texts.push(text.to_owned())),
                value => texts.push(value.text()),
            }
            let marked = texts.into_iter().map(|text| (pattern.marks(&text), text));
            if let Some((marks, text)) = { marked }.find(|(marks, _)| !marks.is_empty()) {
                line.matches.push(ColumnMatch { column, text, marks });
            }
            match line.matches.len() < MAX_COLUMN_MATCHES {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
    }
}

pub fn line_view<'a>(settings: &[&Index], shown: &[String], hit: &'a Hit, role: Role, several: bool) -> LineView<'a> {
    let Shown { level, cells, context } = Shown::of(settings, shown, &hit.index, &hit.record.columns, several);
    LineView {
        role,
        place: hit.place,
        level,
        cells,
        message: &hit.record.message,
        marks: &hit.marks,
        context,
        matches: Vec::new(),
    }
}
