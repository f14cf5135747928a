//! The levels of a slice's records, by the values that searchd reports of the level columns.

use std::collections::BTreeSet;

use crate::config::Index;
use crate::record::level;
use crate::record::level::{BUNYAN_COLUMNS, Level};
use crate::search::hit::SearchError;
use crate::search::stats::column_values::{Group, Groups};
use crate::sphinx::filter_sql::{column_paths, first_is};

/// The level columns of a slice's records.
pub(super) struct Levels<'i> {
    index: &'i Index,
    /// name, path, values as searchd prints them
    columns: Vec<(&'i str, String, BTreeSet<String>)>,
    /// these are all values, and searchd can compare with each
    pub sure: bool,
    /// some are of lists
    pub lists: bool,
}

impl<'i> Levels<'i> {
    /// `groups` has searchd group the slice's records by the values of a path. A column counts for the records that lack the
    /// columns before it. (Grouping by a bar and a value at a time would make each row a group of its own: searchd compares places
    /// of JSON, not values.)
    pub(super) fn read(
        index: &'i Index,
        groups: impl Fn(&str) -> Result<Groups, SearchError>,
    ) -> Result<Levels<'i>, SearchError> {
        let mut levels = Levels { index, columns: Vec::new(), sure: true, lists: false };
        for (name, path) in
            index.level.iter().flat_map(|name| column_paths(name).into_iter().map(move |path| (name, path)))
        {
            let grouped = groups(&path)?;
            levels.sure &= grouped.is_all();
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

    /// A condition that is 1 for the documents of such a level; None if there are none. What a number means depends on a
    /// document's other columns.
    pub(super) fn condition(&self, is_such: impl Fn(Level) -> bool) -> Option<String> {
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
