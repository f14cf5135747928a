//! The grammar of alco.ini, line by line. Pure: text in, sections with line numbers and every mistake out.
//!
//! A line is empty, a comment (`;` or `#` at its start), `[section]`, `[section name]` or `key = value`. After white
//! space a `;` begins a comment on any line. There are no quotes, escapes or continuation lines, so a value is the
//! text between the `=` and the end or the comment, without the white space around it.

/// A mistake, and its line (counted from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub line: usize,
    pub what: String,
}

/// `[kind]` or `[kind name]`, and the lines below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section<'t> {
    pub line: usize,
    pub kind: &'t str,
    pub name: Option<&'t str>,
    pub entries: Vec<Entry<'t>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'t> {
    pub line: usize,
    pub key: &'t str,
    pub value: &'t str,
    /// that after the value, without its `;`
    pub comment: Option<&'t str>,
}

impl Section<'_> {
    /// The line of a mistake about a key: the last line that sets the key, else the section's first.
    pub fn line_of(&self, key: &str) -> usize {
        self.entries.iter().rev().find(|entry| entry.key == key).map_or(self.line, |entry| entry.line)
    }
}

/// A line without its comment.
enum IniLine<'t> {
    Empty,
    Header(&'t str, Option<&'t str>),
    Entry(&'t str, &'t str),
}

/// Goes on after a mistake, so that one run finds all of them. The lines of a section with a wrong header are skipped.
pub fn parse(text: &str) -> (Vec<Section<'_>>, Vec<Mistake>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut sections: Vec<Section> = Vec::new();
    let mut mistakes = Vec::new();
    let mut under_wrong_header = false;
    for (number, text) in (1..).zip(text.lines()) {
        let mut wrong = |what: String| mistakes.push(Mistake { line: number, what });
        let (content, comment) = split_comment(text);
        match line(content) {
            Ok(IniLine::Empty) => {}
            Ok(IniLine::Header(kind, name)) => {
                under_wrong_header = false;
                sections.push(Section { line: number, kind, name, entries: Vec::new() });
            }
            Ok(IniLine::Entry(..)) if under_wrong_header => {}
            Ok(IniLine::Entry(key, value)) => match sections.last_mut() {
                Some(section) => section.entries.push(Entry { line: number, key, value, comment }),
                None => wrong(format!("'{key}' is before the first section; begin with one, such as [rabbitmq]")),
            },
            Err(what) => {
                under_wrong_header |= text.trim_start().starts_with('[');
                wrong(what);
            }
        }
    }
    (sections, mistakes)
}

/// `text` is without its comment.
fn line(text: &str) -> Result<IniLine<'_>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(IniLine::Empty);
    }
    if text.contains(|c: char| c.is_control() && c != '\t') {
        return Err("the line has a control character; write it again".to_owned());
    }
    if let Some(header) = text.strip_prefix('[') {
        let mut words = header.strip_suffix(']').ok_or("the line of a section must end with ']'")?.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(kind), name, None) => Ok(IniLine::Header(kind, name)),
            (None, ..) => Err("the section has no name; write [section] or [section name]".to_owned()),
            _ => Err(format!("[{}: too many words; write [section] or [section name]", header)),
        };
    }
    match text.split_once('=').map(|(key, value)| (key.trim_end(), value.trim_start())) {
        Some(("", _)) => Err("a key is missing before the '='".to_owned()),
        Some((key, _)) if key.contains(char::is_whitespace) => Err(format!("'{key}' is not a key: a key is one word")),
        Some((key, value)) => Ok(IniLine::Entry(key, value)),
        None => {
            Err("the line is neither `[section]` nor `key = value` nor a comment, which begins with ';'".to_owned())
        }
    }
}

fn split_comment(text: &str) -> (&str, Option<&str>) {
    if text.trim_start().starts_with('#') {
        return ("", None);
    }
    let mut white = true; // the start of a line counts as white space
    for (at, c) in text.char_indices() {
        if c == ';' && white {
            return (&text[..at], Some(text[at + 1..].trim()));
        }
        white = c.is_whitespace();
    }
    (text, None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let (sections, mistakes) = parse(text);
        let mut found = String::new();
        for section in sections {
            let name = section.name.map_or(String::new(), |name| format!(" {name}"));
            found += &format!("{}[{}{name}]", section.line, section.kind);
            for Entry { line, key, value, .. } in section.entries {
                found += &format!(" {line}:{key}={value}|");
            }
            found += "\n";
        }
        for Mistake { line, what } in mistakes {
            found += &format!("{line}! {what}\n");
        }
        assert_eq!(found.trim_end(), expect);
    }

    #[test]
    fn a_value_ends_before_its_comment() {
        check("[a]\nk = v ; comment", "1[a] 2:k=v|");
        check("[a]\nk = v;w\t;comment", "1[a] 2:k=v;w|");
        check("[a]\nk =    ; empty", "1[a] 2:k=|");
        check("[a] ; comment\nk=v # w", "1[a] 2:k=v # w|");
        check("; c\n# c\n  # c\n\n[a]\nk = a=b \"c\" \\", "5[a] 6:k=a=b \"c\" \\|");
    }

    #[test]
    fn sections_keep_their_lines() {
        check("[a]\r\n[ b  c ]\r\nk = v\r\n", "1[a]\n2[b c] 3:k=v|");
        check("\u{feff}[a]\nключ = значение", "1[a] 2:ключ=значение|");
        check("", "");
    }

    #[test]
    fn every_mistake_has_its_line() {
        check(
            "k = v\n[a\nlost = along\n[]\n[a b c]\n[d]\n= v\nword\ntwo words = v\nk = \0\n",
            "6[d]\n\
             1! 'k' is before the first section; begin with one, such as [rabbitmq]\n\
             2! the line of a section must end with ']'\n\
             4! the section has no name; write [section] or [section name]\n\
             5! [a b c]: too many words; write [section] or [section name]\n\
             7! a key is missing before the '='\n\
             8! the line is neither `[section]` nor `key = value` nor a comment, which begins with ';'\n\
             9! 'two words' is not a key: a key is one word\n\
             10! the line has a control character; write it again",
        );
    }

    fn word() -> impl Strategy<Value = String> {
        "[a-z][a-z0-9_.]{0,8}"
    }

    /// Any text that the grammar can hold.
    fn value() -> impl Strategy<Value = String> {
        "[^\\p{Cc}]{0,20}".prop_map(|text| split_comment(&format!("= {}", text.trim())).0[1..].trim().to_owned())
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(?s)([\\[\\]=;#\\n\\r\\t \\x00]|\\PC){0,60}") {
            parse(&text);
        }

        #[test]
        fn a_written_ini_reads_back(
            sections in prop::collection::vec(
                (word(), prop::option::of(word()), prop::collection::vec((word(), value()), 0..4)), 0..4),
        ) {
            let mut text = String::new();
            let mut lines = 0;
            let mut next = || { lines += 1; lines };
            let mut expect = Vec::new();
            for (kind, name, entries) in &sections {
                let name = name.as_deref();
                text += &name.map_or(format!("[{kind}]\n"), |name| format!("[{kind} {name}]\n"));
                let mut section = Section { line: next(), kind, name, entries: Vec::new() };
                for (key, value) in entries {
                    text += &format!("{key} = {value}\n");
                    section.entries.push(Entry { line: next(), key, value, comment: None });
                }
                expect.push(section);
            }
            prop_assert_eq!(parse(&text), (expect, Vec::new()));
        }
    }
}
