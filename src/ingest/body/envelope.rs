//! OTLP's envelope (OpenTelemetry: `{"resourceLogs":[{"resource":…,"scopeLogs":[{"scope":…,"logRecords":[…]}]}]}`) -> the text of
//! each log record in it. Pure.
//!
//! A record's text has the members that were sent, and then `resource` and `scope` of its place in the envelope. Attributes and
//! values are plain JSON there, so that a filter finds `resource.service.name=shop`: `{"key":"a","value":{"intValue":"5"}}` is a
//! member `"a":5`. A body that is not a text has a `message` too. Invariant: the text of a record has all values of the envelope
//! that belong to it, those in another form as they were sent; and it is a record that would be read in the same way if it came
//! alone.

use std::rc::Rc;

use crate::record::MAX_BODY;
use crate::record::json::{Member, count_objects, elements, members, next_object};
use crate::sphinx::attributes::quoted;

/// The texts of all records of a body's envelopes together. Each record repeats its resource and its scope; an envelope of the OpenTelemetry
/// collector with the usual 8192 records takes a quarter of this.
pub const MAX_MADE_BYTES: usize = 16 * MAX_BODY;

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
    /// the number of all its records
    pub count: usize,
    /// the texts of all its records together
    pub made_bytes: usize,
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

    /// The envelope of a text. `from` is the start of this text in the one that `next` gets. None if it has no records, or is not
    /// wholly an envelope, or its records have more than `room` bytes together.
    pub fn read(text: &str, from: usize, room: usize) -> Option<Envelope> {
        if !Envelope::may_be(text) {
            return None;
        }
        let [resource_logs] = only(text, [&["resourceLogs"]])?;
        let (mut groups, mut count, mut made_bytes) = (Vec::new(), 0, text.len());
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
                made_bytes += left.saturating_mul(resource.len() + scope.len());
                let at = from + records.as_ptr().addr() - text.as_ptr().addr();
                groups.push(ScopeRecords { resource: Rc::clone(&resource), scope, at, left });
            }
        }
        groups.reverse();
        (count > 0 && made_bytes <= room).then_some(Envelope { groups, count, made_bytes })
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
        let members = members(record);
        let mut body = None;
        for (key, value) in &members {
            add_name(key, &mut made);
            let from = made.len();
            match &**key {
                "attributes" if value.starts_with('[') => add_object_of(value, 0, &mut made),
                "body" => {
                    add_value(value, 0, &mut made);
                    body.get_or_insert(from..made.len());
                }
                _ => made.push_str(value),
            }
        }
        if !members.iter().any(|(key, _)| key == "message")
            && let Some(message) = message_of(body.map_or("null", |body| &made[body]))
        {
            add_name("message", &mut made);
            made.push_str(&message);
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
        if key == "attributes" && value.starts_with('[') {
            add_attributes(value, 0, &mut inner);
        } else {
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

/// The message of a record with that body, as a JSON string. None: the body itself is the message.
fn message_of(body: &str) -> Option<String> {
    let text = match body.as_bytes().first()? {
        b'n' => "",
        b'{' => {
            let members = members(body);
            let text = |name: &str| members.iter().find(|(key, raw)| key == name && raw.starts_with('"'));
            if let Some((_, text)) = text("message").or_else(|| text("MESSAGE")) {
                return Some((*text).to_owned());
            }
            body
        }
        b'[' => body,
        _ => return None,
    };
    let mut message = String::with_capacity(text.len() + 2);
    quoted(text, &mut message);
    Some(message)
}

fn add_object_of(list: &str, depth: usize, out: &mut String) {
    out.push('{');
    add_attributes(list, depth, out);
    out.push('}');
}

/// `[{"key":"a","value":{…}},…]` as members of an object. One in another form is a member too, whole, under the key that it has.
fn add_attributes(list: &str, depth: usize, out: &mut String) {
    let is_key = |(name, raw): &Member| name == "key" && raw.starts_with('"');
    for attribute in elements(list) {
        let members = members(attribute);
        add_comma(out);
        out.push_str(members.iter().find(|member| is_key(member)).map_or("\"\"", |(_, key)| *key));
        out.push(':');
        match &members[..] {
            [key, (name, value)] | [(name, value), key] if is_key(key) && name == "value" => {
                add_value(value, depth, out)
            }
            [key] if is_key(key) => out.push_str("null"),
            _ => out.push_str(attribute),
        }
    }
}

/// `{"intValue":"5"}` as `5`, and a value in another form as it was sent.
fn add_value(value: &str, depth: usize, out: &mut String) {
    let from = out.len();
    if plain_value(value, depth, out).is_none() {
        out.truncate(from);
        out.push_str(value);
    }
}

/// None: it has another form, and what was written is of no use.
fn plain_value(value: &str, depth: usize, out: &mut String) -> Option<()> {
    if value == "null" {
        out.push_str("null");
        return Some(());
    }
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
        "kvlistValue" => add_object_of(inner()?, depth + 1, out),
        "arrayValue" => {
            out.push('[');
            for element in elements(inner()?) {
                add_comma(out);
                add_value(element, depth + 1, out);
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
        if let Some(mut envelope) = Envelope::read(text, 3, MAX_MADE_BYTES) {
            let placed = format!("\u{feff}{text}");
            for _ in 0..envelope.count {
                found.push(envelope.next(placed.as_bytes()).expect("as counted"));
            }
            assert_eq!(envelope.next(placed.as_bytes()), None, "{text}");
        }
        assert_eq!(found, records, "{text}");
        for record in found {
            assert!(!members(&record).is_empty(), "{record}");
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
                r#"{"message":"","resource":{"service.name":"shop","droppedAttributesCount":1}}"#,
                r#"{"severityNumber":9,"message":"","scope":{"name":"old"}}"#,
            ],
        );
    }

    fn envelope(records: &str) -> String {
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":{records}}}]}}]}}"#)
    }

    /// The attributes of a record become this.
    #[track_caller]
    fn check_attributes(sent: &str, made: &str) {
        let record = |attributes: &str| format!(r#"{{"message":"m","attributes":{attributes}}}"#);
        check(&envelope(&format!("[{}]", record(sent))), &[&record(made)]);
    }

    #[test]
    fn every_body_has_a_message() {
        let map = |name: &str, value: &str| {
            format!(r#"{{"kvlistValue":{{"values":[{{"key":"a","value":{{}}}},{{"key":"{name}","value":{value}}}]}}}}"#)
        };
        for (sent, made) in [
            (r#"{"stringValue":"a"}"#, r#""a""#),
            (r#"{"intValue":"5"}"#, "5"),
            ("{}", r#"null,"message":"""#),
            ("null", r#"null,"message":"""#),
            (r#"{"arrayValue":{"values":[{"stringValue":"a"}]}}"#, r#"["a"],"message":"[\"a\"]""#),
            (&map("b", r#"{"intValue":1}"#), r#"{"a":null,"b":1},"message":"{\"a\":null,\"b\":1}""#),
            (&map("message", r#"{"stringValue":"\n"}"#), r#"{"a":null,"message":"\n"},"message":"\n""#),
            (&map("MESSAGE", r#"{"stringValue":"m"}"#), r#"{"a":null,"MESSAGE":"m"},"message":"m""#),
            (&map("message", r#"{"intValue":1}"#), r#"{"a":null,"message":1},"message":"{\"a\":null,\"message\":1}""#),
            (r#"{"newValue":"a"}"#, r#"{"newValue":"a"},"message":"{\"newValue\":\"a\"}""#),
            (r#"{},"message":"its own""#, r#"null,"message":"its own""#),
        ] {
            check(&envelope(&format!(r#"[{{"body":{sent}}}]"#)), &[&format!(r#"{{"body":{made}}}"#)]);
        }
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
            ("null", "null"),
        ] {
            check_attributes(&value(sent), &format!(r#"{{"a \"b\"":{made}}}"#));
        }
        check_attributes(r#"[{"key":"a"},{"value":{"intValue":"1"},"key":"b"}]"#, r#"{"a":null,"b":1}"#);
        check_attributes("[]", "{}");
    }

    #[test]
    fn only_an_attribute_in_another_form_stays_as_it_was_sent() {
        for value in [
            r#""b""#,
            r#"{"stringValue":5}"#,
            r#"{"intValue":"5.5"}"#,
            r#"{"stringValue":"x","intValue":"5"}"#,
            r#"{"newValue":"x"}"#,
            r#"{"arrayValue":{"values":5}}"#,
            r#"{"kvlistValue":{"values":[],"more":1}}"#,
        ] {
            let plain = |of: &str| format!(r#"{{"odd":{of},"b":1}}"#);
            let list = format!(r#"[{{"key":"odd","value":{value}}},{{"key":"b","value":{{"intValue":"1"}}}}]"#);
            check_attributes(&list, &plain(value));
            let nested = format!(r#"[{{"key":"n","value":{{"kvlistValue":{{"values":{list}}}}}}}]"#);
            check_attributes(&nested, &format!(r#"{{"n":{}}}"#, plain(value)));
            let array = format!(r#"[{{"key":"n","value":{{"arrayValue":{{"values":[{value},{{"intValue":1}}]}}}}}}]"#);
            check_attributes(&array, &format!(r#"{{"n":[{value},1]}}"#));
            let origins = format!(
                r#"{{"resourceLogs":[{{"resource":{{"attributes":{list}}},"scopeLogs":[{{"scope":{{"attributes":{list}}},"logRecords":[{{"message":"m"}}]}}]}}]}}"#
            );
            let plain = plain(value);
            check(&origins, &[&format!(r#"{{"message":"m","resource":{plain},"scope":{plain}}}"#)]);
        }
        for (attribute, made) in [
            (
                r#"{"key":"a","value":{"intValue":"1"},"more":1}"#,
                r#""a":{"key":"a","value":{"intValue":"1"},"more":1}"#,
            ),
            (r#"{"key":5,"value":{}}"#, r#""":{"key":5,"value":{}}"#),
            (r#"{"value":{}}"#, r#""":{"value":{}}"#),
            ("5", r#""":5"#),
        ] {
            check_attributes(&format!(r#"[{attribute},{{"key":"b"}}]"#), &format!(r#"{{{made},"b":null}}"#));
        }
        check_attributes(r#"{"a":1}"#, r#"{"a":1}"#);
    }

    #[test]
    fn values_too_deep_are_as_they_were_sent() {
        let deep = |levels: usize| {
            let (open, close) = (r#"{"arrayValue":{"values":["#, "]}}");
            format!("{}{}", open.repeat(levels), close.repeat(levels))
        };
        for (levels, plain) in [(20, 20), (33, 33), (40, 33)] {
            let sent = format!(r#"[{{"key":"a","value":{}}}]"#, deep(levels));
            let made = format!("{}{}{}", "[".repeat(plain), deep(levels - plain), "]".repeat(plain));
            check_attributes(&sent, &format!(r#"{{"a":{made}}}"#));
        }
    }

    #[test]
    fn an_odd_envelope_is_one_record() {
        check(&envelope("[{}]"), &[r#"{"message":""}"#]);
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
            &envelope("[]"),
            &envelope("[5]"),
            &envelope("[{},5]"),
            &envelope("{}"),
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
