//! The one reader of JSON text: of bodies as sent, and of columns as stored. Every value stays the text that was sent, to the
//! digit; members stay in the order sent. Pure.
//!
//! A name finds a column by its key, or by the path that its dots spell. Three rules differ on purpose: `value_at` (a body's time and
//! message) stops at a key whose value is null; `Columns::raw` (a cell) then tries the path; `values_at` (a filter) takes the
//! key and every path.

use std::borrow::Cow;
use std::fmt;
use std::ops::{ControlFlow, Range};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::record::column_value::{ColumnValue, ListItems};

/// Brackets in a text that are tried as the start of JSON: each try may read the text to its end.
const EMBEDDED_TRIES: usize = 50;

/// The members of a JSON object; a key may occur several times.
#[derive(Debug, Default)]
pub struct Columns<'a>(pub Vec<Member<'a>>);

impl<'a> Columns<'a> {
    /// The members of a JSON object; none for other text, which alco never stores.
    pub fn parse(text: &'a str) -> Columns<'a> {
        serde_json::from_str::<Object>(text).map(|object| Columns(object.0)).unwrap_or_default()
    }

    /// The value of a column: `a.b` is the key "a.b" or the path, and of equal keys the first counts, as in a filter. Null counts as
    /// absent.
    pub fn get(&self, name: &str) -> Option<ColumnValue> {
        self.raw(name).map(|raw| column_value(raw, usize::MAX))
    }

    /// As `get`, but the JSON text of the value.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        let first = |name: &str| self.0.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw);
        first(name).filter(|raw| *raw != "null").or_else(|| {
            name.match_indices('.').find_map(|(dot, _)| Columns::parse(first(&name[..dot])?).raw(&name[dot + 1..]))
        })
    }

    /// Every value, under the name that finds it. Objects are opened down to `depth` levels; of a list, `most` items are read.
    pub fn flat(&self, depth: usize, most: usize) -> Vec<(String, ColumnValue)> {
        let mut flat = Vec::new();
        self.each_flat(depth, &mut |name, raw| {
            flat.push((name, column_value(raw, most)));
            ControlFlow::Continue(())
        });
        flat
    }

    /// Passes the same, as JSON text, to `take`, until that breaks: a record of 4 MiB may have two hundred thousand.
    pub fn each_flat(&self, depth: usize, take: &mut dyn FnMut(String, &str) -> ControlFlow<()>) {
        let _ = self.flatten("", depth, take);
    }

    fn flatten(
        &self,
        prefix: &str,
        depth: usize,
        take: &mut dyn FnMut(String, &str) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for (key, raw) in &self.0 {
            let name = format!("{prefix}{key}");
            let inner = if depth > 0 && raw.starts_with('{') { Columns::parse(raw) } else { Columns::default() };
            match inner.0.is_empty() {
                true => take(name, raw)?,
                false => inner.flatten(&format!("{name}."), depth - 1, take)?,
            }
        }
        ControlFlow::Continue(())
    }
}

/// The value of a column, of its JSON text. Of a list, `most` items are read: a record of 4 MiB may have two million.
pub fn column_value(text: &str, most: usize) -> ColumnValue {
    match text.as_bytes().first() {
        Some(b'"') => ColumnValue::One(scalar(text)),
        Some(b'[') => {
            let items = FirstItems { most }.deserialize(&mut serde_json::Deserializer::from_str(text));
            match items {
                Ok(items) if !items.texts.is_empty() => ColumnValue::Many(items),
                _ => ColumnValue::Json(text.to_owned()),
            }
        }
        Some(b'{' | b'n') | None => ColumnValue::Json(text.to_owned()),
        Some(_) => ColumnValue::One(text.to_owned()),
    }
}

/// Reads the first items of a list. A list with null, a list or an object in it is an error.
struct FirstItems {
    most: usize,
}

impl<'de> DeserializeSeed<'de> for FirstItems {
    type Value = ListItems;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ListItems, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for FirstItems {
    type Value = ListItems;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<ListItems, A::Error> {
        let mut items = ListItems::default();
        while let Some(item) = elements.next_element::<&RawValue>()? {
            if item.get().starts_with(['[', '{', 'n']) {
                return Err(A::Error::custom("it is nested"));
            }
            match items.texts.len() < self.most {
                true => items.texts.push(scalar(item.get())),
                false => items.more += 1,
            }
        }
        Ok(items)
    }
}

/// A string without its quotes; other scalars as they are written.
fn scalar(text: &str) -> String {
    text_of(text).map_or_else(|| text.to_owned(), Cow::into_owned)
}

/// The byte ranges of the first objects, and lists of objects, in a text; at most that many. Empty ones, and lists such as `[12]`,
/// do not count.
pub fn embedded_json(text: &str, most: usize) -> Vec<Range<usize>> {
    let has_members = |json: &str| json.split('{').skip(1).any(|rest| rest.trim_start().starts_with('"'));
    let mut found = Vec::new();
    let mut from = 0;
    for _ in 0..EMBEDDED_TRIES {
        let Some(at) = text[from..].find(['{', '[']).filter(|_| found.len() < most) else { break };
        let start = from + at;
        let value = serde_json::Deserializer::from_str(&text[start..]).into_iter::<&RawValue>().next();
        from = match value {
            Some(Ok(value)) if has_members(value.get()) => {
                found.push(start..start + value.get().len());
                start + value.get().len()
            }
            _ => start + 1,
        };
    }
    found
}

/// A key and its value as JSON text.
pub type Member<'a> = (Cow<'a, str>, &'a str);

/// The top level of a body: keys in the order sent, values as text.
pub struct Object<'a>(pub Vec<Member<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Top;
        impl<'de> Visitor<'de> for Top {
            type Value = Vec<Member<'de>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                #[derive(serde::Deserialize)]
                struct Key<'k>(#[serde(borrow)] Cow<'k, str>);
                let mut columns = Vec::with_capacity(16);
                while let Some((Key(key), value)) = map.next_entry::<Key, &RawValue>()? {
                    columns.push((key, value.get()));
                }
                Ok(columns)
            }
        }
        deserializer.deserialize_map(Top).map(Object)
    }
}

/// A JSON string's text, borrowed if no character of it is escaped. None for other values, and for lone surrogates.
pub fn text_of(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.starts_with('"') {
        return None;
    }
    match raw.contains('\\') {
        false => Some(Cow::Borrowed(&raw[1..raw.len() - 1])),
        true => serde_json::from_str(raw).ok().map(Cow::Owned),
    }
}

/// A JSON value as readers see it: a string's text, else the value as written; a lone surrogate becomes U+FFFD.
pub fn readable(raw: &str) -> Cow<'_, str> {
    match text_of(raw) {
        Some(text) => text,
        None if raw.starts_with('"') => match serde_json::from_str::<LossyString>(raw) {
            Ok(LossyString(bytes)) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
            Err(_) => Cow::Borrowed(raw),
        },
        None => Cow::Borrowed(raw),
    }
}

/// A JSON string as WTF-8: serde_json accepts lone surrogates only if the caller asks for bytes.
struct LossyString(Vec<u8>);

impl<'de> Deserialize<'de> for LossyString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_bytes(Bytes).map(LossyString)
    }
}

/// The value under a name: that of the key itself, else that of the path that its dots spell. Null counts as absent.
pub fn value_at<'a>(members: &[Member<'a>], name: &str) -> Option<&'a str> {
    let value = |of: &str| members.iter().find(|(key, _)| key == of).map(|(_, raw)| *raw);
    if let Some(raw) = value(name) {
        return (raw != "null").then_some(raw);
    }
    name.match_indices('.').find_map(|(dot, _)| value_at(&self::members(value(&name[..dot])?), &name[dot + 1..]))
}

/// Adds the values of a column: that of the key as written, and that of each path that its dots may mean.
pub fn values_at<'a>(columns: &[Member<'a>], column: &str, values: &mut Vec<&'a str>) {
    let first = |name: &str| columns.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
    values.extend(first(column));
    for (dot, _) in column.match_indices('.') {
        if let Some(value) = first(&column[..dot]) {
            values_at(&members(value), &column[dot + 1..], values);
        }
    }
}

/// The values of a column that are neither objects nor arrays, each element of an array by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalars<'a> {
    None,
    One(&'a str),
    Several,
}

/// The scalars that a filter finds in a column (see `values_at`); null is none.
pub fn scalars_at<'a>(columns: &[Member<'a>], column: &str) -> Scalars<'a> {
    let mut values = Vec::new();
    values_at(columns, column, &mut values);
    let is_scalar = |value: &&str| *value != "null" && !value.starts_with(['{', '[']);
    let mut scalars = values.into_iter().flat_map(elements).filter(is_scalar);
    match (scalars.next(), scalars.next()) {
        (None, _) => Scalars::None,
        (Some(value), None) => Scalars::One(value),
        (Some(_), Some(_)) => Scalars::Several,
    }
}

/// The members of a JSON object, in the order written; none for other values.
pub fn members(raw: &str) -> Vec<Member<'_>> {
    match raw.starts_with('{').then(|| serde_json::from_str::<Object>(raw)) {
        Some(Ok(object)) => object.0,
        _ => Vec::new(),
    }
}

/// The elements of a JSON array; any other value is its own only element.
pub fn elements(raw: &str) -> Vec<&str> {
    match raw.starts_with('[').then(|| serde_json::from_str::<Vec<&RawValue>>(raw)) {
        Some(Ok(elements)) => elements.into_iter().map(RawValue::get).collect(),
        _ => vec![raw],
    }
}

/// Where the next object stands, of a text in which only an object may begin with the next brace. None: there is none, or it is not
/// a whole one.
pub fn next_object(text: &[u8], from: usize) -> Option<Range<usize>> {
    let from = from + text[from..].iter().position(|byte| *byte == b'{')?;
    let mut values = serde_json::Deserializer::from_slice(&text[from..]).into_iter::<&RawValue>();
    values.next()?.ok()?;
    Some(from..from + values.byte_offset())
}

/// The number of objects in an array that holds nothing else, or in several such arrays one after the other; None for other texts.
pub fn count_objects(text: &str) -> Option<usize> {
    let mut arrays = serde_json::Deserializer::from_str(text).into_iter::<ArrayOfObjects>();
    arrays.try_fold(0, |count, array| Some(count + array.ok()?.0))
}

struct ArrayOfObjects(usize);

impl<'de> Deserialize<'de> for ArrayOfObjects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;
        impl<'de> Visitor<'de> for Array {
            type Value = usize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of JSON objects")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<usize, A::Error> {
                let mut count = 0;
                while let Some(element) = elements.next_element::<&RawValue>()? {
                    if !element.get().starts_with('{') {
                        return Err(A::Error::custom("an element that is not an object"));
                    }
                    count += 1;
                }
                Ok(count)
            }
        }
        deserializer.deserialize_seq(Array).map(ArrayOfObjects)
    }
}

/// Passes each text of a value to `take`: those that a search in all columns reads, and that the full-text field gets. In a nested
/// value, each key and each value is a text of its own, unescaped. Null has no text.
pub fn each_text(raw: &str, take: &mut dyn FnMut(&str)) {
    match raw.as_bytes().first() {
        Some(b'{') => {
            for (key, value) in members(raw) {
                take(&key);
                each_text(value, take);
            }
        }
        Some(b'[') => elements(raw).into_iter().for_each(|element| each_text(element, take)),
        _ if raw == "null" => {}
        _ => take(&readable(raw)),
    }
}

/// The texts of all columns.
pub fn column_texts(columns: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for (_, value) in members(columns) {
        each_text(value, &mut |text| texts.push(text.to_owned()));
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(columns: &str, name: &str, expect: Option<&str>) {
        assert_eq!(Columns::parse(columns).get(name).map(ColumnValue::text).as_deref(), expect, "{name} of {columns}");
    }

    #[test]
    fn json_within_a_text_is_found() {
        for (text, expect) in [
            (r#"sent {"a": {"b": 1}} and [{"c":2}], took [12] ms"#, &[r#"{"a": {"b": 1}}"#, r#"[{"c":2}]"#][..]),
            (r#"{"whole":"x}"}"#, &[r#"{"whole":"x}"}"#]),
            (r#"[web] {not json} { "a" : "é" }"#, &[r#"{ "a" : "é" }"#]),
            (r#"{} [] {"cut": "#, &[]),
            ("", &[]),
        ] {
            let found: Vec<&str> = embedded_json(text, 5).into_iter().map(|range| &text[range]).collect();
            assert_eq!(found, expect, "{text}");
        }
        assert_eq!(embedded_json(&r#"{"a":1} "#.repeat(9), 2).len(), 2);
        assert_eq!(embedded_json(&"[".repeat(200_000), 2).len(), 0);
    }

    #[test]
    fn a_value_is_found_by_key_or_path_as_it_was_sent() {
        check(r#"{"host":"web-01"}"#, "host", Some("web-01"));
        check(r#"{"n":18446744073709551616.10}"#, "n", Some("18446744073709551616.10"));
        check(r#"{"a":{"b":{"c":true}}}"#, "a.b.c", Some("true"));
        check(r#"{"a.b":1,"a":{"b":2}}"#, "a.b", Some("1"));
        check(r#"{"a.b":{"c.d":1}}"#, "a.b.c.d", Some("1"));
        check(r#"{"tags":["x",1,"y"]}"#, "tags", Some("x, 1, y"));
        check(r#"{"tags":[]}"#, "tags", Some("[]"));
        check(r#"{"a":null}"#, "a", None);
        check(r#"{"a":1,"a":2}"#, "a", Some("1"));
        check(r#"{"":"empty","\u0000":"zero"}"#, "", Some("empty"));
        check("not json", "a", None);
    }

    #[test]
    fn objects_are_opened_under_the_names_that_find_them() {
        let flat = Columns::parse(r#"{"a":{"b":1,"c":{"d":[1,{"e":2}]}},"f":{}}"#).flat(8, usize::MAX);
        let names: Vec<_> = flat.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a.b", "a.c.d", "f"]);
    }

    #[test]
    fn of_a_list_the_first_items_are_read() {
        let many = |texts: &[&str], more| {
            ColumnValue::Many(ListItems { texts: texts.iter().map(|text| (*text).to_owned()).collect(), more })
        };
        assert_eq!(column_value(r#"["a", 1, true]"#, 2), many(&["a", "1"], 1));
        assert_eq!(column_value(r#"["a", 1]"#, usize::MAX), many(&["a", "1"], 0));
        for nested in ["[]", "[1,2,null]", "[1,2,[3]]", r#"[1,2,{"a":3}]"#, "null", "{}"] {
            assert_eq!(column_value(nested, 2), ColumnValue::Json(nested.to_owned()));
        }
    }
}
