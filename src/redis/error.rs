//! Errors of Redis. An error is the decision that follows from it, which the kind of the crate's error and the code at the start of
//! Redis' answer determine.

use std::fmt;

use redis::{ErrorKind, RedisError, ServerError};

/// The text of each is one line, with the cure where alco knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Redis is away, is out of memory or takes no writes, or the reason is another: trying again may help.
    Away(String),
    /// Redis refuses the login, or the user lacks a right. No waiting mends this, only an administrator.
    Refused(String),
}

impl Error {
    /// The same decision with another text.
    pub fn with_text(self, change: impl FnOnce(String) -> String) -> Error {
        match self {
            Error::Away(why) => Error::Away(change(why)),
            Error::Refused(why) => Error::Refused(change(why)),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Error::Away(why) | Error::Refused(why)) = self;
        f.write_str(why)
    }
}

/// A failure before Redis answers, as of TCP and TLS.
impl From<String> for Error {
    fn from(why: String) -> Error {
        Error::Away(why)
    }
}

/// For callers that only show it.
impl From<Error> for String {
    fn from(error: Error) -> String {
        error.to_string()
    }
}

impl From<&RedisError> for Error {
    fn from(error: &RedisError) -> Error {
        if error.kind() == ErrorKind::AuthenticationFailed {
            let answer = error.detail().map_or(String::new(), |answer| format!(": {answer}"));
            return Error::Refused(format!("it refuses the login{answer}; {LOGIN_CURE}"));
        }
        // one for each command of a pipeline that failed; none if Redis has not answered
        let answers = error.clone().into_server_errors();
        let answers = || answers.iter().flat_map(|answers| answers.iter()).map(|(_, answer)| answer);
        let cured = answers().find_map(|answer| Some((answer, cure(answer)?)));
        match (cured, answers().next()) {
            (Some((answer, (_, decide, cure))), _) => decide(format!("{}; {cure}", text(answer))),
            (None, Some(answer)) => Error::Away(text(answer)),
            (None, None) => Error::Away(error.to_string()),
        }
    }
}

/// An answer's code, the decision that follows from it, and the cure.
type Cure = (&'static str, fn(String) -> Error, &'static str);

const CURES: [Cure; 6] = [
    ("NOAUTH", Error::Refused, LOGIN_CURE),
    ("WRONGPASS", Error::Refused, LOGIN_CURE),
    (NO_RIGHT, Error::Refused, "give the user of [redis] url the right by ACL SETUSER"),
    (
        "MISCONF",
        Error::Away,
        "it takes no writes since it could not save: its log has the reason (is the disk full, may it write its dir?); after that, \
         redis-cli BGSAVE",
    ),
    ("OOM", Error::Away, "its memory is full: raise its maxmemory, or remove what others keep there"),
    ("READONLY", Error::Away, "it is a replica: set [redis] url to the primary"),
];

const NO_RIGHT: &str = "NOPERM";
const LOGIN_CURE: &str = "set the user and the password in [redis] url or password_file as Redis has them";

/// Redis before 7 answers a script with ERR, and has the code of the command that failed within the text: `-READONLY`. Redis 7.0
/// has no code for a right that a script lacks.
fn cure(answer: &ServerError) -> Option<&'static Cure> {
    let details = answer.details().unwrap_or_default();
    let has = |code: &str| {
        answer.code() == code
            || details.split_whitespace().any(|word| word.strip_prefix('-') == Some(code))
            || code == NO_RIGHT && details.starts_with("The user executing the script can't ")
    };
    CURES.iter().find(|(code, ..)| has(code))
}

/// The answer as Redis wrote it, but for a full stop.
fn text(answer: &ServerError) -> String {
    format!("{} {}", answer.code(), answer.details().unwrap_or_default()).trim_end_matches([' ', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error of an answer.
    fn error(answer: &str) -> RedisError {
        let value = redis::parse_redis_value(format!("-{answer}\r\n").as_bytes()).expect("an answer");
        value.extract_error().expect_err(answer)
    }

    #[track_caller]
    fn check(error: &RedisError, decision: fn(String) -> Error, says: &str) {
        let made = Error::from(error);
        let text = made.to_string();
        assert_eq!(made, decision(text.clone()), "{error}");
        assert!(text.contains(says), "{text}");
    }

    #[test]
    fn an_answer_is_the_decision_that_its_code_means() {
        for (answer, decision, says) in [
            ("NOAUTH Authentication required.", Error::Refused as fn(String) -> Error, "password_file"),
            ("WRONGPASS invalid username-password pair", Error::Refused, "password_file"),
            ("NOPERM this user has no permissions to run the 'set' command", Error::Refused, "ACL SETUSER"),
            ("ERR The user executing the script can't run this command or subcommand", Error::Refused, "ACL SETUSER"),
            ("MISCONF Redis is configured to save RDB snapshots", Error::Away, "BGSAVE"),
            ("OOM command not allowed when used memory > 'maxmemory'.", Error::Away, "raise its maxmemory"),
            ("READONLY You can't write against a read only replica.", Error::Away, "set [redis] url to the primary"),
            ("ERR Error running script (call to f_1): @user_script: 1: -READONLY You can't", Error::Away, "primary"),
            ("ERR no such NOAUTH", Error::Away, "ERR no such NOAUTH"),
            ("LOADING Redis is loading the dataset in memory", Error::Away, "LOADING Redis is loading"),
        ] {
            check(&error(answer), decision, says);
        }
    }

    #[test]
    fn an_error_of_the_client_is_an_outage_or_a_login() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        check(&refused.into(), Error::Away, "refused");
        check(&(ErrorKind::AuthenticationFailed, "no").into(), Error::Refused, "password_file");
        check(&(ErrorKind::Parse, "no NOAUTH").into(), Error::Away, "no NOAUTH");
    }
}
