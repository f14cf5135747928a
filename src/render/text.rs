//! Lines of text, for programs and for the terminal. Pure.

use std::borrow::Cow;
use std::ops::Range;

use crate::record::level::Level;
use crate::render::cells::Shown;
use crate::render::escape::visible;
use crate::search::hit::Hit;

/// grep's colours: of a match, of its place, of a separator. Levels have the colours that most tools give them.
const MATCH: &str = "01;31";
const TIME: &str = "32";
const GAP: &str = "36";

/// The style of lines of text.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// for a terminal: levels and matches have colours
    pub coloured: bool,
    /// the messages alone, in as many lines as they have
    pub bare: bool,
}

impl Style {
    /// `--`, between groups of lines.
    pub fn gap(self) -> String {
        let mut text = String::new();
        self.paint(GAP, "--", &mut text);
        text + "\n"
    }

    /// Time, columns, message; a column that is missing is `-`. The context columns of `context` follow, indented.
    pub fn line(self, time: &str, shown: &Shown, context: &[String], hit: &Hit, text: &mut String) {
        if !self.bare {
            self.paint(TIME, time, text);
            for cell in &shown.cells {
                text.push(' ');
                let cell_text = on_one_line(cell.text.as_deref().unwrap_or("-"));
                self.paint(if cell.is_level { colour_of(shown.level) } else { "" }, &cell_text, text);
            }
            text.push(' ');
        }
        self.message(hit, text);
        text.push('\n');
        for (_, long_text) in shown.context.iter().filter(|(name, _)| context.contains(name)) {
            for line in visible(long_text).trim_end().lines() {
                text.push_str("    ");
                text.push_str(line);
                text.push('\n');
            }
        }
    }

    fn message(self, hit: &Hit, text: &mut String) {
        let fit = |text| if self.bare { visible(text) } else { on_one_line(text) };
        // a newline at its end would be an empty line
        let message = hit.record.message.strip_suffix('\n').filter(|_| self.bare).unwrap_or(&hit.record.message);
        let mut from = 0;
        for mark in hit.marks.iter().filter(|mark| self.coloured && mark.end <= message.len()) {
            text.push_str(&fit(&message[from..mark.start]));
            self.paint(MATCH, &fit(&message[mark.clone()]), text);
            from = mark.end;
        }
        text.push_str(&fit(&message[from..]));
    }

    /// Each of these parts of a message, on a line of its own.
    pub fn parts(self, message: &str, parts: &[Range<usize>]) -> String {
        let mut text = String::new();
        for part in parts {
            self.paint(MATCH, &on_one_line(&message[part.clone()]), &mut text);
            text.push('\n');
        }
        text
    }

    fn paint(self, colour: &str, text: &str, out: &mut String) {
        match self.coloured && !colour.is_empty() && !text.is_empty() {
            true => out.extend(["\x1b[", colour, "m", text, "\x1b[m"]),
            false => out.push_str(text),
        }
    }
}

fn colour_of(level: Level) -> &'static str {
    match level {
        Level::Critical => "01;31",
        Level::Error => "31",
        Level::Warning => "33",
        Level::Info | Level::Debug | Level::Unknown => "",
    }
}

/// As on a page, but tabs stay: programs cut at them.
fn on_one_line(text: &str) -> Cow<'_, str> {
    match visible(text) {
        shown if !shown.contains('\n') => shown,
        shown => Cow::Owned(shown.replace('\n', "↵")),
    }
}
