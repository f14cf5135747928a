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
    /// those of `config` that the user may see, in its order
    indexes: Arc<[Arc<Index>]>,
    user: Arc<User>,
}

/// All that alco.ini has, from which each request gets what its user may see.
pub struct AllIndexes {
    config: Arc<Config>,
    indexes: Arc<[Arc<Index>]>,
}

impl AllIndexes {
    pub fn new(config: Arc<Config>) -> AllIndexes {
        AllIndexes { indexes: config.indexes.iter().cloned().map(Arc::new).collect(), config }
    }

    pub fn to(&self, user: User) -> Visible {
        let may_see = |index: &&Arc<Index>| user.is_among(&index.users);
        let indexes = match self.indexes.iter().all(|index| may_see(&index)) {
            true => self.indexes.clone(),
            false => self.indexes.iter().filter(may_see).cloned().collect(),
        };
        Visible { config: self.config.clone(), indexes, user: Arc::new(user) }
    }

    /// No index, for a client that is not signed in.
    pub fn to_a_stranger(&self) -> Visible {
        Visible { config: self.config.clone(), indexes: Arc::default(), user: Arc::default() }
    }
}

/// A shortcut, and those of its indexes that the user may see.
pub struct VisibleShortcut<'a> {
    pub shortcut: &'a Shortcut,
    pub indexes: Vec<IndexName>,
    /// it searches all indexes of several
    is_over_all: bool,
}

impl Visible {
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
