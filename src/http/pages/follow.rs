//! The page that stays open and grows. CSS alone pins the box of lines to its end, since its content runs upwards
//! (`column-reverse`) from one inner block. The box keeps its place when the reader scrolls up.

use maud::{Markup, PreEscaped, html};

use crate::http::pages::log::view::LogView;
use crate::http::pages::{Frame, links};
use crate::query::{Follow, Format, Query, REFRESH_SECONDS, edit};
use crate::render::escape::visible_in_line;

#[derive(Clone, Debug)]
pub struct FollowView<'a> {
    /// the same search, not followed
    pub lines: &'a LogView<'a>,
    pub query: &'a Query,
}

impl FollowView<'_> {
    fn frame(&self) -> &Frame<'_> {
        &self.lines.frame
    }

    /// The part before the lines.
    pub fn opening(&self) -> Markup {
        let q = self.query;
        let link = |query: &Query| links::to("", query);
        let refreshing = Query { follow: Follow::Every(REFRESH_SECONDS), ..q.clone() };
        html! {
            (self.frame().opening(&format!("following {}", self.lines.title()), &[("#log", "Skip to the log")]))
            (self.lines.form().markup())
            (PreEscaped("<main>"))
            h1.vh { "Log of " (q.indexes.title()) ", growing" }
            div.bar.strip {
                span { "follows new records; the newest line is the last; times in " (self.frame().zone) }
                " "
                a href="#e1" accesskey="e" { "next error ↓" }
                " "
                span.end {
                    a href=(link(&edit::follow(q, Follow::No))) accesskey="f" { "stop following" }
                    " "
                    a.dim href=(link(&refreshing)) { "refresh every " (REFRESH_SECONDS) " s instead" }
                    " "
                    @if q.wraps() { a href=(link(&Query { wrap: Some(false), ..q.clone() })) { "no wrap" } }
                    @else { a href=(link(&Query { wrap: Some(true), ..q.clone() })) { "wrap" } }
                    @for format in [Format::Text, Format::Ndjson] {
                        " "
                        a href=(link(&Query { format, ..q.clone() })) { (format.label()) }
                    }
                }
            }
            (PreEscaped("<div class=\"tail\" role=\"log\" aria-label=\"Log, growing\" tabindex=\"0\">"))
        }
    }

    /// A notice among the lines.
    pub fn notice(&self, what: &str) -> Markup {
        html! { div.said role="listitem" { "-- " (visible_in_line(what)) } }
    }

    /// The end, which comes when the page is full or the daemon stops; `on`: the search to go on with.
    pub fn closing(&self, why: &str, on: &Query) -> Markup {
        html! {
            div.said role="listitem" { "-- " (visible_in_line(why)) ": " a href=(links::to("", on)) { "go on" } }
            (PreEscaped("</div></div></main>"))
            (self.frame().closing())
        }
    }
}
