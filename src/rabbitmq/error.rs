//! Errors of amiquip as one line, and the reply codes of AMQP 0-9-1 by which alco decides.

use amiquip::Error;

/// AMQP's reply codes, by the names that RabbitMQ gives them.
pub const NOT_FOUND: u16 = 404;
pub const PRECONDITION_FAILED: u16 = 406;
pub const NOT_IMPLEMENTED: u16 = 540;

/// True if the broker closed the channel with that reply code.
pub fn is_reply(error: &Error, reply: u16) -> bool {
    matches!(error, Error::ServerClosedChannel { code, .. } if *code == reply)
}

/// amiquip's error with the causes below it, such as the system's, in one line.
pub fn root(error: &Error) -> String {
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

pub fn cannot(what: &str, error: &Error) -> String {
    format!("cannot {what}: {}", root(error))
}
