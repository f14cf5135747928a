//! Hits as lines of a page: which columns they show, and what of a record folds.

use super::pages::level::Level;
use super::pages::line::{Cell, Line, Role};
use super::pages::log::Row;
use crate::columns::{Columns, Value};
use crate::config::Index;
use crate::search::query::Query;
use crate::search::{self, Hit, Page};

pub fn shown_columns(settings: &[&Index], query: &Query) -> Vec<String> {
    if let Some(columns) = &query.columns {
        return columns.clone();
    }
    let mut shown: Vec<String> = Vec::new();
    for column in settings.iter().flat_map(|index| &index.columns) {
        if !shown.contains(column) {
            shown.push(column.clone());
        }
    }
    shown
}

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
    let columns = Columns::parse(&hit.record.columns);
    let index = settings.iter().find(|index| index.name == hit.index);
    let level_columns = index.map_or(&[] as &[String], |index| &index.level);
    let level = level_columns.iter().find_map(|name| Some((name, columns.get(name)?.text())));
    let mut cells = Vec::with_capacity(shown.len() + 1);
    for name in shown {
        let is_level = level_columns.contains(name);
        let mut text = columns.get(name).map(Value::text);
        // the level stands where a level is expected, whichever of the level columns holds it
        if text.is_none() && is_level && level.as_ref().is_some_and(|(holder, _)| !shown.contains(holder)) {
            text = level.as_ref().map(|(_, text)| text.clone());
        }
        cells.push(Cell { text, is_level });
    }
    if several {
        // behind the level, so that the levels stand below each other
        let at = usize::from(cells.first().is_some_and(|cell| cell.is_level));
        cells.insert(at, Cell { text: Some(hit.index.to_string()), is_level: false });
    }
    let context = index.map_or(&[] as &[String], |index| &index.context);
    let context = context.iter().filter_map(|name| Some((name.clone(), columns.get(name)?.text())));
    Line {
        role,
        place: hit.place,
        level: level.map_or(Level::Unknown, |(_, text)| Level::of(&text)),
        cells,
        message: &hit.record.message,
        marks: &hit.marks,
        context: context.filter(|(_, text)| !text.trim().is_empty()).collect(),
    }
}
