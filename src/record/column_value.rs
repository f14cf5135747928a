//! The value of a column, as readers see it. Pure.

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnValue {
    /// a string, a number, true or false
    One(String),
    /// a list of these
    Many(ListItems),
    /// null, an empty or a nested list or object, as its JSON text
    Json(String),
}

/// The first items of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListItems {
    pub texts: Vec<String>,
    /// how many follow them
    pub more: usize,
}

impl ColumnValue {
    /// The texts that a filter compares: one, or those of a list.
    pub fn texts(&self) -> &[String] {
        match self {
            ColumnValue::One(text) => std::slice::from_ref(text),
            ColumnValue::Many(items) => &items.texts,
            ColumnValue::Json(_) => &[],
        }
    }

    /// On one line, as in a cell.
    pub fn text(self) -> String {
        match self {
            ColumnValue::One(text) | ColumnValue::Json(text) => text,
            ColumnValue::Many(items) => items.texts.join(", "),
        }
    }
}
