//! The digest of a record: two records with one digest are the same record. It covers the delivery, never the time of arrival.

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64_with_seed};

/// RabbitMQ keeps a message of this size apart from the index of its queue (`queue_index_embed_msgs_below` is 4096, with the
/// properties, for which a quarter is left here).
const APART_BYTES: usize = 3072;

/// 64 bits over a delivery's body, routing key, and the properties message-id and timestamp; never over its time of arrival. The
/// lowest bit is that of `is_kept_apart`.
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
    marked(hash.digest() as i64, body.len() >= APART_BYTES)
}

fn marked(hash: i64, is_kept_apart: bool) -> i64 {
    hash & !1 | i64::from(is_kept_apart)
}

/// True for the digest of a record whose delivery RabbitMQ keeps apart from the index of its queue.
pub fn is_kept_apart(digest: i64) -> bool {
    digest & 1 == 1
}

/// The digest of one record of a delivery that holds several: that of the delivery, and the record's position in it.
pub fn of_part(delivery: i64, position: usize) -> i64 {
    let mut hash = Xxh3Default::new();
    hash.update(&delivery.to_le_bytes());
    hash.update(&(position as u64).to_le_bytes());
    marked(hash.digest() as i64, is_kept_apart(delivery))
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

    #[test]
    fn a_digest_shows_where_the_broker_keeps_the_body() {
        for (bytes, expected) in [(0, false), (APART_BYTES - 1, false), (APART_BYTES, true), (1 << 20, true)] {
            let digest = of_delivery(&vec![b'x'; bytes], "key", None, None);
            let parts = (0..20).map(|position| of_part(digest, position));
            for digest in parts.chain([digest]) {
                assert_eq!(is_kept_apart(digest), expected, "{bytes}");
            }
        }
    }
}
