//! The search that was probably meant by one that finds nothing: a filter or a boolean that was written as text, a column's name
//! that was mistyped. Pure: the columns that records have are an argument.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::config::nearest;
use crate::query::condition::{ANY, split_operator};
use crate::query::inline_filters::condition;
use crate::query::parameter::Parameter;
use crate::query::{Condition, Filter, Mode, Query, edit};

/// A shorter name begins too many others to mean one of them.
const MIN_PREFIX_CHARS: usize = 4;

/// A shorter value begins too many others.
const MIN_VALUE_CHARS: usize = 3;

/// A longer text is not looked through: it was pasted, and no filter in it was meant.
const MAX_TEXT_BYTES: usize = 1024;

/// Values of a search that are compared with the known ones, and known ones of a column that are: users cannot choose from more.
const MAX_ASKED_VALUES: usize = 8;
const MAX_KNOWN_VALUES: usize = 10_000;

/// Names of one search for which a near one is looked up, of thousands that there may be.
pub const MAX_LOOK_UPS: usize = 16;

#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// as it would be typed into the search field
    pub typed: String,
    pub query: Query,
}

/// A column of a filter that no record has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingColumn {
    pub name: String,
    /// the existing column whose name is nearest
    pub nearest: Option<String>,
}

impl MissingColumn {
    /// A sentence for programs and terminals.
    pub fn words(&self) -> String {
        let near = self.nearest.as_ref().map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        format!("no record of that time has a column '{}'{near}", self.name)
    }
}

/// The column that a name probably means, of those that are known.
pub fn nearest_column<'k>(name: &str, known: impl Iterator<Item = &'k str> + Clone) -> Option<&'k str> {
    let folded = name.to_lowercase();
    let begins = |column: &&str| name.len() >= MIN_PREFIX_CHARS && column.to_lowercase().starts_with(&folded);
    let other_case = known.clone().find(|column| column.to_lowercase() == folded);
    other_case
        .or_else(|| known.clone().filter(begins).min_by_key(|column| column.len()))
        .or_else(|| nearest(name, known))
}

/// The columns that the names in a search mean. A name that is known means itself. Of the others, each is looked up once, and those
/// after the first `MAX_LOOK_UPS` mean none.
pub struct MeantColumns<'k, V> {
    known: &'k BTreeMap<String, V>,
    looked_up: RefCell<HashMap<String, Option<&'k str>>>,
}

impl<'k, V> MeantColumns<'k, V> {
    pub fn among(known: &'k BTreeMap<String, V>) -> MeantColumns<'k, V> {
        MeantColumns { known, looked_up: RefCell::default() }
    }

    pub fn of(&self, name: &str) -> Option<&'k str> {
        if let Some((known, _)) = self.known.get_key_value(name) {
            return Some(known);
        }
        let mut looked_up = self.looked_up.borrow_mut();
        match looked_up.get(name) {
            Some(found) => *found,
            None if looked_up.len() >= MAX_LOOK_UPS => None,
            None => {
                let found = nearest_column(name, self.known.keys().map(String::as_str));
                looked_up.insert(name.to_owned(), found);
                found
            }
        }
    }
}

/// The search with the filters and the boolean that its text has; None: it has none, or is too long to be looked through. `column`
/// returns the column that a name means.
pub fn meant<'k>(query: &Query, column: impl Fn(&str) -> Option<&'k str>) -> Option<Suggestion> {
    if query.search.len() > MAX_TEXT_BYTES {
        return None;
    }
    let mut meant = Query { search: String::new(), ..edit::first(query) };
    let (mut filters, mut words) = (Vec::new(), Vec::new());
    let mut rest = query.search.trim_start();
    while !rest.is_empty() {
        let length = match typed_filter(rest, &column) {
            Some(filter) => {
                words.push(BooleanWord::Filter);
                let length = filter.length;
                filters.push(filter);
                length
            }
            None => {
                let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
                words.push(BooleanWord::of(&rest[..length]));
                length
            }
        };
        rest = rest[length..].trim_start();
    }
    let is_boolean = words.iter().any(|word| matches!(word, BooleanWord::And | BooleanWord::Or | BooleanWord::Not));
    if filters.is_empty() && !is_boolean {
        return None;
    }
    if let Some(group) = group(&words, &filters) {
        meant.filter(ANY, group.clone(), &mut Vec::new()).ok()?;
        return Some(Suggestion { typed: format!("@({group})"), query: meant });
    }
    meant.search = if is_boolean { boolean(&words)? } else { plain(&words) };
    if is_boolean && !meant.search.is_empty() {
        meant.mode = Mode::Words;
    }
    let mut gathered = Vec::new();
    for (name, value) in filters.iter().flat_map(|filter| &filter.parameters) {
        meant.filter(name, value.clone(), &mut gathered).ok()?;
    }
    let parts = filters.iter().map(|filter| filter.typed.as_str()).chain([meant.search.as_str()]);
    let typed = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    Some(Suggestion { typed, query: meant })
}

/// The search whose filters have the values that they were probably meant to have: of the same letters in another case, or the one
/// that begins so. `column` returns the column that a name means, `values` those of a column. None: no value is another one. Only the
/// first `MAX_ASKED_VALUES` are looked at, and no column with more than `MAX_KNOWN_VALUES`.
pub fn meant_values<'k>(
    query: &Query,
    column: impl Fn(&str) -> Option<&'k str>,
    values: impl Fn(&str) -> BTreeSet<String>,
) -> Option<Suggestion> {
    let mut meant = edit::first(query);
    let mut typed = Vec::new();
    let mut room = MAX_ASKED_VALUES;
    for Filter { column: name, is, off } in &mut meant.filters {
        let Condition::In(asked) = is else { continue };
        if *off || room == 0 {
            continue;
        }
        let real = column(name).unwrap_or(name).to_owned();
        let known = values(&real);
        if known.len() > MAX_KNOWN_VALUES {
            continue;
        }
        let folded: Vec<(String, &String)> = known.iter().map(|value| (value.to_lowercase(), value)).collect();
        let compared = asked.len().min(room);
        room -= compared;
        for value in &mut asked[..compared] {
            let other = if known.contains(value) { None } else { known_value(value, &folded) };
            if let Some(other) = other {
                let quote = if other.contains([' ', ',', '"']) { "\"" } else { "" };
                typed.push(format!("@{real}={quote}{other}{quote}"));
                value.clone_from(other);
                name.clone_from(&real);
            }
        }
    }
    (!typed.is_empty()).then(|| Suggestion { typed: typed.join(" "), query: meant })
}

/// The known value that an unknown one means, if it means one. `known`: values in lower case, and as they are.
fn known_value<'k>(value: &str, known: &[(String, &'k String)]) -> Option<&'k String> {
    let asked = value.to_lowercase();
    let mut begun = known.iter().filter(|(folded, _)| folded.starts_with(&asked));
    let same = known.iter().find(|(folded, _)| *folded == asked);
    let only = begun.next().filter(|_| value.len() >= MIN_VALUE_CHARS && begun.next().is_none());
    same.or(only).map(|(_, known)| *known)
}

/// A filter in a text, without the sign that makes it one.
struct TextFilter {
    /// as it would be typed
    typed: String,
    parameters: Vec<Parameter>,
    /// of the text, in bytes
    length: usize,
}

/// `levelname=ERROR`, `level:ERROR`, `@host=` at the start of a text.
fn typed_filter<'k>(text: &str, column: impl Fn(&str) -> Option<&'k str>) -> Option<TextFilter> {
    let bare = text.strip_prefix('@').unwrap_or(text);
    let name_ends = bare.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '@')))?;
    let (name, rest) = bare.split_at(name_ends);
    if !rest.starts_with([':', '=', '!', '<', '>', '~']) {
        return None;
    }
    let (column_name, operator) = split_operator(name);
    let real = column(column_name)?;
    // Lucene's form
    let rest = rest.strip_prefix(':').map_or(rest.to_owned(), |value| format!("={value}"));
    let key = operator.map_or(real.to_owned(), |operator| format!("{real}__{}", operator.name));
    let is_left_open = rest.strip_prefix('=').is_some_and(|rest| !rest.starts_with(|c: char| !c.is_whitespace()));
    let (parameters, typed, length) = if is_left_open {
        (vec![(format!("{real}__exists"), "1".to_owned())], format!("@{real}__exists=1"), name.len() + 1)
    } else {
        let written = format!("{key}{rest}");
        let (parameters, length) = condition(&written)?;
        (parameters, format!("@{}", &written[..length]), length + name.len() - key.len())
    };
    Some(TextFilter { typed, parameters, length: length + text.len() - bare.len() })
}

enum BooleanWord<'a> {
    And,
    Or,
    Not,
    Text(&'a str),
    /// stands in the list of filters
    Filter,
}

impl<'a> BooleanWord<'a> {
    fn of(text: &'a str) -> BooleanWord<'a> {
        match text {
            "AND" | "&&" => BooleanWord::And,
            "OR" | "||" => BooleanWord::Or,
            "NOT" => BooleanWord::Not,
            _ => BooleanWord::Text(text),
        }
    }
}

/// Filters with nothing but OR between them.
fn group(words: &[BooleanWord], filters: &[TextFilter]) -> Option<String> {
    let is_group = filters.len() > 1
        && words.len() == 2 * filters.len() - 1
        && words.iter().all(|word| matches!(word, BooleanWord::Filter | BooleanWord::Or));
    let typed: Vec<&str> = filters.iter().map(|filter| &filter.typed[1..]).collect();
    is_group.then(|| typed.join(" | "))
}

fn plain(words: &[BooleanWord]) -> String {
    let texts = words.iter().filter_map(|word| if let BooleanWord::Text(text) = word { Some(*text) } else { None });
    texts.collect::<Vec<_>>().join(" ")
}

/// The boolean as `mode=words` has it. None: words cannot mean the same.
fn boolean(words: &[BooleanWord]) -> Option<String> {
    let has = |wanted: fn(&BooleanWord) -> bool| words.iter().any(wanted);
    let has_or = has(|word| matches!(word, BooleanWord::Or));
    let groups = has(|word| matches!(word, BooleanWord::Text(text) if text.starts_with('(') || text.ends_with(')')));
    if groups || has_or && has(|word| matches!(word, BooleanWord::And | BooleanWord::Filter)) {
        return None;
    }
    let (mut operands, mut phrase, mut negated) = (Vec::new(), Vec::new(), false);
    for word in words.iter().chain([&BooleanWord::And]) {
        if let BooleanWord::Text(text) = word {
            phrase.push(*text);
            continue;
        }
        if !phrase.is_empty() {
            let text = phrase.join(" ");
            let quote = if phrase.len() > 1 && !text.contains('"') { "\"" } else { "" };
            operands.push(format!("{}{quote}{text}{quote}", if negated { "-" } else { "" }));
            phrase.clear();
            negated = false;
        }
        match word {
            BooleanWord::Not => negated = true,
            BooleanWord::Filter if negated => return None,
            _ => {}
        }
    }
    Some(operands.join(if has_or { " | " } else { " " }))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const KNOWN: [&str; 5] = ["levelname", "host", "process", "request_id", "user"];

    #[track_caller]
    fn check(search: &str, expect: Option<(&str, &str)>) {
        let query = Query { search: search.to_owned(), ..Query::new(vec!["web".parse().expect("a name")]) };
        let known = KNOWN.map(|name| (name.to_owned(), ())).into();
        let columns = MeantColumns::among(&known);
        let column = |name: &str| columns.of(name);
        let found = meant(&query, column);
        let found = found.as_ref().map(|found| (found.typed.as_str(), found.query.to_url()));
        assert_eq!(found, expect.map(|(typed, url)| (typed, url.to_owned())), "{search}");
    }

    #[test]
    fn a_filter_written_as_text_was_meant_as_one() {
        check("levelname=ERROR", Some(("@levelname=ERROR", "levelname=ERROR")));
        check("level:ERROR refused", Some(("@levelname=ERROR refused", "search=refused&levelname=ERROR")));
        check("Host!=a process>1615 x", Some(("@host!=a @process>1615 x", "search=x&host__not=a&process__gt=1615")));
        check("user=\"Ann Lee\" paid", Some(("@user=\"Ann Lee\" paid", "search=paid&user=Ann+Lee")));
        check("@host=", Some(("@host__exists=1", "host__exists=1")));
        check("host__in=a,b", Some(("@host__in=a,b", "host=a&host=b")));
        for plain in ["timeout=5", "http://web/", "process>many", "a b", "", "=", "hosted", "10:00:00", "日=本"] {
            check(plain, None);
        }
    }

    #[test]
    fn a_boolean_was_meant_as_words() {
        check("refused AND connection", Some(("refused connection", "search=refused+connection&mode=words")));
        check(
            "timed out || refused",
            Some(("\"timed out\" | refused", "search=%22timed+out%22+%7C+refused&mode=words")),
        );
        check("paid AND NOT by card", Some(("paid -\"by card\"", "search=paid+-%22by+card%22&mode=words")));
        check(
            "level=ERROR AND refused",
            Some(("@levelname=ERROR refused", "search=refused&mode=words&levelname=ERROR")),
        );
        check("host=a OR level:ERROR", Some(("@(host=a | levelname=ERROR)", "any=host=a+%7C+levelname=ERROR")));
        check("level=ERROR AND host=a", Some(("@levelname=ERROR @host=a", "levelname=ERROR&host=a")));
        for other in ["a AND b OR c", "(a OR b)", "NOT host=a", "host=a OR b", "this and that"] {
            check(other, None);
        }
    }

    #[test]
    fn a_value_in_another_case_was_meant_as_the_known_one() {
        for (url, expect) in [
            ("levelname=error", Some(("@levelname=ERROR", "levelname=ERROR"))),
            ("level=error&host=a", Some(("@levelname=ERROR", "levelname=ERROR&host=a"))),
            ("levelname=warn&levelname=ERROR", Some(("@levelname=WARNING", "levelname=WARNING&levelname=ERROR"))),
            ("levelname=ann+lee", Some(("@levelname=\"Ann Lee\"", "levelname=Ann+Lee"))),
            // known, not known at all, the start of two, too short, off, of another operator
            ("levelname=ERROR", None),
            ("levelname=fatal", None),
            ("levelname=info", None),
            ("levelname=wa", None),
            ("off.levelname=error", None),
            ("levelname__not=error", None),
        ] {
            let query = Query::from_url(vec!["web".parse().expect("a name")], url).expect(url);
            let column = |name: &str| (name == "level").then_some("levelname");
            let values = |column: &str| match column {
                "levelname" => ["ERROR", "INFO1", "INFO2", "WARNING", "Ann Lee"].map(str::to_owned).into(),
                _ => BTreeSet::new(),
            };
            let found = meant_values(&query, column, values);
            let found = found.as_ref().map(|found| (found.typed.as_str(), found.query.to_url()));
            assert_eq!(found, expect.map(|(typed, url)| (typed, url.to_owned())), "{url}");
        }
    }

    #[test]
    fn a_long_text_is_not_looked_through() {
        let of_bytes = |bytes: usize| Query {
            search: "level=ERROR ".repeat(bytes)[..bytes].to_owned(),
            ..Query::new(vec!["web".parse().expect("a name")])
        };
        let asked = Cell::new(0);
        let column = |_: &str| {
            asked.set(asked.get() + 1);
            Some("levelname")
        };
        assert!(meant(&of_bytes(MAX_TEXT_BYTES), column).is_some());
        assert_eq!(asked.replace(0), MAX_TEXT_BYTES / "level=ERROR ".len());
        assert_eq!((meant(&of_bytes(MAX_TEXT_BYTES + 1), column), asked.get()), (None, 0));
        // a word without a sign is no filter, whatever its name
        let plain = Query { search: "level ".repeat(100), ..of_bytes(0) };
        assert_eq!((meant(&plain, column), asked.get()), (None, 0));
    }

    #[test]
    fn names_that_are_known_or_come_again_cost_no_look_up() {
        let known = KNOWN.map(|name| (name.to_owned(), ())).into();
        let columns = MeantColumns::among(&known);
        let number = || columns.looked_up.borrow().len();
        for _ in 0..2 * MAX_LOOK_UPS {
            assert_eq!(
                (columns.of("host"), columns.of("hots"), columns.of("nothing_like_it")),
                (Some("host"), Some("host"), None)
            );
        }
        assert_eq!(number(), 2);
        for n in 0..2 * MAX_LOOK_UPS {
            columns.of(&format!("other{n}"));
        }
        assert_eq!((number(), columns.of("usre"), columns.of("user")), (MAX_LOOK_UPS, None, Some("user")));
    }

    #[test]
    fn of_many_values_the_first_ones_are_compared() {
        let all = |number: usize| (0..number).map(|n| format!("V{n:05}")).collect::<BTreeSet<String>>();
        let query = |url: &str| Query::from_url(vec!["web".parse().expect("a name")], url).expect(url);
        let asked = |column: &str, n: usize| format!("{column}=v{n:05}&");
        let many = (0..100).map(|n| asked("a", n)).chain((0..100).map(|n| asked("b", n))).collect::<String>();
        let found = |url: &str, number: usize| {
            let columns = RefCell::new(Vec::new());
            let values = |column: &str| {
                columns.borrow_mut().push(column.to_owned());
                all(number)
            };
            let typed = meant_values(&query(url), |_| None, values).map_or(0, |found| found.typed.split(' ').count());
            (typed, columns.into_inner())
        };
        assert_eq!(found(&many, 200), (MAX_ASKED_VALUES, vec!["a".to_owned()]));
        assert_eq!(found("a=v00001", MAX_KNOWN_VALUES), (1, vec!["a".to_owned()]));
        assert_eq!(found("a=v00001", MAX_KNOWN_VALUES + 1), (0, vec!["a".to_owned()]));
    }

    #[test]
    fn a_mistyped_column_is_the_nearest_that_exists() {
        for (name, expect) in [
            ("hots", Some("host")),
            ("HOST", Some("host")),
            ("level", Some("levelname")),
            ("requestid", Some("request_id")),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(nearest_column(name, KNOWN.into_iter()), expect, "{name}");
        }
        let missing = MissingColumn { name: "hots".to_owned(), nearest: Some("host".to_owned()) };
        assert_eq!(missing.words(), "no record of that time has a column 'hots'; did you mean 'host'?");
    }
}
