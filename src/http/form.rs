//! Forms that change something: only those of alco's own pages are taken.
//!
//! A page with a form sets a cookie with a token, which browsers send with alco's own pages only (SameSite=Strict), and has the same
//! token in a field. Another site can make a browser send a form, but it knows no token. So two alcos behind one address need no
//! common secret.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::http::error::Refusal;
use crate::query::url::pairs;

/// The name of the cookie.
pub const TOKEN_COOKIE: &str = "alco_form";
const TOKEN_DIGITS: usize = 32;

/// Makes tokens that cannot be guessed: keyed hashes of numbers, by keys that the system's random numbers give.
#[derive(Debug, Default)]
pub struct Tokens {
    keys: [RandomState; 2],
    made: AtomicU64,
}

impl Tokens {
    fn next(&self) -> String {
        let number = self.made.fetch_add(1, Relaxed);
        self.keys.iter().map(|keys| format!("{:016x}", keys.hash_one(number))).collect()
    }

    /// The token for the forms of a page: that which the browser has, or a new one.
    pub fn of(&self, own: Option<&str>) -> String {
        own.map_or_else(|| self.next(), str::to_owned)
    }
}

/// The cookie for a page with that token. `origin`: the address by which the client knows alco.
pub fn token_cookie(base: &str, origin: &str, token: &str) -> String {
    let secure = if origin.starts_with("https:") { "; Secure" } else { "" };
    format!("{TOKEN_COOKIE}={token}; Path={base}; SameSite=Strict; HttpOnly{secure}")
}

/// True for what `Tokens` makes.
pub fn is_token(text: &str) -> bool {
    text.len() == TOKEN_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The fields of a form that was sent.
pub struct SentForm(Vec<(String, String)>);

impl SentForm {
    /// `own`: the token that the browser has. `is_foreign`: a page of another origin sent the form.
    ///
    /// # Errors
    /// The form was not sent by a page of alco.
    pub fn read(text: &str, own: Option<&str>, is_foreign: bool) -> Result<SentForm, Refusal> {
        let form = SentForm(pairs(text));
        let token = form.field("token");
        if !is_foreign && !token.is_empty() && own == Some(token) {
            return Ok(form);
        }
        Err(Refusal::Bad(
            "this form was not sent by a page of alco; load the page again, with cookies allowed, and send it again"
                .to_owned(),
        ))
    }

    /// Empty if it was not sent.
    pub fn field(&self, name: &str) -> &str {
        self.0.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_form_with_the_token_of_the_browser_is_taken() {
        let tokens = Tokens::default();
        let (own, other) = (tokens.of(None), tokens.of(None));
        assert!(is_token(&own) && own != other, "{own} {other}");
        assert_eq!(tokens.of(Some(&own)), own);
        for (token, is_foreign, text, is_taken) in [
            (Some(&own), false, format!("name=a+b&token={own}"), true),
            (Some(&own), true, format!("name=a+b&token={own}"), false),
            (Some(&other), false, format!("name=a+b&token={own}"), false),
            (None, false, format!("name=a+b&token={own}"), false),
            (None, false, "name=a+b&token=".to_owned(), false),
            (Some(&own), false, "name=a+b".to_owned(), false),
        ] {
            let form = SentForm::read(&text, token.map(String::as_str), is_foreign);
            assert_eq!(form.as_ref().ok().map(|form| form.field("name")), is_taken.then_some("a b"), "{text}");
        }
    }
}
