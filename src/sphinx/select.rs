//! SELECT: which documents, in which order; the full-text expression, and the conditions on columns. Pure.
//!
//! Invariant: a condition on a column is never narrower than what the filter accepts (`search::filter`). Where searchd's
//! JSON cannot tell, it is wider: `js` has U+FFFD for control characters, `IN` with integers can crash 2.2.11 (it takes
//! them for places of strings), `=` compares 32 bits, DOUBLE() has the precision of a float, and `IN` with texts finds in an
//! array of integers the lengths of these texts. `(path='')` and `ANY(x='' FOR x IN path)` crash 2.x on texts of 193 bytes
//! or more, so texts are compared by `IN` alone.

use std::fmt::Write;

use crate::query::cursor::Place;
use crate::query::{Comparison, Condition, Filter};
use crate::record::number::is_number;
use crate::sphinx::fulltext::{Ask, NO_COLUMNS};
use crate::sphinx::statement::string;
use crate::time::Range;

/// Larger numbers are strings in `js`.
const TOO_LARGE: f64 = 1e15;
/// Buckets that may hold something: those of an hour at full speed are half as many.
const MOST: usize = 20_000;
/// Ways to read a column's dots as paths double with each: beyond, the index is not asked.
const DOTS: usize = 3;

/// What a document is compared with before it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// MATCH, where there is something to ask
    pub matching: Option<String>,
    /// expressions that are 1 for every document wanted
    pub conditions: Vec<String>,
}

impl Narrowing {
    /// Whether every document fits.
    pub fn is_nothing(&self) -> bool {
        self.matching.is_none() && self.conditions.is_empty()
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Select<'a> {
    pub columns: &'a str,
    pub from: &'a str,
    pub narrowing: &'a Narrowing,
    pub range: Range,
    pub newest_first: bool,
    /// only what comes after this place in that order
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
             OPTION max_matches={limit}, ranker=none",
            self.head()
        )
    }

    /// One row for each group; `by` is the names of columns, or empty for one group of all.
    pub fn groups(&self, by: &str) -> String {
        let limit = self.limit;
        let by = if by.is_empty() { String::new() } else { format!(" GROUP BY {by}") };
        format!("{}{by} LIMIT {limit} OPTION max_matches={limit}, ranker=none", self.head())
    }

    /// Those of some docids.
    pub fn among(&self, ids: &[u64]) -> String {
        let limit = self.limit;
        let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
        format!("{} AND id IN ({}) LIMIT {limit} OPTION max_matches={limit}, ranker=none", self.head(), ids.join(","))
    }

    fn head(&self) -> String {
        let mut sql = format!("SELECT {}", self.columns);
        for (n, condition) in self.narrowing.conditions.iter().enumerate() {
            let _ = write!(sql, ", ({condition}) AS f{n}");
        }
        let mut range = self.range;
        if let Some(place) = self.beyond {
            let _ = write!(sql, ", {} AS beyond", beyond(place, self.newest_first));
            // the same again, in a form that lets searchd skip whole blocks
            match self.newest_first {
                true => range.end = range.end.min(place.ts.plus_micros(1)),
                false => range.start = range.start.max(place.ts),
            }
        }
        let _ = write!(sql, " FROM {} WHERE ", self.from);
        if let Some(matching) = &self.narrowing.matching {
            sql.push_str("MATCH(");
            string(matching, &mut sql);
            sql.push_str(") AND ");
        }
        let _ = write!(sql, "ts>={} AND ts<{}", range.start.micros(), range.end.micros());
        for n in 0..self.narrowing.conditions.len() {
            let _ = write!(sql, " AND f{n}=1");
        }
        if self.beyond.is_some() {
            sql.push_str(" AND beyond=1");
        }
        sql
    }
}

/// Documents by their docids, whatever times their records bear.
#[derive(Clone, Debug)]
pub struct Arrived<'a> {
    pub from: &'a str,
    /// expressions that are 1 for every document wanted
    pub conditions: &'a [String],
    pub ids: std::ops::Range<u64>,
}

impl Arrived<'_> {
    /// For each bucket of so many docids: which it is, how many documents it holds, the highest of them.
    pub fn counted(&self, bucket: u64) -> String {
        self.select(
            &format!("id DIV {bucket} AS bucket, COUNT(*) AS documents, MAX(id) AS high"),
            "GROUP BY bucket",
            MOST,
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
        // a document without a time is one that only tries whether searchd takes any
        let _ = write!(sql, " FROM {} WHERE id>={} AND id<{} AND ts>0", self.from, self.ids.start, self.ids.end);
        for n in 0..self.conditions.len() {
            let _ = write!(sql, " AND f{n}=1");
        }
        let _ = write!(sql, " {order} LIMIT {limit} OPTION max_matches={limit}, ranker=none");
        sql
    }
}

fn beyond(place: Place, newest_first: bool) -> String {
    let (op, ts) = (if newest_first { '<' } else { '>' }, place.ts.micros());
    let Place { seq, digest, id, .. } = place;
    format!(
        "(ts{op}{ts} OR (ts={ts} AND (seq{op}{seq} OR (seq={seq} AND \
         (digest{op}{digest} OR (digest={digest} AND id{op}{id}))))))"
    )
}

/// Where the full-text index is asked.
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

/// The full-text expression for documents that may have all of this, and whose message has not that; None for everything.
pub fn matching(asked: &[(Field, Ask)], without: Option<&Ask>) -> Option<String> {
    let mut out = String::new();
    for (field, ask) in asked.iter().filter(|(_, ask)| *ask != Ask::All) {
        // the second: where some documents say that they lack the text
        let (name, lacking) = match field {
            Field::Message => ("line", None),
            Field::Columns => ("cols", Some("cols")),
            Field::Any => ("line,cols", Some("cols")),
            Field::Own(name) => (name.as_str(), Some(name.as_str())),
        };
        if !out.is_empty() {
            out.push(' ');
        }
        let _ = write!(out, "(@({name}) (");
        expression(ask, &mut out);
        out.push_str("))");
        if let Some(lacking) = lacking {
            let _ = write!(out, " | (@({lacking}) {NO_COLUMNS})");
        }
    }
    if let Some(ask) = without {
        out.push_str(" !(@(line) (");
        expression(ask, &mut out);
        out.push_str("))");
    }
    (!out.is_empty()).then_some(out)
}

/// Tokens are made of letters, digits and nothing else (`text`): there is nothing to escape in them.
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

/// What searchd can tell about a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// 1 for every document that the filter accepts; None if searchd cannot tell
    pub condition: Option<String>,
    /// 1 for no other document; None if searchd is never sure
    pub sure: Option<String>,
}

impl Told {
    fn exactly(condition: String) -> Told {
        Told { condition: Some(condition.clone()), sure: Some(condition) }
    }

    /// Each document has to be looked at.
    pub fn nothing() -> Told {
        Told::perhaps(None)
    }

    fn perhaps(condition: Option<String>) -> Told {
        Told { condition, sure: None }
    }

    /// Whether the condition is the filter: what it gives need not be checked.
    pub fn is_exact(&self) -> bool {
        self.sure.is_some() && self.sure == self.condition
    }
}

pub fn told(filter: &Filter) -> Told {
    let paths = paths(&filter.column);
    if paths.is_empty() {
        return Told::nothing();
    }
    let any = |one: &dyn Fn(&str) -> String| paths.iter().map(|path| one(path)).collect::<Vec<_>>().join(" OR ");
    let all = |one: &dyn Fn(&str) -> String| {
        paths.iter().map(|path| format!("({})", one(path))).collect::<Vec<_>>().join(" AND ")
    };
    let there = |path: &str| format!("{path} IS NOT NULL");
    match &filter.is {
        Condition::In(values) => {
            let plain = values.iter().all(|value| is_plain(value));
            let texts: Vec<&String> = values.iter().collect();
            Told {
                condition: Some(any(&|path| one_of(path, values))),
                sure: plain.then(|| any(&|path| format!("({})", has_text(path, &texts)))),
            }
        }
        Condition::NotIn(values) => {
            // of numbers and altered strings searchd is not sure enough to leave a document out
            let certain: Vec<&String> = values.iter().filter(|value| is_sure(value)).collect();
            if certain.is_empty() {
                return Told::nothing();
            }
            let lacks = |path: &str| format!("IN({path},{})=0 OR {path} IS NULL", strings(&certain));
            Told {
                condition: Some(all(&|path| format!("{} OR {}", lacks(path), begins_with_number(path)))),
                sure: values.iter().all(|value| is_plain(value)).then(|| all(&lacks)),
            }
        }
        Condition::Exists(true) => Told::exactly(any(&there)),
        Condition::Exists(false) => Told::exactly(all(&|path| format!("{path} IS NULL"))),
        Condition::Like(_) => Told::perhaps(Some(any(&there))),
        Condition::Compare(comparison, number) => {
            let number = number.approximate();
            Told::perhaps(Some(any(&|path| match number.abs() < TOO_LARGE {
                true => compare(path, *comparison, number),
                false => there(path),
            })))
        }
    }
}

/// `js['a.b']`, `js['a']['b']`: what a column's name may mean; empty if searchd cannot be asked for it.
fn paths(column: &str) -> Vec<String> {
    if column.matches('.').count() > DOTS || column.contains(|c: char| c < ' ' || c == '\u{fffd}') {
        return Vec::new();
    }
    let key = |key: &str| {
        let mut out = "[".to_owned();
        string(key, &mut out);
        out.push(']');
        out
    };
    let mut found = vec![(String::from("js"), column)];
    let mut paths = Vec::new();
    while let Some((path, rest)) = found.pop() {
        paths.push(format!("{path}{}", key(rest)));
        for (dot, _) in rest.match_indices('.') {
            found.push((format!("{path}{}", key(&rest[..dot])), &rest[dot + 1..]));
        }
    }
    paths
}

/// The columns that a name means, in the select list of a group.
pub fn column_paths(column: &str) -> Vec<String> {
    paths(column)
}

/// 1 where the first of these columns that a document has holds a value that is wanted; None if none is.
pub fn first_is(paths: &[String], values: &[Vec<String>], wanted: impl Fn(&str) -> bool) -> Option<String> {
    let mut parts = Vec::new();
    for (n, (path, values)) in paths.iter().zip(values).enumerate() {
        let wanted: Vec<&String> = values.iter().filter(|value| wanted(value)).collect();
        if wanted.is_empty() {
            continue;
        }
        let mut part = format!("{path} IS NOT NULL AND (({})", has_text(path, &wanted));
        for number in wanted.iter().filter_map(|value| value.parse::<i32>().ok()) {
            let _ = write!(part, " OR {path}={number}");
            if number == 0 {
                // a text is 0 too, and so is 0.5
                let _ = write!(part, " AND LENGTH({path})=1 AND DOUBLE({path})=0");
            }
        }
        part.push(')');
        for earlier in &paths[..n] {
            let _ = write!(part, " AND {earlier} IS NULL");
        }
        parts.push(format!("({part})"));
    }
    (!parts.is_empty()).then(|| parts.join(" OR "))
}

/// Equal only to a string of the same characters.
fn is_plain(value: &str) -> bool {
    is_sure(value) && !is_number(value) && !matches!(value, "true" | "false")
}

/// What is this string in `js` was this string.
fn is_sure(value: &str) -> bool {
    !value.contains(|c: char| c == '\u{fffd}' || c < ' ' && !matches!(c, '\n' | '\r' | '\t'))
}

fn strings(values: &[&String]) -> String {
    let mut out = String::new();
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        string(&value.replace(|c: char| c < ' ' && !matches!(c, '\n' | '\r' | '\t'), "\u{fffd}"), &mut out);
    }
    out
}

/// An array whose first element is a number, or is not empty itself: 2.x may find the length of a text in an array of integers.
fn begins_with_number(path: &str) -> String {
    format!("LENGTH({path}[0])>0")
}

/// A text, or an array with it that begins with none of what `begins_with_number` tells.
fn has_text(path: &str, texts: &[&String]) -> String {
    format!("IN({path},{}) AND LENGTH({path}[0])=0", strings(texts))
}

/// An array of several elements, or of one that is not null.
fn array(path: &str) -> String {
    format!("LENGTH({path})>1 OR {path}[0] IS NOT NULL")
}

fn one_of(path: &str, values: &[String]) -> String {
    let mut out = format!("IN({path},{})", strings(&values.iter().collect::<Vec<_>>()));
    let numbers = values.iter().filter(|value| is_number(value));
    let mut in_array = false;
    for value in numbers {
        in_array = true;
        match value.parse::<i64>() {
            Ok(number) if (number as f64).abs() < TOO_LARGE && number != 0 => {
                let _ = write!(out, " OR {path}={number}");
            }
            // a missing one is 0 too; a double has its own ways
            _ => {
                let _ = write!(out, " OR {path} IS NOT NULL");
            }
        }
    }
    for value in values {
        match value.as_str() {
            "true" => out.push_str(&format!(" OR {path}=1")),
            "false" => out.push_str(&format!(" OR ({path}=0 AND {path} IS NOT NULL)")),
            _ => continue,
        }
        in_array = true;
    }
    if in_array {
        let _ = write!(out, " OR {}", array(path));
    }
    out
}

/// Numbers as floats, so the border gives way a little; any string (its LENGTH is 0), since it may be a number's.
fn compare(path: &str, comparison: Comparison, number: f64) -> String {
    let slack = number.abs() * 1e-6 + 1e-5;
    let test = match comparison {
        Comparison::Gt | Comparison::Gte => format!("DOUBLE({path})>={:.6}", number - slack),
        Comparison::Lt | Comparison::Lte => format!("DOUBLE({path})<={:.6}", number + slack),
    };
    format!("({path} IS NOT NULL AND ({test} OR LENGTH({path})=0 OR {}))", array(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Query;
    use crate::time::Ts;

    fn told_of(filter: &str) -> Told {
        let query = Query::from_url(vec!["web".parse().expect("a name")], filter).expect(filter);
        told(&query.filters[0])
    }

    #[track_caller]
    fn check(filter: &str, condition: &str, sure: &str) {
        let told = told_of(filter);
        let got = (told.condition.unwrap_or_default(), told.sure.unwrap_or_default());
        assert_eq!(got, (condition.to_owned(), sure.to_owned()), "{filter}");
    }

    #[test]
    fn conditions_are_never_narrower_than_the_filter() {
        check("level=A&level=B", "IN(js['level'],'A','B')", "(IN(js['level'],'A','B') AND LENGTH(js['level'][0])=0)");
        check(
            "a.b=x",
            "IN(js['a.b'],'x') OR IN(js['a']['b'],'x')",
            "(IN(js['a.b'],'x') AND LENGTH(js['a.b'][0])=0) OR (IN(js['a']['b'],'x') AND LENGTH(js['a']['b'][0])=0)",
        );
        check(
            "status=200",
            "IN(js['status'],'200') OR js['status']=200 OR LENGTH(js['status'])>1 OR js['status'][0] IS NOT NULL",
            "",
        );
        check("x=a%01b", "IN(js['x'],'a\u{fffd}b')", "");
        check(
            "x__not=a",
            "(IN(js['x'],'a')=0 OR js['x'] IS NULL OR LENGTH(js['x'][0])>0)",
            "(IN(js['x'],'a')=0 OR js['x'] IS NULL)",
        );
        check("x__not=a,5", "(IN(js['x'],'a','5')=0 OR js['x'] IS NULL OR LENGTH(js['x'][0])>0)", "");
        check("x__not=%01", "", "");
        check("x__exists=0", "(js['x'] IS NULL)", "(js['x'] IS NULL)");
        check("x__like=a", "js['x'] IS NOT NULL", "");
        check(
            "x__gt=1.5",
            "(js['x'] IS NOT NULL AND (DOUBLE(js['x'])>=1.499988 OR LENGTH(js['x'])=0 OR LENGTH(js['x'])>1 OR \
             js['x'][0] IS NOT NULL))",
            "",
        );
        check("x__lt=1e300", "js['x'] IS NOT NULL", "");
        check("a.b.c.d.e=x", "", "");
        for (filter, exact) in [("x__exists=1", true), ("x=a", false), ("x__not=a", false), ("x__like=a", false)] {
            assert_eq!(told_of(filter).is_exact(), exact, "{filter}");
        }
    }

    #[test]
    fn arrivals_are_counted_and_read_by_docid() {
        let arrived = Arrived { from: "web", conditions: &["js['a']=1".to_owned()], ids: 32..64 };
        assert_eq!(
            arrived.counted(16),
            "SELECT id DIV 16 AS bucket, COUNT(*) AS documents, MAX(id) AS high, (js['a']=1) AS f0 FROM web \
             WHERE id>=32 AND id<64 AND ts>0 AND f0=1 GROUP BY bucket LIMIT 20000 OPTION max_matches=20000, ranker=none"
        );
        assert_eq!(
            arrived.documents("id, ts", 5),
            "SELECT id, ts, (js['a']=1) AS f0 FROM web WHERE id>=32 AND id<64 AND ts>0 AND f0=1 ORDER BY id ASC LIMIT 5 \
             OPTION max_matches=5, ranker=none"
        );
    }

    #[test]
    fn nothing_hostile_leaves_its_quotes() {
        let condition = r"IN(js['x\'])'],'a\'b\\')";
        check("x'%5D)=a'b%5C", condition, &format!("({condition} AND LENGTH({}[0])=0)", r"js['x\'])']"));
    }

    #[test]
    fn the_index_is_asked_in_its_fields() {
        use crate::sphinx::fulltext::asking;
        let ask = |field: Field, text: &str| (field, asking(text));
        for (asked, expect) in [
            (vec![ask(Field::Message, "ab"), ask(Field::Columns, "-")], Some("(@(line) (\"*ab*\"))")),
            (
                vec![ask(Field::Any, " a b c "), ask(Field::Own("x_id".to_owned()), " 7f3 ")],
                Some(
                    "(@(line,cols) (\"a b c\")) | (@(cols) thecolumnsofthisrecordarenothere) (@(x_id) (\"7f3\")) \
                      | (@(x_id) thecolumnsofthisrecordarenothere)",
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
            Narrowing { matching: Some("(@(line) (\"a\"))".to_owned()), conditions: vec!["js['a']=1".to_owned()] };
        let select = Select {
            columns: "id",
            from: "web_20261122",
            narrowing: &narrowing,
            range: Range { start: Ts::from_micros(0), end: Ts::from_micros(10) },
            newest_first: true,
            beyond: Some(place),
            limit: 7,
        };
        assert_eq!(
            select.documents(),
            "SELECT id, (js['a']=1) AS f0, (ts<5 OR (ts=5 AND (seq<1 OR (seq=1 AND (digest<-2 OR (digest=-2 AND id<3)))))) \
             AS beyond FROM web_20261122 WHERE MATCH('(@(line) (\"a\"))') AND ts>=0 AND ts<6 AND f0=1 AND beyond=1 \
             ORDER BY ts DESC, seq DESC, digest DESC, id DESC LIMIT 7 OPTION max_matches=7, ranker=none"
        );
    }
}
