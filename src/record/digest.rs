//! The digest of a record: two records with one digest are the same record. It covers the delivery, never the time of arrival.

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64_with_seed};

/// 64 bits over a delivery's body, routing key, and the properties message-id and timestamp; never over its time of arrival.
pub fn of_delivery(body: &[u8], routing_key: &str, message_id: Option<&str>, timestamp: Option<u64>) -> i64 {
    let mut hash = Xxh3Default::new();
    hash.update(body);
    // lengths first, so that two deliveries whose parts are cut at different places differ
    for part in [routing_key, message_id.unwrap_or_default()] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(&[u8::from(message_id.is_some()), u8::from(timestamp.is_some())]);
    hash.update(&timestamp.unwrap_or_default().to_le_bytes());
    // the same bits, as Sphinx's signed bigint stores them
    hash.digest() as i64
}

/// The digest of one record of a delivery that holds several: that of the delivery, and the record's position in it.
pub fn of_part(delivery: i64, position: usize) -> i64 {
    let mut hash = Xxh3Default::new();
    hash.update(&delivery.to_le_bytes());
    hash.update(&(position as u64).to_le_bytes());
    hash.digest() as i64
}

/// 64 bits over a text, the same on every machine. With another seed it is another hash.
pub fn of_text(text: &str, seed: u64) -> u64 {
    xxh3_64_with_seed(text.as_bytes(), seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_different_deliveries_have_different_digests() {
        let base = of_delivery(b"body", "key", None, None);
        assert_eq!(base, of_delivery(b"body", "key", None, None));
        for other in [
            of_part(base, 0),
            of_part(base, 1),
            of_delivery(b"bodyk", "ey", None, None),
            of_delivery(b"body", "key", Some(""), None),
            of_delivery(b"body", "key", None, Some(0)),
            of_delivery(b"body", "ke", Some("y"), None),
        ] {
            assert_ne!(base, other);
        }
    }
}
