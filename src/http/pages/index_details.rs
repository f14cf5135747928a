//! What the list of indexes has below its only index: where to begin, and what is known of it.

use maud::{Markup, html};

use crate::http::pages::index_row::{IndexRow, NewPatterns};
use crate::http::pages::{disk_size, links, records};
use crate::render::escape::visible_in_line;
use crate::time::Ts;

/// The ranges to begin with: texts, and the ends of addresses below the index.
const BEGINNINGS: [(&str, &str); 9] = [
    ("last 5 minutes", ""),
    ("last hour", "?start_ts=-1h"),
    ("today", "?start_ts=today"),
    ("yesterday", "?start_ts=yesterday&end_ts=today"),
    ("new records as they arrive", "?follow=1"),
    ("errors, by pattern", "patterns/?start_ts=today&sort=level"),
    ("patterns of today", "patterns/?start_ts=today"),
    ("columns", "columns/"),
    ("how to search", "help/"),
];

/// `base` is the frame's.
pub fn details(base: &str, now: Ts, index: &IndexRow) -> Markup {
    let path = links::index_path(base, index.name);
    html! {
        section.details aria-label={ "About " (index.name) } {
            form method="get" action=(path) {
                input type="search" name="search" aria-label={ "Search " (index.name) } placeholder={ "search " (index.name) ", last 5 minutes" };
                " "
                button { "search" }
            }
            dl.record {
                dt { "read" }
                dd { @for (at, (text, end)) in BEGINNINGS.iter().enumerate() { @if at > 0 { " · " } a href={ (path) (end) } { (text) } } }
                @if let Some(new) = &index.new_patterns {
                    dt { "new in 6 h" }
                    dd { (news(&path, new)) }
                }
                @if let Some(collecting) = &index.collecting {
                    dt { "collecting" }
                    dd {
                        @if let Some(backlog) = collecting.backlog { (records(backlog)) " in the queue; " }
                        (collecting.ages(now))
                    }
                }
                @if let Some(kept) = &index.kept {
                    dt { "kept" }
                    dd {
                        (kept.days) " of " (kept.most_days) " days"
                        @if let Some(since) = &kept.since { ", since " (since) }
                        @if let Some(bytes) = kept.disk_bytes { "; " (disk_size(bytes)) " on the disk of this node" }
                    }
                }
            }
        }
    }
}

/// The number, and the texts of the first.
fn news(path: &str, new: &NewPatterns) -> Markup {
    match new {
        NewPatterns::Count(0, _) => html! { "no pattern of a warning or an error" },
        NewPatterns::Count(_, texts) => html! {
            (new.markup(path)) " of warnings and errors"
            ul { @for text in texts { li { code { (visible_in_line(text)) } } } }
        },
        NewPatterns::UnknownBefore(since) => html! { "known a day later: patterns are remembered since " (since) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pages::index_row::{Collecting, KeptRecords};

    #[test]
    fn the_only_index_has_all_that_is_known_of_it() {
        let now = Ts::from_micros(1_795_341_600_000_000);
        let web = "web".parse().expect("a name");
        let row = IndexRow {
            name: &web,
            title: "",
            figures: None,
            last_seen: None,
            kept: Some(KeptRecords {
                days: 2,
                most_days: 30,
                since: Some("2026-11-21".to_owned()),
                disk_bytes: Some(5_000_000),
            }),
            collecting: Some(Collecting { backlog: Some(1), ..Collecting::default() }),
            new_patterns: Some(NewPatterns::Count(1, vec!["disk <full>".to_owned()])),
            shortcuts: vec![],
        };
        let html = details("/", now, &row).into_string();
        for part in [
            "action=\"/grep/web/\"",
            "href=\"/grep/web/?start_ts=-1h\">last hour</a>",
            "<code>disk &lt;full&gt;</code>",
            "1 record in the queue; delivered not yet",
            "2 of 30 days, since 2026-11-21; 5.0 MB on the disk of this node",
        ] {
            assert!(html.contains(part), "no {part} in {html}");
        }
    }
}
