//! Long searches that Redis keeps, so that the links of their pages are short; and such a link, which leads to the address with the
//! whole search.

use std::ops::RangeInclusive;
use std::time::SystemTime;

use crate::config::IndexSelection;
use crate::http::error::Refusal;
use crate::http::pages::links::{self, SearchLinks};
use crate::http::request::MAX_URL_BYTES;
use crate::http::response::{Answer, Reply};
use crate::http::site::Site;
use crate::query::difference::{self, KeptSearch};
use crate::query::{Follow, Query};
use crate::time::Ts;

/// A search of this size is kept: a shorter one costs a page no more than its token would, and a longer one has no address.
const KEPT_BYTES: RangeInclusive<usize> = 41..=MAX_URL_BYTES;

/// The links of a page with this search. Where Redis is away, each has the whole search.
pub fn search_links(site: &Site, query: &Query) -> SearchLinks {
    // the same search has one token, whatever its page does
    let kept = KeptSearch::of(&Query { follow: Follow::No, overview: None, ..query.clone() });
    let is_kept = KEPT_BYTES.contains(&kept.text.len())
        && site
            .with_redis(|redis| redis.keep_search(&kept.token, &kept.text, Ts::of(SystemTime::now())))
            .unwrap_or_default();
    SearchLinks::new(is_kept.then_some(kept))
}

/// Any page whose query string is a link's: its address with the whole search. `parts`: of the path below base_path.
///
/// # Errors
/// The search is no longer kept. A record is shown without it.
pub fn open(site: &Site, parts: &[&str], (token, changes): (&str, &str), now: Ts) -> Answer {
    let path: Vec<String> = parts.iter().map(|part| links::segment(part)).collect();
    let path = format!("{}{}", site.http().base_path, path.join("/"));
    let is_record = matches!(parts, ["grep", _, "at", ..]);
    let anchor = if is_record { "#here" } else { "" };
    let kept = match site.ask_redis(|redis| redis.kept_search(token, now)) {
        Ok(Some(kept)) => kept,
        _ if is_record => return Ok(Reply::redirect(302, &format!("{path}{anchor}"))),
        Ok(None) => {
            return Err(Refusal::NotFound(
                "The search of this link is no longer kept: the links of a long search lead somewhere for a week. Go back, and load \
                 the page again."
                    .to_owned(),
            ));
        }
        Err(why) => return Err(Refusal::RedisAway(format!("the search of this link is not known: {why}"))),
    };
    let text = difference::whole(&kept, changes);
    let text = match Query::read(IndexSelection::default(), &text) {
        (query, errors) if errors.is_empty() => query.to_url(),
        _ => text,
    };
    let query = if text.is_empty() { text } else { format!("?{text}") };
    Ok(Reply::redirect(302, &format!("{path}{query}{anchor}")))
}
