//! How many, when, of which values: for exactly the search that a page shows. Figures that are not exact are marked.
//!
//! searchd counts what the index alone decides. Candidates are read and checked once for all figures together; if that would
//! take too long, the index gives an upper bound.

pub mod column_values;
pub mod histogram;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use crate::config::Index;
use crate::query::{Query, Within};
use crate::record::level;
use crate::record::level::{BUNYAN_COLUMNS, Level};
use crate::search::Searcher;
use crate::search::answer::{Grouping, away, groups, not_served};
use crate::search::hit::Hit;
use crate::search::hit::{Count, SearchError};
use crate::search::pace::ALL_ROWS;
use crate::search::plan::{Plan, Slice, SourcePlan, Subset};
use crate::search::scan::{Read, ScanMode, Step};
use crate::search::scope::{Deadline, Scope};
use crate::search::stats::column_values::Group;
use crate::search::stats::column_values::{Counts, ValueCounts};
use crate::search::stats::histogram::{Bars, TimeHistogram};
use crate::sphinx::client::Row;
use crate::sphinx::dialect::grouped_values;
use crate::sphinx::filter_sql::{column_paths, first_is};
use crate::sphinx::select::Restriction;

/// Candidates that are checked in a millisecond, at best; if the time allows fewer than there are, checking does not begin.
const CHECKS_PER_MILLISECOND: u64 = 130;
/// The most values of one answer: a user cannot choose from a column with more.
const MAX_GROUPS: usize = 10_000;

/// What to find out in addition to the number of matches.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub bars: usize,
    pub columns: &'a [&'a str],
}

impl<'a> Wanted<'a> {
    /// Without a histogram.
    fn values(columns: &'a [&'a str]) -> Wanted<'a> {
        Wanted { bars: 0, columns }
    }
}

/// Matches that were seen, added up.
#[derive(Debug)]
pub struct Tally {
    count: u64,
    bars: Bars,
    columns: Vec<(String, Counts)>,
}

impl Tally {
    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn take(&mut self, hit: &Hit) {
        self.count += 1;
        self.bars.take(hit);
        for (name, counts) in &mut self.columns {
            counts.take(&hit.record.columns, name);
        }
    }

    /// Whether only the number of matches is wanted.
    fn is_bare(&self) -> bool {
        self.bars.is_empty() && self.columns.is_empty()
    }
}

#[derive(Debug)]
pub struct Figures<'a> {
    searcher: &'a Searcher,
    plan: Plan,
    scope: Scope,
    tally: Tally,
    /// records not yet counted. `Candidates`: the tally is not complete, and only unchecked figures are available
    rest: Option<Subset>,
    histogram: TimeHistogram,
    /// values of a path in a slice, as searchd has counted them
    grouped: RefCell<HashMap<(String, String), Groups>>,
    /// searchd could not be asked for all of the rest
    missing: Cell<bool>,
}

/// What searchd reports of the values of a path.
#[derive(Debug)]
struct Grouped {
    groups: Vec<Group>,
    /// searchd takes true, false and an empty array for null, and prints the string "NULL" like null
    hides: bool,
}

type Groups = Rc<Grouped>;

impl Searcher {
    /// An empty tally, for matches that are read anyway; use it only if they turn out to be all matches.
    pub fn tally(&self, query: &Query, scope: &Scope, wanted: Wanted) -> Tally {
        let range = query.range(scope.now, &scope.zone);
        let indexes = query.indexes.iter().filter_map(|name| self.index(name).ok().cloned()).collect();
        Tally {
            count: 0,
            bars: Bars::new(range, wanted.bars, indexes),
            columns: wanted.columns.iter().map(|column| (String::from(*column), Counts::default())).collect(),
        }
    }

    /// The figures of a search whose matches are all in the tally.
    pub fn figures_of(&self, query: &Query, scope: &Scope, tally: Tally) -> Result<Figures<'_>, SearchError> {
        Figures::new(self, self.plan(query, scope)?, scope, tally, None)
    }

    pub fn figures(&self, query: &Query, scope: &Scope, wanted: Wanted) -> Result<Figures<'_>, SearchError> {
        let plan = self.plan(query, scope)?;
        let mut tally = self.tally(query, scope, wanted);
        let checking = scope.at_most(scope.counting);
        let read = if tally.is_bare() { Read::Place } else { Read::Columns };
        let few = match self.to_check(&plan, scope)? {
            Some(candidates) => candidates <= CHECKS_PER_MILLISECOND * checking.left().as_millis() as u64,
            // only checking can tell
            None => true,
        };
        let take = |hit: &Hit| tally.take(hit);
        let checked = few && self.each_checked(&plan, &Subset::TO_CHECK, read, &checking, take)?;
        let rest = if checked { Subset::Exact } else { Subset::Candidates };
        Figures::new(self, plan, scope, tally, Some(rest))
    }

    /// The values of a column, of the same search without the column's own filters.
    pub fn values(&self, query: &Query, scope: &Scope, column: &str, limit: usize) -> Result<ValueCounts, SearchError> {
        let mut query = query.clone();
        query.filters.retain(|filter| filter.column != column);
        self.figures(&query, scope, Wanted::values(&[column]))?.values(column, limit)
    }

    /// How many, however long that takes, and what is missing.
    pub fn count_all(&self, query: &Query, scope: &Scope) -> Result<(u64, Vec<String>), SearchError> {
        let plan = self.plan(query, scope)?;
        let (mut count, most) = (0, query.limit.map_or(u64::MAX, |limit| limit.get() as u64));
        let mut missing: Vec<String> = Vec::new();
        for of in Subset::TO_CHECK {
            let mode = ScanMode { backwards: false, of, read: Read::Place, hint: ALL_ROWS };
            let mut walk = self.walk(&plan, mode, None, Deadline::default());
            while count < most && matches!(walk.next()?, Step::Hit(_)) {
                count += 1;
            }
            missing.extend(walk.warnings);
        }
        for (_, slice, narrowing) in plan.asked(Subset::Exact) {
            match groups(&self.pool, slice, narrowing, Grouping::all("COUNT(*) AS n")) {
                Ok(rows) => count += number(&rows),
                Err(fault) => missing.push(not_served(&fault).ok_or_else(|| away(&fault))?),
            }
        }
        missing.sort();
        missing.dedup();
        Ok((count.min(most), missing))
    }

    /// Where no message matches: how many records do with their columns, as far as that is found out in a moment. None: not
    /// another question.
    pub fn count_in_all(&self, query: &Query, scope: &Scope) -> Result<Option<Count>, SearchError> {
        if query.search.is_empty() || query.invert || query.within == Within::All {
            return Ok(None);
        }
        let all = Query { within: Within::All, ..query.clone() };
        // only a hint
        self.figures(&all, &scope.at_most(scope.counting / 2), Wanted::values(&[]))?.count().map(Some)
    }

    /// How many documents have to be checked. None: as good as all there are, or more than can be counted in time.
    fn to_check(&self, plan: &Plan, scope: &Scope) -> Result<Option<u64>, SearchError> {
        let mut candidates = 0;
        for (_, slice, narrowing) in Subset::TO_CHECK.into_iter().flat_map(|of| plan.asked(of)) {
            if narrowing.is_nothing() || scope.is_over() {
                return Ok(None);
            }
            candidates +=
                self.groups(slice, narrowing, Grouping::all("COUNT(*) AS n"))?.map_or(0, |rows| number(&rows));
        }
        Ok(Some(candidates))
    }

    /// None: searchd does not serve the slice.
    pub(super) fn groups(
        &self,
        slice: &Slice,
        narrowing: &Restriction,
        grouping: Grouping,
    ) -> Result<Option<Vec<Row>>, SearchError> {
        match groups(&self.pool, slice, narrowing, grouping) {
            Ok(rows) => Ok(Some(rows)),
            Err(fault) if not_served(&fault).is_some() => Ok(None),
            Err(fault) => Err(away(&fault)),
        }
    }

    /// Hands over the candidates that match, as far as the time goes; returns whether these are all.
    fn each_checked(
        &self,
        plan: &Plan,
        of: &[Subset],
        read: Read,
        scope: &Scope,
        mut take: impl FnMut(&Hit),
    ) -> Result<bool, SearchError> {
        let mut all = true;
        for &of in of {
            let mode = ScanMode { backwards: plan.newest_first, of, read, hint: ALL_ROWS };
            let mut walk = self.walk(plan, mode, None, Deadline::over(scope));
            loop {
                match walk.next()? {
                    Step::Hit(hit) => take(&hit),
                    Step::End => break all &= walk.warnings.is_empty(),
                    Step::Late(_) => return Ok(false),
                }
            }
        }
        Ok(all)
    }
}

impl<'a> Figures<'a> {
    fn new(
        searcher: &'a Searcher,
        plan: Plan,
        scope: &Scope,
        tally: Tally,
        rest: Option<Subset>,
    ) -> Result<Figures<'a>, SearchError> {
        let bars = if rest == Some(Subset::Candidates) { tally.bars.emptied().bars } else { tally.bars.bars.clone() };
        let histogram = TimeHistogram { bars, exact: rest != Some(Subset::Candidates) };
        let (grouped, missing) = (RefCell::default(), Cell::new(false));
        let mut figures = Figures { searcher, plan, scope: scope.clone(), tally, rest, histogram, grouped, missing };
        figures.add_bars()?;
        Ok(figures)
    }

    /// How many records match.
    pub fn count(&self) -> Result<Count, SearchError> {
        let seen = self.tally.count;
        let Some(of) = self.rest else { return Ok(Count::Exact(seen)) };
        let mut counted = if of == Subset::Candidates { 0 } else { seen };
        if !self.histogram.bars.is_empty() {
            counted = self.histogram.bars.iter().map(|bar| bar.total).sum();
        } else {
            for (_, slice, narrowing) in self.asked() {
                counted += number(&self.rows(slice, narrowing, Grouping::all("COUNT(*) AS n"))?);
            }
        }
        let bounded = || !self.asked().any(|(.., narrowing)| narrowing.is_nothing());
        Ok(match of {
            Subset::Candidates if self.missing.get() || !bounded() => Count::AtLeast(seen),
            Subset::Candidates => Count::AtMost(counted),
            _ if self.missing.get() => Count::AtLeast(counted),
            _ => Count::Exact(counted),
        })
    }

    /// How the matches are spread over the range, by level.
    pub fn histogram(&self) -> &TimeHistogram {
        &self.histogram
    }

    /// The values of a column that was wanted, the commonest first.
    pub fn values(&self, column: &str, limit: usize) -> Result<ValueCounts, SearchError> {
        let tallied = self.tally.columns.iter().find(|(name, _)| name == column);
        let mut counts = match (tallied, self.rest) {
            (None, _) | (_, Some(Subset::Candidates)) => Counts::default(),
            (Some((_, counts)), _) => counts.clone(),
        };
        let mut exact = self.rest != Some(Subset::Candidates);
        let paths = column_paths(column);
        // if searchd cannot be asked, or its groups may hold something else than they print, only the records tell
        let mut sure = !paths.is_empty();
        for (_, slice, narrowing) in self.asked() {
            let mut with_values = 0;
            for path in &paths {
                let grouped = self.groups(slice, narrowing, path)?;
                exact &= grouped.groups.len() < MAX_GROUPS;
                sure &= !grouped.hides;
                grouped.groups.iter().for_each(|group| sure &= counts.take_group(group));
                with_values += usize::from(grouped.groups.iter().any(|group| !group.is_null()));
            }
            // a record may have a value by two paths
            sure &= with_values <= 1;
        }
        exact &= !self.missing.get();
        // a filter finds message and time of every record by these names, but they are not among the columns
        let apart = self.plan.sources.iter().any(|source| source.apart.has(column));
        if self.rest.is_some() && (paths.is_empty() || exact && (!sure || counts.is_ambiguous())) {
            let mut told = Counts::default();
            let checking = self.scope.at_most(self.scope.counting);
            let take = |hit: &Hit| told.take(&hit.record.columns, column);
            exact = self.searcher.each_checked(&self.plan, &[Subset::Candidates], Read::Columns, &checking, take)?;
            match exact {
                true => counts = told,
                false => counts.complete(told),
            }
        }
        Ok(ValueCounts::new(&counts, limit, exact && !apart))
    }

    /// What searchd is asked for in addition to the tally.
    fn asked(&self) -> impl Iterator<Item = (&SourcePlan, &Slice, &Restriction)> {
        self.rest.into_iter().flat_map(|of| self.plan.asked(of))
    }

    /// None if searchd does not serve the slice, or no time is left; `missing` tells.
    fn rows(&self, slice: &Slice, narrowing: &Restriction, grouping: Grouping) -> Result<Vec<Row>, SearchError> {
        let rows = match self.scope.is_over() {
            true => None,
            false => self.searcher.groups(slice, narrowing, grouping)?,
        };
        self.missing.set(self.missing.get() || rows.is_none());
        Ok(rows.unwrap_or_default())
    }

    fn groups(&self, slice: &Slice, narrowing: &Restriction, path: &str) -> Result<Groups, SearchError> {
        let key = (slice.from.clone(), path.to_owned());
        if let Some(groups) = self.grouped.borrow().get(&key) {
            return Ok(groups.clone());
        }
        let rows = self.rows(slice, narrowing, by_value(&grouped_values(path)))?;
        let mut groups: Vec<Group> = rows.iter().map(Group::of).collect();
        let repeats = groups.iter().any(Group::may_repeat);
        if repeats {
            // equal records share a digest, so this is the least number of records
            let columns = format!("GROUPBY() AS g, COUNT(DISTINCT digest) AS d, {path} AS v");
            let rows = self.rows(slice, narrowing, by_value(&columns))?;
            let records: HashMap<String, u64> = rows.iter().map(|row| (row.text(0), count(row))).collect();
            for group in groups.iter_mut().filter(|group| group.may_repeat()) {
                group.distinct = records.get(&group.text) == Some(&group.records);
            }
        }
        let nulls: u64 = groups.iter().filter(|group| group.is_null()).map(|group| group.records).sum();
        let mut hides = false;
        if nulls > 0 {
            let columns = format!("({path} IS NULL) AS z, COUNT(*) AS n");
            let rows = self.rows(slice, narrowing, Grouping { columns: &columns, by: "z", limit: 2 })?;
            let absent: u64 = rows.iter().filter(|row| row.int(0) == Some(1)).map(count).sum();
            hides = absent != nulls;
        }
        let groups = Rc::new(Grouped { groups, hides });
        self.grouped.borrow_mut().insert(key, Rc::clone(&groups));
        Ok(groups)
    }

    /// Adds the records of the rest to the bars of the tally.
    fn add_bars(&mut self) -> Result<(), SearchError> {
        let Some(first) = self.histogram.bars.first().map(|bar| bar.range) else { return Ok(()) };
        let (start, width) = (first.start.micros(), self.tally.bars.width());
        let (mut added, mut sure) = (Vec::new(), true);
        for (source, slice, narrowing) in self.asked() {
            let index = self.searcher.index(&source.index)?;
            let levels = self.levels(slice, narrowing, index)?;
            sure &= levels.sure;
            let sum = |condition: Option<String>, name: &str| match condition {
                Some(condition) => (format!(", ({condition}) AS {name}"), format!(", SUM({name}) AS of_{name}")),
                None => (String::new(), String::new()),
            };
            let errors = levels.condition(Level::is_error);
            let warnings = levels.condition(|level| level == Level::Warning).map(|warnings| match &errors {
                Some(errors) if levels.lists => format!("({warnings}) AND ({errors})=0"),
                _ => warnings,
            });
            let ((warning, warnings), (error, errors)) = (sum(warnings, "w"), sum(errors, "e"));
            let select =
                format!("((ts-({start})) DIV {width}) AS bar, COUNT(*) AS n{warning}{error}{warnings}{errors}");
            // between them are the conditions' own columns, of some row of the group
            let sums = 2 + usize::from(!warnings.is_empty()) + usize::from(!errors.is_empty());
            let at_errors = sums + usize::from(!warnings.is_empty());
            let bars = Grouping { columns: &select, by: "bar", limit: self.histogram.bars.len() };
            for row in self.rows(slice, narrowing, bars)? {
                let int = |column| row.int(column).unwrap_or(0) as u64;
                let Ok(bar) = usize::try_from(row.int(0).unwrap_or(-1)) else { continue };
                let warnings = if warnings.is_empty() { 0 } else { int(sums) };
                let errors = if errors.is_empty() { 0 } else { int(at_errors) };
                added.push((bar, int(1), warnings, errors));
            }
        }
        for (bar, total, warnings, errors) in added {
            let Some(bar) = self.histogram.bars.get_mut(bar) else { continue };
            (bar.total, bar.warnings, bar.errors) = (bar.total + total, bar.warnings + warnings, bar.errors + errors);
        }
        self.histogram.exact &= !self.missing.get();
        // if searchd cannot tell a level, only the records do
        if self.histogram.exact && !sure {
            let mut told = self.tally.bars.emptied();
            let checking = self.scope.at_most(self.scope.counting);
            let take = |hit: &Hit| told.take(hit);
            let all = self.searcher.each_checked(&self.plan, &[Subset::Candidates], Read::Columns, &checking, take)?;
            self.histogram.exact = all;
            if all {
                self.histogram.bars = told.bars;
            }
        }
        Ok(())
    }

    /// The values of the level columns; a column counts as far as records lack the ones before it. (Grouping by a bar and a value
    /// at a time would make each row a group of its own: searchd compares places of JSON, not values.)
    fn levels<'i>(&self, slice: &Slice, narrowing: &Restriction, index: &'i Index) -> Result<Levels<'i>, SearchError> {
        let mut levels = Levels { index, columns: Vec::new(), sure: true, lists: false };
        for (name, path) in
            index.level.iter().flat_map(|name| column_paths(name).into_iter().map(move |path| (name, path)))
        {
            let grouped = self.groups(slice, narrowing, &path)?;
            levels.sure &= grouped.groups.len() < MAX_GROUPS;
            let (nulls, groups): (Vec<&Group>, Vec<&Group>) = grouped.groups.iter().partition(|group| group.is_null());
            levels.sure &= groups.iter().all(|group| group.is_comparable());
            levels.lists |= groups.iter().any(|group| group.may_repeat());
            let texts: BTreeSet<String> = groups.iter().map(|group| group.text.clone()).collect();
            levels.columns.push((name, path, texts));
            if nulls.is_empty() {
                break;
            }
        }
        Ok(levels)
    }
}

/// The level columns of a slice's records.
struct Levels<'i> {
    index: &'i Index,
    /// name, path, values as searchd prints them
    columns: Vec<(&'i str, String, BTreeSet<String>)>,
    /// these are all values, and searchd can compare with each
    sure: bool,
    /// some are of lists
    lists: bool,
}

impl Levels<'_> {
    /// A condition that is 1 for the documents of such a level; None if there are none. What a number means depends on a
    /// document's other columns.
    fn condition(&self, is_such: impl Fn(Level) -> bool) -> Option<String> {
        let paths: Vec<String> = self.columns.iter().map(|(_, path, _)| path.clone()).collect();
        let of = |is_bunyan: bool| {
            let such = |(name, _, texts): &(&str, String, BTreeSet<String>)| {
                let numbers = level::numbers(self.index, name, || is_bunyan);
                texts.iter().filter(|text| is_such(Level::of(text, numbers))).cloned().collect()
            };
            first_is(&paths, &self.columns.iter().map(such).collect::<Vec<Vec<String>>>(), |_| true)
        };
        let (bunyan, others) = (of(true), of(false));
        if bunyan == others {
            return others;
        }
        let marks: Vec<String> = BUNYAN_COLUMNS.into_iter().flat_map(column_paths).collect();
        let all = |are: &str, between: &str| {
            let each: Vec<String> = marks.iter().map(|path| format!("{path} {are}")).collect();
            each.join(between)
        };
        let bunyan = bunyan.map(|bunyan| format!("({bunyan}) AND {}", all("IS NOT NULL", " AND ")));
        let others = others.map(|others| format!("({others}) AND ({})", all("IS NULL", " OR ")));
        match (bunyan, others) {
            (Some(bunyan), Some(others)) => Some(format!("({bunyan}) OR ({others})")),
            (bunyan, others) => bunyan.or(others),
        }
    }
}

/// The groups of the values `v` of a select list.
fn by_value(columns: &str) -> Grouping<'_> {
    Grouping { columns, by: "v", limit: MAX_GROUPS }
}

impl Group {
    /// A row of `grouped_values`.
    fn of(row: &Row) -> Group {
        let int = |column| row.int(column).unwrap_or(0);
        Group {
            text: row.text(0),
            records: count(row),
            least: int(6),
            most: int(7),
            shortest: int(8),
            longest: int(9),
            kept: int(10) == 1,
            distinct: false,
        }
    }
}

/// The second column.
fn count(row: &Row) -> u64 {
    row.int(1).unwrap_or(0) as u64
}

fn number(rows: &[Row]) -> u64 {
    rows.first().and_then(|row| row.int(0)).unwrap_or(0) as u64
}
