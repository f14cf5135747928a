//! Text that may hold a password. Pure.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Text that may hold a password. `Debug` hides the password, so no log line shows it by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The text itself, for its server alone.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The URL without its password, for logs and messages. Where an `@` is not percent-encoded as it should be, this hides too
    /// much rather than too little.
    pub fn without_password(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else { return self.0.clone() };
        match rest.rsplit_once('@') {
            Some((user, host)) => match user.split(':').next().unwrap_or_default() {
                "" => format!("{scheme}://{host}"),
                user => format!("{scheme}://{user}@{host}"),
            },
            None => self.0.clone(),
        }
    }

    /// The URL with this password, percent-encoded. It replaces the URL's own password.
    pub fn with_password(&self, password: &str) -> Secret {
        let Some((scheme, rest)) = self.0.split_once("://") else { return self.clone() };
        let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
        let user = user.split(':').next().unwrap_or_default();
        Secret(format!("{scheme}://{user}:{}@{host}", utf8_percent_encode(password, NON_ALPHANUMERIC)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.without_password())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_password(url: &str, shown: &str, with_password: &str) {
        let secret = Secret::new(url.to_owned());
        assert_eq!(secret.without_password(), shown);
        assert_eq!(format!("{secret:?}"), format!("{shown:?}"));
        assert_eq!(secret.with_password("p@s:s/w ö").expose(), with_password);
    }

    #[test]
    fn a_password_goes_into_the_url_and_never_into_a_log_line() {
        const PASSWORD: &str = "p%40s%3As%2Fw%20%C3%B6";
        check_password("amqp://u:p@h:1/v", "amqp://u@h:1/v", &format!("amqp://u:{PASSWORD}@h:1/v"));
        check_password("amqp://u@h/v", "amqp://u@h/v", &format!("amqp://u:{PASSWORD}@h/v"));
        check_password("redis://:p@h/0", "redis://h/0", &format!("redis://:{PASSWORD}@h/0"));
        check_password("redis://h/0", "redis://h/0", &format!("redis://:{PASSWORD}@h/0"));
        check_password("amqp://u:p/w@h", "amqp://u@h", &format!("amqp://u:{PASSWORD}@h"));
    }
}
