//! The options of `alco grep`, and how they become a search and the form of its output.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use argh::{ArgsInfo, FromArgs};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::commands::exit::Failure;
use crate::commands::grep::options::{Extract, GrepOptions, Output};
use crate::config::{IndexName, IndexSelection, is_index_pattern};
use crate::query::condition::{ANY, OperatorForms, PATTERN, split_operator};
use crate::query::group::typed_group;
use crate::query::parameter::{one_of, split_list};
use crate::query::{Against, Context, Filter, Format, MAX_CONTEXT_LINES, Mode, Order, Query, Within};
use crate::search::pattern::{INSTEAD_OF_REGEX, Pattern};
use crate::time;
use crate::time::When;

/// For the help.
const OPERATOR_FORMS: OperatorForms = OperatorForms;
const TIME_FORMS: &str = time::FORMS;

/// Search the logs as grep does: by default the pattern is text, case counts, and the range is the last 5 minutes. An operand
/// column=value is a filter; the first other operand after INDEX is the pattern. Without a pattern, every record matches.
#[derive(Debug, Default, PartialEq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "grep",
    help_triggers("-h", "--help"),
    note = "Filters: column=a (repeated: any of them), column{OPERATOR_FORMS}; \
            '@(host=a | host=b level=ERROR)': one of these; a.b is a key or a path. For a pattern that looks like a filter, use -e.",
    note = "Times: {TIME_FORMS}.",
    note = "The output shows control characters of log text as ^[ and leaves out its colour codes, on a terminal and in a file; \
            --json prints every value as it was sent. On a terminal the output goes through $PAGER ('less -R' unless set; \
            PAGER= for none).",
    example = "alco grep web 'connection refused' --since=-2h",
    example = "alco grep -iC3 web,billing timeout levelname__in=ERROR,CRITICAL",
    example = "alco grep -c web status__gte=500 --since today",
    example = "alco grep -E web 'took [0-9]{{4,}}ms' -o --since=-1d | sort | uniq -c",
    example = "alco grep --patterns web levelname=ERROR --since=-1d",
    example = "alco grep --patterns --against=before web --since=-20m",
    example = "alco grep '*' request_id=7f3a --since=-1h",
    example = "alco grep -f web levelname=ERROR",
    example = "alco grep --url=https://logs.example.org/ web -e user=7 --json",
    error_code(0, "a record was found"),
    error_code(1, "no record was found"),
    error_code(2, "wrong usage, or the search failed before its end (with -q: and before a match)")
)]
pub struct Grep {
    /// ignore the difference between upper and lower case
    #[argh(switch, short = 'i')]
    pub ignore_case: bool,

    /// the pattern is text (the default)
    #[argh(switch, short = 'F')]
    pub fixed_strings: bool,

    /// the pattern is a regex, in Rust's syntax
    #[argh(switch, short = 'E')]
    pub extended_regexp: bool,

    /// a pattern; if repeated, a record matches if any of them does
    #[argh(option, short = 'e', arg_name = "pattern")]
    pub regexp: Vec<String>,

    /// a match has no letter, digit or _ next to it
    #[argh(switch, short = 'w')]
    pub word_regexp: bool,

    /// select the records that do not match
    #[argh(switch, short = 'v')]
    pub invert_match: bool,

    /// search the text of all columns in addition to the message
    #[argh(switch)]
    pub all: bool,

    /// the start of the range; 5 minutes ago by default
    #[argh(option, arg_name = "time")]
    pub since: Option<String>,

    /// the end of the range; now by default
    #[argh(option, arg_name = "time")]
    pub until: Option<String>,

    /// after the last record, print new ones as they arrive
    #[argh(switch, short = 'f')]
    pub follow: bool,

    /// newest first
    #[argh(switch)]
    pub reverse: bool,

    /// stop after n matches
    #[argh(option, short = 'm', arg_name = "n")]
    pub max_count: Option<i64>,

    /// print n records after each match
    #[argh(option, short = 'A', arg_name = "n")]
    pub after_context: Option<u32>,

    /// print n records before each match
    #[argh(option, short = 'B', arg_name = "n")]
    pub before_context: Option<u32>,

    /// print n records around each match; -3 is -C3
    #[argh(option, short = 'C', arg_name = "n")]
    pub context: Option<u32>,

    /// print the number of matches
    #[argh(switch, short = 'c')]
    pub count: bool,

    /// print each pattern of the messages once, after the number of its records;
    /// a pattern is the first line with a * for each part that varies
    #[argh(switch)]
    pub patterns: bool,

    /// with --patterns, compare with the time before the range (before), or with its hours on the day
    /// before (yesterday): print both numbers and the change, the most changed first
    #[argh(option, arg_name = "range")]
    pub against: Option<String>,

    /// print nothing, and exit with 0 at the first match
    #[argh(switch, short = 'q')]
    pub quiet: bool,

    /// print the matching parts only, each on a line of its own
    #[argh(switch, short = 'o')]
    pub only_matching: bool,

    /// print messages without time and columns, with all of their lines
    #[argh(switch)]
    pub bare: bool,

    /// the columns to print, separated by commas
    #[argh(option, arg_name = "a,b")]
    pub columns: Option<String>,

    /// print context columns too (tracebacks), indented
    #[argh(switch)]
    pub tracebacks: bool,

    /// print each record as it was sent, a JSON object on a line of its own
    #[argh(switch)]
    pub json: bool,

    /// print CSV
    #[argh(switch)]
    pub csv: bool,

    /// always, never, or auto: on a terminal
    #[argh(option, arg_name = "when")]
    pub color: Option<Colours>,

    /// the zone of the times that are read and printed
    #[argh(option, arg_name = "zone")]
    pub tz: Option<String>,

    /// ask the alco at this address instead of searchd
    #[argh(option, arg_name = "url")]
    pub url: Option<String>,

    /// the file with the user and password for --url, instead of ~/.netrc
    #[argh(option, arg_name = "file")]
    pub netrc: Option<PathBuf>,

    /// the indexes to search, separated by commas; 'shop*' is all whose
    /// names begin so, '*' is all
    #[argh(positional, arg_name = "index")]
    pub index: String,

    /// what to search, and filters
    #[argh(positional, arg_name = "pattern | column=value")]
    pub operands: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colours {
    Always,
    Never,
    #[default]
    Auto,
}

impl FromStr for Colours {
    type Err = String;

    fn from_str(text: &str) -> Result<Colours, String> {
        match text {
            // the words that grep takes
            "always" | "yes" | "force" => Ok(Colours::Always),
            "never" | "no" | "none" => Ok(Colours::Never),
            "auto" | "tty" | "if-tty" => Ok(Colours::Auto),
            _ => Err("write always, never or auto".to_owned()),
        }
    }
}

impl Grep {
    pub fn options(&self) -> Result<GrepOptions, Failure> {
        self.read().map_err(|why| Failure::wrong_usage("alco grep", &why))
    }

    fn read(&self) -> Result<GrepOptions, String> {
        self.refuse_contradictions()?;
        for name in self.index.split(',').filter(|part| !is_index_pattern(part)) {
            name.parse::<IndexName>()?;
        }
        let (mut patterns, mut filters) = (self.regexp.clone(), Vec::new());
        for operand in &self.operands {
            match column_and_value(operand) {
                Some(pair) => filters.push(pair),
                None if patterns.is_empty() => patterns.push(operand.clone()),
                None => {
                    let first = &patterns[0];
                    return Err(format!(
                        "'{operand}' is a second pattern after '{first}'; quote a pattern with spaces, write -e for each of \
                         several, and column=value for a filter"
                    ));
                }
            }
        }
        let lines = |lines: Option<u32>| match lines {
            Some(lines) if lines > MAX_CONTEXT_LINES => {
                Err(format!("{lines} lines of context are too many; at most {MAX_CONTEXT_LINES} are printed"))
            }
            lines => Ok(lines),
        };
        let around = lines(self.context)?.unwrap_or(0);
        let (before, after) =
            (lines(self.before_context)?.unwrap_or(around), lines(self.after_context)?.unwrap_or(around));
        let is_grouped = [self.context, self.before_context, self.after_context].iter().any(Option::is_some);
        // as for grep, a negative number is no limit
        let limit = self.max_count.and_then(|n| usize::try_from(n).ok());
        let query = Query {
            start: self.since.as_deref().map(When::parse).transpose()?,
            end: self.until.as_deref().map(When::parse).transpose()?,
            search: patterns.join("\n"),
            mode: if self.extended_regexp { Mode::Regex } else { Mode::Literal },
            case: !self.ignore_case,
            word: self.word_regexp,
            invert: self.invert_match,
            within: if self.all { Within::All } else { Within::Message },
            context: if is_grouped && before + after == 0 { Context::Lines(0) } else { Context::None },
            before,
            after,
            filters: read_filters(&filters)?,
            order: self.reverse.then_some(Order::NewestFirst),
            limit: limit.and_then(NonZeroUsize::new),
            tz: self.tz.as_deref().map(time::zone).transpose()?,
            format: match (self.json, self.csv) {
                (true, _) => Format::Ndjson,
                (_, true) => Format::Csv,
                _ => Format::Text,
            },
            tracebacks: self.tracebacks,
            columns: self.columns.as_deref().map(listed_columns),
            against: self.against.as_deref().map(|name| one_of("--against", name, &Against::NAMES)).transpose()?,
            ..Query::default()
        };
        // an error before searchd is asked, and in the words of the command line
        Pattern::new(&query).map_err(|why| why.replace(INSTEAD_OF_REGEX, "-F takes every character as it is"))?;
        Ok(GrepOptions {
            indexes: self.index.clone(),
            query,
            output: match (self.quiet, self.count) {
                (true, _) => Output::Nothing,
                (_, true) => Output::Count,
                _ if self.patterns => Output::Patterns,
                _ => Output::Lines,
            },
            extract: match (self.only_matching, self.bare) {
                (true, _) => Extract::Parts,
                (_, true) => Extract::Messages,
                _ => Extract::Records,
            },
            colours: match self.color.unwrap_or_default() {
                Colours::Always => Some(true),
                Colours::Never => Some(false),
                Colours::Auto => None,
            },
            follow: self.follow,
            none: limit == Some(0),
        })
    }

    fn refuse_contradictions(&self) -> Result<(), String> {
        let both = |a: &str, b: &str| Err(format!("{a} and {b} exclude each other"));
        match self {
            Grep { fixed_strings: true, extended_regexp: true, .. } => both("-F", "-E"),
            Grep { json: true, csv: true, .. } => both("--json", "--csv"),
            Grep { only_matching: true, json: true, .. } => both("-o", "--json"),
            Grep { only_matching: true, csv: true, .. } => both("-o", "--csv"),
            Grep { patterns: true, count: true, .. } => both("--patterns", "-c"),
            Grep { patterns: true, only_matching: true, .. } => both("--patterns", "-o"),
            Grep { patterns: true, bare: true, .. } => both("--patterns", "--bare"),
            Grep { patterns: true, follow: true, .. } => both("--patterns", "-f"),
            Grep { patterns: false, against: Some(_), .. } => Err("--against needs --patterns".to_owned()),
            Grep { follow: true, reverse: true, .. } => both("-f", "--reverse"),
            Grep { follow: true, count: true, quiet: false, .. } => both("-f", "-c"),
            Grep { follow: true, until: Some(_), .. } => both("-f", "--until"),
            _ => Ok(()),
        }
    }
}

fn listed_columns(list: &str) -> Vec<String> {
    split_list(list).into_iter().filter(|name| !name.is_empty()).collect()
}

/// Column and value of an operand that can be a filter, `@(a=1 | b=2)` too. A column's name has no space, and no sign that paths
/// and addresses have.
fn column_and_value(operand: &str) -> Option<(&str, &str)> {
    if let Some(group) =
        operand.strip_prefix('@').and_then(typed_group).filter(|group| group.len() + 3 == operand.len())
    {
        return Some((ANY, group));
    }
    let (column, value) = operand.split_once('=')?;
    let starts = column.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '@'));
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '@' | '.' | '-');
    (starts && column.chars().all(plain)).then_some((column, value))
}

/// Reads filters by the rules of a URL's parameters; here no names but `pattern` and `any` are reserved (`js.` is put before the
/// others). A value may be empty.
fn read_filters(pairs: &[(&str, &str)]) -> Result<Vec<Filter>, String> {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut parameters = Vec::with_capacity(pairs.len());
    for (column, value) in pairs {
        let is_own = split_operator(column).0 == PATTERN || *column == ANY;
        let js = if column.starts_with("js.") || is_own { "" } else { "js." };
        let operator = column.rsplit_once("__").map_or("", |(_, operator)| operator);
        let empty = match (value.is_empty(), operator) {
            (false, _) | (true, "in" | "not") => "",
            (true, "gt" | "gte" | "lt" | "lte" | "exists" | "like") => return Err(format!("{column}= lacks a value")),
            (true, _) => "__in",
        };
        parameters.push(format!("{js}{}{empty}={}", encoded(column), encoded(value)));
    }
    Ok(Query::from_url(IndexSelection::default(), &parameters.join("&"))?.filters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::args::{Parsed, parse};
    use crate::commands::{Alco, Command};

    #[track_caller]
    fn options(words: &[&str]) -> Result<GrepOptions, Failure> {
        let words: Vec<String> = ["grep"].iter().chain(words).map(|&word| word.to_owned()).collect();
        match parse::<Alco>("alco", &words)? {
            Parsed::Args(Alco { command: Some(Command::Grep(grep)), .. }) => grep.options(),
            _ => panic!("no grep"),
        }
    }

    /// As the query string of the same search.
    #[track_caller]
    fn check(words: &[&str], expect: &str) {
        let options = options(words).unwrap_or_else(|failure| panic!("{words:?}: {}", failure.text));
        let url = options.query.to_url().replace("&format=text", "");
        assert_eq!(url, expect, "{words:?}");
    }

    #[test]
    fn options_of_grep_are_a_search() {
        check(&["web"], "case=1");
        check(&["web", "timed out"], "search=timed+out&case=1");
        check(&["-iw", "web", "x"], "search=x&word=1");
        check(&["-vE", "web", "a|b"], "search=a%7Cb&mode=regex&case=1&invert=1");
        check(&["-C3", "web", "x"], "search=x&case=1&before=3&after=3");
        check(&["-3", "web", "x"], "search=x&case=1&before=3&after=3");
        check(&["-C3", "-A", "1", "web", "x"], "search=x&case=1&before=3&after=1");
        for none in ["-C0", "-A0", "-B0", "-0"] {
            check(&[none, "web", "x"], "search=x&case=1&context=0");
        }
        check(&["-C0", "-A2", "web", "x"], "search=x&case=1&after=2");
        check(&["-m5", "web"], "case=1&limit=5");
        check(&["-m", "-1", "web"], "case=1");
        check(&["web", "--since=-1h", "--until", "now", "--reverse"], "start_ts=-1h&end_ts=now&case=1&order=desc");
        check(&["web", "--since", "2h"], "start_ts=-2h&case=1");
        check(&["web", "-e", "-x", "-e", "y"], "search=-x%0Ay&case=1");
        check(&["web", "--", "-x", "--since"].map(|w| if w == "--since" { "a=1" } else { w }), "search=-x&case=1&a=1");
        check(&["web", "--columns=", "--tracebacks"], "case=1&columns=&tracebacks=1");
        check(&["--patterns", "web", "--against", "yesterday"], "case=1&against=yesterday");
        assert!(options(&["-m0", "web"]).is_ok_and(|options| options.none));
        assert!(options(&["--color", "web"]).is_ok_and(|options| options.colours.is_none()));
        assert!(options(&["--colour=always", "web"]).is_ok_and(|options| options.colours == Some(true)));
    }

    #[test]
    fn an_operand_may_be_a_group_of_filters() {
        check(&["web", "@(host=a | n>5)", "x"], "search=x&case=1&any=host=a+%7C+n%3E5");
        check(&["web", "any=host=a|host=b level=ERROR"], "case=1&any=host=a+%7C+host=b+level=ERROR");
        check(&["web", "-e", "@(host=a)"], "search=%5C@(host=a)&case=1");
        check(&["web", "@(Html.Raw)"], "search=@(Html.Raw)&case=1");
    }

    #[test]
    fn the_last_of_two_equal_options_counts() {
        check(&["-C3", "-C1", "web", "x"], "search=x&case=1&before=1&after=1");
        check(&["-C3", "web", "-1", "x"], "search=x&case=1&before=1&after=1");
        check(&["-2", "--context=4", "web", "x"], "search=x&case=1&before=4&after=4");
        check(&["--since=-1h", "web", "--since", "-2h"], "start_ts=-2h&case=1");
        check(&["-m1", "--max-count=2", "-ii", "-i", "web"], "limit=2");
        check(&["--tz=UTC", "--tz", "Asia/Tokyo", "web"], "case=1&tz=Asia/Tokyo");
        // what is a value of another option is not an option
        check(&["-C3", "-e", "-C", "-C1", "web"], "search=-C&case=1&before=1&after=1");
        check(&["-e", "a", "-e", "b", "web"], "search=a%0Ab&case=1");
    }

    #[test]
    fn an_operand_column_equals_value_is_a_filter() {
        check(&["web", "levelname=ERROR"], "case=1&levelname=ERROR");
        check(&["web", "x", "a=1", "a=2", "b__gte=5", "c__not=x,y"], "search=x&case=1&a=1&a=2&b__gte=5&c__not=x,y");
        check(&["web", "a=1", "x"], "search=x&case=1&a=1");
        check(&["web", "host=web 1"], "case=1&host=web+1");
        check(&["web", "limit=5"], "case=1&js.limit=5");
        check(&["web", "js.limit=5"], "case=1&js.limit=5");
        check(&["web", "host="], "case=1&host__in=");
        check(&["web", "-e", "imeout=5"], "search=imeout=5&case=1");
        check(&["web", "GET /x?a=1"], "search=GET+/x?a=1&case=1");
        check(&["web", "=1"], "search==1&case=1");
        check(&["web", "@timestamp__exists=0"], "case=1&@timestamp__exists=0");
    }

    #[test]
    fn contradictory_options_are_refused() {
        for (words, text) in [
            (&["web", "a", "b"][..], "'b' is a second pattern after 'a'"),
            (&["-FE", "web", "a"], "-F and -E exclude each other"),
            (&["-f", "web", "--until=now"], "-f and --until exclude each other"),
            (&["Web"], "'Web' is not a name for an index"),
            (&["web", "--since=soon"], "'soon' is not a time"),
            (&["web", "a__gt=x"], "write a number"),
            (&["web", "a__gt="], "a__gt= lacks a value"),
            (&["-C9999", "web", "x"], "9999 lines of context are too many"),
            (&["-E", "web", "a(b"], "unclosed group at character 2; -F takes every character as it is"),
            (&["-E", "web", "[[:foo:]]"], "'[:foo:]' is not a class"),
            (&["--color=blue", "web"], "write always, never or auto"),
            (&["web", "--tz=Nowhere"], "Nowhere"),
            (&["web", "--against=before"], "--against needs --patterns"),
            (&["web", "--patterns", "--against=today"], "invalid --against 'today'; write before or yesterday"),
        ] {
            let failure = options(words).expect_err(text);
            assert!(failure.status == 2 && failure.text.contains(text), "{words:?}: {}", failure.text);
        }
    }
}
