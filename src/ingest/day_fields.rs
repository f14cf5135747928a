//! The full-text fields of each day index: as searchd described them, else as they are configured. Pure.
//!
//! Invariant: `learn` reports that a day's fields are not those that were known; texts that were written for the day are then useless.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sphinx::statement::ColumnField;
use crate::time::Day;

#[derive(Debug)]
pub struct DayFields {
    /// the `indexed` columns
    indexed: Vec<String>,
    /// for as many days as are served
    known: BTreeMap<Day, KnownFields>,
}

#[derive(Debug)]
struct KnownFields {
    fields: Arc<[ColumnField]>,
    /// the connection by which searchd described them; None: it has not
    by: Option<u64>,
}

impl DayFields {
    pub fn new(indexed: Vec<String>) -> DayFields {
        DayFields { indexed, known: BTreeMap::new() }
    }

    /// True if searchd has described the day's index by that connection. The next connection may be to a searchd that was
    /// started again, with other day indexes in the place of these.
    pub fn is_known(&self, day: Day, connection: u64) -> bool {
        self.known.get(&day).is_some_and(|known| known.by == Some(connection))
    }

    /// Notes the names of the day index's columns, as searchd described them by that connection. None: searchd does not serve
    /// it; then the fields stay as they were known, or are those configured. Returns false if the fields are not those that were known.
    pub fn learn(&mut self, day: Day, described: Option<(&[String], u64)>) -> bool {
        let Some((names, connection)) = described else {
            let configured = || KnownFields { fields: ColumnField::configured(&self.indexed).into(), by: None };
            self.known.entry(day).or_insert_with(configured).by = None;
            return true;
        };
        let fields: Arc<[ColumnField]> = ColumnField::described(names.iter().map(String::as_str), &self.indexed).into();
        let known = self.known.insert(day, KnownFields { fields: fields.clone(), by: Some(connection) });
        known.is_none_or(|known| known.fields == fields)
    }

    /// The fields to write for that day.
    pub fn of(&mut self, day: Day) -> Arc<[ColumnField]> {
        if !self.known.contains_key(&day) {
            self.learn(day, None);
        }
        self.known[&day].fields.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Ts;

    #[test]
    fn a_day_has_the_fields_that_searchd_described() {
        let indexed = ["user-agent", "status"].map(str::to_owned).to_vec();
        let mut fields = DayFields::new(indexed);
        let today = Ts::from_micros(1_795_341_600_000_000).day();
        let names = |fields: &mut DayFields| {
            fields.of(today).iter().map(|field| field.name.clone()).collect::<Vec<String>>().join(" ")
        };
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<String>>();
        assert_eq!(names(&mut fields), "x0_user_2d_agent x_status", "searchd has not described them");
        assert!(!fields.is_known(today, 0));

        let old = words("id line cols x_status x_gone infix_2 ts exact");
        assert!(!fields.learn(today, Some((&old, 1))), "they are others");
        assert!(fields.is_known(today, 1) && !fields.is_known(today, 2));
        assert_eq!(names(&mut fields), "x_status x_gone");
        assert!(fields.learn(today, Some((&old, 2))) && fields.is_known(today, 2), "the same");
        assert!(fields.learn(today, None) && !fields.is_known(today, 2), "not served now");
        assert_eq!(names(&mut fields), "x_status x_gone");
        let columns: Vec<Option<String>> = fields.of(today).iter().map(|field| field.column.clone()).collect();
        assert_eq!(columns, [Some("status".to_owned()), None]);
    }
}
