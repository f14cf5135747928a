//! `Config`: all sections. Pure.

use crate::config::sections::http::Http;
use crate::config::sections::index::Index;
use crate::config::sections::rabbitmq::Rabbitmq;
use crate::config::sections::redis::Redis;
use crate::config::sections::shortcut::Shortcut;
use crate::config::sections::sphinx::Sphinx;

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub rabbitmq: Rabbitmq,
    pub redis: Redis,
    pub sphinx: Sphinx,
    pub http: Http,
    /// never empty: without an index section there is one index, `logs`
    pub indexes: Vec<Index>,
    pub shortcuts: Vec<Shortcut>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            rabbitmq: Rabbitmq::default(),
            redis: Redis::default(),
            sphinx: Sphinx::default(),
            http: Http::default(),
            indexes: vec![Index::new("logs".parse().expect("a name by the rule"))],
            shortcuts: Vec::new(),
        }
    }
}
