//! Stands for `search::Searcher` until it is there. To be deleted.
#![allow(clippy::unused_self)]

use std::time::Instant;

use jiff::tz::TimeZone;

use crate::config::{Config, IndexName};
use crate::search::query::Query;
use crate::search::{Hit, Page, SearchError};
use crate::time::{Range, Ts};

#[derive(Debug)]
pub struct Searcher;

#[derive(Clone, Debug)]
pub struct Scope {
    pub now: Ts,
    pub zone: TimeZone,
    pub page_size: usize,
    pub deadline: Instant,
}

#[derive(Clone, Debug)]
pub struct Histogram {
    pub bars: Vec<Bar>,
    pub complete: bool,
}

#[derive(Clone, Debug)]
pub struct Bar {
    pub range: Range,
    pub total: u64,
    pub warnings: u64,
    pub errors: u64,
}

fn away<T>() -> Result<T, SearchError> {
    Err(SearchError::Away("searching is not built yet".to_owned()))
}

impl Searcher {
    pub fn new(_: &Config) -> Searcher {
        Searcher
    }
    pub fn page(&self, _: &Query, _: &Scope) -> Result<Page, SearchError> {
        away()
    }
    pub fn at(&self, _: &IndexName, _: Ts, _: i64, _: i64) -> Result<Vec<Hit>, SearchError> {
        away()
    }
    pub fn around(&self, _: &Hit, _: usize, _: usize) -> Result<Page, SearchError> {
        away()
    }
    pub fn histogram(&self, _: &Query, _: &Scope, _: usize) -> Result<Histogram, SearchError> {
        away()
    }
    pub fn values(&self, _: &Query, _: &Scope, _: &str, _: usize) -> Result<Vec<(String, u64)>, SearchError> {
        away()
    }
    pub fn recent(&self, _: &IndexName, _: Ts) -> Result<(u64, Option<Ts>), SearchError> {
        away()
    }
    pub fn sparkline(&self, _: &IndexName, _: Ts) -> Result<[u64; 48], SearchError> {
        away()
    }
}
