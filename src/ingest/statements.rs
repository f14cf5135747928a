//! The REPLACE statements of a batch, one for each day, written as the records come: what is sent is what was written, and
//! no large text is copied. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::config::IndexName;
use crate::sphinx::statement::ColumnField;
use crate::sphinx::{day_index, statement};
use crate::time::Day;

/// A larger buffer, grown by one large batch, is shrunk to this after use.
const KEPT_BUFFER_BYTES: usize = 2 << 20;

#[derive(Debug)]
pub struct Statements {
    index: IndexName,
    days: BTreeMap<Day, Statement>,
    /// emptied, for the next batch
    spare: String,
}

/// Where a tuple goes.
#[derive(Debug)]
pub struct Slot<'a> {
    pub fields: &'a [ColumnField],
    pub sql: &'a mut String,
}

/// The documents of one day.
#[derive(Debug, Default)]
pub struct Statement {
    pub sql: String,
    /// where the tuples begin
    tuples: usize,
    pub documents: usize,
}

impl Statements {
    pub fn new(index: IndexName) -> Statements {
        Statements { index, days: BTreeMap::new(), spare: String::new() }
    }

    /// Whether a tuple was written for that day, and not taken yet.
    pub fn is_begun(&self, day: Day) -> bool {
        self.days.contains_key(&day)
    }

    /// Lets `write` append a tuple to the day's statement; says where it stands. A tuple that cannot be written leaves no
    /// trace.
    pub fn add(
        &mut self,
        day: Day,
        fields: &[ColumnField],
        write: impl FnOnce(Slot) -> Result<(), String>,
    ) -> Result<Range<usize>, String> {
        let (index, spare) = (&self.index, &mut self.spare);
        let statement = self.days.entry(day).or_insert_with(|| {
            let mut sql = std::mem::take(spare);
            statement::replace_into(&day_index::day_index(index, day), fields, &mut sql);
            Statement { tuples: sql.len(), sql, documents: 0 }
        });
        let before = statement.sql.len();
        if statement.documents > 0 {
            statement.sql.push(',');
        }
        let from = statement.sql.len();
        match write(Slot { fields, sql: &mut statement.sql }) {
            Ok(()) => {
                statement.documents += 1;
                Ok(from..statement.sql.len())
            }
            Err(why) => {
                statement.sql.truncate(before);
                Err(why)
            }
        }
    }

    /// Takes back the tuple that was added last.
    pub fn remove_last(&mut self, day: Day, tuple: &Range<usize>) -> String {
        let Some(statement) = self.days.get_mut(&day) else { return String::new() };
        let text = statement.sql.split_off(tuple.start);
        statement.documents -= 1;
        if statement.documents > 0 {
            // the comma before it
            statement.sql.pop();
        }
        text
    }

    pub fn take(&mut self, day: Day) -> Statement {
        self.days.remove(&day).unwrap_or_default()
    }

    /// Its text is no longer needed.
    pub fn give_back(&mut self, statement: Statement) {
        let mut sql = statement.sql;
        sql.clear();
        sql.shrink_to(KEPT_BUFFER_BYTES);
        if sql.capacity() > self.spare.capacity() {
            self.spare = sql;
        }
    }

    pub fn clear(&mut self) {
        self.days.clear();
    }
}

impl Statement {
    /// The same for some of its tuples.
    pub fn of<'a>(&self, tuples: impl Iterator<Item = &'a Range<usize>>) -> String {
        let mut sql = self.sql[..self.tuples].to_owned();
        for (at, tuple) in tuples.enumerate() {
            if at > 0 {
                sql.push(',');
            }
            sql.push_str(&self.sql[tuple.clone()]);
        }
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Ts;

    #[test]
    fn each_day_has_its_statement_and_any_part_of_it_can_be_had() {
        let mut statements = Statements::new("web".parse().expect("a name"));
        let today = Ts::from_micros(1_795_341_600_000_000).day();
        let yesterday = Ts::from_micros(1_795_341_600_000_000 - 86_400_000_000).day();
        let mut add = |day: Day, text: &str| {
            statements.add(day, &[], |slot| {
                slot.sql.push_str(text);
                if text == "(bad" { Err("too long".to_owned()) } else { Ok(()) }
            })
        };
        let one = add(today, "(1)").expect("written");
        assert_eq!(add(today, "(bad"), Err("too long".to_owned()));
        let two = add(today, "(22)").expect("written");
        add(yesterday, "(3)").expect("written");
        let four = add(today, "(4)").expect("written");
        assert_eq!(statements.remove_last(today, &four), "(4)");

        let statement = statements.take(today);
        let (head, tuples) = statement.sql.split_once("VALUES ").expect("a REPLACE");
        assert!(head.starts_with("REPLACE INTO web_20261122 ("), "{head}");
        assert_eq!((tuples, statement.documents), ("(1),(22)", 2));
        assert_eq!(statement.of([&two].into_iter()), format!("{head}VALUES (22)"));
        assert_eq!(statement.of([&one, &two].into_iter()), statement.sql);
        assert!(statements.take(yesterday).sql.ends_with("VALUES (3)"));
        assert_eq!(statements.take(yesterday).documents, 0, "it was taken");
    }

    #[test]
    fn a_statement_names_its_fields() {
        let mut statements = Statements::new("web".parse().expect("a name"));
        let today = Ts::from_micros(1_795_341_600_000_000).day();
        let fields = ColumnField::configured(&["user-agent", "status"].map(str::to_owned));
        statements.add(today, &fields, |_| Ok(())).expect("written");
        let sql = statements.take(today).sql;
        assert!(sql.contains(",line,cols,x_user_agent,x_status) VALUES "), "{sql}");
    }
}
