//! The patterns of a search, as another alco lists them in NDJSON.

use crate::commands::grep::remote::{Remote, SEARCH_TIMEOUT, asked};
use crate::config::index_list;
use crate::query::{Format, Query};
use crate::record::json::Columns;
use crate::record::level::Level;
use crate::record::pattern::PatternHash;
use crate::render::patterns::is_about_others;
use crate::search::hit::Count;
use crate::search::pattern_counts::{PatternCount, PatternCounts};
use crate::time::{Ts, parse_rfc3339};

impl Remote {
    /// The patterns of the records that match. What the other alco notes about them is a warning.
    pub fn patterns(&self, query: &Query) -> Result<PatternCounts, String> {
        let asked = asked(query, Format::Ndjson).to_url();
        let path = format!("grep/{}/patterns/?{asked}", index_list(&query.indexes));
        let (mut patterns, mut warnings, mut others) = (Vec::new(), Vec::new(), None);
        let mut body = self.ask(&path, SEARCH_TIMEOUT)?;
        while let Some(line) = self.next_line(&mut body)? {
            let members = Columns::parse(&line);
            match members.get("@alco").map(|said| said.text()) {
                Some(said) if is_about_others(&said) => others = Some(said),
                Some(said) => warnings.push(said),
                None => patterns.push(self.pattern(&members).ok_or_else(|| self.broken(&"a line is not a pattern"))?),
            }
        }
        let listed = patterns.len() as u64;
        let number = |others: &str| {
            let number = listed + others.split(' ').find_map(|word| word.parse::<u64>().ok()).unwrap_or(1);
            if others.starts_with(char::is_numeric) { Count::Exact(number) } else { Count::AtLeast(number) }
        };
        Ok(PatternCounts {
            number: others.map_or(Count::Exact(listed), |others| number(&others)),
            records: patterns.iter().map(PatternCount::records).sum(),
            patterns,
            bars: Vec::new(),
            // what the answer lacks is among the warnings
            exact: true,
            has_whole_bars: true,
            only_frequent: false,
            warnings,
            before: None,
        })
    }

    fn pattern(&self, members: &Columns) -> Option<PatternCount> {
        let text = |name: &str| members.get(name).map(|value| value.text());
        let time = |name: &str| -> Option<Ts> { parse_rfc3339(&text(name)?, self.zone()) };
        let levels = |name: &str| {
            let levels = Columns::parse(members.raw(name)?);
            let of_level = |level: Level| levels.raw(level.name()).and_then(|number| number.parse().ok()).unwrap_or(0);
            Some(Level::ALL.map(of_level))
        };
        Some(PatternCount {
            pattern: PatternHash::parse(&text("pattern")?)?,
            text: text("text")?,
            sample: text("sample"),
            index: None,
            levels: levels("levels")?,
            first: time("first")?,
            last: time("last")?,
            bars: Vec::new(),
            before: levels("levels_before"),
        })
    }
}
