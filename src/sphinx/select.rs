//! SELECT: which documents, in which order, and the full-text expression of MATCH. Pure.

use std::fmt::Write;

use crate::query::cursor::Place;
use crate::sphinx::asking::Ask;
use crate::sphinx::dialect::WITHOUT_RANKS;
use crate::sphinx::fulltext::{NO_COLUMN, NO_COLUMNS};
use crate::sphinx::keys::Keys;
use crate::sphinx::statement::{is_between, string};
use crate::time::Range;

/// Buckets of one answer: twice those of an hour at full speed.
const MAX_BUCKETS: usize = 20_000;

/// The conditions by which searchd selects documents before alco reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restriction {
    /// the expression of MATCH; None: the full-text index is not used
    pub matching: Option<String>,
    /// expressions that are 1 for every document wanted
    pub conditions: Vec<String>,
}

impl Restriction {
    /// True if every document passes.
    pub fn is_nothing(&self) -> bool {
        self.matching.is_none() && self.conditions.is_empty()
    }
}

/// A SELECT of documents by their time.
#[derive(Clone, Copy, Debug)]
pub struct Select<'a> {
    pub columns: &'a str,
    pub from: &'a str,
    pub narrowing: &'a Restriction,
    /// for filters that `narrowing` has as conditions
    pub keys: Option<&'a Keys>,
    pub range: Range,
    pub newest_first: bool,
    /// only documents after this place in that order
    pub beyond: Option<Place>,
    pub limit: usize,
}

impl Select<'_> {
    /// Documents in the order of the stream.
    pub fn documents(&self) -> String {
        let order = if self.newest_first { "DESC" } else { "ASC" };
        let limit = self.limit;
        format!(
            "{} ORDER BY ts {order}, seq {order}, digest {order}, id {order} LIMIT {limit} \
             OPTION max_matches={limit}, {WITHOUT_RANKS}",
            self.head()
        )
    }

    /// One row for each group; `by` has the names of columns, or a path, or is empty for one group of all.
    pub fn groups(&self, by: &str) -> String {
        let by = if by.is_empty() { String::new() } else { format!(" GROUP BY {by}") };
        format!("{}{by}{}", self.head(), self.options())
    }

    /// The documents of these docids, in their order.
    pub fn among(&self, ids: &[u64]) -> String {
        let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
        format!("{} AND id IN ({}) ORDER BY id ASC{}", self.head(), ids.join(","), self.options())
    }

    /// The end of a statement that returns at most `limit` rows.
    pub(super) fn options(&self) -> String {
        let limit = self.limit;
        format!(" LIMIT {limit} OPTION max_matches={limit}, {WITHOUT_RANKS}")
    }

    pub(super) fn head(&self) -> String {
        let mut sql = format!("SELECT {}", self.columns);
        for (n, condition) in self.narrowing.conditions.iter().enumerate() {
            let _ = write!(sql, ", ({condition}) AS f{n}");
        }
        let mut range = self.range;
        if let Some(place) = self.beyond {
            let _ = write!(sql, ", {} AS beyond", beyond(place, self.newest_first));
            // the same condition again, in a form by which searchd skips whole blocks
            match self.newest_first {
                true => range.end = range.end.min(place.ts.plus_micros(1)),
                false => range.start = range.start.max(place.ts),
            }
        }
        let _ = write!(sql, " FROM {} WHERE ", self.from);
        let keys = self.keys.and_then(|keys| keys.within(self.range));
        let matching: Vec<&str> = self.narrowing.matching.as_deref().into_iter().chain(keys).collect();
        if !matching.is_empty() {
            push_match(&matching.join(" "), &mut sql);
        }
        sql.push_str(&is_between("ts", range.start.micros(), range.end.micros().saturating_sub(1)));
        for n in 0..self.narrowing.conditions.len() {
            let _ = write!(sql, " AND f{n}=1");
        }
        if self.beyond.is_some() {
            sql.push_str(" AND beyond=1");
        }
        sql
    }
}

/// A SELECT of documents by their docids, whatever the times of their records.
#[derive(Clone, Debug)]
pub struct SelectArrived<'a> {
    pub from: &'a str,
    /// the expression of MATCH
    pub matching: Option<&'a str>,
    /// expressions that are 1 for every document wanted
    pub conditions: &'a [String],
    pub ids: std::ops::Range<u64>,
}

impl SelectArrived<'_> {
    /// A row for each bucket of `bucket` docids: its number, the number of its documents, the highest docid of them.
    pub fn counted(&self, bucket: u64) -> String {
        self.select(
            &format!("id DIV {bucket} AS bucket, COUNT(*) AS documents, MAX(id) AS high"),
            "GROUP BY bucket",
            MAX_BUCKETS,
        )
    }

    pub fn documents(&self, columns: &str, limit: usize) -> String {
        self.select(columns, "ORDER BY id ASC", limit)
    }

    fn select(&self, columns: &str, order: &str, limit: usize) -> String {
        let mut sql = format!("SELECT {columns}");
        for (n, condition) in self.conditions.iter().enumerate() {
            let _ = write!(sql, ", ({condition}) AS f{n}");
        }
        // a document without a time was stored only to see whether searchd accepts any
        let ids = is_between("id", self.ids.start, self.ids.end.saturating_sub(1));
        let _ = write!(sql, " FROM {} WHERE ", self.from);
        if let Some(matching) = self.matching {
            push_match(matching, &mut sql);
        }
        let _ = write!(sql, "{ids} AND ts>0");
        for n in 0..self.conditions.len() {
            let _ = write!(sql, " AND f{n}=1");
        }
        let _ = write!(sql, " {order} LIMIT {limit} OPTION max_matches={limit}, {WITHOUT_RANKS}");
        sql
    }
}

/// The condition on the full-text fields, before other conditions.
fn push_match(matching: &str, sql: &mut String) {
    sql.push_str("MATCH(");
    string(matching, sql);
    sql.push_str(") AND ");
}

fn beyond(place: Place, newest_first: bool) -> String {
    let (op, ts) = (if newest_first { '<' } else { '>' }, place.ts.micros());
    let Place { seq, digest, id, .. } = place;
    format!(
        "(ts{op}{ts} OR (ts={ts} AND (seq{op}{seq} OR (seq={seq} AND \
         (digest{op}{digest} OR (digest={digest} AND id{op}{id}))))))"
    )
}

/// The field in which a text is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    Message,
    /// the columns' text, which some documents may lack
    Columns,
    /// either of the two
    Any,
    /// a column's own, whose text some documents may lack
    Own(String),
}

/// The full-text expression for documents that may have all of `asked`, and whose message lacks `without`; None: for all
/// documents.
pub fn matching(asked: &[(Field, Ask)], without: Option<&Ask>) -> Option<String> {
    let mut out = String::new();
    for (field, ask) in asked.iter().filter(|(_, ask)| *ask != Ask::All) {
        // lacking: the field in which documents without the text hold a token that marks this
        let (name, lacking) = match field {
            Field::Message => ("line", None),
            Field::Columns => ("cols", Some(("cols", NO_COLUMNS))),
            Field::Any => ("line,cols", Some(("cols", NO_COLUMNS))),
            Field::Own(name) => (name.as_str(), Some((name.as_str(), NO_COLUMN))),
        };
        if !out.is_empty() {
            out.push(' ');
        }
        let _ = write!(out, "(@({name}) (");
        expression(ask, &mut out);
        out.push_str("))");
        if let Some((field, token)) = lacking {
            let _ = write!(out, " | (@({field}) {token})");
        }
    }
    if let Some(ask) = without {
        out.push_str(" !(@(line) (");
        expression(ask, &mut out);
        out.push_str("))");
    }
    (!out.is_empty()).then_some(out)
}

/// Tokens are made of letters, digits and nothing else (`fulltext`): there is nothing to escape in them.
fn expression(ask: &Ask, out: &mut String) {
    let joined = |asks: &[Ask], between: &str, out: &mut String| {
        for (at, ask) in asks.iter().enumerate() {
            if at > 0 {
                out.push_str(between);
            }
            match ask {
                Ask::Phrase(_) => expression(ask, out),
                _ => {
                    out.push('(');
                    expression(ask, out);
                    out.push(')');
                }
            }
        }
    };
    match ask {
        Ask::All => {}
        Ask::And(asks) => joined(asks, " ", out),
        Ask::Or(asks) => joined(asks, " | ", out),
        Ask::Phrase(tokens) => {
            out.push('"');
            for (at, token) in tokens.iter().enumerate() {
                let star = |yes| if yes { "*" } else { "" };
                let space = if at > 0 { " " } else { "" };
                let _ = write!(out, "{space}{}{}{}", star(token.more_before), token.text, star(token.more_after));
            }
            out.push('"');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Ts;

    #[test]
    fn arrivals_are_counted_and_read_by_docid() {
        let arrived = SelectArrived { from: "web", matching: None, conditions: &["js['a']=1".to_owned()], ids: 32..64 };
        assert_eq!(
            arrived.counted(16),
            "SELECT id DIV 16 AS bucket, COUNT(*) AS documents, MAX(id) AS high, (js['a']=1) AS f0 FROM web \
             WHERE id>=32 AND id<=63 AND ts>0 AND f0=1 GROUP BY bucket LIMIT 20000 OPTION max_matches=20000, ranker=none"
        );
        assert_eq!(
            arrived.documents("id, ts", 5),
            "SELECT id, ts, (js['a']=1) AS f0 FROM web WHERE id>=32 AND id<=63 AND ts>0 AND f0=1 ORDER BY id ASC LIMIT 5 \
             OPTION max_matches=5, ranker=none"
        );
    }

    #[test]
    fn the_index_is_asked_in_its_fields() {
        use crate::sphinx::asking::asking;
        let ask = |field: Field, text: &str| (field, asking(text));
        for (asked, expect) in [
            (vec![ask(Field::Message, "ab"), ask(Field::Columns, "-")], Some("(@(line) (\"*ab*\"))")),
            (
                vec![ask(Field::Any, " a b c "), ask(Field::Own("x_id".to_owned()), " 7f3 ")],
                Some(
                    "(@(line,cols) (\"a b c\")) | (@(cols) thecolumnsofthisrecordarenothere) (@(x_id) (\"7f3\")) \
                      | (@(x_id) thetextofthiscolumnisnothere)",
                ),
            ),
            (vec![ask(Field::Message, ".")], None),
        ] {
            assert_eq!(matching(&asked, None).as_deref(), expect);
        }
        assert_eq!(
            matching(&[ask(Field::Message, " a ")], Some(&asking("user"))).as_deref(),
            Some("(@(line) (\"a\")) !(@(line) (\"*user*\" | \"use ser\"))")
        );
    }

    #[test]
    fn a_page_goes_on_beside_its_cursor() {
        let place = Place { ts: Ts::from_micros(5), seq: 1, digest: -2, id: 3 };
        let narrowing =
            Restriction { matching: Some("(@(line) (\"a\"))".to_owned()), conditions: vec!["js['a']=1".to_owned()] };
        let select = Select {
            columns: "id",
            from: "web_20261122",
            narrowing: &narrowing,
            keys: None,
            range: Range { start: Ts::from_micros(0), end: Ts::from_micros(10) },
            newest_first: true,
            beyond: Some(place),
            limit: 7,
        };
        assert_eq!(
            select.documents(),
            "SELECT id, (js['a']=1) AS f0, (ts<5 OR (ts=5 AND (seq<1 OR (seq=1 AND (digest<-2 OR (digest=-2 AND id<3)))))) \
             AS beyond FROM web_20261122 WHERE MATCH('(@(line) (\"a\"))') AND ts>=0 AND ts<=5 AND f0=1 AND beyond=1 \
             ORDER BY ts DESC, seq DESC, digest DESC, id DESC LIMIT 7 OPTION max_matches=7, ranker=none"
        );
    }
}
