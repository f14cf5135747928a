//! The lines of users_file, `user:hash` and `@group: user, user`: makes a line of the first kind (`alco passwd`), reads the lines,
//! and compares a password. Pure. The only door to the bcrypt crate.
//!
//! The format is that of Apache's and nginx's password files; the hash must be bcrypt's (`htpasswd -B`). `htpasswd` keeps the lines
//! of groups when it changes a password.

use std::collections::{HashMap, HashSet};

/// bcrypt's cost: 2^10 rounds take about 50 ms of a core for each guess.
const COST_LOG2_ROUNDS: u32 = 10;
/// bcrypt ignores the bytes of a password beyond these.
const MAX_PASSWORD_BYTES: usize = 72;
/// Salt and checksum of the hash to compare with for a name that no user has.
const NO_HASH: &str = ".....................................................";

/// The sign before the name of a group.
pub const GROUP_SIGN: char = '@';

#[derive(Debug, Default)]
pub struct ListedUsers {
    hashes: HashMap<String, String>,
    /// the members of each group: users of this file, or users whom a proxy names
    groups: HashMap<String, HashSet<String>>,
    /// of all of them, in order
    costs_log2_rounds: Vec<u32>,
}

/// The hash that a password is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedHash {
    hash: String,
    /// false: no user has the name
    is_of_user: bool,
}

impl ListedUsers {
    pub fn has(&self, name: &str) -> bool {
        self.hashes.contains_key(name)
    }

    pub fn has_group(&self, group: &str) -> bool {
        self.groups.contains_key(group)
    }

    /// The groups that have the user as a member.
    pub fn groups_of(&self, name: &str) -> impl Iterator<Item = &String> {
        self.groups.iter().filter(move |(_, members)| members.contains(name)).map(|(group, _)| group)
    }

    /// True if that is the hash of the user's password.
    pub fn is_hash_of(&self, name: &str, compared: &ComparedHash) -> bool {
        compared.is_of_user && self.hashes.get(name) == Some(&compared.hash)
    }

    /// For a name that no user has, a hash that no password fits, of the cost of some user's hash, so that the time of the answer
    /// does not show which names there are. `name_key`: a number that is always the same for the name, and that clients do not know.
    pub fn compared(&self, name: &str, name_key: u64) -> ComparedHash {
        if let Some(hash) = self.hashes.get(name) {
            return ComparedHash { hash: hash.clone(), is_of_user: true };
        }
        let costs = &self.costs_log2_rounds;
        let chosen = name_key.checked_rem(costs.len() as u64).unwrap_or_default();
        let cost = usize::try_from(chosen).ok().and_then(|at| costs.get(at).copied()).unwrap_or(COST_LOG2_ROUNDS);
        ComparedHash { hash: format!("$2b${cost:02}${NO_HASH}"), is_of_user: false }
    }
}

pub fn parse(text: &str) -> Result<ListedUsers, String> {
    let (mut hashes, mut groups, mut costs_log2_rounds) = (HashMap::new(), HashMap::new(), Vec::new());
    for (line, n) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#')) {
        let wrong = |why: &str| format!("line {n} {why}");
        let named_again = |name: &str| wrong(&format!("names {name} again; keep one"));
        if let Some(group) = line.strip_prefix(GROUP_SIGN) {
            let (group, members) = group.split_once(':').ok_or_else(|| wrong("is not @group: user, user"))?;
            checked_name(group).map_err(|why| wrong(&format!("does not begin with the name of a group: {why}")))?;
            if groups.insert(group.to_owned(), members_of(members)).is_some() {
                return Err(named_again(&line[..=group.len()]));
            }
            continue;
        }
        let (name, hash) =
            line.split_once(':').ok_or_else(|| wrong("is not user:hash; alco passwd makes such lines"))?;
        checked_name(name).map_err(|why| wrong(&format!("does not begin with a name: {why}")))?;
        match hash.parse::<bcrypt::HashParts>() {
            Ok(parts) => costs_log2_rounds.push(parts.get_cost()),
            Err(_) => return Err(wrong("has no bcrypt hash; alco passwd or htpasswd -B makes one")),
        }
        if hashes.insert(name.to_owned(), hash.to_owned()).is_some() {
            return Err(named_again(name));
        }
    }
    costs_log2_rounds.sort_unstable();
    Ok(ListedUsers { hashes, groups, costs_log2_rounds })
}

/// Separated by commas, spaces, or both.
fn members_of(list: &str) -> HashSet<String> {
    let names = list.split(|c: char| c == ',' || c.is_whitespace());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Checks that Basic authentication can send the name, and that a line can begin with it.
pub fn checked_name(name: &str) -> Result<&str, &'static str> {
    match name {
        "" => Err("it is empty"),
        _ if name.contains(|c: char| c == ':' || c.is_control()) => {
            Err("neither a colon nor a control character can be in it")
        }
        _ if name.starts_with(['#', GROUP_SIGN]) || name.trim() != name => {
            Err("it cannot begin with #, @ or a space, nor end with a space")
        }
        _ => Ok(name),
    }
}

/// Takes long on purpose, whatever the outcome.
pub fn is_password(password: &str, compared: &ComparedHash) -> bool {
    let fits = bcrypt::verify(password, &compared.hash).unwrap_or(false);
    fits && compared.is_of_user && password.len() <= MAX_PASSWORD_BYTES
}

/// Makes a line for users_file.
///
/// # Errors
/// The name or the password cannot be used.
pub fn line(name: &str, password: &str) -> Result<String, String> {
    let name = checked_name(name).map_err(|why| format!("'{name}' cannot be a user's name: {why}"))?;
    match password.len() {
        0 => return Err("a password needs at least one character".to_owned()),
        length if length > MAX_PASSWORD_BYTES => {
            return Err(format!("the password has {length} bytes; bcrypt takes {MAX_PASSWORD_BYTES}"));
        }
        _ => {}
    }
    let hash =
        bcrypt::hash(password, COST_LOG2_ROUNDS).map_err(|error| format!("cannot hash the password: {error}"))?;
    Ok(format!("{name}:{hash}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_line_accepts_its_password_alone() {
        let anna = line("anna", "open sesame").expect("a line");
        let users = parse(&format!("# people\n\n{anna}\n")).expect("a file");
        assert!(is_password("open sesame", &users.compared("anna", 0)));
        assert!(!is_password("open sesam", &users.compared("anna", 0)));
        assert!(!is_password("open sesame", &users.compared("bob", 0)));
    }

    #[test]
    fn a_line_of_htpasswd_accepts_its_password() {
        // htpasswd -nbB anna secret
        let hash = bcrypt::hash_with_result("secret", 5).expect("a hash").format_for_version(bcrypt::Version::TwoY);
        let users = parse(&format!("anna:{hash}")).expect("a file");
        assert!(
            is_password("secret", &users.compared("anna", 0)) && !is_password("Secret", &users.compared("anna", 0))
        );
    }

    #[test]
    fn a_group_has_its_members() {
        let text = format!("@ops: anna, bob\n{}\n@web:anna eve,\n@none:\n", line("anna", "x").expect("a line"));
        let users = parse(&text).expect("a file");
        for (name, expected) in [("anna", "ops web"), ("bob", "ops"), ("eve", "web"), ("ops", ""), ("", "")] {
            let mut groups: Vec<&str> = users.groups_of(name).map(String::as_str).collect();
            groups.sort_unstable();
            assert_eq!(groups.join(" "), expected, "{name}");
        }
        assert!(users.has("anna") && !users.has("bob") && users.has_group("none") && !users.has_group("all"));
    }

    #[test]
    fn names_that_clients_cannot_send_are_refused() {
        for (name, password, why) in [
            ("", "x", "'' cannot be a user's name: it is empty"),
            ("a:b", "x", "'a:b' cannot be a user's name: neither a colon nor a control character can be in it"),
            ("#a", "x", "'#a' cannot be a user's name: it cannot begin with #, @ or a space, nor end with a space"),
            ("@a", "x", "'@a' cannot be a user's name: it cannot begin with #, @ or a space, nor end with a space"),
            ("a", "", "a password needs at least one character"),
            ("a", &"é".repeat(40), "the password has 80 bytes; bcrypt takes 72"),
        ] {
            assert_eq!(line(name, password), Err(why.to_owned()));
        }
        for (text, why) in [
            ("anna", "line 1 is not user:hash; alco passwd makes such lines"),
            ("\n:x", "line 2 does not begin with a name: it is empty"),
            ("@ops anna", "line 1 is not @group: user, user"),
            ("@: anna", "line 1 does not begin with the name of a group: it is empty"),
            ("@ops: a\n@ops: b", "line 2 names @ops again; keep one"),
            ("anna:$apr1$x$y", "line 1 has no bcrypt hash; alco passwd or htpasswd -B makes one"),
        ] {
            assert_eq!(parse(text).map(|_| ()), Err(why.to_owned()));
        }
        let twice = line("a", "x").expect("a line");
        assert_eq!(parse(&format!("{twice}\n{twice}")).map(|_| ()), Err("line 2 names a again; keep one".to_owned()));
    }

    #[test]
    fn a_strange_name_costs_what_some_user_costs() {
        let line = |name: &str, cost| format!("{name}:{}\n", bcrypt::hash(name, cost).expect("a hash"));
        let users = parse(&[line("anna", 6), line("bob", 4), line("eve", 6)].concat()).expect("a file");
        let costs: Vec<u32> = (0..6)
            .map(|key| {
                let compared = users.compared("mallory", key);
                assert!(!compared.is_of_user && !is_password("mallory", &compared));
                compared.hash.parse::<bcrypt::HashParts>().expect("a hash").get_cost()
            })
            .collect();
        assert_eq!(costs, [4, 6, 6, 4, 6, 6]);
        let compared = ListedUsers::default().compared("mallory", 7);
        assert_eq!(compared.hash.parse::<bcrypt::HashParts>().expect("a hash").get_cost(), COST_LOG2_ROUNDS);
    }
}
