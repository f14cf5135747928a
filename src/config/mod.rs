//! alco.ini -> `Config`: one struct a section, every key with its default, every mistake with its line and its cure.
//!
//! `Config::default()` is the value of an empty file, and what `alco.ini.example` spells out. `settings` has the structs,
//! `defaults` their defaults. `ini` knows the grammar, `value` the values that a key may have, `sphinx_directives` which of
//! searchd's directives alco must own. `section` takes the keys of one section, `sections` knows which keys there are, `files`
//! finds and opens files. This file has only the names that other folders import.

mod address;
mod defaults;
mod files;
mod ini;
mod property;
mod secret;
mod section;
mod sections;
mod settings;
mod sphinx_directives;
mod value;

pub use crate::config::address::{Address, Proxy};
pub use crate::config::files::{find, users};
pub use crate::config::property::Property;
pub use crate::config::secret::Secret;
#[cfg(test)]
pub use crate::config::settings::Shortcut;
pub use crate::config::settings::{
    Argument, BatchLimits, Config, Dialect, ExchangeDurable, FIELD_OF_COLUMN, Http, Index, IndexName, LevelNumbers,
    QueueType, Rabbitmq, Redis, SearchText, Sphinx, field_of_column,
};
