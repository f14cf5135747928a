//! Numbers of a record by which searchd counts: `kind`, of its level and its message, and a hash for the value of each `filtered`
//! column. Pure.
//!
//! `kind` is `pattern << 3 | rank`. What a level means depends on the configuration, and what a pattern is on alco's version; a day
//! index keeps the numbers that it got. So it has a field whose name shows the rules by which they were made. A record that is stored
//! by other rules than those of its day has the pattern 0 and the rank `UNSURE_RANK` there. A day of other rules is not asked for them.
//!
//! Invariant: records of one hash in a column have one value there, each exactly once, or are `UNSURE_VALUE`.

use crate::config::Index;
use crate::record::digest;
use crate::record::json::{Member, Scalars, readable, scalars_at};
use crate::record::level::Level;
use crate::record::number::{is_number, is_plain_integer};
use crate::record::pattern::{self, PatternHash};

/// The part of `kind` that is the level's rank, as an expression.
pub const RANK: &str = "(kind & 7)";
/// The part of `kind` that is the hash of the message's pattern, as an expression. Sphinx has no shift.
pub const PATTERN: &str = "kind DIV 8";
/// Bits of the rank.
const RANK_BITS: u32 = 3;
/// One more than the highest rank.
pub const RANK_COUNT: i64 = 1 << RANK_BITS;
/// The rank of a record that was written by other rules than those of its day index.
pub const UNSURE_RANK: i64 = 7;
/// Its whole `kind`: it has no pattern there.
pub const UNSURE_KIND: i64 = UNSURE_RANK;

/// The hash where a record has no value of the column.
pub const NO_VALUE: u32 = 0;
/// The hash where its columns have to be read: it has several values, a very long one, or a number that has other spellings.
pub const UNSURE_VALUE: u32 = 1;
/// The longest value that gets a hash.
const MAX_VALUE_BYTES: usize = 256;

/// `kind` of a record whose level has that rank, and whose message has that pattern.
pub fn kind(rank: i64, pattern: PatternHash) -> i64 {
    // 60 bits and 3: the highest stays 0
    (pattern.bits() << RANK_BITS) as i64 | rank
}

/// The pattern and the rank of a `kind`.
pub fn pattern_and_rank(kind: i64) -> (PatternHash, i64) {
    (PatternHash::of_bits(kind as u64 >> RANK_BITS), kind & (RANK_COUNT - 1))
}

/// The rank of a level.
pub fn rank(level: Level) -> i64 {
    level as i64
}

/// A field that is empty in every document: a day index that has it was declared under an alco that found levels and patterns in this
/// way.
pub fn rules_field(index: &Index) -> String {
    rules_field_by(index, pattern::RULES_VERSION)
}

fn rules_field_by(index: &Index, pattern_rules: u32) -> String {
    let rules = format!("{:?} {:?} {pattern_rules}", index.level, index.level_numbers);
    format!("rules_{:08x}", digest::of_text(&rules, 0) as u32)
}

/// The hash of a record's value in a column.
pub fn value_hash(columns: &[Member], column: &str) -> u32 {
    match scalars_at(columns, column) {
        Scalars::None => NO_VALUE,
        Scalars::One(value) => hash_of(&readable(value)),
        Scalars::Several => UNSURE_VALUE,
    }
}

/// The hash of a value. A text has that of the integer that it spells, since one filter finds both.
pub fn hash_of(value: &str) -> u32 {
    if value.len() > MAX_VALUE_BYTES || is_number(value) && !is_plain_integer(value) {
        return UNSURE_VALUE;
    }
    let hash = digest::of_text(value, 0) as u32;
    if hash <= UNSURE_VALUE { hash + 2 } else { hash }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::json::members;

    #[test]
    fn one_value_has_one_hash() {
        let hash = |value: &str| value_hash(&members(&format!(r#"{{"v":{value},"w":"other"}}"#)), "v");
        for same in
            [["5", r#""5""#, "[5]"], ["true", r#""true""#, r#"[null,true]"#], [r#""a""#, r#""\u0061""#, r#"["a"]"#]]
        {
            assert!(same.iter().all(|value| hash(value) == hash(same[0]) && hash(value) > UNSURE_VALUE), "{same:?}");
        }
        for (value, expect) in [
            ("null", NO_VALUE),
            ("[]", NO_VALUE),
            (r#"[{"a":1}]"#, NO_VALUE),
            (r#"{"a":1}"#, NO_VALUE),
            ("5.0", UNSURE_VALUE),
            (r#""5.0""#, UNSURE_VALUE),
            ("1e3", UNSURE_VALUE),
            (r#"["a","b"]"#, UNSURE_VALUE),
            (r#"["a","a"]"#, UNSURE_VALUE),
            (&format!("\"{}\"", "x".repeat(MAX_VALUE_BYTES + 1)), UNSURE_VALUE),
        ] {
            assert_eq!(hash(value), expect, "{value}");
        }
        assert_ne!(hash(r#""a""#), hash(r#""b""#));
        let twice = members(r#"{"a.b":"x","a":{"b":"y"}}"#);
        assert_eq!(value_hash(&twice, "a.b"), UNSURE_VALUE);
    }

    #[test]
    fn a_kind_has_its_rank_and_is_never_negative() {
        let patterns = ["", "order 7 paid", "server started", "disk full"].map(|message| pattern::of(message).hash);
        assert!(patterns.iter().any(|pattern| pattern.bits() >> 59 == 1), "one of them uses all 60 bits");
        for pattern in patterns {
            for level in [Level::Unknown, Level::Debug, Level::Critical] {
                let kind = kind(rank(level), pattern);
                assert_eq!(pattern_and_rank(kind), (pattern, rank(level)), "{kind}");
                assert!(kind >= 0, "{kind}");
            }
        }
    }

    #[test]
    fn other_rules_have_another_field() {
        let index = Index::new("web".parse().expect("a name"));
        let mut other = index.clone();
        other.level.reverse();
        assert_eq!(rules_field(&index), rules_field(&index.clone()));
        assert_ne!(rules_field(&index), rules_field(&other));
        assert_ne!(rules_field(&index), rules_field_by(&index, pattern::RULES_VERSION + 1));
    }
}
