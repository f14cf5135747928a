//! The lines of users_file, `user:hash`: makes a line (`alco passwd`), reads the lines, and compares a password. Pure. The only
//! door to the bcrypt crate.
//!
//! The format is that of Apache's and nginx's password files; the hash must be bcrypt's (`htpasswd -B`).

use std::collections::HashMap;

/// bcrypt's cost: 2^10 rounds take about 50 ms of a core for each guess.
const COST_LOG2_ROUNDS: u32 = 10;
/// bcrypt ignores the bytes of a password beyond these.
const MAX_PASSWORD_BYTES: usize = 72;
/// The hash to compare with for a name that no user has, so that the answer takes the same time.
const NOBODY: &str = "$2b$10$.....................................................";

#[derive(Debug, Default)]
pub struct Hashes(HashMap<String, String>);

impl Hashes {
    pub fn of(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

pub fn parse(text: &str) -> Result<Hashes, String> {
    let mut hashes = HashMap::new();
    for (line, n) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#')) {
        let wrong = |why: &str| format!("line {n} {why}");
        let (name, hash) =
            line.split_once(':').ok_or_else(|| wrong("is not user:hash; alco passwd makes such lines"))?;
        name_of(name).map_err(|why| wrong(&format!("does not begin with a name: {why}")))?;
        if hash.parse::<bcrypt::HashParts>().is_err() {
            return Err(wrong("has no bcrypt hash; alco passwd or htpasswd -B makes one"));
        }
        if hashes.insert(name.to_owned(), hash.to_owned()).is_some() {
            return Err(wrong(&format!("names {name} again; keep one")));
        }
    }
    Ok(Hashes(hashes))
}

/// Checks that Basic authentication can send the name.
fn name_of(name: &str) -> Result<&str, &'static str> {
    match name {
        "" => Err("it is empty"),
        _ if name.contains(|c: char| c == ':' || c.is_control()) => {
            Err("neither a colon nor a control character can be in it")
        }
        _ if name.starts_with('#') || name.trim() != name => Err("it cannot begin with # or a space, nor end with one"),
        _ => Ok(name),
    }
}

/// `hash` is None for a name that no user has.
pub fn is_password(password: &str, hash: Option<&str>) -> bool {
    let fits = bcrypt::verify(password, hash.unwrap_or(NOBODY)).unwrap_or(false);
    fits && hash.is_some() && password.len() <= MAX_PASSWORD_BYTES
}

/// Makes a line for users_file.
///
/// # Errors
/// The name or the password cannot be used.
pub fn line(name: &str, password: &str) -> Result<String, String> {
    let name = name_of(name).map_err(|why| format!("'{name}' cannot be a user's name: {why}"))?;
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
        assert!(is_password("open sesame", users.of("anna")));
        assert!(!is_password("open sesam", users.of("anna")));
        assert!(!is_password("open sesame", users.of("bob")));
    }

    #[test]
    fn a_line_of_htpasswd_accepts_its_password() {
        // htpasswd -nbB anna secret
        let hash = bcrypt::hash_with_result("secret", 5).expect("a hash").format_for_version(bcrypt::Version::TwoY);
        let users = parse(&format!("anna:{hash}")).expect("a file");
        assert!(is_password("secret", users.of("anna")) && !is_password("Secret", users.of("anna")));
    }

    #[test]
    fn names_that_clients_cannot_send_are_refused() {
        for (name, password, why) in [
            ("", "x", "'' cannot be a user's name: it is empty"),
            ("a:b", "x", "'a:b' cannot be a user's name: neither a colon nor a control character can be in it"),
            ("#a", "x", "'#a' cannot be a user's name: it cannot begin with # or a space, nor end with one"),
            ("a", "", "a password needs at least one character"),
            ("a", &"é".repeat(40), "the password has 80 bytes; bcrypt takes 72"),
        ] {
            assert_eq!(line(name, password), Err(why.to_owned()));
        }
        for (text, why) in [
            ("anna", "line 1 is not user:hash; alco passwd makes such lines"),
            ("\n:x", "line 2 does not begin with a name: it is empty"),
            ("anna:$apr1$x$y", "line 1 has no bcrypt hash; alco passwd or htpasswd -B makes one"),
        ] {
            assert_eq!(parse(text).map(|_| ()), Err(why.to_owned()));
        }
        let twice = line("a", "x").expect("a line");
        assert_eq!(parse(&format!("{twice}\n{twice}")).map(|_| ()), Err("line 2 names a again; keep one".to_owned()));
        assert!(NOBODY.parse::<bcrypt::HashParts>().is_ok());
    }
}
