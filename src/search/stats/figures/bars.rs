//! The bars of the figures: what searchd counts of the rest, by the steps of the histogram and by level.

use super::{Figures, count};
use crate::record::level::Level;
use crate::search::answer::{Grouping, MostGroups};
use crate::search::hit::{Hit, SearchError};
use crate::search::plan::{Slice, Subset};
use crate::search::scan::Read;
use crate::search::stats::histogram::StepsOfPart;
use crate::search::stats::levels::Levels;
use crate::sphinx::client::Row;
use crate::sphinx::counting::{self, RANK, RANK_COUNT, UNSURE_RANK};
use crate::sphinx::select::Restriction;

impl Figures<'_> {
    /// The records of a slice, by bar. None: `kind` does not tell the level of each record.
    fn bars_by_kind(
        &self,
        slice: &Slice,
        narrowing: &Restriction,
        part: &StepsOfPart,
    ) -> Result<Option<Vec<AddedBar>>, SearchError> {
        let step = self.tally.bars.steps.sql_from(part.start_micros);
        let columns = format!("{step} * {RANK_COUNT} + {RANK} AS bar, COUNT(*) AS n");
        let limit = self.histogram.bars.len() * RANK_COUNT as usize;
        let rows = self.rows(
            slice,
            narrowing,
            Grouping {
                columns: &columns,
                by: "bar",
                most: MostGroups { in_all: limit, at_one_time: RANK_COUNT as usize },
            },
        )?;
        let mut bars = Vec::with_capacity(rows.len());
        for row in rows.iter() {
            let (bar, n) = (row.int(0).unwrap_or(-1), count(row));
            let rank = bar.rem_euclid(RANK_COUNT);
            if rank == UNSURE_RANK {
                return Ok(None);
            }
            let of = |is_such: bool| if is_such { n } else { 0 };
            let (warnings, errors) =
                (of(rank == counting::rank(Level::Warning)), of(rank >= counting::rank(Level::Error)));
            let place = self.tally.bars.place(part.first + bar.div_euclid(RANK_COUNT));
            bars.extend(place.map(|at| AddedBar { at, total: n, warnings, errors }));
        }
        Ok(Some(bars))
    }

    /// As `bars_by_kind`, by the values of the level columns.
    fn bars_by_levels(
        &self,
        slice: &Slice,
        narrowing: &Restriction,
        part: &StepsOfPart,
        levels: &Levels,
    ) -> Result<Vec<AddedBar>, SearchError> {
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
        let step = self.tally.bars.steps.sql_from(part.start_micros);
        let select = format!("{step} AS bar, COUNT(*) AS n{warning}{error}{warnings}{errors}");
        // between them are the conditions' own columns, of some row of the group
        let sums = 2 + usize::from(!warnings.is_empty()) + usize::from(!errors.is_empty());
        let at_errors = sums + usize::from(!warnings.is_empty());
        let limit = self.histogram.bars.len();
        let rows = self.rows(
            slice,
            narrowing,
            Grouping { columns: &select, by: "bar", most: MostGroups { in_all: limit, at_one_time: 1 } },
        )?;
        let bar = |row: &Row| {
            let warnings = if warnings.is_empty() { 0 } else { row.count(sums) };
            let errors = if errors.is_empty() { 0 } else { row.count(at_errors) };
            let at = self.tally.bars.place(part.first.saturating_add(row.int(0).unwrap_or(-1)))?;
            Some(AddedBar { at, total: row.count(1), warnings, errors })
        };
        Ok(rows.iter().filter_map(bar).collect())
    }

    /// Adds the records of the rest to the bars of the tally.
    pub(super) fn add_bars(&mut self) -> Result<(), SearchError> {
        if self.histogram.bars.is_empty() {
            return Ok(());
        }
        let (mut added, mut sure) = (Vec::new(), true);
        for (source, whole, narrowing) in self.asked() {
            let index = self.searcher.index(&source.index)?;
            // of the whole slice: the groups of a slice are known by its begin, which a part shares with it
            let mut of_whole = None;
            for part in self.tally.bars.steps.parts(whole.range) {
                let slice = &whole.part(part.range);
                if self.searcher.counts_levels(index, slice)
                    && let Some(bars) = self.bars_by_kind(slice, narrowing, &part)?
                {
                    added.extend(bars);
                    continue;
                }
                let levels = match of_whole {
                    Some(ref levels) => levels,
                    None => of_whole.insert(Levels::read(index, |path| self.groups(whole, narrowing, path))?),
                };
                sure &= levels.sure;
                added.extend(self.bars_by_levels(slice, narrowing, &part, levels)?);
            }
        }
        for AddedBar { at, total, warnings, errors } in added {
            let Some(bar) = self.histogram.bars.get_mut(at) else { continue };
            (bar.total, bar.warnings, bar.errors) = (bar.total + total, bar.warnings + warnings, bar.errors + errors);
        }
        self.histogram.exact &= !self.is_part.get();
        // if searchd cannot compare with a level, the records decide
        if self.histogram.exact && !sure {
            let mut checked = self.tally.bars.emptied();
            let checking = self.scope.at_most(self.scope.counting);
            let take = |hit: &Hit| checked.take(hit);
            let all = self.searcher.each_checked(&self.plan, &[Subset::Candidates], Read::Columns, &checking, take)?;
            self.histogram.exact = all;
            if all {
                self.histogram.bars = checked.bars;
            }
        }
        Ok(())
    }
}

/// Records to add to a bar.
struct AddedBar {
    /// the bar's number
    at: usize,
    total: u64,
    warnings: u64,
    errors: u64,
}
