//! A record -> the text that searchd takes for it. Pure; buffers are kept from record to record.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::config::{Index, SearchText};
use crate::record::json::{self, Columns};
use crate::record::level::{self, Level};
use crate::record::pattern::memory::PatternOf;
use crate::record::pattern::{self, PatternBuffer, PatternHash};
use crate::record::{ERROR_COLUMN, MAX_BODY, Record};
use crate::sphinx::attributes::{StoredColumns, TooDeep};
use crate::sphinx::counting::{self, UNSURE_KIND, UNSURE_VALUE};
use crate::sphinx::day_schema::DaySchema;
use crate::sphinx::fulltext::{self, MAX_DIFFERENT_TOKENS};
use crate::sphinx::keys::WordsWriter;
use crate::sphinx::sizes;
use crate::sphinx::statement::{Document, stored_order};

#[derive(Debug)]
pub struct Writer {
    index: Index,
    message_key: String,
    all: bool,
    js: String,
    /// `js` has the columns
    is_js_whole: bool,
    exact: String,
    line: String,
    cols: String,
    keys: String,
    fields: Vec<String>,
    values: Vec<u32>,
    pattern: PatternBuffer,
    /// of the last record
    hash: PatternHash,
    level: Level,
    tokens: usize,
    rest: String,
}

/// The source of a record.
#[derive(Clone, Copy, Debug)]
pub struct ReadFrom<'a> {
    pub body: &'a [u8],
    /// columns and their JSON texts
    pub properties: &'a [(String, String)],
}

/// A larger buffer, grown by one large record, is shrunk to this after use.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

impl Writer {
    pub fn new(index: &Index) -> Writer {
        Writer {
            index: index.clone(),
            message_key: index.message_name().to_owned(),
            all: index.search == SearchText::All,
            js: String::new(),
            is_js_whole: true,
            exact: String::new(),
            line: String::new(),
            cols: String::new(),
            keys: String::new(),
            fields: Vec::new(),
            values: Vec::new(),
            pattern: PatternBuffer::default(),
            hash: PatternHash::NONE,
            level: Level::Unknown,
            tokens: 0,
            rest: String::new(),
        }
    }

    /// The record's tuple after the docid, or the reason why there cannot be one. If a record is nested too deep for JSON parsers, its
    /// whole body becomes the message, and only the columns that the producer did not write are kept. Columns for which searchd's JSON
    /// has no room are kept as text only.
    pub fn write(
        &mut self,
        record: &Record,
        ReadFrom { body, properties }: ReadFrom,
        digest: i64,
        schema: &DaySchema,
    ) -> Result<String, String> {
        let (mut text, large);
        let (mut record, mut fits) = (record, self.columns(record, true));
        if fits == Err(TooDeep) {
            let why = "not a JSON object: nested too deep".to_owned();
            text = Record::of_text(String::from_utf8_lossy(body), record.ts, why);
            text.seq = record.seq;
            text.add_columns(properties);
            (record, fits) = (&text, self.columns(&text, true));
        }
        if fits == Ok(false) {
            large = record.clone().with_problem("columns larger than searchd's JSON may be: filters do not find them");
            record = &large;
            self.columns(record, false).map_err(|TooDeep| "nested too deep".to_owned())?;
        }
        self.rest(record, digest, schema)
    }

    /// The pattern and the level of the record that was written last.
    pub fn pattern(&self) -> PatternOf<'_> {
        PatternOf { hash: self.hash, text: self.pattern.text(), level: self.level }
    }

    /// The tokens in all full-text fields of the record that was written last.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Takes back a text that is no longer needed, for its memory.
    pub fn give_back(&mut self, mut rest: String) {
        rest.clear();
        rest.shrink_to(KEPT_BUFFER_BYTES);
        self.rest = rest;
    }

    /// Fills `js` and `exact`. True if searchd has room for the columns in `js`; without `in_js`, only the error is there.
    fn columns(&mut self, record: &Record, in_js: bool) -> Result<bool, TooDeep> {
        self.is_js_whole = in_js;
        let mut columns = StoredColumns::new(&mut self.js, &mut self.exact);
        for (key, value) in &record.columns {
            columns.add(key, value)?;
        }
        // a string attribute keeps no zero byte: such a message is a column too
        if record.message.contains('\0') && !record.columns.iter().any(|(key, _)| *key == self.message_key) {
            columns.add_text(&self.message_key, &record.message);
        }
        if !in_js {
            columns.leave_to_exact();
        }
        if let Some(error) = &record.error {
            columns.add_text(ERROR_COLUMN, error);
        }
        let fit = columns.fit();
        columns.end();
        Ok(fit)
    }

    fn rest(&mut self, record: &Record, digest: i64, schema: &DaySchema) -> Result<String, String> {
        for (what, text) in [("message", &*record.message), ("columns", &self.js), ("columns", &self.exact)] {
            if text.len() >= MAX_BODY {
                return Err(format!("{what} of {} bytes: Sphinx's strings end at {MAX_BODY}", text.len()));
            }
        }
        for buffer in [&mut self.line, &mut self.cols].into_iter().chain(&mut self.fields) {
            buffer.clear();
        }
        fulltext::prepare(&record.message, &mut self.line);
        let fields = &schema.fields;
        self.fields.resize(fields.len(), String::new());
        let field_of = |key: &str| fields.iter().position(|field| field.column.as_deref() == Some(key));
        for (key, value) in &record.columns {
            if self.all {
                json::each_text(value, &mut |text| fulltext::prepare(text, &mut self.cols));
            }
            if let Some(at) = field_of(key) {
                json::each_text(value, &mut |text| fulltext::prepare(text, &mut self.fields[at]));
            }
        }
        self.words(record);
        let kind = self.numbers(record, schema);
        // a search finds them as columns too, as `columns` has added them
        let message = Some(&*record.message).filter(|message| message.contains('\0'));
        for (key, text) in [(&*self.message_key, message), (ERROR_COLUMN, record.error.as_deref())] {
            let Some(text) = text else { continue };
            if self.all {
                fulltext::prepare(text, &mut self.cols);
            }
            if let Some(at) = field_of(key) {
                fulltext::prepare(text, &mut self.fields[at]);
            }
        }
        if !self.all {
            self.cols.push_str(fulltext::NO_COLUMNS);
        }
        // the column is `indexed` on some other day, or by another alco, and a search by it must find this record as well
        for (text, _) in self.fields.iter_mut().zip(fields).filter(|(_, field)| field.column.is_none()) {
            text.push_str(fulltext::NO_COLUMN);
        }
        sizes::push_word(record.message.len() + self.js.len() + self.exact.len(), &mut self.keys);
        self.count_tokens()?;
        let document = Document {
            ts: record.ts,
            seq: stored_order(record.seq),
            digest,
            kind,
            logline: &record.message,
            js: &self.js,
            exact: &self.exact,
            line: &self.line,
            cols: &self.cols,
            keys: &self.keys,
            fields: &self.fields,
            values: &self.values,
        };
        let mut rest = std::mem::take(&mut self.rest);
        document.rest(&mut rest);
        for buffer in [&mut self.js, &mut self.exact, &mut self.line, &mut self.cols, &mut self.keys]
            .into_iter()
            .chain(&mut self.fields)
        {
            buffer.truncate(0);
            buffer.shrink_to(KEPT_BUFFER_BYTES);
        }
        Ok(rest)
    }

    /// Fills `tokens`; an error is the reason why searchd cannot take them.
    fn count_tokens(&mut self) -> Result<(), String> {
        let texts = [&self.line, &self.cols, &self.keys].into_iter().chain(&self.fields);
        self.tokens = texts.clone().map(|text| fulltext::count_tokens(text)).sum();
        if self.tokens <= MAX_DIFFERENT_TOKENS {
            return Ok(());
        }
        let different = texts.flat_map(|text| fulltext::tokens(text)).collect::<HashSet<&str>>().len();
        match different <= MAX_DIFFERENT_TOKENS {
            true => Ok(()),
            false => {
                Err(format!("{different} different words: searchd takes minutes for more than {MAX_DIFFERENT_TOKENS}"))
            }
        }
    }

    /// Fills `keys`.
    fn words(&mut self, record: &Record) {
        let mut words = WordsWriter::new(&mut self.keys);
        record.columns.iter().for_each(|(key, value)| words.add(key, value));
        if let Some(error) = &record.error {
            words.add_text(ERROR_COLUMN, error);
        }
        words.end();
    }

    /// Fills `values`, `hash` and `level`; returns the record's `kind`.
    fn numbers(&mut self, record: &Record, schema: &DaySchema) -> i64 {
        let columns = record.columns.iter().map(|(key, value)| (Cow::Borrowed(&**key), &**value));
        let columns = Columns(columns.collect());
        // the error is not among the columns yet
        let is_there = |column: &&String| self.is_js_whole && *column != ERROR_COLUMN;
        let hash = |column: &String| counting::value_hash(&columns.0, column);
        let hashes = schema.values.iter().map(|own| own.column.as_ref().filter(is_there).map_or(UNSURE_VALUE, hash));
        self.values.clear();
        self.values.extend(hashes);
        self.level = level::of_record(&self.index, &columns);
        self.hash = pattern::hash(&record.message, &mut self.pattern);
        match schema.has_our_rules {
            true => counting::kind(counting::rank(self.level), self.hash),
            false => UNSURE_KIND,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Ts;

    #[test]
    fn kind_has_the_level_and_the_pattern_of_our_rules() {
        let index = Index::new("web".parse().expect("a name"));
        let mut writer = Writer::new(&index);
        let mut kind = |message: &'static str, has_our_rules| {
            let columns = vec![("levelname".into(), "\"ERROR\"".into())];
            let record = Record { ts: Ts::from_micros(1), seq: None, message: message.into(), columns, error: None };
            let schema = DaySchema { has_our_rules, ..DaySchema::configured(&index) };
            let tuple = writer.write(&record, ReadFrom { body: b"", properties: &[] }, 0, &schema).expect("it fits");
            tuple.split(',').nth(4).and_then(|kind| kind.parse::<i64>().ok()).expect("the fifth value")
        };
        let error = counting::rank(level::Level::Error);
        let paid = kind("order 7 paid\n  by card", true);
        assert_eq!(paid, counting::kind(error, pattern::of("order 7 paid").hash));
        assert_eq!(kind("order 12 paid", true), paid);
        assert_ne!(kind("order 7 sent", true), paid);
        assert_eq!(kind(" \n", true), error, "no pattern");
        assert_eq!(kind("order 7 paid", false), UNSURE_KIND, "neither is known");
    }
}
