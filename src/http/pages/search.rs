//! The search form (pattern, range, options) and the filters as chips. Any state that is not a field of the form
//! itself goes along in hidden ones, so a new search loses nothing but its place.

use std::fmt::Write;

use maud::{Markup, PreEscaped, html};

use crate::http::pages::links::{self, SearchLinks};
use crate::query::url::FieldTexts;
use crate::query::{Condition, Context, Filter, Mode, Query, Within, edit};
use crate::record::pattern::PatternTexts;
use crate::render::escape::{cut, visible_in_line};
use crate::render::patterns::pattern_shown;
use crate::time::{When, zone_name};

/// The parameters that have a field in the form. A column of such a name has another in an address, with `js.` before it.
const FORM_FIELDS: [&str; 10] =
    ["search", "mode", "case", "word", "invert", "in", "context", "start_ts", "end_ts", "tz"];
/// Zones that are offered; any other can be typed.
const ZONES: [&str; 14] = [
    "UTC",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Kyiv",
    "Europe/Istanbul",
    "Europe/Moscow",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
    "America/Sao_Paulo",
    "America/New_York",
    "America/Los_Angeles",
];

/// Lines around a match that are offered.
const OFFERED_CONTEXT_LINES: [u32; 5] = [0, 1, 3, 10, 50];
const VALUE_CHARS: usize = 60;
/// Of several filters.
const GROUP_CHARS: usize = 200;
/// A chip lists this number of values, and counts the others.
const LISTED_VALUES: usize = 3;

/// The form of a search.
pub struct SearchForm<'a> {
    pub base: &'a str,
    /// the name of the zone in use
    pub zone: &'a str,
    pub links: &'a SearchLinks,
    pub query: &'a Query,
    /// of the query's filters
    pub pattern_texts: &'a PatternTexts,
}

impl SearchForm<'_> {
    pub fn markup(&self) -> Markup {
        self.with_fields(&FieldTexts::default(), false)
    }

    /// The form of a search that is to be changed: what was typed is in the fields instead of what could be read.
    pub fn to_change(&self, typed: &FieldTexts) -> Markup {
        self.with_fields(typed, true)
    }

    /// `is_open`: also where there is little room.
    fn with_fields(&self, typed: &FieldTexts, is_open: bool) -> Markup {
        let SearchForm { base, links, query, pattern_texts, .. } = *self;
        let help = format!("{}help/", links::grep_path(base, &query.indexes));
        let own = typed.search.clone().unwrap_or_else(|| own_fields(query));
        let read = (query.start.as_ref().map(When::to_string), query.end.as_ref().map(When::to_string));
        let (start, end) = (typed.start.clone().or(read.0.clone()), typed.end.clone().or(read.1.clone()));
        let has_range = (&start, &end) == (&read.0, &read.1);
        html! {
            form.search role="search" method="get" {
                @for (name, value) in hidden_fields(query) { input type="hidden" name=(field(&name)) value=(field(&value)); }
                details.unfold open[is_open] { summary { b { "search" } " " @if has_range { (self.searched()) } } }
                div.rows {
                    div.row {
                        input type="search" name="search" value=(field(&own)) aria-label="Search" accesskey="s" size="40"
                            placeholder="text of a line, or @column=value" autocomplete="off" spellcheck="false";
                        " "
                        a.help href=(links.to(&help, &edit::first(query))) title="how to search" aria-label="How to search" accesskey="h" { "?" }
                        " "
                        (mode(query.mode))
                        " "
                        (flag("case", "case", "upper and lower case differ", query.case))
                        " "
                        (flag("word", "word", "whole words only", query.word))
                        " "
                        (flag("invert", "invert", "lines that do not match", query.invert))
                        " "
                        (within(query.within))
                        " "
                        (context(query.context))
                        " "
                        button { "grep" }
                    }
                    div.row {
                        (quick(query, links, has_range))
                        " "
                        (when("start_ts", "from", start, "-5m"))
                        " "
                        (when("end_ts", "to", end, "now"))
                        " "
                        (zone_field(typed.zone.clone().or_else(|| query.tz.as_ref().map(|zone| zone_name(zone).into_owned())), self.zone))
                        " "
                        (chips(query, links, pattern_texts))
                    }
                }
            }
        }
    }

    fn searched(&self) -> Markup {
        searched(self.query, self.zone, self.pattern_texts)
    }
}

/// The search in words: what a phone shows of the form, and a printed page.
pub fn searched(query: &Query, zone: &str, pattern_texts: &PatternTexts) -> Markup {
    let mode = [(Mode::Words, "words"), (Mode::Regex, "regex")].into_iter().find(|(mode, _)| *mode == query.mode);
    let context = match query.context {
        Context::None | Context::Lines(0) => None,
        Context::Lines(lines) => Some(format!("context {lines}")),
        Context::All => Some("all following".to_owned()),
    };
    let start = query.start.as_ref().map_or_else(|| "-5m".to_owned(), When::to_string);
    let end = query.end.as_ref().map_or_else(|| "now".to_owned(), When::to_string);
    html! {
        // a phone cuts the end of it
        (start) " to " (end) span.printed { " " (zone) }
        @if !query.search.is_empty() { " · " q { (visible_in_line(cut(&query.search, GROUP_CHARS).0)) } }
        @else if query.filters.iter().all(|filter| filter.off) { " · all records" }
        @if let Some((_, mode)) = mode { " " (mode) }
        @for (is_on, name) in [(query.case, "case"), (query.word, "word"), (query.invert, "invert")] { @if is_on { " " (name) } }
        @if query.within == Within::All { " in all columns" }
        @if let Some(context) = context { " " (context) }
        @for filter in query.filters.iter().filter(|filter| !filter.off) {
            " · " (visible_in_line(cut(&filter.column, VALUE_CHARS).0)) " " (condition(filter, pattern_texts))
        }
    }
}

/// Text in a field, which the browser must send back unchanged. Characters that a browser or terminal would obey are written as
/// numbers; HTML has no number for U+0080 to U+009F, and cannot hold U+0000.
pub fn field(text: &str) -> PreEscaped<String> {
    let mut out = String::with_capacity(text.len());
    for c in html! { (text) }.into_string().chars() {
        match c {
            '\0'..='\x1f' | '\x7f' => write!(out, "&#{};", u32::from(c)).expect("a String takes all"),
            '\u{80}'.. if visible_in_line(c.encode_utf8(&mut [0; 4])).starts_with("<U+") && c > '\u{9f}' => {
                write!(out, "&#{};", u32::from(c)).expect("a String takes all");
            }
            c => out.push(c),
        }
    }
    PreEscaped(out)
}

/// The content of the search field. If the form is sent again, it is the same search.
fn own_fields(query: &Query) -> String {
    query.pairs().into_iter().find(|(name, _)| name == "search").map(|(_, text)| text).unwrap_or_default()
}

/// The rest of the search, without its place.
fn hidden_fields(query: &Query) -> Vec<(String, String)> {
    edit::first(query).pairs().into_iter().filter(|(name, _)| !FORM_FIELDS.contains(&name.as_str())).collect()
}

fn mode(mode: Mode) -> Markup {
    let choices = [(Mode::Literal, "literal"), (Mode::Words, "words"), (Mode::Regex, "regex")];
    html! {
        select name="mode" aria-label="How to read the search" {
            @for (choice, name) in choices { option value=(name) selected[choice == mode] { (name) } }
        }
    }
}

fn within(within: Within) -> Markup {
    html! {
        select name="in" aria-label="Where to search" {
            option value="message" selected[within == Within::Message] { "in message" }
            option value="all" selected[within == Within::All] { "in all columns" }
        }
    }
}

fn context(context: Context) -> Markup {
    let lines = match context {
        Context::Lines(lines) => Some(lines),
        Context::None => Some(0),
        Context::All => None,
    };
    let mut offered = OFFERED_CONTEXT_LINES.to_vec();
    offered.extend(lines);
    offered.sort_unstable();
    offered.dedup();
    html! {
        label.opt {
            "context "
            select name="context" title="lines of the same stream around each match" {
                // empty rather than 0, since 0 puts `--` between matches that are not neighbours
                @for choice in offered { option value=(if choice == 0 { String::new() } else { choice.to_string() }) selected[lines == Some(choice)] { (choice) } }
                option value="y" selected[lines.is_none()] { "all following" }
            }
        }
    }
}

fn flag(name: &str, text: &str, title: &str, on: bool) -> Markup {
    html! { label.opt title=(title) { input type="checkbox" name=(name) value="1" checked[on]; " " (text) } }
}

fn when(name: &str, text: &str, when: Option<String>, default: &str) -> Markup {
    html! {
        label.opt {
            (text) " "
            input name=(name) value=[when.as_deref().map(field)] placeholder=(default) size="16" autocomplete="off"
                title="15:40, -2h, yesterday 15:00, 2026-11-28 15:40";
        }
    }
}

/// The zone of the range; empty is the one in use.
fn zone_field(zone: Option<String>, default: &str) -> Markup {
    html! {
        label.opt {
            "in "
            input #zone name="tz" value=[zone.as_deref().map(field)] placeholder=(default) list="zones" size="14" autocomplete="off"
                title="Europe/Berlin, Berlin, MSK, +02:00";
        }
        (zones())
    }
}

/// The zones that are offered, for a field with `list=zones`.
pub fn zones() -> Markup {
    html! { datalist id="zones" { @for zone in ZONES { option value=(zone) {} } } }
}

/// The ranges that readers want most, one click each.
/// `has_range`: the form has the range of the query, one of which may be the choice.
fn quick(query: &Query, links: &SearchLinks, has_range: bool) -> Markup {
    let ago = |minutes: u32| (Some(When::Ago(minutes * 60)), None);
    let choices = [
        ("5m", (None, None)),
        ("15m", ago(15)),
        ("1h", ago(60)),
        ("6h", ago(360)),
        ("24h", ago(1440)),
        ("7d", ago(7 * 1440)),
        ("today", (Some(When::TODAY), None)),
        ("yesterday", (Some(When::YESTERDAY), Some(When::TODAY))),
    ];
    html! {
        span.quick {
            @for (name, (start, end)) in choices {
                @let current = has_range && query.start == start && query.end == end;
                a href=(links.to("", &edit::from_to(query, start, end))) aria-current=[current.then_some("true")] { (name) }
                " "
            }
        }
    }
}

fn chips(query: &Query, links: &SearchLinks, pattern_texts: &PatternTexts) -> Markup {
    html! {
        @for (at, filter) in query.filters.iter().enumerate() {
            span class={ "chip" @if filter.off { " off" } } {
                @let text = html! { b { (visible_in_line(cut(&filter.column, VALUE_CHARS).0)) } " " (condition(filter, pattern_texts)) };
                @match edit::turned(query, at) {
                    Some(turned) => a href=(links.to("", &turned)) title="invert this filter" { (text) },
                    None => span { (text) },
                }
                " "
                @let (title, sign) = if filter.off { ("enable", "●") } else { ("disable", "○") };
                a href=(links.to("", &edit::switched(query, at))) title=(title) aria-label=(title) { (sign) }
                " "
                a href=(links.to("", &edit::removed(query, at))) title="remove" aria-label="remove" { "×" }
            }
            " "
        }
    }
}

fn condition(filter: &Filter, pattern_texts: &PatternTexts) -> Markup {
    let (sign, mut values) = filter.is.shown();
    for (value, pattern) in values.iter_mut().zip(filter.is.patterns().unwrap_or_default()) {
        if let Some(text) = pattern_texts.get(pattern) {
            *value = pattern_shown(text).to_owned();
        }
    }
    let chars = if matches!(filter.is, Condition::AnyOf(_)) { GROUP_CHARS } else { VALUE_CHARS };
    let short = |value: &String| {
        let (part, is_cut) = cut(value, chars);
        format!("{}{}", visible_in_line(part), if is_cut { "…" } else { "" })
    };
    let shown: Vec<String> = values.iter().take(LISTED_VALUES).map(short).collect();
    let more = values.len().saturating_sub(LISTED_VALUES);
    html! { (sign) @if !shown.is_empty() { " " (shown.join(", ")) } @if more > 0 { " and " (more) " more" } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::pattern::{self, PatternHash};

    fn form(query: &Query, pattern_texts: &PatternTexts) -> Markup {
        SearchForm { base: "/", zone: "UTC", links: &SearchLinks::default(), query, pattern_texts }.markup()
    }

    fn query(url: &str) -> Query {
        Query::from_url(vec!["web".parse().expect("a name")], url).expect(url)
    }

    #[test]
    fn a_form_to_change_is_open_and_has_what_was_typed() {
        let (query, pattern_texts) = (query(""), PatternTexts::default());
        let form = SearchForm {
            base: "/",
            zone: "UTC",
            links: &SearchLinks::default(),
            query: &query,
            pattern_texts: &pattern_texts,
        };
        let typed = form.to_change(&FieldTexts::of("start_ts=foo")).into_string();
        assert!(typed.contains("value=\"foo\"") && typed.contains("<details class=\"unfold\" open>"), "{typed}");
        assert!(!typed.contains("aria-current") && !typed.contains("-5m to now"), "no range was read: {typed}");
        let usual = form.markup().into_string();
        assert!(usual.contains("aria-current") && usual.contains("-5m to now") && !usual.contains(" open>"), "{usual}");
    }

    /// The query string that a browser would send for the form unchanged.
    fn sent(html: &str) -> String {
        let mut pairs = Vec::new();
        let attribute = |tag: &str, name: &str| {
            let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
            let text = rest.split('"').next()?;
            let text = text.replace("&#27;", "\x1b").replace("&#8238;", "\u{202e}");
            Some(text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"))
        };
        let mut select = String::new();
        for tag in html.split('<').skip(1).map(|tag| tag.split('>').next().unwrap_or(tag)) {
            let value = || attribute(tag, "value").unwrap_or_default();
            if tag.starts_with("select") {
                select = attribute(tag, "name").expect("a name");
            } else if tag.starts_with("option") && tag.contains(" selected") {
                pairs.push((select.clone(), value()));
            } else if tag.starts_with("input") && (!tag.contains("checkbox") || tag.contains(" checked")) {
                pairs.push((attribute(tag, "name").expect("a name"), value()));
            }
        }
        pairs.iter().map(|(k, v)| format!("{}={}", links::segment(k), links::segment(v))).collect::<Vec<_>>().join("&")
    }

    #[track_caller]
    fn check(url: &str) {
        let query = query(url);
        assert_eq!(query_of_form(&query), edit::first(&query), "{url}");
    }

    fn query_of_form(query: &Query) -> Query {
        Query::from_url(query.indexes.clone(), &sent(&form(query, &PatternTexts::new()).into_string()))
            .expect("what a form sends")
    }

    #[test]
    fn a_form_that_is_sent_again_is_the_same_search() {
        check("");
        check("search=%22%3Cb%3E+%26+%27x&mode=regex&case=1&word=1&invert=1&in=all&context=7");
        check("search=%1b[31m%e2%80%ae&host=%1b");
        check("pattern=0123456789abcde&js.pattern=x&off.pattern__not=0123456789abcde,0123456789abcdf");
        check("start_ts=-1h&end_ts=2026-11-22+10:00&host=a&host__not=b,c&off.x=1&columns=a,b&order=desc&wrap=1");
        check("context=y&before=3&after=4&limit=50&tz=Europe/Berlin&cursor=a1.2.3.4");
        check("js.search=x&a%3Db=c%2C&status__gte=500&x__exists=0&x__like=a*b");
        // would be read as a filter, were it not written otherwise
        check("search=a%5C%3Db+%5Chost=web");
    }

    #[test]
    fn nothing_in_a_field_is_obeyed() {
        assert_eq!(field("<\x1b[2J\u{202e}\"\n日\u{7f}").into_string(), "&lt;&#27;[2J&#8238;&quot;&#10;日&#127;");
    }

    #[test]
    fn a_filter_is_a_chip() {
        let html = form(&query("host=a&host=%3Cb%3E&off.status__gt=5"), &PatternTexts::new()).into_string();
        assert!(html.contains("<b>host</b> = a, &lt;b&gt;"), "{html}");
        assert!(html.contains("chip off"), "{html}");
        assert!(html.contains("title=\"enable\""), "{html}");
        let html = form(&query("any=host=a|host=b+n>5"), &PatternTexts::new()).into_string();
        assert!(html.contains("<span><b>any</b> of host=a | host=b n&gt;5</span>"), "{html}");
    }

    #[test]
    fn the_chip_of_a_pattern_has_its_text() {
        let (known, unknown) = (pattern::of("order <b> 7 paid"), pattern::of("disk full").hash);
        let texts = PatternTexts::from([(known.hash, known.text), (PatternHash::NONE, String::new())]);
        let url = format!("pattern={}&pattern__not={},{unknown}", known.hash, PatternHash::NONE);
        let html = form(&query(&url), &texts).into_string();
        assert!(html.contains("<b>pattern</b> = order &lt;b&gt; * paid</a>"), "{html}");
        assert!(html.contains(&format!("<b>pattern</b> ≠ (no text), {unknown}</a>")), "{html}");
    }
}
