//! Statements that count documents by their `kind` (`counting`), and what their rows mean. Pure.

use crate::record::pattern::PatternHash;
use crate::sphinx::counting::PATTERN;
use crate::sphinx::select::Select;

/// Steps of one question at most. Each of its groups is known by one number, which has place for so many beside a pattern.
pub const MAX_STEPS: i64 = 1 << (i64::BITS - 1 - KEY_BITS);
/// The bits of a pattern that this number has.
const KEY_BITS: u32 = 58;
const KEY_MASK: i64 = (1 << KEY_BITS) - 1;

impl Select<'_> {
    /// A row for each kind, the most frequent first: the kind, the number of its documents, the first and the last time of them, the
    /// docid of one of them. `among`: only of these kinds.
    pub fn kinds(self, among: &[i64]) -> String {
        let select = Select { columns: "kind, COUNT(*) AS n, MIN(ts) AS first, MAX(ts) AS last, id", ..self };
        format!("{}{} GROUP BY kind ORDER BY n DESC{}", select.head(), is_one_of(among), self.options())
    }

    /// A row for each pattern of these kinds and each step: their number by `key_and_step`, and the number of documents. `step` is the
    /// expression of the step, from 0 to below `MAX_STEPS`.
    pub fn steps_of_kinds(self, step: &str, among: &[i64]) -> String {
        let columns = format!("(({PATTERN}) & {KEY_MASK}) * {MAX_STEPS} + {step} AS place, COUNT(*) AS n");
        let select = Select { columns: &columns, ..self };
        format!("{}{} GROUP BY place{}", select.head(), is_one_of(among), self.options())
    }

    /// The number of patterns.
    pub fn number_of_patterns(self) -> String {
        let columns = format!("{PATTERN} AS pattern, COUNT(DISTINCT pattern) AS n");
        format!("{}{}", Select { columns: &columns, ..self }.head(), self.options())
    }
}

fn is_one_of(kinds: &[i64]) -> String {
    let kinds: Vec<String> = kinds.iter().map(i64::to_string).collect();
    if kinds.is_empty() { String::new() } else { format!(" AND kind IN ({})", kinds.join(",")) }
}

/// The part of a pattern that distinguishes it from the others of a question: all but two of its bits.
pub fn key(pattern: PatternHash) -> i64 {
    pattern.bits() as i64 & KEY_MASK
}

/// The key of the pattern, and the step.
pub fn key_and_step(place: i64) -> (i64, i64) {
    (place.div_euclid(MAX_STEPS), place.rem_euclid(MAX_STEPS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sphinx::select::Restriction;
    use crate::time::{Range, Ts};

    #[test]
    fn documents_are_counted_by_kind() {
        let narrowing = Restriction { matching: None, conditions: vec!["kind<>7".to_owned()] };
        let range = Range { start: Ts::from_micros(5), end: Ts::from_micros(9) };
        let select = Select {
            columns: "",
            from: "web",
            narrowing: &narrowing,
            keys: None,
            range,
            newest_first: false,
            beyond: None,
            limit: 3,
        };
        let end = "LIMIT 3 OPTION max_matches=3, ranker=none";
        assert_eq!(
            select.kinds(&[]),
            format!(
                "SELECT kind, COUNT(*) AS n, MIN(ts) AS first, MAX(ts) AS last, id, (kind<>7) AS f0 FROM web \
                 WHERE ts>=5 AND ts<=8 AND f0=1 GROUP BY kind ORDER BY n DESC {end}"
            )
        );
        assert_eq!(
            select.steps_of_kinds("(ts DIV 60)", &[9, 17]),
            format!(
                "SELECT ((kind DIV 8) & 288230376151711743) * 32 + (ts DIV 60) AS place, COUNT(*) AS n, (kind<>7) AS f0 \
                 FROM web WHERE ts>=5 AND ts<=8 AND f0=1 AND kind IN (9,17) GROUP BY place {end}"
            )
        );
    }

    #[test]
    fn a_pattern_and_a_step_are_one_number() {
        let pattern = PatternHash::of_bits(u64::MAX >> 4);
        for step in [0, MAX_STEPS - 1] {
            assert_eq!(key_and_step(key(pattern) * MAX_STEPS + step), (key(pattern), step));
        }
    }
}
