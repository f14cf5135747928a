//! Columns for the origin of a delivery: its routing key, AMQP properties and headers, as JSON texts. Pure.

use amiquip::{AmqpValue, Delivery};

use crate::config::Property;
use crate::record::bytes::in_base64;
use crate::sphinx::attributes::quoted;

/// A column for each of these properties that the delivery has, with the property's name, in their order.
pub fn columns(delivery: &Delivery, properties: &[Property]) -> Vec<(String, String)> {
    let column = |property: &Property| Some((property.to_string(), value(delivery, property)?));
    properties.iter().filter_map(column).collect()
}

fn value(delivery: &Delivery, property: &Property) -> Option<String> {
    let own = &delivery.properties;
    let sent = match property {
        Property::RoutingKey => return Some(text(&delivery.routing_key)),
        Property::Exchange => return Some(text(&delivery.exchange)),
        Property::Priority => return own.priority().map(|priority| priority.to_string()),
        Property::Header(name) => return own.headers().as_ref()?.get(name).map(json),
        Property::MessageId => own.message_id(),
        Property::AppId => own.app_id(),
        Property::UserId => own.user_id(),
        Property::CorrelationId => own.correlation_id(),
        Property::ReplyTo => own.reply_to(),
        Property::Type => own.type_(),
        Property::ContentType => own.content_type(),
        Property::ContentEncoding => own.content_encoding(),
        Property::Expiration => own.expiration(),
    };
    sent.as_deref().map(text)
}

fn text(text: &str) -> String {
    let mut quoted_text = String::with_capacity(text.len() + 2);
    quoted(text, &mut quoted_text);
    quoted_text
}

/// A header's value: tables are objects, bytes are base64, times are seconds since 1970, and numbers that JSON does not have are text.
fn json(value: &AmqpValue) -> String {
    match value {
        AmqpValue::Boolean(value) => value.to_string(),
        AmqpValue::ShortShortInt(value) => value.to_string(),
        AmqpValue::ShortShortUInt(value) => value.to_string(),
        AmqpValue::ShortInt(value) => value.to_string(),
        AmqpValue::ShortUInt(value) => value.to_string(),
        AmqpValue::LongInt(value) => value.to_string(),
        AmqpValue::LongUInt(value) => value.to_string(),
        AmqpValue::LongLongInt(value) => value.to_string(),
        AmqpValue::Timestamp(seconds) => seconds.to_string(),
        // {:?} has the point, and the exponent of what is very large or small
        AmqpValue::Float(value) if value.is_finite() => format!("{value:?}"),
        AmqpValue::Float(value) => text(&value.to_string()),
        AmqpValue::Double(value) if value.is_finite() => format!("{value:?}"),
        AmqpValue::Double(value) => text(&value.to_string()),
        AmqpValue::DecimalValue(decimal) => decimal_text(decimal.value, decimal.scale),
        AmqpValue::LongString(value) => text(value),
        AmqpValue::ByteArray(bytes) => text(&in_base64(bytes)),
        AmqpValue::Void => "null".to_owned(),
        AmqpValue::FieldArray(values) => {
            let values: Vec<String> = values.iter().map(json).collect();
            format!("[{}]", values.join(","))
        }
        AmqpValue::FieldTable(table) => {
            let members: Vec<String> =
                table.iter().map(|(key, value)| format!("{}:{}", text(key), json(value))).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

/// `value` with `scale` digits after the point.
fn decimal_text(value: u32, scale: u8) -> String {
    let scale = usize::from(scale);
    let digits = format!("{value:0>width$}", width = scale + 1);
    match digits.split_at(digits.len() - scale) {
        (whole, "") => whole.to_owned(),
        (whole, fraction) => format!("{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use amiquip::FieldTable;

    use super::*;

    #[test]
    fn each_type_of_a_header_is_json() {
        let string = |text: &str| AmqpValue::LongString(text.to_owned());
        let table = FieldTable::from([("a \"b\"".to_owned(), AmqpValue::Void), ("c".to_owned(), string("d\n\u{1}"))]);
        for (value, expected) in [
            (AmqpValue::Boolean(true), "true"),
            (AmqpValue::ShortShortInt(-128), "-128"),
            (AmqpValue::ShortShortUInt(255), "255"),
            (AmqpValue::ShortInt(-1), "-1"),
            (AmqpValue::ShortUInt(65535), "65535"),
            (AmqpValue::LongInt(i32::MIN), "-2147483648"),
            (AmqpValue::LongUInt(u32::MAX), "4294967295"),
            (AmqpValue::LongLongInt(i64::MIN), "-9223372036854775808"),
            (AmqpValue::Timestamp(1_795_887_141), "1795887141"),
            (AmqpValue::Float(0.1), "0.1"),
            (AmqpValue::Double(1e300), "1e300"),
            (AmqpValue::Double(5.0), "5.0"),
            (AmqpValue::Double(f64::NAN), "\"NaN\""),
            (AmqpValue::Float(f32::NEG_INFINITY), "\"-inf\""),
            (AmqpValue::ByteArray(vec![0xff, 0]), "\"/wA=\""),
            (AmqpValue::FieldArray(vec![string("x"), AmqpValue::Boolean(false)]), r#"["x",false]"#),
            (AmqpValue::FieldArray(vec![]), "[]"),
            (AmqpValue::FieldTable(table), r#"{"a \"b\"":null,"c":"d\n\u0001"}"#),
        ] {
            assert_eq!(json(&value), expected, "{value:?}");
            serde_json::from_str::<serde_json::Value>(&json(&value)).expect("JSON");
        }
    }

    #[test]
    fn a_decimal_keeps_its_digits() {
        for (value, scale, expected) in
            [(12345, 2, "123.45"), (5, 3, "0.005"), (0, 0, "0"), (7, 0, "7"), (100, 2, "1.00")]
        {
            assert_eq!(decimal_text(value, scale), expected);
        }
    }
}
