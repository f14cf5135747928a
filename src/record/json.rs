//! A record's columns, read from the JSON text they are kept as: in the order and to the digit as they were sent.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of a JSON object; a key may stand several times.
#[derive(Debug, Default)]
pub struct Columns<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

/// What a column holds, as a reader and a filter take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// a string, a number, true or false
    One(String),
    /// a list of such
    Many(Vec<String>),
    /// null, an empty or a nested list or object, as its JSON text
    Json(String),
}

impl<'a> Columns<'a> {
    /// Text that is no JSON object (which alco never stores) has no columns.
    pub fn parse(text: &'a str) -> Columns<'a> {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// `a.b` is the key "a.b" or the path, and of a key that is there twice the first counts, as in a filter. Null is absent.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.raw(name).map(Value::of)
    }

    /// The same as JSON text.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        let first = |name: &str| self.0.iter().find(|(key, _)| key == name).map(|(_, raw)| raw.get());
        first(name).filter(|raw| *raw != "null").or_else(|| {
            name.match_indices('.').find_map(|(dot, _)| Columns::parse(first(&name[..dot])?).raw(&name[dot + 1..]))
        })
    }

    /// Every value under the name that finds it: objects are opened, down to `depth`.
    pub fn flat(&self, depth: usize) -> Vec<(String, Value)> {
        let mut flat = Vec::new();
        self.flatten("", depth, &mut flat);
        flat
    }

    fn flatten(&self, prefix: &str, depth: usize, into: &mut Vec<(String, Value)>) {
        for (key, raw) in &self.0 {
            let name = format!("{prefix}{key}");
            let inner =
                if depth > 0 && raw.get().starts_with('{') { Columns::parse(raw.get()) } else { Columns::default() };
            match inner.0.is_empty() {
                true => into.push((name, Value::of(raw.get()))),
                false => inner.flatten(&format!("{name}."), depth - 1, into),
            }
        }
    }
}

impl Value {
    fn of(text: &str) -> Value {
        match text.as_bytes().first() {
            Some(b'"') => Value::One(scalar(text)),
            Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(text) {
                Ok(items) if !items.is_empty() && items.iter().all(|item| !item.get().starts_with(['[', '{', 'n'])) => {
                    Value::Many(items.iter().map(|item| scalar(item.get())).collect())
                }
                _ => Value::Json(text.to_owned()),
            },
            Some(b'{' | b'n') | None => Value::Json(text.to_owned()),
            Some(_) => Value::One(text.to_owned()),
        }
    }

    /// On one line, as in a cell.
    pub fn text(self) -> String {
        match self {
            Value::One(text) | Value::Json(text) => text,
            Value::Many(texts) => texts.join(", "),
        }
    }
}

/// A string without its quotes; other scalars as they are written.
fn scalar(text: &str) -> String {
    serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned())
}

impl<'de: 'a, 'a> Deserialize<'de> for Columns<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Columns<'a>, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Columns<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Columns<'de>, M::Error> {
                let mut members = Vec::new();
                // keys with escapes in them cannot be borrowed
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((Cow::Owned(key), value));
                }
                Ok(Columns(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(columns: &str, name: &str, expect: Option<&str>) {
        assert_eq!(Columns::parse(columns).get(name).map(Value::text).as_deref(), expect, "{name} of {columns}");
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
        let flat = Columns::parse(r#"{"a":{"b":1,"c":{"d":[1,{"e":2}]}},"f":{}}"#).flat(8);
        let names: Vec<_> = flat.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a.b", "a.c.d", "f"]);
    }
}
