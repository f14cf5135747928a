//! The steps of a clock that a reader counts in. Pure.

use crate::time::SECOND_MICROS;

const MINUTE_MICROS: i64 = 60 * SECOND_MICROS;
const HOUR_MICROS: i64 = 60 * MINUTE_MICROS;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;

/// Wider and wider: 1, 2 and 5 of the next power of ten, but parts of a minute, an hour and a day where these are in reach.
pub fn clock_steps_micros() -> impl Iterator<Item = i64> {
    let decimal = |unit: i64, powers: std::ops::Range<u32>| {
        powers.flat_map(move |power| [1, 2, 5].map(|n| n * 10_i64.pow(power) * unit))
    };
    let sixtieths = |unit: i64| [1, 2, 5, 10, 15, 30].map(|n| n * unit);
    decimal(1, 0..6)
        .chain(sixtieths(SECOND_MICROS))
        .chain(sixtieths(MINUTE_MICROS))
        .chain([1, 2, 3, 6, 12].map(|n| n * HOUR_MICROS))
        .chain(decimal(DAY_MICROS, 0..6))
}
