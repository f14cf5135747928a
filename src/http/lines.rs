//! Hits as lines of a page: which columns they show, and what of a record folds.

use super::pages::line::{ColumnMatch, Line, Role};
use super::pages::log::Row;
use crate::columns::{Columns, Value};
use crate::config::Index;
use crate::record::each_text;
use crate::search::pattern::Pattern;
use crate::search::query::{Query, Within};
use crate::search::{self, Hit, Page};
use crate::shown::Shown;

/// Objects are opened so deep to name what matches in them.
const OPENED: usize = 6;
/// Columns of a record in which a match is shown, besides those of its line.
const MATCHES: usize = 5;

pub fn hits(page: &Page) -> impl Iterator<Item = &Hit> {
    page.lines.iter().filter_map(|line| match line {
        search::Line::Match(hit) | search::Line::Near(hit) => Some(hit),
        search::Line::Gap => None,
    })
}

/// Makes rows of what a search finds.
pub struct Lines<'a> {
    settings: &'a [&'a Index],
    shown: &'a [String],
    several: bool,
    /// the pattern, where the columns are searched too
    in_columns: Option<Pattern>,
}

impl<'a> Lines<'a> {
    /// A pattern that cannot be read is the search's to tell.
    pub fn new(settings: &'a [&'a Index], shown: &'a [String], query: &Query) -> Lines<'a> {
        let in_columns = if query.within == Within::All { Pattern::new(query).ok() } else { None };
        Lines { settings, shown, several: query.indexes.len() > 1, in_columns }
    }

    pub fn row<'l>(&self, line: &'l search::Line) -> Row<'l> {
        match line {
            search::Line::Match(hit) => {
                let mut view = line_view(self.settings, self.shown, hit, Role::Match, self.several);
                if let Some(pattern) = &self.in_columns {
                    self.mark_columns(&mut view, hit, pattern);
                }
                Row::Line(view)
            }
            search::Line::Near(hit) => Row::Line(line_view(self.settings, self.shown, hit, Role::Near, self.several)),
            search::Line::Gap => Row::Gap,
        }
    }

    /// Marks what matches in the columns, and adds what has no cell to be marked in.
    fn mark_columns(&self, line: &mut Line, hit: &Hit, pattern: &Pattern) {
        for cell in &mut line.cells {
            // of several indexes, the cell that tells which is none of the record's
            let text = cell.text.as_ref().filter(|text| !(self.several && *text == hit.index.as_str()));
            cell.marks = text.map_or_else(Vec::new, |text| pattern.marks(text));
        }
        for (column, value) in Columns::parse(&hit.record.columns).flat(OPENED) {
            if self.shown.contains(&column) {
                continue;
            }
            let mut texts = Vec::new();
            match value {
                Value::Json(json) => each_text(&json, &mut |text| texts.push(text.to_owned())),
                value => texts.push(value.text()),
            }
            let marked = texts.into_iter().map(|text| (pattern.marks(&text), text));
            if let Some((marks, text)) = { marked }.find(|(marks, _)| !marks.is_empty()) {
                line.matches.push(ColumnMatch { column, text, marks });
                if line.matches.len() == MATCHES {
                    break;
                }
            }
        }
    }
}

pub fn line_view<'a>(settings: &[&Index], shown: &[String], hit: &'a Hit, role: Role, several: bool) -> Line<'a> {
    let Shown { level, cells, context } = Shown::of(settings, shown, &hit.index, &hit.record.columns, several);
    Line {
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
