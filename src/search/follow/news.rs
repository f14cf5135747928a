//! The news that a follower receives, and their words. Pure.

use crate::search::hit::Line;

/// A follower receives these.
#[derive(Clone, Debug)]
pub enum News {
    Line(Line),
    /// this many records have arrived and wait; 0: none waits any longer
    Behind(u64),
    /// this many records were left out, since more arrive than the follower takes
    LeftOut(u64),
    /// this many records arrived too late to be distinguished from older ones
    Late(u64),
    /// why searchd does not answer; records that arrive meanwhile will come
    Away(String),
    Back,
    /// parts of the answer are missing (a peer is down, a day index is not served)
    Missing(String),
}

impl News {
    /// In words, for the reader; None for a line. `records` writes a number of records: `1 record`, `2 records`.
    pub fn words(&self, records: impl Fn(u64) -> String) -> Option<String> {
        Some(match self {
            News::Line(_) => return None,
            News::Behind(0) => "caught up".to_owned(),
            News::Behind(waiting) => format!("lags by {}", records(*waiting)),
            News::LeftOut(count) => format!("{} are left out here, since more arrive than are taken", records(*count)),
            News::Late(count) => format!("{} arrived late: not shown here, found by a search", records(*count)),
            News::Away(why) => format!("searchd does not answer; new records are shown when it is back ({why})"),
            News::Back => "searchd is back".to_owned(),
            News::Missing(what) => what.clone(),
        })
    }
}
