//! The reasons why a request gets no answer, each with its status and one line for programs. `routes::error` makes the page.

use crate::config::no_index;
use crate::query::Query;
use crate::search::hit::{BUSY, SearchError};

/// The reason why there is no answer; named as HTTP's status code, where it has one.
#[derive(Debug, PartialEq)]
pub enum Refusal {
    /// 400
    Bad(String),
    /// 400, for a search: as far as it can be read, and its query string
    Unreadable { why: String, query: Box<Query>, text: String },
    /// 404: the part of a list that no index matches, and those that exist
    NoIndex { part: String, there_are: String },
    /// 404
    NotFound(String),
    /// 401, or 403 where a password would not help
    Unauthorized { password: bool },
    /// 403: the user may not see it, and why
    NotAllowed(&'static str),
    /// 503
    Away(String),
    /// the same for a search, which the page offers again
    SearchAway { why: String, query: Box<Query> },
    /// 503: Redis is away, and the answer needs it
    RedisAway(String),
    /// 429 or 503: the same request may be answered after that time
    Later { status: u16, why: &'static str, seconds: u64 },
    /// 500: a route panicked
    Internal,
}

impl From<SearchError> for Refusal {
    fn from(error: SearchError) -> Refusal {
        match error {
            SearchError::Bad(why) => Refusal::Bad(why),
            SearchError::Away(why) => Refusal::Away(why),
            SearchError::Busy => Refusal::Later { status: 503, why: BUSY, seconds: 5 },
        }
    }
}

impl Refusal {
    /// The same refusal of a search.
    pub fn of_search(self, query: &Query) -> Refusal {
        match self {
            Refusal::Away(why) => Refusal::SearchAway { why, query: Box::new(query.clone()) },
            other => other,
        }
    }

    /// The status code, and the reason in one line.
    pub fn explain(&self) -> (u16, String) {
        match self {
            Refusal::Bad(why) | Refusal::Unreadable { why, .. } => (400, why.clone()),
            Refusal::NoIndex { part, there_are } => (404, format!("{}; {there_are}", no_index(part))),
            Refusal::NotFound(why) => (404, why.clone()),
            Refusal::Unauthorized { password: true } => (401, "a user's name and password are needed".to_owned()),
            Refusal::Unauthorized { password: false } => (403, "the proxy must name the user".to_owned()),
            Refusal::NotAllowed(why) => (403, (*why).to_owned()),
            Refusal::Away(why) | Refusal::SearchAway { why, .. } => (503, why.clone()),
            Refusal::RedisAway(why) => (503, why.clone()),
            Refusal::Later { status, why, seconds } => (*status, format!("{why}; try again in {seconds} s")),
            Refusal::Internal => (500, "the answer could not be made".to_owned()),
        }
    }
}
