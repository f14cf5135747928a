//! The REPLACE statements of a batch, one for each day, written as the records come: what is sent is what was written, and
//! no large text is copied. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::config::IndexName;
use crate::sphinx::{daily, sphinxql};
use crate::time::Day;

/// A buffer that one large batch has grown is let go.
const KEEP: usize = 2 << 20;

#[derive(Debug)]
pub struct Statements {
    index: IndexName,
    fields: Vec<String>,
    days: BTreeMap<Day, Statement>,
    /// emptied, for the next batch
    spare: String,
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
    pub fn new(index: IndexName, fields: Vec<String>) -> Statements {
        Statements { index, fields, days: BTreeMap::new(), spare: String::new() }
    }

    /// The full-text fields of indexed columns.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// Lets `write` append a tuple to the day's statement; says where it stands. A tuple that cannot be written leaves no
    /// trace.
    pub fn add(
        &mut self,
        day: Day,
        write: impl FnOnce(&mut String) -> Result<(), String>,
    ) -> Result<Range<usize>, String> {
        let spare = &mut self.spare;
        let (index, fields) = (&self.index, &self.fields);
        let statement = self.days.entry(day).or_insert_with(|| {
            let mut sql = std::mem::take(spare);
            sphinxql::replace_into(&daily::day_index(index, day), fields, &mut sql);
            Statement { tuples: sql.len(), sql, documents: 0 }
        });
        let before = statement.sql.len();
        if statement.documents > 0 {
            statement.sql.push(',');
        }
        let from = statement.sql.len();
        match write(&mut statement.sql) {
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
        sql.shrink_to(KEEP);
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
        let mut statements = Statements::new("web".parse().expect("a name"), vec![]);
        let today = Ts::from_micros(1_795_341_600_000_000).day();
        let yesterday = Ts::from_micros(1_795_341_600_000_000 - 86_400_000_000).day();
        let mut add = |day: Day, text: &str| {
            statements.add(day, |sql| {
                sql.push_str(text);
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
}
