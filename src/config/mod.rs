//! alco.ini -> `Config`: one struct a section, every key with its default, every mistake with its line and its cure.
//!
//! `Config::default()` is the value of an empty file, and what `alco.ini.example` spells out. `ini` knows the grammar, `section`
//! takes the keys of one section, `value` knows the values that a key may have. `sections` has a file for each section: its struct,
//! its defaults and its keys; `settings` has all of them together. `defaults` has the names that loggers use, `sphinx_directives`
//! which of searchd's directives alco must own. `files` finds and opens files. This file has only the names that other folders
//! import.

mod address;
mod defaults;
mod files;
mod grantee;
mod index_name;
mod index_selection;
mod ini;
mod manticore_directives;
mod property;
mod secret;
mod section;
mod sections;
mod settings;
mod sphinx_directives;
mod value;

pub use crate::config::address::{Address, Proxy};
pub use crate::config::files::{find, users};
pub use crate::config::grantee::Grantee;
pub use crate::config::index_name::{
    IndexName, attribute_of_column, field_of_column, index_list, is_attribute_of_column, is_field_of_column,
};
pub use crate::config::index_selection::{IndexSelection, is_index_pattern, no_index, there_are};
pub use crate::config::property::Property;
pub use crate::config::secret::Secret;
pub use crate::config::sections::http::{Http, OpenPath, SavedShortcuts};
pub use crate::config::sections::index::{Argument, Index, LevelNumbers, QueueType, SearchText};
pub use crate::config::sections::rabbitmq::{BatchLimits, ExchangeDurable, Rabbitmq};
pub use crate::config::sections::redis::Redis;
pub use crate::config::sections::shortcut::Shortcut;
pub use crate::config::sections::sphinx::Sphinx;
pub use crate::config::settings::Config;
pub use crate::config::sphinx_directives::Dialect;
pub use crate::config::value::nearest;
