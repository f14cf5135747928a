//! Finds the route that answers an address, in one match. A panic of a route is a 500.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::config::OpenPath;
use crate::http::assets;
use crate::http::auth::Access;
use crate::http::error::Refusal;
use crate::http::pages::links;
use crate::http::request::{Client, LogRequest, RequestUrl};
use crate::http::response::{Answer, Reply};
use crate::http::routes;
use crate::http::routes::error::{InvalidRequest, invalid_request, refused};
use crate::http::routes::{api, columns, habits, help, index_list, monitoring, patterns, record, shortcuts, values};
use crate::http::site::Site;
use crate::time::Ts;

/// Longer addresses are refused: our own links stay below, and servers and browsers stop at about as much.
const MAX_URL_BYTES: usize = 16 * 1024;

/// The reply to a request, whatever happens.
pub fn reply(site: &Site, method: &str, url: &str, client: &Client, now: Ts) -> Reply {
    let is_read = matches!(method, "GET" | "HEAD") || method == "POST" && takes_forms(site, url);
    if !is_read {
        let why = format!("{method} is not supported");
        let todo = "Use GET: every page here is reached by a link or a form.";
        let error = InvalidRequest { status: 405, title: "Only GET", why: &why, todo };
        return invalid(site, url, &error).with("Allow", "GET, HEAD");
    }
    if url.len() > MAX_URL_BYTES {
        let why = format!("it has {} bytes; {MAX_URL_BYTES} are the limit", url.len());
        let todo = "Take some filters away.";
        return invalid(site, url, &InvalidRequest { status: 414, title: "The address is too long", why: &why, todo });
    }
    let asked = match RequestUrl::parse(url) {
        Ok(asked) => asked,
        Err(why) => {
            let (title, todo) = ("The address cannot be read", "Write % as %25.");
            return invalid(site, url, &InvalidRequest { status: 400, title, why: &why, todo });
        }
    };
    let panicked = |_| {
        log::error!("a route panicked: {url}");
        Err(Refusal::Internal)
    };
    // a route does not change the site, and a panic leaves locked values whole
    let answer = catch_unwind(AssertUnwindSafe(|| route(site, &asked, client, now))).unwrap_or_else(panicked);
    let reply = answer.unwrap_or_else(|refusal| match below(&site.config.http.base_path, &asked.parts) {
        Some([first, ..]) if first == "api" => api::refused(&refusal),
        Some([first, list, ..]) if first == "grep" => {
            let search = LogRequest::parse(site, list, asked.query, now);
            let refusal = match search {
                Ok(search) => refusal.of_search(&search.query),
                Err(_) => refusal,
            };
            refused(site, &refusal)
        }
        _ => refused(site, &refusal),
    });
    log::debug!("{} {url}", reply.status);
    reply
}

/// True for the addresses of the pages whose forms change something.
fn takes_forms(site: &Site, url: &str) -> bool {
    let Ok(asked) = RequestUrl::parse(url) else { return false };
    let parts = below(&site.config.http.base_path, &asked.parts).unwrap_or_default();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    matches!(parts[..], ["grep", "shortcut", ""] | ["grep", _, "save", ""])
}

/// The reply to a request that cannot be routed, in the form that its client reads.
fn invalid(site: &Site, url: &str, error: &InvalidRequest) -> Reply {
    match is_for_programs(site, url) {
        true => api::wrong(error.status, error.why, error.todo),
        false => invalid_request(site, error),
    }
}

fn is_for_programs(site: &Site, url: &str) -> bool {
    url.strip_prefix(site.config.http.base_path.as_str()).is_some_and(|path| path.starts_with("api/"))
}

fn route(site: &Site, asked: &RequestUrl, client: &Client, now: Ts) -> Answer {
    let base = &site.config.http.base_path;
    let parts: Option<Vec<&str>> = below(base, &asked.parts).map(|parts| parts.iter().map(String::as_str).collect());
    let text = asked.query;
    let request = |list: &str| LogRequest::parse(site, list, text, now);
    let with_habits = |list: &str| request(list).map(|request| request.with_habits(site, client));
    let etag = client.known_etag.as_deref();
    if !parts.as_ref().is_some_and(|parts| is_open(site, parts)) {
        match site.users.access(&client.credentials) {
            Access::Granted => {}
            Access::Denied => return Err(Refusal::Unauthorized { password: site.users.asks_for_password() }),
            Access::Later(wait) => {
                let (why, seconds) = ("too many logins with a wrong name or password", wait.as_secs() + 1);
                return Err(Refusal::Later { status: 429, why, seconds });
            }
        }
    }
    let Some(parts) = parts else {
        return Err(Refusal::NotFound(format!("Everything here is below {base}.")));
    };
    Ok(match parts[..] {
        [] | [""] => Reply::redirect(302, &format!("{base}grep/")),
        ["grep", ""] => index_list::index_page(site, client, text, now)?,
        ["grep", "shortcut", ""] => shortcuts::list(site, client)?,
        ["grep", "shortcut", name, ""] => shortcuts::open(site, name, None, text)?,
        ["grep", "shortcut", name, value, ""] => shortcuts::open(site, name, Some(value), text)?,
        ["grep", list, "save", ""] => shortcuts::save(site, &request(list)?, client)?,
        ["grep", list, ""] => {
            let may_save = shortcuts::may_save(site, client);
            routes::log::log_page(site, LogRequest { may_save, ..with_habits(list)? }, text)?
        }
        ["grep", list, "at", place, ref around @ .., ""] => {
            record::record_page(site, &with_habits(list)?, place, around, !text.is_empty())?
        }
        ["grep", list, "habits", "keep", ""] => habits::keep(site, &request(list)?, client)?,
        ["grep", list, "habits", "forget", ""] => habits::forget(site, &request(list)?, client)?,
        ["grep", list, "help", ""] => help::help_page(site, &with_habits(list)?),
        ["grep", list, "columns", ""] => columns::columns_page(site, &with_habits(list)?, client)?,
        ["grep", list, "patterns", ""] => patterns::patterns_page(site, with_habits(list)?, text, client)?,
        ["grep", list, "next-error", ""] => routes::next_error::next_error(site, &with_habits(list)?, client)?,
        ["grep", list, "values", column, ""] => values::values_page(site, &with_habits(list)?, column, client),
        ["style.css"] => {
            let (style, hash) = (assets::STYLE, assets::style_hash());
            Reply::file("text/css; charset=utf-8", style, hash, text == hash, etag)
        }
        ["collector", "sphinx.conf"] => monitoring::conf(site, now).unless_known(etag),
        ["api", "collector", "indices", ""] => monitoring::indices(site, now).unless_known(etag),
        ["api", "grep", list, ""] => api::logs(site, request(list)?, client)?,
        ["api", "grep", list, "count", ""] => api::count(site, &request(list)?, client)?,
        ["api", "grep", list, "histogram", ""] => api::histogram(site, &request(list)?, client)?,
        ["api", "grep", list, "values", column, ""] => api::values(site, &request(list)?, column, client)?,
        ["api", "grep", list, "patterns", ""] => api::patterns(site, &request(list)?, client)?,
        ["api", "grep", list, "columns", ""] => api::columns(site, &request(list)?)?,
        ["metrics"] => monitoring::metrics(site, now),
        ["health"] => monitoring::health(site, now),
        // a page's address ends with a slash, since its links begin there
        ["grep", .., last] | ["api", .., last] if !last.is_empty() => with_slash(base, &parts, text),
        ["grep"] => with_slash(base, &parts, text),
        _ => return Err(Refusal::NotFound("There is no such page.".to_owned())),
    })
}

/// True for an address that every client may ask, also where users are needed.
fn is_open(site: &Site, parts: &[&str]) -> bool {
    let path = match parts {
        // the page that asks for a password looks as the others do
        ["style.css"] => return true,
        ["health"] => OpenPath::Health,
        ["metrics"] => OpenPath::Metrics,
        ["collector", "sphinx.conf"] => OpenPath::SphinxConf,
        ["api", "collector", "indices", ""] => OpenPath::Indices,
        _ => return false,
    };
    site.config.http.open_paths.contains(&path)
}

/// The parts of a path after `base`; None if the path is not below it.
fn below<'a>(base: &str, parts: &'a [String]) -> Option<&'a [String]> {
    let base: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    let at_base = parts.len() >= base.len() && base.iter().zip(parts).all(|(base, part)| base == part);
    at_base.then(|| &parts[base.len()..])
}

fn with_slash(base: &str, parts: &[&str], query: &str) -> Reply {
    let path: String = parts.iter().map(|part| format!("{}/", links::segment(part))).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    Reply::redirect(301, &format!("{base}{path}{query}"))
}
