//! `/grep/<index>/habits/keep/` and `…/forget/`: zone, order, wrapping and columns of a search as this browser's defaults, in a
//! cookie. It has no secret, and what an address says comes first.

use crate::http::error::Refusal;
use crate::http::pages::links;
use crate::http::request::{Client, HABITS_COOKIE, LogRequest, MAX_COOKIE_BYTES};
use crate::http::response::{Answer, Reply};
use crate::http::site::Site;
use crate::query::{Query, edit};

const A_YEAR_SECONDS: u32 = 365 * 86_400;

/// Back to the search, which goes on saying what was kept.
pub fn keep(site: &Site, request: &LogRequest, client: &Client) -> Answer {
    let value = links::segment(&request.query.habits().to_url());
    if value.len() > MAX_COOKIE_BYTES {
        return Err(Refusal::Bad("the columns are too many to be kept; show fewer".to_owned()));
    }
    set(site, &request.query, client, &value, A_YEAR_SECONDS)
}

/// Back to the search as alco.ini has it.
pub fn forget(site: &Site, request: &LogRequest, client: &Client) -> Answer {
    set(site, &request.query.without_habits(), client, "", 0)
}

fn set(site: &Site, query: &Query, client: &Client, value: &str, seconds: u32) -> Answer {
    if client.is_cross_site {
        return Err(Refusal::Bad(
            "another site may not change what this browser keeps; use the form of a page".to_owned(),
        ));
    }
    let base = &site.http().base_path;
    let secure = if client.origin.starts_with("https:") { "; Secure" } else { "" };
    let cookie = format!("{HABITS_COOKIE}={value}; Path={base}; Max-Age={seconds}; SameSite=Lax; HttpOnly{secure}");
    let back = links::to(&links::grep_path(base, &query.indexes), &edit::first(query));
    Ok(Reply::redirect(302, &back).with("Set-Cookie", &cookie))
}
