//! Why a request gets no answer, and the page that says so.

use super::Site;
use super::grep::frame;
use super::pages::error::{Todo, View};
use super::reply::Reply;
use crate::search::SearchError;
use crate::search::query::Query;

/// What became of a request that names indexes and a search.
pub type Answer = Result<Reply, Refusal>;

/// Why there is no answer; a page of its own for each.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400
    Bad(String),
    /// 404
    NoIndex(String),
    /// 404
    Gone(String),
    /// 401, or 403 where no password would help
    NotYou { password: bool },
    /// 503
    Away(String),
}

impl From<SearchError> for Refusal {
    fn from(error: SearchError) -> Refusal {
        match error {
            SearchError::Bad(why) => Refusal::Bad(why),
            SearchError::Away(why) => Refusal::Away(why),
        }
    }
}

/// What a program is told: the status, and one line.
pub fn why_refused(refusal: &Refusal) -> (u16, String) {
    match refusal {
        Refusal::Bad(why) => (400, why.clone()),
        Refusal::NoIndex(name) => (404, format!("there is no index '{name}'")),
        Refusal::Gone(why) => (404, why.clone()),
        Refusal::NotYou { password: true } => (401, "a user's name and password are needed".to_owned()),
        Refusal::NotYou { password: false } => (403, "a proxy has to say who asks".to_owned()),
        Refusal::Away(why) => (503, why.clone()),
    }
}

const BASIC: &str = "Basic realm=\"alco\", charset=\"UTF-8\"";

/// With the headers that belong to a refusal.
pub fn with_headers(reply: Reply) -> Reply {
    match reply.status {
        401 => reply.with("WWW-Authenticate", BASIC),
        503 => reply.with("Retry-After", "5"),
        _ => reply,
    }
}

/// What searching said.
pub fn why(error: SearchError) -> String {
    match error {
        SearchError::Bad(why) | SearchError::Away(why) => why,
    }
}

const CANNOT: &str = "That cannot be searched";

/// The search can be read and not be run; it stands in its form, to be mended there.
pub fn unsearchable(site: &Site, query: &Query, why: &str) -> Reply {
    let todo = Todo::Say("Change it above, and try again.");
    let view = View { frame: frame(site, Some(query)), status: 400, title: CANNOT, why, todo, query: Some(query) };
    Reply::page(400, view.page().into_string())
}

/// The page that says why there is no answer.
pub fn refused(site: &Site, refusal: &Refusal) -> Reply {
    let address = site.config.sphinx.address.to_string();
    let (status, title, why, todo) = match refusal {
        Refusal::Bad(why) => (400, CANNOT, why.clone(), Todo::Say("Go back, change it, and try again.")),
        Refusal::NoIndex(name) => (404, "No such index", format!("There is no index '{name}'."), Todo::PickAnIndex),
        Refusal::Gone(why) => (404, "Not found", why.clone(), Todo::PickAnIndex),
        Refusal::NotYou { password: true } => {
            let todo = "Reload the page, and give what users_file of alco.ini has; alco passwd makes its lines.";
            (401, "Who are you?", "A user's name and password are needed.".to_owned(), Todo::Say(todo))
        }
        Refusal::NotYou { password: false } => {
            let todo =
                "Come by way of the proxy that knows you: trusted_proxies and user_header of alco.ini tell which.";
            (403, "Who are you?", "A proxy has to say who asks.".to_owned(), Todo::Say(todo))
        }
        Refusal::Away(why) => (503, "searchd does not answer", why.clone(), Todo::CheckSphinx { address: &address }),
    };
    let view = View { frame: frame(site, None), status, title, why: &why, todo, query: None };
    with_headers(Reply::page(status, view.page().into_string()))
}

/// A page about an error of ours or of the request's form.
pub fn plain_error(site: &Site, status: u16, title: &str, why: &str, todo: &str) -> Reply {
    let view = View { frame: frame(site, None), status, title, why, todo: Todo::Say(todo), query: None };
    Reply::page(status, view.page().into_string())
}

/// A page or a stream panicked.
pub fn our_fault(site: &Site) -> Reply {
    plain_error(site, 500, "This is alco's fault", "The page could not be made.", "What happened is in alco's log.")
}
