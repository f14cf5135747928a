//! What the benchmark measures, and the tables that it prints: Markdown, for README.md.
//!
//! Invariant: a figure with a bound is printed with it, and with whether it was reached.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use crate::support::memory_kib;

/// A figure that is to be reached.
#[derive(Clone, Copy)]
pub enum Bound {
    None,
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn verdict(self, value: f64) -> Option<bool> {
        match self {
            Bound::None => None,
            Bound::AtMost(bound) => Some(value <= bound),
            Bound::AtLeast(bound) => Some(value >= bound),
        }
    }
}

/// A table that is printed as it grows.
pub struct Table {
    widths: Vec<usize>,
    missed: usize,
}

/// The widths of the columns of a bound and of its verdict.
const BOUND_WIDTHS: [usize; 2] = [12, 7];

impl Table {
    /// Begins a table: the columns are what was measured, each of `measured`, the bound and the verdict.
    pub fn new(what: &str, measured: &[&str]) -> Table {
        let widths: Vec<usize> = [44].into_iter().chain(measured.iter().map(|_| 11)).chain(BOUND_WIDTHS).collect();
        let table = Table { widths, missed: 0 };
        println!();
        let heads = [what].into_iter().chain(measured.iter().copied()).chain(["bound", ""]);
        table.print(&heads.map(str::to_owned).collect::<Vec<_>>());
        println!("|{}", "---|".repeat(table.widths.len()));
        table
    }

    /// A row whose first figure has a bound.
    pub fn add(&mut self, what: &str, unit: &str, figures: &[f64], bound: Bound) {
        let first = figures.first().copied().unwrap_or(f64::NAN);
        let verdict = bound.verdict(first);
        self.missed += usize::from(verdict == Some(false));
        let (bound, verdict) = match (bound, verdict) {
            (Bound::AtMost(bound), Some(true)) => (format!("≤ {bound} {unit}"), "reached"),
            (Bound::AtMost(bound), _) => (format!("≤ {bound} {unit}"), "MISSED"),
            (Bound::AtLeast(bound), Some(true)) => (format!("≥ {bound} {unit}"), "reached"),
            (Bound::AtLeast(bound), _) => (format!("≥ {bound} {unit}"), "MISSED"),
            (Bound::None, _) => (String::new(), ""),
        };
        let figures = figures.iter().map(|figure| format!("{} {unit}", rounded(*figure)).trim_end().to_owned());
        let blank = self.widths.len() - 3 - figures.len();
        let cells = [what.to_owned()].into_iter().chain(figures).chain(vec![String::new(); blank]);
        self.print(&cells.chain([bound.trim_end().to_owned(), verdict.to_owned()]).collect::<Vec<_>>());
    }

    /// A row for what makes a figure worthless.
    pub fn refuse(&mut self, why: &str) {
        self.missed += 1;
        let mut cells = vec![String::new(); self.widths.len()];
        cells[0] = why.to_owned();
        cells[self.widths.len() - 1] = "MISSED".to_owned();
        self.print(&cells);
    }

    fn print(&self, cells: &[String]) {
        let padded = cells.iter().zip(&self.widths).map(|(cell, width)| format!(" {cell:<width$} |"));
        println!("|{}", padded.collect::<String>());
    }

    /// True if no figure missed its bound.
    pub fn is_reached(&self) -> bool {
        self.missed == 0
    }
}

/// Three digits are enough.
fn rounded(figure: f64) -> String {
    match figure.abs() {
        100.0.. => format!("{figure:.0}"),
        10.0..100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

/// The one in the middle.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// User and system time of a process. NaN where the system has no /proc.
pub fn cpu_seconds(pid: u32) -> f64 {
    ticks(pid).map_or(f64::NAN, |ticks| ticks / *TICKS_PER_SECOND)
}

static TICKS_PER_SECOND: LazyLock<f64> = LazyLock::new(|| {
    let output = Command::new("getconf").arg("CLK_TCK").output().expect("getconf runs");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
});

fn ticks(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // after the name, which may hold any character: state is field 3, utime 14, stime 15
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    Some(fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?)
}

/// A line of /proc/PID/status in MB of 10^6 bytes. NaN where the system has no /proc.
pub fn memory_mb(pid: u32, line: &str) -> f64 {
    memory_kib(pid, line).map_or(f64::NAN, |kib| kib as f64 * 1024.0 / 1e6)
}

/// The bytes of all files below a directory.
pub fn bytes_below(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let data = entry.metadata().ok()?;
            Some(if data.is_dir() { bytes_below(&entry.path()) } else { data.len() })
        })
        .sum()
}
