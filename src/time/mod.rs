//! Instants, UTC days, ranges, and the times that producers (`sent`) and users (`when`) write. Pure: the present is an
//! argument.

mod instant;
mod sent;
mod steps;
mod when;

pub use crate::time::instant::{Day, Range, SECOND_MICROS, Ts, WallClock, zone, zone_name};
pub use crate::time::sent::{from_epoch, from_number, from_text, parse_rfc3339};
pub use crate::time::steps::clock_steps_micros;
pub use crate::time::when::{FORMS, When};
