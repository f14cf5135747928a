//! `[sphinx]`, and the directives of `[sphinx.index]` and `[sphinx.searchd]`. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::address::Address;
use crate::config::index_name::IndexName;
use crate::config::section::Reader;
use crate::config::sphinx_directives;
use crate::config::sphinx_directives::{Dialect, Of};
use crate::config::value;
use crate::config::value::{choice, optional};

#[derive(Clone, Debug, PartialEq)]
pub struct Sphinx {
    pub address: Address,
    pub data_dir: PathBuf,
    pub pid_file: Option<PathBuf>,
    /// the unit or rc.d script that starts searchd, as pages show it
    pub service: Option<String>,
    /// None: that of the searchd that is found
    pub dialect: Option<Dialect>,
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
            dialect: None,
            peers: Vec::new(),
            index: Vec::new(),
            index_of: BTreeMap::new(),
            searchd: Vec::new(),
        }
    }
}

impl Sphinx {
    /// If `dialect` states another engine than the one that was found: the rest of a sentence about the latter.
    pub fn misstated(&self, found: Dialect) -> Option<String> {
        let stated = self.dialect.filter(|stated| *stated != found)?.product().to_lowercase();
        Some(format!(
            "is {}, but alco.ini has [sphinx] dialect = {stated}, for which alco writes sphinx.conf",
            found.product()
        ))
    }

    /// The reasons why searchd of that engine would end at some of the directives. If `dialect` states the engine, there are none, since
    /// they are mistakes of the file.
    pub fn refused_by(&self, engine: Dialect) -> Vec<String> {
        let indexes = self.index_of.iter().map(|(name, own)| (format!("[sphinx.index {name}]"), Of::Index, own));
        let sections = [
            ("[sphinx.index]".to_owned(), Of::Index, &self.index),
            ("[sphinx.searchd]".to_owned(), Of::Searchd, &self.searchd),
        ];
        let refused = |(section, of, directives): (String, Of, &Vec<(String, String)>)| -> Vec<String> {
            let unknown = directives.iter().filter(|(key, _)| !sphinx_directives::is_read(of, key, engine));
            let why = |key: &str| sphinx_directives::known(of, key, Some(engine)).err();
            unknown.filter_map(|(key, _)| Some(format!("{section} {}", why(key)?))).collect()
        };
        let stated = self.dialect.is_some();
        sections.into_iter().chain(indexes).filter(|_| !stated).flat_map(refused).collect()
    }

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
            choice(&[("auto", None), ("sphinx", Some(Dialect::Sphinx)), ("manticore", Some(Dialect::Manticore))]),
        );
        from.take_list("peers", &mut self.peers, value::peers);
    }
}
