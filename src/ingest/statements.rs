//! The REPLACE statements of a batch, one for each day, written as the records come and sent as they were written. Pure.
//! Invariant: a record has its docid before it gets into a statement, and stays there.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::config::IndexName;
use crate::ingest::fill::RecordSize;
use crate::sphinx::day_schema::DaySchema;
use crate::sphinx::{DocId, day_index, statement};
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

/// A record that has no docid yet.
#[derive(Debug)]
pub struct Draft {
    pub day: Day,
    /// that of the day's index
    pub schema: Arc<DaySchema>,
    /// its tuple from after the docid on
    pub rest: String,
    /// the same for a record that may be stored already; None: that cannot be
    pub doubtful: Option<String>,
    /// of the two
    pub tokens: usize,
}

impl Draft {
    pub fn size(&self) -> RecordSize {
        let bytes = "(".len() + DocId::MAX_DIGITS + self.rest.len() + self.doubtful.as_ref().map_or(0, String::len);
        RecordSize { bytes, tokens: self.tokens }
    }
}

/// The documents of one day.
#[derive(Debug, Default)]
pub struct Statement {
    pub sql: String,
    /// the start of the tuples
    tuples: usize,
    pub documents: usize,
}

impl Statements {
    pub fn new(index: IndexName) -> Statements {
        Statements { index, days: BTreeMap::new(), spare: String::new() }
    }

    /// True if a tuple was written for that day, and is not taken yet.
    pub fn is_begun(&self, day: Day) -> bool {
        self.days.contains_key(&day)
    }

    /// Appends the record's tuple to its day's statement; returns its place.
    pub fn add(&mut self, draft: &Draft, id: DocId) -> Range<usize> {
        let (index, spare) = (&self.index, &mut self.spare);
        let statement = self.days.entry(draft.day).or_insert_with(|| {
            let mut sql = std::mem::take(spare);
            statement::replace_into(&day_index::day_index(index, draft.day), &draft.schema, &mut sql);
            Statement { tuples: sql.len(), sql, documents: 0 }
        });
        if statement.documents > 0 {
            statement.sql.push(',');
        }
        let from = statement.sql.len();
        statement::tuple(id, &draft.rest, &mut statement.sql);
        statement.documents += 1;
        from..statement.sql.len()
    }

    /// All statements; those of the next batch begin empty.
    pub fn take(&mut self) -> BTreeMap<Day, Statement> {
        std::mem::take(&mut self.days)
    }

    /// Takes back a statement that is no longer needed, for its memory.
    pub fn give_back(&mut self, statement: Statement) {
        let mut sql = statement.sql;
        sql.clear();
        sql.shrink_to(KEPT_BUFFER_BYTES);
        if sql.capacity() > self.spare.capacity() {
            self.spare = sql;
        }
    }
}

impl Statement {
    /// Appends another tuple for a document that has one; returns its place. From now on the tuples have to be chosen by `of`.
    pub fn replace(&mut self, id: DocId, rest: &str) -> Range<usize> {
        self.sql.push(',');
        let from = self.sql.len();
        statement::tuple(id, rest, &mut self.sql);
        self.documents += 1;
        from..self.sql.len()
    }

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
    use crate::config::Index;
    use crate::time::Ts;

    fn statements() -> Statements {
        Statements::new("web".parse().expect("a name"))
    }

    fn draft(day: Day, rest: &str) -> Draft {
        Draft {
            day,
            schema: Arc::new(DaySchema::described(&[], &index())),
            rest: rest.to_owned(),
            doubtful: None,
            tokens: 0,
        }
    }

    fn index() -> Index {
        let mut index = Index::new("web".parse().expect("a name"));
        index.indexed = ["user-agent", "status"].map(str::to_owned).to_vec();
        index.filtered = vec!["host".to_owned()];
        index
    }

    fn id(n: u64) -> DocId {
        DocId::new(n).expect("a docid")
    }

    #[test]
    fn each_day_has_its_statement_and_its_parts() {
        let mut statements = statements();
        let today = Ts::from_micros(1_795_341_600_000_000).day();
        let yesterday = Ts::from_micros(1_795_341_600_000_000 - 86_400_000_000).day();
        let one = statements.add(&draft(today, ",1)"), id(7));
        let two = statements.add(&draft(today, ",22)"), id(8));
        statements.add(&draft(yesterday, ",3)"), id(9));

        let days = statements.take();
        let (statement, before) = (&days[&today], &days[&yesterday]);
        let (head, tuples) = statement.sql.split_once("VALUES ").expect("a REPLACE");
        assert!(head.starts_with("REPLACE INTO web_20261122 ("), "{head}");
        assert_eq!((tuples, statement.documents), ("(7,1),(8,22)", 2));
        assert_eq!(statement.of([&two].into_iter()), format!("{head}VALUES (8,22)"));
        assert_eq!(statement.of([&one, &two].into_iter()), statement.sql);
        assert!(before.sql.ends_with("VALUES (9,3)"));
        let mut doubtful = Statement { sql: statement.sql.clone(), ..*statement };
        let again = doubtful.replace(id(8), ",4)");
        assert_eq!(doubtful.of([&one, &again].into_iter()), format!("{head}VALUES (7,1),(8,4)"));
        assert_eq!(doubtful.documents, 3, "not what is to be sent");
        assert!(statements.take().is_empty(), "they were taken");
    }

    #[test]
    fn a_statement_names_the_fields_and_attributes_of_columns() {
        let mut statements = statements();
        let today = Ts::from_micros(1_795_341_600_000_000).day();
        let schema = DaySchema::configured(&index());
        statements.add(&Draft { schema: schema.into(), ..draft(today, ",1)") }, id(7));
        let sql = &statements.take()[&today].sql;
        assert!(sql.contains(",line,cols,keys,x0_user_2d_agent,x_status,v_host) VALUES (7,1)"), "{sql}");
    }

    #[test]
    fn a_draft_has_the_size_of_its_tuple() {
        let mut statements = statements();
        let today = Ts::from_micros(1_795_341_600_000_000).day();
        let draft = draft(today, ",1795341600000000,1,-5,'text')");
        // a docid of that time
        let tuple = statements.add(&draft, id(1_795_341_600_000 * DocId::PER_MILLISECOND));
        assert_eq!(tuple.len(), draft.size().bytes);
    }
}
