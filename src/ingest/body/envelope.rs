//! OTLP's envelope (OpenTelemetry: `{"resourceLogs":[{"resource":…,"scopeLogs":[{"scope":…,"logRecords":[…]}]}]}`) -> the text of
//! each log record in it. Pure.
//!
//! A record's text has the members that were sent, and then `resource` and `scope` of its place in the envelope. Attributes and
//! values are plain JSON there, so that a filter finds `resource.service.name=shop`: `{"key":"a","value":{"intValue":"5"}}` is a
//! member `"a":5`. Invariant: the text of a record has all values of the envelope that belong to it, those in another form as
//! they were sent; and it is a record that would be read in the same way if it came alone.

use std::rc::Rc;

use crate::record::MAX_BODY;
use crate::record::json::{count_objects, elements, members, next_object};
use crate::sphinx::attributes::quoted;

/// The texts of all records of an envelope together. Each record repeats its resource and its scope; an envelope of the OpenTelemetry
/// collector with the usual 8192 records takes a quarter of this.
const MAX_MADE_BYTES: usize = 16 * MAX_BODY;

/// Values in values that are made plain; each level of them is read again.
const MAX_VALUE_DEPTH: usize = 32;

/// Members, each with the name that versions before 0.16 gave it.
const SCOPE_LOGS: [&str; 2] = ["scopeLogs", "instrumentationLibraryLogs"];
const SCOPE: [&str; 2] = ["scope", "instrumentationLibrary"];
const LOG_RECORDS: [&str; 2] = ["logRecords", "logs"];

/// The records of an envelope that are still to come.
#[derive(Debug)]
pub struct Envelope {
    /// the last one is the current one
    groups: Vec<ScopeRecords>,
}

/// The records of one scope.
#[derive(Debug)]
struct ScopeRecords {
    /// `"resource":{…}`, or nothing
    resource: Rc<str>,
    /// `"scope":{…}`, or nothing
    scope: String,
    /// where the next record stands, or some text before it
    at: usize,
    left: usize,
}

impl Envelope {
    /// True if a text begins as an envelope does.
    pub fn may_be(text: &str) -> bool {
        let member = text.strip_prefix('{').map(str::trim_ascii_start);
        member.is_some_and(|member| member.starts_with("\"resourceLogs\""))
    }

    /// The envelope of a text, and the number of its records. `from` is the start of this text in the one that `next` gets. None if
    /// it has no records, or is not wholly an envelope.
    pub fn read(text: &str, from: usize) -> Option<(Envelope, usize)> {
        if !Envelope::may_be(text) {
            return None;
        }
        let [resource_logs] = only(text, [&["resourceLogs"]])?;
        let (mut groups, mut count, mut made) = (Vec::new(), 0, text.len());
        for logs in array(resource_logs)? {
            let [resource, scope_logs, schema_url] = only(logs, [&["resource"], &SCOPE_LOGS, &["schemaUrl"]])?;
            let resource: Rc<str> = origin("resource", resource, schema_url)?.into();
            for logs in array(scope_logs)? {
                let [scope, records, schema_url] = only(logs, [&SCOPE, &LOG_RECORDS, &["schemaUrl"]])?;
                let Some(records) = records else { continue };
                let left = count_objects(records)?;
                if left == 0 {
                    continue;
                }
                let scope = origin("scope", scope, schema_url)?;
                count += left;
                made += left.saturating_mul(resource.len() + scope.len());
                let at = from + records.as_ptr().addr() - text.as_ptr().addr();
                groups.push(ScopeRecords { resource: Rc::clone(&resource), scope, at, left });
            }
        }
        groups.reverse();
        (count > 0 && made <= MAX_MADE_BYTES).then_some((Envelope { groups }, count))
    }

    /// The text of the next record. `text` is the envelope's text.
    pub fn next(&mut self, text: &[u8]) -> Option<String> {
        self.groups.pop_if(|group| group.left == 0);
        let group = self.groups.last_mut()?;
        let place = next_object(text, group.at)?;
        group.at = place.end;
        group.left -= 1;
        let record = std::str::from_utf8(&text[place]).ok()?;
        let mut made = String::with_capacity(record.len() + group.resource.len() + group.scope.len() + 2);
        made.push('{');
        for (key, value) in members(record) {
            add_name(&key, &mut made);
            let from = made.len();
            let is_plain = match &*key {
                "attributes" => object_of_attributes(value, 0, &mut made),
                "body" => plain_value(value, 0, &mut made),
                _ => None,
            };
            if is_plain.is_none() {
                made.truncate(from);
                made.push_str(value);
            }
        }
        for origin in [&*group.resource, &*group.scope] {
            if made.len() > 1 && !origin.is_empty() {
                made.push(',');
            }
            made.push_str(origin);
        }
        made.push('}');
        Some(made)
    }
}

/// The members of an object, in the order of their possible names. None: it is not an object, has another member, or one twice.
fn only<'a, const N: usize>(object: &'a str, names: [&[&str]; N]) -> Option<[Option<&'a str>; N]> {
    let mut values = [None; N];
    for (key, value) in object.starts_with('{').then(|| members(object))? {
        let at = names.iter().position(|names| names.contains(&&*key))?;
        if values[at].replace(value).is_some() {
            return None;
        }
    }
    Some(values)
}

/// The elements of an array; a missing one has none. None: it is not an array.
fn array(value: Option<&str>) -> Option<Vec<&str>> {
    match value {
        None => Some(Vec::new()),
        Some(value) => value.starts_with('[').then(|| elements(value)),
    }
}

/// `"resource":{…}`: the attributes, and the other members as they were sent. Nothing where there are none. None:
/// it is not an object.
fn origin(name: &str, object: Option<&str>, schema_url: Option<&str>) -> Option<String> {
    let object = object.filter(|object| *object != "null").unwrap_or("{}");
    if !object.starts_with('{') {
        return None;
    }
    let mut inner = "{".to_owned();
    for (key, value) in members(object) {
        let before = inner.len();
        let is_plain = if key == "attributes" { add_attributes(value, 0, &mut inner) } else { None };
        if is_plain.is_none() {
            inner.truncate(before);
            add_name(&key, &mut inner);
            inner.push_str(value);
        }
    }
    if let Some(url) = schema_url.filter(|url| !matches!(*url, "\"\"" | "null")) {
        add_name("schemaUrl", &mut inner);
        inner.push_str(url);
    }
    Some(match inner.len() {
        1 => String::new(),
        _ => format!("\"{name}\":{inner}}}"),
    })
}

/// Adds a member's name to the object so far.
fn add_name(key: &str, out: &mut String) {
    add_comma(out);
    quoted(key, out);
    out.push(':');
}

fn add_comma(out: &mut String) {
    if !out.ends_with(['{', '[']) {
        out.push(',');
    }
}

fn object_of_attributes(list: &str, depth: usize, out: &mut String) -> Option<()> {
    out.push('{');
    add_attributes(list, depth, out)?;
    out.push('}');
    Some(())
}

/// `[{"key":"a","value":{…}},…]` as members of an object. None: it has another form, and what was written is of no use.
fn add_attributes(list: &str, depth: usize, out: &mut String) -> Option<()> {
    if !list.starts_with('[') {
        return None;
    }
    for attribute in elements(list) {
        let members = members(attribute);
        let (key, value) = match &members[..] {
            [(a, key), (b, value)] if a == "key" && b == "value" => (*key, *value),
            [(a, value), (b, key)] if a == "value" && b == "key" => (*key, *value),
            [(a, key)] if a == "key" => (*key, "{}"),
            _ => return None,
        };
        if !key.starts_with('"') {
            return None;
        }
        add_comma(out);
        out.push_str(key);
        out.push(':');
        plain_value(value, depth, out)?;
    }
    Some(())
}

/// `{"intValue":"5"}` as `5`. None: it has another form, and what was written is of no use.
fn plain_value(value: &str, depth: usize, out: &mut String) -> Option<()> {
    if depth > MAX_VALUE_DEPTH || !value.starts_with('{') {
        return None;
    }
    let members = members(value);
    let (kind, value) = match &members[..] {
        [] => ("", "null"),
        [(kind, value)] => (&**kind, *value),
        _ => return None,
    };
    let inner = || {
        let members = self::members(value);
        match &members[..] {
            [] if value.starts_with('{') => Some("[]"),
            [(key, values)] if key == "values" && values.starts_with('[') => Some(*values),
            _ => None,
        }
    };
    let is_text = value.starts_with('"');
    let is_number = value.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    match kind {
        "" => out.push_str("null"),
        "stringValue" | "bytesValue" if is_text => out.push_str(value),
        // NaN and Infinity are texts
        "doubleValue" if is_text || is_number => out.push_str(value),
        "boolValue" if matches!(value, "true" | "false") => out.push_str(value),
        // 64 bits are a text in protobuf's JSON
        "intValue" => out.push_str(&value.trim_matches('"').parse::<i64>().ok()?.to_string()),
        "kvlistValue" => object_of_attributes(inner()?, depth + 1, out)?,
        "arrayValue" => {
            out.push('[');
            for element in elements(inner()?) {
                add_comma(out);
                plain_value(element, depth + 1, out)?;
            }
            out.push(']');
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of the records, each with its `resource` and `scope`.
    #[track_caller]
    fn check(text: &str, records: &[&str]) {
        let mut found = Vec::new();
        if let Some((mut envelope, count)) = Envelope::read(text, 3) {
            let placed = format!("\u{feff}{text}");
            for _ in 0..count {
                found.push(envelope.next(placed.as_bytes()).expect("as counted"));
            }
            assert_eq!(envelope.next(placed.as_bytes()), None, "{text}");
        }
        assert_eq!(found, records, "{text}");
        for record in found {
            assert!(record == "{}" || !members(&record).is_empty(), "{record}");
        }
    }

    #[test]
    fn a_log_record_has_its_resource_and_its_scope() {
        check(
            r#"{"resourceLogs": [
                {"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}],"droppedAttributesCount":1},
                 "scopeLogs":[
                    {"scope":{"name":"lib","version":"1","attributes":[{"key":"s","value":{"boolValue":true}}]},"schemaUrl":"u",
                     "logRecords":[{"timeUnixNano":"1","body":{"stringValue":"a {"}} , {"body":{"stringValue":"b"}}]},
                    {"scope":{},"logRecords":[]},
                    {"logRecords":[{}]}]},
                {"resource":{},"instrumentationLibraryLogs":[
                    {"instrumentationLibrary":{"name":"old"},"logs":[{"severityNumber":9}]}],"schemaUrl":""}]}"#,
            &[
                r#"{"timeUnixNano":"1","body":"a {","resource":{"service.name":"shop","droppedAttributesCount":1},"scope":{"name":"lib","version":"1","s":true,"schemaUrl":"u"}}"#,
                r#"{"body":"b","resource":{"service.name":"shop","droppedAttributesCount":1},"scope":{"name":"lib","version":"1","s":true,"schemaUrl":"u"}}"#,
                r#"{"resource":{"service.name":"shop","droppedAttributesCount":1}}"#,
                r#"{"severityNumber":9,"scope":{"name":"old"}}"#,
            ],
        );
    }

    /// The attributes of a record become this.
    #[track_caller]
    fn check_attributes(sent: &str, made: &str) {
        let record = |attributes: &str| format!(r#"{{"attributes":{attributes}}}"#);
        let envelope = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{}]}}]}}]}}"#, record(sent));
        check(&envelope, &[&record(made)]);
    }

    #[test]
    fn attributes_are_plain_json() {
        let value = |value: &str| format!(r#"[{{"key":"a \"b\"","value":{value}}}]"#);
        for (sent, made) in [
            (r#"{"stringValue":"\u00e9"}"#, r#""\u00e9""#),
            (r#"{"intValue":"-5"}"#, "-5"),
            (r#"{"intValue":5}"#, "5"),
            (r#"{"doubleValue":0.50}"#, "0.50"),
            (r#"{"doubleValue":"NaN"}"#, r#""NaN""#),
            (r#"{"boolValue":false}"#, "false"),
            (r#"{"bytesValue":"AA=="}"#, r#""AA==""#),
            (r#"{"arrayValue":{"values":[{"intValue":"1"},{"stringValue":"x"}]}}"#, r#"[1,"x"]"#),
            (r#"{"arrayValue":{}}"#, "[]"),
            (r#"{"kvlistValue":{"values":[{"key":"k","value":{"kvlistValue":{}}}]}}"#, r#"{"k":{}}"#),
            ("{}", "null"),
        ] {
            check_attributes(&value(sent), &format!(r#"{{"a \"b\"":{made}}}"#));
        }
        check_attributes(r#"[{"key":"a"},{"value":{"intValue":"1"},"key":"b"}]"#, r#"{"a":null,"b":1}"#);
        check_attributes("[]", "{}");
    }

    #[test]
    fn attributes_in_another_form_stay_as_they_were_sent() {
        let deep = |levels: usize| {
            let (open, close) = (r#"{"arrayValue":{"values":["#, "]}}");
            format!(r#"[{{"key":"a","value":{}{}}}]"#, open.repeat(levels), close.repeat(levels))
        };
        check_attributes(&deep(20), &format!("{{\"a\":{}{}}}", "[".repeat(20), "]".repeat(20)));
        for sent in [
            r#"{"a":1}"#,
            r#"[{"key":"a","value":"b"}]"#,
            r#"[{"key":5,"value":{}}]"#,
            r#"[{"key":"a","value":{"stringValue":5}}]"#,
            r#"[{"key":"a","value":{"intValue":"5.5"}}]"#,
            r#"[{"key":"a","value":{"stringValue":"x","intValue":"5"}}]"#,
            r#"[{"key":"a","value":{"newValue":"x"}}]"#,
            r#"[{"key":"a","value":{"intValue":"1"},"more":1}]"#,
            r#"[{"key":"a","value":{"intValue":"1"}},5]"#,
            r#"[{"key":"a","value":{"arrayValue":{"values":5}}}]"#,
            &deep(40),
        ] {
            check_attributes(sent, sent);
        }
    }

    #[test]
    fn an_odd_envelope_is_one_record() {
        let records = |records: &str| format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":{records}}}]}}]}}"#);
        check(&records("[{}]"), &["{}"]);
        let large = format!(
            r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"{}"}}]}},"scopeLogs":[{{"logRecords":[{}{{}}]}}]}}]}}"#,
            "k".repeat(1 << 20),
            "{},".repeat(64)
        );
        for text in [
            r#"{"resourceLogs":[]}"#,
            r#"{"resourceLogs":[{}]}"#,
            r#"{"resourceLogs":[{"scopeLogs":[]}]}"#,
            r#"{"resourceLogs":[{"scopeLogs":[{}]}]}"#,
            &records("[]"),
            &records("[5]"),
            &records("[{},5]"),
            &records("{}"),
            r#"{"resourceLogs":5}"#,
            r#"{"resourceLogs":[{"resource":5,"scopeLogs":[{"logRecords":[{}]}]}]}"#,
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}],"instrumentationLibraryLogs":[]}]}"#,
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}],"more":1}"#,
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}],"more":1}]}"#,
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}],"more":1}]}]}"#,
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]} x"#,
            r#"{"resourceSpans":[]}"#,
            &large,
        ] {
            check(text, &[]);
        }
    }
}
