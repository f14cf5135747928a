//! The pages: each file a page, or a part that several have. Pure: a view in, markup out, and all of maud is here.
//!
//! Text of a log reaches a page only through `visible`, addresses only through `links`. There is no script and no style
//! in the markup: the Content-Security-Policy allows neither.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::config::{IndexName, IndexSelection};
use crate::http::assets;
use crate::render::escape;
use crate::time::Ts;

pub mod columns;
pub mod day_bars;
pub mod error;
pub mod filters;
pub mod follow;
pub mod help;
pub mod histogram;
pub mod index_details;
pub mod index_list;
mod index_row;
mod lean;
pub mod line;
pub mod line_columns;
pub mod links;
pub mod log;
pub mod marked;
pub mod message_json;
pub mod neighbourhood;
pub mod patterns;
mod portions;
pub mod record;
pub mod search;
pub mod shortcuts;
pub mod values;

/// More indexes than these are one link to their list, so that the header stays one line.
const NAV_INDEXES: usize = 12;

/// The access keys of a page, with what each is for.
pub type AccessKeys = &'static [(&'static str, &'static str)];

pub const LOG_KEYS: AccessKeys = &[
    ("s", "search"),
    ("p", "previous page"),
    ("n", "next page"),
    ("0", "newest"),
    ("e", "next error"),
    ("f", "follow"),
    ("h", "help"),
];
/// Of other pages with a search form.
pub const FORM_KEYS: AccessKeys = &[("s", "search"), ("h", "help")];
pub const RECORD_KEYS: AccessKeys = &[("p", "earlier lines"), ("n", "later lines")];

/// The parts around the content of every page.
#[derive(Clone, Debug, Default)]
pub struct Frame<'a> {
    /// begins and ends with `/`
    pub base: &'a str,
    pub indexes: Vec<&'a IndexName>,
    /// by the page's search; empty: it has none
    pub searched: IndexSelection,
    /// the query string of the links to other indexes: the same search
    pub keep: String,
    /// those to searches near the page's own
    pub links: links::SearchLinks,
    /// the name of the zone in use
    pub zone: String,
    /// the page has a search form, with a field for the zone: the footer has none
    pub has_search_form: bool,
    /// the state of the page as fields, for the form that chooses another zone; None: the page has no such form
    pub state: Option<Vec<(String, String)>>,
    pub keys: AccessKeys,
    /// seconds after which the page reloads itself
    pub refresh: Option<u32>,
}

impl Frame<'_> {
    /// The page: `main` is its content, with an element whose id is `log`.
    pub fn page(&self, title: &str, main: Markup) -> Markup {
        html! { (self.opening(title, &[("#log", "Skip to the content")])) (main) (self.closing()) }
    }

    /// The markup before the main part, for a page that is written while its search runs. The first links of a page skip
    /// the parts that all pages have.
    pub fn opening(&self, title: &str, skips: &[(&str, &str)]) -> Markup {
        html! {
            (DOCTYPE)
            (PreEscaped("<html lang=\"en\">"))
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if let Some(seconds) = self.refresh { meta http-equiv="refresh" content=(seconds); }
                meta name="color-scheme" content="light dark";
                title { (escape::visible_in_line(title)) " · alco" }
                link rel="stylesheet" href={ (self.base) "style.css?" (assets::style_hash()) };
                link rel="icon" href="data:,";
            }
            (PreEscaped("<body>"))
            @for (href, text) in skips { a.skip href=(href) { (text) } " " }
            (self.header())
        }
    }

    /// The markup after the main part.
    pub fn closing(&self) -> Markup {
        html! { (self.footer()) (PreEscaped("</body></html>")) }
    }

    fn header(&self) -> Markup {
        let is_all = self.searched.is_all();
        let is_current = |name: &IndexName| !is_all && self.searched.contains(name);
        let shown = self.indexes.iter().enumerate().filter(|(at, name)| *at < NAV_INDEXES || is_current(name));
        html! {
            header.top {
                a.brand href={ (self.base) "grep/" } { "alco" }
                " "
                nav aria-label="Indexes" {
                    @for (_, name) in shown {
                        span {
                            a href=(self.kept(&links::index_path(self.base, name))) aria-current=[is_current(name).then_some("page")] { (name) }
                            @if !self.searched.is_empty() && !self.searched.contains(name) {
                                " "
                                a.dim href=(self.kept(&links::grep_path(self.base, &self.searched.with(name)))) title={ "search " (name) " too" } aria-label={ "search " (name) " too" } { "+" }
                            }
                        }
                        " "
                    }
                    @if self.indexes.len() > 1 {
                        a href=(self.kept(&links::grep_path(self.base, &IndexSelection::all(&self.indexes)))) aria-current=[is_all.then_some("page")] { "all indexes" }
                    }
                    @if self.indexes.len() > NAV_INDEXES {
                        " "
                        a href={ (self.base) "grep/" } { "list of " (self.indexes.len()) }
                    }
                }
                @if self.state.is_some() {
                    " "
                    // a block, so that text browsers begin the form on a line of its own
                    div.end { "times in " a href="#zone" { (self.zone) } }
                }
            }
        }
    }

    /// The page's search at another path.
    fn kept(&self, path: &str) -> String {
        links::at(path, &self.keep)
    }

    fn footer(&self) -> Markup {
        html! {
            footer {
                @if let Some(state) = &self.state {
                    @if !self.has_search_form {
                        form method="get" id="zone" {
                            @for (name, value) in self.links.fields(state, &["tz"]) {
                                @if name != "tz" { input type="hidden" name=(search::field(&name)) value=(search::field(&value)); }
                            }
                            label { "Time zone " input name="tz" value=(self.zone) list="zones" size="18" autocomplete="off"; }
                            (search::zones())
                            " "
                            button { "choose" }
                        }
                    } @else {
                        @let path = links::grep_path(self.base, &self.searched);
                        form method="get" action={ (path) "habits/keep/" } {
                            @for (name, value) in self.links.fields(state, &[]) { input type="hidden" name=(search::field(&name)) value=(search::field(&value)); }
                            button title="for this browser, where an address says nothing" { "keep zone, order, wrap, columns" }
                        }
                        " "
                        a.dim rel="nofollow" href=(self.kept(&format!("{path}habits/forget/"))) { "forget them" }
                    }
                }
                @if !self.keys.is_empty() {
                    p.keys {
                        "Keys (with your browser's access key): "
                        @for (at, (key, what)) in self.keys.iter().enumerate() { @if at > 0 { ", " } kbd { (key) } " " (what) }
                    }
                }
                p { "alco " (env!("CARGO_PKG_VERSION")) }
            }
        }
    }
}

/// A notice about the whole page.
pub fn note(text: Markup) -> Markup {
    html! { p.note role="status" { (text) } }
}

/// `1,234,567`
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 record`, `2,000 records`
pub fn records(number: u64) -> String {
    format!("{} record{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// A size on a disk, in the largest unit that fits: `340 MB`, `1.2 GB`.
pub fn disk_size(bytes: u64) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) if bytes < 10 * unit => format!("{}.{} {name}", bytes / unit, bytes / (unit / 10) % 10),
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{} kB", bytes.div_ceil(1000)),
    }
}

/// A length of time, in the largest unit that fits: `0.4 s`, `3 min`, `2 h`, `5 d`.
pub fn duration(micros: i64) -> String {
    match micros.max(0) / 100_000 {
        tenths if tenths < 100 => format!("{}.{} s", tenths / 10, tenths % 10),
        tenths if tenths < 1_200 => format!("{} s", tenths / 10),
        tenths if tenths < 72_000 && tenths != 36_000 => format!("{} min", tenths / 600),
        tenths if tenths < 1_728_000 => format!("{} h", tenths / 36_000),
        tenths => format!("{} d", tenths / 864_000),
    }
}

/// The time from then to now.
pub fn age(ts: Ts, now: Ts) -> String {
    let micros = now.micros() - ts.micros();
    if micros < -1_000_000 { format!("in {}", duration(-micros)) } else { format!("{} ago", duration(micros)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_to_be_read() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
        for (bytes, text) in [
            (0, "0 kB"),
            (1, "1 kB"),
            (340_500_000, "340 MB"),
            (1_290_000_000, "1.2 GB"),
            (12_000_000_000_000, "12 TB"),
        ] {
            assert_eq!(disk_size(bytes), text);
        }
        for (micros, text) in [
            (-5, "0.0 s"),
            (430_000, "0.4 s"),
            (59_900_000, "59 s"),
            (300_000_000, "5 min"),
            (3 * 3_600_000_000, "3 h"),
            (3 * 86_400_000_000, "3 d"),
        ] {
            assert_eq!(duration(micros), text);
        }
    }
}
