//! The JSON in a message, shown apart from it with a line for each member; and a whole record as JSON.

use maud::{Markup, html};

use crate::http::pages::marked::linked;
use crate::http::pages::thousands;
use crate::record::json::embedded_json;
use crate::render::escape::visible;
use crate::render::pretty_json::pretty;

/// A record or a message of more bytes is not shown a second time as JSON.
pub const MAX_SHOWN_TWICE_BYTES: usize = 256 * 1024;
/// Of a message with more objects and lists, the first ones are shown apart.
const UNFOLDED_JSON: usize = 5;

pub fn message_json(message: &str) -> Markup {
    let is_short = message.len() <= MAX_SHOWN_TWICE_BYTES;
    let found = if is_short { embedded_json(message, UNFOLDED_JSON) } else { Vec::new() };
    html! {
        @for json in found.into_iter().filter_map(|range| pretty(&message[range], MAX_SHOWN_TWICE_BYTES)) {
            details.json { summary { "JSON in the message" } pre { (linked(&json, &[], 0, false)) } }
        }
    }
}

/// A whole record as JSON: its members, or a link if there are too many bytes.
pub fn record_json(members: Option<&[(String, String)]>, bytes: usize, path: &str) -> Markup {
    html! {
        details.json {
            summary { "as JSON" }
            @if let Some(members) = members {
                pre {
                    "{\n"
                    @for (at, (key, value)) in members.iter().enumerate() {
                        "  " (visible(key)) ": " (visible(value)) @if at + 1 < members.len() { "," } "\n"
                    }
                    "}"
                }
            } @else { p { a href={ (path) "?format=json" } { "all of its " (thousands(bytes as u64)) " bytes" } } }
        }
    }
}
