//! `.netrc`: the user and the password for a host, so that neither stands in the list of processes. Pure but for `read`.
//!
//! It is read as curl reads it: `machine`, `login`, `password`, `default`; a word with spaces in double quotes; `macdef` up to an
//! empty line; lines that begin with `#` are comments.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

#[derive(Debug, PartialEq, Eq)]
pub struct NetrcLogin {
    pub user: String,
    pub password: String,
}

/// The text of that file, or else of ~/.netrc, if there is one.
///
/// # Errors
/// The file cannot be read.
pub fn read(named: Option<&Path>) -> Result<Option<String>, String> {
    let usual = || std::env::home_dir().map(|home| home.join(".netrc"));
    let Some(path) = named.map(PathBuf::from).or_else(usual) else { return Ok(None) };
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if named.is_none() && error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

/// The login for a host, by the first entry that names it, or else by `default`; with `user`, by the first with that login.
pub fn login(text: &str, host: &str, user: Option<&str>) -> Option<NetrcLogin> {
    let mut entries = entries(text);
    // after all others, wherever it stands
    entries.sort_by_key(|entry| entry.machine.is_none());
    let is_for = |entry: &NetrcEntry| entry.machine.as_ref().is_none_or(|machine| machine.eq_ignore_ascii_case(host));
    let has_user = |entry: &NetrcEntry| user.is_none() || entry.login.is_none() || entry.login.as_deref() == user;
    let entry = entries.into_iter().find(|entry| is_for(entry) && has_user(entry))?;
    let user = user.map(str::to_owned).or(entry.login).unwrap_or_default();
    Some(NetrcLogin { user, password: entry.password? })
}

#[derive(Debug, Default)]
struct NetrcEntry {
    /// None: `default`
    machine: Option<String>,
    login: Option<String>,
    password: Option<String>,
}

fn entries(text: &str) -> Vec<NetrcEntry> {
    let (mut entries, mut is_macro): (Vec<NetrcEntry>, _) = (Vec::new(), false);
    // the word that the next one is the value of
    let mut key = String::new();
    for line in text.lines() {
        is_macro &= !line.trim().is_empty();
        if is_macro || line.trim_start().starts_with('#') {
            continue;
        }
        for word in words(line) {
            match (std::mem::take(&mut key).as_str(), entries.last_mut()) {
                ("machine", _) => entries.push(NetrcEntry { machine: Some(word), ..NetrcEntry::default() }),
                ("login", Some(entry)) => entry.login = Some(word),
                ("password", Some(entry)) => entry.password = Some(word),
                // a login before any machine
                ("login" | "password" | "account", _) => {}
                _ if word == "default" => entries.push(NetrcEntry::default()),
                _ if word == "macdef" => {
                    is_macro = true;
                    break;
                }
                _ => key = word,
            }
        }
    }
    entries
}

fn words(line: &str) -> Vec<String> {
    let (mut words, mut rest) = (Vec::new(), line.trim_start());
    while !rest.is_empty() {
        let is_quoted = rest.starts_with('"');
        let (mut word, mut end) = (String::new(), rest.len());
        let mut chars = rest.char_indices().skip(usize::from(is_quoted));
        while let Some((at, c)) = chars.next() {
            match c {
                '"' if is_quoted => {
                    end = at + 1;
                    break;
                }
                '\\' if is_quoted => word.extend(chars.next().map(|(_, escaped)| match escaped {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                })),
                c if !is_quoted && c.is_whitespace() => {
                    end = at;
                    break;
                }
                c => word.push(c),
            }
        }
        words.push(word);
        rest = rest[end..].trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, host: &str, user: Option<&str>, expected: Option<(&str, &str)>) {
        let found = login(text, host, user).map(|login| (login.user, login.password));
        assert_eq!(found, expected.map(|(user, password)| (user.to_owned(), password.to_owned())), "{text:?} {host}");
    }

    #[test]
    fn a_host_has_its_login_as_curl_finds_it() {
        let one = "machine logs.example.org login anna password s3cret";
        check(one, "logs.example.org", None, Some(("anna", "s3cret")));
        check(one, "LOGS.example.org", None, Some(("anna", "s3cret")));
        check(one, "example.org", None, None);
        check(one, "logs.example.org", Some("anna"), Some(("anna", "s3cret")));
        check(one, "logs.example.org", Some("bob"), None);
        check(&one.replace(' ', "\n\t"), "logs.example.org", None, Some(("anna", "s3cret")));
        let two = format!(
            "default login x password y\n# machine a login no\n{one}\nmachine logs.example.org login bob password b"
        );
        check(&two, "logs.example.org", Some("bob"), Some(("bob", "b")));
        check(&two, "logs.example.org", None, Some(("anna", "s3cret")));
        check(&two, "elsewhere", None, Some(("x", "y")));
        check(&two, "a", None, Some(("x", "y")));
        check("machine a password p", "a", Some("eve"), Some(("eve", "p")));
        check("machine a login eve account z", "a", None, None);
        check("machine a\nmacdef init\nlogin no\npassword no\n\nmachine b login c password d", "a", None, None);
        check("machine a\nmacdef init\nlogin no\n\nmachine b login c password d", "b", None, Some(("c", "d")));
        check("machine ::1 login \"a b\" password \"q\\\"\\\\ \\te\"", "::1", None, Some(("a b", "q\"\\ \te")));
        check("machine a login machine password default", "a", None, Some(("machine", "default")));
        for broken in
            ["", "machine", "login a password b", "machine a password", "machine a password \"x", "\"", "é\" \\"]
        {
            login(broken, "a", None);
        }
    }
}
