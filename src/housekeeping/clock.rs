//! Compares this host's clock with that of Redis, which all nodes share. alco stores a record without a time of its own at the time
//! of its arrival, and creates day indexes by its clock. Pure.

use crate::time::Ts;

/// A larger difference is a fault: records are stored at wrong times, and those of the last or the next day may be refused. NTP keeps
/// clocks within milliseconds.
const MAX_SKEW_SECONDS: i64 = 60;

/// What is wrong with this host's clock; None: it agrees with that of Redis. `asked` is the time before the question and after the
/// answer: the time that the answer took does not count.
pub fn fault(redis: Ts, asked: (Ts, Ts)) -> Option<String> {
    let [before, after] = [asked.0, asked.1].map(|ours| ours.seconds() - redis.seconds());
    let seconds = before.max(0) + after.min(0);
    (seconds.abs() > MAX_SKEW_SECONDS).then(|| {
        let direction = if seconds > 0 { "ahead of" } else { "behind" };
        let seconds = seconds.abs();
        format!("this host's clock is {seconds} s {direction} that of redis: set the clocks of all hosts by NTP")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_is_wrong_is_a_fault() {
        let at = |seconds: i64| Ts::from_micros((1_795_341_600 + seconds) * 1_000_000);
        for (before, after, expected) in [
            (0, 0, None),
            (60, 60, None),
            // the answer took long
            (-300, 5, None),
            (61, 62, Some("61 s ahead of")),
            (-86_402, -86_400, Some("86400 s behind")),
        ] {
            let fault = fault(at(0), (at(before), at(after)));
            assert_eq!(fault.is_some(), expected.is_some(), "{before} {after}");
            assert!(fault.unwrap_or_default().contains(expected.unwrap_or_default()), "{before} {after}");
        }
    }
}
