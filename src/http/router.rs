//! Finds the route that answers an address, in one match. A panic of a route is a 500.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::config::OpenPath;
use crate::http::assets;
use crate::http::auth::Access;
use crate::http::error::Refusal;
use crate::http::pages::links;
use crate::http::request::{Client, LogRequest, MAX_URL_BYTES, RequestUrl};
use crate::http::response::{Answer, Reply};
use crate::http::routes;
use crate::http::routes::error::{InvalidRequest, invalid_request, refused};
use crate::http::routes::{api, columns, habits, help, index_list, monitoring, patterns, record, shortcuts, values};
use crate::http::site::Site;
use crate::http::user::User;
use crate::http::visible::Visible;
use crate::metrics::client_counts::RequestRefused;
use crate::query::difference;
use crate::search::hit::SearchError;
use crate::time::Ts;

/// True for an address that must be answered while all others wait for searchd or for their turn.
pub fn is_urgent(base: &str, url: &str) -> bool {
    let path = url.split('?').next().unwrap_or_default();
    path.strip_prefix(base).is_some_and(|path| matches!(path, "health" | "metrics" | "style.css"))
}

/// The reply to a request, whatever happens, and what its user may see.
pub fn reply(site: &Site, method: &str, url: &str, client: &Client, now: Ts) -> (Reply, Visible) {
    let asked = match parsed(site, method, url) {
        Ok(asked) => asked,
        Err(reply) => return (reply, site.visible_to_strangers()),
    };
    let parts = below(&site.http().base_path, &asked.parts);
    let (visible, refusal) = match visible(site, parts, client) {
        Ok(visible) => (visible, None),
        Err(refusal) => (site.visible_to_strangers(), Some(refusal)),
    };
    let panicked = |_| {
        log::error!("a route panicked: {url}");
        Err(Refusal::Internal)
    };
    // a route does not change the site, and a panic leaves locked values whole
    let answer = match refusal {
        Some(refusal) => Err(refusal),
        None => catch_unwind(AssertUnwindSafe(|| route(site, &visible, (parts, asked.query), client, now)))
            .unwrap_or_else(panicked),
    };
    let reply = answer.unwrap_or_else(|refusal| match parts {
        Some([first, ..]) if first == "api" => api::refused(&refusal),
        Some([first, list, ..]) if first == "grep" => {
            let search = LogRequest::parse(site, &visible, list, asked.query, now);
            let refusal = match search {
                Ok(search) => refusal.of_search(&search.query),
                Err(_) => refusal,
            };
            refused(site, &visible, &refusal)
        }
        _ => refused(site, &visible, &refusal),
    });
    log::debug!("{} {url}", reply.status);
    (reply, visible)
}

/// The reply to a request that has waited too long for a thread. Its client is not asked who it is, and sees what a stranger may.
pub fn refused_as_late(site: &Site, url: &str) -> Reply {
    site.metrics.searched.refused.add(1);
    let refusal = Refusal::from(SearchError::Busy);
    match is_for_programs(site, url) {
        true => api::refused(&refusal),
        false => refused(site, &site.visible_to_strangers(), &refusal),
    }
}

/// The address of a request that can be routed.
fn parsed<'a>(site: &Site, method: &str, url: &'a str) -> Result<RequestUrl<'a>, Reply> {
    let is_read = matches!(method, "GET" | "HEAD") || method == "POST" && takes_forms(site, url);
    if !is_read {
        let why = format!("{method} is not supported");
        let todo = "Use GET: every page here is reached by a link or a form.";
        let error = InvalidRequest { status: 405, title: "Only GET", why: &why, todo };
        return Err(invalid(site, url, &error).with("Allow", "GET, HEAD"));
    }
    if url.len() > MAX_URL_BYTES {
        site.metrics.clients.refuse_request(RequestRefused::LongAddress);
        let why = format!("it has {} bytes; {MAX_URL_BYTES} are the limit", url.len());
        let todo = "Take some filters away.";
        let error = InvalidRequest { status: 414, title: "The address is too long", why: &why, todo };
        return Err(invalid(site, url, &error));
    }
    RequestUrl::parse(url).map_err(|why| {
        let (title, todo) = ("The address cannot be read", "Write % as %25.");
        invalid(site, url, &InvalidRequest { status: 400, title, why: &why, todo })
    })
}

/// True for the addresses of the pages whose forms change something.
fn takes_forms(site: &Site, url: &str) -> bool {
    let Ok(asked) = RequestUrl::parse(url) else { return false };
    let parts = below(&site.http().base_path, &asked.parts).unwrap_or_default();
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
    url.strip_prefix(site.http().base_path.as_str()).is_some_and(|path| path.starts_with("api/"))
}

/// What the client may see. `parts`: those of the path below base_path, if it is below.
fn visible(site: &Site, parts: Option<&[String]>, client: &Client) -> Result<Visible, Refusal> {
    let open = parts.and_then(open_to_all);
    if open == Some(Openness::Always) {
        return Ok(site.visible_to_strangers());
    }
    let access = site.users.access(&client.credentials);
    match access {
        Access::Granted(user) => Ok(site.visible_to(user)),
        // a client that no user is known of, or whose password is wrong, sees what every user may see
        _ if matches!(open, Some(Openness::By(path)) if site.http().open_paths.contains(&path)) => {
            Ok(site.visible_to(User::default()))
        }
        Access::Denied => Err(Refusal::Unauthorized { password: site.users.asks_for_password() }),
        Access::Later(wait) => {
            site.metrics.clients.refuse_request(RequestRefused::Login);
            let (why, seconds) = ("too many logins with a wrong name or password", wait.as_secs() + 1);
            Err(Refusal::Later { status: 429, why, seconds })
        }
    }
}

/// `parts` and `text`: the path below base_path, if it is below, and the query string.
fn route(site: &Site, visible: &Visible, (parts, text): (Option<&[String]>, &str), client: &Client, now: Ts) -> Answer {
    let base = &site.http().base_path;
    let parts: Option<Vec<&str>> = parts.map(|parts| parts.iter().map(String::as_str).collect());
    // the log and its patterns may be streams, all others are pages
    let streamed =
        |list: &str| LogRequest::parse(site, visible, list, text, now).map(|request| request.of_client(site, client));
    let streamed_with_habits = |list: &str| streamed(list).map(|request| request.with_habits(site, client));
    let request = |list: &str| streamed(list)?.of_page();
    let with_habits = |list: &str| streamed_with_habits(list)?.of_page();
    let etag = client.known_etag.as_deref();
    let Some(parts) = parts else {
        return Err(Refusal::NotFound(format!("Everything here is below {base}.")));
    };
    if let (Some(short), ["grep", ..]) = (difference::split(text), &parts[..]) {
        return routes::kept_search::open(site, &parts, short, now);
    }
    Ok(match parts[..] {
        [] | [""] => Reply::redirect(302, &format!("{base}grep/")),
        ["grep", ""] => index_list::index_page(site, visible, text, now)?,
        ["grep", "shortcut", ""] => shortcuts::list(site, visible, client)?,
        ["grep", "shortcut", name, ""] => shortcuts::open(site, visible, name, None, text)?,
        ["grep", "shortcut", name, value, ""] => shortcuts::open(site, visible, name, Some(value), text)?,
        ["grep", list, "save", ""] => shortcuts::save(site, &request(list)?, client)?,
        ["grep", list, ""] => {
            let may_save = shortcuts::may_save(site, visible);
            routes::log::log_page(site, LogRequest { may_save, ..streamed_with_habits(list)? }, text)?
        }
        ["grep", list, "at", place, ref around @ .., ""] => {
            record::record_page(site, with_habits(list)?, place, around, !text.is_empty())?
        }
        ["grep", list, "habits", "keep", ""] => habits::keep(site, &request(list)?, client)?,
        ["grep", list, "habits", "forget", ""] => habits::forget(site, &request(list)?, client)?,
        ["grep", list, "help", ""] => help::help_page(site, &with_habits(list)?),
        ["grep", list, "columns", ""] => columns::columns_page(site, &with_habits(list)?, client)?,
        ["grep", list, "patterns", ""] => patterns::patterns_page(site, streamed_with_habits(list)?, text, client)?,
        ["grep", list, "next-error", ""] => routes::next_error::next_error(site, &with_habits(list)?, client)?,
        ["grep", list, "values", column, ""] => values::values_page(site, &with_habits(list)?, column, client),
        ["style.css"] => {
            let (style, hash) = (assets::STYLE, assets::style_hash());
            Reply::file("text/css; charset=utf-8", style, hash, text == hash, etag)
        }
        ["collector", "sphinx.conf"] => monitoring::conf(site, visible, now)?.unless_known(etag),
        ["api", "collector", "indices", ""] => monitoring::indices(site, visible, now).unless_known(etag),
        ["api", "grep", list, ""] => api::logs(site, request(list)?, client)?,
        ["api", "grep", list, "count", ""] => api::count(site, &request(list)?, client)?,
        ["api", "grep", list, "histogram", ""] => api::histogram(site, &request(list)?, client)?,
        ["api", "grep", list, "values", column, ""] => api::values(site, &request(list)?, column, client)?,
        ["api", "grep", list, "patterns", ""] => api::patterns(site, &request(list)?, client)?,
        ["api", "grep", list, "columns", ""] => api::columns(site, &request(list)?)?,
        ["metrics"] => monitoring::metrics(site, visible, now),
        ["health"] => monitoring::health(site, visible, now),
        // a page's address ends with a slash, since its links begin there
        ["grep", .., last] | ["api", .., last] if !last.is_empty() => with_slash(base, &parts, text),
        ["grep"] => with_slash(base, &parts, text),
        _ => return Err(Refusal::NotFound("There is no such page.".to_owned())),
    })
}

/// An address that every client may ask, also where users are needed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Openness {
    Always,
    /// if it is one of open_paths
    By(OpenPath),
}

fn open_to_all(parts: &[String]) -> Option<Openness> {
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    Some(match parts[..] {
        // the page that asks for a password looks as the others do
        ["style.css"] => Openness::Always,
        ["health"] => Openness::By(OpenPath::Health),
        ["metrics"] => Openness::By(OpenPath::Metrics),
        ["collector", "sphinx.conf"] => Openness::By(OpenPath::SphinxConf),
        ["api", "collector", "indices", ""] => Openness::By(OpenPath::Indices),
        _ => return None,
    })
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
