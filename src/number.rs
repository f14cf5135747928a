//! Numbers as JSON writes them, of any size, exactly: 5, 5.0 and 50e-1 are equal, 9007199254740992 and …993 are not. Pure.

use std::cmp::Ordering;

/// `0.DIGITS × 10^exponent`, in its only form: no zeros at either end of the digits; zero has none, and no sign.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    digits: String,
    /// of ten; beyond an i64's range it is the last of the range
    exponent: i64,
}

impl Number {
    /// None where JSON's grammar (RFC 8259, section 6) has no number in the text.
    pub fn parse(text: &str) -> Option<Number> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, power) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, Some(power)),
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let is_whole = are_digits(whole) && (whole == "0" || !whole.starts_with('0'));
        if !is_whole || !fraction.is_none_or(are_digits) {
            return None;
        }
        let power = match power {
            Some(power) => {
                let unsigned = power.strip_prefix(['+', '-']).unwrap_or(power);
                let limit = if power.starts_with('-') { i64::MIN } else { i64::MAX };
                are_digits(unsigned).then(|| power.parse().unwrap_or(limit))?
            }
            None => 0,
        };
        let all = format!("{whole}{}", fraction.unwrap_or_default());
        let digits = all.trim_start_matches('0');
        if digits.is_empty() {
            return Some(Number { negative: false, digits: String::new(), exponent: 0 });
        }
        let zeros = (all.len() - digits.len()) as i64;
        let exponent = power.saturating_add(whole.len() as i64 - zeros);
        Some(Number { negative, digits: digits.trim_end_matches('0').to_owned(), exponent })
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        let sign = |number: &Number| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let size = || self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            0 => Ordering::Equal,
            -1 => size().reverse(),
            _ => size(),
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn number(text: &str) -> Number {
        Number::parse(text).expect(text)
    }

    #[test]
    fn one_value_is_one_number_however_it_is_written() {
        for same in [
            ["5", "5.0", "50e-1", "0.05E+2"],
            ["1.5", "1.50", "15e-1", "0.0000015e6"],
            ["0", "-0", "-0.0", "0e999999999999999999999"],
            ["100", "1e2", "100.000", "10E1"],
            ["-1763556497161513790", "-1763556497161513790.0", "-176355649716151379e1", "-1.76355649716151379e18"],
        ] {
            same.iter().for_each(|text| assert_eq!(number(text), number(same[0]), "{text}"));
        }
    }

    #[test]
    fn numbers_are_in_the_order_of_their_values() {
        let ascending = [
            "-1e400",
            "-9223372036854775809",
            "-9223372036854775808",
            "-12",
            "-2",
            "-1.5",
            "-1e-7",
            "0",
            "1e-400",
            "0.3",
            "0.30000001",
            "1",
            "1.5",
            "2",
            "12",
            "4294967297",
            "9007199254740992",
            "9007199254740993",
            "1763556497161513790",
            "1763556497161513791",
            "1e30",
            "1e400",
        ];
        for (at, a) in ascending.iter().enumerate() {
            for (other, b) in ascending.iter().enumerate() {
                assert_eq!(number(a).cmp(&number(b)), at.cmp(&other), "{a} {b}");
            }
        }
    }

    #[test]
    fn what_json_has_no_number_for_is_none() {
        for text in ["", "-", "05", "5.", ".5", "+5", "1e", "1e+", "0x1", "NaN", "1 ", "10.0.0.1", "1e5.0", "1-2", "٥"]
        {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }
}
