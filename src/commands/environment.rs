//! The arguments of every command in addition to its own options: the place of alco.ini, and the clock.

use std::path::{Path, PathBuf};

use crate::commands::exit::{Failure, WRONG_USAGE_STATUS};
use crate::config::{self, Address, Config, Shortcut};
use crate::net::host::{addresses_of, is_own, own_addresses};
use crate::query::Query;
use crate::search::pattern::Pattern;
use crate::time::Ts;

/// All nodes may have one alco.ini, which names this one among the peers.
fn without_own_node(mut config: Config) -> Config {
    let sphinx = &mut config.sphinx;
    if !sphinx.peers.is_empty() {
        match sphinx.address.clone() {
            Address::Tcp { host, .. } if !sphinx.address.is_local() => {
                let there = addresses_of(&host);
                sphinx.leave_out_own(|host| !addresses_of(host).is_disjoint(&there));
            }
            _ => {
                let own = own_addresses();
                sphinx.leave_out_own(|host| is_own(host, &addresses_of(host), &own));
            }
        }
    }
    config
}

#[derive(Debug)]
pub struct Environment {
    /// the alco.ini that `--config` names
    ini: Option<PathBuf>,
    pub now: fn() -> Ts,
}

impl Environment {
    pub fn new(ini: Option<PathBuf>, now: fn() -> Ts) -> Environment {
        Environment { ini, now }
    }

    /// The alco.ini in use: the file that `--config` names, or the one in the usual place. None if there is none.
    pub fn ini(&self) -> Option<PathBuf> {
        self.ini.clone().or_else(|| config::find().ok())
    }

    /// alco.ini with the passwords of its password files. Without an alco.ini, logs that and returns the defaults.
    ///
    /// # Errors
    /// All mistakes in alco.ini, one on each line.
    pub fn config(&self) -> Result<Config, Failure> {
        self.load(Config::load)
    }

    /// As `config`, but without the passwords: for a command that needs none, and a user who may not read their files.
    pub fn config_without_secrets(&self) -> Result<Config, Failure> {
        self.load(Config::load_without_secrets)
    }

    fn load(&self, read: fn(&Path) -> Result<Config, Vec<String>>) -> Result<Config, Failure> {
        let config = match self.ini.clone().map_or_else(config::find, Ok) {
            Ok(path) => read(&path).and_then(|config| match wrong_shortcuts(&config, &path) {
                wrong if wrong.is_empty() => Ok(config),
                wrong => Err(wrong),
            }),
            Err(notice) => {
                log::warn!("{notice}");
                Ok(Config::default())
            }
        };
        config
            .map(without_own_node)
            .map_err(|mistakes| Failure { text: mistakes.join("\n") + "\n", status: WRONG_USAGE_STATUS })
    }
}

/// The mistakes in the searches of shortcuts, each as a line.
fn wrong_shortcuts(config: &Config, path: &Path) -> Vec<String> {
    let wrong = |shortcut: &Shortcut| {
        let query = Query::from_url(shortcut.index.clone(), &shortcut.query);
        let checked = query.and_then(|query| Pattern::new(&query).map(drop));
        let why = checked.err()?;
        Some(format!("{}:{}: [shortcut {}] query: {why}", path.display(), shortcut.line, shortcut.name))
    };
    config.shortcuts.iter().filter_map(wrong).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_of_a_shortcut_is_checked() {
        let mistakes = |query: &str| {
            let ini = format!("[index web]\n[shortcut slow]\nindex = web\nquery = {query}\n");
            wrong_shortcuts(&Config::parse(&ini, "alco.ini").expect("no mistakes"), Path::new("/etc/alco.ini"))
                .join("\n")
        };
        for good in ["search=slow&levelname=WARNING&start_ts=-1h", "?host__like=web*", "off.host=x&search=a%26b"] {
            assert_eq!(mistakes(good), "", "{good}");
        }
        for (bad, why) in [
            ("start_ts=teatime", "'teatime'"),
            ("status__gt=much", "much"),
            ("search=(a&mode=regex", "unclosed group"),
            ("limit=none", "limit"),
        ] {
            let found = mistakes(bad);
            assert!(found.starts_with("/etc/alco.ini:4: [shortcut slow] query: ") && found.contains(why), "{found}");
            assert_eq!(found.lines().count(), 1, "{found}");
        }
    }
}
