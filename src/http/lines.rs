//! Hits as lines of a page: which columns they show, and what of a record folds.

use super::pages::line::{Line, Role};
use super::pages::log::Row;
use crate::config::Index;
use crate::search::{self, Hit, Page};
use crate::shown::Shown;

pub fn hits(page: &Page) -> impl Iterator<Item = &Hit> {
    page.lines.iter().filter_map(|line| match line {
        search::Line::Match(hit) | search::Line::Near(hit) => Some(hit),
        search::Line::Gap => None,
    })
}

pub fn row<'a>(settings: &[&Index], shown: &[String], line: &'a search::Line, several: bool) -> Row<'a> {
    match line {
        search::Line::Match(hit) => Row::Line(line_view(settings, shown, hit, Role::Match, several)),
        search::Line::Near(hit) => Row::Line(line_view(settings, shown, hit, Role::Near, several)),
        search::Line::Gap => Row::Gap,
    }
}

pub fn line_view<'a>(settings: &[&Index], shown: &[String], hit: &'a Hit, role: Role, several: bool) -> Line<'a> {
    let Shown { level, cells, context } = Shown::of(settings, shown, &hit.index, &hit.record.columns, several);
    Line { role, place: hit.place, level, cells, message: &hit.record.message, marks: &hit.marks, context }
}
