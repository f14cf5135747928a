//! `alco grep`: searches through searchd or through another alco, and prints as grep does.
//!
//!     args     the options as typed; options: the search and the output that they mean
//!     source   searchd, or another alco, which remote asks
//!     printer  lines on stdout
//!     pager    the program that shows the lines on a terminal

pub mod args;
mod options;
mod pager;
mod printer;
mod remote;
mod source;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::commands::environment::Environment;
use crate::commands::exit::{Done, Failure};
use crate::commands::grep::args::Grep;
use crate::commands::grep::options::{GrepOptions, Output};
use crate::commands::grep::printer::Printer;
use crate::commands::grep::source::Source;
use crate::query::suggestion::{MissingColumn, nearest_column};
use crate::query::{Order, Query};
use crate::record::json::Columns;
use crate::render::escape::visible_in_line;
use crate::render::patterns::{others_noted, shortcomings, written};
use crate::search::follow::News;
use crate::search::hit::Line;
use crate::search::missing_columns::having;

/// Records in which the names of columns are looked for.
const LATEST_RECORDS: usize = 300;
/// As grep: no record was found.
const NOT_FOUND_STATUS: u8 = 1;
/// As grep: the search failed before its end.
const TROUBLE_STATUS: u8 = 2;

impl Grep {
    pub fn run(&self, environment: &Environment) -> Result<Done, Failure> {
        let mut options = self.options()?;
        let failure = |why: String| Failure::new("alco grep", &why, TROUBLE_STATUS);
        let source = match &self.url {
            Some(url) => Source::remote(url, self.netrc.as_deref()).map_err(failure)?,
            None => Source::searchd(environment.config_without_secrets()?, environment.now),
        };
        if !options.none {
            options.query.indexes = source.selection(&options.indexes).map_err(failure)?;
        }
        let found = grep(&options, &source).map_err(failure)?;
        Ok(Done::status(if found { 0 } else { NOT_FOUND_STATUS }))
    }
}

/// Returns whether a record was found.
///
/// # Errors
/// Why the search did not come to its end.
fn grep(options: &GrepOptions, source: &Source) -> Result<bool, String> {
    if options.none {
        return Ok(false);
    }
    let found = match options.output {
        Output::Nothing => return is_any(options, source),
        Output::Count => count(options, source)?,
        Output::Patterns => patterns(options, source)?,
        Output::Lines => print(options, source)?,
    };
    if !found && !options.follow {
        missing_columns(options, source);
    }
    Ok(found)
}

/// Returns whether a record matches. Ends at the first match, and is then right even if the rest cannot be searched.
fn is_any(options: &GrepOptions, source: &Source) -> Result<bool, String> {
    let query = Query { limit: Some(std::num::NonZeroUsize::MIN), before: 0, after: 0, ..options.query.clone() };
    let mut found = false;
    if options.follow {
        source.follow(&query, &|wait| is_read(wait), &mut |news| {
            found |= matches!(news, News::Line(_));
            write_news(&news);
            !found
        })?;
        return Ok(found);
    }
    let missing = source.each(&query, &|| true, &mut |_| {
        found = true;
        false
    })?;
    match (found, missing.first()) {
        (false, Some(missing)) => Err(missing.clone()),
        (found, _) => Ok(found),
    }
}

fn count(options: &GrepOptions, source: &Source) -> Result<bool, String> {
    let (count, missing) = source.count(&options.query)?;
    match writeln!(io::stdout(), "{count}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(format!("cannot write: {error}")),
        _ => {}
    }
    report_missing(&missing)?;
    Ok(count > 0)
}

fn patterns(options: &GrepOptions, source: &Source) -> Result<bool, String> {
    let query = &options.query;
    let zone = query.zone(source.zone());
    let found = source.patterns(query)?;
    printer::print(&written(&found, query, &|ts| ts.written_in(zone)))?;
    if let Some(others) = others_noted(&found) {
        notice(&others);
    }
    report_missing(&shortcomings(&found))?;
    Ok(!found.patterns.is_empty())
}

fn print(options: &GrepOptions, source: &Source) -> Result<bool, String> {
    let settings = source.settings(&options.query);
    let zone = options.query.zone(source.zone()).clone();
    let printer = RefCell::new(Printer::open(options, &settings, &zone)?);
    let outcome = match options.follow {
        true => follow(options, source, &printer).map(|()| Vec::new()),
        false => {
            source.each(&options.query, &|| printer.borrow_mut().flush(), &mut |line| printer.borrow_mut().line(&line))
        }
    };
    let printed = printer.into_inner().close()?;
    match outcome {
        Err(why) => Err(format!("{why}; {}", printed.how_far())),
        Ok(missing) => report_missing(&missing).map(|()| printed.matches > 0),
    }
}

fn follow(options: &GrepOptions, source: &Source, printer: &RefCell<Printer>) -> Result<(), String> {
    let pause = |wait: Duration| printer.borrow_mut().flush() && is_read(wait);
    let left = Cell::new(options.query.limit.map_or(usize::MAX, usize::from));
    source.follow(&options.query, &pause, &mut |news| {
        let News::Line(line) = &news else {
            write_news(&news);
            return true;
        };
        if matches!(line, Line::Match(_)) {
            left.set(left.get() - 1);
        }
        printer.borrow_mut().line(line) && left.get() > 0
    })
}

/// Waits. Returns whether stdout still has a reader.
fn is_read(wait: Duration) -> bool {
    let stdout = io::stdout();
    let mut closed = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    let wait = PollTimeout::try_from(wait.as_millis()).unwrap_or(PollTimeout::MAX);
    match poll(&mut closed, wait) {
        Ok(0) => true,
        // a file or a terminal never reports an error here; a signal ends the wait, but does not mean that the reader has left
        Ok(_) => !closed[0].revents().is_some_and(|what| what.intersects(PollFlags::POLLERR | PollFlags::POLLHUP)),
        Err(_) => true,
    }
}

/// Writes news that is not a line of the log to stderr.
fn write_news(news: &News) {
    let records = |number: u64| format!("{number} record{}", if number == 1 { "" } else { "s" });
    if let Some(text) = news.words(records) {
        notice(&text);
    }
}

fn notice(text: &str) {
    // if stderr is closed, there is no other place to write it
    let _ = writeln!(io::stderr(), "alco grep: {}", visible_in_line(text));
}

/// The parts of the answer that are missing. The other parts were printed, so the last missing part is the error.
fn report_missing(missing: &[String]) -> Result<(), String> {
    let Some((last, others)) = missing.split_last() else { return Ok(()) };
    others.iter().for_each(|what| notice(what));
    Err(last.clone())
}

/// After a search that found nothing: names each column of its filters that no record has. A user who typed `imeout=5` perhaps
/// meant text.
fn missing_columns(options: &GrepOptions, source: &Source) {
    for column in options.query.columns_asked(|filter| !filter.is.accepts_missing()) {
        let asked = first(source, &having(&options.query, column));
        if matches!(asked, Ok(None)) {
            let known = known_columns(&options.query, source);
            let nearest = nearest_column(column, known.iter().map(String::as_str)).map(str::to_owned);
            let words = MissingColumn { name: column.to_owned(), nearest }.words();
            notice(&format!("{words}; to search for text that looks like a filter, write -e before it"));
        }
    }
}

/// The columns of the latest records of the range.
fn known_columns(query: &Query, source: &Source) -> BTreeSet<String> {
    let latest = Query {
        filters: Vec::new(),
        order: Some(Order::NewestFirst),
        limit: NonZeroUsize::new(LATEST_RECORDS),
        ..having(query, "")
    };
    let mut names = BTreeSet::new();
    // without them, no name is suggested
    let _ = source.each(&latest, &|| true, &mut |line| {
        if let Line::Match(hit) = line {
            names.extend(Columns::parse(&hit.record.columns).flat(1, 1).into_iter().map(|(name, _)| name));
        }
        true
    });
    names
}

/// The first record that the search finds.
fn first(source: &Source, query: &Query) -> Result<Option<Line>, String> {
    let mut found = None;
    source.each(query, &|| true, &mut |line| {
        found = Some(line);
        false
    })?;
    Ok(found)
}
