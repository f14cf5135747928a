//! A filter on a column as conditions on `js`, the JSON attribute that holds the columns; one on the message's pattern, on `kind`. Pure.
//!
//! Invariant: a condition on a column is never narrower than what the filter accepts (`search::filter`). Where searchd's
//! JSON is ambiguous, it is wider: `js` has U+FFFD for control characters, `IN` with integers can crash 2.2.11 (it takes
//! them for places of strings), and DOUBLE() has the precision of a float. `dialect` has the forms that no engine gets wrong.

use std::fmt::Write;

use crate::query::{Comparison, Condition, Filter};
use crate::record::number::is_number;
use crate::record::pattern::PatternHash;
use crate::sphinx::attributes::TOO_LARGE_NUMBER;
use crate::sphinx::counting::{PATTERN, UNSURE_KIND};
use crate::sphinx::dialect::{
    begins_with_number, has_no_length, is_among, is_array, is_integer, is_surely_among, is_zero,
};
use crate::sphinx::statement::string;

/// Dots of a column's name. Each dot doubles the ways to read the name as a path: with more, searchd is not asked.
const MAX_DOTS: usize = 3;

/// A filter as conditions for searchd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterSql {
    /// 1 for every document that the filter accepts; None: searchd cannot decide
    pub condition: Option<String>,
    /// 1 only for documents that the filter accepts; None: searchd is never sure
    pub sure: Option<String>,
}

impl FilterSql {
    fn exactly(condition: String) -> FilterSql {
        FilterSql { condition: Some(condition.clone()), sure: Some(condition) }
    }

    /// alco has to check each document.
    pub fn nothing() -> FilterSql {
        FilterSql::perhaps(None)
    }

    fn perhaps(condition: Option<String>) -> FilterSql {
        FilterSql { condition, sure: None }
    }

    /// The conditions for documents that pass all of these filters.
    pub fn all_of(filters: Vec<FilterSql>) -> FilterSql {
        let sure = filters.iter().map(|filter| filter.sure.clone()).collect::<Option<Vec<String>>>();
        let conditions: Vec<String> = filters.into_iter().filter_map(|filter| filter.condition).collect();
        FilterSql {
            condition: (!conditions.is_empty()).then(|| joined(&conditions, " AND ")),
            sure: sure.map(|sure| joined(&sure, " AND ")),
        }
    }

    /// The conditions for documents that pass one of these.
    pub fn any_of(alternatives: Vec<FilterSql>) -> FilterSql {
        let conditions = alternatives.iter().map(|one| one.condition.clone()).collect::<Option<Vec<String>>>();
        let sure: Vec<String> = alternatives.into_iter().filter_map(|one| one.sure).collect();
        FilterSql {
            condition: conditions.map(|conditions| joined(&conditions, " OR ")),
            sure: (!sure.is_empty()).then(|| joined(&sure, " OR ")),
        }
    }

    /// True if the condition is as narrow as the filter: its documents need no check.
    pub fn is_exact(&self) -> bool {
        self.sure.is_some() && self.sure == self.condition
    }
}

fn joined(conditions: &[String], operator: &str) -> String {
    conditions.iter().map(|condition| format!("({condition})")).collect::<Vec<_>>().join(operator)
}

/// The conditions for a filter of a column or a pattern; `FilterSql::any_of` joins those of several. One on the message's pattern is
/// for a day index that was declared by today's rules.
pub fn filter_sql(filter: &Filter) -> FilterSql {
    let paths = paths(&filter.column);
    if paths.is_empty() {
        return FilterSql::nothing();
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
            FilterSql {
                condition: Some(any(&|path| one_of(path, values))),
                sure: plain.then(|| any(&|path| format!("({})", is_surely_among(path, &strings(&texts))))),
            }
        }
        Condition::NotIn(values) => {
            // for numbers and altered strings searchd is not sure enough to exclude a document
            let certain: Vec<&String> = values.iter().filter(|value| is_sure(value)).collect();
            if certain.is_empty() {
                return FilterSql::nothing();
            }
            let lacks = |path: &str| format!("{}=0 OR {path} IS NULL", is_among(path, &strings(&certain)));
            FilterSql {
                condition: Some(all(&|path| format!("{} OR {}", lacks(path), begins_with_number(path)))),
                sure: values.iter().all(|value| is_plain(value)).then(|| all(&lacks)),
            }
        }
        Condition::Exists(true) => FilterSql::exactly(any(&there)),
        Condition::Exists(false) => FilterSql::exactly(all(&|path| format!("{path} IS NULL"))),
        Condition::Like(_) => FilterSql::perhaps(Some(any(&there))),
        Condition::Compare(comparison, number) => {
            let number = number.approximate();
            FilterSql::perhaps(Some(any(&|path| match number.abs() < TOO_LARGE_NUMBER {
                true => compare(path, *comparison, number),
                false => there(path),
            })))
        }
        Condition::HasPattern(patterns) => pattern_sql(patterns, 1),
        Condition::LacksPattern(patterns) => pattern_sql(patterns, 0),
        Condition::AnyOf(_) => FilterSql::nothing(),
    }
}

/// `is_among`: 1 for messages that have one of these patterns, 0 for the others.
fn pattern_sql(patterns: &[PatternHash], is_among: u8) -> FilterSql {
    let hashes: Vec<String> = patterns.iter().map(|pattern| pattern.bits().to_string()).collect();
    let condition = format!("IN({PATTERN},{})={is_among}", hashes.join(","));
    FilterSql {
        condition: Some(format!("{condition} OR kind={UNSURE_KIND}")),
        sure: Some(format!("{condition} AND kind<>{UNSURE_KIND}")),
    }
}

/// `js['a.b']`, `js['a']['b']`: the paths that a column's name may mean; empty if searchd cannot be asked for it. To Manticore, no
/// record has the key "".
fn paths(column: &str) -> Vec<String> {
    let is_read = |key: &str| !key.is_empty() && !key.contains(|c: char| c < ' ' || c == '\u{fffd}');
    if column.matches('.').count() > MAX_DOTS || !column.split('.').all(is_read) {
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

/// The paths that a column's name may mean, for the select list of a group.
pub fn column_paths(column: &str) -> Vec<String> {
    paths(column)
}

/// 1 where the first of these paths that a document has holds a value that is wanted; None if no value is wanted.
pub fn first_is(paths: &[String], values: &[Vec<String>], wanted: impl Fn(&str) -> bool) -> Option<String> {
    let mut parts = Vec::new();
    for (n, (path, values)) in paths.iter().zip(values).enumerate() {
        let wanted: Vec<&String> = values.iter().filter(|value| wanted(value)).collect();
        if wanted.is_empty() {
            continue;
        }
        let mut part = format!("{path} IS NOT NULL AND (({})", is_surely_among(path, &strings(&wanted)));
        for number in wanted.iter().filter_map(|value| value.parse::<i32>().ok()) {
            let is_number = if number == 0 { is_zero(path) } else { is_integer(path, number.into()) };
            let _ = write!(part, " OR {is_number}");
        }
        part.push(')');
        for earlier in &paths[..n] {
            let _ = write!(part, " AND {earlier} IS NULL");
        }
        parts.push(format!("({part})"));
    }
    (!parts.is_empty()).then(|| parts.join(" OR "))
}

/// True for a text that equals only a string of the same characters.
fn is_plain(value: &str) -> bool {
    is_sure(value) && !is_number(value) && !matches!(value, "true" | "false")
}

/// True if a document that has this string in `js` was sent with this string.
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

fn one_of(path: &str, values: &[String]) -> String {
    let mut out = is_among(path, &strings(&values.iter().collect::<Vec<_>>()));
    let numbers = values.iter().filter(|value| is_number(value));
    let mut in_array = false;
    for value in numbers {
        in_array = true;
        match value.parse::<i64>() {
            Ok(number) if (number as f64).abs() < TOO_LARGE_NUMBER && number != 0 => {
                let _ = write!(out, " OR {}", is_integer(path, number));
            }
            // a missing value is 0 too; a double is compared in another way
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
        let _ = write!(out, " OR {}", is_array(path));
    }
    out
}

/// Numbers as floats, so the bound is a little wider; any string, since it may hold a number.
fn compare(path: &str, comparison: Comparison, number: f64) -> String {
    let slack = number.abs() * 1e-6 + 1e-5;
    let test = match comparison {
        Comparison::Gt | Comparison::Gte => format!("DOUBLE({path})>={:.6}", number - slack),
        Comparison::Lt | Comparison::Lte => format!("DOUBLE({path})<={:.6}", number + slack),
    };
    format!("({path} IS NOT NULL AND ({test} OR {} OR {}))", has_no_length(path), is_array(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Query;

    fn conditions_of(filter: &str) -> FilterSql {
        let query = Query::from_url(vec!["web".parse().expect("a name")], filter).expect(filter);
        filter_sql(&query.filters[0])
    }

    #[track_caller]
    fn check(filter: &str, condition: &str, sure: &str) {
        let filter_sql = conditions_of(filter);
        let got = (filter_sql.condition.unwrap_or_default(), filter_sql.sure.unwrap_or_default());
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
        for column in ["a.b.c.d.e", "", "a.", ".a", "a..b", "a\u{fffd}"] {
            check(&format!("js.{column}=x"), "", "");
        }
        check(
            "pattern=000000000000005&pattern=fffffffffffffff",
            "IN(kind DIV 8,5,1152921504606846975)=1 OR kind=7",
            "IN(kind DIV 8,5,1152921504606846975)=1 AND kind<>7",
        );
        check("pattern__not=000000000000000", "IN(kind DIV 8,0)=0 OR kind=7", "IN(kind DIV 8,0)=0 AND kind<>7");
        check("js.pattern__exists=1", "js['pattern'] IS NOT NULL", "js['pattern'] IS NOT NULL");
        for (filter, exact) in [("x__exists=1", true), ("x=a", false), ("x__not=a", false), ("x__like=a", false)] {
            assert_eq!(conditions_of(filter).is_exact(), exact, "{filter}");
        }
    }

    #[test]
    fn conditions_of_several_filters_are_joined() {
        let of = |filters: &[&str]| FilterSql::all_of(filters.iter().map(|filter| conditions_of(filter)).collect());
        let exists = "(js['x'] IS NOT NULL)";
        let both = of(&["x__exists=1", "y__exists=1"]);
        assert_eq!(both.condition.as_deref(), Some("(js['x'] IS NOT NULL) AND (js['y'] IS NOT NULL)"));
        assert!(both.is_exact());
        // `x=5` may be more than the filter accepts, and a control character cannot be excluded: each is left to a check
        let unsure = of(&["x__exists=1", "x__not=%01"]);
        assert_eq!((unsure.condition.as_deref(), unsure.sure), (Some(exists), None));
        let either = FilterSql::any_of(vec![of(&["x__exists=1"]), of(&["y=5"])]);
        assert!(either.condition.is_some_and(|condition| condition.starts_with(&format!("({exists}) OR (("))));
        assert_eq!(either.sure.as_deref(), Some("((js['x'] IS NOT NULL))"));
        // an alternative that searchd cannot decide leaves the whole open
        let open = FilterSql::any_of(vec![of(&["x__exists=1"]), of(&["x__not=%01"])]);
        assert_eq!((open.condition, open.sure.is_some()), (None, true));
    }

    #[test]
    fn nothing_hostile_leaves_its_quotes() {
        let condition = r"IN(js['x\'])'],'a\'b\\')";
        check("x'%5D)=a'b%5C", condition, &format!("({condition} AND LENGTH({}[0])=0)", r"js['x\'])']"));
    }
}
