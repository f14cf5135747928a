//! Numbers as JSON writes them, of any size, exactly: 5, 5.0 and 50e-1 are equal, 9007199254740992 and …993 are not. Pure.

use std::cmp::Ordering;
use std::fmt;

/// A number with more zeros next to its digits is written with an exponent.
const MAX_ZEROS: i64 = 15;

/// `0.DIGITS × 10^exponent`, in its only form: no zeros at either end of the digits; zero has none, and no sign.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    digits: String,
    /// the power of ten; outside an i64's range it is the nearest end of the range
    exponent: i64,
}

impl Number {
    /// None if the text is not a number by JSON's grammar (RFC 8259, section 6).
    pub fn parse(text: &str) -> Option<Number> {
        let mantissa = text.strip_prefix('-').unwrap_or(text);
        let mantissa = &mantissa[..mantissa.find(['e', 'E']).unwrap_or(mantissa.len())];
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let is_json = !fraction.is_empty() && !whole.is_empty() && (whole == "0" || !whole.starts_with('0'));
        if is_json { Number::of(text) } else { None }
    }

    /// As `parse`, but also takes the forms that people write: `+5`, `.5`, `5.`, `007`.
    pub fn typed(text: &str) -> Option<Number> {
        Number::of(text.strip_prefix('+').filter(|rest| !rest.starts_with('-')).unwrap_or(text))
    }

    fn of(text: &str) -> Option<Number> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, power) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, Some(power)),
            None => (unsigned, None),
        };
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        if !are_digits(&all) {
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
        let digits = all.trim_start_matches('0');
        if digits.is_empty() {
            return Some(Number { negative: false, digits: String::new(), exponent: 0 });
        }
        let zeros = (all.len() - digits.len()) as i64;
        let exponent = power.saturating_add(whole.len() as i64 - zeros);
        Some(Number { negative, digits: digits.trim_end_matches('0').to_owned(), exponent })
    }

    /// The nearest double, which may be infinite.
    pub fn approximate(&self) -> f64 {
        let sign = if self.negative { "-" } else { "" };
        // 0 has no digits
        format!("{sign}0.{}e{}", self.digits, self.exponent).parse().unwrap_or(0.0)
    }

    /// The number of digits before the point: 1 for 5, 16 for 1e15; 0 or less if the absolute value is below 1.
    pub fn whole_digits(&self) -> i64 {
        self.exponent
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

/// Writes `1.5`, `0.001`, `1763556497161513790`; with an exponent instead of many zeros: `1e300`.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digits, length, exponent) = (self.digits.as_str(), self.digits.len() as i64, self.exponent);
        if self.negative {
            f.write_str("-")?;
        }
        let zeros = |count: i64| "0".repeat(count as usize);
        if digits.is_empty() {
            f.write_str("0")
        } else if (length..=length + MAX_ZEROS).contains(&exponent) {
            write!(f, "{digits}{}", zeros(exponent - length))
        } else if (1..length).contains(&exponent) {
            let (whole, fraction) = digits.split_at(exponent as usize);
            write!(f, "{whole}.{fraction}")
        } else if (-MAX_ZEROS..=0).contains(&exponent) {
            write!(f, "0.{}{digits}", zeros(-exponent))
        } else if exponent == i64::MIN {
            write!(f, "0.{digits}e{exponent}")
        } else {
            let (first, others) = digits.split_at(1);
            let dot = if others.is_empty() { "" } else { "." };
            write!(f, "{first}{dot}{others}e{}", exponent - 1)
        }
    }
}

/// True if the text is a number as JSON writes it.
pub fn is_number(text: &str) -> bool {
    Number::parse(text).is_some()
}

/// An integer as most producers write it.
pub fn is_plain_integer(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|integer| integer.to_string() == text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
    fn text_that_is_not_a_json_number_is_none() {
        for text in ["", "-", "05", "5.", ".5", "+5", "1e", "1e+", "0x1", "NaN", "1 ", "10.0.0.1", "1e5.0", "1-2", "٥"]
        {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_is_written_in_one_way() {
        for (text, written) in [
            ("0", "0"),
            ("-0.0e5", "0"),
            ("1.50", "1.5"),
            ("+.5", "0.5"),
            ("5.", "5"),
            ("007", "7"),
            ("2e2", "200"),
            ("-12.5e-3", "-0.0125"),
            ("1e300", "1e300"),
            ("1.25E-300", "1.25e-300"),
            ("1763556497161513790", "1763556497161513790"),
            ("1e99999999999999999999", "1e9223372036854775806"),
            ("0.1e-99999999999999999999", "0.1e-9223372036854775808"),
        ] {
            let number = Number::typed(text).expect(text);
            assert_eq!(number.to_string(), written, "{text}");
            assert_eq!(self::number(written), number, "{text}");
        }
        for text in ["", "-", "+", ".", "e5", "1e", "1e+", "nan", "inf", "0x1", "1,5", "1 2", "--1", "+-1", "1.2.3"] {
            assert_eq!(Number::typed(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_are_compared_as_such(a: i128, b: i128, near in -2..3_i128) {
            for b in [b, a.saturating_add(near)] {
                prop_assert_eq!(number(&a.to_string()).cmp(&number(&b.to_string())), a.cmp(&b));
            }
        }

        #[test]
        fn a_number_survives_being_written(text in "-?[0-9]{0,20}[.]?[0-9]{1,20}(e-?[0-9]{1,3})?") {
            let typed = Number::typed(&text).expect("a number");
            prop_assert_eq!(number(&typed.to_string()), typed);
        }

        #[test]
        fn a_number_is_near_its_double(double in proptest::num::f64::NORMAL) {
            prop_assert_eq!(number(&format!("{double:?}")).approximate(), double);
        }
    }
}
