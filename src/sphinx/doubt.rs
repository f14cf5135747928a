//! Whether a searchd that was silent is worth a question. Pure: the time is an argument.
//!
//! Without it, a page would wait for each of its questions to a searchd that has stopped. Invariant: while searchd is in doubt, one
//! failed greeting answers all questions of the next `PAUSE`.

use std::time::{Duration, Instant};

/// Questions that come within this time after a failed greeting are not asked.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Doubt(Option<Silence>);

#[derive(Debug)]
struct Silence {
    why: String,
    last_tried: Instant,
}

/// What to do with a question.
#[derive(Debug, PartialEq, Eq)]
pub enum Advice {
    Ask,
    /// greet searchd first
    Greet,
    /// the reason why it would have no answer
    Refuse(String),
}

impl Doubt {
    pub fn advice(&self, now: Instant) -> Advice {
        match &self.0 {
            None => Advice::Ask,
            Some(silence) if now < silence.last_tried + PAUSE => Advice::Refuse(silence.why.clone()),
            Some(_) => Advice::Greet,
        }
    }

    /// searchd has not greeted. Returns true if it was not in doubt before.
    pub fn is_silent(&mut self, why: &str, now: Instant) -> bool {
        self.0.replace(Silence { why: why.to_owned(), last_tried: now }).is_none()
    }

    /// searchd has greeted or answered. Returns true if it was in doubt before.
    pub fn is_over(&mut self) -> bool {
        self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_searchd_is_greeted_before_it_is_asked() {
        let (mut doubt, begin) = (Doubt::default(), Instant::now());
        let refuse = Advice::Refuse("silent".to_owned());
        assert_eq!(doubt.advice(begin), Advice::Ask);
        assert!(!doubt.is_over());
        assert!(doubt.is_silent("silent", begin));
        assert_eq!(doubt.advice(begin + PAUSE / 2), refuse);
        assert_eq!(doubt.advice(begin + PAUSE), Advice::Greet);
        assert!(!doubt.is_silent("away", begin + PAUSE));
        assert_eq!(doubt.advice(begin + PAUSE), Advice::Refuse("away".to_owned()));
        assert!(doubt.is_over());
        assert_eq!(doubt.advice(begin), Advice::Ask);
    }
}
