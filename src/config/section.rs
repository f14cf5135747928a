//! A reader takes the keys of one section, one after another. A key that it does not take is unknown. Pure.

use crate::config::ini::{Entry, Mistake, Section};
use crate::config::sphinx_directives;
use crate::config::sphinx_directives::Of;
use crate::config::value;
use crate::config::value::{list, not_empty};

/// `[index web]`
pub fn title(section: &Section) -> String {
    match section.name {
        Some(name) => format!("[{} {name}]", section.kind),
        None => format!("[{}]", section.kind),
    }
}

/// True for a comment that is more likely the rest of the list: several single words, or one as those of `value` are.
fn looks_like_items(comment: &str, value: &str) -> bool {
    let is_plain = |item: &str| item.chars().all(char::is_alphanumeric);
    let items: Vec<&str> = comment.split([',', ';']).map(str::trim).filter(|item| !item.is_empty()).collect();
    match items[..] {
        [] => false,
        _ if items.iter().any(|item| item.contains(char::is_whitespace)) => false,
        [item] => !is_plain(item) || value.split(',').all(|item| is_plain(item.trim())),
        _ => true,
    }
}

/// Collects the mistakes of a section. Each begins with the section: `[redis] unknown key …`.
pub struct Reader<'a> {
    pub section: &'a Section<'a>,
    pub asked: Vec<&'static str>,
    mistakes: Vec<Mistake>,
}

impl<'a> Reader<'a> {
    pub fn new(section: &'a Section<'a>) -> Reader<'a> {
        Reader { section, asked: Vec::new(), mistakes: Vec::new() }
    }

    /// `to` gets the key's value where the key is set and `parse` takes it. A value that `parse` refuses is a mistake.
    pub fn take<T>(&mut self, key: &'static str, to: &mut T, parse: impl Fn(&str) -> Result<T, String>) {
        self.asked.push(key);
        if let Some(entry) = self.section.entries.iter().find(|entry| entry.key == key) {
            match parse(entry.value) {
                Ok(value) => *to = value,
                Err(why) => self.wrong(entry.line, format!("{key}: {why}")),
            }
        }
    }

    /// As `take`, for a list, of which a comment may have cut off a part.
    pub fn take_list<T>(&mut self, key: &'static str, to: &mut Vec<T>, parse: impl Fn(&str) -> Result<Vec<T>, String>) {
        self.take(key, to, parse);
        let entry = self.section.entries.iter().find(|entry| entry.key == key);
        if let Some(entry) = entry
            && let Some(comment) = entry.comment.filter(|comment| looks_like_items(comment, entry.value))
        {
            let what = format!(
                "{key}: the list ends before ' ;', and '{comment}' is a comment; write commas between items, and a comment on \
                 a line of its own"
            );
            self.wrong(entry.line, what);
        }
    }

    pub fn wrong(&mut self, line: usize, what: String) {
        let what = format!("{} {what}", title(self.section));
        self.mistakes.push(Mistake { line, what });
    }

    /// Notes a mistake at the line of this key.
    pub fn wrong_at(&mut self, key: &str, what: String) {
        self.wrong(self.section.line_of(key), what);
    }

    fn twice(&mut self, may_repeat: impl Fn(&str) -> bool) {
        let entries: &'a [Entry] = &self.section.entries;
        for (at, entry) in entries.iter().enumerate() {
            if let Some(first) = entries[..at].iter().find(|other| other.key == entry.key && !may_repeat(entry.key)) {
                self.wrong(entry.line, format!("'{}' is in line {} already; keep one", entry.key, first.line));
            }
        }
    }

    pub fn finish(mut self) -> Vec<Mistake> {
        self.twice(|_| false);
        for entry in &self.section.entries {
            if self.asked.contains(&entry.key) {
                continue;
            }
            let cure = match value::nearest(entry.key, self.asked.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("the keys are {}", self.asked.join(", ")),
            };
            self.wrong(entry.line, format!("unknown key '{}'; {cure}", entry.key));
        }
        self.mistakes
    }

    /// `[sphinx.index]` and the like: the keys are searchd's.
    pub fn directives(mut self, of: Of, to: &mut Vec<(String, String)>) -> Vec<Mistake> {
        self.twice(|key| sphinx_directives::may_repeat(of, key));
        for Entry { line, key, value, .. } in &self.section.entries {
            let checked = sphinx_directives::check(of, key, value)
                .and_then(|()| value::for_searchd(value).map(drop).map_err(|why| format!("{key}: {why}")));
            match checked {
                Ok(()) if sphinx_directives::may_repeat(of, key) => match not_empty(list, "name an address")(value) {
                    Ok(items) => to.extend(items.into_iter().map(|item| (key.to_string(), item))),
                    Err(why) => self.wrong(*line, format!("{key}: {why}")),
                },
                Ok(()) => to.push((key.to_string(), value.to_string())),
                Err(what) => self.wrong(*line, what),
            }
        }
        self.mistakes
    }
}
