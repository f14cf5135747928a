//! The condition of a filter, and all about its operator but two things: which records it accepts (`search::filter`), and what
//! searchd is asked for it (`sphinx::filter_sql`). Pure.

use std::fmt;

use crate::query::parameter::{bad, join_list, split_list, yes_or_no};
use crate::record::number::Number;
use crate::record::pattern::PatternHash;
use crate::time::When;

/// A condition on one column. `off` filters (`off.column=…` in a link) are kept and shown, and do not filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// `PATTERN` or `ANY` if it is on no column
    pub column: String,
    pub is: Condition,
    pub off: bool,
}

impl Filter {
    /// True if it is a condition on that column.
    pub fn is_on(&self, column: &str) -> bool {
        self.column == column && self.is.patterns().is_none() && !matches!(self.is, Condition::AnyOf(_))
    }

    /// The filters that it has of one column each: those of its alternatives, or itself.
    pub fn single(&self) -> Vec<&Filter> {
        match &self.is {
            Condition::AnyOf(Alternatives(alternatives)) => alternatives.iter().flatten().collect(),
            _ => vec![self],
        }
    }

    /// As `single`, to change them.
    pub fn single_mut(&mut self) -> Vec<&mut Filter> {
        if !matches!(self.is, Condition::AnyOf(_)) {
            return vec![self];
        }
        match &mut self.is {
            Condition::AnyOf(Alternatives(alternatives)) => alternatives.iter_mut().flatten().collect(),
            _ => Vec::new(),
        }
    }
}

/// Lists of filters: a record passes if it passes all filters of one list. There is a list, none is empty, and no filter in them is
/// off or an `AnyOf`. `to_string` writes the value of `any=`.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternatives(pub Vec<Vec<Filter>>);

#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// `column=a` (repeated), `column__in=a,b`: any of them, so never empty
    In(Vec<String>),
    /// `column__not=a,b`: none of them; records without the column stay. Never empty
    NotIn(Vec<String>),
    Compare(Comparison, Number),
    /// `column__exists=1|0`; null is absent
    Exists(bool),
    /// `column__like=sub*string`: `*` is any text; without case, anywhere in the value; never empty
    Like(String),
    /// `pattern=a` (repeated), `pattern__in=a,b`: the message has one of these patterns; never empty
    HasPattern(Vec<PatternHash>),
    /// `pattern__not=a,b`: it has none of them; never empty
    LacksPattern(Vec<PatternHash>),
    /// `any=host=a | host=b level=ERROR`
    AnyOf(Alternatives),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Gt,
    Gte,
    Lt,
    Lte,
}

/// An operator as an address and `alco grep` have it: `column__gte=5`.
pub struct Operator {
    /// after the column and `__`
    pub name: &'static str,
    /// a value for the help; empty: of the same kind as the one before
    example: &'static str,
    /// otherwise an empty value is a field of a form that was left empty, and no condition
    pub takes_empty: bool,
    /// the parameter's name, and its value
    pub read: fn(&str, &str) -> Result<Condition, String>,
}

/// Every operator has a line here and its name in `Condition::written`, which reads back what `read` takes.
pub const OPERATORS: [Operator; 8] = [
    Operator { name: "in", example: "a,b", takes_empty: true, read: |_, value| Ok(Condition::In(split_list(value))) },
    Operator {
        name: "not",
        example: "a,b",
        takes_empty: true,
        read: |_, value| Ok(Condition::NotIn(split_list(value))),
    },
    Comparison::Gt.operator("5", |key, value| Comparison::Gt.read(key, value)),
    Comparison::Gte.operator("", |key, value| Comparison::Gte.read(key, value)),
    Comparison::Lt.operator("", |key, value| Comparison::Lt.read(key, value)),
    Comparison::Lte.operator("", |key, value| Comparison::Lte.read(key, value)),
    Operator {
        name: "exists",
        example: "1",
        takes_empty: false,
        read: |key, value| Ok(Condition::Exists(yes_or_no(key, value)?)),
    },
    Operator {
        name: "like",
        example: "sub*string",
        takes_empty: false,
        read: |_, value| Ok(Condition::Like(value.to_owned())),
    },
];

/// `status__gte` -> (`status`, `gte`); the text after `__` is an operator only if it is in OPERATORS.
pub fn split_operator(key: &str) -> (&str, Option<Operator>) {
    let split = key.rsplit_once("__");
    let found = split.and_then(|(column, name)| Some((column, OPERATORS.into_iter().find(|one| one.name == name)?)));
    found.map_or((key, None), |(column, operator)| (column, Some(operator)))
}

/// The signs of operators in typed filters, each before those that it begins with, and their names in an address.
pub const SIGNS: [(&str, &str); 7] =
    [("!=", "__not"), (">=", "__gte"), ("<=", "__lte"), ("=", ""), (">", "__gt"), ("<", "__lt"), ("~", "__like")];

/// All operators, for the help: `__in=a,b  __not=a,b  __gt=5  __gte …`
pub struct OperatorForms;

impl fmt::Display for OperatorForms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Operator { name, example, .. }) in OPERATORS.iter().enumerate() {
            let (space, is) = (if at > 0 { "  " } else { "" }, if example.is_empty() { "" } else { "=" });
            write!(f, "{space}__{name}{is}{example}")?;
        }
        Ok(())
    }
}

impl Condition {
    /// The name of the operator, which may be empty, and the value as an address has it.
    pub fn written(&self) -> (&'static str, String) {
        match self {
            Condition::In(values) => ("in", join_list(values)),
            Condition::NotIn(values) => ("not", join_list(values)),
            Condition::Compare(comparison, number) => (comparison.name(), number.to_string()),
            Condition::Exists(yes) => ("exists", String::from(if *yes { "1" } else { "0" })),
            Condition::Like(text) => ("like", text.clone()),
            Condition::HasPattern(patterns) => ("in", join_list(&hashes(patterns))),
            Condition::LacksPattern(patterns) => ("not", join_list(&hashes(patterns))),
            Condition::AnyOf(alternatives) => ("", alternatives.to_string()),
        }
    }

    /// Its sign on a page, and the values after it.
    pub fn shown(&self) -> (&'static str, Vec<String>) {
        match self {
            Condition::In(values) => ("=", values.clone()),
            Condition::NotIn(values) => ("≠", values.clone()),
            Condition::Compare(comparison, number) => (comparison.sign(), vec![number.to_string()]),
            Condition::Exists(true) => ("is there", Vec::new()),
            Condition::Exists(false) => ("is not there", Vec::new()),
            Condition::Like(text) => ("like", vec![text.clone()]),
            Condition::HasPattern(patterns) => ("=", hashes(patterns)),
            Condition::LacksPattern(patterns) => ("≠", hashes(patterns)),
            Condition::AnyOf(alternatives) => ("of", vec![alternatives.to_string()]),
        }
    }

    /// The condition for the other records, if there is one.
    pub fn opposite(&self) -> Option<Condition> {
        Some(match self.clone() {
            Condition::In(values) => Condition::NotIn(values),
            Condition::NotIn(values) => Condition::In(values),
            Condition::Compare(comparison, number) => Condition::Compare(comparison.opposite(), number),
            Condition::Exists(yes) => Condition::Exists(!yes),
            Condition::HasPattern(patterns) => Condition::LacksPattern(patterns),
            Condition::LacksPattern(patterns) => Condition::HasPattern(patterns),
            Condition::Like(_) | Condition::AnyOf(_) => return None,
        })
    }

    /// True if it accepts records without the column.
    pub fn accepts_missing(&self) -> bool {
        match self {
            Condition::NotIn(_) | Condition::Exists(false) => true,
            Condition::AnyOf(Alternatives(any)) => any.iter().any(|all| all.iter().all(|one| one.is.accepts_missing())),
            _ => self.patterns().is_some(),
        }
    }

    /// The patterns of a condition on the message's pattern; None: it is one on a column.
    pub fn patterns(&self) -> Option<&[PatternHash]> {
        match self {
            Condition::HasPattern(patterns) | Condition::LacksPattern(patterns) => Some(patterns),
            _ => None,
        }
    }

    /// The same condition on the message's pattern instead of a column. `key` is the parameter's name.
    pub fn on_pattern(self, key: &str) -> Result<Condition, String> {
        let read = |values: &[String]| values.iter().map(|value| read_pattern(key, value)).collect::<Result<_, _>>();
        match self {
            Condition::In(values) => Ok(Condition::HasPattern(read(&values)?)),
            Condition::NotIn(values) => Ok(Condition::LacksPattern(read(&values)?)),
            _ => Err(format!("{key} is not a filter; write {PATTERN}=, {PATTERN}__in= or {PATTERN}__not={OWN_COLUMN}")),
        }
    }
}

/// The name of filters of which one is enough, as if it were a column. A record's own column of this name is `js.any`.
pub const ANY: &str = "any";
/// The name of a message's pattern in filters, as if it were a column. A record's own column of this name is `js.pattern`.
pub const PATTERN: &str = "pattern";
/// The cure for a user who means that one.
const OWN_COLUMN: &str = "; a column of that name is js.pattern";

/// The pattern that a value of a filter names.
pub fn read_pattern(key: &str, value: &str) -> Result<PatternHash, String> {
    PatternHash::parse(value)
        .ok_or_else(|| bad(key, value, &format!("the 15 digits that a link to a pattern has{OWN_COLUMN}")))
}

fn hashes(patterns: &[PatternHash]) -> Vec<String> {
    patterns.iter().map(PatternHash::to_string).collect()
}

impl Comparison {
    const fn operator(self, example: &'static str, read: fn(&str, &str) -> Result<Condition, String>) -> Operator {
        Operator { name: self.name(), example, takes_empty: false, read }
    }

    fn read(self, key: &str, value: &str) -> Result<Condition, String> {
        let number = Number::typed(value.trim()).ok_or_else(|| match When::parse(value) {
            Ok(_) => bad(key, value, "a number; times are for start_ts and end_ts, or --since and --until"),
            Err(_) => bad(key, value, "a number"),
        })?;
        Ok(Condition::Compare(self, number))
    }

    const fn name(self) -> &'static str {
        match self {
            Comparison::Gt => "gt",
            Comparison::Gte => "gte",
            Comparison::Lt => "lt",
            Comparison::Lte => "lte",
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Comparison::Gt => ">",
            Comparison::Gte => "≥",
            Comparison::Lt => "<",
            Comparison::Lte => "≤",
        }
    }

    fn opposite(self) -> Comparison {
        match self {
            Comparison::Gt => Comparison::Lte,
            Comparison::Gte => Comparison::Lt,
            Comparison::Lt => Comparison::Gte,
            Comparison::Lte => Comparison::Gt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_writes_what_it_reads() {
        for Operator { name, read, .. } in OPERATORS {
            let condition = read(name, "1").expect("a number is a value of every operator");
            assert_eq!(condition.written(), (name, "1".to_owned()));
            if let Some(opposite) = condition.opposite() {
                assert_ne!(opposite, condition);
                assert_eq!(opposite.opposite(), Some(condition));
            }
        }
    }

    #[test]
    fn the_help_has_a_form_of_each_operator() {
        let forms = "__in=a,b  __not=a,b  __gt=5  __gte  __lt  __lte  __exists=1  __like=sub*string";
        assert_eq!(OperatorForms.to_string(), forms);
    }
}
