//! The address of another alco, without user and password, and the header with these.

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::percent_decode_str;

use crate::commands::grep::remote::netrc;

/// The URL for questions and error texts, and the value of the Authorization header. A password that the address does not have comes
/// from netrc: that file, or ~/.netrc.
pub fn url_and_authorization(url: &str, netrc: Option<&Path>) -> Result<(String, Option<String>), String> {
    let RemoteAddress { url, host, user, password } = address(url)?;
    let login = match password {
        Some(password) => {
            log::warn!(
                "every user of this host can read the password of --url in the list of processes; write it into \
                     ~/.netrc: machine {host} login {} password …",
                String::from_utf8_lossy(user.as_deref().unwrap_or_default())
            );
            Some((user.unwrap_or_default(), password))
        }
        None => {
            let name = user.as_deref().map(String::from_utf8_lossy);
            let text = netrc::read(netrc)?;
            let login = text.and_then(|text| netrc::login(&text, &host, name.as_deref()));
            let login = login.map(|login| (login.user.into_bytes(), login.password.into_bytes()));
            login.or_else(|| Some((user?, Vec::new())))
        }
    };
    let authorization = login
        .map(|(user, password)| format!("Basic {}", BASE64_STANDARD.encode([user, b":".to_vec(), password].concat())));
    Ok((url, authorization))
}

/// An address taken apart.
#[derive(Debug, PartialEq, Eq)]
struct RemoteAddress {
    /// without user and password
    url: String,
    /// without a port
    host: String,
    user: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
}

/// In `user:password@`, the signs `@`, `/` and `%` are percent-encoded.
fn address(url: &str) -> Result<RemoteAddress, String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if path.contains('@') {
        return Err(
            "cannot read the URL: an '@' after the host; in a password, write %2F for / and %40 for @".to_owned()
        );
    }
    let (user, host) = host.rsplit_once('@').map_or((None, host), |(user, host)| (Some(user), host));
    let (user, password) = match user.map(|user| user.split_once(':').ok_or(user)) {
        Some(Ok((user, password))) => (Some(user), Some(password)),
        Some(Err(user)) => (Some(user), None),
        None => (None, None),
    };
    let decoded = |text| percent_decode_str(text).collect::<Vec<u8>>();
    let name = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    Ok(RemoteAddress {
        url: format!("{scheme}://{host}{}/", path.trim_end_matches('/')),
        host: name.to_owned(),
        user: user.map(decoded),
        password: password.map(decoded),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, asked: &str, host: &str, user: Option<&str>, password: Option<&str>) {
        let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        let (asked, host, user, password) = (asked.to_owned(), host.to_owned(), bytes(user), bytes(password));
        assert_eq!(address(url), Ok(RemoteAddress { url: asked, host, user, password }), "{url}");
    }

    #[test]
    fn user_and_password_leave_the_url() {
        check("logs", "http://logs/", "logs", None, None);
        check("https://logs:8000/base/", "https://logs:8000/base/", "logs", None, None);
        check("u:p@[::1]:8000", "http://[::1]:8000/", "::1", Some("u"), Some("p"));
        check("https://u@logs/base", "https://logs/base/", "logs", Some("u"), None);
        check("https://u:p:w@logs", "https://logs/", "logs", Some("u"), Some("p:w"));
        check("https://u%40x:p%40s%3As%2Fw%25%20%C3%B6@logs", "https://logs/", "logs", Some("u@x"), Some("p@s:s/w% ö"));
        check("https://u:p@w@logs", "https://logs/", "logs", Some("u"), Some("p@w"));
        let wrong = address("https://u:secret/w@logs").expect_err("neither has a host");
        assert!(wrong.contains("%2F") && !wrong.contains("secret"), "{wrong}");
    }
}
