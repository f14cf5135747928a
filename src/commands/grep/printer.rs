//! Writes the lines of an answer to stdout, or to a pager.

use std::io::{self, BufWriter, Write};

use jiff::tz::TimeZone;

use crate::commands::grep::options::{Extract, GrepOptions};
use crate::commands::grep::pager::Pager;
use crate::config::Index;
use crate::query::Format;
use crate::render::Rows;
use crate::search::hit::Line;
use crate::search::pattern::Pattern;
use crate::time::Ts;

pub struct Printer<'a> {
    rows: Rows<'a>,
    /// `-o` prints its matches; None: whole records
    parts: Option<Pattern>,
    out: BufWriter<Box<dyn Write>>,
    pager: Option<Pager>,
    printed: Printed,
    failed: Option<io::Error>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Printed {
    pub matches: u64,
    last: Option<Ts>,
}

impl<'a> Printer<'a> {
    pub fn open(options: &GrepOptions, settings: &'a [&'a Index], zone: &'a TimeZone) -> Result<Printer<'a>, String> {
        let mut rows = Rows::new(settings, &options.query, zone);
        let is_text = options.query.format == Format::Text;
        rows.coloured = is_text && options.coloured();
        rows.bare = options.extract == Extract::Messages;
        let parts = match options.extract {
            Extract::Parts => Some(Pattern::new(&options.query)?),
            _ => None,
        };
        let pager = if options.follow { None } else { Pager::start() };
        let (pager, out): (_, Box<dyn Write>) = match pager {
            Some((pager, stdin)) => (Some(pager), Box::new(stdin)),
            None => (None, Box::new(io::stdout().lock())),
        };
        let mut printer =
            Printer { rows, parts, out: BufWriter::new(out), pager, printed: Printed::default(), failed: None };
        let head = printer.rows.head();
        let written = printer.out.write_all(head.as_bytes());
        printer.goes_on(written);
        Ok(printer)
    }

    /// Returns whether to go on.
    pub fn line(&mut self, line: &Line) -> bool {
        if self.failed.is_some() {
            return false;
        }
        if let Line::Match(hit) = line {
            self.printed.matches += 1;
            self.printed.last = Some(hit.place.ts);
        }
        let written = match (&self.parts, line) {
            (None, line) => self.out.write_all(self.rows.line(line).as_bytes()),
            (Some(pattern), Line::Match(hit)) => {
                let parts = pattern.parts(&hit.record.message);
                self.out.write_all(self.rows.parts(&hit.record.message, &parts).as_bytes())
            }
            (Some(_), Line::Gap) => self.out.write_all(self.rows.gap().as_bytes()),
            (Some(_), Line::Near(_)) => Ok(()),
        };
        self.goes_on(written)
    }

    /// Writes out the lines so far. Returns whether to go on.
    pub fn flush(&mut self) -> bool {
        let flushed = self.out.flush();
        self.goes_on(flushed)
    }

    fn goes_on(&mut self, written: io::Result<()>) -> bool {
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
        self.failed.is_none()
    }

    /// Ends the output, and waits for the pager.
    ///
    /// # Errors
    /// A line could not be written. A reader who has left is not an error: that reader has read enough.
    pub fn close(mut self) -> Result<Printed, String> {
        self.flush();
        let Printer { out, pager, printed, failed, .. } = self;
        // bytes that could not be written are not written again
        let (inner, _) = out.into_parts();
        match pager {
            Some(pager) => pager.wait(inner),
            None => drop(inner),
        }
        match failed {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("cannot write: {error}")),
            _ => Ok(printed),
        }
    }
}

/// Prints a text, through a pager on a terminal.
///
/// # Errors
/// As `Printer::close`.
pub fn print(text: &str) -> Result<(), String> {
    let written = match Pager::start() {
        Some((pager, mut stdin)) => {
            let written = stdin.write_all(text.as_bytes());
            pager.wait(Box::new(stdin));
            written
        }
        None => io::stdout().write_all(text.as_bytes()),
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("cannot write: {error}")),
        _ => Ok(()),
    }
}

impl Printed {
    /// Describes how far an answer was printed that broke off.
    pub fn how_far(&self) -> String {
        match (self.matches, self.last) {
            (matches, Some(last)) => {
                format!("printed {matches} matches up to {}, and there may be more", last.rfc3339())
            }
            _ => "nothing was printed".to_owned(),
        }
    }
}
