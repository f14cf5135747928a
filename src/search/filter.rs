//! Decides which records a filter accepts, by their columns as sent; the index only narrows. Pure.
//!
//! A column is a key, or a path of keys joined by dots; of a key that is there twice the first counts, as for searchd. An
//! array is accepted for any of its elements. The message and the time, which every record has, are columns too. The pattern of the
//! message is found from the message.

use std::cell::OnceCell;
use std::collections::HashSet;

use crate::config::Index;
use crate::query::condition::Alternatives;
use crate::query::{Comparison, Condition, Filter};
use crate::record::json::{Member, elements, members, readable, values_at};
use crate::record::number::Number;
use crate::record::pattern::{self, PatternBuffer, PatternHash};
use crate::search::pattern::like::Like;
use crate::search::pattern::{StopCheck, any_until};
use crate::sphinx::attributes::quoted;
use crate::time::Ts;

/// From this size on a record is not checked in no time.
const LARGE_RECORD_BYTES: usize = 64 << 10;
/// With more filters that are checked, a record is not checked in no time.
const MANY_FILTERS_COUNT: usize = 10;

/// An index's names for the time and the message of its records, which are stored apart from the columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    timestamp: String,
    message: String,
}

impl Apart {
    pub fn of(index: &Index) -> Apart {
        Apart { timestamp: index.timestamp_name().to_owned(), message: index.message_name().to_owned() }
    }

    /// True if that column is stored apart from the others, where searchd does not find it.
    pub fn has(&self, column: &str) -> bool {
        self.is_time(column) || column == self.message
    }

    pub fn is_time(&self, column: &str) -> bool {
        column == self.timestamp
    }
}

/// The parts of a record that a filter reads.
#[derive(Clone, Copy, Debug)]
pub struct Looked<'a> {
    pub apart: &'a Apart,
    pub ts: Ts,
    pub message: &'a str,
    /// the text of a JSON object
    pub columns: &'a str,
}

impl Looked<'_> {
    /// The part that is stored apart under that name, as JSON text.
    fn apart(&self, column: &str) -> Option<String> {
        let quoted = |text: &str| {
            let mut out = String::with_capacity(text.len() + 2);
            quoted(text, &mut out);
            out
        };
        match () {
            () if column == self.apart.message => Some(quoted(self.message)),
            () if self.apart.is_time(column) => Some(quoted(&self.ts.rfc3339())),
            () => None,
        }
    }
}

/// Filters of a query, made ready.
#[derive(Debug)]
pub struct Filters(Vec<ReadyFilter>);

#[derive(Debug)]
struct ReadyFilter {
    filter: Filter,
    /// of `__like`
    like: Option<Like>,
    /// of `=` and `__not`
    values: WantedValues,
    /// of `any=`
    alternatives: Vec<Filters>,
}

impl ReadyFilter {
    fn new(filter: &Filter) -> ReadyFilter {
        let (filter, values) = (filter.clone(), WantedValues::default());
        let mut ready = ReadyFilter { filter, like: None, values, alternatives: Vec::new() };
        match &ready.filter.is {
            Condition::Like(text) => ready.like = Some(Like::new(text)),
            Condition::In(values) | Condition::NotIn(values) => ready.values = WantedValues::new(values),
            Condition::AnyOf(Alternatives(any)) => ready.alternatives = any.iter().map(Filters::new).collect(),
            _ => {}
        }
        ready
    }

    /// None: `stop` ended the check.
    fn accepts_until(&self, read: &ReadRecord, stop: StopCheck) -> Option<bool> {
        match self.alternatives.is_empty() {
            true if read.is_large && stop() => None,
            true => Some(self.accepts(read)),
            false => any_until(self.alternatives.iter(), |all| all.accept_all(read, stop)),
        }
    }

    fn accepts(&self, read: &ReadRecord) -> bool {
        let Looked { message, .. } = read.record;
        let is_among = |patterns: &[PatternHash]| {
            patterns.contains(read.pattern.get_or_init(|| pattern::hash(message, &mut PatternBuffer::default())))
        };
        let mut values = Vec::new();
        values_at(&read.columns, &self.filter.column, &mut values);
        values.retain(|value| *value != "null");
        let apart = read.record.apart(&self.filter.column);
        values.extend(apart.as_deref());
        let any = |test: &dyn Fn(&str) -> bool| values.iter().any(|value| elements(value).into_iter().any(test));
        match &self.filter.is {
            Condition::In(_) => any(&|value| self.values.has(value)),
            Condition::NotIn(_) => !any(&|value| self.values.has(value)),
            Condition::Compare(comparison, number) => any(&|value| compare(value, *comparison, number)),
            Condition::Exists(yes) => values.is_empty() != *yes,
            Condition::Like(_) => {
                any(&|value| is_scalar(value) && self.like.as_ref().is_some_and(|like| like.is_in(&readable(value))))
            }
            Condition::HasPattern(patterns) => is_among(patterns),
            Condition::LacksPattern(patterns) => !is_among(patterns),
            // it has alternatives
            Condition::AnyOf(_) => false,
        }
    }
}

/// A record, its columns read once for all filters, and the pattern of its message, if a filter asked for it.
struct ReadRecord<'a> {
    record: Looked<'a>,
    columns: Vec<Member<'a>>,
    is_large: bool,
    pattern: OnceCell<PatternHash>,
}

impl Filters {
    /// Filters that are switched off accept every record.
    pub fn new<'a>(filters: impl IntoIterator<Item = &'a Filter>) -> Filters {
        Filters(filters.into_iter().filter(|filter| !filter.off).map(ReadyFilter::new).collect())
    }

    /// The number of filters for which a record is read.
    pub fn number(&self) -> usize {
        self.0.iter().map(|ready| ready.alternatives.iter().map(Filters::number).sum::<usize>().max(1)).sum()
    }

    /// True if a check may take long, so that a search has to look at its time after each record.
    pub fn may_take_long(&self) -> bool {
        self.number() > MANY_FILTERS_COUNT
    }

    /// True if a record's columns decide.
    pub fn need_columns(&self) -> bool {
        self.0.iter().flat_map(|ready| ready.filter.single()).any(|filter| filter.is.patterns().is_none())
    }

    #[cfg(test)]
    pub fn accept(&self, record: Looked) -> bool {
        self.accept_until(record, &|| false).expect("nothing ends the check")
    }

    /// The columns of the record may be missing if they are not needed. None: `stop` ended the check.
    pub fn accept_until(&self, record: Looked, stop: StopCheck) -> Option<bool> {
        if self.0.is_empty() {
            return Some(true);
        }
        let is_large = record.message.len() + record.columns.len() >= LARGE_RECORD_BYTES;
        let columns = members(record.columns);
        self.accept_all(&ReadRecord { record, columns, is_large, pattern: OnceCell::new() }, stop)
    }

    fn accept_all(&self, read: &ReadRecord, stop: StopCheck) -> Option<bool> {
        // all of them accept it, if not any of them does not
        any_until(self.0.iter(), |filter| Some(!filter.accepts_until(read, stop)?)).map(|refuses| !refuses)
    }
}

fn is_scalar(raw: &str) -> bool {
    raw != "null" && !raw.starts_with(['{', '['])
}

/// Strings by their text, numbers by their value, however it was written. A record may have many values, and a filter too.
#[derive(Debug, Default)]
struct WantedValues {
    texts: HashSet<String>,
    numbers: HashSet<Number>,
}

impl WantedValues {
    fn new(wanted: &[String]) -> WantedValues {
        let numbers = wanted.iter().filter_map(|wanted| Number::parse(wanted)).collect();
        WantedValues { texts: wanted.iter().cloned().collect(), numbers }
    }

    fn has(&self, raw: &str) -> bool {
        match raw.starts_with('"') {
            true => self.texts.contains(&*readable(raw)),
            false => {
                is_scalar(raw)
                    && (self.texts.contains(raw)
                        || Number::parse(raw).is_some_and(|number| self.numbers.contains(&number)))
            }
        }
    }
}

fn compare(raw: &str, comparison: Comparison, number: &Number) -> bool {
    let text = if is_scalar(raw) { readable(raw) } else { return false };
    let Some(value) = Number::parse(&text) else { return false };
    let order = value.cmp(number);
    match comparison {
        Comparison::Gt => order.is_gt(),
        Comparison::Gte => order.is_ge(),
        Comparison::Lt => order.is_lt(),
        Comparison::Lte => order.is_le(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Query;

    const RECORD: &str = r#"{"level":"ERROR","status":200,"t":1.50,"big":12345678901234567890123,"tags":["a","b",7],
        "a":{"b":"deep","c":{"d":[1]}},"a.b":"flat","n":null,"yes":true,"text":"Timed out\nafter 5s","":"e","num":"42",
        "twice":1,"twice":2,"o":{"x":1},"empty":[],"esc":"\u65e5\"x\"","f":200.0,"list":[[1]]}"#;

    #[track_caller]
    fn check(url: &str, expect: bool) {
        let query = Query::from_url(vec!["web".parse().expect("a name")], url).expect(url);
        let apart = Apart { timestamp: "@timestamp".to_owned(), message: "message".to_owned() };
        let ts = Ts::from_micros(1_795_341_600_000_001);
        let looked = Looked { apart: &apart, ts, message: "Timed out", columns: RECORD };
        assert_eq!(Filters::new(&query.filters).accept(looked), expect, "{url}");
    }

    #[test]
    fn a_value_is_the_same_as_a_number_and_as_a_string() {
        for (url, expect) in [
            ("level=ERROR", true),
            ("level=error", false),
            ("level=DEBUG&level=ERROR", true),
            ("level__in=DEBUG,INFO", false),
            ("status=200", true),
            ("status=200.0", true),
            ("f=200", true),
            ("status=2e2", true),
            ("status=0200", false),
            ("t=1.5", true),
            ("num=42", true),
            ("num=42.0", false),
            ("big=12345678901234567890123", true),
            ("big=12345678901234567890124", false),
            ("big=12345678901234567890123.0", true),
            ("big=1.2345678901234567890123e22", true),
            ("t=1.5000000000000000001", false),
            ("yes=true", true),
            ("yes=1", false),
            ("esc=%E6%97%A5\"x\"", true),
            ("js.=e", true),
        ] {
            check(url, expect);
        }
    }

    #[test]
    fn an_array_is_any_of_its_elements_and_a_dot_is_a_key_or_a_path() {
        for (url, expect) in [
            ("tags=b", true),
            ("tags=7", true),
            ("tags=c", false),
            ("a.b=deep", true),
            ("a.b=flat", true),
            ("a.c.d=1", true),
            ("a.c=1", false),
            ("list=1", false),
            ("twice=1", true),
            ("twice=2", false),
        ] {
            check(url, expect);
        }
    }

    #[test]
    fn every_record_has_its_message_and_its_time() {
        for (url, expect) in [
            ("message__exists=1", true),
            ("message__exists=0", false),
            ("message=Timed+out", true),
            ("message=timed+out", false),
            ("message__not=Timed+out", false),
            ("message__like=out", true),
            ("message__gt=0", false),
            ("message.x__exists=0", true),
            ("@timestamp__exists=1", true),
            ("@timestamp=2026-11-22T10:00:00.000001Z", true),
            ("@timestamp__like=2026-11-23", false),
        ] {
            check(url, expect);
        }
    }

    #[test]
    fn a_pattern_is_that_of_the_message() {
        let (own, other) = (pattern::of("Timed out").hash, pattern::of("order 7 paid").hash);
        for (url, expect) in [
            (format!("pattern={own}"), true),
            (format!("pattern={other}"), false),
            (format!("pattern={other}&pattern={own}"), true),
            (format!("pattern__not={own}"), false),
            (format!("pattern__not={other}"), true),
            // the column of that name is another one
            (format!("js.pattern={own}"), false),
            ("js.pattern__exists=0".to_owned(), true),
            (format!("off.pattern={other}"), true),
        ] {
            check(&url, expect);
        }
    }

    #[test]
    fn one_alternative_of_a_group_is_enough() {
        for (url, expect) in [
            ("any=level=DEBUG|level=ERROR", true),
            ("any=level=DEBUG|status>200", false),
            ("any=level=DEBUG+status=200|level=ERROR+status=201", false),
            ("any=level=DEBUG+status=200|level=ERROR+status=200", true),
            ("any=missing!|level=x", true),
            ("any=text~timed|level=x", true),
            ("any=message~timed+yes=true", true),
            ("any=level=ERROR&any=status=1|t>1", true),
            ("any=level=ERROR&any=status=1|t>2", false),
            ("off.any=level=x", true),
        ] {
            check(url, expect);
        }
    }

    #[test]
    fn null_is_absent() {
        for (url, expect) in [
            ("n__exists=1", false),
            ("n__exists=0", true),
            ("n=null", false),
            ("empty__exists=1", true),
            ("o__exists=1", true),
            ("missing__not=x", true),
            ("level__not=ERROR", false),
            ("tags__not=a", false),
            ("tags__not=c", true),
            ("off.level=x", true),
        ] {
            check(url, expect);
        }
    }

    #[test]
    fn numbers_compare_and_texts_are_like() {
        for (url, expect) in [
            ("status__gte=200", true),
            ("status__gt=200", false),
            ("num__lt=42.5", true),
            ("big__gt=12345678901234567890122", true),
            ("big__gt=12345678901234567890123", false),
            ("big__lte=12345678901234567890122.9", false),
            ("t__gt=1.49", true),
            ("level__gt=0", false),
            ("yes__gt=0", false),
            ("tags__gt=6", true),
            ("text__like=timed*5S", true),
            ("text__like=out*timed", false),
            ("text__like=t.med", false),
            ("status__like=20", true),
            ("o__like=x", false),
        ] {
            check(url, expect);
        }
    }

    #[test]
    fn a_check_of_a_large_record_ends_when_it_is_told() {
        let apart = Apart { timestamp: "@timestamp".to_owned(), message: "message".to_owned() };
        let ts = Ts::from_micros(1);
        let filters =
            |url: &str| Filters::new(&Query::from_url(vec!["web".parse().expect("a name")], url).expect(url).filters);
        let large = format!(r#"{{"v":"{}"}}"#, "a".repeat(LARGE_RECORD_BYTES));
        for (columns, url, expect) in [
            (large.as_str(), "v__like=b", None),
            (large.as_str(), "any=v~b|v~c", None),
            (r#"{"v":"a"}"#, "v__like=b", Some(false)),
            (large.as_str(), "", Some(true)),
        ] {
            let looked = Looked { apart: &apart, ts, message: "", columns };
            assert_eq!(filters(url).accept_until(looked, &|| true), expect, "{url}");
        }
        let many = filters(&format!("any={}x=1", "x=1|".repeat(MANY_FILTERS_COUNT)));
        assert_eq!((many.number(), many.may_take_long()), (MANY_FILTERS_COUNT + 1, true));
        assert!(!filters("v__like=a&w=1").may_take_long());
    }
}
