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
    /// this node as `peers` named it, if it did: so the others ask its searchd
    pub own_peer: Option<String>,
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
            own_peer: None,
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

    /// Takes this node out of `peers`, with its mirrors, which have the same records: all nodes may have one alco.ini. A peer is this
    /// node if it names a host that is here, and a port at which its searchd answers peers.
    pub fn leave_out_own(&mut self, is_here: impl Fn(&str) -> bool) {
        let ports: Vec<u16> = self.peer_doors().map(|(_, port)| port).collect();
        let is_own = |peer: &String| {
            let (host, port) = peer.rsplit_once(':').unwrap_or_default();
            port.parse().is_ok_and(|port| ports.contains(&port)) && is_here(host)
        };
        self.own_peer = self.peers.iter().flatten().find(|peer| is_own(peer)).cloned();
        self.peers.retain(|mirrors| !mirrors.iter().any(is_own));
    }

    /// Where searchd answers peers, by `listen`: the address, None for all of the host, and the port.
    pub fn peer_doors(&self) -> impl Iterator<Item = (Option<&str>, u16)> {
        self.searchd.iter().filter(|(key, _)| key == "listen").filter_map(|(_, listen)| peer_door(listen))
    }
}

/// `9312`, `host:9312`, `host:9312:sphinx`; None for a `listen` of another protocol.
fn peer_door(listen: &str) -> Option<(Option<&str>, u16)> {
    let address = listen.strip_suffix(":sphinx").unwrap_or(listen);
    let (host, port) = address.rsplit_once(':').map_or((None, address), |(host, port)| (Some(host), port));
    let is_any = |host: &&str| ["0.0.0.0", "[::]", "*"].contains(host);
    Some((host.filter(|host| !is_any(host)), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_not_its_own_peer() {
        let check = |listen: &[&str], peers: &[&[&str]], own: Option<&str>, expected: &[&str]| {
            let shard = |mirrors: &&[&str]| mirrors.iter().map(|&peer| peer.to_owned()).collect();
            let mut sphinx = Sphinx {
                searchd: listen.iter().map(|listen| ("listen".to_owned(), (*listen).to_owned())).collect(),
                peers: peers.iter().map(shard).collect(),
                ..Sphinx::default()
            };
            sphinx.leave_out_own(|host| host == "a" || host == "[::1]");
            let left: Vec<String> = sphinx.peers.iter().map(|mirrors| mirrors.join("|")).collect();
            assert_eq!(left, expected, "{listen:?} {peers:?}");
            assert_eq!(sphinx.own_peer.as_deref(), own, "{listen:?} {peers:?}");
        };
        let all: &[&[&str]] = &[&["a:9312"], &["b:9312"], &["a:9313"]];
        check(&["127.0.0.1:9306:mysql41", "9312"], all, Some("a:9312"), &["b:9312", "a:9313"]);
        check(&["10.0.0.1:9312:sphinx", "[::]:9313"], all, Some("a:9312"), &["b:9312"]);
        check(&["9312"], &[&["[::1]:9312"]], Some("[::1]:9312"), &[]);
        // mirrors have the records of this node
        check(&["9312"], &[&["b:9312", "a:9312"], &["c:9312", "d:9312"]], Some("a:9312"), &["c:9312|d:9312"]);
        // its searchd answers no peers
        check(&["127.0.0.1:9306:mysql41"], all, None, &["a:9312", "b:9312", "a:9313"]);
        check(&["/run/9312"], all, None, &["a:9312", "b:9312", "a:9313"]);
    }
}
