//! `Query` -> the parameters of its address, and the fields of a form that asks the same: only what differs from the default. Pure.

use crate::query::group::parameters;
use crate::query::inline_filters::write_typed;
use crate::query::parameter::join_list;
use crate::query::{Against, Context, Follow, Format, Mode, Order, PatternSort, Query, Within};
use crate::time;

impl Query {
    /// Names and values, not encoded.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let mut url = QueryWriter(Vec::new());
        url.some("start_ts", self.start.as_ref());
        url.some("end_ts", self.end.as_ref());
        url.some("overview", self.overview.as_ref());
        if !self.search.is_empty() {
            url.put("search", &write_typed(&self.search));
        }
        url.word(
            "mode",
            match self.mode {
                Mode::Literal => "",
                Mode::Words => "words",
                Mode::Regex => "regex",
            },
        );
        url.flag("case", self.case);
        url.flag("word", self.word);
        url.flag("invert", self.invert);
        url.word(
            "in",
            match self.within {
                Within::Message => "",
                Within::All => "all",
            },
        );
        match self.context {
            Context::None => {}
            Context::Lines(lines) => url.put("context", &lines.to_string()),
            Context::All => url.put("context", "y"),
        }
        url.number("before", self.before);
        url.number("after", self.after);
        for (at, filter) in self.filters.iter().enumerate() {
            url.0.extend(parameters(filter, &self.filters[..at]));
        }
        if let Some(columns) = &self.columns {
            url.put("columns", &join_list(columns));
        }
        url.word(
            "order",
            match self.order {
                None => "",
                Some(Order::OldestFirst) => "asc",
                Some(Order::NewestFirst) => "desc",
            },
        );
        url.word(
            "sort",
            match self.sort {
                // the usual one
                Some(PatternSort::Frequent) if self.against.is_none() => "",
                sort => sort.map_or("", PatternSort::name),
            },
        );
        url.flag("only_new", self.only_new);
        url.word("against", self.against.map_or("", Against::name));
        url.some("limit", self.limit.as_ref());
        url.some("wrap", self.wrap.map(u8::from));
        url.some("tz", self.tz.as_ref().map(time::zone_name));
        url.word(
            "format",
            match self.format {
                Format::Page => "",
                format => format.name(),
            },
        );
        match self.follow {
            Follow::No => {}
            Follow::Open => url.put("follow", "1"),
            Follow::Every(seconds) => url.put("follow", &format!("{seconds}s")),
        }
        url.flag("download", self.download);
        url.flag("bom", self.bom);
        url.flag("tracebacks", self.tracebacks);
        url.some("cursor", self.cursor.as_ref());
        url.0
    }
}

struct QueryWriter(Vec<(String, String)>);

impl QueryWriter {
    fn put(&mut self, key: &str, value: &str) {
        self.0.push((key.to_owned(), value.to_owned()));
    }

    fn some(&mut self, key: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.put(key, &value.to_string());
        }
    }

    fn word(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.put(key, value);
        }
    }

    fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.put(key, "1");
        }
    }

    fn number(&mut self, key: &str, value: u32) {
        if value != 0 {
            self.put(key, &value.to_string());
        }
    }
}
