//! The parts of a day index that its index's configuration decided when it was declared. A day index keeps them, whatever is
//! configured later. Pure.

use crate::config::{Index, attribute_of_column, field_of_column, is_attribute_of_column, is_field_of_column};
use crate::sphinx::counting::rules_field;

/// A full-text field or an attribute for a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnOfColumn {
    pub name: String,
    /// None: the column is no longer configured for it
    pub column: Option<String>,
}

/// What a document of a day index holds beyond `statement::COLUMNS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaySchema {
    /// the text fields of `indexed` columns
    pub fields: Vec<OwnOfColumn>,
    /// the attributes of `filtered` columns
    pub values: Vec<OwnOfColumn>,
    /// it was declared with today's rules for levels and patterns
    pub has_our_rules: bool,
}

impl DaySchema {
    /// That of a day index that is declared now.
    pub fn configured(index: &Index) -> DaySchema {
        let own = |columns: &[String], name: fn(&str) -> String| {
            let own = |column: &String| OwnOfColumn { name: name(column), column: Some(column.clone()) };
            columns.iter().map(own).collect()
        };
        DaySchema {
            fields: own(&index.indexed, field_of_column),
            values: own(&index.filtered, attribute_of_column),
            has_our_rules: true,
        }
    }

    /// That of a day index whose columns, in the sense of DESCRIBE, have these names.
    pub fn described(names: &[String], index: &Index) -> DaySchema {
        let own = |columns: &[String], name: fn(&str) -> String, is_name: fn(&str) -> bool| {
            let column = |own: &String| columns.iter().find(|column| name(column) == *own).cloned();
            let own = |own: &String| OwnOfColumn { name: own.clone(), column: column(own) };
            names.iter().filter(|own| is_name(own)).map(own).collect()
        };
        DaySchema {
            fields: own(&index.indexed, field_of_column, is_field_of_column),
            values: own(&index.filtered, attribute_of_column, is_attribute_of_column),
            has_our_rules: names.contains(&rules_field(index)),
        }
    }
}
