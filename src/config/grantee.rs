//! An entry of an index's `users`: a user, or a group of users. Pure.

use std::fmt;
use std::str::FromStr;

use crate::users_file::{GROUP_SIGN, checked_name};

/// `anna`, or `@ops`: the sign keeps a user who bears the name of a group from being taken for the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    User(String),
    Group(String),
}

impl Grantee {
    /// True if the user with that name, or one of the user's groups, is meant.
    pub fn is(&self, name: &str, groups: &[String]) -> bool {
        match self {
            Grantee::User(user) => user == name,
            Grantee::Group(group) => groups.contains(group),
        }
    }
}

impl FromStr for Grantee {
    type Err = String;

    fn from_str(value: &str) -> Result<Grantee, String> {
        let (name, of): (&str, fn(String) -> Grantee) = match value.strip_prefix(GROUP_SIGN) {
            Some(group) => (group, Grantee::Group),
            None => (value, Grantee::User),
        };
        let name = checked_name(name).map_err(|why| format!("'{value}' is neither a user nor an @group: {why}"))?;
        Ok(of(name.to_owned()))
    }
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Grantee::User(name) => f.write_str(name),
            Grantee::Group(name) => write!(f, "{GROUP_SIGN}{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_told_from_a_user_of_its_name() {
        let groups = ["ops".to_owned()];
        for (written, name, groups, expected) in [
            ("anna", "anna", &[][..], true),
            ("anna", "Anna", &[], false),
            ("@ops", "bob", &groups, true),
            ("@ops", "ops", &[], false),
            ("ops", "bob", &groups, false),
            ("@ops", "@ops", &[], false),
        ] {
            let grantee: Grantee = written.parse().expect(written);
            assert_eq!((grantee.is(name, groups), grantee.to_string().as_str()), (expected, written), "{name}");
        }
        for bad in ["@", "@@ops", "a:b", "#a"] {
            let why = bad.parse::<Grantee>().expect_err(bad);
            assert!(why.starts_with(&format!("'{bad}' is neither a user nor an @group: ")), "{why}");
        }
    }
}
