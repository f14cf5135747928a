//! The user of a request, as alco or a trusted proxy has signed it in. Pure.

use crate::config::Grantee;
use crate::users_file::{ComparedHash, ListedUsers};

/// By default a client that no user is known of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    name: String,
    /// those that the proxy names
    proxy_groups: Vec<String>,
    /// these, and those of users_file
    groups: Vec<String>,
    signed_in_by: SignedInBy,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SignedInBy {
    #[default]
    Nothing,
    /// the hash that the password fits
    Password(ComparedHash),
    Proxy,
}

impl User {
    /// A user of users_file.
    pub fn with_password(name: &str, hash: ComparedHash, listed: &ListedUsers) -> User {
        let signed_in_by = SignedInBy::Password(hash);
        User { name: name.to_owned(), signed_in_by, ..User::default() }.with_groups_of(listed)
    }

    /// A user whom a trusted proxy names, with the groups that it names, separated by commas.
    pub fn named_by_proxy(name: &str, groups: Option<&str>, listed: &ListedUsers) -> User {
        let groups = groups.unwrap_or_default().split(',').map(str::trim).filter(|group| !group.is_empty());
        let proxy_groups = groups.map(str::to_owned).collect();
        User { name: name.to_owned(), proxy_groups, signed_in_by: SignedInBy::Proxy, ..User::default() }
            .with_groups_of(listed)
    }

    /// The same user with the groups that users_file has now.
    pub fn with_groups_of(&self, listed: &ListedUsers) -> User {
        let groups = self.proxy_groups.iter().chain(listed.groups_of(&self.name)).cloned().collect();
        User { groups, ..self.clone() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// None: no user is known.
    pub fn known_name(&self) -> Option<&str> {
        (self.signed_in_by != SignedInBy::Nothing).then_some(&*self.name)
    }

    pub fn signed_in_by(&self) -> &SignedInBy {
        &self.signed_in_by
    }

    /// `users`: those of an index; if there are none, every user may see it.
    pub fn is_among(&self, users: &[Grantee]) -> bool {
        let is_known = self.signed_in_by != SignedInBy::Nothing;
        users.is_empty() || is_known && users.iter().any(|grantee| grantee.is(&self.name, &self.groups))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users_file;

    #[test]
    fn an_index_with_users_is_for_them_and_their_groups() {
        let file = |text: &str| users_file::parse(text).expect("a file");
        let users: Vec<Grantee> = ["anna", "@ops"].iter().map(|name| name.parse().expect("a grantee")).collect();
        let listed = file("@ops: bob\n@web: anna");
        let proxied = |name: &str, groups| User::named_by_proxy(name, groups, &listed);
        for (user, expected) in [
            (User::default(), false),
            (proxied("anna", None), true),
            (proxied("bob", None), true),
            (proxied("ops", None), false),
            (proxied("eve", None), false),
            (proxied("eve", Some("web, ops")), true),
            (proxied("eve", Some("web,opsx,")), false),
            (proxied("bob", None).with_groups_of(&file("")), false),
            (proxied("eve", Some("ops")).with_groups_of(&file("")), true),
            (User::with_password("bob", listed.compared("bob", 0), &listed), true),
        ] {
            assert_eq!(user.is_among(&users), expected, "{user:?}");
            assert!(user.is_among(&[]), "{user:?}");
        }
    }
}
