//! How to search: what the fields of the form take, with examples that are links into the index that is read.
//!
//! Invariant: an example is read by the parser of the search field, so it leads to what the field would do.

use maud::{Markup, html};

use crate::http::pages::{Frame, links};
use crate::query::{Mode, Query, REFRESH_SECONDS};
use crate::render::escape::visible_in_line;
use crate::time::When;

#[derive(Clone, Debug)]
pub struct HelpView<'a> {
    pub frame: Frame<'a>,
    /// the search that led here; the examples have its range
    pub query: &'a Query,
    pub columns: ExampleColumns,
}

/// Columns and values of the index, for examples.
#[derive(Clone, Debug)]
pub struct ExampleColumns {
    pub level: String,
    pub levels: [String; 2],
    pub other: String,
    pub values: [String; 2],
    /// a column that is a number in some record of the range, and that number
    pub number: Option<(String, String)>,
}

/// What is typed, and what it finds.
type Example<'a> = (&'a str, &'a str);

const LITERAL: [Example; 2] = [
    ("connection refused", "the text as it stands, with its spaces and signs; upper and lower case do not differ"),
    ("id=42", "any sign is itself: nothing needs an escape"),
];
const WORDS: [Example; 5] = [
    ("refused connection", "all the words, in any order"),
    ("\"connection refused\" payment", "a phrase, and a word"),
    ("timeout -health", "without a word"),
    ("timeout | refused", "one of these words; | binds tighter than the space"),
    ("pay*", "words that begin so"),
];
const REGEX: [Example; 2] = [
    ("took [0-9]{4,} ?ms", "as grep -E, in Rust's syntax"),
    ("^(GET|POST) /api/", "a message of several lines matches if one of its lines does"),
];
/// Without a start and an end: see `docs/formats.md` for all forms.
const TIMES: [(&str, &str, &str); 8] = [
    ("-15m", "", "before now: s, m, h, d, w; 15m, now-15m and 1h30m too"),
    ("today", "", "since midnight"),
    ("yesterday", "today", "all of yesterday"),
    ("yesterday 15:00", "yesterday 16:00", "an hour of it"),
    ("8:00", "9:30", "the last time that the clock showed this; the end comes after the start"),
    ("2026-11-28 15:40", "2026-11-28 15:50", "also 28.11.2026 15:40, 2026-11-28T15:40:00Z and 15:40:10,123"),
    ("2026-11-28", "2026-11-29", "a day, from its midnight to the next"),
    ("1795880400", "1795880700", "seconds since 1970; milliseconds have 13 digits"),
];
/// Access key, and what it does.
const KEYS: [(&str, &str); 7] = [
    ("s", "to the search field"),
    ("n", "next page"),
    ("p", "previous page"),
    ("0", "newest lines"),
    ("e", "next error"),
    ("f", "follow, or stop"),
    ("h", "this page"),
];

impl HelpView<'_> {
    pub fn page(&self) -> Markup {
        let back = links::to(&links::grep_path(self.frame.base, &self.query.indexes), self.query);
        let main = html! {
            main {
                p.bar { a href=(back) { "← back to the search" } }
                section #log .seen.help {
                    h1 { "How to search" }
                    p { "Each example is a link: it searches " b { (self.query.indexes.title()) } " over the range that you came from." }
                    h2 { "Text: choose literal" }
                    (self.examples(&LITERAL, Mode::Literal))
                    h2 { "Words: choose words" }
                    (self.examples(&WORDS, Mode::Words))
                    h2 { "Regexes: choose regex" }
                    (self.examples(&REGEX, Mode::Regex))
                    p {
                        b { "case" } ": upper and lower case differ. " b { "word" } ": no letter, digit or _ stands next to the match. "
                        b { "invert" } ": lines that do not match. " b { "in all columns" } ": not the message alone. "
                        b { "context" } ": lines around each match."
                    }
                    h2 { "Columns: @ in the search field, beside other text" }
                    (self.examples(&self.column_examples(), Mode::Literal))
                    p {
                        "A nested column is " code { "@a.b=x" } ". A backslash before it makes it text: " code { "\\@a=b" } ". "
                        a href=(links::to(&format!("{}columns/", links::grep_path(self.frame.base, &self.query.indexes)), self.query)) { "The columns of " (self.query.indexes.title()) }
                        ", with an example of each. A click on a value, next to the log or in a line, keeps only the records that have it."
                    }
                    h2 { "Range: from, to" }
                    table.indexes {
                        thead { tr { th scope="col" { "from" } th scope="col" { "to" } th scope="col" { "range" } } }
                        tbody { @for (from, to, what) in TIMES { (self.time(from, to, what)) } }
                    }
                    p { "Times without a zone are in " (self.frame.zone) "; the field beside the range takes another: Europe/Berlin, Berlin, MSK, +02:00. Other forms are refused, with these named." }
                    p { "A bar of the histogram shows the lines of its own time; a second bar then ends the range there." }
                    h2 { "Keys" }
                    p { "With the access key of your browser: Alt+Shift in Firefox, Alt in Chromium, Control+Option on a Mac." }
                    table.indexes {
                        thead { tr { th scope="col" { "key" } th scope="col" { "leads" } } }
                        tbody { @for (key, what) in KEYS { tr { td { kbd { (key) } } td { (what) } } } }
                    }
                    p { "follow is for browsers that show a page while it loads. w3m and lynx do not: for them, the page loads itself again by " b { "refresh every " (REFRESH_SECONDS) " s" } "." }
                    h2 { "In a shell" }
                    p { "The address of a page is the address of its records: add " code { "format=text" } ", " code { "ndjson" } " or " code { "csv" } ", and " code { "follow=1" } " for a stream. " code { "alco grep" } " takes the options of grep, and these filters and times." }
                }
            }
        };
        self.frame.page("How to search", main)
    }

    fn column_examples(&self) -> Vec<(String, &'static str)> {
        let ExampleColumns { level, levels: [one, two], other, values: [a, b], number } = &self.columns;
        let usual = ("status".to_owned(), "500".to_owned());
        let (column, number) = number.as_ref().unwrap_or(&usual);
        let [a, b] = [a, b]
            .map(|value| if value.contains(char::is_whitespace) { format!("\"{value}\"") } else { value.clone() });
        vec![
            (format!("@{level}={one}"), "the column has this value"),
            (format!("@{level}={one},{two}"), "one of several; in quotes, a comma or space is part of the value"),
            (format!("@{level}!={two}"), "all but this value, and records without the column"),
            (
                format!("@{other}~{}", &a.trim_matches('"').chars().take(3).collect::<String>()),
                "has this text in it; * is any text",
            ),
            (format!("@{column}>={number}"), "a number: >, >=, <, <="),
            (format!("@{other}!"), "records without the column"),
            (format!("@{other}__exists=1"), "records that have it"),
            (format!("timeout @{other}={a} @{level}={one}"), "text and filters: all of them"),
            (format!("@({other}={a} | {other}={b} {level}={one})"), "one alternative is enough; | separates them"),
        ]
    }

    fn examples<T: AsRef<str>>(&self, examples: &[(T, &str)], mode: Mode) -> Markup {
        html! {
            table.indexes {
                tbody {
                    @for (typed, what) in examples {
                        tr {
                            td { a href=(self.link(typed.as_ref(), mode)) { code { (visible_in_line(typed.as_ref())) } } }
                            td { (what) }
                        }
                    }
                }
            }
        }
    }

    /// The search that the field would make of the text.
    fn search(&self, typed: &str, mode: Mode) -> Query {
        let text = format!("search={}", links::segment(typed));
        let (read, _) = Query::read(self.query.indexes.clone(), &text);
        let Query { start, end, tz, .. } = self.query.clone();
        Query { mode: if read.search.is_empty() { Mode::Literal } else { mode }, start, end, tz, ..read }
    }

    fn link(&self, typed: &str, mode: Mode) -> String {
        links::to(&links::grep_path(self.frame.base, &self.query.indexes), &self.search(typed, mode))
    }

    fn time(&self, from: &str, to: &str, what: &str) -> Markup {
        let (start, end) = (When::parse(from).ok(), When::parse(to).ok());
        let query = Query { start, end, tz: self.query.tz.clone(), ..Query::new(self.query.indexes.clone()) };
        let link = links::to(&links::grep_path(self.frame.base, &self.query.indexes), &query);
        html! {
            tr {
                td { a href=(link) { code { (from) } } }
                td { code { (to) } }
                td { (what) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(query: &Query) -> HelpView<'_> {
        let text = |text: &str| text.to_owned();
        let columns = ExampleColumns {
            level: text("levelname"),
            levels: [text("ERROR"), text("INFO")],
            other: text("host"),
            values: [text("web 1"), text("web-2")],
            number: Some((text("lineno"), text("17"))),
        };
        HelpView { frame: Frame { base: "/", ..Frame::default() }, query, columns }
    }

    #[test]
    fn each_example_searches_for_what_it_shows() {
        let query =
            Query::from_url(vec!["web".parse().expect("a name")], "start_ts=-1h&host=x&search=y").expect("a query");
        let html = view(&query).page().into_string();
        for link in [
            "search=timeout+-health&amp;mode=words\"><code>timeout -health</code>",
            "search=timeout+%7C+refused&amp;mode=words\">",
            "levelname=ERROR&amp;levelname=INFO\"><code>@levelname=ERROR,INFO</code>",
            "host__like=web\"><code>@host~web</code>",
            "lineno__gte=17\"><code>@lineno&gt;=17</code>",
            "host__exists=0\"><code>@host!</code>",
            "search=timeout&amp;host=web+1&amp;levelname=ERROR\">",
            "any=host=%22web+1%22+%7C+host=web-2+levelname=ERROR\">",
        ] {
            assert!(html.contains(&format!("href=\"/grep/web/?start_ts=-1h&amp;{link}")), "no {link} in {html}");
        }
        assert!(html.contains("href=\"/grep/web/?start_ts=yesterday+15:00&amp;end_ts=yesterday+16:00\">"), "{html}");
        assert!(html.contains("href=\"/grep/web/?start_ts=-1h&amp;search=y&amp;host=x\">← back"), "{html}");
    }

    #[test]
    fn each_time_of_the_help_is_one() {
        for (from, to, _) in TIMES {
            assert!(When::parse(from).is_ok() && (to.is_empty() || When::parse(to).is_ok()), "{from} {to}");
        }
    }
}
