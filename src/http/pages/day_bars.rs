//! The half hours of a day as bars in a few pixels, with a base line and the errors in them.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::http::pages::histogram::blocks;
use crate::http::pages::thousands;

/// In the drawing's own units, without the base line.
const DRAWING_HEIGHT: u64 = 20;
/// With the gap after it.
const BAR_WIDTH: u64 = 4;

/// Records of one half hour, and the errors among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HalfHour {
    pub total: u64,
    /// as far as they are known
    pub errors: u64,
}

/// The drawing, and the number of records of its highest bar. Browsers without drawings show it in characters.
pub fn day_bars(half_hours: &[HalfHour]) -> Markup {
    let most = half_hours.iter().map(|bar| bar.total).max().unwrap_or(0);
    let totals: Vec<u64> = half_hours.iter().map(|bar| bar.total).collect();
    let width = half_hours.len() as u64 * BAR_WIDTH;
    let [records, errors] = paths(half_hours, most);
    html! {
        svg viewBox={ "0 0 " (width) " " (DRAWING_HEIGHT + 1) } preserveAspectRatio="none" aria-hidden="true" {
            @for (class, path) in [("i", records), ("e", errors)] {
                @if !path.is_empty() { path class=(class) d=(path) {} }
            }
            path.b d={ "M0 " (DRAWING_HEIGHT) "h" (width) "v1h-" (width) "z" } {}
        }
        span.vh aria-hidden="true" { (blocks(&totals)) }
        " "
        span.dim title="records of the highest bar: half an hour" { "max " (thousands(most)) }
    }
}

/// Of records and of errors, from the base line on.
fn paths(half_hours: &[HalfHour], most: u64) -> [String; 2] {
    let mut paths = [String::new(), String::new()];
    // a bar with any record is visible
    let height = |count: u64| (count * DRAWING_HEIGHT / most.max(1)).max(u64::from(count > 0));
    for (at, bar) in half_hours.iter().enumerate() {
        for (path, count) in paths.iter_mut().zip([bar.total, bar.errors]) {
            let (x, height) = (at as u64 * BAR_WIDTH, height(count));
            if height > 0 {
                write!(path, "M{x} {}h3v{height}h-3z", DRAWING_HEIGHT - height).expect("a String takes all");
            }
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_drawn_in_the_bars_that_they_are_part_of() {
        let bar = |total, errors| HalfHour { total, errors };
        let html = day_bars(&[bar(2000, 1000), bar(0, 0), bar(1, 1)]).into_string();
        for part in [
            "viewBox=\"0 0 12 21\"",
            "class=\"i\" d=\"M0 0h3v20h-3zM8 19h3v1h-3z\"",
            "class=\"e\" d=\"M0 10h3v10h-3zM8 19h3v1h-3z\"",
            "class=\"b\" d=\"M0 20h12v1h-12z\"",
            ">█·▁</span>",
            ">max 2,000</span>",
        ] {
            assert!(html.contains(part), "no {part} in {html}");
        }
    }

    #[test]
    fn a_day_without_records_has_its_base_line() {
        let html = day_bars(&[HalfHour::default(); 2]).into_string();
        assert!(html.contains("class=\"b\"") && html.contains(">··</span>") && html.contains("max 0"), "{html}");
        assert!(!html.contains("class=\"i\""), "{html}");
    }
}
