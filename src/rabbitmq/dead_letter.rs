//! The properties of a message in the dead queue. Pure.
//!
//! Invariant: the broker takes the message, and keeps it in the dead queue alone. What it obeys in a publisher's properties becomes
//! a header that only people read.

use amiquip::{AmqpProperties, AmqpValue, Delivery, FieldTable};

/// With more, the content header may not fit a frame: RabbitMQ takes 128 kiB, and closes the connection that sends more.
const MAX_HEADERS_BYTES: usize = 64 << 10;
const MAX_REASON_BYTES: usize = 8 << 10;
/// RabbitMQ routes a message to the queues that these name, which would bring it back at once.
const OBEYED_HEADERS: [(&str, &str); 2] = [("CC", "x-alco-cc"), ("BCC", "x-alco-bcc")];
const PERSISTENT_MODE: u8 = 2;

/// `position`: of one record of several in the delivery; None: the whole delivery. `reason`: why it was refused.
pub fn properties(delivery: &Delivery, position: Option<usize>, reason: &str) -> AmqpProperties {
    let own = &delivery.properties;
    let mut kept = AmqpProperties::default().with_delivery_mode(PERSISTENT_MODE);
    let mut headers = own.headers().clone().unwrap_or_default();
    for (obeyed, harmless) in OBEYED_HEADERS {
        if let Some(queues) = headers.remove(obeyed) {
            headers.insert(harmless.into(), queues);
        }
    }
    let size = bytes_of(&headers);
    if size > MAX_HEADERS_BYTES {
        headers = FieldTable::new();
        put(&mut headers, "x-alco-left-out", &format!("headers of {size} bytes"));
    }
    let obeyed = [
        // RabbitMQ takes the name of alco's own user only
        ("x-alco-user-id", own.user_id()),
        // it would drop the message after that time
        ("x-alco-expiration", own.expiration()),
        // it refuses its own name for direct replies
        ("x-alco-reply-to", own.reply_to()),
    ];
    for (name, text) in obeyed {
        if let Some(text) = text {
            put(&mut headers, name, text);
        }
    }
    put(&mut headers, "x-alco-reason", &reason[..reason.floor_char_boundary(MAX_REASON_BYTES)]);
    put(&mut headers, "x-alco-exchange", &delivery.exchange);
    put(&mut headers, "x-alco-routing-key", &delivery.routing_key);
    let mut encoding = own.content_encoding().clone();
    if let Some(position) = position {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        headers.insert("x-alco-position".into(), AmqpValue::LongLongInt(position));
        encoding = encoding.map(|_| "identity".to_owned());
    }

    type Set = fn(AmqpProperties, String) -> AmqpProperties;
    let texts: [(&Option<String>, Set); 7] = [
        (own.content_type(), AmqpProperties::with_content_type),
        (&encoding, AmqpProperties::with_content_encoding),
        (own.correlation_id(), AmqpProperties::with_correlation_id),
        (own.message_id(), AmqpProperties::with_message_id),
        (own.type_(), AmqpProperties::with_type_),
        (own.app_id(), AmqpProperties::with_app_id),
        (own.cluster_id(), AmqpProperties::with_cluster_id),
    ];
    for (text, set) in texts {
        if let Some(text) = text {
            kept = set(kept, text.clone());
        }
    }
    if let Some(timestamp) = own.timestamp() {
        kept = kept.with_timestamp(*timestamp);
    }
    if let Some(priority) = own.priority() {
        kept = kept.with_priority(*priority);
    }
    kept.with_headers(headers)
}

fn put(headers: &mut FieldTable, name: &str, text: &str) {
    headers.insert(name.into(), AmqpValue::LongString(text.into()));
}

/// At least the bytes that a table takes in a frame.
fn bytes_of(table: &FieldTable) -> usize {
    table.iter().map(|(key, value)| 1 + key.len() + bytes_of_value(value)).sum()
}

fn bytes_of_value(value: &AmqpValue) -> usize {
    // its type, and its length or the longest of the others
    9 + match value {
        AmqpValue::LongString(text) => text.len(),
        AmqpValue::ByteArray(bytes) => bytes.len(),
        AmqpValue::FieldArray(values) => values.iter().map(bytes_of_value).sum(),
        AmqpValue::FieldTable(table) => bytes_of(table),
        _ => 0,
    }
}
