//! Errors of RabbitMQ. An error is the decision that follows from it, which the kind of amiquip's error and the reply code of AMQP
//! 0-9-1 determine, and never a text.

use std::fmt;

use amiquip::Error as AmqpError;

/// The text of each is one line, with the cure where alco knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no such exchange or queue.
    NotFound(String),
    /// It exists with other properties, or cannot have those that were asked for.
    Mismatch(String),
    /// The broker cannot do this, at least not with this type of queue.
    Unsupported(String),
    /// The broker refuses the login, the virtual host or the operation. No waiting mends this, only an administrator.
    Refused(String),
    /// The broker has sent larger messages than the limit of deliveries was made for: a session with a lower limit helps.
    TooMuch(String),
    /// The broker is away, or the connection has ended, or the reason is another: trying again may help.
    Lost(String),
}

impl Error {
    /// The same decision with another text.
    pub fn with_text(self, change: impl FnOnce(String) -> String) -> Error {
        match self {
            Error::NotFound(why) => Error::NotFound(change(why)),
            Error::Mismatch(why) => Error::Mismatch(change(why)),
            Error::Unsupported(why) => Error::Unsupported(change(why)),
            Error::Refused(why) => Error::Refused(change(why)),
            Error::TooMuch(why) => Error::TooMuch(change(why)),
            Error::Lost(why) => Error::Lost(change(why)),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Error::NotFound(why)
        | Error::Mismatch(why)
        | Error::Unsupported(why)
        | Error::Refused(why)
        | Error::TooMuch(why)
        | Error::Lost(why)) = self;
        f.write_str(why)
    }
}

/// A failure before or outside AMQP, as of TCP and TLS.
impl From<String> for Error {
    fn from(why: String) -> Error {
        Error::Lost(why)
    }
}

/// For callers that only show it.
impl From<Error> for String {
    fn from(error: Error) -> String {
        error.to_string()
    }
}

impl From<&AmqpError> for Error {
    fn from(error: &AmqpError) -> Error {
        let why = root(error);
        let code = match error {
            AmqpError::ServerClosedChannel { code, .. } | AmqpError::ServerClosedConnection { code, .. } => *code,
            AmqpError::InvalidCredentials => {
                return Error::Refused(format!("the broker refuses the login; {LOGIN_CURE}"));
            }
            _ => return Error::Lost(why),
        };
        match code {
            ACCESS_REFUSED => Error::Refused(format!("{why}; {RIGHTS_CURE}")),
            NOT_FOUND => Error::NotFound(why),
            PRECONDITION_FAILED => Error::Mismatch(why),
            NOT_ALLOWED => Error::Refused(format!("{why}; {VIRTUAL_HOST_CURE}")),
            NOT_IMPLEMENTED => Error::Unsupported(why),
            _ => Error::Lost(why),
        }
    }
}

/// AMQP's reply codes, by the names that RabbitMQ gives them.
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;
/// The virtual host is missing, or not the user's.
const NOT_ALLOWED: u16 = 530;
const NOT_IMPLEMENTED: u16 = 540;

const LOGIN_CURE: &str = "set the user and the password in [rabbitmq] url or password_file as the broker has them \
                          (rabbitmqctl authenticate_user)";
const RIGHTS_CURE: &str = "give the user of [rabbitmq] url the rights to configure, write and read (rabbitmqctl \
                           set_permissions)";
const VIRTUAL_HOST_CURE: &str = "set the virtual host in [rabbitmq] url, and give its user the rights (rabbitmqctl \
                                 list_vhosts, set_permissions)";

/// The cause in one line: the broker's own words, or amiquip's error with the causes below it, such as the system's.
pub fn root(error: &AmqpError) -> String {
    if let AmqpError::ServerClosedChannel { code, message, .. } | AmqpError::ServerClosedConnection { code, message } =
        error
    {
        return format!("{message} ({code})");
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let below = error.to_string();
        if !text.contains(&below) {
            text = format!("{text}: {below}");
        }
        source = error.source();
    }
    text
}

/// `what` is the operation that failed, as in `cannot bind the queue: why`.
pub fn cannot(what: &str, error: &AmqpError) -> Error {
    Error::from(error).with_text(|why| format!("cannot {what}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_the_decision_that_its_code_means() {
        let channel = |code| AmqpError::ServerClosedChannel { channel_id: 1, code, message: "406".to_owned() };
        let connection = |code| AmqpError::ServerClosedConnection { code, message: "ACCESS_REFUSED".to_owned() };
        for (error, decision, says) in [
            (channel(404), Error::NotFound as fn(String) -> Error, "(404)"),
            (channel(406), Error::Mismatch, "(406)"),
            (channel(403), Error::Refused, "set_permissions"),
            (channel(405), Error::Lost, "(405)"),
            (connection(540), Error::Unsupported, "(540)"),
            (connection(530), Error::Refused, "virtual host"),
            (connection(320), Error::Lost, "cannot do it: ACCESS_REFUSED (320)"),
            (AmqpError::InvalidCredentials, Error::Refused, "[rabbitmq] url"),
            (AmqpError::UnexpectedSocketClose, Error::Lost, "closed"),
        ] {
            let made = cannot("do it", &error);
            let text = made.to_string();
            assert_eq!(made, decision(text.clone()), "{error}");
            assert!(text.starts_with("cannot do it: ") && text.contains(says), "{text}");
        }
    }
}
