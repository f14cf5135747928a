//! `Query` <-> the query string of a URL. Pure. `from_url` reads back the same query that `to_url` wrote, whatever text is in it.
//! `to_url` writes what `fields` has, encoded no more than needed, for people to read.

use std::num::NonZeroUsize;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::config::IndexSelection;
use crate::query::condition::{ANY, Alternatives, PATTERN, read_pattern, split_operator};
use crate::query::group;
use crate::query::inline_filters::read_typed;
use crate::query::parameter::{JS, OFF, Parameter, RESERVED, bad, one_of, split_list, yes_or_no};
use crate::query::{
    Against, Condition, Context, Filter, Follow, Format, MAX_COLUMNS, MAX_CONTEXT_LINES, MAX_FILTERS, MAX_LIMIT,
    MAX_REFRESH_SECONDS, Mode, Order, PatternSort, Query, WholeRange, Within,
};
use crate::time;
use crate::time::When;

/// Characters that RFC 3986 does not allow in a query, those that separate its parts, and those that end a shell's quotes. A space
/// is `+`.
const VALUE: &AsciiSet = &CONTROLS
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'+')
    .add(b';')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
const KEY: &AsciiSet = &VALUE.add(b'=');

impl Query {
    /// `query` is the part of the URL after the `?`.
    ///
    /// # Errors
    ///
    /// A sentence that names the parameter and what to write.
    pub fn from_url(indexes: impl Into<IndexSelection>, query: &str) -> Result<Query, String> {
        let (query, mut errors) = Query::read(indexes, query);
        if errors.is_empty() { Ok(query) } else { Err(errors.swap_remove(0)) }
    }

    /// The search as far as it can be read: without the parameters of the errors.
    pub fn read(indexes: impl Into<IndexSelection>, query: &str) -> (Query, Vec<String>) {
        let mut errors = Vec::new();
        let mut note = |read: Result<(), String>| errors.extend(read.err());
        let mut q = Query::new(indexes);
        // filters that gather the plain `column=value` of a column: any of them
        let mut plain: Vec<usize> = Vec::new();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            note(match RESERVED.contains(&&*key) {
                true => q.set(&key, value.into_owned()),
                false => q.filter(&key, value.into_owned(), &mut plain),
            });
        }
        let typed = std::mem::take(&mut q.search);
        for (name, value) in read_typed(&typed, &mut q.search) {
            note(q.filter(&name, value, &mut plain));
        }
        if q.against.is_none() {
            q.sort = q.sort.filter(|sort| *sort != PatternSort::Frequent);
        }
        if !q.format.is_stream() {
            errors.extend(q.fit_page());
        }
        (q, errors)
    }

    /// Leaves out what is too much for a page, which is whole in memory, other than a stream. Returns a sentence about each.
    pub fn fit_page(&mut self) -> Vec<String> {
        let mut errors = Vec::new();
        if let Some(limit) = self.limit.take_if(|limit| limit.get() > MAX_LIMIT) {
            errors
                .push(format!("limit={limit} is too much for a page; write at most {MAX_LIMIT}, or take format=text"));
        }
        if self.columns.take_if(|names| names.len() > MAX_COLUMNS).is_some() {
            errors.push(format!("columns= has more than {MAX_COLUMNS} names; leave some out, or take format=csv"));
        }
        errors
    }

    /// A reserved parameter. A form sends an empty one for a field that was left alone.
    fn set(&mut self, key: &str, value: String) -> Result<(), String> {
        let text = value.as_str();
        match key {
            "search" => self.search = value,
            "columns" => {
                let names = split_list(text).into_iter().filter(|name| !name.is_empty());
                self.columns.get_or_insert_default().extend(names);
            }
            _ if text.is_empty() => {}
            "start_ts" => self.start = Some(When::parse(text)?),
            "end_ts" => self.end = Some(When::parse(text)?),
            "overview" => self.overview = Some(WholeRange::parse(text)?),
            "mode" => {
                self.mode =
                    one_of(key, text, &[("literal", Mode::Literal), ("words", Mode::Words), ("regex", Mode::Regex)])?;
            }
            "case" => self.case = yes_or_no(key, text)?,
            "word" => self.word = yes_or_no(key, text)?,
            "invert" => self.invert = yes_or_no(key, text)?,
            "wrap" => self.wrap = Some(yes_or_no(key, text)?),
            "download" => self.download = yes_or_no(key, text)?,
            "bom" => self.bom = yes_or_no(key, text)?,
            "tracebacks" => self.tracebacks = yes_or_no(key, text)?,
            "in" => self.within = one_of(key, text, &[("message", Within::Message), ("all", Within::All)])?,
            "order" => {
                self.order = Some(one_of(key, text, &[("asc", Order::OldestFirst), ("desc", Order::NewestFirst)])?);
            }
            "sort" => self.sort = Some(one_of(key, text, &PatternSort::ALL.map(|sort| (sort.name(), sort)))?),
            "against" => self.against = Some(one_of(key, text, &Against::NAMES)?),
            "only_new" => self.only_new = yes_or_no(key, text)?,
            "context" => {
                self.context = match text {
                    "y" => Context::All,
                    _ => Context::Lines(lines(key, text)?),
                }
            }
            "before" => self.before = lines(key, text)?,
            "after" => self.after = lines(key, text)?,
            "limit" => {
                let limit =
                    text.parse::<NonZeroUsize>().map_err(|_| bad(key, text, "a number of records, such as 100"))?;
                self.limit = Some(limit);
            }
            "format" => {
                self.format = one_of(key, text, &Format::ALL.map(|format| (format.name(), format)))?;
            }
            "follow" => {
                self.follow = match (text.strip_suffix('s'), text) {
                    (_, "1") => Follow::Open,
                    (_, "0") => Follow::No,
                    (Some(seconds), _) => match seconds.parse() {
                        Ok(seconds @ 1..=MAX_REFRESH_SECONDS) => Follow::Every(seconds),
                        _ => return Err(bad(key, text, "1, or 10s to have the page refresh itself")),
                    },
                    _ => return Err(bad(key, text, "1, or 10s to have the page refresh itself")),
                }
            }
            "tz" => self.tz = Some(time::zone(text)?),
            "cursor" => self.cursor = Some(text.parse()?),
            _ => unreachable!("from_url asks for reserved names only, and all of them are above"),
        }
        Ok(())
    }

    /// `[off.][js.]column[__operator]=value`. `plain` has the places of the filters that gather the values of `column=value`.
    pub(super) fn filter(&mut self, key: &str, value: String, plain: &mut Vec<usize>) -> Result<(), String> {
        let (off, key) = key.strip_prefix(OFF).map_or((false, key), |key| (true, key));
        let (is_column, key) = key.strip_prefix(JS).map_or((false, key), |key| (true, key));
        if !is_column && key == ANY && !value.is_empty() {
            let is = Condition::AnyOf(alternatives(&value)?);
            self.filters.push(Filter { column: ANY.to_owned(), is, off });
            return Ok(());
        }
        let (column, operator) = split_operator(key);
        let is_pattern = !is_column && column == PATTERN;
        let mut gathers = false;
        let is = match operator {
            Some(operator) if operator.takes_empty || !value.is_empty() => (operator.read)(key, &value)?,
            // a field of a form that was left empty; the empty string itself is asked for by `__in=`
            _ if value.is_empty() => return Ok(()),
            _ => {
                let is_this = |filter: &Filter| {
                    filter.column == column && filter.off == off && filter.is.patterns().is_some() == is_pattern
                };
                match plain.iter().find(|&&at| is_this(&self.filters[at])).map(|&at| &mut self.filters[at].is) {
                    Some(Condition::In(values)) => {
                        values.push(value);
                        return Ok(());
                    }
                    Some(Condition::HasPattern(patterns)) => {
                        patterns.push(read_pattern(key, &value)?);
                        return Ok(());
                    }
                    _ => {}
                }
                self.has_room_for(1)?;
                gathers = true;
                Condition::In(vec![value])
            }
        };
        self.has_room_for(single_filters(&is))?;
        let is = if is_pattern { is.on_pattern(key)? } else { is };
        if gathers {
            plain.push(self.filters.len());
        }
        self.filters.push(Filter { column: column.to_owned(), is, off });
        Ok(())
    }

    /// An error if that many more filters would be too many.
    fn has_room_for(&self, filters: usize) -> Result<(), String> {
        let present: usize = self.filters.iter().map(|filter| single_filters(&filter.is)).sum();
        match present + filters <= MAX_FILTERS {
            true => Ok(()),
            false => Err(format!(
                "there are more than {MAX_FILTERS} filters; take some away, or write values of a column as one: column__in=a,b"
            )),
        }
    }

    /// The query string, without `?`; empty for the default search.
    pub fn to_url(&self) -> String {
        written(&self.pairs())
    }
}

/// Names and values as a query string.
pub(super) fn written(parameters: &[Parameter]) -> String {
    let mut url = String::new();
    for (key, value) in parameters {
        if !url.is_empty() {
            url.push('&');
        }
        encode(key, KEY, &mut url);
        url.push('=');
        encode(value, VALUE, &mut url);
    }
    url
}

/// The fields of a form as a user typed them, of an address that cannot be read.
#[derive(Clone, Debug, Default)]
pub struct FieldTexts {
    pub search: Option<String>,
    pub start: Option<String>,
    pub end: Option<String>,
    pub zone: Option<String>,
}

/// The names and values of a query string, or of a form that was sent, decoded.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

impl FieldTexts {
    /// `query` is the part of the URL after the `?`.
    pub fn of(query: &str) -> FieldTexts {
        let mut texts = FieldTexts::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let field = match &*name {
                "search" => &mut texts.search,
                "start_ts" => &mut texts.start,
                "end_ts" => &mut texts.end,
                "tz" => &mut texts.zone,
                _ => continue,
            };
            *field = Some(value.into_owned());
        }
        texts
    }
}

/// The value of `any=`.
fn alternatives(text: &str) -> Result<Alternatives, String> {
    let alternative = |parameters: Vec<Parameter>| {
        let (mut all, mut plain) = (Query::default(), Vec::new());
        parameters.into_iter().try_for_each(|(name, value)| all.filter(&name, value, &mut plain))?;
        let is_single = |filter: &Filter| !filter.off && !matches!(filter.is, Condition::AnyOf(_));
        match all.filters.iter().all(is_single) {
            true => Ok(all.filters),
            false => Err(group::unreadable(text)),
        }
    };
    group::read(text)?.into_iter().map(alternative).collect::<Result<_, _>>().map(Alternatives)
}

/// The number of filters that a condition stands for.
fn single_filters(is: &Condition) -> usize {
    match is {
        Condition::AnyOf(Alternatives(all)) => all.iter().map(Vec::len).sum(),
        _ => 1,
    }
}

fn lines(key: &str, text: &str) -> Result<u32, String> {
    let lines = text.parse().ok().filter(|lines| *lines <= MAX_CONTEXT_LINES);
    lines.ok_or_else(|| {
        let or_all = if key == "context" { ", or y for the whole log from the first match on" } else { "" };
        bad(key, text, &format!("a number of lines up to {MAX_CONTEXT_LINES}{or_all}"))
    })
}

fn encode(text: &str, set: &'static AsciiSet, out: &mut String) {
    for piece in utf8_percent_encode(text, set) {
        out.push_str(&piece.replace(' ', "+"));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::Comparison;
    use crate::query::cursor::{Cursor, Place};
    use crate::query::difference::{KeptSearch, split, whole};
    use crate::record::number::Number;
    use crate::record::pattern::PatternHash;
    use crate::time::Ts;

    fn read(url: &str) -> Result<Query, String> {
        Query::from_url(vec!["web".parse().expect("a name")], url)
    }

    /// The address that is written for the one that was read: the same search in its shortest form.
    #[track_caller]
    fn check(url: &str, short: &str) {
        let query = read(url).expect(url);
        assert_eq!(query.to_url(), short, "{url}");
        assert_eq!(read(short), Ok(query), "{url}");
    }

    #[track_caller]
    fn check_error(url: &str, expect: &str) {
        assert_eq!(read(url).expect_err(url), expect);
    }

    #[test]
    fn the_default_search_has_an_empty_query_string() {
        check("", "");
        check(
            "&&start_ts=&search=&mode=literal&case=0&limit=&host=&context=&in=message&order=&sort=frequent&format=html",
            "",
        );
    }

    #[test]
    fn every_parameter_survives_its_link() {
        for url in [
            "start_ts=-1h&end_ts=2026-11-22+10:00",
            "search=imeout%3D5+50%25&mode=regex&case=1&word=1&invert=1&in=all",
            "context=3&before=1&after=2",
            "context=y",
            "context=0",
            "columns=host,a%5C,b",
            "columns=",
            "order=desc&limit=50&wrap=1&tz=Europe/Berlin&format=csv&follow=1&download=1&bom=1&tracebacks=1&cursor=a1.2.-3.4",
            "format=text&follow=10s",
            "sort=rare&only_new=1&limit=7",
            "order=asc",
            "sort=frequent&against=yesterday",
            "against=before",
        ] {
            // `=` in a value needs no encoding
            check(url, &url.replace("%3D", "="));
        }
    }

    #[test]
    fn a_filter_is_any_other_parameter() {
        check("levelname=ERROR&host=a&levelname=WARNING", "levelname=ERROR&levelname=WARNING&host=a");
        check("a.b__in=x,y%5C,z&a.b=c", "a.b=x&a.b=y,z&a.b__in=c");
        check("status__gte=500&t__lt=1.50&n__gt=1e300&z__lte=-0", "status__gte=500&t__lt=1.5&n__gt=1e300&z__lte=0");
        check("x__exists=0&x__not=a,b&x__like=time*out", "x__exists=0&x__not=a,b&x__like=time*out");
        check(
            "status__gte=1763556497161513791&t__lt=0.1000000000000000055&n__gt=1e15",
            "status__gte=1763556497161513791&t__lt=0.1000000000000000055&n__gt=1000000000000000",
        );
        check(
            "level__in=ERROR,+WARNING+&x__not=a++b,+,%5C+c%5C+,%5C%5C+",
            "level=ERROR&level=WARNING&x__not=a++b,,%5C+c%5C+,%5C%5C",
        );
        check("x__in=", "x__in=");
        check("js.search=a&js.js.x=b&js.=c", "js.search=a&js.js.x=b&js.=c");
        check(
            "pattern=0123456789abcde&js.pattern=x&pattern=0123456789ABCDF&js.pattern=y",
            "pattern=0123456789abcde&pattern=0123456789abcdf&js.pattern=x&js.pattern=y",
        );
        check("pattern__not=000000000000000,++0123456789abcde", "pattern__not=000000000000000,0123456789abcde");
        check("off.pattern=0123456789abcde&pattern=", "off.pattern=0123456789abcde");
        check("search=@pattern=0123456789abcde", "pattern=0123456789abcde");
        check("off.host=a&host=b&off.js.mode__not=c", "off.host=a&host=b&off.js.mode__not=c");
        check("odd__name=a&my__in__in=b", "odd__name=a&my__in__in=b");
        check("user%20agent=a+b&%D0%BA%3D=%D0%BB", "user+agent=a+b&%D0%BA%3D=%D0%BB");
    }

    #[test]
    fn a_filter_typed_into_the_search_field_becomes_one() {
        check("search=@host=web1+timed+out", "search=timed+out&host=web1");
        check("search=timed+@host=web1+out&host=web2", "search=timed+out&host=web2&host=web1");
        check("search=@status__gte=500", "status__gte=500");
        check("search=@user=%22Ann+Lee%22+@a=b+", "user=Ann+Lee&a=b");
        check("search=@@timestamp=x", "@timestamp=x");
        check("search=%5C@host=web1", "search=%5C@host=web1");
        check(
            "search=@host!=a,b+@n%3E%3D5+x+@n%3C7.5+@m%3E1+@m%3C%3D2",
            "search=x&host__not=a,b&n__gte=5&n__lt=7.5&m__gt=1&m__lte=2",
        );
        check("search=@text~time*out+@text~%22a+b%22+@user!", "text__like=time*out&text__like=a+b&user__exists=0");
        check("search=@level=ERROR,CRITICAL+@level=FATAL", "level=ERROR&level=CRITICAL&level=FATAL");
        check("search=@level__in=A,B+@x__not=%22a,+b%22+@host=a,", "level=A&level=B&x__not=a,b&host=a");
        check(
            "search=@x=%22a,+b%22+@x=c%5C,d+@y!=%22e,f%22+@z=%5C%5Cserver",
            "x=a,+b&x=c,d&y__not=e%5C,f&z=%5C%5Cserver",
        );
        check("search=@x=%22%22+@y!=%22%22", "x__in=&y__not=");
        // none of these says enough to be a filter
        check(
            "search=@a!b+@a%3E+@a~+@a%3E%22%22+@a=,+@a+@!+@=b+a@b!",
            "search=@a!b+@a%3E+@a~+@a%3E%22%22+@a=,+@a+@!+@=b+a@b!",
        );
        check("search=%5C@a!+%5C@a%3E5", "search=%5C@a!+%5C@a%3E5");
    }

    #[test]
    fn filters_of_which_one_is_enough_are_a_group() {
        check("any=host=a%7Chost=b+level=ERROR", "any=host=a+%7C+host=b+level=ERROR");
        check("search=x+@(host=a,b+%7C+n%3E5+t~%22a+b%22+u!)+y", "search=x+y&any=host=a,b+%7C+n%3E5+t~%22a+b%22+u!");
        check("off.any=%22a+b%22!=c,%22d,e%22", "off.any=%22a+b%22!=c,%22d,e%22");
        check(
            "any=x=%22say+%5C%22hi%5C%22%22+%7C+x__in=%22%22&any=js.any=1",
            "any=x=%22say+%5C%22hi%5C%22%22+%7C+x__in=%22%22&any=js.any=1",
        );
        check("any=url=a=b?c+host__in=a,b+x__exists=1", "any=url=%22a=b?c%22+host=a,b+x__exists=1");
        check("any=&js.any=x", "js.any=x");
        // text that is no group stays text; a backslash makes a group text
        check("search=@(Html.Raw)+@(a=b)c+@(a=b", "search=@(Html.Raw)+@(a=b)c+@(a=b");
        check("search=%5C@(a=b)", "search=%5C@(a=b)");
        let cure = "is not a filter of any; write @(host=a | host=b level=ERROR), and quotes around a value with spaces; a column of that name is js.any";
        for (bad, of) in [
            ("any=x", "x"),
            ("any=a=b+%7C", "a=b |"),
            ("any=a=b+%7C%7C+c=d", "a=b || c=d"),
            ("any=a=%22b", "a=\"b"),
            ("any=a=b+any=c", "c"),
            ("any=off.a=b", "off.a=b"),
            ("any=x~%22%22", "x~\"\""),
            ("any=a=b+refused", "refused"),
        ] {
            check_error(bad, &format!("'{of}' {cure}"));
        }
        check_error("search=@(n%3Emany)", "invalid n__gt 'many'; write a number");
        check_error(&format!("any={}", "a=b+".repeat(65)), "any has more than 64 filters");
        check("search=mail@host=web1+@+@=+@a=+@a+=b", "search=mail@host=web1+@+@=+@a=+@a+=b");
        assert_eq!(read("search=%5C@host=web1").expect("a query").search, "@host=web1");
        check_error(
            "@timestamp__gt=2026-11-22",
            "invalid @timestamp__gt '2026-11-22'; write a number; times are for start_ts and end_ts, or --since and --until",
        );
        check_error("search=@status__gte=many", "invalid status__gte 'many'; write a number");
    }

    #[test]
    fn the_number_of_columns_of_a_page_is_bounded() {
        let columns = |n: usize| format!("columns={}", (0..n).map(|n| format!("c{n}")).collect::<Vec<_>>().join(","));
        assert!(read(&columns(MAX_COLUMNS)).is_ok());
        check_error(&columns(MAX_COLUMNS + 1), "columns= has more than 64 names; leave some out, or take format=csv");
        assert!(read(&format!("{}&columns=x", columns(MAX_COLUMNS))).is_err());
        assert!(read(&format!("{}&format=csv", columns(1000))).is_ok(), "a stream has no links");
    }

    #[test]
    fn the_number_of_filters_is_bounded() {
        let filters = |n: usize| (0..n).map(|n| format!("c{n}=x")).collect::<Vec<_>>().join("&");
        assert_eq!(read(&filters(MAX_FILTERS)).expect("the most").filters.len(), MAX_FILTERS);
        let many = filters(MAX_FILTERS) + "&c0=y&c1=z";
        assert_eq!(read(&many).expect("more values are no more filters").filters.len(), MAX_FILTERS);
        assert!(read(&filters(3 * MAX_FILTERS)).is_err());
        let any = |n: usize| format!("any={}", (0..n).map(|n| format!("c{n}=x")).collect::<Vec<_>>().join(" | "));
        assert!(read(&any(MAX_FILTERS)).is_ok() && read(&any(MAX_FILTERS + 1)).is_err());
        assert!(read(&format!("{}&c=x", any(MAX_FILTERS))).is_err());
        let one_more = filters(MAX_FILTERS) + "&off.x=1";
        assert!(read(&one_more).is_err_and(|why| why.starts_with("there are more than 64 filters; ")));
        assert!(read(&format!("{}&search=@x=1", filters(MAX_FILTERS))).is_err());
    }

    #[test]
    fn an_invalid_value_is_an_error_with_its_cure() {
        check_error(
            "pattern=blue",
            "invalid pattern 'blue'; write the 15 digits that a link to a pattern has; a column of that name is js.pattern",
        );
        check_error(
            "pattern__like=blue",
            "pattern__like is not a filter; write pattern=, pattern__in= or pattern__not=; a column of that name is js.pattern",
        );
        check_error("mode=fuzzy", "invalid mode 'fuzzy'; write literal or words or regex");
        check_error("case=maybe", "invalid case 'maybe'; write 1 or 0");
        check_error(
            "context=1001",
            "invalid context '1001'; write a number of lines up to 1000, or y for the whole log from the first match on",
        );
        check_error("sort=size", "invalid sort 'size'; write frequent or rare or newest or level");
        check_error("against=today", "invalid against 'today'; write before or yesterday");
        check_error("limit=0", "invalid limit '0'; write a number of records, such as 100");
        check_error("limit=10001", "limit=10001 is too much for a page; write at most 10000, or take format=text");
        check_error("follow=0s", "invalid follow '0s'; write 1, or 10s to have the page refresh itself");
        check_error("tz=Mars", "'Mars' is not a time zone; write UTC, Europe/Berlin, Berlin, MSK or +02:00");
        check_error("cursor=x", "'x' is not a cursor; use a link of a page");
        assert!(read("limit=10001&format=text").is_ok());
        for bad in ["start_ts=soon", "n__gt=nan", "n__gt=inf", "x__exists=2", "order=up", "in=columns", "format=pdf"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_read_as_well() {
        assert_eq!(read("search=%FF%zz%").expect("a query").search, "\u{fffd}%zz%");
    }

    #[test]
    fn an_index_named_twice_is_one() {
        let names = ["web", "db", "web"].map(|name| name.parse().expect("a name"));
        let query = Query::from_url(names.to_vec(), "").expect("a query");
        assert_eq!(query.indexes[..], names[..2]);
    }

    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[-@\\\\=\"', &+%;_#?a-c\u{e9}\u{65e5}\n]{0,12}",
            "[ ,\\\\a]{0,8}",
            "(\\\\{0,2}@[a-c@]{1,2}(__in)?(=|!=?|>=?|<=?|~)\"?[a-c, \\\\]{0,3}\"? ?){0,4}",
        ]
    }

    fn column() -> impl Strategy<Value = String> {
        prop_oneof![
            hostile(),
            proptest::sample::select(&RESERVED[..]).prop_map(str::to_owned),
            proptest::sample::select(&[PATTERN, ANY][..]).prop_map(str::to_owned),
            "(off\\.|js\\.){0,2}[a-c.]{0,2}(__in|__not|__gt|__x){0,2}",
        ]
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let values = || proptest::collection::vec(hostile(), 1..4);
        let comparison =
            proptest::sample::select(vec![Comparison::Gt, Comparison::Gte, Comparison::Lt, Comparison::Lte]);
        let is = prop_oneof![
            values().prop_map(Condition::In),
            values().prop_map(Condition::NotIn),
            (comparison, "-?[0-9]{0,25}[.]?[0-9]{1,25}(e-?[0-9]{1,3})?").prop_map(|(comparison, number)| {
                Condition::Compare(comparison, Number::typed(&number).expect("a number"))
            }),
            any::<bool>().prop_map(Condition::Exists),
            hostile().prop_filter("never empty", |text| !text.is_empty()).prop_map(Condition::Like),
        ];
        let patterns = || {
            let pattern = "[0-9a-f]{15}".prop_map(|text| PatternHash::parse(&text).expect("15 digits"));
            proptest::collection::vec(pattern, 1..4)
        };
        let has =
            prop_oneof![patterns().prop_map(Condition::HasPattern), patterns().prop_map(Condition::LacksPattern),];
        let of_column = (column(), is, any::<bool>()).prop_map(|(column, is, off)| Filter { column, is, off });
        let of_pattern = (has, any::<bool>()).prop_map(|(is, off)| Filter { column: PATTERN.to_owned(), is, off });
        let single = prop_oneof![4 => of_column, 1 => of_pattern];
        let on = single.clone().prop_map(|filter| Filter { off: false, ..filter });
        let alternatives = proptest::collection::vec(proptest::collection::vec(on, 1..4), 1..4);
        let group = (alternatives, any::<bool>()).prop_map(|(alternatives, off)| Filter {
            column: ANY.to_owned(),
            is: Condition::AnyOf(Alternatives(alternatives)),
            off,
        });
        prop_oneof![4 => single, 1 => group]
    }

    fn when() -> impl Strategy<Value = Option<When>> {
        let micros = 0..4_000_000_000_000_000_i64;
        let civil = micros.clone().prop_map(|us| Ts::from_micros(us).civil(&jiff::tz::TimeZone::UTC));
        proptest::option::of(prop_oneof![
            any::<u32>().prop_map(When::Ago),
            Just(When::Now),
            (0..2_u8, civil.clone()).prop_map(|(days, at)| When::OnDay(days, at.time())),
            Just(When::YESTERDAY),
            civil.clone().prop_map(|at| When::Clock(at.time())),
            civil.prop_map(When::Civil),
            micros.prop_map(|us| When::At(Ts::from_micros(us))),
        ])
    }

    fn query() -> impl Strategy<Value = Query> {
        let names = proptest::collection::vec(hostile().prop_filter("has a name", |text| !text.is_empty()), 0..3);
        let range =
            (when(), when(), proptest::option::of(proptest::sample::select(vec!["UTC", "Asia/Tokyo", "-03:30"])));
        let text = (hostile(), 0..3_usize, any::<[bool; 8]>());
        let list = (proptest::sample::select(&PatternSort::ALL[..]), 0..3_usize);
        let lines = (0..4_u32, 0..4_u32, 0..4_u32, 0..3_u32, list);
        let place = any::<(u32, i64, i64, u32)>();
        let rest = (proptest::collection::vec(filter(), 0..5), proptest::option::of(names));
        let page = (proptest::option::of(1..MAX_LIMIT), 0..5_usize, proptest::option::of((any::<bool>(), place)));
        (range, text, lines, rest, page).prop_map(|(range, text, lines, rest, page)| {
            let mut q = Query::new(vec!["web".parse().expect("a name")]);
            (q.start, q.end) = (range.0, range.1);
            q.tz = range.2.map(|name| time::zone(name).expect("a zone"));
            q.search = text.0;
            q.mode = [Mode::Literal, Mode::Words, Mode::Regex][text.1];
            let all;
            let wraps;
            [q.case, q.word, q.invert, wraps, q.download, all, q.bom, q.only_new] = text.2;
            q.wrap = [None, Some(true), Some(false)][usize::from(wraps) + page.1 % 2];
            q.within = if all { Within::All } else { Within::Message };
            q.order = [None, Some(Order::OldestFirst), Some(Order::NewestFirst)][page.1 % 3];
            q.context = match lines.0 {
                0 => Context::None,
                1 => Context::All,
                lines => Context::Lines(lines - 2),
            };
            (q.before, q.after) = (lines.1, lines.2);
            q.against = [None, Some(Against::Before), Some(Against::Yesterday)][lines.4.1];
            q.sort = Some(lines.4.0).filter(|sort| q.against.is_some() || *sort != PatternSort::Frequent);
            q.follow = [Follow::No, Follow::Open, Follow::Every(10)][lines.3 as usize];
            (q.filters, q.columns) = rest;
            q.limit = page.0.and_then(NonZeroUsize::new);
            q.format = [Format::Page, Format::Text, Format::Ndjson, Format::Csv, Format::Json][page.1];
            q.cursor = page.2.map(|(after, (ts, seq, digest, id))| {
                let place = Place { ts: Ts::from_micros(i64::from(ts)), seq, digest, id: u64::from(id) };
                if after { Cursor::After(place) } else { Cursor::Before(place) }
            });
            q
        })
    }

    #[test]
    fn patterns_that_cannot_be_read_do_not_meet_later_ones() {
        let web = || vec!["web".parse::<crate::config::IndexName>().expect("a name")];
        let (query, errors) = Query::read(web(), "pattern=x&pattern=y&a=1&pattern=1f2e3d4c5b6a798&a=2");
        assert_eq!((query.to_url().as_str(), errors.len()), ("a=1&a=2&pattern=1f2e3d4c5b6a798", 2));
    }

    proptest! {
        #[test]
        fn a_query_survives_its_own_link(query in query()) {
            let url = query.to_url();
            prop_assert!(url.bytes().all(|b| b.is_ascii_graphic()), "{}", url);
            prop_assert_eq!(Query::from_url(query.indexes.clone(), &url), Ok(query));
        }

        #[test]
        fn a_query_survives_its_difference_to_another(kept in query(), mut query in query()) {
            let kept = KeptSearch::of(&kept);
            if let Some(link) = kept.link(&query) {
                let (_, changes) = split(&link).expect("a token");
                let mut read = Query::from_url(query.indexes.clone(), &whole(&kept.text, changes)).expect("a query");
                read.filters.sort_by_key(|filter| format!("{filter:?}"));
                query.filters.sort_by_key(|filter| format!("{filter:?}"));
                prop_assert_eq!(read, query);
            }
        }

        #[test]
        fn a_query_read_from_anything_survives_its_own_link(url in "([a-c@.%=&+,_-]|off\\.|js\\.|search=|pattern|[0-9a-f]{15}|@a=|\\\\|__in=|any=|@\\(|[()!~]|%7C|\"){0,20}") {
            if let Ok(query) = read(&url) {
                prop_assert_eq!(read(&query.to_url()), Ok(query));
            }
        }
    }
}
