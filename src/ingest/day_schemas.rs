//! The schema of each day index: as searchd described it, else as it is configured. Pure.
//!
//! Invariant: `learn` reports that a day's schema is not the one that was known; texts that were written for the day are then useless.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Index;
use crate::sphinx::day_schema::DaySchema;
use crate::time::Day;

#[derive(Debug)]
pub struct DaySchemas {
    index: Index,
    /// for as many days as are served
    known: BTreeMap<Day, KnownSchema>,
}

#[derive(Debug)]
struct KnownSchema {
    schema: Arc<DaySchema>,
    /// the connection by which searchd described it; None: it has not
    by: Option<u64>,
}

impl DaySchemas {
    pub fn new(index: Index) -> DaySchemas {
        DaySchemas { index, known: BTreeMap::new() }
    }

    /// True if searchd has described the day's index by that connection. The next connection may be to a searchd that was
    /// started again, with other day indexes in the place of these.
    pub fn is_known(&self, day: Day, connection: u64) -> bool {
        self.known.get(&day).is_some_and(|known| known.by == Some(connection))
    }

    /// Notes the names of the day index's columns, as searchd described them by that connection. None: searchd does not serve
    /// it; then the schema stays as it was known, or is the one configured. Returns false if it is not the one that was known.
    pub fn learn(&mut self, day: Day, described: Option<(&[String], u64)>) -> bool {
        let Some((names, connection)) = described else {
            let configured = || KnownSchema { schema: DaySchema::configured(&self.index).into(), by: None };
            self.known.entry(day).or_insert_with(configured).by = None;
            return true;
        };
        let schema = Arc::new(DaySchema::described(names, &self.index));
        let known = self.known.insert(day, KnownSchema { schema: schema.clone(), by: Some(connection) });
        known.is_none_or(|known| known.schema == schema)
    }

    /// The schema to write by for that day.
    pub fn of(&mut self, day: Day) -> Arc<DaySchema> {
        if !self.known.contains_key(&day) {
            self.learn(day, None);
        }
        self.known[&day].schema.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sphinx::counting::rules_field;
    use crate::time::Ts;

    #[test]
    fn a_day_has_the_schema_that_searchd_described() {
        let mut index = Index::new("web".parse().expect("a name"));
        index.indexed = ["user-agent", "status"].map(str::to_owned).to_vec();
        index.filtered = vec!["host".to_owned()];
        let rules = rules_field(&index);
        let mut fields = DaySchemas::new(index);
        let today = Ts::from_micros(1_795_341_600_000_000).day();
        let names = |fields: &mut DaySchemas| {
            fields.of(today).fields.iter().map(|field| field.name.clone()).collect::<Vec<String>>().join(" ")
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
        let columns: Vec<Option<String>> = fields.of(today).fields.iter().map(|field| field.column.clone()).collect();
        assert_eq!(columns, [Some("status".to_owned()), None]);

        assert!(fields.of(today).values.is_empty() && !fields.of(today).has_our_rules);
        assert!(!fields.learn(today, Some((&words(&format!("id v_host v_gone {rules}")), 3))), "it is another");
        let values: Vec<Option<String>> = fields.of(today).values.iter().map(|value| value.column.clone()).collect();
        assert_eq!(values, [Some("host".to_owned()), None]);
        assert!(fields.of(today).has_our_rules);
    }
}
