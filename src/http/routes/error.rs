//! The page that shows why there is no answer, and what to do.

use crate::config::is_index_pattern;
use crate::http::error::Refusal;
use crate::http::pages::error::{ErrorView, Todo};
use crate::http::pages::search::SearchForm;
use crate::http::pages::{FORM_KEYS, Frame};
use crate::http::response::Reply;
use crate::http::routes::frame::frame;
use crate::http::site::Site;
use crate::http::visible::Visible;
use crate::query::Query;
use crate::query::url::FieldTexts;

const BASIC: &str = "Basic realm=\"alco\", charset=\"UTF-8\"";
const INVALID_SEARCH: &str = "Invalid search";
const AWAY: &str = "searchd does not answer";
const CHANGE_IT_ABOVE: Todo = Todo::Text("Change it above, and try again.");

/// Adds the headers that belong to a refusal.
pub fn with_headers(reply: Reply, refusal: &Refusal) -> Reply {
    match refusal {
        Refusal::Unauthorized { password: true } => reply.with("WWW-Authenticate", BASIC),
        Refusal::Away(_) | Refusal::SearchAway { .. } | Refusal::RedisAway(_) => reply.with("Retry-After", "5"),
        Refusal::Later { seconds, .. } => reply.with("Retry-After", &seconds.to_string()),
        _ => reply,
    }
}

/// For a search that can be read but not run: the page has its form, so that the user can correct it.
pub fn unsearchable(site: &Site, visible: &Visible, query: &Query, why: &str) -> Reply {
    with_form(site, visible, query, &FieldTexts::default(), &SearchFailure::invalid(why))
}

/// `typed` is in the form's fields, though it cannot be read.
fn with_form(site: &Site, visible: &Visible, query: &Query, typed: &FieldTexts, error: &SearchFailure) -> Reply {
    let pattern_texts = site.searcher.known_patterns.of_query(query);
    let frame = Frame { has_search_form: true, keys: FORM_KEYS, ..frame(site, visible, Some(query)) };
    let Frame { base, zone, links, .. } = &frame;
    let form = SearchForm { base, zone, links, query, pattern_texts: &pattern_texts }.to_change(typed);
    let SearchFailure { status, title, why, ref todo } = *error;
    let view = ErrorView { frame, status, title, why, todo: todo.clone(), form: Some(form) };
    Reply::page(status, view.page().into_string())
}

/// The failure of a search whose form the page has.
struct SearchFailure<'a> {
    status: u16,
    title: &'a str,
    why: &'a str,
    todo: Todo<'a>,
}

impl SearchFailure<'_> {
    fn invalid(why: &str) -> SearchFailure<'_> {
        SearchFailure { status: 400, title: INVALID_SEARCH, why, todo: CHANGE_IT_ABOVE }
    }
}

/// `visible`: nothing, for a client that is not signed in.
pub fn refused(site: &Site, visible: &Visible, refusal: &Refusal) -> Reply {
    let address = site.sphinx_address().to_string();
    let status_command = site.searchd_service.status_command();
    let check_sphinx = Todo::CheckSphinx { address: &address, status_command: status_command.as_deref() };
    let (status, title, why, todo) = match refusal {
        Refusal::Unreadable { why, query, text } => {
            return with_form(site, visible, query, &FieldTexts::of(text), &SearchFailure::invalid(why));
        }
        Refusal::SearchAway { why, query } => {
            let failure = SearchFailure { status: 503, title: AWAY, why, todo: check_sphinx };
            return with_headers(with_form(site, visible, query, &FieldTexts::default(), &failure), refusal);
        }
        Refusal::Bad(why) => (400, INVALID_SEARCH, why.clone(), Todo::Text("Go back, change it, and try again.")),
        Refusal::NoIndex { part, .. } => {
            let why = match is_index_pattern(part) {
                true => format!("No index has a name like '{part}'."),
                false => format!("There is no index '{part}'."),
            };
            (404, "No such index", why, Todo::PickAnIndex)
        }
        Refusal::NotFound(why) => (404, "Not found", why.clone(), Todo::PickAnIndex),
        Refusal::Unauthorized { password: true } => {
            let todo = "Reload the page, and give yours. If you have none, ask the administrator: alco passwd makes a line of users_file.";
            (401, "Sign in", "A user's name and password are needed.".to_owned(), Todo::Text(todo))
        }
        Refusal::Unauthorized { password: false } => {
            let todo = "Use the address of the proxy that signs users in: one of trusted_proxies in alco.ini, which sends user_header.";
            (403, "Sign in", "The proxy must name the user.".to_owned(), Todo::Text(todo))
        }
        Refusal::NotAllowed(why) => (
            403,
            "Not allowed",
            format!("{why}."),
            Todo::Text("open_paths of alco.ini can open this path to all clients."),
        ),
        Refusal::Away(why) => (503, AWAY, why.clone(), check_sphinx),
        Refusal::RedisAway(why) => {
            let todo = "Searches and shortcuts of alco.ini go on without it. alco check shows what is wrong.";
            (503, "Redis does not answer", why.clone(), Todo::Text(todo))
        }
        Refusal::Later { status, .. } => {
            (*status, "Too busy", refusal.explain().1, Todo::Text("Reload the page after that time."))
        }
        Refusal::Internal => {
            let (why, todo) = ("The page could not be made.".to_owned(), Todo::Text("The cause is in alco's log."));
            (500, "Internal error", why, todo)
        }
    };
    let view = ErrorView { frame: frame(site, visible, None), status, title, why: &why, todo, form: None };
    with_headers(Reply::page(status, view.page().into_string()), refusal)
}

/// A request that cannot be routed, and why.
pub struct InvalidRequest<'a> {
    pub status: u16,
    pub title: &'a str,
    pub why: &'a str,
    pub todo: &'a str,
}

pub fn invalid_request(site: &Site, error: &InvalidRequest) -> Reply {
    let InvalidRequest { status, title, why, todo } = *error;
    // a request that cannot be read names no user
    let visible = site.visible_to_strangers();
    let view = ErrorView { frame: frame(site, &visible, None), status, title, why, todo: Todo::Text(todo), form: None };
    Reply::page(status, view.page().into_string())
}
