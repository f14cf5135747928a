//! `[http]`: the addresses of the pages, and their users. Pure.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::config::address::{Address, Proxy};
use crate::config::section::Reader;
use crate::config::value;
use crate::config::value::{list_of, non_zero, not_empty, number, optional};

#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    pub listen: Vec<Address>,
    /// begins and ends with `/`
    pub base_path: String,
    pub page_size: NonZeroUsize,
    pub timezone: TimeZone,
    pub search_budget: Duration,
    pub users_file: Option<PathBuf>,
    pub user_header: Option<String>,
    pub group_header: Option<String>,
    pub trusted_proxies: Vec<Proxy>,
    pub max_followers: usize,
    pub open_paths: Vec<OpenPath>,
    pub shortcuts: SavedShortcuts,
    /// other hosts may read without a password
    pub public: bool,
}

/// The readers who may save a search under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedShortcuts {
    /// those whose name alco knows
    Users,
    All,
    None,
}

/// A path that every client may ask, also where users are needed. None of them has text of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenPath {
    Health,
    Metrics,
    SphinxConf,
    Indices,
}

impl OpenPath {
    const ALL: [(&'static str, OpenPath); 4] = [
        ("/health", OpenPath::Health),
        ("/metrics", OpenPath::Metrics),
        ("/collector/sphinx.conf", OpenPath::SphinxConf),
        ("/api/collector/indices/", OpenPath::Indices),
    ];
}

impl Default for Http {
    fn default() -> Http {
        Http {
            listen: vec![Address::Tcp { host: "127.0.0.1".to_owned(), port: 8000 }],
            base_path: "/".to_owned(),
            page_size: NonZeroUsize::new(100).expect("not 0"),
            timezone: TimeZone::UTC,
            search_budget: Duration::from_secs(2),
            users_file: None,
            user_header: None,
            group_header: None,
            trusted_proxies: Vec::new(),
            max_followers: 16,
            open_paths: vec![OpenPath::Health],
            shortcuts: SavedShortcuts::Users,
            public: false,
        }
    }
}

impl Http {
    /// Takes the keys of the section.
    pub fn read(&mut self, from: &mut Reader) {
        from.take_list("listen", &mut self.listen, not_empty(list_of(value::address), "write 127.0.0.1:8000"));
        from.take("base_path", &mut self.base_path, value::base_path);
        from.take("page_size", &mut self.page_size, |value| non_zero(number(1..=10_000usize)(value)?));
        from.take("timezone", &mut self.timezone, crate::time::zone);
        let budgets = Duration::from_millis(100)..=Duration::from_secs(600);
        from.take("search_budget", &mut self.search_budget, value::duration_within(budgets));
        from.take("users_file", &mut self.users_file, optional(value::path));
        from.take("user_header", &mut self.user_header, optional(value::header_name));
        from.take("group_header", &mut self.group_header, optional(value::header_name));
        from.take_list("trusted_proxies", &mut self.trusted_proxies, list_of(str::parse));
        from.take("max_followers", &mut self.max_followers, number(0..=1000));
        from.take_list("open_paths", &mut self.open_paths, list_of(value::choice(&OpenPath::ALL)));
        let shortcuts =
            [("users", SavedShortcuts::Users), ("all", SavedShortcuts::All), ("none", SavedShortcuts::None)];
        from.take("shortcuts", &mut self.shortcuts, value::choice(&shortcuts));
        from.take("public", &mut self.public, value::yes_no);
    }
}
