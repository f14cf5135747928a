//! The figures of one search: what was seen while checking, and what searchd counts of the rest.

mod bars;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use crate::config::{Dialect, attribute_of_column};
use crate::search::Searcher;
use crate::search::answer::{GroupRows, Grouping, MostGroups, away};
use crate::search::day_groups::DayStates;
use crate::search::hit::{Count, Hit, SearchError};
use crate::search::plan::{Plan, Slice, SourcePlan, Subset};
use crate::search::scan::Read;
use crate::search::scope::Scope;
use crate::search::stats::column_values::{Counts, Group, Grouped, Groups, MAX_GROUPS, ValueCounts, ValuesWanted};
use crate::search::stats::histogram::TimeHistogram;
use crate::search::stats::tally::Tally;
use crate::sphinx::client::{Engine, Row};
use crate::sphinx::counting::{NO_VALUE, UNSURE_VALUE, hash_of};
use crate::sphinx::dialect::{grouped_values, may_be_boolean};
use crate::sphinx::filter_sql::column_paths;
use crate::sphinx::select::Restriction;
use crate::time::Ts;

#[derive(Debug)]
pub struct Figures<'a> {
    searcher: &'a Searcher,
    plan: Plan,
    scope: Scope,
    tally: Tally,
    /// records not yet counted. `Candidates`: the tally is not complete, and only unchecked figures are available
    rest: Option<Subset>,
    histogram: TimeHistogram,
    /// values of a path in a slice, as searchd has counted them; by the slice's index, its start and the path
    grouped: RefCell<HashMap<(String, Ts, String), Groups>>,
    /// searchd could not be asked for all of the rest
    is_part: Cell<bool>,
    /// the parts that were missing in its answers, as texts for the user
    missing: RefCell<BTreeSet<String>>,
    states: DayStates,
}

impl<'a> Figures<'a> {
    pub(super) fn new(
        searcher: &'a Searcher,
        plan: Plan,
        scope: &Scope,
        tally: Tally,
        rest: Option<Subset>,
    ) -> Result<Figures<'a>, SearchError> {
        let bars = if rest == Some(Subset::Candidates) { tally.bars.emptied().bars } else { tally.bars.bars.clone() };
        let histogram = TimeHistogram { bars, exact: rest != Some(Subset::Candidates) };
        let mut figures = Figures {
            searcher,
            plan,
            scope: scope.clone(),
            tally,
            rest,
            histogram,
            grouped: RefCell::default(),
            is_part: Cell::new(false),
            missing: RefCell::default(),
            states: DayStates::default(),
        };
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
                counted += self.in_time(|| self.searcher.documents_of(slice, narrowing, &self.states))?;
            }
        }
        let bounded = || !self.asked().any(|(.., narrowing)| narrowing.is_nothing());
        Ok(match of {
            Subset::Candidates if self.is_part.get() || !bounded() => Count::AtLeast(seen),
            Subset::Candidates => Count::AtMost(counted),
            _ if self.is_part.get() => Count::AtLeast(counted),
            _ => Count::Exact(counted),
        })
    }

    /// The parts that were missing in searchd's answers so far, as texts for the user.
    pub fn missing(&self) -> Vec<String> {
        self.missing.borrow().iter().cloned().collect()
    }

    /// How the matches are spread over the range, by level.
    pub fn histogram(&self) -> &TimeHistogram {
        &self.histogram
    }

    /// The values of a column that was wanted, the commonest first.
    pub fn values(&self, wanted: &ValuesWanted) -> Result<ValueCounts, SearchError> {
        let counted = self.counted_values(wanted)?;
        Ok(ValueCounts { missing: self.missing(), ..counted })
    }

    fn counted_values(&self, wanted: &ValuesWanted) -> Result<ValueCounts, SearchError> {
        let ValuesWanted { column, limit, .. } = *wanted;
        // a filter finds message and time of every record by these names, but they are not among the columns
        let apart = self.plan.sources.iter().any(|source| source.apart.has(column));
        let tallied = self.tally.columns.iter().find(|(name, _)| name == column);
        let mut counts = match (tallied, self.rest) {
            (None, _) | (_, Some(Subset::Candidates)) => Counts::default(),
            (Some((_, counts)), _) => counts.clone(),
        };
        let mut exact = self.rest != Some(Subset::Candidates);
        if self.rest.is_some()
            && let Some(counts) = self.values_by_hash(wanted, counts.clone())?
        {
            return Ok(ValueCounts::new(&counts, limit, exact && !self.is_part.get() && !apart));
        }
        let paths = column_paths(column);
        // if searchd cannot be asked, or its groups may hold something else than they print, the records decide
        let mut sure = !paths.is_empty();
        for (_, slice, narrowing) in self.asked() {
            let mut with_values = 0;
            for path in &paths {
                let grouped = self.groups(slice, narrowing, path)?;
                exact &= grouped.is_all();
                sure &= !grouped.hides;
                grouped.groups.iter().for_each(|group| sure &= counts.take_group(group));
                with_values += usize::from(grouped.groups.iter().any(|group| !group.is_null()));
            }
            // a record may have a value by two paths
            sure &= with_values <= 1;
        }
        exact &= !self.is_part.get();
        if self.rest.is_some() && (paths.is_empty() || exact && (!sure || counts.is_ambiguous())) {
            let mut checked = Counts::default();
            let checking = self.scope.at_most(self.scope.counting);
            let take = |hit: &Hit| checked.take(&hit.record.columns, column);
            exact = self.searcher.each_checked(&self.plan, &[Subset::Candidates], Read::Columns, &checking, take)?;
            match exact {
                true => counts = checked,
                false => counts.complete(checked),
            }
        }
        Ok(ValueCounts::new(&counts, limit, exact && !apart))
    }

    /// Adds the values that searchd counts by the hashes of a `filtered` column. None: a hash may not be that of one known value.
    fn values_by_hash(&self, wanted: &ValuesWanted, mut counts: Counts) -> Result<Option<Counts>, SearchError> {
        let attribute = attribute_of_column(wanted.column);
        let has_hashes = |slice: &Slice| self.searcher.counts_values(&attribute, slice);
        if !counts.is_plain() || !self.asked().all(|(_, slice, _)| has_hashes(slice)) {
            return Ok(None);
        }
        let mut texts: HashMap<u32, &str> = HashMap::new();
        for text in wanted.known.iter().flatten() {
            if texts.insert(hash_of(text), text).is_some_and(|other| other != text) {
                return Ok(None);
            }
        }
        let columns = format!("{attribute} AS hash, COUNT(*) AS n");
        for (_, slice, narrowing) in self.asked() {
            let rows = self.rows(
                slice,
                narrowing,
                Grouping { columns: &columns, by: "hash", most: MostGroups::of_any_time(MAX_GROUPS) },
            )?;
            if rows.len() >= MAX_GROUPS {
                return Ok(None);
            }
            for row in rows.iter() {
                let hash = row.int(0).and_then(|hash| u32::try_from(hash).ok()).unwrap_or(UNSURE_VALUE);
                match texts.get(&hash) {
                    _ if hash == NO_VALUE => {}
                    Some(text) if hash != UNSURE_VALUE => counts.add_text(text, count(row)),
                    _ => return Ok(None),
                }
            }
        }
        Ok(Some(counts))
    }

    /// The questions to searchd in addition to the tally.
    fn asked(&self) -> impl Iterator<Item = (&SourcePlan, &Slice, &Restriction)> {
        self.rest.into_iter().flat_map(|of| self.plan.asked(of))
    }

    fn rows(&self, slice: &Slice, narrowing: &Restriction, grouping: Grouping) -> Result<Arc<[Row]>, SearchError> {
        self.in_time(|| self.searcher.kept_groups(slice, narrowing, grouping, (&self.states, &|| self.scope.is_over())))
    }

    /// The rows of a question. If some are missing, or no time is left to ask it, `is_part` is set.
    fn in_time<R: Default>(&self, ask: impl FnOnce() -> Result<GroupRows<R>, SearchError>) -> Result<R, SearchError> {
        let _turn = self.scope.turn()?;
        if self.scope.is_over() {
            self.is_part.set(true);
            return Ok(R::default());
        }
        let GroupRows { rows, missing } = ask()?;
        self.is_part.set(self.is_part.get() || !missing.is_empty());
        self.missing.borrow_mut().extend(missing);
        Ok(rows)
    }

    fn groups(&self, slice: &Slice, narrowing: &Restriction, path: &str) -> Result<Groups, SearchError> {
        let key = (slice.from.clone(), slice.range.start, path.to_owned());
        if let Some(groups) = self.grouped.borrow().get(&key) {
            return Ok(groups.clone());
        }
        let rows = self.rows(slice, narrowing, by_value(&grouped_values(path), path))?;
        let mut groups: Vec<Group> = rows.iter().map(group_of).collect();
        if groups.iter().any(|group| may_be_boolean(Dialect::Manticore, &group.text, group.longest)) {
            let dialect = self.searcher.pool.with(Engine::dialect).map_err(|fault| away(&fault))?;
            groups.iter_mut().for_each(|group| group.boolean = may_be_boolean(dialect, &group.text, group.longest));
        }
        let repeats = groups.iter().any(Group::may_repeat);
        if repeats {
            // equal records share a digest, so this is the least number of records
            let rows = self.rows(slice, narrowing, by_value("GROUPBY() AS g, COUNT(DISTINCT digest) AS d", path))?;
            let mut records: HashMap<String, Option<u64>> = HashMap::new();
            for row in rows.iter() {
                // of a group in two parts it is not known
                records.entry(row.text(0)).and_modify(|known| *known = None).or_insert(Some(count(row)));
            }
            for group in groups.iter_mut().filter(|group| group.may_repeat()) {
                group.distinct = records.get(&group.text) == Some(&Some(group.records));
            }
        }
        let nulls: u64 = groups.iter().filter(|group| group.is_null()).map(|group| group.records).sum();
        let mut hides = false;
        if nulls > 0 {
            let columns = format!("({path} IS NULL) AS z, COUNT(*) AS n");
            let rows =
                self.rows(slice, narrowing, Grouping { columns: &columns, by: "z", most: MostGroups::of_any_time(2) })?;
            let absent: u64 = rows.iter().filter(|row| row.int(0) == Some(1)).map(count).sum();
            hides = absent != nulls;
        }
        let groups = Rc::new(Grouped { groups, hides });
        self.grouped.borrow_mut().insert(key, Rc::clone(&groups));
        Ok(groups)
    }
}

/// The groups of the values of a path.
fn by_value<'a>(columns: &'a str, path: &'a str) -> Grouping<'a> {
    Grouping { columns, by: path, most: MostGroups::of_any_time(MAX_GROUPS) }
}

/// A row of `grouped_values`.
fn group_of(row: &Row) -> Group {
    let int = |column| row.int(column).unwrap_or(0);
    Group {
        text: row.text(0),
        records: count(row),
        least: int(5),
        most: int(6),
        shortest: int(7),
        longest: int(8),
        kept: int(9) == 1,
        distinct: false,
        boolean: false,
    }
}

/// The second column.
fn count(row: &Row) -> u64 {
    row.count(1)
}
