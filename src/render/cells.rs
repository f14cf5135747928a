//! The parts of a record that a line shows next to its time and its message: cells in the columns' order, and texts that
//! fold. Pure.

use std::ops::Range;

use crate::config::{Index, IndexName};
use crate::query::Query;
use crate::record::column_value::ColumnValue;
use crate::record::json::Columns;
use crate::record::level;
use crate::record::level::Level;

/// A column in a line; a record without it has no text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    pub text: Option<String>,
    /// the column whose one value the text is; None: it has several, or it is no column of the record
    pub column: Option<String>,
    pub is_level: bool,
    /// it has the name of the record's index
    pub is_index: bool,
    /// byte ranges of the text that match, where the columns are searched too
    pub marks: Vec<Range<usize>>,
}

#[derive(Clone, Debug)]
pub struct Shown {
    pub level: Level,
    pub cells: Vec<Cell>,
    /// long text shown on demand: column, text
    pub context: Vec<(String, String)>,
}

/// The columns of a line, in their order.
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

impl Shown {
    /// `columns` is the JSON of a record of `index`. With several indexes, one cell has the index.
    pub fn of(settings: &[&Index], shown: &[String], index: &IndexName, columns: &str, several: bool) -> Shown {
        let columns = Columns::parse(columns);
        let own = settings.iter().find(|settings| settings.name == *index);
        let level_columns = own.map_or(&[] as &[String], |index| &index.level);
        let holder = own.and_then(|index| level::holder(index, &columns)).map(|(name, _)| name);
        let mut cells = Vec::with_capacity(shown.len() + 1);
        for name in shown {
            let is_level = level_columns.contains(name);
            let (mut column, mut value) = (name.as_str(), columns.get(name));
            // the level is in the cell of the level, whichever of the level columns holds it
            if value.is_none() && is_level {
                let hidden = holder.filter(|holder| !shown.iter().any(|name| name == holder));
                column = hidden.unwrap_or(column);
                value = hidden.and_then(|holder| columns.get(holder));
            }
            let column = matches!(value, Some(ColumnValue::One(_))).then(|| column.to_owned());
            cells.push(Cell { text: value.map(ColumnValue::text), column, is_level, ..Cell::default() });
        }
        if several {
            // after the level, so that the levels stand below each other
            let at = usize::from(cells.first().is_some_and(|cell| cell.is_level));
            cells.insert(at, Cell { text: Some(index.to_string()), is_index: true, ..Cell::default() });
        }
        let context = own.map_or(&[] as &[String], |index| &index.context);
        let context = context.iter().filter_map(|name| Some((name.clone(), columns.get(name)?.text())));
        Shown {
            level: own.map_or(Level::Unknown, |index| level::of_record(index, &columns)),
            cells,
            context: context.filter(|(_, text)| !text.trim().is_empty()).collect(),
        }
    }
}
