//! The patterns of records, for Redis: each reported when it is new to this worker, when an older or a more severe record of it comes,
//! and once a minute. Pure. Invariant: whatever the records hold, what is kept here is bounded; a pattern that finds no room is
//! reported when it comes again.

use std::collections::HashMap;

use crate::record::level::Level;
use crate::record::pattern::PatternHash;
use crate::record::pattern::memory::{PatternOf, PatternSighting, kept_text};
use crate::time::Ts;

/// A pattern that comes again is reported again after this time.
const REPORT_INTERVAL_SECONDS: i64 = 60;
/// The time between two reports of patterns that only came again: one for several batches.
const GATHER_SECONDS: i64 = 5;
/// Patterns that are kept here, as many as Redis remembers. One that is forgotten is only reported again.
const MAX_KNOWN_PATTERNS: usize = 20_000;
/// Patterns that wait for a report: more than a batch of 1000 records has.
const MAX_WAITING: usize = 4000;

#[derive(Debug, Default)]
pub struct SeenPatterns {
    known: HashMap<PatternHash, SeenPattern>,
    /// those to be reported, with their texts
    waiting: Vec<(PatternHash, String)>,
    /// one of them is not only there because it came again
    has_news: bool,
    /// the second of the last report
    reported: i64,
}

#[derive(Clone, Copy, Debug)]
struct SeenPattern {
    first: Ts,
    last: Ts,
    level: Level,
    waits: bool,
    /// the second of its last report
    reported: i64,
}

impl SeenPatterns {
    /// Notes a record that has that time and arrived at `now`. What came before `oldest` only is forgotten.
    pub fn note(&mut self, pattern: PatternOf, ts: Ts, now: Ts, oldest: Ts) {
        // a clock that is ahead does not make a pattern newer than it is
        let ts = ts.min(now);
        let has_room = self.waiting.len() < MAX_WAITING;
        let Some(seen) = self.known.get_mut(&pattern.hash).filter(|seen| seen.waits || seen.last >= oldest) else {
            if has_room {
                self.begin(pattern, ts);
            }
            return;
        };
        seen.last = seen.last.max(ts);
        if ts < seen.first || pattern.level > seen.level {
            // kept, and reported later, where there is no room
            (seen.first, seen.level) = (seen.first.min(ts), seen.level.max(pattern.level));
            self.has_news |= seen.waits || has_room;
        } else if !is_past(seen.reported, REPORT_INTERVAL_SECONDS, now) {
            return;
        }
        if !seen.waits && has_room {
            seen.waits = true;
            self.waiting.push((pattern.hash, kept_text(pattern.text)));
        }
    }

    fn begin(&mut self, pattern: PatternOf, ts: Ts) {
        if self.known.len() >= MAX_KNOWN_PATTERNS {
            self.known.retain(|_, seen| seen.waits);
        }
        let seen = SeenPattern { first: ts, last: ts, level: pattern.level, waits: true, reported: 0 };
        self.known.insert(pattern.hash, seen);
        self.waiting.push((pattern.hash, kept_text(pattern.text)));
        self.has_news = true;
    }

    /// True if Redis is to get them now.
    pub fn is_due(&self, now: Ts) -> bool {
        self.has_news || !self.waiting.is_empty() && is_past(self.reported, GATHER_SECONDS, now)
    }

    /// Those that wait.
    pub fn waiting(&self) -> impl Iterator<Item = (PatternHash, PatternSighting)> {
        self.waiting.iter().filter_map(|(hash, text)| {
            let SeenPattern { first, last, level, .. } = *self.known.get(hash)?;
            Some((*hash, PatternSighting { first, last, level, text: text.clone() }))
        })
    }

    /// They are reported.
    pub fn clear(&mut self, now: Ts) {
        for (hash, _) in self.waiting.drain(..) {
            if let Some(seen) = self.known.get_mut(&hash) {
                (seen.waits, seen.reported) = (false, now.seconds());
            }
        }
        (self.has_news, self.reported) = (false, now.seconds());
    }
}

/// True if the time since that second is over, and after a jump of the clock.
fn is_past(second: i64, interval: i64, now: Ts) -> bool {
    !(0..interval).contains(&(now.seconds() - second))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::pattern;

    fn at(second: i64) -> Ts {
        Ts::from_micros((1_795_341_600 + second) * 1_000_000)
    }

    /// Notes a record of that time, which arrives at `now`.
    fn note(seen: &mut SeenPatterns, message: &str, level: Level, ts: i64, now: i64) {
        let pattern = pattern::of(message);
        seen.note(PatternOf { hash: pattern.hash, text: &pattern.text, level }, at(ts), at(now), at(now - 1000));
    }

    /// What a report at that second has: texts, first and last second, levels.
    fn report(seen: &mut SeenPatterns, now: i64) -> Vec<(String, i64, i64, Level)> {
        if !seen.is_due(at(now)) {
            return Vec::new();
        }
        let second = |ts: Ts| ts.seconds() - at(0).seconds();
        let waiting = seen.waiting().map(|(_, one)| (one.text, second(one.first), second(one.last), one.level));
        let waiting = waiting.collect();
        seen.clear(at(now));
        waiting
    }

    #[test]
    fn only_changes_are_reported_within_a_minute() {
        use Level::{Error, Info};
        let mut seen = SeenPatterns::default();
        let mut expect = |records: &[(&str, Level, i64)], now: i64, expected: &[(&str, i64, i64, Level)]| {
            records.iter().for_each(|(message, level, ts)| note(&mut seen, message, *level, *ts, now));
            let expected: Vec<_> =
                expected.iter().map(|(text, f, l, level)| ((*text).to_owned(), *f, *l, *level)).collect();
            assert_eq!(report(&mut seen, now), expected, "at {now}");
        };
        expect(
            &[("job 7", Info, 100), ("job 8", Info, 99), ("end", Info, 100)],
            100,
            &[("job *", 99, 100, Info), ("end", 100, 100, Info)],
        );
        expect(&[("job 9", Info, 101)], 101, &[]);
        // an older one and a more severe one are changes, a time in the future is none
        expect(&[("job 9", Info, 50)], 102, &[("job *", 50, 101, Info)]);
        expect(&[("job 9", Error, 60)], 103, &[("job *", 50, 101, Error)]);
        expect(&[("job 9", Info, 900)], 104, &[]);
        // those that only came again wait for a common report
        expect(&[("end", Info, 160)], 160, &[("end", 100, 160, Info)]);
        expect(&[("job 1", Info, 163)], 163, &[]);
        expect(&[], 165, &[("job *", 50, 163, Error)]);
        // past the retention
        expect(&[("end", Info, 2000)], 2000, &[("end", 2000, 2000, Info)]);
        // a clock that was set back
        expect(&[("job 1", Info, 20)], 20, &[("job *", 20, 163, Error)]);
    }

    #[test]
    fn a_flood_of_patterns_is_bounded() {
        let mut seen = SeenPatterns::default();
        let word = |n: usize| n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'g')).collect::<String>();
        for n in 0..5 * MAX_KNOWN_PATTERNS {
            note(&mut seen, &word(n), Level::Info, 0, 0);
            if n % 1000 == 999 {
                assert_eq!(report(&mut seen, 0).len(), 1000);
            }
        }
        assert!(seen.known.len() <= MAX_KNOWN_PATTERNS);
        // Redis is away
        for n in 0..2 * MAX_WAITING {
            note(&mut seen, &word(n), Level::Info, 0, 0);
        }
        assert_eq!(report(&mut seen, 0).len(), MAX_WAITING);
        note(&mut seen, &word(2 * MAX_WAITING - 1), Level::Info, 0, 0);
        assert_eq!(report(&mut seen, 0).len(), 1, "it came again");
    }
}
