//! A row of searchd's answer.

use std::borrow::Cow;
use std::sync::Arc;

/// The most records that searchd can count on a host: more than that are not true, and sums of many such counts would not fit.
const MAX_RECORDS: u64 = 1 << 40;

/// Text and numbers, as searchd sent them.
#[derive(Debug)]
pub struct Row {
    /// of the columns
    names: Arc<[String]>,
    packet: Vec<u8>,
    /// begin and end of each value in the packet; None is NULL
    values: Vec<Option<(usize, usize)>>,
}

impl Row {
    /// The values lie within the packet.
    pub(super) fn new(names: Arc<[String]>, packet: Vec<u8>, values: Vec<Option<(usize, usize)>>) -> Row {
        Row { names, packet, values }
    }

    /// Bytes of a column; strings of searchd need not be UTF-8.
    pub fn bytes(&self, column: usize) -> &[u8] {
        match self.values.get(column) {
            Some(Some((begin, end))) => &self.packet[*begin..*end],
            _ => b"",
        }
    }

    /// The column of that name; empty if the answer has none.
    pub fn named(&self, name: &str) -> Cow<'_, str> {
        let column = self.names.iter().position(|own| own == name);
        column.map_or(Cow::Borrowed(""), |column| self.str(column))
    }

    pub fn str(&self, column: usize) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes(column))
    }

    pub fn text(&self, column: usize) -> String {
        self.str(column).into_owned()
    }

    /// About how many bytes of memory the row takes.
    pub fn held_bytes(&self) -> usize {
        size_of::<Row>() + self.packet.capacity() + size_of_val(&self.values[..])
    }

    /// A number; None for NULL, an empty string or anything else. Sphinx's bigint is signed in some places and
    /// unsigned in others: above `i64::MAX` the bits count.
    pub fn int(&self, column: usize) -> Option<i64> {
        let text = std::str::from_utf8(self.bytes(column)).ok()?;
        text.parse::<i64>().ok().or_else(|| text.parse::<u64>().ok().map(|n| n as i64))
    }

    /// A number of records: 0 for what is no such number, and at most `MAX_RECORDS`, so that millions of them can be added.
    pub fn count(&self, column: usize) -> u64 {
        u64::try_from(self.int(column).unwrap_or(0)).map_or(0, |records| records.min(MAX_RECORDS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_never_more_than_can_be_added() {
        for (sent, expect) in [
            ("0", 0),
            ("17", 17),
            ("-1", 0),
            ("x", 0),
            ("", 0),
            ("1099511627777", MAX_RECORDS),
            ("9223372036854775807", MAX_RECORDS),
            ("18446744073709551615", 0),
        ] {
            let row = Row::new(Arc::from([]), sent.as_bytes().to_vec(), vec![Some((0, sent.len()))]);
            assert_eq!(row.count(0), expect, "{sent}");
        }
    }
}
