//! Whether a peer answers: by a small question to it, and by what searchd here reports of it.

use std::time::Duration;

use crate::config::Address;
use crate::search::shard::Mirror;
use crate::sphinx::client::{Engine, Fault};
use crate::sphinx::day_index::peer_index;
use crate::sphinx::dialect::agent_reports;
use crate::sphinx::statement;

/// For the answer to a small question: with the wait before it, as long as a reader should wait for a peer.
pub(super) const SMALL_QUESTION_TIME: Duration = Duration::from_millis(700);

/// The outcome of a small question to a peer.
pub(super) enum PeerAnswer {
    Answers,
    Away(String),
    /// this node's searchd is away, or does not know the peer yet
    Unknown,
}

/// Asks a peer for a document of an index of its own, by a connection of its own. Where no answer comes in time, that is not the
/// peer's fault if the same question to this node alone has none either.
pub(super) fn small_answer(searchd: &Address, own: &str, mirror: &Mirror) -> PeerAnswer {
    let asked =
        |index: &str| Engine::new(searchd, SMALL_QUESTION_TIME).select(&statement::asks_for_attribute(index, "ts"));
    match asked(&peer_index(own, mirror.number)) {
        Ok(_) => PeerAnswer::Answers,
        Err(Fault::Reject(why)) => match of_agent(&why, mirror).next() {
            Some(why) if is_of_connection(why) => PeerAnswer::Away(why.to_owned()),
            // it answers, if only that it does not serve the day
            Some(_) => PeerAnswer::Answers,
            None => PeerAnswer::Unknown,
        },
        Err(Fault::Retry(_)) => match asked(own) {
            Ok(_) => PeerAnswer::Away(format!("it has not answered for {} s", SMALL_QUESTION_TIME.as_secs_f64())),
            Err(_) => PeerAnswer::Unknown,
        },
    }
}

/// The reasons that a warning or an error has for a peer. There may be one for each of several days.
pub(super) fn of_agent<'w>(warning: &'w str, mirror: &Mirror) -> impl Iterator<Item = &'w str> {
    agent_reports(warning).filter(|report| report.address == mirror.address).map(|report| report.why)
}

/// True if the agent did not answer at all.
pub(super) fn is_of_connection(why: &str) -> bool {
    !why.starts_with("remote query ")
}
