//! The indexes that a request may see, and all that alco.ini says of them. The router makes it once, after it knows the user.
//!
//! Invariant: routes and pages learn of indexes here alone, since `Site` shows them to no other module. So an index that the user
//! may not see answers as one that does not exist: the same code takes the same time to write the same bytes.

use std::fmt;
use std::sync::Arc;

use crate::config::{Config, Index, IndexName, IndexSelection, Shortcut, there_are};
use crate::http::error::Refusal;
use crate::http::user::User;

#[derive(Clone)]
pub struct Visible {
    config: Arc<Config>,
    indexes: Arc<[Arc<Index>]>,
    user: Arc<User>,
}

/// A shortcut, and those of its indexes that the user may see.
pub struct VisibleShortcut<'a> {
    pub shortcut: &'a Shortcut,
    pub indexes: Vec<IndexName>,
    /// it searches all indexes of several
    is_over_all: bool,
}

impl Visible {
    /// The indexes of `config` that the user may see.
    pub fn to_user(config: &Arc<Config>, user: User) -> Visible {
        let may_see = |index: &&Index| user.is_among(&index.users);
        let indexes = config.indexes.iter().filter(may_see).cloned().map(Arc::new).collect();
        Visible { config: config.clone(), indexes, user: Arc::new(user) }
    }

    /// No index, for a client that is not signed in.
    pub fn nothing(config: &Arc<Config>) -> Visible {
        Visible { config: config.clone(), indexes: Arc::default(), user: Arc::default() }
    }

    pub fn user(&self) -> &User {
        &self.user
    }

    pub fn indexes(&self) -> &[Arc<Index>] {
        &self.indexes
    }

    pub fn names(&self) -> Vec<&IndexName> {
        self.indexes.iter().map(|index| &index.name).collect()
    }

    pub fn has(&self, name: &IndexName) -> bool {
        self.indexes.iter().any(|index| index.name == *name)
    }

    /// True if alco.ini has no index that is not visible.
    pub fn is_everything(&self) -> bool {
        self.indexes.len() == self.config.indexes.len()
    }

    /// A server's words, unless they name an index that is not visible.
    pub fn unless_hidden(&self, words: String) -> String {
        let hidden = self.config.indexes.iter().filter(|index| !self.has(&index.name));
        match hidden.into_iter().any(|index| words.contains(index.name.as_str())) {
            true => "alco's log has the reason".to_owned(),
            false => words,
        }
    }

    /// The indexes that a list in an address stands for.
    pub fn selection(&self, list: &str) -> Result<IndexSelection, Refusal> {
        let known = self.names();
        IndexSelection::parse(list, &known).map_err(|part| Refusal::NoIndex { part, there_are: there_are(&known) })
    }

    /// All of them.
    pub fn all(&self) -> IndexSelection {
        IndexSelection::all(&self.names())
    }

    /// The shortcuts over at least one of them.
    pub fn shortcuts(&self) -> impl Iterator<Item = VisibleShortcut<'_>> {
        let all = self.config.indexes.len();
        self.config.shortcuts.iter().filter_map(move |shortcut| {
            let indexes: Vec<IndexName> = shortcut.index.iter().filter(|name| self.has(name)).cloned().collect();
            let is_over_all = all > 1 && shortcut.index.len() == all;
            (!indexes.is_empty()).then_some(VisibleShortcut { shortcut, indexes, is_over_all })
        })
    }
}

impl VisibleShortcut<'_> {
    pub fn is_over_all(&self) -> bool {
        self.is_over_all
    }

    pub fn selection(&self, visible: &Visible) -> IndexSelection {
        match self.is_over_all {
            true => visible.all(),
            false => IndexSelection::from(self.indexes.clone()),
        }
    }
}

/// The names alone: `Config` has passwords, and is long.
impl fmt::Debug for Visible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
