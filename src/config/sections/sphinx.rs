//! `[sphinx]`, and the directives of `[sphinx.index]` and `[sphinx.searchd]`. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::address::Address;
use crate::config::index_name::IndexName;
use crate::config::section::Reader;
use crate::config::sphinx_directives::Dialect;
use crate::config::value;
use crate::config::value::{choice, optional};

#[derive(Clone, Debug, PartialEq)]
pub struct Sphinx {
    pub address: Address,
    pub data_dir: PathBuf,
    pub pid_file: Option<PathBuf>,
    /// the unit or rc.d script that starts searchd, as pages show it
    pub service: Option<String>,
    pub dialect: Dialect,
    /// shards, each a list of mirrors `host:port`
    pub peers: Vec<Vec<String>>,
    /// directives of `[sphinx.index]`, in the order of the file; they replace the generated ones
    pub index: Vec<(String, String)>,
    /// directives of `[sphinx.index NAME]`
    pub index_of: BTreeMap<IndexName, Vec<(String, String)>>,
    /// directives of `[sphinx.searchd]`; `listen` may stand several times, one address each
    pub searchd: Vec<(String, String)>,
}

impl Default for Sphinx {
    fn default() -> Sphinx {
        Sphinx {
            address: Address::Tcp { host: "127.0.0.1".to_owned(), port: 9306 },
            data_dir: PathBuf::from("/var/db/alco"),
            pid_file: None,
            service: None,
            dialect: Dialect::Sphinx,
            peers: Vec::new(),
            index: Vec::new(),
            index_of: BTreeMap::new(),
            searchd: Vec::new(),
        }
    }
}

impl Sphinx {
    /// Takes the keys of `[sphinx]`.
    pub fn read(&mut self, from: &mut Reader) {
        let path = |value: &str| value::path(value::for_searchd(value)?);
        from.take("address", &mut self.address, value::address);
        from.take("data_dir", &mut self.data_dir, path);
        from.take("pid_file", &mut self.pid_file, optional(path));
        from.take("service", &mut self.service, optional(value::service_name));
        from.take(
            "dialect",
            &mut self.dialect,
            choice(&[("sphinx", Dialect::Sphinx), ("manticore", Dialect::Manticore)]),
        );
        from.take("peers", &mut self.peers, value::peers);
    }
}
