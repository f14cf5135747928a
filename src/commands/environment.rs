//! The arguments of every command in addition to its own options: the place of alco.ini, and the clock.

use std::path::{Path, PathBuf};

use crate::commands::exit::{Failure, WRONG_USAGE_STATUS};
use crate::config::{self, Config};
use crate::time::Ts;

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
            Ok(path) => read(&path),
            Err(notice) => {
                log::warn!("{notice}");
                Ok(Config::default())
            }
        };
        config.map_err(|mistakes| Failure { text: mistakes.join("\n") + "\n", status: WRONG_USAGE_STATUS })
    }
}
